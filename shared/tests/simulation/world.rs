//! All machines on one virtual network and clock, and the laws that hold at every moment.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use shared::entropy::Entropy;
use shared::event::WindowSize;
use shared::id::{Channel, SessionId};
use shared::keys::epoch::EpochId;
use shared::keys::grant::Right;
use shared::link::Link;
use shared::relay::{Outgoing, PeerId, PeerInfo, Relay, RelayConfig};
use shared::sharer::{self, ModelDump, ModelInput, RoomState, SessionConfig, Sharer};
use shared::time::Now;
use shared::viewer::{Effect, Event, PaneId, Shown, State, Typing, View, Viewer};
use shared::wire::Packet;
use shared::wire::frame::Frame;
use shared::wire::numbering::Numbering;
use shared::wire::sharer::SharerToRelay;
use shared::wire::source::SessionSource;
use shared::wire::viewer::{RelayToViewer, ViewerToRelay};

use crate::faults::Faults;
use crate::network::{End, Item, Network, Way};
use crate::random::Random;
use crate::screen::Screen;

pub(crate) const HOST: &str = "relay.test:443";
pub(crate) const BASE: &str = "https://relay.test:443";
pub(crate) const WINDOW: WindowSize = WindowSize { cols: 80, rows: 24 };
const WALL: u64 = 1_700_000_000_000;
/// Input older than this must not be typed (law 8), in milliseconds.
const INPUT_GOOD_FOR: u64 = 45_000;
/// What the owner did not sign may be seen for this long at most (law 12), in milliseconds.
const UNSIGNED_FOR: u64 = 5_000;

/// How machines are given time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stepping {
    /// At their own `poll_timeout` only.
    Own,
    /// Also every 10 ms.
    Every10,
}

/// What happens later.
enum Job {
    Attempt(End, u64),
    Failed(End, u64),
    Model(usize),
    Typed(usize, usize),
    Parsed(usize, u64),
    RelayUp,
}

/// What every machine at the far end of a relay has.
#[derive(Default)]
pub(crate) struct Peer {
    pub(crate) socket: Option<u64>,
    attempt: u64,
    pub(crate) frozen_until: u64,
    pub(crate) offline_until: u64,
    pub(crate) clock_off: i64,
}

pub(crate) struct SharerHost {
    pub(crate) machine: Sharer,
    pub(crate) peer: Peer,
    pub(crate) state: sharer::ConnectionState,
}

/// One program of a sharer, with its session.
pub(crate) struct Program<S> {
    pub(crate) sharer: usize,
    pub(crate) id: SessionId,
    /// Fed as output leaves the machine, before any delay of the model.
    pub(crate) truth: S,
    model: S,
    model_queue: VecDeque<ModelInput>,
    pub(crate) model_delay: u64,
    /// States of the truth at the ends of events: nothing else may ever be seen.
    pub(crate) boundaries: BTreeSet<u64>,
    pub(crate) typed: Vec<u8>,
    pub(crate) ended: bool,
    pub(crate) room: RoomState,
}

/// Input that a viewer's machine sealed.
pub(crate) struct Pressed {
    pub(crate) at: u64,
    pub(crate) bytes: Vec<u8>,
    pub(crate) typed: bool,
    pub(crate) told: bool,
}

pub(crate) struct ViewerHost<S> {
    pub(crate) machine: Viewer,
    pub(crate) peer: Peer,
    pub(crate) link: Link,
    pub(crate) screen: S,
    pub(crate) rebuilds: u64,
    pub(crate) parse_delay: u64,
    pub(crate) stuck_until: u64,
    pub(crate) pressed: Vec<Pressed>,
    /// For how long something was looked at that the sharer never showed, in milliseconds.
    pub(crate) forged_ms: u64,
    pub(crate) was_live: bool,
    /// It left, and is not simulated any more.
    pub(crate) gone: bool,
}

/// What a hostile relay makes of a packet: each with a delay.
pub(crate) type Tamper = Box<dyn FnMut(u64, End, Way, &Packet) -> Vec<(u64, Packet)>>;

pub(crate) struct World<S> {
    pub(crate) ms: u64,
    pub(crate) random: Random,
    /// The first sharer is all made of this.
    pub(crate) first_seed: [u8; 32],
    stepping: Stepping,
    jobs: BTreeMap<(u64, u64), Job>,
    job: u64,
    pub(crate) network: Network,
    pub(crate) relay: Option<Relay>,
    pub(crate) relay_frozen_until: u64,
    pub(crate) sharers: Vec<SharerHost>,
    pub(crate) programs: Vec<Program<S>>,
    pub(crate) viewers: Vec<ViewerHost<S>>,
    pub(crate) faults: Faults,
    pub(crate) tamper: Option<Tamper>,
    /// Law 11: everything sealed under a counter, and the bytes it was.
    sealed: BTreeMap<(usize, EpochId, u8, u64), Bytes>,
    epochs: BTreeMap<(u64, Channel), EpochId>,
    /// Of the events on each of the sharers' sockets.
    numbering: BTreeMap<u64, Numbering>,
    agreements: BTreeSet<[u8; 32]>,
    /// Everything that went over the network, for those who want to compare or to replay.
    pub(crate) trace: Option<Vec<(u64, End, Way, Packet)>>,
    /// A relay that forges: then only the 5 s of law 12 hold, not that nothing forged is seen.
    pub(crate) hostile: bool,
    slow_network: bool,
    /// `SIMULATION_LOUD` is set: every packet is printed.
    loud: bool,
    spins: u64,
}

impl<S: Screen> World<S> {
    /// One sharer and one relay.
    pub(crate) fn new(seed: u64, stepping: Stepping) -> Self {
        let mut world = Self {
            ms: 0,
            random: Random::new(seed),
            first_seed: [0; 32],
            stepping,
            jobs: BTreeMap::new(),
            job: 0,
            network: Network::default(),
            relay: None,
            relay_frozen_until: 0,
            sharers: Vec::new(),
            programs: Vec::new(),
            viewers: Vec::new(),
            faults: Faults::default(),
            tamper: None,
            sealed: BTreeMap::new(),
            epochs: BTreeMap::new(),
            numbering: BTreeMap::new(),
            agreements: BTreeSet::new(),
            trace: None,
            hostile: false,
            slow_network: seed.is_multiple_of(3),
            loud: std::env::var_os("SIMULATION_LOUD").is_some(),
            spins: 0,
        };
        world.start_relay();
        world.first_seed = world.random.seed();
        world.add_sharer(world.first_seed);
        world
    }

    fn start_relay(&mut self) {
        let entropy = Entropy::from_seed(self.random.seed());
        self.relay = Some(Relay::new(RelayConfig::default(), entropy, self.now(0)));
    }

    /// One more sharer, with a program; its number.
    pub(crate) fn add_sharer(&mut self, seed: [u8; 32]) -> usize {
        let machine = Sharer::new(Entropy::from_seed(seed), self.now(0));
        let state = machine.state();
        self.sharers.push(SharerHost { machine, peer: Peer::default(), state });
        self.open(self.sharers.len() - 1)
    }

    /// One more program of a sharer; its number.
    pub(crate) fn open(&mut self, sharer: usize) -> usize {
        let config = SessionConfig {
            title: "simulated".into(),
            read_only: false,
            compress: true,
            window: WINDOW,
            source: SessionSource::default(),
            announced: true,
            keep: None,
        };
        let now = self.now_of(End::Sharer(sharer));
        let id = self.sharers[sharer].machine.open(now, config);
        let program = self.program(sharer, id);
        self.drain_sharer(sharer);
        program
    }

    /// The link of the first program.
    pub(crate) fn link(&self, right: Right) -> Link {
        self.link_of(0, right)
    }

    pub(crate) fn link_of(&self, program: usize, right: Right) -> Link {
        let Program { sharer, id, .. } = &self.programs[program];
        let links = self.sharers[*sharer].machine.links(*id, BASE).unwrap();
        if right == Right::Type { links.write.unwrap() } else { links.read }
    }

    /// The program of a session; a new one if the sharer has opened it meanwhile.
    pub(crate) fn program(&mut self, sharer: usize, id: SessionId) -> usize {
        let known = self.programs.iter().position(|program| program.sharer == sharer && program.id == id);
        known.unwrap_or_else(|| {
            self.programs.push(Program {
                sharer,
                id,
                truth: S::fresh(WINDOW),
                model: S::fresh(WINDOW),
                model_queue: VecDeque::new(),
                model_delay: 1,
                boundaries: BTreeSet::new(),
                typed: Vec::new(),
                ended: false,
                room: RoomState::Pending,
            });
            self.programs.len() - 1
        })
    }

    /// The program that a viewer looks at.
    pub(crate) fn program_of(&self, viewer: usize) -> usize {
        let session = self.viewers[viewer].link.session;
        self.programs.iter().position(|program| program.id == session).unwrap()
    }

    pub(crate) fn add_viewer(&mut self, link: Link) -> usize {
        let entropy = Entropy::from_seed(self.random.seed());
        let mut machine = Viewer::new(link.clone(), entropy, self.now(0));
        let effects = machine.start();
        self.viewers.push(ViewerHost {
            machine,
            peer: Peer::default(),
            link,
            screen: S::fresh(WINDOW),
            rebuilds: 0,
            parse_delay: 2,
            stuck_until: 0,
            pressed: Vec::new(),
            forged_ms: 0,
            was_live: false,
            gone: false,
        });
        let index = self.viewers.len() - 1;
        self.run_effects(index, effects);
        index
    }

    pub(crate) fn now(&self, clock_off: i64) -> Now {
        Now::new(self.ms, (WALL + self.ms).saturating_add_signed(clock_off))
    }

    pub(crate) fn peer(&mut self, end: End) -> &mut Peer {
        match end {
            End::Sharer(index) => &mut self.sharers[index].peer,
            End::Viewer(index) => &mut self.viewers[index].peer,
        }
    }

    fn now_of(&self, end: End) -> Now {
        self.now(match end {
            End::Sharer(index) => self.sharers[index].peer.clock_off,
            End::Viewer(index) => self.viewers[index].peer.clock_off,
        })
    }

    fn frozen_until(&self, end: End) -> u64 {
        match end {
            End::Sharer(index) => self.sharers[index].peer.frozen_until,
            End::Viewer(index) if self.viewers[index].gone => u64::MAX,
            End::Viewer(index) => self.viewers[index].peer.frozen_until,
        }
    }

    fn later(&mut self, ms: u64, job: Job) {
        self.job += 1;
        self.jobs.insert((self.ms + ms, self.job), job);
    }

    pub(crate) fn view(&self, viewer: usize) -> View {
        self.viewers[viewer].machine.view()
    }

    // --- time ---------------------------------------------------------------------------------------------------

    pub(crate) fn run(&mut self, ms: u64) {
        let until = self.ms + ms;
        loop {
            let next = self.next_at().max(self.ms);
            if next > until {
                self.advance(until);
                return;
            }
            self.spins = if next == self.ms { self.spins + 1 } else { 0 };
            assert!(self.spins < 50_000, "something spins at {next}: {:?}", self.deadlines());
            self.advance(next);
            self.step();
        }
    }

    /// Runs until `done`, at most so long; says whether it was.
    pub(crate) fn run_until(&mut self, ms: u64, done: impl Fn(&Self) -> bool) -> bool {
        for _ in 0..ms.div_ceil(5) {
            if done(self) {
                return true;
            }
            self.run(5);
        }
        done(self)
    }

    fn advance(&mut self, to: u64) {
        let passed = to - self.ms;
        for index in 0..self.viewers.len() {
            if self.viewers[index].peer.frozen_until > self.ms || self.viewers[index].gone {
                continue;
            }
            if passed > 0 && self.sees_what_never_was(index) {
                let viewer = &mut self.viewers[index];
                viewer.forged_ms += passed;
                assert!(viewer.forged_ms <= UNSIGNED_FOR, "viewer {index} saw a forgery too long");
            }
        }
        self.ms = to;
    }

    /// Whether a viewer shows, unmarked, what its program's terminal never was at the end of any event.
    pub(crate) fn sees_what_never_was(&self, index: usize) -> bool {
        if !S::EXACT {
            return false;
        }
        let viewer = &self.viewers[index];
        let state = viewer.screen.state();
        let session = viewer.link.session;
        let own = |program: &&Program<S>| program.id == session;
        !self.programs.iter().filter(own).any(|program| program.boundaries.contains(&state))
            && viewer.machine.view().shown == Shown::Screen
    }

    fn deadlines(&self) -> Vec<(u64, &'static str)> {
        let mut all = Vec::new();
        let mut add = |frozen_until: u64, deadline: Option<(shared::time::Moment, &'static str)>| {
            if let Some((at, why)) = deadline
                && frozen_until != u64::MAX
            {
                all.push((at.0.max(frozen_until), why));
            }
        };
        for sharer in &self.sharers {
            add(sharer.peer.frozen_until, sharer.machine.poll_timeout());
        }
        for (index, viewer) in self.viewers.iter().enumerate() {
            add(self.frozen_until(End::Viewer(index)), viewer.machine.poll_timeout());
        }
        if let Some(relay) = &self.relay {
            add(self.relay_frozen_until, relay.poll_timeout());
        }
        all
    }

    fn next_at(&self) -> u64 {
        let job = self.jobs.first_key_value().map(|((at, _), _)| *at);
        let packet = self.network.next_at(|end, way| self.takes(end, way));
        // A packet that waits for somebody frozen arrives when that one thaws.
        let thaw = (0..self.sharers.len())
            .map(End::Sharer)
            .chain((0..self.viewers.len()).map(End::Viewer))
            .map(|end| self.frozen_until(end))
            .chain([self.relay_frozen_until])
            .filter(|at| *at > self.ms && *at != u64::MAX);
        let timeout = self.deadlines().into_iter().map(|(at, _)| at).min();
        let tick = (self.stepping == Stepping::Every10).then_some(self.ms / 10 * 10 + 10);
        job.into_iter().chain(packet).chain(thaw).chain(timeout).chain(tick).min().unwrap_or(u64::MAX)
    }

    fn takes(&self, end: End, way: Way) -> bool {
        match way {
            Way::Up => self.relay_frozen_until <= self.ms,
            Way::Down => self.frozen_until(end) <= self.ms,
        }
    }

    fn step(&mut self) {
        while let Some((&(at, id), _)) = self.jobs.first_key_value() {
            if at > self.ms {
                break;
            }
            let job = self.jobs.remove(&(at, id)).unwrap();
            self.run_job(job);
        }
        while let Some((id, end, way, item)) = self.next_arrival() {
            self.deliver(id, end, way, item);
            self.network.remove_if_done(id);
        }
        let due = |deadline: Option<(shared::time::Moment, &'static str)>, ms: u64, every: bool| {
            every || deadline.is_some_and(|(at, _)| at.0 <= ms)
        };
        let every = self.stepping == Stepping::Every10;
        for index in 0..self.sharers.len() {
            let end = End::Sharer(index);
            let now = self.now_of(end);
            let awake = self.frozen_until(end) <= self.ms;
            let sharer = &mut self.sharers[index];
            if awake && due(sharer.machine.poll_timeout(), self.ms, every) {
                sharer.machine.handle_timeout(now);
                self.drain_sharer(index);
            }
        }
        let now = self.now(0);
        if let Some(relay) = self.relay.as_mut().filter(|_| self.relay_frozen_until <= self.ms)
            && due(relay.poll_timeout(), self.ms, every)
        {
            relay.handle_timeout(now);
            self.drain_relay();
        }
        for index in 0..self.viewers.len() {
            let awake = self.frozen_until(End::Viewer(index)) <= self.ms;
            if awake && due(self.viewers[index].machine.poll_timeout(), self.ms, every) {
                self.update(index, Event::Timeout);
            }
        }
    }

    fn next_arrival(&mut self) -> Option<(u64, End, Way, Item)> {
        let (ms, relay) = (self.ms, self.relay_frozen_until);
        let sharers: Vec<u64> = self.sharers.iter().map(|sharer| sharer.peer.frozen_until).collect();
        let viewers: Vec<u64> =
            (0..self.viewers.len()).map(|index| self.frozen_until(End::Viewer(index))).collect();
        self.network.arrived(ms, |end, way| match (way, end) {
            (Way::Up, _) => relay <= ms,
            (Way::Down, End::Sharer(index)) => sharers[index] <= ms,
            (Way::Down, End::Viewer(index)) => viewers[index] <= ms,
        })
    }

    fn run_job(&mut self, job: Job) {
        let end = match &job {
            Job::Attempt(end, _) | Job::Failed(end, _) => Some(*end),
            Job::Model(index) | Job::Typed(index, _) => Some(End::Sharer(self.programs[*index].sharer)),
            Job::Parsed(index, _) => Some(End::Viewer(*index)),
            Job::RelayUp => None,
        };
        if let Some(end) = end {
            let until = self.frozen_until(end);
            if until == u64::MAX {
                return;
            }
            if until > self.ms {
                return self.later(until - self.ms, job);
            }
        }
        match job {
            Job::Attempt(end, attempt) => self.attempt(end, attempt),
            Job::Failed(end, attempt) => {
                if self.peer(end).attempt == attempt {
                    self.disconnected(end, None);
                }
            }
            Job::Model(index) => self.step_model(index),
            Job::Typed(index, bytes) => {
                self.with_program(index, |machine, now, id| machine.handle_typed(now, id, bytes));
            }
            Job::Parsed(index, ticket) => {
                let stuck = self.viewers[index].stuck_until;
                if stuck > self.ms {
                    return self.later(stuck - self.ms, Job::Parsed(index, ticket));
                }
                self.update(index, Event::Parsed { pane: PaneId::OWN, ticket });
            }
            Job::RelayUp => self.start_relay(),
        }
    }

    // --- the network --------------------------------------------------------------------------------------------

    fn connect(&mut self, end: End) {
        let peer = self.peer(end);
        peer.attempt += 1;
        let attempt = peer.attempt;
        if let Some(id) = peer.socket.take() {
            self.network.close(id, Way::Up, None, self.ms);
        }
        let wait = self.random.within(1, 30);
        self.later(wait, Job::Attempt(end, attempt));
    }

    fn attempt(&mut self, end: End, attempt: u64) {
        let ms = self.ms;
        let offline = self.peer(end).offline_until > ms;
        if self.peer(end).attempt != attempt {
            return;
        }
        if offline || self.relay.is_none() {
            return self.later(20, Job::Failed(end, attempt));
        }
        if self.relay_frozen_until > ms {
            return self.later(self.relay_frozen_until - ms, Job::Attempt(end, attempt));
        }
        let latency = self.random.within(1, 40);
        let pace = if self.slow_network { self.random.within(100, 2_000) } else { 50_000 };
        let id = self.network.open(end, latency, pace);
        self.peer(end).socket = Some(id);
        let now = self.now(0);
        let info = PeerInfo { host: HOST.into(), address: format!("{end:?}") };
        if let Some(relay) = &mut self.relay {
            relay.handle_connected(now, PeerId(id), info);
        }
        self.drain_relay();
        let now = self.now_of(end);
        match end {
            End::Sharer(index) => {
                self.sharers[index].machine.handle_connected(now, HOST);
                self.drain_sharer(index);
            }
            End::Viewer(index) => self.update(index, Event::Connected),
        }
    }

    fn disconnected(&mut self, end: End, code: Option<u16>) {
        self.peer(end).socket = None;
        self.peer(end).attempt += 1;
        let now = self.now_of(end);
        match end {
            End::Sharer(index) => {
                self.sharers[index].machine.handle_disconnected(now, code);
                self.drain_sharer(index);
            }
            End::Viewer(index) => self.update(index, Event::Disconnected { code }),
        }
    }

    fn send(&mut self, id: u64, way: Way, packet: Packet) {
        let Some(end) = self.network.end(id) else { return };
        if way == Way::Up {
            self.watch_seals(id, end, &packet);
        }
        if self.loud {
            println!("{}", brief(self.ms, end, way, &packet));
        }
        if let Some(trace) = &mut self.trace {
            trace.push((self.ms, end, way, packet.clone()));
        }
        match &mut self.tamper {
            None => self.network.send(id, way, Item::Packet(packet), self.ms, 0),
            Some(tamper) => {
                for (extra, packet) in tamper(self.ms, end, way, &packet) {
                    self.network.send(id, way, Item::Packet(packet), self.ms, extra);
                }
            }
        }
    }

    /// A hostile relay says something of its own.
    pub(crate) fn inject(&mut self, end: End, way: Way, packet: Packet) {
        if let Some(id) = self.peer(end).socket {
            self.network.inject(id, way, Item::Packet(packet), self.ms);
        }
    }

    /// Law 11: a number of an epoch is always the same bytes, and no key for input is drawn twice.
    fn watch_seals(&mut self, id: u64, end: End, packet: &Packet) {
        match (end, packet) {
            (End::Sharer(index), Packet::Binary(bytes)) => {
                let frame =
                    self.numbering.entry(id).or_default().put_back(Frame::decode(bytes).unwrap()).unwrap();
                let channel = frame.channel();
                let (kind, number, body) = match frame {
                    Frame::Event { event, .. } => (event.kind.byte(), event.number, event.body),
                    Frame::Beat { number, body, .. } => (7, number, body),
                    Frame::SnapshotPart { body, .. } => {
                        // Nonces are random: the first 24 bytes never come again with another body.
                        let nonce = u64::from_be_bytes(*body.first_chunk::<8>().unwrap());
                        (4, nonce, body)
                    }
                    _ => return,
                };
                let kind = if kind == 2 { 1 } else { kind };
                let epoch = self.epochs[&(id, channel.unwrap())];
                let before = self.sealed.entry((index, epoch, kind, number)).or_insert_with(|| body.clone());
                assert_eq!(before, &body, "{kind} {number} of {epoch:?} was sealed twice");
            }
            (End::Sharer(_), Packet::Text(text)) => {
                match shared::wire::decode::<SharerToRelay>(text).unwrap() {
                    SharerToRelay::Initialize { channel, payload } => {
                        self.epochs.insert((id, channel), payload.claim.epoch);
                    }
                    SharerToRelay::UpdateHeader { channel, epoch, .. } => {
                        self.epochs.insert((id, channel), epoch);
                    }
                    _ => {}
                }
            }
            (End::Viewer(_), Packet::Text(text)) => {
                if let ViewerToRelay::Join { payload, .. } = shared::wire::decode(text).unwrap()
                    && let Some(agreement) = payload.agreement
                {
                    assert!(self.agreements.insert(agreement.0), "a key for input was drawn twice");
                }
            }
            (End::Viewer(_), Packet::Binary(_)) => {}
        }
    }

    fn deliver(&mut self, id: u64, end: End, way: Way, item: Item) {
        let now = self.now(0);
        match (way, item) {
            (Way::Up, item) => {
                let Some(relay) = &mut self.relay else { return };
                match item {
                    Item::Packet(packet) => relay.handle_packet(now, PeerId(id), packet),
                    Item::Close(_) => relay.handle_disconnected(now, PeerId(id)),
                }
                let log = relay.stats().log_bytes;
                assert!(log <= 3 * 1024 * 1024, "the relay holds {log} bytes of events");
                self.drain_relay();
            }
            (Way::Down, _) if self.peer(end).socket != Some(id) => {}
            (Way::Down, Item::Close(code)) => self.disconnected(end, code),
            (Way::Down, Item::Packet(packet)) => {
                let now = self.now_of(end);
                match end {
                    End::Sharer(index) => {
                        self.sharers[index].machine.handle_packet(now, &packet);
                        self.drain_sharer(index);
                    }
                    End::Viewer(index) => {
                        self.note_control(&packet);
                        self.update(index, Event::Packet(packet));
                    }
                }
            }
        }
    }

    fn note_control(&mut self, packet: &Packet) {
        let Packet::Text(text) = packet else { return };
        match shared::wire::decode::<RelayToViewer>(text) {
            Ok(RelayToViewer::Resyncing { .. }) => self.faults.note("resync"),
            Ok(RelayToViewer::JoinedSuccessfully { resumed: true, .. }) => self.faults.note("resumed"),
            Ok(RelayToViewer::InputRefused { .. }) => self.faults.note("input refused"),
            _ => {}
        }
    }

    fn drain_relay(&mut self) {
        let now = self.now(0);
        loop {
            let Some(peer) = self.relay.as_mut().and_then(Relay::poll_ready) else { return };
            while let Some(outgoing) = self.relay.as_mut().and_then(|relay| relay.poll_transmit(peer)) {
                let packet = match outgoing {
                    Outgoing::Text(text) => Packet::Text(text),
                    Outgoing::Binary { head, body } => Packet::Binary([&head[..], &body].concat().into()),
                    Outgoing::Close(code) => {
                        self.network.close(peer.0, Way::Down, Some(code.code()), self.ms);
                        if let Some(relay) = &mut self.relay {
                            relay.handle_disconnected(now, peer);
                        }
                        break;
                    }
                };
                self.send(peer.0, Way::Down, packet);
            }
        }
    }

    // --- the sharer ---------------------------------------------------------------------------------------------

    pub(crate) fn drain_sharer(&mut self, index: usize) {
        loop {
            let mut idle = true;
            while let Some(packet) = self.sharers[index].machine.poll_transmit() {
                idle = false;
                if let Some(id) = self.sharers[index].peer.socket {
                    self.send(id, Way::Up, packet);
                }
            }
            while let Some(effect) = self.sharers[index].machine.poll_effect() {
                idle = false;
                self.run_sharer_effect(index, effect);
            }
            if idle {
                return;
            }
        }
    }

    fn run_sharer_effect(&mut self, index: usize, effect: sharer::Effect) {
        match effect {
            sharer::Effect::Connect => self.connect(End::Sharer(index)),
            sharer::Effect::Close(_) => self.drop_socket(End::Sharer(index)),
            sharer::Effect::Model(id, input) => {
                let index = self.program(index, id);
                let program = &mut self.programs[index];
                match &input {
                    ModelInput::Output(bytes) => program.truth.feed(bytes),
                    ModelInput::Resize(window) => program.truth.resize(*window),
                    ModelInput::Mark(_) if !S::EXACT => {}
                    ModelInput::Mark(_) => {
                        program.boundaries.insert(program.truth.state());
                    }
                    ModelInput::Snapshot { .. } | ModelInput::Command(_) | ModelInput::Forget => {}
                }
                program.model_queue.push_back(input);
                if program.model_queue.len() == 1 {
                    let delay = program.model_delay;
                    self.later(delay, Job::Model(index));
                }
            }
            sharer::Effect::Type(id, bytes) => {
                let index = self.program(index, id);
                self.typed(index, &bytes);
            }
            sharer::Effect::Connection(state) => self.sharers[index].state = state,
            sharer::Effect::Room(id, room) => {
                let index = self.program(index, id);
                self.programs[index].room = room;
            }
            sharer::Effect::Ended(id) => {
                let index = self.program(index, id);
                self.programs[index].ended = true;
            }
            sharer::Effect::Resize(..)
            | sharer::Effect::Viewers { .. }
            | sharer::Effect::LinksChanged(_)
            | sharer::Effect::Reach(_)
            | sharer::Effect::Said(..)
            | sharer::Effect::Kept(..)
            | sharer::Effect::Opened { .. }
            | sharer::Effect::Task(_) => {}
        }
    }

    fn drop_socket(&mut self, end: End) {
        let ms = self.ms;
        let peer = self.peer(end);
        peer.attempt += 1;
        if let Some(id) = peer.socket.take() {
            self.network.close(id, Way::Up, None, ms);
        }
    }

    fn step_model(&mut self, index: usize) {
        while let Some(input) = self.programs[index].model_queue.pop_front() {
            let model = &mut self.programs[index].model;
            match input {
                ModelInput::Output(bytes) => model.feed(&bytes),
                ModelInput::Resize(window) => model.resize(window),
                ModelInput::Command(_) | ModelInput::Forget => {}
                ModelInput::Mark(mark) => {
                    self.machine_of(index, |machine, now, id| machine.handle_model_passed(now, id, mark));
                }
                ModelInput::Snapshot { mark, full } => {
                    let dump = ModelDump {
                        mark,
                        window: model.window(),
                        screen: model.dump(false),
                        full: full.then(|| model.dump(true)),
                    };
                    self.machine_of(index, |machine, now, id| machine.handle_dump(now, id, &dump));
                }
            }
        }
        self.drain_sharer(self.programs[index].sharer);
    }

    /// Law 8, as the PTY sees it.
    fn typed(&mut self, index: usize, bytes: &[u8]) {
        let ms = self.ms;
        let write = self.link_of(index, Right::Type);
        let found = self.viewers.iter_mut().find_map(|viewer| {
            let at = viewer.pressed.iter().position(|pressed| pressed.bytes == bytes)?;
            Some((viewer, at))
        });
        let Some((viewer, at)) = found else {
            panic!("typed {:?}, which nobody pressed", String::from_utf8_lossy(bytes))
        };
        assert_eq!(viewer.link, write, "typed by a link that may not type");
        assert!(viewer.pressed[at..].iter().all(|pressed| !pressed.typed), "typed twice, or out of order");
        let age = ms - viewer.pressed[at].at;
        assert!(age <= INPUT_GOOD_FOR, "typed {age} ms after it was pressed");
        viewer.pressed[at].typed = true;
        self.faults.note(if bytes.len() > 100 { "paste typed" } else { "keys typed" });
        self.programs[index].typed.extend_from_slice(bytes);
        self.later(1, Job::Typed(index, bytes.len()));
    }

    /// A program writes.
    pub(crate) fn output(&mut self, program: usize, bytes: &[u8]) {
        let output = Bytes::copy_from_slice(bytes);
        self.with_program(program, |machine, now, id| machine.handle_output(now, id, &output));
    }

    fn machine_of<T>(&mut self, program: usize, f: impl FnOnce(&mut Sharer, Now, SessionId) -> T) -> T {
        let Program { sharer, id, .. } = self.programs[program];
        let now = self.now_of(End::Sharer(sharer));
        f(&mut self.sharers[sharer].machine, now, id)
    }

    /// Does something with a program's session.
    pub(crate) fn with_program<T>(
        &mut self,
        program: usize,
        f: impl FnOnce(&mut Sharer, Now, SessionId) -> T,
    ) -> T {
        let out = self.machine_of(program, f);
        self.drain_sharer(self.programs[program].sharer);
        out
    }

    // --- viewers ------------------------------------------------------------------------------------------------

    pub(crate) fn update(&mut self, index: usize, event: Event) {
        let now = self.now_of(End::Viewer(index));
        let effects = self.viewers[index].machine.update(now, event);
        self.run_effects(index, effects);
        self.viewers[index].was_live |= self.view(index).state == State::Live;
        if matches!(self.view(index).typing, Typing::Lost(_)) {
            let mut news = false;
            for pressed in &mut self.viewers[index].pressed {
                news |= !pressed.told && !pressed.typed;
                pressed.told = true;
            }
            if news {
                self.faults.note("input lost and told");
            }
        }
        if !self.hostile && self.sees_what_never_was(index) {
            panic!("viewer {index} shows what never was, {:?}", self.view(index));
        }
    }

    fn run_effects(&mut self, index: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Connect { .. } => self.connect(End::Viewer(index)),
                Effect::Close => self.drop_socket(End::Viewer(index)),
                Effect::Send(packet) => {
                    if let Some(id) = self.viewers[index].peer.socket {
                        self.send(id, Way::Up, packet);
                    }
                }
                Effect::Rebuild { ticket, window, bytes, .. } => {
                    let mut screen = S::fresh(window);
                    screen.feed(&bytes);
                    self.viewers[index].screen = screen;
                    self.viewers[index].rebuilds += 1;
                    self.parse(index, ticket);
                }
                Effect::Write { ticket, bytes, .. } => {
                    self.viewers[index].screen.feed(&bytes);
                    self.parse(index, ticket);
                }
                Effect::Resize { window, .. } => self.viewers[index].screen.resize(window),
                Effect::Wipe { .. } => self.viewers[index].screen = S::fresh(WINDOW),
                Effect::Mark { .. }
                | Effect::KeepSecret { .. }
                | Effect::Fetch(_)
                | Effect::Drop { .. }
                | Effect::Skip { .. } => {}
            }
        }
    }

    fn parse(&mut self, index: usize, ticket: u64) {
        let delay = self.viewers[index].parse_delay;
        self.later(delay, Job::Parsed(index, ticket));
    }

    /// A person types, if this viewer's page lets them; says whether the keys were sealed.
    pub(crate) fn press(&mut self, index: usize, bytes: &[u8]) -> bool {
        if matches!(self.view(index).typing, Typing::Lost(_)) {
            self.update(index, Event::GoOn);
        }
        if self.view(index).typing == Typing::Offered {
            self.update(index, Event::StartTyping);
        }
        if self.view(index).typing != Typing::On {
            return false;
        }
        let at = self.ms;
        self.viewers[index].pressed.push(Pressed { at, bytes: bytes.to_vec(), typed: false, told: false });
        let event = if bytes.len() > 100 {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            Event::Paste { pane: PaneId::OWN, text, bracketed: false }
        } else {
            Event::Keys { pane: PaneId::OWN, bytes: bytes.to_vec() }
        };
        self.update(index, event);
        true
    }

    // --- faults -------------------------------------------------------------------------------------------------

    /// Breaks a socket after `keep` more packets each way.
    pub(crate) fn cut(&mut self, end: End, keep: usize, unnoticed: u64) -> bool {
        let ms = self.ms;
        let Some(id) = self.peer(end).socket else { return false };
        if self.network.cut(id, ms, keep, unnoticed) {
            self.faults.note("cut between packets");
        }
        true
    }

    /// Kills the relay with everything it knew; a new one starts after `down` ms.
    pub(crate) fn kill_relay(&mut self, down: u64, keep: usize) {
        if self.relay.take().is_some() {
            self.network.die(self.ms, keep);
            self.relay_frozen_until = 0;
            self.later(down, Job::RelayUp);
        }
    }

    /// All faults end.
    pub(crate) fn heal(&mut self) {
        let ms = self.ms;
        let ends = (0..self.sharers.len()).map(End::Sharer).chain((0..self.viewers.len()).map(End::Viewer));
        for end in ends.collect::<Vec<_>>() {
            let peer = self.peer(end);
            peer.offline_until = peer.offline_until.min(ms);
            peer.frozen_until = peer.frozen_until.min(ms);
        }
        self.relay_frozen_until = self.relay_frozen_until.min(ms);
        for viewer in &mut self.viewers {
            viewer.stuck_until = 0;
            viewer.parse_delay = 2;
        }
        for program in &mut self.programs {
            program.model_delay = 1;
        }
    }

    /// Law 3, after quiet: this viewer is live and shows exactly the sharer's terminal, history included.
    pub(crate) fn assert_exact(&self, index: usize) {
        let (viewer, program) = (&self.viewers[index], &self.programs[self.program_of(index)]);
        let view = viewer.machine.view();
        assert_eq!(view.state, State::Live, "viewer {index}: {view:?}");
        self.assert_same_screen(index);
        assert!(
            viewer.screen.history() == program.truth.history(),
            "viewer {index}: another history, {} of {} bytes",
            viewer.screen.history().len(),
            program.truth.history().len()
        );
    }

    pub(crate) fn assert_same_screen(&self, index: usize) {
        let (viewer, program) = (&self.viewers[index], &self.programs[self.program_of(index)]);
        assert_eq!(viewer.machine.view().shown, Shown::Screen);
        assert_eq!(viewer.screen.state(), program.truth.state(), "viewer {index}: another screen");
        assert_eq!(viewer.screen.window(), program.truth.window());
    }
}

/// A packet in a line.
pub(crate) fn brief(at: u64, end: End, way: Way, packet: &Packet) -> String {
    let packet = match packet {
        Packet::Text(text) => text.clone(),
        Packet::Binary(bytes) => format!("{:?}", Frame::decode(bytes)),
    };
    let packet: String = packet.chars().take(180).collect();
    format!("{at} {end:?} {way:?} {packet}")
}
