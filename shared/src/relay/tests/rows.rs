//! Rows, runs and groups.

use super::*;
use crate::card::SealedCard;
use crate::encoding::Blob;
use crate::id::TaskId;
use crate::keys::owner::Signature;
use crate::orchestration::status::TaskState;
use crate::orchestration::task::{MAX_TASKS, Task};
use crate::wire::source::SourceKind;
use crate::wire::task::{OwnedEnd, RunsAnswer, TaskRow};

fn id(n: usize) -> TaskId {
    TaskId(format!("task {n}"))
}

/// A child's row; the relay has no use for what is in its card.
pub(super) fn row(n: usize, revision: u64, size: usize) -> TaskRow {
    let card = SealedCard { body: Blob(vec![7; size]), typing: None, signature: Signature([7; 64]) };
    let mut task = Task::new(id(n), Some(TaskId("parent".into())), "", UnixMs(0));
    (task.revision, task.state) = (revision, TaskState::Running);
    TaskRow::new(&task, card)
}

pub(super) fn update(world: &mut World, peer: u64, rows: Vec<TaskRow>) {
    world.text(peer, &SharerToRelay::UpdateTasks { channel: CH, rows });
}

fn seen(heard: &[Heard]) -> Vec<(String, u64)> {
    let rows = heard.iter().filter_map(|heard| match heard {
        Heard::Control(RelayToViewer::TasksUpdated { channel: CH, rows }) => Some(rows),
        _ => None,
    });
    rows.flatten().map(|row| (row.task_id.0.clone(), row.revision)).collect()
}

fn named(n: usize, revision: u64) -> (String, u64) {
    (id(n).0, revision)
}

/// A session at its own peer, whose task is `task`.
fn session(world: &mut World, seed: u8, task: &str) -> Sharer {
    let mut sharer = Sharer::seeded(seed);
    sharer.source = SessionSource { kind: SourceKind::User, task_id: Some(TaskId(task.into())) };
    sharer.claim(world, u64::from(seed), HOST);
    sharer.event(world, u64::from(seed), 100);
    sharer.snapshot(world, u64::from(seed), true);
    world.take(u64::from(seed));
    sharer
}

#[test]
fn rows_come_right_behind_the_join_reply_and_as_they_change() {
    let (mut world, sharer) = shared();
    update(&mut world, 1, vec![row(1, 1, 50), row(2, 1, 50)]);
    let heard = viewer_at(&mut world, &sharer, 2);
    assert!(matches!(heard[0], Heard::Control(RelayToViewer::JoinedSuccessfully { .. })));
    assert_eq!(seen(&heard[1..2]), [named(1, 1), named(2, 1)], "behind the reply, before the screen");
    assert!(heard.iter().any(Heard::is_screen));
    // Who is there already gets what changed, and only that.
    update(&mut world, 1, vec![row(1, 1, 50), row(2, 2, 50), row(3, 1, 50)]);
    assert_eq!(seen(&world.viewer(2)), [named(2, 2), named(3, 1)]);
    // Late, doubled, empty: nothing.
    update(&mut world, 1, vec![row(2, 1, 50), row(3, 1, 50)]);
    update(&mut world, 1, vec![]);
    assert_eq!(world.viewer(2), []);
}

#[test]
fn rows_and_the_source_are_the_relays_own_record() {
    let mut world = World::new();
    let sharer = session(&mut world, 1, "parent");
    update(&mut world, 1, vec![row(1, 1, 50)]);
    world.gone(1);
    let heard = viewer_at(&mut world, &sharer, 2);
    let Heard::Control(RelayToViewer::JoinedSuccessfully { source_type, source_task_id, .. }) = &heard[0]
    else {
        panic!()
    };
    assert_eq!(SessionSource::new(source_type.clone(), source_task_id.clone()), sharer.source);
    assert_eq!(seen(&heard), [named(1, 1)], "its sharer is away");
}

#[test]
fn a_new_epoch_replaces_all_rows() {
    let (mut world, mut sharer) = shared();
    update(&mut world, 1, vec![row(1, 5, 50), row(2, 5, 50)]);
    sharer.join(&mut world, 2, Right::Watch, None);
    world.take(2);
    sharer.epoch = EpochId { start: UnixMs(2), random: 0 };
    let (header, epoch, grants) = (sharer.header(), sharer.epoch, sharer.rows());
    world.text(1, &SharerToRelay::UpdateHeader { channel: CH, header, epoch, grants });
    assert_eq!(seen(&world.viewer(2)), []);
    // Sealed anew, of the same revision.
    update(&mut world, 1, vec![row(1, 5, 60)]);
    assert_eq!(seen(&world.viewer(2)), [named(1, 5)]);
    assert_eq!(seen(&viewer_at(&mut world, &sharer, 3)), [named(1, 5)]);
}

#[test]
fn only_the_holder_writes_rows() {
    let (mut world, sharer) = shared();
    update(&mut world, 1, vec![row(1, 1, 50)]);
    sharer.join(&mut world, 2, Right::Type, None);
    sharer.join(&mut world, 3, Right::Watch, None);
    (world.take(2), world.take(3));
    let other = session(&mut world, 9, "other");
    update(&mut world, 2, vec![row(1, 9, 50)]);
    update(&mut world, 9, vec![row(1, 9, 50)]);
    assert_eq!(seen(&world.viewer(3)), []);
    assert_eq!(seen(&viewer_at(&mut world, &other, 4)), [named(1, 9)], "in its own room it may");
    update(&mut world, 1, vec![row(1, 9, 50)]);
    assert_eq!(seen(&world.viewer(3)), [named(1, 9)], "control");
}

#[test]
fn limits_of_rows_are_announced_and_held() {
    let (mut world, _) = shared();
    assert_eq!((world.relay.limits().rows, world.relay.limits().card), (512, 4_096));
    update(&mut world, 1, vec![row(0, 1, 4_032)]);
    for n in 0..MAX_TASKS {
        update(&mut world, 1, vec![row(n, 2, 10)]);
    }
    assert!(!world.take(1).contains(&Outgoing::Close(CloseCode::TooLarge)), "control");
    assert_eq!(world.relay.stats().rows, MAX_TASKS);
    let nameless = TaskRow { task_id: TaskId("x".repeat(129)), ..row(1, 3, 10) };
    for rows in [vec![row(MAX_TASKS, 1, 10)], vec![row(1, 3, 4_033)], vec![nameless]] {
        let (mut world, _) = shared();
        for n in 0..MAX_TASKS {
            update(&mut world, 1, vec![row(n, 2, 10)]);
        }
        update(&mut world, 1, rows);
        assert_eq!(world.take(1).pop(), Some(Outgoing::Close(CloseCode::TooLarge)));
    }
    let mut sharer = Sharer::seeded(2);
    sharer.source.task_id = Some(TaskId("x".repeat(129)));
    sharer.claim(&mut world, 2, HOST);
    assert_eq!(world.take(2).pop(), Some(Outgoing::Close(CloseCode::TooLarge)));
}

/// 200 children, 20 of which change all the time while 20 sessions flood and a viewer reads nothing.
#[test]
fn many_children_cost_one_value_each_however_often_they_change() {
    let mut world = World::new();
    let parent = session(&mut world, 1, "parent");
    update(&mut world, 1, (0..200).map(|n| row(n, 1, 700)).collect());
    let mut children: Vec<Sharer> = (0..20).map(|n| session(&mut world, 100 + n, "child")).collect();
    let heard = viewer_at(&mut world, &parent, 2);
    assert_eq!(seen(&heard).len(), 200, "control");
    let texts: Vec<_> = heard.iter().filter(|h| matches!(h, Heard::Control(_))).collect();
    assert!(matches!(texts[1], Heard::Control(RelayToViewer::TasksUpdated { .. })));
    let bound = world.relay.stats().row_bytes + 1_000;
    for (revision, seed) in (2..300).zip((100..120).cycle()) {
        // Nobody polls viewer 2: its socket is full.
        let message = SharerToRelay::UpdateTasks {
            channel: CH,
            rows: (0..20).map(|n| row(n, revision, 700)).collect(),
        };
        world.relay.handle_packet(world.now(), PeerId(1), Packet::Text(wire::encode(&message)));
        let child = &mut children[seed - 100];
        child.number += 1;
        let event =
            SealedEvent { number: child.number, kind: EventKind::Output, body: vec![7; 9_000].into() };
        let flood = Packet::Binary(Frame::Event { channel: CH, event }.encode());
        world.relay.handle_packet(world.now(), PeerId(seed as u64), flood);
        let stats = world.relay.stats();
        assert!(stats.row_bytes <= bound, "{}", stats.row_bytes);
        assert!(stats.log_bytes <= 21 * (content::MAX_TAIL + outbox::BOUND));
    }
    world.drain();
    let rows = seen(&world.viewer(2));
    assert_eq!(rows.len(), 20, "the latest value of each, once");
    assert!(rows.iter().all(|(_, revision)| *revision == 299));
}

#[test]
fn many_rows_do_not_keep_the_screen_waiting() {
    let (mut world, sharer) = shared();
    for n in 0..MAX_TASKS {
        update(&mut world, 1, vec![row(n, 1, 4_000)]);
    }
    let heard = viewer_at(&mut world, &sharer, 2);
    let screen = heard.iter().position(Heard::is_screen).unwrap();
    assert!(seen(&heard[..screen]).len() < 40, "a message or two of 15 rows each");
    assert_eq!(seen(&heard).len(), MAX_TASKS);
}

// Groups.

fn ended(heard: &[Heard]) -> bool {
    let reason = EndedBecause::Sharer;
    heard.iter().any(
        |h| matches!(h, Heard::Control(RelayToViewer::SessionEnded { reason: r, end: Some(_), .. }) if *r == reason),
    )
}

pub(super) fn end_of(sharer: &Sharer, signer: &OwnerKey) -> OwnedEnd {
    let scope = Scope { session: sharer.owner.session_id(), epoch: sharer.epoch };
    let point = ChainPoint { number: sharer.number, ..ChainPoint::start(scope) };
    let end = End { epoch: sharer.epoch, point, reason: EndReason::Unshared }.sign(signer);
    OwnedEnd { owner: sharer.owner.public(), end }
}

#[test]
fn a_group_ends_in_all_rooms_before_anybody_is_told() {
    let mut world = World::new();
    let group: Vec<Sharer> = (1..4).map(|seed| session(&mut world, seed, "t")).collect();
    let apart = session(&mut world, 4, "t");
    for (peer, sharer) in (11..).zip(group.iter().chain([&apart])) {
        sharer.join(&mut world, peer, Right::Watch, None);
        assert!(!ended(&world.viewer(peer)));
    }
    // Said by a connection that holds none of them, as after a restart of the relay.
    world.connect(20);
    let ends: Vec<_> = group.iter().map(|sharer| end_of(sharer, &sharer.owner)).collect();
    let message = wire::encode(&SharerToRelay::EndGroup { ends });
    world.relay.handle_packet(world.now(), PeerId(20), Packet::Text(message.clone()));
    for sharer in &group {
        // Nobody has been polled yet.
        assert!(world.relay.rooms[&sharer.owner.session_id()].content.ended.is_some());
    }
    world.drain();
    for peer in 11..14 {
        assert!(ended(&world.viewer(peer)));
    }
    assert!(!ended(&world.viewer(14)), "a session that is none of the group goes on");
    let mut session_ids: Vec<_> = group.iter().map(|sharer| sharer.owner.session_id()).collect();
    session_ids.sort();
    let acknowledged = RelayToSharer::GroupEnded { session_ids };
    assert_eq!(world.sharer(20), std::slice::from_ref(&acknowledged));
    // Again, as the acknowledgement may have been lost: nobody is told twice.
    world.relay.handle_packet(world.now(), PeerId(20), Packet::Text(message));
    world.drain();
    assert_eq!(world.sharer(20), [acknowledged]);
    assert!((11..14).all(|peer| world.viewer(peer).is_empty()));
}

#[test]
fn a_group_ends_by_its_owners_word_only_and_the_answer_tells_nothing() {
    let mut world = World::new();
    let here = session(&mut world, 1, "t");
    let gone = Sharer::seeded(2);
    here.join(&mut world, 11, Right::Watch, None);
    world.take(11);
    world.connect(20);
    let say = |world: &mut World, ends| {
        world.text(20, &SharerToRelay::EndGroup { ends });
        let answer = world.sharer(20);
        let [RelayToSharer::GroupEnded { session_ids }] = &answer[..] else { panic!("{answer:?}") };
        session_ids.clone()
    };
    for sharer in [&here, &gone] {
        assert_eq!(say(&mut world, vec![end_of(sharer, &Sharer::seeded(3).owner)]), [], "a stranger's word");
        let mut altered = end_of(sharer, &sharer.owner);
        altered.end.body.0[9] ^= 1;
        assert_eq!(say(&mut world, vec![altered]), []);
    }
    assert!(!ended(&world.viewer(11)));
    for sharer in [&here, &gone] {
        let session = sharer.owner.session_id();
        assert_eq!(say(&mut world, vec![end_of(sharer, &sharer.owner)]), [session], "here or not");
    }
    assert!(ended(&world.viewer(11)), "control");
    // What cannot be verified for want of a turn is not acknowledged, and good later.
    let end = end_of(&gone, &gone.owner);
    let acknowledged: usize = (0..8).map(|_| say(&mut world, vec![end.clone(); 20]).len()).sum();
    assert!((1..8).contains(&acknowledged));
    world.wait(60_000);
    assert_eq!(say(&mut world, vec![end]).len(), 1);
}

#[test]
fn an_old_epochs_end_is_no_end() {
    let mut world = World::new();
    let mut sharer = session(&mut world, 1, "t");
    let old = end_of(&sharer, &sharer.owner);
    sharer.epoch = EpochId { start: UnixMs(9), random: 0 };
    sharer.claim(&mut world, 2, HOST);
    sharer.join(&mut world, 11, Right::Watch, None);
    world.text(2, &SharerToRelay::EndGroup { ends: vec![old] });
    assert!(!ended(&world.viewer(11)));
    world.text(2, &SharerToRelay::EndGroup { ends: vec![end_of(&sharer, &sharer.owner)] });
    assert!(ended(&world.viewer(11)), "control");
}

// What a token reaches.

fn runs(world: &mut World, task: &str, token: Token) -> Result<Vec<(String, u64)>, RunsError> {
    let query = RunsQuery { ancestor: TaskId(task.into()), token, after: None, limit: 100 };
    let runs = world.relay.runs(world.now(), "10.0.0.9", &query)?;
    let answer: RunsAnswer = serde_json::from_str(&runs.to_json()).unwrap();
    assert_eq!((answer.source.task_id, answer.page_info.has_next_page), (Some(TaskId(task.into())), false));
    Ok(answer.runs.into_iter().map(|row| (row.task_id.0, row.revision)).collect())
}

fn join_with(world: &mut World, peer: u64, target: &Sharer, token: Token) -> Vec<Heard> {
    world.connect(peer);
    world.text(peer, &ViewerToRelay::Join { channel: CH, payload: target.payload(token, None) });
    world.viewer(peer)
}

#[test]
fn a_childs_token_neither_lists_nor_joins_parent_and_siblings() {
    let mut world = World::new();
    let parent = session(&mut world, 1, "parent");
    let child = session(&mut world, 2, "child");
    let sibling = session(&mut world, 3, "sibling");
    update(&mut world, 1, vec![row(1, 1, 50), row(2, 1, 50)]);
    world.wait(AMNESIA_MS);
    let mut peers = 30..;
    for right in [Right::Watch, Right::Type] {
        let token = child.token(right);
        for target in [&parent, &sibling] {
            let heard = join_with(&mut world, peers.next().unwrap(), target, token.clone());
            let no = Refusal::NotFound { retry: false };
            let [Heard::Control(RelayToViewer::FailedToJoin { reason, .. })] = &heard[..] else {
                panic!("{heard:?}")
            };
            assert_eq!(*reason, no);
        }
        for task in ["parent", "sibling", "nobody"] {
            assert_eq!(runs(&mut world, task, token.clone()), Err(RunsError::NotFound), "{task}");
        }
        // Controls: it joins its own session, and whoever has the parent's token lists the children.
        let heard = join_with(&mut world, peers.next().unwrap(), &child, token.clone());
        assert!(matches!(heard[0], Heard::Control(RelayToViewer::JoinedSuccessfully { .. })));
        assert_eq!(seen(&heard), [], "its own stream has no rows");
        assert_eq!(runs(&mut world, "child", token), Ok(vec![]));
        let listed = runs(&mut world, "parent", parent.token(right));
        assert_eq!(listed, Ok(vec![named(1, 1), named(2, 1)]));
        // And the parent's token by itself joins no child: that takes a card.
        let heard = join_with(&mut world, peers.next().unwrap(), &child, parent.token(right));
        assert!(matches!(heard[0], Heard::Control(RelayToViewer::FailedToJoin { .. })));
    }
}

#[test]
fn a_task_of_the_same_name_shows_nobody_elses_rows() {
    let mut world = World::new();
    let parent = session(&mut world, 1, "parent");
    let claimant = session(&mut world, 2, "parent");
    update(&mut world, 1, vec![row(1, 1, 50)]);
    update(&mut world, 2, vec![row(2, 1, 50)]);
    assert_eq!(runs(&mut world, "parent", claimant.token(Right::Type)), Ok(vec![named(2, 1)]));
    assert_eq!(runs(&mut world, "parent", parent.token(Right::Watch)), Ok(vec![named(1, 1)]));
}

#[test]
fn asking_for_runs_is_limited_and_a_revoked_token_gets_nothing() {
    let mut world = World::new();
    let mut sharer = session(&mut world, 1, "parent");
    update(&mut world, 1, vec![row(1, 1, 50)]);
    let watch = sharer.token(Right::Watch);
    assert!(runs(&mut world, "parent", watch.clone()).is_ok(), "control");
    sharer.grants.retain(|grant| grant.right == Right::Type);
    sharer.epoch = EpochId { start: UnixMs(2), random: 0 };
    let (header, epoch, grants) = (sharer.header(), sharer.epoch, sharer.rows());
    world.text(1, &SharerToRelay::UpdateHeader { channel: CH, header, epoch, grants });
    assert_eq!(runs(&mut world, "parent", watch.clone()), Err(RunsError::NotFound));
    let answers: Vec<_> = (0..60).map(|_| runs(&mut world, "parent", watch.clone())).collect();
    assert!(matches!(answers[59], Err(RunsError::RateLimited(ms)) if ms > 0));
    world.wait(10_000);
    assert_eq!(runs(&mut world, "parent", sharer.token(Right::Type)), Ok(vec![]));
}
