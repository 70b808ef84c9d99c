//! Lines that a thread of its own writes, so that nobody waits for whoever reads them, or does not.
//!
//! Bound: [`MOST_WAITING`] lines wait; more are dropped.

use std::io::Write;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::time::Duration;

const MOST_WAITING: usize = 1_024;
/// At the end a reader is waited for no longer than this.
const LAST_LINES: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub struct Teller {
    lines: SyncSender<String>,
    /// Closes when nothing more is written.
    over: Receiver<()>,
}

impl Teller {
    /// Writes to this, until it cannot be written.
    pub fn to(mut out: impl Write + Send + 'static) -> Self {
        let (lines, waiting) = sync_channel::<String>(MOST_WAITING);
        let (writes, over) = channel();
        std::thread::spawn(move || {
            for line in waiting {
                if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
                    break;
                }
            }
            drop(writes);
        });
        Self { lines, over }
    }

    /// Writes a line, with its end.
    pub fn tell(&self, line: String) {
        if self.lines.try_send(line).is_err() {
            tracing::warn!("a line was dropped: nobody reads them");
        }
    }

    /// Waits until everything is written, but not long.
    pub fn finish(self) {
        drop(self.lines);
        let _late = self.over.recv_timeout(LAST_LINES);
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// Somebody who reads when he is let.
    struct Slow(Receiver<()>, std::sync::mpsc::Sender<Vec<u8>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _told = self.0.recv();
            drop(self.1.send(bytes.to_vec()));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_does_not_read_holds_nobody_and_misses_what_is_too_much() {
        let (lets, let_go) = channel();
        let (writes, written) = channel();
        let teller = Teller::to(Slow(let_go, writes));
        for number in 0..3 * MOST_WAITING {
            teller.tell(format!("{number}\n"));
        }
        // Everything that waits is read at once.
        drop(lets);
        teller.finish();
        let all: Vec<Vec<u8>> = written.iter().collect();
        assert!((MOST_WAITING..=MOST_WAITING + 1).contains(&all.len()), "{}", all.len());
        assert_eq!((all[0].as_slice(), all[1].as_slice()), (&b"0\n"[..], &b"1\n"[..]));
    }
}
