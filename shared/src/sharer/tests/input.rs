//! What people type: in order, whole, on the view that the sharer gave, or not at all.

use super::*;

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
fn who_types_on_costs_few_acknowledgements_and_who_rests_is_owed_none() {
    let (mut world, _, mut sealer, view) = typing();
    let start = world.ms;
    let mut keys = |world: &mut World, every: u64, count: usize| {
        for _ in 0..count {
            world.pass_time(every);
            let body = sealer.seal(&view, &Input::Keys(b"k".to_vec()));
            world.input(1, view, body);
            world.transmit(usize::MAX);
        }
    };
    keys(&mut world, 200, 60);
    assert_eq!(world.taken_at, [start + 10_200], "the oldest waits ten seconds");
    for _ in 0..50 {
        world.pass_time(100);
        world.transmit(usize::MAX);
    }
    assert_eq!(world.taken_at[1..], [start + 14_000], "and the newest two, in quiet");
    keys(&mut world, 1, 1_000);
    assert!((2..4).contains(&(world.taken_at.len() - 2)), "nor does credit run out: {:?}", world.taken_at);
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
fn an_executors_size_is_told_and_a_readers_is_not() {
    let (mut world, _, mut sealer, view) = typing();
    let size = |cols, rows| WindowSize { cols, rows };
    let mut wish = |world: &mut World, cols: u16, rows: u16| {
        let body = sealer.seal(&view, &Input::Size(size(cols, rows)));
        world.input(1, view, body);
    };
    for cols in 90..=100 {
        wish(&mut world, cols, 30);
    }
    assert_eq!(world.sizes, [], "a window that is dragged says many");
    world.pass_time(100);
    assert_eq!(world.sizes, [size(100, 30)]);
    wish(&mut world, 0, u16::MAX);
    world.pass_time(100);
    assert_eq!(world.sizes[1..], [size(20, 200)]);
    wish(&mut world, config().window.cols, config().window.rows);
    world.pass_time(1_000);
    assert_eq!(world.sizes.len(), 2, "it has that size");
    assert!(world.typed.is_empty() && world.refusal().is_none());
    // Who holds a watch link has no secret to seal it with, and is let go of.
    world.join(8, None, None);
    let (_, scope) = world.keys(Right::Watch);
    let own = key(9);
    let agreement = world.epoch.as_ref().unwrap().agreement;
    let guess = crate::keys::epoch::InputSecret([0; 32]);
    let mut reader = InputSealer::new(&own, agreement, &guess, scope).unwrap();
    world.input(8, view, reader.seal(&view, &Input::Size(size(60, 20))));
    world.pass_time(1_000);
    assert_eq!((world.sizes.len(), world.refusal()), (2, Some(InputRefusal::NotAllowed)));
}
