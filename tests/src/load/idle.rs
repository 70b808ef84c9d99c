//! Many sessions and many viewers that do nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use futures_util::{SinkExt as _, StreamExt as _};
use shared::event::WindowSize;
use shared::id::SessionId;
use shared::link::Link;
use shared::sharer::{Effect, ModelDump, ModelInput, RoomState, SessionConfig, Sharer};
use shared::wire::frame::Frame;
use shared::wire::source::SessionSource;
use shared::wire::{Packet, SOCKET_PATH};
use sharer_native::term::Terminal;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::machine::{cpu, cpu_since, memory};
use super::scene::Scene;
use super::screen::{Tape, WINDOW, after};
use crate::harness::Relay;
use crate::viewer::{Socket, Viewer, dial, entropy, now};

/// A session without a program: the sharer's machine before a terminal that somebody has used, on a real socket. A
/// thousand fit into one process.
#[derive(Debug)]
pub struct Host {
    link: String,
    counts: Arc<Counts>,
    task: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counts {
    presence: AtomicU64,
    snapshot: AtomicU64,
}

impl Counts {
    /// Counts what leaves: the newest snapshot's frames.
    fn sent(&self, bytes: &Bytes) {
        match Frame::decode(bytes) {
            Ok(Frame::SnapshotManifest { .. }) => self.snapshot.store(bytes.len() as u64, Ordering::Relaxed),
            Ok(Frame::SnapshotPart { .. }) => {
                self.snapshot.fetch_add(bytes.len() as u64, Ordering::Relaxed);
            }
            Ok(_) | Err(_) => {}
        }
    }
}

impl Host {
    /// Shares at a relay and waits until viewers can join.
    ///
    /// # Panics
    /// When the relay does not let it in.
    pub async fn start(url: &str) -> Self {
        let counts = Arc::new(Counts::default());
        let (ready, link) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(run(url.to_owned(), Arc::clone(&counts), ready));
        let link =
            tokio::time::timeout(crate::harness::LONG, link).await.expect("in time").expect("a session");
        Self { link: link.to_string(), counts, task }
    }

    /// A link that watches.
    pub fn link(&self) -> String {
        self.link.clone()
    }

    /// Bytes of messages about who watches that it got.
    pub fn presence(&self) -> u64 {
        self.counts.presence.load(Ordering::Relaxed)
    }

    /// Bytes of the newest snapshot that it gave the relay.
    pub fn snapshot(&self) -> u64 {
        self.counts.snapshot.load(Ordering::Relaxed)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn run(url: String, counts: Arc<Counts>, ready: tokio::sync::oneshot::Sender<Link>) {
    let start = Instant::now();
    let config = SessionConfig {
        title: "idle".into(),
        read_only: false,
        compress: true,
        window: WINDOW,
        source: SessionSource::default(),
        announced: true,
        keep: None,
    };
    let mut machine = Sharer::new(entropy(), now(start));
    let session = machine.open(now(start), config);
    machine.handle_output(now(start), session, &b"$ make\r\nnothing to be done\r\n$ "[..].into());
    let mut terminal = after(&[]);
    let mut ready = Some(ready);
    let mut socket: Option<Socket> = None;
    let host = url.trim_start_matches("http://").to_owned();
    loop {
        let mut dialling = false;
        while let Some(packet) = machine.poll_transmit() {
            let Some(open) = &mut socket else { continue };
            let message = match packet {
                Packet::Text(text) => Message::text(text),
                Packet::Binary(bytes) => {
                    counts.sent(&bytes);
                    Message::Binary(bytes)
                }
            };
            if open.send(message).await.is_err() {
                socket = None;
                machine.handle_disconnected(now(start), None);
            }
        }
        while let Some(effect) = machine.poll_effect() {
            match effect {
                Effect::Connect => dialling = true,
                Effect::Close(_) => socket = None,
                Effect::Model(session, input) => model(&mut machine, session, &mut terminal, input, start),
                Effect::Room(session, RoomState::Open) => {
                    if let Some((links, ready)) = machine.links(session, &url).zip(ready.take()) {
                        let _gone = ready.send(links.read);
                    }
                }
                Effect::Type(..)
                | Effect::Resize(..)
                | Effect::Viewers { .. }
                | Effect::Connection(_)
                | Effect::Room(..)
                | Effect::Opened { .. }
                | Effect::Task(_)
                | Effect::LinksChanged(_)
                | Effect::Reach(_)
                | Effect::Said(..)
                | Effect::Kept(..)
                | Effect::Ended(_) => {}
            }
        }
        if dialling {
            match dial(&format!("ws://{host}{SOCKET_PATH}"), None).await {
                Ok(open) => {
                    socket = Some(open);
                    machine.handle_connected(now(start), &host);
                }
                Err(_) => machine.handle_disconnected(now(start), None),
            }
            continue;
        }
        let due = machine.poll_timeout().map_or(start + Duration::from_hours(1), |(at, _)| {
            (start + Duration::from_millis(at.0)).max(Instant::now() + Duration::from_millis(1))
        });
        let message = async {
            match &mut socket {
                Some(socket) => socket.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = message => match message {
                Some(Ok(Message::Text(text))) => {
                    if text.starts_with("{\"ParticipantListUpdated\"") {
                        counts.presence.fetch_add(text.len() as u64 + 4, Ordering::Relaxed);
                    }
                    machine.handle_packet(now(start), &Packet::Text(text.as_str().to_owned()));
                }
                Some(Ok(Message::Binary(bytes))) => machine.handle_packet(now(start), &Packet::Binary(bytes)),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => {
                    socket = None;
                    machine.handle_disconnected(now(start), None);
                }
            },
            () = tokio::time::sleep_until(due.into()) => machine.handle_timeout(now(start)),
        }
    }
}

fn model(
    machine: &mut Sharer,
    session: SessionId,
    terminal: &mut Terminal,
    input: ModelInput,
    start: Instant,
) {
    match input {
        ModelInput::Output(bytes) => terminal.feed(&bytes),
        ModelInput::Resize(window) => terminal.resize(window),
        ModelInput::Command(number) => terminal.command(number),
        ModelInput::Forget => terminal.feed(b"\x1b[3J"),
        ModelInput::Mark(mark) => machine.handle_model_passed(now(start), session, mark),
        ModelInput::Snapshot { mark, full } => {
            let window: WindowSize = terminal.size();
            let dump =
                ModelDump { mark, window, screen: terminal.screen(), full: full.then(|| terminal.full()) };
            machine.handle_dump(now(start), session, &dump);
        }
    }
}

/// What idle sessions and viewers cost a relay.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    /// Bytes of the relay's memory for each; of a session, without its snapshot.
    pub each: u64,
    /// The relay's processor time, as a part of one core.
    pub cpu: f64,
}

async fn cost<T>(relay: &Relay, count: usize, rest: Duration, make: impl AsyncFnOnce() -> T) -> (T, Idle) {
    let pid = relay.process.pid();
    let before = memory(pid);
    let made = make().await;
    let held = memory(pid).saturating_sub(before);
    let (used, start) = (cpu(pid), Instant::now());
    tokio::time::sleep(rest).await;
    let share = cpu_since(pid, used).as_secs_f64() / start.elapsed().as_secs_f64();
    (made, Idle { each: held / count as u64, cpu: share })
}

/// Cost of `count` sessions that nobody watches.
///
/// # Panics
/// When the relay does not let them in.
pub async fn sessions(scene: &Scene, count: usize, rest: Duration) -> Idle {
    let relay = scene.relay().await;
    // What the first costs is the relay's own.
    let first = Host::start(&relay.url()).await;
    let (hosts, mut idle) = cost(&relay, count, rest, async || {
        let url = relay.url();
        let mut hosts = Vec::new();
        while hosts.len() < count {
            let some = (count - hosts.len()).min(50);
            hosts.extend(join_all((0..some).map(|_| Host::start(&url))).await);
        }
        hosts
    })
    .await;
    let snapshots: u64 = hosts.iter().map(Host::snapshot).sum();
    idle.each = idle.each.saturating_sub(snapshots / count as u64);
    drop((hosts, first));
    idle
}

/// Joins, and goes on answering while others do.
async fn watch(link: String) -> JoinHandle<()> {
    let mut viewer = Viewer::new(&link, None, Tape::default());
    viewer.live().await;
    tokio::spawn(async move { viewer.idle(Duration::from_hours(1)).await })
}

/// Cost of `count` viewers of one session in which nothing happens.
///
/// # Panics
/// When the relay does not let them in.
pub async fn viewers(scene: &Scene, count: usize, rest: Duration) -> Idle {
    // One more than are counted.
    let most = (count + 1).to_string();
    let relay = Relay::start(&scene.sandbox, ["--max-viewers", &most]).await;
    let host = Host::start(&relay.url()).await;
    let first = watch(host.link()).await;
    let (tasks, idle) = cost(&relay, count, rest, async || {
        let mut tasks = Vec::new();
        while tasks.len() < count {
            let some = (count - tasks.len()).min(50);
            tasks.extend(join_all((0..some).map(|_| watch(host.link()))).await);
        }
        tasks
    })
    .await;
    for task in tasks.into_iter().chain([first]) {
        task.abort();
    }
    idle
}
