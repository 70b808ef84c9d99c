//! What viewers type, on its way into the PTY.
//!
//! A key goes at once: a hop to a thread costs as much as all else that a sharer does to it. What may have to wait
//! goes through a thread, because a program may not read for a long time.
//!
//! Bound: the machine refuses input while 2 MiB wait here, and of what is not a viewer's [`MOST_WAITING`] wait at most:
//! a program that asks for answers and does not read them gets no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::bell::Bell;
use crate::pty::Typing;

/// The thread's stack, in bytes: it only copies.
const STACK: usize = 128 * 1024;

/// Bytes of answers and of what a task is told that wait for the program to read, at most.
const MOST_WAITING: usize = 1024 * 1024;

type Inputs = Receiver<(Vec<u8>, bool)>;

/// When input goes into the PTY.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Typed {
    /// It is in, so many bytes.
    Now(usize),
    /// When the program has read enough.
    Later,
}

#[derive(Debug, Default)]
struct Counts {
    /// Pieces that went to the thread and are not typed: nothing may overtake them.
    queued: AtomicUsize,
    /// Bytes of viewers' input that were typed.
    typed: AtomicUsize,
    /// Bytes of everything else that went to the thread and are not typed.
    waiting: AtomicUsize,
}

/// The way into the PTY; its thread starts with the first input that has to wait.
#[derive(Debug)]
pub(super) struct Typist {
    typing: Typing,
    waiting: Sender<(Vec<u8>, bool)>,
    resting: Option<(Inputs, Bell)>,
    counts: Arc<Counts>,
}

impl Typist {
    /// Types into a PTY, and rings when viewers' input was typed.
    pub(super) fn new(typing: Typing, bell: Bell) -> Self {
        let (waiting, inputs) = channel();
        Self { typing, waiting, resting: Some((inputs, bell)), counts: Arc::default() }
    }

    /// Types what a viewer composed. What does not go at once is counted by [`Self::typed`] when the bell rings.
    pub(super) fn type_input(&mut self, bytes: Vec<u8>) -> Typed {
        let nothing_waits = self.counts.queued.load(Ordering::Acquire) == 0;
        if nothing_waits && self.typing.write_now(&bytes) {
            return Typed::Now(bytes.len());
        }
        self.send(bytes, true);
        Typed::Later
    }

    /// Types what is not a viewer's: the model's answer to a query, or what a task is told. `false`, and nothing of it is
    /// typed: the program does not read, and too much waits.
    pub(super) fn type_reply(&mut self, bytes: Vec<u8>) -> bool {
        let fits = self.counts.waiting.load(Ordering::Relaxed) + bytes.len() <= MOST_WAITING;
        if fits && !bytes.is_empty() {
            self.counts.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
            self.send(bytes, false);
        }
        fits
    }

    /// How many bytes of viewers' input were typed since the last call.
    pub(super) fn typed(&self) -> usize {
        self.counts.typed.swap(0, Ordering::Relaxed)
    }

    fn send(&mut self, bytes: Vec<u8>, counted: bool) {
        if let Some((inputs, bell)) = self.resting.take() {
            let (typing, counts) = (self.typing.clone(), Arc::clone(&self.counts));
            let types = move || run(&typing, &inputs, &counts, &bell);
            if let Err(error) =
                std::thread::Builder::new().name("typist".to_owned()).stack_size(STACK).spawn(types)
            {
                tracing::warn!(%error, "nothing can be typed");
            }
        }
        self.counts.queued.fetch_add(1, Ordering::Relaxed);
        // The thread lives as long as this does.
        drop(self.waiting.send((bytes, counted)));
    }
}

fn run(typing: &Typing, inputs: &Inputs, counts: &Counts, bell: &Bell) {
    for (bytes, counted) in inputs {
        if let Err(error) = typing.write(&bytes) {
            tracing::debug!(%error, "the PTY takes no input");
        }
        counts.queued.fetch_sub(1, Ordering::Release);
        if counted {
            counts.typed.fetch_add(bytes.len(), Ordering::Relaxed);
            bell.ring();
        } else {
            counts.waiting.fetch_sub(bytes.len(), Ordering::Relaxed);
        }
    }
}
