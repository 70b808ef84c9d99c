//! Binary frames: a byte for the kind, the channel and a few varints, then the sealed body.
//!
//! A keystroke costs 7 bytes of header, 17 of sealed body and 16 of tag at most, WebSocket header included:
//! see `docs/protocol.md` for the layouts.

use bytes::Bytes;

use crate::chain::ChainHash;
use crate::encoding::{Blob, put_varint, take_array, take_varint};
use crate::event::EventKind;
use crate::id::{Channel, ParticipantId};
use crate::keys::owner::{Signature, Signed};
use crate::pages::{PageHash, SealedPage};
use crate::seal::SealedEvent;
use crate::snapshot::Part;

/// A frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// Sharer → relay → viewer: an ordered event.
    Event {
        /// The session.
        channel: Channel,
        /// The event as sealed.
        event: SealedEvent,
    },
    /// Sharer → relay: the event with the number behind that of the last event on this channel ([`super::numbering`]).
    NextEvent {
        /// The session.
        channel: Channel,
        /// The event's kind.
        kind: EventKind,
        /// The number's last [`LOW_BITS`] bits: whoever says a message twice, or two in another order, is noticed.
        low: u8,
        /// Its sealed body.
        body: Bytes,
    },
    /// Sharer → relay → viewer: the manifest of a snapshot whose parts follow.
    SnapshotManifest {
        /// The session.
        channel: Channel,
        /// The snapshot's id, as in the manifest.
        id: u64,
        /// The event it stands at, as in the manifest: for routing only.
        number: u64,
        /// A signed [`crate::snapshot::Manifest`].
        manifest: Signed,
    },
    /// Sharer → relay → viewer: one frame of a snapshot's part.
    SnapshotPart {
        /// The session.
        channel: Channel,
        /// The snapshot.
        id: u64,
        /// Which part.
        part: Part,
        /// Which frame of it.
        index: u32,
        /// Whether it is the part's last frame: for routing only.
        last: bool,
        /// The sealed body.
        body: Bytes,
    },
    /// Sharer → relay → viewer: an attestation.
    Attestation {
        /// The session.
        channel: Channel,
        /// The event it covers.
        number: u64,
        /// The newest beat.
        beat: u64,
        /// h(number).
        hash: ChainHash,
        /// Digest of the cards; zero while there are none.
        cards: [u8; 32],
        /// The owner's signature.
        signature: Signature,
    },
    /// Sharer → relay → viewer: the newest beat.
    Beat {
        /// The session.
        channel: Channel,
        /// The beat's number.
        number: u64,
        /// The sealed body.
        body: Bytes,
    },
    /// Viewer → relay: sealed input.
    Input {
        /// The session.
        channel: Channel,
        /// The newest event the author has seen.
        seen: u64,
        /// The newest beat the author has seen.
        beat: u64,
        /// Credit that rides along: binary bytes consumed so far on this connection, 0 for "no news".
        consumed: u64,
        /// The sealed body.
        body: Bytes,
    },
    /// Relay → sharer: a participant's sealed input.
    InputFrom {
        /// The session.
        channel: Channel,
        /// Whose.
        participant: ParticipantId,
        /// As in [`Frame::Input`].
        seen: u64,
        /// As in [`Frame::Input`].
        beat: u64,
        /// The sealed body.
        body: Bytes,
    },
    /// Sharer → relay: how much of a participant's input was taken.
    TakenFor {
        /// The session.
        channel: Channel,
        /// Whose.
        participant: ParticipantId,
        /// The sealed body.
        body: Bytes,
    },
    /// Relay → viewer: how much of its input was taken.
    Taken {
        /// The session.
        channel: Channel,
        /// The sealed body.
        body: Bytes,
    },
    /// Relay → sharer: the relay holds all events up to here.
    Acknowledged {
        /// The session.
        channel: Channel,
        /// The number.
        number: u64,
    },
    /// Sharer → relay → viewer: a page of the session's transcript.
    TranscriptPage {
        /// The session.
        channel: Channel,
        /// The page as sealed.
        page: SealedPage,
    },
    /// Sharer → relay → viewer: the owner's word on the pages that came before it, or follow it.
    TranscriptHead {
        /// The session.
        channel: Channel,
        /// A signed [`crate::pages::Head`].
        head: Signed,
    },
    /// Either way: binary bytes consumed so far on this connection; the sender may have
    /// [`crate::wire::hello::CREDIT`] more in flight.
    Credit {
        /// Cumulative; a lower value than before says nothing.
        consumed: u64,
    },
}

const EVENT_OUTPUT: u8 = 1;
const EVENT_NOTE: u8 = 2;
const MANIFEST: u8 = 3;
const PART: u8 = 4;
const ATTESTATION: u8 = 5;
const ATTESTATION_WITH_CARDS: u8 = 6;
const BEAT: u8 = 7;
const INPUT: u8 = 8;
const INPUT_FROM: u8 = 9;
const TAKEN_FOR: u8 = 10;
const TAKEN: u8 = 11;
const ACKNOWLEDGED: u8 = 12;
const CREDIT: u8 = 13;
const TRANSCRIPT_PAGE: u8 = 14;
const TRANSCRIPT_HEAD: u8 = 15;
/// To 23: the number's last bits are the kind's.
const NEXT_OUTPUT: u8 = 16;
/// To 31.
const NEXT_NOTE: u8 = 24;

/// Bits of its number that an event without one has in its kind.
pub const LOW_BITS: u32 = 3;
/// Their mask.
const LOW: u8 = (1 << LOW_BITS) - 1;

/// The last bits of an event's number.
pub fn low_bits(number: u64) -> u8 {
    number.to_le_bytes()[0] & LOW
}

/// The bytes are no frame of this version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("malformed frame")]
pub struct Malformed;

impl Frame {
    /// The session's channel; `None` for frames of the whole connection.
    pub fn channel(&self) -> Option<Channel> {
        match self {
            Self::Event { channel, .. }
            | Self::NextEvent { channel, .. }
            | Self::SnapshotManifest { channel, .. }
            | Self::SnapshotPart { channel, .. }
            | Self::Attestation { channel, .. }
            | Self::Beat { channel, .. }
            | Self::Input { channel, .. }
            | Self::InputFrom { channel, .. }
            | Self::TakenFor { channel, .. }
            | Self::Taken { channel, .. }
            | Self::Acknowledged { channel, .. }
            | Self::TranscriptPage { channel, .. }
            | Self::TranscriptHead { channel, .. } => Some(*channel),
            Self::Credit { .. } => None,
        }
    }

    /// Writes what comes before the body, which the relay shares between viewers, and that body.
    ///
    /// A relay's fan-out writes a small head per viewer and the body once.
    pub fn split(&self) -> (Vec<u8>, Bytes) {
        let mut head = Vec::with_capacity(16);
        let mut put = |kind: u8, varints: &[u64]| {
            head.push(kind);
            for &value in varints {
                put_varint(&mut head, value);
            }
        };
        let body = match self {
            Self::Event { channel, event } => {
                let kind = match event.kind {
                    EventKind::Output => EVENT_OUTPUT,
                    EventKind::Note => EVENT_NOTE,
                };
                put(kind, &[channel.0.into(), event.number]);
                event.body.clone()
            }
            Self::NextEvent { channel, kind, low, body } => {
                let kind = match kind {
                    EventKind::Output => NEXT_OUTPUT,
                    EventKind::Note => NEXT_NOTE,
                };
                put(kind | (low & LOW), &[channel.0.into()]);
                body.clone()
            }
            Self::SnapshotManifest { channel, id, number, manifest } => {
                put(MANIFEST, &[channel.0.into(), *id, *number]);
                [&manifest.signature.0[..], &manifest.body.0].concat().into()
            }
            Self::SnapshotPart { channel, id, part, index, last, body } => {
                let which = u64::from(part.byte()) << 1 | u64::from(*last);
                put(PART, &[channel.0.into(), *id, which, (*index).into()]);
                body.clone()
            }
            Self::Attestation { channel, number, beat, hash, cards, signature } => {
                let with_cards = *cards != [0; 32];
                let kind = if with_cards { ATTESTATION_WITH_CARDS } else { ATTESTATION };
                put(kind, &[channel.0.into(), *number, *beat]);
                let cards: &[u8] = if with_cards { cards } else { &[] };
                [&hash.0[..], &signature.0, cards].concat().into()
            }
            Self::Beat { channel, number, body } => {
                put(BEAT, &[channel.0.into(), *number]);
                body.clone()
            }
            Self::Input { channel, seen, beat, consumed, body } => {
                put(INPUT, &[channel.0.into(), *seen, *beat, *consumed]);
                body.clone()
            }
            Self::InputFrom { channel, participant, seen, beat, body } => {
                put(INPUT_FROM, &[channel.0.into(), participant.0, *seen, *beat]);
                body.clone()
            }
            Self::TakenFor { channel, participant, body } => {
                put(TAKEN_FOR, &[channel.0.into(), participant.0]);
                body.clone()
            }
            Self::Taken { channel, body } => {
                put(TAKEN, &[channel.0.into()]);
                body.clone()
            }
            Self::Acknowledged { channel, number } => {
                put(ACKNOWLEDGED, &[channel.0.into(), *number]);
                Bytes::new()
            }
            Self::TranscriptPage { channel, page } => {
                put(TRANSCRIPT_PAGE, &[channel.0.into(), page.generation, page.index.into()]);
                head.extend_from_slice(&page.previous.0);
                page.body.clone()
            }
            Self::TranscriptHead { channel, head: signed } => {
                put(TRANSCRIPT_HEAD, &[channel.0.into()]);
                [&signed.signature.0[..], &signed.body.0].concat().into()
            }
            Self::Credit { consumed } => {
                put(CREDIT, &[*consumed]);
                Bytes::new()
            }
        };
        (head, body)
    }

    /// Writes the whole frame.
    pub fn encode(&self) -> Bytes {
        let (mut head, body) = self.split();
        head.extend_from_slice(&body);
        head.into()
    }

    /// Reads a frame; its body shares `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<Self, Malformed> {
        Self::read(bytes).ok_or(Malformed)
    }

    fn read(bytes: &Bytes) -> Option<Self> {
        let (&kind, mut rest) = bytes.split_first()?;
        let rest = &mut rest;
        if kind == CREDIT {
            let consumed = take_varint(rest)?;
            return rest.is_empty().then_some(Self::Credit { consumed });
        }
        let channel = Channel(u32::try_from(take_varint(rest)?).ok()?);
        let body = |rest: &[u8]| bytes.slice(bytes.len() - rest.len()..);
        Some(match kind {
            EVENT_OUTPUT | EVENT_NOTE => {
                let kind = if kind == EVENT_OUTPUT { EventKind::Output } else { EventKind::Note };
                let number = take_varint(rest).filter(|&number| number > 0)?;
                Self::Event { channel, event: SealedEvent { number, kind, body: body(rest) } }
            }
            _ if matches!(kind & !LOW, NEXT_OUTPUT | NEXT_NOTE) => {
                let low = kind & LOW;
                let kind = if kind & !LOW == NEXT_OUTPUT { EventKind::Output } else { EventKind::Note };
                Self::NextEvent { channel, kind, low, body: body(rest) }
            }
            MANIFEST => {
                let (id, number) = (take_varint(rest)?, take_varint(rest)?);
                let signature = Signature(take_array(rest)?);
                let manifest = Signed { signature, body: Blob(rest.to_vec()) };
                Self::SnapshotManifest { channel, id, number, manifest }
            }
            PART => {
                let (id, which) = (take_varint(rest)?, u8::try_from(take_varint(rest)?).ok()?);
                let part = Part::from_byte(which >> 1)?;
                let index = u32::try_from(take_varint(rest)?).ok()?;
                Self::SnapshotPart { channel, id, part, index, last: which & 1 == 1, body: body(rest) }
            }
            ATTESTATION | ATTESTATION_WITH_CARDS => {
                let (number, beat) = (take_varint(rest)?, take_varint(rest)?);
                let hash = ChainHash(take_array(rest)?);
                let signature = Signature(take_array(rest)?);
                let cards = if kind == ATTESTATION { [0; 32] } else { take_array(rest)? };
                let one_spelling = kind == ATTESTATION || cards != [0; 32];
                (rest.is_empty() && one_spelling).then_some(Self::Attestation {
                    channel,
                    number,
                    beat,
                    hash,
                    cards,
                    signature,
                })?
            }
            BEAT => Self::Beat { channel, number: take_varint(rest)?, body: body(rest) },
            INPUT => Self::Input {
                channel,
                seen: take_varint(rest)?,
                beat: take_varint(rest)?,
                consumed: take_varint(rest)?,
                body: body(rest),
            },
            INPUT_FROM => Self::InputFrom {
                channel,
                participant: ParticipantId(take_varint(rest)?),
                seen: take_varint(rest)?,
                beat: take_varint(rest)?,
                body: body(rest),
            },
            TAKEN_FOR => {
                Self::TakenFor { channel, participant: ParticipantId(take_varint(rest)?), body: body(rest) }
            }
            TAKEN => Self::Taken { channel, body: body(rest) },
            ACKNOWLEDGED => {
                let number = take_varint(rest)?;
                rest.is_empty().then_some(Self::Acknowledged { channel, number })?
            }
            TRANSCRIPT_PAGE => {
                let (generation, index) = (take_varint(rest)?, u32::try_from(take_varint(rest)?).ok()?);
                let previous = PageHash(take_array(rest)?);
                let page = SealedPage { generation, index, previous, body: body(rest) };
                Self::TranscriptPage { channel, page }
            }
            TRANSCRIPT_HEAD => {
                let signature = Signature(take_array(rest)?);
                Self::TranscriptHead { channel, head: Signed { signature, body: Blob(rest.to_vec()) } }
            }
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_bytes_decode_to_themselves_or_fail(bytes in proptest::collection::vec(any::<u8>(), 0..200), kind in 0u8..34) {
            let bytes = Bytes::from([&[kind], &bytes[..]].concat());
            if let Ok(frame) = Frame::decode(&bytes) {
                prop_assert_eq!(frame.encode(), bytes);
            }
        }
    }

    #[test]
    fn a_keystroke_is_small() {
        let event = SealedEvent { number: 10_000, kind: EventKind::Output, body: vec![0; 1 + 1 + 16].into() };
        let down = Frame::Event { channel: Channel(1), event }.encode().len() + 2;
        assert_eq!(down, 24);
        let up = Frame::Input {
            channel: Channel(1),
            seen: 10_000,
            beat: 200,
            consumed: 0,
            body: vec![0; 1 + 1 + 16].into(),
        };
        assert_eq!(up.encode().len() + 6, 31);
    }
}
