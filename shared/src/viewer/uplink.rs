//! The one socket under all panes: when it is made, what is said before anybody joins, credit, and what leaves.

use std::collections::VecDeque;

use super::credit::Credit;
use super::pane::PaneId;
use super::update::Effect;
use super::view::Failure;
use crate::connection::{Connection, Stage as Attempt};
use crate::entropy::Entropy;
use crate::event::WindowSize;
use crate::id::Channel;
use crate::keys::epoch::PROTOCOL_VERSION;
use crate::time::{Moment, Now};
use crate::wire::close::CloseCode;
use crate::wire::frame::Frame;
use crate::wire::hello::Greeting;
use crate::wire::viewer::ViewerToRelay;
use crate::wire::{ControlError, Packet, SOCKET_PATH, decode, encode};

/// How long the relay may take for its hello, and for the reply to a join, in milliseconds.
pub(super) const REPLY_MS: u64 = 10_000;
/// Beats come every 20 s: a connection on which nothing arrives for this long, in milliseconds, is a dead one.
const SILENCE_MS: u64 = 75_000;
/// A person who looks again does not wait for that: this much silence, in milliseconds, makes a new connection.
const SILENCE_ON_WAKE_MS: u64 = 25_000;

/// How far the socket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// There is none.
    Apart,
    /// The relay speaks first.
    Greeting { since: Moment },
    /// Panes may join.
    Open,
}

/// What all panes share: time, randomness, the socket and the way out.
#[derive(Debug)]
pub(super) struct Uplink {
    base: String,
    pub(super) entropy: Entropy,
    connection: Connection,
    stage: Stage,
    credit: Credit,
    effects: VecDeque<Effect>,
    now: Now,
    channel: Channel,
    heard: Moment,
    /// How often connecting failed since somebody was let in.
    pub(super) attempts: u32,
    /// The socket is gone, and the panes have not been told.
    broke: bool,
}

impl Uplink {
    /// A way to the relay at `base` that wants to be made.
    pub(super) fn new(base: String, mut entropy: Entropy, now: Now) -> Self {
        let connection = Connection::new(entropy.fork(), now);
        Self {
            base,
            entropy,
            connection,
            stage: Stage::Apart,
            credit: Credit::default(),
            effects: VecDeque::new(),
            now,
            channel: Channel(0),
            heard: now.mono,
            attempts: 0,
            broke: false,
        }
    }

    /// The time of this call.
    pub(super) fn now(&self) -> Now {
        self.now
    }

    /// It is this late now.
    pub(super) fn advance(&mut self, now: Now) {
        self.now = now;
    }

    /// Whether panes may join.
    pub(super) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Whether the socket was lost since the last call.
    pub(super) fn take_broke(&mut self) -> bool {
        std::mem::take(&mut self.broke)
    }

    /// What the owner has to do, in order.
    pub(super) fn take_effects(&mut self) -> Vec<Effect> {
        self.effects.drain(..).collect()
    }

    /// A number that no channel of this connection had.
    pub(super) fn open_channel(&mut self) -> Channel {
        self.channel = Channel(self.channel.0.saturating_add(1));
        self.channel
    }

    // --- what leaves --------------------------------------------------------------------------------------------

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    pub(super) fn send(&mut self, message: &ViewerToRelay) {
        self.send_packet(Packet::Text(encode(message)));
    }

    pub(super) fn send_frame(&mut self, frame: &Frame) {
        self.send_packet(Packet::Binary(frame.encode()));
    }

    fn send_packet(&mut self, packet: Packet) {
        if self.stage != Stage::Apart {
            self.effects.push_back(Effect::Send(packet));
        }
    }

    pub(super) fn rebuild(&mut self, pane: PaneId, window: WindowSize, bytes: Vec<u8>) {
        let ticket = self.credit.ticket(pane);
        self.effects.push_back(Effect::Rebuild { pane, ticket, window, bytes });
    }

    pub(super) fn write(&mut self, pane: PaneId, bytes: Vec<u8>) {
        let ticket = self.credit.ticket(pane);
        self.effects.push_back(Effect::Write { pane, ticket, bytes });
    }

    /// The credit that rides along with input.
    pub(super) fn ride(&mut self) -> u64 {
        self.credit.ride()
    }

    /// A pane's terminal has parsed everything up to `ticket`.
    pub(super) fn parsed(&mut self, pane: PaneId, ticket: u64) {
        self.credit.parsed(pane, ticket);
    }

    /// Whether some terminal has not parsed everything: then the relay may wait for credit.
    pub(super) fn is_parsing(&self) -> bool {
        self.credit.is_parsing()
    }

    /// Whether so much arrives that a terminal may be behind.
    pub(super) fn pours(&self) -> bool {
        self.credit.pours(self.now.mono)
    }

    /// A pane's terminal is gone: what it did not parse counts for nothing any more.
    pub(super) fn forget(&mut self, pane: PaneId) {
        self.credit.parsed(pane, u64::MAX);
        self.effects.push_back(Effect::Drop { pane });
    }

    /// Grants credit for what was consumed; makes a socket while one is wanted, and drops it when none is.
    pub(super) fn settle(&mut self, wanted: bool) {
        self.credit.settle();
        if !wanted {
            return self.stop();
        }
        if self.stage != Stage::Apart
            && let Some(consumed) = self.credit.grant()
        {
            self.send_frame(&Frame::Credit { consumed });
        }
        if self.connection.poll_connect(self.now) {
            let base = self.base.strip_prefix("http").unwrap_or(&self.base);
            self.effects.push_back(Effect::Connect { url: format!("ws{base}{SOCKET_PATH}") });
        }
    }

    // --- the connection -----------------------------------------------------------------------------------------

    pub(super) fn handle_connected(&mut self) {
        if self.is_stopped() {
            return;
        }
        self.connection.handle_connected(self.now);
        self.credit.restart();
        self.channel = Channel(0);
        self.heard = self.now.mono;
        self.stage = Stage::Greeting { since: self.now.mono };
    }

    /// The socket is gone; why none is made again, if so.
    pub(super) fn handle_disconnected(&mut self, code: Option<u16>) -> Option<Failure> {
        if self.is_stopped() {
            return None;
        }
        self.leave();
        self.connection.handle_disconnected(self.now, code);
        let version = code == Some(CloseCode::VersionMismatch.code());
        self.is_stopped().then_some(if version { Failure::Version(0) } else { Failure::Refused })
    }

    /// Gives the socket up and makes another one.
    pub(super) fn reconnect(&mut self) {
        if self.stage == Stage::Apart || self.is_stopped() {
            return;
        }
        self.effects.push_back(Effect::Close);
        self.leave();
        self.connection.retry(self.now, 0);
    }

    fn leave(&mut self) {
        self.stage = Stage::Apart;
        self.attempts = self.attempts.saturating_add(1);
        self.broke = true;
    }

    fn is_stopped(&self) -> bool {
        matches!(self.connection.stage(), Attempt::Stopped(_))
    }

    fn stop(&mut self) {
        if !self.is_stopped() {
            self.connection.stop(None);
            self.stage = Stage::Apart;
            self.effects.push_back(Effect::Close);
        }
    }

    /// Somebody wants a socket after all, and does not wait.
    pub(super) fn start(&mut self) {
        if self.is_stopped() {
            self.connection = Connection::new(self.entropy.fork(), self.now);
            self.attempts = 0;
        } else {
            self.connection.hurry(self.now);
        }
    }

    /// The person looks again, or the network is back.
    pub(super) fn wake(&mut self) {
        self.connection.hurry(self.now);
        if self.stage != Stage::Apart && self.now.mono.since(self.heard) > SILENCE_ON_WAKE_MS {
            self.reconnect();
            self.connection.hurry(self.now);
        }
    }

    /// Something is to be heard from now on.
    pub(super) fn listen(&mut self) {
        self.heard = self.now.mono;
    }

    /// Takes what arrived, as far as it concerns the connection. The rest, for the panes; or why there is nothing for
    /// them, ever.
    pub(super) fn handle_packet(&mut self, packet: &Packet) -> Result<bool, Failure> {
        if self.stage == Stage::Apart || self.is_stopped() {
            return Ok(false);
        }
        self.heard = self.now.mono;
        match packet {
            Packet::Binary(bytes) => {
                self.credit.received(self.now.mono, bytes.len() as u64);
                Ok(self.is_open())
            }
            Packet::Text(_) if self.is_open() => Ok(true),
            Packet::Text(text) => match decode::<Greeting>(text) {
                Ok(Greeting::Hello(hello)) if hello.protocol == PROTOCOL_VERSION => {
                    self.stage = Stage::Open;
                    Ok(false)
                }
                Ok(Greeting::Hello(hello)) => Err(Failure::Version(hello.protocol)),
                Err(ControlError::Unknown(_)) => Ok(false),
                Err(ControlError::Malformed) => {
                    self.reconnect();
                    Ok(false)
                }
            },
        }
    }

    pub(super) fn handle_timeout(&mut self, expects_beats: bool) {
        if self.connection.handle_timeout(self.now) {
            self.attempts = self.attempts.saturating_add(1);
            self.effects.push_back(Effect::Close);
        }
        let late = |deadline: Option<(Moment, _)>| deadline.is_some_and(|(at, _)| at <= self.now.mono);
        if late(self.greeting_deadline()) || late(self.silence_deadline(expects_beats)) {
            self.reconnect();
        }
    }

    fn greeting_deadline(&self) -> Option<(Moment, &'static str)> {
        match self.stage {
            Stage::Greeting { since } => Some((since.after(REPLY_MS), "reply")),
            Stage::Apart | Stage::Open => None,
        }
    }

    fn silence_deadline(&self, expects_beats: bool) -> Option<(Moment, &'static str)> {
        (self.stage == Stage::Open && expects_beats).then(|| (self.heard.after(SILENCE_MS), "silence"))
    }

    /// The next deadline of the connection, and why.
    pub(super) fn poll_timeout(&self, expects_beats: bool) -> Option<(Moment, &'static str)> {
        [self.connection.poll_timeout(), self.greeting_deadline(), self.silence_deadline(expects_beats)]
            .into_iter()
            .flatten()
            .min()
    }
}
