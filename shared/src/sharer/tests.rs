//! The machine against a small relay, a byte log as terminal model, and hostile packets.

#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_truncation,
    reason = "a test looks at some messages only"
)]

mod groups;
mod pouring;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use proptest::prelude::*;

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
            epoch: None,
            events: BTreeMap::new(),
            attested: 0,
            words: Vec::new(),
            shown: None,
            stale_until: 0,
            seen: 0,
            readers: Vec::new(),
            typed: Vec::new(),
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
                Effect::Close(_) => self.connected = false,
                Effect::Ended(_) => self.ended = true,
                Effect::Connect
                | Effect::Viewers { .. }
                | Effect::Connection(_)
                | Effect::Room(..)
                | Effect::Opened { .. }
                | Effect::Task(_)
                | Effect::LinksChanged(_) => {}
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
                ModelInput::Resize(_) | ModelInput::Forget => {}
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
        (self.sent, self.consumed) = (0, 0);
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
                    self.arrive(Frame::decode(&bytes).unwrap());
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
        if let Some(shown) = &self.shown {
            assert!(self.written.starts_with(shown), "shown is what was written");
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

#[test]
fn keys_are_typed_in_order_and_acknowledged() {
    let (mut world, own, mut sealer, view) = typing();
    for text in ["l", "s", "\r"] {
        let body = sealer.seal(&view, &Input::Keys(text.into()));
        world.input(1, view, body);
    }
    assert_eq!(world.typed, b"ls\r");
    assert_eq!(world.refusal(), None);
    let again = key(2);
    let answer = world.join(2, Some(&again), Some(own.public()));
    assert_eq!(answer.taken, Some(3), "who comes again learns what was taken");
    let late = sealer.seal(&view, &Input::Keys(b"x".to_vec()));
    world.input(1, view, late);
    assert_eq!(world.typed, b"ls\r", "what was counted is over");
}

#[test]
fn a_paste_is_typed_whole() {
    let (mut world, _, mut sealer, view) = typing();
    let paste = vec![b'p'; 40_000];
    for part in paste.chunks(16_000) {
        assert!(world.typed.is_empty());
        let body = sealer.seal(&view, &Input::Paste { total: 40_000, part: part.to_vec() });
        world.input(1, view, body);
    }
    assert_eq!(world.typed, paste);
    let body = sealer.seal(&view, &Input::Paste { total: MAX_PASTE as u32, part: vec![1] });
    world.input(1, view, body);
    let body = sealer.seal(&view, &Input::Paste { total: 2, part: vec![1] });
    world.input(1, view, body);
    assert_eq!(world.refusal(), Some(InputRefusal::Broken), "two pastes at once");
    assert_eq!(world.typed, paste);
}

#[test]
fn dropped_doubled_altered_or_late_input_is_refused() {
    for attack in 0..6 {
        let (mut world, _, mut sealer, view) = typing();
        let first = sealer.seal(&view, &Input::Keys(b"a".to_vec()));
        let second = sealer.seal(&view, &Input::Keys(b"b".to_vec()));
        let expected = match attack {
            0 => {
                world.input(1, view, second);
                InputRefusal::Broken
            }
            1 => {
                world.input(1, view, first.clone());
                world.typed.clear();
                world.input(1, view, first);
                InputRefusal::Broken
            }
            2 => {
                let mut altered = first;
                altered[0] ^= 1;
                world.input(1, view, altered);
                InputRefusal::Broken
            }
            3 => {
                let older = world.session().epoch.point_at(view.seen.number - 1).unwrap();
                world.input(1, View { seen: older, beat: view.beat }, first);
                InputRefusal::Broken
            }
            4 => {
                world.ms += 46_000;
                world.input(1, view, first);
                InputRefusal::Stale
            }
            _ => {
                let beat = view.beat + 100;
                world.input(1, View { seen: view.seen, beat }, first);
                InputRefusal::Broken
            }
        };
        assert_eq!(world.refusal(), Some(expected), "attack {attack}");
        assert!(world.typed.is_empty(), "attack {attack}");
    }
}

#[test]
fn a_replayed_key_types_nothing() {
    let (mut world, own, mut sealer, view) = typing();
    let body = sealer.seal(&view, &Input::Keys(b"rm\r".to_vec()));
    world.input(1, view, body.clone());
    assert_eq!(world.typed, b"rm\r");
    assert!(!world.join(2, Some(&own), None).input, "no key serves twice");
    world.input(2, view, body);
    assert_eq!(world.typed, b"rm\r");
}

#[test]
fn a_read_link_cannot_type() {
    let (mut world, ..) = typing();
    let own = key(5);
    let answer = world.join(7, Some(&own), None);
    let (opened, scope) = world.keys(Right::Watch);
    assert!(opened.input.is_none(), "its box holds no input secret");
    let guess = crate::keys::epoch::InputSecret([0; 32]);
    let agreement = world.epoch.as_ref().unwrap().agreement;
    let mut sealer = InputSealer::new(&own, agreement, &guess, scope).unwrap();
    let view = View { seen: answer.point, beat: answer.beat };
    let body = sealer.seal(&view, &Input::Keys(b"x".to_vec()));
    world.input(7, view, body);
    assert_eq!(world.refusal(), Some(InputRefusal::Broken));
    world.join(8, None, None);
    world.input(8, view, vec![0; 40]);
    assert_eq!(world.refusal(), Some(InputRefusal::NotAllowed));
    assert!(world.typed.is_empty());
}

#[test]
fn revoking_changes_the_epoch_and_old_keys_open_nothing() {
    let (mut world, _, mut sealer, view) = typing();
    world.write(b"before");
    world.settle();
    let old = world.sharer.links(world.id, "http://h").unwrap();
    let old_epoch = world.session().epoch.id();
    assert!(world.sharer.revoke(world.now(), world.id, &[Right::Type]));
    world.effects();
    world.settle();
    let new = world.sharer.links(world.id, "http://h").unwrap();
    assert_eq!(new.read, old.read);
    assert_ne!(new.write, old.write);
    let header = world.epoch.clone().unwrap();
    assert!(header.epoch > old_epoch);
    assert!(header.open_box(&old.write.unwrap().secret).is_err());
    assert!(header.open_box(&new.write.unwrap().secret).is_ok());
    let body = sealer.seal(&view, &Input::Keys(b"x".to_vec()));
    world.input(1, view, body);
    assert!(world.typed.is_empty());
    world.write(b" after");
    world.settle();
    assert_eq!(world.shown.as_ref(), Some(&world.written), "readers go on");
}

#[test]
fn numbers_never_issued_begin_a_new_epoch() {
    let mut world = World::new(false);
    world.write(b"x");
    world.connect(false);
    world.settle();
    world.disconnect();
    let before = world.session().epoch.id();
    let last = world.events.last_key_value().map(|(_, event)| event.clone()).unwrap();
    world.events.insert(999, last);
    world.connect(false);
    world.transmit(usize::MAX);
    assert!(world.session().epoch.id() > before);
    world.settle();
    assert_eq!(world.shown.as_ref(), Some(&world.written));
}

/// The model passes events that an amnesic relay is to get again: a session that forgot them then would be mute.
#[test]
fn what_a_relay_forgot_goes_again_whatever_the_model_has_passed() {
    for held in [None, Some(1)] {
        let mut world = World::new(false);
        world.connect(false);
        world.transmit(usize::MAX);
        world.acknowledge();
        world.disconnect();
        if held.is_some() {
            world.events.split_off(&2);
        }
        world.connect(held.is_none());
        world.step_model(usize::MAX);
        world.settle();
        assert_eq!(world.attested, world.session().point().number, "held: {held:?}");
        world.write(b"and on");
        world.settle();
        assert_eq!(world.shown.as_ref(), Some(&world.written), "held: {held:?}");
    }
}

#[test]
fn a_flood_while_away_is_bounded_skipped_and_ends_exact() {
    let mut world = World::new(true);
    let mut entropy = Entropy::from_seed([8; 32]);
    for _ in 0..100 {
        let noise: Vec<u8> = (0..1_024).flat_map(|_| entropy.array::<32>()).map(|byte| byte & 0x7f).collect();
        world.write(&noise);
        assert!(!world.session().buffer.is_overfull());
    }
    world.settle();
    assert_eq!(world.skips, 1);
    assert!(world.shown.as_ref() == Some(&world.written));
    world.write("tail €".as_bytes());
    world.settle();
    assert!(world.shown.as_ref() == Some(&world.written));
}

#[test]
fn what_is_sent_is_attested_within_five_seconds() {
    let mut world = World::new(true);
    world.connect(false);
    world.settle();
    world.write(b"x");
    world.transmit(usize::MAX);
    let newest = world.session().point().number;
    assert!(world.attested < newest);
    for _ in 0..10 {
        let (at, _) = world.sharer.poll_timeout().unwrap();
        let wait = at.0.saturating_sub(world.ms);
        assert!(wait > 0, "a deadline that passed is acted on");
        if world.ms + wait > 25_000 {
            break;
        }
        world.pass_time(wait);
        world.transmit(usize::MAX);
        if world.attested == newest {
            return;
        }
    }
    panic!("not attested");
}

#[test]
fn the_end_is_said_attested_and_acknowledged() {
    let mut world = World::new(true);
    world.connect(false);
    world.settle();
    world.write(b"bye");
    world.sharer.handle_exit(world.now(), world.id, Some(0), None);
    world.effects();
    world.transmit(usize::MAX);
    let said = world.texts.iter().any(|text| matches!(text, SharerToRelay::EndSession { .. }));
    assert!(said && world.ended);
    assert_eq!(world.attested, world.session().point().number);
    assert_eq!(world.shown.as_ref(), Some(&world.written));

    let mut watched = World::new(true);
    watched.connect(false);
    watched.settle();
    let list =
        RelayToSharer::ParticipantListUpdated { channel: CHANNEL, revision: 0, viewers: 1, executors: 0 };
    watched.say(&list);
    watched.sharer.handle_exit(watched.now(), watched.id, Some(0), None);
    watched.transmit(usize::MAX);
    assert!(!watched.ended, "viewers see the end first");
    watched.say(&RelayToSharer::EndAcknowledged { channel: CHANNEL });
    assert!(watched.ended);

    let mut alone = World::new(true);
    alone.sharer.handle_disconnected(alone.now(), None);
    alone.sharer.handle_exit(alone.now(), alone.id, Some(0), None);
    alone.effects();
    assert!(alone.ended, "without a relay nobody waits");
}

/// Whoever holds on to an older word about the cards has one with an older beat.
#[test]
fn a_word_about_other_cards_names_another_beat() {
    let (mut world, mut words) = (World::new(false), Vec::new());
    world.connect(false);
    world.settle();
    let mut task = Task::new(TaskId("child".into()), None, "child", world.now().wall);
    for round in 1..=6 {
        // Two words about the same cards, then others; said by an answer first, or by an attestation.
        task.revision = round / 2;
        let card = Card { task: task.clone(), reach: None };
        let id = world.id;
        world.sharer.with(world.now(), id, |session, _| session.set_card(card));
        world.transmit(usize::MAX);
        if round % 3 == 0 {
            world.pass_time(4_500);
            world.transmit(usize::MAX);
        }
        let answer = world.join(round, None, None);
        words.push((answer.beat, answer.cards));
    }
    let attested = world.words.iter().copied();
    for (beat, cards) in words.iter().copied().chain(attested) {
        assert!(words.iter().all(|(other, same)| *other != beat || *same == cards), "beat {beat}");
    }
    let different: BTreeSet<_> = words.iter().map(|(_, cards)| *cards).collect();
    assert_eq!(different.len(), 4, "the control: no cards, and three states of them");
}

#[test]
fn replaced_is_for_good() {
    let mut world = World::new(true);
    world.connect(false);
    world.say(&RelayToSharer::FailedToInitialize { channel: CHANNEL, reason: Refusal::Replaced });
    assert_eq!(world.sharer.room(world.id), Some(RoomState::Replaced));
    assert_eq!(world.sharer.state(), ConnectionState::Idle, "nobody needs the connection any more");
    world.pass_time(3_600_000);
    assert_eq!(world.sharer.state(), ConnectionState::Idle);
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

#[test]
fn a_refused_session_leaves_the_others_alone_and_is_claimed_again() {
    let (mut sharer, channels) = several(4);
    let reasons = [Refusal::Replaced, Refusal::RelayFull, Refusal::RateLimited { retry_after_ms: 30_000 }];
    for (channel, reason) in channels.keys().zip(&reasons) {
        tell(
            &mut sharer,
            0,
            &RelayToSharer::FailedToInitialize { channel: *channel, reason: reason.clone() },
        );
    }
    assert_eq!(sharer.state(), ConnectionState::Connecting, "one is not answered yet");
    let (last, open) = channels.last_key_value().unwrap();
    tell(&mut sharer, 0, &opened(*last));
    assert_eq!(sharer.state(), ConnectionState::Connected);
    let rooms: Vec<_> = channels.values().map(|id| sharer.room(*id).unwrap()).collect();
    assert_eq!(rooms, [RoomState::Replaced, RoomState::Refused, RoomState::Refused, RoomState::Open]);
    assert!(std::iter::from_fn(|| sharer.poll_effect()).all(|effect| !matches!(effect, Effect::Close(_))));
    let mut again = BTreeMap::new();
    for ms in [10_000, 30_000, 600_000] {
        sharer.handle_timeout(Now::new(ms, 1_000_000 + ms));
        for (channel, id) in claims(&mut sharer) {
            assert!(channel > *last, "a channel is used once");
            again.insert(id, ms);
            tell(&mut sharer, ms, &opened(channel));
        }
    }
    let ids: Vec<_> = channels.values().collect();
    assert_eq!(again, BTreeMap::from([(*ids[1], 10_000), (*ids[2], 30_000)]), "replaced is for good");
    assert_eq!(sharer.room(*open), Some(RoomState::Open));
}

#[test]
fn sessions_open_while_connected_and_all_claim_again_after_a_break() {
    let (mut sharer, channels) = several(2);
    for channel in channels.keys() {
        tell(&mut sharer, 0, &opened(*channel));
    }
    let now = Now::new(6_000, 1_006_000);
    let third = sharer.open(now, config());
    let claim = claims(&mut sharer);
    assert_eq!(claim, BTreeMap::from([(Channel(3), third)]));
    assert_eq!(sharer.state(), ConnectionState::Connected, "the others are not held up");
    tell(&mut sharer, 6_000, &opened(Channel(3)));
    sharer.handle_disconnected(now, None);
    assert_eq!(sharer.room(third), Some(RoomState::Pending));
    greet(&mut sharer, now);
    let again: BTreeSet<_> = claims(&mut sharer).into_values().collect();
    assert_eq!(again, channels.into_values().chain([third]).collect());
}

#[test]
fn without_a_session_there_is_no_connection() {
    let now = Now::new(0, 1_000_000);
    let mut sharer = Sharer::new(Entropy::from_seed([7; 32]), now);
    sharer.handle_timeout(Now::new(60_000, 1_060_000));
    assert_eq!((sharer.poll_effect(), sharer.poll_timeout(), sharer.poll_transmit()), (None, None, None));
    let id = sharer.open(now, config());
    greet(&mut sharer, now);
    let (channel, _) = claims(&mut sharer).pop_first().unwrap();
    tell(&mut sharer, 0, &opened(channel));
    sharer.close(now, id);
    let said = std::iter::from_fn(|| sharer.poll_transmit())
        .filter(|packet| matches!(packet, Packet::Text(text) if text.starts_with("{\"EndSession")));
    assert_eq!(said.count(), 1);
    let effects: Vec<_> = std::iter::from_fn(|| sharer.poll_effect()).collect();
    assert!(effects.contains(&Effect::Ended(id)));
    assert!(!effects.contains(&Effect::Close(CloseCode::GoingAway)), "the end is on its way");
    sharer.forget(now, id);
    assert!(std::iter::from_fn(|| sharer.poll_effect()).any(|effect| matches!(effect, Effect::Close(_))));
    assert_eq!((sharer.state(), sharer.poll_timeout()), (ConnectionState::Idle, None));
}

/// A thousand sessions at rest: what one minute costs in frames, and that a packet for one touches only that one.
#[test]
fn idle_sessions_say_little_and_share_one_connection() {
    let (mut sharer, channels) = several(1_000);
    for channel in channels.keys() {
        tell(&mut sharer, 0, &opened(*channel));
    }
    let mut bytes = 0;
    let mut consumed = 0;
    let mut wakes = 0;
    let mut ms = 0;
    while ms < 60_000 {
        let (at, _) = sharer.poll_timeout().unwrap();
        assert!(at.0 > ms || ms == 0, "a deadline that passed is acted on");
        ms = at.0;
        sharer.handle_timeout(Now::new(ms, 1_000_000 + ms));
        wakes += 1;
        while let Some(packet) = sharer.poll_transmit() {
            if let Packet::Binary(frame) = packet {
                bytes += frame.len();
                consumed += frame.len() as u64;
                let credit = Frame::Credit { consumed }.encode();
                sharer.handle_packet(Now::new(ms, 1_000_000 + ms), &Packet::Binary(credit));
            }
        }
    }
    println!("{wakes} wakes, {} bytes a session and minute", bytes / 1_000);
    assert!(wakes <= 20, "sessions that opened together beat together: {wakes}");
    assert!(bytes / 1_000 < 900, "{bytes}");
}

#[derive(Debug, Clone)]
enum Op {
    Write(usize, u8),
    Transmit(usize),
    Acknowledge,
    Credit,
    Model(usize),
    Ask(bool),
    Disconnect,
    Connect(bool),
    Time(u64),
    Resize(u16),
    Revoke,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (1usize..400_000, any::<u8>()).prop_map(|(len, seed)| Op::Write(len, seed)),
        6 => (1usize..40).prop_map(Op::Transmit),
        4 => Just(Op::Acknowledge),
        4 => Just(Op::Credit),
        4 => (1usize..60).prop_map(Op::Model),
        2 => any::<bool>().prop_map(Op::Ask),
        1 => Just(Op::Disconnect),
        2 => any::<bool>().prop_map(Op::Connect),
        2 => (1u64..30_000).prop_map(Op::Time),
        1 => (2u16..200).prop_map(Op::Resize),
        1 => Just(Op::Revoke),
    ]
}

fn noise(len: usize, seed: u8) -> Vec<u8> {
    let word = format!("{seed}é😀{}", seed.wrapping_mul(37));
    word.as_bytes().iter().copied().cycle().take(len - len % word.len()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Laws 3, 5 and 11 at the sharer's end: whatever is cut, lost, asked or skipped, snapshot and events are
    /// exactly what was written, nothing is sealed twice, and at rest the viewer has everything.
    #[test]
    fn snapshot_and_events_are_what_was_written(ops in proptest::collection::vec(op(), 1..60)) {
        let mut world = World::new(false);
        for op in ops {
            match op {
                Op::Write(len, seed) => world.write(&noise(len, seed)),
                Op::Transmit(most) => world.transmit(most),
                Op::Acknowledge => world.acknowledge(),
                Op::Credit => world.grant_credit(),
                Op::Model(steps) => world.step_model(steps),
                Op::Ask(full) if world.connected => {
                    world.say(&RelayToSharer::SnapshotRequested { channel: CHANNEL, full });
                }
                Op::Ask(_) => {}
                Op::Disconnect => world.disconnect(),
                Op::Connect(amnesia) => world.connect(amnesia),
                Op::Time(ms) => world.pass_time(ms),
                Op::Resize(cols) => {
                    world.sharer.handle_resize(world.now(), world.id, WindowSize { cols, rows: 24 });
                    world.effects();
                }
                Op::Revoke => {
                    world.sharer.revoke(world.now(), world.id, &[Right::Watch]);
                    world.effects();
                }
            }
        }
        world.settle();
        if world.connected {
            world.say(&RelayToSharer::SnapshotRequested { channel: CHANNEL, full: false });
        }
        world.settle();
        prop_assert!(world.shown.as_ref() == Some(&world.written));
        prop_assert_eq!(world.attested, world.session().point().number);
    }

    /// Laws 4 and 8: nothing a relay sends panics or types.
    #[test]
    fn arbitrary_packets_never_type(
        frames in proptest::collection::vec((0u8..16, proptest::collection::vec(any::<u8>(), 0..80)), 0..40),
        texts in proptest::collection::vec("[ -~]{0,60}", 0..5),
    ) {
        let (mut world, ..) = typing();
        for (kind, rest) in frames {
            let bytes = [&[kind, 1][..], &rest].concat();
            world.sharer.handle_packet(world.now(), &Packet::Binary(bytes.into()));
            world.effects();
            world.connect(false);
            world.transmit(100);
        }
        for text in texts {
            world.sharer.handle_packet(world.now(), &Packet::Text(text));
            world.effects();
        }
        prop_assert!(world.typed.is_empty());
    }
}
