//! How long to wait before connecting again.

use crate::entropy::Entropy;

/// The first wait after an attempt that failed, in milliseconds; each later one is twice as long.
pub const FIRST_MS: u64 = 250;
/// The longest wait, in milliseconds: a relay that is back is found again while people still look.
pub const LONGEST_MS: u64 = 15_000;
/// The shortest wait after a close code that says "later", in milliseconds (`docs/protocol.md` 9).
pub const LATER_MS: u64 = 10_000;

/// Grows waits exponentially, with jitter so that peers of one relay do not return in step.
#[derive(Debug)]
pub struct Backoff {
    attempts: u32,
    entropy: Entropy,
}

impl Backoff {
    /// Begins with no wait.
    pub fn new(entropy: Entropy) -> Self {
        Self { attempts: 0, entropy }
    }

    /// Begins again with no wait.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }

    /// The next wait in milliseconds: 0, then 0.25 s doubling up to 15 s, each between half and all of it.
    pub fn next_wait(&mut self) -> u64 {
        let attempts = self.attempts;
        self.attempts = attempts.saturating_add(1);
        let Some(doublings) = attempts.checked_sub(1) else { return 0 };
        let full = FIRST_MS.checked_shl(doublings.min(16)).unwrap_or(LONGEST_MS).min(LONGEST_MS);
        full / 2 + self.entropy.u64() % (full / 2 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_from_nothing_to_the_longest_and_begins_again() {
        let mut backoff = Backoff::new(Entropy::from_seed([1; 32]));
        assert_eq!(backoff.next_wait(), 0);
        for attempt in 0..100u32 {
            let full = (FIRST_MS << attempt.min(10)).min(LONGEST_MS);
            let wait = backoff.next_wait();
            assert!((full / 2..=full).contains(&wait), "attempt {attempt}: {wait}");
        }
        backoff.reset();
        assert_eq!(backoff.next_wait(), 0);
    }
}
