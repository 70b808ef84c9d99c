//! What viewers type, on its way into the PTY: in a thread, because a program may not read for a long time.
//!
//! Bound: the machine refuses input while 2 MiB wait here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::bell::Bell;
use crate::pty::Typing;

/// The thread's stack, in bytes: it only copies.
const STACK: usize = 128 * 1024;

type Inputs = Receiver<(Vec<u8>, bool)>;

/// The way to the thread, which starts with the first input: most programs are only watched.
#[derive(Debug)]
pub(super) struct Typist {
    waiting: Sender<(Vec<u8>, bool)>,
    resting: Option<(Typing, Inputs, Bell)>,
    typed: Arc<AtomicUsize>,
}

impl Typist {
    /// Types into a PTY, and rings when viewers' input was typed.
    pub(super) fn new(typing: Typing, bell: Bell) -> Self {
        let (waiting, inputs) = channel();
        Self { waiting, resting: Some((typing, inputs, bell)), typed: Arc::default() }
    }

    /// Types what a viewer composed.
    pub(super) fn type_input(&mut self, bytes: Vec<u8>) {
        self.send(bytes, true);
    }

    /// Types what is not a viewer's: the model's answer to a query, or what a task is told.
    pub(super) fn type_reply(&mut self, bytes: Vec<u8>) {
        self.send(bytes, false);
    }

    /// How many bytes of viewers' input were typed since the last call.
    pub(super) fn typed(&self) -> usize {
        self.typed.swap(0, Ordering::Relaxed)
    }

    fn send(&mut self, bytes: Vec<u8>, counted: bool) {
        if let Some((typing, inputs, bell)) = self.resting.take() {
            let typed = Arc::clone(&self.typed);
            let types = move || run(&typing, &inputs, &typed, &bell);
            if let Err(error) =
                std::thread::Builder::new().name("typist".to_owned()).stack_size(STACK).spawn(types)
            {
                tracing::warn!(%error, "nothing can be typed");
            }
        }
        // The thread lives as long as this does.
        drop(self.waiting.send((bytes, counted)));
    }
}

fn run(typing: &Typing, inputs: &Inputs, typed: &AtomicUsize, bell: &Bell) {
    for (bytes, counted) in inputs {
        if let Err(error) = typing.write(&bytes) {
            tracing::debug!(%error, "the PTY takes no input");
        }
        if counted {
            typed.fetch_add(bytes.len(), Ordering::Relaxed);
            bell.ring();
        }
    }
}
