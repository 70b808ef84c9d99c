//! The children of the link's own session: what its owner's cards say of them, and whether that is the present.

use std::collections::VecDeque;

use super::epoch::Epoch;
use crate::card::{CardReader, Reach};
use crate::chain::{ATTEST_WITHIN_MS, VOUCHED_FOR_MS};
use crate::id::{SessionId, TaskId};
use crate::keys::epoch::EpochId;
use crate::keys::grant::GrantSecret;
use crate::orchestration::task::Task;
use crate::orchestration::tree::{Merged, Tree};
use crate::ordered::Ordered;
use crate::time::{Moment, Now, UnixMs};
use crate::wire::task::TaskRow;

/// States of the cards that wait for the owner's word; beyond, the oldest ones' word is not recognised. It comes every
/// 5 s at most.
const MAX_STATES: usize = 256;

/// What opens a child's session, by grants that were made for this link's session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Opening {
    pub(super) session: SessionId,
    /// The most that this link may do there.
    pub(super) secret: GrantSecret,
    /// Only watches.
    pub(super) watch: GrantSecret,
}

/// Everything known of the children. What is known stays, whatever happens to the connection.
#[derive(Debug, Default)]
pub(super) struct Family {
    tree: Tree,
    reach: Ordered<TaskId, Reach>,
    reader: Option<(EpochId, CardReader)>,
    /// The cards' states since the one that the owner vouched for last: their digests, and when each began.
    states: VecDeque<([u8; 32], Now)>,
    /// What the owner vouched for last on this connection, and when: it may come before the cards.
    word: Option<([u8; 32], Now)>,
    /// When the owner vouched for one of them last.
    vouched: Option<Now>,
    /// When there was first something to vouch for on this connection.
    since: Option<Now>,
    /// Grows with every change of what is known.
    pub(super) version: u64,
}

impl Family {
    fn reader(&mut self, epoch: &Epoch) -> &mut CardReader {
        let id = epoch.header.epoch;
        if self.reader.as_ref().is_none_or(|(of, _)| *of != id) {
            self.reader = None;
        }
        let fresh = || (id, CardReader::new(&epoch.opened, epoch.scope(), epoch.header.owner));
        &mut self.reader.get_or_insert_with(fresh).1
    }

    /// Takes in rows of the owner's epoch. What its owner did not seal and sign for that place might as well not have
    /// come; that it is missing shows in the next attestation.
    pub(super) fn rows(&mut self, now: Now, epoch: &Epoch, rows: &[TaskRow]) {
        let mut cards = Vec::new();
        let reader = self.reader(epoch);
        for row in rows {
            cards.extend(reader.read(&row.task_id, row.revision, &row.card).ok().flatten());
        }
        reader.settle();
        if cards.is_empty() {
            return;
        }
        let digest = reader.digest();
        self.states.push_back((digest, now));
        if let Some((_, at)) = self.word.filter(|(word, _)| *word == digest) {
            self.states.clear();
            (self.vouched, self.since) = (Some(at), None);
        }
        if self.states.len() > MAX_STATES
            && let Some((_, began)) = self.states.pop_front()
            && let Some((_, next)) = self.states.front_mut()
        {
            *next = began;
        }
        self.version += 1;
        for card in cards {
            let (id, revision) = (card.task.id.clone(), card.task.revision);
            if self.tree.get(&id).is_some_and(|known| known.revision > revision)
                || self.tree.merge(card.task) == Merged::Refused
            {
                continue;
            }
            match card.reach {
                Some(reach) => self.reach.insert(id, reach),
                None => self.reach.remove(&id),
            };
        }
    }

    /// The owner signed the digest of all cards.
    pub(super) fn attested(&mut self, now: Now, epoch: &Epoch, digest: [u8; 32]) {
        let reader = self.reader(epoch);
        reader.attested(now.mono, digest);
        let present = reader.digest() == digest;
        let state = self.states.iter().position(|(of, _)| *of == digest);
        if let Some(at) = state {
            // The word for a state is one for all before it.
            self.states.drain(..=at);
        }
        self.word = Some((digest, now));
        if present || state.is_some() {
            (self.vouched, self.since) = (Some(now), None);
        } else {
            // There are others, even if none ever came.
            self.since.get_or_insert(now);
        }
    }

    /// Joined again: the relay has to show that what is here is still so.
    pub(super) fn joined(&mut self, now: Now) {
        self.since = (!self.tree.is_empty()).then_some(now);
        self.word = None;
    }

    /// From when on what is known must not pass for the present, and since when it may be old.
    pub(super) fn doubt(&self) -> Option<(Moment, UnixMs)> {
        let held_back = self.reader.as_ref().and_then(|(_, reader)| reader.doubted_since());
        let first = self.states.front().map(|(_, began)| *began).into_iter().chain(self.since);
        let first = first.min_by_key(|now| now.mono);
        let last = self.vouched.or(first)?;
        let unvouched = first.map(|since| since.mono).into_iter().chain(held_back).min();
        let at = match unvouched {
            Some(since) => since.after(ATTEST_WITHIN_MS),
            None => last.mono.after(VOUCHED_FOR_MS),
        };
        Some((at, last.wall))
    }

    /// Whether the task is a child that people are shown.
    pub(super) fn knows(&self, own: SessionId, id: &TaskId) -> bool {
        self.children(own).any(|task| task.id == *id)
    }

    /// The task with that id.
    pub(super) fn get(&self, id: &TaskId) -> Option<&Task> {
        self.tree.get(id)
    }

    /// The task of the session itself, if its owner says what it is.
    pub(super) fn own(&self, own: SessionId) -> Option<&Task> {
        self.tree.iter().find(|task| task.session == Some(own))
    }

    /// The direct children. A session's cards are about its children, so no word of the relay's is needed; a task whose
    /// parent is another child is none.
    pub(super) fn children(&self, own: SessionId) -> impl Iterator<Item = &Task> {
        let parent = self.own(own).map(|task| task.id.clone());
        let is_child = move |task: &&Task| {
            let of_another = task
                .parent
                .as_ref()
                .is_some_and(|of| Some(of) != parent.as_ref() && self.tree.get(of).is_some());
            Some(&task.id) != parent.as_ref() && !of_another
        };
        self.tree.iter().filter(is_child)
    }

    /// What opens a child's session, if it has one that this link reaches.
    pub(super) fn opening(&self, id: &TaskId) -> Option<Opening> {
        let (task, reach) = (self.tree.get(id)?, self.reach.get(id)?);
        let secret = reach.typing.as_ref().unwrap_or(&reach.watch).clone();
        // A relay that refuses it has nothing to be joined; the card says when that is over.
        let session = task.session.filter(|_| !task.removed && task.refusal.is_empty())?;
        Some(Opening { session, secret, watch: reach.watch.clone() })
    }
}
