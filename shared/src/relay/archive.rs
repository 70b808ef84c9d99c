//! Kept sessions: what a relay's archive holds, what is to be written, read and removed there, and who may ask for it.
//!
//! The shell has the archive; here is what is known of each object, and decided. A kept session becomes a room again when
//! somebody opens it, with the same tokens as when it was live, and is put away when nobody looks. Bounds: objects and bytes as
//! configured; what is written stays in its room until it is; of joins that wait for an object, [`MOST_WAITING`].

mod keepers;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use self::keepers::Removal;
use super::frozen::{Frozen, KeptHead};
use super::room::Room;
use super::{PeerId, Relay};
use crate::id::{Channel, SessionId};
use crate::keys::epoch::EpochId;
use crate::keys::grant::{GrantRow, Token};
use crate::keys::owner::OwnerPublic;
use crate::time::{Moment, Now, UnixMs};
use crate::wire;
use crate::wire::close::{EndedBecause, Refusal};
use crate::wire::sharer::{NotKept, RelayToSharer};
use crate::wire::viewer::{JoinPayload, RelayToViewer};

/// Joins that wait for objects to be read, at most.
const MOST_WAITING: usize = 1_024;
/// What changes of a session that has ended is written again once nothing more did for so long, in milliseconds.
pub(super) const SETTLE_MS: u64 = 500;
/// What could not be written is tried again after this long, in milliseconds.
const AGAIN_MS: u64 = 30_000;
/// A room from the archive at which nobody looks is put away after this long, in milliseconds.
pub(super) const PUT_AWAY_MS: u64 = 30_000;

/// What is kept at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepLimits {
    /// For how long, in milliseconds.
    pub for_ms: u64,
    /// Bytes of one session.
    pub session: u64,
    /// Bytes of all.
    pub total: u64,
    /// Sessions.
    pub sessions: usize,
}

/// What the shell is to do in the archive: what is written and removed in this order, what is read beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArchiveOrder {
    /// Write an object, whole or not at all, in place of an older one; answer with [`Relay::handle_stored`] and this number.
    Store(u64, Box<Frozen>),
    /// Read one; answer with [`Relay::handle_loaded`].
    Load(SessionId),
    /// Remove one, if it is there; answer with [`Relay::handle_removed`].
    Remove(SessionId),
}

/// Why an object was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadError {
    /// It is not what was written.
    Damaged,
    /// The archive cannot be read at the moment.
    Unreadable,
}

#[derive(Debug)]
struct Entry {
    head: KeptHead,
    keeper: OwnerPublic,
    bytes: u64,
    /// When it was found or written.
    since: Moment,
}

#[derive(Debug)]
struct Waiting {
    peer: PeerId,
    channel: Channel,
    payload: JoinPayload,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Archive {
    limits: Option<KeepLimits>,
    entries: BTreeMap<SessionId, Entry>,
    expiry: BTreeSet<(UnixMs, SessionId)>,
    bytes: u64,
    orders: VecDeque<ArchiveOrder>,
    /// Written at the moment: the newest order's number.
    writing: BTreeMap<SessionId, (u64, KeptHead)>,
    orders_ever: u64,
    loading: BTreeMap<SessionId, Vec<Waiting>>,
    waiting: usize,
    removals: Vec<Removal>,
    /// Objects that were not what was written, ever; and writes that failed.
    pub(super) damaged: u64,
    pub(super) failed: u64,
}

impl Archive {
    pub(super) fn new(limits: Option<KeepLimits>) -> Self {
        Self { limits, ..Self::default() }
    }

    /// For how long anything is kept at most; 0: there is no archive.
    pub(super) fn keep_ms(&self) -> u64 {
        self.limits.map_or(0, |limits| limits.for_ms)
    }

    /// Sessions that can be opened, and bytes of all objects.
    pub(super) fn held(&self) -> (usize, u64) {
        (self.entries.values().filter(|entry| !entry.head.removed).count(), self.bytes)
    }

    /// Who may see a kept session.
    pub(super) fn grants(&self, session: SessionId) -> Option<&[GrantRow]> {
        let entry = self.entries.get(&session).filter(|entry| !entry.head.removed)?;
        Some(&entry.head.grants)
    }

    /// The claim that held a kept session last.
    pub(super) fn claim(&self, session: SessionId) -> Option<(EpochId, u64)> {
        self.entries.get(&session).map(|entry| (entry.head.epoch, entry.head.claim))
    }

    /// Whether its keeper had it removed.
    pub(super) fn is_removed(&self, session: SessionId) -> bool {
        let removing = self.writing.get(&session).is_some_and(|(_, head)| head.removed);
        removing || self.entries.get(&session).is_some_and(|entry| entry.head.removed)
    }

    fn insert(&mut self, head: KeptHead, keeper: OwnerPublic, bytes: u64, since: Moment) {
        self.forget(head.session);
        self.expiry.insert((head.until, head.session));
        self.bytes = self.bytes.saturating_add(bytes);
        self.entries.insert(head.session, Entry { head, keeper, bytes, since });
    }

    fn forget(&mut self, session: SessionId) -> Option<Entry> {
        let entry = self.entries.remove(&session)?;
        self.expiry.remove(&(entry.head.until, session));
        self.bytes = self.bytes.saturating_sub(entry.bytes);
        Some(entry)
    }

    /// The first expiry, as a moment.
    pub(super) fn next_deadline(&self, clock: Moment, wall: UnixMs) -> Option<Moment> {
        let (until, _) = self.expiry.first()?;
        Some(clock.after(until.0.saturating_sub(wall.0)))
    }

    fn store(&mut self, frozen: Frozen) {
        self.orders_ever += 1;
        self.writing.insert(frozen.session(), (self.orders_ever, frozen.head.clone()));
        self.orders.push_back(ArchiveOrder::Store(self.orders_ever, Box::new(frozen)));
    }
}

/// What the shell does and finds.
impl Relay {
    /// What is to be done in the archive next.
    pub fn poll_archive(&mut self) -> Option<ArchiveOrder> {
        self.archive.orders.pop_front()
    }

    /// An object was found when the relay started, of so many bytes.
    pub fn handle_found(&mut self, now: Now, head: KeptHead, bytes: u64) {
        self.advance(now);
        if let Some(keeper) = head.keeper() {
            self.archive.insert(head, keeper, bytes, self.clock);
        }
    }

    /// The relay is to stop: sessions that are to be kept when they have ended are written as they are, so that the next relay
    /// has them if their sharers never come back; what has ended and waits to be written is written now.
    pub fn handle_stopping(&mut self, now: Now) {
        self.advance(now);
        let sessions: Vec<SessionId> = self.rooms.keys().copied().collect();
        for session in sessions {
            let room = self.rooms.get_mut(&session).filter(|room| !room.is_frozen());
            if let Some((room, limits)) = room.zip(self.archive.limits)
                && let Some(keeping) = &mut room.keeping
                && (keeping.due.is_some() || room.content.ended.is_none())
                && limits.for_ms > 0
            {
                keeping.due = Some(self.clock);
                self.archive_room(session);
            }
        }
        self.settle();
    }

    /// Whether something is being written, or waits for it.
    pub fn is_storing(&self) -> bool {
        !self.archive.writing.is_empty()
    }

    /// An object was found that is not what was written.
    pub fn handle_damaged(&mut self) {
        self.archive.damaged += 1;
    }

    /// An object was written, or was not; how large it is.
    pub fn handle_stored(&mut self, now: Now, session: SessionId, number: u64, stored: Option<u64>) {
        self.advance(now);
        // One that was given up meanwhile is removed by the order behind it.
        if self.archive.writing.get(&session).is_none_or(|(newest, _)| *newest != number) {
            return;
        }
        let Some((_, head)) = self.archive.writing.remove(&session) else { return };
        let keeper = head.keeper();
        let for_ms = head.until.0.saturating_sub(self.wall.0);
        let (removed, live) = (head.removed, head.live);
        match (stored, keeper) {
            (Some(bytes), Some(keeper)) => self.archive.insert(head, keeper, bytes, self.clock),
            (Some(_) | None, _) => self.archive.failed += 1,
        }
        if let Some(room) = self.rooms.get_mut(&session).filter(|_| !removed && !live) {
            let until = self.clock.after(for_ms);
            if stored.is_some() {
                room.content.kept_until = Some(until);
            } else if let Some(keeping) = &mut room.keeping {
                keeping.due = Some(self.clock.after(AGAIN_MS));
            }
            let holder = room.holder.as_ref().map(|holder| (holder.peer, holder.channel));
            if let Some((peer, channel)) = holder {
                let message = match stored {
                    Some(_) => RelayToSharer::SessionKept { channel, for_ms },
                    None => RelayToSharer::NotKept { channel, reason: NotKept::Failed },
                };
                self.reply(peer, wire::encode(&message));
            }
            self.touch(session);
        }
        self.settle();
    }

    /// An object is gone, or could not be removed.
    pub fn handle_removed(&mut self, now: Now, session: SessionId, gone: bool) {
        self.advance(now);
        self.archive.failed += u64::from(!gone);
        self.removed_one(session, gone);
        self.settle();
    }

    /// An object was read, or was not.
    pub fn handle_loaded(&mut self, now: Now, session: SessionId, loaded: Result<Frozen, LoadError>) {
        self.advance(now);
        let waiting = self.archive.loading.remove(&session).unwrap_or_default();
        self.archive.waiting = self.archive.waiting.saturating_sub(waiting.len());
        let refusal = match loaded.and_then(|frozen| self.thaw(session, frozen)) {
            Ok(refusal) => refusal,
            Err(LoadError::Unreadable) => Some(Refusal::RelayFull),
            Err(LoadError::Damaged) => {
                self.archive.forget(session);
                self.archive.damaged += 1;
                Some(Refusal::NotFound { retry: false })
            }
        };
        for Waiting { peer, channel, payload } in waiting {
            let Some(address) = self.peers.get(&peer).map(|open| open.info.address.clone()) else { continue };
            let here = self.rooms.contains_key(&session);
            let admitted = match &refusal {
                Some(refusal) if !here => Err(refusal.clone()),
                Some(_) | None => self.admit(peer, channel, &payload, &address),
            };
            self.answer_join(peer, channel, session, admitted);
        }
        self.touch(session);
        self.settle();
    }

    /// Makes a room of an object, unless there is one by now. `Some`: there is no place for it.
    fn thaw(&mut self, session: SessionId, frozen: Frozen) -> Result<Option<Refusal>, LoadError> {
        if self.rooms.contains_key(&session) || self.archive.grants(session).is_none() {
            return Ok(Some(Refusal::NotFound { retry: false }));
        }
        if !self.has_place() {
            return Ok(Some(Refusal::RelayFull));
        }
        let until = self.clock.after(frozen.head.until.0.saturating_sub(self.wall.0));
        let since = self.archive.entries.get(&session).map_or(self.clock, |entry| entry.since);
        let room = Room::thaw(frozen, self.clock, until, since).ok_or(LoadError::Damaged)?;
        self.rooms.insert(session, room);
        Ok(None)
    }

    /// Whether there is a place for one more room; what nobody looks at makes room.
    pub(super) fn has_place(&mut self) -> bool {
        let fits = |relay: &Self| {
            relay.rooms.len() < relay.config.max_sessions && relay.budget.admits(relay.rooms.len())
        };
        if !fits(self) {
            let idle = self.rooms.iter().find(|(_, room)| room.is_frozen() && room.viewers.is_empty());
            if let Some(session) = idle.map(|(session, _)| *session) {
                self.remove_room(session, &EndedBecause::Relay);
            }
        }
        fits(self)
    }

    /// Somebody opens a kept session: it is answered when its object was read.
    pub(super) fn await_kept(
        &mut self,
        peer: PeerId,
        channel: Channel,
        payload: &JoinPayload,
    ) -> Result<(), Refusal> {
        if self.archive.waiting >= MOST_WAITING {
            return Err(Refusal::RelayFull);
        }
        let session = payload.session_id;
        self.load_kept(session);
        if let Some(waiting) = self.archive.loading.get_mut(&session) {
            waiting.push(Waiting { peer, channel, payload: payload.clone() });
            self.archive.waiting += 1;
        }
        Ok(())
    }

    /// Has a kept session read, once.
    pub(super) fn load_kept(&mut self, session: SessionId) {
        self.archive.loading.entry(session).or_insert_with(|| {
            self.archive.orders.push_back(ArchiveOrder::Load(session));
            Vec::new()
        });
    }

    /// The kept session without a room that a token opens.
    pub(super) fn kept_for(&self, token: &Token) -> Option<SessionId> {
        // Hashes are compared: how long that takes tells nothing of a token.
        let hash = token.hash();
        let opens = |head: &KeptHead| !head.removed && head.grants.iter().any(|row| row.token_hash == hash);
        let mut kept = self.archive.entries.iter().filter(|(session, _)| !self.rooms.contains_key(session));
        kept.find(|(_, entry)| opens(&entry.head)).map(|(session, _)| *session)
    }

    /// Whether a kept session is being read.
    pub fn is_loading(&self, session: SessionId) -> bool {
        self.archive.loading.contains_key(&session)
    }

    /// Somebody who waits to come in does not want to any more.
    pub(super) fn leave_waiting(&mut self, peer: PeerId, channel: Channel) {
        for waiting in self.archive.loading.values_mut() {
            waiting.retain(|join| join.peer != peer || join.channel != channel);
        }
        self.archive.waiting = self.archive.loading.values().map(Vec::len).sum();
    }

    pub(super) fn answer_join(
        &mut self,
        peer: PeerId,
        channel: Channel,
        session: SessionId,
        admitted: Result<(), Refusal>,
    ) {
        match admitted {
            Ok(()) if !self.rooms.contains_key(&session) => {}
            Ok(()) => {
                self.counted.joins += 1;
                self.touch(session);
            }
            Err(reason) => {
                self.counted.refusals += 1;
                self.reply(peer, wire::encode(&RelayToViewer::FailedToJoin { channel, reason }));
            }
        }
    }

    /// Forgets what has expired.
    pub(super) fn expire_kept(&mut self) {
        while let Some(&(until, session)) = self.archive.expiry.first() {
            if until > self.wall {
                break;
            }
            self.drop_kept(session);
        }
    }

    /// A kept session is no more: its object goes, and the room that was made of it.
    pub(super) fn drop_kept(&mut self, session: SessionId) {
        if self.archive.forget(session).is_some() || self.archive.writing.contains_key(&session) {
            self.archive.orders.push_back(ArchiveOrder::Remove(session));
            self.archive.writing.remove(&session);
        }
        if let Some(room) = self.rooms.get_mut(&session) {
            room.content.kept_until = None;
            if room.is_frozen() {
                self.remove_room(session, &EndedBecause::Relay);
            }
        }
    }

    /// What was kept of an older epoch opens nothing any more: its grants may be gone.
    pub(super) fn outdate_kept(&mut self, session: SessionId, epoch: EpochId) {
        let older = |known: EpochId| known < epoch;
        let entry = self.archive.entries.get(&session).filter(|entry| !entry.head.removed);
        let writing = self.archive.writing.get(&session).filter(|(_, head)| !head.removed);
        if entry.is_some_and(|entry| older(entry.head.epoch))
            || writing.is_some_and(|(_, head)| older(head.epoch))
        {
            self.drop_kept(session);
        }
    }

    /// Keeps what there is of a session whose sharer did not come back, if it was to be kept; whether it does.
    pub(super) fn lose(&mut self, session: SessionId) -> bool {
        let Some(room) = self.rooms.get_mut(&session).filter(|_| self.archive.limits.is_some()) else {
            return false;
        };
        room.content.clock = self.clock;
        let lost = room.lose(self.config.away_keep_ms, &mut self.wakes);
        if lost {
            self.touch(session);
        }
        lost
    }

    /// Writes a session that has ended, if it is to be kept and it is time.
    pub(super) fn archive_room(&mut self, session: SessionId) {
        let Some(room) = self.rooms.get_mut(&session) else { return };
        let clock = self.clock;
        let Some(keeping) = room.keeping.as_mut().filter(|keeping| keeping.due.is_some_and(|at| at <= clock))
        else {
            return;
        };
        if self.archive.writing.contains_key(&session) {
            // Again, when that is done.
            keeping.due = Some(clock.after(SETTLE_MS));
            return;
        }
        keeping.due = None;
        let frozen = match self.archive.limits {
            None => Err(NotKept::NoArchive),
            Some(limits) => {
                // From the end on: what changes later does not prolong it.
                let from_now = UnixMs(self.wall.0.saturating_add(keeping.keep.for_ms.min(limits.for_ms)));
                let until = keeping.until.unwrap_or(from_now);
                keeping.until = room.content.ended.is_some().then_some(until);
                let known = self.archive.entries.get(&session).map_or(0, |entry| entry.bytes);
                let more = self.archive.entries.len() < limits.sessions || known > 0;
                room.freeze(until, limits.session).and_then(|(frozen, bytes)| {
                    let fits = self.archive.bytes.saturating_sub(known).saturating_add(bytes) <= limits.total;
                    if fits && more { Ok(frozen) } else { Err(NotKept::Full) }
                })
            }
        };
        match frozen {
            Ok(frozen) => self.archive.store(frozen),
            Err(reason) => {
                // What an earlier relay wrote of it while it ran is not how it ended.
                if self.archive.entries.get(&session).is_some_and(|entry| entry.head.live) {
                    self.drop_kept(session);
                }
                self.tell_not_kept(session, reason);
            }
        }
    }

    /// Its owner stopped sharing it: nothing of it is kept.
    pub(super) fn unshared(&mut self, session: SessionId) {
        if let Some(room) = self.rooms.get_mut(&session) {
            room.keeping = None;
        }
        if !self.archive.is_removed(session) {
            self.drop_kept(session);
        }
    }

    pub(super) fn tell_not_kept(&mut self, session: SessionId, reason: NotKept) {
        let holder = self.rooms.get(&session).and_then(|room| room.holder.as_ref());
        if let Some((peer, channel)) = holder.map(|holder| (holder.peer, holder.channel)) {
            self.reply(peer, wire::encode(&RelayToSharer::NotKept { channel, reason }));
        }
    }
}
