//! The thread that writes: takes what waits, makes lines of it, and keeps all recordings within their bound.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use shared::recording::{Session, folder};

use super::place::{self, Root};
use super::queue::{Batch, Item, Queue, What};
use super::tape::Tape;
use super::{Key, Limits};

/// So much is written before it is looked again what all recordings take, in bytes.
const STEP: u64 = 16 * 1024 * 1024;
/// Lines of one program are written when there are so many, in bytes.
const PIECE: usize = 256 * 1024;

/// Writes until nothing more comes.
pub(super) fn run(queue: &Queue, limits: Limits, trouble: &Mutex<Option<String>>) {
    let mut writer =
        Writer { limits, roots: BTreeMap::new(), tapes: BTreeMap::new(), written: 0, missing: None };
    loop {
        let batch = queue.take();
        let last = batch.last;
        let went = writer.write(batch).err().map(|error| error.to_string());
        let words = went.or_else(|| writer.missing.clone()).map(|why| format!("not all is recorded: {why}"));
        let mut known = trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if *known != words {
            if let Some(words) = &words {
                tracing::warn!(reason = words.as_str(), "recording");
            }
            *known = words;
        }
        drop(known);
        if last {
            break;
        }
    }
    queue.over();
}

#[derive(Debug)]
struct Writer {
    limits: Limits,
    /// Those in which something is recorded, and of how many programs.
    roots: BTreeMap<String, (Root, usize)>,
    tapes: BTreeMap<Key, (String, Tape)>,
    /// Since it was looked what all take.
    written: u64,
    /// Why a program that runs is not recorded at all.
    missing: Option<String>,
}

impl Writer {
    /// Writes all there is; the first thing that went wrong. What has a tape goes on whatever happens to others.
    fn write(&mut self, batch: Batch) -> io::Result<()> {
        let Batch { items, lost, ends, .. } = batch;
        let mut went = Ok(());
        let mut note = |done: io::Result<()>| {
            if went.is_ok() {
                went = done;
            }
        };
        // Of each program, when something happened last.
        let mut touched = BTreeMap::new();
        for (key, at, what) in items {
            touched.insert(key, at);
            note(self.take((key, at, what)));
        }
        for (key, lost) in lost {
            touched.entry(key).or_insert(lost.at);
            if let Some((_, tape)) = self.tapes.get_mut(&key) {
                tape.lost(lost);
            }
        }
        for (key, at, what) in ends {
            touched.insert(key, at);
            if let Some((_, tape)) = self.tapes.get_mut(&key) {
                tape.catch_up(at);
            }
            note(self.flush(key, at));
            note(self.take((key, at, what)));
            note(self.flush(key, at));
            if let Some((root, _)) = self.tapes.remove(&key)
                && let Some((_, programs)) = self.roots.get_mut(&root)
            {
                *programs -= 1;
                if *programs == 0 {
                    self.roots.remove(&root);
                }
            }
        }
        for (key, at) in touched {
            note(self.flush(key, at));
        }
        if self.written >= STEP.min(self.limits.total / 16) {
            note(self.make_room());
        }
        went
    }

    fn take(&mut self, (key, at, what): Item) -> io::Result<()> {
        if let What::Begin(session) = what {
            let begun = self.begin(key, *session);
            self.missing = begun.as_ref().err().map(ToString::to_string).or(self.missing.take());
            return begun;
        }
        let Some((_, tape)) = self.tapes.get_mut(&key) else { return Ok(()) };
        match what {
            What::Output(bytes) => tape.output(at, &bytes),
            What::Mark(mark) => tape.mark(at, mark),
            What::Resize(size) => tape.resize(at, size),
            What::Said(update) => tape.said(at, *update),
            What::Task(task) => tape.task(at, *task),
            What::Agent(program) => tape.agent(program),
            What::End(exit, status) => tape.end(at, exit, status),
            What::Begin(_) => {}
        }
        if tape.waiting() > PIECE {
            return self.flush(key, at);
        }
        Ok(())
    }

    fn begin(&mut self, key: Key, session: Session) -> io::Result<()> {
        let shelf = place::shelf()?;
        let name = folder(&session.root);
        if !self.roots.contains_key(&name) {
            let root = Root::open(&shelf, &session.root)?;
            self.roots.insert(name.clone(), (root, 0));
            self.make_room()?;
        }
        let Some((root, programs)) = self.roots.get_mut(&name) else { return Ok(()) };
        let dir: PathBuf = place::task_dir(root, &session.task)?;
        match Tape::begin(&dir, session, self.limits) {
            Ok(tape) => {
                *programs += 1;
                self.tapes.insert(key, (name, tape));
                Ok(())
            }
            Err(error) => {
                // Half a recording is none.
                drop(std::fs::remove_dir_all(&dir));
                Err(error)
            }
        }
    }

    fn flush(&mut self, key: Key, at: u64) -> io::Result<()> {
        let Some((_, tape)) = self.tapes.get_mut(&key) else { return Ok(()) };
        self.written += tape.flush(at)?;
        Ok(())
    }

    /// Has the oldest that ended make room. What runs goes on with its end only, if that is not enough.
    fn make_room(&mut self) -> io::Result<()> {
        self.written = 0;
        if place::make_room(&place::shelf()?, self.limits.total)? > self.limits.total {
            for (_, tape) in self.tapes.values_mut() {
                tape.stop();
            }
        }
        Ok(())
    }
}
