//! Ctrl-C during endless output.

use std::time::{Duration, Instant};

use super::sample::Samples;
use super::scene::{Scene, settled};
use super::screen::Tape;
use crate::viewer::Viewer;

/// What the viewer's terminal parses, in bytes a second.
const RATE: u64 = 4_000_000;
/// Long enough that every queue on the way is as full as it gets.
const FLOOD: Duration = Duration::from_secs(2);

/// Times how long a viewer that takes 4 MB/s goes on seeing output after its Ctrl-C.
///
/// # Panics
/// When it never sees the stop.
pub async fn measure(scene: &Scene, times: usize) -> Samples {
    let mut samples = Samples::default();
    for _ in 0..times {
        let sharer = scene.share(None, &scene.endless("STOPPED")).await;
        let mut viewer = settled(&sharer.write_link(), Tape::default()).await;
        viewer.typing().await;
        viewer.slow(RATE);
        viewer.keys(b"\r").await;
        viewer.idle(FLOOD).await;
        viewer.until("a flood", |viewer| viewer.drawn > RATE).await;
        viewer.until("typing to go on", Viewer::types).await;
        let start = Instant::now();
        viewer.keys(&[3]).await;
        viewer.until("the stop", |viewer| viewer.screen.shows(b"STOPPED")).await;
        samples.push(start.elapsed());
    }
    samples
}
