//! Hostile relays, alone and with a reader that colludes: laws 4, 8 and 12.

use bytes::Bytes;
use shared::chain::ViewerChallenge;
use shared::entropy::Entropy;
use shared::event::{EndReason, Event as Opened, EventKind, Note, WindowSize};
use shared::id::{Channel, ParticipantId};
use shared::input::{Input, InputSealer, View};
use shared::keys::epoch::{AgreementKey, ContentKey, Header, InputSecret, Scope};
use shared::keys::grant::Right;
use shared::seal::{BeatSealer, EventSealer};
use shared::sharer::RoomState;
use shared::viewer::{Event, Shown, State};
use shared::wire::close::EndedBecause;
use shared::wire::frame::Frame;
use shared::wire::sharer::RelayToSharer;
use shared::wire::viewer::RelayToViewer;
use shared::wire::{Packet, decode, encode};

use crate::laws::each_case;
use crate::network::{End, Way};
use crate::random::Random;
use crate::screen::ByteLog;
use crate::world::{Pressed, Stepping, World};

/// A packet made of another: cut short, flipped, grown, or of bytes nobody ever sent.
fn mangle(random: &mut Random, packet: &Packet) -> Packet {
    let mut bytes = match packet {
        Packet::Text(text) => text.clone().into_bytes(),
        Packet::Binary(bytes) => bytes.to_vec(),
    };
    for _ in 0..random.within(1, 4) {
        let at = random.index(bytes.len().max(1));
        match random.below(4) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at.min(bytes.len()), random.next() as u8),
            2 => bytes = (0..random.below(64)).map(|_| random.next() as u8).collect(),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.below(8);
                }
            }
        }
    }
    match packet {
        Packet::Text(_) => Packet::Text(String::from_utf8_lossy(&bytes).into_owned()),
        Packet::Binary(_) => {
            if let (Some(first), true) = (bytes.first_mut(), random.percent(30)) {
                *first = random.below(15) as u8;
            }
            Packet::Binary(Bytes::from(bytes))
        }
    }
}

/// Law 4 for every machine, in every stage: mangled packets of any direction, and packets of other directions, come
/// from everywhere. Nothing panics or spins, and what the laws forbid does not happen; afterwards the
/// system works.
#[test]
fn arbitrary_packets_are_survived() {
    let mut served = 0;
    let full = each_case(32, |seed| {
        let mut world = World::<ByteLog>::new(seed, Stepping::Own);
        world.trace = Some(Vec::new());
        world.hostile = true;
        for right in [Right::Type, Right::Watch] {
            let link = world.link(right);
            world.add_viewer(link);
        }
        world.run(100);
        for round in 0..40u64 {
            let len = world.random.within(1, 500) as usize;
            let text = world.random.text(len);
            world.output(0, &text);
            world.press(0, format!("<{round}>").as_bytes());
            let trace = world.trace.as_ref().unwrap();
            let from = world.random.index(trace.len());
            let packet = trace[from].3.clone();
            let packet = if world.random.percent(80) { mangle(&mut world.random, &packet) } else { packet };
            let ends = [End::Sharer(0), End::Viewer(0), End::Viewer(1)];
            let end = ends[world.random.index(3)];
            let way = if world.random.percent(50) { Way::Up } else { Way::Down };
            world.inject(end, way, packet);
            let wait = world.random.below(3_000);
            world.run(wait);
        }
        world.hostile = false;
        world.heal();
        // A relay that believed what was said in the sharer's name forgets it.
        world.kill_relay(0, 0);
        world.run(60_000);
        // The control: whoever comes now, at a relay that keeps to the protocol, is served; and so is everybody who was
        // there, whatever they were told.
        if world.programs[0].room == RoomState::Open {
            for index in 0..2 {
                if world.view(index).state.is_final() {
                    world.update(index, Event::Retry);
                    world.run(10_000);
                }
                world.assert_exact(index);
            }
            let link = world.link(Right::Type);
            let fresh = world.add_viewer(link);
            world.run(10_000);
            world.assert_exact(fresh);
            assert!(world.press(fresh, b"works"));
            world.run(1_000);
            assert!(world.programs[0].typed.ends_with(b"works"));
            served += 1;
        }
    });
    assert!(!full || served > 16, "only {served}");
}

pub(crate) fn begin(rights: &[Right]) -> World<ByteLog> {
    let mut world = World::new(1, Stepping::Own);
    world.trace = Some(Vec::new());
    world.output(0, b"$ ");
    for right in rights {
        let link = world.link(*right);
        world.add_viewer(link);
    }
    world.run(8_000);
    for index in 0..rights.len() {
        assert_eq!(world.view(index).state, State::Live);
    }
    world.hostile = true;
    world
}

pub(crate) fn frame(packet: &Packet) -> Option<Frame> {
    match packet {
        Packet::Binary(bytes) => Frame::decode(bytes).ok(),
        Packet::Text(_) => None,
    }
}

pub(crate) fn binary(frame: &Frame) -> Packet {
    Packet::Binary(frame.encode())
}

pub(crate) fn text(message: &RelayToViewer) -> Packet {
    Packet::Text(encode(message))
}

/// Law 8: a relay that drops, doubles, holds back, swaps, edits and replays input. The world checks everything typed.
#[test]
fn a_relay_can_only_lose_input() {
    let (mut typed, mut tampered) = (0, 0);
    each_case(64, |seed| {
        let honest = seed % 4 == 0;
        let mut world = begin(&[Right::Type, Right::Type]);
        world.random = Random::new(seed + 99);
        let mut random = Random::new(seed);
        let mut kept: Vec<Packet> = Vec::new();
        let count = std::rc::Rc::new(std::cell::Cell::new(0));
        let counter = count.clone();
        if !honest {
            world.tamper = Some(Box::new(move |_, _, way, packet| {
                let Some(Frame::InputFrom { channel, participant, seen, beat, body }) = frame(packet) else {
                    return vec![(0, packet.clone())];
                };
                kept.push(packet.clone());
                let old = kept[random.index(kept.len())].clone();
                assert_eq!(way, Way::Down);
                let what = random.below(14);
                counter.set(counter.get() + u64::from(what < 8));
                let edited = |seen, beat, participant, body| {
                    binary(&Frame::InputFrom { channel, participant, seen, beat, body })
                };
                match what {
                    0 => vec![],
                    1 => vec![(0, packet.clone()), (0, packet.clone())],
                    2 => vec![(random.below(70_000), packet.clone())],
                    3 => vec![(0, old)],
                    4 => vec![(0, packet.clone()), (random.below(50_000), old)],
                    5 => vec![(0, mangle(&mut random, packet))],
                    6 => vec![(0, edited(seen.saturating_sub(1), beat + random.below(2), participant, body))],
                    7 => vec![(0, edited(seen, beat, ParticipantId(3 - participant.0.min(3)), body))],
                    _ => vec![(0, packet.clone())],
                }
            }));
        }
        for key in 0..40u64 {
            let viewer = (key % 2) as usize;
            world.press(viewer, format!("<{viewer}.{key}>").as_bytes());
            if world.random.percent(30) {
                world.output(0, b"more\r\n");
            }
            let wait = world.random.below(4_000);
            world.run(wait);
        }
        world.tamper = None;
        world.run(150_000);
        tampered += count.get();
        for viewer in &world.viewers {
            assert!(viewer.pressed.iter().all(|pressed| pressed.typed || pressed.told), "not told");
            let all = viewer.pressed.iter().all(|pressed| pressed.typed);
            assert!(all || !honest, "the control: an honest relay loses nothing");
            typed += viewer.pressed.iter().filter(|pressed| pressed.typed).count();
        }
    });
    println!("{typed} keys typed, {tampered} tampered with");
    assert!(typed > 0);
}

/// A reader's share of what the sharer keeps secret, and of what the relay saw.
pub(crate) struct Colluder {
    pub(crate) content: ContentKey,
    pub(crate) scope: Scope,
    events: EventSealer,
    beats: BeatSealer,
    next: u64,
    /// The newest snapshot and the attestations since.
    pub(crate) manifest: Vec<Packet>,
}

impl Colluder {
    /// A reader with the watch link, and a relay that tells it everything.
    pub(crate) fn of(world: &World<ByteLog>) -> Self {
        let session = world.programs[0].id;
        let mut header = None;
        let (mut next, mut manifest) = (1, Vec::new());
        for (_, end, way, packet) in world.trace.as_ref().unwrap() {
            if (*end, *way) != (End::Viewer(0), Way::Down) {
                continue;
            }
            if let Packet::Text(text) = packet
                && let Ok(RelayToViewer::JoinedSuccessfully { header: signed, .. }) = decode(text)
            {
                header = Header::verify(&signed, session).ok();
            }
            match frame(packet) {
                Some(Frame::Event { event, .. }) => next = event.number + 1,
                Some(Frame::SnapshotManifest { number, .. }) => {
                    next = next.max(number + 1);
                    manifest = vec![packet.clone()];
                }
                Some(Frame::SnapshotPart { .. } | Frame::Attestation { .. }) => manifest.push(packet.clone()),
                _ => {}
            }
        }
        let header = header.unwrap();
        let opened = header.open_box(&world.link(Right::Watch).secret).unwrap();
        let events = EventSealer::new(&opened.content, header.scope());
        let beats = BeatSealer::new(&opened.content, header.scope());
        let (content, scope) = (opened.content, header.scope());
        let mut colluder = Self { content, scope, events, beats, next, manifest };
        for _ in 1..next {
            drop(colluder.events.seal(EventKind::Output, b""));
        }
        colluder
    }

    /// The next event, of the colluder's own making.
    fn event(&mut self, event: &Opened) -> Packet {
        let (kind, plain) = event.encode(false);
        let event = self.events.seal(kind, &plain);
        binary(&Frame::Event { channel: Channel(1), event })
    }

    fn beat(&mut self) -> Packet {
        let mut sealed = (0, Vec::new());
        while sealed.0 < 40 {
            sealed = self.beats.seal(self.next, shared::time::UnixMs(1_700_000_000_000));
        }
        binary(&Frame::Beat { channel: Channel(1), number: sealed.0, body: sealed.1.into() })
    }
}

/// Nothing reaches the viewer but what is injected.
pub(crate) fn isolate(world: &mut World<ByteLog>, index: usize) {
    world.tamper = Some(Box::new(
        move |_, end, _, packet| {
            if end == End::Viewer(index) { vec![] } else { vec![(0, packet.clone())] }
        },
    ));
}

/// Law 12: the world counts for how long a forgery is seen, and fails beyond 5 s in all.
#[test]
fn forged_output_stands_for_five_seconds_at_most() {
    for isolated in [true, false] {
        for renewed in [false, true] {
            let mut world = begin(&[Right::Watch]);
            let mut colluder = Colluder::of(&world);
            if isolated {
                isolate(&mut world, 0);
            }
            let forged = colluder.event(&Opened::Output(b"rm -rf /".to_vec()));
            let beat = colluder.beat();
            world.inject(End::Viewer(0), Way::Down, forged.clone());
            world.run(10);
            assert!(world.sees_what_never_was(0), "the control: the forgery opens");
            for _ in 0..15 {
                world.output(0, b"true\r\n");
                world.run(4_000);
                if renewed {
                    // `inject` puts each in front of the last.
                    world.inject(End::Viewer(0), Way::Down, beat.clone());
                    world.inject(End::Viewer(0), Way::Down, forged.clone());
                    for packet in colluder.manifest.clone().into_iter().rev() {
                        world.inject(End::Viewer(0), Way::Down, packet);
                    }
                    let resyncing = text(&RelayToViewer::Resyncing { channel: Channel(1) });
                    world.inject(End::Viewer(0), Way::Down, resyncing);
                }
            }
            assert!(!world.sees_what_never_was(0));
            println!("isolated {isolated}, renewed {renewed}: seen {} ms", world.viewers[0].forged_ms);
        }
    }
}

#[test]
fn forged_titles_ends_and_headers_do_not_stand() {
    // A title.
    let mut world = begin(&[Right::Watch]);
    let mut colluder = Colluder::of(&world);
    isolate(&mut world, 0);
    let forged = colluder.event(&Opened::Note(Note::Title("forged".into())));
    world.inject(End::Viewer(0), Way::Down, forged);
    world.run(10);
    assert_eq!(world.view(0).title.as_deref(), Some("forged"), "the control");
    world.run(5_100);
    assert_ne!(world.view(0).title.as_deref(), Some("forged"));
    // An end, alone, with the relay's word, and with a break of the connection.
    for case in 0..3 {
        let mut world = begin(&[Right::Watch]);
        let mut colluder = Colluder::of(&world);
        isolate(&mut world, 0);
        let reason = EndReason::Exited { code: Some(0), signal: None };
        let forged = colluder.event(&Opened::Note(Note::Ended(reason)));
        world.inject(End::Viewer(0), Way::Down, forged);
        world.run(10);
        if case == 1 {
            let ended = RelayToViewer::SessionEnded {
                channel: Channel(1),
                reason: EndedBecause::Sharer,
                end: None,
                final_number: 9,
                kept_ms: None,
            };
            world.inject(End::Viewer(0), Way::Down, text(&ended));
        } else if case == 2 {
            world.cut(End::Viewer(0), 0, 0);
        }
        world.run(5_100);
        let view = world.view(0);
        assert!(!matches!(view.state, State::Ended(_)), "{case}: {view:?}");
    }
    // A header signed by somebody else.
    let mut world = begin(&[Right::Watch]);
    let other = World::<ByteLog>::new(2, Stepping::Own);
    let mut entropy = Entropy::from_seed([3; 32]);
    let owner = shared::keys::owner::OwnerKey::generate(&mut entropy);
    let epoch = shared::keys::epoch::EpochId { start: shared::time::UnixMs(u64::MAX), random: 1 };
    let header = Header {
        protocol: 1,
        features: Vec::new(),
        owner: owner.public(),
        epoch,
        revision: 9,
        agreement: AgreementKey::generate(&mut entropy).public(),
        boxes: Vec::new(),
    };
    drop(other);
    let header = header.sign(&owner);
    world.inject(
        End::Viewer(0),
        Way::Down,
        text(&RelayToViewer::HeaderUpdated { channel: Channel(1), header }),
    );
    world.run(100);
    assert!(matches!(world.view(0).state, State::Diverged(_)), "{:?}", world.view(0));
    assert_eq!(world.view(0).shown, Shown::Nothing);
}

#[test]
fn an_old_header_and_snapshot_never_make_a_joiner_live() {
    for hostile in [true, false] {
        let mut world = begin(&[Right::Type]);
        let old: Vec<Packet> = world
            .trace
            .as_ref()
            .unwrap()
            .iter()
            .filter(|(_, end, way, _)| (*end, *way) == (End::Viewer(0), Way::Down))
            .map(|(.., packet)| packet.clone())
            .collect();
        world.with_program(0, |machine, now, id| machine.revoke(now, id, &[Right::Watch]));
        world.output(0, b"new epoch\r\n");
        world.run(2_000);
        let link = world.link(Right::Type);
        let fresh = world.add_viewer(link);
        if hostile {
            let mut told = false;
            world.tamper = Some(Box::new(move |_, end, way, packet| {
                if (end, way) != (End::Viewer(fresh), Way::Down)
                    || matches!(packet, Packet::Text(text) if text.contains("Hello"))
                {
                    return vec![(0, packet.clone())];
                }
                if std::mem::replace(&mut told, true) {
                    // The sharer's answer is passed on, and nothing else that is new.
                    return if matches!(packet, Packet::Text(text) if text.starts_with("{\"Answer")) {
                        vec![(0, packet.clone())]
                    } else {
                        vec![]
                    };
                }
                old[1..].iter().map(|packet| (0, packet.clone())).collect()
            }));
        }
        let mut live = false;
        for _ in 0..600 {
            world.run(100);
            live |= world.view(fresh).state == State::Live;
        }
        assert_eq!(live, !hostile, "{:?}", world.view(fresh));
        assert!(!hostile || !world.press(fresh, b"x"));
    }
}

#[test]
fn of_two_sharers_with_one_key_the_newer_holds_the_session() {
    let mut world = World::<ByteLog>::new(5, Stepping::Own);
    let seed = world.first_seed;
    let link = world.link(Right::Type);
    world.add_viewer(link);
    world.run(3_000);
    let second = world.add_sharer(seed);
    world.output(second, b"I am the one");
    world.output(0, b"No, I am");
    world.run(10_000);
    assert_eq!(world.programs[0].room, RoomState::Replaced);
    assert_eq!(world.programs[second].room, RoomState::Open);
    assert_eq!(world.view(0).state, State::Live);
    assert_eq!(world.viewers[0].screen.dump_text(), world.programs[second].truth.dump_text());
    assert!(world.press(0, b"x"));
    world.run(1_000);
    assert_eq!((&world.programs[0].typed[..], &world.programs[second].typed[..]), (&b""[..], &b"x"[..]));
}

/// The very same frames, made with the input secret, type.
#[test]
fn hand_made_input_of_a_reader_changes_nothing() {
    for right in [Right::Watch, Right::Type] {
        let mut world = begin(&[right, Right::Type]);
        let session = world.programs[0].id;
        let header = world.trace.as_ref().unwrap().iter().find_map(|(.., packet)| match packet {
            Packet::Text(text) => match decode(text) {
                Ok(RelayToViewer::JoinedSuccessfully { header, .. }) => Header::verify(&header, session).ok(),
                _ => None,
            },
            Packet::Binary(_) => None,
        });
        let header = header.unwrap();
        let opened = header.open_box(&world.link(right).secret).unwrap();
        // A reader has no input secret: it tries the keys that it has.
        let secret = opened.input.map_or(InputSecret(opened.content.0), |input| input.secret.clone());
        let inputs = [
            Input::Keys(b"keys".to_vec()),
            Input::Paste { total: 5, part: b"paste".to_vec() },
            Input::Size(WindowSize { cols: 1, rows: 1 }),
        ];
        for bytes in ["keys", "paste"] {
            let at = world.ms;
            let writer = usize::from(right != Right::Type);
            let pressed = Pressed { at, bytes: bytes.into(), typed: false, told: false };
            world.viewers[writer].pressed.push(pressed);
        }
        for (number, input) in (50..).zip(&inputs) {
            let ours = AgreementKey::generate(&mut Entropy::from_seed([number; 32]));
            let mut sealer = InputSealer::new(&ours, header.agreement, &secret, header.scope()).unwrap();
            let participant = ParticipantId(number.into());
            let joined = RelayToSharer::ParticipantJoined {
                channel: Channel(1),
                participant,
                challenge: ViewerChallenge([1; 16]),
                agreement: Some(ours.public()),
                previous: None,
            };
            world.inject(End::Sharer(0), Way::Down, Packet::Text(encode(&joined)));
            world.run(10);
            let view = View { seen: world.sharers[0].machine.point(session).unwrap(), beat: 1 };
            let body = sealer.seal(&view, input).into();
            let input =
                Frame::InputFrom { channel: Channel(1), participant, seen: view.seen.number, beat: 1, body };
            world.inject(End::Sharer(0), Way::Down, binary(&input));
            world.run(10);
        }
        let typed: &[u8] = if right == Right::Type { b"keyspaste" } else { b"" };
        assert_eq!(world.programs[0].typed, typed);
        assert_eq!(world.programs[0].truth.dump_text(), "\x1b]2;simulated\x1b\\$ ");
    }
}
