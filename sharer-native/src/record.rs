//! Records every program that this process hosts, on this machine, while it runs.
//!
//! The task that owns the programs gives what happens to a [`Recorder`], which never waits: a bounded queue
//! ([`queue`]) leads to one thread ([`writer`]) that makes lines of it ([`tape`]) and writes them, about ten times a
//! second. What does not fit is left out and said to be. [`place`] is where recordings lie and which make room for others,
//! [`export`] what people take away. The formats are [`shared::recording`]'s.

pub mod args;
pub mod export;
pub mod place;
mod queue;
mod tape;
mod writer;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use shared::command::Mark;
use shared::conversation::Update;
use shared::event::WindowSize;
use shared::orchestration::task::Task;
use shared::recording::{Exit, Session};
use shared::time::Moment;

use self::queue::{Queue, What};

/// Which program, as its host counts them.
pub(crate) type Key = u32;

/// At the end, what is not written by then is not waited for: a disk that hangs.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// The thread's stack, in bytes: it makes lines and parses nothing.
const STACK: usize = 256 * 1024;

/// How much recordings may take, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The terminal of one program; its transcript has a quarter of that besides.
    pub each: u64,
    /// All programs that this user has recorded: beyond, the oldest that ended make room.
    pub total: u64,
}

impl Default for Limits {
    /// Two hours of an agent that redraws its screen without rest, and a few dozen of these.
    fn default() -> Self {
        Self { each: 256 << 20, total: 2 << 30 }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// `None`: nothing is to be recorded.
    limits: Option<Limits>,
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
    trouble: Arc<Mutex<Option<String>>>,
    /// When each program began.
    began: BTreeMap<Key, Moment>,
}

impl Recorder {
    /// Records within these limits, or (`None`) nothing.
    pub(crate) fn new(limits: Option<Limits>) -> Self {
        Self { limits, queue: Arc::default(), thread: None, trouble: Arc::default(), began: BTreeMap::new() }
    }

    /// Whether anything is recorded.
    pub(crate) fn is_on(&self) -> bool {
        self.limits.is_some()
    }

    /// What keeps it from recording, for people.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A program begins; what happens before its first byte may be told after this.
    pub(crate) fn begin(&mut self, key: Key, now: Moment, session: Session) {
        let Some(limits) = self.limits else { return };
        if self.thread.is_none() {
            let (queue, trouble) = (Arc::clone(&self.queue), Arc::clone(&self.trouble));
            let writes = move || writer::run(&queue, limits, &trouble);
            match std::thread::Builder::new().name("record".to_owned()).stack_size(STACK).spawn(writes) {
                Ok(thread) => self.thread = Some(thread),
                Err(error) => {
                    tracing::warn!(%error, "nothing is recorded");
                    self.limits = None;
                    return;
                }
            }
        }
        self.began.insert(key, now);
        self.tell(key, now, What::Begin(Box::new(session)));
    }

    /// A program wrote, with marks of its shell behind so many bytes.
    pub(crate) fn output(&self, key: Key, now: Moment, output: &Bytes, marks: &[(usize, Mark)]) {
        let mut from = 0;
        for (at, mark) in marks {
            if from < *at {
                self.tell(key, now, What::Output(output.slice(from..*at)));
            }
            self.tell(key, now, What::Mark(mark.clone()));
            from = *at;
        }
        if from < output.len() {
            self.tell(key, now, What::Output(output.slice(from..)));
        }
    }

    /// Its terminal has another size.
    pub(crate) fn resize(&self, key: Key, now: Moment, size: WindowSize) {
        self.tell(key, now, What::Resize(size));
    }

    /// Something happened in its conversation.
    pub(crate) fn said(&self, key: Key, now: Moment, update: Update) {
        self.tell(key, now, What::Said(Box::new(update)));
    }

    /// What is said of a task from now on, in the recording of `key`.
    pub(crate) fn task(&self, key: Key, now: Moment, task: Task) {
        self.tell(key, now, What::Task(Box::new(task)));
    }

    /// An agent was recognised in its terminal.
    pub(crate) fn agent(&self, key: Key, now: Moment, program: &str) {
        self.tell(key, now, What::Agent(program.to_owned()));
    }

    /// It has ended, and everything of it was told.
    pub(crate) fn end(&mut self, key: Key, now: Moment, exit: Exit, status: u8) {
        self.tell(key, now, What::End(exit, status));
        self.began.remove(&key);
    }

    fn tell(&self, key: Key, now: Moment, what: What) {
        if let Some(began) = self.began.get(&key) {
            self.queue.push(key, now.since(*began), what);
        }
    }

    /// Wakes the thread if there is something for it. A wake-up costs a keystroke's echo something, so this comes after what
    /// viewers wait for.
    pub(crate) fn ring(&self) {
        self.queue.ring();
    }

    /// Waits until everything is written, but not long.
    pub(crate) fn finish(&mut self) {
        let Some(thread) = self.thread.take() else { return };
        self.queue.close();
        if !self.queue.wait_until_over(LAST_WORDS) {
            tracing::warn!("the end of a recording may be missing: the disk does not answer");
            return;
        }
        drop(thread.join());
    }
}
