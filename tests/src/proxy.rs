//! A TCP proxy that breaks the network on command.
//!
//! It sits between two programs and forwards bytes. Without faults it changes nothing: a test says so, because every
//! story that blames the network leans on it. Directions are named by where bytes flow: *up* from the program that
//! connected, *down* to it.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use messages::{Line, Messages};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub mod messages;

/// One read, and so the smallest unit of delay.
const CHUNK: usize = 16 * 1024;

/// Bytes read and not yet delivered, per connection and direction: a network holds some, not megabytes.
const IN_FLIGHT: usize = 16;

/// Kernel buffers of the proxy's sockets: small, so that a fault is felt at once by both ends.
const SOCKET_BUFFER: u32 = 64 * 1024;

/// What happens to bytes in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Path {
    /// Each byte arrives this much later.
    pub delay: Duration,
    /// At most this many bytes a second.
    pub rate: Option<u64>,
    /// Nothing passes and nobody is told: packets are lost, and the connection looks alive.
    pub silent: bool,
    /// What happens to whole WebSocket messages.
    pub messages: Messages,
}

/// What the network does at the moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Faults {
    /// From the program that connected.
    pub up: Path,
    /// To the program that connected.
    pub down: Path,
    /// New connections are closed at once.
    pub refuse: bool,
    /// New connections are accepted and go nowhere.
    pub half_open: bool,
}

impl Faults {
    /// Nothing passes in either direction and nobody is told, as when a cable is pulled; new connections hang.
    pub fn silence() -> Self {
        let silent = Path { silent: true, ..Path::default() };
        Self { up: silent, down: silent, half_open: true, refuse: false }
    }

    /// WebSocket messages are doubled and late in both directions.
    pub fn garbled() -> Self {
        let path = Path { messages: Messages { lost: 0, ..Messages::all() }, ..Path::default() };
        Self { up: path, down: path, ..Self::default() }
    }
}

/// The proxy; it ends with all its connections when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    faults: watch::Sender<Faults>,
    generation: watch::Sender<u64>,
    counts: Arc<Counts>,
    accepting: JoinHandle<()>,
}

/// What has passed, for tests that must know a fault was felt.
#[derive(Debug, Default)]
struct Counts {
    connections: std::sync::atomic::AtomicU64,
    up: std::sync::atomic::AtomicU64,
    down: std::sync::atomic::AtomicU64,
    hurt: std::sync::atomic::AtomicU64,
}

impl Proxy {
    /// Listens on a loopback port of its own and forwards to `target`.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("loopback has free ports");
        let address = listener.local_addr().expect("a bound socket has an address");
        let (faults, _) = watch::channel(Faults::default());
        let (generation, _) = watch::channel(0);
        let counts = Arc::new(Counts::default());
        let accepting =
            tokio::spawn(accept(listener, target, faults.clone(), generation.clone(), Arc::clone(&counts)));
        Self { address, faults, generation, counts, accepting }
    }

    /// Where to connect instead of the target.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on the network does this; bytes on the way feel it too.
    pub fn set(&self, faults: Faults) {
        self.faults.send_replace(faults);
    }

    /// The network is well again. What was silenced is delivered now, as TCP does.
    pub fn heal(&self) {
        self.set(Faults::default());
    }

    /// Cuts all connections now: both ends see the end (an RST when bytes were on the way). New ones are accepted.
    pub fn cut(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.counts.connections.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Bytes delivered so far, up and down.
    pub fn delivered(&self) -> (u64, u64) {
        let load = |count: &std::sync::atomic::AtomicU64| count.load(std::sync::atomic::Ordering::Relaxed);
        (load(&self.counts.up), load(&self.counts.down))
    }

    /// WebSocket messages so far that were lost, doubled or late.
    pub fn hurt(&self) -> u64 {
        self.counts.hurt.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(
    listener: TcpListener,
    target: SocketAddr,
    faults: watch::Sender<Faults>,
    generation: watch::Sender<u64>,
    counts: Arc<Counts>,
) {
    loop {
        let Ok((near, _)) = listener.accept().await else { continue };
        if faults.borrow().refuse {
            continue;
        }
        counts.connections.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        // Subscribed before anything else: a cut right after the accept must count.
        let mut cut = generation.subscribe();
        let faults = faults.subscribe();
        let counts = Arc::clone(&counts);
        tokio::spawn(async move {
            tokio::select! {
                () = forward(near, target, faults, counts) => {}
                _ = cut.changed() => {}
            }
        });
    }
}

/// Forwards one connection until both directions have ended.
async fn forward(
    near: TcpStream,
    target: SocketAddr,
    mut faults: watch::Receiver<Faults>,
    counts: Arc<Counts>,
) {
    // A half-open connection becomes a whole one when the network heals.
    if faults.wait_for(|faults| !faults.half_open).await.is_err() {
        return;
    }
    let Ok(far) = connect(target).await else { return };
    let quick = near.set_nodelay(true).and(far.set_nodelay(true));
    if quick.is_err() {
        return;
    }
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    tokio::join!(
        direction(
            near_read,
            far_write,
            faults.clone(),
            |faults| faults.up,
            |n, hurt| {
                counts.up.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
                counts.hurt.fetch_add(hurt, std::sync::atomic::Ordering::Relaxed);
            }
        ),
        direction(
            far_read,
            near_write,
            faults,
            |faults| faults.down,
            |n, hurt| {
                counts.down.fetch_add(n, std::sync::atomic::Ordering::Relaxed);
                counts.hurt.fetch_add(hurt, std::sync::atomic::Ordering::Relaxed);
            }
        ),
    );
}

async fn connect(target: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.connect(target).await
}

/// Moves bytes one way. Reading and writing are apart, so that a delay holds no later byte longer than its own.
async fn direction(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut faults: watch::Receiver<Faults>,
    path: fn(&Faults) -> Path,
    delivered: impl Fn(u64, u64),
) {
    let (send, mut receive) = mpsc::channel::<(Instant, Vec<u8>)>(IN_FLIGHT);
    let read = async move {
        let mut buffer = vec![0; CHUNK];
        loop {
            match from.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(n) => {
                    let piece = buffer.get(..n).unwrap_or_default().to_vec();
                    if send.send((Instant::now(), piece)).await.is_err() {
                        break;
                    }
                }
            }
        }
    };
    let write = async move {
        // When the line is free again, at the current rate.
        let mut free = Instant::now();
        let mut line = Line::new();
        loop {
            // What a fault has kept passes when it ends.
            let (arrived, piece) = tokio::select! {
                received = receive.recv() => match received {
                    Some(received) => received,
                    None => break,
                },
                changed = faults.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    (Instant::now(), Vec::new())
                }
            };
            let faulty: Messages;
            // Bytes on the way feel a change at once: look again whenever the faults change.
            loop {
                let now = *faults.borrow_and_update();
                let path = path(&now);
                let due = (arrived + path.delay).max(if path.rate.is_some() { free } else { arrived });
                tokio::select! {
                    changed = faults.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep_until(due), if !path.silent => {
                        if let Some(rate) = path.rate {
                            let bytes = u64::try_from(piece.len()).unwrap_or(u64::MAX);
                            let nanos = bytes.saturating_mul(1_000_000_000) / rate.max(1);
                            free = Instant::now() + Duration::from_nanos(nanos);
                        }
                        faulty = path.messages;
                        break;
                    }
                }
            }
            let before = line.hurt;
            let passed = line.pass(&piece, faulty);
            if to.write_all(&passed).await.is_err() {
                return;
            }
            delivered(u64::try_from(passed.len()).unwrap_or(u64::MAX), line.hurt - before);
        }
        // The end of the stream passes the fault as well: it waits behind a silence.
        if faults.wait_for(|faults| !path(faults).silent).await.is_ok() {
            let _closed = to.shutdown().await;
        }
    };
    tokio::join!(read, write);
}
