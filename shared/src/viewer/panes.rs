//! All panes of one link: its own session's, which is always there, and the children's that were looked at last.

use super::family::Opening;
use super::pane::{Pane, PaneId};
use super::uplink::Uplink;
use crate::id::{Channel, SessionId, TaskId};
use crate::keys::epoch::EpochId;
use crate::link::Link;
use crate::ordered::Ordered;

/// Children's panes kept joined; of more, the one that was looked at longest ago is left. A terminal with its
/// scrollback costs a browser a few MiB.
pub(super) const MAX_CHILDREN: usize = 6;
/// Sessions whose newest header is remembered after their pane is gone: twice the rows of a session.
const MAX_RANKS: usize = 1_024;

/// The panes, and which of them is selected.
#[derive(Debug)]
pub(super) struct Panes {
    own: Pane,
    /// The one looked at last is the last.
    children: Vec<Pane>,
    selected: Option<PaneId>,
    next: u32,
    /// The newest headers accepted in panes that are gone: an older one is not accepted in their next pane either.
    ranks: Ordered<SessionId, (EpochId, u32)>,
}

impl Panes {
    /// The link's own pane, selected.
    pub(super) fn new(own: Pane) -> Self {
        Self { selected: Some(own.id), next: own.id.0, own, children: Vec::new(), ranks: Ordered::default() }
    }

    /// The link's own.
    pub(super) fn own(&self) -> &Pane {
        &self.own
    }

    /// The link's own.
    pub(super) fn own_mut(&mut self) -> &mut Pane {
        &mut self.own
    }

    /// The selected one, if what is selected has one.
    pub(super) fn selected(&self) -> Option<&Pane> {
        let selected = self.selected?;
        self.iter().find(|pane| pane.id == selected)
    }

    /// The selected one, if what is selected has one.
    pub(super) fn selected_mut(&mut self) -> Option<&mut Pane> {
        let selected = self.selected?;
        self.iter_mut().find(|pane| pane.id == selected)
    }

    /// The selected one, if it is this.
    pub(super) fn if_selected(&mut self, pane: PaneId) -> Option<&mut Pane> {
        self.selected_mut().filter(|selected| selected.id == pane)
    }

    /// A child's, if it is open.
    pub(super) fn child(&self, task: &TaskId) -> Option<&Pane> {
        self.children.iter().find(|pane| pane.task.as_ref() == Some(task))
    }

    /// The one with that id.
    pub(super) fn get_mut(&mut self, id: PaneId) -> Option<&mut Pane> {
        self.iter_mut().find(|pane| pane.id == id)
    }

    /// The one that is in, or asked to be let in, on a channel.
    pub(super) fn on_channel(&mut self, channel: Channel) -> Option<&mut Pane> {
        self.iter_mut().find(|pane| pane.channel == channel && (pane.is_active() || pane.lingers()))
    }

    /// All, the link's own first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Pane> {
        std::iter::once(&self.own).chain(&self.children)
    }

    /// All.
    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Pane> {
        std::iter::once(&mut self.own).chain(&mut self.children)
    }

    /// Selects the link's own pane.
    pub(super) fn select_own(&mut self) {
        self.selected = Some(self.own.id);
    }

    /// Selects a child, whose pane is made if it is not there and `opening` opens its session.
    pub(super) fn select_child(&mut self, uplink: &mut Uplink, task: &TaskId, opening: Option<Link>) {
        let at = self.children.iter().position(|pane| pane.task.as_ref() == Some(task));
        let pane = match (at, opening) {
            // What was seen of a child that is not reached any more stays.
            (Some(at), _) => Some(self.children.remove(at)),
            (None, Some(link)) => Some(self.open(uplink, task, link)),
            (None, None) => None,
        };
        self.selected = pane.as_ref().map(|pane| pane.id);
        self.children.extend(pane);
    }

    /// Gives each child's pane what opens its session now. Of a child that has another session the pane is closed.
    pub(super) fn follow(&mut self, uplink: &mut Uplink, opening: impl Fn(&TaskId) -> Option<Opening>) {
        for mut pane in std::mem::take(&mut self.children) {
            match pane.task.as_ref().and_then(&opening) {
                Some(opening) if opening.session != pane.link.session => self.close(uplink, pane),
                opening => {
                    if let Some(opening) = opening {
                        pane.rekey(uplink, &opening.secret);
                    }
                    self.children.push(pane);
                }
            }
        }
    }

    fn open(&mut self, uplink: &mut Uplink, task: &TaskId, link: Link) -> Pane {
        while self.children.len() >= MAX_CHILDREN {
            let oldest = self.children.remove(0);
            self.close(uplink, oldest);
        }
        self.next = self.next.saturating_add(1);
        let mut pane = Pane::new(PaneId(self.next), link, uplink.now());
        pane.accepted = self.ranks.get(&pane.link.session).copied();
        pane.task = Some(task.clone());
        uplink.start();
        pane
    }

    fn close(&mut self, uplink: &mut Uplink, mut pane: Pane) {
        pane.leave(uplink);
        uplink.forget(pane.id);
        if let Some(rank) = pane.accepted {
            if self.ranks.len() >= MAX_RANKS {
                self.ranks.pop_first();
            }
            self.ranks.insert(pane.link.session, rank);
        }
    }
}
