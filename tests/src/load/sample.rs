//! Samples and what is said of them.

use std::time::Duration;

/// Times of one thing, done again and again.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<Duration>);

impl Samples {
    /// Adds one.
    pub fn push(&mut self, sample: Duration) {
        self.0.push(sample);
    }

    /// The value that `part` of a hundred samples do not exceed.
    ///
    /// # Panics
    /// Without samples.
    pub fn percentile(&self, part: usize) -> Duration {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        sorted[(sorted.len() * part / 100).min(sorted.len() - 1)]
    }

    /// The newest.
    pub fn last(&self) -> Duration {
        self.0.last().copied().unwrap_or_default()
    }

    /// The median.
    pub fn median(&self) -> Duration {
        self.percentile(50)
    }
}

/// The median of values that have an order.
///
/// # Panics
/// Without values.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// Megabytes a second.
pub fn rate(bytes: usize, took: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "sizes of logs are far below 2^52")]
    let bytes = bytes as f64;
    bytes / 1e6 / took.as_secs_f64()
}
