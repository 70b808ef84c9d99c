//! The connection of a driver, or of an asker, to its relay: attempts, the hello, and what waits to be sent.

use std::collections::VecDeque;

use crate::connection::backoff::LATER_MS;
use crate::connection::{Connection, Stage};
use crate::entropy::Entropy;
use crate::keys::epoch::PROTOCOL_VERSION;
use crate::keys::owner::Challenge;
use crate::time::{Moment, Now};
use crate::wire::close::CloseCode;
use crate::wire::hello::Greeting;
use crate::wire::{Packet, decode};

/// A relay that does not greet within this time, in milliseconds, is left.
const HANDSHAKE_MS: u64 = 10_000;
/// Messages that wait for the socket; more are made anew when there is room, or when they are asked for again.
const MOST_WAITING: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Away,
    Greeting(Moment),
    Greeted,
}

/// What came.
pub(super) enum Came {
    /// The relay's hello: messages may go.
    Hello(Challenge),
    /// A message, to be read.
    Message(String),
    /// Nothing that matters.
    Nothing,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Uplink {
    connection: Connection,
    phase: Phase,
    pub(super) host: String,
    /// For how long the relay that greeted last keeps what has ended at most, in milliseconds.
    pub(super) keep_ms: u64,
    out: VecDeque<String>,
}

impl Uplink {
    pub(super) fn new(entropy: Entropy, now: Now) -> Self {
        Self {
            connection: Connection::new(entropy, now),
            phase: Phase::Away,
            host: String::new(),
            keep_ms: 0,
            out: VecDeque::new(),
        }
    }

    pub(super) fn is_greeted(&self) -> bool {
        self.phase == Phase::Greeted
    }

    /// Whether there is a socket, or an attempt.
    pub(super) fn is_busy(&self) -> bool {
        matches!(self.connection.stage(), Stage::Connecting(_) | Stage::Connected(_))
    }

    pub(super) fn has_room(&self) -> bool {
        self.out.len() < MOST_WAITING
    }

    pub(super) fn say(&mut self, text: String) {
        if self.is_greeted() && self.has_room() {
            self.out.push_back(text);
        }
    }

    pub(super) fn next(&mut self) -> Option<Packet> {
        self.out.pop_front().map(Packet::Text)
    }

    pub(super) fn poll_connect(&mut self, now: Now) -> bool {
        self.connection.poll_connect(now)
    }

    pub(super) fn handle_connected(&mut self, now: Now, host: &str) {
        self.connection.handle_connected(now);
        host.clone_into(&mut self.host);
        self.phase = Phase::Greeting(now.mono);
    }

    pub(super) fn handle_disconnected(&mut self, now: Now, code: Option<u16>) {
        self.connection.handle_disconnected(now, code);
        self.go_away();
    }

    /// Gives the socket up, for good if the relay speaks another version.
    pub(super) fn close(&mut self, now: Now, code: CloseCode) {
        if matches!(code, CloseCode::VersionMismatch | CloseCode::Replaced) {
            self.connection.stop(Some(code.code()));
        } else {
            let refused = code == CloseCode::RateLimited;
            self.connection.retry(now, if refused { LATER_MS } else { 0 });
        }
        if code == CloseCode::GoingAway {
            // Of its own accord: the next time it is wanted, at once.
            self.connection.hurry(now);
        }
        self.go_away();
    }

    fn go_away(&mut self) {
        self.phase = Phase::Away;
        self.out.clear();
    }

    /// Reads a packet; a code is why the socket is of no use.
    pub(super) fn read(&mut self, packet: &Packet) -> Result<Came, CloseCode> {
        match (packet, self.phase) {
            (Packet::Text(text), Phase::Greeted) => Ok(Came::Message(text.clone())),
            (Packet::Text(text), Phase::Greeting(_)) => match decode(text) {
                Ok(Greeting::Hello(hello)) if hello.protocol == PROTOCOL_VERSION => {
                    (self.phase, self.keep_ms) = (Phase::Greeted, hello.limits.keep_ms);
                    Ok(Came::Hello(hello.challenge))
                }
                Ok(Greeting::Hello(_)) => Err(CloseCode::VersionMismatch),
                Err(_) => Err(CloseCode::ProtocolError),
            },
            // Nothing that is asked or told is a frame.
            (Packet::Text(_), Phase::Away) | (Packet::Binary(_), _) => Ok(Came::Nothing),
        }
    }

    pub(super) fn poll_timeout(&self) -> Option<(Moment, &'static str)> {
        match self.phase {
            Phase::Greeting(since) => Some((since.after(HANDSHAKE_MS), "give up the handshake")),
            Phase::Away | Phase::Greeted => self.connection.poll_timeout(),
        }
    }

    /// A deadline passed. Says whether the socket, or the attempt, is to be dropped.
    pub(super) fn handle_timeout(&mut self, now: Now) -> bool {
        if let Phase::Greeting(since) = self.phase
            && now.mono.since(since) >= HANDSHAKE_MS
        {
            self.close(now, CloseCode::TimedOut);
            return true;
        }
        self.connection.handle_timeout(now)
    }
}
