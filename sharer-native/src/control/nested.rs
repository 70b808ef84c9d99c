//! What passes on a control connection after [`super::request::Request::Nest`]: frames of a kind, a length and a body.
//!
//! A nested `sharer` keeps its program and terminal and tells of them; what viewers type comes the other way. A frame
//! is at most [`LONGEST`] bytes; who sends a longer one, or one of another kind, is not listened to any more.

use std::io::{self, Read, Write};

use shared::event::WindowSize;

use crate::pty::Ended;

/// The longest body, in bytes.
pub const LONGEST: usize = 64 * 1024;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The program wrote.
    Output(Vec<u8>),
    /// Its terminal has this size now.
    Resized(WindowSize),
    /// It ended; the last frame.
    Ended(Ended),
    /// To the program: what somebody typed.
    Typed(Vec<u8>),
}

impl Frame {
    /// Writes it.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let number = |value: Option<i32>| {
            value.map_or([0; 5], |value| {
                let [a, b, c, d] = value.to_be_bytes();
                [1, a, b, c, d]
            })
        };
        match self {
            Self::Output(bytes) => write(out, 1, bytes),
            Self::Resized(WindowSize { cols, rows }) => {
                write(out, 2, &[cols.to_be_bytes(), rows.to_be_bytes()].concat())
            }
            Self::Ended(Ended { code, signal }) => write(out, 3, &[number(*code), number(*signal)].concat()),
            Self::Typed(bytes) => write(out, 4, bytes),
        }
    }

    /// Reads the next one; `None` at the end.
    pub fn read(input: &mut impl Read) -> io::Result<Option<Self>> {
        let mut head = [0; 5];
        match input.read_exact(&mut head) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            read => read?,
        }
        let [kind, length @ ..] = head;
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut body = vec![0; length];
        input.read_exact(&mut body)?;
        let number = |bytes: &[u8]| match bytes {
            [1, rest @ ..] => rest.try_into().ok().map(i32::from_be_bytes),
            _ => None,
        };
        let frame = match (kind, body.as_slice()) {
            (2, &[a, b, c, d]) => Self::Resized(WindowSize {
                cols: u16::from_be_bytes([a, b]),
                rows: u16::from_be_bytes([c, d]),
            }),
            (3, body) => {
                let (code, signal) = body.split_at_checked(5).ok_or(io::ErrorKind::InvalidData)?;
                Self::Ended(Ended { code: number(code), signal: number(signal) })
            }
            (1, _) => Self::Output(body),
            (4, _) => Self::Typed(body),
            _ => return Err(io::ErrorKind::InvalidData.into()),
        };
        Ok(Some(frame))
    }
}

fn write(out: &mut impl Write, kind: u8, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes();
    out.write_all(&[&[kind], &length[..], body].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn frames_read_back() {
        let window = WindowSize { cols: 300, rows: 2 };
        let ends = [(Some(3), None), (None, Some(9)), (None, None), (Some(-1), None)];
        let ends = ends.map(|(code, signal)| Frame::Ended(Ended { code, signal }));
        let frames = [Frame::Output(b"out".to_vec()), Frame::Resized(window), Frame::Typed(Vec::new())];
        let mut bytes = Vec::new();
        for frame in frames.iter().chain(&ends) {
            frame.write(&mut bytes).unwrap();
        }
        let mut input = bytes.as_slice();
        for frame in frames.iter().chain(&ends) {
            assert_eq!(Frame::read(&mut input).unwrap().as_ref(), Some(frame));
        }
        assert_eq!(Frame::read(&mut input).unwrap(), None);
        assert!(Frame::read(&mut &[1, 255, 255, 255, 255][..]).is_err(), "before it is allocated");
    }

    proptest! {
        #[test]
        fn any_bytes_are_frames_or_an_error(bytes: Vec<u8>) {
            let mut input = bytes.as_slice();
            while let Ok(Some(_)) = Frame::read(&mut input) {}
        }
    }
}
