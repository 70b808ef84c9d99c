//! Credit of a connection: binary bytes count as consumed when the terminal has parsed what they carried.

use std::collections::VecDeque;

use super::pane::PaneId;
use crate::ordered::Ordered;
use crate::time::Moment;

/// Credit is granted when this much more was consumed than the relay knows, in bytes: an eighth of the whole.
const GRANT_EVERY: u64 = 32 * 1024;

/// Output pours when more than this arrived …
const POURS: u64 = 64 * 1024;
/// … within this time or twice as long, in milliseconds.
const SPAN_MS: u64 = 250;

/// What one connection has consumed.
#[derive(Debug, Default)]
pub(super) struct Credit {
    consumed: u64,
    granted: u64,
    /// Each terminal parses in its own time.
    writes: Ordered<PaneId, VecDeque<(u64, u64)>>,
    next_ticket: u64,
    unwritten: u64,
    /// When a span began, what arrived in it, and in the one before.
    span: (Moment, u64, u64),
}

impl Credit {
    /// A new connection counts from zero; writes of the old one count for nothing.
    pub(super) fn restart(&mut self) {
        *self = Self { next_ticket: self.next_ticket, ..Self::default() };
    }

    /// A binary message of `bytes` arrived; what it carries is on its way to the terminal, or to nothing.
    pub(super) fn received(&mut self, now: Moment, bytes: u64) {
        let (began, arrived, _) = self.span;
        let age = now.since(began);
        if age >= SPAN_MS {
            self.span = (now, 0, if age < 2 * SPAN_MS { arrived } else { 0 });
        }
        self.span.1 = self.span.1.saturating_add(bytes);
        self.unwritten = self.unwritten.saturating_add(bytes);
    }

    /// Whether so much arrives that a terminal may be behind.
    pub(super) fn pours(&self, now: Moment) -> bool {
        let (began, arrived, before) = self.span;
        now.since(began) < 2 * SPAN_MS && arrived.saturating_add(before) > POURS
    }

    /// Something is written to a terminal: what arrived so far is consumed once `ticket` is parsed.
    pub(super) fn ticket(&mut self, pane: PaneId) -> u64 {
        self.next_ticket += 1;
        let bytes = std::mem::take(&mut self.unwritten);
        let write = (self.next_ticket, bytes);
        match self.writes.get_mut(&pane) {
            Some(writes) => writes.push_back(write),
            None => drop(self.writes.insert(pane, [write].into())),
        }
        self.next_ticket
    }

    /// What arrived and went to no write is consumed.
    pub(super) fn settle(&mut self) {
        self.consumed += std::mem::take(&mut self.unwritten);
    }

    /// A terminal has parsed everything up to `ticket`.
    pub(super) fn parsed(&mut self, pane: PaneId, ticket: u64) {
        let Some(writes) = self.writes.get_mut(&pane) else { return };
        while let Some((_, bytes)) = writes.pop_front_if(|(written, _)| *written <= ticket) {
            self.consumed += bytes;
        }
        if writes.is_empty() {
            self.writes.remove(&pane);
        }
    }

    /// Whether some terminal has not parsed everything.
    pub(super) fn is_parsing(&self) -> bool {
        !self.writes.is_empty()
    }

    /// The count to send now, if it is worth a frame of its own.
    pub(super) fn grant(&mut self) -> Option<u64> {
        (self.consumed - self.granted >= GRANT_EVERY).then(|| self.ride())
    }

    /// The count to send along with something else.
    pub(super) fn ride(&mut self) -> u64 {
        self.granted = self.consumed;
        self.consumed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: PaneId = PaneId(0);
    const OTHER: PaneId = PaneId(1);

    #[test]
    fn bytes_count_when_parsed() {
        let mut credit = Credit::default();
        let now = Moment(1_000);
        credit.received(now, 40_000);
        let ticket = credit.ticket(ONE);
        credit.settle();
        assert_eq!(credit.grant(), None);
        credit.parsed(ONE, ticket);
        assert_eq!(credit.grant(), Some(40_000));
        credit.received(now, 10);
        credit.settle();
        assert_eq!(credit.grant(), None);
        assert_eq!(credit.ride(), 40_010);
        credit.restart();
        credit.parsed(ONE, ticket);
        assert_eq!(credit.ride(), 0);
    }

    #[test]
    fn output_pours_while_much_arrives() {
        let mut credit = Credit::default();
        credit.received(Moment(1_000), POURS);
        assert!(!credit.pours(Moment(1_000)));
        credit.received(Moment(1_300), 1);
        assert!(credit.pours(Moment(1_300)) && credit.pours(Moment(1_700)));
        assert!(!credit.pours(Moment(1_800)));
        credit.received(Moment(2_000), 1);
        assert!(!credit.pours(Moment(2_000)));
    }

    #[test]
    fn each_terminal_parses_its_own() {
        let mut credit = Credit::default();
        for (pane, bytes) in [(ONE, 1), (OTHER, 10), (ONE, 100)] {
            credit.received(Moment(1_000), bytes);
            let _ticket = credit.ticket(pane);
        }
        credit.parsed(OTHER, 3);
        assert_eq!(credit.ride(), 10);
        credit.parsed(ONE, 1);
        assert_eq!(credit.ride(), 11);
        credit.parsed(ONE, u64::MAX);
        assert_eq!(credit.ride(), 111);
    }
}
