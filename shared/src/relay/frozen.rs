//! An ended session as an archive's object: what a viewer who comes late would have been given, as it was sealed and signed.
//!
//! ```text
//! magic (14) ‖ length of head (4) ‖ length of body (8) ‖ digest of head (32) ‖ digest of body (32) ‖ head ‖ body
//! ```
//!
//! Lengths are big endian, head is JSON, body is packets as its sharer said them, each as kind (1) ‖ length (4) ‖ bytes. The
//! digests tell an object that was cut short or altered; what it says is protected by seals and signatures, as when live.

use bytes::{BufMut as _, Bytes};
use serde::{Deserialize, Serialize};

use crate::encoding::from_json;
use crate::id::SessionId;
use crate::keys::epoch::{EpochId, MAX_BOXES};
use crate::keys::grant::GrantRow;
use crate::keys::hash;
use crate::keys::keeper::Keep;
use crate::keys::owner::{OwnerPublic, Signed};
use crate::time::UnixMs;
use crate::wire::Packet;
use crate::wire::source::SessionSource;

const MAGIC: &[u8; 14] = b"sharer kept 1\n";
/// Bytes before the head.
const PREFIX: usize = 14 + 4 + 8 + 32 + 32;
/// The longest head, in bytes: [`MAX_BOXES`] grants and some words.
const MAX_HEAD: usize = 256 * 1024;
/// What most heads have, with all that stands before them, in bytes: so much is worth reading at once.
pub const USUAL_HEAD: usize = 4 * 1024;

/// Why an object is not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It ends early.
    #[error("it was cut short")]
    CutShort,
    /// It is not what was written under this name.
    #[error("it was altered")]
    Altered,
}

/// What a relay knows of every kept session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptHead {
    /// The session.
    pub session: SessionId,
    /// Its owner.
    pub owner: OwnerPublic,
    /// The epoch it ended in.
    pub epoch: EpochId,
    /// The number of the claim that held it.
    pub claim: u64,
    /// Who may see it.
    pub grants: Vec<GrantRow>,
    /// The owner's [`Keep`].
    pub keep: Signed,
    /// Until when it is kept.
    pub until: UnixMs,
    /// It had not ended when its relay was stopped: its sharer may come back.
    #[serde(default, skip_serializing_if = "crate::encoding::is_false")]
    pub live: bool,
    /// Only that it was removed is kept.
    #[serde(default, skip_serializing_if = "crate::encoding::is_false")]
    pub removed: bool,
}

impl KeptHead {
    /// Who may remove it; `None`: its owner never said so.
    pub(super) fn keeper(&self) -> Option<OwnerPublic> {
        let genuine = self.owner.session_id() == self.session && self.grants.len() <= MAX_BOXES;
        Keep::verify(&self.keep, &self.owner).filter(|_| genuine).map(|keep| keep.keeper)
    }
}

/// Of an ended room what no frame says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) header: Signed,
    #[serde(flatten)]
    pub(super) source: SessionSource,
    /// The owner's word on the end; nothing: its sharer never came back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) end: Option<Signed>,
    pub(super) final_number: u64,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// What is known without opening it.
    pub head: KeptHead,
    /// What its sharer said, in the order in which it is to be said again.
    pub(super) packets: Vec<Packet>,
}

impl Frozen {
    /// The session.
    pub fn session(&self) -> SessionId {
        self.head.session
    }

    /// Writes the object.
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::new();
        for packet in &self.packets {
            let (kind, bytes): (u8, &[u8]) = match packet {
                Packet::Text(text) => (0, text.as_bytes()),
                Packet::Binary(bytes) => (1, bytes),
            };
            body.put_u8(kind);
            body.put_u32(u32::try_from(bytes.len()).unwrap_or(u32::MAX)); // frames are bounded far below
            body.put_slice(bytes);
        }
        // Serialising plain structs with string keys cannot fail.
        let head = serde_json::to_vec(&self.head).unwrap_or_default();
        let body_digest = hash("kept body", &[&body]);
        let mut out = Vec::with_capacity(PREFIX + head.len() + body.len());
        out.put_slice(MAGIC);
        out.put_u32(u32::try_from(head.len()).unwrap_or(u32::MAX)); // grants are bounded
        out.put_u64(body.len() as u64);
        let digest = hash("kept head", &[out.get(14..).unwrap_or_default(), &body_digest, &head]);
        out.put_slice(&digest);
        out.put_slice(&body_digest);
        out.put_slice(&head);
        out.put_slice(&body);
        out
    }

    /// Reads the whole object that stands under a session's name.
    pub fn decode(session: SessionId, object: &Bytes) -> Result<Self, Damage> {
        let (head, body_at, body_digest) = read_head(session, object, object.len() as u64)?;
        let body = object.slice(body_at..);
        if hash("kept body", &[&body]) != body_digest {
            return Err(Damage::Altered);
        }
        let mut packets = Vec::new();
        let mut at = 0;
        while at < body.len() {
            let kind = body.get(at).ok_or(Damage::Altered)?;
            let len: [u8; 4] =
                body.get(at + 1..at + 5).and_then(|len| len.try_into().ok()).ok_or(Damage::Altered)?;
            let end = (at + 5).saturating_add(u32::from_be_bytes(len) as usize);
            if end > body.len() {
                return Err(Damage::Altered);
            }
            let bytes = body.slice(at + 5..end);
            packets.push(match kind {
                0 => Packet::Text(String::from_utf8(bytes.to_vec()).map_err(|_text| Damage::Altered)?),
                1 => Packet::Binary(bytes),
                _ => return Err(Damage::Altered),
            });
            at = end;
        }
        Ok(Self { head, packets })
    }
}

/// How much of an object's beginning holds its head; `None`: this beginning is too short to say.
pub fn head_len(beginning: &[u8]) -> Option<usize> {
    let len: [u8; 4] = beginning.get(14..18)?.try_into().ok()?;
    Some(PREFIX + (u32::from_be_bytes(len) as usize).min(MAX_HEAD))
}

/// Reads the head of an object of `size` bytes from its beginning.
pub fn decode_head(session: SessionId, beginning: &[u8], size: u64) -> Result<KeptHead, Damage> {
    read_head(session, beginning, size).map(|(head, _, _)| head)
}

fn read_head(session: SessionId, beginning: &[u8], size: u64) -> Result<(KeptHead, usize, [u8; 32]), Damage> {
    let prefix = beginning.get(..PREFIX).ok_or(Damage::CutShort)?;
    let (magic, rest) = prefix.split_at(14);
    let (lens, digests) = rest.split_at(12);
    let (head_digest, body_digest) = digests.split_at(32);
    let body_digest: [u8; 32] = body_digest.try_into().map_err(|_len| Damage::Altered)?;
    let body_len: [u8; 8] = lens.get(4..).and_then(|len| len.try_into().ok()).ok_or(Damage::Altered)?;
    if magic != MAGIC {
        return Err(Damage::Altered);
    }
    let end = head_len(beginning).ok_or(Damage::CutShort)?;
    let whole = (end as u64).saturating_add(u64::from_be_bytes(body_len));
    if size < whole {
        return Err(Damage::CutShort);
    }
    let head = beginning.get(PREFIX..end).ok_or(Damage::CutShort)?;
    if size > whole || hash("kept head", &[lens, &body_digest, head]) != head_digest {
        return Err(Damage::Altered);
    }
    let head: KeptHead = from_json(head).ok_or(Damage::Altered)?;
    // An object under another's name would be found by nobody, or by the wrong ones.
    if head.session != session || head.keeper().is_none() {
        return Err(Damage::Altered);
    }
    Ok((head, end, body_digest))
}
