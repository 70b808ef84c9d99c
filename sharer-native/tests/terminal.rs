//! The user's terminal is as it was, whatever happens. `sharer` runs inside a PTY that stands for it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

use std::io::{Read as _, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

struct Seat {
    master: Box<dyn MasterPty + Send>,
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    screen: Arc<Mutex<Vec<u8>>>,
    before: String,
    _home: TempDir,
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(20), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Seat {
    fn start(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let home = tempfile::Builder::new().prefix("sharer-").tempdir().unwrap();
        let size = PtySize { rows: 30, cols: 100, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let before = format!("{:?}", pair.master.get_termios());
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.env_remove("SHARER_SESSION");
        command.env("XDG_RUNTIME_DIR", home.path());
        command.env("XDG_STATE_HOME", home.path());
        command.env("SHARER_LISTEN", "127.0.0.1:0");
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let theirs = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = reader.read(&mut chunk) {
                theirs.lock().unwrap().extend_from_slice(&chunk[..read]);
            }
        });
        let writer = pair.master.take_writer().unwrap();
        // The slave stays open in the child only; its settings are read from the master.
        Self { master: pair.master, child, writer, screen, before, _home: home }
    }

    fn sharer(script: &str) -> Self {
        let seat = Self::start(env!("CARGO_BIN_EXE_sharer"), &["--", "sh", "-c", script], &[]);
        seat.shows("READY");
        until("raw", || seat.is_raw());
        seat
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    fn shows(&self, text: &str) {
        until(text, || self.text().contains(text));
    }

    fn is_raw(&self) -> bool {
        format!("{:?}", self.master.get_termios()) != self.before
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.process_id().unwrap()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn state(&self) -> char {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.process_id().unwrap()));
        stat.ok().and_then(|stat| stat.rsplit_once(") ")?.1.chars().next()).unwrap_or('?')
    }

    fn ended(&mut self) -> u32 {
        let mut status = None;
        until("the end", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert!(!self.is_raw(), "restored");
        status.unwrap().exit_code()
    }
}

#[test]
fn after_the_program_the_terminal_is_as_it_was() {
    let mut seat = Seat::sharer("echo RE''ADY; read line; echo got $line; exit 4");
    seat.writer.write_all(b"hello\r").unwrap();
    seat.shows("got hello");
    assert_eq!(seat.ended(), 4);
    let text = seat.text();
    let (banner, rest) = text.split_once("READY").unwrap();
    assert!(banner.contains("/s/") && banner.contains("can type"), "{banner}");
    assert!(rest.contains("no longer sharing"), "{rest}");
}

#[test]
fn the_program_has_the_terminals_size_and_its_changes() {
    let mut seat =
        Seat::sharer("trap 'stty size; exit' WINCH; stty size; echo RE''ADY; while :; do sleep 0.05; done");
    seat.shows("30 100");
    seat.master.resize(PtySize { rows: 33, cols: 111, pixel_width: 0, pixel_height: 0 }).unwrap();
    seat.shows("33 111");
    seat.ended();
}

#[test]
fn after_sigterm_and_sighup_the_terminal_is_as_it_was() {
    for (signal, status) in [(Signal::TERM, 143), (Signal::HUP, 129)] {
        let mut seat = Seat::sharer("echo RE''ADY; sleep 60");
        seat.signal(signal);
        assert_eq!(seat.ended(), status);
    }
}

#[test]
fn ctrl_z_gives_the_terminal_back_and_takes_it_again() {
    let mut seat = Seat::sharer("echo RE''ADY; read line; echo got $line");
    for _ in 0..2 {
        seat.signal(Signal::TSTP);
        until("stopped", || seat.state() == 'T');
        assert!(!seat.is_raw(), "as it was while stopped");
        seat.signal(Signal::CONT);
        until("raw again", || seat.is_raw());
    }
    seat.writer.write_all(b"back\r").unwrap();
    seat.shows("got back");
    assert_eq!(seat.ended(), 0);
}

/// Runs in a child of the next test: raw, then a panic in another thread than the guard's.
#[test]
fn child_that_panics() {
    if std::env::var_os("SHARER_TEST_CHILD").is_none() {
        return;
    }
    let raw = sharer_native::tty::Raw::enter().unwrap();
    println!("READY");
    let mut line = [0];
    std::io::stdin().read_exact(&mut line).unwrap();
    drop(std::thread::spawn(|| panic!("on purpose")).join());
    // The hook has restored the terminal already; the guard has nothing left to do.
    std::mem::forget(raw);
    println!("AFTER");
    std::io::stdin().read_exact(&mut line).unwrap();
    std::process::exit(9);
}

#[test]
fn after_a_panic_the_terminal_is_as_it_was() {
    let own = std::env::current_exe().unwrap();
    let arguments = ["--exact", "child_that_panics", "--nocapture"];
    let mut seat = Seat::start(own.to_str().unwrap(), &arguments, &[("SHARER_TEST_CHILD", "1")]);
    seat.shows("READY");
    until("raw", || seat.is_raw());
    seat.writer.write_all(b"x").unwrap();
    seat.shows("AFTER");
    assert!(!seat.is_raw(), "restored by the panic itself");
    seat.writer.write_all(b"\n").unwrap();
    assert_eq!(seat.ended(), 9);
}
