//! A person's own terminal, in which `sharer` runs: a PTY that the test holds the other end of.

use std::ffi::OsString;
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};
use shared::event::WindowSize;
use sharer_native::pty::{self, Ended, Program, Pty};
use sharer_native::term::Terminal;

use super::process::Sandbox;
use super::sharer_bin;
use super::wait::{LONG, until};

/// The terminal's size until it is given another.
pub const SIZE: WindowSize = WindowSize { cols: 100, rows: 30 };

/// `sharer` in a terminal; both end with this.
#[derive(Debug)]
pub struct Seat {
    pty: Pty,
    written: Arc<Written>,
    /// Its number may be somebody else's by now.
    over: AtomicBool,
}

/// What the terminal was given, and word of more.
#[derive(Debug, Default)]
struct Written {
    bytes: Mutex<Vec<u8>>,
    more: Condvar,
}

impl Seat {
    /// Runs `sharer ARGUMENTS` in a fresh terminal that nobody reads yet.
    ///
    /// # Panics
    /// When the system has no PTY to give.
    pub fn terminal_of(sandbox: &Sandbox, arguments: &[&str]) -> Pty {
        let program = std::iter::once(sharer_bin().into());
        start(sandbox, program.chain(arguments.iter().map(OsString::from)))
    }

    /// Runs `sharer ARGUMENTS` in a fresh terminal.
    ///
    /// # Panics
    /// When the system has no PTY to give.
    pub fn sharer(sandbox: &Sandbox, arguments: &[&str]) -> Self {
        Self::around(Self::terminal_of(sandbox, arguments))
    }

    /// Runs a shell command, for which `$0` is `sharer`, in a fresh terminal.
    ///
    /// # Panics
    /// When the system has no PTY to give.
    pub fn shell(sandbox: &Sandbox, command: &str) -> Self {
        let words = ["/bin/sh", "-c", command].map(OsString::from);
        Self::around(start(sandbox, words.into_iter().chain([sharer_bin().into()])))
    }

    /// Begins to read a terminal.
    ///
    /// # Panics
    /// When the system gives no way to read it.
    pub fn around(pty: Pty) -> Self {
        let mut reader = pty.output().expect("a PTY has output");
        let written = Arc::new(Written::default());
        let theirs = Arc::clone(&written);
        std::thread::spawn(move || {
            let mut chunk = [0; 16 * 1024];
            while let Ok(read @ 1..) = reader.read(&mut chunk) {
                theirs.bytes.lock().expect("nobody panics with it").extend_from_slice(&chunk[..read]);
                theirs.more.notify_all();
            }
        });
        Self { pty, written, over: AtomicBool::new(false) }
    }

    /// All bytes the terminal was given.
    pub fn bytes(&self) -> Vec<u8> {
        self.written.bytes.lock().expect("nobody panics with it").clone()
    }

    /// Blocks this thread until the terminal was given more than so many bytes; what is behind them. After [`LONG`], nothing.
    ///
    /// # Panics
    /// When a test has panicked with it.
    pub fn more(&self, than: usize) -> Vec<u8> {
        let bytes = self.written.bytes.lock().expect("nobody panics with it");
        let few = |bytes: &mut Vec<u8>| bytes.len() <= than;
        let waited = self.written.more.wait_timeout_while(bytes, LONG, few).expect("nobody panics with it");
        waited.0.get(than..).unwrap_or_default().to_vec()
    }

    /// Whether the terminal was given this.
    pub fn has(&self, text: &str) -> bool {
        let bytes = self.bytes();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    }

    /// Waits until the terminal was given this.
    pub async fn got(&self, text: &str) {
        let look = async || if self.has(text) { Ok(()) } else { Err(self.screen()) };
        until(&format!("the terminal to be given {text:?}"), LONG, look).await;
    }

    /// What the terminal shows, row by row.
    pub fn screen(&self) -> String {
        self.terminal().text()
    }

    /// A terminal that was given the same.
    pub fn terminal(&self) -> Terminal {
        let mut terminal = Terminal::new(SIZE, 100);
        terminal.feed(&self.bytes());
        terminal
    }

    /// Types.
    pub fn types(&self, text: &str) {
        self.pty.typing().write(text.as_bytes()).expect("a terminal takes keys");
    }

    /// Gives the terminal another size.
    pub fn resize(&self, size: WindowSize) {
        self.pty.resize(size);
    }

    /// Sends `sharer` a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pty.pid(), signal).expect("an own child");
    }

    /// Whether keys come at once and unechoed, as while a program is shared.
    pub fn is_raw(&self) -> bool {
        let name = self.pty.tty_name().expect("a PTY has a name");
        let tty = rustix::fs::open(name, OFlags::RDONLY | OFlags::NOCTTY, Mode::empty());
        let modes = tty.and_then(tcgetattr).expect("a PTY has settings").local_modes;
        !modes.contains(LocalModes::ICANON | LocalModes::ECHO)
    }

    /// Waits until `sharer` is stopped.
    pub async fn stopped(&self) {
        let stat = format!("/proc/{}/stat", self.pty.pid().as_raw_nonzero());
        let look = async || {
            let stat = std::fs::read_to_string(&stat).unwrap_or_default();
            let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
            if state == Some('T') { Ok(()) } else { Err(state) }
        };
        until("sharer to be stopped", LONG, look).await;
    }

    /// Waits for `sharer`'s end.
    pub async fn ended(&self) -> Ended {
        let look = async || pty::ended(self.pty.pid()).ok_or_else(|| self.screen());
        let ended = until("sharer to end", LONG, look).await;
        self.over.store(true, Ordering::Relaxed);
        ended
    }
}

/// Runs a program with the sandbox's environment and nothing else, by the program that is made for it.
fn start(sandbox: &Sandbox, program: impl Iterator<Item = OsString>) -> Pty {
    let command = sandbox.command(sharer_bin());
    let mut words: Vec<OsString> = ["env", "-i"].map(OsString::from).into();
    for (name, value) in command.as_std().get_envs() {
        let mut word = name.to_owned();
        word.push("=");
        word.push(value.unwrap_or_default());
        words.push(word);
    }
    words.push("SHARER_LISTEN=127.0.0.1:0".into());
    words.extend(program);
    let program = Program::find(&words).expect("env is everywhere");
    Pty::start(&program, SIZE, &[]).expect("a PTY")
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.over.load(Ordering::Relaxed) {
            let _gone = kill_process(self.pty.pid(), Signal::KILL);
        }
        if std::thread::panicking() {
            eprintln!("--- the terminal ---\n{}", self.screen());
        }
    }
}
