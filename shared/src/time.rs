//! Time as an argument.

use serde::{Deserialize, Serialize};

/// A moment on a steady clock, in milliseconds since an arbitrary start.
///
/// The clock must keep counting while the machine is suspended (`CLOCK_BOOTTIME` on Linux): the 45 s rule
/// for input and the 60 s rule for amnesia hold across a closed lid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment `ms` milliseconds later, saturating.
    #[must_use]
    pub fn after(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to `self`; 0 if `earlier` is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

/// Wall-clock time in milliseconds since 1970, as people and beats use it. It may jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMs(pub u64);

/// A span of milliseconds in words: `7 days`, `90 minutes`.
pub fn in_words(ms: u64) -> String {
    let seconds = ms.saturating_add(500) / 1_000;
    let (count, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => ((seconds + 30) / 60, "minute"),
        7_200..172_800 => ((seconds + 1_800) / 3_600, "hour"),
        _ => ((seconds + 43_200) / 86_400, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// Both clocks, read together at the edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// For deadlines and durations.
    pub mono: Moment,
    /// For people and for beats.
    pub wall: UnixMs,
}

impl Now {
    /// Makes a reading from both clocks.
    pub fn new(mono: u64, wall: u64) -> Self {
        Self { mono: Moment(mono), wall: UnixMs(wall) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_said_in_the_unit_that_fits() {
        for (ms, words) in [
            (0, "0 seconds"),
            (1_000, "1 second"),
            (5_400_000, "90 minutes"),
            (86_400_000, "24 hours"),
            (7 * 86_400_000 - 20_000, "7 days"),
            (u64::MAX, "213503982335 days"),
        ] {
            assert_eq!(in_words(ms), words);
        }
    }
}
