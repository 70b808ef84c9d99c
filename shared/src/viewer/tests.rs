//! A viewer against a sharer made of the sealers themselves, and everything a hostile relay can do between them.

mod children;
mod doubt;
mod order;
mod session;

use std::collections::BTreeMap;

use super::*;
use crate::card::{Card, CardSealer, Reach};
use crate::chain::{Answer, Attestation, CardsDigest, ChainPoint};
use crate::event::{Event as Happening, Note};
use crate::id::{Channel, SessionId};
use crate::keys::epoch::{
    AgreementKey, AgreementPublic, ContentKey, EpochId, Header, InputGrant, InputSecret, PROTOCOL_VERSION,
    Scope,
};
use crate::keys::grant::{Grant, Right};
use crate::keys::owner::{Challenge, OwnerKey};
use crate::orchestration::task::Task;
use crate::seal::{BeatSealer, EventSealer, SealedEvent};
use crate::snapshot::{Dump, Part, SealedSnapshot, SnapshotSealer};
use crate::time::UnixMs;
use crate::wire::close::Refusal;
use crate::wire::encode;
use crate::wire::hello::{Greeting, Hello, Limits};
use crate::wire::task::TaskRow;
use crate::wire::viewer::{JoinPayload, ViewerToRelay};

const WINDOW: WindowSize = WindowSize { cols: 80, rows: 24 };

/// Everything a sharer needs to speak.
struct Sharer {
    owner: OwnerKey,
    entropy: Entropy,
    content: ContentKey,
    input: InputGrant,
    agreement: AgreementKey,
    header: Header,
    events: EventSealer,
    beats: BeatSealer,
    snapshots: SnapshotSealer,
    cards: CardSealer,
    grants: [Grant; 2],
}

impl Sharer {
    fn new(seed: u8) -> Self {
        let mut entropy = Entropy::from_seed([seed; 32]);
        let owner = OwnerKey::generate(&mut entropy);
        let grants = [Right::Watch, Right::Type].map(|right| Grant::generate(right, &mut entropy));
        Self::epoch(owner, entropy, grants, EpochId { start: UnixMs(1), random: 1 })
    }

    fn epoch(owner: OwnerKey, mut entropy: Entropy, grants: [Grant; 2], epoch: EpochId) -> Self {
        let content = ContentKey(entropy.array());
        let input = InputGrant { secret: InputSecret(entropy.array()), watch: grants[0].secret.clone() };
        let agreement = AgreementKey::generate(&mut entropy);
        let scope = Scope { session: owner.session_id(), epoch };
        let boxes =
            grants.iter().map(|g| Header::seal_box(scope, g, &content, &input, &mut entropy)).collect();
        let header = Header {
            protocol: PROTOCOL_VERSION,
            features: Vec::new(),
            owner: owner.public(),
            epoch,
            revision: 1,
            agreement: agreement.public(),
            boxes,
        };
        Self {
            events: EventSealer::new(&content, scope),
            beats: BeatSealer::new(&content, scope),
            snapshots: SnapshotSealer::new(&content, scope),
            cards: CardSealer::new(&content, &input.secret, scope),
            owner,
            entropy,
            content,
            input,
            agreement,
            header,
            grants,
        }
    }

    fn scope(&self) -> Scope {
        self.header.scope()
    }

    fn link(&self, right: usize) -> Link {
        Link {
            base: "http://relay.test".into(),
            session: self.owner.session_id(),
            secret: self.grants[right].secret.clone(),
        }
    }

    fn output(&mut self, text: &str) -> SealedEvent {
        let (kind, plain) = Happening::Output(text.as_bytes().to_vec()).encode(true);
        self.events.seal(kind, &plain)
    }

    fn note(&mut self, note: Note) -> SealedEvent {
        let (kind, plain) = Happening::Note(note).encode(false);
        self.events.seal(kind, &plain)
    }

    fn snapshot(&mut self, screen: &str, full: Option<&str>) -> SealedSnapshot {
        let dump = Dump {
            point: self.events.point(),
            window: WINDOW,
            transcript: 0,
            resized: 0,
            screen: screen.as_bytes(),
            full: full.map(str::as_bytes),
        };
        self.snapshots.seal(&self.owner, dump, true, &mut self.entropy)
    }

    fn attest(&self, point: ChainPoint) -> Frame {
        let (beat, cards) = (self.beats.number(), self.cards.digest());
        let signature = Attestation { scope: self.scope(), point, beat, cards }.sign(&self.owner);
        let ChainPoint { number, hash } = point;
        Frame::Attestation { channel: Channel(1), number, beat, hash, cards, signature }
    }

    /// What its parent's cards hold: its own grants will do.
    fn reach(&self) -> Reach {
        let [watch, typing] = [0, 1].map(|right| self.grants[right].secret.clone());
        Reach { watch, typing: Some(typing) }
    }

    /// A row about a child.
    fn row(&mut self, task: &Task, reach: Option<Reach>) -> TaskRow {
        let card = Card { task: task.clone(), reach };
        TaskRow::new(task, self.cards.seal(&self.owner, &card, &mut self.entropy).expect("a newer revision"))
    }

    fn beat(&mut self, wall: u64) -> Frame {
        let (number, body) = self.beats.seal(self.events.point().number, UnixMs(wall));
        Frame::Beat { channel: Channel(1), number, body: body.into() }
    }
}

/// A viewer with a terminal that is a text, and a relay that is the test.
struct Page {
    viewer: Viewer,
    now: u64,
    terminals: BTreeMap<PaneId, Vec<u8>>,
    /// Whose frames come.
    session: SessionId,
    sent: Vec<Packet>,
    /// Whose terminal was marked for which command, and how many bytes stood in it.
    marks: Vec<(PaneId, u64, usize)>,
    /// Whose terminals were to leave out what they had not parsed.
    skipped: Vec<PaneId>,
    connects: usize,
    auto_parse: bool,
}

impl Page {
    fn open(sharer: &Sharer, right: usize) -> Self {
        let mut viewer = Viewer::new(sharer.link(right), Entropy::from_seed([9; 32]), Now::new(1_000, 1_000));
        let effects = viewer.start();
        let mut page = Self {
            viewer,
            now: 1_000,
            terminals: BTreeMap::new(),
            session: sharer.owner.session_id(),
            sent: Vec::new(),
            marks: Vec::new(),
            skipped: Vec::new(),
            connects: 0,
            auto_parse: true,
        };
        page.run(effects);
        page
    }

    fn run(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Connect { .. } => self.connects += 1,
                Effect::Send(packet) => self.sent.push(packet),
                Effect::Rebuild { pane, ticket, bytes, .. } => {
                    self.terminals.insert(pane, bytes);
                    self.parsed(pane, ticket);
                }
                Effect::Write { pane, ticket, bytes } => {
                    self.terminals.entry(pane).or_default().extend(bytes);
                    self.parsed(pane, ticket);
                }
                Effect::Wipe { pane } | Effect::Drop { pane } => drop(self.terminals.remove(&pane)),
                Effect::Mark { pane, command } => {
                    self.marks.push((pane, command, self.terminals.get(&pane).map_or(0, Vec::len)));
                }
                Effect::Skip { pane } => self.skipped.push(pane),
                Effect::Close | Effect::Resize { .. } | Effect::KeepSecret { .. } | Effect::Fetch(_) => {}
            }
        }
    }

    fn parsed(&mut self, pane: PaneId, ticket: u64) {
        if self.auto_parse {
            self.give(Event::Parsed { pane, ticket });
        }
    }

    fn give(&mut self, event: Event) {
        let effects = self.viewer.update(Now::new(self.now, self.now), event);
        self.run(effects);
    }

    fn keys(&mut self, bytes: &[u8]) {
        self.give(Event::Keys { pane: PaneId::OWN, bytes: bytes.to_vec() });
    }

    fn control(&mut self, message: &RelayToViewer) {
        self.give(Event::Packet(Packet::Text(encode(message))));
    }

    /// A frame of the sharer whose turn it is, on the channel that the viewer has for it.
    fn frame(&mut self, frame: &Frame) {
        let mut bytes = frame.encode().to_vec();
        bytes[1] = u8::try_from(self.channel().0).unwrap();
        self.give(Event::Packet(Packet::Binary(bytes.into())));
    }

    fn event(&mut self, event: SealedEvent) {
        self.frame(&Frame::Event { channel: Channel(1), event });
    }

    fn snapshot(&mut self, snapshot: &SealedSnapshot, part: Part) {
        let SealedSnapshot { id, number, manifest, screen, full } = snapshot;
        let channel = Channel(1);
        if part == Part::Screen {
            self.frame(&Frame::SnapshotManifest {
                channel,
                id: *id,
                number: *number,
                manifest: manifest.clone(),
            });
        }
        let frames = if part == Part::Screen { screen } else { full };
        for (index, body) in (0u32..).zip(frames) {
            let last = index as usize + 1 == frames.len();
            self.frame(&Frame::SnapshotPart { channel, id: *id, part, index, last, body: body.clone() });
        }
    }

    /// Lets time pass, as its own deadlines say.
    fn pass(&mut self, ms: u64) {
        let until = self.now + ms;
        for _ in 0..10_000 {
            match self.viewer.poll_timeout() {
                Some((at, _)) if at.0 <= until => {
                    self.now = self.now.max(at.0);
                    self.give(Event::Timeout);
                }
                _ => break,
            }
        }
        self.now = until;
        self.give(Event::Timeout);
    }

    fn greet(&mut self) {
        self.give(Event::Connected);
        let hello = Hello {
            protocol: PROTOCOL_VERSION,
            features: Vec::new(),
            challenge: Challenge([0; 32]),
            limits: Limits::default(),
            public_url: None,
        };
        self.give(Event::Packet(Packet::Text(encode(&Greeting::Hello(hello)))));
    }

    fn joins(&self) -> impl Iterator<Item = (Channel, JoinPayload)> {
        self.sent.iter().filter_map(|packet| match packet {
            Packet::Text(text) => match decode::<ViewerToRelay>(text) {
                Ok(ViewerToRelay::Join { channel, payload }) => Some((channel, *payload)),
                _ => None,
            },
            Packet::Binary(_) => None,
        })
    }

    fn newest_join(&self) -> Option<(Channel, JoinPayload)> {
        self.joins().filter(|(_, payload)| payload.session_id == self.session).last()
    }

    fn last_join(&self) -> JoinPayload {
        self.newest_join().expect("it joined").1
    }

    fn channel(&self) -> Channel {
        self.newest_join().map_or(Channel(1), |(channel, _)| channel)
    }

    fn rows(&mut self, rows: Vec<TaskRow>) {
        let channel = self.channel();
        self.control(&RelayToViewer::TasksUpdated { channel, rows });
    }

    fn bar(&self) -> Option<Arc<Bar>> {
        self.viewer.view().bar
    }

    /// What follows comes from this sharer.
    fn turn_to(&mut self, sharer: &Sharer) {
        self.session = sharer.owner.session_id();
    }

    fn joined(&mut self, sharer: &Sharer, resumed: bool) {
        self.joined_at(sharer, resumed, sharer.events.point().number);
    }

    fn joined_at(&mut self, sharer: &Sharer, resumed: bool, latest: u64) {
        let channel = self.channel();
        self.control(&RelayToViewer::JoinedSuccessfully {
            channel,
            header: sharer.header.sign(&sharer.owner),
            latest,
            resumed,
            source_type: crate::wire::source::SourceType::default(),
            source_task_id: None,
            away_ms: None,
            viewers: 1,
        });
    }

    fn not_found(&mut self, retry: bool) {
        let channel = self.channel();
        self.control(&RelayToViewer::FailedToJoin { channel, reason: Refusal::NotFound { retry } });
    }

    fn answer(&mut self, sharer: &Sharer) {
        self.answer_about(sharer, None, None);
    }

    /// Of the input key `previous`, so many frames were taken.
    fn answer_about(&mut self, sharer: &Sharer, taken: Option<u64>, previous: Option<AgreementPublic>) {
        let answer = Answer {
            challenge: self.last_join().challenge,
            epoch: sharer.header.epoch,
            point: sharer.events.point(),
            beat: sharer.beats.number(),
            cards: CardsDigest(sharer.cards.digest()),
            taken,
            previous,
            input: true,
        };
        let channel = self.channel();
        self.control(&RelayToViewer::Answer { channel, answer: answer.sign(&sharer.owner) });
    }

    fn text(&self) -> String {
        self.text_of(PaneId::OWN)
    }

    fn text_of(&self, pane: PaneId) -> String {
        String::from_utf8_lossy(self.terminals.get(&pane).map_or(&[], Vec::as_slice)).into_owned()
    }

    fn inputs(&self) -> Vec<Frame> {
        let read = |packet: &Packet| match packet {
            Packet::Binary(bytes) => Frame::decode(bytes).ok().filter(|f| matches!(f, Frame::Input { .. })),
            Packet::Text(_) => None,
        };
        self.sent.iter().filter_map(read).collect()
    }
}

/// A page that is live on the sharer's screen.
fn live(sharer: &mut Sharer, right: usize) -> Page {
    let mut page = Page::open(sharer, right);
    page.greet();
    page.joined(sharer, false);
    let snapshot = sharer.snapshot("\x1bcscreen ", None);
    page.snapshot(&snapshot, Part::Screen);
    let beat = sharer.beat(1);
    page.frame(&beat);
    page.answer(sharer);
    assert_eq!(page.viewer.view().state, State::Live);
    page
}
