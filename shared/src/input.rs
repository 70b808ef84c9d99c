//! Sealed input: from a viewer's keyboard to the sharer's PTY, and nowhere else (DESIGN 3.6).
//!
//! One [`InputSealer`] and one [`InputOpener`] per participant's connection. Counters are implicit and
//! contiguous: a frame that was dropped, doubled, reordered, altered or made on another view makes the next
//! one fail to open, which ends that input connection for good.

use core::fmt;

use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};

use crate::chain::ChainPoint;
use crate::encoding::{put_varint, take_varint};
use crate::keys::epoch::{AgreementKey, AgreementPublic, InputSecret, Scope};
use crate::keys::{LABEL, derive};

/// The most bytes one input frame may carry, in bytes; a paste is split into frames of this size.
pub const MAX_INPUT_FRAME: usize = 16 * 1024;
/// The longest paste; longer ones are refused whole, in bytes (DESIGN 4).
pub const MAX_PASTE: usize = 1024 * 1024;

/// What the author of an input frame had before its eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// The newest event it had seen, and h there.
    pub seen: ChainPoint,
    /// The newest beat it had seen.
    pub beat: u64,
}

/// What a viewer asks of a sharer through sealed input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Bytes for the PTY.
    Keys(Vec<u8>),
    /// A part of a paste of `total` bytes in all: it is typed when whole.
    Paste {
        /// Size of the whole paste in bytes, at most [`MAX_PASTE`].
        total: u32,
        /// This part.
        part: Vec<u8>,
    },
    /// The size the author would like, for PTYs nobody sits at.
    Size(crate::event::WindowSize),
}

impl Input {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            // The one that is frequent costs one byte.
            Self::Keys(bytes) => {
                out.push(0);
                out.extend_from_slice(bytes);
            }
            Self::Paste { total, part } => {
                out.push(1);
                put_varint(&mut out, u64::from(*total));
                out.extend_from_slice(part);
            }
            Self::Size(size) => {
                out.push(2);
                put_varint(&mut out, u64::from(size.cols));
                put_varint(&mut out, u64::from(size.rows));
            }
        }
        out
    }

    fn decode(plain: &[u8]) -> Option<Self> {
        let (&kind, mut rest) = plain.split_first()?;
        match kind {
            0 => Some(Self::Keys(rest.to_vec())),
            1 => {
                let total = u32::try_from(take_varint(&mut rest)?).ok()?;
                (total as usize <= MAX_PASTE && rest.len() <= total as usize)
                    .then(|| Self::Paste { total, part: rest.to_vec() })
            }
            2 => {
                let cols = u16::try_from(take_varint(&mut rest)?).ok()?;
                let rows = u16::try_from(take_varint(&mut rest)?).ok()?;
                rest.is_empty().then_some(Self::Size(crate::event::WindowSize { cols, rows }))
            }
            _ => None,
        }
    }
}

struct Keys {
    up: ChaCha20Poly1305,
    down: ChaCha20Poly1305,
    scope: Scope,
}

impl Keys {
    fn new(
        ours: &AgreementKey,
        theirs: AgreementPublic,
        viewer: AgreementPublic,
        secret: &InputSecret,
        scope: Scope,
    ) -> Option<Self> {
        let shared = zeroize::Zeroizing::new(ours.agree(theirs)?);
        let context = [&scope.to_bytes()[..], &viewer.0].concat();
        let up = derive(&secret.0, &shared[..], "input up key", &context);
        let down = derive(&secret.0, &shared[..], "input down key", &context);
        let cipher = |key: &[u8; 32]| ChaCha20Poly1305::new(Key::from_slice(key));
        Some(Self { up: cipher(&up), down: cipher(&down), scope })
    }
}

fn nonce(counter: u64) -> Nonce {
    let mut nonce = Nonce::default();
    if let Some(tail) = nonce.last_chunk_mut::<8>() {
        *tail = counter.to_be_bytes();
    }
    nonce
}

fn input_data(scope: Scope, view: &View) -> Vec<u8> {
    let seen = view.seen;
    [
        LABEL.as_bytes(),
        b"input up\0",
        &scope.to_bytes(),
        &seen.number.to_be_bytes(),
        &seen.hash.0,
        &view.beat.to_be_bytes(),
    ]
    .concat()
}

fn taken_data(scope: Scope) -> Vec<u8> {
    [LABEL.as_bytes(), b"taken down\0", &scope.to_bytes()].concat()
}

/// The viewer's end of an input connection.
pub struct InputSealer {
    keys: Keys,
    sent: u64,
    acks: u64,
}

impl InputSealer {
    /// `None` if the sharer's key is a low-order point.
    pub fn new(
        ours: &AgreementKey,
        sharer: AgreementPublic,
        secret: &InputSecret,
        scope: Scope,
    ) -> Option<Self> {
        Some(Self { keys: Keys::new(ours, sharer, ours.public(), secret, scope)?, sent: 0, acks: 0 })
    }

    /// Seals the next input.
    pub fn seal(&mut self, view: &View, input: &Input) -> Vec<u8> {
        self.sent += 1;
        let aad = input_data(self.keys.scope, view);
        self.keys
            .up
            .encrypt(&nonce(self.sent), Payload { msg: &input.encode(), aad: &aad })
            .unwrap_or_default()
    }

    /// Input frames sealed so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Opens an acknowledgement: how many input frames the sharer has taken.
    pub fn open_taken(&mut self, sealed: &[u8]) -> Option<u64> {
        let aad = taken_data(self.keys.scope);
        let plain = self.keys.down.decrypt(&nonce(self.acks + 1), Payload { msg: sealed, aad: &aad }).ok()?;
        self.acks += 1;
        let mut rest = plain.as_slice();
        let taken = take_varint(&mut rest)?;
        (rest.is_empty() && taken <= self.sent).then_some(taken)
    }
}

impl fmt::Debug for InputSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InputSealer({})", self.sent)
    }
}

/// The sharer's end of an input connection.
pub struct InputOpener {
    keys: Keys,
    taken: u64,
    acks: u64,
}

impl InputOpener {
    /// `None` if the viewer's key is a low-order point.
    pub fn new(
        ours: &AgreementKey,
        viewer: AgreementPublic,
        secret: &InputSecret,
        scope: Scope,
    ) -> Option<Self> {
        Some(Self { keys: Keys::new(ours, viewer, viewer, secret, scope)?, taken: 0, acks: 0 })
    }

    /// Opens the next input; `None` ends the connection: the caller must drop this value.
    ///
    /// `view` holds what the frame says its author had seen, with the sharer's *own* hash at that number.
    pub fn open(&mut self, view: &View, sealed: &[u8]) -> Option<Input> {
        let aad = input_data(self.keys.scope, view);
        let plain = self.keys.up.decrypt(&nonce(self.taken + 1), Payload { msg: sealed, aad: &aad }).ok()?;
        self.taken += 1;
        Input::decode(&plain)
    }

    /// Input frames taken so far.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Seals an acknowledgement of all taken so far.
    pub fn seal_taken(&mut self) -> Vec<u8> {
        self.acks += 1;
        let mut plain = Vec::new();
        put_varint(&mut plain, self.taken);
        let aad = taken_data(self.keys.scope);
        self.keys.down.encrypt(&nonce(self.acks), Payload { msg: &plain, aad: &aad }).unwrap_or_default()
    }
}

impl fmt::Debug for InputOpener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InputOpener({})", self.taken)
    }
}
