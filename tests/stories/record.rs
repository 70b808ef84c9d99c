//! Recordings: what a sharer writes down of its programs on its own machine. Casts are read here by the published rules of
//! asciicast v3, and by nothing of the product's.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use e2e::harness::driver::{home_that_knows, sharer};
use e2e::harness::process::Process;
use e2e::harness::{Driver, LONG, Log, Relay, Sandbox, Seat, Sharer, sharer_bin, until};
use e2e::viewer::Viewer;
use serde_json::Value;

/// A recording as a stranger reads it.
struct Cast {
    header: Value,
    events: Vec<(f64, String, String)>,
}

impl Cast {
    /// Reads a file that nobody tore.
    fn read(dir: &Path) -> Self {
        let text = std::fs::read_to_string(dir.join("terminal.cast")).unwrap();
        assert!(text.ends_with('\n'), "the last line is whole");
        Self::parse(&text)
    }

    fn parse(text: &str) -> Self {
        let mut lines = text.lines();
        let header: Value = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(header["version"], 3);
        let events = lines.filter(|line| !line.starts_with('#')).map(|line| {
            let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let fields = event.as_array().unwrap();
            assert_eq!(fields.len(), 3, "{line}");
            let interval = fields[0].as_f64().filter(|interval| *interval >= 0.0).unwrap();
            (interval, fields[1].as_str().unwrap().to_owned(), fields[2].as_str().unwrap().to_owned())
        });
        Self { events: events.collect(), header }
    }

    fn of(&self, code: &str) -> Vec<&str> {
        self.events.iter().filter(|event| event.1 == code).map(|event| event.2.as_str()).collect()
    }

    fn shown(&self) -> String {
        self.of("o").concat()
    }
}

fn shelf(sandbox: &Sandbox) -> PathBuf {
    sandbox.path().join(".local/state/sharer/recordings")
}

/// What `sharer ls --recorded --json` says.
async fn listed(sandbox: &Sandbox) -> Vec<Value> {
    let output = sharer(sandbox, &["ls", "--recorded", "--json"]).await;
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The recording with this name.
async fn named(sandbox: &Sandbox, name: &str) -> (Value, PathBuf) {
    let all = listed(sandbox).await;
    let found = all.iter().find(|known| known["name"] == name);
    let found = found.unwrap_or_else(|| panic!("no recording is called {name}: {all:#?}")).clone();
    let path = PathBuf::from(found["path"].as_str().unwrap());
    (found, path)
}

/// The lines of a transcript.
fn transcript(dir: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(dir.join("transcript.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// All bytes of all files below a directory.
fn everything(dir: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            all.extend(everything(&entry.path()));
        } else {
            all.extend(std::fs::read(entry.path()).unwrap());
        }
    }
    all
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Shares a shell command until it ends by itself.
async fn lived(sandbox: &Sandbox, options: &[&str], program: &str) -> Sharer {
    let arguments = [options, &["--", "sh", "-c", program]].concat();
    let mut sharer = Sharer::start(sandbox, arguments);
    sharer.exit().await;
    sharer
}

#[tokio::test]
async fn a_cast_is_read_by_the_rules_of_its_format() {
    let sandbox = Sandbox::new();
    let program = r#"printf '\033[1mbold\033[0m \303\274ber "quoted\\" \a\t\001'; sleep 0.2; printf '\303'; sleep 0.2; printf '\244 \377!\n'; exit 3"#;
    lived(&sandbox, &["--size", "90x33", "--title", "a title"], program).await;
    let (session, dir) = named(&sandbox, "a title").await;
    let cast = Cast::read(&dir);
    assert_eq!((&cast.header["term"]["cols"], &cast.header["term"]["rows"]), (&90.into(), &33.into()));
    assert_eq!(cast.header["term"]["type"], "xterm-256color");
    assert_eq!(cast.header["title"], "a title");
    let shown = "\x1b[1mbold\x1b[0m über \"quoted\\\" \u{7}\t\u{1}ä \u{fffd}!\r\n";
    assert_eq!(cast.shown(), shown);
    assert_eq!(cast.of("x"), ["3"]);
    assert_eq!(cast.events.last().unwrap().1, "x");
    let took: f64 = cast.events.iter().map(|event| event.0).sum();
    // What is read late is told late: a pause may seem shorter than it was.
    assert!((0.1..60.0).contains(&took), "pauses are in it: {took}");
    assert!(cast.of("i").is_empty());
    assert_eq!(session["exit"]["code"], 3);
    assert!(session["ended"].as_u64() >= session["started"].as_u64());
    assert_eq!((&session["running"], session.get("cuts")), (&false.into(), None));
    assert_eq!(transcript(&dir).last().unwrap()["end"]["code"], 3);
}

#[tokio::test]
async fn only_their_owner_reads_recordings_and_nothing_typed_unseen_is_in_them() {
    let sandbox = Sandbox::new();
    let script = "stty -echo; echo first-question; read secret; stty echo; echo second-question; read word; echo well-said";
    // A title of its own: the usual one, which viewers see, has all these words.
    let mut process = Sharer::share(&sandbox, ["--title", "a quiz", "--", "sh", "-c", script]).await;
    let mut viewer = Viewer::new(&process.write_link(), None, Log::default());
    viewer.until("the prompt", |viewer| viewer.screen.has("first-question")).await;
    viewer.typing().await;
    viewer.keys(b"hidden-word-88\r").await;
    viewer.until("the other prompt", |viewer| viewer.screen.has("second-question")).await;
    viewer.keys(b"shown-word-99\r").await;
    viewer.until("the end", |viewer| viewer.screen.has("well-said")).await;
    process.exit().await;
    let session = &listed(&sandbox).await[0];
    // Echoes come in any pieces.
    let shown = Cast::read(Path::new(session["path"].as_str().unwrap())).shown();
    assert!(shown.contains("shown-word-99"), "the control: what is echoed is in it: {shown:?}");
    let all = everything(&shelf(&sandbox));
    assert!(!shown.contains("hidden") && !has(&all, "hidden"));
    for link in [process.read_link(), process.write_link()] {
        assert!(!has(&all, link.split_once('#').unwrap().1), "no link is in it");
    }
    assert_eq!(session["session_id"], process.session_id());
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut seen = 0;
    let mut at = vec![shelf(&sandbox)];
    while let Some(path) = at.pop() {
        if path.is_dir() {
            assert_eq!(mode(&path), 0o700, "{}", path.display());
            at.extend(std::fs::read_dir(&path).unwrap().flatten().map(|entry| entry.path()));
        } else {
            assert_eq!(mode(&path), 0o600, "{}", path.display());
            seen += 1;
        }
    }
    assert_eq!(seen, 4, "the lock and three files");
}

#[tokio::test]
async fn children_lie_beside_their_parent_whatever_their_depth() {
    let sandbox = Sandbox::new();
    let program = r#"
        "$SHARER_BIN" spawn --name near -- sh -c '"$SHARER_BIN" spawn --name deep -- sh -c "echo deep-says-4\$((1+1))" >/dev/null; "$SHARER_BIN" wait; echo near-says-$((40+2))' >/dev/null
        SHARER_RECORD=off "$SHARER_BIN" spawn --name unseen -- echo nothing-of-this >/dev/null
        "$SHARER_BIN" --title nested -- sh -c 'echo nested-says-$((40+2))'
        "$SHARER_BIN" --no-record --title quiet -- sh -c 'echo nor-of-this'
        "$SHARER_BIN" wait
        echo '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"said-at-the-end"}}' | "$SHARER_BIN" emit
        echo root-says-$((40+2))"#;
    lived(&sandbox, &["--private", "--title", "top"], program).await;
    let (top, dir) = named(&sandbox, "top").await;
    assert!(top.get("session_id").is_none(), "it never was shared");
    assert!(Cast::read(&dir).shown().contains("root-says-42"));
    for name in ["near", "deep", "nested"] {
        let (child, path) = named(&sandbox, name).await;
        assert_eq!(child["root_task_id"], top["task_id"], "{name}");
        assert_eq!(path.parent(), dir.parent(), "{name}");
        assert!(Cast::read(&path).shown().contains(&format!("{name}-says-42")), "{name}");
        assert_eq!(transcript(&path).last().unwrap()["end"]["code"], 0, "{name}");
        let rows = transcript(&dir);
        let row = rows.iter().rfind(|line| line["task"]["task_id"] == child["task_id"]);
        assert_eq!(row.unwrap()["task"]["state"], "done", "the parent's transcript tells of {name}");
    }
    let (near, _) = named(&sandbox, "near").await;
    let (deep, _) = named(&sandbox, "deep").await;
    assert_eq!((&near["parent_task_id"], &deep["parent_task_id"]), (&top["task_id"], &near["task_id"]));
    let text = serde_json::to_string(&transcript(&dir)).unwrap();
    assert!(text.contains("said-at-the-end"), "{text}");
    let names: Vec<Value> = listed(&sandbox).await.iter().map(|known| known["name"].clone()).collect();
    assert_eq!(names.len(), 4, "{names:?}");
}

#[tokio::test]
async fn a_remote_task_is_recorded_where_it_runs() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let mut driver = Driver::start(&relay, [""; 0]).await;
    let home = home_that_knows("box", &driver.key).await;
    let program = r#""$SHARER_BIN" spawn --on box --name far --wait -- sh -c 'echo far-says-$((40+2))'"#;
    lived(&home, &["--relay", &relay.url(), "--title", "top"], program).await;
    let (top, dir) = named(&home, "top").await;
    assert_eq!(listed(&home).await.len(), 1);
    assert!(transcript(&dir).iter().any(|line| line["task"]["name"] == "far"), "its row is here");
    driver.end().await;
    let (far, path) = named(&driver.home, "far").await;
    assert!(Cast::read(&path).shown().contains("far-says-42"));
    assert_eq!(far["parent_task_id"], top["task_id"], "so the two are found to belong together");
    assert_eq!(listed(&driver.home).await.len(), 1, "a driver itself is no program");
}

#[tokio::test]
async fn nothing_is_left_of_what_is_not_to_be_recorded() {
    let mut sandbox = Sandbox::new();
    lived(&sandbox, &["--no-record"], "echo hello").await;
    assert!(!shelf(&sandbox).exists());
    sandbox.set("SHARER_RECORD", "off");
    lived(&sandbox, &[], "echo hello").await;
    assert!(!shelf(&sandbox).exists());
    sandbox.set("SHARER_RECORD", "on");
    lived(&sandbox, &[], "echo hello").await;
    assert_eq!(listed(&sandbox).await.len(), 1, "the control");
}

#[tokio::test]
async fn what_a_killed_sharer_recorded_reads_on() {
    let sandbox = Sandbox::new();
    let arguments = ["--title", "killed", "--", "sh", "-c", "echo before-the-kill; exec sleep 10000"];
    let mut process = Sharer::share(&sandbox, arguments).await;
    let look = async || {
        let all = everything(&shelf(&sandbox));
        if has(&all, "before-the-kill\\r\\n") {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&all).into_owned())
        }
    };
    until("it to be written", LONG, look).await;
    assert_eq!(named(&sandbox, "killed").await.0["running"], true);
    process.process.kill().await;
    let (session, dir) = named(&sandbox, "killed").await;
    assert_eq!((&session["running"], session.get("ended")), (&false.into(), None));
    // As a kill in the middle of a write leaves it.
    let torn = std::fs::read_to_string(dir.join("terminal.cast")).unwrap() + "[0.100, \"o\", \"half a li";
    std::fs::write(dir.join("terminal.cast"), &torn).unwrap();
    let id = session["task_id"].as_str().unwrap();
    let out = sharer(&sandbox, &["export", id, "-o", "-", "--format", "cast"]).await;
    let cast = Cast::parse(std::str::from_utf8(&out.stdout).unwrap());
    assert!(cast.shown().contains("before-the-kill") && !cast.shown().contains("half"));
    let said = sharer(&sandbox, &["ls", "--recorded"]).await;
    assert!(String::from_utf8_lossy(&said.stdout).contains("its sharer was killed"), "{said:?}");
}

#[tokio::test]
async fn a_state_directory_that_takes_nothing_touches_no_program() {
    let sandbox = Sandbox::new();
    let state = sandbox.path().join(".local/state/sharer");
    std::fs::create_dir_all(&state).unwrap();
    std::fs::write(shelf(&sandbox), "in the way").unwrap();
    let mut process = Sharer::share(
        &sandbox,
        [
            "--title",
            "other words",
            "--",
            "sh",
            "-c",
            "echo hello; while [ ! -e go ]; do sleep 0.05; done; exit 7",
        ],
    )
    .await;
    let look = async || {
        let said = sharer(&sandbox, &["status"]).await;
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        if said.contains("not all is recorded") { Ok(()) } else { Err(said) }
    };
    until("status to say so", LONG, look).await;
    let mut viewer = Viewer::new(&process.read_link(), None, Log::default());
    viewer.until("the screen", |viewer| viewer.screen.has("hello")).await;
    std::fs::write(sandbox.path().join("go"), "").unwrap();
    assert_eq!(process.exit().await.code(), Some(7));
}

#[tokio::test]
async fn a_full_disk_cuts_the_recording_and_touches_no_program() {
    let sandbox = Sandbox::new();
    // A disk of its own for the state, and a copy of what is on it in the end.
    let script = r#"mkdir -p "$XDG_STATE_HOME" && mount -t tmpfs -o size=256k none "$XDG_STATE_HOME" || exit 99
        "$0" --headless --private --title full -- sh -c 'head -c 5000000 /dev/zero | tr "\0" x; echo end-of-it; exit 7'
        status=$?; cp -r "$XDG_STATE_HOME/sharer/recordings" "$HOME/seen"; exit $status"#;
    let mut command = sandbox.command("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]).arg(sharer_bin());
    let (mut process, _) = Process::start("sharer on a full disk", &sandbox, command);
    let status = process.exit().await.code();
    if status != Some(7) && !sandbox.path().join("seen").exists() {
        return println!("skipped: no mount namespaces for this user here ({status:?})");
    }
    assert_eq!(status, Some(7), "{}", process.stderr());
    let root = std::fs::read_dir(sandbox.path().join("seen")).unwrap().next().unwrap().unwrap().path();
    let dir = root.join(root.file_name().unwrap());
    let session: Value = serde_json::from_slice(&std::fs::read(dir.join("session.json")).unwrap()).unwrap();
    let cuts = session["cuts"].as_array().unwrap();
    assert!(cuts.iter().all(|cut| cut["what"] == "terminal" && cut["why"] == "disk"), "{session:#}");
    assert_eq!(session["exit"]["code"], 7);
    let cast = Cast::read(&dir);
    assert_eq!(cast.of("x"), ["7"], "its end is in it");
    assert!(cast.of("m").iter().any(|label| label.contains("left out here: the disk is full")));
}

#[tokio::test]
async fn the_oldest_recordings_make_room_and_a_large_one_is_cut() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SHARER_RECORD_TOTAL", "400K");
    let page = "head -c 150000 /dev/zero | tr '\\0' x";
    let running = Sharer::share(
        &sandbox,
        ["--title", "running", "--", "sh", "-c", &format!("{page}; exec sleep 10000")],
    )
    .await;
    for name in ["first", "second", "third"] {
        lived(&sandbox, &["--title", name], page).await;
    }
    lived(&sandbox, &["--title", "last", "--record-max", "64K"], &format!("{page}; exit 5")).await;
    let all = listed(&sandbox).await;
    let names: Vec<&str> = all.iter().map(|known| known["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"running") && names.contains(&"last"), "{names:?}");
    assert!(!names.contains(&"first"), "the oldest that ended went: {names:?}");
    let bytes: u64 = all.iter().map(|known| known["bytes"].as_u64().unwrap()).sum();
    assert!(bytes < 600 * 1024, "{bytes}");
    let (session, dir) = named(&sandbox, "last").await;
    assert_eq!(session["exit"]["code"], 5, "the program is not touched");
    assert!(session["bytes"].as_u64().unwrap() < 80 * 1024, "{session:#}");
    let cut = &session["cuts"][0];
    assert_eq!((&cut["what"], &cut["why"]), (&"terminal".into(), &"size".into()));
    let cast = Cast::read(&dir);
    let kept = cast.shown().len() as u64;
    assert_eq!(kept + cut["count"].as_u64().unwrap(), 150_000, "what is missing is counted");
    assert!(cast.of("m").iter().any(|label| label.contains("the recording stops here")));
    assert_eq!(cast.of("x"), ["5"]);
    drop(running);
}

#[tokio::test]
async fn recordings_are_listed_exported_and_removed() {
    let sandbox = Sandbox::new();
    let program = r#"
        "$SHARER_BIN" spawn --name child --wait -- sh -c 'echo child-line' >/dev/null
        i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo "line-$i"; done
        echo '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"said **this**"}}' | "$SHARER_BIN" emit"#;
    lived(&sandbox, &["--title", "top"], program).await;
    let (top, dir) = named(&sandbox, "top").await;
    let id = top["task_id"].as_str().unwrap();
    let short = id.get(..8).unwrap();
    let run = async |arguments: &[&str]| {
        let output = sharer(&sandbox, arguments).await;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.success(), text, String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let (_, said, _) = run(&["ls", "--recorded"]).await;
    assert!(said.contains(short) && said.contains("top") && said.contains("status 0"), "{said}");
    let path = |name: &str| sandbox.path().join(name).to_str().unwrap().to_owned();
    for (which, name) in [(short, "x.cast"), ("top", "x.txt"), (id, "x.md")] {
        let (well, _, why) = run(&["export", which, "-o", &path(name)]).await;
        assert!(well, "{name}: {why}");
        let mode = std::fs::metadata(path(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let text = |name: &str| std::fs::read_to_string(path(name)).unwrap();
    assert_eq!(text("x.cast"), std::fs::read_to_string(dir.join("terminal.cast")).unwrap());
    let lines = (1..=100).fold(String::new(), |lines, number| lines + &format!("line-{number}\n"));
    assert!(text("x.txt").ends_with(&lines), "{}", text("x.txt"));
    let markdown = text("x.md");
    for part in ["# top", "said **this**", "## child", "child-line", "Ended with status 0"] {
        assert!(markdown.contains(part), "{part}: {markdown}");
    }
    // What cannot be written whole leaves what was there.
    let before = text("x.cast");
    let script =
        format!("trap '' XFSZ; ulimit -f 1; exec \"$0\" export {short} --format txt -o '{}'", path("x.cast"));
    let cut = sandbox.command("sh").args(["-c", &script]).arg(sharer_bin()).output().await.unwrap();
    assert!(!cut.status.success() && text("x.cast") == before, "{cut:?}");
    assert!(run(&["export", short, "--format", "txt", "-o", &path("x.cast")]).await.0);
    assert_eq!(text("x.cast"), text("x.txt"));
    for (arguments, why) in [
        (&["export", short, "-o", "-"][..], "--format"),
        (&["export", short, "-o", &path("x.odt")], ".cast, .txt, .md or .html"),
        (&["export", "nosuch", "-o", "-", "--format", "txt"], "nothing is recorded under that id"),
        (&["rm", "nosuch"], "nothing kept or recorded"),
    ] {
        let (well, _, said) = run(arguments).await;
        assert!(!well && said.contains(why), "{arguments:?}: {said}");
    }
    // Of what may mean several nothing is removed.
    let (twin, root) = (dir.parent().unwrap(), shelf(&sandbox));
    let other = format!("{}ffffffffffffffffffffffff", id.get(..12).unwrap());
    let session = std::fs::read_to_string(dir.join("session.json")).unwrap().replace(id, &other);
    std::fs::create_dir_all(root.join(&other).join(&other)).unwrap();
    std::fs::write(root.join(&other).join(&other).join("session.json"), session).unwrap();
    std::fs::copy(twin.join("lock"), root.join(&other).join("lock")).unwrap();
    let (well, _, said) = run(&["rm", short]).await;
    assert!(!well && said.contains("nothing was removed") && twin.exists(), "{said}");
    let (well, said, _) = run(&["rm", &other]).await;
    assert!(well && said.contains("Removed the recording") && said.contains("(top)"), "{said}");
    assert!(!root.join(&other).exists() && twin.exists());
    // Who has read enough is told nothing.
    lived(&sandbox, &["--title", "big"], "head -c 300000 /dev/zero | tr '\\0' x").await;
    let script = "\"$0\" export --format cast -o - big | true; echo \"${PIPESTATUS[0]}\"";
    let piped = sandbox.command("bash").args(["-c", script]).arg(sharer_bin()).output().await.unwrap();
    assert!(piped.stderr.is_empty() && piped.stdout == b"141\n", "{piped:?}");
    assert!(run(&["rm", "big"]).await.0, "by its name");
    // A child alone, then all.
    let (child, _) = named(&sandbox, "child").await;
    assert!(run(&["rm", child["task_id"].as_str().unwrap()]).await.0);
    assert_eq!(listed(&sandbox).await.len(), 1);
    let (_, said, _) = run(&["rm", "--json", id]).await;
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["removed"], "recorded");
    assert_eq!(everything(&shelf(&sandbox)), b"");
    assert_eq!(run(&["ls", "--recorded"]).await.1, "Nothing is recorded on this computer.\n");
    // What runs is not removed.
    let seat =
        Seat::sharer(&sandbox, &["--title", "seated", "--", "sh", "-c", "echo here; exec sleep 10000"]);
    seat.got("here").await;
    let look = async || if listed(&sandbox).await.len() == 1 { Ok(()) } else { Err(()) };
    until("the recording", LONG, look).await;
    let (seated, _) = named(&sandbox, "seated").await;
    assert_eq!((&seated["size"]["cols"], &seated["running"]), (&100.into(), &true.into()));
    let (well, _, why) = run(&["rm", seated["task_id"].as_str().unwrap()]).await;
    assert!(!well && why.contains("it is being recorded"), "{why}");
}
