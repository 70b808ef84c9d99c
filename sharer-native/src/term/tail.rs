//! The tail: the beginning of a control sequence whose other bytes have not come yet.
//!
//! The parser gets complete sequences only, so that between two feeds it is always at rest, an endless string
//! costs no memory, and a dump can end with exactly what is unfinished.

use memchr::memchr;

/// An unfinished control string beyond this length is ignored, also when it ends. Titles, links and colours
/// are far shorter; only clipboards and images are longer, and the model has neither.
const LONGEST: usize = 8 * 1024;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;

/// What [`Tail::scan`] found.
pub(super) enum Token<'a> {
    /// Text and complete sequences for the parser.
    Bytes(&'a [u8]),
    /// DECSTR, which the parser does not know.
    SoftReset,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    /// Behind ESC, perhaps with intermediate bytes.
    Escape,
    Csi,
    /// OSC: the model wants to read it.
    Command,
    /// DCS, SOS, PM, APC: of no meaning to the model.
    Ignored,
}

/// Finds where control sequences begin and end.
#[derive(Debug, Default)]
pub(super) struct Tail {
    state: State,
    /// The unfinished sequence, without the control characters inside it, which have had their effect.
    sequence: Vec<u8>,
    /// The newest complete thing was a printed character: a combining mark or REP that follows refers to it.
    printed: bool,
}

impl Tail {
    /// The unfinished sequence.
    pub(super) fn pending(&self) -> &[u8] {
        &self.sequence
    }

    /// Says whether the newest complete thing was a printed character.
    pub(super) fn printed(&self) -> bool {
        self.printed
    }

    /// Reads valid UTF-8 and hands on what is complete, in order.
    pub(super) fn scan(&mut self, mut text: &[u8], mut hand_on: impl FnMut(Token<'_>)) {
        while let Some(&byte) = text.first() {
            if self.state == State::Ground {
                text = self.text(text, &mut hand_on);
            } else {
                text = self.byte(byte, text, &mut hand_on);
            }
        }
    }

    /// Reads up to the next ESC.
    fn text<'a>(&mut self, text: &'a [u8], hand_on: &mut impl FnMut(Token<'_>)) -> &'a [u8] {
        let (run, rest) = text.split_at(memchr(ESC, text).unwrap_or(text.len()));
        if let Some(&last) = run.last() {
            // The last byte of U+0080 to U+009F behind C2 is the only control character above ASCII.
            let c1 = matches!(run, [.., 0xc2, 0x80..=0x9f]);
            self.printed = last >= 0x20 && last != 0x7f && !c1;
            hand_on(Token::Bytes(run));
        }
        let Some((&esc, rest)) = rest.split_first() else { return rest };
        self.begin(esc);
        rest
    }

    fn begin(&mut self, esc: u8) {
        self.state = State::Escape;
        self.sequence.clear();
        self.sequence.push(esc);
    }

    /// Reads one byte of a sequence, or as much of a string as there is.
    fn byte<'a>(&mut self, byte: u8, text: &'a [u8], hand_on: &mut impl FnMut(Token<'_>)) -> &'a [u8] {
        let rest = text.get(1..).unwrap_or_default();
        match (self.state, byte) {
            (State::Command, ESC | BEL) => {
                self.sequence.extend_from_slice(if byte == BEL { b"\x07" } else { b"\x1b\\" });
                hand_on(Token::Bytes(&self.sequence));
                self.end();
                if byte == ESC {
                    self.begin(ESC);
                }
            }
            (State::Ignored, ESC) => {
                self.end();
                self.begin(ESC);
            }
            (_, ESC) => self.begin(ESC),
            (_, CAN | SUB) => self.end(),
            (State::Command | State::Ignored, _) => {
                let end = text
                    .iter()
                    .position(|b| matches!(*b, ESC | BEL | CAN | SUB))
                    .unwrap_or(text.len())
                    .max(1);
                let (part, rest) = text.split_at(end);
                self.keep(part);
                return rest;
            }
            (_, 0..0x20) => {
                self.printed = false;
                hand_on(Token::Bytes(&[byte]));
            }
            (_, 0x7f) => {}
            // xterm.js drops the sequence and the character that broke it.
            (_, 0x80..) => {
                if byte & 0xc0 == 0xc0 {
                    self.state = State::Ground;
                    self.sequence.clear();
                }
                return rest
                    .get(rest.iter().take_while(|b| **b & 0xc0 == 0x80).count()..)
                    .unwrap_or_default();
            }
            (State::Escape, b'[') if self.sequence.len() == 1 => self.open(State::Csi, byte),
            (State::Escape, b']') if self.sequence.len() == 1 => self.open(State::Command, byte),
            (State::Escape, b'P' | b'X' | b'^' | b'_') if self.sequence.len() == 1 => {
                self.open(State::Ignored, b'X');
            }
            (State::Escape, 0x20..0x30) | (State::Csi, 0x20..0x40) => self.keep(&[byte]),
            (State::Escape, 0x30..) | (State::Csi, 0x40..) => {
                self.sequence.push(byte);
                self.dispatch(hand_on);
                self.end();
            }
            (State::Ground, _) => {}
        }
        rest
    }

    fn open(&mut self, state: State, introducer: u8) {
        self.state = state;
        self.sequence.push(introducer);
    }

    /// Keeps a part of the sequence; one that gets too long is replaced by one of its kind without meaning.
    fn keep(&mut self, part: &[u8]) {
        let too_long = self.sequence.len() + part.len() > LONGEST;
        let meaningless: &[u8] = match self.state {
            State::Command if too_long => b"\x1b]x",
            State::Csi if too_long => b"\x1b[<<",
            State::Escape if too_long => b"\x1b(((",
            State::Command | State::Csi | State::Escape => return self.sequence.extend_from_slice(part),
            State::Ignored | State::Ground => return,
        };
        self.sequence.clear();
        self.sequence.extend_from_slice(meaningless);
    }

    fn dispatch(&self, hand_on: &mut impl FnMut(Token<'_>)) {
        match self.sequence.as_slice() {
            [ESC, b'[', b'!', b'p'] => hand_on(Token::SoftReset),
            // REP repeats only what was printed just before it, not what was printed ever.
            [ESC, b'[', .., b'b'] if !self.printed => {}
            sequence => hand_on(Token::Bytes(sequence)),
        }
    }

    fn end(&mut self) {
        self.state = State::Ground;
        self.sequence.clear();
        self.printed = false;
    }
}
