//! Whose turn it is among the sessions of one connection: fair by bytes.
//!
//! What is small (acknowledgements, attestations, beats) goes first. Of the rest, the session goes next that has
//! sent the fewest bytes while it had something to send; one that comes from rest begins where the others are, so
//! that it goes at once and nobody saves up. The session that was typed into last has a small head start.
//! Bound: one entry a session.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::id::SessionId;

/// The favourite's head start, in bytes: a redrawn screen.
const HEAD_START: u64 = 64 * 1024;

/// See the module.
#[derive(Default)]
pub(super) struct Turns {
    small: VecDeque<SessionId>,
    has_small: BTreeSet<SessionId>,
    /// Sessions with something to send, by what they have sent.
    waiting: BTreeSet<(u64, SessionId)>,
    sent: BTreeMap<SessionId, u64>,
    /// What the session of the last turn had sent.
    level: u64,
    favourite: Option<SessionId>,
}

impl Turns {
    /// A session has something small to send.
    pub(super) fn wake_small(&mut self, session: SessionId) {
        if self.has_small.insert(session) {
            self.small.push_back(session);
        }
    }

    /// A session has output to send.
    pub(super) fn wake(&mut self, session: SessionId) {
        let sent = self.sent.get(&session).copied().unwrap_or(0);
        if self.waiting.contains(&(sent, session)) {
            return;
        }
        let start = if self.favourite == Some(session) { HEAD_START } else { 0 };
        let sent = sent.max(self.level.saturating_sub(start));
        self.sent.insert(session, sent);
        self.waiting.insert((sent, session));
    }

    /// Somebody typed into a session: what answers goes first.
    pub(super) fn favour(&mut self, session: SessionId) {
        self.favourite = Some(session);
    }

    /// The session that sends something small next.
    pub(super) fn next_small(&self) -> Option<SessionId> {
        self.small.front().copied()
    }

    /// That session has nothing small any more.
    pub(super) fn rest_small(&mut self) {
        if let Some(session) = self.small.pop_front() {
            self.has_small.remove(&session);
        }
    }

    /// The session that sends output next.
    pub(super) fn next(&self) -> Option<SessionId> {
        self.waiting.first().map(|(_, session)| *session)
    }

    /// It sent so many bytes.
    pub(super) fn sent(&mut self, session: SessionId, bytes: u64) {
        let Some(sent) = self.sent.get_mut(&session) else { return };
        if self.waiting.remove(&(*sent, session)) {
            self.level = self.level.max(*sent);
            *sent = sent.saturating_add(bytes);
            self.waiting.insert((*sent, session));
        }
    }

    /// It has no output any more.
    pub(super) fn rest(&mut self, session: SessionId) {
        if let Some(sent) = self.sent.get(&session) {
            self.waiting.remove(&(*sent, session));
            // At or below the level there is nothing to remember.
            if *sent <= self.level {
                self.sent.remove(&session);
            }
        }
    }

    /// It is no more.
    pub(super) fn forget(&mut self, session: SessionId) {
        self.rest(session);
        self.sent.remove(&session);
        if self.has_small.remove(&session) {
            self.small.retain(|waiting| *waiting != session);
        }
    }

    /// The connection is gone.
    pub(super) fn clear(&mut self) {
        *self = Self { favourite: self.favourite, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u8) -> SessionId {
        SessionId([number; 16])
    }

    /// Bytes sent by each of `sessions` that always have more, in frames of their own size.
    fn share(turns: &mut Turns, frames: &[(SessionId, u64)], total: u64) -> BTreeMap<SessionId, u64> {
        let mut shares = BTreeMap::new();
        let mut all = 0;
        for (session, _) in frames {
            turns.wake(*session);
        }
        while all < total {
            let next = turns.next().unwrap();
            let bytes = frames.iter().find(|(session, _)| *session == next).unwrap().1;
            turns.sent(next, bytes);
            *shares.entry(next).or_default() += bytes;
            all += bytes;
        }
        shares
    }

    #[test]
    fn bytes_are_shared_whatever_the_size_of_frames() {
        let mut turns = Turns::default();
        let shares = share(&mut turns, &[(id(1), 64_000), (id(2), 1_000), (id(3), 30)], 3_000_000);
        for bytes in shares.values() {
            assert!((936_000..=1_064_000).contains(bytes), "{shares:?}");
        }
    }

    #[test]
    fn who_comes_from_rest_goes_at_once_and_saves_nothing_up() {
        let mut turns = Turns::default();
        share(&mut turns, &[(id(1), 64_000), (id(2), 64_000)], 10_000_000);
        turns.wake(id(3));
        let before = (0..3).map(|_| {
            let next = turns.next().unwrap();
            turns.sent(next, 64_000);
            next
        });
        assert!(before.collect::<Vec<_>>().contains(&id(3)));
        let shares = share(&mut turns, &[(id(1), 64_000), (id(2), 64_000), (id(3), 64_000)], 9_000_000);
        for bytes in shares.values() {
            assert!((2_900_000..=3_100_000).contains(bytes), "{shares:?}");
        }
    }

    #[test]
    fn the_favourite_is_first_but_not_alone() {
        let mut turns = Turns::default();
        share(&mut turns, &[(id(1), 1_000), (id(2), 1_000)], 1_000_000);
        turns.favour(id(9));
        turns.wake(id(9));
        assert_eq!(turns.next(), Some(id(9)));
        let all = [(id(1), 1_000), (id(2), 1_000), (id(9), 1_000)];
        let shares = share(&mut turns, &all, 600_000);
        assert!(shares.values().all(|bytes| *bytes >= 170_000), "{shares:?}");
        // At rest it costs nothing to be remembered.
        for (session, _) in all {
            turns.rest(session);
        }
        assert!(turns.waiting.is_empty());
    }
}
