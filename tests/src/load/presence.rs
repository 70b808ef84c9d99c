//! What many joins cost everybody else.

use futures_util::future::join_all;

use super::idle::Host;
use super::scene::Scene;
use super::screen::Tape;
use crate::viewer::Viewer;

/// Bytes of all messages about who watches, to viewers and sharer, while `count` viewers join one session.
///
/// # Panics
/// When one does not get in.
pub async fn measure(scene: &Scene, count: usize) -> u64 {
    let relay = scene.relay().await;
    let host = Host::start(&relay.url()).await;
    let viewers = join_all((0..count).map(async |_| {
        let mut viewer = Viewer::new(&host.link(), None, Tape::default());
        viewer.live().await;
        viewer.idle(std::time::Duration::from_secs(2)).await;
        viewer.passed.presence
    }));
    viewers.await.into_iter().sum::<u64>() + host.presence()
}
