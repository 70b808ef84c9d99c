//! From a keystroke to its echo, through everything.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::sample::Samples;
use super::scene::Scene;
use super::screen::Tape;
use crate::harness::Relay;
use crate::viewer::Viewer;

/// What a viewer has drawn of a flood when it is one: little, because one that cannot keep up is shown a few kB ten
/// times a second; and more than any program's first screen.
const POURS: u64 = 100_000;

/// Where the relay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// Inside the sharer.
    Embedded,
    /// In a process of its own.
    Standalone,
    /// In a process of its own, which another session floods meanwhile.
    Flooded,
}

/// Times `keys` echoes through `cat`, with so long a pause behind each.
///
/// # Panics
/// When an echo does not come.
pub async fn measure(scene: &Scene, place: Where, keys: usize, pause: Duration) -> Samples {
    let relay = match place {
        Where::Embedded => None,
        Where::Standalone | Where::Flooded => Some(scene.relay().await),
    };
    let url = relay.as_ref().map(Relay::url);
    let sharer = scene.share(url.as_deref(), "stty raw -echo; echo ready; exec cat").await;
    let mut flood = None;
    if place == Where::Flooded {
        let other = scene.share(url.as_deref(), &scene.endless("STOPPED")).await;
        flood = Some((Flood::begin(other.write_link()), other));
    }
    let mut viewer = Viewer::new(&sharer.write_link(), None, Tape::default());
    viewer.typing().await;
    if let Some((flood, _)) = &flood {
        viewer.until("the flood", |_| flood.pours()).await;
    }
    viewer.idle(Duration::from_millis(300)).await;
    let mut samples = Samples::default();
    for key in 0..keys {
        let before = viewer.drawn;
        let start = Instant::now();
        viewer.keys(&[b'a' + u8::try_from(key % 26).unwrap_or_default()]).await;
        viewer.until("the echo", |viewer| viewer.drawn > before).await;
        samples.push(start.elapsed());
        viewer.idle(pause).await;
    }
    samples
}

/// A viewer of endless output, in a thread of its own so that its work is not the measuring viewer's.
#[derive(Debug)]
struct Flood {
    stop: Arc<AtomicBool>,
    pours: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Flood {
    fn begin(link: String) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let pours = Arc::new(AtomicBool::new(false));
        let (stopped, poured) = (Arc::clone(&stop), Arc::clone(&pours));
        let thread = std::thread::spawn(move || {
            let event_loop = tokio::runtime::Builder::new_current_thread().enable_all().build();
            event_loop.expect("an event loop").block_on(async {
                let mut viewer = Viewer::new(&link, None, Tape::default());
                viewer.typing().await;
                viewer.keys(b"\r").await;
                while !stopped.load(Ordering::Relaxed) {
                    viewer.idle(Duration::from_millis(100)).await;
                    poured.store(viewer.drawn > POURS, Ordering::Relaxed);
                }
            });
        });
        Self { stop, pours, thread: Some(thread) }
    }

    fn pours(&self) -> bool {
        self.pours.load(Ordering::Relaxed)
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
