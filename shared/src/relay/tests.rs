#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::unnecessary_operation,
    reason = "tests look for one thing among many"
)]

mod archive;
mod budget;
mod drivers;
mod rows;
mod withdrawn;

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::chain::{ChainPoint, End, ViewerChallenge};
use crate::event::{EndReason, EventKind, WindowSize};
use crate::id::ParticipantId;
use crate::keys::epoch::{AgreementKey, ContentKey, EpochId, Header, PROTOCOL_VERSION, Scope};
use crate::keys::grant::{Grant, GrantRow, Right, Token};
use crate::keys::keeper::Keep;
use crate::keys::owner::{Challenge, Claim, OwnerKey, Signed};
use crate::seal::SealedEvent;
use crate::snapshot::{Dump, Part, SnapshotSealer};
use crate::time::UnixMs;
use crate::wire::hello::{CREDIT, MAX_CHANNELS};
use crate::wire::sharer::{InitPayload, InputRefusal, RelayToSharer, SharerToRelay};
use crate::wire::source::SessionSource;
use crate::wire::viewer::{JoinPayload, Resume, ViewerToRelay};

const HOST: &str = "127.0.0.1:4777";
const CH: Channel = Channel(1);

/// A relay with its clock, and what every peer was sent.
struct World {
    relay: Relay,
    ms: u64,
    got: BTreeMap<PeerId, Vec<Outgoing>>,
}

impl World {
    fn new() -> Self {
        Self::with(RelayConfig::default())
    }

    fn with(config: RelayConfig) -> Self {
        let relay = Relay::new(config, Entropy::from_seed([9; 32]), Now::new(1_000, 0));
        Self { relay, ms: 1_000, got: BTreeMap::new() }
    }

    fn now(&self) -> Now {
        Now::new(self.ms, self.ms)
    }

    fn drain(&mut self) {
        while let Some(peer) = self.relay.poll_ready() {
            while let Some(outgoing) = self.relay.poll_transmit(peer) {
                self.got.entry(peer).or_default().push(outgoing);
            }
        }
    }

    fn wait(&mut self, ms: u64) {
        let until = self.ms + ms;
        while let Some((at, _)) = self.relay.poll_timeout().filter(|(at, _)| at.0 <= until) {
            self.ms = self.ms.max(at.0);
            self.relay.handle_timeout(self.now());
            self.drain();
        }
        self.ms = until;
    }

    fn connect(&mut self, peer: u64) -> Challenge {
        let info = PeerInfo { host: HOST.into(), address: "127.0.0.1".into() };
        self.relay.handle_connected(self.now(), PeerId(peer), info);
        self.drain();
        let Some(Outgoing::Text(hello)) = self.take(peer).into_iter().next() else { panic!("no hello") };
        let Greeting::Hello(hello) = wire::decode(&hello).unwrap();
        hello.challenge
    }

    fn text<M: serde::Serialize>(&mut self, peer: u64, message: &M) {
        self.relay.handle_packet(self.now(), PeerId(peer), Packet::Text(wire::encode(message)));
        self.drain();
    }

    fn send(&mut self, peer: u64, frame: &Frame) {
        self.relay.handle_packet(self.now(), PeerId(peer), Packet::Binary(frame.encode()));
        self.drain();
    }

    fn gone(&mut self, peer: u64) {
        self.relay.handle_disconnected(self.now(), PeerId(peer));
        self.drain();
    }

    fn take(&mut self, peer: u64) -> Vec<Outgoing> {
        self.got.remove(&PeerId(peer)).unwrap_or_default()
    }

    fn viewer(&mut self, peer: u64) -> Vec<Heard> {
        self.take(peer).into_iter().map(Heard::new).collect()
    }

    fn sharer(&mut self, peer: u64) -> Vec<RelayToSharer> {
        let texts = self.take(peer).into_iter().filter_map(|outgoing| match outgoing {
            Outgoing::Text(text) => Some(wire::decode(&text).unwrap()),
            Outgoing::Binary { .. } | Outgoing::Close(_) => None,
        });
        texts.collect()
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Heard {
    Control(RelayToViewer),
    Frame(Frame),
    Close(CloseCode),
}

impl Heard {
    fn new(outgoing: Outgoing) -> Self {
        match outgoing {
            Outgoing::Text(text) => Self::Control(wire::decode(&text).unwrap()),
            Outgoing::Binary { head, body } => {
                Self::Frame(Frame::decode(&[&head[..], &body].concat().into()).unwrap())
            }
            Outgoing::Close(code) => Self::Close(code),
        }
    }

    fn event(&self) -> Option<u64> {
        match self {
            Self::Frame(Frame::Event { event, .. }) => Some(event.number),
            _ => None,
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Frame(frame) => frame.encode().len() as u64,
            _ => 0,
        }
    }

    fn is_history(&self) -> bool {
        matches!(self, Self::Frame(Frame::SnapshotPart { part: Part::Full, last: true, .. }))
    }

    fn is_screen(&self) -> bool {
        matches!(self, Self::Frame(Frame::SnapshotPart { part: Part::Screen, last: true, .. }))
    }
}

struct Sharer {
    owner: OwnerKey,
    entropy: Entropy,
    epoch: EpochId,
    grants: Vec<Grant>,
    source: SessionSource,
    claims: u64,
    number: u64,
    /// The event that said the size last.
    resized: u64,
    snapshots: SnapshotSealer,
    keep: Option<Keep>,
}

impl Sharer {
    fn new() -> Self {
        Self::seeded(1)
    }

    fn seeded(seed: u8) -> Self {
        let mut entropy = Entropy::from_seed([seed; 32]);
        let owner = OwnerKey::generate(&mut entropy);
        let epoch = EpochId { start: UnixMs(1), random: 0 };
        let grants =
            vec![Grant::generate(Right::Watch, &mut entropy), Grant::generate(Right::Type, &mut entropy)];
        let scope = Scope { session: owner.session_id(), epoch };
        let snapshots = SnapshotSealer::new(&ContentKey([5; 32]), scope);
        let source = SessionSource::default();
        Self {
            owner,
            entropy,
            epoch,
            grants,
            source,
            claims: 0,
            number: 0,
            resized: 0,
            snapshots,
            keep: None,
        }
    }

    fn header(&mut self) -> Signed {
        let agreement = AgreementKey::generate(&mut self.entropy).public();
        let (owner, epoch) = (self.owner.public(), self.epoch);
        let header = Header {
            protocol: PROTOCOL_VERSION,
            features: vec![],
            owner,
            epoch,
            revision: 1,
            agreement,
            boxes: vec![],
        };
        header.sign(&self.owner)
    }

    fn rows(&self) -> Vec<GrantRow> {
        let session = self.owner.session_id();
        let row = |g: &Grant| GrantRow { token_hash: g.secret.token(session).hash(), right: g.right };
        self.grants.iter().map(row).collect()
    }

    fn token(&self, right: Right) -> Token {
        self.grants.iter().find(|g| g.right == right).unwrap().secret.token(self.owner.session_id())
    }

    fn claim(&mut self, world: &mut World, peer: u64, host: &str) {
        let challenge = world.connect(peer);
        self.claim_on(world, peer, CH, &challenge, host);
    }

    fn claim_on(
        &mut self,
        world: &mut World,
        peer: u64,
        channel: Channel,
        challenge: &Challenge,
        host: &str,
    ) {
        self.claims += 1;
        let payload = Box::new(InitPayload {
            protocol: PROTOCOL_VERSION,
            session_id: self.owner.session_id(),
            claim: Claim::sign(&self.owner, self.epoch, self.claims, challenge, host),
            header: self.header(),
            grants: self.rows(),
            latest: self.number,
            source: self.source.clone(),
            keep: self.keep.map(|keep| keep.sign(&self.owner)),
        });
        world.text(peer, &SharerToRelay::Initialize { channel, payload });
    }

    fn event(&mut self, world: &mut World, peer: u64, size: usize) {
        self.number += 1;
        let event = SealedEvent { number: self.number, kind: EventKind::Output, body: vec![7; size].into() };
        world.send(peer, &Frame::Event { channel: CH, event });
    }

    fn snapshot(&mut self, world: &mut World, peer: u64, full: bool) {
        let point = ChainPoint {
            number: self.number,
            ..ChainPoint::start(Scope { session: self.owner.session_id(), epoch: self.epoch })
        };
        let dump = Dump {
            point,
            window: WindowSize { cols: 80, rows: 24 },
            transcript: 0,
            resized: self.resized,
            screen: b"screen",
            full: full.then_some(&b"history"[..]),
        };
        let sealed = self.snapshots.seal(&self.owner, dump, false, &mut self.entropy);
        let (id, number, manifest) = (sealed.id, sealed.number, sealed.manifest);
        world.send(peer, &Frame::SnapshotManifest { channel: CH, id, number, manifest });
        for (part, bodies) in [(Part::Screen, sealed.screen), (Part::Full, sealed.full)] {
            for (index, body) in (0..).zip(bodies) {
                world.send(peer, &Frame::SnapshotPart { channel: CH, id, part, index, last: true, body });
            }
        }
    }

    fn join(&self, world: &mut World, peer: u64, right: Right, resume: Option<Resume>) {
        world.connect(peer);
        let payload = self.payload(self.token(right), resume);
        world.text(peer, &ViewerToRelay::Join { channel: CH, payload });
    }

    fn payload(&self, token: Token, resume: Option<Resume>) -> Box<JoinPayload> {
        Box::new(JoinPayload {
            protocol: PROTOCOL_VERSION,
            session_id: self.owner.session_id(),
            token,
            challenge: ViewerChallenge([1; 16]),
            resume,
            agreement: None,
            previous: None,
        })
    }
}

fn asked(messages: &[RelayToSharer]) -> bool {
    messages.iter().any(|m| matches!(m, RelayToSharer::SnapshotRequested { .. }))
}

/// A sharer at peer 1 whose room has a snapshot.
fn shared() -> (World, Sharer) {
    let (mut world, mut sharer) = (World::new(), Sharer::new());
    sharer.claim(&mut world, 1, HOST);
    assert!(matches!(
        world.sharer(1)[..],
        [RelayToSharer::SessionInitialized { acknowledged: None, snapshot: None, .. }, ..]
    ));
    sharer.event(&mut world, 1, 100);
    sharer.snapshot(&mut world, 1, true);
    (world, sharer)
}

fn viewer_at(world: &mut World, sharer: &Sharer, peer: u64) -> Vec<Heard> {
    sharer.join(world, peer, Right::Watch, None);
    world.viewer(peer)
}

#[test]
fn a_joiner_gets_screen_events_and_history_in_that_order() {
    let (mut world, mut sharer) = shared();
    sharer.event(&mut world, 1, 100);
    let heard = viewer_at(&mut world, &sharer, 2);
    let at = |what: &dyn Fn(&Heard) -> bool| heard.iter().position(what).unwrap();
    assert!(matches!(&heard[0], Heard::Control(RelayToViewer::JoinedSuccessfully { latest: 2, .. })));
    let screen = at(&Heard::is_screen);
    let event = at(&|heard| heard.event() == Some(2));
    let full = at(&|heard| matches!(heard, Heard::Frame(Frame::SnapshotPart { part: Part::Full, .. })));
    assert!(screen < event && event < full, "{heard:?}");
    let joined = world.sharer(1);
    assert!(
        joined
            .iter()
            .any(|m| matches!(m, RelayToSharer::ParticipantJoined { participant: ParticipantId(1), .. }))
    );
    sharer.event(&mut world, 1, 10);
    assert_eq!(world.viewer(2).iter().filter_map(Heard::event).collect::<Vec<_>>(), [3]);
}

#[test]
fn a_resuming_viewer_gets_the_tail_and_no_snapshot() {
    let (mut world, mut sharer) = shared();
    for _ in 0..5 {
        sharer.event(&mut world, 1, 10);
    }
    sharer.join(&mut world, 2, Right::Watch, Some(Resume { epoch: sharer.epoch, number: 3, history: 1 }));
    let heard = world.viewer(2);
    assert!(matches!(&heard[0], Heard::Control(RelayToViewer::JoinedSuccessfully { resumed: true, .. })));
    assert_eq!(heard.iter().filter_map(Heard::event).collect::<Vec<_>>(), [4, 5, 6]);
    assert!(!heard.iter().any(|heard| heard.is_screen() || heard.is_history()));
}

#[test]
fn a_channel_too_many_is_refused_by_itself() {
    let (mut world, sharer) = shared();
    world.connect(2);
    let join = |world: &mut World, channel: u32| {
        let payload = sharer.payload(sharer.token(Right::Watch), None);
        world.text(2, &ViewerToRelay::Join { channel: Channel(channel), payload });
        world.viewer(2)
    };
    let joined = |heard: &[Heard]| {
        heard.iter().any(|heard| matches!(heard, Heard::Control(RelayToViewer::JoinedSuccessfully { .. })))
    };
    let most = u32::try_from(MAX_CHANNELS).unwrap();
    for channel in 1..=most {
        assert!(joined(&join(&mut world, channel)), "the control: {channel}");
    }
    let refused = RelayToViewer::FailedToJoin { channel: Channel(most + 1), reason: Refusal::RelayFull };
    assert!(join(&mut world, most + 1).contains(&Heard::Control(refused)));
    world.text(2, &ViewerToRelay::Leave { channel: Channel(1) });
    assert!(joined(&join(&mut world, most + 2)), "there is room again, and the connection stands");

    // A sharer's claims.
    let challenge = world.connect(3);
    let mut replies = Vec::new();
    for number in 1..=most + 1 {
        let mut seed = [0; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        let mut other = Sharer::new();
        other.owner = OwnerKey::generate(&mut Entropy::from_seed(seed));
        other.claim_on(&mut world, 3, Channel(number), &challenge, HOST);
        replies.extend(world.sharer(3));
    }
    let refusals: Vec<_> =
        replies.iter().filter(|said| matches!(said, RelayToSharer::FailedToInitialize { .. })).collect();
    let last = RelayToSharer::FailedToInitialize { channel: Channel(most + 1), reason: Refusal::RelayFull };
    assert_eq!(refusals, [&last]);
}

/// Whoever is given history before a resize may have dropped it, and wraps its lines in another way in any case. That
/// the relay had asked for the snapshot behind the resize, or had a viewer that was away meanwhile, changes nothing.
#[test]
fn history_from_before_a_resize_is_given_anew_and_once() {
    let histories = |heard: &[Heard]| heard.iter().filter(|heard| heard.is_history()).count();
    let (mut world, mut sharer) = shared();
    assert_eq!(histories(&viewer_at(&mut world, &sharer, 2)), 1);
    // At rest, with so much behind the stored one, the relay asks; the size changes before it is answered.
    sharer.event(&mut world, 1, 9_000);
    world.wait(2_000);
    assert!(asked(&world.sharer(1)));
    sharer.event(&mut world, 1, 10);
    sharer.resized = sharer.number;
    let before = sharer.number - 1;
    sharer.snapshot(&mut world, 1, true);
    assert_eq!(histories(&world.viewer(2)), 1);
    sharer.event(&mut world, 1, 10);
    sharer.snapshot(&mut world, 1, true);
    assert_eq!(histories(&world.viewer(2)), 0, "the control: it has one from behind the resize");
    let number = sharer.number;
    for (peer, history, given) in [(3, 0, 1), (4, before, 1), (5, number - 1, 0)] {
        let resume = Resume { epoch: sharer.epoch, number, history };
        sharer.join(&mut world, peer, Right::Watch, Some(resume));
        let heard = world.viewer(peer);
        assert_eq!(histories(&heard), given, "{peer}");
        assert!(!heard.iter().any(Heard::is_screen), "{peer}");
    }
}

#[test]
fn a_stuck_viewer_is_bounded_and_comes_back_exact_without_further_output() {
    let (mut world, mut sharer) = shared();
    let first = viewer_at(&mut world, &sharer, 2);
    let mut resyncing = false;
    let mut sent: u64 = first.iter().map(Heard::bytes).sum();
    for _ in 0..400 {
        sharer.event(&mut world, 1, 16 * 1024);
        let full = world.sharer(1).iter().any(|m| matches!(m, RelayToSharer::SnapshotRequested { .. }));
        if full {
            sharer.snapshot(&mut world, 1, false);
        }
        world.wait(5);
        let heard = world.viewer(2);
        resyncing |= heard.contains(&Heard::Control(RelayToViewer::Resyncing { channel: CH }));
        sent += heard.iter().map(Heard::bytes).sum::<u64>();
        assert!(sent <= CREDIT, "{sent}");
        assert!(world.relay.stats().log_bytes <= content::MAX_TAIL + outbox::BOUND);
    }
    // It reads again. The sharer says nothing but answers to requests.
    world.send(2, &Frame::Credit { consumed: sent });
    for _ in 0..20 {
        if asked(&world.sharer(1)) {
            sharer.snapshot(&mut world, 1, true);
        }
        world.wait(50);
    }
    let heard = world.viewer(2);
    assert!(resyncing);
    let screen = heard.iter().rposition(Heard::is_screen).expect("a screen");
    let manifest = heard.iter().rev().find_map(|heard| match heard {
        Heard::Frame(Frame::SnapshotManifest { number, .. }) => Some(*number),
        _ => None,
    });
    let last = heard[screen..].iter().filter_map(Heard::event).last().or(manifest);
    assert_eq!(last, Some(sharer.number));
}

#[test]
fn a_slow_viewer_is_shown_every_snapshot_it_waited_for_however_much_follows() {
    let (mut world, mut sharer) = shared();
    let mut sent: u64 = viewer_at(&mut world, &sharer, 2).iter().map(Heard::bytes).sum();
    let (mut consumed, mut screens) = (0, 0);
    for _ in 0..200 {
        let requested = asked(&world.sharer(1));
        for _ in 0..6 {
            sharer.event(&mut world, 1, 16 * 1024);
        }
        if requested {
            // The model is behind: it dumps what the program wrote a while ago.
            sharer.number -= 6;
            sharer.snapshot(&mut world, 1, false);
            sharer.number += 6;
        }
        world.wait(10);
        let heard = world.viewer(2);
        sent += heard.iter().map(Heard::bytes).sum::<u64>();
        screens += heard.iter().filter(|heard| heard.is_screen()).count();
        // It takes a sixth of what comes.
        consumed = sent.min(consumed + 16 * 1024);
        world.send(2, &Frame::Credit { consumed });
    }
    // Two seconds, and a snapshot every 100 ms at most.
    assert!((5..=20).contains(&screens), "{screens}");
}

#[test]
fn of_two_claims_the_higher_wins_and_the_other_is_closed_for_good() {
    let (mut world, mut sharer) = shared();
    sharer.claim(&mut world, 5, HOST);
    assert!(matches!(
        world.sharer(5)[0],
        RelayToSharer::SessionInitialized { acknowledged: Some(1), snapshot: Some(_), .. }
    ));
    assert_eq!(world.take(1).pop(), Some(Outgoing::Close(CloseCode::Replaced)));
    sharer.claims = 0;
    sharer.claim(&mut world, 6, HOST);
    assert_eq!(world.take(6).pop(), Some(Outgoing::Close(CloseCode::Replaced)));
}

#[test]
fn a_claim_made_for_another_host_is_refused_and_for_this_one_taken() {
    let (mut world, mut sharer) = (World::new(), Sharer::new());
    sharer.claim(&mut world, 1, "other.example");
    assert!(matches!(
        world.sharer(1)[0],
        RelayToSharer::FailedToInitialize { reason: Refusal::BadClaim, .. }
    ));
    sharer.claim(&mut world, 2, HOST);
    assert!(matches!(world.sharer(2)[0], RelayToSharer::SessionInitialized { .. }));
}

#[test]
fn unknown_session_and_wrong_token_have_one_answer() {
    let (mut world, sharer) = shared();
    world.connect(2);
    world
        .text(2, &ViewerToRelay::Join { channel: Channel(1), payload: sharer.payload(Token([0; 32]), None) });
    let mut foreign = sharer.payload(sharer.token(Right::Watch), None);
    foreign.session_id = SessionId([0; 16]);
    world.text(2, &ViewerToRelay::Join { channel: Channel(2), payload: foreign.clone() });
    world.ms += AMNESIA_MS;
    world.text(2, &ViewerToRelay::Join { channel: Channel(3), payload: foreign });
    let failed = |channel, retry| {
        let (channel, reason) = (Channel(channel), Refusal::NotFound { retry });
        Heard::Control(RelayToViewer::FailedToJoin { channel, reason })
    };
    assert_eq!(world.viewer(2), [failed(1, true), failed(2, true), failed(3, false)]);
}

#[test]
fn a_revoked_grant_ends_its_viewers_at_once_and_no_others() {
    let (mut world, mut sharer) = shared();
    sharer.join(&mut world, 2, Right::Watch, None);
    sharer.join(&mut world, 3, Right::Type, None);
    (world.take(2), world.take(3));
    sharer.grants.retain(|grant| grant.right == Right::Watch);
    sharer.epoch.start = UnixMs(2);
    let (header, epoch, grants) = (sharer.header(), sharer.epoch, sharer.rows());
    world.text(1, &SharerToRelay::UpdateHeader { channel: CH, header, epoch, grants });
    assert!(matches!(
        &world.viewer(3)[..],
        [Heard::Control(RelayToViewer::SessionEnded { reason: EndedBecause::Revoked, .. })]
    ));
    assert!(matches!(&world.viewer(2)[0], Heard::Control(RelayToViewer::HeaderUpdated { .. })));
    sharer.number = 0;
    sharer.event(&mut world, 1, 10);
    assert_eq!(world.viewer(3), []);
}

#[test]
fn input_of_those_who_may_type_is_passed_on_and_bounded() {
    let (mut world, sharer) = shared();
    sharer.join(&mut world, 2, Right::Watch, None);
    sharer.join(&mut world, 3, Right::Type, None);
    (world.take(1), world.take(2), world.take(3));
    let input = Frame::Input { channel: CH, seen: 1, beat: 0, consumed: 0, body: Bytes::from_static(b"k") };
    world.send(2, &input);
    let refused = |reason| Heard::Control(RelayToViewer::InputRefused { channel: CH, reason });
    assert_eq!(world.viewer(2), [refused(InputRefusal::NotAllowed)]);
    assert_eq!(world.take(1), []);
    world.send(3, &input);
    assert!(matches!(&world.take(1)[..], [Outgoing::Binary { .. }]));
    // The sharer's socket is stuck: nobody polls it.
    let large = Frame::Input { channel: CH, seen: 1, beat: 0, consumed: 0, body: vec![0; 16_000].into() };
    for _ in 0..5 {
        world.relay.handle_packet(world.now(), PeerId(3), Packet::Binary(large.encode()));
    }
    world.drain();
    assert_eq!(world.take(1).len(), 4);
    assert_eq!(world.viewer(3), [refused(InputRefusal::Full)]);
}

#[test]
fn presence_is_told_at_most_once_a_second() {
    let (mut world, sharer) = shared();
    for peer in 10..60 {
        sharer.join(&mut world, peer, Right::Watch, None);
        world.wait(10);
    }
    let told = |messages: &[RelayToSharer]| {
        messages.iter().filter(|m| matches!(m, RelayToSharer::ParticipantListUpdated { .. })).count()
    };
    assert_eq!(told(&world.sharer(1)), 1);
    world.wait(2_000);
    assert_eq!(told(&world.sharer(1)), 1);
}

#[test]
fn the_end_reaches_those_present_and_late_openers_until_the_room_goes() {
    let (mut world, sharer) = shared();
    sharer.join(&mut world, 2, Right::Watch, None);
    (world.take(1), world.take(2));
    let point = ChainPoint {
        number: 1,
        ..ChainPoint::start(Scope { session: sharer.owner.session_id(), epoch: sharer.epoch })
    };
    let reason = EndReason::Exited { code: Some(0), signal: None };
    let end = End { epoch: sharer.epoch, point, reason }.sign(&sharer.owner);
    world.text(1, &SharerToRelay::EndSession { channel: CH, end, final_number: 1, stays: false });
    let ended = |heard: &[Heard]| {
        heard.iter().any(|h| {
            matches!(h, Heard::Control(RelayToViewer::SessionEnded { reason: EndedBecause::Sharer, .. }))
        })
    };
    assert!(ended(&world.viewer(2)));
    assert_eq!(world.sharer(1), []);
    world.text(2, &ViewerToRelay::EndSeen { channel: CH });
    assert_eq!(world.sharer(1), [RelayToSharer::EndAcknowledged { channel: CH }]);
    world.gone(1);
    world.wait(60_000);
    let late = viewer_at(&mut world, &sharer, 3);
    assert!(ended(&late) && late.iter().any(Heard::is_screen), "{late:?}");
    world.wait(600_000);
    assert_eq!(world.relay.stats().sessions, 0);
    assert_eq!(world.relay.poll_timeout(), None);
}

#[test]
fn a_room_outlives_its_sharer_for_a_while_and_comes_back() {
    let (mut world, mut sharer) = shared();
    sharer.join(&mut world, 2, Right::Watch, None);
    world.gone(1);
    world.take(2);
    world.wait(599_000);
    sharer.claim(&mut world, 4, HOST);
    let back = Heard::Control(RelayToViewer::SharerPresence { channel: CH, away_ms: None });
    assert!(world.viewer(2).contains(&back));
    world.gone(4);
    world.wait(600_000);
    assert!(matches!(
        world.viewer(2).pop(),
        Some(Heard::Control(RelayToViewer::SessionEnded { reason: EndedBecause::SharerAway, .. }))
    ));
    assert_eq!(world.relay.stats().sessions, 0);
}

#[test]
fn events_beyond_the_credit_close_the_sharer() {
    let (mut world, mut sharer) = shared();
    // Grants are made but never read, as nobody polls: the peer may not go on.
    for _ in 0..6 {
        sharer.number += 1;
        let event =
            SealedEvent { number: sharer.number, kind: EventKind::Output, body: vec![0; 60_000].into() };
        let packet = Packet::Binary(Frame::Event { channel: CH, event }.encode());
        world.relay.handle_packet(world.now(), PeerId(1), packet);
    }
    world.drain();
    assert_eq!(world.take(1).pop(), Some(Outgoing::Close(CloseCode::CreditExceeded)));
}

proptest! {
    /// Any packets from anybody, in any order, with time passing: no panic, and bounded.
    #[test]
    fn any_packets_are_survived(steps in proptest::collection::vec((0u64..4, 0u8..12, any::<u64>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..120)) {
        let (mut world, mut sharer) = shared();
        sharer.join(&mut world, 2, Right::Type, None);
        sharer.join(&mut world, 3, Right::Watch, None);
        for (peer, what, value, bytes) in steps {
            let body = Bytes::from(bytes.clone());
            let number = if value % 3 == 0 { u64::MAX - value % 2 } else { value % 50 };
            match what {
                0 => world.relay.handle_packet(world.now(), PeerId(peer), Packet::Binary(body)),
                1 => world.relay.handle_packet(world.now(), PeerId(peer), Packet::Text(String::from_utf8_lossy(&bytes).into_owned())),
                2 => world.send(peer, &Frame::Event { channel: CH, event: SealedEvent { number: number.max(1), kind: EventKind::Note, body } }),
                3 => world.send(peer, &Frame::SnapshotPart { channel: CH, id: number, part: Part::Screen, index: 0, last: true, body }),
                4 => world.send(peer, &Frame::Beat { channel: CH, number, body }),
                5 => world.send(peer, &Frame::Input { channel: CH, seen: number, beat: number, consumed: value % 100, body }),
                6 => world.send(peer, &Frame::Credit { consumed: number }),
                7 => world.text(peer, &ViewerToRelay::Resync { channel: CH }),
                8 => world.wait(value % 20_000),
                9 => world.gone(peer),
                10 => sharer.snapshot(&mut world, 1, value % 2 == 0),
                _ => { world.connect(peer + value % 3 + 10); }
            }
            world.drain();
        }
        prop_assert!(world.relay.stats().log_bytes <= content::MAX_TAIL + outbox::BOUND);
    }
}
