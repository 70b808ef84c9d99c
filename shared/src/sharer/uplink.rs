//! The connection to the relay that all sessions of this process share: its hello, channels and credit.

use std::collections::{BTreeMap, BTreeSet};

use super::ConnectionState;
use crate::connection::{Connection, Stage};
use crate::entropy::Entropy;
use crate::id::{Channel, SessionId};
use crate::keys::epoch::PROTOCOL_VERSION;
use crate::keys::owner::Challenge;
use crate::time::{Moment, Now};
use crate::wire::close::CloseCode;
use crate::wire::hello::{CREDIT, Hello};
use crate::wire::numbering::Numbering;

/// A relay that does not greet within this time, in milliseconds, is left.
const HANDSHAKE_MS: u64 = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No socket.
    Away,
    /// Waiting for the relay's hello, since then.
    Greeting(Moment),
    /// Rooms can be claimed with this challenge.
    Greeted(Challenge),
}

/// A new channel and what a claim on it signs.
pub(super) struct Opening {
    pub(super) channel: Channel,
    pub(super) number: u64,
    pub(super) challenge: Challenge,
}

/// See the module.
pub(super) struct Uplink {
    connection: Connection,
    phase: Phase,
    pub(super) host: String,
    /// Claims made so far, on all connections.
    claims: u64,
    /// Channels opened on this connection.
    opened: u32,
    channels: BTreeMap<Channel, SessionId>,
    /// Sessions whose rooms are to be claimed.
    unclaimed: BTreeSet<SessionId>,
    /// Sessions that were there when the relay greeted and whose claim it has not answered yet.
    unanswered: BTreeSet<SessionId>,
    /// Sessions that have a use for a relay; without any there is no connection.
    wanting: BTreeSet<SessionId>,
    /// Ends of groups wait to be acknowledged.
    pub(super) wanted_by_groups: bool,
    /// Of the events that leave.
    pub(super) numbering: Numbering,
    /// For how long the relay that greeted last keeps what has ended at most, in milliseconds.
    pub(super) keep_ms: Option<u64>,
    credit: u64,
    sent: u64,
    consumed: u64,
}

/// Whether there is a connection.
impl Uplink {
    pub(super) fn new(entropy: Entropy, now: Now) -> Self {
        Self {
            connection: Connection::new(entropy, now),
            phase: Phase::Away,
            host: String::new(),
            claims: 0,
            opened: 0,
            channels: BTreeMap::new(),
            unclaimed: BTreeSet::new(),
            unanswered: BTreeSet::new(),
            wanting: BTreeSet::new(),
            wanted_by_groups: false,
            numbering: Numbering::default(),
            keep_ms: None,
            credit: CREDIT,
            sent: 0,
            consumed: 0,
        }
    }

    pub(super) fn state(&self) -> ConnectionState {
        match (self.connection.stage(), self.phase) {
            (Stage::Stopped(_), _) => ConnectionState::Refused,
            (_, Phase::Greeted(_)) if self.unanswered.is_empty() => ConnectionState::Connected,
            (Stage::Connecting(_) | Stage::Connected(_), _) => ConnectionState::Connecting,
            (Stage::Waiting(_), _) if !self.is_wanted() => ConnectionState::Idle,
            (Stage::Waiting(_), _) => ConnectionState::Waiting,
        }
    }

    /// Whether no relay is there, and none is being connected to.
    pub(super) fn is_alone(&self) -> bool {
        matches!(self.connection.stage(), Stage::Waiting(_) | Stage::Stopped(_))
    }

    pub(super) fn is_away(&self) -> bool {
        self.phase == Phase::Away
    }

    pub(super) fn is_greeted(&self) -> bool {
        matches!(self.phase, Phase::Greeted(_))
    }

    /// Whether there is a socket, or an attempt, that nobody needs any more.
    pub(super) fn is_of_no_use(&self) -> bool {
        !self.is_wanted() && !self.is_alone()
    }

    fn is_wanted(&self) -> bool {
        self.wanted_by_groups || !self.wanting.is_empty()
    }

    pub(super) fn hurry(&mut self, now: Now) {
        self.connection.hurry(now);
    }

    /// Begins an attempt if one is due and wanted.
    pub(super) fn poll_connect(&mut self, now: Now) -> bool {
        self.is_wanted() && self.connection.poll_connect(now)
    }

    /// The socket is open; `false` if nobody asked for it.
    pub(super) fn handle_connected(&mut self, now: Now, host: &str) -> bool {
        if !matches!(self.connection.stage(), Stage::Connecting(_)) {
            return false;
        }
        self.connection.handle_connected(now);
        host.clone_into(&mut self.host);
        self.phase = Phase::Greeting(now.mono);
        self.numbering = Numbering::default();
        (self.sent, self.consumed, self.credit, self.opened) = (0, 0, CREDIT, 0);
        true
    }

    pub(super) fn handle_disconnected(&mut self, now: Now, code: Option<u16>) {
        // Sessions are replaced, not connections.
        let code = code.filter(|code| *code != CloseCode::Replaced.code());
        self.connection.handle_disconnected(now, code);
        self.go_away();
    }

    /// Gives the socket up: for good if the other side speaks another version, else until later.
    pub(super) fn close(&mut self, now: Now, code: CloseCode, at_least_ms: u64) {
        if code == CloseCode::VersionMismatch {
            self.connection.stop(Some(code.code()));
        } else {
            self.connection.retry(now, at_least_ms);
        }
        self.go_away();
    }

    fn go_away(&mut self) {
        self.phase = Phase::Away;
        self.channels.clear();
        self.unclaimed.clear();
        self.unanswered.clear();
    }

    /// The relay's first message. `false` if it speaks another version.
    pub(super) fn greet(&mut self, hello: &Hello) -> bool {
        if hello.protocol != PROTOCOL_VERSION {
            return false;
        }
        self.credit = hello.limits.credit.min(CREDIT);
        self.keep_ms = Some(hello.limits.keep_ms);
        self.phase = Phase::Greeted(hello.challenge);
        true
    }

    pub(super) fn poll_timeout(&self) -> Option<(Moment, &'static str)> {
        if let Phase::Greeting(since) = self.phase {
            return Some((since.after(HANDSHAKE_MS), "give up the handshake"));
        }
        self.connection.poll_timeout().filter(|_| self.is_wanted() || !self.is_alone())
    }

    /// A deadline passed. Says whether the socket, or the attempt, is to be dropped.
    pub(super) fn handle_timeout(&mut self, now: Now) -> bool {
        if let Phase::Greeting(since) = self.phase
            && now.mono.since(since) >= HANDSHAKE_MS
        {
            self.close(now, CloseCode::TimedOut, 0);
            return true;
        }
        self.connection.handle_timeout(now)
    }
}

/// Sessions and their channels.
impl Uplink {
    /// Keeps book of a session after each of its steps.
    pub(super) fn note(&mut self, session: SessionId, needs_relay: bool, wants_room: bool, answered: bool) {
        if needs_relay {
            self.wanting.insert(session);
        } else {
            self.wanting.remove(&session);
        }
        if wants_room && self.is_greeted() {
            self.unclaimed.insert(session);
        } else {
            self.unclaimed.remove(&session);
        }
        if answered {
            self.unanswered.remove(&session);
        }
    }

    /// The sessions that are waited for before the connection counts as made.
    pub(super) fn expect_answers(&mut self) {
        self.unanswered = self.unclaimed.clone();
    }

    pub(super) fn forget(&mut self, session: SessionId) {
        self.note(session, false, false, true);
        let over = self.channels.extract_if(.., |_, open| *open == session);
        over.for_each(|(channel, _)| self.numbering.close(channel));
    }

    /// The next session to claim, and its new channel.
    pub(super) fn next_claim(&mut self) -> Option<(SessionId, Opening)> {
        let Phase::Greeted(challenge) = self.phase else { return None };
        let session = self.unclaimed.pop_first()?;
        self.opened += 1;
        self.claims += 1;
        let channel = Channel(self.opened);
        self.channels.insert(channel, session);
        Some((session, Opening { channel, number: self.claims, challenge }))
    }

    pub(super) fn session(&self, channel: Channel) -> Option<SessionId> {
        self.channels.get(&channel).copied()
    }

    pub(super) fn close_channel(&mut self, channel: Channel) {
        self.channels.remove(&channel);
        self.numbering.close(channel);
    }
}

/// Credit.
impl Uplink {
    /// Whether a frame of so many bytes may go now; with nothing in flight, any may.
    pub(super) fn has_room_for(&self, bytes: usize) -> bool {
        let flying = self.sent.saturating_sub(self.consumed);
        flying == 0 || flying + bytes as u64 <= self.credit
    }

    #[cfg(test)]
    pub(super) fn sent_so_far(&self) -> u64 {
        self.sent
    }

    pub(super) fn count(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// The relay has consumed so much; `false` if that was never sent.
    pub(super) fn handle_credit(&mut self, consumed: u64) -> bool {
        self.consumed = self.consumed.max(consumed.min(self.sent));
        consumed <= self.sent
    }
}
