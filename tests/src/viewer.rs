//! A viewer without a page: the very machine that the page runs, on a real socket, before a screen of the test's choice.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::{SinkExt as _, StreamExt as _};
use shared::entropy::Entropy;
use shared::event::WindowSize;
use shared::link::Link;
use shared::time::Now;
use shared::viewer::{Bar, Effect, Event, PaneId, State, Typing, Viewer as Machine};
use shared::wire::frame::Frame;
use shared::wire::{NATIVE_SUBPROTOCOL, Packet};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// What a viewer draws on.
pub trait Screen {
    /// Begins anew with these bytes.
    fn rebuild(&mut self, window: WindowSize, bytes: &[u8]);
    /// Takes what comes next.
    fn write(&mut self, bytes: &[u8]);
    /// Takes another size.
    fn resize(&mut self, window: WindowSize);
    /// Shows nothing any more.
    fn wipe(&mut self);
}

/// A WebSocket to a relay, as a native peer opens it.
pub type Socket = WebSocketStream<TcpStream>;

/// Opens a socket; `via` is dialled instead of the URL's host, which the relay still hears of.
///
/// # Errors
/// Says what the system or the relay said.
pub async fn dial(url: &str, via: Option<SocketAddr>) -> Result<Socket, String> {
    let mut request = url.into_client_request().map_err(|error| error.to_string())?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static(NATIVE_SUBPROTOCOL));
    let host = request.uri().authority().map(ToString::to_string).unwrap_or_default();
    let stream = match via {
        Some(address) => TcpStream::connect(address).await,
        None => TcpStream::connect(&host).await,
    };
    let stream = stream.map_err(|error| error.to_string())?;
    stream.set_nodelay(true).map_err(|error| error.to_string())?;
    // A thousand of them share one process.
    let config = WebSocketConfig::default().read_buffer_size(8 * 1024).write_buffer_size(0);
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(error) => Err(error.to_string()),
    }
}

/// Both clocks, the steady one from an arbitrary start.
pub fn now(start: Instant) -> Now {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Now::new(ms(start.elapsed()), ms(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()))
}

/// Entropy that no other caller of this process has.
pub fn entropy() -> Entropy {
    let mut seed = [0; 32];
    for half in seed.chunks_mut(16) {
        // Random by the standard library's promise for `HashMap`, and version 4 ids would be a dependency.
        let one = std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), 0);
        let two = std::hash::BuildHasher::hash_one(&std::collections::hash_map::RandomState::new(), 1);
        half.copy_from_slice(&[one.to_le_bytes(), two.to_le_bytes()].concat());
    }
    Entropy::from_seed(seed)
}

/// What passed through a viewer's socket, counted as WebSocket bytes, headers of frames included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passed {
    /// Towards the viewer.
    pub down: u64,
    /// From the viewer.
    pub up: u64,
    /// Of those down: control messages about who watches.
    pub presence: u64,
    /// Messages down.
    pub messages: u64,
}

/// Bytes of a WebSocket frame's header.
fn header(len: usize, masked: bool) -> u64 {
    let length = match len {
        0..126 => 2,
        126..65_536 => 4,
        _ => 10,
    };
    length + if masked { 4 } else { 0 }
}

/// An attempt to connect that hangs is given up after this long.
const DIAL: Duration = Duration::from_secs(10);

/// The viewer.
#[derive(Debug)]
pub struct Viewer<S> {
    machine: Machine,
    socket: Option<Socket>,
    via: Option<SocketAddr>,
    start: Instant,
    todo: VecDeque<Effect>,
    rate: Option<u64>,
    busy_until: Instant,
    patience: Duration,
    /// What the link's own session draws on.
    pub screen: S,
    /// What children's panes were given, from their last beginning on.
    pub children: BTreeMap<PaneId, Vec<u8>>,
    /// What passed.
    pub passed: Passed,
    /// How often the terminal was begun anew.
    pub rebuilds: u64,
    /// Bytes given to the terminal, rebuilds included.
    pub drawn: u64,
    signed: Option<Signed>,
}

/// How far the events that came are covered by signatures that came too.
#[derive(Debug, Default)]
struct Signed {
    newest: u64,
    through: u64,
}

impl Signed {
    fn frame(&mut self, bytes: &Bytes) {
        match Frame::decode(bytes) {
            Ok(Frame::Event { event, .. }) => self.newest = self.newest.max(event.number),
            Ok(Frame::Attestation { number, .. } | Frame::SnapshotManifest { number, .. }) => {
                self.through = self.through.max(number);
            }
            Ok(_) | Err(_) => {}
        }
    }
}

impl<S: Screen> Viewer<S> {
    /// A viewer that will open `link`, by way of `via` if given.
    ///
    /// # Panics
    /// When the link is none.
    pub fn new(link: &str, via: Option<SocketAddr>, screen: S) -> Self {
        let start = Instant::now();
        let link = Link::parse(link).expect("a link");
        let mut machine = Machine::new(link, entropy(), now(start));
        let todo = machine.start().into();
        Self {
            machine,
            socket: None,
            via,
            start,
            todo,
            rate: None,
            busy_until: start,
            patience: super::harness::LONG,
            screen,
            children: BTreeMap::new(),
            passed: Passed::default(),
            rebuilds: 0,
            drawn: 0,
            signed: None,
        }
    }

    /// From now on its terminal parses this many bytes a second, and nothing else happens while it does.
    pub fn slow(&mut self, rate: u64) {
        self.rate = Some(rate);
    }

    /// Waits this long for things, instead of a minute.
    pub fn patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Where the machine stands.
    pub fn state(&self) -> State {
        self.machine.view().state
    }

    /// Opens the link and waits for a text, and until all that came of its one session is signed by frames that the relay has.
    ///
    /// # Panics
    /// When it does not come.
    pub async fn signed(&mut self, what: &str, there: impl Fn(&Self) -> bool) {
        self.signed = Some(Signed::default());
        let all =
            |viewer: &Self| viewer.signed.as_ref().is_some_and(|signed| signed.through >= signed.newest);
        self.until(what, |viewer| there(viewer) && all(viewer)).await;
    }

    /// What people are told of where it stands.
    pub fn sentence(&self) -> Option<String> {
        self.machine.view().sentence()
    }

    /// The pill bar, once there is a child.
    pub fn bar(&self) -> Option<Arc<Bar>> {
        self.machine.view().bar
    }

    /// What the selected child's pane was given; `None` where it has none.
    pub fn child(&self) -> Option<&[u8]> {
        self.children.get(&self.machine.view().pane?).map(Vec::as_slice)
    }

    /// A link to what is selected, and to no more.
    pub fn watch_link(&self) -> Option<Link> {
        self.machine.watch_link()
    }

    /// The transcript, if it may be looked at.
    pub fn transcript(&self) -> Option<&shared::conversation::Transcript> {
        self.machine.transcript()
    }

    /// The commands that were marked.
    pub fn commands(&self) -> Arc<shared::command::Commands> {
        self.machine.view().commands
    }

    /// Whether keys go to the session.
    pub fn types(&self) -> bool {
        self.machine.view().typing == Typing::On
    }

    /// Whether the person was told that something typed may be lost.
    pub fn may_have_lost(&self) -> bool {
        matches!(self.machine.view().typing, Typing::Lost(_))
    }

    /// Something the person does.
    pub async fn act(&mut self, event: Event) {
        let effects = self.machine.update(now(self.start), event);
        self.todo.extend(effects);
        self.run().await;
    }

    /// The person types into what is selected.
    pub async fn keys(&mut self, bytes: &[u8]) {
        if let Some(pane) = self.machine.view().pane {
            self.act(Event::Keys { pane, bytes: bytes.to_vec() }).await;
        }
    }

    /// Waits for the next message or deadline, until `limit` at most, and does what follows from it. It is not to be
    /// dropped before it is ready: what was on its way would be lost.
    async fn turn(&mut self, limit: Instant) {
        self.run().await;
        let due = self.machine.poll_timeout().map(|(at, _)| {
            let at = self.start + Duration::from_millis(at.0);
            tokio::time::Instant::from_std(at.max(Instant::now() + Duration::from_millis(1)))
        });
        let timeout = async {
            match due {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let message = async {
            match &mut self.socket {
                Some(socket) => socket.next().await,
                None => std::future::pending().await,
            }
        };
        let event = tokio::select! {
            biased;
            message = message => match message {
                Some(Ok(Message::Binary(bytes))) => {
                    self.arrived(bytes.len());
                    if let Some(signed) = &mut self.signed {
                        signed.frame(&bytes);
                    }
                    Some(Event::Packet(Packet::Binary(bytes)))
                }
                Some(Ok(Message::Text(text))) => {
                    self.arrived(text.len());
                    if text.starts_with("{\"ParticipantListUpdated\"") {
                        self.passed.presence += header(text.len(), false) + text.len() as u64;
                    }
                    Some(Event::Packet(Packet::Text(text.as_str().to_owned())))
                }
                Some(Ok(Message::Ping(body))) => {
                    self.arrived(body.len());
                    self.passed.up += header(body.len(), true) + body.len() as u64;
                    None
                }
                Some(Ok(Message::Pong(body))) => {
                    self.arrived(body.len());
                    None
                }
                Some(Ok(Message::Close(frame))) => {
                    self.socket = None;
                    Some(Event::Disconnected { code: frame.map(|frame| frame.code.into()) })
                }
                Some(Ok(Message::Frame(_)) | Err(_)) | None => {
                    self.socket = None;
                    Some(Event::Disconnected { code: None })
                }
            },
            () = timeout => Some(Event::Timeout),
            () = tokio::time::sleep_until(limit.into()) => None,
        };
        if let Some(event) = event {
            self.act(event).await;
        } else if let Some(socket) = &mut self.socket {
            // The answer to a ping waits in the socket.
            let _sent = socket.flush().await;
        }
    }

    /// Goes on until `done`.
    ///
    /// # Panics
    /// When it does not come in time, or when the session is over before.
    pub async fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let limit = Instant::now() + self.patience;
        while !done(self) {
            let state = self.state();
            assert!(Instant::now() < limit, "waited too long for {what}; the viewer is {state:?}");
            self.turn(limit).await;
            let state = self.state();
            assert!(!state.is_final() || done(self), "the session is over ({state:?}) before {what}");
        }
    }

    /// Opens the link and waits until the session is live.
    pub async fn live(&mut self) {
        self.until("the session to be live", |viewer| viewer.state() == State::Live).await;
    }

    /// Goes live and begins to type.
    pub async fn typing(&mut self) {
        self.live().await;
        self.act(Event::StartTyping).await;
        self.until("typing to begin", Self::types).await;
    }

    /// Goes on for a time.
    pub async fn idle(&mut self, time: Duration) {
        let limit = Instant::now() + time;
        while Instant::now() < limit {
            self.turn(limit).await;
        }
    }

    fn arrived(&mut self, len: usize) {
        self.passed.down += header(len, false) + len as u64;
        self.passed.messages += 1;
    }

    async fn run(&mut self) {
        while let Some(effect) = self.todo.pop_front() {
            match effect {
                Effect::Connect { url } => {
                    // A browser gives up, too.
                    let event = match tokio::time::timeout(DIAL, dial(&url, self.via)).await {
                        Ok(Ok(socket)) => {
                            self.socket = Some(socket);
                            Event::Connected
                        }
                        Ok(Err(_)) | Err(_) => Event::Disconnected { code: None },
                    };
                    self.happened(event);
                }
                Effect::Close => self.socket = None,
                Effect::Send(packet) => self.send(packet).await,
                Effect::Rebuild { pane, ticket, window, bytes } => {
                    let size = bytes.len();
                    if pane == PaneId::OWN {
                        self.screen.rebuild(window, &bytes);
                        self.rebuilds += 1;
                    } else {
                        self.children.insert(pane, bytes);
                    }
                    self.parsed(pane, ticket, size).await;
                }
                Effect::Write { pane, ticket, bytes } => {
                    if pane == PaneId::OWN {
                        self.screen.write(&bytes);
                    } else {
                        self.children.entry(pane).or_default().extend_from_slice(&bytes);
                    }
                    self.parsed(pane, ticket, bytes.len()).await;
                }
                Effect::Resize { pane: PaneId::OWN, window } => self.screen.resize(window),
                Effect::Wipe { pane: PaneId::OWN } => self.screen.wipe(),
                Effect::Wipe { pane } | Effect::Drop { pane } => drop(self.children.remove(&pane)),
                // What is written here is parsed at once.
                Effect::Mark { .. }
                | Effect::Resize { .. }
                | Effect::KeepSecret { .. }
                | Effect::Fetch(_)
                | Effect::Skip { .. } => {}
            }
        }
    }

    async fn send(&mut self, packet: Packet) {
        let Some(socket) = &mut self.socket else { return };
        let message = match packet {
            Packet::Text(text) => Message::text(text),
            Packet::Binary(bytes) => Message::Binary(Bytes::clone(&bytes)),
        };
        self.passed.up += header(message.len(), true) + message.len() as u64;
        if socket.send(message).await.is_err() {
            self.socket = None;
            self.happened(Event::Disconnected { code: None });
        }
    }

    async fn parsed(&mut self, pane: PaneId, ticket: u64, bytes: usize) {
        self.drawn += bytes as u64;
        if let Some(rate) = self.rate {
            let took = Duration::from_nanos(bytes as u64 * 1_000_000_000 / rate.max(1));
            self.busy_until = self.busy_until.max(Instant::now()) + took;
            tokio::time::sleep_until(self.busy_until.into()).await;
        }
        self.happened(Event::Parsed { pane, ticket });
    }

    fn happened(&mut self, event: Event) {
        let effects = self.machine.update(now(self.start), event);
        self.todo.extend(effects);
    }
}
