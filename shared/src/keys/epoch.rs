//! Epochs: numbered stretches of events under one content key, announced by a signed header.

use core::fmt;

use serde::{Deserialize, Serialize};
use x25519_dalek::{PublicKey, StaticSecret};

use super::grant::{Grant, GrantSecret, Right, TokenHash};
use super::owner::{OwnerKey, OwnerPublic, Purpose, Signed};
use super::{LABEL, derive};
use crate::encoding::{Blob, fixed_bytes, from_json};
use crate::entropy::Entropy;
use crate::id::SessionId;
use crate::time::UnixMs;

/// The protocol version; a peer of another one is met with `VersionMismatch`.
pub const PROTOCOL_VERSION: u32 = 1;

/// The most key boxes a header may hold; bounds what a viewer parses.
pub const MAX_BOXES: usize = 1024;

/// An epoch's number: its start and 64 random bits, strictly increasing within a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EpochId {
    /// When it began, in the sharer's milliseconds since 1970.
    pub start: UnixMs,
    /// Tells epochs of the same millisecond, and of a clock that was set back, apart.
    pub random: u64,
}

impl EpochId {
    /// The next epoch after `previous`, begun at `wall`.
    pub fn next(previous: Option<Self>, wall: UnixMs, entropy: &mut Entropy) -> Self {
        let start = match previous {
            Some(last) if wall <= last.start => UnixMs(last.start.0.saturating_add(1)),
            _ => wall,
        };
        Self { start, random: entropy.u64() }
    }

    /// 16 bytes, big endian, in comparison order.
    pub fn to_bytes(self) -> [u8; 16] {
        ((u128::from(self.start.0) << 64) | u128::from(self.random)).to_be_bytes()
    }
}

fixed_bytes! {
    /// An epoch's random content key; every reader has it, so it proves nothing about who spoke.
    secret ContentKey, 32
}
fixed_bytes! {
    /// An epoch's input secret; only holders of type grants have it.
    secret InputSecret, 32
}
fixed_bytes! {
    /// An X25519 public key.
    public AgreementPublic, 32
}

/// An X25519 private key, forgotten with its epoch or connection.
#[derive(Clone)]
pub struct AgreementKey(StaticSecret);

impl AgreementKey {
    /// Draws a new key.
    pub fn generate(entropy: &mut Entropy) -> Self {
        Self(StaticSecret::from(entropy.array::<32>()))
    }

    /// The public half.
    pub fn public(&self) -> AgreementPublic {
        AgreementPublic(PublicKey::from(&self.0).to_bytes())
    }

    /// The shared secret with `other`; `None` for a low-order point, which would make it predictable.
    pub(crate) fn agree(&self, other: AgreementPublic) -> Option<[u8; 32]> {
        let shared = self.0.diffie_hellman(&PublicKey::from(other.0));
        shared.was_contributory().then(|| shared.to_bytes())
    }
}

impl fmt::Debug for AgreementKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AgreementKey(…)")
    }
}

/// What belongs to one stretch of events; every sealed thing names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope {
    /// The session.
    pub session: SessionId,
    /// The epoch within it.
    pub epoch: EpochId,
}

impl Scope {
    /// 32 bytes: session, then epoch.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut out = [0; 32];
        let (session, epoch) = out.split_at_mut(16);
        session.copy_from_slice(&self.session.0);
        epoch.copy_from_slice(&self.epoch.to_bytes());
        out
    }
}

/// The purposes a content key serves, one subkey each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subkey {
    Event,
    Snapshot,
    Beat,
    Card,
    Transcript,
}

impl ContentKey {
    pub(crate) fn subkey(&self, scope: Scope, which: Subkey) -> [u8; 32] {
        let label = match which {
            Subkey::Event => "event key",
            Subkey::Snapshot => "snapshot key",
            Subkey::Beat => "beat key",
            Subkey::Card => "card key",
            Subkey::Transcript => "transcript key",
        };
        derive(&scope.to_bytes(), &self.0, label, &[])
    }
}

impl InputSecret {
    /// The key of what cards hold for those who may type.
    pub(crate) fn card_key(&self, scope: Scope) -> [u8; 32] {
        derive(&scope.to_bytes(), &self.0, "card input key", &[])
    }
}

/// What one grant's key box opens to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Opens events, snapshots and beats.
    pub content: ContentKey,
    /// What a type grant holds beyond that.
    pub input: Option<InputGrant>,
}

impl Opened {
    /// The right that these keys amount to.
    pub fn right(&self) -> Right {
        if self.input.is_some() { Right::Type } else { Right::Watch }
    }
}

/// What a type grant's key box holds beyond the content key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputGrant {
    /// Salts every input connection's key.
    pub secret: InputSecret,
    /// The watch grant, so that a page opened to type can show a link that only watches.
    pub watch: GrantSecret,
}

/// One grant's share of an epoch's keys, sealed under the grant's box key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyBox {
    /// Finds the box that belongs to a link.
    pub token_hash: TokenHash,
    /// 24 bytes of nonce, then the sealed keys.
    pub sealed: Blob,
}

/// An epoch's header, as signed by the owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`PROTOCOL_VERSION`] of the sharer.
    pub protocol: u32,
    /// Optional features; none has a security meaning.
    #[serde(default)]
    pub features: Vec<String>,
    /// The owner's public key; must hash to the session id.
    pub owner: OwnerPublic,
    /// The epoch.
    pub epoch: EpochId,
    /// Grows with every header of the epoch.
    pub revision: u32,
    /// The sharer's public key for input in this epoch.
    pub agreement: AgreementPublic,
    /// One box per grant.
    pub boxes: Vec<KeyBox>,
}

/// Why a header was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// It is not JSON of the right shape, or too large.
    #[error("the session's header is malformed")]
    Malformed,
    /// Its key does not belong to the session in the link, or the signature is not that key's.
    #[error("the session's header is not signed by the session's owner")]
    NotTheOwners,
    /// It speaks another protocol version.
    #[error("the session speaks protocol version {0}")]
    Version(u32),
}

/// Why a key box did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BoxError {
    /// The header has no box for this link: it was revoked, or never existed.
    #[error("this link holds no key to the session")]
    None,
    /// There is a box, and the link's secret does not open it.
    #[error("the link's secret does not open the session")]
    Sealed,
}

impl Header {
    /// Signs the header.
    pub fn sign(&self, key: &OwnerKey) -> Signed {
        // Serialising plain structs with string keys cannot fail.
        key.signed(Purpose::Header, serde_json::to_vec(self).unwrap_or_default())
    }

    /// Verifies and parses a header of `session`.
    pub fn verify(signed: &Signed, session: SessionId) -> Result<Self, HeaderError> {
        #[derive(Deserialize)]
        struct Prefix {
            protocol: u32,
            owner: OwnerPublic,
        }
        let prefix: Prefix = from_json(&signed.body.0).ok_or(HeaderError::Malformed)?;
        if prefix.owner.session_id() != session || signed.verify(&prefix.owner, Purpose::Header).is_none() {
            return Err(HeaderError::NotTheOwners);
        }
        if prefix.protocol != PROTOCOL_VERSION {
            return Err(HeaderError::Version(prefix.protocol));
        }
        let header: Self = from_json(&signed.body.0).ok_or(HeaderError::Malformed)?;
        if header.boxes.len() > MAX_BOXES {
            return Err(HeaderError::Malformed);
        }
        Ok(header)
    }

    /// The session and epoch it belongs to.
    pub fn scope(&self) -> Scope {
        Scope { session: self.owner.session_id(), epoch: self.epoch }
    }

    fn box_data(scope: Scope, token_hash: TokenHash) -> Vec<u8> {
        [LABEL.as_bytes(), b"box down\0", &scope.to_bytes(), &token_hash.0].concat()
    }

    /// Seals the epoch's keys for one grant.
    pub fn seal_box(
        scope: Scope,
        grant: &Grant,
        content: &ContentKey,
        input: &InputGrant,
        entropy: &mut Entropy,
    ) -> KeyBox {
        let token_hash = grant.secret.token(scope.session).hash();
        let mut keys = zeroize::Zeroizing::new(content.0.to_vec());
        if grant.right == Right::Type {
            keys.extend_from_slice(&input.secret.0);
            keys.extend_from_slice(&input.watch.0);
        }
        let aad = Self::box_data(scope, token_hash);
        let box_key = grant.secret.box_key(scope.session);
        let sealed = crate::seal::seal_random(&box_key, &aad, &keys, entropy);
        KeyBox { token_hash, sealed: Blob(sealed) }
    }

    /// Opens the box of the link with `secret`.
    pub fn open_box(&self, secret: &GrantSecret) -> Result<Opened, BoxError> {
        let scope = self.scope();
        let token_hash = secret.token(scope.session).hash();
        let found = self.boxes.iter().find(|b| b.token_hash == token_hash).ok_or(BoxError::None)?;
        let aad = Self::box_data(scope, token_hash);
        let keys = crate::seal::open_random(&secret.box_key(scope.session), &aad, &found.sealed.0)
            .map(zeroize::Zeroizing::new)
            .ok_or(BoxError::Sealed)?;
        let mut rest = keys.as_slice();
        let mut take = || crate::encoding::take_array::<32>(&mut rest);
        let content = ContentKey(take().ok_or(BoxError::Sealed)?);
        if rest.is_empty() {
            return Ok(Opened { content, input: None });
        }
        let secret = InputSecret(crate::encoding::take_array(&mut rest).ok_or(BoxError::Sealed)?);
        let watch = GrantSecret(crate::encoding::take_array(&mut rest).ok_or(BoxError::Sealed)?);
        Ok(Opened { content, input: Some(InputGrant { secret, watch }) })
    }
}
