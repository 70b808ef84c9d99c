//! All machines on one virtual network and clock, and the laws that hold at every moment.

#[path = "world/faults.rs"]
mod faults;
#[path = "world/laws.rs"]
mod laws;
#[path = "world/seals.rs"]
mod seals;
#[path = "world/sharers.rs"]
mod sharers;
#[path = "world/viewers.rs"]
mod viewers;
#[path = "world/wire.rs"]
mod wire;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use shared::entropy::Entropy;
use shared::event::WindowSize;
use shared::id::{Channel, SessionId};
use shared::keys::epoch::EpochId;
use shared::keys::grant::Right;
use shared::link::Link;
use shared::relay::{Relay, RelayConfig};
use shared::sharer::{self, ModelInput, RoomState, SessionConfig, Sharer};
use shared::time::Now;
use shared::viewer::{Event, PaneId, Shown, View, Viewer};
use shared::wire::Packet;
use shared::wire::frame::Frame;
use shared::wire::numbering::Numbering;
use shared::wire::source::SessionSource;

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
