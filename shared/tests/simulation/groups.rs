//! Groups over a network that breaks: whatever is spawned, shared, unshared and exits in whatever order, a parent's link ends
//! up seeing each child as its owner says it is, and each child's own link its exact screen.

use std::collections::BTreeMap;

use shared::event::WindowSize;
use shared::id::TaskId;
use shared::keys::grant::Right;
use shared::orchestration::status::TaskState;
use shared::orchestration::task::Task;
use shared::sharer::{Begin, SessionConfig};
use shared::time::UnixMs;
use shared::viewer::{ChildSession, Selection, State, Status};
use shared::wire::source::SessionSource;

use crate::laws::each_case;
use crate::network::End;
use crate::screen::ByteLog;
use crate::world::{Stepping, World};

const SHARER: End = End::Sharer(0);
/// The parent is 0.
const TASKS: usize = 6;
/// What must have happened in a run.
const ALL: [&str; 10] = [
    "spawn",
    "share",
    "unshare",
    "exit",
    "output",
    "cut at the sharer",
    "cut at the viewer",
    "amnesia",
    "suspended",
    "stop",
];

fn id(at: usize) -> TaskId {
    TaskId(format!("task {at}"))
}

fn task(at: usize, state: TaskState) -> Task {
    let parent = (at > 0).then(|| id(0));
    let mut task = Task::new(id(at), parent, "name", UnixMs(1));
    task.state = state;
    task
}

fn spawn(world: &mut World<ByteLog>, at: usize) -> bool {
    let config = SessionConfig {
        title: format!("{at}"),
        read_only: false,
        compress: true,
        window: WindowSize { cols: 80, rows: 24 },
        source: SessionSource::default(),
        announced: true,
        keep: None,
    };
    world.with_program(0, |machine, now, _| machine.host(now, task(at, TaskState::Running), config))
}

/// The program of a task's session, while it is shared.
fn shared(world: &mut World<ByteLog>, at: usize) -> Option<usize> {
    let session = world.sharers[0].machine.session_of(&id(at))?;
    Some(world.program(0, session))
}

fn act(world: &mut World<ByteLog>) -> &'static str {
    let child = world.random.within(1, TASKS as u64) as usize;
    match world.random.below(24) {
        0..=4 => {
            if spawn(world, child) {
                "spawn"
            } else {
                ""
            }
        }
        5..=7 => {
            let began =
                world.with_program(0, |machine, now, _| machine.share(now, &id(child), Begin::Screen));
            if began.is_some() { "share" } else { "" }
        }
        8..=10 => {
            if world.with_program(0, |machine, now, _| machine.unshare(now, &id(child))) {
                "unshare"
            } else {
                ""
            }
        }
        11 => match shared(world, child) {
            Some(program) => {
                world.with_program(program, |machine, now, session| {
                    machine.handle_exit(now, session, Some(0), None);
                    machine.handle_task(now, task(child, TaskState::Done));
                });
                "exit"
            }
            None => "",
        },
        12..=16 => {
            let at = world.random.index(TASKS);
            let Some(program) = shared(world, at) else { return "" };
            let text = world.random.text(500);
            world.output(program, &text);
            "output"
        }
        17 | 18 => {
            if world.cut(SHARER, 1, 0) {
                "cut at the sharer"
            } else {
                ""
            }
        }
        19 | 20 => {
            if world.cut(End::Viewer(0), 1, 0) {
                "cut at the viewer"
            } else {
                ""
            }
        }
        21 => {
            let down = world.random.below(5_000);
            world.kill_relay(down, 1);
            "amnesia"
        }
        _ => {
            let until = world.ms + world.random.below(60_000);
            world.peer(SHARER).frozen_until = until;
            "suspended"
        }
    }
}

#[test]
fn a_parents_link_ends_up_seeing_each_child_as_it_is() {
    let mut happened = BTreeMap::new();
    let full = each_case(64, |seed| {
        let mut world = World::<ByteLog>::new(seed, Stepping::Own);
        assert!(spawn(&mut world, 0));
        world.with_program(0, |machine, now, _| machine.share(now, &id(0), Begin::Fresh)).unwrap();
        let parent = shared(&mut world, 0).unwrap();
        let link = world.link_of(parent, if seed % 2 == 0 { Right::Watch } else { Right::Type });
        let viewer = world.add_viewer(link);
        for _ in 0..30 {
            *happened.entry(act(&mut world)).or_insert(0) += 1;
            let wait = match world.random.below(3) {
                0 => 0,
                1 => world.random.below(50),
                _ => world.random.below(8_000),
            };
            world.run(wait);
        }
        world.heal();
        world.run(200_000);
        world.assert_exact(viewer);
        let pills = world.view(viewer).bar.map(|bar| bar.pills.clone()).unwrap_or_default();
        for child in 1..TASKS {
            let pill = pills.iter().find(|pill| pill.selects == Selection::Child(id(child)));
            let Some(program) = shared(&mut world, child) else {
                assert!(
                    pill.is_none_or(|pill| pill.session != Some(ChildSession::Live)),
                    "{child}: {pill:?}"
                );
                continue;
            };
            let pill = pill.unwrap_or_else(|| panic!("no pill for {child}"));
            assert_eq!((pill.status, &pill.session), (Status::Running, &Some(ChildSession::Live)), "{child}");
            let link = world.link_of(program, Right::Watch);
            let own = world.add_viewer(link);
            world.run(5_000);
            world.assert_exact(own);
        }
        assert!(world.with_program(0, |machine, now, _| machine.unshare(now, &id(0))));
        *happened.entry("stop").or_insert(0) += 1;
        world.run(5_000);
        assert!(matches!(world.view(viewer).state, State::Ended(_)), "{:?}", world.view(viewer).state);
    });
    println!("{happened:?}");
    let missing: Vec<_> = ALL.iter().filter(|what| !happened.contains_key(*what)).collect();
    assert!(!full || missing.is_empty(), "never happened: {missing:?}");
}
