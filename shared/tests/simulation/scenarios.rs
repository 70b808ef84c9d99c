//! Stories of the "must hold" list that need a virtual clock.

use shared::event::WindowSize;
use shared::keys::grant::Right;
use shared::viewer::{Closed, Failure, State, Typing};
use shared::wire::Packet;
use shared::wire::frame::Frame;

use crate::network::{End, Way};
use crate::screen::ByteLog;
use crate::world::{Stepping, World};

const SHARER: End = End::Sharer(0);

fn begin(rights: &[Right]) -> World<ByteLog> {
    let mut world = World::new(1, Stepping::Own);
    world.output(0, b"$ ");
    for right in rights {
        let link = world.link(*right);
        world.add_viewer(link);
    }
    let live = world.run_until(5_000, |world| {
        (0..world.viewers.len()).all(|index| world.view(index).state == State::Live)
    });
    assert!(live, "{:?}", world.view(0));
    world
}

fn typed(world: &World<ByteLog>) -> &str {
    std::str::from_utf8(&world.programs[0].typed).unwrap()
}

#[test]
fn a_terminal_quiet_for_an_hour_takes_the_first_key() {
    let mut world = begin(&[Right::Type]);
    world.run(3_600_000);
    assert_eq!(world.view(0).state, State::Live);
    assert!(world.press(0, b"x"));
    assert!(world.run_until(200, |world| typed(world) == "x"));
}

#[test]
fn a_key_held_back_for_a_minute_does_not_arrive_and_its_author_is_told() {
    // The control: the same relay that holds it back for 20 s only.
    for (held, arrives) in [(20_000, true), (60_000, false)] {
        let mut world = begin(&[Right::Type]);
        world.tamper = Some(hold_once(held));
        assert!(world.press(0, b"rm"));
        world.run(held + 5_000);
        assert_eq!(typed(&world), if arrives { "rm" } else { "" });
        assert_eq!(world.viewers[0].pressed[0].told, !arrives, "{:?}", world.view(0));
        assert_eq!(matches!(world.view(0).typing, Typing::Lost(_)), !arrives);
    }
}

fn hold_once(held: u64) -> crate::world::Tamper {
    let mut done = false;
    Box::new(move |_, _, way, packet| {
        let input = matches!(packet, Packet::Binary(bytes) if matches!(Frame::decode(bytes), Ok(Frame::InputFrom { .. })));
        let hold = input && way == Way::Down && !std::mem::replace(&mut done, true);
        vec![(if hold { held } else { 0 }, packet.clone())]
    })
}

#[test]
fn a_revoked_link_stops_within_a_second_and_the_others_go_on() {
    for gone in [Right::Watch, Right::Type] {
        let mut world = begin(&[Right::Type, Right::Watch]);
        let (revoked, other) = if gone == Right::Type { (0, 1) } else { (1, 0) };
        assert!(world.press(0, b"a"));
        world.run(100);
        world.with_program(0, |machine, now, id| machine.revoke(now, id, &[gone]));
        let before = world.programs[0].truth.dump_text();
        world.run(1_000);
        world.output(0, b"after the revocation");
        world.run(1_000);
        let state = world.view(revoked).state;
        assert!(
            matches!(state, State::ClosedByRelay(Closed::Revoked) | State::Failed(Failure::WrongKey)),
            "{state:?}"
        );
        assert!(!world.viewers[revoked].screen.dump_text().ends_with("after the revocation"));
        assert!(world.viewers[revoked].screen.dump_text().len() <= before.len());
        world.assert_exact(other);
        assert_eq!(world.press(0, b"b"), gone == Right::Watch);
        world.run(1_000);
        assert_eq!(typed(&world), if gone == Right::Watch { "ab" } else { "a" });
        // The control: the new link is good.
        let link = world.link(gone);
        let fresh = world.add_viewer(link);
        world.run(2_000);
        world.assert_exact(fresh);
    }
}

#[test]
fn clocks_that_jump_harm_nothing() {
    let mut world = begin(&[Right::Type]);
    for off in [86_400_000, -86_400_000, 3_000] {
        world.peer(SHARER).clock_off = off;
        world.peer(End::Viewer(0)).clock_off = -off / 2;
        world.output(0, b"tick\r\n");
        world.run(60_000);
        world.assert_exact(0);
        world.with_program(0, |machine, now, id| machine.revoke(now, id, &[Right::Watch]));
        world.run(2_000);
        world.assert_exact(0);
        assert!(world.press(0, format!("{off}").as_bytes()));
        world.run(500);
    }
    assert_eq!(typed(&world), "86400000-864000003000");
}

#[test]
fn a_relay_that_forgot_everything_is_filled_again_whoever_comes_first() {
    for first in [SHARER, End::Viewer(0)] {
        let mut world = begin(&[Right::Type, Right::Watch]);
        assert!(world.press(0, b"before"));
        world.output(0, b"before\r\n");
        world.kill_relay(1_000, 1);
        let late = world.ms + 20_000;
        for end in [SHARER, End::Viewer(0), End::Viewer(1)] {
            if (end == SHARER) != (first == SHARER) {
                world.peer(end).offline_until = late;
            }
        }
        world.output(0, b"meanwhile\r\n");
        world.run(60_000);
        world.assert_exact(0);
        world.assert_exact(1);
        assert!(world.press(0, b"after"));
        world.run(1_000);
        let before = if world.viewers[0].pressed[0].told { "" } else { "before" };
        assert_eq!(typed(&world), format!("{before}after"), "no key is doubled, lost ones are told");
    }
}

#[test]
fn not_found_is_asked_again_for_a_minute_and_by_a_page_that_was_live_for_longer() {
    let mut world = begin(&[Right::Watch]);
    let never_live = world.link(Right::Watch);
    world.peer(SHARER).offline_until = u64::MAX;
    world.kill_relay(0, 0);
    world.run(100);
    let fresh = world.add_viewer(never_live);
    world.run(50_000);
    assert!(matches!(world.view(fresh).state, State::Seeking { left_s: Some(1..=60), .. }));
    assert!(matches!(world.view(0).state, State::Seeking { left_s: None, .. }));
    world.run(30_000);
    assert_eq!(world.view(fresh).state, State::Failed(Failure::NotFound));
    // The control: a link to nothing at a relay that is not young fails at once.
    let mut nowhere = world.link(Right::Watch);
    nowhere.session = shared::id::SessionId([9; 16]);
    let lost = world.add_viewer(nowhere);
    world.run(1_000);
    assert_eq!(world.view(lost).state, State::Failed(Failure::NotFound));
    // The relay is old by now, and says that it forgot nothing; the page that was live finds the sharer all the same.
    world.run(1_800_000);
    assert!(matches!(world.view(0).state, State::Seeking { left_s: None, .. }), "{:?}", world.view(0));
    world.peer(SHARER).offline_until = 0;
    world.run(60_000);
    world.assert_exact(0);
}

#[test]
fn a_flood_that_was_skipped_ends_exact_without_further_output() {
    let mut world = begin(&[Right::Watch, Right::Watch]);
    world.viewers[1].stuck_until = world.ms + 25_000;
    let chunk = world.random.text(64 * 1024);
    for _ in 0..40 {
        world.output(0, &chunk);
    }
    world.run(24_000);
    world.assert_exact(0);
    world.run(2_000);
    world.assert_same_screen(1);
    world.run(3_000);
    world.assert_exact(1);
}

#[test]
fn after_a_resize_everybody_gets_a_fresh_snapshot_once() {
    let mut world = begin(&[Right::Watch, Right::Type]);
    world.output(0, b"some lines\r\nto be wrapped");
    world.run(5_000);
    let before = [world.viewers[0].rebuilds, world.viewers[1].rebuilds];
    world.run(5_000);
    assert_eq!(
        before,
        [world.viewers[0].rebuilds, world.viewers[1].rebuilds],
        "the control: nothing comes at rest"
    );
    for cols in 10..20 {
        let window = WindowSize { cols, rows: 4 };
        world.with_program(0, |machine, now, id| machine.handle_resize(now, id, window));
        world.run(20);
    }
    world.run(1_000);
    for (index, before) in before.into_iter().enumerate() {
        assert_eq!(world.viewers[index].rebuilds, before + 1, "one snapshot when sizes are quiet");
        world.assert_exact(index);
    }
}

#[test]
fn a_resize_while_the_sharer_is_away_is_followed_by_a_snapshot() {
    let mut world = begin(&[Right::Watch]);
    let control = world.viewers[0].rebuilds;
    for (cols, more) in [(80, 0), (40, 1)] {
        world.output(0, b"a line\r\n");
        world.run(5_000);
        let before = world.viewers[0].rebuilds;
        world.peer(SHARER).offline_until = world.ms + 30_000;
        assert!(world.cut(SHARER, 0, 0));
        world.run(5_000);
        let window = WindowSize { cols, rows: 24 };
        world.with_program(0, |machine, now, id| machine.handle_resize(now, id, window));
        world.run(60_000);
        assert_eq!(world.viewers[0].rebuilds, before + more, "{cols}");
        world.assert_exact(0);
    }
    assert!(world.viewers[0].rebuilds > control);
}

#[test]
fn an_exit_is_told_with_its_last_screen() {
    let mut world = begin(&[Right::Watch]);
    world
        .with_program(0, |machine, now, id| machine.handle_resize(now, id, WindowSize { cols: 10, rows: 4 }));
    world.output(0, b"bye");
    world.with_program(0, |machine, now, id| machine.handle_exit(now, id, Some(3), None));
    world.run(1_100);
    assert!(world.programs[0].ended);
    assert!(matches!(world.view(0).state, State::Ended(_)));
    world.assert_same_screen(0);
    let link = world.link(Right::Watch);
    let late = world.add_viewer(link);
    world.run(2_000);
    assert!(matches!(world.view(late).state, State::Ended(_)), "{:?}", world.view(late));
    world.assert_same_screen(late);
}
