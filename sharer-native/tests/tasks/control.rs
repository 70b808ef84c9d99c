//! The control socket: who may ask what, and what too much of anything gets.

use std::fs::Permissions;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use rustix::process::Signal;
use sharer_native::control::ask;
use sharer_native::control::request::{Call, Reply, Request, Spawn, Word};

use super::sharing::{Inside, Sharing, text, until};

fn call(inside: &Inside, token: Option<&str>, request: Request) -> Reply {
    let call = Call { token: token.map(str::to_owned), request };
    ask::call(Path::new(&inside["SHARER_SOCKET"]), &call).unwrap()
}

fn refused(reply: &Reply) -> &str {
    let Reply::Refused(why) = reply else { panic!("not refused: {reply:?}") };
    why
}

#[test]
fn outside_a_session_one_sentence_says_what_to_do() {
    let (sharing, inside) = Sharing::idle(&[]);
    for arguments in [
        &["spawn", "--", "true"][..],
        &["wait"],
        &["ps"],
        &["tell", "a", "b"],
        &["kill", "a"],
        &["state", "running"],
    ] {
        let output = sharing.beside(arguments);
        assert_eq!(output.status.code(), Some(125), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains("not inside a shared session") && said.lines().count() == 1, "{said}");
    }
    let mut gone = inside;
    gone.insert("SHARER_SOCKET".into(), "/nonexistent/socket".into());
    assert!(text(&sharing.run(&gone, &["ps"]).stderr).contains("is over"));
}

#[test]
fn a_childs_token_reaches_below_the_child_only() {
    let (sharing, inside) = Sharing::idle(&[]);
    let sibling = sharing.spawn(&inside, &["--name", "sibling"], "sleep 600");
    let script = "env > $H/child.new; mv $H/child.new $H/child; sleep 600";
    let own = sharing.spawn(&inside, &["--name", "own"], script);
    let child = sharing.inside("child");
    let token = child["SHARER_CONTROL_TOKEN"].as_str();
    let parent = inside["SHARER_TASK_ID"].as_str();

    for task in [&sibling, parent, &own, "sibling", "sh"] {
        let task = || task.to_owned();
        let requests = [
            Request::Wait { task: task() },
            Request::Kill { task: task() },
            Request::Tell { task: task(), text: "canary".into() },
        ];
        for request in requests {
            let reply = call(&inside, Some(token), request);
            assert!(refused(&reply).contains("no task"), "{reply:?}");
        }
    }
    for request in [
        Request::Status,
        Request::Copy,
        Request::Revoke { task: None, read: true, write: true },
        Request::Revoke { task: Some(own.clone()), read: false, write: true },
        Request::Share { task: None, from_start: true },
        Request::Share { task: Some(own.clone()), from_start: false },
        Request::Share { task: Some(sibling.clone()), from_start: false },
        Request::Unshare { task: None },
        Request::Unshare { task: Some(own.clone()) },
        Request::Unshare { task: Some(sibling.clone()) },
    ] {
        let reply = call(&inside, Some(token), request);
        assert!(refused(&reply).contains("only you"), "{reply:?}");
    }
    assert_eq!(call(&inside, Some(token), Request::Tasks), Reply::Tasks(Vec::new()));

    // What a child may do, it can; and its parent can do all of that to it.
    let below = sharing.spawn(&child, &[], "sleep 600");
    assert_eq!(call(&inside, Some(token), Request::Kill { task: below }), Reply::Done);
    assert_eq!(
        call(&inside, Some(&inside["SHARER_CONTROL_TOKEN"]), Request::Kill { task: sibling }),
        Reply::Done
    );
    let links = text(&sharing.beside(&["status", "--json", "--secrets"]).stdout);
    assert!(links.contains('#'), "the owner gets links: {links}");
}

/// Its directory and file are the owner's; and where those are opened by mistake, another user is turned away still.
#[test]
fn nobody_else_can_use_the_control_socket() {
    let (sharing, inside) = Sharing::idle(&[]);
    let socket = Path::new(&inside["SHARER_SOCKET"]);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(socket.parent().unwrap()), mode(socket)), (0o700, 0o600));
    if !rustix::process::getuid().is_root() {
        return;
    }
    let nobody = || {
        let mut command = sharing.command(&inside, &["ps"]);
        command.uid(65_534).gid(65_534);
        command.output().unwrap()
    };
    let said = text(&nobody().stderr);
    assert!(said.contains("may not be used here"), "{said}");
    for (path, bits) in [(socket, 0o666), (socket.parent().unwrap(), 0o755), (&sharing.path(""), 0o755)] {
        std::fs::set_permissions(path, Permissions::from_mode(bits)).unwrap();
    }
    let output = nobody();
    assert!(!output.status.success() && output.stdout.is_empty(), "{}", text(&output.stdout));
    let said = text(&output.stderr);
    assert!(said.contains("does not answer"), "it reached the socket, and got no word: {said}");
    assert!(sharing.run(&inside, &["ps"]).status.success(), "the owner does");
}

#[test]
fn no_token_inside_is_not_the_owner() {
    // Without a token, also from a session and a process group of its own: who asks is seen all the same.
    let script = "unset SHARER_CONTROL_TOKEN SHARER_SESSION; for way in env setsid; do \
                  $way $SHARER_BIN status --json --secrets > $H/$way.new; mv $H/$way.new $H/$way; done; sleep 600";
    let sharing = Sharing::start(&[], script);
    for way in ["env", "setsid"] {
        assert_eq!(sharing.file(way).trim(), "[]");
    }
    let beside = text(&sharing.beside(&["status", "--json", "--secrets"]).stdout);
    assert!(beside.contains("/s/") && beside.contains('#'), "the owner's own terminal gets them: {beside}");
}

/// A daemon as daemons are made: a session of its own, a second fork, and the parent gone before it asks.
#[test]
fn a_daemon_from_inside_is_not_the_owner() {
    let daemon = r"while kill -0 $1 2> /dev/null; do sleep 0.01; done
        cut -d ' ' -f 4,6 /proc/$$/stat > $H/kin.new; mv $H/kin.new $H/kin
        $SHARER_BIN status --json --secrets > $H/said.new 2>&1; mv $H/said.new $H/said";
    let script = "echo $$ > $H/shell; env -u SHARER_CONTROL_TOKEN -u SHARER_SOCKET -u SHARER_SESSION \
                  setsid sh -c 'sh $H/daemon $$ & exit'; sleep 600";
    let script = format!("while [ ! -e $H/daemon ]; do sleep 0.01; done; {script}");
    let sharing = Sharing::start(&[], &script);
    std::fs::write(sharing.path("daemon.new"), daemon).unwrap();
    std::fs::rename(sharing.path("daemon.new"), sharing.path("daemon")).unwrap();
    let kin = sharing.file("kin");
    let shell = sharing.file("shell");
    let (parent, session) = kin.trim().split_once(' ').unwrap();
    assert!(parent != shell.trim() && session != shell.trim(), "it has left its family: {kin}");
    assert_eq!(parent, sharing.child.id().to_string(), "and was adopted");
    assert_eq!(sharing.file("said").trim(), "[]");
    let beside = text(&sharing.beside(&["status", "--json", "--secrets"]).stdout);
    assert!(beside.contains("/s/") && beside.contains('#'), "the owner's own terminal gets them: {beside}");
}

/// What was adopted is waited for, and no child's end is taken from it.
#[test]
fn adopted_orphans_leave_no_zombies() {
    let (sharing, inside) = Sharing::idle(&[]);
    for round in 0..5 {
        let script = "for i in 1 2 3 4 5 6 7 8; do setsid sh -c 'true & exit' & done; wait; exit 3";
        let task = sharing.spawn(&inside, &[], script);
        assert_eq!(sharing.run(&inside, &["wait", &task]).status.code(), Some(3), "round {round}");
    }
    let own = sharing.child.id().to_string();
    let zombies = || {
        let all = std::fs::read_dir("/proc").unwrap().flatten();
        let stats = all.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
        stats
            .filter(|stat| {
                let rest: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
                rest[0] == "Z" && rest[1] == own
            })
            .count()
    };
    until("all of them to be reaped", || (zombies() == 0).then_some(()));
}

#[test]
fn one_that_does_not_answer_is_named_and_left_out() {
    let (sharing, _inside) = Sharing::idle(&["--title", "stands still"]);
    sharing.signal(Signal::STOP);
    let output = sharing.beside(&["ls"]);
    sharing.signal(Signal::CONT);
    let why = format!("process {} does not answer", sharing.child.id());
    assert!(output.status.success() && text(&output.stderr).contains(&why), "{output:?}");
    assert!(!text(&output.stdout).contains("stands still"), "{output:?}");
    // The control.
    let output = sharing.beside(&["ls"]);
    assert!(output.stderr.is_empty() && text(&output.stdout).contains("stands still"), "{output:?}");
}

#[test]
fn a_wrong_token_is_nobody() {
    let (_sharing, inside) = Sharing::idle(&[]);
    for token in ["", "x", inside["SHARER_CONTROL_TOKEN"].get(1..).unwrap()] {
        for request in [Request::Tasks, Request::Status] {
            let reply = call(&inside, Some(token), request);
            assert!(refused(&reply).contains("of no task"), "{reply:?}");
        }
    }
    let right = inside["SHARER_CONTROL_TOKEN"].as_str();
    assert_eq!(call(&inside, Some(right), Request::Tasks), Reply::Tasks(Vec::new()));
}

#[test]
fn two_thousand_spawns_meet_a_clear_limit() {
    let (sharing, inside) = Sharing::idle(&[]);
    let token = inside["SHARER_CONTROL_TOKEN"].as_str();
    let (mut started, mut limits, mut rates) = (0, 0, 0);
    for _ in 0..2_000 {
        let spawn = Spawn {
            name: None,
            prompt: None,
            told: false,
            on: None,
            command: ["sleep", "600"].map(|word| Word::Text(word.into())).to_vec(),
            dir: "/".into(),
            environment: vec![(Word::Text("PATH".into()), Word::Text("/usr/bin:/bin".into()))],
        };
        let reply = call(&inside, Some(token), Request::Spawn(Box::new(spawn)));
        if matches!(reply, Reply::Spawned { .. }) {
            started += 1;
        } else if refused(&reply).contains("256 tasks run already") {
            limits += 1;
        } else {
            assert!(refused(&reply).contains("too many requests"), "{reply:?}");
            rates += 1;
        }
    }
    assert_eq!(started, 255, "the first program is one of 256");
    assert!(limits > 0 && started + limits + rates == 2_000);
    // The machine is well: the session answers, and once tasks have ended there is room again.
    let answered = until("an allowance", || {
        let output = sharing.run(&inside, &["ps"]);
        output.status.success().then(|| text(&output.stdout))
    });
    assert_eq!(answered.lines().count(), 256, "a line each, and the head");
    until("room for another", || {
        sharing.run(&inside, &["kill", "sleep"]);
        sharing.run(&inside, &["spawn", "--", "true"]).status.success().then_some(())
    });
}

#[test]
fn nonsense_and_endless_requests_are_refused_and_harm_nothing() {
    let (sharing, inside) = Sharing::idle(&[]);
    let socket = &inside["SHARER_SOCKET"];
    let ask = |bytes: &[u8]| {
        let mut stream = UnixStream::connect(socket).unwrap();
        // It may be turned away before everything was said.
        drop(stream.write_all(bytes));
        let mut reply = Vec::new();
        drop(stream.read_to_end(&mut reply));
        text(&reply)
    };
    for nonsense in [&b"\n"[..], b"{}\n", b"\xff\xfe\n", b"{\"request\":\"FromTheFuture\"}\n", b"[[[[[[[[\n"]
    {
        let reply = ask(nonsense);
        assert!(reply.is_empty() || reply.contains("Refused"), "{reply}");
    }
    let endless = ask(&vec![b'['; 2 << 20]);
    assert!(endless.is_empty() || endless.contains("Refused"), "{endless}");
    // Silent ones hold places, not the session.
    let silent: Vec<UnixStream> = (0..100).map(|_| UnixStream::connect(socket).unwrap()).collect();
    assert!(sharing.run(&inside, &["ps"]).status.success());
    drop(silent);
    let long = "x".repeat(2 << 20);
    let output = sharing.run_with(&inside, &["tell", "a", "-"], &long);
    assert_eq!(output.status.code(), Some(125));
}
