//! The program's output: to the user's terminal first, then gathered for the session.

use std::io::{self, Read, Write as _};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::term::whole::whole_chars;

/// Output that waits to be taken, in bytes; then the program waits. It is taken at the terminal model's rate.
const MOST_WAITING: usize = 256 * 1024;

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    closed: bool,
}

#[derive(Debug, Default)]
struct Common {
    waiting: Mutex<Waiting>,
    taken: Condvar,
    ready: Notify,
}

/// What the program has written.
#[derive(Debug)]
pub(super) struct Output(Arc<Common>);

impl Output {
    /// Reads the PTY in a thread of its own; `local`: writes to stdout first.
    pub(super) fn start(pty: Box<dyn Read + Send>, local: bool) -> Self {
        let common = Arc::new(Common::default());
        let theirs = Arc::clone(&common);
        std::thread::spawn(move || {
            read(pty, local, &theirs);
            theirs.waiting.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
            theirs.ready.notify_one();
        });
        Self(common)
    }

    /// Waits until there may be something.
    pub(super) async fn ready(&self) {
        self.0.ready.notified().await;
    }

    /// Takes all whole characters, and whether the PTY is closed.
    pub(super) fn take(&self) -> (Bytes, bool) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let whole = if waiting.closed { waiting.bytes.len() } else { whole_chars(&waiting.bytes) };
        let rest = waiting.bytes.split_off(whole);
        let taken = std::mem::replace(&mut waiting.bytes, rest);
        self.0.taken.notify_one();
        (taken.into(), waiting.closed)
    }
}

fn read(mut pty: Box<dyn Read + Send>, mut local: bool, common: &Common) {
    let mut chunk = vec![0; 64 * 1024];
    loop {
        let bytes = match pty.read(&mut chunk) {
            Ok(0) => return,
            Ok(read) => chunk.get(..read).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // EIO: the last program in the terminal is gone.
            Err(_) => return,
        };
        if local {
            let mut out = io::stdout().lock();
            // A terminal that is gone is no reason to end: the signal that comes with it is.
            local = out.write_all(bytes).and_then(|()| out.flush()).is_ok();
        }
        let mut waiting = common.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while waiting.bytes.len() >= MOST_WAITING {
            waiting = common.taken.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.bytes.extend_from_slice(bytes);
        drop(waiting);
        common.ready.notify_one();
    }
}
