//! The socket to the relay: attempts to open it, and what passes through.

use std::future::{pending, poll_fn};
use std::task::Poll;

use shared::wire::Packet;
use shared::wire::close::CloseCode;
use tokio::task::JoinHandle;
use tokio::time::{Duration, timeout};

use crate::ws::{RelayUrl, Socket, Step, connect, trouble};

/// Packets that are still to be sent at the end are waited for this long.
const LAST_PACKETS: Duration = Duration::from_millis(300);

/// What became of the connection.
#[derive(Debug)]
pub(crate) enum Change {
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
pub(crate) struct Uplink {
    relay: Option<RelayUrl>,
    socket: Option<Socket>,
    attempt: Option<JoinHandle<Result<Socket, String>>>,
    trouble: Option<String>,
}

impl Uplink {
    /// Dials this relay from now on; opens nothing yet.
    pub(crate) fn dial(&mut self, relay: RelayUrl) {
        self.relay = Some(relay);
    }

    /// Host and port, as they are dialled and claimed.
    pub(crate) fn host(&self) -> &str {
        self.relay.as_ref().map_or("", RelayUrl::host)
    }

    /// Why there is no connection, in words for people; nothing while there is one, or the first is on its way.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// Begins to open a socket.
    pub(crate) fn connect(&mut self) {
        // Only what is shared connects, and before that a relay was chosen.
        let Some(relay) = self.relay.clone() else { return };
        self.attempt =
            Some(tokio::spawn(async move { connect(&relay).await.map_err(|error| trouble(&relay, &error)) }));
    }

    /// Drops socket and attempt, and says why.
    pub(crate) fn close(&mut self, code: CloseCode) {
        if let Some(attempt) = self.attempt.take() {
            attempt.abort();
        }
        if let Some(socket) = self.socket.take() {
            tokio::spawn(socket.close(code));
        }
    }

    /// Sends what `next` gives and the socket takes, and waits for nothing.
    pub(crate) async fn send(&mut self, mut next: impl FnMut() -> Option<Packet>) -> Change {
        let Some(socket) = &mut self.socket else { return Change::Sent };
        let step = poll_fn(|cx| Poll::Ready(socket.send(cx, &mut next))).await;
        self.change(step.unwrap_or(Step::Sent))
    }

    /// Sends what `next` gives and waits for what comes. Nothing is lost when this is dropped before it is ready.
    pub(crate) async fn step(&mut self, next: impl FnMut() -> Option<Packet>) -> Change {
        if let Some(attempt) = &mut self.attempt {
            let opened = attempt.await.unwrap_or_else(|error| Err(error.to_string()));
            self.attempt = None;
            return match opened {
                Ok(socket) => {
                    (self.socket, self.trouble) = (Some(socket), None);
                    Change::Connected
                }
                Err(trouble) => {
                    tracing::info!(%trouble, "the relay cannot be reached");
                    self.trouble = Some(trouble);
                    Change::Closed(None)
                }
            };
        }
        let Some(socket) = &mut self.socket else { return pending().await };
        let mut next = next;
        let step = poll_fn(|cx| socket.poll(cx, &mut next)).await;
        self.change(step)
    }

    fn change(&mut self, step: Step) -> Change {
        match step {
            Step::Sent => Change::Sent,
            Step::Got(packet) => Change::Got(packet),
            Step::Closed(code) => {
                self.socket = None;
                Change::Closed(code)
            }
        }
    }

    /// Asks a quiet relay whether it is there. `false`: it is gone.
    pub(crate) fn check(&mut self) -> bool {
        let gone = self.socket.as_mut().is_some_and(|socket| !socket.check());
        if gone {
            self.socket = None;
        }
        !gone
    }

    /// Waits until the last packets have left, but not long, and closes.
    pub(crate) async fn finish(&mut self) {
        if let Some(mut socket) = self.socket.take() {
            drop(timeout(LAST_PACKETS, socket.flush()).await);
            socket.close(CloseCode::GoingAway).await;
        }
    }
}
