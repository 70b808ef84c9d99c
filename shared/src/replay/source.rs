//! Something to watch: a live session, or a film.

use super::player::Player;
use crate::conversation::Transcript;
use crate::link::Link;
use crate::time::{Moment, Now};
use crate::viewer::{Effect, Event, View, Viewer};

/// See the module.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one in a page")]
pub enum Source {
    /// A link's.
    Live(Viewer),
    /// A film.
    Film(Player),
}

impl Source {
    /// The effects of the construction.
    pub fn start(&mut self) -> Vec<Effect> {
        match self {
            Self::Live(viewer) => viewer.start(),
            Self::Film(player) => player.start(),
        }
    }

    /// Takes one event; the effects to run, in order.
    pub fn update(&mut self, now: Now, event: Event) -> Vec<Effect> {
        match self {
            Self::Live(viewer) => viewer.update(now, event),
            Self::Film(player) => player.update(now, event),
        }
    }

    /// The next deadline, and why; at it, the owner gives [`Event::Timeout`].
    pub fn poll_timeout(&self) -> Option<(Moment, &'static str)> {
        match self {
            Self::Live(viewer) => viewer.poll_timeout(),
            Self::Film(player) => player.poll_timeout(),
        }
    }

    /// What to show now.
    pub fn view(&self) -> View {
        match self {
            Self::Live(viewer) => viewer.view(),
            Self::Film(player) => player.view(),
        }
    }

    /// The selected session's transcript, if it may be looked at.
    pub fn transcript(&self) -> Option<&Transcript> {
        match self {
            Self::Live(viewer) => viewer.transcript(),
            Self::Film(player) => Some(player.transcript()),
        }
    }

    /// The link that watches the selected session and no more, once its keys are known.
    pub fn watch_link(&self) -> Option<Link> {
        match self {
            Self::Live(viewer) => viewer.watch_link(),
            Self::Film(_) => None,
        }
    }

    /// What may stand in an address bar.
    pub fn address(&self) -> Option<String> {
        match self {
            Self::Live(viewer) => viewer.address(),
            Self::Film(_) => None,
        }
    }

    /// The link that was opened, of something live.
    pub fn link(&self) -> Option<&Link> {
        match self {
            Self::Live(viewer) => Some(viewer.link()),
            Self::Film(_) => None,
        }
    }
}
