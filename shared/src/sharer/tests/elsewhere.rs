//! Tasks under drivers: what the parent's process says and grants, and what a driver lets in.

use super::*;
use crate::card::Reach;
use crate::keys::grant::GrantSecret;
use crate::keys::keeper::{Keep, KeeperKey};
use crate::orchestration::status::TaskState;
use crate::orchestration::task::Task;
use crate::time::UnixMs;
use crate::wire::source::SourceKind;

const NOW: Now = Now { mono: Moment(1_000), wall: UnixMs(1_000_000) };

fn task(id: &str, parent: Option<&str>) -> Task {
    Task::new(TaskId(id.into()), parent.map(|id| TaskId(id.into())), id, UnixMs(5))
}

fn id(id: &str) -> TaskId {
    TaskId(id.into())
}

fn parent(read_only: bool) -> Sharer {
    let mut sharer = Sharer::new(Entropy::from_seed([4; 32]), NOW);
    assert!(sharer.host(NOW, task("parent", None), SessionConfig { read_only, ..config() }));
    assert!(sharer.host_elsewhere(NOW, task("far", Some("parent")), read_only));
    sharer
}

/// Whether what is reached of it was told to have changed.
fn told(sharer: &mut Sharer) -> bool {
    let mut told = false;
    while let Some(effect) = sharer.poll_effect() {
        told |= effect == Effect::Reach(id("far"));
    }
    told
}

#[test]
fn grants_of_what_runs_elsewhere_follow_the_parents_share() {
    let mut sharer = parent(false);
    assert!(!told(&mut sharer));
    assert_eq!(sharer.granted(&id("far")), (0, None), "nothing is shared");
    sharer.share(NOW, &id("parent"), Begin::Fresh);
    let (revision, reach) = sharer.granted(&id("far"));
    let reach = reach.unwrap();
    assert!(told(&mut sharer) && revision == 1 && reach.typing.is_some());
    // Nothing changes by saying it again.
    sharer.share(NOW, &id("parent"), Begin::Fresh);
    assert!(!told(&mut sharer) && sharer.granted(&id("far")) == (1, Some(reach.clone())));

    // A link of the parent's is removed: all of it is new.
    let session = sharer.session_of(&id("parent")).unwrap();
    assert!(sharer.revoke(NOW, session, &[Right::Watch]));
    let (revision, renewed) = sharer.granted(&id("far"));
    let renewed = renewed.unwrap();
    assert!(told(&mut sharer) && revision == 2);
    assert!(renewed.watch != reach.watch && renewed.typing != reach.typing);

    assert!(sharer.unshare(NOW, &id("parent")));
    assert!(told(&mut sharer) && sharer.granted(&id("far")) == (3, None));
    let row = sharer.task(&id("far")).unwrap();
    assert!(row.removed && row.state != TaskState::Cancelled, "it is out of reach, and goes on");
    sharer.share(NOW, &id("parent"), Begin::Fresh);
    let (revision, again) = sharer.granted(&id("far"));
    assert!(told(&mut sharer) && revision == 4 && !sharer.task(&id("far")).unwrap().removed);
    assert!(again.is_some_and(|again| again.watch != renewed.watch), "nothing old opens it");
    // It is its driver that shares it.
    assert_eq!(sharer.share(NOW, &id("far"), Begin::Fresh), None);
}

#[test]
fn an_exit_of_the_parent_takes_the_grants_back_too() {
    let mut sharer = parent(true);
    let session = sharer.share(NOW, &id("parent"), Begin::Fresh).unwrap();
    assert!(sharer.granted(&id("far")).1.unwrap().typing.is_none(), "no more than the parent's links may");
    told(&mut sharer);
    sharer.handle_exit(NOW, session, Some(0), None);
    assert!(told(&mut sharer) && sharer.granted(&id("far")) == (2, None));
}

#[test]
fn a_parent_that_is_kept_and_exits_leaves_its_grants_and_one_that_is_stopped_takes_them() {
    for stopped in [false, true] {
        let mut sharer = Sharer::new(Entropy::from_seed([4; 32]), NOW);
        let keeper = KeeperKey::generate(&mut Entropy::from_seed([5; 32])).public();
        let keep = Some(Keep { for_ms: 1_000_000, keeper });
        sharer.host(NOW, task("parent", None), SessionConfig { keep, ..config() });
        sharer.host_elsewhere(NOW, task("far", Some("parent")), true);
        let session = sharer.share(NOW, &id("parent"), Begin::Fresh).unwrap();
        let granted = sharer.granted(&id("far"));
        assert!(granted.1.is_some() && told(&mut sharer));
        if stopped {
            sharer.unshare(NOW, &id("parent"));
        } else {
            sharer.handle_exit(NOW, session, Some(0), None);
        }
        let (revision, reach) = sharer.granted(&id("far"));
        assert_eq!((reach.is_some(), told(&mut sharer)), (!stopped, stopped));
        assert_eq!(revision > granted.0, stopped);
    }
}

#[test]
fn a_driver_says_how_a_task_stands_and_nothing_else_of_it() {
    let mut sharer = parent(false);
    let before = sharer.task(&id("far")).unwrap().clone();
    assert_eq!(before.kind, SourceKind::AmbientAgent);
    let session = SessionId([7; 16]);
    let mut said = task("far", Some("somebody"));
    (said.state, said.session, said.revision) = (TaskState::Done, Some(session), u64::MAX);
    (said.name, said.removed, said.driver) = ("another".into(), true, Some("other".into()));
    sharer.handle_elsewhere(NOW, said.clone());
    let row = sharer.task(&id("far")).unwrap().clone();
    assert_eq!((row.state, row.session, row.revision), (TaskState::Done, Some(session), before.revision + 1));
    assert_eq!((&row.name, row.removed, &row.driver), (&before.name, false, &before.driver));
    assert_eq!(row.parent, before.parent);
    // The same again, and one that forgot the session, are no news.
    sharer.handle_elsewhere(NOW, said.clone());
    sharer.handle_elsewhere(NOW, Task { session: None, ..said.clone() });
    assert_eq!(sharer.task(&id("far")), Some(&row));
    // Of what runs here, nobody elsewhere says anything.
    sharer.handle_elsewhere(NOW, Task { id: id("parent"), ..said });
    assert_eq!(sharer.task(&id("parent")).unwrap().session, None);
}

#[test]
fn a_driver_lets_in_who_asked_and_out_again() {
    let mut sharer = Sharer::new(Entropy::from_seed([5; 32]), NOW);
    assert!(sharer.host_for_others(
        NOW,
        task("far", Some("elsewhere")),
        SessionConfig { read_only: false, ..config() }
    ));
    let session = sharer.share(NOW, &id("far"), Begin::Fresh).unwrap();
    let grant = |byte| GrantSecret([byte; 16]);
    let stands = |sharer: &Sharer| {
        let session = &sharer.sessions[&session];
        (session.reach(), session.epoch.id())
    };
    let first = stands(&sharer).1;
    let watch = Reach { watch: grant(1), typing: None };
    sharer.let_in(NOW, &id("far"), Some(watch.clone()));
    assert_eq!(stands(&sharer), (Some(watch.clone()), first), "another grant is another header");
    let both = Reach { typing: Some(grant(2)), ..watch.clone() };
    sharer.let_in(NOW, &id("far"), Some(both.clone()));
    assert_eq!(stands(&sharer), (Some(both), first));
    // One that is gone opens nothing more: a new epoch.
    sharer.let_in(NOW, &id("far"), Some(watch.clone()));
    let (reach, second) = stands(&sharer);
    assert!(reach == Some(watch) && second > first);
    sharer.let_in(NOW, &id("far"), None);
    let (reach, third) = stands(&sharer);
    assert!(reach.is_none() && third > second);
    sharer.let_in(NOW, &id("far"), None);
    assert_eq!(stands(&sharer).1, third);

    // It stays when it has ended, until the driver goes.
    sharer.handle_exit(NOW, session, Some(0), None);
    assert_eq!(sharer.task(&id("far")).unwrap().session, Some(session));
    let last = Reach { watch: grant(3), typing: None };
    sharer.let_in(NOW, &id("far"), Some(last.clone()));
    assert_eq!(stands(&sharer).0, Some(last));
}

#[test]
fn who_is_let_in_while_the_relay_opens_the_room_is_let_in() {
    let mut sharer = Sharer::new(Entropy::from_seed([6; 32]), NOW);
    let config = SessionConfig { read_only: false, ..config() };
    sharer.host_for_others(NOW, task("far", Some("elsewhere")), config);
    sharer.share(NOW, &id("far"), Begin::Fresh).unwrap();
    greet(&mut sharer, NOW);
    let channel = *claims(&mut sharer).keys().next().unwrap();
    let headers = |sharer: &mut Sharer| {
        let said = std::iter::from_fn(|| sharer.poll_transmit());
        said.filter(|packet| matches!(packet, Packet::Text(text) if text.contains("UpdateHeader"))).count()
    };
    sharer.let_in(NOW, &id("far"), Some(Reach { watch: GrantSecret([1; 16]), typing: None }));
    assert_eq!(headers(&mut sharer), 0, "there is no room to say it in");
    tell(&mut sharer, 1_000, &opened(channel));
    assert_eq!(headers(&mut sharer), 1, "once there is one, it is said");
    sharer.let_in(
        NOW,
        &id("far"),
        Some(Reach { watch: GrantSecret([1; 16]), typing: Some(GrantSecret([2; 16])) }),
    );
    assert_eq!(headers(&mut sharer), 1, "the control: in an open room at once");
}

#[test]
fn what_is_over_is_forgotten_once_nothing_of_it_leaves_and_nothing_is_below_it() {
    let mut sharer = Sharer::new(Entropy::from_seed([7; 32]), NOW);
    sharer.host_for_others(NOW, task("far", None), config());
    let session = sharer.share(NOW, &id("far"), Begin::Fresh).unwrap();
    sharer.host(NOW, task("below", Some("far")), config());
    let below = sharer.session_of(&id("below")).unwrap();
    assert!(!sharer.forget_program(&id("below")), "it runs");
    sharer.handle_exit(NOW, below, Some(0), None);
    assert!(!sharer.forget_program(&id("below")), "its last screen is still seen");
    sharer.handle_exit(NOW, session, Some(0), None);
    sharer.forget(NOW, session);
    assert!(!sharer.forget_program(&id("far")), "it has a child");
    sharer.forget(NOW, below);
    assert!(sharer.forget_program(&id("below")) && sharer.forget_program(&id("far")));
    assert!(sharer.task(&id("far")).is_none() && sharer.task(&id("below")).is_none());
    assert!(sharer.host_for_others(NOW, task("far", None), config()), "as if it had never been");
}
