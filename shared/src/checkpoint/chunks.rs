//! Transcripts in pieces that a forge takes: at most 50 MiB each, cut at line ends, whole again byte for byte.
//!
//! A line's end at a cut is in neither piece: reading puts it back. So a transcript of lines only comes back exactly.

/// The largest piece, in bytes: half of what GitHub takes.
pub const MAX_CHUNK: u64 = 50 * 1024 * 1024;

/// A line that no piece can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line} has more than {} MiB", MAX_CHUNK / 1024 / 1024)]
pub struct LineTooLong {
    /// Its number, from 1.
    pub line: u64,
}

/// Decides where to cut while lines go by.
#[derive(Debug, Clone)]
pub struct Cutter {
    most: u64,
    held: u64,
    line: u64,
}

/// Where a line belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Into the piece that is being written.
    Here,
    /// Into a new piece: the last byte of the one before, its line end, is dropped.
    Next,
}

impl Default for Cutter {
    fn default() -> Self {
        Self::new(MAX_CHUNK)
    }
}

impl Cutter {
    /// Pieces of at most `most` bytes.
    pub fn new(most: u64) -> Self {
        Self { most, held: 0, line: 0 }
    }

    /// Where the next line goes; `length` is in bytes, its end included if it has one.
    pub fn line(&mut self, length: u64, ended: bool) -> Result<Place, LineTooLong> {
        self.line += 1;
        // Its end may still be dropped.
        if length - u64::from(ended) > self.most {
            return Err(LineTooLong { line: self.line });
        }
        // The end of a piece's last line does not count: it goes when the piece is cut, or the last piece has it.
        if self.held == 0 || self.held + length <= self.most {
            self.held += length;
            return Ok(Place::Here);
        }
        self.held = length;
        Ok(Place::Next)
    }
}

/// The pieces of a transcript that is in memory.
pub fn cut(transcript: &[u8], most: u64) -> Result<Vec<Vec<u8>>, LineTooLong> {
    let mut cutter = Cutter::new(most);
    let mut pieces = vec![Vec::new()];
    for line in transcript.split_inclusive(|byte| *byte == b'\n') {
        let length = u64::try_from(line.len()).unwrap_or(u64::MAX);
        let place = cutter.line(length, line.ends_with(b"\n"))?;
        if place == Place::Next {
            if let Some(piece) = pieces.last_mut() {
                piece.pop();
            }
            pieces.push(Vec::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.extend_from_slice(line);
        }
    }
    Ok(pieces)
}

/// What the pieces were cut from.
pub fn join<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut whole = Vec::new();
    for (at, piece) in pieces.into_iter().enumerate() {
        if at > 0 {
            whole.push(b'\n');
        }
        whole.extend_from_slice(piece);
    }
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cuts_are_at_line_ends_and_a_line_that_fits_nowhere_is_named() {
        let pieces = cut(b"aaaa\nbb\ncc\n", 5).unwrap();
        assert_eq!(pieces, [b"aaaa".to_vec(), b"bb".to_vec(), b"cc\n".to_vec()]);
        assert_eq!(cut(b"a\nbbbbbb\n", 5), Err(LineTooLong { line: 2 }));
        assert_eq!(cut(b"", 5).unwrap(), [b"".to_vec()]);
    }

    proptest! {
        #[test]
        fn whatever_is_cut_is_whole_again(lines in proptest::collection::vec("[a-z]{0,9}", 0..40), ended: bool) {
            let mut text = lines.join("\n").into_bytes();
            if ended {
                text.push(b'\n');
            }
            let pieces = cut(&text, 12).unwrap();
            prop_assert!(pieces.iter().all(|piece| piece.len() <= 13));
            prop_assert_eq!(join(pieces.iter().map(Vec::as_slice)), text);
        }
    }
}
