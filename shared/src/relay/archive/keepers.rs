//! What keepers ask of the archive: what is kept for them, and that it is removed.

use std::collections::{BTreeMap, BTreeSet};

use super::ArchiveOrder;
use crate::id::SessionId;
use crate::keys::keeper::is_asked;
use crate::keys::owner::{OwnerPublic, Signature};
use crate::relay::access::Cost;
use crate::relay::frozen::{Frozen, KeptHead};
use crate::relay::{PeerId, Relay};
use crate::wire;
use crate::wire::close::{CloseCode, EndedBecause};
use crate::wire::keeper::{KeeperToRelay, KeptSession, MAX_KEPT, RelayToKeeper};
use crate::wire::sharer::NotKept;

/// Somebody waits to hear that all of it is removed.
#[derive(Debug)]
pub(super) struct Removal {
    peer: PeerId,
    sessions: Vec<KeptSession>,
    left: BTreeSet<SessionId>,
    failed: bool,
}

impl Relay {
    /// A message that is nobody else's; one of a later version is nothing.
    pub(in crate::relay) fn keeper_control(&mut self, peer: PeerId, text: &str) {
        if let Ok(KeeperToRelay::AskKept { keeper, remove, signature }) = wire::decode(text) {
            self.asked_kept(peer, keeper, remove, &signature);
        }
    }

    fn asked_kept(&mut self, peer: PeerId, keeper: OwnerPublic, remove: bool, signature: &Signature) {
        let Some(open) = self.peers.get(&peer) else { return };
        let (challenge, info) = (open.challenge, open.info.clone());
        // As dear as a claim: all that is kept is looked through.
        let place = keeper.session_id();
        let may = self.spend(&info.address, place, Cost::Claim).and_then(|()| self.verify(&info.address));
        if may.is_err() {
            return self.close(peer, CloseCode::RateLimited);
        }
        let good =
            self.archive.limits.is_some() && is_asked(&keeper, remove, &challenge, &info.host, signature);
        let sessions = if good { self.kept_of(&keeper) } else { Vec::new() };
        if !remove || sessions.is_empty() {
            return self.answer_keeper(peer, sessions, false);
        }
        let left = sessions.iter().map(|kept| kept.session_id).collect::<BTreeSet<_>>();
        for session in &left {
            self.remove_kept(*session);
        }
        self.archive.removals.push(Removal { peer, sessions, left, failed: false });
    }

    fn answer_keeper(&mut self, peer: PeerId, mut sessions: Vec<KeptSession>, removed: bool) {
        sessions.truncate(MAX_KEPT);
        self.reply(peer, wire::encode(&RelayToKeeper::KeptHere { sessions, removed }));
    }

    fn kept_of(&self, keeper: &OwnerPublic) -> Vec<KeptSession> {
        let mut found = BTreeMap::new();
        for (id, room) in &self.rooms {
            if let Some(keeping) = room.keeping.as_ref().filter(|keeping| keeping.keep.keeper == *keeper) {
                found.insert(*id, (keeping.keep.for_ms.min(self.archive.keep_ms()), 0));
            }
        }
        for (id, entry) in &self.archive.entries {
            if entry.keeper == *keeper && !entry.head.removed {
                let bytes = if entry.head.live { 0 } else { entry.bytes };
                found.insert(*id, (entry.head.until.0.saturating_sub(self.wall.0), bytes));
            }
        }
        let session = |(session_id, (for_ms, bytes))| KeptSession { session_id, for_ms, bytes };
        found.into_iter().map(session).collect()
    }

    /// Removes what is kept, for good: of the session stays until it would have expired that it was removed, so that a sharer
    /// that comes back does not have it kept again.
    fn remove_kept(&mut self, session: SessionId) {
        let room = self.rooms.get(&session);
        let head = room
            .and_then(|room| room.kept_head(self.wall))
            .or_else(|| self.archive.entries.get(&session).map(|entry| entry.head.clone()));
        self.drop_kept(session);
        // It may have been given up, or was never written.
        self.archive.orders.push_back(ArchiveOrder::Remove(session));
        if let Some(head) = head {
            let head = KeptHead { grants: Vec::new(), live: false, removed: true, ..head };
            self.archive.store(Frozen { head, packets: Vec::new() });
        }
        self.tell_not_kept(session, NotKept::Removed);
        if let Some(room) = self.rooms.get_mut(&session) {
            room.keeping = None;
            if room.content.ended.is_some() {
                self.remove_room(session, &EndedBecause::Relay);
            }
        }
    }

    /// One of the sessions is removed that somebody waits for.
    pub(super) fn removed_one(&mut self, session: SessionId, done: bool) {
        let mut over = Vec::new();
        self.archive.removals.retain_mut(|removal| {
            if removal.left.remove(&session) {
                removal.failed |= !done;
            }
            let waits = !removal.left.is_empty();
            if !waits {
                over.push((removal.peer, std::mem::take(&mut removal.sessions), !removal.failed));
            }
            waits
        });
        for (peer, sessions, removed) in over {
            self.answer_keeper(peer, sessions, removed);
        }
    }
}
