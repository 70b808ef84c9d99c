//! Private until shared: nothing leaves before, and nothing after.

use std::io::Read as _;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use shared::link::Link;
use sharer_native::term::TRIMMED;

use super::sharing::{Inside, Sharing, text, until};
use super::watching::Watcher;

/// A relay that only counts what reaches it.
fn listener() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let bytes = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&bytes);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut chunk) {
                counted.fetch_add(read, Ordering::Relaxed);
            }
        }
    });
    (url, bytes)
}

#[test]
fn a_private_session_sends_nothing_to_any_relay_until_it_is_shared() {
    let (url, bytes) = listener();
    let sharing = Sharing::start(
        &["--private", "--relay", &url],
        "$SHARER_BIN spawn -- sh -c 'seq 1 1000; echo > $H/child; sleep 600'; seq 1 1000; echo > $H/ready; sleep 600",
    );
    sharing.file("ready");
    sharing.file("child");
    assert_eq!(text(&sharing.beside(&["status"]).stdout).lines().count(), 1);
    let listed = text(&sharing.beside(&["ls"]).stdout);
    assert!(listed.contains("private") && listed.contains("sh: running"), "{listed}");
    assert_eq!(bytes.load(Ordering::Relaxed), 0);
    // The control: shared, it calls the relay; and says that it waits for it.
    let said = text(&sharing.beside(&["share"]).stdout);
    assert!(said.contains("as soon as the relay is there") && said.contains("/s/"), "{said}");
    until("the relay to be called", || (bytes.load(Ordering::Relaxed) > 0).then_some(()));
    assert!(text(&sharing.beside(&["status"]).stdout).contains("share pending"));
    assert!(sharing.beside(&["unshare"]).status.success());
    assert!(text(&sharing.beside(&["ls"]).stdout).contains("private"), "undone");
}

#[test]
fn what_was_private_has_its_title_when_it_is_shared() {
    for (options, title) in [(&["--private", "--title", "my work"][..], "my work"), (&["--private"], "sh -c")]
    {
        let sharing = Sharing::start(options, "echo > $H/ready; sleep 600");
        sharing.file("ready");
        assert!(sharing.beside(&["share"]).status.success());
        let shared = sharing.event("shared", |_| true);
        let link = Link::parse(shared["links"]["read"].as_str().unwrap()).unwrap();
        let title = format!("\x1b]2;{title}");
        Watcher::run(&link, "the title", |watcher| watcher.shows(&title));
    }
}

#[test]
fn a_share_begins_at_the_current_screen_or_with_what_scrolled_off() {
    for (options, early) in [(&["share"][..], false), (&["share", "--from-start"], true)] {
        let sharing = Sharing::start(
            &["--private", "--title", "private"],
            "echo EARLY; seq 1 100; echo LATE; echo > $H/ready; read go < $H/go; sleep 600",
        );
        sharing.file("ready");
        let said = sharing.beside(options);
        assert!(said.status.success(), "{}", text(&said.stderr));
        let shared = sharing.event("shared", |_| true);
        let link = Link::parse(shared["links"]["read"].as_str().unwrap()).unwrap();
        let history = Watcher::run(&link, "the history", |watcher| watcher.full.is_some());
        assert!(history.shows("LATE"), "{}", history.text());
        assert_eq!(history.full_text().contains("EARLY"), early, "{options:?}: {}", history.full_text());
    }
}

#[test]
fn after_unshare_nothing_can_be_joined_and_the_next_share_has_new_links() {
    let sharing = Sharing::start(&[], "read go < $H/go; sleep 600");
    let first = sharing.event("shared", |_| true);
    let link = Link::parse(first["links"]["read"].as_str().unwrap()).unwrap();
    Watcher::run(&link, "the screen", |watcher| watcher.point.is_some());
    assert!(sharing.beside(&["unshare"]).status.success());
    sharing.event("unshared", |_| true);
    until("the room to be gone", || Watcher::is_refused(&link).then_some(()));
    assert!(sharing.beside(&["share"]).status.success());
    let second = sharing.event("shared", |event| event["session_id"] != first["session_id"]);
    assert_ne!(second["links"], first["links"]);
    let again = Link::parse(second["links"]["read"].as_str().unwrap()).unwrap();
    Watcher::run(&again, "the screen again", |watcher| watcher.point.is_some());
}

#[test]
fn what_scrolled_off_below_a_full_screen_program_is_not_shared_either() {
    for (options, early) in [(&["share"][..], false), (&["share", "--from-start"], true)] {
        let sharing = Sharing::start(
            &["--private", "--title", "private"],
            "mkfifo $H/go; echo EARLY; seq 1 100; printf '\\033[?1049h'; echo FULL; echo > $H/ready; read go < $H/go; \
             printf '\\033[?1049l'; echo AFTER; sleep 600",
        );
        sharing.file("ready");
        assert!(sharing.beside(options).status.success());
        let shared = sharing.event("shared", |_| true);
        let link = Link::parse(shared["links"]["read"].as_str().unwrap()).unwrap();
        let before = Watcher::run(&link, "the other screen", |watcher| {
            watcher.full.is_some() && watcher.shows("FULL")
        });
        assert_eq!(before.full_text().contains("EARLY"), early, "{options:?}: {}", before.full_text());
        std::fs::write(sharing.path("go"), "go\n").unwrap();
        // The primary screen is back; its last lines are what is on the screen, and no more.
        let after = Watcher::run(&link, "the screen below", |watcher| {
            watcher.full.is_some() && (watcher.shows("AFTER") || watcher.full_text().contains("AFTER"))
        });
        let seen = after.full_text() + &after.text();
        assert!(seen.contains("100"), "{seen}");
        assert_eq!(seen.contains("EARLY"), early, "{options:?}: {seen}");
    }
}

#[test]
fn beyond_256_mib_the_child_that_was_quiet_longest_lets_go_of_its_history_and_says_so() {
    // Each takes 20,000 lines of 120 cells of 24 bytes: five take 288 MB.
    let (sharing, inside) = Sharing::idle(&["--private", "--scrollback", "20000"]);
    let names = ["a", "b", "c", "d", "e"];
    for name in names {
        // The model answers the query when it has read all that came before.
        let script = format!(
            "stty raw -echo; seq 1 20100 | sed 's/$/\\r/'; printf '\\033[6n'; head -c1 > /dev/null; echo > $H/{name}; sleep 600"
        );
        sharing.spawn(&inside, &["--name", name], &script);
        sharing.file(name);
    }
    assert!(sharing.beside(&["share", "--from-start"]).status.success());
    for name in names {
        let task = sharing.event("task", |event| event["name"] == name && event["links"].is_object());
        let link = Link::parse(task["links"]["read"].as_str().unwrap()).unwrap();
        let watcher = Watcher::run(&link, "the history", |watcher| watcher.full.is_some());
        let (full, quietest) = (watcher.full_text(), name == "a");
        assert!(full.contains("20100"), "{name}");
        assert_eq!(full.contains(TRIMMED), quietest, "{name}");
        assert_eq!(full.contains("\r\n150\r\n"), !quietest, "{name}");
    }
}

#[test]
fn one_task_is_shared_alone_and_nothing_of_its_parent_and_siblings_leaves() {
    let (sharing, inside) = Sharing::idle(&["--private"]);
    let alone = sharing.spawn(&inside, &["--name", "alone"], "echo ALONE; sleep 600");
    sharing.spawn(&inside, &["--name", "sibling"], "echo SIBLING; sleep 600");
    let said = text(&sharing.beside(&["share", "--session", &alone]).stdout);
    assert!(said.contains("Shared") && said.matches("/s/").count() == 2, "{said}");
    let shared = sharing.event("task", |event| event["task_id"] == *alone && event["links"].is_object());
    let link = Link::parse(shared["links"]["read"].as_str().unwrap()).unwrap();
    Watcher::run(&link, "the child's screen", |watcher| watcher.shows("ALONE"));
    let rows = sharing.rows(&inside);
    let is_shared = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap()["shared"] == true;
    assert!(is_shared("alone") && !is_shared("sibling"));
    assert!(text(&sharing.beside(&["ls"]).stdout).contains("private"), "its parent is");
    // Shared with everybody and private again, it goes on: it was shared on its own.
    assert!(sharing.beside(&["share"]).status.success());
    let parent = sharing.event("shared", |_| true);
    assert!(sharing.beside(&["unshare"]).status.success());
    let parent = Link::parse(parent["links"]["read"].as_str().unwrap()).unwrap();
    until("the parent's end", || Watcher::is_refused(&parent).then_some(()));
    Watcher::run(&link, "the child's screen", |watcher| watcher.shows("ALONE") && !watcher.ended);
    assert!(sharing.beside(&["unshare", "--session", &alone]).status.success());
    until("the child's end", || Watcher::is_refused(&link).then_some(()));
}

#[test]
fn only_the_owner_shares_and_the_first_program_without_seeing_the_link() {
    let script = "$SHARER_BIN spawn -- sh -c 'env > $H/child.new; mv $H/child.new $H/child; sleep 600'; \
                  $SHARER_BIN share > $H/said 2>&1; env > $H/env.new; mv $H/env.new $H/env; sleep 600";
    let sharing = Sharing::start(&["--private"], script);
    let (child, first): (Inside, Inside) = (sharing.inside("child"), sharing.inside("env"));
    let said = sharing.file("said");
    assert!(said.contains("Shared") && !said.contains('#'), "no link where it can be seen: {said}");
    for arguments in [&["share"][..], &["unshare"]] {
        let output = sharing.run(&child, arguments);
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(!said.contains('#'), "{said}");
    }
    let refused = text(&sharing.run(&child, &["share"]).stderr);
    assert!(refused.contains("only you"), "{refused}");
    assert!(first.contains_key("SHARER_CONTROL_TOKEN"));
}
