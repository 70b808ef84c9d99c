//! A piece of a reel: a keyframe, and what happened after it.

use crate::encoding::{put_varint, take_varint};
use crate::event::{Event, EventKind, WindowSize, pack, unpack};

/// The largest piece, unpacked, in bytes: the longest dump of a terminal, and the events of a piece.
pub const MAX_PIECE: usize = 32 * 1024 * 1024;

/// An event, and when it happened, in milliseconds of film.
pub type Timed = (u64, Event);

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The terminal's size at its beginning.
    pub window: WindowSize,
    /// A dump of the terminal at its beginning; of a transcript's, nothing.
    pub key: Vec<u8>,
    /// What happened, in order.
    pub events: Vec<Timed>,
}

impl Piece {
    /// Writes it, packed.
    pub fn encode(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        put_varint(&mut plain, self.window.cols.into());
        put_varint(&mut plain, self.window.rows.into());
        put(&mut plain, &self.key);
        let mut before = 0;
        for (at, event) in &self.events {
            let (kind, body) = event.encode(false);
            put_varint(&mut plain, at.saturating_sub(before));
            before = *at;
            plain.push(kind.byte());
            put(&mut plain, &body);
        }
        pack(&plain, true)
    }

    /// Reads one; `None` if it is malformed or larger than [`MAX_PIECE`].
    pub fn decode(packed: &[u8]) -> Option<Self> {
        let plain = unpack(packed, MAX_PIECE)?;
        let mut rest = plain.as_slice();
        let mut side = || u16::try_from(take_varint(&mut rest)?).ok();
        let window = WindowSize { cols: side()?, rows: side()? }.clamped();
        let key = take(&mut rest)?.to_vec();
        let mut events = Vec::new();
        let mut at = 0_u64;
        while !rest.is_empty() {
            at = at.checked_add(take_varint(&mut rest)?)?;
            let (&kind, behind) = rest.split_first()?;
            rest = behind;
            events.push((at, Event::decode(EventKind::from_byte(kind)?, take(&mut rest)?)?));
        }
        Some(Self { window, key, events })
    }
}

pub(super) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(super) fn take<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let size = usize::try_from(take_varint(rest)?).ok()?;
    let (bytes, behind) = rest.split_at_checked(size)?;
    *rest = behind;
    Some(bytes)
}
