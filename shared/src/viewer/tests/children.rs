//! Children: what the bar says of them, and their panes on the one connection.

use super::*;
use crate::chain::End;
use crate::event::EndReason;
use crate::input::{Input, InputOpener, View as Seen};
use crate::keys::grant::GrantSecret;
use crate::orchestration::status::TaskState;
use crate::wire::close::EndedBecause;

fn id(n: u8) -> TaskId {
    TaskId(format!("{n}f2a-task"))
}

/// A child's task in this revision; started in the order of their numbers.
fn task(n: u8, state: TaskState, revision: u64) -> Task {
    let mut task = Task::new(id(n), Some(TaskId("parent".into())), &format!("child {n}"), UnixMs(n.into()));
    (task.state, task.revision, task.since) = (state, revision, UnixMs(500));
    task
}

fn of(child: &Sharer, mut task: Task) -> Task {
    task.session = Some(child.owner.session_id());
    task
}

fn names(page: &Page) -> Vec<String> {
    page.bar().map(|bar| bar.pills.iter().map(|pill| pill.name.clone()).collect()).unwrap_or_default()
}

fn pill(page: &Page, n: u8) -> Pill {
    let bar = page.bar().expect("a bar");
    bar.pills.iter().find(|pill| pill.selects == Selection::Child(id(n))).expect("a pill").clone()
}

fn select(page: &mut Page, n: u8) {
    page.give(Event::Select(Selection::Child(id(n))));
}

/// The child lets the viewer in, and shows it this screen.
fn serve(page: &mut Page, child: &mut Sharer, screen: &str) {
    page.turn_to(child);
    page.joined(child, false);
    let snapshot = child.snapshot(screen, None);
    page.snapshot(&snapshot, Part::Screen);
    page.answer(child);
}

/// A page on a parent with one live child, which is selected.
fn on_child(right: usize) -> (Sharer, Sharer, Page) {
    let (mut parent, mut child) = (Sharer::new(40), Sharer::new(41));
    let mut page = live(&mut parent, right);
    let row = parent.row(&of(&child, task(1, TaskState::Running, 1)), Some(child.reach()));
    page.rows(vec![row]);
    select(&mut page, 1);
    serve(&mut page, &mut child, "\x1bcthe child");
    assert_eq!(page.viewer.view().state, State::Live);
    (parent, child, page)
}

#[test]
fn a_bar_appears_with_the_first_child_for_whoever_was_there_before() {
    let mut parent = Sharer::new(30);
    let mut page = live(&mut parent, 0);
    assert_eq!(page.bar(), None, "without a child there is no bar");
    let rows = vec![
        parent.row(&task(2, TaskState::Running, 1), None),
        parent.row(&task(1, TaskState::Done, 1), None),
    ];
    page.rows(rows);
    assert_eq!(names(&page), ["Orchestrator", "child 1", "child 2"]);
    let bar = page.bar().unwrap();
    assert_eq!((bar.children(), bar.pills[0].status, bar.pills[0].selected), (2, Status::Running, true));
    let disc = (pill(&page, 2).initial, pill(&page, 2).colour < COLOURS);
    assert_eq!(disc, ("C".into(), true));
    // The orchestrator's badge is its children's as well.
    let blocked = parent.row(&task(2, TaskState::Blocked, 2), None);
    page.rows(vec![blocked]);
    assert_eq!(page.bar().unwrap().pills[0].status, Status::Blocked);
    // Its own card names it, and is no child's.
    let mut own = of(&parent, task(9, TaskState::Running, 1));
    (own.name, own.parent) = ("the boss".into(), None);
    let own = parent.row(&own, None);
    page.rows(vec![own]);
    assert_eq!(names(&page), ["the boss", "child 1", "child 2"]);
    // A grandchild has no pill.
    let mut grandchild = task(3, TaskState::Running, 1);
    grandchild.parent = Some(id(1));
    let row = parent.row(&grandchild, None);
    page.rows(vec![row]);
    assert_eq!(page.bar().unwrap().children(), 2);
    assert_eq!(
        page.sent.iter().filter(|p| matches!(p, Packet::Text(t) if t.starts_with("{\"Join"))).count(),
        1
    );
}

#[test]
fn a_child_is_joined_when_it_is_looked_at_and_is_itself() {
    let (mut parent, mut child, mut page) = on_child(0);
    assert_eq!(page.connects, 1, "one socket");
    let pane = page.viewer.view().pane.unwrap();
    assert_eq!((page.text_of(pane).as_str(), page.text().as_str()), ("\x1bcthe child", "\x1bcscreen "));
    let more = child.output(" says more");
    page.event(more);
    // The parent goes on behind it.
    page.turn_to(&parent);
    let more = parent.output("and on");
    page.event(more);
    assert_eq!(page.text_of(pane), "\x1bcthe child says more");
    assert_eq!(page.text(), "\x1bcscreen and on");
    page.give(Event::Select(Selection::Own));
    assert_eq!(page.viewer.view().pane, Some(PaneId::OWN));
    // Back again: it was kept, nobody joins anew.
    let joins = page.joins().count();
    select(&mut page, 1);
    assert_eq!((page.viewer.view().pane, page.joins().count()), (Some(pane), joins));
    assert!(pill(&page, 1).selected);
    // A link to it is the child's alone, and watches.
    let link = page.viewer.watch_link().unwrap();
    assert_eq!((link.session, &link.secret), (child.owner.session_id(), &child.grants[0].secret));
}

#[test]
fn typing_goes_to_what_is_selected_with_no_more_right_than_in_the_parent() {
    let (_, child, mut page) = on_child(0);
    page.give(Event::StartTyping);
    let pane = page.viewer.view().pane.unwrap();
    page.give(Event::Keys { pane, bytes: b"x".to_vec() });
    assert_eq!(page.viewer.view().typing, Typing::Never, "the card's type grant is not for who watches");
    assert_eq!(page.last_join().token, child.grants[0].secret.token(child.owner.session_id()));
    assert!(page.inputs().is_empty());

    let (_, child, mut page) = on_child(1);
    let pane = page.viewer.view().pane.unwrap();
    page.give(Event::Keys { pane, bytes: b"early".to_vec() });
    page.give(Event::StartTyping);
    page.keys(b"for the parent");
    assert!(page.inputs().is_empty(), "the parent is not selected");
    page.give(Event::Keys { pane, bytes: b"for the child".to_vec() });
    let Some(Frame::Input { channel, body, .. }) = page.inputs().pop() else { panic!("nothing typed") };
    let theirs = page.last_join().agreement.unwrap();
    let mut opener = InputOpener::new(&child.agreement, theirs, &child.input.secret, child.scope()).unwrap();
    let view = Seen { seen: ChainPoint::start(child.scope()), beat: 0 };
    assert_eq!(channel, page.channel());
    assert_eq!(opener.open(&view, &body), Some(Input::Keys(b"for the child".to_vec())));
    // What was said for one session is not said for another.
    page.give(Event::Select(Selection::Own));
    assert_eq!(page.viewer.view().typing, Typing::Offered);
    // A link to it only watches, whoever copies it.
    select(&mut page, 1);
    assert_eq!(page.viewer.watch_link().unwrap().secret, child.grants[0].secret);
}

#[test]
fn a_child_without_a_session_shows_its_state_and_nothing_else() {
    let mut parent = Sharer::new(31);
    let mut page = live(&mut parent, 0);
    let mut failed = task(3, TaskState::Error, 1);
    failed.reason = "no such\u{202e} program".into();
    let mut removed = task(4, TaskState::Running, 1);
    removed.removed = true;
    let all = [task(1, TaskState::Starting, 1), task(2, TaskState::Running, 1), failed, removed];
    let rows = all.iter().map(|task| parent.row(task, None)).collect();
    page.rows(rows);
    let reason = "no such program".to_owned();
    let unreachable = ChildSession::Unreachable { since: UnixMs(500), retry: false };
    for (n, session) in [
        (1, ChildSession::NotStarted),
        (2, ChildSession::Starting),
        (3, ChildSession::Failed { reason }),
        (4, unreachable),
    ] {
        select(&mut page, n);
        let view = page.viewer.view();
        assert_eq!((view.pane, view.shown), (None, Shown::Nothing), "child {n}");
        assert_eq!(view.state, State::Child(session));
        assert!(view.state.sentence().is_some() && view.typing == Typing::Never);
        assert_eq!(page.viewer.watch_link(), None);
    }
    assert_eq!(pill(&page, 4).status, Status::Unreachable);
    assert_eq!(page.joins().count(), 1, "there is nothing to join");
    // Once it has a session, whoever looks at it is let in.
    select(&mut page, 1);
    let mut child = Sharer::new(32);
    let row = parent.row(&of(&child, task(1, TaskState::Running, 2)), Some(child.reach()));
    page.rows(vec![row]);
    serve(&mut page, &mut child, "\x1bchere");
    let pane = page.viewer.view().pane.unwrap();
    assert_eq!(page.text_of(pane), "\x1bchere");
}

#[test]
fn a_session_that_ends_or_is_not_found_says_so_in_its_own_pane() {
    let (parent, mut child, mut page) = on_child(0);
    let reason = EndReason::Exited { code: Some(0), signal: None };
    let last = child.note(Note::Ended(reason.clone()));
    page.event(last);
    let end = End { epoch: child.header.epoch, point: child.events.point(), reason: reason.clone() };
    page.control(&RelayToViewer::SessionEnded {
        channel: page.channel(),
        reason: EndedBecause::Sharer,
        end: Some(end.sign(&child.owner)),
        final_number: 1,
        kept_ms: None,
    });
    let view = page.viewer.view();
    assert_eq!((view.state, view.shown), (State::Ended(reason), Shown::Screen));
    assert_eq!(pill(&page, 1).session, Some(ChildSession::Ended));
    page.give(Event::Select(Selection::Own));
    assert_eq!(page.viewer.view().state, State::Live);

    // One whose room is gone is unreachable, and asked for again when the person says so.
    let (mut parent, child) = (parent, Sharer::new(33));
    let row = parent.row(&of(&child, task(2, TaskState::Running, 1)), Some(child.reach()));
    page.turn_to(&parent);
    page.rows(vec![row]);
    select(&mut page, 2);
    page.turn_to(&child);
    while !page.viewer.view().state.is_final() {
        // Its room may be about to be made.
        page.not_found(false);
        let seeks =
            matches!(page.viewer.view().state, State::Child(ChildSession::Unreachable { retry: true, .. }));
        assert!(seeks || page.now > 60_000);
        page.pass(4_000);
        page.turn_to(&parent);
        let beat = parent.beat(1);
        page.frame(&beat);
        page.turn_to(&child);
    }
    assert_eq!(page.viewer.view().state, State::Failed(Failure::NotFound));
    let session = pill(&page, 2).session;
    assert!(matches!(session, Some(ChildSession::Unreachable { retry: true, .. })), "{session:?}");
    let joins = page.joins().count();
    page.give(Event::Retry);
    assert_eq!((page.joins().count(), page.connects), (joins + 1, 1));
    page.give(Event::Select(Selection::Own));
    assert_eq!(page.viewer.view().state, State::Live, "the rest works on");
}

#[test]
fn a_parent_that_ends_leaves_its_children_to_be_seen() {
    let (parent, mut child, mut page) = on_child(0);
    page.turn_to(&parent);
    let reason = EndReason::Exited { code: Some(1), signal: None };
    let end = End { epoch: parent.header.epoch, point: parent.events.point(), reason };
    page.control(&RelayToViewer::SessionEnded {
        channel: page.channel(),
        reason: EndedBecause::Sharer,
        end: Some(end.sign(&parent.owner)),
        final_number: 0,
        kept_ms: None,
    });
    assert_eq!(page.viewer.view().state, State::Live);
    assert_eq!(page.bar().unwrap().standing, Standing::Over);
    page.turn_to(&child);
    let more = child.output("!");
    page.event(more);
    let pane = page.viewer.view().pane.unwrap();
    assert!(page.text_of(pane).ends_with('!'));
    // It is joined again after a break, though the parent is over.
    page.give(Event::Disconnected { code: None });
    page.pass(1_000);
    page.greet();
    assert_eq!((page.connects, page.last_join().session_id), (2, child.owner.session_id()));
}

#[test]
fn a_relay_cannot_pass_one_session_off_as_another() {
    let (mut parent, child, mut page) = on_child(0);
    let mut other = Sharer::new(42);
    let row = parent.row(&of(&other, task(2, TaskState::Running, 1)), Some(other.reach()));
    page.turn_to(&parent);
    page.rows(vec![row]);
    select(&mut page, 2);
    // The relay answers with the first child's session, which is as truly signed.
    page.turn_to(&other);
    page.joined(&child, false);
    assert_eq!(page.viewer.view().state, State::Diverged(Divergence::Header));
    assert_eq!(page.viewer.view().shown, Shown::Nothing);
    assert!(matches!(pill(&page, 2).session, Some(ChildSession::Failed { .. })));
    // The control: with its own it is shown.
    page.give(Event::Retry);
    serve(&mut page, &mut other, "\x1bcthe other");
    assert_eq!(page.viewer.view().state, State::Live);
}

#[test]
fn cards_that_are_swapped_between_children_or_sessions_are_none() {
    let mut parent = Sharer::new(34);
    let mut page = live(&mut parent, 0);
    let rows: Vec<TaskRow> = [(1, TaskState::Running), (2, TaskState::Blocked)]
        .map(|(n, s)| parent.row(&task(n, s, 1), None))
        .into();
    // A colluding reader has the content key, and a session of its own to sign with.
    let mut reader = Sharer::new(35);
    let foreign = reader.row(&task(1, TaskState::Done, 9), None);
    let swap = |of: &TaskRow, card: &TaskRow| TaskRow { card: card.card.clone(), ..of.clone() };
    let mut old = rows[0].clone();
    old.revision = 7;
    page.rows(vec![swap(&rows[0], &rows[1]), swap(&rows[1], &rows[0]), foreign.clone(), old]);
    assert_eq!(page.bar(), None, "nothing of it is what its owner said of that task");
    let word = parent.attest(parent.events.point());
    page.frame(&word);
    // The control: in their own places they are.
    page.rows(rows);
    assert_eq!((pill(&page, 1).status, pill(&page, 2).status), (Status::Running, Status::Blocked));
    page.rows(vec![foreign]);
    assert_eq!(pill(&page, 1).status, Status::Running);
    // Plain fields are not what people are shown.
    let mut row = parent.row(&task(1, TaskState::Running, 2), None);
    (row.state, row.parent_task_id) = (TaskState::Done, None);
    page.rows(vec![row]);
    assert_eq!(pill(&page, 1).status, Status::Running);
}

#[test]
fn cards_held_back_or_old_mark_the_bar_after_five_seconds() {
    let mut parent = Sharer::new(36);
    let mut page = live(&mut parent, 0);
    let stale = |page: &Page| matches!(page.bar().unwrap().standing, Standing::Stale { .. });
    let first = parent.row(&task(1, TaskState::Running, 1), None);
    page.rows(vec![first]);
    page.pass(4_000);
    let word = parent.attest(parent.events.point());
    page.frame(&word);
    page.pass(10_000);
    assert!(!stale(&page), "the control: what the owner vouched for is the present");
    // A newer card is signed, and does not come.
    let newer = parent.row(&task(1, TaskState::Error, 2), None);
    let word = parent.attest(parent.events.point());
    page.frame(&word);
    page.pass(4_900);
    assert!(!stale(&page), "cards and the word about them travel apart");
    page.pass(200);
    assert!(stale(&page));
    page.rows(vec![newer]);
    page.frame(&word);
    assert!(!stale(&page), "it came after all");
    // A card without the owner's word about all of them.
    let newest = parent.row(&task(1, TaskState::Done, 3), None);
    page.rows(vec![newest]);
    page.pass(5_100);
    assert!(stale(&page));
    let word = parent.attest(parent.events.point());
    page.frame(&word);
    assert!(!stale(&page));
    // Cards that change faster than the owner's word comes: each word counts for what was before it.
    for revision in 4..12 {
        let row = parent.row(&task(1, TaskState::Running, revision), None);
        let word = parent.attest(parent.events.point());
        page.rows(vec![row]);
        let row = parent.row(&task(2, TaskState::Running, revision), None);
        page.rows(vec![row]);
        page.pass(1_000);
        page.frame(&word);
        assert!(!stale(&page), "{revision}");
    }
    let word = parent.attest(parent.events.point());
    page.frame(&word);
    // No word for longer than the longest rest of a sharer, though it is there.
    for _ in 0..4 {
        page.pass(32_000);
        let beat = parent.beat(1);
        page.frame(&beat);
    }
    assert!(stale(&page));
    assert_ne!(page.viewer.view().state, State::Live, "the session itself is asked for anew");
}

/// A relay that keeps an older word of the owner's, and the cards that it was about, for whoever joins.
#[test]
fn a_joiner_of_an_idle_session_knows_of_withheld_cards_at_once() {
    let stale = |page: &Page| matches!(page.bar().map(|bar| bar.standing), Some(Standing::Stale { .. }));
    for (withheld, seed) in [(false, 70), (true, 71)] {
        let mut parent = Sharer::new(seed);
        let old = parent.row(&task(1, TaskState::Running, 1), None);
        parent.beat(1);
        let old_word = parent.attest(parent.events.point());
        let new = parent.row(&task(1, TaskState::Blocked, 2), None);
        parent.beat(2);
        let mut page = live(&mut parent, 0);
        page.rows(vec![if withheld { old } else { new }]);
        page.frame(&old_word);
        page.pass(4_900);
        assert!(!stale(&page), "cards and the word about them travel apart");
        page.pass(200);
        page.frame(&old_word);
        assert_eq!(stale(&page), withheld);
    }
    // All of them.
    let mut parent = Sharer::new(72);
    parent.row(&task(1, TaskState::Running, 1), None);
    let mut page = live(&mut parent, 0);
    page.pass(4_900);
    assert!(page.bar().is_none());
    page.pass(200);
    assert!(stale(&page), "there are children, and they are held back");
}

#[test]
fn grants_follow_the_cards() {
    let (mut parent, mut child, mut page) = on_child(0);
    let pane = page.viewer.view().pane.unwrap();
    // The child begins an epoch without the old grants; the relay turns the page out.
    let mut entropy = Entropy::from_seed([50; 32]);
    let grants = [Right::Watch, Right::Type].map(|right| Grant::generate(right, &mut entropy));
    let owner = std::mem::replace(&mut child.owner, OwnerKey::generate(&mut entropy));
    let mut child = Sharer::epoch(owner, entropy, grants, EpochId { start: UnixMs(2), random: 1 });
    let revoked = RelayToViewer::SessionEnded {
        channel: page.channel(),
        reason: EndedBecause::Revoked,
        end: None,
        final_number: 0,
        kept_ms: None,
    };
    page.control(&revoked);
    assert!(matches!(pill(&page, 1).session, Some(ChildSession::Unreachable { retry: true, .. })));
    assert_eq!(page.text_of(pane), "\x1bcthe child", "what was seen was seen");
    // The next card holds the new ones.
    page.turn_to(&parent);
    let row = parent.row(&of(&child, task(1, TaskState::Running, 2)), Some(child.reach()));
    page.rows(vec![row]);
    serve(&mut page, &mut child, "\x1bcanew");
    assert_eq!((page.viewer.view().state, page.text_of(pane)), (State::Live, "\x1bcanew".into()));
    // Removed: it stays, and is not joined again.
    page.turn_to(&parent);
    let mut gone = of(&child, task(1, TaskState::Running, 3));
    gone.removed = true;
    let row = parent.row(&gone, None);
    page.rows(vec![row]);
    page.turn_to(&child);
    page.control(&RelayToViewer::SessionEnded {
        channel: page.channel(),
        reason: EndedBecause::Revoked,
        end: None,
        final_number: 0,
        kept_ms: None,
    });
    assert_eq!(pill(&page, 1).status, Status::Unreachable);
    assert_eq!((page.viewer.watch_link(), page.text_of(pane)), (None, "\x1bcanew".into()));
    let joins = page.joins().count();
    page.give(Event::Select(Selection::Own));
    select(&mut page, 1);
    page.pass(30_000);
    assert_eq!(page.joins().count(), joins);
}

#[test]
fn the_panes_looked_at_last_are_kept_and_an_old_header_stays_refused() {
    let mut parent = Sharer::new(37);
    let mut page = live(&mut parent, 0);
    let mut children: Vec<Sharer> = (0..8).map(|n| Sharer::new(60 + n)).collect();
    let old = children[0].header.clone();
    children[0].header.revision = 2;
    let rows = (0u8..)
        .zip(&children)
        .map(|(n, child)| parent.row(&of(child, task(n, TaskState::Running, 1)), Some(child.reach())))
        .collect();
    page.rows(rows);
    for n in 0..8u8 {
        select(&mut page, n);
        serve(&mut page, &mut children[usize::from(n)], &format!("\x1bc{n}"));
    }
    assert_eq!(page.terminals.len(), 1 + panes::MAX_CHILDREN);
    let left = |page: &Page| {
        let leaves = |p: &&Packet| matches!(p, Packet::Text(t) if t.starts_with("{\"Leave"));
        page.sent.iter().filter(leaves).count()
    };
    assert_eq!(left(&page), 2, "of the others the room is left");
    let joins = page.joins().count();
    select(&mut page, 0);
    assert_eq!(page.joins().count(), joins + 1, "it is joined again");
    page.turn_to(&children[0]);
    page.control(&RelayToViewer::JoinedSuccessfully {
        channel: page.channel(),
        header: old.sign(&children[0].owner),
        latest: 0,
        resumed: false,
        source_type: crate::wire::source::SourceType::default(),
        source_task_id: None,
        away_ms: None,
        viewers: 1,
    });
    assert!(matches!(page.viewer.view().state, State::Reconnecting { .. }), "not with an older header");
    page.pass(20_000);
    serve(&mut page, &mut children[0], "\x1bcback");
    assert_eq!(page.viewer.view().state, State::Live);
}

#[test]
fn offline_the_bar_stays_and_comes_back_without_doubles() {
    let (mut parent, mut child, mut page) = on_child(0);
    let word = parent.attest(parent.events.point());
    page.turn_to(&parent);
    page.frame(&word);
    let before = names(&page);
    page.give(Event::Disconnected { code: Some(1006) });
    let bar = page.bar().unwrap();
    assert_eq!((names(&page), bar.standing), (before, Standing::Stale { since: UnixMs(1_000) }));
    assert_eq!(pill(&page, 1).status, Status::Running, "a lost connection is no state of a task");
    assert!(matches!(page.viewer.view().state, State::Reconnecting { .. }));
    page.pass(60_000);
    page.greet();
    page.turn_to(&parent);
    page.joined(&parent, true);
    page.answer(&parent);
    // An epoch's cards come again, and news with them.
    let rows = vec![
        parent.row(&of(&child, task(1, TaskState::Done, 2)), Some(child.reach())),
        parent.row(&task(2, TaskState::Starting, 1), None),
    ];
    page.rows(rows.clone());
    page.rows(rows);
    let word = parent.attest(parent.events.point());
    page.frame(&word);
    assert_eq!(page.bar().unwrap().standing, Standing::Present);
    assert_eq!(names(&page), ["Orchestrator", "child 1", "child 2"]);
    // The child's own pane goes on where it was.
    page.turn_to(&child);
    assert!(page.last_join().resume.is_some());
    let more = child.output(" goes on");
    page.joined(&child, true);
    page.event(more);
    page.answer(&child);
    let pane = page.viewer.view().pane.unwrap();
    assert_eq!(
        (page.viewer.view().state, page.text_of(pane)),
        (State::Live, "\x1bcthe child goes on".into())
    );
    // The parent's sharer goes: states stay, and say since when.
    page.turn_to(&parent);
    page.control(&RelayToViewer::SharerPresence { channel: page.channel(), away_ms: Some(0) });
    assert!(matches!(page.bar().unwrap().standing, Standing::ParentAway { .. }));
    assert_eq!(pill(&page, 1).status, Status::Done);
}

#[test]
fn a_new_epoch_of_the_parents_keeps_the_bar() {
    let (mut parent, child, mut page) = on_child(0);
    let before = names(&page);
    let mut entropy = Entropy::from_seed([51; 32]);
    let owner = std::mem::replace(&mut parent.owner, OwnerKey::generate(&mut entropy));
    let grants = parent.grants.clone();
    let mut next = Sharer::epoch(owner, entropy, grants, EpochId { start: UnixMs(2), random: 1 });
    page.turn_to(&next);
    page.control(&RelayToViewer::HeaderUpdated {
        channel: page.channel(),
        header: next.header.sign(&next.owner),
    });
    // A card of the epoch that is over is none in this one.
    let late = parent.cards.digest();
    page.joined(&next, false);
    assert_eq!(names(&page), before);
    let row = next.row(&of(&child, task(1, TaskState::Running, 1)), Some(child.reach()));
    page.rows(vec![row]);
    let word = next.attest(next.events.point());
    page.frame(&word);
    page.pass(6_000);
    assert_ne!(late, next.cards.digest());
    assert_eq!((names(&page), page.bar().unwrap().standing), (before, Standing::Present));
}

#[test]
fn names_are_made_safe_and_a_nameless_agent_has_the_one_fallback() {
    let mut parent = Sharer::new(38);
    let mut page = live(&mut parent, 0);
    let long = "x".repeat(10_000);
    let rows = ["<b>bold</b>", "\u{202e}live\u{2066}", "👩‍🚀 astronaut", &long, "\u{200b} "]
        .iter()
        .zip(1u8..)
        .map(|(name, n)| {
            let mut task = task(n, TaskState::Running, 1);
            task.name = (*name).into();
            parent.row(&task, None)
        })
        .collect();
    page.rows(rows);
    let all = names(&page);
    assert_eq!(all[1..4], ["<b>bold</b>", "live", "👩‍🚀 astronaut"]);
    assert_eq!(all[4].chars().count(), 80);
    assert_eq!((all[5].as_str(), pill(&page, 5).initial.as_str()), ("agent 5f2a…", "A"));
}

#[test]
fn a_link_of_a_child_shows_no_bar_and_asks_for_nothing_else() {
    let (_, mut child, page) = on_child(0);
    let link = page.viewer.watch_link().unwrap();
    let viewer = Viewer::new(link, Entropy::from_seed([1; 32]), Now::new(1_000, 1_000));
    let mut page = Page { viewer, ..Page::open(&child, 0) };
    page.greet();
    page.give(Event::Select(Selection::Child(id(2))));
    serve(&mut page, &mut child, "\x1bcthe child");
    let view = page.viewer.view();
    assert_eq!((view.state, view.bar, view.pane), (State::Live, None, Some(PaneId::OWN)));
    assert_eq!(page.joins().map(|(_, join)| join.session_id).collect::<Vec<_>>(), [child.owner.session_id()]);
    // The same screen as through the parent, under the same keys.
    assert_eq!(page.text(), "\x1bcthe child");
    assert_ne!(page.last_join().token, GrantSecret([0; 16]).token(child.owner.session_id()));
}

#[test]
fn an_address_names_the_selected_child_and_stays_the_parents() {
    let mut parent = Sharer::new(43);
    let mut page = Page::open(&parent, 1);
    // Wanted before anybody knows it.
    select(&mut page, 1);
    assert_eq!(page.viewer.address(), None, "a link that types is not shown");
    page.greet();
    serve(&mut page, &mut parent, "\x1bcscreen ");
    assert_eq!(page.viewer.view().pane, Some(PaneId::OWN));
    let address = page.viewer.address().unwrap();
    let (link, child) = Link::parse_deep(&address).unwrap();
    assert_eq!((link.session, child), (parent.owner.session_id(), Some(id(1))));
    assert_eq!(link.secret, parent.grants[0].secret, "it watches");
    let row = parent.row(&task(1, TaskState::Starting, 1), None);
    page.rows(vec![row]);
    assert_eq!(page.viewer.view().state, State::Child(ChildSession::NotStarted), "now it is selected");
    assert_eq!(page.viewer.address().unwrap(), address);
    page.give(Event::Select(Selection::Own));
    assert_eq!(page.viewer.address().unwrap(), link.to_string());
}

#[test]
fn what_rings_is_marked_until_it_is_looked_at() {
    let mut parent = Sharer::new(39);
    let mut page = live(&mut parent, 0);
    let mut ring = |page: &mut Page, n: u8, revision: u64, rings: bool| {
        let mut task = task(n, TaskState::Running, revision);
        task.wants_attention = rings;
        let row = parent.row(&task, None);
        page.rows(vec![row]);
    };
    for n in 1..4 {
        ring(&mut page, n, 1, n == 2);
    }
    assert!(pill(&page, 2).attention && !pill(&page, 1).attention);
    page.give(Event::Order(Order::Attention));
    page.give(Event::Pin { task: id(3), pinned: true });
    assert_eq!(names(&page)[1..], ["child 3", "child 2", "child 1"]);
    select(&mut page, 2);
    assert!(!pill(&page, 2).attention);
    ring(&mut page, 2, 2, true);
    assert!(!pill(&page, 2).attention, "it is being looked at");
    page.give(Event::Select(Selection::Own));
    ring(&mut page, 2, 3, false);
    ring(&mut page, 2, 4, true);
    assert!(pill(&page, 2).attention, "it rang again");
    page.give(Event::Order(Order::Started));
    assert_eq!(names(&page)[1..], ["child 1", "child 2", "child 3"]);
    let bar = page.bar().unwrap();
    assert_eq!(bar.next(-1), Some(&Selection::Child(id(3))), "around the end");
    assert_eq!((bar.next(1), bar.nth(0)), (Some(&Selection::Child(id(1))), Some(&Selection::Own)));
}
