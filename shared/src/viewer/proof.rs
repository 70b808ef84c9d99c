//! What the owner has vouched for: how long anything shown may stand without its signature.

use std::collections::VecDeque;

use crate::chain::{ATTEST_WITHIN_MS, ChainHash, ChainPoint};
use crate::ordered::Ordered;
use crate::time::Moment;

/// Arrivals this close together share one mark, so that a flood costs no memory.
const MARK_EVERY_MS: u64 = 100;
/// The most marks: those of the time that may pass, and some.
const MAX_MARKS: usize = 64;
/// The most signed points kept for events that have not arrived yet.
const MAX_AHEAD: usize = 16;

/// Which events are covered by a verified signature.
#[derive(Debug, Default)]
pub(super) struct Proof {
    covered: u64,
    marks: VecDeque<(u64, Moment)>,
    ahead: Ordered<u64, ChainHash>,
}

impl Proof {
    /// Everything up to `number` is signed, and nothing else is known. Later events that were shown unsigned keep
    /// their time: a forgery is not made young by showing it again behind a signed snapshot.
    pub(super) fn restart(&mut self, number: u64) {
        self.covered = number;
        self.marks.retain(|(marked, _)| *marked > number);
        self.ahead.retain(|&n, _| n > number);
    }

    /// An event arrived that nothing covers yet. The hash that the owner signed for it, if that came first.
    pub(super) fn arrived(&mut self, now: Moment, point: ChainPoint) -> Option<ChainHash> {
        let known = |(number, at): &(u64, Moment)| now.since(*at) < MARK_EVERY_MS || *number >= point.number;
        let recent = self.marks.back().is_some_and(known);
        if point.number > self.covered && !recent && self.marks.len() < MAX_MARKS {
            self.marks.push_back((point.number, now));
        }
        self.ahead.remove(&point.number)
    }

    /// A verified signature covers everything up to `number`, of a chain that stands at `newest`.
    pub(super) fn cover(&mut self, number: u64, newest: u64) {
        self.covered = self.covered.max(number);
        if self.covered >= newest {
            // Later marks are of what was shown before a loss: they wait for their own signature.
            let covered = self.covered;
            self.marks.retain(|(marked, _)| *marked > covered);
        }
        // A mark stands for itself and all before the next: it goes when the next one's predecessor is covered.
        while self.marks.get(1).is_some_and(|(next, _)| next.saturating_sub(1) <= self.covered) {
            self.marks.pop_front();
        }
    }

    /// A verified signature over an event that has not arrived yet.
    pub(super) fn expect(&mut self, point: ChainPoint) {
        self.ahead.insert(point.number, point.hash);
        if self.ahead.len() > MAX_AHEAD {
            self.ahead.pop_last();
        }
    }

    /// Everything up to here is signed.
    pub(super) fn covered(&self) -> u64 {
        self.covered
    }

    /// When what is shown unsigned must not be shown any longer.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.marks.front().map(|(_, at)| at.after(ATTEST_WITHIN_MS))
    }
}
