//! A shared program, and commands as they are run inside it and beside it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// What a program inside knows of its session.
pub(crate) type Inside = BTreeMap<String, String>;

/// Waits for a condition.
pub(crate) fn until<T>(what: &str, mut there: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(it) = there() {
            return it;
        }
        assert!(began.elapsed() < Duration::from_secs(40), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// `sharer` without a terminal, killed when this is dropped.
pub(crate) struct Sharing {
    pub(crate) child: Child,
    events: Arc<Mutex<Vec<Value>>>,
    home: TempDir,
}

impl Sharing {
    /// Shares a script. `$H` is a directory of the test's own.
    pub(crate) fn start(options: &[&str], script: &str) -> Self {
        let home = tempfile::Builder::new().prefix("sharer-").tempdir().unwrap();
        let mut child = command(home.path())
            .args(["--headless", "--quiet", "--events", "-"])
            .args(options)
            .args(["--", "sh", "-c", script])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let events = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&events);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                theirs.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        Self { child, events, home }
    }

    /// Shares a program that only waits, and tells what it knows.
    pub(crate) fn idle(options: &[&str]) -> (Self, Inside) {
        let sharing = Self::start(options, "env > $H/env.new; mv $H/env.new $H/env; sleep 600");
        let inside = sharing.inside("env");
        (sharing, inside)
    }

    /// What a program inside wrote with `env` into a file.
    pub(crate) fn inside(&self, name: &str) -> Inside {
        let text = self.file(name);
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A file that a program writes at once, by renaming; waits for it.
    pub(crate) fn file(&self, name: &str) -> String {
        let path = self.path(name);
        until(name, || std::fs::read_to_string(&path).ok())
    }

    /// A command as the owner runs it, in another terminal.
    pub(crate) fn beside(&self, arguments: &[&str]) -> Output {
        command(self.home.path()).args(arguments).output().unwrap()
    }

    /// A command as a program inside runs it.
    pub(crate) fn run(&self, inside: &Inside, arguments: &[&str]) -> Output {
        self.command(inside, arguments).output().unwrap()
    }

    pub(crate) fn command(&self, inside: &Inside, arguments: &[&str]) -> Command {
        let mut command = command(self.home.path());
        command.args(arguments);
        for (name, value) in inside.iter().filter(|(name, _)| name.starts_with("SHARER_")) {
            command.env(name, value);
        }
        command
    }

    /// The same, with something on stdin.
    pub(crate) fn run_with(&self, inside: &Inside, arguments: &[&str], stdin: &str) -> Output {
        let mut command = self.command(inside, arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // It may not read all of it.
        drop(child.stdin.take().unwrap().write_all(stdin.as_bytes()));
        child.wait_with_output().unwrap()
    }

    /// Starts a script as a task; gives its id.
    pub(crate) fn spawn(&self, inside: &Inside, options: &[&str], script: &str) -> String {
        let arguments = [&["spawn"], options, &["--", "sh", "-c", script]].concat();
        let output = self.run(inside, &arguments);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).trim().to_owned()
    }

    /// The rows of `sharer ps --tree --json`.
    pub(crate) fn rows(&self, inside: &Inside) -> Vec<Value> {
        let output = self.run(inside, &["ps", "--tree", "--json"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// The newest event of a kind that holds.
    pub(crate) fn event(&self, kind: &str, holds: impl Fn(&Value) -> bool) -> Value {
        until(kind, || {
            let events = self.events.lock().unwrap();
            events.iter().rev().find(|event| event["event"] == kind && holds(event)).cloned()
        })
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit status.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        until("sharer to end", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let events = self.events.lock().unwrap();
            let newest: Vec<String> = events.iter().rev().take(12).map(Value::to_string).collect();
            drop(writeln!(std::io::stderr(), "newest events first:\n{}", newest.join("\n")));
        }
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharer"));
    for name in ["SESSION", "RELAY", "SOCKET", "CONTROL_TOKEN", "TASK_ID"] {
        command.env_remove(format!("SHARER_{name}"));
    }
    command
        .env("HOME", home)
        .env("H", home)
        .env("XDG_RUNTIME_DIR", home)
        .env("SHELL", "/bin/sh")
        .env("SHARER_LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null());
    command
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Whether a process is there.
pub(crate) fn runs(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}
