//! Whose screen a terminal is made for, if its owner lets viewers say: that of the executor who typed last.

use std::collections::BTreeMap;

use crate::event::WindowSize;
use crate::id::ParticipantId;
use crate::time::Moment;

/// A terminal gets a new size at most this often, in milliseconds: a window that is dragged says many.
const EVERY_MS: u64 = 100;
/// Who typed last is left alone for this long, in milliseconds: where two type at once, the terminal does not go back and
/// forth under them.
const RESTED_MS: u64 = 1_000;
/// The smallest size that a viewer gets: on less, no program is of use to anybody.
const SMALLEST: WindowSize = WindowSize { cols: 20, rows: 5 };
/// The largest one: more than any display shows at a readable size.
const LARGEST: WindowSize = WindowSize { cols: 500, rows: 200 };

/// What executors would like, one size each, and whose counts. Bounded by those who may type at all
/// ([`super::input::Inputs`]), whose input alone gets here.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    wishes: BTreeMap<ParticipantId, WindowSize>,
    /// Who typed last, and when.
    typist: Option<(ParticipantId, Moment)>,
    due: Option<Moment>,
}

impl Sizes {
    /// An executor would like this size.
    pub(super) fn wish(&mut self, now: Moment, who: ParticipantId, size: WindowSize) {
        let size = WindowSize {
            cols: size.cols.clamp(SMALLEST.cols, LARGEST.cols),
            rows: size.rows.clamp(SMALLEST.rows, LARGEST.rows),
        };
        let news = self.wishes.insert(who, size) != Some(size);
        if self.takes_over(now, who) || news {
            self.decide(now, who);
        }
    }

    /// An executor typed.
    pub(super) fn typed(&mut self, now: Moment, who: ParticipantId) {
        if self.takes_over(now, who) {
            self.decide(now, who);
        }
    }

    /// Whether another typed last before this.
    fn takes_over(&mut self, now: Moment, who: ParticipantId) -> bool {
        match self.typist {
            Some((typist, at)) if typist != who && now < at.after(RESTED_MS) => false,
            before => {
                self.typist = Some((who, now));
                before.is_none_or(|(typist, _)| typist != who)
            }
        }
    }

    fn decide(&mut self, now: Moment, who: ParticipantId) {
        let counts = self.typist.is_some_and(|(typist, _)| typist == who);
        if counts && self.wishes.contains_key(&who) {
            self.due.get_or_insert(now.after(EVERY_MS));
        }
    }

    /// An executor left, or comes anew: the terminal stays as it is.
    pub(super) fn leave(&mut self, who: ParticipantId) {
        self.wishes.remove(&who);
        self.typist = self.typist.filter(|(typist, _)| *typist != who);
    }

    /// Everybody left.
    pub(super) fn leave_all(&mut self) {
        *self = Self::default();
    }

    /// When [`Sizes::granted`] is due.
    pub(super) fn due(&self) -> Option<Moment> {
        self.due
    }

    /// The size that the terminal is to have, if it is time for one.
    pub(super) fn granted(&mut self, now: Moment) -> Option<WindowSize> {
        self.due.take_if(|due| *due <= now)?;
        let (typist, _) = self.typist?;
        self.wishes.get(&typist).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANNA: ParticipantId = ParticipantId(1);
    const BEN: ParticipantId = ParticipantId(2);

    fn size(cols: u16, rows: u16) -> WindowSize {
        WindowSize { cols, rows }
    }

    /// What is granted until `ms`, each with its time.
    fn until(sizes: &mut Sizes, ms: u64) -> Vec<(u64, WindowSize)> {
        let mut all = Vec::new();
        while let Some(due) = sizes.due().filter(|due| *due <= Moment(ms)) {
            all.extend(sizes.granted(due).map(|size| (due.0, size)));
        }
        all
    }

    #[test]
    fn of_a_window_that_is_dragged_the_newest_size_counts_now_and_then() {
        let mut sizes = Sizes::default();
        for step in 0..=250 {
            let (now, newest) = (Moment(step.into()), size(100 + step, 30));
            sizes.wish(now, ANNA, newest);
            assert!(sizes.granted(now).is_none_or(|granted| granted == newest && step % 101 == 100));
        }
        assert_eq!(until(&mut sizes, 10_000), [(302, size(350, 30))]);
        sizes.wish(Moment(20_000), ANNA, size(350, 30));
        assert_eq!(sizes.due(), None, "it has that one");
    }

    #[test]
    fn who_types_last_is_given_a_size_in_bounds() {
        let mut sizes = Sizes::default();
        sizes.wish(Moment(0), ANNA, size(0, u16::MAX));
        assert_eq!(until(&mut sizes, 1_000), [(100, size(20, 200))]);
        sizes.wish(Moment(5_000), BEN, size(u16::MAX, 0));
        assert_eq!(until(&mut sizes, 5_500), [(5_100, size(500, 5))], "the latest");
        sizes.typed(Moment(6_500), ANNA);
        assert_eq!(until(&mut sizes, 7_000), [(6_600, size(20, 200))], "whoever goes on typing has it again");
        sizes.typed(Moment(7_000), ANNA);
        assert_eq!(sizes.due(), None, "and keeps it");
    }

    #[test]
    fn two_who_type_at_once_do_not_pull_it_back_and_forth() {
        let mut sizes = Sizes::default();
        sizes.wish(Moment(0), ANNA, size(100, 30));
        for ms in (10..5_000).step_by(20) {
            sizes.typed(Moment(ms), ANNA);
            sizes.typed(Moment(ms + 10), BEN);
            sizes.wish(Moment(ms + 10), BEN, size(60, 20));
        }
        assert_eq!(until(&mut sizes, 5_200), [(100, size(100, 30))]);
        sizes.typed(Moment(6_500), BEN);
        assert_eq!(until(&mut sizes, 7_000), [(6_600, size(60, 20))], "once the other rests");
    }

    #[test]
    fn who_leaves_or_never_said_a_size_changes_nothing() {
        let mut sizes = Sizes::default();
        sizes.wish(Moment(0), ANNA, size(100, 30));
        sizes.leave(ANNA);
        assert_eq!(until(&mut sizes, 1_000), []);
        sizes.typed(Moment(2_000), BEN);
        assert_eq!(sizes.due(), None);
        sizes.wish(Moment(2_000), BEN, size(90, 30));
        assert_eq!(until(&mut sizes, 3_000), [(2_100, size(90, 30))], "the control");
        sizes.leave_all();
        sizes.typed(Moment(9_000), BEN);
        assert_eq!(sizes.due(), None, "after a break it is said again");
    }
}
