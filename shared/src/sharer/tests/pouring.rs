//! What is gathered while output pours, and what leaves at once.

use super::*;

/// Text that hardly packs, `len` bytes of it.
fn dense(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        b'!' + (state >> 24) as u8 % 90
    };
    (0..len).map(next).collect()
}

#[test]
fn output_is_gathered_while_it_pours_and_leaves_at_once_else() {
    let mut world = World::new(true);
    world.connect(false);
    world.transmit(usize::MAX);
    world.acknowledge();
    let before = world.events.len();
    let chunk = dense(4096);
    for _ in 0..64 {
        world.write(&chunk);
        world.transmit(usize::MAX);
    }
    let sent = world.events.len() - before;
    // 16 KiB in events of 4, then events of 64: all others would be 64 events.
    assert!((6..=10).contains(&sent), "{sent} events");
    world.acknowledge();
    world.transmit(usize::MAX);
    assert_eq!(
        world.shown.as_ref(),
        Some(&world.written),
        "the rest leaves when the relay took what was on its way"
    );
    world.acknowledge();
    world.write(b"k");
    world.transmit(usize::MAX);
    assert_eq!(world.shown.as_ref(), Some(&world.written), "an echo waits for nothing");
}
