//! One step of a session: when it is taken, and what it leaves behind for socket and owner.

use std::collections::VecDeque;

use super::Effect;
use crate::time::{Moment, Now};
use crate::wire::close::CloseCode;
use crate::wire::encode;
use crate::wire::sharer::SharerToRelay;

/// Control messages that wait for the socket; a relay that asks for more without reading is left.
const MOST_CONTROL: usize = 8_192;
/// The least wait after a refusal that is not about this connection, in milliseconds.
pub(super) const REFUSED_MS: u64 = 10_000;

/// See the module.
#[derive(Default)]
pub(super) struct Step {
    pub(super) now: Now,
    /// Whether no relay is there, and none is being connected to.
    pub(super) alone: bool,
    pub(super) effects: VecDeque<Effect>,
    pub(super) control: VecDeque<String>,
    /// The connection is to be given up, and made again not before so many milliseconds.
    pub(super) give_up: Option<(CloseCode, u64)>,
}

impl Step {
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
            self.control.push_back(encode(message));
        }
    }

    /// Gives the connection up; the first reason stays.
    pub(super) fn give_up(&mut self, code: CloseCode, at_least_ms: u64) {
        self.give_up.get_or_insert((code, at_least_ms));
    }
}
