//! Starting, and what the binary weighs.

use std::time::Instant;

use super::sample::Samples;
use super::scene::Scene;
use crate::harness::{Relay, sharer_bin};

/// Times from the launch to the first line that tells the links.
pub async fn measure(scene: &Scene, standalone: bool, times: usize) -> Samples {
    let relay = if standalone { Some(scene.relay().await) } else { None };
    let url = relay.as_ref().map(Relay::url);
    let mut samples = Samples::default();
    for _ in 0..times {
        let start = Instant::now();
        let sharer = scene.share(url.as_deref(), "exec sleep 10000").await;
        samples.push(start.elapsed());
        drop(sharer);
    }
    samples
}

/// Bytes of the binary.
///
/// # Panics
/// When there is none.
pub fn weight() -> u64 {
    std::fs::metadata(sharer_bin()).expect("a binary").len()
}
