//! The relay machine, its connections and its clock.
//!
//! The machine stands behind a lock, against our habit of giving each machine a task: a hop to a task and
//! back costs 25–50 µs each way, which is as much as everything else a relay does to a keystroke. The lock is
//! held for one call at a time, never while writing and never across an await; whoever brings a frame also
//! writes it to the sockets of those it is for, and only a socket that is full is left to its own writer.

use std::collections::{BTreeMap, VecDeque};
use std::io::{self, IoSlice};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::{Buf as _, Bytes};
use shared::relay::{ArchiveOrder, Outgoing, PeerId, PeerInfo, Relay, Runs, RunsError, RunsQuery, Stats};
use shared::time::{Moment, Now};
use shared::wire::Packet;
use shared::wire::close::CloseCode;
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::archive::Archive;
use super::socket;
use crate::clock;

/// Bytes taken from the machine at once; what waits in a sink is at most this and one message.
const BATCH: usize = 64 * 1024;
/// Messages written by one system call at most.
const BATCH_MESSAGES: usize = 16;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere left no half-done change: machines do not panic, and bytes are only moved.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug, Default)]
struct Waiting {
    chunks: VecDeque<Bytes>,
    bytes: usize,
    blocked: bool,
    closing: bool,
    /// A close frame was put: a peer takes nothing after one, and not a second one either.
    closed: bool,
}

impl Waiting {
    fn put(&mut self, chunk: Bytes) {
        self.bytes += chunk.len();
        if !chunk.is_empty() {
            self.chunks.push_back(chunk);
        }
    }

    fn message(&mut self, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Text(text) => {
                self.put(socket::frame(socket::TEXT, text.len(), &[]));
                self.put(text.into());
            }
            Outgoing::Binary { head, body } => {
                self.put(socket::frame(socket::BINARY, head.len() + body.len(), &head));
                self.put(body);
            }
            Outgoing::Close(code) => {
                if !std::mem::replace(&mut self.closed, true) {
                    self.put(socket::frame(socket::CLOSE, 2, &code.code().to_be_bytes()));
                }
                self.closing = true;
            }
        }
    }

    fn advance(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(front) = self.chunks.front_mut() {
            if written < front.len() {
                front.advance(written);
                return;
            }
            written -= front.len();
            self.chunks.pop_front();
        }
    }
}

/// Where a connection's messages go.
#[derive(Debug)]
pub(super) struct Sink {
    peer: PeerId,
    /// The socket, if it can be written to without waiting; with TLS the writer does it.
    direct: Option<Arc<TcpStream>>,
    waiting: Mutex<Waiting>,
    /// Wakes the writer.
    pub(super) wake: Notify,
    /// Ends the connection.
    pub(super) end: Notify,
    heard: AtomicU64,
    pinged: AtomicU64,
}

impl Sink {
    /// Something was heard from the peer.
    pub(super) fn heard(&self, now: Now) {
        self.heard.store(now.mono.0, Ordering::Relaxed);
    }

    /// Queues a control frame of the socket itself; dropped if the peer does not read.
    pub(super) fn control(&self, opcode: u8, body: &[u8]) {
        let mut waiting = lock(&self.waiting);
        if waiting.bytes < BATCH && !waiting.closed {
            waiting.closed = opcode == socket::CLOSE;
            waiting.put(socket::frame(opcode, body.len(), body));
        }
    }

    /// Writes what can be written now; those that became ready meanwhile are added to `work`.
    fn flush(&self, hub: &Hub, work: &mut VecDeque<Arc<Self>>) {
        let Some(stream) = &self.direct else { return self.wake.notify_one() };
        let mut waiting = lock(&self.waiting);
        while !waiting.blocked {
            if waiting.chunks.is_empty() && !hub.fill(self.peer, &mut waiting, work) {
                break;
            }
            match write_now(stream, &waiting.chunks) {
                Ok(written) => waiting.advance(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    waiting.blocked = true;
                    self.wake.notify_one();
                }
                Err(_gone) => {
                    self.end.notify_one();
                    break;
                }
            }
        }
        if waiting.closing && waiting.chunks.is_empty() {
            self.end.notify_one();
        }
    }

    /// The socket takes bytes again.
    pub(super) fn unblock(&self, hub: &Hub) {
        lock(&self.waiting).blocked = false;
        let mut work = VecDeque::new();
        self.flush(hub, &mut work);
        hub.flush_all(work);
    }

    /// The next bytes for a writer that waits for each; `None` if there is nothing.
    pub(super) fn take(&self, hub: &Hub) -> Option<Vec<Bytes>> {
        let mut work = VecDeque::new();
        let mut waiting = lock(&self.waiting);
        let some = !waiting.chunks.is_empty() || hub.fill(self.peer, &mut waiting, &mut work);
        waiting.bytes = 0;
        let taken = some.then(|| waiting.chunks.drain(..).collect());
        if taken.is_none() && waiting.closing {
            self.end.notify_one();
        }
        drop(waiting);
        hub.flush_all(work);
        taken
    }
}

fn write_now(stream: &TcpStream, chunks: &VecDeque<Bytes>) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); 2 * BATCH_MESSAGES];
    let mut count = 0;
    for (slice, chunk) in slices.iter_mut().zip(chunks) {
        *slice = IoSlice::new(chunk);
        count += 1;
    }
    stream.try_write_vectored(slices.get(..count).unwrap_or_default())
}

struct Inner {
    relay: Relay,
    sinks: BTreeMap<PeerId, Arc<Sink>>,
    armed: Option<Moment>,
    next_peer: u64,
}

impl Inner {
    fn ready(&mut self, work: &mut VecDeque<Arc<Sink>>) {
        while let Some(peer) = self.relay.poll_ready() {
            if let Some(sink) = self.sinks.get(&peer) {
                work.push_back(Arc::clone(sink));
            }
        }
    }
}

/// All connections of a relay, around its machine.
pub(super) struct Hub {
    inner: Mutex<Inner>,
    timer: Notify,
    /// Something of the archive was read or written, or could not be.
    followed: Notify,
    /// What is to be written and removed in the archive, and what is to be read; the machine bounds both.
    writes: UnboundedSender<ArchiveOrder>,
    loads: UnboundedSender<ArchiveOrder>,
}

/// What the machine wants of the archive.
pub(super) struct Orders {
    writes: UnboundedReceiver<ArchiveOrder>,
    loads: UnboundedReceiver<ArchiveOrder>,
}

impl Orders {
    /// Does it, for ever: one thing after the other is written, beside what is read.
    pub(super) async fn run(mut self, archive: Archive, hub: Arc<Hub>) {
        // The machine may have wanted something before there was anybody to do it.
        hub.with(|_| ());
        let writing = async {
            while let Some(order) = self.writes.recv().await {
                hub.follow(&archive, order).await;
            }
        };
        let loading = async {
            while let Some(order) = self.loads.recv().await {
                hub.follow(&archive, order).await;
            }
        };
        tokio::join!(writing, loading);
    }
}

impl Hub {
    /// Around a fresh machine.
    pub(super) fn new(relay: Relay) -> (Self, Orders) {
        let inner = Inner { relay, sinks: BTreeMap::new(), armed: None, next_peer: 1 };
        let ((writes, to_write), (loads, to_load)) = (unbounded_channel(), unbounded_channel());
        let hub =
            Self { inner: Mutex::new(inner), timer: Notify::new(), followed: Notify::new(), writes, loads };
        (hub, Orders { writes: to_write, loads: to_load })
    }

    async fn follow(&self, archive: &Archive, order: ArchiveOrder) {
        match order {
            ArchiveOrder::Store(number, frozen) => {
                let session = frozen.session();
                let stored = archive.store(*frozen).await;
                self.with(|inner| inner.relay.handle_stored(clock::now(), session, number, stored));
            }
            ArchiveOrder::Remove(session) => {
                let gone = archive.remove(session).await;
                self.with(|inner| inner.relay.handle_removed(clock::now(), session, gone));
            }
            ArchiveOrder::Load(session) => {
                let loaded = archive.load(session).await;
                self.with(|inner| inner.relay.handle_loaded(clock::now(), session, loaded));
            }
        }
        self.followed.notify_waiters();
    }

    /// Has everything written that is to be kept, as the relay stops; returns when it is, or cannot be.
    pub(super) async fn put_away(&self) {
        self.with(|inner| inner.relay.handle_stopping(clock::now()));
        loop {
            // Registered before it is looked, or the word could come in between.
            let followed = self.followed.notified();
            if !lock(&self.inner).relay.is_storing() {
                return;
            }
            followed.await;
        }
    }

    /// What the machine counts.
    pub(super) fn stats(&self) -> Stats {
        lock(&self.inner).relay.stats()
    }

    /// The rows of a task's children.
    pub(super) async fn runs(&self, address: &str, query: &RunsQuery) -> Result<Runs, RunsError> {
        let ask = || self.with(|inner| inner.relay.runs(clock::now(), address, query));
        let session = match ask() {
            Err(RunsError::Later(session)) => session,
            answer => return answer,
        };
        loop {
            // Registered before it is looked, or the word could come in between.
            let followed = self.followed.notified();
            if !lock(&self.inner).relay.is_loading(session) {
                return ask();
            }
            followed.await;
        }
    }

    /// The largest control message and the largest frame.
    pub(super) fn limits(&self) -> (u64, u64) {
        let limits = lock(&self.inner).relay.limits();
        (limits.control, limits.frame)
    }

    fn with<T>(&self, call: impl FnOnce(&mut Inner) -> T) -> T {
        let mut work = VecDeque::new();
        let mut inner = lock(&self.inner);
        let result = call(&mut inner);
        inner.ready(&mut work);
        self.order(&mut inner);
        self.arm(&mut inner);
        drop(inner);
        self.flush_all(work);
        result
    }

    fn order(&self, inner: &mut Inner) {
        while let Some(order) = inner.relay.poll_archive() {
            let queue = if matches!(order, ArchiveOrder::Load(_)) { &self.loads } else { &self.writes };
            // Without an archive nothing is wanted of one.
            drop(queue.send(order));
        }
    }

    fn arm(&self, inner: &mut Inner) {
        let next = inner.relay.poll_timeout().map(|(at, _)| at);
        // A later deadline than the armed one costs a vain wake-up, not a system call per frame.
        if next.is_some_and(|next| inner.armed.is_none_or(|armed| next < armed)) {
            inner.armed = next;
            self.timer.notify_one();
        }
    }

    fn flush_all(&self, mut work: VecDeque<Arc<Sink>>) {
        while let Some(sink) = work.pop_front() {
            sink.flush(self, &mut work);
        }
    }

    /// Moves messages from the machine into a sink; whether there were any.
    fn fill(&self, peer: PeerId, waiting: &mut Waiting, work: &mut VecDeque<Arc<Sink>>) -> bool {
        let mut inner = lock(&self.inner);
        for _ in 0..BATCH_MESSAGES {
            let Some(outgoing) = inner.relay.poll_transmit(peer).filter(|_| !waiting.closing) else { break };
            waiting.message(outgoing);
            if waiting.bytes >= BATCH {
                break;
            }
        }
        inner.ready(work);
        self.order(&mut inner);
        self.arm(&mut inner);
        !waiting.chunks.is_empty()
    }

    /// A new connection.
    pub(super) fn connect(&self, info: PeerInfo, direct: Option<Arc<TcpStream>>) -> (PeerId, Arc<Sink>) {
        let now = clock::now();
        self.with(|inner| {
            let peer = PeerId(inner.next_peer);
            inner.next_peer += 1;
            let sink = Arc::new(Sink {
                peer,
                direct,
                waiting: Mutex::default(),
                wake: Notify::new(),
                end: Notify::new(),
                heard: AtomicU64::new(now.mono.0),
                pinged: AtomicU64::new(now.mono.0),
            });
            inner.sinks.insert(peer, Arc::clone(&sink));
            inner.relay.handle_connected(now, peer, info);
            (peer, sink)
        })
    }

    /// A connection is gone.
    pub(super) fn disconnect(&self, peer: PeerId) {
        self.with(|inner| {
            inner.sinks.remove(&peer);
            inner.relay.handle_disconnected(clock::now(), peer);
        });
    }

    /// A message came.
    pub(super) fn packet(&self, peer: PeerId, now: Now, packet: Packet) {
        self.with(|inner| inner.relay.handle_packet(now, peer, packet));
    }

    /// Closes a connection with a code.
    pub(super) fn close(&self, peer: PeerId, code: CloseCode) {
        self.with(|inner| {
            inner.relay.close(peer, code);
        });
    }

    /// Closes all connections, as the relay stops.
    pub(super) fn close_all(&self) {
        self.with(|inner| {
            let peers: Vec<PeerId> = inner.sinks.keys().copied().collect();
            for peer in peers {
                inner.relay.close(peer, CloseCode::GoingAway);
            }
        });
    }

    /// Pings connections that were silent for `ping_ms`, and closes those silent for `silent_ms`.
    pub(super) fn sweep(&self, ping_ms: u64, silent_ms: u64) {
        let now = clock::now().mono;
        let sinks: Vec<Arc<Sink>> = lock(&self.inner).sinks.values().cloned().collect();
        for sink in sinks {
            let silent = now.since(Moment(sink.heard.load(Ordering::Relaxed)));
            let pinged = now.since(Moment(sink.pinged.load(Ordering::Relaxed)));
            if silent >= silent_ms {
                self.close(sink.peer, CloseCode::TimedOut);
                sink.end.notify_one();
            } else if silent >= ping_ms && pinged >= ping_ms {
                sink.pinged.store(now.0, Ordering::Relaxed);
                sink.control(socket::PING, &[]);
                self.flush_all(VecDeque::from([sink]));
            }
        }
    }

    /// Writes what a connection's own control frames left.
    pub(super) fn nudge(&self, sink: &Arc<Sink>) {
        self.flush_all(VecDeque::from([Arc::clone(sink)]));
    }

    /// Runs the machine's clock, for ever.
    pub(super) async fn run_clock(&self) {
        loop {
            let next = {
                let mut inner = lock(&self.inner);
                inner.armed = inner.relay.poll_timeout().map(|(at, _)| at);
                inner.armed
            };
            let left = next.map_or(u64::MAX, |at| at.since(clock::now().mono)).min(3_600_000);
            tokio::select! {
                () = tokio::time::sleep(std::time::Duration::from_millis(left)) => {
                    self.with(|inner| inner.relay.handle_timeout(clock::now()));
                }
                () = self.timer.notified() => {}
            }
        }
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hub")
    }
}
