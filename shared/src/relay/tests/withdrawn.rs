//! What its owner stops sharing: held by nobody, shown to nobody who comes later.

use super::rows::{end_of, row, update};
use super::*;

/// Whether somebody was given anything of the session that can be seen.
fn shown(heard: &[Heard]) -> bool {
    heard
        .iter()
        .any(|heard| matches!(heard, Heard::Frame(_) | Heard::Control(RelayToViewer::TasksUpdated { .. })))
}

/// The owner's word with which it ended, if it did.
fn told(heard: &[Heard], sharer: &Sharer) -> Option<EndReason> {
    heard.iter().rev().find_map(|heard| match heard {
        Heard::Control(RelayToViewer::SessionEnded { end: Some(end), .. }) => {
            End::verify(end, &sharer.owner.public()).map(|end| end.reason)
        }
        _ => None,
    })
}

fn stop(world: &mut World, peer: u64, sharer: &Sharer) {
    world.text(peer, &SharerToRelay::EndGroup { ends: vec![end_of(sharer, &sharer.owner)] });
}

fn exit(world: &mut World, sharer: &Sharer, stays: bool) {
    let point = ChainPoint {
        number: sharer.number,
        ..ChainPoint::start(Scope { session: sharer.owner.session_id(), epoch: sharer.epoch })
    };
    let reason = EndReason::Exited { code: Some(0), signal: None };
    let end = End { epoch: sharer.epoch, point, reason }.sign(&sharer.owner);
    world.text(1, &SharerToRelay::EndSession { channel: CH, end, final_number: sharer.number, stays });
}

#[test]
fn who_was_there_has_the_last_of_it_and_who_comes_later_nothing() {
    let (mut world, mut sharer) = shared();
    update(&mut world, 1, vec![row(1, 1, 50)]);
    // One reads, one has not read for a while and leaves when it is told the end, one reads nothing any more.
    let first: u64 = viewer_at(&mut world, &sharer, 2).iter().map(Heard::bytes).sum();
    let slow = viewer_at(&mut world, &sharer, 3);
    assert!(shown(&slow), "control");
    viewer_at(&mut world, &sharer, 4);
    let mut consumed = first;
    for _ in 0..20 {
        sharer.event(&mut world, 1, 16 * 1024);
        consumed += world.viewer(2).iter().map(Heard::bytes).sum::<u64>();
        world.send(2, &Frame::Credit { consumed });
    }
    let behind: Vec<Heard> = [&slow[..], &world.viewer(3)].concat();
    let consumed = behind.iter().map(Heard::bytes).sum();
    assert!(behind.iter().filter_map(Heard::event).last() < Some(sharer.number), "it has fallen behind");
    world.take(4);
    let held = world.relay.stats().held_bytes;
    stop(&mut world, 1, &sharer);
    assert_eq!(told(&world.viewer(2), &sharer), Some(EndReason::Unshared));
    world.send(3, &Frame::Credit { consumed });
    let heard = world.viewer(3);
    assert_eq!(heard.iter().filter_map(Heard::event).last(), Some(sharer.number));
    assert_eq!(told(&heard, &sharer), Some(EndReason::Unshared));
    assert_eq!(told(&world.viewer(4), &sharer), None, "the events come first, while there are any");
    // Somebody comes at once, and again with what it has of the session.
    let resume = Resume { epoch: sharer.epoch, number: sharer.number - 1, history: 1 };
    for (peer, resume) in [(5, None), (6, Some(resume))] {
        sharer.join(&mut world, peer, Right::Watch, resume);
        let heard = world.viewer(peer);
        assert!(!shown(&heard), "{heard:?}");
        assert_eq!(told(&heard, &sharer), Some(EndReason::Unshared));
    }
    for peer in [2, 3, 5, 6] {
        world.text(peer, &ViewerToRelay::Leave { channel: CH });
    }
    assert!(world.relay.stats().held_bytes > 300_000, "somebody is still being given it");
    world.wait(1_000);
    assert_eq!(told(&world.viewer(4), &sharer), Some(EndReason::Unshared), "who does not read is told, too");
    let stats = world.relay.stats();
    assert!(stats.held_bytes < 2_000 && held > 300_000, "{stats:?}, {held} before");
    assert_eq!((stats.rows, stats.log_bytes, stats.sessions), (0, 0, 1));
    // It is shared again: as ever.
    sharer.epoch = EpochId { start: UnixMs(9), random: 0 };
    sharer.snapshots = SnapshotSealer::new(
        &ContentKey([5; 32]),
        Scope { session: sharer.owner.session_id(), epoch: sharer.epoch },
    );
    sharer.number = 0;
    sharer.claim(&mut world, 7, HOST);
    sharer.event(&mut world, 7, 100);
    sharer.snapshot(&mut world, 7, true);
    assert!(viewer_at(&mut world, &sharer, 8).iter().any(Heard::is_screen));
}

#[test]
fn with_nobody_there_it_is_gone_at_once_and_what_had_exited_goes_too() {
    for stays in [None, Some(true), Some(false)] {
        let (mut world, sharer) = shared();
        if let Some(stays) = stays {
            exit(&mut world, &sharer, stays);
            let late = viewer_at(&mut world, &sharer, 2);
            assert!(late.iter().any(Heard::is_screen), "control: an exit leaves its screen");
            world.gone(2);
            // Its sharer's connection breaks, and it is stopped on the next.
            world.gone(1);
        }
        world.connect(3);
        stop(&mut world, 3, &sharer);
        assert!(world.relay.stats().held_bytes < 2_000, "{stays:?}");
        let late = viewer_at(&mut world, &sharer, 4);
        assert_eq!((shown(&late), told(&late, &sharer)), (false, Some(EndReason::Unshared)), "{stays:?}");
    }
}

proptest! {
    /// Whatever was said before, meanwhile and afterwards, by whomever: behind the stop nothing is shown to who comes, and a
    /// second later nothing is held.
    #[test]
    fn nothing_is_shown_or_held_behind_a_stop(
        before in proptest::collection::vec((0u8..8, 0u64..20_000), 0..20),
        after in proptest::collection::vec((0u8..6, 0u64..1_500), 1..20),
    ) {
        let (mut world, mut sharer) = shared();
        let mut peers = 100..;
        for (what, value) in before {
            match what {
                0 => sharer.event(&mut world, 1, usize::try_from(value).unwrap()),
                1 => sharer.snapshot(&mut world, 1, value % 2 == 0),
                2 => update(&mut world, 1, vec![row(usize::try_from(value % 5).unwrap(), value, 50)]),
                3 => world.wait(value),
                4 => exit(&mut world, &sharer, value % 2 == 0),
                5 => world.gone(1),
                _ => sharer.join(&mut world, peers.next().unwrap(), Right::Type, None),
            }
        }
        world.connect(90);
        stop(&mut world, 90, &sharer);
        let mut waited = 0;
        for (what, value) in after {
            match what {
                0 => sharer.event(&mut world, 1, usize::try_from(value).unwrap()),
                1 => stop(&mut world, 90, &sharer),
                2 => update(&mut world, 1, vec![row(usize::try_from(value % 5).unwrap(), value, 50)]),
                3 => { waited += value; world.wait(value); }
                _ => {
                    let peer = peers.next().unwrap();
                    let resume = Resume { epoch: sharer.epoch, number: value % 20, history: value % 3 };
                    sharer.join(&mut world, peer, Right::Type, (what == 4).then_some(resume));
                    world.text(peer, &ViewerToRelay::Resync { channel: CH });
                    world.text(peer, &ViewerToRelay::FetchTranscript { channel: CH, page: 0, most: 1 });
                    let heard = world.viewer(peer);
                    prop_assert!(!shown(&heard), "{heard:?}");
                    prop_assert_eq!(told(&heard, &sharer), Some(EndReason::Unshared));
                }
            }
        }
        world.wait(1_000u64.saturating_sub(waited));
        prop_assert!(world.relay.stats().held_bytes < 2_000, "{:?}", world.relay.stats());
    }
}
