//! What a terminal shows, cell by cell, for those who draw it themselves.

use alacritty_terminal::grid::Dimensions as _;
use alacritty_terminal::index::Line;
use alacritty_terminal::term::TermMode;

use super::style::Style;
use super::{Terminal, dump, tap};

/// One character and where it stands.
#[derive(Debug, Clone, Copy)]
pub struct Glyph<'a> {
    /// Column, from 0.
    pub column: usize,
    /// The character; a blank where there is none.
    pub base: char,
    /// What joins it.
    pub marks: &'a [char],
    /// It takes the next column too.
    pub wide: bool,
    /// How it looks; hyperlinks aside.
    pub style: Style,
}

/// What a terminal wants of the keyboard that feeds its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyModes {
    /// Arrows are SS3 sequences (DECCKM).
    pub application_cursor: bool,
    /// The keypad sends sequences (DECKPAM).
    pub application_keypad: bool,
}

impl Terminal {
    /// A row of the screen as it was `back` lines before; `None` beyond its ends.
    pub fn glyphs(&self, row: usize, back: usize) -> Option<Vec<Glyph<'_>>> {
        let grid = self.tap.term.grid();
        if row >= grid.screen_lines() || back > grid.history_size() {
            return None;
        }
        let at = Line(tap::line(row).0 - i32::try_from(back).ok()?);
        let cells: &[_] = &grid[at][..];
        let mut glyphs = Vec::with_capacity(cells.len());
        let mut column = 0;
        while let Some(cell) = cells.get(column) {
            let glyph = dump::glyph_of(cell, cells.get(column + 1));
            glyphs.push(Glyph { column, ..glyph });
            column += if glyph.wide { 2 } else { 1 };
        }
        Some(glyphs)
    }

    /// Column and row of the cursor, from 0; `None` while the program hides it.
    #[must_use]
    pub fn cursor(&self) -> Option<(usize, usize)> {
        let shown = self.tap.term.mode().contains(TermMode::SHOW_CURSOR);
        let at = self.tap.term.grid().cursor.point;
        shown.then(|| (at.column.0, tap::row(at.line)))
    }

    /// Lines that have scrolled off and are kept.
    #[must_use]
    pub fn history(&self) -> usize {
        self.tap.term.grid().history_size()
    }

    /// What it wants of the keyboard.
    #[must_use]
    pub fn key_modes(&self) -> KeyModes {
        let mode = self.tap.term.mode();
        KeyModes {
            application_cursor: mode.contains(TermMode::APP_CURSOR),
            application_keypad: mode.contains(TermMode::APP_KEYPAD),
        }
    }
}
