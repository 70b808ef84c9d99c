//! Screens for measuring: one that draws, one that only remembers enough to draw later, one that watches for a word.

use std::hash::Hasher as _;

use shared::event::WindowSize;
use sharer_native::term::Terminal;

use crate::viewer::Screen;

/// The terminal of every measurement.
pub const WINDOW: WindowSize = WindowSize { cols: 120, rows: 40 };
/// Its scrollback in lines, the sharer's default.
pub const SCROLLBACK: usize = 1_000;

/// A terminal of that size after `bytes`.
pub fn after(bytes: &[u8]) -> Terminal {
    let mut terminal = Terminal::new(WINDOW, SCROLLBACK);
    for piece in bytes.chunks(64 * 1024) {
        terminal.feed(piece);
    }
    terminal
}

/// What a terminal shows, apart from how it came to show it: one that was rebuilt from its screen alone does not know
/// whether its first line continues one above.
pub fn picture(terminal: &mut Terminal) -> Vec<u8> {
    let mut copy = Terminal::new(terminal.size(), 0);
    copy.feed(&terminal.screen());
    // The sharer sets a title of its own, which the log does not have.
    copy.feed(b"\x1b]2;\x1b\\");
    copy.screen()
}

/// Draws everything at once, as a page does.
#[derive(Debug)]
pub struct Drawn(pub Terminal);

impl Default for Drawn {
    fn default() -> Self {
        Self(after(&[]))
    }
}

impl Screen for Drawn {
    fn rebuild(&mut self, window: WindowSize, bytes: &[u8]) {
        self.0 = Terminal::new(window, SCROLLBACK);
        self.0.feed(bytes);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.feed(bytes);
    }

    fn resize(&mut self, window: WindowSize) {
        self.0.resize(window);
    }

    fn wipe(&mut self) {
        *self = Self::default();
    }
}

/// Remembers what was written since the terminal was last begun anew, for a crowd that the measuring program itself
/// must not be slowed by: the bytes while they are few, and a digest of them always.
#[derive(Debug, Default)]
pub struct Tape {
    base: Vec<u8>,
    bytes: Vec<u8>,
    digest: std::hash::DefaultHasher,
    /// Bytes since the last beginning.
    pub written: usize,
    /// The last bytes written, however they were cut.
    end: Vec<u8>,
    keep: bool,
}

/// Enough to find a word in the last row of a dump, behind which modes and the cursor follow.
const END: usize = 4 * 1024;

impl Tape {
    /// One that keeps all bytes after a rebuild, to be drawn at the end.
    pub fn keeping() -> Self {
        Self { keep: true, ..Self::default() }
    }

    /// Says whether exactly `log` was written since the beginning, by digest.
    pub fn is(&self, log: &[u8]) -> bool {
        let mut digest = std::hash::DefaultHasher::new();
        digest.write(log);
        self.written == log.len() && self.digest.finish() == digest.finish()
    }

    /// Whether the last thing written is this.
    pub fn ends_with(&self, word: &[u8]) -> bool {
        self.end.ends_with(word)
    }

    /// Whether this was among the last things written.
    pub fn shows(&self, word: &[u8]) -> bool {
        self.end.windows(word.len()).any(|part| part == word)
    }

    /// Whether this was written since the last beginning, or with it.
    pub fn has(&self, text: &str) -> bool {
        let within = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
        within(&self.base) || within(&self.bytes)
    }

    /// Forgets what was written so far, and goes on.
    pub fn restart(&mut self) {
        *self = Self { keep: self.keep, ..Self::default() };
    }

    /// Draws it now.
    pub fn draw(&self) -> Terminal {
        let mut terminal = Terminal::new(WINDOW, SCROLLBACK);
        terminal.feed(&self.base);
        terminal.feed(&self.bytes);
        terminal
    }

    fn remember(&mut self, bytes: &[u8]) {
        let tail = bytes.get(bytes.len().saturating_sub(END)..).unwrap_or_default();
        self.end.extend_from_slice(tail);
        let over = self.end.len().saturating_sub(END);
        self.end.drain(..over);
    }
}

impl Screen for Tape {
    fn rebuild(&mut self, _: WindowSize, bytes: &[u8]) {
        self.restart();
        if self.keep {
            self.base = bytes.to_vec();
        }
        self.remember(bytes);
    }

    fn write(&mut self, bytes: &[u8]) {
        self.digest.write(bytes);
        self.written += bytes.len();
        if self.keep {
            self.bytes.extend_from_slice(bytes);
        }
        self.remember(bytes);
    }

    fn resize(&mut self, _: WindowSize) {}

    fn wipe(&mut self) {
        self.restart();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::corpus::log;

    #[test]
    fn a_rebuilt_screen_has_the_same_picture_and_another_log_has_not() {
        for size in [10_000, 200_000, 203_000, 207_000] {
            let mut whole = after(&log(size));
            let mut rebuilt = after(&whole.screen());
            assert_eq!(picture(&mut whole), picture(&mut rebuilt), "screen of {size}");
            let mut full = after(&whole.full());
            assert_eq!(picture(&mut whole), picture(&mut full), "full of {size}");
            assert_ne!(picture(&mut whole), picture(&mut after(&log(size + 500))));
        }
    }
}
