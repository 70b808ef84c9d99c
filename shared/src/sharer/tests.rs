//! The machine against a small relay, a byte log as terminal model, and hostile packets.

#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_truncation,
    reason = "a test looks at some messages only"
)]

mod elsewhere;
mod groups;
mod input;
mod laws;
mod output;
mod pouring;
mod sessions;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::*;
use crate::card::Card;
use crate::chain::{Answer, Attestation, CardsDigest, ViewerChallenge};
use crate::event::{Event, EventKind, Note};
use crate::id::{ParticipantId, TaskId};
use crate::input::{Input, InputSealer, MAX_PASTE, View};
use crate::keys::epoch::{AgreementKey, AgreementPublic, EpochId, Header, Opened, PROTOCOL_VERSION, Scope};
use crate::keys::owner::{Challenge, Signed};
use crate::orchestration::task::Task;
use crate::seal::{EventOpener, SealedEvent};
use crate::snapshot::{Manifest, Part, PartReader};
use crate::wire::close::Refusal;
use crate::wire::hello::{CREDIT, Greeting, Hello, Limits};
use crate::wire::numbering::Numbering;
use crate::wire::sharer::{InputRefusal, RelayToSharer, SharerToRelay};
use crate::wire::source::SessionSource;
use crate::wire::{decode, encode};

const CHANNEL: Channel = Channel(1);
const HOST: &str = "relay.test:1";

/// A relay that keeps everything, a model that is a byte log, and a viewer with the read link.
struct World {
    sharer: Sharer,
    id: SessionId,
    ms: u64,
    /// What the program wrote, after the model's own prefix.
    written: Vec<u8>,
    model: VecDeque<ModelInput>,
    log: Vec<u8>,
    connected: bool,
    sent: u64,
    consumed: u64,
    numbering: Numbering,
    /// When input was acknowledged.
    taken_at: Vec<u64>,
    epoch: Option<Header>,
    events: BTreeMap<u64, SealedEvent>,
    attested: u64,
    /// Beat and cards of every attestation.
    words: Vec<(u64, CardsDigest)>,
    /// What the viewer shows; `None` while it is stale.
    shown: Option<Vec<u8>>,
    stale_until: u64,
    seen: u64,
    readers: Vec<(Manifest, PartReader)>,
    typed: Vec<u8>,
    sizes: Vec<WindowSize>,
    texts: Vec<SharerToRelay>,
    sealed: BTreeMap<(EpochId, u64), Bytes>,
    beats: BTreeMap<(EpochId, u64), Bytes>,
    ended: bool,
    skips: u64,
    snapshots: u64,
}

fn config() -> SessionConfig {
    SessionConfig {
        title: "test".into(),
        read_only: true,
        compress: true,
        window: WindowSize { cols: 80, rows: 24 },
        source: SessionSource::default(),
        announced: true,
        keep: None,
    }
}

impl World {
    fn new(read_only: bool) -> Self {
        let config = SessionConfig { read_only, ..config() };
        let now = Now::new(0, 1_000_000);
        let mut sharer = Sharer::new(Entropy::from_seed([7; 32]), now);
        let id = sharer.open(now, config);
        let mut world = Self {
            sharer,
            id,
            ms: 0,
            written: b"\x1b]2;test\x1b\\".to_vec(),
            model: VecDeque::new(),
            log: Vec::new(),
            connected: false,
            sent: 0,
            consumed: 0,
            numbering: Numbering::default(),
            taken_at: Vec::new(),
            epoch: None,
            events: BTreeMap::new(),
            attested: 0,
            words: Vec::new(),
            shown: None,
            stale_until: 0,
            seen: 0,
            readers: Vec::new(),
            typed: Vec::new(),
            sizes: Vec::new(),
            texts: Vec::new(),
            sealed: BTreeMap::new(),
            beats: BTreeMap::new(),
            ended: false,
            skips: 0,
            snapshots: 0,
        };
        world.effects();
        world
    }

    fn now(&self) -> Now {
        Now::new(self.ms, 1_000_000 + self.ms)
    }

    fn effects(&mut self) {
        while let Some(effect) = self.sharer.poll_effect() {
            match effect {
                Effect::Model(_, input) => self.model.push_back(input),
                Effect::Type(_, bytes) => {
                    self.sharer.handle_typed(self.now(), self.id, bytes.len());
                    self.typed.extend(bytes);
                }
                Effect::Resize(_, size) => self.sizes.push(size),
                Effect::Close(_) => self.connected = false,
                Effect::Ended(_) => self.ended = true,
                Effect::Connect
                | Effect::Viewers { .. }
                | Effect::Connection(_)
                | Effect::Room(..)
                | Effect::Opened { .. }
                | Effect::Task(_)
                | Effect::LinksChanged(_)
                | Effect::Kept(..)
                | Effect::Said(..)
                | Effect::Reach(_) => {}
            }
        }
    }

    fn session(&self) -> &Session {
        &self.sharer.sessions[&self.id]
    }

    fn write(&mut self, bytes: &[u8]) {
        self.written.extend_from_slice(bytes);
        self.sharer.handle_output(self.now(), self.id, &Bytes::copy_from_slice(bytes));
        self.effects();
    }

    fn step_model(&mut self, steps: usize) {
        for _ in 0..steps {
            let Some(input) = self.model.pop_front() else { return };
            match input {
                ModelInput::Output(bytes) => self.log.extend_from_slice(&bytes),
                ModelInput::Resize(_) | ModelInput::Command(_) | ModelInput::Forget => {}
                ModelInput::Mark(mark) => self.sharer.handle_model_passed(self.now(), self.id, mark),
                ModelInput::Snapshot { mark, full } => {
                    let window = WindowSize { cols: 80, rows: 24 };
                    let dump = ModelDump {
                        mark,
                        window,
                        screen: self.log.clone(),
                        full: full.then(|| self.log.clone()),
                    };
                    self.sharer.handle_dump(self.now(), self.id, &dump);
                }
            }
            self.effects();
        }
    }

    fn pass_time(&mut self, ms: u64) {
        self.ms += ms;
        self.sharer.handle_timeout(self.now());
        self.effects();
    }

    fn say(&mut self, message: &RelayToSharer) {
        self.sharer.handle_packet(self.now(), &Packet::Text(encode(message)));
        self.effects();
    }

    fn frame(&mut self, frame: &Frame) {
        self.sharer.handle_packet(self.now(), &Packet::Binary(frame.encode()));
        self.effects();
    }

    /// Connects and opens the room; `amnesia`: the relay has forgotten everything.
    fn connect(&mut self, amnesia: bool) {
        if self.connected {
            return;
        }
        for _ in 0..20 {
            if self.sharer.state() == ConnectionState::Connecting {
                break;
            }
            self.pass_time(15_000);
        }
        self.connected = true;
        (self.sent, self.consumed, self.numbering) = (0, 0, Numbering::default());
        self.sharer.handle_connected(self.now(), HOST);
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            features: Vec::new(),
            challenge: Challenge([3; 32]),
            limits: Limits::default(),
            public_url: None,
        };
        self.sharer.handle_packet(self.now(), &Packet::Text(encode(&Greeting::Hello(hello))));
        self.effects();
        self.transmit(usize::MAX);
        if amnesia {
            self.forget();
        }
        let acknowledged = self.events.last_key_value().map(|(number, _)| *number);
        self.say(&RelayToSharer::SessionInitialized {
            channel: CHANNEL,
            acknowledged,
            snapshot: None,
            pages: None,
        });
        self.say(&RelayToSharer::SnapshotRequested { channel: CHANNEL, full: true });
    }

    fn forget(&mut self) {
        self.events.clear();
        self.readers.clear();
        self.shown = None;
        self.stale_until = 0;
    }

    fn disconnect(&mut self) {
        if self.connected {
            self.connected = false;
            self.readers.clear();
            self.sharer.handle_disconnected(self.now(), None);
            self.effects();
        }
    }

    fn take_header(&mut self, signed: &Signed) {
        let header = Header::verify(signed, self.id).unwrap();
        if self.epoch.as_ref().is_none_or(|old| old.epoch != header.epoch) {
            self.forget();
            self.seen = 0;
            // Only the very first epoch begins with an empty terminal.
            if self.epoch.is_none() {
                self.shown = Some(b"\x1b]2;test\x1b\\".to_vec());
            }
        }
        self.epoch = Some(header);
    }

    fn keys(&self, right: Right) -> (Opened, Scope) {
        let header = self.epoch.as_ref().unwrap();
        let links = self.sharer.links(self.id, "http://h").unwrap();
        let link = if right == Right::Type { links.write.unwrap() } else { links.read };
        (header.open_box(&link.secret).unwrap(), header.scope())
    }

    fn transmit(&mut self, most: usize) {
        for _ in 0..most {
            if !self.connected {
                return;
            }
            let packet = self.sharer.poll_transmit();
            self.effects();
            let Some(packet) = packet else { return };
            match packet {
                Packet::Text(text) => {
                    let message: SharerToRelay = decode(&text).unwrap();
                    match &message {
                        SharerToRelay::Initialize { payload, .. } => {
                            let challenge = Challenge([3; 32]);
                            assert!(payload.claim.verify(payload.session_id, &challenge, HOST));
                            self.take_header(&payload.header);
                        }
                        SharerToRelay::UpdateHeader { header, .. } => self.take_header(header),
                        _ => {}
                    }
                    self.texts.push(message);
                }
                Packet::Binary(bytes) => {
                    self.sent += bytes.len() as u64;
                    assert!(self.sent - self.consumed <= CREDIT, "credit is kept");
                    let frame = self.numbering.put_back(Frame::decode(&bytes).unwrap()).unwrap();
                    self.arrive(frame);
                }
            }
        }
    }

    fn arrive(&mut self, frame: Frame) {
        let (opened, scope) = self.keys(Right::Watch);
        match frame {
            Frame::Event { event, .. } => {
                let first = self.sealed.entry((scope.epoch, event.number)).or_insert(event.body.clone());
                assert_eq!(*first, event.body, "a number is sealed once");
                if let Some((&last, _)) = self.events.last_key_value() {
                    assert_eq!(event.number, last + 1, "events come without gaps");
                }
                self.see(&event, &opened, scope);
                self.events.insert(event.number, event);
            }
            Frame::SnapshotManifest { manifest, .. } => {
                let manifest = Manifest::verify(&manifest, &self.epoch.as_ref().unwrap().owner).unwrap();
                assert!(
                    manifest.point.number
                        <= self.events.last_key_value().map_or(manifest.point.number, |(n, _)| *n)
                );
                self.readers = vec![(manifest, PartReader::new(&manifest, Part::Screen).unwrap())];
                self.snapshots += 1;
            }
            Frame::SnapshotPart { part: Part::Screen, index, body, .. } => {
                let Some((manifest, reader)) = self.readers.last_mut() else { return };
                let number = manifest.point.number;
                if let Some(plain) = reader.add(index, body, &opened.content, scope).unwrap() {
                    self.snapshot(number, plain, &opened, scope);
                }
            }
            Frame::Attestation { number, beat, hash, cards, signature, .. } => {
                let point = ChainPoint { number, hash };
                let owner = self.epoch.as_ref().unwrap().owner;
                assert!(Attestation { scope, point, beat, cards }.verify(&owner, &signature));
                self.attested = number;
                self.words.push((beat, CardsDigest(cards)));
            }
            Frame::Beat { number, body, .. } => {
                assert!(crate::seal::open_beat(&opened.content, scope, number, &body).is_some());
                let first = self.beats.entry((scope.epoch, number)).or_insert(body.clone());
                assert_eq!(*first, body);
            }
            Frame::TakenFor { .. } => self.taken_at.push(self.ms),
            _ => {}
        }
    }

    fn see(&mut self, event: &SealedEvent, opened: &Opened, scope: Scope) {
        let plain = EventOpener::new(&opened.content, scope).open(event.number, event.kind, &event.body);
        let read = Event::decode(event.kind, &plain.unwrap()).unwrap();
        if self.seen + 1 != event.number {
            self.shown = None;
        }
        self.seen = event.number;
        match read {
            Event::Output(bytes) => {
                if let Some(shown) = &mut self.shown {
                    assert!(self.written[shown.len()..].starts_with(&bytes), "shown is what was written");
                    shown.extend(bytes);
                }
            }
            Event::Note(Note::Skipped { .. }) => {
                self.skips += 1;
                self.shown = None;
                self.stale_until = event.number;
            }
            Event::Note(_) | Event::Unknown => {}
        }
    }

    fn snapshot(&mut self, number: u64, plain: Vec<u8>, opened: &Opened, scope: Scope) {
        assert!(self.written.starts_with(&plain));
        if number == self.seen
            && let Some(shown) = &self.shown
        {
            assert!(*shown == plain, "a snapshot is exactly its events");
        }
        if number < self.stale_until {
            return;
        }
        self.shown = Some(plain);
        let opener = EventOpener::new(&opened.content, scope);
        for (_, event) in self.events.range(number + 1..) {
            let plain = opener.open(event.number, event.kind, &event.body).unwrap();
            if let (EventKind::Output, Some(Event::Output(bytes))) =
                (event.kind, Event::decode(event.kind, &plain))
            {
                self.shown.as_mut().unwrap().extend(bytes);
            }
        }
        assert!(self.written.starts_with(self.shown.as_ref().unwrap()), "shown is what was written");
    }

    fn acknowledge(&mut self) {
        if let (true, Some((&number, _))) = (self.connected, self.events.last_key_value()) {
            self.frame(&Frame::Acknowledged { channel: CHANNEL, number });
        }
    }

    fn grant_credit(&mut self) {
        if self.connected {
            self.consumed = self.sent;
            self.frame(&Frame::Credit { consumed: self.consumed });
        }
    }

    /// Everything works and nothing more happens.
    fn settle(&mut self) {
        self.connect(false);
        for _ in 0..200 {
            self.transmit(usize::MAX);
            self.grant_credit();
            self.acknowledge();
            self.step_model(usize::MAX);
            self.pass_time(100);
        }
    }

    fn last_answer(&self) -> Answer {
        let owner = self.epoch.as_ref().unwrap().owner;
        let signed = self.texts.iter().rev().find_map(|text| match text {
            SharerToRelay::Answer { answer, .. } => Some(answer),
            _ => None,
        });
        Answer::verify(signed.unwrap(), &owner).unwrap()
    }

    fn join(&mut self, id: u64, key: Option<&AgreementKey>, previous: Option<AgreementPublic>) -> Answer {
        self.say(&RelayToSharer::ParticipantJoined {
            channel: CHANNEL,
            participant: ParticipantId(id),
            challenge: ViewerChallenge([9; 16]),
            agreement: key.map(AgreementKey::public),
            previous,
        });
        self.transmit(usize::MAX);
        self.last_answer()
    }

    fn sealer(&self, key: &AgreementKey) -> InputSealer {
        let (opened, scope) = self.keys(Right::Type);
        let agreement = self.epoch.as_ref().unwrap().agreement;
        InputSealer::new(key, agreement, &opened.input.unwrap().secret, scope).unwrap()
    }

    fn input(&mut self, id: u64, view: View, body: Vec<u8>) {
        self.frame(&Frame::InputFrom {
            channel: CHANNEL,
            participant: ParticipantId(id),
            seen: view.seen.number,
            beat: view.beat,
            body: body.into(),
        });
        self.transmit(usize::MAX);
    }

    fn refusal(&self) -> Option<InputRefusal> {
        self.texts.iter().rev().find_map(|text| match text {
            SharerToRelay::InputRefused { reason, .. } => Some(*reason),
            _ => None,
        })
    }
}

fn key(seed: u8) -> AgreementKey {
    AgreementKey::generate(&mut Entropy::from_seed([seed; 32]))
}

/// A world with a typist whose frames open.
fn typing() -> (World, AgreementKey, InputSealer, View) {
    let mut world = World::new(false);
    world.connect(false);
    world.settle();
    let own = key(1);
    let answer = world.join(1, Some(&own), None);
    assert!(answer.input);
    let sealer = world.sealer(&own);
    let view = View { seen: answer.point, beat: answer.beat };
    (world, own, sealer, view)
}

/// A process with `count` sessions at a relay that greeted; the sessions by their channels.
fn several(count: usize) -> (Sharer, BTreeMap<Channel, SessionId>) {
    let now = Now::new(0, 1_000_000);
    let mut sharer = Sharer::new(Entropy::from_seed([7; 32]), now);
    for _ in 0..count {
        sharer.open(now, config());
    }
    greet(&mut sharer, now);
    let channels = claims(&mut sharer);
    assert_eq!(channels.len(), count);
    (sharer, channels)
}

fn greet(sharer: &mut Sharer, now: Now) {
    sharer.handle_connected(now, HOST);
    let hello = Hello {
        protocol: PROTOCOL_VERSION,
        features: Vec::new(),
        challenge: Challenge([3; 32]),
        limits: Limits::default(),
        public_url: None,
    };
    sharer.handle_packet(now, &Packet::Text(encode(&Greeting::Hello(hello))));
}

fn claims(sharer: &mut Sharer) -> BTreeMap<Channel, SessionId> {
    let mut claims = BTreeMap::new();
    while let Some(packet) = sharer.poll_transmit() {
        if let Packet::Text(text) = packet
            && let Ok(SharerToRelay::Initialize { channel, payload }) = decode(&text)
        {
            claims.insert(channel, payload.session_id);
        }
    }
    claims
}

fn tell(sharer: &mut Sharer, ms: u64, message: &RelayToSharer) {
    sharer.handle_packet(Now::new(ms, 1_000_000 + ms), &Packet::Text(encode(message)));
}

fn opened(channel: Channel) -> RelayToSharer {
    RelayToSharer::SessionInitialized { channel, acknowledged: None, snapshot: None, pages: None }
}
