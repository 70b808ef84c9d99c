//! A transcript's whole way: the sharer's machine, the relay's, and viewers' that come early, late and again.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test panics when it fails"
)]

use shared::conversation::{AgentId, Block, Content, Patch, Role, Transcript, Update};
use shared::entropy::Entropy;
use shared::event::WindowSize;
use shared::id::SessionId;
use shared::relay::{Outgoing, PeerId, PeerInfo, Relay, RelayConfig};
use shared::sharer::{Effect, ModelDump, ModelInput, SessionConfig, Sharer};
use shared::time::Now;
use shared::viewer::{self, Event, Viewer};
use shared::wire::Packet;
use shared::wire::source::SessionSource;

const HOST: &str = "127.0.0.1:4777";
const SHARER: PeerId = PeerId(1);

struct World {
    ms: u64,
    sharer: Sharer,
    session: SessionId,
    relay: Relay,
    viewers: Vec<(PeerId, Viewer)>,
    peers: u64,
}

impl World {
    fn new() -> Self {
        let now = Now::new(0, 1_000);
        let window = WindowSize { cols: 80, rows: 24 };
        let (title, source) = ("talk".into(), SessionSource::default());
        let mut sharer = Sharer::new(Entropy::from_seed([1; 32]), now);
        let session = sharer.open(
            now,
            SessionConfig {
                title,
                read_only: false,
                compress: true,
                window,
                source,
                announced: true,
                keep: None,
            },
        );
        let relay = Self::relay(now);
        let mut world = Self { ms: 0, sharer, session, relay, viewers: Vec::new(), peers: 10 };
        world.pass(100);
        world
    }

    fn relay(now: Now) -> Relay {
        Relay::new(RelayConfig::default(), Entropy::from_seed([2; 32]), now)
    }

    fn now(&self) -> Now {
        Now::new(self.ms, 1_000 + self.ms)
    }

    fn say(&mut self, update: Update) {
        self.sharer.say(self.now(), self.session, update);
        self.flow();
    }

    fn words(&mut self, text: &str) {
        let content = Content::Text(text.into());
        self.say(Update::Chunk { role: Role::Agent, message: None, content });
    }

    fn join(&mut self) -> usize {
        let link = self.sharer.links(self.session, "http://h").unwrap().read;
        let at = self.viewers.len();
        let seed = [u8::try_from(at).unwrap() + 20; 32];
        let mut viewer = Viewer::new(link, Entropy::from_seed(seed), self.now());
        let effects = viewer.start();
        self.peers += 1;
        self.viewers.push((PeerId(self.peers), viewer));
        self.run(at, effects);
        self.pass(300);
        at
    }

    fn transcript(&self, at: usize) -> &Transcript {
        self.viewers[at].1.transcript().unwrap()
    }

    /// What a viewer shows is what the sharer has.
    fn assert_same(&self, at: usize) {
        let shown = |transcript: &Transcript| {
            let blocks: Vec<_> = transcript.blocks().map(|(at, _, block)| (at, block.clone())).collect();
            (transcript.revision(), transcript.is_loading(), blocks)
        };
        let (truth, seen) = (self.sharer.transcript(self.session).unwrap(), self.transcript(at));
        assert!(shown(truth) == shown(seen), "{} of {} blocks", seen.len(), truth.len());
    }

    fn give(&mut self, at: usize, event: Event) {
        let now = self.now();
        let effects = self.viewers[at].1.update(now, event);
        self.run(at, effects);
    }

    fn run(&mut self, at: usize, effects: Vec<viewer::Effect>) {
        for effect in effects {
            match effect {
                viewer::Effect::Connect { .. } => {
                    self.peers += 1;
                    self.viewers[at].0 = PeerId(self.peers);
                    let info = PeerInfo { host: HOST.into(), address: "127.0.0.1".into() };
                    self.relay.handle_connected(self.now(), PeerId(self.peers), info);
                    self.give(at, Event::Connected);
                }
                viewer::Effect::Send(packet) => {
                    let peer = self.viewers[at].0;
                    self.relay.handle_packet(self.now(), peer, packet);
                }
                viewer::Effect::Rebuild { pane, ticket, .. } | viewer::Effect::Write { pane, ticket, .. } => {
                    self.give(at, Event::Parsed { pane, ticket });
                }
                _ => {}
            }
        }
    }

    fn effects(&mut self) {
        while let Some(effect) = self.sharer.poll_effect() {
            let now = self.now();
            match effect {
                Effect::Connect => {
                    let info = PeerInfo { host: HOST.into(), address: "127.0.0.1".into() };
                    self.relay.handle_connected(now, SHARER, info);
                    self.sharer.handle_connected(now, HOST);
                }
                Effect::Model(session, ModelInput::Mark(mark)) => {
                    self.sharer.handle_model_passed(now, session, mark);
                }
                Effect::Model(session, ModelInput::Snapshot { mark, full }) => {
                    let (screen, window) = (b"screen".to_vec(), WindowSize { cols: 80, rows: 24 });
                    let full = full.then(|| b"full".to_vec());
                    self.sharer.handle_dump(now, session, &ModelDump { mark, window, screen, full });
                }
                _ => {}
            }
        }
    }

    fn flow(&mut self) {
        loop {
            let mut moved = false;
            self.effects();
            while let Some(packet) = self.sharer.poll_transmit() {
                moved = true;
                self.relay.handle_packet(self.now(), SHARER, packet);
                self.effects();
            }
            let mut arriving = Vec::new();
            while let Some(peer) = self.relay.poll_ready() {
                while let Some(outgoing) = self.relay.poll_transmit(peer) {
                    let packet = match outgoing {
                        Outgoing::Text(text) => Packet::Text(text),
                        Outgoing::Binary { head, body } => Packet::Binary([&head[..], &body].concat().into()),
                        Outgoing::Close(_) => continue,
                    };
                    arriving.push((peer, packet));
                }
            }
            for (peer, packet) in arriving {
                moved = true;
                if peer == SHARER {
                    self.sharer.handle_packet(self.now(), &packet);
                    self.effects();
                } else if let Some(at) = self.viewers.iter().position(|(own, _)| *own == peer) {
                    self.give(at, Event::Packet(packet));
                }
            }
            if !moved {
                return;
            }
        }
    }

    fn pass(&mut self, ms: u64) {
        for _ in 0..ms.div_ceil(50) {
            self.ms += 50;
            let now = self.now();
            self.sharer.handle_timeout(now);
            self.relay.handle_timeout(now);
            for at in 0..self.viewers.len() {
                self.give(at, Event::Timeout);
            }
            self.flow();
        }
    }

    /// The viewer's connection breaks.
    fn cut(&mut self, at: usize) {
        let peer = self.viewers[at].0;
        self.relay.handle_disconnected(self.now(), peer);
        self.give(at, Event::Disconnected { code: None });
    }

    /// The relay is killed, and another one is there.
    fn replace_relay(&mut self) {
        self.relay = Self::relay(self.now());
        self.sharer.handle_disconnected(self.now(), None);
        for at in 0..self.viewers.len() {
            self.give(at, Event::Disconnected { code: None });
        }
    }
}

fn talk(world: &mut World, exchanges: usize) {
    for n in 0..exchanges {
        let ada = AgentId::new("ada-1").unwrap();
        let content = Content::Text(format!("question {n}"));
        world.say(Update::Chunk { role: Role::User, message: None, content });
        world.words(&"answer ".repeat(300));
        world.say(Update::Name { id: ada.clone(), name: "Ada".into() });
        let (from, to) = (Patch::Set(ada), Patch::Keep);
        world.say(Update::Between { id: n.to_string(), from, to, text: Some("hello".into()) });
        world.say(Update::Stop("end_turn".into()));
    }
}

#[test]
fn a_viewer_sees_the_conversation_whenever_it_comes() {
    let mut world = World::new();
    let early = world.join();
    talk(&mut world, 40);
    world.words("and I am stil");
    let late = world.join();
    world.assert_same(early);
    world.assert_same(late);
    assert!(world.transcript(late).len() > 100);
    assert_eq!(world.transcript(late).name(&AgentId::new("ada-1").unwrap()), "Ada");
    // The exchange in flight was not ended for the late one: what follows goes on with it.
    world.words("l here");
    for at in [early, late] {
        let Some((_, _, Block::Message(message))) = world.transcript(at).blocks().next_back() else {
            panic!("the newest block is no message")
        };
        assert_eq!(message.text, "and I am still here");
    }
}

#[test]
fn a_viewer_that_was_away_gets_what_it_missed() {
    let mut world = World::new();
    talk(&mut world, 10);
    let viewer = world.join();
    world.cut(viewer);
    talk(&mut world, 200);
    world.pass(20_000);
    world.assert_same(viewer);
}

#[test]
fn a_relay_that_forgot_everything_is_told_again() {
    let mut world = World::new();
    let viewer = world.join();
    talk(&mut world, 60);
    world.pass(2_000);
    world.replace_relay();
    world.pass(20_000);
    talk(&mut world, 5);
    let late = world.join();
    world.pass(2_000);
    world.assert_same(viewer);
    world.assert_same(late);
}

#[test]
fn a_new_epoch_keeps_the_conversation_for_those_who_may_see_it() {
    use shared::keys::grant::Right;
    let mut world = World::new();
    talk(&mut world, 60);
    let viewer = world.join();
    world.sharer.revoke(world.now(), world.session, &[Right::Type]);
    world.pass(2_000);
    talk(&mut world, 5);
    let late = world.join();
    world.pass(1_000);
    world.assert_same(viewer);
    world.assert_same(late);
}
