//! What a session's sharer says to its room.

use super::super::PeerId;
use super::super::content::{Attested, Ended, MAX_TAIL, NewestBeat};
use super::super::holder::Holder;
use super::super::outbox::{BOUND, Viewer};
use super::{Dropped, REST_MS, Room, TAIL_WANTED, Wakes};
use crate::id::{Channel, ParticipantId};
use crate::keys::epoch::EpochId;
use crate::keys::grant::{GrantRow, Right};
use crate::keys::owner::Signed;
use crate::orchestration::task::MAX_TASKS;
use crate::pages::Head;
use crate::seal::SealedEvent;
use crate::snapshot::{Manifest, Part};
use crate::time::Moment;
use crate::wire::hello::{ACKNOWLEDGED_AT_ONCE, EVENT_COST};
use crate::wire::sharer::{InputRefusal, RelayToSharer};
use crate::wire::source::SessionSource;
use crate::wire::task::TaskRow;

/// Events are acknowledged after [`ACKNOWLEDGED_AT_ONCE`], or so many milliseconds: typing is not answered by a frame per key.
const ACKNOWLEDGE_MS: u64 = 1_000;

impl Room {
    /// A good claim takes the session.
    pub(in crate::relay) fn hold(&mut self, peer: PeerId, channel: Channel, wakes: &mut Wakes) {
        let content = &mut self.content;
        let initialized = RelayToSharer::SessionInitialized {
            channel,
            acknowledged: content.known.then(|| content.log.latest()),
            snapshot: content.store.whole(),
            pages: content.pages.whole(),
        };
        let mut holder = Holder::new(peer, channel, &initialized);
        for participant in self.viewers.keys() {
            holder.joined(*participant);
        }
        wakes.holder(&holder);
        self.holder = Some(holder);
        self.frozen = false;
        self.pace.give_up();
        self.full_tried = None;
        (self.unacknowledged, self.acknowledge_at) = (0, None);
        content.ended = None;
        self.end_acknowledged = false;
        if content.away_since.take().is_some() {
            self.presence_changed(wakes);
        }
    }

    /// The holder's connection broke.
    pub(in crate::relay) fn release(&mut self, now: Moment, wakes: &mut Wakes) {
        self.holder = None;
        self.pace.give_up();
        self.acknowledge_at = None;
        self.content.store.interrupt();
        self.content.pages.interrupt();
        match &mut self.content.ended {
            Some(ended) if ended.stays => (ended.at, ended.stays) = (now, false),
            Some(_) => {}
            None => {
                self.content.away_since = Some(now);
                self.presence_changed(wakes);
            }
        }
        self.wake_lost(wakes);
    }

    fn presence_changed(&mut self, wakes: &mut Wakes) {
        for viewer in self.viewers.values_mut() {
            viewer.presence_changed();
            wakes.viewer(viewer, true);
        }
    }

    /// A new header and what grants are left; participants without one are dropped.
    pub(in crate::relay) fn update_header(
        &mut self,
        header: Signed,
        epoch: EpochId,
        grants: Vec<GrantRow>,
        wakes: &mut Wakes,
    ) -> Vec<Dropped> {
        if epoch < self.content.epoch {
            return Vec::new();
        }
        let began = epoch > self.content.epoch;
        let changed = header != self.content.header;
        self.content.header = header;
        self.grants = grants;
        if began {
            self.content.begin_epoch(epoch);
            self.pace.give_up();
            self.full_tried = None;
            self.end_acknowledged = false;
        }
        let mut gone = Vec::new();
        for (participant, viewer) in &mut self.viewers {
            match self.grants.iter().find(|row| row.token_hash == viewer.token) {
                None => gone.push(*participant),
                Some(row) => {
                    if row.right == Right::Watch && viewer.right == Right::Type {
                        viewer.refuse(InputRefusal::NotAllowed);
                    }
                    viewer.right = row.right;
                }
            }
            if began {
                viewer.epoch_began();
            } else if changed {
                viewer.header_changed();
            }
            wakes.viewer(viewer, true);
        }
        let drop = |participant| self.leave(participant, wakes);
        gone.into_iter().filter_map(drop).map(|v| Dropped { peer: v.peer, channel: v.channel }).collect()
    }

    /// The session's source became known.
    pub(in crate::relay) fn update_source(&mut self, source: SessionSource, wakes: &mut Wakes) {
        if self.content.source == source {
            return;
        }
        self.content.source = source;
        for viewer in self.viewers.values_mut() {
            viewer.source_changed();
            wakes.viewer(viewer, true);
        }
    }

    /// Rows of the session's tasks. `false`: there are too many, or one is too large.
    pub(in crate::relay) fn update_rows(&mut self, rows: &[TaskRow], wakes: &mut Wakes) -> bool {
        if rows.len() > MAX_TASKS || !rows.iter().all(TaskRow::is_good) {
            return false;
        }
        let mut news = false;
        for row in rows {
            match self.content.rows.update(row) {
                Some(changed) => news |= changed,
                None => return false,
            }
        }
        for viewer in self.viewers.values().filter(|_| news) {
            wakes.viewer(viewer, true);
        }
        if news {
            self.keep_again();
        }
        true
    }

    /// The sharer's next event. One that is known is ignored; after a gap nothing older is of use.
    pub(in crate::relay) fn event(&mut self, now: Moment, event: SealedEvent, wakes: &mut Wakes) {
        let content = &mut self.content;
        let latest = content.log.latest();
        if content.known && event.number <= latest {
            return;
        }
        if event.number != latest + 1 {
            content.log.restart(event.number - 1);
            content.store.clear();
        }
        content.known = true;
        self.unacknowledged += event.body.len() + EVENT_COST;
        content.log.push(event.kind, event.body);
        if content.tail() > MAX_TAIL {
            content.store.clear();
            content.log.shrink(BOUND);
        }
        self.last_event = now;
        if content.tail() > TAIL_WANTED {
            self.flood_until = now.after(REST_MS);
        }
        for viewer in self.viewers.values_mut() {
            if viewer.event_logged(content) {
                let lost = viewer.is_lost();
                if lost {
                    self.flood_until = now.after(REST_MS);
                }
                wakes.viewer(viewer, lost);
            }
        }
        if self.unacknowledged >= ACKNOWLEDGED_AT_ONCE {
            self.acknowledge(wakes);
        } else {
            self.acknowledge_at.get_or_insert(now.after(ACKNOWLEDGE_MS));
        }
    }

    pub(super) fn acknowledge(&mut self, wakes: &mut Wakes) {
        (self.unacknowledged, self.acknowledge_at) = (0, None);
        if let Some(holder) = &mut self.holder {
            holder.acknowledge();
            wakes.holder(holder);
        }
    }

    /// The owner's word on the transcript's newest page.
    pub(in crate::relay) fn transcript_head(&mut self, signed: Signed, wakes: &mut Wakes) {
        if let Some(head) = Head::verify(&signed, &self.owner)
            && head.epoch == self.content.epoch
        {
            self.content.pages.head(signed, &head);
            self.keep_again();
            for viewer in self.viewers.values().filter(|viewer| viewer.pages.waits()) {
                wakes.viewer(viewer, false);
            }
        }
    }

    /// A viewer asks for pages of the transcript.
    pub(in crate::relay) fn fetch(
        &mut self,
        participant: ParticipantId,
        page: u32,
        most: u32,
        wakes: &mut Wakes,
    ) {
        if let Some(viewer) = self.viewers.get_mut(&participant) {
            viewer.pages.fetch(page, most);
            wakes.viewer(viewer, false);
        }
    }

    /// A snapshot begins to arrive.
    pub(in crate::relay) fn manifest(&mut self, signed: Signed) {
        if let Some(manifest) = Manifest::verify(&signed, &self.owner)
            && manifest.epoch == self.content.epoch
        {
            self.content.store.begin(signed, &manifest);
        }
    }

    /// A frame of it.
    pub(in crate::relay) fn part(
        &mut self,
        now: Moment,
        id: u64,
        part: Part,
        index: u32,
        body: bytes::Bytes,
        wakes: &mut Wakes,
    ) {
        let arrival = self.content.store.part(id, part, index, body);
        if arrival.screen {
            let content = &mut self.content;
            let number = content.store.number().unwrap_or_default();
            if !content.log.continues(number) || number > content.log.latest() {
                // Everything before it is history that this relay never saw, or the events follow.
                content.log.restart(number);
            }
            content.known = true;
            content.awaited = content.waiting.take().map(|_| number);
            self.trim();
            self.wake_lost(wakes);
        }
        if arrival.complete {
            self.pace.complete(now);
            let has_full = self.content.store.stored().is_some_and(|stored| stored.full().is_some());
            self.content.has_no_history = self.asked_full && !has_full;
            if has_full {
                self.content.wants_full = false;
            }
            self.asked_full = false;
            self.keep_again();
            for viewer in self.viewers.values().filter(|viewer| viewer.wants_full(&self.content)) {
                wakes.viewer(viewer, true);
            }
        }
    }

    pub(super) fn wake_lost(&self, wakes: &mut Wakes) {
        for viewer in self.viewers.values().filter(|viewer| viewer.is_lost()) {
            wakes.viewer(viewer, true);
        }
    }

    /// Drops events that the stored snapshot makes up for, and that nobody present still has to get.
    pub(super) fn trim(&mut self) {
        let Some(number) = self.content.store.number() else { return };
        let slowest = self.viewers.values().filter_map(Viewer::needs_after).min();
        self.content.log.drop_through(number.min(slowest.unwrap_or(number)));
    }

    /// An attestation.
    pub(in crate::relay) fn attest(&mut self, attested: Attested, wakes: &mut Wakes) {
        self.content.attest(attested);
        self.keep_again();
        for viewer in self.viewers.values() {
            wakes.viewer(viewer, false);
        }
    }

    /// A beat; only a newer one counts.
    pub(in crate::relay) fn beat(&mut self, beat: NewestBeat, wakes: &mut Wakes) {
        if self.content.beat.as_ref().is_some_and(|newest| newest.number >= beat.number) {
            return;
        }
        self.content.beat = Some(beat);
        for viewer in self.viewers.values() {
            wakes.viewer(viewer, false);
        }
    }

    /// What its owner stopped sharing goes once those who were there have the rest of it: they leave, with its last screen.
    pub(super) fn forget_withdrawn(&mut self, now: Moment, wakes: &mut Wakes) {
        let Some(at) = self.content.forgets_at() else { return };
        if now >= at || self.viewers.values().all(|viewer| viewer.is_shut_out(&self.content)) {
            self.content.forget();
            for viewer in self.viewers.values() {
                wakes.viewer(viewer, true);
            }
        }
    }

    /// The sharer says that the session is over.
    pub(in crate::relay) fn end(&mut self, ended: Ended, wakes: &mut Wakes) {
        self.content.ended = Some(ended);
        if let Some(keeping) = &mut self.keeping {
            keeping.due = Some(self.content.clock);
        }
        for viewer in self.viewers.values() {
            wakes.viewer(viewer, true);
        }
        self.check_end_seen(wakes);
    }

    pub(super) fn check_end_seen(&mut self, wakes: &mut Wakes) {
        // Who waits for a snapshot may wait long; the sharer does not wait for them.
        let all = self.viewers.values().all(|viewer| viewer.seen_end || viewer.is_lost());
        if self.content.ended.is_none() || self.end_acknowledged || !all {
            return;
        }
        if let Some(holder) = &mut self.holder {
            self.end_acknowledged = true;
            holder.end_seen();
            wakes.holder(holder);
        }
    }
}
