//! What outlives epochs: the owner key and the grants.

use crate::card::Reach;
use crate::entropy::Entropy;
use crate::id::SessionId;
use crate::keys::grant::{Grant, GrantRow, GrantSecret, Right};
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

/// Owner key and grants: one to watch, and one to type unless the session is read-only; the same once more for the
/// parent while it reaches this session.
pub(super) struct Owner {
    pub(super) key: OwnerKey,
    grants: Vec<Grant>,
    /// Made for the parent: they share nothing with the session's own links, and go when the parent's share does.
    for_parent: Vec<Grant>,
}

fn of(grants: &[Grant], right: Right) -> Option<&Grant> {
    grants.iter().find(|grant| grant.right == right)
}

impl Owner {
    pub(super) fn new(read_only: bool, entropy: &mut Entropy) -> Self {
        let mut owner = Self { key: OwnerKey::generate(entropy), grants: Vec::new(), for_parent: Vec::new() };
        owner.replace(Right::Watch, entropy);
        if !read_only {
            owner.replace(Right::Type, entropy);
        }
        owner
    }

    pub(super) fn id(&self) -> SessionId {
        self.key.session_id()
    }

    /// All grants, each with the watch grant of its kind: who types through the parent learns no link of the
    /// session's own.
    pub(super) fn grants(&self) -> impl Iterator<Item = (&Grant, GrantSecret)> {
        [&self.grants, &self.for_parent].into_iter().flat_map(|grants| {
            let watch = of(grants, Right::Watch).map_or(GrantSecret([0; 16]), |grant| grant.secret.clone());
            grants.iter().map(move |grant| (grant, watch.clone()))
        })
    }

    pub(super) fn grant(&self, right: Right) -> Option<&Grant> {
        of(&self.grants, right)
    }

    /// What the parent's links open, if they do.
    pub(super) fn reach(&self) -> Option<Reach> {
        let watch = of(&self.for_parent, Right::Watch)?.secret.clone();
        let typing = of(&self.for_parent, Right::Type).map(|grant| grant.secret.clone());
        Some(Reach { watch, typing })
    }

    /// Makes, anew, grants for the parent: to watch, and to type only where a link of the session's own may.
    pub(super) fn make_for_parent(&mut self, typing: bool, entropy: &mut Entropy) {
        self.for_parent = vec![Grant::generate(Right::Watch, entropy)];
        self.let_parent_type(typing, entropy);
    }

    /// Adds a grant to type for the parent.
    pub(super) fn let_parent_type(&mut self, typing: bool, entropy: &mut Entropy) {
        if typing && self.grant(Right::Type).is_some() && of(&self.for_parent, Right::Type).is_none() {
            self.for_parent.push(Grant::generate(Right::Type, entropy));
        }
    }

    /// Takes the grants that somebody else drew for a parent elsewhere; to type only where a link of the session's own may.
    pub(super) fn take_for_parent(&mut self, reach: Option<Reach>) {
        let grant = |secret, right| Grant { secret, right };
        let may_type = self.grant(Right::Type).is_some();
        self.for_parent = reach.map_or_else(Vec::new, |reach| {
            let typing = reach.typing.filter(|_| may_type);
            let typing = typing.map(|secret| grant(secret, Right::Type));
            [grant(reach.watch, Right::Watch)].into_iter().chain(typing).collect()
        });
    }

    /// Removes the parent's grants. Says whether there were any.
    pub(super) fn drop_for_parent(&mut self) -> bool {
        !std::mem::take(&mut self.for_parent).is_empty()
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
        self.grants().map(|(grant, _)| row(grant)).collect()
    }

    pub(super) fn link(&self, right: Right, base: &str) -> Option<Link> {
        let base = base.trim_end_matches('/').to_owned();
        let secret = self.grant(right)?.secret.clone();
        Some(Link { base, session: self.id(), secret })
    }
}
