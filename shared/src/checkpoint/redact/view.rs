//! What is seen of a text: a terminal's has escape sequences beside its words, and in the middle of them.

use core::ops::Range;

/// How a text is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum View {
    /// As it is.
    Plain,
    /// Escape sequences stand between words, and what is in titles and links is text.
    Apart,
    /// Those that move nothing are not there, as colours come in the middle of words, nor is what only wraps a word.
    Joined,
}

/// What is seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The bytes.
    pub(super) text: Vec<u8>,
    /// Where each of them stands; `None` for what only parts words.
    from: Vec<Option<usize>>,
    /// Where letters stand that are not seen because the same ones were written over them, in order.
    hidden: Vec<usize>,
    /// Where the row begins in `text` onto which the last word was wrapped.
    row: Option<usize>,
}

impl Seen {
    fn push(&mut self, byte: u8, from: Option<usize>) {
        self.text.push(byte);
        self.from.push(from);
    }

    /// Where the bytes of this range stand, in order, and the hidden ones between them.
    pub(super) fn places(&self, range: Range<usize>) -> Vec<usize> {
        let mut places: Vec<usize> =
            self.from.get(range).unwrap_or_default().iter().flatten().copied().collect();
        if let (Some(first), Some(last)) = (places.first().copied(), places.last().copied()) {
            let begin = self.hidden.partition_point(|place| *place < first);
            let hidden = self.hidden.get(begin..).unwrap_or_default();
            let count = places.len();
            places.extend(hidden.iter().take_while(|place| **place < last));
            if places.len() > count {
                places.sort_unstable();
            }
        }
        places
    }

    /// How many bytes `text` begins with that only wrap a word at the right margin.
    ///
    /// Line editors write a blank there, which makes the terminal go on in the next row, and return over it. Zsh then
    /// writes the row's first letter, returns, and writes it again. What has not come yet may be so.
    fn wrapped(&mut self, text: &[u8]) -> Option<usize> {
        let behind = text.get(1..).unwrap_or_default();
        if text.first() == Some(&b' ') {
            let is_wrap = match behind {
                [] | [b'\r'] => true,
                [b'\r', next, ..] => !matches!(next, b'\r' | b'\n'),
                _ => false,
            };
            if !is_wrap || self.text.last().is_none_or(u8::is_ascii_whitespace) {
                return None;
            }
            self.row = Some(self.text.len());
            return Some(text.len().min(2));
        }
        let row = self.row.take()?;
        let letter = self.text.get(row..).unwrap_or_default();
        let is_one = letter.iter().filter(|byte| !matches!(byte, 0x80..=0xbf)).count() == 1;
        if !is_one || !(behind.is_empty() || behind.starts_with(letter)) {
            return None;
        }
        self.text.truncate(row);
        self.hidden.extend(self.from.drain(row..).flatten());
        Some(1)
    }
}

impl View {
    /// What is seen of `text`.
    pub(super) fn of(self, text: &[u8]) -> Seen {
        let (room, is_joined) = (text.len(), matches!(self, Self::Joined));
        let mut seen =
            Seen { text: Vec::with_capacity(room), from: Vec::with_capacity(room), ..Seen::default() };
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            let rest = text.get(at..).unwrap_or_default();
            if *byte == 0x1b
                && let Some((length, is_gap)) = self.sequence(rest)
            {
                if is_gap {
                    seen.push(b' ', None);
                }
                at += length;
            } else if is_joined
                && matches!(byte, b' ' | b'\r')
                && let Some(length) = seen.wrapped(rest)
            {
                at += length;
            } else {
                seen.push(*byte, Some(at));
                at += 1;
            }
        }
        seen
    }

    /// How long the sequence is that `text` begins with, and whether it parts words.
    fn sequence(self, text: &[u8]) -> Option<(usize, bool)> {
        let is_joined = match self {
            Self::Plain => return None,
            Self::Apart => false,
            Self::Joined => true,
        };
        let behind = text.get(2..).unwrap_or_default();
        Some(match text.get(1) {
            None => (1, !is_joined),
            Some(b'[') => {
                let parameters = behind.iter().take_while(|byte| matches!(byte, 0x20..=0x3f)).count();
                let last = behind.get(parameters);
                // One that is unfinished may be of these.
                let stays = matches!(last, None | Some(b'm' | b'K' | b'J' | b'h' | b'l'));
                (2 + parameters + usize::from(last.is_some()), !(is_joined && stays))
            }
            Some(b']' | b'P' | b'_' | b'^' | b'X') if is_joined => {
                let end = behind.iter().position(|byte| matches!(byte, 0x07 | 0x1b | b'\r' | b'\n'));
                let end = end.unwrap_or(behind.len());
                // The bell belongs to it; an escape begins the next one, which ends this.
                (2 + end + usize::from(behind.get(end) == Some(&0x07)), false)
            }
            Some(0x20..=0x2f) => {
                let more = behind.iter().take_while(|byte| matches!(byte, 0x20..=0x2f)).count();
                (2 + more + usize::from(behind.get(more).is_some()), !is_joined)
            }
            Some(_) => (2, !is_joined),
        })
    }
}
