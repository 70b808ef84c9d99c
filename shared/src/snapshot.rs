//! Snapshots: the terminal at an event number, sealed in parts under one signed manifest.
//!
//! Two parts, each complete in itself: *screen* (a few kB: what a late joiner sees first) and *full* (history
//! and screen together, so that a viewer rewrites its terminal in one write and nothing is ever put in front
//! of what is already there). The manifest names both parts' digests and h at the snapshot's number, so each
//! is authentic as soon as it is whole.

use serde::{Deserialize, Serialize};

use crate::chain::ChainPoint;
use crate::encoding::{fixed_bytes, from_json};
use crate::entropy::Entropy;
use crate::event::{WindowSize, pack, unpack};
use crate::keys::epoch::{ContentKey, EpochId, Scope, Subkey};
use crate::keys::owner::{OwnerKey, OwnerPublic, Purpose, Signed};
use crate::keys::{LABEL, hash};
use crate::seal::{open_random, seal_random};

/// The largest part after unpacking, in bytes (DESIGN 3).
pub const MAX_PART: usize = 16 * 1024 * 1024;
/// A part travels in frames of at most this many plain bytes, each compressed by itself.
pub const PART_FRAME: usize = 64 * 1024;
/// More than nonce, tag and form add to it, and what does not pack, in bytes.
const FRAME_OVERHEAD: usize = 1024;
/// The most frames a part can have.
pub const MAX_PART_FRAMES: usize = MAX_PART / PART_FRAME;

fixed_bytes! {
    /// Digest over a part's sealed frames.
    public PartDigest, 32
}

/// Which part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The screen alone.
    Screen,
    /// History and screen.
    Full,
}

impl Part {
    /// Its byte in frames.
    pub fn byte(self) -> u8 {
        match self {
            Self::Screen => 0,
            Self::Full => 1,
        }
    }

    /// The part with that byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            0 => Some(Self::Screen),
            1 => Some(Self::Full),
            _ => None,
        }
    }
}

/// What a manifest says of one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartOutline {
    /// How many frames.
    pub frames: u32,
    /// Plain bytes in all.
    pub size: u32,
    /// Over the sealed frames.
    pub digest: PartDigest,
}

/// A snapshot's manifest, as signed by the owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The epoch.
    pub epoch: EpochId,
    /// Counts the epoch's snapshots, from 1.
    pub id: u64,
    /// The event it stands at, and h there.
    pub point: ChainPoint,
    /// The terminal's size.
    pub window: WindowSize,
    /// The newest change of the transcript up to there; 0 while there is none.
    #[serde(default)]
    pub transcript: u64,
    /// The newest event up to there that changed the terminal's size. History from before it is wrapped in another way by
    /// every terminal, so that whoever has none from behind it is to be given this one.
    #[serde(default)]
    pub resized: u64,
    /// The screen part.
    pub screen: PartOutline,
    /// The full part, if the snapshot has one.
    #[serde(default)]
    pub full: Option<PartOutline>,
}

impl Manifest {
    /// The manifest, if `owner` signed it and its bounds hold.
    pub fn verify(signed: &Signed, owner: &OwnerPublic) -> Option<Self> {
        let manifest: Self = from_json(signed.verify(owner, Purpose::Snapshot)?)?;
        let bounded = |part: &PartOutline| {
            part.frames >= 1 && part.frames as usize <= MAX_PART_FRAMES && part.size as usize <= MAX_PART
        };
        let in_order = manifest.resized <= manifest.point.number;
        (in_order && bounded(&manifest.screen) && manifest.full.as_ref().is_none_or(bounded))
            .then_some(manifest)
    }

    /// What it says of `part`.
    pub fn outline(&self, part: Part) -> Option<PartOutline> {
        match part {
            Part::Screen => Some(self.screen),
            Part::Full => self.full,
        }
    }
}

fn part_data(scope: Scope, id: u64, part: Part, index: u32, frames: u32, size: u32) -> Vec<u8> {
    [
        LABEL.as_bytes(),
        b"snapshot down\0",
        &scope.to_bytes(),
        &id.to_be_bytes(),
        &[part.byte()],
        &index.to_be_bytes(),
        &frames.to_be_bytes(),
        &size.to_be_bytes(),
    ]
    .concat()
}

fn digest(frames: &[bytes::Bytes]) -> PartDigest {
    let each: Vec<u8> = frames.iter().flat_map(|frame| hash("snapshot frame", &[frame])).collect();
    PartDigest(hash("snapshot part", &[&each]))
}

/// A snapshot as it is stored and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedSnapshot {
    /// Its id.
    pub id: u64,
    /// The event number it stands at.
    pub number: u64,
    /// The signed manifest.
    pub manifest: Signed,
    /// Sealed frames of the screen part.
    pub screen: Vec<bytes::Bytes>,
    /// Sealed frames of the full part; empty if it has none.
    pub full: Vec<bytes::Bytes>,
}

/// What a snapshot is made of.
#[derive(Debug, Clone, Copy)]
pub struct Dump<'a> {
    /// The event number and h at which the terminal model stood.
    pub point: ChainPoint,
    /// The terminal's size.
    pub window: WindowSize,
    /// The newest change of the transcript at that event.
    pub transcript: u64,
    /// The newest event up to that one that changed the size.
    pub resized: u64,
    /// Bytes that bring a fresh terminal to the screen.
    pub screen: &'a [u8],
    /// Bytes that bring a fresh terminal to history and screen.
    pub full: Option<&'a [u8]>,
}

/// Makes an epoch's snapshots.
pub struct SnapshotSealer {
    key: [u8; 32],
    scope: Scope,
    id: u64,
}

impl core::fmt::Debug for SnapshotSealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SnapshotSealer({})", self.id)
    }
}

impl SnapshotSealer {
    /// For an epoch.
    pub fn new(content: &ContentKey, scope: Scope) -> Self {
        Self { key: content.subkey(scope, Subkey::Snapshot), scope, id: 0 }
    }

    fn seal_part(
        &self,
        part: Part,
        plain: &[u8],
        compress: bool,
        entropy: &mut Entropy,
    ) -> (PartOutline, Vec<bytes::Bytes>) {
        // A dump over the bound cannot be sent; the terminal model's own bounds keep it far below.
        let plain = plain.get(..MAX_PART).unwrap_or(plain);
        let chunks: Vec<&[u8]> =
            if plain.is_empty() { vec![&[]] } else { plain.chunks(PART_FRAME).collect() };
        let bounded = |len: usize| u32::try_from(len).unwrap_or(u32::MAX); // MAX_PART fits
        let (frames, size) = (bounded(chunks.len()), bounded(plain.len()));
        let sealed: Vec<bytes::Bytes> = (0u32..)
            .zip(&chunks)
            .map(|(index, chunk)| {
                let aad = part_data(self.scope, self.id, part, index, frames, size);
                seal_random(&self.key, &aad, &pack(chunk, compress), entropy).into()
            })
            .collect();
        (PartOutline { frames, size, digest: digest(&sealed) }, sealed)
    }

    /// Seals and signs the next snapshot.
    pub fn seal(
        &mut self,
        owner: &OwnerKey,
        dump: Dump<'_>,
        compress: bool,
        entropy: &mut Entropy,
    ) -> SealedSnapshot {
        self.id += 1;
        let (screen, screen_frames) = self.seal_part(Part::Screen, dump.screen, compress, entropy);
        let (full, full_frames) = match dump.full {
            Some(plain) => {
                let (outline, frames) = self.seal_part(Part::Full, plain, compress, entropy);
                (Some(outline), frames)
            }
            None => (None, Vec::new()),
        };
        let manifest = Manifest {
            epoch: self.scope.epoch,
            id: self.id,
            point: dump.point,
            window: dump.window,
            transcript: dump.transcript,
            resized: dump.resized,
            screen,
            full,
        };
        let body = serde_json::to_vec(&manifest).unwrap_or_default();
        SealedSnapshot {
            id: self.id,
            number: dump.point.number,
            manifest: owner.signed(Purpose::Snapshot, body),
            screen: screen_frames,
            full: full_frames,
        }
    }
}

/// Gathers one part's frames and opens them when they are whole.
#[derive(Debug, Clone)]
pub struct PartReader {
    manifest: Manifest,
    part: Part,
    outline: PartOutline,
    frames: Vec<bytes::Bytes>,
}

/// Why a part was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// A frame came out of order or twice.
    #[error("a snapshot frame came out of order")]
    Order,
    /// The frames are not those that the owner signed, or do not open.
    #[error("a snapshot is not what its owner signed")]
    Forged,
}

impl PartReader {
    /// Begins to read a part; `None` if the manifest has no such part.
    pub fn new(manifest: &Manifest, part: Part) -> Option<Self> {
        let outline = manifest.outline(part)?;
        Some(Self { manifest: *manifest, part, outline, frames: Vec::new() })
    }

    /// Adds the next frame; the plain part when it was the last.
    pub fn add(
        &mut self,
        index: u32,
        sealed: bytes::Bytes,
        content: &ContentKey,
        scope: Scope,
    ) -> Result<Option<Vec<u8>>, PartError> {
        if index as usize != self.frames.len() || index >= self.outline.frames {
            return Err(PartError::Order);
        }
        if sealed.len() > PART_FRAME + FRAME_OVERHEAD {
            return Err(PartError::Forged);
        }
        self.frames.push(sealed);
        if self.frames.len() < self.outline.frames as usize {
            return Ok(None);
        }
        self.open(content, scope).map(Some).ok_or(PartError::Forged)
    }

    fn open(&self, content: &ContentKey, scope: Scope) -> Option<Vec<u8>> {
        if digest(&self.frames) != self.outline.digest || self.manifest.epoch != scope.epoch {
            return None;
        }
        let key = content.subkey(scope, Subkey::Snapshot);
        let mut plain = Vec::with_capacity(self.outline.size as usize);
        for (index, sealed) in (0u32..).zip(&self.frames) {
            let PartOutline { frames, size, .. } = self.outline;
            let aad = part_data(scope, self.manifest.id, self.part, index, frames, size);
            plain.extend(unpack(&open_random(&key, &aad, sealed)?, PART_FRAME)?);
        }
        (plain.len() == self.outline.size as usize).then_some(plain)
    }
}
