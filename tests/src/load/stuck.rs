//! One viewer of five stops reading.

use std::time::{Duration, Instant};

use futures_util::future::join_all;

use super::crowd::{exact, finish, gather};
use super::machine::{cpu, cpu_since, memory};
use super::sample::median;
use super::scene::Scene;

/// What a stuck viewer costs the others, and what it sees.
#[derive(Debug, Clone, Copy)]
pub struct Stuck {
    /// The producer's extra processor time, as a part of what it needs without.
    pub cost: f64,
    /// How much more memory the relay has with the stuck viewer behind than before the log.
    pub growth: u64,
    /// From its next read to the exact last screen.
    pub recovery: Duration,
    /// Viewers whose last screen is not the log's.
    pub wrong: usize,
}

struct Run {
    cpu: f64,
    growth: u64,
    recovery: Duration,
    wrong: usize,
}

/// One log to five viewers, of which the last does not read before `hold` has passed and the others have all.
async fn run(scene: &Scene, hold: Option<Duration>) -> Run {
    let relay = scene.relay().await;
    let sharer = scene.share(Some(&relay.url()), &scene.pouring()).await;
    let mut viewers = gather(&sharer.write_link(), 5).await;
    viewers[0].typing().await;
    let (producer, relayer) = (sharer.process.pid(), relay.process.pid());
    let (used, held, start) = (cpu(producer), memory(relayer), Instant::now());
    viewers[0].keys(b"g").await;
    let reading = if hold.is_some() { 4 } else { 5 };
    join_all(viewers.iter_mut().take(reading).map(finish)).await;
    let used = cpu_since(producer, used);
    if let Some(hold) = hold {
        // They stay as people do, and answer what the relay asks.
        let rest = hold.saturating_sub(start.elapsed());
        join_all(viewers.iter_mut().take(reading).map(|viewer| viewer.idle(rest))).await;
    }
    let growth = memory(relayer).saturating_sub(held);
    let again = Instant::now();
    finish(&mut viewers[4]).await;
    let recovery = again.elapsed();
    let screen = scene.screen();
    let wrong = viewers.iter().filter(|viewer| !exact(viewer, scene, &screen)).count();
    Run { cpu: used.as_secs_f64(), growth, recovery, wrong }
}

/// Compares `pairs` interleaved runs with and without a stuck viewer; in one more it stays stuck for `hold`.
///
/// # Panics
/// When a viewer does not get the end.
pub async fn measure(scene: &Scene, pairs: usize, hold: Duration) -> Stuck {
    let long = run(scene, Some(hold)).await;
    let mut costs = Vec::new();
    let mut wrong = long.wrong;
    for _ in 0..pairs {
        let without = run(scene, None).await;
        let with = run(scene, Some(Duration::ZERO)).await;
        costs.push(with.cpu / without.cpu - 1.0);
        wrong += with.wrong + without.wrong;
    }
    Stuck { cost: median(&costs), growth: long.growth, recovery: long.recovery, wrong }
}
