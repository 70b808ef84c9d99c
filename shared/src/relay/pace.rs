//! When a relay may ask a sharer for a snapshot: one at a time, and never often enough to cost it much.

use crate::time::Moment;

/// Requests are at least this far apart, in milliseconds (DESIGN 4).
const SPACING_MS: u64 = 100;
/// Making a snapshot may take at most one part in this many of the sharer's time (DESIGN 4).
const COST_FACTOR: u64 = 10;
/// A request that nothing came of is given up after this long, in milliseconds.
pub(super) const GIVE_UP_MS: u64 = 10_000;

/// The pace of one sharer's snapshots.
#[derive(Debug, Default)]
pub(super) struct Pace {
    asked: Option<Moment>,
    next: Moment,
}

impl Pace {
    /// When the outstanding request, if any, is given up.
    pub(super) fn outstanding(&self) -> Option<Moment> {
        self.asked.map(|at| at.after(GIVE_UP_MS))
    }

    /// The earliest moment of the next request, if none is outstanding.
    pub(super) fn next(&self) -> Option<Moment> {
        self.asked.is_none().then_some(self.next)
    }

    /// A request goes out.
    pub(super) fn ask(&mut self, now: Moment) {
        self.asked = Some(now);
    }

    /// A snapshot is complete, asked for or not.
    pub(super) fn complete(&mut self, now: Moment) {
        if let Some(at) = self.asked.take() {
            self.next = at.after(now.since(at).saturating_mul(COST_FACTOR).max(SPACING_MS));
        }
    }

    /// The request came to nothing: the sharer went, or did not answer.
    pub(super) fn give_up(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_request_waits_ten_times_the_cost() {
        let mut pace = Pace::default();
        assert_eq!(pace.next(), Some(Moment(0)));
        pace.ask(Moment(1_000));
        assert_eq!((pace.next(), pace.outstanding()), (None, Some(Moment(11_000))));
        pace.complete(Moment(1_004));
        assert_eq!(pace.next(), Some(Moment(1_100)));
        pace.ask(Moment(2_000));
        pace.complete(Moment(2_050));
        assert_eq!(pace.next(), Some(Moment(2_500)));
    }
}
