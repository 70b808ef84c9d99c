//! Where a player is in its film's time, and how fast that passes.

use crate::time::Moment;
use crate::viewer::SPEEDS;

/// A hundredth of a millisecond of film: at each speed a millisecond of the person's is a whole number of them.
const PARTS: u64 = 100;

/// See the module.
#[derive(Debug)]
pub(super) struct Clock {
    now: Moment,
    /// In hundredths of a millisecond.
    at: u64,
    pub(super) length: u64,
    pub(super) playing: bool,
    pub(super) skips: bool,
    /// One of [`SPEEDS`], by its place.
    speed: usize,
}

impl Clock {
    pub(super) fn new(now: Moment, playing: bool) -> Self {
        Self { now, at: 0, length: 0, playing, skips: false, speed: 1 }
    }

    /// The person's time.
    pub(super) fn now(&self) -> Moment {
        self.now
    }

    /// The film's, in milliseconds.
    pub(super) fn at(&self) -> u64 {
        self.at / PARTS
    }

    pub(super) fn speed(&self) -> u64 {
        SPEEDS.get(self.speed).copied().unwrap_or(100)
    }

    pub(super) fn faster(&mut self, faster: bool) {
        self.speed =
            if faster { (self.speed + 1).min(SPEEDS.len() - 1) } else { self.speed.saturating_sub(1) };
    }

    pub(super) fn next_speed(&mut self) {
        self.speed = (self.speed + 1) % SPEEDS.len();
    }

    pub(super) fn seek(&mut self, at: u64) {
        self.at = at.min(self.length).saturating_mul(PARTS);
    }

    /// Milliseconds of the person's until that moment of the film.
    pub(super) fn until(&self, at: u64) -> u64 {
        at.saturating_mul(PARTS).saturating_sub(self.at).div_ceil(self.speed())
    }

    /// Time passes; of the film's, only if it `runs`, and none of `idle` if that is to be left out.
    pub(super) fn advance(&mut self, now: Moment, runs: bool, idle: &[(u64, u64)]) {
        let passed = now.since(self.now);
        self.now = self.now.max(now);
        if !self.playing || !runs {
            return;
        }
        let mut left = passed.saturating_mul(self.speed());
        let from =
            if self.skips { idle.partition_point(|(_, until)| *until <= self.at()) } else { idle.len() };
        for (begin, end) in idle.get(from..).unwrap_or_default() {
            let before = begin.saturating_mul(PARTS).saturating_sub(self.at);
            if left < before {
                break;
            }
            left -= before;
            self.at = self.at.max(end.saturating_mul(PARTS));
        }
        self.at = self.at.saturating_add(left);
        if self.at() >= self.length {
            self.seek(self.length);
            self.playing = false;
        }
    }
}
