//! Bytes on the wire, on both hops.

use std::time::Duration;

use super::scene::{Scene, settled};
use super::screen::Tape;
use crate::proxy::Proxy;
use crate::viewer::Viewer;

/// Bytes each way on one hop: towards the sharer, towards the viewer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hop {
    /// Towards the sharer.
    pub up: f64,
    /// Towards the viewer.
    pub down: f64,
}

/// Both hops.
#[derive(Debug, Clone, Copy, Default)]
pub struct Traffic {
    /// Between viewer and relay.
    pub viewer: Hop,
    /// Between relay and sharer.
    pub sharer: Hop,
}

impl Traffic {
    /// The worst hop towards the sharer.
    pub fn up(&self) -> f64 {
        self.viewer.up.max(self.sharer.up)
    }

    /// The worst hop towards the viewer.
    pub fn down(&self) -> f64 {
        self.viewer.down.max(self.sharer.down)
    }
}

/// Types five keys a second for `time` and gives bytes a key; everything else that passes meanwhile is counted too.
///
/// # Panics
/// When nothing comes back.
pub async fn typed(scene: &Scene, time: Duration) -> Traffic {
    let mut line = Line::new(scene, "stty raw -echo; echo ready; exec cat").await;
    line.viewer.typing().await;
    line.settle().await;
    let before = line.count();
    let keys = time.as_millis() / 200;
    // By the clock: a busy machine may be late with a key, but types as many.
    let mut due = tokio::time::Instant::now();
    for _ in 0..keys {
        line.viewer.keys(b"k").await;
        due += Duration::from_millis(200);
        line.viewer.idle(due.saturating_duration_since(tokio::time::Instant::now())).await;
    }
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    line.since(before, keys as f64)
}

/// Watches a program that says nothing for `time` and gives bytes a second.
pub async fn at_rest(scene: &Scene, time: Duration) -> Traffic {
    let mut line = Line::new(scene, "stty raw -echo; echo ready; exec cat").await;
    line.settle().await;
    let before = line.count();
    line.viewer.idle(time).await;
    line.since(before, time.as_secs_f64())
}

/// A sharer that reaches its relay through a counting proxy, and a viewer that counts for itself.
struct Line {
    _relay: crate::harness::Relay,
    _sharer: crate::harness::Sharer,
    proxy: Proxy,
    viewer: Viewer<Tape>,
}

type Count = [u64; 4];

impl Line {
    async fn new(scene: &Scene, program: &str) -> Self {
        let relay = scene.relay().await;
        let proxy = Proxy::to(relay.address()).await;
        let sharer = scene.share(Some(&proxy.url()), program).await;
        // The viewer's own way, so that the proxy counts the sharer alone.
        let link = sharer.write_link().replace(&proxy.url(), &relay.url());
        let viewer = settled(&link, Tape::default()).await;
        Self { _relay: relay, _sharer: sharer, proxy, viewer }
    }

    /// The attestation of the output before comes within 5 s, and is not of what is measured.
    async fn settle(&mut self) {
        self.viewer.idle(Duration::from_secs(6)).await;
    }

    fn count(&self) -> Count {
        // The proxy's *up* is from the program that dialled: the sharer's, towards the viewer.
        let (from_sharer, to_sharer) = self.proxy.delivered();
        [self.viewer.passed.up, self.viewer.passed.down, to_sharer, from_sharer]
    }

    fn since(&self, before: Count, each: f64) -> Traffic {
        let after = self.count();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let per = |index: usize| (after[index] - before[index]) as f64 / each;
        Traffic { viewer: Hop { up: per(0), down: per(1) }, sharer: Hop { up: per(2), down: per(3) } }
    }
}
