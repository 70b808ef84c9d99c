//! The program's output: to the user's terminal first, then gathered for the session.

use std::io::{self, Read};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::bell::Bell;
use crate::last_output::LastOutput;
use crate::term::whole::whole_chars;
use crate::tty;

/// Output that waits to be taken, in bytes; then the program waits. It is taken at the terminal model's rate, and what
/// one event holds is enough to gather.
const MOST_WAITING: usize = 64 * 1024;
/// The most read at once, in bytes; a PTY gives about 4 KiB.
const CHUNK: usize = 16 * 1024;
/// The thread's stack, in bytes: it only copies.
const STACK: usize = 128 * 1024;
/// Output is not on its way any more if none has come for so long after the program's end.
const QUIET: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    closed: bool,
}

#[derive(Debug)]
struct Common {
    waiting: Mutex<Waiting>,
    taken: Condvar,
    last: LastOutput,
}

/// What the program has written.
#[derive(Debug)]
pub(super) struct Output(Arc<Common>);

impl Output {
    /// Reads the PTY in a thread of its own; `local`: writes to stdout first. It rings when there is something.
    pub(super) fn start(pty: Box<dyn Read + Send>, local: bool, bell: Bell) -> io::Result<Self> {
        let common = Arc::new(Common {
            waiting: Mutex::default(),
            taken: Condvar::new(),
            last: LastOutput::new(Instant::now(), QUIET),
        });
        let theirs = Arc::clone(&common);
        let reads = move || {
            read(pty, local, &theirs, &bell);
            theirs.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
            bell.ring();
        };
        std::thread::Builder::new().name("output".to_owned()).stack_size(STACK).spawn(reads)?;
        Ok(Self(common))
    }

    /// Takes all whole characters, and whether the PTY is closed.
    pub(super) fn take(&self) -> (Bytes, bool) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = if waiting.closed { waiting.bytes.len() } else { whole_chars(&waiting.bytes) };
        let rest = waiting.bytes.split_off(whole);
        let taken = std::mem::replace(&mut waiting.bytes, rest);
        if !taken.is_empty() {
            self.0.last.moved(Instant::now());
        }
        self.0.taken.notify_one();
        (taken.into(), waiting.closed)
    }

    /// The program has ended.
    pub(super) fn ended(&self) {
        self.0.last.ended(Instant::now());
    }

    /// Nobody has time for a terminal that takes nothing.
    pub(super) fn hurry(&self) {
        self.0.last.hurry();
    }

    /// When nothing more is waited for; `None` while the program runs.
    pub(super) fn until(&self) -> Option<Instant> {
        let waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        self.0.last.until(whole_chars(&waiting.bytes) > 0)
    }
}

fn read(mut pty: Box<dyn Read + Send>, mut local: bool, common: &Common, bell: &Bell) {
    let mut chunk = vec![0; CHUNK];
    loop {
        let bytes = match pty.read(&mut chunk) {
            Ok(0) => return,
            Ok(read) => chunk.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // EIO: the last program in the terminal is gone.
            Err(_) => return,
        };
        common.last.took(Instant::now(), bytes.len());
        if local {
            // A terminal that is gone is no reason to end: the signal that comes with it is.
            local = tty::show(bytes).is_ok();
        }
        let mut waiting = common.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.bytes.len() >= MOST_WAITING {
            waiting = common.taken.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.bytes.extend_from_slice(bytes);
        common.last.gave(Instant::now());
        drop(waiting);
        bell.ring();
    }
}
