//! Hostile relays, alone and with a reader that colludes: laws 4, 8 and 12.

use bytes::Bytes;
use shared::wire::Packet;

use crate::laws::each_case;
use crate::network::{End, Way};
use crate::random::Random;
use crate::screen::ByteLog;
use crate::world::{Stepping, World};

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
    let full = each_case(64, |seed| {
        let mut world = World::<ByteLog>::new(seed, Stepping::Own);
        world.trace = Some(Vec::new());
        world.hostile = true;
        for right in [shared::keys::grant::Right::Type, shared::keys::grant::Right::Watch] {
            let link = world.link(right);
            world.add_viewer(link);
        }
        world.run(100);
        for round in 0..60u64 {
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
        // The control: whoever comes now, at a relay that keeps to the protocol, is served.
        if world.sharers[0].state == shared::sharer::ConnectionState::Connected {
            let link = world.link(shared::keys::grant::Right::Type);
            let fresh = world.add_viewer(link);
            world.run(10_000);
            world.assert_exact(fresh);
            assert!(world.press(fresh, b"works"));
            world.run(1_000);
            assert!(world.sharers[0].typed.ends_with(b"works"));
            served += 1;
        }
    });
    assert!(!full || served > 32, "only {served}");
}
