//! Several sessions of one process, and the connection that they share.

use super::*;

#[test]
fn replaced_is_for_good() {
    let mut world = World::new(true);
    world.connect(false);
    world.say(&RelayToSharer::FailedToInitialize { channel: CHANNEL, reason: Refusal::Replaced });
    assert_eq!(world.sharer.room(world.id), Some(RoomState::Replaced));
    assert_eq!(world.sharer.state(), ConnectionState::Idle, "nobody needs the connection any more");
    world.pass_time(3_600_000);
    assert_eq!(world.sharer.state(), ConnectionState::Idle);
}

#[test]
fn a_refused_session_leaves_the_others_alone_and_is_claimed_again() {
    let (mut sharer, channels) = several(4);
    let reasons = [Refusal::Replaced, Refusal::RelayFull, Refusal::RateLimited { retry_after_ms: 30_000 }];
    for (channel, reason) in channels.keys().zip(&reasons) {
        tell(
            &mut sharer,
            0,
            &RelayToSharer::FailedToInitialize { channel: *channel, reason: reason.clone() },
        );
    }
    assert_eq!(sharer.state(), ConnectionState::Connecting, "one is not answered yet");
    let (last, open) = channels.last_key_value().unwrap();
    tell(&mut sharer, 0, &opened(*last));
    assert_eq!(sharer.state(), ConnectionState::Connected);
    let rooms: Vec<_> = channels.values().map(|id| sharer.room(*id).unwrap()).collect();
    assert_eq!(rooms, [RoomState::Replaced, RoomState::Refused, RoomState::Refused, RoomState::Open]);
    assert!(std::iter::from_fn(|| sharer.poll_effect()).all(|effect| !matches!(effect, Effect::Close(_))));
    let mut again = BTreeMap::new();
    for ms in [10_000, 30_000, 600_000] {
        sharer.handle_timeout(Now::new(ms, 1_000_000 + ms));
        for (channel, id) in claims(&mut sharer) {
            assert!(channel > *last, "a channel is used once");
            again.insert(id, ms);
            tell(&mut sharer, ms, &opened(channel));
        }
    }
    let ids: Vec<_> = channels.values().collect();
    assert_eq!(again, BTreeMap::from([(*ids[1], 10_000), (*ids[2], 30_000)]), "replaced is for good");
    assert_eq!(sharer.room(*open), Some(RoomState::Open));
}

#[test]
fn sessions_open_while_connected_and_all_claim_again_after_a_break() {
    let (mut sharer, channels) = several(2);
    for channel in channels.keys() {
        tell(&mut sharer, 0, &opened(*channel));
    }
    let now = Now::new(6_000, 1_006_000);
    let third = sharer.open(now, config());
    let claim = claims(&mut sharer);
    assert_eq!(claim, BTreeMap::from([(Channel(3), third)]));
    assert_eq!(sharer.state(), ConnectionState::Connected, "the others are not held up");
    tell(&mut sharer, 6_000, &opened(Channel(3)));
    sharer.handle_disconnected(now, None);
    assert_eq!(sharer.room(third), Some(RoomState::Pending));
    greet(&mut sharer, now);
    let again: BTreeSet<_> = claims(&mut sharer).into_values().collect();
    assert_eq!(again, channels.into_values().chain([third]).collect());
}

#[test]
fn without_a_session_there_is_no_connection() {
    let now = Now::new(0, 1_000_000);
    let mut sharer = Sharer::new(Entropy::from_seed([7; 32]), now);
    sharer.handle_timeout(Now::new(60_000, 1_060_000));
    assert_eq!((sharer.poll_effect(), sharer.poll_timeout(), sharer.poll_transmit()), (None, None, None));
    let id = sharer.open(now, config());
    greet(&mut sharer, now);
    let (channel, _) = claims(&mut sharer).pop_first().unwrap();
    tell(&mut sharer, 0, &opened(channel));
    sharer.close(now, id);
    let said = std::iter::from_fn(|| sharer.poll_transmit())
        .filter(|packet| matches!(packet, Packet::Text(text) if text.starts_with("{\"EndSession")));
    assert_eq!(said.count(), 1);
    let effects: Vec<_> = std::iter::from_fn(|| sharer.poll_effect()).collect();
    assert!(effects.contains(&Effect::Ended(id)));
    assert!(!effects.contains(&Effect::Close(CloseCode::GoingAway)), "the end is on its way");
    sharer.forget(now, id);
    assert!(std::iter::from_fn(|| sharer.poll_effect()).any(|effect| matches!(effect, Effect::Close(_))));
    assert_eq!((sharer.state(), sharer.poll_timeout()), (ConnectionState::Idle, None));
}

/// A thousand sessions at rest: what one minute costs in frames, and that a packet for one touches only that one.
#[test]
fn idle_sessions_say_little_and_share_one_connection() {
    let (mut sharer, channels) = several(1_000);
    for channel in channels.keys() {
        tell(&mut sharer, 0, &opened(*channel));
    }
    let mut bytes = 0;
    let mut consumed = 0;
    let mut wakes = 0;
    let mut ms = 0;
    while ms < 60_000 {
        let (at, _) = sharer.poll_timeout().unwrap();
        assert!(at.0 > ms || ms == 0, "a deadline that passed is acted on");
        ms = at.0;
        sharer.handle_timeout(Now::new(ms, 1_000_000 + ms));
        wakes += 1;
        while let Some(packet) = sharer.poll_transmit() {
            if let Packet::Binary(frame) = packet {
                bytes += frame.len();
                consumed += frame.len() as u64;
                let credit = Frame::Credit { consumed }.encode();
                sharer.handle_packet(Now::new(ms, 1_000_000 + ms), &Packet::Binary(credit));
            }
        }
    }
    println!("{wakes} wakes, {} bytes a session and minute", bytes / 1_000);
    assert!(wakes <= 20, "sessions that opened together beat together: {wakes}");
    assert!(bytes / 1_000 < 900, "{bytes}");
}
