//! Children are shared with the first program, and stop being shared with it.

use serde_json::Value;
use shared::link::Link;

use super::sharing::{Sharing, until};
use super::watching::Watcher;

fn link(event: &Value, which: &str) -> Link {
    Link::parse(event["links"][which].as_str().unwrap()).unwrap()
}

#[test]
fn a_child_is_shared_with_its_parent_and_its_output_is_kept_when_it_dies_at_once() {
    let (sharing, inside) = Sharing::idle(&[]);
    let parent = sharing.event("shared", |_| true);
    let id = sharing.spawn(&inside, &["--name", "quick"], "echo CHILD-CANARY; exit 9");
    let over = sharing.event("task", |event| event["task_id"] == *id && event["state"] == "error");
    // It has ended, and can be looked at all the same.
    Watcher::run(&link(&over, "read"), "the child's output", |watcher| {
        watcher.shows("CHILD-CANARY") && watcher.ended
    });
    let watcher =
        Watcher::run(&link(&parent, "read"), "the parent's screen", |watcher| watcher.point.is_some());
    assert!(!watcher.shows("CHILD-CANARY"), "the parent shows its own: {}", watcher.text());
    let rows = sharing.rows(&inside);
    assert_eq!(rows[0]["shared"], true);
    // Each link is of one session.
    let (child, parent) = (link(&over, "read"), link(&parent, "read"));
    assert_ne!(child.session, parent.session);
    for (session, secret) in [(&child, &parent), (&parent, &child)] {
        let mixed = Link { secret: secret.secret.clone(), ..session.clone() };
        // A child's secret opens its session only, and a parent's its own.
        until("the wrong secret to be refused", || Watcher::is_refused(&mixed).then_some(()));
    }
}

#[test]
fn a_child_that_floods_and_dies_leaves_its_last_line() {
    let (sharing, inside) = Sharing::idle(&[]);
    let id = sharing.spawn(&inside, &["--name", "flood"], "seq 1 400000; echo LAST-CANARY; kill -9 $$");
    let over = sharing.event("task", |event| event["task_id"] == *id && event["state"] == "cancelled");
    assert_eq!(over["reason"], "SIGKILL");
    Watcher::run(&link(&over, "read"), "its last line", |watcher| {
        watcher.shows("400000\r\nLAST-CANARY") || (watcher.shows("400000") && watcher.shows("LAST-CANARY"))
    });
}

#[test]
fn children_from_before_and_during_the_share_are_shared_and_none_afterwards() {
    let (sharing, inside) = Sharing::idle(&["--private"]);
    let start = |name: &str| {
        let script = format!("echo {name}-canary; sleep 600");
        sharing.spawn(&inside, &["--name", name], &script)
    };
    let event = |id: &str, shared: bool| {
        sharing.event("task", |event| event["task_id"] == *id && event["links"].is_object() == shared)
    };
    let before = start("before");
    event(&before, false);
    assert!(sharing.beside(&["share"]).status.success());
    let during = start("during");
    let links: Vec<Link> = [&before, &during].map(|id| link(&event(id, true), "read")).into();
    for (link, canary) in links.iter().zip(["before-canary", "during-canary"]) {
        Watcher::run(link, canary, |watcher| watcher.shows(canary));
    }
    assert!(sharing.beside(&["unshare"]).status.success());
    for link in &links {
        until("the child's room to be gone", || Watcher::is_refused(link).then_some(()));
    }
    let after = start("after");
    event(&after, false);
    assert!(sharing.rows(&inside).iter().all(|row| row["shared"] == false));
    // Shared again, all three are, under new links.
    assert!(sharing.beside(&["share"]).status.success());
    for id in [&before, &during, &after] {
        let again = sharing.event("task", |event| {
            event["task_id"] == **id
                && event["links"]["read"]
                    .as_str()
                    .and_then(|text| Link::parse(text).ok())
                    .is_some_and(|link| links.iter().all(|old| old.session != link.session))
        });
        Watcher::run(&link(&again, "read"), "the screen", |watcher| watcher.shows("-canary"));
    }
}

#[test]
fn when_everything_ends_every_link_says_so() {
    let mut sharing = Sharing::start(
        &[],
        "$SHARER_BIN spawn --name child -- sh -c 'echo CHILD; sleep 600'; mkfifo $H/go; read go < $H/go; exit 3",
    );
    let parent = sharing.event("shared", |_| true);
    let child = sharing.event("task", |event| event["name"] == "child" && event["links"].is_object());
    let go = sharing.path("go");
    let watchers = [parent, child].map(|event| {
        let link = link(&event, "read");
        std::thread::spawn(move || Watcher::run(&link, "the end", |watcher| watcher.ended))
    });
    // Both are there before the end.
    until("two viewers", || {
        let status = sharing.beside(&["status", "--json"]);
        let status: Value = serde_json::from_slice(&status.stdout).unwrap();
        (status[0]["viewers"] == 1).then_some(())
    });
    until("the pipe", || go.exists().then_some(()));
    std::fs::write(&go, "go\n").unwrap();
    assert_eq!(sharing.ended(), Some(3));
    for watcher in watchers {
        assert!(watcher.join().unwrap().ended);
    }
}
