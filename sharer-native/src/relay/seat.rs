//! A connection's place among those of its address.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shared::relay::Crowd;
use tokio::net::TcpStream;

/// What an address is told that has as many connections as it may; best effort, as nothing of its own was read.
const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: text/plain; charset=utf-8\r\nretry-after: 10\r\n\
connection: close\r\n\r\ntoo many connections from your address\n";

fn lock(crowd: &Mutex<Crowd>) -> MutexGuard<'_, Crowd> {
    // Counts are whole at any time.
    crowd.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Counted until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    crowd: Arc<Mutex<Crowd>>,
    address: String,
}

impl Seat {
    /// `None`: the address has as many as it may.
    pub(super) fn take(crowd: &Arc<Mutex<Crowd>>, address: String) -> Option<Self> {
        let fits = lock(crowd).enter(&address);
        fits.then(|| Self { crowd: Arc::clone(crowd), address })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        lock(&self.crowd).leave(&self.address);
    }
}

/// Tells a connection without TLS why it is closed.
pub(super) fn refuse(stream: &TcpStream) {
    let _best_effort = stream.try_write(REFUSAL);
}
