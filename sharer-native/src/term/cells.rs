//! What a terminal shows, cell by cell, for those who draw it themselves.

use alacritty_terminal::grid::Dimensions as _;
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Flags;

use super::command::is_number;
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

impl<'a> Glyph<'a> {
    /// The character and what joins it, as a terminal is given them.
    pub fn characters(self) -> impl Iterator<Item = char> + 'a {
        let marks = self.marks.iter().copied().filter(|mark| !is_number(*mark));
        std::iter::once(self.base).chain(marks)
    }
}

/// What a terminal wants of the keyboard that feeds its program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyModes {
    /// Arrows are SS3 sequences (DECCKM).
    pub application_cursor: bool,
    /// The keypad sends sequences (DECKPAM).
    pub application_keypad: bool,
}

/// What a program wants to hear of the mouse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MouseModes {
    /// Which events.
    pub reports: MouseReports,
    /// In the encoding that has no limits (SGR).
    pub sgr: bool,
}

/// Which events of the mouse a program wants to hear of; each more than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MouseReports {
    /// Presses.
    Presses,
    /// Releases, too.
    Clicks,
    /// Motion with a button held, too.
    Drags,
    /// All motion.
    Motion,
}

impl Terminal {
    /// A row of the screen as it was `back` lines before; `None` beyond its ends.
    pub fn glyphs(&self, row: usize, back: usize) -> Option<impl Iterator<Item = Glyph<'_>>> {
        let grid = self.tap.term.grid();
        if row >= grid.screen_lines() || back > grid.history_size() {
            return None;
        }
        Some(self.row_glyphs(Line(tap::line(row).0 - i32::try_from(back).ok()?)))
    }

    fn row_glyphs(&self, at: Line) -> impl Iterator<Item = Glyph<'_>> {
        let cells: &[_] = &self.tap.term.grid()[at][..];
        let mut column = 0;
        std::iter::from_fn(move || {
            let glyph = Glyph { column, ..dump::glyph_of(cells.get(column)?, cells.get(column + 1)) };
            column += if glyph.wide { 2 } else { 1 };
            Some(glyph)
        })
    }

    /// The texts of all lines that are kept, those that have scrolled off first, without blanks at their ends.
    pub fn lines(&self) -> impl DoubleEndedIterator<Item = String> + '_ {
        self.written().map(|(text, _)| text.trim_end().to_owned())
    }

    /// The texts of all lines as [`Terminal::lines`] has them, and whether each goes on in the next: then with its blanks.
    pub fn written(&self) -> impl DoubleEndedIterator<Item = (String, bool)> + '_ {
        self.all_lines().map(|(_, at)| {
            let mut text: String = self.row_glyphs(at).flat_map(Glyph::characters).collect();
            let last = self.last_flags(at);
            let goes_on = last.contains(Flags::WRAPLINE);
            if !goes_on {
                text.truncate(text.trim_end().len());
            } else if last.contains(Flags::LEADING_WIDE_CHAR_SPACER) {
                // The next character was too wide for this column.
                text.pop();
            }
            (text, goes_on)
        })
    }

    /// Whether a row of the screen, as it was `back` lines before, goes on in the next.
    pub fn goes_on(&self, row: usize, back: usize) -> bool {
        let grid = self.tap.term.grid();
        let at = i32::try_from(back).map(|back| Line(tap::line(row).0 - back));
        row < grid.screen_lines()
            && back <= grid.history_size()
            && at.is_ok_and(|at| self.last_flags(at).contains(Flags::WRAPLINE))
    }

    fn last_flags(&self, at: Line) -> Flags {
        let cells: &[_] = &self.tap.term.grid()[at][..];
        cells.last().map_or(Flags::empty(), |cell| cell.flags)
    }

    /// The commands whose lines are kept, each with the place of its line in [`Terminal::lines`].
    pub fn commands(&self) -> Vec<(u64, usize)> {
        let grid = self.tap.term.grid();
        let found = |(place, at): (usize, Line)| Some((self.tap.command_of(&grid[at][Column(0)])?, place));
        self.all_lines().filter_map(found).collect()
    }

    fn all_lines(&self) -> impl DoubleEndedIterator<Item = (usize, Line)> + '_ {
        let grid = self.tap.term.grid();
        let history = i32::try_from(grid.history_size()).unwrap_or(i32::MAX);
        (0..grid.screen_lines() + grid.history_size())
            .map(move |place| (place, Line(tap::line(place).0 - history)))
    }

    /// What the program wants to hear of the mouse. Who wants to hear of pixels (mode 1016) hears nothing: there are none.
    #[must_use]
    pub fn mouse_modes(&self) -> Option<MouseModes> {
        let mouse = &self.tap.shadow.mouse;
        let reports = match mouse.protocol? {
            9 => MouseReports::Presses,
            1000 => MouseReports::Clicks,
            1002 => MouseReports::Drags,
            _ => MouseReports::Motion,
        };
        let sgr = mouse.encoding.is_some();
        (mouse.encoding != Some(1016)).then_some(MouseModes { reports, sgr })
    }

    /// The number of the cursor's shape (DECSCUSR); 0: as the person's terminal has it.
    #[must_use]
    pub fn cursor_shape(&self) -> u8 {
        self.tap.shadow.cursor_style.unwrap_or(0)
    }

    /// Whether a full-screen program shows: nothing scrolls off.
    #[must_use]
    pub fn is_alternate(&self) -> bool {
        self.tap.term.mode().contains(TermMode::ALT_SCREEN)
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
