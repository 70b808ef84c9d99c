//! One step of a session: when it is taken, and what it leaves behind for socket and owner.

use std::collections::VecDeque;

use super::Effect;
use crate::id::Channel;
use crate::time::{Moment, Now};
use crate::wire::close::CloseCode;
use crate::wire::encode;
use crate::wire::sharer::SharerToRelay;

/// Control messages that wait for the socket; a relay that asks for more without reading is left.
const MOST_CONTROL: usize = 8_192;
/// While more wait, latest values do not join them.
const FEW_CONTROL: usize = 64;
/// The least wait after a refusal that is not about this connection, in milliseconds.
pub(super) const REFUSED_MS: u64 = 10_000;

/// See the module.
#[derive(Default)]
pub(super) struct Step {
    pub(super) now: Now,
    /// Whether no relay is there, and none is being connected to.
    pub(super) alone: bool,
    /// For how long the relay keeps what has ended at most, in milliseconds; `None`: none has said so yet.
    pub(super) keep_ms: Option<u64>,
    pub(super) effects: VecDeque<Effect>,
    control: VecDeque<(Option<Channel>, String)>,
    /// The connection is to be given up, and made again not before so many milliseconds.
    pub(super) give_up: Option<(CloseCode, u64)>,
}

impl Step {
    pub(super) fn new(now: Now) -> Self {
        Self { now, ..Self::default() }
    }

    pub(super) fn mono(&self) -> Moment {
        self.now.mono
    }

    pub(super) fn effect(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    /// Queues a control message.
    pub(super) fn say(&mut self, message: &SharerToRelay) {
        if self.control.len() >= MOST_CONTROL {
            self.give_up(CloseCode::ProtocolError, REFUSED_MS);
        } else {
            self.control.push_back((message.channel(), encode(message)));
        }
    }

    /// Whether the socket has little to say, so that what is a latest value may be said now.
    pub(super) fn has_room(&self) -> bool {
        self.control.len() < FEW_CONTROL
    }

    pub(super) fn has_control(&self) -> bool {
        !self.control.is_empty()
    }

    /// The next control message.
    pub(super) fn next_control(&mut self) -> Option<String> {
        self.control.pop_front().map(|(_, text)| text)
    }

    /// Nothing that waits on a channel is said any more; `None`: on any.
    pub(super) fn hush(&mut self, channel: Option<Channel>) {
        self.control.retain(|(of, _)| channel.is_some() && *of != channel);
    }

    /// Gives the connection up; the first reason stays.
    pub(super) fn give_up(&mut self, code: CloseCode, at_least_ms: u64) {
        self.give_up.get_or_insert((code, at_least_ms));
    }
}
