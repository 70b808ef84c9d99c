//! Ends of groups that the relay has not acknowledged: kept over breaks, and said again until it has.

use std::collections::VecDeque;

use crate::id::SessionId;
use crate::time::{Moment, Now};
use crate::wire::sharer::SharerToRelay;
use crate::wire::task::{MAX_GROUP, OwnedEnd};

/// An end that is not acknowledged is said again after this long, in milliseconds: the relay verifies so many at once.
const AGAIN_MS: u64 = 5_000;
/// Groups kept while no relay is there. Beyond, the oldest is left to the relay's own forgetting.
const MOST_GROUPS: usize = 64;

/// See the module.
#[derive(Default)]
pub(super) struct Groups {
    waiting: VecDeque<Vec<OwnedEnd>>,
    again: Moment,
}

impl Groups {
    /// A group ends; said as soon as there is a relay.
    pub(super) fn add(&mut self, ends: &[OwnedEnd]) {
        for part in ends.chunks(MAX_GROUP) {
            if self.waiting.len() >= MOST_GROUPS {
                self.waiting.pop_front();
            }
            self.waiting.push_back(part.to_vec());
        }
        if !ends.is_empty() {
            self.again = Moment(0);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// There is a new connection: everything is said on it.
    pub(super) fn say_all(&mut self) {
        self.again = Moment(0);
    }

    /// When [`Groups::due`] has something.
    pub(super) fn next(&self) -> Option<Moment> {
        (!self.is_empty()).then_some(self.again)
    }

    /// What is to be said now.
    pub(super) fn due(&mut self, now: Now) -> Vec<SharerToRelay> {
        if self.is_empty() || self.again > now.mono {
            return Vec::new();
        }
        self.again = now.mono.after(AGAIN_MS);
        self.waiting.iter().map(|ends| SharerToRelay::EndGroup { ends: ends.clone() }).collect()
    }

    /// The relay knows of these.
    pub(super) fn acknowledge(&mut self, sessions: &[SessionId]) {
        for ends in &mut self.waiting {
            ends.retain(|end| !sessions.contains(&end.session_id()));
        }
        self.waiting.retain(|ends| !ends.is_empty());
    }
}
