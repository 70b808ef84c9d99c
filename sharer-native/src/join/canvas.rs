//! The person's terminal as rows of cells: of a picture only what differs from the last one is written, in one piece.
//!
//! Rows that are as they were cost a comparison and nothing else, since most pictures are the echo of one key; and nobody
//! is asked for anything, as each system call is time between a key and its echo.

use std::io::{self, Write as _};

use ratatui::backend::{Backend as _, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use shared::event::WindowSize;

/// A picture is shown as one where the terminal knows how (mode 2026).
const BEGIN: &[u8] = b"\x1b[?2026h";
const END: &[u8] = b"\x1b[?2026l";
const CLEAR: &[u8] = b"\x1b[0m\x1b[2J";
const HIDE_CURSOR: &[u8] = b"\x1b[?25l";
const SHOW_CURSOR: &[u8] = b"\x1b[?25h";

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Canvas {
    /// What the terminal shows.
    shown: Buffer,
    next: Buffer,
    /// Where its cursor is, if it shows one.
    cursor: Option<Position>,
    /// Whether what it shows is known.
    known: bool,
}

impl Canvas {
    /// The terminal shows something else by now: the next picture is drawn whole.
    pub(super) fn forget(&mut self) {
        self.known = false;
    }

    /// What has a terminal of this size show the picture that `draw` makes, which also says where the cursor is; nothing if
    /// it shows that already.
    pub(super) fn draw(
        &mut self,
        size: WindowSize,
        draw: impl FnOnce(&mut Buffer) -> Option<Position>,
    ) -> io::Result<Vec<u8>> {
        let area = Rect::new(0, 0, size.cols, size.rows);
        let mut out = BEGIN.to_vec();
        if !self.known || area != self.shown.area {
            (self.shown, self.next) = (Buffer::empty(area), Buffer::empty(area));
            (self.known, self.cursor) = (true, None);
            out.extend_from_slice(CLEAR);
            out.extend_from_slice(HIDE_CURSOR);
        }
        let same = out.len();
        self.next.reset();
        let cursor = draw(&mut self.next);
        self.write_rows(&mut out)?;
        if cursor.is_none() && self.cursor.is_some() {
            out.extend_from_slice(HIDE_CURSOR);
        }
        if let Some(Position { x, y }) = cursor.filter(|_| out.len() > same || cursor != self.cursor) {
            write!(out, "\x1b[{};{}H", y + 1, x + 1)?;
            if self.cursor.is_none() {
                out.extend_from_slice(SHOW_CURSOR);
            }
        }
        self.cursor = cursor;
        std::mem::swap(&mut self.shown, &mut self.next);
        if out.len() == BEGIN.len() {
            return Ok(Vec::new());
        }
        out.extend_from_slice(END);
        Ok(out)
    }

    /// The cells that differ.
    fn write_rows(&self, out: &mut Vec<u8>) -> io::Result<()> {
        let width = usize::from(self.next.area.width).max(1);
        let rows = self.shown.content.chunks(width).zip(self.next.content.chunks(width));
        let mut changed = Vec::new();
        for (y, (shown, next)) in (0..).zip(rows) {
            if shown != next {
                let area = Rect { y, height: 1, ..self.next.area };
                let row = |cells: &[_]| Buffer { area, content: cells.to_vec() };
                changed.push((row(shown), row(next)));
            }
        }
        if changed.is_empty() {
            return Ok(());
        }
        CrosstermBackend::new(out).draw(changed.iter().flat_map(|(shown, next)| shown.diff_iter(next)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::Terminal;

    const SIZE: WindowSize = WindowSize { cols: 20, rows: 4 };

    fn picture(rows: &[&str], cursor: Option<(u16, u16)>) -> impl FnOnce(&mut Buffer) -> Option<Position> {
        move |buffer| {
            for (y, row) in (0..).zip(rows) {
                buffer.set_string(0, y, row, ratatui::style::Style::new());
            }
            cursor.map(Position::from)
        }
    }

    #[test]
    fn a_terminal_shows_the_last_picture_and_is_given_what_differs() {
        let (mut canvas, mut terminal) = (Canvas::default(), Terminal::new(SIZE, 0));
        terminal.feed(b"something of before");
        let pictures = [
            (vec!["one", "two 漢字", "three"], Some((3, 0))),
            (vec!["one", "two a字", "three"], Some((3, 0))),
            (vec!["", "two 漢字x", "three"], None),
            (vec!["", "two 漢字x", "three"], Some((0, 3))),
        ];
        for (rows, cursor) in pictures {
            let bytes = canvas.draw(SIZE, picture(&rows, cursor)).unwrap();
            terminal.feed(&bytes);
            let shown: Vec<_> = terminal.lines().collect();
            assert_eq!(shown[..rows.len()], rows[..]);
            let at = cursor.map(|(x, y): (u16, u16)| (x.into(), y.into()));
            assert_eq!(terminal.cursor(), at);
        }
    }

    #[test]
    fn what_is_shown_already_costs_nothing_and_a_key_its_row() {
        let mut canvas = Canvas::default();
        let first = canvas.draw(SIZE, picture(&["one", "two"], Some((3, 1)))).unwrap();
        assert!(!first.is_empty());
        assert_eq!(canvas.draw(SIZE, picture(&["one", "two"], Some((3, 1)))).unwrap(), b"");
        let key = canvas.draw(SIZE, picture(&["one", "two!"], Some((4, 1)))).unwrap();
        let text = String::from_utf8_lossy(&key);
        assert!(text.contains('!') && !text.contains("one") && !text.contains("two"), "{text:?}");
        assert!(text.ends_with("\x1b[2;5H\x1b[?2026l"), "{text:?}");
        // Who does not know what is shown draws everything.
        canvas.forget();
        let again = canvas.draw(SIZE, picture(&["one", "two!"], Some((4, 1)))).unwrap();
        assert!(String::from_utf8_lossy(&again).contains("one"));
        let other = WindowSize { cols: 10, rows: 4 };
        let resized = canvas.draw(other, picture(&["one", "two!"], None)).unwrap();
        assert!(String::from_utf8_lossy(&resized).contains("one"));
    }
}
