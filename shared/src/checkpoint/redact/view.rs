//! What is seen of a text: a terminal's has escape sequences beside its words, and in the middle of them.

use core::ops::Range;

/// How a text is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum View {
    /// As it is.
    Plain,
    /// Escape sequences stand between words, and what is in titles and links is text.
    Apart,
    /// Those that move nothing are not there, as colours come in the middle of words, nor is what only wraps a word. Words
    /// that were corrected while they were typed are seen as they became, too.
    Joined,
}

/// The longest word that is read again after a correction, in bytes; tokens that are typed are shorter.
const WORD: usize = 256;

/// As many bytes may be read again in any text, and in a longer one as many as it has: a line where much was corrected.
const AGAIN: usize = 64 * 1024;

/// What is seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// The bytes.
    pub(super) text: Vec<u8>,
    /// Where each of them stands; `None` for what only parts words.
    from: Vec<Option<usize>>,
    /// Where letters stand over which others were written, in order.
    hidden: Vec<usize>,
    /// Where the row begins in `text` onto which the last word was wrapped.
    row: Option<usize>,
    /// In which column the cursor is, as far as that is known.
    column: usize,
    /// Over so many letters the cursor went back.
    back: usize,
    /// So many bytes may be read again.
    again: usize,
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
        if let (Some(first), Some(last)) = (places.iter().min().copied(), places.iter().max().copied()) {
            let begin = self.hidden.partition_point(|place| *place < first);
            let hidden = self.hidden.get(begin..).unwrap_or_default();
            places.extend(hidden.iter().take_while(|place| **place < last));
        }
        places.sort_unstable();
        places.dedup();
        places
    }

    /// A letter is written: where the cursor went back before, the word is another one from there on.
    fn letter(&mut self, byte: u8, at: usize) {
        if self.back > 0 {
            self.correct();
        }
        self.push(byte, Some(at));
        match byte {
            b'\r' => self.column = 0,
            0..0x20 | 0x7f..=0xbf => {}
            _ => self.column += 1,
        }
    }

    /// Sees the last word again, without the letters over which the cursor went back. It stays as it was, too: it may have
    /// been a secret then.
    fn correct(&mut self) {
        let mut back = std::mem::take(&mut self.back);
        self.row = None;
        let mut end = self.text.len();
        while back > 0
            && let Some(last) = end.checked_sub(1)
            && let (Some(byte), Some(Some(from))) = (self.text.get(last), self.from.get(last))
            && !matches!(byte, b'\r' | b'\n')
        {
            back -= usize::from(!matches!(byte, 0x80..=0xbf));
            self.hidden.push(*from);
            end = last;
        }
        let word = self.text.get(..end).unwrap_or_default().iter().rev();
        let length = word.take(WORD).take_while(|byte| !byte.is_ascii_whitespace()).count();
        self.push(b' ', None);
        if back > 0 || length >= WORD || length > self.again {
            return;
        }
        self.again -= length;
        self.text.extend_from_within(end - length..end);
        self.from.extend_from_within(end - length..end);
    }

    /// How many bytes `text` begins with that only move the cursor back, or nowhere.
    ///
    /// Fish returns after each letter, and goes to where the cursor was. What has not come yet may do so.
    fn moved(&mut self, text: &[u8]) -> Option<usize> {
        let behind = text.get(1..).unwrap_or_default();
        if text.first() == Some(&0x08) {
            self.back += 1;
            self.column = self.column.saturating_sub(1);
            return Some(1);
        }
        let Some(number) = behind.strip_prefix(b"\x1b[") else {
            return (behind.is_empty() || behind == b"\x1b").then_some(text.len());
        };
        let digits = number.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let Some(last) = number.get(digits) else { return Some(text.len()) };
        let column = columns(number.get(..digits).unwrap_or_default());
        if *last != b'C' || column > self.column {
            return None;
        }
        self.back += self.column - column;
        self.column = column;
        Some(1 + 2 + digits + 1)
    }

    /// How many bytes `text` begins with that are nothing to see: a blank, a carriage return or a backspace, and more.
    fn passed(&mut self, text: &[u8]) -> Option<usize> {
        let blank = text.first() == Some(&b' ');
        let wrapped = if text.first() == Some(&0x08) { None } else { self.wrapped(text) };
        wrapped.or_else(|| if blank { None } else { self.moved(text) })
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
            self.column = 0;
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
        self.column = 0;
        Some(1)
    }
}

impl View {
    /// What is seen of `text`.
    pub(super) fn of(self, text: &[u8]) -> Seen {
        let (room, is_joined) = (text.len(), matches!(self, Self::Joined));
        let mut seen = Seen {
            text: Vec::with_capacity(room),
            from: Vec::with_capacity(room),
            again: room.max(AGAIN),
            ..Seen::default()
        };
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            let rest = text.get(at..).unwrap_or_default();
            if *byte == 0x1b
                && let Some((length, is_gap)) = self.sequence(rest)
            {
                if is_gap {
                    seen.push(b' ', None);
                    seen.back = 0;
                    seen.column += forward(rest.get(..length).unwrap_or_default());
                }
                at += length;
            } else if is_joined
                && matches!(byte, b' ' | b'\r' | 0x08)
                && let Some(length) = seen.passed(rest)
            {
                at += length;
            } else if is_joined {
                seen.letter(*byte, at);
                at += 1;
            } else {
                seen.push(*byte, Some(at));
                at += 1;
            }
        }
        seen.hidden.sort_unstable();
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

/// How many columns a sequence goes forward.
fn forward(sequence: &[u8]) -> usize {
    let number = sequence.strip_prefix(b"\x1b[").and_then(|rest| rest.strip_suffix(b"C"));
    number.map_or(0, columns)
}

/// A sequence's number of columns, of which nobody has more than 65535; one if there is none.
fn columns(digits: &[u8]) -> usize {
    let number = digits
        .iter()
        .filter(|byte| byte.is_ascii_digit())
        .fold(0_usize, |number, digit| (number * 10 + usize::from(digit - b'0')).min(usize::from(u16::MAX)));
    number.max(1)
}
