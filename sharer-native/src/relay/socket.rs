//! WebSocket framing, server side.
//!
//! Header layouts and their checks are tungstenite's. Reading and writing are our own, as its buffers are
//! 128 KiB a side and it copies what it writes: here a body goes from the room's log to the socket as it is,
//! and an idle connection has no buffer at all.

use std::io::Cursor;

use bytes::{Buf as _, Bytes, BytesMut};
use shared::wire::Packet;
use shared::wire::close::CloseCode;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;
pub(super) const CLOSE: u8 = 8;
pub(super) const PING: u8 = 9;
pub(super) const PONG: u8 = 10;

/// A frame's header for a payload of `len` bytes, and the payload's beginning.
pub(super) fn frame(opcode: u8, len: usize, head: &[u8]) -> Bytes {
    let header = FrameHeader { opcode: OpCode::from(opcode), ..FrameHeader::default() };
    let mut out = Vec::with_capacity(10 + head.len());
    // Writing to a vector does not fail.
    let _written = header.format(len as u64, &mut out);
    out.extend_from_slice(head);
    out.into()
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message {
    Packet(Packet),
    Ping(Bytes),
    Pong,
    Close,
}

/// A frame whose payload is arriving.
struct Arriving {
    header: FrameHeader,
    payload: Vec<u8>,
    left: usize,
}

/// Reads messages out of a stream of bytes. Sizes are checked against the limits before memory is taken.
pub(super) struct Reader {
    max_text: u64,
    max_binary: u64,
    arriving: Option<Arriving>,
    /// The message that fragments add up to.
    parts: Option<(bool, Vec<u8>)>,
}

impl Reader {
    /// With the limits of a control message and of a frame.
    pub(super) fn new((max_text, max_binary): (u64, u64)) -> Self {
        Self { max_text, max_binary, arriving: None, parts: None }
    }

    /// The next whole message in `buffer`, which loses what was read.
    pub(super) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Message>, CloseCode> {
        loop {
            if self.arriving.is_none() {
                let mut cursor = Cursor::new(&buffer[..]);
                let parsed = FrameHeader::parse(&mut cursor).map_err(|_bad| CloseCode::ProtocolError)?;
                let Some((header, len)) = parsed else { return Ok(None) };
                let read = usize::try_from(cursor.position()).unwrap_or(usize::MAX);
                buffer.advance(read.min(buffer.len()));
                let left = self.check(&header, len)?;
                self.arriving = Some(Arriving { header, payload: Vec::with_capacity(left), left });
            }
            let Some(arriving) = &mut self.arriving else { return Ok(None) };
            let take = arriving.left.min(buffer.len());
            arriving.payload.extend_from_slice(buffer.get(..take).unwrap_or_default());
            buffer.advance(take);
            arriving.left -= take;
            if arriving.left > 0 {
                return Ok(None);
            }
            let Some(Arriving { header, mut payload, .. }) = self.arriving.take() else { return Ok(None) };
            if let Some(mask) = header.mask {
                unmask(&mut payload, mask);
            }
            if let Some(message) = self.whole(&header, payload)? {
                return Ok(Some(message));
            }
        }
    }

    fn check(&self, header: &FrameHeader, len: u64) -> Result<usize, CloseCode> {
        let so_far = self.parts.as_ref().map_or(0, |(_, parts)| parts.len() as u64);
        let limit = match header.opcode {
            OpCode::Control(_) if !header.is_final => return Err(CloseCode::ProtocolError),
            OpCode::Control(_) => 125,
            OpCode::Data(Data::Text) => self.max_text,
            OpCode::Data(Data::Continue) if self.parts.as_ref().is_some_and(|(text, _)| *text) => {
                self.max_text
            }
            OpCode::Data(_) => self.max_binary,
        };
        let reserved = header.rsv1 || header.rsv2 || header.rsv3;
        if reserved || header.mask.is_none() {
            return Err(CloseCode::ProtocolError);
        }
        let control = matches!(header.opcode, OpCode::Control(_));
        let total = if control { len } else { len.saturating_add(so_far) };
        if total > limit {
            return Err(if control { CloseCode::ProtocolError } else { CloseCode::TooLarge });
        }
        usize::try_from(len).map_err(|_over| CloseCode::TooLarge)
    }

    fn whole(&mut self, header: &FrameHeader, payload: Vec<u8>) -> Result<Option<Message>, CloseCode> {
        let (text, payload) = match header.opcode {
            OpCode::Control(Control::Ping) => return Ok(Some(Message::Ping(payload.into()))),
            OpCode::Control(Control::Pong) => return Ok(Some(Message::Pong)),
            OpCode::Control(Control::Close) => return Ok(Some(Message::Close)),
            OpCode::Data(Data::Continue) => {
                let (text, mut parts) = self.parts.take().ok_or(CloseCode::ProtocolError)?;
                parts.extend_from_slice(&payload);
                (text, parts)
            }
            OpCode::Data(kind @ (Data::Text | Data::Binary)) if self.parts.is_none() => {
                (kind == Data::Text, payload)
            }
            OpCode::Data(_) | OpCode::Control(_) => return Err(CloseCode::ProtocolError),
        };
        if !header.is_final {
            self.parts = Some((text, payload));
            return Ok(None);
        }
        Ok(Some(Message::Packet(if text {
            Packet::Text(String::from_utf8(payload).map_err(|_bad| CloseCode::ProtocolError)?)
        } else {
            Packet::Binary(payload.into())
        })))
    }
}

fn unmask(payload: &mut [u8], mask: [u8; 4]) {
    for chunk in payload.chunks_mut(4) {
        for (byte, mask) in chunk.iter_mut().zip(mask) {
            *byte ^= mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn masked(opcode: u8, is_final: bool, body: &[u8]) -> Vec<u8> {
        let header = FrameHeader {
            is_final,
            opcode: OpCode::from(opcode),
            mask: Some([1, 2, 3, 4]),
            ..FrameHeader::default()
        };
        let mut out = Vec::new();
        header.format(body.len() as u64, &mut out).unwrap();
        let mut body = body.to_vec();
        unmask(&mut body, [1, 2, 3, 4]);
        out.extend(body);
        out
    }

    proptest! {
        #[test]
        fn any_split_reads_the_same(bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..400), 1..5), cut in 1usize..50) {
            let bytes: Vec<u8> = bodies.iter().flat_map(|body| masked(BINARY, true, body)).collect();
            let (mut reader, mut buffer, mut read) = (Reader::new((500, 500)), BytesMut::new(), Vec::new());
            for piece in bytes.chunks(cut) {
                buffer.extend_from_slice(piece);
                while let Some(message) = reader.next(&mut buffer).unwrap() {
                    let Message::Packet(Packet::Binary(body)) = message else { panic!("{message:?}") };
                    read.push(body.to_vec());
                }
            }
            prop_assert_eq!(read, bodies);
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let (mut reader, mut buffer) = (Reader::new((100, 100)), BytesMut::from(&bytes[..]));
            while let Ok(Some(_)) = reader.next(&mut buffer) {}
        }
    }

    #[test]
    fn limits_hold_over_fragments_and_before_the_payload() {
        let next = |bytes: &[u8]| {
            let (mut reader, mut buffer) = (Reader::new((10, 10)), BytesMut::from(bytes));
            reader.next(&mut buffer)
        };
        let hello = [masked(TEXT, false, b"hel"), masked(PING, true, b""), masked(0, true, b"lo")].concat();
        assert_eq!(next(&hello), Ok(Some(Message::Ping(Bytes::new()))));
        assert!(matches!(next(&[masked(TEXT, false, b"hel"), masked(0, true, b"lo")].concat()),
            Ok(Some(Message::Packet(Packet::Text(text)))) if text == "hello"));
        assert_eq!(next(&masked(BINARY, true, &[0; 11])[..6]), Err(CloseCode::TooLarge));
        assert_eq!(
            next(&[masked(TEXT, false, &[0; 6]), masked(0, true, &[0; 6])].concat()),
            Err(CloseCode::TooLarge)
        );
        assert_eq!(next(&frame(TEXT, 2, b"hi")), Err(CloseCode::ProtocolError), "not masked");
        assert_eq!(next(&masked(0, true, b"lo")), Err(CloseCode::ProtocolError));
    }
}
