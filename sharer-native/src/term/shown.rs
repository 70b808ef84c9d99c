//! What a program has switched on in somebody's terminal, so that it can be switched off, and on again.
//!
//! Not the model: this reads only what outlives a program that was killed or stopped, and knows whether the terminal
//! is between two sequences, where something else may be said to it.

use std::collections::BTreeSet;

use super::tail::{Tail, Token};
use super::whole::WholeChars;

/// Private modes that are on in a fresh terminal: wrapping, the cursor.
const ON_BY_DEFAULT: [u16; 2] = [7, 25];
/// Private modes that show the alternate screen.
const ALTERNATE: [u16; 3] = [47, 1047, 1049];
/// DECRC in disguise: it moves the cursor and is no mode.
const SAVED_CURSOR: u16 = 1048;
/// Private modes remembered at most; programs use about ten.
const MOST_MODES: usize = 64;
/// Keyboard modes remembered at most; programs stack one or two.
const MOST_KEYBOARDS: usize = 16;

/// What the bytes so far have switched on.
#[derive(Debug, Default)]
pub struct Shown {
    whole: WholeChars,
    tail: Tail,
    changed: Changed,
}

#[derive(Debug, Default)]
struct Changed {
    /// There was a sequence at all; else there is nothing to mend.
    any: bool,
    /// Private modes that are not as in a fresh terminal.
    modes: BTreeSet<u16>,
    insert: bool,
    keypad: bool,
    /// The newest sequences that changed these.
    region: Option<Vec<u8>>,
    cursor: Option<Vec<u8>>,
    other_keys: Option<Vec<u8>>,
    /// Pushes of kitty's keyboard protocol that were not popped.
    keyboards: Vec<Vec<u8>>,
}

impl Shown {
    /// Takes what the terminal is about to be given.
    pub fn feed(&mut self, bytes: &[u8]) {
        let Self { whole, tail, changed } = self;
        whole.push(bytes, |text| {
            tail.scan(text.as_bytes(), |token| match token {
                Token::Bytes(sequence) => changed.take(sequence),
                Token::SoftReset => changed.reset(),
            });
        });
    }

    /// Whether the terminal is between characters and sequences.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.whole.pending().is_empty() && self.tail.pending().is_empty()
    }

    /// Makes the terminal as calm as a fresh one, on its primary screen. Nothing if no program changed it.
    #[must_use]
    pub fn calm(&self) -> Vec<u8> {
        let Changed { any, modes, insert, keypad, region, cursor, other_keys, keyboards } = &self.changed;
        // CAN ends whatever was begun, and shows nothing.
        let mut out = if self.is_at_rest() { Vec::new() } else { vec![0x18] };
        if !any {
            return out;
        }
        let mut add = |sequence: &[u8]| out.extend_from_slice(sequence);
        // Kitty keeps a stack for each screen: before the screen changes.
        if !keyboards.is_empty() {
            add(format!("\x1b[<{}u", keyboards.len()).as_bytes());
        }
        for (is_changed, sequence) in [
            (*insert, &b"\x1b[4l"[..]),
            (*keypad, b"\x1b>"),
            (region.is_some(), b"\x1b7\x1b[r\x1b8"),
            (cursor.is_some(), b"\x1b[0 q"),
            (other_keys.is_some(), b"\x1b[>4m"),
        ] {
            add(if is_changed { sequence } else { b"" });
        }
        for mode in modes.iter().filter(|mode| !ALTERNATE.contains(mode)) {
            let back = if ON_BY_DEFAULT.contains(mode) { 'h' } else { 'l' };
            add(format!("\x1b[?{mode}{back}").as_bytes());
        }
        add(b"\x1b(B\x0f\x1b[0m");
        for mode in modes.iter().filter(|mode| ALTERNATE.contains(mode)) {
            add(format!("\x1b[?{mode}l").as_bytes());
        }
        out
    }

    /// Switches on again what [`Self::calm`] has switched off; the program has to draw again.
    #[must_use]
    pub fn again(&self) -> Vec<u8> {
        let Changed { modes, insert, keypad, region, cursor, other_keys, keyboards, .. } = &self.changed;
        let mut out = Vec::new();
        let alternate = modes.iter().filter(|mode| ALTERNATE.contains(mode));
        for mode in alternate.chain(modes.iter().filter(|mode| !ALTERNATE.contains(mode))) {
            let on = if ON_BY_DEFAULT.contains(mode) { 'l' } else { 'h' };
            out.extend_from_slice(format!("\x1b[?{mode}{on}").as_bytes());
        }
        out.extend_from_slice(if *insert { b"\x1b[4h" } else { b"" });
        out.extend_from_slice(if *keypad { b"\x1b=" } else { b"" });
        for sequence in [region, cursor, other_keys].into_iter().flatten().chain(keyboards) {
            out.extend_from_slice(sequence);
        }
        // What was begun before goes on behind this.
        out.extend_from_slice(self.tail.pending());
        out.extend_from_slice(self.whole.pending());
        out
    }
}

impl Changed {
    fn reset(&mut self) {
        let alternate = self.modes.iter().copied().filter(|mode| ALTERNATE.contains(mode)).collect();
        *self = Self { any: true, modes: alternate, ..Self::default() };
    }

    fn take(&mut self, sequence: &[u8]) {
        let [0x1b, rest @ ..] = sequence else { return };
        self.any = true;
        match rest {
            b"c" => *self = Self { any: true, ..Self::default() },
            b"=" | b">" => self.keypad = rest == b"=",
            b"[4h" | b"[4l" => self.insert = rest == b"[4h",
            [b'[', b'?', modes @ .., on @ (b'h' | b'l')] => {
                let modes = std::str::from_utf8(modes).unwrap_or_default();
                for mode in modes.split(';').filter_map(|mode| mode.parse().ok()) {
                    self.mode(mode, *on == b'h');
                }
            }
            b"[r" => self.region = None,
            [b'[', b'0'..=b'9' | b';', .., b'r'] => self.region = Some(sequence.to_vec()),
            b"[ q" | b"[0 q" => self.cursor = None,
            [b'[', b'0'..=b'9', .., b' ', b'q'] => self.cursor = Some(sequence.to_vec()),
            b"[>4m" | b"[>4;0m" | b"[>m" => self.other_keys = None,
            [b'[', b'>', b'4', b';', .., b'm'] => self.other_keys = Some(sequence.to_vec()),
            [b'[', b'>', .., b'u'] if self.keyboards.len() < MOST_KEYBOARDS => {
                self.keyboards.push(sequence.to_vec());
            }
            [b'[', b'<', count @ .., b'u'] => {
                let count = std::str::from_utf8(count).ok().and_then(|count| count.parse().ok()).unwrap_or(1);
                self.keyboards.truncate(self.keyboards.len().saturating_sub(count));
            }
            _ => {}
        }
    }

    fn mode(&mut self, mode: u16, on: bool) {
        if mode == SAVED_CURSOR {
            return;
        }
        if on == ON_BY_DEFAULT.contains(&mode) {
            self.modes.remove(&mode);
        } else if self.modes.len() < MOST_MODES {
            self.modes.insert(mode);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(bytes: &[u8]) -> Shown {
        let mut shown = Shown::default();
        // Any split is the same.
        for byte in bytes {
            shown.feed(&[*byte]);
        }
        shown
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).replace('\x1b', "^")
    }

    #[test]
    fn what_was_switched_on_goes_off_and_on_again() {
        let vim =
            shown(b"hi\x1b[?1049h\x1b[?1;25l\x1b[?1h\x1b=\x1b[>4;2m\x1b[2;9r\x1b[?2004h\x1b[4 q\x1b[>1u");
        assert_eq!(
            text(&vim.calm()),
            "^[<1u^>^7^[r^8^[0 q^[>4m^[?1l^[?25h^[?2004l^(B\x0f^[0m^[?1049l",
            "the screen last"
        );
        let again = text(&vim.again());
        assert_eq!(again, "^[?1049h^[?1h^[?25l^[?2004h^=^[2;9r^[4 q^[>4;2m^[>1u", "the screen first");
        let quit = shown(b"\x1b[?1049h\x1b[?25l\x1b[>1u\x1b[<u\x1b[2;9r\x1b[r\x1b[?25h\x1b[?1049l");
        assert_eq!(text(&quit.calm()), "^(B\x0f^[0m");
        assert_eq!(text(&quit.again()), "");
        let reset = shown(b"\x1b[?1049h\x1b[?1000h\x1b[4h\x1bc");
        assert_eq!(text(&reset.calm()), "^(B\x0f^[0m");
        let soft = shown(b"\x1b[?1049h\x1b[?1000h\x1b[4h\x1b[!p");
        assert_eq!(text(&soft.calm()), "^(B\x0f^[0m^[?1049l");
    }

    #[test]
    fn a_program_that_only_prints_changes_nothing() {
        let plain = shown("plain ✓\r\n".as_bytes());
        assert!(plain.is_at_rest() && plain.calm().is_empty() && plain.again().is_empty());
    }

    #[test]
    fn rest_is_between_characters_and_sequences() {
        for unfinished in ["\x1b", "\x1b[3", "\x1b]0;title", "\x1bPq", "\x1b]52;c;aaaa"] {
            let shown = shown(unfinished.as_bytes());
            assert!(!shown.is_at_rest(), "{unfinished:?}");
            assert_eq!(text(&shown.calm()), "\x18");
        }
        assert!(!shown(&"✓".as_bytes()[..2]).is_at_rest());
        for finished in
            ["\x1b[3m", "\x1b]0;title\x07", "\x1b]0;title\x1b\\", "✓", "\x1bPq\x1b\\", "\x1b[3\x18"]
        {
            assert!(shown(finished.as_bytes()).is_at_rest(), "{finished:?}");
        }
    }

    #[test]
    fn endless_modes_cost_nothing() {
        let mut shown = Shown::default();
        for mode in 0..10_000 {
            shown.feed(format!("\x1b[?{mode}h\x1b[>{mode}u").as_bytes());
        }
        assert_eq!((shown.changed.modes.len(), shown.changed.keyboards.len()), (MOST_MODES, MOST_KEYBOARDS));
    }
}
