//! What only an owner can say, said by others: manifests, ends, and a second sharer with the same key.

use shared::chain::ChainPoint;
use shared::entropy::Entropy;
use shared::event::WindowSize;
use shared::id::Channel;
use shared::keys::grant::Right;
use shared::keys::owner::{OwnerKey, Purpose, Signed};
use shared::snapshot::{Dump, Part, SnapshotSealer};
use shared::viewer::State;
use shared::wire::close::EndedBecause;
use shared::wire::frame::Frame;
use shared::wire::viewer::RelayToViewer;
use shared::wire::{Packet, decode};

use crate::hostile::{Colluder, begin, binary, frame, isolate, text};
use crate::laws::each_case;
use crate::network::{End, Way};
use crate::screen::{ByteLog, Screen as _};
use crate::world::{Stepping, WINDOW, World};

const CHANNEL: Channel = Channel(1);

fn stranger() -> OwnerKey {
    OwnerKey::generate(&mut Entropy::from_seed([77; 32]))
}

/// A snapshot of the colluder's making: `manifest` is what stands for its manifest.
fn forged_snapshot(colluder: &Colluder, manifest: impl FnOnce(Signed) -> Signed) -> Vec<Packet> {
    let mut sealer = SnapshotSealer::new(&colluder.content, colluder.scope);
    let point = ChainPoint { number: 9, ..ChainPoint::start(colluder.scope) };
    let window = WindowSize { cols: 80, rows: 24 };
    let dump = Dump { point, window, transcript: 0, resized: 0, screen: b"rm -rf /", full: None };
    let sealed = sealer.seal(&stranger(), dump, false, &mut Entropy::from_seed([78; 32]));
    let (id, number) = (sealed.id, sealed.number);
    let manifest = binary(&Frame::SnapshotManifest {
        channel: CHANNEL,
        id,
        number,
        manifest: manifest(sealed.manifest),
    });
    let part = |(index, body)| {
        binary(&Frame::SnapshotPart { channel: CHANNEL, id, part: Part::Screen, index, last: true, body })
    };
    [manifest].into_iter().chain((0..).zip(sealed.screen).map(part)).collect()
}

fn manifest_of(packets: &[Packet]) -> Signed {
    let found = packets.iter().find_map(|packet| match frame(packet) {
        Some(Frame::SnapshotManifest { manifest, .. }) => Some(manifest),
        _ => None,
    });
    found.unwrap()
}

/// The packets, as if they had come in this order.
fn inject_all(world: &mut World<ByteLog>, viewer: usize, packets: &[Packet]) {
    // `inject` puts each in front of the last.
    for packet in packets.iter().rev() {
        world.inject(End::Viewer(viewer), Way::Down, packet.clone());
    }
}

#[test]
fn forged_manifests_show_nothing() {
    for case in 0..5 {
        let mut world = begin(&[Right::Watch]);
        let colluder = Colluder::of(&world);
        let genuine = colluder.manifest.clone();
        let foreign = {
            let mut other = World::<ByteLog>::new(2, Stepping::Own);
            other.trace = Some(Vec::new());
            let link = other.link(Right::Watch);
            other.add_viewer(link);
            other.run(8_000);
            manifest_of(&Colluder::of(&other).manifest)
        };
        let packets = match case {
            0 => genuine.clone(),
            1 => forged_snapshot(&colluder, |signed| signed),
            2 => forged_snapshot(&colluder, |_| manifest_of(&genuine)),
            3 => forged_snapshot(&colluder, |signed| Signed {
                signature: manifest_of(&genuine).signature,
                ..signed
            }),
            _ => forged_snapshot(&colluder, |_| foreign),
        };
        isolate(&mut world, 0);
        // Its terminal is empty: whatever is shown from now on comes from what is injected.
        world.viewers[0].screen = ByteLog::fresh(WINDOW);
        let empty = world.viewers[0].screen.dump_text();
        let resyncing = text(&RelayToViewer::Resyncing { channel: CHANNEL });
        inject_all(&mut world, 0, &[&[resyncing], &packets[..]].concat());
        world.run(1_000);
        let shown = world.viewers[0].screen.dump_text();
        let truth = world.programs[0].truth.dump_text();
        assert_eq!(shown, if case == 0 { truth } else { empty }, "{case}: 0 is the control");
    }
}

/// The relay's word that a session ended, with what stands for the owner's.
fn ended(end: Option<Signed>) -> Packet {
    text(&RelayToViewer::SessionEnded {
        channel: CHANNEL,
        reason: EndedBecause::Sharer,
        end,
        final_number: 1,
        kept_ms: None,
    })
}

/// The end that a world's first program's owner signs when it exits now.
fn end_of(world: &mut World<ByteLog>) -> Signed {
    world.with_program(0, |machine, now, id| machine.handle_exit(now, id, Some(0), None));
    world.run(2_000);
    let found = world.trace.as_ref().unwrap().iter().find_map(|(.., packet)| match packet {
        Packet::Text(text) => match decode(text) {
            Ok(RelayToViewer::SessionEnded { end, .. }) => end,
            _ => None,
        },
        Packet::Binary(_) => None,
    });
    found.unwrap()
}

#[test]
fn forged_signed_ends_end_nothing() {
    for case in 0..6 {
        let mut world = begin(&[Right::Watch]);
        // The same world, once more, ends: the very same keys sign.
        let genuine = end_of(&mut begin(&[Right::Watch]));
        let end = match case {
            0 => genuine,
            1 => stranger().signed(Purpose::End, genuine.body.0),
            2 => {
                let mut altered = genuine;
                altered.body.0[12] ^= 1;
                altered
            }
            3 => {
                let mut other = World::<ByteLog>::new(2, Stepping::Own);
                other.trace = Some(Vec::new());
                let link = other.link(Right::Watch);
                other.add_viewer(link);
                other.run(8_000);
                end_of(&mut other)
            }
            // What the owner signed for something else.
            4 => {
                let answer = world.trace.as_ref().unwrap().iter().find_map(|(.., packet)| match packet {
                    Packet::Text(text) => match decode(text) {
                        Ok(RelayToViewer::Answer { answer, .. }) => Some(answer),
                        _ => None,
                    },
                    Packet::Binary(_) => None,
                });
                answer.unwrap()
            }
            _ => manifest_of(&Colluder::of(&world).manifest),
        };
        isolate(&mut world, 0);
        world.inject(End::Viewer(0), Way::Down, ended(Some(end)));
        world.run(6_000);
        let view = world.view(0);
        assert_eq!(matches!(view.state, State::Ended(_)), case == 0, "{case}, 0 is the control: {view:?}");
    }
}

/// A relay that has both of two sharers with one key: it lets through now one, now the other, forgets whose turn it
/// was, and shows each what belongs to the other. The world checks all that is typed, and how long what
/// neither of them showed is seen.
#[test]
fn a_relay_with_both_sharers_of_one_key_types_nothing_wrong_and_shows_nothing_for_long() {
    let (mut typed, mut replayed, mut agreed) = (0, 0, 0);
    let full = each_case(24, |seed| {
        let mut world = World::<ByteLog>::new(seed, Stepping::Own);
        world.trace = Some(Vec::new());
        for right in [Right::Type, Right::Watch] {
            let link = world.link(right);
            world.add_viewer(link);
        }
        world.output(0, b"first\r\n");
        world.run(3_000);
        let second = world.add_sharer(world.first_seed);
        let both = [End::Sharer(0), End::Sharer(1)];
        world.hostile = true;
        for round in 0..30 {
            if round == 0 || world.random.percent(30) {
                let on = world.random.index(2);
                let ms = world.ms;
                world.kill_relay(0, 0);
                world.peer(both[1 - on]).offline_until = u64::MAX;
                world.peer(both[on]).offline_until = ms;
            }
            world.output(0, format!("first {round}\r\n").as_bytes());
            world.output(second, format!("second {round}\r\n").as_bytes());
            world.press(0, format!("<{round}>").as_bytes());
            for _ in 0..world.random.below(4) {
                let trace = world.trace.as_ref().unwrap();
                let (_, end, way, packet) = trace[world.random.index(trace.len())].clone();
                let to = match (end, way) {
                    (End::Viewer(_), Way::Down) => End::Viewer(world.random.index(2)),
                    (End::Sharer(_), Way::Down) => both[world.random.index(2)],
                    // What a sharer says to its relay, a viewer may be told.
                    (End::Sharer(_), Way::Up) if matches!(packet, Packet::Binary(_)) => End::Viewer(0),
                    _ => continue,
                };
                replayed += 1;
                world.inject(to, Way::Down, packet);
            }
            let wait = world.random.below(3_000);
            world.run(wait);
        }
        typed += world.viewers[0].pressed.iter().filter(|pressed| pressed.typed).count();
        // The control: at a relay that keeps to the protocol one of them holds the session, and who comes now sees it.
        world.hostile = false;
        world.heal();
        world.kill_relay(0, 0);
        world.run(30_000);
        let link = world.link(Right::Type);
        let fresh = world.add_viewer(link);
        world.run(10_000);
        let shown = world.viewers[fresh].screen.dump_text();
        agreed += u32::from([0, second].iter().any(|at| shown == world.programs[*at].truth.dump_text()));
    });
    println!("{typed} keys typed, {replayed} packets of the other shown, {agreed} agreed");
    assert!(!full || (typed > 0 && replayed > 500 && agreed >= 20));
}
