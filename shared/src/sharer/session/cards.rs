//! What a session says of its children, and what its parent reaches of it.

use std::collections::{BTreeMap, BTreeSet};

use super::ending::Ending;
use super::{Room, Session};
use crate::card::{Card, Reach};
use crate::event::{Event, Note};
use crate::id::TaskId;
use crate::keys::grant::Right;
use crate::orchestration::task::MAX_TASKS;
use crate::sharer::Effect;
use crate::sharer::step::Step;
use crate::wire::sharer::SharerToRelay;
use crate::wire::source::SessionSource;
use crate::wire::task::{OwnedEnd, TaskRow};

/// Rows of one message: 16 of the largest are far below its bound.
const ROWS_A_MESSAGE: usize = 16;

/// The newest card of each child, and its sealed row in this epoch. Bound: [`MAX_TASKS`].
#[derive(Default)]
pub(super) struct Cards {
    newest: BTreeMap<TaskId, Card>,
    rows: BTreeMap<TaskId, TaskRow>,
    /// Those that the relay has to be told of.
    news: BTreeSet<TaskId>,
}

impl Cards {
    pub(super) fn has_news(&self) -> bool {
        !self.news.is_empty()
    }

    /// The relay may know none of them.
    pub(super) fn say_all(&mut self) {
        self.news = self.newest.keys().cloned().collect();
    }

    /// What was sealed in the last epoch is sealed anew.
    pub(super) fn begin_epoch(&mut self) {
        self.rows.clear();
        self.say_all();
    }
}

/// As a parent.
impl Session {
    /// What is now to be said of a child; an older revision than what is known says nothing.
    pub(in crate::sharer) fn set_card(&mut self, card: Card) {
        let cards = &mut self.cards.newest;
        let fits = cards
            .get(&card.task.id)
            .map_or(cards.len() < MAX_TASKS, |known| known.task.revision < card.task.revision);
        if fits {
            self.cards.rows.remove(&card.task.id);
            self.cards.news.insert(card.task.id.clone());
            cards.insert(card.task.id.clone(), card);
        }
    }

    /// Whether its links may type.
    pub(in crate::sharer) fn may_type(&self) -> bool {
        self.owner.grant(Right::Type).is_some()
    }

    /// Seals and says what is news, as far as the socket has room: latest values do not queue up.
    pub(in crate::sharer) fn say_cards(&mut self, step: &mut Step) {
        let Room::Open(channel) = self.room else { return };
        while self.cards.has_news() && step.has_room() {
            let mut rows = Vec::new();
            while rows.len() < ROWS_A_MESSAGE
                && let Some(id) = self.cards.news.pop_first()
            {
                if !self.cards.rows.contains_key(&id)
                    && let Some(card) = self.cards.newest.get(&id)
                    && let Some(sealed) = self.epoch.cards.seal(&self.owner.key, card, &mut self.entropy)
                {
                    // Whoever holds a card back is found out by an attestation, soon.
                    self.attests.uncovered.get_or_insert(step.now.mono);
                    self.cards.rows.insert(id.clone(), TaskRow::new(&card.task, sealed));
                }
                rows.extend(self.cards.rows.get(&id).cloned());
            }
            step.say(&SharerToRelay::UpdateTasks { channel, rows });
        }
    }

    /// The session has a task, or another kind of source.
    pub(in crate::sharer) fn set_source(&mut self, source: &SessionSource, step: &mut Step) {
        if self.source == *source || !self.is_shared() {
            return;
        }
        self.source = source.clone();
        self.seal_pending(step);
        self.seal(&Event::Note(Note::SourceTask(source.clone())), step);
        if let Room::Open(channel) = self.room {
            step.say(&SharerToRelay::UpdateSourceTaskId { channel, source: source.clone() });
        }
    }

    pub(in crate::sharer) fn source(&self) -> &SessionSource {
        &self.source
    }
}

/// As a child.
impl Session {
    /// What the parent's links open of it now.
    pub(in crate::sharer) fn reach(&self) -> Option<Reach> {
        self.owner.reach()
    }

    /// Makes grants for the parent if there are none, and lets it type if it may: another revision of the header.
    pub(in crate::sharer) fn let_parent_in(&mut self, typing: bool, step: &mut Step) {
        let before = self.owner.reach();
        if before.is_none() {
            self.owner.make_for_parent(typing, &mut self.entropy);
        } else {
            self.owner.let_parent_type(typing, &mut self.entropy);
        }
        if before != self.owner.reach() {
            self.header = self.epoch.header(&self.owner, &mut self.entropy);
            self.send_header(step);
        }
    }

    /// Replaces the parent's grants: what a removed link of the parent's opened, it opens no more.
    pub(in crate::sharer) fn renew_parent(&mut self, typing: bool, step: &mut Step) {
        if self.owner.drop_for_parent() {
            self.owner.make_for_parent(typing, &mut self.entropy);
            self.begin_epoch(step);
        }
    }

    /// Removes the parent's grants, and in a new epoch all that they opened.
    pub(in crate::sharer) fn leave_parent(&mut self, step: &mut Step) {
        if self.owner.drop_for_parent() {
            self.begin_epoch(step);
        }
    }

    /// Its parent is elsewhere, and this is what that one's links open of it now.
    pub(in crate::sharer) fn let_in(&mut self, reach: Option<Reach>, step: &mut Step) {
        let before = self.owner.reach();
        self.owner.take_for_parent(reach);
        let after = self.owner.reach();
        let stays = |before: &Reach| {
            let same = |after: &Reach| {
                after.watch == before.watch && (before.typing.is_none() || after.typing == before.typing)
            };
            after.as_ref().is_some_and(same)
        };
        if before == after {
        } else if before.as_ref().is_none_or(stays) {
            self.header = self.epoch.header(&self.owner, &mut self.entropy);
            self.send_header(step);
        } else {
            // What was removed opens nothing more.
            self.begin_epoch(step);
        }
    }

    /// Whether its share stands: it was not stopped, has not ended, and nobody else holds it.
    pub(in crate::sharer) fn is_shared(&self) -> bool {
        self.ending.is_none() && !self.ended && self.room != Room::Replaced
    }

    /// Ends at once and in silence: what is to be said is said with the group. `None`: no relay ever heard of it, or
    /// another sharer holds it, or its end was told.
    pub(in crate::sharer) fn end_with_group(mut self, step: &mut Step) -> Option<OwnedEnd> {
        if !std::mem::replace(&mut self.ended, true) {
            step.effect(Effect::Ended(self.id));
        }
        let told = self.ending.as_ref().is_some_and(Ending::was_told);
        (self.claims > 0 && self.room != Room::Replaced && !told).then(|| self.owned_end())
    }
}
