//! Ordered events: what happens in a session, in order, numbered from 1 without gaps per epoch.

use serde::{Deserialize, Serialize};

use crate::encoding::{Extensible, put_varint, read, take_varint};
use crate::platform;

/// The largest body of one event after unpacking, in bytes (DESIGN 3).
pub const MAX_EVENT: usize = 1024 * 1024;
/// The most PTY bytes gathered into one event (DESIGN 5).
pub const MAX_OUTPUT: usize = 64 * 1024;
/// Bodies up to this many bytes are never compressed (DESIGN 3).
pub const NEVER_COMPRESSED: usize = 256;

/// A terminal's size in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct WindowSize {
    /// Columns.
    pub cols: u16,
    /// Rows.
    pub rows: u16,
}

impl WindowSize {
    /// The smallest terminal: a wide character needs two columns.
    pub const SMALLEST: Self = Self { cols: 2, rows: 2 };
    /// The largest one, more than any display shows: a screen of this size is 12 MB of cells, here and in every viewer.
    pub const LARGEST: Self = Self { cols: 1000, rows: 500 };

    /// The nearest size that a terminal can have; any two numbers may come from a peer or a program.
    #[must_use]
    pub fn clamped(self) -> Self {
        Self {
            cols: self.cols.clamp(Self::SMALLEST.cols, Self::LARGEST.cols),
            rows: self.rows.clamp(Self::SMALLEST.rows, Self::LARGEST.rows),
        }
    }
}

/// What is inside an event, in the clear for routing and bound by its seal and chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// PTY bytes.
    Output,
    /// A [`Note`] in JSON.
    Note,
}

impl EventKind {
    /// Its byte in frames and chain.
    pub fn byte(self) -> u8 {
        match self {
            Self::Output => 1,
            Self::Note => 2,
        }
    }

    /// The kind with that byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        match byte {
            1 => Some(Self::Output),
            2 => Some(Self::Note),
            _ => None,
        }
    }
}

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndReason {
    /// The program exited.
    Exited {
        /// Its exit code, if it exited by itself.
        #[serde(default)]
        code: Option<i32>,
        /// The signal that killed it, by name.
        #[serde(default)]
        signal: Option<String>,
    },
    /// The owner stopped sharing.
    Unshared,
    /// A reason of a later version.
    Unknown,
}

impl Extensible for EndReason {
    const UNKNOWN: Self = Self::Unknown;
}

/// Everything that happens besides PTY output.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Note {
    /// The terminal has a new size.
    Resize(WindowSize),
    /// The program set the terminal's title.
    Title(String),
    /// Output was left out before this event; only a snapshot at or after its number shows it.
    Skipped {
        /// Bytes left out since the last event.
        bytes: u64,
    },
    /// The session's task, or its kind of source, became known.
    SourceTask(crate::wire::source::SessionSource),
    /// A command began or ended at this place of the output.
    Command(crate::command::Told),
    /// The session's transcript changed.
    Agent(crate::conversation::Change),
    /// The session is over; nothing follows.
    Ended(#[serde(deserialize_with = "crate::encoding::extensible")] EndReason),
}

/// An event, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// PTY bytes, cut at character ends.
    Output(Vec<u8>),
    /// Anything else.
    Note(Note),
    /// A note of a later version, which this one leaves alone.
    Unknown,
}

const RAW: u8 = 0;
const ZSTD: u8 = 1;

/// Packs a body: raw, or as one independent zstd frame when that is smaller.
///
/// Small bodies stay raw, so that their length says nothing about secrets near them.
pub fn pack(plain: &[u8], compress: bool) -> Vec<u8> {
    let packed = (compress && plain.len() > NEVER_COMPRESSED).then(|| platform::compress(plain)).flatten();
    if let Some(packed) = packed.filter(|packed| packed.len() + 4 < plain.len()) {
        let mut out = Vec::with_capacity(packed.len() + 5);
        out.push(ZSTD);
        put_varint(&mut out, plain.len() as u64);
        out.extend_from_slice(&packed);
        return out;
    }
    [&[RAW], plain].concat()
}

/// Unpacks what [`pack`] packed; `None` if malformed or over `limit` bytes, before anything is allocated.
pub fn unpack(packed: &[u8], limit: usize) -> Option<Vec<u8>> {
    let (&form, mut rest) = packed.split_first()?;
    match form {
        RAW => (rest.len() <= limit).then(|| rest.to_vec()),
        ZSTD => {
            let size = usize::try_from(take_varint(&mut rest)?).ok().filter(|&size| size <= limit)?;
            platform::decompress(rest, size)
        }
        _ => None,
    }
}

impl Event {
    /// Its kind and plain body.
    pub fn encode(&self, compress: bool) -> (EventKind, Vec<u8>) {
        match self {
            Self::Output(bytes) => (EventKind::Output, pack(bytes, compress)),
            Self::Note(note) => {
                // Serialising plain enums with string keys cannot fail.
                (EventKind::Note, pack(&serde_json::to_vec(note).unwrap_or_default(), compress))
            }
            Self::Unknown => (EventKind::Note, pack(b"{}", false)),
        }
    }

    /// Reads a plain body; `None` if it is malformed.
    pub fn decode(kind: EventKind, plain: &[u8]) -> Option<Self> {
        let body = unpack(plain, MAX_EVENT)?;
        Some(match kind {
            EventKind::Output => Self::Output(body),
            EventKind::Note => {
                let json = serde_json::from_slice(&body).ok()?;
                // A later version's note is still JSON; anything else is malformed.
                read(json).map_or(Self::Unknown, Self::Note)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn packing_round_trips(plain in proptest::collection::vec(0u8..4, 0..2000), compress: bool) {
            let packed = pack(&plain, compress);
            prop_assert!(packed.len() <= plain.len() + 1);
            prop_assert_eq!(unpack(&packed, plain.len()), Some(plain.clone()));
            if !plain.is_empty() {
                prop_assert_eq!(unpack(&packed, plain.len() - 1), None);
            }
        }

        #[test]
        fn any_bytes_decode_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for kind in [EventKind::Output, EventKind::Note] {
                drop(Event::decode(kind, &bytes));
            }
        }
    }

    #[test]
    fn a_note_of_a_later_version_is_left_alone() {
        let plain = pack(br#"{"FromTheFuture":{"x":1}}"#, false);
        assert_eq!(Event::decode(EventKind::Note, &plain), Some(Event::Unknown));
        assert_eq!(Event::decode(EventKind::Note, &pack(b"{", false)), None);
    }
}
