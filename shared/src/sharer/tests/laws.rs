//! Laws of one session, over random histories and random bytes.

use proptest::prelude::*;

use super::*;

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
