//! Joining late.

use std::time::{Duration, Instant};

use super::sample::Samples;
use super::scene::{MARK, Scene, settled};
use super::screen::{Drawn, Tape, picture};
use crate::viewer::Viewer;

/// What a late viewer waits for.
#[derive(Debug, Clone)]
pub struct Late {
    /// From the dial to the screen.
    pub screen: Samples,
    /// Bytes on the socket until then.
    pub screen_bytes: u64,
    /// From the dial to screen and scrollback.
    pub full: Samples,
    /// Bytes on the socket until then.
    pub full_bytes: u64,
    /// Joins whose screen was another.
    pub wrong: usize,
}

/// Prints the log, then joins `times`.
///
/// # Panics
/// When a screen does not come.
pub async fn measure(scene: &Scene, times: usize) -> Late {
    let sharer = scene.share(None, &scene.pouring()).await;
    let mut first = settled(&sharer.write_link(), Tape::default()).await;
    first.patience(Duration::from_mins(5));
    first.typing().await;
    first.keys(b"g").await;
    first.until("the end of the log", |viewer| viewer.screen.shows(MARK)).await;
    first.idle(Duration::from_secs(1)).await;
    drop(first);
    let mut late = Late {
        screen: Samples::default(),
        screen_bytes: 0,
        full: Samples::default(),
        full_bytes: 0,
        wrong: 0,
    };
    let expected = scene.screen();
    for _ in 0..times {
        let start = Instant::now();
        let mut viewer = Viewer::new(&sharer.read_link(), None, Drawn::default());
        viewer.until("the screen", |viewer| viewer.rebuilds == 1).await;
        late.screen.push(start.elapsed());
        late.screen_bytes = late.screen_bytes.max(viewer.passed.down);
        let right = picture(&mut viewer.screen.0) == expected;
        let drawing = start.elapsed();
        viewer.until("the scrollback", |viewer| viewer.rebuilds == 2).await;
        late.full.push(start.elapsed().saturating_sub(drawing) + late.screen.last());
        late.full_bytes = late.full_bytes.max(viewer.passed.down);
        viewer.live().await;
        let right = right && picture(&mut viewer.screen.0) == expected;
        late.wrong += usize::from(!right);
    }
    late
}
