//! `sharer -- COMMAND` inside a shared terminal.

use shared::link::Link;

use rustix::process::Signal;

use super::sharing::{Sharing, runs, text, until};
use super::watching::Watcher;

fn link(event: &serde_json::Value) -> Link {
    Link::parse(event["links"]["read"].as_str().unwrap()).unwrap()
}

#[test]
fn a_nested_sharer_is_a_child_and_keeps_its_terminal_and_its_status() {
    let script = "env > $H/env.new; mv $H/env.new $H/env; \
                  $SHARER_BIN --title nest -- sh -c 'stty size > $H/size; env > $H/nested.new; mv $H/nested.new $H/nested; \
                  echo NEST-CANARY; read line; echo got-$line; exit 5'; echo $? > $H/status.new; mv $H/status.new $H/status; sleep 600";
    let sharing = Sharing::start(&[], script);
    let (inside, nested) = (sharing.inside("env"), sharing.inside("nested"));
    assert_eq!(sharing.file("size"), "40 120\n", "as large as the terminal it is in");
    let row = sharing.rows(&inside).pop().unwrap();
    assert_eq!(
        (&row["name"], &row["shared"], &row["state"]),
        (&"nest".into(), &true.into(), &"running".into())
    );
    assert_eq!(nested["SHARER_TASK_ID"], row["task_id"].as_str().unwrap());
    assert_eq!(nested["SHARER_PARENT_TASK_ID"], inside["SHARER_TASK_ID"]);
    assert_ne!(nested["SHARER_CONTROL_TOKEN"], inside["SHARER_CONTROL_TOKEN"]);

    let child = sharing.event("task", |event| event["name"] == "nest" && event["links"].is_object());
    Watcher::run(&link(&child), "its screen", |watcher| watcher.shows("NEST-CANARY"));
    let parent = sharing.event("shared", |_| true);
    let seen = Watcher::run(&link(&parent), "its terminal", |watcher| watcher.shows("NEST-CANARY"));
    assert!(seen.shows("a task of the session around this: nest"), "{}", seen.text());
    assert!(!seen.text().contains("/s/"), "no link in a shared terminal: {}", seen.text());

    assert!(sharing.run(&inside, &["tell", "nest", "word"]).status.success());
    assert_eq!(sharing.file("status"), "5\n");
    let waited = sharing.run(&inside, &["wait", "nest"]);
    assert_eq!(
        (waited.status.code(), text(&waited.stdout)),
        (Some(5), "nest: error (exit status 5)\n".into())
    );
    Watcher::run(&link(&child), "its end", |watcher| watcher.shows("got-word") && watcher.ended);
}

#[test]
fn what_a_task_cannot_have_is_said_to_be_left_out() {
    // Nothing is at that relay: nobody asks it.
    let nest = |quiet: &str, name: &str| {
        format!(
            "$SHARER_BIN {quiet} --relay http://127.0.0.1:9 --keep 7d --title {name} -- true 2> $H/{name}"
        )
    };
    let script = format!("{}; {}; echo > $H/done; sleep 600", nest("", "told"), nest("-q", "quiet"));
    let sharing = Sharing::start(&[], &script);
    sharing.file("done");
    let said = sharing.file("told");
    assert!(
        said.contains(
            "--relay and --keep are left out: this is a task of the session around this (--no-child"
        ),
        "{said}"
    );
    let quiet = std::fs::read_to_string(sharing.path("quiet")).unwrap();
    assert_eq!(quiet, "");
}

#[test]
fn a_nested_program_is_killed_like_a_task_and_outlives_no_crash() {
    let nest = |name: &str| {
        format!(
            "$SHARER_BIN -q --title {name} -- sh -c 'trap \"\" HUP; echo $$ > $H/{name}.new; mv $H/{name}.new $H/{name}; sleep 600; sleep 600'"
        )
    };
    let script =
        format!("env > $H/env.new; mv $H/env.new $H/env; {}; {}; sleep 600", nest("one"), nest("two"));
    let mut sharing = Sharing::start(&[], &script);
    let inside = sharing.inside("env");
    let pid = |name: &str| sharing.file(name).trim().parse::<i32>().unwrap();
    let one = pid("one");
    assert!(runs(one) && sharing.run(&inside, &["kill", "one"]).status.success());
    assert_eq!(text(&sharing.run(&inside, &["wait", "one"]).stdout), "one: cancelled\n");
    until("it to be gone", || (!runs(one)).then_some(()));
    let two = pid("two");
    assert!(runs(two));
    sharing.signal(Signal::KILL);
    sharing.ended();
    until("no orphan", || (!runs(two)).then_some(()));
}

#[test]
fn shared_apart_it_prints_no_link_where_it_can_be_seen() {
    let script = "$SHARER_BIN --no-child -- sh -c 'echo APART; env > $H/apart.new; mv $H/apart.new $H/apart; sleep 600'";
    let sharing = Sharing::start(&[], script);
    let parent = sharing.event("shared", |_| true);
    sharing.file("apart");
    let seen = Watcher::run(&link(&parent), "its terminal", |watcher| watcher.shows("APART"));
    assert!(seen.shows("sharer: sharing") && !seen.text().contains("/s/"), "{}", seen.text());
    let status = text(&sharing.beside(&["status"]).stdout);
    assert_eq!(status.matches("  session ").count(), 2, "a session of its own: {status}");
}
