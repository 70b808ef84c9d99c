//! Grants: the secret in a link's fragment and the right it carries.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::derive;
use crate::encoding::fixed_bytes;
use crate::entropy::Entropy;
use crate::id::SessionId;

fixed_bytes! {
    /// 128 random bits in a link's fragment. Everything a link can do follows from them.
    secret GrantSecret, 16
}
fixed_bytes! {
    /// Shown to a relay to join; protects the relay, not the session.
    secret Token, 32
}
fixed_bytes! {
    /// SHA-256 of a token: all that a relay keeps of a grant.
    public TokenHash, 32
}

/// What a grant allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Right {
    /// See.
    Watch,
    /// See and type.
    Type,
}

impl Token {
    /// What the relay keeps instead of the token.
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0).into())
    }
}

impl GrantSecret {
    /// Draws a new grant.
    pub fn generate(entropy: &mut Entropy) -> Self {
        Self(entropy.array())
    }

    /// The token this grant shows to a relay.
    pub fn token(&self, session: SessionId) -> Token {
        Token(derive(&session.0, &self.0, "grant token", &[]))
    }

    /// The key that opens this grant's key box in an epoch header.
    pub(crate) fn box_key(&self, session: SessionId) -> [u8; 32] {
        derive(&session.0, &self.0, "grant box", &[])
    }
}

/// A grant as its sharer holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The secret of its link.
    pub secret: GrantSecret,
    /// What it allows.
    pub right: Right,
}

impl Grant {
    /// Draws a new grant with a right.
    pub fn generate(right: Right, entropy: &mut Entropy) -> Self {
        Self { secret: GrantSecret::generate(entropy), right }
    }
}

/// A grant as a relay knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRow {
    /// Hash of its token.
    pub token_hash: TokenHash,
    /// What it allows, for the relay's own protection only.
    pub right: Right,
}
