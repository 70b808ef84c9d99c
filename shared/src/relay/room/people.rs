//! Participants: who comes and goes, and what they say.

use super::super::holder::QueuedInput;
use super::super::outbox::Viewer;
use super::{Room, Wakes};
use crate::id::ParticipantId;
use crate::keys::grant::Right;
use crate::wire::sharer::InputRefusal;

impl Room {
    /// Somebody with a good grant comes in.
    pub(in crate::relay) fn join(&mut self, viewer: Viewer, wakes: &mut Wakes) -> ParticipantId {
        let participant = ParticipantId(self.next_participant);
        self.next_participant += 1;
        wakes.viewer(&viewer, true);
        self.viewers.insert(participant, viewer);
        if let Some(holder) = &mut self.holder {
            holder.joined(participant);
            wakes.holder(holder);
        }
        self.count_people();
        participant
    }

    /// Somebody goes.
    pub(in crate::relay) fn leave(
        &mut self,
        participant: ParticipantId,
        wakes: &mut Wakes,
    ) -> Option<Viewer> {
        let viewer = self.viewers.remove(&participant)?;
        if let Some(holder) = &mut self.holder {
            holder.left(participant);
            wakes.holder(holder);
        }
        self.count_people();
        self.check_end_seen(wakes);
        if let Some(ended) = self.content.ended.as_mut().filter(|_| self.frozen) {
            ended.at = self.content.clock;
        }
        Some(viewer)
    }

    fn count_people(&mut self) {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let people = &mut self.content.people;
        people.viewers = count(self.viewers.len());
        people.executors = count(self.viewers.values().filter(|v| v.right == Right::Type).count());
        self.people_due = true;
    }

    /// A viewer says that what it has does not fit together.
    pub(in crate::relay) fn resync(&mut self, participant: ParticipantId, wakes: &mut Wakes) {
        if let Some(viewer) = self.viewers.get_mut(&participant) {
            viewer.lose();
            wakes.viewer(viewer, true);
        }
    }

    /// A viewer has seen the last event.
    pub(in crate::relay) fn end_seen(&mut self, participant: ParticipantId, wakes: &mut Wakes) {
        if let Some(viewer) = self.viewers.get_mut(&participant).filter(|_| self.content.ended.is_some()) {
            viewer.seen_end = true;
            self.check_end_seen(wakes);
        }
    }

    /// Input to pass on, unless its author may not type, or it cannot be.
    pub(in crate::relay) fn input(&mut self, input: QueuedInput, wakes: &mut Wakes) {
        let Some(viewer) = self.viewers.get_mut(&input.participant).filter(|viewer| !viewer.refused) else {
            return;
        };
        let refusal = match &mut self.holder {
            _ if viewer.right == Right::Watch => Some(InputRefusal::NotAllowed),
            None => Some(InputRefusal::Broken),
            Some(holder) => {
                wakes.holder(holder);
                (!holder.input(input)).then_some(InputRefusal::Full)
            }
        };
        if let Some(reason) = refusal
            && viewer.refuse(reason)
        {
            wakes.viewer(viewer, true);
        }
    }

    /// Something for one participant.
    pub(in crate::relay) fn direct(
        &mut self,
        participant: ParticipantId,
        wakes: &mut Wakes,
        deliver: impl FnOnce(&mut Viewer),
    ) {
        if let Some(viewer) = self.viewers.get_mut(&participant) {
            deliver(viewer);
            wakes.viewer(viewer, true);
        }
    }
}
