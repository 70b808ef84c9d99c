//! Where commands were typed: a number rides on the first cell of a line, as a character without width, so that it
//! scrolls, wraps and goes with it.
//!
//! No program can write such a character: what it prints of this range is one column wide.

use alacritty_terminal::grid::Dimensions;
use alacritty_terminal::index::Column;
use alacritty_terminal::term::cell::{Cell, Flags};

use super::tap::Tap;

/// The private range that numbers are counted in, modulo its length: no scrollback holds more commands.
const FIRST: u32 = 0xf_0000;
const COUNT: u32 = 0xfffe;

/// Whether a character that joins a cell is a command's number.
pub(super) fn is_number(c: char) -> bool {
    (FIRST..FIRST + COUNT).contains(&u32::from(c))
}

fn code(number: u64) -> u32 {
    u32::try_from(number % u64::from(COUNT)).unwrap_or(0)
}

impl Tap {
    /// See [`super::Terminal::command`].
    pub(super) fn command(&mut self, number: u64) {
        if self.in_alternate() {
            return;
        }
        self.newest_command = number;
        let grid = self.term.grid_mut();
        let (top, last) = (grid.topmost_line(), grid.last_column());
        let mut at = grid.cursor.point.line;
        if grid.cursor.point.column == 0 && at > top {
            at -= 1;
        }
        while at > top && grid[at - 1i32][last].flags.contains(Flags::WRAPLINE) {
            at -= 1;
        }
        if let Some(c) = char::from_u32(FIRST + code(number)) {
            ride(&mut grid[at][Column(0)], c);
        }
    }

    /// The command that was typed on a line with this first cell.
    pub(super) fn command_of(&self, cell: &Cell) -> Option<u64> {
        let c = cell.zerowidth()?.iter().find(|c| is_number(**c))?;
        let back = (COUNT + code(self.newest_command) - (u32::from(*c) - FIRST)) % COUNT;
        self.newest_command.checked_sub(back.into())
    }
}

/// Puts a number on a cell, in place of another.
fn ride(cell: &mut Cell, number: char) {
    let marks: Vec<char> = cell.zerowidth().unwrap_or_default().to_vec();
    let (link, colour) = (cell.hyperlink(), cell.underline_color());
    cell.extra = None;
    cell.set_hyperlink(link);
    cell.set_underline_color(colour);
    marks.into_iter().filter(|c| !is_number(*c)).for_each(|c| cell.push_zerowidth(c));
    cell.push_zerowidth(number);
}
