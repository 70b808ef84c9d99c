//! The tap: stands between the parser and the engine, notes what the engine hides and mends what it does
//! differently from xterm.js. What each sequence does is in [`sequences`].

mod sequences;

use std::ops::Range;

use alacritty_terminal::event::VoidListener;
use alacritty_terminal::grid::{Cursor, Dimensions};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::cell::{Flags, Hyperlink};
use alacritty_terminal::term::test::TermSize;
use alacritty_terminal::term::{Config, Term, TermMode};
use alacritty_terminal::vte::ansi::{self, Attr, Handler as _};

use super::answers::Answers;
use super::shadow::{Hidden, Saved, Shadow};
use super::tabs::Tabs;
use shared::event::WindowSize;

/// The one flag bit of a cell that the engine leaves free. It copies all flags of the pen into cells.
pub(super) const BLINK: Flags = Flags::from_bits_retain(1 << 15);

/// Combining marks a cell takes. Real text has up to about ten; more is Zalgo or an attack on memory.
const MAX_MARKS: usize = 32;
/// Bytes that all links in the cells may take. A screen full of different longest links would take a gigabyte.
const MAX_LINKS: usize = 4 << 20;
/// Refused links between two counts of what the cells still hold.
const REFUSALS: usize = 4096;

/// The engine with what we know beside it.
pub(super) struct Tap {
    pub(super) term: Term<VoidListener>,
    pub(super) shadow: Shadow,
    pub(super) answers: Answers,
    pub(super) bell: bool,
    links: Links,
    pub(super) newest_command: u64,
}

/// How much memory hyperlinks take: an upper bound, counted anew when it is reached.
#[derive(Default)]
struct Links {
    bytes: usize,
    refusals: usize,
}

/// Gives a line of the screen by its row.
pub(super) fn line(row: usize) -> Line {
    Line(i32::try_from(row).unwrap_or(i32::MAX))
}

/// Gives the row of a line of the screen.
pub(super) fn row(line: Line) -> usize {
    usize::try_from(line.0).unwrap_or(0)
}

impl Tap {
    pub(super) fn new(size: WindowSize, scrollback_lines: usize) -> Self {
        let config = Config { scrolling_history: scrollback_lines, ..Config::default() };
        Self {
            term: Term::new(config, &dimensions(size), VoidListener),
            shadow: Shadow::new(size.cols.into()),
            answers: Answers::default(),
            bell: false,
            links: Links::default(),
            newest_command: 0,
        }
    }

    pub(super) fn resize(&mut self, size: WindowSize) {
        self.term.resize(dimensions(size));
        // The alternate screen keeps a pending wrap where there is room now.
        let last = self.term.last_column();
        let cursor = &mut self.term.grid_mut().cursor;
        if cursor.input_needs_wrap && cursor.point.column < last {
            cursor.input_needs_wrap = false;
            cursor.point.column += 1;
        }
        let shadow = &mut self.shadow;
        shadow.margins = None;
        shadow.tabs.resize(size.cols.into());
        if let Some(hidden) = &mut shadow.hidden {
            hidden.margins = None;
            hidden.tabs.resize(size.cols.into());
            let point = &mut hidden.saved_cursor.point;
            point.line = point.line.min(line(usize::from(size.rows) - 1));
            point.column = point.column.min(Column(usize::from(size.cols) - 1));
        }
    }

    /// Lines of scrollback, of the primary screen also while the alternate one shows.
    pub(super) fn history_lines(&mut self) -> usize {
        self.with_primary(|tap| tap.term.grid().history_size())
    }

    /// Lets `read` see the primary screen as the engine's current one.
    ///
    /// The engine shows only its current screen, and swapping back erases the alternate one: so that one, which
    /// has no scrollback, is put back from a copy.
    pub(super) fn with_primary<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        if !self.in_alternate() {
            return read(self);
        }
        let alternate = self.term.grid().clone();
        self.term.swap_alt();
        let seen = read(self);
        self.term.swap_alt();
        *self.term.grid_mut() = alternate;
        seen
    }

    pub(super) fn in_alternate(&self) -> bool {
        self.term.mode().contains(TermMode::ALT_SCREEN)
    }

    /// DECSTR.
    pub(super) fn soft_reset(&mut self) {
        use ansi::NamedPrivateMode::{BracketedPaste, CursorKeys, LineWrap, ReportFocusInOut, ShowCursor};
        let Cursor { point, input_needs_wrap, .. } = self.term.grid().cursor;
        let term = &mut self.term;
        for mode in [CursorKeys, ReportFocusInOut, BracketedPaste, ansi::NamedPrivateMode::Origin] {
            term.unset_private_mode(mode.into());
        }
        for mode in [LineWrap, ShowCursor] {
            term.set_private_mode(mode.into());
        }
        term.unset_mode(ansi::NamedMode::Insert.into());
        term.unset_keypad_application_mode();
        term.terminal_attribute(Attr::Reset);
        term.set_hyperlink(None);
        term.set_scrolling_region(1, None);
        let grid = term.grid_mut();
        grid.saved_cursor = Cursor::default();
        grid.cursor.point = point;
        grid.cursor.input_needs_wrap = input_needs_wrap;
        let shadow = &mut self.shadow;
        shadow.margins = None;
        shadow.charsets = <_>::default();
        shadow.saved = Saved::default();
        shadow.cursor_style = None;
        shadow.reverse_wrap = false;
        shadow.synchronized = false;
    }

    fn rows(&self) -> usize {
        self.term.screen_lines()
    }

    fn cols(&self) -> usize {
        self.term.columns()
    }

    fn margins(&self) -> Range<usize> {
        self.shadow.margins.clone().unwrap_or(0..self.rows())
    }

    /// Row and column of the cursor.
    fn at(&self) -> (usize, usize) {
        let point = self.term.grid().cursor.point;
        (row(point.line), point.column.0)
    }

    fn wrap_pends(&self) -> bool {
        self.term.grid().cursor.input_needs_wrap
    }

    /// Gives up a pending wrap.
    fn settle(&mut self) {
        self.term.grid_mut().cursor.input_needs_wrap = false;
    }

    fn set_column(&mut self, col: usize) {
        self.term.grid_mut().cursor.point.column = Column(col.min(self.cols() - 1));
    }

    /// Moves by rows. Margins stop a cursor that comes from inside them. Under origin mode xterm.js adds the
    /// top margin once more; so does `goto`.
    fn move_rows(&mut self, rows: i32, first_column: bool) {
        let (at, col) = self.at();
        let Range { start, end } = self.margins();
        let to = if rows < 0 {
            let stop = if at >= start { line(start).0 } else { 0 };
            (line(at).0 + rows).max(stop)
        } else {
            let stop = if at < end { line(end).0 - 1 } else { i32::MAX };
            (line(at).0 + rows).min(stop)
        };
        self.term.goto(to, if first_column { 0 } else { col });
    }

    /// Blanks both halves of a wide character that the cut left of `col` would halve.
    fn split_wide(&mut self, at: usize, col: usize) {
        if col == 0 || col >= self.cols() {
            return;
        }
        let grid = self.term.grid_mut();
        let background = grid.cursor.template.bg;
        let cells = &mut grid[line(at)];
        if cells[Column(col)].flags.contains(Flags::WIDE_CHAR_SPACER) {
            cells[Column(col)] = background.into();
            cells[Column(col - 1)] = background.into();
        }
    }

    /// Insert mode: blanks wide characters that inserting `cols` columns would halve.
    fn make_room(&mut self, cols: usize) {
        let (mut at, mut col) = self.at();
        if cols == 0 {
            return;
        }
        if self.wrap_pends() {
            if !self.term.mode().contains(TermMode::LINE_WRAP) {
                return;
            }
            // A line that scrolls in is blank anyway.
            (at, col) = ((at + 1).min(self.rows() - 1), 0);
        }
        self.split_wide(at, col);
        self.split_wide(at, self.cols() - cols);
    }

    /// Ends a line's soft wrap: another line than the one it went on in follows now.
    fn end_wrap(&mut self, at: Option<usize>) {
        let last = Column(self.cols() - 1);
        let Some(at) = at else { return };
        let cells = &mut self.term.grid_mut()[line(at)];
        // Reading first is much cheaper: a row remembers how far it was written.
        if cells[last].flags.contains(Flags::WRAPLINE) {
            cells[last].flags.remove(Flags::WRAPLINE);
        }
    }

    /// Moves the lines of `range` up, blank ones behind them, without keeping them in the scrollback.
    fn pull_up(&mut self, range: Range<usize>, count: usize) {
        let count = count.min(range.len());
        self.end_wrap(range.start.checked_sub(1));
        self.end_wrap(Some(range.end - 1));
        let grid = self.term.grid_mut();
        let gone: Vec<_> =
            (range.start..range.start + count).map(|at| std::mem::take(&mut grid[line(at)])).collect();
        for at in range.start + count..range.end {
            grid[line(at - count)] = std::mem::take(&mut grid[line(at)]);
        }
        for (at, cells) in (range.end - count..range.end).zip(gone) {
            grid[line(at)] = cells;
        }
        grid.reset_region(line(range.end - count)..line(range.end));
    }

    /// Shows the alternate screen, blank, with margins, tab stops and keyboard modes of its own.
    fn enter_alternate(&mut self) {
        if self.in_alternate() {
            return;
        }
        let shadow = &mut self.shadow;
        let hidden = Hidden {
            margins: shadow.margins.take(),
            tabs: std::mem::replace(&mut shadow.tabs, Tabs::new(self.term.columns())),
            keyboard: std::mem::take(&mut shadow.keyboard),
            saved: std::mem::take(&mut shadow.saved),
            saved_cursor: self.term.grid().saved_cursor.clone(),
        };
        shadow.hidden = Some(hidden);
        self.term.swap_alt();
        // A viewer that joins later knows no earlier alternate screen.
        self.term.grid_mut().saved_cursor = Cursor::default();
        self.apply_margins();
    }

    /// Shows the primary screen again, with the alternate screen's cursor and pen.
    fn leave_alternate(&mut self) {
        let Some(hidden) = self.shadow.hidden.take() else { return };
        let cursor = self.term.grid().cursor.clone();
        self.term.swap_alt();
        let grid = self.term.grid_mut();
        grid.cursor = cursor;
        grid.saved_cursor = hidden.saved_cursor;
        self.shadow.margins = hidden.margins;
        self.shadow.tabs = hidden.tabs;
        self.shadow.keyboard = hidden.keyboard;
        self.shadow.saved = hidden.saved;
        self.apply_margins();
    }

    /// Tells the engine the margins without moving the cursor.
    fn apply_margins(&mut self) {
        let Cursor { point, input_needs_wrap, .. } = self.term.grid().cursor;
        let Range { start, end } = self.margins();
        self.term.set_scrolling_region(start + 1, Some(end));
        let cursor = &mut self.term.grid_mut().cursor;
        cursor.point = point;
        cursor.input_needs_wrap = input_needs_wrap;
    }

    /// Says whether the cell that a combining mark at the cursor would join has enough of them.
    fn marks_are_full(&self) -> bool {
        let cursor = &self.term.grid().cursor;
        let cells = &self.term.grid()[cursor.point.line];
        let mut col = cursor.point.column;
        if !cursor.input_needs_wrap {
            col.0 = col.0.saturating_sub(1);
        }
        if cells[col].flags.contains(Flags::WIDE_CHAR_SPACER) {
            col.0 = col.0.saturating_sub(1);
        }
        cells[col].zerowidth().is_some_and(|marks| marks.len() >= MAX_MARKS)
    }

    /// Takes a link of so many bytes into account, or refuses it.
    fn admit_link(&mut self, bytes: usize) -> bool {
        if self.links.bytes + bytes > MAX_LINKS {
            if self.links.refusals == 0 {
                self.links.bytes = self.bytes_of_links();
            }
            self.links.refusals = (self.links.refusals + 1) % REFUSALS;
        }
        let admitted = self.links.bytes + bytes <= MAX_LINKS;
        if admitted {
            self.links.bytes += bytes;
        }
        admitted
    }

    /// Counts the links in the cells; neighbours that share one count once.
    fn bytes_of_links(&mut self) -> usize {
        fn count(tap: &Tap) -> usize {
            let grid = tap.term.grid();
            let mut bytes = 0;
            let mut last: Option<Hyperlink> = None;
            for cell in grid.iter_from(alacritty_terminal::index::Point::new(grid.topmost_line(), Column(0)))
            {
                let Some(link) = cell.cell.hyperlink() else { continue };
                if last.as_ref().is_none_or(|last| last.uri().as_ptr() != link.uri().as_ptr()) {
                    bytes += link.uri().len() + link.id().len();
                }
                last = Some(link);
            }
            bytes
        }
        let alternate = if self.in_alternate() { count(self) } else { 0 };
        alternate + self.with_primary(|tap| count(tap))
    }
}

fn dimensions(size: WindowSize) -> TermSize {
    TermSize::new(size.cols.into(), size.rows.into())
}
