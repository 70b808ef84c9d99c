//! The newest revision of each card of an epoch, and the digest over all of them.

use super::CardDigest;
use crate::id::TaskId;
use crate::keys::hash;
use crate::orchestration::task::MAX_TASKS;
use crate::ordered::Ordered;

/// Which cards there are. At most [`MAX_TASKS`]: beyond, known ones are still updated and others refused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CardSet {
    cards: Ordered<TaskId, (u64, CardDigest)>,
}

impl CardSet {
    /// Whether a card of that revision is newer than what is known, and fits.
    pub(super) fn accepts(&self, task: &TaskId, revision: u64) -> bool {
        match self.cards.get(task) {
            Some((known, _)) => revision > *known,
            None => self.cards.len() < MAX_TASKS,
        }
    }

    /// Whether a card of that revision, or a newer one, is known.
    pub(super) fn knows(&self, task: &TaskId, revision: u64) -> bool {
        self.cards.get(task).is_some_and(|(known, _)| revision <= *known)
    }

    /// Takes in a card that is accepted.
    pub(super) fn insert(&mut self, task: &TaskId, revision: u64, digest: CardDigest) {
        if self.accepts(task, revision) {
            self.cards.insert(task.clone(), (revision, digest));
        }
    }

    /// The digest over all cards in the order of their tasks' ids; zero without any.
    pub fn digest(&self) -> [u8; 32] {
        if self.cards.is_empty() {
            return [0; 32];
        }
        let digests: Vec<&[u8]> = self.cards.values().map(|(_, digest)| &digest.0[..]).collect();
        hash("cards", &digests)
    }
}
