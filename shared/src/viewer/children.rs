//! Selecting children: panes are opened as they are looked at, and follow what the owner's cards say.

use std::sync::Arc;

use super::Viewer;
use super::family::Opening;
use super::pane::{PaneId, Stage};
use super::pills::{self, Bar, ChildSession, Parts, Selection, Standing};
use super::view::State;
use crate::event::EndReason;
use crate::id::TaskId;
use crate::link::Link;
use crate::orchestration::status::TaskState;
use crate::orchestration::task::Task;
use crate::time::UnixMs;

/// What a bar depends on beside the cards; with the same of it, it is the same.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BarKey {
    cards: u64,
    choice: u64,
    standing: Standing,
    held_back: bool,
    own: TaskState,
    sessions: Vec<(PaneId, ChildSession)>,
}

impl Viewer {
    /// Selects what a person wants to see; a child that nobody has heard of yet, as soon as somebody has.
    pub(super) fn select(&mut self, what: Selection) {
        self.wished = None;
        if let Selection::Child(id) = &what
            && !self.family.knows(self.link().session, id)
        {
            self.wished = Some(id.clone());
            return;
        }
        self.choice.selected = what;
        self.choices += 1;
    }

    /// Takes up what the session's owner signed since the last call.
    pub(super) fn learn(&mut self) {
        let (now, own) = (self.uplink.now(), self.panes.own_mut());
        if own.stage == Stage::Joined && self.joined_with != Some(own.challenge) {
            self.joined_with = Some(own.challenge);
            self.family.joined(now);
        }
        if let Some(epoch) = &mut own.epoch
            && let Some(digest) = epoch.take_attested()
        {
            self.family.attested(now, epoch, digest);
        }
    }

    /// Brings the panes to what is selected, and to the grants that the newest cards hold.
    pub(super) fn follow(&mut self) {
        let own = self.link().session;
        if let Some(id) = self.wished.take_if(|id| self.family.knows(own, id)) {
            self.select(Selection::Child(id));
        }
        let changed = self.followed.replace((self.family.version, self.choices));
        if changed == self.followed {
            return;
        }
        let family = &self.family;
        self.panes.follow(&mut self.uplink, |task| family.opening(task));
        match &self.choice.selected {
            Selection::Own => self.panes.select_own(),
            Selection::Child(id) => {
                let link = |opening: Opening| Link {
                    base: self.panes.own().link.base.clone(),
                    session: opening.session,
                    secret: opening.secret,
                };
                let opening = family.opening(id).map(link);
                self.panes.select_child(&mut self.uplink, id, opening);
                if let Some(task) = family.get(id).filter(|task| task.wants_attention) {
                    self.choice.looked.insert(id.clone(), task.rings);
                }
            }
        }
        // Whoever rings again is heard again.
        self.choice.looked.retain(|id, _| family.get(id).is_some_and(|task| task.wants_attention));
    }

    /// The link that watches a child's session and no more.
    pub(super) fn child_watch_link(&self, id: &TaskId) -> Option<Link> {
        let opening = self.family.opening(id)?;
        Some(Link { base: self.link().base.clone(), session: opening.session, secret: opening.watch })
    }

    /// Where a child's session is: by its own word if it is open, else by its card.
    pub(super) fn child_session(&self, task: &Task) -> ChildSession {
        let card = pills::by_card(task, self.family.opening(&task.id).is_some());
        let Some(pane) = self.panes.child(&task.id) else { return card };
        if !matches!(card, ChildSession::Live | ChildSession::Ended) {
            return card;
        }
        match pane.state(self.uplink.now()) {
            State::Ended(_) => ChildSession::Ended,
            State::Seeking { since, .. } => ChildSession::Unreachable { since, retry: true },
            State::Failed(_) | State::ClosedByRelay(_) => {
                ChildSession::Unreachable { since: pane.over_since, retry: true }
            }
            state @ State::Diverged(_) => {
                ChildSession::Failed { reason: state.sentence().unwrap_or_default() }
            }
            State::Child(_)
            | State::Connecting
            | State::CatchingUp
            | State::Live
            | State::Reconnecting { .. }
            | State::Stale { .. }
            | State::SharerAway { .. }
            | State::Recorded => card,
        }
    }

    /// Since when what the cards say may be old, if it may.
    fn doubted(&self) -> Option<UnixMs> {
        let (at, since) = self.family.doubt()?;
        (self.uplink.now().mono >= at).then_some(since)
    }

    /// Whether the bar says how things are.
    fn standing(&self) -> Standing {
        let now = self.uplink.now();
        match self.panes.own().state(now) {
            State::Reconnecting { since } | State::Seeking { since, .. } | State::Stale { since } => {
                Standing::Stale { since }
            }
            State::SharerAway { since } => Standing::ParentAway { since },
            State::Connecting | State::CatchingUp | State::Live => {
                self.doubted().map_or(Standing::Present, |since| Standing::Stale { since })
            }
            State::Ended(_)
            | State::ClosedByRelay(_)
            | State::Failed(_)
            | State::Diverged(_)
            | State::Child(_)
            | State::Recorded => Standing::Over,
        }
    }

    /// What the session itself says of the orchestrator's state.
    fn own_state(&self) -> TaskState {
        match self.panes.own().state(self.uplink.now()) {
            State::Ended(EndReason::Exited { code: Some(0), .. }) => TaskState::Done,
            State::Ended(EndReason::Exited { .. }) => TaskState::Error,
            State::Ended(_) | State::ClosedByRelay(_) | State::Failed(_) | State::Diverged(_) => {
                TaskState::Unknown
            }
            // What it was; where the session stands is said elsewhere.
            State::Connecting
            | State::CatchingUp
            | State::Live
            | State::Reconnecting { .. }
            | State::Seeking { .. }
            | State::Stale { .. }
            | State::SharerAway { .. }
            | State::Child(_)
            | State::Recorded => TaskState::Running,
        }
    }

    /// Makes the bar anew if anything it shows is different.
    pub(super) fn draw_bar(&mut self) {
        let sessions = |pane: &super::pane::Pane| {
            let task = self.family.get(pane.task.as_ref()?)?;
            Some((pane.id, self.child_session(task)))
        };
        let key = BarKey {
            cards: self.family.version,
            choice: self.choices,
            standing: self.standing(),
            held_back: self.doubted().is_some(),
            own: self.own_state(),
            sessions: self.panes.iter().filter_map(sessions).collect(),
        };
        if self.bar.as_ref().is_some_and(|(drawn, _)| *drawn == key) {
            return;
        }
        let own = self.link().session;
        let children = self.family.children(own).map(|task| (task, self.child_session(task))).collect();
        let bar: Option<Arc<Bar>> = pills::bar(Parts {
            own: self.family.own(own),
            own_state: key.own,
            own_name: "Orchestrator".into(),
            children,
            held_back: key.held_back,
            standing: key.standing,
            choice: &self.choice,
        });
        self.bar = Some((key, bar));
    }
}
