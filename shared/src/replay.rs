//! Replay: sessions that are over, watched like live ones, at any moment of their time.
//!
//! A *film* is what happened in a session and its children, on one clock that begins with the first of them. Each
//! session is a *reel*, cut into *pieces* of bounded size: a piece begins with a keyframe, which is a dump of the whole
//! terminal, and goes on with the session's events and when they happened — the very events of a live session
//! ([`crate::event::Event`]). So any moment is one keyframe and a bounded number of events away, however long the film.
//!
//! ```text
//!  events ──▶ Cutter ──▶ pieces ── (keyframes by a terminal model) ──▶ Player ──▶ Effect, View
//! ```
//!
//! The [`Player`] is a machine like the viewer's and speaks its words: it takes [`crate::viewer::Event`]s and gives
//! [`crate::viewer::Effect`]s and a [`crate::viewer::View`], so that whoever draws the one draws the other.
//! [`Source`] is either.

mod cut;
mod film;
mod piece;
mod player;
mod source;
mod spoken;
mod talk;

#[cfg(test)]
mod tests;

pub use self::cut::{Cut, Cutter, Done, SCROLLBACK};
pub use self::film::{Began, Film, Reel};
pub use self::piece::{MAX_PIECE, Piece, Timed};
pub use self::player::Player;
pub use self::source::Source;
pub use self::spoken::spoken;
pub use crate::viewer::Ask;
