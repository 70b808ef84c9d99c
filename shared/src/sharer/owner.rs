//! What outlives epochs: the owner key and the grants.

use crate::entropy::Entropy;
use crate::id::SessionId;
use crate::keys::grant::{Grant, GrantRow, Right};
use crate::keys::owner::OwnerKey;
use crate::link::Link;

/// A session's links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Links {
    /// Only watches.
    pub read: Link,
    /// May type; `None` for a session that is read-only.
    pub write: Option<Link>,
}

/// Owner key and grants: one to watch, and one to type unless the session is read-only.
pub(super) struct Owner {
    pub(super) key: OwnerKey,
    grants: Vec<Grant>,
}

impl Owner {
    pub(super) fn new(read_only: bool, entropy: &mut Entropy) -> Self {
        let mut owner = Self { key: OwnerKey::generate(entropy), grants: Vec::new() };
        owner.replace(Right::Watch, entropy);
        if !read_only {
            owner.replace(Right::Type, entropy);
        }
        owner
    }

    pub(super) fn id(&self) -> SessionId {
        self.key.session_id()
    }

    pub(super) fn grants(&self) -> &[Grant] {
        &self.grants
    }

    pub(super) fn grant(&self, right: Right) -> Option<&Grant> {
        self.grants.iter().find(|grant| grant.right == right)
    }

    /// Draws the grant with this right anew, or for the first time. Says whether one was removed.
    pub(super) fn replace(&mut self, right: Right, entropy: &mut Entropy) -> bool {
        let before = self.grants.len();
        self.grants.retain(|grant| grant.right != right);
        let removed = self.grants.len() < before;
        self.grants.push(Grant::generate(right, entropy));
        self.grants.sort_by_key(|grant| grant.right);
        removed
    }

    /// What a relay may know of the grants.
    pub(super) fn rows(&self) -> Vec<GrantRow> {
        let row =
            |grant: &Grant| GrantRow { token_hash: grant.secret.token(self.id()).hash(), right: grant.right };
        self.grants.iter().map(row).collect()
    }

    pub(super) fn link(&self, right: Right, base: &str) -> Option<Link> {
        let base = base.trim_end_matches('/').to_owned();
        let secret = self.grant(right)?.secret.clone();
        Some(Link { base, session: self.id(), secret })
    }
}
