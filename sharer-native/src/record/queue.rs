//! The way from the programs to the thread that writes: bounded, and nobody waits at its entrance.
//!
//! Bound: [`MOST_WAITING`] bytes. Once it is full, output and lines are counted instead of kept until the thread has taken
//! all that waits; beginnings and ends, of which each program has one, are always kept. Of what has a newest value, the
//! terminal's size and the rows of tasks, that is kept too: at most [`MAX_TASKS`] rows a program.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use shared::command::Mark;
use shared::conversation::Update;
use shared::event::WindowSize;
use shared::id::TaskId;
use shared::orchestration::task::{MAX_TASK, MAX_TASKS, Task};
use shared::recording::{Exit, Session};

use super::Key;

/// What waits at most, in bytes: a tenth of a second of the fastest flood that a terminal model keeps up with.
const MOST_WAITING: usize = 4 * 1024 * 1024;
/// The thread gathers this much …
const ENOUGH: usize = 256 * 1024;
/// … or for this long: what a killed process loses at most.
const GATHER: Duration = Duration::from_millis(100);
/// What an item costs besides what it holds, in bytes.
const ITEM: usize = 128;

/// What happened.
#[derive(Debug)]
pub(super) enum What {
    Begin(Box<Session>),
    Output(Bytes),
    Mark(Mark),
    Resize(WindowSize),
    Said(Box<Update>),
    Task(Box<Task>),
    Agent(String),
    End(Exit, u8),
}

impl What {
    fn cost(&self) -> usize {
        let held = match self {
            Self::Output(bytes) => bytes.len(),
            // Text, nearly all of it.
            Self::Said(update) => serde_json::to_vec(update).map_or(0, |json| json.len()),
            Self::Task(_) | Self::Begin(_) => MAX_TASK,
            Self::Mark(_) | Self::Resize(_) | Self::Agent(_) | Self::End(..) => 0,
        };
        held + ITEM
    }
}

/// One thing that happened: to whom, how many milliseconds after it began, and what.
pub(super) type Item = (Key, u64, What);

/// What of a program was not kept.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// When that began.
    pub(super) at: u64,
    /// Bytes of output.
    pub(super) bytes: u64,
    /// Things that would have been lines.
    pub(super) lines: u64,
    /// The size that its terminal has now, and since when, if that changed.
    pub(super) size: Option<(u64, WindowSize)>,
    /// The newest rows that would have been lines, and when they came.
    pub(super) tasks: BTreeMap<TaskId, (u64, Box<Task>)>,
}

impl Lost {
    fn add(&mut self, at: u64, what: What) {
        match what {
            What::Output(bytes) => self.bytes += bytes.len() as u64,
            What::Resize(size) => self.size = Some((at, size)),
            What::Task(task) if self.tasks.len() < MAX_TASKS || self.tasks.contains_key(&task.id) => {
                let older = self.tasks.insert(task.id.clone(), (at, task));
                self.lines += u64::from(older.is_some());
            }
            What::Mark(_) | What::Said(_) | What::Task(_) => self.lines += 1,
            // They are never lost.
            What::Begin(_) | What::Agent(_) | What::End(..) => {}
        }
    }
}

/// What the thread takes at once, in the order in which it is to be written.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) items: Vec<Item>,
    pub(super) lost: BTreeMap<Key, Lost>,
    pub(super) ends: Vec<Item>,
    /// Nothing follows.
    pub(super) last: bool,
}

#[derive(Debug, Default)]
struct State {
    batch: Batch,
    bytes: usize,
    full: bool,
    /// The thread waits for the first item.
    sleeps: bool,
    over: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    more: Condvar,
    done: Condvar,
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes something in.
    pub(super) fn push(&self, key: Key, at: u64, what: What) {
        let cost = what.cost();
        let mut state = self.state();
        match what {
            What::End(..) => return state.batch.ends.push((key, at, what)),
            What::Begin(_) | What::Agent(_) => {}
            What::Output(_) | What::Mark(_) | What::Resize(_) | What::Said(_) | What::Task(_) => {
                state.full |= state.bytes.saturating_add(cost) > MOST_WAITING;
                if state.full {
                    let lost = state.batch.lost.entry(key);
                    lost.or_insert_with(|| Lost { at, ..Lost::default() }).add(at, what);
                    return;
                }
            }
        }
        let before = state.bytes;
        state.bytes += cost;
        state.batch.items.push((key, at, what));
        if before < ENOUGH && state.bytes >= ENOUGH {
            self.more.notify_one();
        }
    }

    /// Wakes the thread if it sleeps and there is something.
    pub(super) fn ring(&self) {
        let state = self.state();
        if state.sleeps && !(state.batch.items.is_empty() && state.batch.ends.is_empty()) {
            self.more.notify_one();
        }
    }

    /// Nothing more comes.
    pub(super) fn close(&self) {
        self.state().batch.last = true;
        self.more.notify_one();
    }

    /// Waits until the thread has taken the last batch and written it; `false`: it has not, in that time.
    pub(super) fn wait_until_over(&self, most: Duration) -> bool {
        let waited = self.done.wait_timeout_while(self.state(), most, |state| !state.over);
        waited.unwrap_or_else(PoisonError::into_inner).0.over
    }

    /// The thread has ended.
    pub(super) fn over(&self) {
        self.state().over = true;
        self.done.notify_one();
    }

    /// Waits for something, gathers what follows it soon, and takes all.
    pub(super) fn take(&self) -> Batch {
        let mut state = self.state();
        state.sleeps = true;
        let nothing = |state: &mut State| {
            state.batch.items.is_empty() && state.batch.ends.is_empty() && !state.batch.last
        };
        state = self.more.wait_while(state, nothing).unwrap_or_else(PoisonError::into_inner);
        state.sleeps = false;
        let gathers = |state: &mut State| state.bytes < ENOUGH && !state.batch.last;
        let gathered = self.more.wait_timeout_while(state, GATHER, gathers);
        let mut state = gathered.unwrap_or_else(PoisonError::into_inner).0;
        (state.bytes, state.full) = (0, false);
        let last = state.batch.last;
        std::mem::replace(&mut state.batch, Batch { last, ..Batch::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::time::UnixMs;

    #[test]
    fn what_does_not_fit_is_counted_and_nobody_waits() {
        let queue = Queue::default();
        let piece = Bytes::from(vec![b'x'; 64 * 1024]);
        for at in 0..200 {
            queue.push(1, at, What::Output(piece.clone()));
            queue.push(2, at, What::Mark(Mark::Prompt));
        }
        let task = |id: &str, name: &str| Task::new(TaskId(id.to_owned()), None, name, UnixMs(0));
        for (at, name) in [(200, "old"), (201, "new")] {
            queue.push(3, at, What::Task(Box::new(task("t", name))));
            queue.push(3, at, What::Resize(WindowSize { cols: 100, rows: 50 + u16::try_from(at).unwrap() }));
        }
        queue.push(1, 200, What::End(Exit::default(), 0));
        let batch = queue.take();
        let kept: usize = batch.items.iter().map(|(_, _, what)| what.cost()).sum();
        assert!(kept <= MOST_WAITING && kept > MOST_WAITING / 2, "{kept}");
        let output = |(_, _, what): &&Item| matches!(what, What::Output(_));
        let outputs = batch.items.iter().filter(output).count() as u64;
        assert_eq!(batch.lost[&1].bytes, (200 - outputs) * 64 * 1024);
        assert_eq!(batch.lost[&2].lines, 200 - (batch.items.len() as u64 - outputs));
        assert_eq!((batch.ends.len(), batch.last), (1, false), "an end is always kept");
        let newest = &batch.lost[&3];
        assert_eq!(newest.size, Some((201, WindowSize { cols: 100, rows: 251 })));
        let rows: Vec<_> = newest.tasks.values().map(|(at, task)| (*at, task.name.to_string())).collect();
        assert_eq!((rows, newest.lines), (vec![(201, "new".to_owned())], 1), "the newest are always kept");
        queue.push(1, 300, What::Output(piece));
        queue.close();
        let batch = queue.take();
        assert_eq!((batch.items.len(), batch.lost.len(), batch.last), (1, 0, true));
    }
}
