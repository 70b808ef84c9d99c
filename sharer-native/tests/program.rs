//! The binary around a program: exit codes, events, the control socket.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::Builder::new().prefix("sharer-").tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn sharer(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sharer"));
        command
            .env_remove("SHARER_SESSION")
            .env_remove("SHARER_RELAY")
            .env("HOME", self.path())
            .env("XDG_RUNTIME_DIR", self.path())
            .env("SHELL", "/bin/sh")
            .env("SHARER_LISTEN", "127.0.0.1:0")
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.sharer().args(arguments).output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_exit_status_is_the_programs() {
    let home = Home::new();
    for (script, status) in [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)] {
        let output = home.run(&["--headless", "--", "sh", "-c", script]);
        assert_eq!(output.status.code(), Some(status), "{script}: {}", text(&output.stderr));
    }
}

#[test]
fn no_such_program_is_127_before_any_link() {
    let home = Home::new();
    for (program, status) in [("nosuch", 127), ("/etc/passwd", 126)] {
        let output = home.run(&["--headless", "--events", "-", "--", program]);
        assert_eq!(output.status.code(), Some(status));
        assert!(!text(&output.stderr).contains("/s/"), "{}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn without_a_terminal_one_sentence_and_2() {
    let output = Home::new().run(&["--", "true"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stderr).lines().count(), 1, "{}", text(&output.stderr));
    for wrong in
        [&["--events", "-", "--", "true"][..], &["--relay", "nonsense", "--headless"], &["--nonsense"]]
    {
        assert_eq!(Home::new().run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn events_are_json_lines_in_a_private_file() {
    let home = Home::new();
    let path = home.path().join("events");
    std::fs::write(&path, "old").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let log = home.path().join("log");
    let output = home
        .sharer()
        .args(["--headless", "--title", "a title", "--read-only", "--events"])
        .arg(&path)
        .arg("--log-file")
        .arg(&log)
        .args(["--", "sh", "-c", "echo canary; exit 3"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let lines: Vec<Value> = std::fs::read_to_string(&path)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let first = &lines[0];
    assert_eq!((&first["event"], &first["title"]), (&"shared".into(), &"a title".into()));
    assert!(first["links"]["write"].is_null(), "read-only");
    let read = first["links"]["read"].as_str().unwrap();
    assert!(read.contains(first["session_id"].as_str().unwrap()));
    let last = lines.last().unwrap();
    assert_eq!((&last["event"], &last["code"]), (&"exited".into(), &3.into()));
    assert!(last["signal"].is_null());
    for file in [&path, &log] {
        assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let log = std::fs::read_to_string(&log).unwrap();
    let secret = read.rsplit_once('#').unwrap().1;
    assert!(log.contains("started") && !log.contains(secret) && !log.contains("canary"), "{log}");
    let banner = text(&output.stderr);
    assert_eq!(banner.matches(read).count(), 2, "before and after: {banner}");
    assert!(!banner.contains('\x1b'), "no colours where there is no terminal");
    assert!(!banner.contains("can type"), "{banner}");
}

#[test]
fn the_program_learns_where_sharer_is_and_keeps_its_path() {
    let home = Home::new();
    let out = home.path().join("out");
    let script = format!("echo \"$SHARER_BIN|$PATH|${{SHARER_SESSION:+session}}\" > {}", out.display());
    assert!(home.run(&["--headless", "--quiet", "--", "sh", "-c", &script]).status.success());
    let said = std::fs::read_to_string(out).unwrap();
    let own = Path::new(env!("CARGO_BIN_EXE_sharer"));
    assert!(said.starts_with(own.to_str().unwrap()), "{said}");
    let path = std::env::var("PATH").unwrap();
    assert!(said.contains(&format!("|{path}")), "own directory comes last: {said}");
    assert!(said.contains(own.parent().unwrap().to_str().unwrap()) && said.trim().ends_with("session"));
}

struct Running {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Running {
    fn start(home: &Home, arguments: &[&str]) -> (Self, Value) {
        let mut command = home.sharer();
        command.args(["--headless", "--quiet", "--events", "-"]).args(arguments).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut running = Self { child, lines };
        let shared = running.event("shared");
        (running, shared)
    }

    fn event(&mut self, name: &str) -> Value {
        loop {
            let line = self.lines.next().expect("events go on").unwrap();
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == name {
                return event;
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn status(home: &Home) -> String {
    let began = Instant::now();
    loop {
        let said = text(&home.run(&["status"]).stdout);
        if !said.starts_with("Nothing") || began.elapsed() > Duration::from_secs(10) {
            return said;
        }
    }
}

#[test]
fn status_link_and_revoke_reach_a_running_session() {
    let home = Home::new();
    assert_eq!(status_once(&home), "Nothing is shared.\n");
    let (mut running, shared) = Running::start(&home, &["--title", "work", "--", "sleep", "60"]);
    let (read, write) =
        (shared["links"]["read"].as_str().unwrap(), shared["links"]["write"].as_str().unwrap());

    let said = status(&home);
    assert!(said.starts_with("work\n") && !said.contains(read), "{said}");
    let said = text(&home.run(&["status", "--secrets"]).stdout);
    assert!(said.contains(read), "{said}");
    assert!(said.contains(&format!("{write}  can type")), "{said}");
    let dir = home.path().join("sharer");
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    for entry in std::fs::read_dir(&dir).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
    assert!(text(&home.run(&["link"]).stdout).contains(read));
    let json = text(&home.run(&["status", "--json"]).stdout);
    assert!(json.contains("work") && !json.contains('#'), "{json}");
    assert!(text(&home.run(&["status", "--json", "--secrets"]).stdout).contains(read));

    let inside = |arguments: &[&str]| {
        let output = home.sharer().env("SHARER_SESSION", "x").args(arguments).output().unwrap();
        text(&output.stdout) + &text(&output.stderr)
    };
    for arguments in [
        &["status"][..],
        &["status", "--secrets"],
        &["status", "--json", "--secrets"],
        &["link"],
        &["revoke", "read"],
    ] {
        assert!(!inside(arguments).contains('#'), "a shared terminal shows no secret: {arguments:?}");
    }

    let changed = running.event("links");
    assert_ne!(changed["links"]["read"], shared["links"]["read"], "revoked from inside, above");
    assert_eq!(changed["links"]["write"], shared["links"]["write"]);
    let said = text(&home.run(&["revoke", "write"]).stdout);
    assert!(!said.contains(write), "{said}");
    let changed = running.event("links");
    assert!(said.contains(changed["links"]["write"].as_str().unwrap()), "{said}");

    running.signal(Signal::TERM);
    let exited = running.event("exited");
    assert_eq!(exited["signal"], "SIGTERM");
    assert_eq!(running.child.wait().unwrap().code(), Some(143));
    assert_eq!(status_once(&home), "Nothing is shared.\n");
    assert_eq!(home.run(&["link"]).status.code(), Some(125));
}

fn status_once(home: &Home) -> String {
    text(&home.run(&["status"]).stdout)
}

#[test]
fn a_program_that_ignores_the_end_is_killed() {
    let home = Home::new();
    let (running, _) = Running::start(
        &home,
        &["--", "sh", "-c", "trap '' HUP TERM; : > \"$HOME/deaf\"; while :; do sleep 1; done"],
    );
    let asked = Instant::now();
    while !home.path().join("deaf").exists() {
        assert!(asked.elapsed() < Duration::from_secs(40), "the program has not begun");
        std::thread::sleep(Duration::from_millis(5));
    }
    running.signal(Signal::TERM);
    let began = Instant::now();
    let mut running = running;
    assert_eq!(running.child.wait().unwrap().code(), Some(143));
    assert!(began.elapsed() > Duration::from_secs(1), "it was asked before it was killed");
    assert!(began.elapsed() < Duration::from_mins(1), "nothing but its killing ends it");
}

#[test]
fn a_relay_that_is_not_there_harms_nothing() {
    let home = Home::new();
    let output = home
        .sharer()
        .env_remove("SHARER_LISTEN")
        .args(["--headless", "--relay", "http://127.0.0.1:9", "--", "sh", "-c", "exit 5"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5));
}

#[test]
fn completions_and_manual_are_there() {
    let home = Home::new();
    assert!(text(&home.run(&["completions", "bash"]).stdout).contains("sharer"));
    assert!(text(&home.run(&["man"]).stdout).contains(".TH"));
    assert!(text(&home.run(&["--version"]).stdout).starts_with("sharer "));
    let help = text(&home.run(&["--help"]).stdout);
    assert!(help.contains("--headless") && help.contains("Exit status"), "{help}");
}
