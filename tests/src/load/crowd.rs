//! A log to many viewers at once.

use std::time::Duration;

use futures_util::future::join_all;

use super::machine::{cpu, cpu_since, peak};
use super::scene::{MARK, Scene, settled};
use super::screen::{Tape, picture};
use crate::viewer::Viewer;

/// What a crowd got of a log.
#[derive(Debug, Clone, Copy)]
pub struct Crowd {
    /// Viewers whose last screen is not the log's.
    pub wrong: usize,
    /// How often one was brought back by a snapshot.
    pub rebuilt: u64,
    /// The relay's processor time in seconds for each GB of terminal output that was delivered.
    pub cpu: f64,
    /// GB of terminal output delivered.
    pub delivered: f64,
    /// The most memory the relay ever had resident, code included.
    pub memory: u64,
}

/// Joins `viewers` and makes the first one start the log.
pub(super) async fn gather(link: &str, viewers: usize) -> Vec<Viewer<Tape>> {
    let mut all = join_all((0..viewers).map(|_| settled(link, Tape::keeping()))).await;
    for viewer in &mut all {
        viewer.screen.restart();
        viewer.patience(Duration::from_mins(5));
    }
    all
}

/// Waits until `viewer` has the end of the log, one way or the other.
pub(super) async fn finish(viewer: &mut Viewer<Tape>) {
    viewer.until("the end of the log", |viewer| viewer.screen.shows(MARK)).await;
}

/// Says whether a viewer's screen is the log's, by all its bytes or by drawing what it was given instead.
pub(super) fn exact(viewer: &Viewer<Tape>, scene: &Scene, screen: &[u8]) -> bool {
    viewer.screen.is(&scene.log) || picture(&mut viewer.screen.draw()) == screen
}

/// Pours the log to `count` viewers at a standalone relay.
///
/// # Panics
/// When the end does not arrive everywhere.
pub async fn measure(scene: &Scene, count: usize) -> Crowd {
    let relay = scene.relay().await;
    let sharer = scene.share(Some(&relay.url()), &scene.pouring()).await;
    let mut viewers = gather(&sharer.write_link(), count).await;
    let pid = relay.process.pid();
    let before: Vec<(u64, u64)> = viewers.iter().map(|viewer| (viewer.drawn, viewer.rebuilds)).collect();
    viewers[0].typing().await;
    let used = cpu(pid);
    viewers[0].keys(b"g").await;
    join_all(viewers.iter_mut().map(finish)).await;
    let used = cpu_since(pid, used);
    let (drawn, rebuilt) = viewers.iter().zip(&before).fold((0, 0), |(drawn, rebuilt), (viewer, before)| {
        (drawn + viewer.drawn - before.0, rebuilt + viewer.rebuilds - before.1)
    });
    let screen = scene.screen();
    #[expect(clippy::cast_precision_loss, reason = "sizes of logs are far below 2^52")]
    let delivered = drawn as f64 / 1e9;
    Crowd {
        wrong: viewers.iter().filter(|viewer| !exact(viewer, scene, &screen)).count(),
        rebuilt,
        cpu: used.as_secs_f64() / delivered,
        delivered,
        memory: peak(pid),
    }
}
