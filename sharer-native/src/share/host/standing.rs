//! How it stands between the first program's session and the relay, for people.

use std::time::Duration;

use shared::sharer::{ConnectionState, RoomState};
use tokio::time::{Instant, timeout_at};

use super::super::banner;
use super::{FIRST, Host};
use crate::clock;
use crate::config::RelayChoice;
use crate::events::Line;
use crate::tty;

/// A relay elsewhere has this long before the program starts: enough to hear that nobody listens there, too little to be
/// felt.
const GREETING: Duration = Duration::from_millis(200);

/// What the person was told of the way to the relay.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum TheyKnow {
    /// Nothing: the links work, or it is not known yet whether they do.
    #[default]
    Nothing,
    /// That nobody can watch yet.
    NobodyWatches,
    /// The links have worked; what comes and goes from now on is told to who asks.
    LinksWork,
}

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
        match (state, self.they_know) {
            ("connected", before) => {
                self.they_know = TheyKnow::LinksWork;
                if before == TheyKnow::NobodyWatches {
                    self.say_links_work();
                }
            }
            ("waiting" | "refused", TheyKnow::Nothing) if self.is_relay_elsewhere() => {
                self.say_nobody_watches();
            }
            _ => {}
        }
    }

    /// Whether the relay is none of this process's.
    pub(super) fn is_relay_elsewhere(&self) -> bool {
        matches!(self.relay, RelayChoice::Foreign(_))
    }

    /// Gives a relay elsewhere a moment, and says if nobody can watch yet: afterwards the screen is the program's.
    pub(super) async fn greet(&mut self) {
        if self.reached.is_none() || !self.is_relay_elsewhere() {
            return;
        }
        let until = Instant::now() + GREETING;
        self.machine.handle_timeout(clock::now());
        self.run_effects();
        while self.standing().state == "connecting" {
            let (machine, uplink) = (&mut self.machine, &mut self.uplink);
            let Ok(change) = timeout_at(until, uplink.step(|| machine.poll_transmit())).await else { break };
            self.take_change(change);
            self.run_effects();
        }
        // Silence so far says nothing yet: it is told when it is known.
        self.tell_standing();
    }

    fn say_nobody_watches(&mut self) {
        self.they_know = TheyKnow::NobodyWatches;
        if self.quiet {
            return;
        }
        let Standing { state, reason } = self.standing();
        if self.raw.is_some() {
            tty::entitle(&format!("nobody can watch yet: {}", self.first_title()));
        } else {
            let silence = || format!("{} does not answer", self.uplink.host());
            banner::show(&banner::away(&reason.unwrap_or_else(silence), state != "refused"));
        }
    }

    /// Says so where it harms no screen: beside the program's output only the window's title is free.
    fn say_links_work(&self) {
        if self.quiet {
            return;
        }
        match (&self.raw, self.first_title()) {
            (Some(_), title) => tty::entitle(&format!("links work now: {title}")),
            (None, _) => banner::show("sharer: the relay is there: the links work now\n"),
        }
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
