//! What a viewer shows beside the terminal: a plain value, with the words people read.

use std::sync::Arc;

use super::epoch::Divergence;
use super::pane::PaneId;
use super::paste::PasteQuestion;
use super::pills::{Bar, ChildSession};
use super::timeline::Timeline;
use super::typing::LostInput;
use crate::command::Commands;
use crate::event::{EndReason, WindowSize};
use crate::keys::grant::Right;
use crate::time::UnixMs;

/// Where the viewer and its session stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// The first connection is being made.
    Connecting,
    /// Connected, and behind the session.
    CatchingUp,
    /// What is shown is the session's present.
    Live,
    /// The connection broke and is being made again.
    Reconnecting {
        /// When it broke.
        since: UnixMs,
    },
    /// The relay says that there is no such session, or that the link does not open it; it is asked again.
    Seeking {
        /// Since when: from where the connection broke, if it stood.
        since: UnixMs,
        /// For how many seconds it is asked; `None`: as long as the page is open, because it has been live.
        left_s: Option<u64>,
    },
    /// The relay delivers, but nothing recent from the sharer.
    Stale {
        /// When the sharer was last heard.
        since: UnixMs,
    },
    /// The relay says that the sharer's connection broke.
    SharerAway {
        /// When it broke.
        since: UnixMs,
    },
    /// The owner ended the session.
    Ended(EndReason),
    /// The relay says it is over; the owner did not.
    ClosedByRelay(Closed),
    /// It cannot be shown.
    Failed(Failure),
    /// What arrived is not what the sharer sent; nothing is shown.
    Diverged(Divergence),
    /// A child that has no session to be shown.
    Child(ChildSession),
    /// It is a film, at the moment of its timeline.
    Recorded,
}

/// Why the relay closed the session for this link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// The sharer was away for too long.
    SharerAway,
    /// The link was revoked.
    Revoked,
    /// Any other reason.
    Relay,
}

/// Why a link does not lead to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// No such session, or the link's key is not one of its keys: relays do not tell which.
    NotFound,
    /// The link's key does not open the session.
    WrongKey,
    /// Relay or sharer speak another version.
    Version(u32),
    /// The relay refuses to let more people in, or this one again.
    Refused,
}

impl Failure {
    /// One sentence for the person who opened the link.
    pub fn sentence(self) -> String {
        match self {
            Self::NotFound => "There is no such session. It may have ended, or the link is not whole.".into(),
            Self::WrongKey => {
                "This link does not open the session. It was revoked, or the part after # is wrong.".into()
            }
            Self::Version(version) => format!(
                "This session speaks version {version} of the protocol and this page speaks version {}. \
                 Reload the page, or ask for a newer sharer.",
                crate::keys::epoch::PROTOCOL_VERSION
            ),
            Self::Refused => "The relay does not let this page in at the moment. Try again later.".into(),
        }
    }
}

impl State {
    /// The state in a word or two.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Connecting => "Connecting",
            Self::CatchingUp => "Catching up",
            Self::Live => "Live",
            Self::Reconnecting { .. } => "Reconnecting",
            Self::Seeking { .. } => "Not found",
            Self::Stale { .. } => "Stale",
            Self::SharerAway { .. } => "Sharer away",
            Self::Ended(_) => "Ended",
            Self::ClosedByRelay(_) => "Closed by the relay",
            Self::Failed(_) => "Not available",
            Self::Diverged(_) => "Stopped",
            Self::Child(session) => session.word(),
            Self::Recorded => "Recorded",
        }
    }

    /// Since when, for states that have a beginning worth telling.
    pub fn since(&self) -> Option<UnixMs> {
        match self {
            Self::Reconnecting { since }
            | Self::Seeking { since, left_s: None }
            | Self::Stale { since }
            | Self::SharerAway { since }
            | Self::Child(ChildSession::Unreachable { since, .. }) => Some(*since),
            Self::Connecting
            | Self::CatchingUp
            | Self::Live
            | Self::Seeking { left_s: Some(_), .. }
            | Self::Ended(_)
            | Self::ClosedByRelay(_)
            | Self::Failed(_)
            | Self::Diverged(_)
            | Self::Child(_)
            | Self::Recorded => None,
        }
    }

    /// Whether nothing more will come unless the person asks for it.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Ended(_) | Self::ClosedByRelay(_) | Self::Failed(_) | Self::Diverged(_))
    }

    /// A sentence that says what the state means, where the word does not.
    pub fn sentence(&self) -> Option<String> {
        Some(match self {
            Self::Connecting | Self::CatchingUp | Self::Live | Self::Recorded => return None,
            Self::Child(session) => return session.sentence(),
            Self::Reconnecting { .. } => "The connection to the relay is gone. Trying again.".into(),
            Self::Seeking { left_s: Some(left), .. } => format!(
                "There is no such session at this relay, or the link is not whole. The relay was started a moment \
                 ago, and the session may still come back: trying for {left} s more."
            ),
            Self::Seeking { left_s: None, .. } => "The relay does not know this session at the moment: its sharer is \
                away, or the link was revoked. Asking for as long as this page is open."
                .into(),
            Self::Stale { .. } => "Nothing recent arrives from the sharer. What you see may be old.".into(),
            Self::SharerAway { .. } => {
                "The relay reports that the sharer is not connected. The session may still come back.".into()
            }
            Self::Ended(reason) => format!("{} This is its last screen.", ended(reason)),
            Self::ClosedByRelay(Closed::SharerAway) => {
                "The relay closed this session: it reports that the sharer did not come back.".into()
            }
            Self::ClosedByRelay(Closed::Revoked) => {
                "The relay closed this session for you: it reports that the link was revoked.".into()
            }
            Self::ClosedByRelay(Closed::Relay) => "The relay closed this session.".into(),
            Self::Failed(failure) => failure.sentence(),
            Self::Diverged(Divergence::Chain) => {
                "What arrived is not what the sharer signed. It was removed, and nothing more is shown.".into()
            }
            Self::Diverged(Divergence::Seal) => {
                "Something arrived that the sharer did not seal. Everything was removed, and nothing more is shown."
                    .into()
            }
            Self::Diverged(Divergence::Header) => {
                "The relay offers a session that its owner did not sign. Nothing of it is shown.".into()
            }
        })
    }
}

fn ended(reason: &EndReason) -> String {
    match reason {
        EndReason::Exited { code: Some(code), .. } if *code != 0 => {
            format!("The program has finished with status {code}.")
        }
        EndReason::Exited { code: None, signal: Some(signal), .. } => {
            let signal = super::text::readable(signal, super::text::MAX_TITLE);
            format!("The program was ended by {signal}.")
        }
        EndReason::Exited { .. } => "The program has finished.".into(),
        EndReason::Unshared => "The owner has stopped sharing.".into(),
        EndReason::Unknown => "The session has ended.".into(),
    }
}

/// How much of what the terminal holds may be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// There is nothing yet, or not any more.
    Nothing,
    /// It is the sharer's.
    Screen,
    /// The connection broke before the sharer confirmed the newest of it: it is shown, and marked so.
    Unconfirmed,
    /// The newest of it was not confirmed by the sharer in time: it must not be looked at until it is.
    Hidden,
}

/// Whether this viewer types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typing {
    /// The link only watches.
    Never,
    /// It may type, once the person says so.
    Offered,
    /// Keys go to the session.
    On,
    /// The person said so, but keys go nowhere at the moment.
    Paused,
    /// Something typed may be lost: nothing is typed until the person goes on.
    Lost(LostInput),
}

/// A transcript in a few numbers: whoever draws it asks for [`super::Viewer::transcript`] when they change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TranscriptView {
    /// How often it began anew: places of blocks mean something until then only.
    pub anew: u32,
    /// Grows with everything that looks different.
    pub seen: u64,
    /// How many blocks there are.
    pub blocks: usize,
    /// Somebody speaks in it: there is more than what is told of children.
    pub spoken: bool,
    /// Older ones are still on their way.
    pub loading: bool,
}

impl TranscriptView {
    /// Whether it is beside the terminal: as its reader chose, else where there is room and once somebody speaks. Lines about
    /// children alone take no room from a terminal.
    pub fn is_shown(&self, chosen: Option<bool>, wide: bool) -> bool {
        self.blocks > 0 && chosen.unwrap_or(self.spoken && wide)
    }
}

/// Everything a viewer shows beside the terminal's own contents. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// The selected pane, whose terminal is to be seen; all else here is about it. `None`: what is selected has no
    /// session to be shown.
    pub pane: Option<PaneId>,
    /// Where it stands.
    pub state: State,
    /// Whether the terminal may be looked at.
    pub shown: Shown,
    /// The session's title, as text.
    pub title: Option<String>,
    /// How many watch, as the relay counts.
    pub viewers: u32,
    /// The terminal's size.
    pub window: Option<WindowSize>,
    /// What the link allows, once that is known.
    pub right: Option<Right>,
    /// Whether this viewer types.
    pub typing: Typing,
    /// A paste that waits for the person's word.
    pub paste: Option<PasteQuestion>,
    /// The commands that its shell marked: those since this viewer came, and the newest before.
    pub commands: Arc<Commands>,
    /// What there is to read beside the terminal.
    pub transcript: TranscriptView,
    /// Something the person should know, once.
    pub notice: Option<&'static str>,
    /// For how long the relay said that it keeps the session, in milliseconds, if that has ended.
    pub kept_ms: Option<u64>,
    /// How often connecting failed since it last worked: after the first, a sentence is due.
    pub attempts: u32,
    /// The pill bar, once there is a child.
    pub bar: Option<Arc<Bar>>,
    /// Where a film is; nothing live has one.
    pub timeline: Option<Timeline>,
}

impl View {
    /// A sentence that says where it stands, and for how long the relay keeps what has ended.
    pub fn sentence(&self) -> Option<String> {
        let nothing = self.shown == Shown::Nothing;
        let sentence = if let (true, State::Ended(reason)) = (nothing, &self.state) {
            ended(reason)
        } else {
            self.state.sentence()?
        };
        let lost = matches!(self.state, State::ClosedByRelay(Closed::SharerAway));
        let sentence =
            if lost && !nothing { sentence + " This is the last that arrived of it." } else { sentence };
        let kept = self.kept_ms.filter(|_| lost || matches!(self.state, State::Ended(_)));
        let kept = kept.map(|ms| format!(" The relay keeps it for {} more.", crate::time::in_words(ms)));
        Some(sentence + &kept.unwrap_or_default())
    }

    /// Nothing but a state.
    pub(crate) fn nothing(state: State, title: Option<String>, bar: Option<Arc<Bar>>) -> Self {
        Self {
            pane: None,
            state,
            shown: Shown::Nothing,
            title,
            viewers: 0,
            window: None,
            right: None,
            typing: Typing::Never,
            paste: None,
            commands: Arc::default(),
            transcript: TranscriptView::default(),
            notice: None,
            kept_ms: None,
            attempts: 0,
            bar,
            timeline: None,
        }
    }
}
