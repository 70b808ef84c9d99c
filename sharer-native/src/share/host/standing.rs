//! How it stands between the first program's session and the relay, for people.

use shared::sharer::{ConnectionState, RoomState};

use super::{FIRST, Host};
use crate::events::Line;

/// A state in a word, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) state: &'static str,
    pub(super) reason: Option<String>,
}

impl Host {
    /// How it stands now. *Connected* means that viewers can join.
    pub(super) fn standing(&self) -> Standing {
        let connection = self.machine.state();
        let session = self.tasks.get(FIRST).and_then(|task| task.session);
        let room = session.and_then(|session| self.machine.room(session));
        let refusal = session.and_then(|session| self.machine.refusal(session));
        let there = matches!(connection, ConnectionState::Connected | ConnectionState::Connecting);
        let (state, reason) = match (room, refusal) {
            (Some(RoomState::Replaced), _) => ("replaced", None),
            (_, Some(refusal)) if there => ("refused", Some(refusal.words().to_owned())),
            _ => (word(connection), self.uplink.trouble().map(str::to_owned)),
        };
        Standing { state, reason }
    }

    /// Tells how it stands if that is news.
    pub(super) fn tell_standing(&mut self) {
        let standing = self.standing();
        if self.stood.as_ref() == Some(&standing) {
            return;
        }
        let Standing { state, reason } = standing.clone();
        tracing::info!(state, "connection");
        let reason = reason.filter(|_| state == "waiting" || state == "refused");
        self.event(&Line::Connection { state, reason });
        self.stood = Some(standing);
    }

    /// Why nobody can watch, if it is so.
    pub(super) fn trouble(&self) -> Option<String> {
        self.standing().reason
    }
}

fn word(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Idle => "idle",
        ConnectionState::Connecting => "connecting",
        ConnectionState::Connected => "connected",
        ConnectionState::Waiting => "waiting",
        ConnectionState::Refused => "refused",
    }
}
