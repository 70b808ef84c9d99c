//! Lines that a thread of its own writes, so that nobody waits for whoever reads them, or does not.
//!
//! Bound: [`MOST_WAITING`] lines wait; more are dropped.

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

const MOST_WAITING: usize = 1_024;

/// See the module.
#[derive(Debug)]
pub struct Teller {
    lines: SyncSender<String>,
    thread: JoinHandle<()>,
}

impl Teller {
    /// Writes to this, until it cannot be written.
    pub fn to(mut out: impl Write + Send + 'static) -> Self {
        let (lines, waiting): (_, Receiver<String>) = sync_channel(MOST_WAITING);
        let thread = std::thread::spawn(move || {
            for line in waiting {
                if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
                    break;
                }
            }
        });
        Self { lines, thread }
    }

    /// Writes a line, with its end; `false`: nobody reads, and it is dropped.
    pub fn tell(&self, line: String) -> bool {
        self.lines.try_send(line).is_ok()
    }

    /// Waits until everything is written, but not long.
    pub fn finish(self) {
        drop(self.lines);
        for _ in 0..50 {
            if self.thread.is_finished() {
                return;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
