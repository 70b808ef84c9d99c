//! How a session ends: the last event, its attestation, the signed end, and a moment for viewers to see it.

use super::{Room, Session};
use crate::chain::End;
use crate::event::{EndReason, Event, Note};
use crate::sharer::Effect;
use crate::sharer::step::Step;
use crate::time::Moment;
use crate::wire::sharer::SharerToRelay;
use crate::wire::task::OwnedEnd;

/// How long the end waits for viewers, in milliseconds (DESIGN 4): the process ends with it.
const END_WITHIN_MS: u64 = 1_000;
/// How long it waits for the relay's archive, in milliseconds: a last screen with history, over a slow line and on a slow disk.
const KEEP_WITHIN_MS: u64 = 10_000;

#[allow(
    clippy::struct_excessive_bools,
    reason = "what is wanted of the relay, and what it said, each by itself"
)]
#[derive(Debug)]
pub(super) struct Ending {
    reason: EndReason,
    /// Waited for until then; one in company is not waited for.
    pub(super) deadline: Option<Moment>,
    /// Its parent's share goes on, and shows it: it stays for those who come later, at this relay and at the next.
    in_company: bool,
    /// The relay is to keep it, and has not said yet whether it does.
    pub(super) keeping: bool,
    said: bool,
    pub(super) acknowledged: bool,
}

impl Ending {
    /// Whether those who come later are to find its last screen.
    pub(super) fn leaves_a_screen(&self) -> bool {
        self.in_company || self.keeping
    }

    fn within_ms(&self) -> u64 {
        if self.keeping { KEEP_WITHIN_MS } else { END_WITHIN_MS }
    }

    /// The relay has said whether it is kept; for good, it is not to be: nobody is to find it.
    pub(super) fn is_settled(&mut self, for_good: bool) {
        self.keeping = false;
        self.in_company &= !for_good;
    }

    /// Whether the relay has said that it knows, and keeps it for nobody.
    pub(super) fn was_told(&self) -> bool {
        self.said && self.acknowledged && !self.in_company
    }

    /// Whether everything of it was said, and nothing more is until somebody asks.
    pub(super) fn rests(&self) -> bool {
        self.said && self.in_company
    }

    /// It is to be said, or said again.
    pub(super) fn say_again(&mut self) {
        (self.said, self.acknowledged) = (false, false);
    }
}

impl Session {
    /// The end of an unshared session, for a relay that gets nothing else of it any more.
    pub(super) fn owned_end(&self) -> OwnedEnd {
        // What stayed is unshared now.
        let ending = self.ending.as_ref().filter(|ending| !ending.in_company);
        let reason = ending.map_or(EndReason::Unshared, |ending| ending.reason.clone());
        let end = End { epoch: self.epoch.id(), point: self.epoch.point(), reason };
        OwnedEnd { owner: self.owner.key.public(), end: end.sign(&self.owner.key) }
    }

    /// Begins the end; the first reason stays. One in company leaves its last screen, history and transcript for those
    /// who come later, until [`Session::hurry_end`].
    pub(in crate::sharer) fn end(&mut self, reason: EndReason, in_company: bool, step: &mut Step) {
        if self.ending.is_some() {
            return;
        }
        self.settle(step);
        self.seal(&Event::Note(Note::Ended(reason.clone())), step);
        if reason == EndReason::Unshared {
            self.keep = None;
        }
        // One that ends before a relay has greeted may yet be kept there.
        let keeping = self.keep.is_some() && step.keep_ms != Some(0);
        let mut ending =
            Ending { reason, deadline: None, in_company, keeping, said: false, acknowledged: false };
        ending.deadline = (!in_company).then(|| step.mono().after(ending.within_ms()));
        let leaves = ending.leaves_a_screen();
        self.ending = Some(ending);
        if leaves && self.room.is_open() {
            self.snapshots.want(true);
        }
    }

    /// Nobody keeps it any more.
    pub(in crate::sharer) fn hurry_end(&mut self, step: &mut Step) {
        if let Some(ending) = &mut self.ending {
            let soon = step.mono().after(ending.within_ms());
            ending.in_company = false;
            ending.deadline.get_or_insert(soon);
        }
    }

    /// See [`Ending::rests`].
    pub(super) fn rests(&self) -> bool {
        self.ending.as_ref().is_some_and(Ending::rests)
    }

    /// What has ended stays so in a new epoch.
    pub(super) fn end_again(&mut self, step: &mut Step) {
        let Some(ending) = &mut self.ending else { return };
        ending.say_again();
        let reason = ending.reason.clone();
        self.seal(&Event::Note(Note::Ended(reason)), step);
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
            let stays = ending.in_company;
            step.say(&SharerToRelay::EndSession { channel, end, final_number: point.number, stays });
        }
    }

    pub(super) fn finish(&mut self, step: &mut Step) {
        let Some(ending) = self.ending.as_ref().filter(|_| !self.ended) else { return };
        let heard = ending.said && !ending.keeping && (ending.acknowledged || self.people.1 == 0);
        let alone = step.alone || self.room.is_refused();
        let late = ending.deadline.is_some_and(|at| at <= step.mono());
        if self.room == Room::Replaced || (!ending.in_company && (heard || alone || late)) {
            self.ended = true;
            step.effect(Effect::Ended(self.id));
        }
    }
}
