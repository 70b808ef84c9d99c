//! What a relay has for the sharer that holds a session: slots for latest values, one change per participant,
//! and input, bounded per participant.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use super::content::Content;
use super::outbox::{Step, Viewer};
use super::{Outgoing, PeerId};
use crate::id::{Channel, ParticipantId};
use crate::wire;
use crate::wire::frame::Frame;
use crate::wire::hello::INPUT_CREDIT;
use crate::wire::sharer::RelayToSharer;

/// Input kept for a sharer whose connection is stuck, over all participants, in bytes.
const MAX_INPUT: usize = 1024 * 1024;

/// Input that waits for the sharer's connection.
#[derive(Debug)]
pub(super) struct QueuedInput {
    pub(super) participant: ParticipantId,
    pub(super) seen: u64,
    pub(super) beat: u64,
    pub(super) body: Bytes,
}

impl QueuedInput {
    fn cost(&self) -> usize {
        self.body.len() + 32
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Joined,
    Left,
}

/// The connection that holds a session.
#[derive(Debug)]
pub(super) struct Holder {
    pub(super) peer: PeerId,
    pub(super) channel: Channel,
    initialized: Option<String>,
    request: Option<bool>,
    /// The newest change of each participant: bounded, as only announced ones can have left.
    changes: BTreeMap<ParticipantId, Change>,
    announced: BTreeSet<ParticipantId>,
    input: VecDeque<QueuedInput>,
    input_bytes: usize,
    acknowledge: bool,
    people: bool,
    end_acknowledged: bool,
}

impl Holder {
    /// A sharer whose claim was good; `initialized` is the answer to it.
    pub(super) fn new(peer: PeerId, channel: Channel, initialized: &RelayToSharer) -> Self {
        Self {
            peer,
            channel,
            initialized: Some(wire::encode(initialized)),
            request: None,
            changes: BTreeMap::new(),
            announced: BTreeSet::new(),
            input: VecDeque::new(),
            input_bytes: 0,
            acknowledge: false,
            people: false,
            end_acknowledged: false,
        }
    }

    /// Somebody came.
    pub(super) fn joined(&mut self, participant: ParticipantId) {
        self.changes.insert(participant, Change::Joined);
    }

    /// Somebody went; of one who was never announced, nothing is said.
    pub(super) fn left(&mut self, participant: ParticipantId) {
        if self.announced.contains(&participant) {
            self.changes.insert(participant, Change::Left);
        } else {
            self.changes.remove(&participant);
        }
        let dropped: usize =
            self.input.iter().filter(|i| i.participant == participant).map(QueuedInput::cost).sum();
        if dropped > 0 {
            self.input.retain(|input| input.participant != participant);
            self.input_bytes -= dropped;
        }
    }

    /// Asks for a snapshot.
    pub(super) fn request(&mut self, full: bool) {
        self.request = Some(full);
    }

    /// Acknowledges what the log has.
    pub(super) fn acknowledge(&mut self) {
        self.acknowledge = true;
    }

    /// The number of people changed.
    pub(super) fn people_changed(&mut self) {
        self.people = true;
    }

    /// Everybody has seen the end.
    pub(super) fn end_seen(&mut self) {
        self.end_acknowledged = true;
    }

    /// Bytes of input that waits.
    pub(super) fn held(&self) -> u64 {
        self.input_bytes as u64
    }

    /// Passes input on. `false`: it does not fit, and was dropped.
    pub(super) fn input(&mut self, input: QueuedInput) -> bool {
        let theirs: usize = self
            .input
            .iter()
            .filter(|queued| queued.participant == input.participant)
            .map(QueuedInput::cost)
            .sum();
        let cost = input.cost();
        if theirs + cost > usize::try_from(INPUT_CREDIT).unwrap_or(usize::MAX)
            || self.input_bytes + cost > MAX_INPUT
        {
            return false;
        }
        self.input_bytes += cost;
        self.input.push_back(input);
        true
    }

    /// What comes next for it. None of it is counted by credit: it is all bounded.
    pub(super) fn next(&mut self, content: &Content, viewers: &BTreeMap<ParticipantId, Viewer>) -> Step {
        if let Some(text) = self.initialized.take() {
            return Step::Send(Outgoing::Text(text));
        }
        if let Some(input) = self.change_or_input(viewers) {
            return Step::Send(input);
        }
        let channel = self.channel;
        let text = |message: &RelayToSharer| Step::Send(Outgoing::Text(wire::encode(message)));
        if let Some(full) = self.request.take() {
            return text(&RelayToSharer::SnapshotRequested { channel, full });
        }
        if std::mem::take(&mut self.acknowledge) {
            let (head, body) = Frame::Acknowledged { channel, number: content.log.latest() }.split();
            return Step::Send(Outgoing::Binary { head, body });
        }
        if std::mem::take(&mut self.end_acknowledged) {
            return text(&RelayToSharer::EndAcknowledged { channel });
        }
        if std::mem::take(&mut self.people) {
            let people = content.people;
            return text(&RelayToSharer::ParticipantListUpdated {
                channel,
                revision: people.revision,
                viewers: people.viewers,
                executors: people.executors,
            });
        }
        Step::Idle
    }

    /// A participant is announced before its input is passed on.
    fn change_or_input(&mut self, viewers: &BTreeMap<ParticipantId, Viewer>) -> Option<Outgoing> {
        let channel = self.channel;
        while let Some((participant, change)) = self.changes.pop_first() {
            match (change, viewers.get(&participant)) {
                (Change::Joined, Some(viewer)) => {
                    self.announced.insert(participant);
                    return Some(Outgoing::Text(wire::encode(&RelayToSharer::ParticipantJoined {
                        channel,
                        participant,
                        challenge: viewer.challenge,
                        agreement: viewer.agreement,
                        previous: viewer.previous,
                    })));
                }
                (Change::Joined, None) => {}
                (Change::Left, _) => {
                    self.announced.remove(&participant);
                    return Some(Outgoing::Text(wire::encode(&RelayToSharer::ParticipantLeft {
                        channel,
                        participant,
                    })));
                }
            }
        }
        let input = self.input.pop_front()?;
        self.input_bytes -= input.cost();
        let QueuedInput { participant, seen, beat, body } = input;
        let (head, body) = Frame::InputFrom { channel, participant, seen, beat, body }.split();
        Some(Outgoing::Binary { head, body })
    }
}
