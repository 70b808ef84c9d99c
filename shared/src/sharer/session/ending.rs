//! How a session ends: the last event, its attestation, the signed end, and a moment for viewers to see it.

use super::Session;
use crate::chain::End;
use crate::event::{EndReason, Event, Note};
use crate::sharer::Effect;
use crate::sharer::step::Step;
use crate::time::Moment;
use crate::wire::sharer::SharerToRelay;
use crate::wire::task::OwnedEnd;

/// How long the end waits for viewers, in milliseconds (DESIGN 4): the process ends with it.
const END_WITHIN_MS: u64 = 1_000;
/// How long the end of one that others outlive may take, in milliseconds: nobody waits for it, and its last output is
/// to arrive over a slow connection and a short break too.
const END_IN_COMPANY_MS: u64 = 60_000;

#[derive(Debug)]
pub(super) struct Ending {
    reason: EndReason,
    pub(super) deadline: Moment,
    /// Others of the process go on.
    in_company: bool,
    said: bool,
    pub(super) acknowledged: bool,
}

impl Ending {
    /// Whether those who come later are to find its last screen.
    pub(super) fn leaves_a_screen(&self) -> bool {
        self.in_company && !self.said
    }

    /// Whether the relay has said that it knows.
    pub(super) fn was_told(&self) -> bool {
        self.said && self.acknowledged
    }
}

impl Session {
    /// The end of an unshared session, for a relay that gets nothing else of it any more.
    pub(super) fn owned_end(&self) -> OwnedEnd {
        let reason = self.ending.as_ref().map_or(EndReason::Unshared, |ending| ending.reason.clone());
        let end = End { epoch: self.epoch.id(), point: self.epoch.point(), reason };
        OwnedEnd { owner: self.owner.key.public(), end: end.sign(&self.owner.key) }
    }

    /// Begins the end; the first reason stays. One that others outlive leaves its last screen and its history for those
    /// who come later.
    pub(in crate::sharer) fn end(&mut self, reason: EndReason, in_company: bool, step: &mut Step) {
        if self.ending.is_some() {
            return;
        }
        self.settle(step);
        self.seal(&Event::Note(Note::Ended(reason.clone())), step);
        let deadline = step.mono().after(if in_company { END_IN_COMPANY_MS } else { END_WITHIN_MS });
        self.ending = Some(Ending { reason, deadline, in_company, said: false, acknowledged: false });
        if in_company && self.room.is_open() {
            self.snapshots.want(true);
        }
    }

    /// Those that were to outlive it end too.
    pub(in crate::sharer) fn hurry_end(&mut self, step: &mut Step) {
        let soon = step.mono().after(END_WITHIN_MS);
        if let Some(ending) = &mut self.ending {
            (ending.in_company, ending.deadline) = (false, ending.deadline.min(soon));
        }
    }

    /// When all was sent: the last attestation at once, then `EndSession`.
    pub(super) fn say_end(&mut self, step: &mut Step) {
        let (point, epoch) = (self.epoch.point(), self.epoch.id());
        let Some(channel) = self.room.channel() else { return };
        let Some(ending) = self.ending.as_mut().filter(|ending| !ending.said) else { return };
        if !self.buffer.all_sent() {
            return;
        }
        if self.attests.number < point.number {
            self.attests.due = true;
        } else if self.snapshots.is_idle() {
            ending.said = true;
            let end = End { epoch, point, reason: ending.reason.clone() }.sign(&self.owner.key);
            step.say(&SharerToRelay::EndSession { channel, end, final_number: point.number });
        }
    }

    pub(super) fn finish(&mut self, step: &mut Step) {
        let Some(ending) = self.ending.as_ref().filter(|_| !self.ended) else { return };
        let heard = ending.said && (ending.acknowledged || self.people.1 == 0);
        let alone = (step.alone && !ending.in_company) || self.room.is_refused();
        if heard || alone || ending.deadline <= step.mono() {
            self.ended = true;
            step.effect(Effect::Ended(self.id));
        }
    }
}
