//! The owner key: one Ed25519 pair per session, which names the session and signs for it.

use core::fmt;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use super::{LABEL, epoch::EpochId, hash};
use crate::encoding::{Blob, fixed_bytes};
use crate::entropy::Entropy;
use crate::id::{DriverId, SessionId};

fixed_bytes! {
    /// An owner's Ed25519 public key.
    public OwnerPublic, 32
}
fixed_bytes! {
    /// An Ed25519 signature.
    public Signature, 64
}
fixed_bytes! {
    /// A relay's fresh challenge to a connection; a claim must sign it.
    public Challenge, 32
}

/// What a signature is for. The word is signed too, so none can stand for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// Claiming a session id at a relay.
    Claim,
    /// An epoch's header.
    Header,
    /// A snapshot's manifest.
    Snapshot,
    /// An attestation of the event chain.
    Attestation,
    /// The answer to a viewer's challenge.
    Answer,
    /// A child's card in its parent's session.
    Card,
    /// The newest page of a transcript.
    Transcript,
    /// The end of a session, also when the relay holds no event of it.
    End,
    /// Claiming a driver's id at a relay.
    Driver,
    /// A driver's answer to who asks it.
    DriverAnswer,
    /// A driver's word that it does not know the key it was asked with.
    DriverRefusal,
    /// That a session is to be kept when it has ended, and by whom it may be removed.
    Keep,
    /// What somebody who kept sessions asks of a relay.
    Keeper,
}

impl Purpose {
    fn word(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Header => "header",
            Self::Snapshot => "snapshot",
            Self::Attestation => "attestation",
            Self::Answer => "answer",
            Self::Card => "card",
            Self::Transcript => "transcript",
            Self::End => "end",
            Self::Driver => "driver",
            Self::DriverAnswer => "driver answer",
            Self::DriverRefusal => "driver refusal",
            Self::Keep => "keep",
            Self::Keeper => "keeper",
        }
    }
}

fn message(purpose: Purpose, session: SessionId, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(48 + body.len());
    out.extend_from_slice(LABEL.as_bytes());
    out.extend_from_slice(b"sign ");
    out.extend_from_slice(purpose.word().as_bytes());
    out.push(0);
    out.extend_from_slice(&session.0);
    out.extend_from_slice(body);
    out
}

/// The private half; whoever has it *is* the sharer of the session. It is never sent and never written
/// outside the sharer's process.
pub struct OwnerKey {
    signing: SigningKey,
    session: SessionId,
}

impl OwnerKey {
    /// Draws a new key, and with it a new session id.
    pub fn generate(entropy: &mut Entropy) -> Self {
        Self::from_seed(&entropy.array())
    }

    /// The key that grows from 32 secret bytes.
    pub(super) fn from_seed(seed: &[u8; 32]) -> Self {
        let signing = SigningKey::from_bytes(seed);
        let session = OwnerPublic(signing.verifying_key().to_bytes()).session_id();
        Self { signing, session }
    }

    /// The public half.
    pub fn public(&self) -> OwnerPublic {
        OwnerPublic(self.signing.verifying_key().to_bytes())
    }

    /// The session this key owns.
    pub fn session_id(&self) -> SessionId {
        self.session
    }

    /// Signs `body` for one purpose, bound to this session.
    pub fn sign(&self, purpose: Purpose, body: &[u8]) -> Signature {
        Signature(self.signing.sign(&message(purpose, self.session, body)).to_bytes())
    }

    /// Signs `body` and keeps the two together.
    pub fn signed(&self, purpose: Purpose, body: Vec<u8>) -> Signed {
        let signature = self.sign(purpose, &body);
        Signed { body: Blob(body), signature }
    }
}

impl fmt::Debug for OwnerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnerKey({})", self.session)
    }
}

impl OwnerPublic {
    /// The id of the session this key owns: the first 16 bytes of its labelled SHA-256.
    pub fn session_id(&self) -> SessionId {
        let digest = hash("session id", &[&self.0]);
        let mut id = [0; 16];
        id.copy_from_slice(digest.first_chunk::<16>().unwrap_or(&[0; 16]));
        SessionId(id)
    }

    /// The id of the driver this key is of.
    pub fn driver_id(&self) -> DriverId {
        let digest = hash("driver id", &[&self.0]);
        DriverId(*digest.first_chunk::<16>().unwrap_or(&[0; 16]))
    }

    /// Whether `signature` is this owner's over `body` for `purpose` (strict verification: one signature has
    /// one form).
    pub fn verify(&self, purpose: Purpose, body: &[u8], signature: &Signature) -> bool {
        let Ok(key) = VerifyingKey::from_bytes(&self.0) else { return false };
        let signature = ed25519_dalek::Signature::from_bytes(&signature.0);
        key.verify_strict(&message(purpose, self.session_id(), body), &signature).is_ok()
    }
}

/// Bytes with their owner's signature. They are kept as they were signed and parsed only after
/// verification, so that no two readers can take them differently.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// What was signed.
    pub body: Blob,
    /// The owner's signature over it.
    pub signature: Signature,
}

impl Signed {
    /// The body, if `owner` signed it for `purpose`.
    pub fn verify(&self, owner: &OwnerPublic, purpose: Purpose) -> Option<&[u8]> {
        owner.verify(purpose, &self.body.0, &self.signature).then_some(&self.body.0[..])
    }
}

/// What a sharer signs to claim its session id at a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Must hash to the session id.
    pub owner: OwnerPublic,
    /// The epoch the sharer is in.
    pub epoch: EpochId,
    /// Counts the sharer's connections; of two claims the higher (epoch, number) wins.
    pub number: u64,
    /// Over all of this, the relay's challenge and the host the sharer dialled.
    pub signature: Signature,
}

impl Claim {
    fn body(epoch: EpochId, number: u64, challenge: &Challenge, host: &str) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + host.len());
        out.extend_from_slice(&challenge.0);
        out.extend_from_slice(&epoch.to_bytes());
        out.extend_from_slice(&number.to_be_bytes());
        out.extend_from_slice(host.as_bytes());
        out
    }

    /// Signs a claim. `host` is the authority (host and port) the sharer dialled: a relay cannot pass the
    /// claim on to another relay.
    pub fn sign(key: &OwnerKey, epoch: EpochId, number: u64, challenge: &Challenge, host: &str) -> Self {
        let signature = key.sign(Purpose::Claim, &Self::body(epoch, number, challenge, host));
        Self { owner: key.public(), epoch, number, signature }
    }

    /// Signs a driver's claim of its id; `boot` stands for the epoch.
    pub fn sign_driver(
        key: &OwnerKey,
        boot: EpochId,
        number: u64,
        challenge: &Challenge,
        host: &str,
    ) -> Self {
        let signature = key.sign(Purpose::Driver, &Self::body(boot, number, challenge, host));
        Self { owner: key.public(), epoch: boot, number, signature }
    }

    /// Whether the claim is good for `driver`; see [`Claim::verify`].
    pub fn verify_driver(&self, driver: DriverId, challenge: &Challenge, host: &str) -> bool {
        let body = Self::body(self.epoch, self.number, challenge, host);
        self.owner.driver_id() == driver && self.owner.verify(Purpose::Driver, &body, &self.signature)
    }

    /// Whether the claim is good for `session` at a relay reached as `host` that sent `challenge`.
    pub fn verify(&self, session: SessionId, challenge: &Challenge, host: &str) -> bool {
        self.owner.session_id() == session
            && self.owner.verify(
                Purpose::Claim,
                &Self::body(self.epoch, self.number, challenge, host),
                &self.signature,
            )
    }
}
