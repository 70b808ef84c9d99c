//! A connection: its credit both ways, its channels, and whose turn it is.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::outbox::Allowance;
use super::{Outgoing, PeerInfo};
use crate::id::{Channel, ParticipantId, SessionId};
use crate::keys::owner::Challenge;
use crate::wire::MAX_CONTROL;
use crate::wire::close::CloseCode;
use crate::wire::frame::Frame;
use crate::wire::hello::{CREDIT, MAX_CHANNELS};
use crate::wire::numbering::Numbering;

/// Answers that wait for a connection that does not read, at most; each costs its author a message.
const MAX_REPLIES: usize = 2 * MAX_CHANNELS;
/// What drivers and askers have on the way to a connection, in bytes of messages, unless it is one message. More is not
/// taken: a driver is asked again later, an asker that does not read is closed.
const MAX_MAIL: usize = 2 * MAX_CONTROL;
/// Credit is granted in steps of this many bytes, or with the next acknowledgement.
const GRANT_STEP: u64 = 64 * 1024;

/// What a channel is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The peer shares this session.
    Sharer(SessionId),
    /// The peer is this participant of it.
    Viewer(SessionId, ParticipantId),
}

/// One connection.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) info: PeerInfo,
    pub(super) challenge: Challenge,
    pub(super) channels: BTreeMap<Channel, Role>,
    highest: Option<Channel>,
    /// Of the events of the sessions that it shares.
    pub(super) numbering: Numbering,
    replies: VecDeque<String>,
    /// From drivers or askers, and its size.
    mail: (VecDeque<String>, usize),
    /// Counted bytes sent, and how much of it the peer has consumed.
    sent: u64,
    consumed: u64,
    /// Counted bytes received, and how much the peer was told of.
    received: u64,
    granted: u64,
    grant_due: bool,
    active: BTreeSet<Channel>,
    blocked: BTreeSet<Channel>,
    last: Channel,
    pub(super) queued: bool,
    pub(super) closing: Option<CloseCode>,
    pub(super) closed: bool,
}

impl Peer {
    /// A fresh connection.
    pub(super) fn new(info: PeerInfo, challenge: Challenge, hello: String) -> Self {
        Self {
            info,
            challenge,
            channels: BTreeMap::new(),
            highest: None,
            numbering: Numbering::default(),
            replies: VecDeque::from([hello]),
            mail: (VecDeque::new(), 0),
            sent: 0,
            consumed: 0,
            received: 0,
            granted: 0,
            grant_due: false,
            active: BTreeSet::new(),
            blocked: BTreeSet::new(),
            last: Channel(0),
            queued: false,
            closing: None,
            closed: false,
        }
    }

    /// Whether a new channel may have that number: each is used once, and they grow.
    pub(super) fn may_open(&mut self, channel: Channel) -> bool {
        let fresh = self.highest.is_none_or(|highest| channel > highest);
        if fresh {
            self.highest = Some(channel);
        }
        fresh
    }

    /// Whether it has as many channels as it may have.
    pub(super) fn is_full(&self) -> bool {
        self.channels.len() >= MAX_CHANNELS
    }

    /// Closes a channel: nothing more goes out on it.
    pub(super) fn close_channel(&mut self, channel: Channel) {
        self.channels.remove(&channel);
        self.numbering.close(channel);
        self.active.remove(&channel);
        self.blocked.remove(&channel);
    }

    /// Queues an answer of the connection itself. A peer that asks and does not read is closed.
    pub(super) fn reply(&mut self, text: String) {
        if self.replies.len() < MAX_REPLIES {
            self.replies.push_back(text);
        } else {
            self.close(CloseCode::RateLimited);
        }
    }

    /// Queues what a driver or an asker says. `false`: too much is on the way.
    pub(super) fn post(&mut self, text: String) -> bool {
        let (waiting, size) = &mut self.mail;
        let fits = waiting.is_empty() || *size + text.len() <= MAX_MAIL;
        if fits {
            *size += text.len();
            waiting.push_back(text);
        }
        fits
    }

    /// Begins to close; the first reason stays.
    pub(super) fn close(&mut self, code: CloseCode) {
        self.closing.get_or_insert(code);
    }

    /// Something is due on a channel. `urgent` things also go without credit. Whether to poll.
    pub(super) fn wake(&mut self, channel: Channel, urgent: bool) -> bool {
        if !self.channels.contains_key(&channel) || (!urgent && self.blocked.contains(&channel)) {
            return false;
        }
        self.blocked.remove(&channel);
        self.active.insert(channel);
        true
    }

    /// The peer consumed so much in all; `false` if it cannot have.
    pub(super) fn credit(&mut self, consumed: u64) -> bool {
        if consumed > self.sent {
            return false;
        }
        if consumed > self.consumed {
            self.consumed = consumed;
            self.active.append(&mut self.blocked);
        }
        true
    }

    /// Counts a frame from a sharer as received and stored; `false` if the peer had no credit for it.
    pub(super) fn received(&mut self, frame: &Frame, bytes: usize) -> bool {
        if !is_counted(frame) {
            return true;
        }
        let in_flight = self.received - self.granted;
        self.received += bytes as u64;
        if self.received - self.granted >= GRANT_STEP {
            self.grant_due = true;
        }
        in_flight == 0 || in_flight + bytes as u64 <= CREDIT
    }

    /// Grants what is left to grant, although it is less than a step.
    pub(super) fn grant(&mut self) -> bool {
        self.grant_due = self.received > self.granted;
        self.grant_due
    }

    /// Whether a grant is due.
    pub(super) fn grant_is_due(&self) -> bool {
        self.grant_due
    }

    /// What the connection itself has to say.
    pub(super) fn next_own(&mut self) -> Option<Outgoing> {
        if let Some(text) = self.replies.pop_front() {
            return Some(Outgoing::Text(text));
        }
        if let Some(code) = self.closing {
            let first = !std::mem::replace(&mut self.closed, true);
            return first.then_some(Outgoing::Close(code));
        }
        let (waiting, size) = &mut self.mail;
        if let Some(text) = waiting.pop_front() {
            *size -= text.len();
            return Some(Outgoing::Text(text));
        }
        if std::mem::take(&mut self.grant_due) {
            self.granted = self.received;
            let (head, body) = Frame::Credit { consumed: self.granted }.split();
            return Some(Outgoing::Binary { head, body });
        }
        None
    }

    /// The channel whose turn it is: the next active one after the last.
    pub(super) fn turn(&self) -> Option<(Channel, Role)> {
        let after = (std::ops::Bound::Excluded(self.last), std::ops::Bound::Unbounded);
        let channel = *self.active.range(after).next().or_else(|| self.active.first())?;
        Some((channel, *self.channels.get(&channel)?))
    }

    /// What may be sent now.
    pub(super) fn allowance(&self) -> Allowance {
        Allowance { in_flight: self.sent - self.consumed }
    }

    /// Counts what goes out on a channel.
    pub(super) fn sent(&mut self, channel: Channel, outgoing: &Outgoing, counted: bool) {
        self.last = channel;
        if let (Outgoing::Binary { head, body }, true) = (outgoing, counted) {
            self.sent += (head.len() + body.len()) as u64;
        }
    }

    /// A channel has nothing that could go now.
    pub(super) fn rest(&mut self, channel: Channel, blocked: bool) {
        self.active.remove(&channel);
        if blocked {
            self.blocked.insert(channel);
        }
    }
}

/// Whether credit counts the frame.
pub(super) fn is_counted(frame: &Frame) -> bool {
    !matches!(
        frame,
        Frame::Input { .. } | Frame::InputFrom { .. } | Frame::Acknowledged { .. } | Frame::Credit { .. }
    )
}
