//! What all rooms hold together.

use super::super::budget::RESERVED;
use super::*;
use crate::card::SealedCard;
use crate::encoding::Blob;
use crate::id::TaskId;
use crate::keys::owner::Signature;
use crate::orchestration::task::Task;
use crate::wire::task::TaskRow;

const BUDGET: u64 = 1024 * 1024;
const LARGE: usize = 16 * 1024;

fn small_relay() -> World {
    World::with(RelayConfig { max_held: BUDGET, ..RelayConfig::default() })
}

/// A session at its own peer, with a snapshot.
fn session(world: &mut World, seed: u8) -> Sharer {
    let mut sharer = Sharer::seeded(seed);
    sharer.claim(world, u64::from(seed), HOST);
    sharer.event(world, u64::from(seed), 100);
    sharer.snapshot(world, u64::from(seed), true);
    sharer
}

fn refusals(said: &[RelayToSharer]) -> Vec<&Refusal> {
    let mut refusals = Vec::new();
    for said in said {
        if let RelayToSharer::FailedToInitialize { reason, .. } = said {
            refusals.push(reason);
        }
    }
    refusals
}

/// Four sessions that answer no request for a snapshot and so fill their logs, beside one within its reserve.
fn hoarded(mut world: World) -> (World, Vec<Sharer>, Vec<Heard>) {
    let mut small = session(&mut world, 1);
    let mut heard = viewer_at(&mut world, &small, 101);
    let mut hoarders: Vec<Sharer> = (2..6).map(|seed| session(&mut world, seed)).collect();
    for _ in 0..50 {
        for (peer, hoarder) in (2..).zip(&mut hoarders) {
            hoarder.event(&mut world, peer, LARGE);
            let held = world.relay.stats().held_bytes;
            assert!(world.relay.config.max_held > BUDGET || held <= BUDGET, "{held}");
        }
        small.event(&mut world, 1, 100);
        heard.extend(world.viewer(101));
    }
    (world, hoarders, heard)
}

#[test]
fn all_rooms_stay_within_the_budget_and_one_within_its_reserve_notices_nothing() {
    let (world, _, _) = hoarded(World::new());
    assert!(world.relay.stats().held_bytes > 2 * BUDGET, "the control: without a bound they hold more");

    let (world, _, heard) = hoarded(small_relay());
    assert!(world.relay.stats().held_bytes > BUDGET / 4);
    assert!(!heard.contains(&Heard::Control(RelayToViewer::Resyncing { channel: CH })));
    assert_eq!(heard.iter().filter_map(Heard::event).collect::<Vec<_>>(), (2..=51).collect::<Vec<_>>());
}

#[test]
fn who_watches_a_room_that_had_to_give_something_up_is_brought_back_by_a_snapshot() {
    let (mut world, mut hoarders, _) = hoarded(small_relay());
    let hoarder = hoarders.last_mut().unwrap();
    assert!(asked(&world.sharer(5)));
    viewer_at(&mut world, hoarder, 102);
    hoarder.snapshot(&mut world, 5, true);
    hoarder.event(&mut world, 5, 100);
    let heard = world.viewer(102);
    assert!(heard.iter().any(Heard::is_screen));
    assert_eq!(heard.iter().filter_map(Heard::event).last(), Some(hoarder.number));
}

#[test]
fn a_session_without_a_reserve_is_refused_and_the_others_go_on() {
    let mut world = small_relay();
    let rooms = u8::try_from(BUDGET / 2 / RESERVED).unwrap();
    for seed in 1..=rooms {
        session(&mut world, seed);
        assert_eq!(refusals(&world.sharer(seed.into())), [] as [&Refusal; 0], "{seed}");
    }
    let late = rooms + 1;
    Sharer::seeded(late).claim(&mut world, late.into(), HOST);
    assert_eq!(refusals(&world.sharer(late.into())), [&Refusal::RelayFull]);
    let mut first = Sharer::seeded(1);
    first.claims = 1;
    first.claim(&mut world, 100, HOST);
    assert_eq!(refusals(&world.sharer(100)), [] as [&Refusal; 0], "it has its reserve");
}

#[test]
fn what_a_room_cannot_do_without_is_refused_when_nothing_is_left() {
    let rows = |message: u64| -> Vec<TaskRow> {
        let row = |n: u64| {
            let card = SealedCard { body: Blob(vec![7; 2_000]), typing: None, signature: Signature([7; 64]) };
            let task = Task::new(TaskId(format!("{n}")), Some(TaskId("p".into())), "", UnixMs(0));
            TaskRow::new(&task, card)
        };
        (message * 40..message * 40 + 40).map(row).collect()
    };
    for (world, is_full) in [(World::new(), false), (small_relay(), true)] {
        let (mut world, ..) = hoarded(world);
        let parent = session(&mut world, 9);
        viewer_at(&mut world, &parent, 109);
        world.take(9);
        for message in 0..8 {
            world.text(9, &SharerToRelay::UpdateTasks { channel: CH, rows: rows(message) });
        }
        let refused = world.sharer(9);
        assert_eq!(refusals(&refused), if is_full { vec![&Refusal::RelayFull] } else { vec![] });
        let ended = |heard: &Heard| {
            matches!(heard, Heard::Control(RelayToViewer::SessionEnded { reason: EndedBecause::Relay, .. }))
        };
        assert_eq!(world.viewer(109).iter().any(ended), is_full);
        let sessions = world.relay.stats().sessions;
        assert_eq!(sessions, if is_full { 5 } else { 6 });
    }
}
