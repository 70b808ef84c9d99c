//! A room's log: the sealed events that somebody may still need, in order, without gaps.

use std::collections::VecDeque;

use bytes::Bytes;

use crate::event::EventKind;

/// What an event counts besides its body: about its header on the wire.
const OVERHEAD: u64 = 12;
/// What an event occupies in memory besides its body, about, in bytes.
const PLACE: u64 = 128;

/// One event as it is kept.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// Its kind.
    pub(super) kind: EventKind,
    /// Its sealed body, shared with every viewer's socket.
    pub(super) body: Bytes,
    /// Offset of its end in all bytes ever logged.
    end: u64,
}

/// Events `first ..= latest`. Offsets only grow, so that a viewer's lag is one subtraction.
#[derive(Debug)]
pub(super) struct Log {
    first: u64,
    start: u64,
    entries: VecDeque<Entry>,
}

impl Log {
    /// An empty log that continues after event `number`.
    pub(super) fn after(number: u64) -> Self {
        Self { first: number.saturating_add(1), start: 0, entries: VecDeque::new() }
    }

    /// Number of the first event kept, or of the next one if none is.
    #[cfg(test)]
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Number of the newest event, kept or not.
    pub(super) fn latest(&self) -> u64 {
        self.first.saturating_add(self.entries.len() as u64).saturating_sub(1)
    }

    /// Offset behind the newest event.
    pub(super) fn end(&self) -> u64 {
        self.entries.back().map_or(self.start, |entry| entry.end)
    }

    /// Bytes kept.
    pub(super) fn bytes(&self) -> u64 {
        self.end().saturating_sub(self.start)
    }

    /// Memory that it occupies, about, in bytes.
    pub(super) fn held(&self) -> u64 {
        self.bytes().saturating_add(PLACE.saturating_mul(self.entries.len() as u64))
    }

    fn index(&self, number: u64) -> Option<usize> {
        usize::try_from(number.checked_sub(self.first)?).ok()
    }

    /// The event with that number, if it is kept.
    pub(super) fn get(&self, number: u64) -> Option<&Entry> {
        self.entries.get(self.index(number)?)
    }

    /// Whether everything after event `number` is kept.
    pub(super) fn continues(&self, number: u64) -> bool {
        number.saturating_add(1) >= self.first
    }

    /// Offset behind event `number`: of the log's start for older ones, of its end for later ones.
    pub(super) fn offset(&self, number: u64) -> u64 {
        if number < self.first {
            return self.start;
        }
        self.get(number).map_or_else(|| self.end(), |entry| entry.end)
    }

    /// Adds the next event.
    pub(super) fn push(&mut self, kind: EventKind, body: Bytes) {
        let end = self.end().saturating_add(body.len() as u64).saturating_add(OVERHEAD);
        self.entries.push_back(Entry { kind, body, end });
    }

    /// Forgets the oldest event.
    fn pop(&mut self) -> bool {
        let Some(entry) = self.entries.pop_front() else { return false };
        self.start = entry.end;
        self.first = self.first.saturating_add(1);
        if self.entries.len() < 64 && self.entries.capacity() > 256 {
            self.entries.shrink_to(64);
        }
        true
    }

    /// Forgets everything up to event `number`.
    pub(super) fn drop_through(&mut self, number: u64) {
        while self.first <= number && self.pop() {}
    }

    /// Forgets the oldest events until at most `bytes` are kept.
    pub(super) fn shrink(&mut self, bytes: u64) {
        while self.bytes() > bytes && self.pop() {}
    }

    /// Forgets the oldest events until at most `bytes` of memory are occupied.
    pub(super) fn shed(&mut self, bytes: u64) {
        while self.held() > bytes && self.pop() {}
    }

    /// Forgets everything and continues after event `number`; offsets go on.
    pub(super) fn restart(&mut self, number: u64) {
        self.start = self.end();
        self.entries.clear();
        self.first = number.saturating_add(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_offsets_go_on_when_the_front_is_dropped() {
        let mut log = Log::after(4);
        assert_eq!((log.first(), log.latest()), (5, 4));
        for _ in 0..10 {
            log.push(EventKind::Output, Bytes::from_static(&[0; 88]));
        }
        assert_eq!((log.latest(), log.end(), log.offset(5), log.offset(14)), (14, 1000, 100, 1000));
        log.drop_through(9);
        assert_eq!((log.first(), log.latest(), log.bytes()), (10, 14, 500));
        assert!(log.continues(9) && !log.continues(8));
        log.shrink(150);
        assert_eq!((log.first(), log.latest(), log.end()), (14, 14, 1000));
        log.restart(20);
        assert_eq!((log.first(), log.latest(), log.end(), log.bytes()), (21, 20, 1000, 0));
        log.drop_through(u64::MAX);
    }
}
