//! What viewers type, on its way into the PTY: in a thread, because a program may not read for a long time.
//!
//! Bound: the machine refuses input while 2 MiB wait here.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};

use tokio::sync::Notify;

use crate::pty::Typing;

#[derive(Debug, Default)]
struct Common {
    typed: AtomicUsize,
    told: Notify,
}

/// The way to the thread.
#[derive(Debug)]
pub(super) struct Typist {
    waiting: Sender<(Vec<u8>, bool)>,
    common: Arc<Common>,
}

impl Typist {
    /// Starts the thread.
    pub(super) fn start(typing: Typing) -> Self {
        let (waiting, inputs) = channel::<(Vec<u8>, bool)>();
        let common = Arc::new(Common::default());
        let theirs = Arc::clone(&common);
        std::thread::spawn(move || {
            for (bytes, counted) in inputs {
                if let Err(error) = typing.write(&bytes) {
                    tracing::debug!(%error, "the PTY takes no input");
                }
                if counted {
                    theirs.typed.fetch_add(bytes.len(), Ordering::Relaxed);
                    theirs.told.notify_one();
                }
            }
        });
        Self { waiting, common }
    }

    /// Types what a viewer composed.
    pub(super) fn type_input(&self, bytes: Vec<u8>) {
        // The thread lives as long as this does.
        drop(self.waiting.send((bytes, true)));
    }

    /// Types the model's answer to a query.
    pub(super) fn type_reply(&self, bytes: Vec<u8>) {
        drop(self.waiting.send((bytes, false)));
    }

    /// Waits until input was typed.
    pub(super) async fn told(&self) {
        self.common.told.notified().await;
    }

    /// How many bytes were typed since the last call.
    pub(super) fn typed(&self) -> usize {
        self.common.typed.swap(0, Ordering::Relaxed)
    }
}
