//! The hash chain over an epoch's events, the owner's attestations of it, and beats.

use serde::{Deserialize, Serialize};

use crate::encoding::{fixed_bytes, from_json};
use crate::event::EventKind;
use crate::keys::epoch::{AgreementPublic, EpochId, Scope};
use crate::keys::hash;
use crate::keys::owner::{OwnerKey, OwnerPublic, Purpose, Signature, Signed};
use crate::time::UnixMs;

fixed_bytes! {
    /// h(n): SHA-256 over everything up to event n of an epoch.
    public ChainHash, 32
}
fixed_bytes! {
    /// A viewer's fresh challenge, answered by the sharer's signature.
    public ViewerChallenge, 16
}

/// An attestation goes out at most this long after an event that none covers, in milliseconds (DESIGN 3).
pub const ATTEST_WITHIN_MS: u64 = 5_000;
/// An attestation goes out at least this often at rest, in milliseconds (DESIGN 3).
pub const ATTEST_AT_REST_MS: u64 = 120_000;
/// What the owner did not vouch for again by then, in milliseconds, may be old and held on to by somebody.
pub const VOUCHED_FOR_MS: u64 = ATTEST_AT_REST_MS + ATTEST_WITHIN_MS;
/// Beats go out this often, in milliseconds (DESIGN 3).
pub const BEAT_EVERY_MS: u64 = 20_000;
/// Input that names a beat issued longer ago than this is refused, in milliseconds (DESIGN 3).
pub const BEAT_GOOD_FOR_MS: u64 = 45_000;

/// A place in an epoch's chain: the number of the last event and the hash up to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainPoint {
    /// Number of the last event; 0 before the first.
    pub number: u64,
    /// h(number).
    pub hash: ChainHash,
}

impl ChainPoint {
    /// h(0) of an epoch.
    pub fn start(scope: Scope) -> Self {
        Self { number: 0, hash: ChainHash(hash("chain start", &[&scope.to_bytes()])) }
    }

    /// The point after one more event: h(n) = SHA-256(h(n−1) ‖ n ‖ kind ‖ sealed body).
    #[must_use]
    pub fn then(self, kind: EventKind, sealed: &[u8]) -> Self {
        let number = self.number + 1;
        let parts: [&[u8]; 4] = [&self.hash.0, &number.to_be_bytes(), &[kind.byte()], sealed];
        Self { number, hash: ChainHash(hash("chain", &parts)) }
    }
}

/// The owner's word that everything up to a point is its own: (epoch, n, h(n), beat, card digest).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attestation {
    /// The epoch and session.
    pub scope: Scope,
    /// The point attested.
    pub point: ChainPoint,
    /// The newest beat at that time.
    pub beat: u64,
    /// Digest over the session's cards; zero while it has none. Under one number of a beat it is always the same.
    pub cards: [u8; 32],
}

impl Attestation {
    fn body(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        out.extend_from_slice(&self.scope.epoch.to_bytes());
        out.extend_from_slice(&self.point.number.to_be_bytes());
        out.extend_from_slice(&self.point.hash.0);
        out.extend_from_slice(&self.beat.to_be_bytes());
        out.extend_from_slice(&self.cards);
        out
    }

    /// Signs it.
    pub fn sign(&self, key: &OwnerKey) -> Signature {
        key.sign(Purpose::Attestation, &self.body())
    }

    /// Whether `owner` signed exactly this.
    pub fn verify(&self, owner: &OwnerPublic, signature: &Signature) -> bool {
        owner.session_id() == self.scope.session
            && owner.verify(Purpose::Attestation, &self.body(), signature)
    }
}

/// What a beat says, under a key and a counter of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// Counts from 1 within the epoch.
    pub number: u64,
    /// Number of the newest event when the beat was made.
    pub latest: u64,
    /// The sharer's milliseconds since 1970.
    pub wall: UnixMs,
}

fixed_bytes! {
    /// Digest over all cards of a session.
    public CardsDigest, 32
}

fn no_cards() -> CardsDigest {
    CardsDigest([0; 32])
}

/// The sharer's answer to a viewer's challenge: only after it does a viewer say *live*.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The viewer's challenge.
    pub challenge: ViewerChallenge,
    /// The epoch the sharer is in.
    pub epoch: EpochId,
    /// Where its chain is.
    pub point: ChainPoint,
    /// Its newest beat.
    pub beat: u64,
    /// Digest over its cards; zero while it has none. A relay may show whoever joins an older attestation and the cards
    /// it was about; this one is about now.
    #[serde(default = "no_cards")]
    pub cards: CardsDigest,
    /// How many input frames of the input connection `previous` were taken; `None` if it is not known any more.
    #[serde(default)]
    pub taken: Option<u64>,
    /// The key of the viewer's input connection that broke, as the relay told it: the viewer takes `taken` for its own
    /// key only, or a relay could name another one and lose input unseen.
    #[serde(default)]
    pub previous: Option<AgreementPublic>,
    /// Whether the sharer takes input on this participant's connection.
    #[serde(default)]
    pub input: bool,
}

impl Answer {
    /// Signs it.
    pub fn sign(&self, key: &OwnerKey) -> Signed {
        // Serialising plain structs with string keys cannot fail.
        key.signed(Purpose::Answer, serde_json::to_vec(self).unwrap_or_default())
    }

    /// The answer, if `owner` signed it.
    pub fn verify(signed: &Signed, owner: &OwnerPublic) -> Option<Self> {
        from_json(signed.verify(owner, Purpose::Answer)?)
    }
}

/// How a session ended, signed by its owner, for viewers that the relay can no longer give events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The last epoch.
    pub epoch: EpochId,
    /// Where its chain ended.
    pub point: ChainPoint,
    /// Why.
    #[serde(deserialize_with = "crate::encoding::extensible")]
    pub reason: crate::event::EndReason,
}

impl End {
    /// Signs it.
    pub fn sign(&self, key: &OwnerKey) -> Signed {
        key.signed(Purpose::End, serde_json::to_vec(self).unwrap_or_default())
    }

    /// The end, if `owner` signed it.
    pub fn verify(signed: &Signed, owner: &OwnerPublic) -> Option<Self> {
        from_json(signed.verify(owner, Purpose::End)?)
    }
}
