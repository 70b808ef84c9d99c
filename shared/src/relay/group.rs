//! Ends of several sessions at once.

use std::collections::BTreeMap;

use super::access::Cost;
use super::content::Ended;
use super::{PeerId, Relay};
use crate::chain::End;
use crate::event::EndReason;
use crate::wire;
use crate::wire::close::CloseCode;
use crate::wire::sharer::RelayToSharer;
use crate::wire::task::{MAX_GROUP, OwnedEnd};

impl Relay {
    /// Ends every session of a group before anybody is told of any.
    ///
    /// Who says so does not matter: an end is its owner's word, and it is the last. The answer depends on the
    /// message only, so nobody learns from it which sessions are here.
    pub(super) fn end_group(&mut self, peer: PeerId, ends: Vec<OwnedEnd>) {
        if ends.len() > MAX_GROUP {
            return self.close(peer, CloseCode::TooLarge);
        }
        let Some(address) = self.peers.get(&peer).map(|open| open.info.address.clone()) else { return };
        let mut good = BTreeMap::new();
        for OwnedEnd { owner, end } in ends {
            let session = owner.session_id();
            // What is not verified for want of a turn is not acknowledged, and comes again.
            if self.spend(&address, session, Cost::Claim).is_ok()
                && self.verify(&address).is_ok()
                && let Some(said) = End::verify(&end, &owner)
            {
                good.insert(session, (said, end));
            }
        }
        let session_ids = good.keys().copied().collect();
        for (session, (said, end)) in good {
            let unshared = said.reason == EndReason::Unshared;
            if unshared && self.archive.claim(session).is_some_and(|(epoch, _)| said.epoch >= epoch) {
                self.unshared(session);
            }
            let Some(room) = self.rooms.get_mut(&session) else { continue };
            // What has ended can be seen until its owner stops sharing it: that is the last word, and may be said again.
            let last = |ended: &Ended| (unshared && !ended.withdrawn) || ended.end.is_none();
            if said.epoch >= room.content.epoch && room.content.ended.as_ref().is_none_or(last) {
                let final_number = said.point.number;
                room.end(
                    Ended { end: Some(end), final_number, stays: false, withdrawn: unshared, at: self.clock },
                    &mut self.wakes,
                );
                if unshared {
                    self.unshared(session);
                }
                self.touch(session);
            }
        }
        self.reply(peer, wire::encode(&RelayToSharer::GroupEnded { session_ids }));
    }
}
