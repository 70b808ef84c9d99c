//! A room: one session's content, the sharer that holds it, and its participants.

use std::collections::BTreeMap;

use super::PeerId;
use super::archive::{Keeping, PUT_AWAY_MS};
use super::content::{Attested, Content, Ended, MAX_TAIL, NewestBeat, PATIENCE_MS};
use super::holder::{Holder, QueuedInput};
use super::outbox::{BOUND, Viewer};
use super::pace::Pace;
use super::pages::Pages;
use crate::id::{Channel, ParticipantId};
use crate::keys::epoch::EpochId;
use crate::keys::grant::{GrantRow, Right};
use crate::keys::owner::{OwnerPublic, Signed};
use crate::orchestration::task::MAX_TASKS;
use crate::pages::Head;
use crate::seal::SealedEvent;
use crate::snapshot::{Manifest, Part};
use crate::time::Moment;
use crate::wire::hello::{ACKNOWLEDGED_AT_ONCE, EVENT_COST};
use crate::wire::sharer::{InputRefusal, RelayToSharer};
use crate::wire::source::SessionSource;
use crate::wire::task::TaskRow;

/// A snapshot is asked for when so much follows the stored one, in bytes.
const TAIL_WANTED: u64 = 256 * 1024;
/// At rest, a snapshot is asked for when so much follows the stored one, in bytes.
const TAIL_AT_REST: u64 = 8 * 1024;
/// A session is at rest after so long without an event, in milliseconds; and history waits so long after a
/// flood.
const REST_MS: u64 = 1_000;
/// Events are acknowledged after [`ACKNOWLEDGED_AT_ONCE`], or so many milliseconds: typing is not answered by a frame per key.
const ACKNOWLEDGE_MS: u64 = 1_000;
/// The number of people is told at most so often, in milliseconds, and once more per [`PEOPLE_EACH_MS`] each.
const PEOPLE_MS: u64 = 1_000;
/// Everybody is told of everybody, so the pace falls with their number.
const PEOPLE_EACH_MS: u64 = 10;

/// Channels on which something is due, and whether it needs no credit.
#[derive(Debug, Default)]
pub(super) struct Wakes(pub(super) Vec<(PeerId, Channel, bool)>);

impl Wakes {
    fn viewer(&mut self, viewer: &Viewer, urgent: bool) {
        self.0.push((viewer.peer, viewer.channel, urgent));
    }

    fn holder(&mut self, holder: &Holder) {
        self.0.push((holder.peer, holder.channel, true));
    }
}

/// A viewer whose grant is gone.
#[derive(Debug)]
pub(super) struct Dropped {
    pub(super) peer: PeerId,
    pub(super) channel: Channel,
}

/// One session at a relay.
#[allow(clippy::struct_excessive_bools, reason = "each is a thing that is due, or was done once")]
#[derive(Debug)]
pub(super) struct Room {
    pub(super) owner: OwnerPublic,
    /// The highest claim seen.
    pub(super) claim: (EpochId, u64),
    pub(super) grants: Vec<GrantRow>,
    pub(super) content: Content,
    pub(super) holder: Option<Holder>,
    pub(super) viewers: BTreeMap<ParticipantId, Viewer>,
    next_participant: u64,
    pace: Pace,
    asked_full: bool,
    /// The newest event when history was last asked for: asked again only after another.
    full_tried: Option<u64>,
    flood_until: Moment,
    last_event: Moment,
    pub(super) unacknowledged: usize,
    pub(super) acknowledge_at: Option<Moment>,
    people_due: bool,
    people_next: Moment,
    end_acknowledged: bool,
    /// Whether it is to be kept when it has ended.
    pub(super) keeping: Option<Keeping>,
    /// It was made of an archive's object.
    pub(super) frozen: bool,
    /// What [`super::Relay`] has in its budget.
    pub(super) held: u64,
    /// What [`super::Relay`] has in its table of deadlines.
    pub(super) deadline: Option<Moment>,
}

impl Room {
    /// A new room without a holder.
    pub(super) fn new(owner: OwnerPublic, claim: (EpochId, u64), content: Content) -> Self {
        Self {
            owner,
            claim,
            grants: Vec::new(),
            content,
            holder: None,
            viewers: BTreeMap::new(),
            next_participant: 1,
            pace: Pace::default(),
            asked_full: false,
            full_tried: None,
            flood_until: Moment(0),
            last_event: Moment(0),
            unacknowledged: 0,
            acknowledge_at: None,
            people_due: false,
            people_next: Moment(0),
            end_acknowledged: false,
            keeping: None,
            frozen: false,
            held: 0,
            deadline: None,
        }
    }

    /// Bytes that it holds, in all that peers may make large.
    pub(super) fn count(&self) -> u64 {
        let input = self.holder.as_ref().map_or(0, Holder::held);
        self.content.held().saturating_add(input)
    }

    /// Gives up what is over `most` bytes, what is missed least first: scrollback, the events behind the snapshot and with
    /// them the snapshot, the transcript, a snapshot that is arriving. Viewers who miss something of it are brought back by
    /// the next snapshot. `false`: what is left is still too much.
    pub(super) fn shed(&mut self, most: u64, wakes: &mut Wakes) -> bool {
        if self.count() > most {
            self.content.store.drop_full();
        }
        if self.count() > most {
            let rest = self.count() - self.content.log.held();
            self.content.log.shed(most.saturating_sub(rest));
            let number = self.content.store.number();
            if number.is_some_and(|number| !self.content.log.continues(number)) {
                self.content.store.clear();
            }
            for viewer in self.viewers.values() {
                wakes.viewer(viewer, false);
            }
        }
        if self.count() > most {
            self.content.pages = Pages::default();
        }
        if self.count() > most {
            self.content.store.interrupt();
        }
        self.count() <= most
    }

    // The sharer.

    /// A good claim takes the session.
    pub(super) fn hold(&mut self, peer: PeerId, channel: Channel, wakes: &mut Wakes) {
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
    pub(super) fn release(&mut self, now: Moment, wakes: &mut Wakes) {
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
    pub(super) fn update_header(
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
    pub(super) fn update_source(&mut self, source: SessionSource, wakes: &mut Wakes) {
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
    pub(super) fn update_rows(&mut self, rows: &[TaskRow], wakes: &mut Wakes) -> bool {
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
    pub(super) fn event(&mut self, now: Moment, event: SealedEvent, wakes: &mut Wakes) {
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

    fn acknowledge(&mut self, wakes: &mut Wakes) {
        (self.unacknowledged, self.acknowledge_at) = (0, None);
        if let Some(holder) = &mut self.holder {
            holder.acknowledge();
            wakes.holder(holder);
        }
    }

    /// The owner's word on the transcript's newest page.
    pub(super) fn transcript_head(&mut self, signed: Signed, wakes: &mut Wakes) {
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
    pub(super) fn fetch(&mut self, participant: ParticipantId, page: u32, most: u32, wakes: &mut Wakes) {
        if let Some(viewer) = self.viewers.get_mut(&participant) {
            viewer.pages.fetch(page, most);
            wakes.viewer(viewer, false);
        }
    }

    /// A snapshot begins to arrive.
    pub(super) fn manifest(&mut self, signed: Signed) {
        if let Some(manifest) = Manifest::verify(&signed, &self.owner)
            && manifest.epoch == self.content.epoch
        {
            self.content.store.begin(signed, &manifest);
        }
    }

    /// A frame of it.
    pub(super) fn part(
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

    fn wake_lost(&self, wakes: &mut Wakes) {
        for viewer in self.viewers.values().filter(|viewer| viewer.is_lost()) {
            wakes.viewer(viewer, true);
        }
    }

    /// Drops events that the stored snapshot makes up for, and that nobody present still has to get.
    fn trim(&mut self) {
        let Some(number) = self.content.store.number() else { return };
        let slowest = self.viewers.values().filter_map(Viewer::needs_after).min();
        self.content.log.drop_through(number.min(slowest.unwrap_or(number)));
    }

    /// An attestation.
    pub(super) fn attest(&mut self, attested: Attested, wakes: &mut Wakes) {
        self.content.attest(attested);
        self.keep_again();
        for viewer in self.viewers.values() {
            wakes.viewer(viewer, false);
        }
    }

    /// A beat; only a newer one counts.
    pub(super) fn beat(&mut self, beat: NewestBeat, wakes: &mut Wakes) {
        if self.content.beat.as_ref().is_some_and(|newest| newest.number >= beat.number) {
            return;
        }
        self.content.beat = Some(beat);
        for viewer in self.viewers.values() {
            wakes.viewer(viewer, false);
        }
    }

    /// What its owner stopped sharing goes once those who were there have the rest of it: they leave, with its last screen.
    fn forget_withdrawn(&mut self, now: Moment, wakes: &mut Wakes) {
        let Some(at) = self.content.forgets_at() else { return };
        if now >= at || self.viewers.values().all(|viewer| viewer.is_shut_out(&self.content)) {
            self.content.forget();
            for viewer in self.viewers.values() {
                wakes.viewer(viewer, true);
            }
        }
    }

    /// The sharer says that the session is over.
    pub(super) fn end(&mut self, ended: Ended, wakes: &mut Wakes) {
        self.content.ended = Some(ended);
        if let Some(keeping) = &mut self.keeping {
            keeping.due = Some(self.content.clock);
        }
        for viewer in self.viewers.values() {
            wakes.viewer(viewer, true);
        }
        self.check_end_seen(wakes);
    }

    fn check_end_seen(&mut self, wakes: &mut Wakes) {
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

    // Participants.

    /// Somebody with a good grant comes in.
    pub(super) fn join(&mut self, viewer: Viewer, wakes: &mut Wakes) -> ParticipantId {
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
    pub(super) fn leave(&mut self, participant: ParticipantId, wakes: &mut Wakes) -> Option<Viewer> {
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
    pub(super) fn resync(&mut self, participant: ParticipantId, wakes: &mut Wakes) {
        if let Some(viewer) = self.viewers.get_mut(&participant) {
            viewer.lose();
            wakes.viewer(viewer, true);
        }
    }

    /// A viewer has seen the last event.
    pub(super) fn end_seen(&mut self, participant: ParticipantId, wakes: &mut Wakes) {
        if let Some(viewer) = self.viewers.get_mut(&participant).filter(|_| self.content.ended.is_some()) {
            viewer.seen_end = true;
            self.check_end_seen(wakes);
        }
    }

    /// Input to pass on, unless its author may not type, or it cannot be.
    pub(super) fn input(&mut self, input: QueuedInput, wakes: &mut Wakes) {
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
    pub(super) fn direct(
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

    // Time. What concerns the archive is in `keeping`.

    /// Does what is due now.
    pub(super) fn tick(&mut self, now: Moment, wakes: &mut Wakes) {
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
    pub(super) fn next_deadline(&self, away_keep_ms: u64) -> Option<(Moment, &'static str)> {
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
    pub(super) fn is_expired(&self, now: Moment, away_keep_ms: u64) -> bool {
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
