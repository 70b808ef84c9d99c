//! What a program wrote last, on its way to whoever reads it: how long it is waited for once the program has ended.
//!
//! The thread that copies output says when it has some in hand and when it has given it on; who may end the process
//! asks how long there can be more. A reader that is slow is waited for, as none of a program's output is lost by being
//! shared; a program's own last output is in the system's buffer when it ends, so what comes later is of something that
//! it left running, which may write for ever.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Output is waited for so long in all, and its copying for so long if nobody has time.
const ALL: Duration = Duration::from_secs(5);
/// A reader that takes nothing for so long is not there.
const STUCK: Duration = Duration::from_secs(30);
/// No buffer of the system holds so much of a program that has ended, in bytes: a pipe has at most 1 MiB.
const MOST_LEFT: u64 = 1024 * 1024 + 64 * 1024;

#[derive(Debug)]
struct State {
    /// The thread has something in hand.
    holds: bool,
    /// Since then it has, or has not.
    since: Instant,
    ended: Option<Instant>,
    hurried: bool,
    /// What came since the end, in bytes.
    passed: u64,
    /// How long it was waited for since the end.
    waited: Duration,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct LastOutput {
    /// When nothing has come for so long, nothing is on its way.
    quiet: Duration,
    state: Mutex<State>,
}

impl LastOutput {
    /// Of a program that runs.
    pub(crate) fn new(now: Instant, quiet: Duration) -> Self {
        let state = State {
            holds: false,
            since: now,
            ended: None,
            hurried: false,
            passed: 0,
            waited: Duration::ZERO,
        };
        Self { quiet, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The thread has so many bytes in hand.
    pub(crate) fn took(&self, now: Instant, count: usize) {
        let mut state = self.state();
        if let Some(ended) = state.ended {
            state.passed = state.passed.saturating_add(count as u64);
            let waited = now.saturating_duration_since(state.since.max(ended));
            state.waited += waited;
        }
        (state.holds, state.since) = (true, now);
    }

    /// It has given them on, and waits for more. Whether the program has ended.
    pub(crate) fn gave(&self, now: Instant) -> bool {
        let mut state = self.state();
        (state.holds, state.since) = (false, now);
        state.ended.is_some()
    }

    /// Somebody took of what the thread has given on.
    pub(crate) fn moved(&self, now: Instant) {
        self.state().since = now;
    }

    /// The program has ended; said again, nothing changes.
    pub(crate) fn ended(&self, now: Instant) {
        self.state().ended.get_or_insert(now);
    }

    /// Nobody has time: a reader that is slow is waited for no longer than something that writes for ever.
    pub(crate) fn hurry(&self) {
        self.state().hurried = true;
    }

    /// When nothing more is waited for, if nothing happens until then; `None` while the program runs. `held`: some that
    /// the thread has given on is on its way still.
    pub(crate) fn until(&self, held: bool) -> Option<Instant> {
        let state = self.state();
        let ended = state.ended?;
        let since = state.since.max(ended);
        let until = if held || state.holds {
            since + STUCK
        } else {
            since + self.quiet.min(ALL.saturating_sub(state.waited))
        };
        let cut = state.hurried || state.passed > MOST_LEFT;
        Some(if cut { until.min(ended + ALL) } else { until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUIET: Duration = Duration::from_millis(200);

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn ended() -> (LastOutput, Instant) {
        let start = Instant::now();
        let last = LastOutput::new(start, QUIET);
        last.took(start, 10);
        assert!(!last.gave(start + secs(1)));
        assert_eq!(last.until(false), None, "it runs");
        let end = start + secs(60);
        last.ended(end);
        last.ended(end + secs(1));
        (last, end)
    }

    #[test]
    fn silence_is_the_end_but_a_slow_reader_is_waited_for() {
        let (last, end) = ended();
        assert_eq!(last.until(false), Some(end + QUIET));
        last.took(end + secs(1), 10);
        assert_eq!(last.until(false), Some(end + secs(1) + STUCK));
        assert!(last.gave(end + secs(20)));
        assert_eq!(last.until(false), Some(end + secs(20) + QUIET));
        assert_eq!(last.until(true), Some(end + secs(20) + STUCK), "it is on its way still");
        last.moved(end + secs(40));
        assert_eq!(last.until(true), Some(end + secs(40) + STUCK));
        assert_eq!(last.until(false), Some(end + secs(40) + QUIET));
    }

    #[test]
    fn what_was_in_hand_when_the_program_ended_has_its_time_too() {
        let start = Instant::now();
        let last = LastOutput::new(start, QUIET);
        last.took(start, 10);
        let end = start + secs(60);
        last.ended(end);
        assert_eq!(last.until(false), Some(end + STUCK));
        last.hurry();
        assert_eq!(last.until(false), Some(end + ALL));
    }

    /// How long something is waited for that writes so many bytes every so often, to a reader that takes so long.
    fn waited(count: usize, every: Duration, takes: Duration) -> Duration {
        let (last, end) = ended();
        let mut now = end;
        while now < end + secs(10_000) {
            now += every;
            last.took(now, count);
            if last.until(false).unwrap() <= now {
                break;
            }
            now += takes;
            last.gave(now);
            if last.until(false).unwrap() <= now {
                break;
            }
        }
        now - end
    }

    #[test]
    fn something_that_writes_for_ever_is_left() {
        let often = QUIET / 2;
        assert_eq!(waited(1, often, Duration::ZERO), ALL);
        assert_eq!(waited(16 * 1024, often / 10, Duration::ZERO), ALL);
        // Each is slow: as much passes as can be of the program itself.
        let pieces = u32::try_from(MOST_LEFT / 16_384).unwrap() + 1;
        assert_eq!(waited(16 * 1024, Duration::ZERO, secs(1)), (pieces - 1) * secs(1));
        assert!(waited(1, often, secs(1)) <= 60 * secs(1));
    }
}
