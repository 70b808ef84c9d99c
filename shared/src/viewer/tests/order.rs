//! Cards, selections and breaks in any order: what is shown is always what it says it is.

use proptest::prelude::*;

use super::*;
use crate::orchestration::status::TaskState;

const CHILDREN: u8 = 9;

/// What happens.
#[derive(Debug, Clone)]
enum Act {
    /// A card arrives: of this child, in this revision; perhaps under another child's id.
    Card(u8, u8, Option<u8>),
    Select(Option<u8>),
    /// The relay lets a child's pane in.
    Serve(u8),
    Break,
    Pass(u64),
    Attest,
    Order(bool),
}

fn act() -> impl Strategy<Value = Act> {
    let child = 0..CHILDREN;
    prop_oneof![
        6 => (child.clone(), 0u8..4, proptest::option::weighted(0.1, child.clone())).prop_map(|(n, r, under)| Act::Card(n, r, under)),
        4 => proptest::option::of(child.clone()).prop_map(Act::Select),
        4 => child.prop_map(Act::Serve),
        1 => Just(Act::Break),
        1 => (0u64..8_000).prop_map(Act::Pass),
        1 => Just(Act::Attest),
        1 => any::<bool>().prop_map(Act::Order),
    ]
}

fn id(n: u8) -> TaskId {
    TaskId(format!("{n}"))
}

/// Each child's revisions: no session, a session, final without a word, final with its session; all under this driver.
fn rows(parent: &mut Sharer, children: &[Sharer], driver: Option<&str>) -> Vec<Vec<TaskRow>> {
    let row = |n: u8, child: &Sharer, revision: u64, parent: &mut Sharer| {
        let mut task = Task::new(id(n), None, &format!("{n}"), UnixMs(n.into()));
        task.revision = revision + 1;
        task.driver = driver.map(Into::into);
        task.state = [TaskState::Starting, TaskState::Running, TaskState::Done, TaskState::Error]
            [usize::try_from(revision).unwrap()];
        let reached = revision > 0;
        task.session = reached.then(|| child.owner.session_id());
        parent.row(&task, reached.then(|| child.reach()))
    };
    let all = (0u8..).zip(children);
    all.map(|(n, child)| (0..4).map(|revision| row(n, child, revision, parent)).collect()).collect()
}

type Look<'a> = dyn FnMut(&Page, &[Option<u8>]) -> Result<(), TestCaseError> + 'a;

/// Does all this, and looks at the page after each; `known` has the newest revision of each child that was said.
fn play(acts: &[Act], driver: Option<&str>, look: &mut Look<'_>) -> Result<(), TestCaseError> {
    let mut parent = Sharer::new(70);
    let mut children: Vec<Sharer> = (0..CHILDREN).map(|n| Sharer::new(100 + n)).collect();
    let rows = rows(&mut parent, &children, driver);
    let mut page = live(&mut parent, 0);
    let mut known = [None::<u8>; CHILDREN as usize];
    for act in acts.iter().cloned() {
        page.turn_to(&parent);
        match act {
            Act::Card(n, revision, under) => {
                let mut row = rows[usize::from(n)][usize::from(revision)].clone();
                if let Some(other) = under {
                    row.task_id = id(other);
                }
                let joined = page.viewer.panes.own().stage == Stage::Joined;
                page.rows(vec![row]);
                if joined && under.is_none_or(|other| other == n) {
                    let newest = &mut known[usize::from(n)];
                    *newest = (*newest).max(Some(revision));
                }
            }
            Act::Select(n) => {
                page.give(Event::Select(n.map_or(Selection::Own, |n| Selection::Child(id(n)))));
            }
            Act::Serve(n) => {
                let child = &mut children[usize::from(n)];
                page.turn_to(child);
                if page.newest_join().is_some() {
                    page.joined(child, false);
                    let snapshot = child.snapshot(&format!("\x1bcI am {n}"), None);
                    page.snapshot(&snapshot, Part::Screen);
                    page.answer(child);
                }
            }
            Act::Break => {
                page.give(Event::Disconnected { code: None });
                page.pass(1_000);
                page.greet();
                page.joined(&parent, true);
                page.answer(&parent);
            }
            Act::Pass(ms) => page.pass(ms),
            Act::Attest => {
                let word = parent.attest(parent.events.point());
                page.frame(&word);
            }
            Act::Order(attention) => {
                page.give(Event::Order(if attention { Order::Attention } else { Order::Started }));
            }
        }
        look(&page, &known)?;
    }
    Ok(())
}

proptest! {
    #[test]
    fn whatever_the_order_a_pill_shows_its_own_session(acts in proptest::collection::vec(act(), 0..60)) {
        let mut before = Vec::new();
        play(&acts, None, &mut |page, known| check(page, known, &mut before))?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn where_a_child_runs_is_a_label_and_changes_nothing_else(acts in proptest::collection::vec(act(), 0..30)) {
        let seen = |driver| {
            let mut views = Vec::new();
            let mut labels = 0;
            play(&acts, driver, &mut |page, _| {
                let mut view = page.viewer.view();
                for pill in view.bar.iter_mut().flat_map(|bar| &mut Arc::make_mut(bar).pills) {
                    labels += usize::from(pill.driver.take().is_some());
                }
                views.push((view, page.text()));
                Ok(())
            })?;
            Ok::<_, TestCaseError>((views, labels))
        };
        let ((here, none), (there, some)) = (seen(None)?, seen(Some("elsewhere"))?);
        let children: usize = here.iter().flat_map(|(view, _)| &view.bar).map(|bar| bar.pills.len() - 1).sum();
        prop_assert_eq!((none, some), (0, children), "each child is labelled, and only there");
        for (here, there) in here.into_iter().zip(there) {
            prop_assert_eq!(here, there);
        }
    }
}

fn check(page: &Page, known: &[Option<u8>], before: &mut Vec<Selection>) -> Result<(), TestCaseError> {
    let view = page.viewer.view();
    let Some(bar) = view.bar else {
        prop_assert!(known.iter().all(Option::is_none), "a child is known and there is no bar");
        prop_assert_eq!(view.pane, Some(PaneId::OWN));
        return Ok(());
    };
    // Each child once, none lost, the orchestrator first, and one selected.
    prop_assert_eq!(&bar.pills[0].selects, &Selection::Own);
    prop_assert_eq!(bar.pills.iter().filter(|pill| pill.selected).count(), 1);
    let mut all: Vec<Selection> = bar.pills.iter().map(|pill| pill.selects.clone()).collect();
    if bar.order == Order::Started {
        // What was there stands as it stood.
        let kept: Vec<&Selection> = all.iter().filter(|pill| before.contains(pill)).collect();
        let stood: Vec<&Selection> = before.iter().collect();
        prop_assert_eq!(kept, stood);
        before.clone_from(&all);
    }
    all.sort();
    let expected = (0u8..).zip(known).filter(|(_, newest)| newest.is_some());
    let expected: Vec<Selection> =
        std::iter::once(Selection::Own).chain(expected.map(|(n, _)| Selection::Child(id(n)))).collect();
    prop_assert_eq!(&all, &expected);
    for pill in &bar.pills[1..] {
        let Selection::Child(TaskId(n)) = &pill.selects else { panic!("two orchestrators") };
        let newest = known[n.parse::<usize>().unwrap()].unwrap();
        // No state goes back.
        let states = [Status::Starting, Status::Running, Status::Done, Status::Error];
        prop_assert_eq!(pill.status, states[usize::from(newest)]);
        prop_assert_eq!(&pill.name, n);
        if pill.selected {
            // Its own session, or none; never another's.
            prop_assert_eq!(view.pane.is_some(), newest > 0);
            let shown = view.pane.map(|pane| page.text_of(pane)).unwrap_or_default();
            prop_assert!(shown.is_empty() || shown == format!("\x1bcI am {n}"), "{n} shows {shown:?}");
        }
    }
    if bar.pills[0].selected {
        prop_assert_eq!(view.pane, Some(PaneId::OWN));
        prop_assert_eq!(page.text(), "\x1bcscreen ");
    }
    prop_assert!(page.terminals.len() <= 1 + panes::MAX_CHILDREN);
    Ok(())
}
