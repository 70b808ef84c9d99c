//! What a room does when it is due; what concerns the archive is in `keeping`.

use super::super::archive::PUT_AWAY_MS;
use super::super::content::PATIENCE_MS;
use super::{REST_MS, Room, TAIL_WANTED, Wakes};
use crate::time::Moment;

/// At rest, a snapshot is asked for when so much follows the stored one, in bytes.
const TAIL_AT_REST: u64 = 8 * 1024;
/// The number of people is told at most so often, in milliseconds, and once more per [`PEOPLE_EACH_MS`] each.
const PEOPLE_MS: u64 = 1_000;
/// Everybody is told of everybody, so the pace falls with their number.
const PEOPLE_EACH_MS: u64 = 10;

impl Room {
    /// Does what is due now.
    pub(in crate::relay) fn tick(&mut self, now: Moment, wakes: &mut Wakes) {
        self.forget_withdrawn(now, wakes);
        if self.acknowledge_at.is_some_and(|at| now >= at) {
            self.acknowledge(wakes);
            self.trim();
        }
        if self.people_due && now >= self.people_next {
            self.tell_people(now, wakes);
        }
        if self.pace.outstanding().is_some_and(|at| now >= at) {
            self.pace.give_up();
        }
        if self.content.waiting.is_some_and(|since| now >= since.after(PATIENCE_MS))
            && self.content.serve().is_some()
        {
            self.content.waiting = None;
            self.wake_lost(wakes);
        }
        if self.wants_snapshot(now) && self.pace.next().is_some_and(|at| now >= at) {
            self.request(now, wakes);
        }
    }

    fn tell_people(&mut self, now: Moment, wakes: &mut Wakes) {
        self.people_due = false;
        self.content.people.revision += 1;
        self.people_next = now.after(PEOPLE_MS.max(self.viewers.len() as u64 * PEOPLE_EACH_MS));
        for viewer in self.viewers.values_mut() {
            viewer.people_changed();
            wakes.viewer(viewer, true);
        }
        if let Some(holder) = &mut self.holder {
            holder.people_changed();
            wakes.holder(holder);
        }
    }

    /// Whether history may be asked for once there is quiet.
    fn misses_full(&self) -> bool {
        let has = self.content.store.stored().is_some_and(|s| s.full().is_some() || s.is_arriving());
        self.full_tried != Some(self.content.log.latest())
            && (!has || self.content.wants_full || self.content.tail() > TAIL_AT_REST)
    }

    fn can_ask(&self) -> bool {
        self.holder.is_some() && self.content.ended.is_none()
    }

    fn wants_snapshot(&self, now: Moment) -> bool {
        self.can_ask()
            && (self.content.waiting.is_some()
                || self.content.tail() > TAIL_WANTED
                || (self.content.known && self.misses_full() && now >= self.last_event.after(REST_MS))
                || (self.content.wants_full && self.misses_full() && now >= self.flood_until))
    }

    fn request(&mut self, now: Moment, wakes: &mut Wakes) {
        let Some(holder) = &mut self.holder else { return };
        let full = now >= self.flood_until;
        self.pace.ask(now);
        self.asked_full = full;
        if full {
            self.full_tried = Some(self.content.log.latest());
        }
        holder.request(full);
        wakes.holder(holder);
    }

    /// When something is due next, and what.
    pub(in crate::relay) fn next_deadline(&self, away_keep_ms: u64) -> Option<(Moment, &'static str)> {
        let content = &self.content;
        let expiry = self.expiry(away_keep_ms).map(|at| (at, "room expires"));
        let keep = self.keeping.as_ref().and_then(|keeping| Some((keeping.due?, "keep")));
        let acknowledge = self.acknowledge_at.map(|at| (at, "acknowledge"));
        let people = self.people_due.then_some((self.people_next, "presence"));
        let give_up = self.pace.outstanding().map(|at| (at, "snapshot given up"));
        let patience = content
            .waiting
            .map(|since| since.after(PATIENCE_MS))
            .filter(|&at| at > content.clock)
            .map(|at| (at, "older snapshot will do"));
        let request = self.request_deadline().map(|at| (at, "snapshot"));
        let forget = content.forgets_at().map(|at| (at, "what is not shared any more goes"));
        [expiry, keep, acknowledge, people, give_up, patience, request, forget].into_iter().flatten().min()
    }

    fn request_deadline(&self) -> Option<Moment> {
        let next = self.pace.next().filter(|_| self.can_ask())?;
        if self.content.waiting.is_some() || self.content.tail() > TAIL_WANTED {
            return Some(next);
        }
        if !self.misses_full() {
            return None;
        }
        let rest = self.content.known.then(|| self.last_event.after(REST_MS));
        let wanted = self.content.wants_full.then_some(self.flood_until);
        rest.into_iter().chain(wanted).min().map(|at| at.max(next))
    }

    /// Whether the room is to go.
    pub(in crate::relay) fn is_expired(&self, now: Moment, away_keep_ms: u64) -> bool {
        self.expiry(away_keep_ms).is_some_and(|at| now >= at)
    }

    /// When it goes. What is about to be kept is not gone before, and of what is, only a copy.
    fn expiry(&self, away_keep_ms: u64) -> Option<Moment> {
        let left = self.content.left_at()?;
        if self.frozen && self.viewers.is_empty() {
            return Some(left.after(PUT_AWAY_MS));
        }
        (!self.frozen || self.content.ended.is_none()).then(|| left.after(away_keep_ms))
    }
}
