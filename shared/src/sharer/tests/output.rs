//! What the program wrote, the owner's word on it, and its end.

use super::*;

#[test]
fn revoking_changes_the_epoch_and_old_keys_open_nothing() {
    let (mut world, _, mut sealer, view) = typing();
    world.write(b"before");
    world.settle();
    let old = world.sharer.links(world.id, "http://h").unwrap();
    let old_epoch = world.session().epoch.id();
    assert!(world.sharer.revoke(world.now(), world.id, &[Right::Type]));
    world.effects();
    world.settle();
    let new = world.sharer.links(world.id, "http://h").unwrap();
    assert_eq!(new.read, old.read);
    assert_ne!(new.write, old.write);
    let header = world.epoch.clone().unwrap();
    assert!(header.epoch > old_epoch);
    assert!(header.open_box(&old.write.unwrap().secret).is_err());
    assert!(header.open_box(&new.write.unwrap().secret).is_ok());
    let body = sealer.seal(&view, &Input::Keys(b"x".to_vec()));
    world.input(1, view, body);
    assert!(world.typed.is_empty());
    world.write(b" after");
    world.settle();
    assert_eq!(world.shown.as_ref(), Some(&world.written), "readers go on");
}

#[test]
fn numbers_never_issued_begin_a_new_epoch() {
    let mut world = World::new(false);
    world.write(b"x");
    world.connect(false);
    world.settle();
    world.disconnect();
    let before = world.session().epoch.id();
    let last = world.events.last_key_value().map(|(_, event)| event.clone()).unwrap();
    world.events.insert(999, last);
    world.connect(false);
    world.transmit(usize::MAX);
    assert!(world.session().epoch.id() > before);
    world.settle();
    assert_eq!(world.shown.as_ref(), Some(&world.written));
}

/// The model passes events that an amnesic relay is to get again: a session that forgot them then would be mute.
#[test]
fn what_a_relay_forgot_goes_again_whatever_the_model_has_passed() {
    for held in [None, Some(1)] {
        let mut world = World::new(false);
        world.connect(false);
        world.transmit(usize::MAX);
        world.acknowledge();
        world.disconnect();
        if held.is_some() {
            world.events.split_off(&2);
        }
        world.connect(held.is_none());
        world.step_model(usize::MAX);
        world.settle();
        assert_eq!(world.attested, world.session().point().number, "held: {held:?}");
        world.write(b"and on");
        world.settle();
        assert_eq!(world.shown.as_ref(), Some(&world.written), "held: {held:?}");
    }
}

#[test]
fn a_flood_while_away_is_bounded_skipped_and_ends_exact() {
    let mut world = World::new(true);
    let mut entropy = Entropy::from_seed([8; 32]);
    for _ in 0..100 {
        let noise: Vec<u8> = (0..1_024).flat_map(|_| entropy.array::<32>()).map(|byte| byte & 0x7f).collect();
        world.write(&noise);
        assert!(!world.session().buffer.is_overfull());
    }
    world.settle();
    assert_eq!(world.skips, 1);
    assert!(world.shown.as_ref() == Some(&world.written));
    world.write("tail €".as_bytes());
    world.settle();
    assert!(world.shown.as_ref() == Some(&world.written));
}

#[test]
fn what_is_sent_is_attested_within_five_seconds() {
    let mut world = World::new(true);
    world.connect(false);
    world.settle();
    world.write(b"x");
    world.transmit(usize::MAX);
    let newest = world.session().point().number;
    assert!(world.attested < newest);
    for _ in 0..10 {
        let (at, _) = world.sharer.poll_timeout().unwrap();
        let wait = at.0.saturating_sub(world.ms);
        assert!(wait > 0, "a deadline that passed is acted on");
        if world.ms + wait > 25_000 {
            break;
        }
        world.pass_time(wait);
        world.transmit(usize::MAX);
        if world.attested == newest {
            return;
        }
    }
    panic!("not attested");
}

#[test]
fn the_end_is_said_attested_and_acknowledged() {
    let mut world = World::new(true);
    world.connect(false);
    world.settle();
    world.write(b"bye");
    world.sharer.handle_exit(world.now(), world.id, Some(0), None);
    world.effects();
    world.transmit(usize::MAX);
    let said = world.texts.iter().any(|text| matches!(text, SharerToRelay::EndSession { .. }));
    assert!(said && world.ended);
    assert_eq!(world.attested, world.session().point().number);
    assert_eq!(world.shown.as_ref(), Some(&world.written));

    let mut watched = World::new(true);
    watched.connect(false);
    watched.settle();
    let list =
        RelayToSharer::ParticipantListUpdated { channel: CHANNEL, revision: 0, viewers: 1, executors: 0 };
    watched.say(&list);
    watched.sharer.handle_exit(watched.now(), watched.id, Some(0), None);
    watched.transmit(usize::MAX);
    assert!(!watched.ended, "viewers see the end first");
    watched.say(&RelayToSharer::EndAcknowledged { channel: CHANNEL });
    assert!(watched.ended);

    let mut alone = World::new(true);
    alone.sharer.handle_disconnected(alone.now(), None);
    alone.sharer.handle_exit(alone.now(), alone.id, Some(0), None);
    alone.effects();
    assert!(alone.ended, "without a relay nobody waits");
}

/// Whoever holds on to an older word about the cards has one with an older beat.
#[test]
fn a_word_about_other_cards_names_another_beat() {
    let (mut world, mut words) = (World::new(false), Vec::new());
    world.connect(false);
    world.settle();
    let mut task = Task::new(TaskId("child".into()), None, "child", world.now().wall);
    for round in 1..=6 {
        // Two words about the same cards, then others; said by an answer first, or by an attestation.
        task.revision = round / 2;
        let card = Card { task: task.clone(), reach: None };
        let id = world.id;
        world.sharer.with(world.now(), id, |session, _| session.set_card(card));
        world.transmit(usize::MAX);
        if round % 3 == 0 {
            world.pass_time(4_500);
            world.transmit(usize::MAX);
        }
        let answer = world.join(round, None, None);
        words.push((answer.beat, answer.cards));
    }
    let attested = world.words.iter().copied();
    for (beat, cards) in words.iter().copied().chain(attested) {
        assert!(words.iter().all(|(other, same)| *other != beat || *same == cards), "beat {beat}");
    }
    let different: BTreeSet<_> = words.iter().map(|(_, cards)| *cards).collect();
    assert_eq!(different.len(), 4, "the control: no cards, and three states of them");
}
