//! The terminal model in a thread of its own, fed in order and at most [`FAR_BEHIND`] bytes behind.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::bell::Bell;
use crate::term::Terminal;
use shared::event::WindowSize;
use shared::sharer::{Mark, ModelDump, ModelInput};

/// The program is held to the model's rate once the model is this many bytes behind: 12 ms of its work. So a snapshot
/// is never older than that, and what waits for the model takes little memory (`ARCHITECTURE.md`).
const FAR_BEHIND: usize = 512 * 1024;
/// The thread's stack, in bytes: a dump of a deep screen takes the most, and in a test build much more.
const STACK: usize = 512 * 1024;

/// What the model has to tell; latest values. [`Self::passed`] by itself rings no bell: it is taken along.
#[derive(Debug, Default)]
pub(super) struct News {
    /// The newest mark it passed.
    pub(super) passed: Option<Mark>,
    /// A dump; the machine asks for one at a time.
    pub(super) dumps: Vec<ModelDump>,
    /// The title, if the program set another one.
    pub(super) title: Option<String>,
    /// Answers to the program's queries.
    pub(super) replies: Vec<u8>,
}

#[derive(Debug, Default)]
struct Common {
    behind: AtomicUsize,
    wants_paste: AtomicBool,
    /// About what the lines take that have scrolled off, in bytes.
    history: AtomicUsize,
    news: Mutex<News>,
}

enum Work {
    Input(ModelInput),
    Trim,
}

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Model {
    inputs: Sender<Work>,
    common: Arc<Common>,
}

impl Model {
    /// Starts the thread. `answers`: whether answers to queries are wanted. It rings when it has something to tell.
    pub(super) fn start(
        size: WindowSize,
        scrollback: usize,
        answers: bool,
        bell: Bell,
    ) -> std::io::Result<Self> {
        let (inputs, waiting) = channel();
        let common = Arc::new(Common::default());
        let theirs = Arc::clone(&common);
        std::thread::Builder::new()
            .name("model".to_owned())
            .stack_size(STACK)
            .spawn(move || run(Terminal::new(size, scrollback), answers, &waiting, &theirs, &bell))?;
        Ok(Self { inputs, common })
    }

    /// Feeds it.
    pub(super) fn feed(&self, input: ModelInput) {
        if let ModelInput::Output(bytes) = &input {
            self.common.behind.fetch_add(bytes.len(), Ordering::Relaxed);
        }
        self.send(Work::Input(input));
    }

    fn send(&self, work: Work) {
        if self.inputs.send(work).is_err() {
            // Its thread panicked: sharing goes on without late joins, and the program is not held.
            self.common.behind.store(0, Ordering::Relaxed);
        }
    }

    /// Whether it takes more output without being too far behind.
    pub(super) fn has_room(&self) -> bool {
        self.common.behind.load(Ordering::Relaxed) < FAR_BEHIND
    }

    /// About what the lines take that have scrolled off, in bytes.
    pub(super) fn history(&self) -> usize {
        self.common.history.load(Ordering::Relaxed)
    }

    /// Has them let go.
    pub(super) fn trim(&self) {
        self.common.history.store(0, Ordering::Relaxed);
        self.send(Work::Trim);
    }

    /// Whether the program takes what is pasted between brackets.
    pub(super) fn wants_paste(&self) -> bool {
        self.common.wants_paste.load(Ordering::Relaxed)
    }

    /// Takes what it has to tell.
    pub(super) fn news(&self) -> News {
        std::mem::take(&mut *self.common.news.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn run(mut terminal: Terminal, answers: bool, inputs: &Receiver<Work>, common: &Common, bell: &Bell) {
    let mut title = terminal.title().map(str::to_owned);
    while let Ok(work) = inputs.recv() {
        let Work::Input(input) = work else {
            terminal.trim_history();
            continue;
        };
        let mut fed = 0;
        let mut dump = None;
        let mut passed = None;
        match input {
            ModelInput::Output(bytes) => {
                terminal.feed(&bytes);
                fed = bytes.len();
            }
            ModelInput::Resize(size) => terminal.resize(size),
            ModelInput::Command(number) => terminal.command(number),
            ModelInput::Forget => terminal.forget_history(),
            ModelInput::Mark(mark) => passed = Some(mark),
            ModelInput::Snapshot { mark, full } => {
                let screen = terminal.screen();
                let full = full.then(|| terminal.full());
                dump = Some(ModelDump { mark, window: terminal.size(), screen, full });
            }
        }
        let behind =
            common.behind.fetch_sub(fed.min(common.behind.load(Ordering::Relaxed)), Ordering::Relaxed);
        // A wake-up costs a keystroke's echo more than the model does, so most of what happens here rings no bell.
        let mut urgent = dump.is_some() || (behind >= FAR_BEHIND && behind.saturating_sub(fed) < FAR_BEHIND);
        common.wants_paste.store(terminal.wants_paste(), Ordering::Relaxed);
        if let Some(bytes) = terminal.history_bytes() {
            common.history.store(bytes, Ordering::Relaxed);
        }
        let mut news = common.news.lock().unwrap_or_else(PoisonError::into_inner);
        news.passed = passed.or(news.passed);
        news.dumps.extend(dump);
        let replies = terminal.take_replies();
        // A program that asks without reading the answers gets no more of them.
        if answers && !replies.is_empty() && news.replies.len() < 64 * 1024 {
            news.replies.extend_from_slice(&replies);
            urgent = true;
        }
        if fed > 0 && terminal.title() != title.as_deref() {
            title = terminal.title().map(str::to_owned);
            news.title = Some(title.clone().unwrap_or_default());
            urgent = true;
        }
        drop(news);
        if urgent {
            bell.ring();
        }
    }
}
