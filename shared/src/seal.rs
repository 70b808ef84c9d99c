//! Sealing and opening of events, beats and snapshot parts.
//!
//! Events and beats use ChaCha20-Poly1305 with their number as the nonce; the sealers own their counters and
//! cannot be cloned, so no (key, nonce) pair ever seals twice (law 11). Snapshot parts have no counter and
//! use XChaCha20-Poly1305 with random nonces.

use core::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce, XChaCha20Poly1305, XNonce};

use crate::chain::{Beat, ChainPoint};
use crate::encoding::{put_varint, take_varint};
use crate::entropy::Entropy;
use crate::event::EventKind;
use crate::keys::LABEL;
use crate::keys::epoch::{ContentKey, Scope, Subkey};
use crate::time::UnixMs;

/// Bytes that sealing adds to a body.
pub const TAG_LEN: usize = 16;

fn counter_nonce(number: u64) -> Nonce {
    let mut nonce = Nonce::default();
    if let Some(tail) = nonce.last_chunk_mut::<8>() {
        *tail = number.to_be_bytes();
    }
    nonce
}

fn event_data(scope: Scope, kind: EventKind, number: u64) -> Vec<u8> {
    [LABEL.as_bytes(), b"event down\0", &[kind.byte()], &scope.to_bytes(), &number.to_be_bytes()].concat()
}

fn beat_data(scope: Scope, number: u64) -> Vec<u8> {
    [LABEL.as_bytes(), b"beat down\0", &scope.to_bytes(), &number.to_be_bytes()].concat()
}

/// One sealed event, as it is stored, sent and sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedEvent {
    /// Its number in the epoch, from 1.
    pub number: u64,
    /// What kind of thing is inside; bound by the seal.
    pub kind: EventKind,
    /// The sealed body.
    pub body: bytes::Bytes,
}

/// Numbers and seals an epoch's events. Deliberately neither `Clone` nor resettable.
pub struct EventSealer {
    cipher: ChaCha20Poly1305,
    scope: Scope,
    point: ChainPoint,
}

impl EventSealer {
    /// Begins an epoch's numbering at 1. Call once per content key.
    pub fn new(content: &ContentKey, scope: Scope) -> Self {
        let key = content.subkey(scope, Subkey::Event);
        Self { cipher: ChaCha20Poly1305::new(Key::from_slice(&key)), scope, point: ChainPoint::start(scope) }
    }

    /// Numbers, seals and chains one event in a single step.
    pub fn seal(&mut self, kind: EventKind, plain: &[u8]) -> SealedEvent {
        let number = self.point.number + 1;
        let aad = event_data(self.scope, kind, number);
        let body = self
            .cipher
            .encrypt(&counter_nonce(number), Payload { msg: plain, aad: &aad })
            // Fails only beyond 256 GiB.
            .unwrap_or_default();
        self.point = self.point.then(kind, &body);
        SealedEvent { number, kind, body: body.into() }
    }

    /// The point after the newest event.
    pub fn point(&self) -> ChainPoint {
        self.point
    }

    /// The session and epoch.
    pub fn scope(&self) -> Scope {
        self.scope
    }
}

impl fmt::Debug for EventSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventSealer({})", self.point.number)
    }
}

/// Opens an epoch's events.
pub struct EventOpener {
    cipher: ChaCha20Poly1305,
    scope: Scope,
}

impl EventOpener {
    /// For the holder of a content key.
    pub fn new(content: &ContentKey, scope: Scope) -> Self {
        let key = content.subkey(scope, Subkey::Event);
        Self { cipher: ChaCha20Poly1305::new(Key::from_slice(&key)), scope }
    }

    /// The plain body, if the event was sealed with this key, for this number and kind.
    pub fn open(&self, number: u64, kind: EventKind, body: &[u8]) -> Option<Vec<u8>> {
        let aad = event_data(self.scope, kind, number);
        self.cipher.decrypt(&counter_nonce(number), Payload { msg: body, aad: &aad }).ok()
    }
}

impl fmt::Debug for EventOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventOpener")
    }
}

/// Numbers and seals an epoch's beats.
pub struct BeatSealer {
    cipher: ChaCha20Poly1305,
    scope: Scope,
    number: u64,
}

impl BeatSealer {
    /// Begins an epoch's beats at 1. Call once per content key.
    pub fn new(content: &ContentKey, scope: Scope) -> Self {
        let key = content.subkey(scope, Subkey::Beat);
        Self { cipher: ChaCha20Poly1305::new(Key::from_slice(&key)), scope, number: 0 }
    }

    /// The newest beat's number; 0 before the first.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Makes the next beat; returns its number and sealed body.
    pub fn seal(&mut self, latest: u64, wall: UnixMs) -> (u64, Vec<u8>) {
        self.number += 1;
        let mut plain = Vec::with_capacity(16);
        put_varint(&mut plain, latest);
        put_varint(&mut plain, wall.0);
        let aad = beat_data(self.scope, self.number);
        let sealed = self
            .cipher
            .encrypt(&counter_nonce(self.number), Payload { msg: &plain, aad: &aad })
            .unwrap_or_default();
        (self.number, sealed)
    }
}

impl fmt::Debug for BeatSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BeatSealer({})", self.number)
    }
}

/// Opens a beat.
pub fn open_beat(content: &ContentKey, scope: Scope, number: u64, sealed: &[u8]) -> Option<Beat> {
    let key = content.subkey(scope, Subkey::Beat);
    let cipher = ChaCha20Poly1305::new(Key::from_slice(&key));
    let aad = beat_data(scope, number);
    let plain = cipher.decrypt(&counter_nonce(number), Payload { msg: sealed, aad: &aad }).ok()?;
    let mut rest = plain.as_slice();
    let latest = take_varint(&mut rest)?;
    let wall = UnixMs(take_varint(&mut rest)?);
    rest.is_empty().then_some(Beat { number, latest, wall })
}

/// Seals something without a counter under `key`: 24 random bytes of nonce, then the sealed body.
pub(crate) fn seal_random(key: &[u8; 32], aad: &[u8], plain: &[u8], entropy: &mut Entropy) -> Vec<u8> {
    let nonce: [u8; 24] = entropy.array();
    let cipher = XChaCha20Poly1305::new(Key::from_slice(key));
    let sealed = cipher.encrypt(XNonce::from_slice(&nonce), Payload { msg: plain, aad }).unwrap_or_default();
    [&nonce[..], &sealed].concat()
}

/// Opens what [`seal_random`] sealed.
pub(crate) fn open_random(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_first_chunk::<24>()?;
    let cipher = XChaCha20Poly1305::new(Key::from_slice(key));
    cipher.decrypt(XNonce::from_slice(nonce), Payload { msg: sealed, aad }).ok()
}
