//! The sharer's machine and the relay's, back to back, with a viewer that checks what a stranger would.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test panics when it fails"
)]

use bytes::Bytes;
use shared::card::CardReader;
use shared::chain::{Answer, Attestation, ChainPoint, ViewerChallenge};
use shared::entropy::Entropy;
use shared::event::{Event, Note, WindowSize};
use shared::id::{Channel, SessionId, TaskId};
use shared::input::{Input, InputSealer, View};
use shared::keys::epoch::{AgreementKey, Header, Opened, PROTOCOL_VERSION};
use shared::keys::grant::Right;
use shared::link::Link;
use shared::orchestration::task::Task;
use shared::relay::{Outgoing, PeerId, PeerInfo, Relay, RelayConfig};
use shared::seal::EventOpener;
use shared::sharer::{Begin, Effect, ModelDump, ModelInput, SessionConfig, Sharer};
use shared::snapshot::{Manifest, Part, PartReader};
use shared::time::{Now, UnixMs};
use shared::wire::close::EndedBecause;
use shared::wire::frame::Frame;
use shared::wire::source::SessionSource;
use shared::wire::task::TaskRow;
use shared::wire::viewer::{JoinPayload, RelayToViewer, ViewerToRelay};
use shared::wire::{Packet, decode, encode};

const HOST: &str = "127.0.0.1:4777";
const SHARER: PeerId = PeerId(1);
const CHANNEL: Channel = Channel(1);

struct Watcher {
    peer: PeerId,
    link: Link,
    own: AgreementKey,
    header: Option<Header>,
    opened: Option<Opened>,
    point: Option<ChainPoint>,
    reader: Option<(Manifest, PartReader)>,
    screen: Vec<u8>,
    answer: Option<Answer>,
    attested: u64,
    taken: usize,
    consumed: u64,
    out: Vec<Packet>,
    ended: Option<EndedBecause>,
    end_event: bool,
    rows: Vec<TaskRow>,
}

struct World {
    ms: u64,
    sharer: Sharer,
    session: SessionId,
    relay: Relay,
    linked: bool,
    log: Vec<u8>,
    typed: Vec<u8>,
    over: bool,
    watchers: Vec<Watcher>,
    to_sharer: Vec<Packet>,
}

impl Watcher {
    fn handle(&mut self, packet: &Packet) {
        match packet {
            Packet::Text(text) => {
                let Ok(message) = decode::<RelayToViewer>(text) else { return };
                match message {
                    RelayToViewer::JoinedSuccessfully { header, .. }
                    | RelayToViewer::HeaderUpdated { header, .. } => {
                        let header = Header::verify(&header, self.link.session).unwrap();
                        self.opened = header.open_box(&self.link.secret).ok();
                        if self.header.as_ref().is_none_or(|old| old.epoch != header.epoch) {
                            self.point = None;
                        }
                        self.header = Some(header);
                    }
                    RelayToViewer::Answer { answer, .. } => {
                        let owner = self.header.as_ref().unwrap().owner;
                        self.answer = Answer::verify(&answer, &owner);
                        assert!(self.answer.is_some());
                    }
                    RelayToViewer::SessionEnded { reason, .. } => self.ended = Some(reason),
                    RelayToViewer::TasksUpdated { rows, .. } => self.rows.extend(rows),
                    RelayToViewer::FailedToJoin { reason, .. } => panic!("{reason:?}"),
                    _ => {}
                }
            }
            Packet::Binary(bytes) => {
                self.consumed += bytes.len() as u64;
                self.frame(Frame::decode(bytes).unwrap());
                self.out.push(Packet::Binary(Frame::Credit { consumed: self.consumed }.encode()));
            }
        }
    }

    fn frame(&mut self, frame: Frame) {
        let (header, opened) = (self.header.as_ref().unwrap(), self.opened.as_ref().unwrap());
        let scope = header.scope();
        match frame {
            Frame::Event { event, .. } => {
                let point = self.point.unwrap_or_else(|| ChainPoint::start(scope));
                if event.number != point.number + 1 {
                    return;
                }
                let opener = EventOpener::new(&opened.content, scope);
                let plain = opener.open(event.number, event.kind, &event.body).unwrap();
                self.point = Some(point.then(event.kind, &event.body));
                match Event::decode(event.kind, &plain).unwrap() {
                    Event::Output(bytes) => self.screen.extend(bytes),
                    Event::Note(Note::Ended(_)) => {
                        self.end_event = true;
                        self.out.push(Packet::Text(encode(&ViewerToRelay::EndSeen { channel: CHANNEL })));
                    }
                    _ => {}
                }
            }
            Frame::SnapshotManifest { manifest, .. } => {
                let manifest = Manifest::verify(&manifest, &header.owner).unwrap();
                let reader = PartReader::new(&manifest, Part::Screen).unwrap();
                self.reader = Some((manifest, reader));
            }
            Frame::SnapshotPart { part: Part::Screen, index, body, .. } => {
                let (manifest, reader) = self.reader.as_mut().unwrap();
                if let Some(screen) = reader.add(index, body, &opened.content, scope).unwrap() {
                    self.screen = screen;
                    self.point = Some(manifest.point);
                }
            }
            Frame::Attestation { number, beat, hash, cards, signature, .. } => {
                let attestation = Attestation { scope, point: ChainPoint { number, hash }, beat, cards };
                assert!(attestation.verify(&header.owner, &signature));
                self.attested = number;
            }
            Frame::Taken { .. } => self.taken += 1,
            _ => {}
        }
    }
}

impl World {
    fn new() -> Self {
        let now = Now::new(0, 1_000);
        let config = SessionConfig {
            title: "pair".into(),
            read_only: false,
            compress: true,
            window: WindowSize { cols: 80, rows: 24 },
            source: SessionSource::default(),
            announced: true,
            keep: None,
        };
        let relay = Relay::new(RelayConfig::default(), Entropy::from_seed([2; 32]), now);
        let mut sharer = Sharer::new(Entropy::from_seed([1; 32]), now);
        let session = sharer.open(now, config);
        Self {
            ms: 0,
            sharer,
            session,
            relay,
            linked: false,
            log: Vec::new(),
            typed: Vec::new(),
            over: false,
            watchers: Vec::new(),
            to_sharer: Vec::new(),
        }
    }

    fn now(&self) -> Now {
        Now::new(self.ms, 1_000 + self.ms)
    }

    fn info() -> PeerInfo {
        PeerInfo { host: HOST.into(), address: "127.0.0.1".into() }
    }

    fn effects(&mut self) {
        while let Some(effect) = self.sharer.poll_effect() {
            let now = self.now();
            match effect {
                Effect::Connect => {
                    self.linked = true;
                    self.relay.handle_connected(now, SHARER, Self::info());
                    self.sharer.handle_connected(now, HOST);
                }
                Effect::Close(code) => panic!("{code:?}"),
                Effect::Model(_, ModelInput::Output(bytes)) => self.log.extend_from_slice(&bytes),
                Effect::Model(session, ModelInput::Mark(mark)) => {
                    self.sharer.handle_model_passed(now, session, mark);
                }
                Effect::Model(session, ModelInput::Snapshot { mark, full }) => {
                    let (screen, window) = (self.log.clone(), WindowSize { cols: 80, rows: 24 });
                    let full = full.then(|| self.log.clone());
                    self.sharer.handle_dump(now, session, &ModelDump { mark, window, screen, full });
                }
                Effect::Type(session, bytes) => {
                    self.sharer.handle_typed(now, session, bytes.len());
                    self.typed.extend(bytes);
                }
                Effect::Ended(_) => self.over = true,
                _ => {}
            }
        }
    }

    /// Lets everything that is under way arrive.
    fn flow(&mut self) {
        loop {
            let mut moved = false;
            self.effects();
            let now = self.now();
            while let Some(packet) = self.sharer.poll_transmit() {
                moved = true;
                self.relay.handle_packet(now, SHARER, packet);
                self.effects();
            }
            while let Some(peer) = self.relay.poll_ready() {
                while let Some(outgoing) = self.relay.poll_transmit(peer) {
                    moved = true;
                    let packet = match outgoing {
                        Outgoing::Text(text) => Packet::Text(text),
                        Outgoing::Binary { head, body } => Packet::Binary([&head[..], &body].concat().into()),
                        Outgoing::Close(code) => panic!("{peer:?} closed: {code:?}"),
                    };
                    if peer == SHARER {
                        self.to_sharer.push(packet);
                    } else if let Some(watcher) = self.watchers.iter_mut().find(|w| w.peer == peer) {
                        watcher.handle(&packet);
                    }
                }
            }
            for packet in std::mem::take(&mut self.to_sharer) {
                self.sharer.handle_packet(now, &packet);
                self.effects();
            }
            for watcher in &mut self.watchers {
                for packet in std::mem::take(&mut watcher.out) {
                    moved = true;
                    self.relay.handle_packet(now, watcher.peer, packet);
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
            self.sharer.handle_timeout(self.now());
            self.relay.handle_timeout(self.now());
            self.flow();
        }
    }

    fn write(&mut self, bytes: &[u8]) {
        self.sharer.handle_output(self.now(), self.session, &Bytes::copy_from_slice(bytes));
        self.flow();
    }

    /// Joins with the link of this right; returns the watcher's index.
    fn join(&mut self, right: Right) -> usize {
        let links = self.sharer.links(self.session, "http://h").unwrap();
        self.join_by(if right == Right::Type { links.write.unwrap() } else { links.read }, right)
    }

    fn join_by(&mut self, link: Link, right: Right) -> usize {
        let peer = PeerId(10 + self.watchers.len() as u64);
        let own = AgreementKey::generate(&mut Entropy::from_seed([u8::try_from(peer.0).unwrap(); 32]));
        self.relay.handle_connected(self.now(), peer, Self::info());
        let payload = JoinPayload {
            protocol: PROTOCOL_VERSION,
            session_id: link.session,
            token: link.secret.token(link.session),
            challenge: ViewerChallenge([4; 16]),
            resume: None,
            agreement: (right == Right::Type).then(|| own.public()),
            previous: None,
        };
        let join = ViewerToRelay::Join { channel: CHANNEL, payload: Box::new(payload) };
        self.watchers.push(Watcher {
            peer,
            link,
            own,
            header: None,
            opened: None,
            point: None,
            reader: None,
            screen: Vec::new(),
            answer: None,
            attested: 0,
            taken: 0,
            consumed: 0,
            out: vec![Packet::Text(encode(&join))],
            ended: None,
            end_event: false,
            rows: Vec::new(),
        });
        self.flow();
        self.watchers.len() - 1
    }
}

fn ends_like(watcher: &Watcher, log: &[u8]) -> bool {
    // From the first event on, without the model's own title.
    !watcher.screen.is_empty() && log.ends_with(&watcher.screen)
}

#[test]
fn what_the_program_writes_is_seen_and_what_a_viewer_types_arrives() {
    let mut world = World::new();
    world.flow();
    world.write(b"hello ");
    let at = world.join(Right::Type);
    world.pass(300);
    world.write(b"world");
    world.pass(300);
    let watcher = world.watchers.get(at).unwrap();
    assert!(ends_like(watcher, &world.log), "{:?}", String::from_utf8_lossy(&watcher.screen));
    let answer = watcher.answer.clone().unwrap();
    assert!(answer.input && answer.point.number <= watcher.point.unwrap().number);

    let opened = watcher.opened.as_ref().unwrap();
    let header = watcher.header.as_ref().unwrap();
    let secret = &opened.input.as_ref().unwrap().secret;
    let mut sealer = InputSealer::new(&watcher.own, header.agreement, secret, header.scope()).unwrap();
    let view = View { seen: watcher.point.unwrap(), beat: answer.beat };
    for text in ["ls", "\r"] {
        let body = sealer.seal(&view, &Input::Keys(text.into())).into();
        let (seen, beat) = (view.seen.number, view.beat);
        let frame = Frame::Input { channel: CHANNEL, seen, beat, consumed: 0, body };
        world.watchers.get_mut(at).unwrap().out.push(Packet::Binary(frame.encode()));
        world.flow();
    }
    assert_eq!(world.typed, b"ls\r");
    world.pass(6_000);
    let watcher = world.watchers.get(at).unwrap();
    assert!(watcher.taken >= 1, "input is acknowledged");
    assert_eq!(
        watcher.attested,
        world.sharer.point(world.session).unwrap().number,
        "and everything attested"
    );
}

#[test]
fn late_joiners_get_a_snapshot_and_everybody_sees_the_end() {
    let mut world = World::new();
    world.flow();
    for round in 0..200u32 {
        world.write(format!("line {round} of a long log, {}\r\n", round * 7919).repeat(40).as_bytes());
        world.pass(50);
    }
    let (early, late) = (world.join(Right::Watch), world.join(Right::Type));
    world.pass(2_000);
    for at in [early, late] {
        let watcher = world.watchers.get(at).unwrap();
        assert!(ends_like(watcher, &world.log), "{} of {}", watcher.screen.len(), world.log.len());
        assert_eq!(watcher.point, Some(world.sharer.point(world.session).unwrap()));
    }
    world.write(b"the end");
    world.sharer.handle_exit(world.now(), world.session, Some(0), None);
    world.flow();
    assert!(world.over, "all have seen it: nobody waits");
    for watcher in &world.watchers {
        assert!(watcher.end_event && watcher.ended == Some(EndedBecause::Sharer));
        assert!(watcher.screen.ends_with(b"the end"));
    }
}

#[test]
fn a_revoked_link_is_out_and_the_others_go_on() {
    let mut world = World::new();
    world.flow();
    world.write(b"before ");
    let (reader, typist) = (world.join(Right::Watch), world.join(Right::Type));
    world.pass(500);
    assert!(world.sharer.revoke(world.now(), world.session, &[Right::Type]));
    world.flow();
    world.pass(500);
    assert_eq!(world.watchers.get(typist).unwrap().ended, Some(EndedBecause::Revoked));
    world.write(b"after");
    world.pass(1_000);
    assert!(!world.watchers.get(typist).unwrap().screen.ends_with(b"after"));
    let watcher = world.watchers.get(reader).unwrap();
    assert!(ends_like(watcher, &world.log) && watcher.screen.ends_with(b"before after"));
}

/// Statements 8, 37 and 47 with a relay between: the parent's link alone opens the child, until the group stops.
#[test]
fn a_parents_link_opens_its_child_until_the_group_stops() {
    let mut world = World::new();
    world.sharer.close(world.now(), world.session);
    world.flow();
    let config = SessionConfig {
        title: "group".into(),
        read_only: false,
        compress: true,
        window: WindowSize { cols: 80, rows: 24 },
        source: SessionSource::default(),
        announced: true,
        keep: None,
    };
    let (parent, child) = (TaskId("parent".into()), TaskId("child".into()));
    let task = |id: &TaskId, above: Option<&TaskId>| Task::new(id.clone(), above.cloned(), "name", UnixMs(1));
    let now = world.now();
    assert!(world.sharer.host(now, task(&parent, None), config.clone()));
    assert!(world.sharer.host(now, task(&child, Some(&parent)), config));
    world.session = world.sharer.share(now, &parent, Begin::Screen).unwrap();
    world.flow();
    let at = world.join(Right::Watch);
    world.pass(1_000);
    let watcher = world.watchers.get(at).unwrap();
    let (header, opened) = (watcher.header.as_ref().unwrap(), watcher.opened.as_ref().unwrap());
    let row = watcher.rows.last().unwrap();
    let mut reader = CardReader::new(opened, header.scope(), header.owner);
    let card = reader.read(&row.task_id, row.revision, &row.card).unwrap().unwrap();
    let session = card.task.session.unwrap();
    assert_eq!((card.task.id, row.session_id), (child.clone(), Some(session)));
    let link = Link { base: "http://h".into(), session, secret: card.reach.unwrap().watch };
    let below = world.join_by(link, Right::Watch);
    world.sharer.handle_output(world.now(), session, &Bytes::from_static(b"of the child"));
    world.pass(1_000);
    assert!(world.watchers.get(below).unwrap().screen.ends_with(b"of the child"), "the control");
    assert!(world.sharer.unshare(world.now(), &parent));
    world.sharer.handle_output(world.now(), session, &Bytes::from_static(b"never"));
    world.flow();
    for watcher in &world.watchers {
        assert_eq!(watcher.ended, Some(EndedBecause::Sharer));
        assert!(!watcher.screen.ends_with(b"never"));
    }
    assert_eq!(world.sharer.session_of(&child), None);
}
