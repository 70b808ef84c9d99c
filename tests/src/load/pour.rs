//! A log to one viewer that keeps up.

use std::time::{Duration, Instant};

use super::crowd::exact;
use super::sample::rate;
use super::scene::{MARK, Scene, settled};
use super::screen::{Tape, after};

/// What one viewer got of a log.
#[derive(Debug, Clone, Copy)]
pub struct Poured {
    /// MB/s from the first byte to the last.
    pub rate: f64,
    /// Whether every byte came, unchanged and in order.
    pub whole: bool,
    /// Whether the last screen is the log's, by every byte or by a snapshot.
    pub exact: bool,
    /// Bytes on the viewer's socket for each byte of output.
    pub wire: f64,
    /// The sharer's memory at the end: its own, and all that is resident.
    pub memory: (u64, u64),
}

/// MB/s of the terminal model alone.
pub fn model(scene: &Scene) -> f64 {
    let start = Instant::now();
    let terminal = after(&scene.log);
    let took = start.elapsed();
    drop(terminal);
    rate(scene.log.len(), took)
}

/// Pours the log through the embedded relay.
///
/// # Panics
/// When it does not arrive.
pub async fn one(scene: &Scene) -> Poured {
    let sharer = scene.share(None, &scene.pouring()).await;
    let mut viewer = settled(&sharer.write_link(), Tape::keeping()).await;
    viewer.typing().await;
    viewer.screen.restart();
    let (rebuilt, passed, size) = (viewer.rebuilds, viewer.passed.down, scene.log.len());
    viewer.patience(Duration::from_mins(5));
    viewer.keys(b"g").await;
    viewer.until("the first byte", |viewer| viewer.screen.written > 0 || viewer.rebuilds > rebuilt).await;
    let start = Instant::now();
    viewer.until("the end of the log", |viewer| viewer.screen.shows(MARK)).await;
    let took = start.elapsed();
    let pid = sharer.process.pid();
    #[expect(clippy::cast_precision_loss, reason = "sizes of logs are far below 2^52")]
    let wire = (viewer.passed.down - passed) as f64 / size as f64;
    Poured {
        rate: rate(size, took),
        whole: viewer.rebuilds == rebuilt && viewer.screen.is(&scene.log),
        exact: exact(&viewer, scene, &scene.screen()),
        wire,
        memory: (super::machine::memory(pid), sharer.process.memory()),
    }
}
