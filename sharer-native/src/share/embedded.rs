//! The relay inside `sharer`, in a thread of its own: a flood of viewers does not hold the PTY.

use std::sync::mpsc::channel;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::oneshot;

use crate::relay::{Config, serve};

/// A relay that stops when this is dropped.
#[derive(Debug)]
pub(super) struct Embedded {
    /// Base of the links.
    pub(super) base_url: String,
    /// Where this process reaches it.
    pub(super) local_url: String,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Embedded {
    /// Starts it and waits until peers can connect.
    pub(super) fn start(config: Config) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the embedded relay")?;
        let (stop, stopped) = oneshot::channel();
        let (ready, started) = channel();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                match serve(config).await {
                    Ok(handle) => {
                        let urls = (handle.base_url().to_owned(), handle.local_url());
                        if ready.send(Ok(urls)).is_ok() {
                            // Also when its sender is dropped.
                            drop(stopped.await);
                        }
                        drop(tokio::time::timeout(Duration::from_millis(300), handle.shutdown()).await);
                    }
                    Err(error) => drop(ready.send(Err(error))),
                }
            });
            runtime.shutdown_background();
        });
        let (base_url, local_url) = started.recv().context("the embedded relay did not start")??;
        Ok(Self { base_url, local_url, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            for _ in 0..40 {
                if thread.is_finished() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
    }
}
