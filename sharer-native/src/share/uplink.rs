//! The socket to the relay: attempts to open it, and what passes through.

use std::future::{pending, poll_fn};

use shared::wire::Packet;
use shared::wire::close::CloseCode;
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};

use crate::ws::{RelayUrl, Socket, Step, connect};

/// Packets that are still to be sent at the end are waited for this long.
const LAST_PACKETS: Duration = Duration::from_millis(300);

/// What became of the connection.
#[derive(Debug)]
pub(super) enum Change {
    /// It is open.
    Connected,
    /// Packets left; there may be effects.
    Sent,
    /// A packet came.
    Got(Packet),
    /// It closed, with the relay's code if it said one, or could not be opened.
    Closed(Option<u16>),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Uplink {
    relay: Option<RelayUrl>,
    socket: Option<Socket>,
    attempt: Option<JoinHandle<Option<Socket>>>,
}

impl Uplink {
    /// The relay to dial from now on.
    pub(super) fn dial(&mut self, relay: RelayUrl) {
        self.relay = Some(relay);
    }

    /// Host and port, as they are dialled and claimed.
    pub(super) fn host(&self) -> &str {
        self.relay.as_ref().map_or("", RelayUrl::host)
    }

    /// Begins to open a socket.
    pub(super) fn connect(&mut self) {
        let Some(relay) = self.relay.clone() else { return };
        self.attempt = Some(tokio::spawn(async move {
            let socket = connect(&relay).await;
            socket.map_err(|error| tracing::info!(%error, "the relay cannot be reached")).ok()
        }));
    }

    /// Drops socket and attempt, and says why.
    pub(super) fn close(&mut self, code: CloseCode) {
        if let Some(attempt) = self.attempt.take() {
            attempt.abort();
        }
        if let Some(socket) = self.socket.take() {
            tokio::spawn(socket.close(code));
        }
    }

    /// Sends what `next` gives and waits for what comes. Nothing is lost when this is dropped before it is ready.
    pub(super) async fn step(&mut self, next: impl FnMut() -> Option<Packet>) -> Change {
        if let Some(attempt) = &mut self.attempt {
            self.socket = attempt.await.ok().flatten();
            self.attempt = None;
            return if self.socket.is_some() { Change::Connected } else { Change::Closed(None) };
        }
        let Some(socket) = &mut self.socket else { return pending().await };
        let mut next = next;
        match poll_fn(|cx| socket.poll(cx, &mut next)).await {
            Step::Sent => Change::Sent,
            Step::Got(packet) => Change::Got(packet),
            Step::Closed(code) => {
                self.socket = None;
                Change::Closed(code)
            }
        }
    }

    /// Asks a quiet relay whether it is there. `false`: it is gone.
    pub(super) fn check(&mut self) -> bool {
        let gone = self.socket.as_mut().is_some_and(|socket| !socket.check());
        if gone {
            self.socket = None;
        }
        !gone
    }

    /// Waits until the last packets have left, but not long, and closes.
    pub(super) async fn finish(&mut self) {
        if let Some(mut socket) = self.socket.take() {
            drop(timeout(LAST_PACKETS, socket.flush()).await);
            socket.close(CloseCode::GoingAway).await;
        }
    }
}
