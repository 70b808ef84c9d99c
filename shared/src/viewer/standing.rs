//! Where a pane stands: its state, and how much of its terminal may be looked at.

use std::sync::Arc;

use super::epoch::Epoch;
use super::joining::ASK_FOR_MS;
use super::pane::{Pane, Stage};
use super::pills::{Bar, ChildSession};
use super::view::{Shown, State, TranscriptView, View};
use crate::chain::BEAT_GOOD_FOR_MS;
use crate::time::{Moment, Now};

impl Pane {
    /// Its state.
    pub(super) fn state(&self, now: Now) -> State {
        if let Some(over) = &self.over {
            return over.clone();
        }
        if self.stage != Stage::Joined {
            if let Some(seeking) = self.seeking(now) {
                return seeking;
            }
            return match self.lost_at {
                Some(since) => State::Reconnecting { since },
                None if self.filled => State::CatchingUp,
                None => State::Connecting,
            };
        }
        if let Some(since) = self.away_since {
            return State::SharerAway { since };
        }
        let (wall, mono) = self.sharer_heard;
        if now.mono >= mono.after(BEAT_GOOD_FOR_MS) {
            return State::Stale { since: wall };
        }
        match &self.epoch {
            Some(epoch) if epoch.caught_up() && epoch.answered() => State::Live,
            _ => State::CatchingUp,
        }
    }

    /// While a relay answers that there is no such session, and this page goes on asking.
    fn seeking(&self, now: Now) -> Option<State> {
        let first = self.not_found?;
        let left_ms = first.mono.after(ASK_FOR_MS).since(now.mono);
        let left_s = (!self.was_live).then(|| left_ms.div_ceil(1_000));
        Some(State::Seeking { since: self.lost_at.unwrap_or(first.wall), left_s })
    }

    /// Until when what is shown may stand without a signature.
    pub(super) fn proof_deadline(&self) -> Option<Moment> {
        let present = self.epoch.as_ref().and_then(Epoch::proof_deadline);
        self.old_deadline.into_iter().chain(present).min()
    }

    /// How much may be looked at.
    pub(super) fn shown(&self, now: Now, state: &State) -> Shown {
        if !self.filled || matches!(state, State::Diverged(_)) {
            return Shown::Nothing;
        }
        let late = self.proof_deadline().is_some_and(|at| now.mono >= at);
        let apart = matches!(state, State::Reconnecting { .. } | State::Seeking { .. } | State::Child(_));
        match (late, apart) {
            (false, _) => Shown::Screen,
            (true, true) => Shown::Unconfirmed,
            (true, false) => Shown::Hidden,
        }
    }

    /// Everything about it that people see beside its terminal.
    pub(super) fn view(&self, now: Now, attempts: u32, bar: Option<Arc<Bar>>) -> View {
        let mut state = self.state(now);
        if let (State::Seeking { since, .. }, Some(_)) = (&state, &self.task) {
            // Its parent's owner vouches for it: the link is whole.
            state = State::Child(ChildSession::Unreachable { since: *since, retry: true });
        }
        let shown = self.shown(now, &state);
        View {
            pane: Some(self.id),
            shown,
            typing: self.typing(&state),
            state,
            // Nothing unsigned stands for long, in words neither.
            title: self.title.clone().filter(|_| !matches!(shown, Shown::Hidden | Shown::Unconfirmed)),
            viewers: self.viewers,
            window: self.window,
            right: self.right(),
            paste: self.keyboard.question(),
            commands: if shown == Shown::Hidden { Arc::default() } else { Arc::clone(&self.commands) },
            transcript: if shown == Shown::Hidden { TranscriptView::default() } else { self.talk.view() },
            notice: self.notice,
            kept_ms: self.kept_ms,
            attempts,
            bar,
            timeline: None,
        }
    }
}
