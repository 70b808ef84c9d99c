//! The terminal model: what a terminal would show after all the bytes a program wrote.
//!
//! [`Terminal`] takes the bytes of a PTY in any pieces and gives *dumps*: escape sequences that bring a fresh
//! xterm.js to the same screen, cursor and modes. The engine is `alacritty_terminal`; nothing outside this
//! module knows that. Where the engine and xterm.js disagree, xterm.js is right, because it is what people see.
//!
//! The way of a byte: [`whole`] holds back unfinished characters, [`tail`] unfinished sequences, [`tap`] stands
//! between parser and engine, mends what differs and keeps in [`shadow`] what the engine hides. The way back:
//! [`dump`] reads cells and shadow, [`writer`] and [`style`] turn them into bytes. [`shown`] is for the user's own
//! terminal.
//!
//! Invariants: no bytes make the model panic, or grow beyond its bounds. A dump asks the viewer for no answer
//! and writes no clipboard. Feeding the same bytes in other pieces gives the same dump.

mod answers;
pub mod cells;
mod command;
mod dump;
pub mod marks;
mod shadow;
pub mod shown;
pub mod style;
mod tabs;
mod tail;
mod tap;
#[cfg(test)]
mod tests;
pub mod whole;
mod writer;

use std::fmt;
use std::time::Duration;

use alacritty_terminal::grid::Dimensions as _;
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Cell;
use alacritty_terminal::vte::ansi::{Processor, Timeout};
use shared::event::WindowSize;

use self::tail::{Tail, Token};
use self::tap::Tap;
use self::whole::WholeChars;

/// Stands where lines were let go.
pub const TRIMMED: &str = "[earlier output was let go to save memory]";

/// Gives the nearest size that a [`Terminal`] can have: 2 × 2 to 1000 × 500.
#[must_use]
pub fn clamped(size: WindowSize) -> WindowSize {
    size.clamped()
}

/// A terminal without a display.
pub struct Terminal {
    size: WindowSize,
    scrollback_lines: usize,
    whole: WholeChars,
    tail: Tail,
    parser: Processor<NoSync>,
    tap: Tap,
}

impl Terminal {
    /// Makes a blank terminal of the nearest possible size that keeps up to `scrollback_lines` lines.
    #[must_use]
    pub fn new(size: WindowSize, scrollback_lines: usize) -> Self {
        let size = clamped(size);
        Self {
            size,
            scrollback_lines,
            whole: WholeChars::default(),
            tail: Tail::default(),
            parser: Processor::new(),
            tap: Tap::new(size, scrollback_lines),
        }
    }

    /// Takes what the program wrote next. Any split of the bytes gives the same terminal.
    pub fn feed(&mut self, bytes: &[u8]) {
        let Self { whole, tail, parser, tap, .. } = self;
        whole.push(bytes, |text| {
            tail.scan(text.as_bytes(), |token| match token {
                Token::Bytes(run) => parser.advance(tap, run),
                Token::SoftReset => tap.soft_reset(),
            });
        });
    }

    /// Takes a new size; the program is about to redraw. Lines of the primary screen are wrapped anew.
    pub fn resize(&mut self, size: WindowSize) {
        let size = clamped(size);
        if size != self.size {
            self.size = size;
            self.tap.resize(size);
        }
    }

    /// The size it has, after clamping.
    #[must_use]
    pub fn size(&self) -> WindowSize {
        self.size
    }

    /// Remembers that the command of this number begins behind what was fed: with the line above, on which it was typed.
    /// On the alternate screen there are no places.
    pub fn command(&mut self, number: u64) {
        self.tap.command(number);
    }

    /// Takes a dump of another model, which says where commands were typed.
    pub fn rebuild(&mut self, dump: &[u8]) {
        let mut rest = dump;
        while let Some(at) = memchr::memmem::find(rest, writer::COMMAND) {
            let (before, mark) = rest.split_at(at + writer::COMMAND.len());
            self.feed(before);
            let digits = mark.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(mark.len());
            let (number, behind) = mark.split_at(digits);
            // A number rides on what is written next.
            let (first, behind) = behind.split_at(command::first_character(behind));
            self.feed(number);
            self.feed(first);
            if let Some(number) = std::str::from_utf8(number).ok().and_then(|number| number.parse().ok()) {
                self.tap.recall(number);
            }
            rest = behind;
        }
        self.feed(rest);
    }

    /// Forgets all that has scrolled off, of the primary screen also while the alternate one shows: what a dump of the
    /// screen does not hold is gone.
    pub fn forget_history(&mut self) {
        self.begin_again(b"");
    }

    /// Lets go of what has scrolled off, to save memory; a line in its place says so.
    pub fn trim_history(&mut self) {
        let WindowSize { cols, rows } = self.size;
        let mark = TRIMMED.get(..usize::from(cols)).unwrap_or(TRIMMED);
        // On the first row of a blank screen, and then scrolled off.
        self.begin_again(format!("\x1b[2m{mark}\x1b[0m\x1b[{rows}H\n\x1b[H").as_bytes());
    }

    /// About how much memory the lines take that have scrolled off, in bytes; `None` while a full-screen program shows,
    /// and nothing scrolls off.
    #[must_use]
    pub fn history_bytes(&self) -> Option<usize> {
        let grid = self.tap.term.grid();
        let primary = !self.tap.term.mode().contains(TermMode::ALT_SCREEN);
        primary.then(|| grid.history_size() * usize::from(self.size.cols) * size_of::<Cell>())
    }

    fn begin_again(&mut self, first: &[u8]) {
        let screen = self.screen();
        let replies = self.take_replies();
        *self = Self::new(self.size, self.scrollback_lines);
        self.feed(first);
        self.feed(screen.strip_prefix(writer::RESET).unwrap_or(&screen));
        // Those nobody took yet are still owed.
        self.tap.answers.push(format_args!("{}", String::from_utf8_lossy(&replies)));
    }

    /// Dumps the screen: a fresh xterm.js of this size fed with it shows the same, with no scrollback.
    pub fn screen(&mut self) -> Vec<u8> {
        self.dump(0)
    }

    /// Dumps scrollback and screen, so that one `write()` rebuilds everything. At most 12 MiB: of contents that
    /// would take more, older lines, then links, then colours are left out.
    pub fn full(&mut self) -> Vec<u8> {
        let mut lines = self.tap.history_lines();
        loop {
            let dump = self.dump(lines);
            if dump.len() <= dump::LONGEST || lines == 0 {
                return dump;
            }
            lines /= 2;
        }
    }

    fn dump(&mut self, lines: usize) -> Vec<u8> {
        let mut dump = dump::dump(&mut self.tap, lines, self.tail.printed());
        dump.extend_from_slice(self.tail.pending());
        dump.extend_from_slice(self.whole.pending());
        dump
    }

    /// The text on the screen, row by row, without blanks at the ends of rows.
    #[must_use]
    pub fn text(&self) -> String {
        dump::text(&self.tap)
    }

    /// The title the program has set, free of control characters, at most 1 KiB.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.tap.shadow.title.as_deref()
    }

    /// Says whether the bell has rung since the last call.
    pub fn take_bell(&mut self) -> bool {
        std::mem::take(&mut self.tap.bell)
    }

    /// Says whether the program takes what is pasted between brackets (mode 2004).
    #[must_use]
    pub fn wants_paste(&self) -> bool {
        self.tap.term.mode().contains(TermMode::BRACKETED_PASTE)
    }

    /// Takes the answers to the program's queries since the last call, for a program that runs without a
    /// terminal of its own. Answers beyond 16 KiB that nobody took are dropped.
    pub fn take_replies(&mut self) -> Vec<u8> {
        self.tap.answers.take()
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Turns off the parser's own buffer for synchronized updates: the model has always read all bytes, and only
/// remembers that an update is going on.
#[derive(Default)]
struct NoSync;

impl Timeout for NoSync {
    fn set_timeout(&mut self, _: Duration) {}
    fn clear_timeout(&mut self) {}
    fn pending_timeout(&self) -> bool {
        false
    }
}
