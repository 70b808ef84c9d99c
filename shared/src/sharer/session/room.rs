//! The session's room at the relay: claimed, open, refused; and what the relay says of it.

use super::Session;
use super::ending::Ending;
use crate::chain::{Answer, CardsDigest};
use crate::id::{Channel, ParticipantId};
use crate::keys::epoch::{EpochId, PROTOCOL_VERSION};
use crate::keys::owner::{Challenge, Claim};
use crate::sharer::input::Taken;
use crate::sharer::step::{REFUSED_MS, Step};
use crate::sharer::{Effect, RoomState};
use crate::time::Moment;
use crate::wire::close::{CloseCode, Refusal};
use crate::wire::sharer::{InitPayload, NotKept, RelayToSharer, SharerToRelay};

/// A relay that does not open a room within this time, in milliseconds, is left.
const HANDSHAKE_MS: u64 = 10_000;

/// Where the session's room is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// No relay, or not claimed yet.
    Closed,
    /// Claimed with this epoch, since then.
    Claiming(Channel, EpochId, Moment),
    /// Viewers can join.
    Open(Channel),
    /// The relay said no; it is asked again then.
    Refused(Moment),
    /// Another sharer holds it, for good.
    Replaced,
}

impl Room {
    pub(super) fn is_open(self) -> bool {
        matches!(self, Self::Open(_))
    }

    pub(super) fn is_refused(self) -> bool {
        matches!(self, Self::Refused(_) | Self::Replaced)
    }

    pub(super) fn channel(self) -> Option<Channel> {
        if let Self::Open(channel) = self { Some(channel) } else { None }
    }

    pub(super) fn deadline(self) -> Option<(Moment, &'static str)> {
        match self {
            Self::Claiming(_, _, since) => Some((since.after(HANDSHAKE_MS), "give up the handshake")),
            Self::Refused(until) => Some((until, "claim again")),
            Self::Closed | Self::Open(_) | Self::Replaced => None,
        }
    }
}

impl Session {
    pub(in crate::sharer) fn room(&self) -> RoomState {
        match self.room {
            Room::Closed | Room::Claiming(..) => RoomState::Pending,
            Room::Open(_) => RoomState::Open,
            Room::Refused(_) => RoomState::Refused,
            Room::Replaced => RoomState::Replaced,
        }
    }

    /// Why this relay will not have it; stays while it is asked again.
    pub(in crate::sharer) fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// Whether it is to be claimed now.
    pub(in crate::sharer) fn wants_room(&self) -> bool {
        self.room == Room::Closed && !self.ended
    }

    /// Whether a relay is of use to it: until it ended, and then for as long as what it said may be on its way.
    pub(in crate::sharer) fn needs_relay(&self) -> bool {
        self.room.is_open() || (!self.ended && self.room != Room::Replaced)
    }

    /// Claims the room on a new channel; `number` is higher than those of all claims before.
    pub(in crate::sharer) fn claim(
        &mut self,
        channel: Channel,
        number: u64,
        challenge: &Challenge,
        host: &str,
        step: &mut Step,
    ) {
        let epoch = self.epoch.id();
        let payload = InitPayload {
            protocol: PROTOCOL_VERSION,
            session_id: self.id,
            claim: Claim::sign(&self.owner.key, epoch, number, challenge, host),
            header: self.header.clone(),
            grants: self.owner.rows(),
            latest: self.epoch.point().number,
            source: self.source.clone(),
            keep: self.keep.map(|keep| keep.sign(&self.owner.key)),
        };
        self.room = Room::Claiming(channel, epoch, step.mono());
        self.claims = self.claims.saturating_add(1);
        self.claimed_as = self.epoch.revision();
        step.say(&SharerToRelay::Initialize { channel, payload: Box::new(payload) });
    }

    /// What it still wanted to say is not said.
    pub(in crate::sharer) fn hush(&self, step: &mut Step) {
        if let Room::Claiming(channel, ..) | Room::Open(channel) = self.room {
            step.hush(Some(channel));
        }
    }

    /// The connection is gone, and with it everything that was on its way.
    pub(in crate::sharer) fn leave(&mut self, step: &mut Step) {
        if matches!(self.room, Room::Claiming(..) | Room::Open(_)) {
            self.refusal = None;
            self.close_room(Room::Closed, step);
        }
    }

    fn close_room(&mut self, room: Room, step: &mut Step) {
        self.room = room;
        self.beat = None;
        self.snapshots.forget();
        self.talk.forget();
        if let Some(ending) = &mut self.ending {
            ending.say_again();
        }
        self.inputs.leave_all();
        self.sizes.leave_all();
        self.count(None, 0, 0, step);
    }

    pub(super) fn room_timeout(&mut self, step: &mut Step) {
        if self.room.deadline().is_none_or(|(at, _)| at > step.mono()) {
            return;
        }
        if self.room.is_refused() {
            self.room = Room::Closed;
        } else {
            step.give_up(CloseCode::TimedOut, 0);
        }
    }

    pub(super) fn tell_room(&mut self, step: &mut Step) {
        let state = self.room();
        if self.told.replace(state) != Some(state) {
            step.effect(Effect::Room(self.id, state));
        }
    }

    /// The relay says something about the room.
    pub(in crate::sharer) fn handle_message(&mut self, message: RelayToSharer, step: &mut Step) {
        use RelayToSharer as R;
        match (message, self.room) {
            (
                R::SessionInitialized { acknowledged, snapshot, pages, .. },
                Room::Claiming(channel, epoch, _),
            ) => {
                self.pages_held(pages.filter(|_| epoch == self.epoch.id()));
                self.open_room(channel, epoch, acknowledged, snapshot, step);
            }
            (R::FailedToInitialize { reason, .. }, _) => self.refused(&reason, step),
            (R::SnapshotRequested { full, .. }, Room::Open(_)) => self.snapshots.want(full),
            (
                R::ParticipantJoined { participant, challenge, agreement, previous, .. },
                Room::Open(channel),
            ) => {
                if self.inputs.keys_are_used_up() {
                    self.begin_epoch(step);
                }
                let (beat, cards) = self.cards_now(step.now);
                self.sizes.leave(participant);
                let (taken, input) = self.inputs.join(&self.epoch, participant, agreement, previous);
                let answer = Answer {
                    challenge,
                    epoch: self.epoch.id(),
                    point: self.epoch.point(),
                    beat,
                    cards: CardsDigest(cards),
                    taken,
                    previous,
                    input,
                };
                let answer = answer.sign(&self.owner.key);
                step.say(&SharerToRelay::Answer { channel, participant, answer });
            }
            (R::ParticipantLeft { participant, .. }, _) => {
                self.inputs.leave(participant);
                self.sizes.leave(participant);
            }
            (R::ParticipantListUpdated { revision, viewers, executors, .. }, _)
                if Some(revision) > self.people.0 =>
            {
                self.count(Some(revision), viewers, executors, step);
            }
            (R::SessionKept { for_ms, .. }, _) => self.settle_keeping(Ok(for_ms), step),
            (R::NotKept { reason, .. }, _) => self.settle_keeping(Err(reason), step),
            (R::EndAcknowledged { .. }, _) => {
                if let Some(ending) = &mut self.ending {
                    ending.acknowledged = true;
                }
            }
            // Late, or out of place: they mean nothing here.
            (
                R::SessionInitialized { .. }
                | R::SnapshotRequested { .. }
                | R::ParticipantJoined { .. }
                | R::ParticipantListUpdated { .. }
                | R::GroupEnded { .. },
                _,
            ) => {}
        }
    }

    fn settle_keeping(&mut self, kept: Result<u64, NotKept>, step: &mut Step) {
        let removed = kept == Err(NotKept::Removed);
        if removed {
            self.keep = None;
        }
        if let Some(ending) = &mut self.ending {
            ending.is_settled(removed);
        }
        step.effect(Effect::Kept(self.id, kept));
    }

    fn open_room(
        &mut self,
        channel: Channel,
        claimed: EpochId,
        acknowledged: Option<u64>,
        snapshot: Option<u64>,
        step: &mut Step,
    ) {
        (self.room, self.refusal) = (Room::Open(channel), None);
        self.cards.say_all();
        self.attests.due = true;
        self.issue_beat(step.now);
        let latest = self.epoch.point().number;
        if claimed != self.epoch.id() {
            // The epoch changed while the relay opened the room.
            self.buffer.resume(None, latest);
            self.send_header(step);
            self.snapshots.want(true);
        } else if acknowledged.is_some_and(|number| number > latest) {
            // Somebody else numbered events of this epoch: it is not ours alone.
            self.begin_epoch(step);
        } else {
            if self.claimed_as != self.epoch.revision() {
                // Somebody was let in while the relay opened the room.
                self.send_header(step);
            }
            self.buffer.resume(acknowledged, latest);
            // What the relay lost and is kept no more, what was left out, or lines wrapped anew: only a snapshot brings it;
            // and those who come after the end get nothing else.
            let sent = self.buffer.sent();
            let rewrapped = snapshot.is_some_and(|number| number < self.resized_at);
            let leaves = self.ending.as_ref().is_some_and(Ending::leaves_a_screen);
            let last = leaves && snapshot.is_none_or(|number| number < latest);
            if sent > acknowledged.unwrap_or(0) || self.skipped > sent || rewrapped || last {
                self.snapshots.want(true);
            }
            if !self.buffer.all_sent() {
                self.attests.uncovered.get_or_insert(step.mono());
            }
        }
    }

    /// The relay refuses this session; the others of the connection go on.
    fn refused(&mut self, reason: &Refusal, step: &mut Step) {
        self.refusal = Some(reason.clone());
        let wait = match reason {
            Refusal::Replaced => return self.close_room(Room::Replaced, step),
            // Nothing of this program can be shared there.
            Refusal::VersionMismatch { .. } => return step.give_up(CloseCode::VersionMismatch, 0),
            Refusal::RateLimited { retry_after_ms } => REFUSED_MS.max(*retry_after_ms),
            Refusal::NotFound { .. }
            | Refusal::SessionFull
            | Refusal::RelayFull
            | Refusal::BadClaim
            | Refusal::Unknown => REFUSED_MS,
        };
        self.close_room(Room::Refused(step.mono().after(wait)), step);
    }

    /// The relay holds everything up to `number`.
    pub(in crate::sharer) fn handle_acknowledged(&mut self, number: u64) {
        if self.room.is_open() {
            self.buffer.acknowledge(number);
        }
    }

    /// A participant's input came. Says whether something is typed.
    pub(in crate::sharer) fn handle_input(
        &mut self,
        participant: ParticipantId,
        view: (u64, u64),
        body: &[u8],
        step: &mut Step,
    ) -> bool {
        let Room::Open(channel) = self.room else { return false };
        if self.ending.is_some() {
            return false;
        }
        match self.inputs.take(step.now, &self.epoch, participant, view, body) {
            Taken::Type(bytes) => {
                self.sizes.typed(step.mono(), participant);
                step.effect(Effect::Type(self.id, bytes));
                return true;
            }
            Taken::Size(size) => self.sizes.wish(step.mono(), participant, size),
            Taken::Nothing => {}
            Taken::Refused(reason) => {
                step.say(&SharerToRelay::InputRefused { channel, participant, reason });
            }
        }
        false
    }

    fn count(&mut self, revision: Option<u64>, viewers: u32, executors: u32, step: &mut Step) {
        if self.viewers() != (viewers, executors) {
            step.effect(Effect::Viewers { session: self.id, count: viewers, executors });
        }
        self.people = (revision, viewers, executors);
    }
}
