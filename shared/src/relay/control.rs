//! Control messages: who comes in, who shares, and what they say besides frames.

use super::access::{self, Cost};
use super::content::{Content, Ended};
use super::keeping::Keeping;
use super::outbox::Viewer;
use super::peer::{Peer, Role};
use super::room::Room;
use super::{AMNESIA_MS, PeerId, Relay};
use crate::chain::End;
use crate::event::EndReason;
use crate::id::{Channel, SessionId};
use crate::keys::epoch::{Header, MAX_BOXES, PROTOCOL_VERSION};
use crate::orchestration::task::is_good_id;
use crate::wire::close::{CloseCode, EndedBecause, Refusal};
use crate::wire::sharer::{InitPayload, NotKept, RelayToSharer, SharerToRelay};
use crate::wire::source::SessionSource;
use crate::wire::viewer::{JoinPayload, ViewerToRelay};
use crate::wire::{self, ControlError};

impl Relay {
    pub(super) fn control(&mut self, peer: PeerId, text: &str) {
        match wire::decode::<ViewerToRelay>(text) {
            Ok(message) => return self.viewer_control(peer, message),
            Err(ControlError::Malformed) => return self.close(peer, CloseCode::ProtocolError),
            Err(ControlError::Unknown(_)) => {}
        }
        match wire::decode::<SharerToRelay>(text) {
            Ok(message) => self.sharer_control(peer, message),
            Err(ControlError::Malformed) => self.close(peer, CloseCode::ProtocolError),
            // A message of a later version affects itself only.
            Err(ControlError::Unknown(_)) => {
                if self.driver_control(peer, text).is_none() {
                    self.keeper_control(peer, text);
                }
            }
        }
    }

    fn viewer_control(&mut self, peer: PeerId, message: ViewerToRelay) {
        let channel = match message {
            ViewerToRelay::Join { channel, payload } => return self.join(peer, channel, &payload),
            ViewerToRelay::Leave { channel }
            | ViewerToRelay::Resync { channel }
            | ViewerToRelay::FetchTranscript { channel, .. }
            | ViewerToRelay::EndSeen { channel } => channel,
        };
        // A channel that is gone, as a message to it may have crossed that news.
        let Some(Role::Viewer(session, participant)) = self.role(peer, channel) else {
            return self.leave_waiting(peer, channel);
        };
        let Some(room) = self.rooms.get_mut(&session) else { return };
        match message {
            ViewerToRelay::Resync { .. } => room.resync(participant, &mut self.wakes),
            ViewerToRelay::FetchTranscript { page, most, .. } => {
                room.fetch(participant, page, most, &mut self.wakes);
            }
            ViewerToRelay::EndSeen { .. } => room.end_seen(participant, &mut self.wakes),
            ViewerToRelay::Leave { .. } | ViewerToRelay::Join { .. } => {
                room.leave(participant, &mut self.wakes);
                self.close_channel(peer, channel);
            }
        }
        self.touch(session);
    }

    fn join(&mut self, peer: PeerId, channel: Channel, payload: &JoinPayload) {
        let Some(open) = self.peers.get_mut(&peer) else { return };
        if !open.may_open(channel) {
            return self.close(peer, CloseCode::ProtocolError);
        }
        let address = open.info.address.clone();
        let admitted = self.admit(peer, channel, payload, &address);
        self.answer_join(peer, channel, payload.session_id, admitted);
    }

    pub(super) fn admit(
        &mut self,
        peer: PeerId,
        channel: Channel,
        payload: &JoinPayload,
        address: &str,
    ) -> Result<(), Refusal> {
        if payload.protocol != PROTOCOL_VERSION {
            return Err(Refusal::VersionMismatch { speaks: PROTOCOL_VERSION });
        }
        if self.peers.get(&peer).is_none_or(Peer::is_full) {
            return Err(Refusal::RelayFull);
        }
        let session = payload.session_id;
        let young = self.clock < self.started.after(AMNESIA_MS);
        let room = self.rooms.get(&session).map(|room| &room.grants[..]);
        let grants = room.or_else(|| self.archive.grants(session));
        let found = access::find(grants, &payload.token);
        if !young {
            let cost = if found.is_some() { Cost::Join } else { Cost::Failure };
            self.spend(address, session, cost)?;
        }
        let Some(grant) = found else { return Err(Refusal::NotFound { retry: young }) };
        let Some(room) = self.rooms.get_mut(&session) else {
            return self.await_kept(peer, channel, payload);
        };
        if room.viewers.len() >= self.config.max_viewers {
            return Err(Refusal::SessionFull);
        }
        room.content.clock = self.clock;
        let viewer = Viewer::join(peer, channel, grant.token_hash, grant.right, payload, &room.content);
        let participant = room.join(viewer, &mut self.wakes);
        if let Some(open) = self.peers.get_mut(&peer) {
            open.channels.insert(channel, Role::Viewer(session, participant));
        }
        Ok(())
    }

    pub(super) fn spend(&mut self, address: &str, session: SessionId, cost: Cost) -> Result<(), Refusal> {
        self.limits
            .spend(self.clock, address, session, cost)
            .map_err(|retry_after_ms| Refusal::RateLimited { retry_after_ms })
    }

    /// Something signed is to be verified for an address.
    pub(super) fn verify(&mut self, address: &str) -> Result<(), Refusal> {
        self.limits
            .verify(self.clock, address)
            .map_err(|retry_after_ms| Refusal::RateLimited { retry_after_ms })
    }

    fn sharer_control(&mut self, peer: PeerId, message: SharerToRelay) {
        let channel = match message {
            SharerToRelay::Initialize { channel, payload } => {
                return self.initialize(peer, channel, *payload);
            }
            SharerToRelay::EndGroup { ends } => return self.end_group(peer, ends),
            SharerToRelay::UpdateHeader { channel, .. }
            | SharerToRelay::UpdateSourceTaskId { channel, .. }
            | SharerToRelay::UpdateTasks { channel, .. }
            | SharerToRelay::Answer { channel, .. }
            | SharerToRelay::InputRefused { channel, .. }
            | SharerToRelay::EndSession { channel, .. } => channel,
        };
        let Some(Role::Sharer(session)) = self.role(peer, channel) else { return };
        let Some(room) = self.rooms.get_mut(&session) else { return };
        let wakes = &mut self.wakes;
        match message {
            SharerToRelay::UpdateHeader { header, epoch, grants, .. } => {
                let good = Header::verify(&header, session).is_ok_and(|header| header.epoch == epoch);
                if !good || grants.len() > MAX_BOXES {
                    return self.close(peer, CloseCode::ProtocolError);
                }
                let gone = room.update_header(header, epoch, grants, wakes);
                self.end_for(gone, &EndedBecause::Revoked);
                self.outdate_kept(session, epoch);
            }
            SharerToRelay::UpdateSourceTaskId { source, .. } => {
                if !is_good_source(&source) {
                    return self.close(peer, CloseCode::TooLarge);
                }
                room.update_source(source, wakes);
            }
            SharerToRelay::UpdateTasks { rows, .. } => {
                if !room.update_rows(&rows, wakes) {
                    return self.close(peer, CloseCode::TooLarge);
                }
            }
            SharerToRelay::Answer { participant, answer, .. } => {
                room.direct(participant, wakes, |viewer| viewer.answer(answer));
            }
            SharerToRelay::InputRefused { participant, reason, .. } => {
                room.direct(participant, wakes, |viewer| {
                    viewer.refuse(reason);
                });
            }
            SharerToRelay::EndSession { end, final_number, stays, .. } => {
                let withdrawn =
                    End::verify(&end, &room.owner).is_none_or(|end| end.reason == EndReason::Unshared);
                let end = Some(end);
                room.end(Ended { end, final_number, stays, withdrawn, at: self.clock }, wakes);
                if withdrawn {
                    self.unshared(session);
                }
            }
            SharerToRelay::Initialize { .. } | SharerToRelay::EndGroup { .. } => {}
        }
        self.touch(session);
    }

    fn initialize(&mut self, peer: PeerId, channel: Channel, payload: InitPayload) {
        let Some(open) = self.peers.get_mut(&peer) else { return };
        if !open.may_open(channel) {
            return self.close(peer, CloseCode::ProtocolError);
        }
        if !is_good_source(&payload.source) {
            return self.close(peer, CloseCode::TooLarge);
        }
        if let Err(reason) = self.claim(peer, channel, payload) {
            self.counted.refusals += 1;
            self.refuse_sharer(peer, channel, reason);
        }
    }

    fn claim(&mut self, peer: PeerId, channel: Channel, payload: InitPayload) -> Result<(), Refusal> {
        let InitPayload { protocol, session_id: session, claim, header, grants, source, keep, .. } = payload;
        if protocol != PROTOCOL_VERSION {
            return Err(Refusal::VersionMismatch { speaks: PROTOCOL_VERSION });
        }
        let Some(open) = self.peers.get(&peer) else { return Ok(()) };
        if open.is_full() {
            return Err(Refusal::RelayFull);
        }
        let (challenge, info) = (open.challenge, open.info.clone());
        self.spend(&info.address, session, Cost::Claim)?;
        self.verify(&info.address)?;
        let good = claim.verify(session, &challenge, &info.host)
            && grants.len() <= MAX_BOXES
            && Header::verify(&header, session).is_ok_and(|header| header.epoch == claim.epoch);
        if !good {
            return Err(Refusal::BadClaim);
        }
        let order = (claim.epoch, claim.number);
        if self.archive.claim(session).is_some_and(|known| order < known) {
            return Err(Refusal::Replaced);
        }
        if !self.rooms.contains_key(&session) {
            if !self.has_place() {
                return Err(Refusal::RelayFull);
            }
            let content = Content::new(header.clone(), claim.epoch, source.clone(), self.clock);
            self.rooms.insert(session, Room::new(claim.owner, order, content));
        } else if self.rooms.get(&session).is_some_and(|r| r.holder.is_some() && order <= r.claim) {
            return Err(Refusal::Replaced);
        }
        let Some(room) = self.rooms.get_mut(&session) else { return Ok(()) };
        // Without a holder, the highest claim ever seen still counts: a copied sharer stays out.
        if order < room.claim {
            return Err(Refusal::Replaced);
        }
        room.claim = order;
        room.content.clock = self.clock;
        let older = room.holder.take().map(|holder| (holder.peer, holder.channel));
        let gone = room.update_header(header, claim.epoch, grants, &mut self.wakes);
        room.update_source(source, &mut self.wakes);
        room.hold(peer, channel, &mut self.wakes);
        let removed = self.archive.is_removed(session);
        room.keeping = keep.filter(|_| !removed).and_then(|signed| Keeping::new(signed, &claim.owner));
        let unkept = removed.then_some(NotKept::Removed);
        self.outdate_kept(session, claim.epoch);
        if let Some(open) = self.peers.get_mut(&peer) {
            open.channels.insert(channel, Role::Sharer(session));
        }
        self.end_for(gone, &EndedBecause::Revoked);
        if let Some((peer, channel)) = older {
            self.close_channel(peer, channel);
            self.refuse_sharer(peer, channel, Refusal::Replaced);
        }
        if let Some(reason) = unkept {
            self.tell_not_kept(session, reason);
        }
        self.touch(session);
        Ok(())
    }

    /// Says no to a sharer's channel; a connection that lost its only session to a newer claim is closed.
    pub(super) fn refuse_sharer(&mut self, peer: PeerId, channel: Channel, reason: Refusal) {
        let replaced = reason == Refusal::Replaced;
        self.reply(peer, wire::encode(&RelayToSharer::FailedToInitialize { channel, reason }));
        if replaced && self.peers.get(&peer).is_some_and(|open| open.channels.is_empty()) {
            self.close(peer, CloseCode::Replaced);
        }
    }
}

/// Whether a source's task id is of a size that is kept.
fn is_good_source(source: &SessionSource) -> bool {
    source.task_id.as_ref().is_none_or(is_good_id)
}
