//! What a relay has for one viewer: a position in the room's log, and a slot for each thing of which only the
//! latest value counts.
//!
//! There is no queue of frames to run over. Events are read from the log at the viewer's position; a position
//! that falls more than [`BOUND`] behind is given up and the viewer brought back by a snapshot. Everything
//! else has one place that a newer value takes.

mod turns;

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::Outgoing;
use super::content::Content;
use super::pages::PagesDue;
use super::store::Generation;
use crate::chain::ViewerChallenge;
use crate::id::Channel;
use crate::keys::epoch::AgreementPublic;
use crate::keys::grant::{Right, TokenHash};
use crate::keys::owner::Signed;
use crate::wire::frame::Frame;
use crate::wire::hello::CREDIT;
use crate::wire::sharer::InputRefusal;
use crate::wire::viewer::JoinPayload;

use super::PeerId;

/// How far a viewer may lag behind what it was sent before its events are dropped, in bytes (DESIGN 4: credit
/// of 256 KiB and an outbox of the same).
pub(super) const BOUND: u64 = 256 * 1024;
/// Acknowledgements of input kept for a viewer; a sharer makes at most one every 2 s.
const MAX_TAKEN: usize = 32;

/// What may be sent now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    /// Bytes sent and not yet consumed by the peer.
    pub(super) in_flight: u64,
}

impl Allowance {
    /// Whether a frame of `bytes` may go. One alone always may, or one over the credit never could.
    fn fits(self, bytes: usize) -> bool {
        self.in_flight == 0 || self.in_flight.saturating_add(bytes as u64) <= CREDIT
    }

    /// Whether a peer that fell behind has caught up enough for a snapshot to be worth while.
    fn is_roomy(self) -> bool {
        self.in_flight <= CREDIT / 2
    }
}

/// What comes next on a channel.
#[derive(Debug)]
pub(super) enum Step {
    /// This.
    Send(Outgoing),
    /// Something, when the peer has granted more credit.
    Blocked,
    /// Nothing until something happens.
    Idle,
}

fn counted(frame: &Frame, allowance: Allowance) -> Option<Step> {
    let (head, body) = frame.split();
    allowance.fits(head.len() + body.len()).then_some(Step::Send(Outgoing::Binary { head, body }))
}

#[derive(Debug)]
enum Phase {
    /// Events follow what it has.
    Following,
    /// It waits for a snapshot.
    Lost,
    /// It is being given a screen, which is always finished once begun.
    Screen { generation: Arc<Generation>, next: Option<usize>, stale: bool },
}

/// A full part on its way.
#[derive(Debug, Clone, Copy)]
struct Full {
    id: u64,
    next: usize,
}

/// Slots of control messages, written in the order of the fields.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is one slot: due or not")]
struct Due {
    joined: Option<bool>,
    header: bool,
    answer: Option<Signed>,
    source: bool,
    presence: bool,
    resyncing: bool,
    refused: Option<InputRefusal>,
    people: bool,
}

/// Which rows a viewer has.
#[derive(Debug, Default)]
struct RowsSent {
    /// Its place in their order.
    position: u64,
    /// What went last were rows: a frame is next, so that many children do not keep the screen waiting.
    went_last: bool,
}

/// A participant of a room, as the relay sees it.
#[allow(clippy::struct_excessive_bools, reason = "each is something that happened once, by itself")]
#[derive(Debug)]
pub(super) struct Viewer {
    pub(super) peer: PeerId,
    pub(super) channel: Channel,
    pub(super) token: TokenHash,
    pub(super) right: Right,
    pub(super) challenge: ViewerChallenge,
    pub(super) agreement: Option<AgreementPublic>,
    pub(super) previous: Option<AgreementPublic>,
    /// No more of its input is passed on, and it was told.
    pub(super) refused: bool,
    /// It has seen the last event.
    pub(super) seen_end: bool,
    due: Due,
    taken: VecDeque<Bytes>,
    phase: Phase,
    /// The event of the snapshot whose history it has; 0: none.
    history: u64,
    full: Option<Full>,
    /// The newest event sent.
    cursor: u64,
    /// The log's offset behind that event.
    offset: u64,
    /// The snapshot whose manifest it has.
    manifest: u64,
    /// Attestations of events before this one are of no use to it.
    base: u64,
    attested: u64,
    beat: u64,
    rows: RowsSent,
    pub(super) pages: PagesDue,
    /// It came when the owner had stopped sharing.
    late: bool,
    end_told: bool,
}

impl Viewer {
    /// A viewer that joins now, at the place it resumes from if the log goes on from there.
    pub(super) fn join(
        peer: PeerId,
        channel: Channel,
        token: TokenHash,
        right: Right,
        payload: &JoinPayload,
        content: &Content,
    ) -> Self {
        let resume = payload
            .resume
            .filter(|resume| resume.epoch == content.epoch && content.resumes(resume.number, BOUND))
            .filter(|_| !content.is_withdrawn());
        let at = resume.map(|resume| resume.number);
        Self {
            peer,
            channel,
            token,
            right,
            challenge: payload.challenge,
            agreement: payload.agreement.filter(|_| right == Right::Type),
            previous: payload.previous.filter(|_| right == Right::Type),
            refused: false,
            seen_end: false,
            due: Due { joined: Some(at.is_some()), ..Due::default() },
            taken: VecDeque::new(),
            phase: if at.is_some() { Phase::Following } else { Phase::Lost },
            history: resume.map_or(0, |resume| resume.history),
            full: None,
            cursor: at.unwrap_or(0),
            offset: content.log.offset(at.unwrap_or(0)),
            manifest: 0,
            base: at.unwrap_or(0),
            attested: 0,
            beat: 0,
            rows: RowsSent::default(),
            pages: PagesDue::default(),
            late: content.is_withdrawn(),
            end_told: false,
        }
    }

    /// Whether nothing is shown to it: its owner had stopped sharing when it came.
    pub(super) fn is_shut_out(&self, content: &Content) -> bool {
        self.late && content.is_withdrawn()
    }

    /// The newest event it was sent, if the log must go on from there.
    pub(super) fn needs_after(&self) -> Option<u64> {
        match self.phase {
            Phase::Following | Phase::Screen { stale: false, .. } => Some(self.cursor),
            Phase::Lost | Phase::Screen { .. } => None,
        }
    }

    /// Whether it waits for a snapshot.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.phase, Phase::Lost)
    }

    /// Whether it has not yet been given history, or there is one from behind a later resize: terminals wrap lines anew,
    /// each in its own way.
    pub(super) fn wants_full(&self, content: &Content) -> bool {
        let newer = content.store.stored().filter(|stored| stored.full().is_some());
        self.history == 0 || newer.is_some_and(|stored| self.history < stored.generation.resized)
    }

    /// A new event is in the log; whether the viewer is to be polled for it. Falls behind past the bound.
    pub(super) fn event_logged(&mut self, content: &Content) -> bool {
        if self.cursor >= content.log.latest() {
            self.offset = content.log.end();
            return false;
        }
        let lag = content.log.end().saturating_sub(self.offset);
        match &mut self.phase {
            Phase::Lost => false,
            Phase::Following if lag > BOUND => {
                self.lose();
                true
            }
            Phase::Screen { stale, .. } => {
                *stale = *stale || lag > BOUND;
                false
            }
            Phase::Following => true,
        }
    }

    /// What it has does not go on: drops its position and tells it so.
    pub(super) fn lose(&mut self) {
        if !self.is_lost() {
            self.phase = Phase::Lost;
            self.due.resyncing = true;
        }
        (self.history, self.full) = (0, None);
    }

    /// Everything starts again at h(0).
    pub(super) fn epoch_began(&mut self) {
        self.lose();
        self.due.header = true;
        self.due.answer = None;
        self.due.refused = None;
        self.taken.clear();
        self.refused = false;
        self.seen_end = false;
        self.end_told = false;
        self.pages = PagesDue::default();
        (self.cursor, self.base, self.manifest, self.attested, self.beat) = (0, 0, 0, 0, 0);
    }

    /// A new revision of the header.
    pub(super) fn header_changed(&mut self) {
        self.due.header = true;
    }

    /// The sharer's answer to its challenge.
    pub(super) fn answer(&mut self, answer: Signed) {
        self.due.answer = Some(answer);
    }

    /// The session's source changed.
    pub(super) fn source_changed(&mut self) {
        self.due.source = true;
    }

    /// The sharer went or came.
    pub(super) fn presence_changed(&mut self) {
        self.due.presence = true;
    }

    /// The number of people changed.
    pub(super) fn people_changed(&mut self) {
        self.due.people = true;
    }

    /// No more of its input is taken. Whether that is news.
    pub(super) fn refuse(&mut self, reason: InputRefusal) -> bool {
        let news = !self.refused;
        if news {
            self.refused = true;
            self.due.refused = Some(reason);
        }
        news
    }

    /// The sharer acknowledged input. When too many wait, the viewer's input connection is given up, as a
    /// missing acknowledgement would break it anyway.
    pub(super) fn taken(&mut self, body: Bytes) {
        if self.taken.len() >= MAX_TAKEN {
            self.taken.clear();
            self.refuse(InputRefusal::Broken);
        } else if !self.refused {
            self.taken.push_back(body);
        }
    }
}
