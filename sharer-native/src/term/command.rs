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
        self.mark_command(number, true);
    }

    /// See [`super::Terminal::recall`].
    pub(super) fn recall(&mut self, number: u64) {
        self.mark_command(number, false);
    }

    fn mark_command(&mut self, number: u64, begins: bool) {
        if self.in_alternate() {
            return;
        }
        self.newest_command = self.newest_command.max(number);
        let grid = self.term.grid_mut();
        let (top, last) = (grid.topmost_line(), grid.last_column());
        let mut at = grid.cursor.point.line;
        if begins && grid.cursor.point.column == 0 && at > top {
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

/// Up to where in a dump the first character behind a number has been written.
pub(super) fn first_character(dump: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let rest = dump.get(at..).unwrap_or_default();
        let position = |from: usize, is: &dyn Fn(u8) -> bool| {
            rest.iter().skip(from).position(|byte| is(*byte)).map_or(rest.len(), |found| from + found + 1)
        };
        at += match rest {
            [] => return dump.len(),
            [0x1b, b'[', ..] => position(2, &|byte| (0x40..=0x7e).contains(&byte)),
            [0x1b, b']', ..] => position(2, &|byte| byte == 0x07 || byte == b'\\'),
            [0x1b, ..] => 2.min(rest.len()),
            [control, ..] if *control < 0x20 => 1,
            [_, more @ ..] => {
                return at + 1 + more.iter().take_while(|byte| **byte & 0xc0 == 0x80).count();
            }
        };
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
