//! Remote agents: relay, driver and sharer as processes with homes of their own and no file in common. The eight permutations
//! are in `matrix`; here is what they leave.

use e2e::harness::driver::{home_that_knows, sharer};
use e2e::harness::process::Process;
use e2e::harness::{Driver, LONG, Log, Relay, Sandbox, Sharer, sharer_bin, until};
use e2e::viewer::Viewer;
use rustix::process::Signal;
use shared::link::Link;
use shared::viewer::{ChildSession, Closed, Event, Pill, Selection, State, Status};

/// Starts what is in `$HOME/ask`, when it is there, and keeps what was said of it.
const PARENT: &str = r#"stty -echo
until [ -e "$HOME/ask" ]; do sleep 0.02; done
sh "$HOME/ask" > "$HOME/said.new" 2>&1; echo "status:$?" >> "$HOME/said.new"; mv "$HOME/said.new" "$HOME/said"
while read line; do echo "parent:$line"; done"#;

/// The same as often as something is there.
const ASKED_AGAIN: &str = r#"stty -echo
while true; do
  until [ -e "$HOME/ask" ]; do sleep 0.02; done; mv "$HOME/ask" "$HOME/asked"
  sh "$HOME/asked" > "$HOME/said.new" 2>&1; echo "status:$?" >> "$HOME/said.new"; mv "$HOME/said.new" "$HOME/said"
done"#;

/// A program that says something and answers.
const FAR: &str = r"stty -echo; echo far-says-$((40+2)); while read line; do echo far:$line; done";

fn viewer(link: &impl ToString) -> Viewer<Log> {
    Viewer::new(&link.to_string(), None, Log::default())
}

fn pill(viewer: &Viewer<Log>, name: &str) -> Option<Pill> {
    viewer.bar()?.pills.iter().find(|pill| pill.name == name).cloned()
}

fn sees(viewer: &Viewer<Log>, text: &str) -> bool {
    viewer.child().is_some_and(|bytes| bytes.windows(text.len()).any(|part| part == text.as_bytes()))
}

async fn select(viewer: &mut Viewer<Log>, name: &str) {
    viewer.until(name, |viewer| pill(viewer, name).is_some()).await;
    let selects = pill(viewer, name).unwrap().selects;
    viewer.act(Event::Select(selects)).await;
}

/// Has the parent's program run this; what it and `sharer` said.
async fn asks(home: &Sandbox, script: &str) -> String {
    begin(home, script);
    said(home).await
}

fn begin(home: &Sandbox, script: &str) {
    std::fs::write(home.path().join("ask.new"), script).unwrap();
    std::fs::rename(home.path().join("ask.new"), home.path().join("ask")).unwrap();
}

async fn said(home: &Sandbox) -> String {
    let said = home.path().join("said");
    let words = until("what was said", LONG, async || std::fs::read_to_string(&said)).await;
    std::fs::remove_file(said).unwrap();
    words
}

async fn parent(home: &Sandbox, relay: &Relay) -> Sharer {
    program(home, relay, PARENT).await
}

async fn program(home: &Sandbox, relay: &Relay, script: &str) -> Sharer {
    Sharer::share(home, ["--relay", &relay.url(), "--", "sh", "-c", script]).await
}

fn link(task: &serde_json::Value, which: &str) -> Link {
    Link::parse(task[which].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_child_on_another_machine_is_told_asked_for_its_state_and_ended_like_one_here() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let driver = Driver::start(&relay, [""; 0]).await;
    let home = home_that_knows("box", &driver.key).await;
    let process = parent(&home, &relay).await;
    let mut reader = viewer(&process.read_link());
    reader.live().await;
    // Of the environment here nothing is there, but what is said.
    let told = r#"stty -echo; echo "far-says-$GREETING-${HERE:-nothing}"; while read line; do echo "far:$line";
        [ "$line" = ask ] && "$SHARER_BIN" state blocked --reason "which one?"; done"#;
    std::fs::write(home.path().join("far.sh"), told).unwrap();
    let script = r#"export HERE=secret; B="$SHARER_BIN"
"$B" spawn --on box --name far --env GREETING='hello=you' --env EMPTY= -- sh -c "$(cat "$HOME/far.sh")" || exit
"$B" tell far 'first words' && "$B" tell far ask && "$B" tell far 'and last' && echo all-told
until [ -e "$HOME/go" ]; do sleep 0.02; done
"$B" kill far; "$B" wait far; echo "waited:$?"; "$B" tell far late"#;
    begin(&home, script);
    select(&mut reader, "far").await;
    reader.until("what it was told", |viewer| sees(viewer, "far:and last")).await;
    for text in ["far-says-hello=you-nothing", "far:first words", "far:ask"] {
        assert!(sees(&reader, text), "{text}");
    }
    let blocked = |pill: &Pill| {
        let reason = pill.details.as_ref().map(|details| details.reason.as_str());
        pill.status == Status::Blocked && reason == Some("which one?")
    };
    reader.until("its state", |viewer| pill(viewer, "far").is_some_and(|pill| blocked(&pill))).await;
    reader.act(Event::Select(Selection::Own)).await;
    std::fs::write(home.path().join("go"), "").unwrap();
    let said = said(&home).await;
    assert!(
        said.contains("all-told") && said.contains("waited:129") && said.contains("the task has ended"),
        "{said}"
    );
    reader
        .until("its end", |viewer| pill(viewer, "far").is_some_and(|pill| pill.status == Status::Cancelled))
        .await;
    drop(process);
}

#[tokio::test]
async fn what_is_no_variable_of_the_askers_is_refused_before_anything_is_asked() {
    let home = Sandbox::new();
    for (variable, why) in
        [("NAME", "NAME=value"), ("=x", "NAME=value"), ("SHARER_SOCKET=/x", "sharer itself")]
    {
        let refused = sharer(&home, &["run", "--on", "box", "--env", variable, "--", "true"]).await;
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && error.contains(why), "{variable}: {error}");
    }
    let apart = sharer(&home, &["spawn", "--env", "A=b", "--", "true"]).await;
    assert!(
        String::from_utf8_lossy(&apart.stderr).contains("--on"),
        "here a child has its parent's environment"
    );
}

#[tokio::test]
async fn a_parent_that_ends_takes_its_links_out_of_a_remote_child_that_runs_on() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let driver = Driver::start(&relay, [""; 0]).await;
    let home = home_that_knows("box", &driver.key).await;
    let mut sharer_process = parent(&home, &relay).await;
    let mut reader = viewer(&sharer_process.read_link());
    reader.live().await;
    asks(&home, &format!(r#""$SHARER_BIN" spawn --on box --name far -- sh -c '{FAR}'"#)).await;
    select(&mut reader, "far").await;
    reader.until("its screen", |viewer| viewer.state() == State::Live && sees(viewer, "far-says-42")).await;
    let mut through = viewer(&reader.watch_link().unwrap());
    through.live().await;
    sharer_process.process.signal(Signal::TERM);
    sharer_process.exit().await;
    through.until("no way in", |viewer| viewer.state() == State::ClosedByRelay(Closed::Revoked)).await;
    let task = driver.task("far", |task| task["state"] == "running" && task["read"].is_string()).await;
    let mut own = viewer(&link(&task, "write"));
    own.typing().await;
    own.keys(b"still\r").await;
    own.until("it to run on", |viewer| viewer.screen.has("far:still")).await;
}

#[tokio::test]
async fn what_does_not_start_says_why() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let driver = Driver::start(&relay, [""; 0]).await;
    // A key with another secret, one of another driver under the same name, and none.
    let last = driver.key.chars().last().unwrap();
    let other = Driver::start(&relay, [""; 0]).await;
    let (head, _) = driver.key.split_once('#').unwrap();
    let wrong = format!("{head}#{}", other.key.split_once('#').unwrap().1);
    assert_ne!(wrong, driver.key, "{last}");
    let home = home_that_knows("wrong", &wrong).await;
    let added = sharer(&home, &["driver", "add", "box", &driver.key]).await;
    assert!(added.status.success());
    let again = sharer(&home, &["driver", "add", "box", &other.key]).await;
    let why = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && why.contains("another driver is called \"box\" already"), "{why}");
    // What is forgotten can be another one's name; the driver knows nothing of it.
    assert!(sharer(&home, &["driver", "rm", "box"]).await.status.success());
    assert!(sharer(&home, &["driver", "add", "box", &other.key]).await.status.success());
    assert!(!sharer(&home, &["driver", "rm", "nobody"]).await.status.success());
    for words in [&["driver", "rm", "box"][..], &["driver", "add", "box", &driver.key]] {
        assert!(sharer(&home, words).await.status.success(), "{words:?}");
    }
    for (on, words) in [("wrong", "does not accept this key"), ("none", "there is no driver called \"none\"")]
    {
        let run = sharer(&home, &["run", "--on", on, "--", "true"]).await;
        let why = String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!(run.status.code(), Some(125), "the driver, not the command: {why}");
        assert!(why.contains(words) && run.stdout.is_empty(), "{why}");
    }
    for (directory, command, status) in
        [("/", "no-such-command", 127), ("/", "/etc/passwd", 126), ("/none", "true", 125)]
    {
        let run = sharer(&home, &["run", "--on", "box", "--dir", directory, "--", command]).await;
        assert_eq!(run.status.code(), Some(status), "{}", String::from_utf8_lossy(&run.stderr));
    }
    // It looks for seconds only, which a busy computer may let pass.
    let look = async || {
        let list = sharer(&home, &["driver", "ls"]).await;
        let list = String::from_utf8_lossy(&list.stdout).into_owned();
        let of = |name: &str| list.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        let stand = of("box").ends_with("can be asked") && of("wrong").contains("does not accept this key");
        if stand { Ok(list) } else { Err(list) }
    };
    let list = until("how they stand", LONG, look).await;
    assert!(!list.contains(driver.key.split_once('#').unwrap().1), "no secret is listed");

    let sharer_process = parent(&home, &relay).await;
    let mut reader = viewer(&sharer_process.read_link());
    reader.live().await;
    let said = asks(&home, r#""$SHARER_BIN" spawn --on box --name bad -- no-such-command"#).await;
    assert!(said.contains("no-such-command: command not found") && said.ends_with("status:127\n"), "{said}");
    reader
        .until("the pill", |viewer| pill(viewer, "bad").is_some_and(|pill| pill.status == Status::Error))
        .await;
    let pill = pill(&reader, "bad").unwrap();
    assert!(pill.details.unwrap().reason.contains("no-such-command: command not found"));
    assert!(matches!(pill.session, Some(ChildSession::Failed { .. })), "{:?}", pill.session);
}

#[tokio::test]
async fn a_driver_starts_what_it_allows_where_it_allows_it() {
    let sandbox = Sandbox::new();
    let (inside, outside) = (sandbox.path().join("in"), sandbox.path().join("out"));
    for dir in [&inside, &outside] {
        std::fs::create_dir(dir).unwrap();
    }
    std::os::unix::fs::symlink(&outside, inside.join("link")).unwrap();
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let dir = inside.to_str().unwrap();
    let driver = Driver::start(&relay, ["--allow-dir", dir, "--allow-command", "touch"]).await;
    let home = home_that_knows("box", &driver.key).await;
    let run = async |dir: &str, command: &[&str]| {
        let arguments = [&["run", "--on", "box", "--dir", dir, "--"], command].concat();
        let run = sharer(&home, &arguments).await;
        (run.status.success(), String::from_utf8_lossy(&run.stderr).into_owned())
    };
    for bad in ["..", "link", "link/..", "../out", outside.to_str().unwrap(), "/"] {
        let (ran, why) = run(bad, &["touch", "escaped"]).await;
        assert!(!ran && why.contains("does not allow this directory"), "{bad}: {why}");
    }
    for bad in ["sh", "/usr/bin/touch", "./touch"] {
        let (ran, why) = run(".", &[bad, "escaped"]).await;
        assert!(!ran && why.contains("does not allow this command"), "{bad}: {why}");
    }
    assert!(run(".", &["touch", "made"]).await.0, "the control");
    let made = inside.join("made");
    until("the file", LONG, async || std::fs::metadata(&made)).await;
    for dir in [&inside, &outside, &sandbox.path().to_path_buf()] {
        assert!(!dir.join("escaped").exists());
    }
}

#[tokio::test]
async fn people_on_both_sides_are_told_how_it_goes() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let driver = Driver::start(&relay, [""; 0]).await;
    let home = home_that_knows("box", &driver.key).await;
    let says = async |process: &Process, words: &str| {
        let look = async || {
            let said = process.stderr();
            if said.contains(words) { Ok(said) } else { Err(said) }
        };
        until(words, LONG, look).await
    };
    assert!(!sharer(&home, &["run", "--on", "box", "--", "no-such-thing"]).await.status.success());
    says(&driver.process, "sharer driver: no-such-thing was not started: no-such-thing: command not found\n")
        .await;

    // A driver that stands still is waited for, and that is said.
    let mut tries = 0;
    loop {
        driver.process.signal(Signal::STOP);
        let mut command = home.command(sharer_bin());
        command.args(["run", "--on", "box", "--name", "far \x1b[31maway", "--", "sh", "-c", "exit 3"]);
        let (mut run, _stdout) = Process::start("run", &home, command);
        says(&run, "sharer: waiting for box to answer\n").await;
        driver.process.signal(Signal::CONT);
        if run.exit().await.success() {
            break;
        }
        // It gives up 15 s after its start, which a busy computer may let pass before the driver goes on.
        tries += 1;
        assert!(tries < 4, "nothing but a busy computer keeps it: {}", run.stderr());
    }
    let said = says(&driver.process, "exit status 3").await;
    assert!(
        said.contains(") started: sh -c 'exit 3'\n") && said.contains(") error (exit status 3)\n"),
        "{said}"
    );
    assert!(said.contains("far ") && !said.contains('\x1b'), "names are text: {said}");
}

/// What is over stays, with its end and all that it showed; and the relay may forget everything meanwhile.
#[tokio::test]
async fn a_remote_task_that_is_over_stays_with_its_screen() {
    let sandbox = Sandbox::new();
    let mut relay = Relay::start(&sandbox, [""; 0]).await;
    let mut driver = Driver::start(&relay, [""; 0]).await;
    let home = home_that_knows("box", &driver.key).await;
    let sharer_process = parent(&home, &relay).await;
    let mut reader = viewer(&sharer_process.read_link());
    reader.live().await;
    let said = asks(
        &home,
        r#"id=$("$SHARER_BIN" spawn --on box --name far -- sh -c 'echo far-says-42; exit 3')
"$SHARER_BIN" wait $id"#,
    )
    .await;
    assert!(said.contains("far: error (exit status 3)") && said.ends_with("status:3\n"), "{said}");
    reader
        .until("its end", |viewer| pill(viewer, "far").is_some_and(|pill| pill.status == Status::Error))
        .await;
    select(&mut reader, "far").await;
    reader.until("its last screen", |viewer| sees(viewer, "far-says-42")).await;
    relay.kill().await;
    relay.restart(&sandbox).await;
    let mut late = viewer(&sharer_process.read_link());
    late.live().await;
    select(&mut late, "far").await;
    late.until("its last screen", |viewer| sees(viewer, "far-says-42")).await;
    driver.end().await;
}

/// As many as it takes, at once; one more is refused with the reason.
#[tokio::test]
async fn a_hundred_remote_tasks_run_at_once_on_one_driver() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let driver = Driver::start(&relay, [""; 0]).await;
    let home = home_that_knows("box", &driver.key).await;
    let sharer_process = parent(&home, &relay).await;
    let mut reader = viewer(&sharer_process.read_link());
    reader.live().await;
    let said = asks(
        &home,
        r#"for n in $(seq 100); do "$SHARER_BIN" spawn --on box --name task-$n -- sh -c "stty -echo; echo says-$n-x; read line" > /dev/null || exit 9; done
"$SHARER_BIN" spawn --on box --name more -- true"#,
    )
    .await;
    assert!(said.contains("as many tasks") && said.ends_with("status:125\n"), "{said}");
    let runs = |viewer: &Viewer<Log>, name: &str| {
        pill(viewer, name).is_some_and(|pill| pill.session == Some(ChildSession::Live))
    };
    reader.until("all pills", |viewer| (1..=100).all(|n| runs(viewer, &format!("task-{n}")))).await;
    for n in [1, 50, 100] {
        select(&mut reader, &format!("task-{n}")).await;
        reader.until("its screen", |viewer| sees(viewer, &format!("says-{n}-x"))).await;
    }
    let tasks = e2e::harness::driver::tasks(&driver.home).await;
    let runs_there = |task: &serde_json::Value| {
        task["state"] == "running" && task["name"].as_str().is_some_and(|name| name.starts_with("task-"))
    };
    assert_eq!(tasks.iter().filter(|task| runs_there(task)).count(), 100);
}

/// A session that asked a driver before asks the one that goes by its name now.
#[tokio::test]
async fn a_name_is_the_driver_that_it_stands_for_now() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let [first, second] = [Driver::start(&relay, [""; 0]).await, Driver::start(&relay, [""; 0]).await];
    let home = home_that_knows("box", &first.key).await;
    let _sharer = program(&home, &relay, ASKED_AGAIN).await;
    let spawn = |name: &str| format!(r#""$SHARER_BIN" spawn --on box --name {name} -- sh -c 'read line'"#);
    let said = asks(&home, &spawn("on-first")).await;
    assert!(said.ends_with("status:0\n"), "{said}");
    assert!(sharer(&home, &["driver", "rm", "box"]).await.status.success());
    let said = asks(&home, &spawn("on-none")).await;
    assert!(said.contains("there is no driver called") && !said.ends_with("status:0\n"), "{said}");
    assert!(sharer(&home, &["driver", "add", "box", &second.key]).await.status.success());
    let said = asks(&home, &spawn("on-second")).await;
    assert!(said.ends_with("status:0\n"), "{said}");
    second.task("on-second", |task| task["state"] == "running").await;
    // What runs on the one that the name stood for is still reached.
    let said = asks(&home, r#""$SHARER_BIN" kill on-first && "$SHARER_BIN" wait on-first"#).await;
    assert!(said.contains("status:") && !said.contains("sharer:"), "{said}");
    let ended = first.task("on-first", |task| task["state"] == "cancelled").await;
    assert_eq!(ended["name"], "on-first");
    let names = e2e::harness::driver::tasks(&first.home).await;
    assert!(names.iter().all(|task| task["name"] != "on-second" && task["name"] != "on-none"), "{names:?}");
}

/// A driver lives longer than all that it ever starts.
#[tokio::test]
async fn a_driver_goes_on_after_more_tasks_than_it_remembers() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let mut driver = Driver::start(&relay, [""; 0]).await;
    let home = home_that_knows("box", &driver.key).await;
    let _sharer = program(&home, &relay, ASKED_AGAIN).await;
    // Each with a hundred children of its own there: 512 are too many in all.
    let round = r#"for n in $(seq 105); do "$SHARER_BIN" spawn -- true > /dev/null || exit 9; done; "$SHARER_BIN" wait"#;
    for _ in 0..5 {
        let said = asks(&home, &format!(r#""$SHARER_BIN" spawn --on box --wait -- sh -c '{round}'"#)).await;
        assert!(said.ends_with("status:0\n"), "{said}");
    }
    let tasks = e2e::harness::driver::tasks(&driver.home).await;
    assert!(tasks.len() <= 513, "530 were started: {}", tasks.len());
    driver.end().await;
}

#[tokio::test]
async fn a_driver_whose_relay_is_not_there_says_so() {
    let home = Sandbox::new();
    let mut command = home.command(sharer_bin());
    // Nobody listens on the first of all ports.
    command.args(["driver", "--relay", "http://127.0.0.1:1", "--name", "box"]);
    let (process, stdout) = Process::start("driver", &home, command);
    let look = async || {
        let said = process.stderr();
        if said.contains("127.0.0.1:1 cannot be reached") { Ok(()) } else { Err(said) }
    };
    until("it to say so", LONG, look).await;
    assert_eq!(process.stderr().matches("cannot be reached").count(), 1, "once");
    drop(stdout);
}
