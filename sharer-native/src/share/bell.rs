//! How threads tell the one task that owns the machine which program has something for it.
//!
//! One wake-up for all programs, and none more for a program whose bell rings already: a keystroke's echo costs one
//! hop however many programs there are. Bound: one entry per program.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Which program, counted from 0 in the order they were started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(pub(super) u32);

#[derive(Debug, Default)]
struct Board {
    rung: Mutex<Vec<Place>>,
    told: Notify,
}

/// Where all bells ring.
#[derive(Debug, Default)]
pub(super) struct Bells(Arc<Board>);

impl Bells {
    /// A bell for one program.
    pub(super) fn bell(&self, place: Place) -> Bell {
        Bell { place, rings: Arc::default(), board: Arc::clone(&self.0) }
    }

    /// Waits until a bell rings.
    pub(super) async fn rung(&self) {
        self.0.told.notified().await;
    }

    /// The programs whose bells rang since the last call, in that order. Call [`Bell::answer`] before looking.
    pub(super) fn take(&self) -> Vec<Place> {
        std::mem::take(&mut *self.0.rung.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One program's bell; its threads have copies.
#[derive(Debug, Clone)]
pub(super) struct Bell {
    place: Place,
    rings: Arc<AtomicBool>,
    board: Arc<Board>,
}

impl Bell {
    /// Rings, unless it does already.
    pub(super) fn ring(&self) {
        if !self.rings.swap(true, Ordering::AcqRel) {
            self.board.rung.lock().unwrap_or_else(PoisonError::into_inner).push(self.place);
            self.board.told.notify_one();
        }
    }

    /// Makes it ring anew for whatever happens from now on.
    pub(super) fn answer(&self) {
        self.rings.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bell_rings_once_until_it_is_answered() {
        let bells = Bells::default();
        let (first, second) = (bells.bell(Place(0)), bells.bell(Place(1)));
        first.ring();
        second.ring();
        first.ring();
        assert_eq!(bells.take(), [Place(0), Place(1)]);
        first.ring();
        assert_eq!(bells.take(), [], "nobody looked yet");
        first.answer();
        first.clone().ring();
        assert_eq!(bells.take(), [Place(0)]);
    }
}
