//! `sharer acp -- AGENT…`: stands between an editor and its agent, passes every byte at once and unchanged, and shares
//! what passes.
//!
//! Two threads copy; what they copied they offer to a third, which reads it and never holds them: what it cannot take
//! in time is not shared, and the transcript says so. When sharing fails, editor and agent notice nothing.

use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::seats::Seats;
use super::tap::{Lines, Side, Tap};
use crate::commands::complain;
use crate::exit;
use crate::last_output::LastOutput;

/// Bytes copied at once.
const PIECE: usize = 64 * 1024;
/// Pieces that wait to be read: at most 16 MiB.
const MOST_WAITING: usize = 256;
/// What was read waits so long for more before it is shared.
const GATHER: Duration = Duration::from_millis(20);
/// When an agent that has ended, and its own children, have said nothing for so long, all was said.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// What the copying threads tell the reading one.
enum Passed {
    /// These bytes passed.
    Bytes(Side, Vec<u8>),
    /// Some passed that were not kept.
    Gap(Side),
    /// A session has begun, and takes what waits for it.
    Begun,
    /// The agent has ended.
    End,
}

/// Offers copies, and counts what could not be taken.
struct Tee {
    side: Side,
    passed: SyncSender<Passed>,
    gap: bool,
}

impl Tee {
    fn offer(&mut self, bytes: &[u8]) {
        if self.gap {
            self.gap = self.passed.try_send(Passed::Gap(self.side)).is_err();
        }
        if !self.gap {
            let full = self.passed.try_send(Passed::Bytes(self.side, bytes.to_vec()));
            self.gap = matches!(full, Err(TrySendError::Full(_)));
        }
    }
}

/// Runs until the agent ends; returns its exit status.
pub fn run(command: &[OsString]) -> anyhow::Result<u8> {
    let (program, arguments) = command.split_first().context("name the agent: `sharer acp -- AGENT…`")?;
    let mut agent = Command::new(program);
    agent.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut agent = match agent.spawn() {
        Ok(agent) => agent,
        Err(error) => {
            let missing = error.kind() == io::ErrorKind::NotFound;
            let why = if missing { "command not found".to_owned() } else { error.to_string() };
            complain(&format!("{}: {why}", program.display()));
            return Ok(if missing { exit::NOT_FOUND } else { exit::NOT_EXECUTABLE });
        }
    };
    let (passed, passing) = sync_channel(MOST_WAITING);
    let name = std::path::Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned();
    let begun = passed.clone();
    let reader = thread::spawn(move || {
        read(&passing, &name, move || {
            // It may all be over.
            drop(begun.send(Passed::Begun));
        });
    });
    let (said_all, last) = copy_both(&mut agent, &passed)?;
    let status = agent.wait()?;
    last.ended(Instant::now());
    // Something that it left behind may hold its stdout for ever; an editor may be slow to read.
    while let Some(left) = last.until(false).map(|until| until.saturating_duration_since(Instant::now()))
        && !left.is_zero()
        && said_all.recv_timeout(left.min(LAST_WORDS)) == Err(RecvTimeoutError::Timeout)
    {}
    // What passed last is shared still. The editor may say nothing, and hold its end, for ever: its copying thread ends
    // with the process. Fails if nothing is shared.
    drop(passed.send(Passed::End));
    drop(reader.join());
    Ok(exit_status(status))
}

fn exit_status(status: std::process::ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::FAILED)
}

/// Copies both ways; what is given closes when the agent says no more, and tells how far that is.
fn copy_both(
    agent: &mut Child,
    passed: &SyncSender<Passed>,
) -> anyhow::Result<(Receiver<()>, Arc<LastOutput>)> {
    let mut to_agent = agent.stdin.take().context("the agent has no stdin")?;
    let mut from_agent = agent.stdout.take().context("the agent has no stdout")?;
    let mut tee = Tee { side: Side::Editor, passed: passed.clone(), gap: false };
    // An agent that has ended takes no more.
    let asked = LastOutput::new(Instant::now(), LAST_WORDS);
    thread::spawn(move || copy(&mut io::stdin().lock(), &mut to_agent, &mut tee, &asked));
    let mut tee = Tee { side: Side::Agent, passed: passed.clone(), gap: false };
    let (saying, said_all) = sync_channel(0);
    let last = Arc::new(LastOutput::new(Instant::now(), LAST_WORDS));
    let theirs = Arc::clone(&last);
    thread::spawn(move || {
        copy(&mut from_agent, &mut io::stdout().lock(), &mut tee, &theirs);
        drop(saying);
    });
    Ok((said_all, last))
}

fn copy(from: &mut impl Read, to: &mut impl Write, tee: &mut Tee, last: &LastOutput) {
    let mut piece = vec![0; PIECE];
    loop {
        let bytes = match from.read(&mut piece) {
            Ok(0) => return,
            Ok(count) => piece.get(..count).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        last.took(Instant::now(), bytes.len());
        // First, so that an answer never stands before what it answers; it waits for nobody.
        tee.offer(bytes);
        if to.write_all(bytes).and_then(|()| to.flush()).is_err() {
            return;
        }
        last.gave(Instant::now());
    }
}

/// Reads what passes and shares it; `begun` is called when a session has begun.
fn read(passing: &Receiver<Passed>, name: &str, begun: impl Fn() + Send + 'static) {
    let mut seats = match Seats::open(name, begun) {
        Ok(seats) => seats,
        Err(error) => {
            complain(&format!("nothing of this is shared: {error:#}"));
            // The copying threads must not find a full channel that nobody empties: it is dropped with this.
            return;
        }
    };
    let mut tap = Tap::default();
    let (mut editor, mut agent) = (Lines::default(), Lines::default());
    let mut ended = false;
    while !ended && let Ok(first) = passing.recv() {
        let mut next = Some(first);
        while let Some(passed) = next {
            match passed {
                Passed::Begun => {}
                Passed::End => {
                    ended = true;
                    break;
                }
                Passed::Bytes(side, bytes) => {
                    let lines = if side == Side::Editor { &mut editor } else { &mut agent };
                    let (mut meanings, mut skipped) = (Vec::new(), 0);
                    lines.push(&bytes, |line| meanings.extend(tap.line(side, line)), || skipped += 1);
                    for meaning in meanings {
                        seats.take(meaning);
                    }
                    if skipped > 0 {
                        seats.lost();
                    }
                }
                Passed::Gap(side) => {
                    *(if side == Side::Editor { &mut editor } else { &mut agent }) = Lines::default();
                    seats.lost();
                }
            }
            // Nothing is taken out that would not be read.
            next = if seats.is_full() { None } else { passing.recv_timeout(GATHER).ok() };
        }
        seats.flush();
    }
    seats.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers at once.
    struct Quick(Receiver<Passed>);

    impl Write for Quick {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let known = self.0.try_recv();
            assert!(matches!(known, Ok(Passed::Bytes(Side::Editor, known)) if known == bytes));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_asked_is_known_before_it_can_be_answered() {
        let (passed, passing) = sync_channel(MOST_WAITING);
        let mut tee = Tee { side: Side::Editor, passed, gap: false };
        let mut agent = Quick(passing);
        let last = LastOutput::new(Instant::now(), LAST_WORDS);
        copy(&mut io::Cursor::new(b"a question"), &mut agent, &mut tee, &last);
        assert!(agent.0.try_recv().is_err());
    }
}
