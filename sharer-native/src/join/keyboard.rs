//! What the person types, read from the bytes of their terminal.
//!
//! While typing into a session everything but the way out, the way to other pills and pastes passes as it came: the
//! terminal that the person sits at encodes keys as the program asked for ([`switch`]), so nothing is translated.

use super::mouse::{self, Mouse, Read};
use crate::term::cells::{KeyModes, MouseReports};

/// A paste longer than this is cut off: the machine refuses much shorter ones in words.
const LONGEST_PASTE: usize = 4 << 20;
const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// Text from the clipboard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pasted {
    pub(super) text: String,
}

/// Something that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// Ctrl-]: the way out of typing, or of the program.
    Out,
    Escape,
    /// A character, control characters included.
    Char(char),
    /// So many pills on.
    Next(isize),
    /// The pill in that place.
    Place(usize),
    /// The last pill.
    Last,
    /// So many lines towards the past.
    Scroll(isize),
    /// So many screens towards the past.
    Page(isize),
    /// To the command before, or behind.
    Step {
        back: bool,
    },
    Mouse(Mouse),
    Paste(Pasted),
    /// Anything else, as it came.
    Other(Vec<u8>),
}

impl Key {
    /// What the program gets for it.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Other(bytes) => bytes,
            Self::Char(c) => c.to_string().into_bytes(),
            Self::Escape => vec![0x1b],
            Self::Out
            | Self::Next(_)
            | Self::Place(_)
            | Self::Last
            | Self::Scroll(_)
            | Self::Page(_)
            | Self::Step { .. }
            | Self::Mouse(_)
            | Self::Paste(_) => Vec::new(),
        }
    }
}

/// Reads bytes into keys.
#[derive(Debug, Default)]
pub(super) struct Keyboard {
    /// A paste that goes on.
    pasted: Option<Vec<u8>>,
    /// What was not read yet.
    rest: Vec<u8>,
}

impl Keyboard {
    /// Takes what the terminal sent next.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.rest.extend_from_slice(bytes);
    }

    /// The next key; `typing`: it goes into a session.
    pub(super) fn next(&mut self, typing: bool) -> Option<Key> {
        if self.pasted.is_none() && self.rest.starts_with(PASTE_BEGINS) {
            drop(self.rest.drain(..PASTE_BEGINS.len()));
            self.pasted = Some(Vec::new());
        }
        if self.pasted.is_some() {
            return self.paste();
        }
        if self.rest.is_empty() {
            return None;
        }
        match mouse::read(&self.rest) {
            Read::Whole(mouse, taken) => {
                drop(self.rest.drain(..taken));
                return Some(Key::Mouse(mouse));
            }
            // Nobody types this; the rest is on its way.
            Read::Cut => return None,
            Read::No => {}
        }
        let (key, taken) = if typing { typed(&self.rest) } else { pressed(&self.rest) };
        drop(self.rest.drain(..taken.min(self.rest.len())));
        Some(key)
    }

    /// The paste, if its end is here.
    fn paste(&mut self) -> Option<Key> {
        let pasted = self.pasted.as_mut()?;
        let end = find(&self.rest, PASTE_ENDS);
        // The end may be cut in two.
        let upto = end.unwrap_or_else(|| self.rest.len() - overlap(&self.rest, PASTE_ENDS));
        let room = LONGEST_PASTE.saturating_sub(pasted.len());
        pasted.extend(self.rest.drain(..upto).take(room));
        end?;
        drop(self.rest.drain(..PASTE_ENDS.len()));
        let text = self.pasted.take()?;
        Some(Key::Paste(Pasted { text: String::from_utf8_lossy(&text).into_owned() }))
    }
}

/// While typing: up to the next byte that may be ours.
fn typed(bytes: &[u8]) -> (Key, usize) {
    if let Some(own) = own_chord(bytes) {
        return own;
    }
    let begins = |at: usize| {
        let rest = bytes.get(at..).unwrap_or_default();
        rest.starts_with(PASTE_BEGINS) || own_chord(rest).is_some() || mouse::read(rest) != Read::No
    };
    let upto = (1..bytes.len()).find(|at| begins(*at)).unwrap_or(bytes.len());
    (Key::Other(bytes.get(..upto).unwrap_or(bytes).to_vec()), upto)
}

/// What is never the program's: Ctrl-], and the chords for pills.
fn own_chord(bytes: &[u8]) -> Option<(Key, usize)> {
    match bytes {
        [0x1d, ..] => Some((Key::Out, 1)),
        [0x1b, b'[', b'5', b';', b'7', b'~', ..] => Some((Key::Step { back: true }, 6)),
        [0x1b, b'[', b'6', b';', b'7', b'~', ..] => Some((Key::Step { back: false }, 6)),
        [0x1b, 0x1d, ..] => Some((Key::Next(1), 2)),
        // Two escapes that come as one: Ctrl+Alt+[; people are slower.
        [0x1b, 0x1b] => Some((Key::Next(-1), 2)),
        _ => None,
    }
}

/// While watching.
fn pressed(bytes: &[u8]) -> (Key, usize) {
    if let Some(own) = own_chord(bytes) {
        return own;
    }
    let (sequence, len) = match bytes {
        [0x1b, b'[' | b'O', ..] => {
            let body = bytes.get(2..).unwrap_or_default();
            let end = body.iter().position(|byte| (0x40..=0x7e).contains(byte));
            let len = end.map_or(bytes.len(), |end| end + 3);
            (bytes.get(2..len).unwrap_or_default(), len)
        }
        [0x1b, digit @ b'1'..=b'9', ..] => return (Key::Place(usize::from(digit - b'1')), 2),
        [0x1b] => return (Key::Escape, 1),
        [0x1b, ..] => return (Key::Other(Vec::new()), 2),
        _ => return character(bytes),
    };
    let key = match sequence {
        b"D" | b"Z" => Key::Next(-1),
        b"C" => Key::Next(1),
        b"A" => Key::Scroll(1),
        b"B" => Key::Scroll(-1),
        b"5~" => Key::Page(1),
        b"6~" => Key::Page(-1),
        b"H" | b"1~" | b"7~" => Key::Place(0),
        b"F" | b"4~" | b"8~" => Key::Last,
        _ => Key::Other(Vec::new()),
    };
    (key, len)
}

fn character(bytes: &[u8]) -> (Key, usize) {
    let first = bytes.utf8_chunks().next();
    match first.and_then(|chunk| chunk.valid().chars().next()) {
        Some('\t') => (Key::Next(1), 1),
        Some(c) => (Key::Char(c), c.len_utf8()),
        None => (Key::Other(Vec::new()), 1),
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, what)
}

/// How much of the end of `bytes` may be the beginning of `what`.
fn overlap(bytes: &[u8], what: &[u8]) -> usize {
    (1..what.len())
        .rev()
        .find(|len| what.get(..*len).is_some_and(|front| bytes.ends_with(front)))
        .unwrap_or(0)
}

/// What the person's terminal is to be like: as the program has it while one types into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Dress {
    pub(super) keys: KeyModes,
    /// The cursor's shape, by number; 0: its own.
    pub(super) cursor: u8,
    /// The mouse is reported: at least clicks and the wheel. Without it the terminal has the mouse to itself.
    pub(super) mouse: Option<MouseReports>,
}

/// Brings the person's terminal to encode keys as the program wants them, and to look like its own.
pub(super) fn switch(dress: Dress) -> String {
    let cursor = if dress.keys.application_cursor { "\x1b[?1h" } else { "\x1b[?1l" };
    let keypad = if dress.keys.application_keypad { "\x1b=" } else { "\x1b>" };
    let mouse = match dress.mouse {
        None => "\x1b[?1003l\x1b[?1002l\x1b[?1006l",
        Some(MouseReports::Motion) => "\x1b[?1003h\x1b[?1006h",
        Some(MouseReports::Presses | MouseReports::Clicks | MouseReports::Drags) => {
            "\x1b[?1003l\x1b[?1002h\x1b[?1006h"
        }
    };
    format!("{cursor}{keypad}{mouse}\x1b[{} q", dress.cursor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(keyboard: &mut Keyboard, typing: bool, bytes: &[u8]) -> Vec<Key> {
        keyboard.push(bytes);
        std::iter::from_fn(|| keyboard.next(typing)).collect()
    }

    fn other(bytes: &[u8]) -> Key {
        Key::Other(bytes.to_vec())
    }

    #[test]
    fn while_typing_everything_passes_but_the_way_out_and_to_other_pills() {
        let mut keyboard = Keyboard::default();
        let mut typed = |bytes: &[u8]| read(&mut keyboard, true, bytes);
        let keys = "\x1b[A\x1bOP\x031é\x1bx\x1b1".as_bytes();
        assert_eq!(typed(keys), [other(keys)], "as it came");
        assert_eq!(typed(b"ab\x1dcd"), [other(b"ab"), Key::Out, other(b"cd")]);
        assert_eq!(typed(b"\x1b\x1d"), [Key::Next(1)]);
        assert_eq!(
            typed(b"\x1b[5;7~x\x1b[6;7~"),
            [Key::Step { back: true }, other(b"x"), Key::Step { back: false }]
        );
        // The mouse is ours, also where a read cut it in two.
        assert_eq!(typed(b"x\x1b[<0;3;"), [other(b"x")]);
        assert!(matches!(typed(b"4My").as_slice(), [Key::Mouse(mouse), Key::Other(_)] if mouse.at == (2, 3)));
        assert_eq!(typed(b"\x1b"), [other(b"\x1b")], "escape itself is the program's");
        keyboard.push(b"ls\x1dq");
        let keys = [true, true, false].map(|typing| keyboard.next(typing));
        assert_eq!(keys, [Some(other(b"ls")), Some(Key::Out), Some(Key::Char('q'))], "one at a time");
    }

    #[test]
    fn while_watching_keys_move_between_pills_and_lines() {
        let mut keyboard = Keyboard::default();
        let keys = read(
            &mut keyboard,
            false,
            b"\x1b[C\x1bOD\t\x1b[Z\x1b[5~\x1b[B\x1b3\x1b[H\x1bOFq\xc3\xa9\x1b[1;5Cx\x1b",
        );
        let expected = [
            Key::Next(1),
            Key::Next(-1),
            Key::Next(1),
            Key::Next(-1),
            Key::Page(1),
            Key::Scroll(-1),
            Key::Place(2),
            Key::Place(0),
            Key::Last,
            Key::Char('q'),
            Key::Char('é'),
            other(b""),
            Key::Char('x'),
            Key::Escape,
        ];
        assert_eq!(keys, expected);
    }

    proptest! {
        /// However its bytes are cut, a paste is one, whole, and nothing in it is a key.
        #[test]
        fn a_paste_is_whole_however_it_is_cut(text in "[a-q\\x1b\\x1d\\[20~é]{0,40}", cuts in prop::collection::vec(0usize..60, 0..6)) {
            prop_assume!(!text.contains("\x1b[201~"));
            let bytes = [PASTE_BEGINS, text.as_bytes(), PASTE_ENDS, b"z"].concat();
            // The beginning comes whole, as terminals write it.
            let mut cuts: Vec<usize> = cuts.into_iter().filter(|at| (6..bytes.len()).contains(at)).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let mut keyboard = Keyboard::default();
            let mut keys = Vec::new();
            for pair in cuts.windows(2) {
                keys.extend(read(&mut keyboard, false, &bytes[pair[0]..pair[1]]));
            }
            prop_assert_eq!(keys, [Key::Paste(Pasted { text }), Key::Char('z')]);
        }

        #[test]
        fn any_bytes_are_keys_and_nothing_typed_is_lost(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let mut keyboard = Keyboard::default();
            drop(read(&mut keyboard, false, &bytes));
            let mut keyboard = Keyboard::default();
            prop_assume!(!bytes.contains(&0x1d) && find(&bytes, PASTE_BEGINS).is_none() && find(&bytes, mouse::BEGINS).is_none() && !bytes.ends_with(b"\x1b\x1b"));
            let typed: Vec<u8> = read(&mut keyboard, true, &bytes).into_iter().flat_map(Key::into_bytes).collect();
            prop_assert_eq!(typed, bytes);
        }
    }
}
