//! Children: started, told, listed, ended, never orphaned.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::sharing::{Sharing, runs, text, until};

#[test]
fn a_script_inside_waits_for_its_child_and_gets_its_status() {
    for (ends, status) in [("exit 7", 7), ("exit 0", 0), ("kill -KILL $$", 137), ("kill -TERM $$", 143)] {
        let script = format!("exec $SHARER_BIN spawn --wait -- sh -c '{ends}'");
        assert_eq!(Sharing::start(&[], &script).ended(), Some(status), "{ends}");
    }
    let later = "id=$($SHARER_BIN spawn -- sh -c 'exit 9') && $SHARER_BIN ps && $SHARER_BIN wait $id";
    assert_eq!(Sharing::start(&[], later).ended(), Some(9));
}

#[test]
fn a_name_that_is_taken_is_told() {
    let (sharing, inside) = Sharing::idle(&[]);
    let spawn = |options: &[&str]| {
        sharing.run(&inside, &[&["spawn"], options, &["--", "sh", "-c", "exec sleep 600"]].concat())
    };
    assert_eq!(text(&spawn(&["--name", "tests"]).stderr), "", "the control");
    let again = spawn(&["--name", "tests", "--json"]);
    assert_eq!(text(&again.stderr), "sharer: \"tests\" is taken: this task is called \"tests 2\"\n");
    let row: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(row["name"], "tests 2");
    assert_eq!([text(&spawn(&[]).stderr), text(&spawn(&[]).stderr)], ["", ""], "nobody asked for a name");
}

#[test]
fn a_list_says_why_and_a_long_command_that_it_is_cut() {
    let (sharing, inside) = Sharing::idle(&[]);
    let script =
        format!("$SHARER_BIN state blocked --reason 'which database?'; exec sleep 600 # {}", "x".repeat(900));
    sharing.spawn(&inside, &["--name", "asks"], &script);
    sharing.event("task", |event| event["state"] == "blocked");
    let listed = text(&sharing.beside(&["ls"]).stdout);
    assert!(listed.contains("asks: blocked (which database?)\n"), "{listed}");
    let tasks = text(&sharing.run(&inside, &["ps"]).stdout);
    assert!(tasks.contains("x…  (which database?)\n"), "{tasks}");
}

#[test]
fn a_child_that_dies_at_once_is_not_lost() {
    let (sharing, inside) = Sharing::idle(&[]);
    for round in 0..20 {
        let id = sharing.spawn(&inside, &[], &format!("exit {round}"));
        let waited = sharing.run(&inside, &["wait", &id]);
        assert_eq!(waited.status.code(), Some(round), "{}", text(&waited.stderr));
    }
    let rows = sharing.rows(&inside);
    assert_eq!(rows.len(), 20);
    for (round, row) in rows.iter().enumerate() {
        let state = if round == 0 { "done" } else { "error" };
        assert_eq!((&row["state"], &row["code"]), (&state.into(), &round.into()), "{row}");
    }
    let killed = sharing.spawn(&inside, &[], "kill -9 $$");
    assert_eq!(sharing.run(&inside, &["wait", &killed]).status.code(), Some(137));
    let row = sharing.event("task", |event| event["task_id"] == *killed && event["state"] != "running");
    assert_eq!((&row["state"], &row["reason"]), (&"cancelled".into(), &"SIGKILL".into()));
    let all = sharing.run(&inside, &["wait"]);
    assert_eq!(all.status.code(), Some(1), "the first that did not end well");
    assert_eq!(text(&all.stdout).lines().count(), 21);
}

#[test]
fn hostile_names_are_cut_numbered_and_shown_as_text() {
    let (sharing, inside) = Sharing::idle(&[]);
    let long = "n".repeat(10_000);
    let names = [
        "<img src=x onerror=alert(1)>",
        "a\u{202e}b\u{2066}c",
        "🙂👩‍👩‍👧‍👦",
        "\x1b]0;x\x07red\nline",
        &long,
        &long,
        "../../etc",
        "--help",
    ];
    for name in names {
        sharing.spawn(&inside, &[&format!("--name={name}")], "exec sleep 600");
    }
    let rows = sharing.rows(&inside);
    let known: Vec<&str> = rows.iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(known.len(), names.len());
    assert_eq!(
        (known[0], known[2], known[6], known[7]),
        (names[0], names[2], names[6], names[7]),
        "text is text"
    );
    assert!(known.iter().all(|name| name.len() <= 256 && !name.chars().any(char::is_control)), "{known:?}");
    assert_ne!(known[4], known[5], "each can be named");
    let table = sharing.run(&inside, &["ps"]);
    let listed = text(&sharing.beside(&["ls"]).stdout);
    for shown in [&text(&table.stdout), &listed] {
        assert_eq!(shown.lines().count(), names.len() + 1, "a line each: {shown}");
        let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\x1b');
        assert!(!shown.contains(turns), "{shown}");
    }
    for name in [known[0], known[4], known[5], known[6]] {
        assert!(sharing.run(&inside, &["kill", name]).status.success(), "{name}");
    }
}

#[test]
fn a_child_has_what_its_parent_had_and_secrets_of_its_own() {
    let (sharing, inside) = Sharing::idle(&["--size", "77x33"]);
    let dir = sharing.path("where");
    std::fs::create_dir(&dir).unwrap();
    let script = "env > $H/child.new; stty size > $H/size; pwd > $H/pwd; mv $H/child.new $H/child";
    let mut spawn =
        sharing.command(&inside, &["spawn", "--wait", "--prompt", "do it", "--", "sh", "-c", script]);
    let output = spawn.current_dir(&dir).env("OF_THE_CALLER", "yes").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let child = sharing.inside("child");
    assert_eq!(child["OF_THE_CALLER"], "yes");
    assert_eq!(child["SHARER_PROMPT"], "do it");
    assert_eq!(child["SHARER_PARENT_TASK_ID"], inside["SHARER_TASK_ID"]);
    assert_ne!(child["SHARER_TASK_ID"], inside["SHARER_TASK_ID"]);
    assert_ne!(child["SHARER_CONTROL_TOKEN"], inside["SHARER_CONTROL_TOKEN"]);
    assert_eq!(
        (&child["SHARER_SOCKET"], &child["SHARER_BIN"]),
        (&inside["SHARER_SOCKET"], &inside["SHARER_BIN"])
    );
    assert_eq!(sharing.file("size").trim(), "33 77");
    assert_eq!(sharing.file("pwd").trim(), dir.to_str().unwrap());
    assert!(text(&output.stdout).starts_with(&child["SHARER_TASK_ID"]), "the id comes first");
}

#[test]
fn a_command_that_does_not_start_says_so_as_a_shell_does() {
    let (sharing, inside) = Sharing::idle(&[]);
    for (program, status) in [("nosuch", 127), ("/etc/passwd", 126)] {
        let output = sharing.run(&inside, &["spawn", "--", program]);
        assert_eq!(output.status.code(), Some(status));
        assert_eq!(text(&output.stderr).lines().count(), 1);
        assert!(output.stdout.is_empty());
    }
    assert!(sharing.rows(&inside).is_empty());
}

#[test]
fn tasks_are_named_by_id_beginning_and_name() {
    let (sharing, inside) = Sharing::idle(&[]);
    let tests = sharing.spawn(&inside, &["--name", "tests"], "sleep 600");
    let other = sharing.spawn(&inside, &["--name", "tests"], "sleep 600");
    let said = text(&sharing.run(&inside, &["ps"]).stdout);
    assert!(said.contains(" tests ") && said.contains(" tests 2 ") && said.contains("running"), "{said}");
    assert!(said.contains(tests.get(..8).unwrap()) && said.contains("sleep 600"), "{said}");
    assert!(sharing.run(&inside, &["kill", "tests 2"]).status.success());
    let waited = sharing.run(&inside, &["wait", &other]);
    assert_eq!((waited.status.code(), text(&waited.stdout).as_str()), (Some(129), "tests 2: cancelled\n"));
    assert!(sharing.run(&inside, &["kill", tests.get(..13).unwrap()]).status.success());
    assert_eq!(sharing.run(&inside, &["wait", "tests"]).status.code(), Some(129));
    for (arguments, why) in
        [(["kill", "nosuch"], "no task"), (["wait", ""], "no task"), (["kill", "tests"], "has ended")]
    {
        let output = sharing.run(&inside, &arguments);
        assert_eq!(output.status.code(), Some(125));
        assert!(text(&output.stderr).contains(why), "{}", text(&output.stderr));
    }
}

#[test]
fn a_task_is_told_text_and_nothing_else() {
    let (sharing, inside) = Sharing::idle(&[]);
    let script = "echo ready > $H/ready; IFS= read -r one; IFS= read -r two; printf '%s|%s' \"$one\" \"$two\" > $H/got.new; \
                  mv $H/got.new $H/got";
    let id = sharing.spawn(&inside, &[], script);
    sharing.file("ready");
    assert!(sharing.run(&inside, &["tell", &id, "hello -- \u{3}there\u{1b}"]).status.success());
    assert!(sharing.run_with(&inside, &["tell", &id, "-"], "from stdin\n").status.success());
    assert_eq!(sharing.file("got"), "hello -- there|from stdin");
    assert_eq!(
        sharing.run(&inside, &["wait", &id]).status.code(),
        Some(0),
        "the control characters typed nothing"
    );
    assert_eq!(sharing.run(&inside, &["tell", &id, "late"]).status.code(), Some(125));
}

#[test]
fn a_text_goes_between_brackets_where_the_program_wants_pastes() {
    let (sharing, inside) = Sharing::idle(&[]);
    let script = "stty raw -echo; printf '\\033[?2004h'; echo ready > $H/ready; exec cat > $H/got";
    let id = sharing.spawn(&inside, &[], script);
    sharing.file("ready");
    // The model reads the switch a moment after it was written.
    until("brackets", || {
        assert!(sharing.run(&inside, &["tell", &id, "a\nb"]).status.success());
        sharing.file("got").contains("\x1b[200~a\rb\x1b[201~\r").then_some(())
    });
}

#[test]
fn a_task_says_how_it_is_and_its_parent_stays_as_it_was() {
    let (sharing, inside) = Sharing::idle(&[]);
    let script = "$SHARER_BIN state blocked --reason 'which database?'; echo > $H/said; read go; \
                  $SHARER_BIN state waiting; echo > $H/said.again; read go; exit 4";
    let id = sharing.spawn(&inside, &["--name", "asker"], script);
    sharing.file("said");
    let row = &sharing.rows(&inside)[0];
    assert_eq!((&row["state"], &row["reason"]), (&"blocked".into(), &"which database?".into()));
    sharing.run(&inside, &["tell", "asker", ""]);
    sharing.file("said.again");
    let row = &sharing.rows(&inside)[0];
    assert_eq!((&row["state"], &row["reason"]), (&"waiting".into(), &Value::Null));
    sharing.run(&inside, &["tell", "asker", ""]);
    assert_eq!(sharing.run(&inside, &["wait", &id]).status.code(), Some(4));
    let states: Vec<String> = ["blocked", "waiting", "error"]
        .map(|state| sharing.event("task", |event| event["state"] == state))
        .map(|event| event["task_id"].to_string())
        .into();
    assert!(states.iter().all(|said| said.contains(&id)), "{states:?}: the child's own, never the parent's");
}

#[test]
fn grandchildren_run_and_are_listed_and_not_shared() {
    let (sharing, inside) = Sharing::idle(&[]);
    let script = "$SHARER_BIN spawn --name grandchild -- sleep 600 > $H/id.new 2> $H/said; mv $H/id.new $H/id; sleep 600";
    let child = sharing.spawn(&inside, &["--name", "child"], script);
    let grandchild = sharing.file("id").trim().to_owned();
    assert!(sharing.file("said").contains("not shared"));
    let direct = text(&sharing.run(&inside, &["ps"]).stdout);
    assert!(direct.contains(" child ") && direct.lines().count() == 2, "{direct}");
    let tree = text(&sharing.run(&inside, &["ps", "--tree"]).stdout);
    assert!(tree.contains("  grandchild"), "{tree}");
    let rows = sharing.rows(&inside);
    let row = rows.iter().find(|row| row["task_id"] == *grandchild).unwrap();
    assert_eq!((&row["parent"], &row["shared"]), (&child.into(), &false.into()));
    let pid = i32::try_from(row["pid"].as_i64().unwrap()).unwrap();
    assert!(runs(pid));
    sharing.run(&inside, &["kill", "child"]);
    until("the grandchild to end with the child", || (!runs(pid)).then_some(()));
}

#[test]
fn when_the_parents_program_ends_its_children_end() {
    let script = "$SHARER_BIN spawn -- sh -c 'echo $$ > $H/one.new; mv $H/one.new $H/one; sleep 600'; \
                  $SHARER_BIN spawn -- sh -c 'trap \"\" HUP; echo $$ > $H/two.new; mv $H/two.new $H/two; sleep 600; sleep 600'; \
                  read go < $H/go; exit 3";
    let home_pipe = |sharing: &Sharing| sharing.path("go");
    let mut sharing = Sharing::start(&[], &format!("mkfifo $H/go; {script}"));
    let pids = ["one", "two"].map(|name| sharing.file(name).trim().parse::<i32>().unwrap());
    assert!(pids.iter().all(|pid| runs(*pid)));
    let began = Instant::now();
    std::fs::write(home_pipe(&sharing), "go\n").unwrap();
    assert_eq!(sharing.ended(), Some(3));
    assert!(pids.iter().all(|pid| !runs(*pid)), "none is left");
    assert!(began.elapsed() >= Duration::from_secs(4), "one that ignores the hang-up has 5 s");
}

#[test]
fn children_are_kept_on_request_and_sharer_stays() {
    let script = "$SHARER_BIN spawn --name late -- sh -c 'read go < $H/go; exit 0'; exit 3";
    let mut sharing = Sharing::start(&["--keep-children"], &format!("mkfifo $H/go; {script}"));
    sharing.event("task", |event| event["name"] != "late" && event["state"] == "error");
    assert!(sharing.child.try_wait().unwrap().is_none(), "it stays");
    std::fs::write(sharing.path("go"), "go\n").unwrap();
    assert_eq!(sharing.ended(), Some(3), "the program's own status");
    sharing.event("task", |event| event["name"] == "late" && event["state"] == "done");
}

#[test]
fn a_sharer_that_crashes_leaves_no_orphan() {
    let (mut sharing, inside) = Sharing::idle(&[]);
    let script = "trap '' HUP TERM INT; echo $$ > $H/pid.new; mv $H/pid.new $H/pid; sleep 600; sleep 600";
    sharing.spawn(&inside, &[], script);
    let job = "trap '' HUP; set -m; sleep 600 & echo $! > $H/job.new; mv $H/job.new $H/job; wait";
    sharing.spawn(&inside, &[], job);
    let pids = ["pid", "job"].map(|name| sharing.file(name).trim().parse::<i32>().unwrap());
    assert!(pids.iter().all(|pid| runs(*pid)));
    sharing.signal(Signal::KILL);
    sharing.ended();
    for pid in pids {
        until("no orphan", || (!runs(pid)).then_some(()));
    }
}

#[test]
fn sigterm_ends_everything() {
    let (mut sharing, inside) = Sharing::idle(&[]);
    sharing.spawn(
        &inside,
        &[],
        "trap '' HUP TERM; echo $$ > $H/pid.new; mv $H/pid.new $H/pid; while :; do sleep 1; done",
    );
    let pid = sharing.file("pid").trim().parse().unwrap();
    sharing.signal(Signal::TERM);
    assert_eq!(sharing.ended(), Some(143));
    assert!(!runs(pid));
}
