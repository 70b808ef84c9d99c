//! A terminal model's cells in a part of the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Modifier, Style};

use crate::term::Terminal;
use crate::term::style::{Colour, Effects, Style as Look};

/// Draws what fits of a terminal, `back` lines before now, around its cursor; says where the cursor is then, and which
/// column and row of the terminal stand first.
pub(super) fn draw(
    terminal: &Terminal,
    back: usize,
    area: Rect,
    buffer: &mut Buffer,
) -> (Option<Position>, (u16, u16)) {
    let size = terminal.size();
    let cursor = terminal.cursor().filter(|_| back == 0);
    let (left, top) = corner(cursor, (size.cols, size.rows), area);
    for row in 0..area.height {
        let Some(glyphs) = terminal.glyphs(usize::from(top + row), back) else { break };
        for glyph in glyphs {
            // As the buffer is before anything is drawn.
            if glyph.base == ' ' && glyph.marks.is_empty() && glyph.style == Look::default() {
                continue;
            }
            let Some(column) = u16::try_from(glyph.column).ok().and_then(|column| column.checked_sub(left))
            else {
                continue;
            };
            let width = if glyph.wide { 2 } else { 1 };
            if column + width > area.width {
                break;
            }
            let Some(cell) = buffer.cell_mut((area.x + column, area.y + row)) else { continue };
            // The model keeps no control characters; this is the last door before a person's terminal.
            let base = if glyph.base.is_control() { ' ' } else { glyph.base };
            cell.set_char(base).set_style(style(glyph.style));
            if !glyph.marks.is_empty() {
                let symbol: String = glyph.characters().filter(|c| !c.is_control()).collect();
                cell.set_symbol(if symbol.is_empty() { " " } else { &symbol });
            }
            if glyph.wide
                && let Some(next) = buffer.cell_mut((area.x + column + 1, area.y + row))
            {
                next.set_symbol(" ").set_style(style(glyph.style));
            }
        }
    }
    let at = |value: usize, from: u16| u16::try_from(value).ok()?.checked_sub(from);
    let cursor = cursor.and_then(|(column, row)| Some((at(column, left)?, at(row, top)?)));
    let cursor = cursor.filter(|(column, row)| *column < area.width && *row < area.height);
    (cursor.map(|(column, row)| Position::new(area.x + column, area.y + row)), (left, top))
}

/// The first column and row that are shown, so that the cursor is.
fn corner(cursor: Option<(usize, usize)>, size: (u16, u16), area: Rect) -> (u16, u16) {
    let first = |at: usize, size: u16, room: u16| {
        let at = u16::try_from(at).unwrap_or(u16::MAX);
        let most = size.saturating_sub(room);
        if at < room { 0 } else { (at + 1).saturating_sub(room).min(most) }
    };
    let (column, row) = cursor.unwrap_or_default();
    (first(column, size.0, area.width), first(row, size.1, area.height))
}

fn style(look: Look) -> Style {
    let mut modifier = Modifier::empty();
    for (effect, is) in [
        (Effects::BOLD, Modifier::BOLD),
        (Effects::DIM, Modifier::DIM),
        (Effects::ITALIC, Modifier::ITALIC),
        (Effects::BLINK, Modifier::SLOW_BLINK),
        (Effects::INVERSE, Modifier::REVERSED),
        (Effects::HIDDEN, Modifier::HIDDEN),
        (Effects::STRIKE, Modifier::CROSSED_OUT),
    ] {
        if look.effects.has(effect) {
            modifier |= is;
        }
    }
    if look.underline > 0 {
        modifier |= Modifier::UNDERLINED;
    }
    Style::reset().fg(colour(look.foreground)).bg(colour(look.background)).add_modifier(modifier)
}

fn colour(colour: Colour) -> Color {
    match colour {
        Colour::Default => Color::Reset,
        Colour::Basic(n) | Colour::Palette(n) => Color::Indexed(n),
        Colour::Rgb(red, green, blue) => Color::Rgb(red, green, blue),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::event::WindowSize;

    fn drawn(terminal: &Terminal, back: usize, area: Rect) -> (Vec<String>, Option<Position>) {
        let mut buffer = Buffer::empty(Rect::new(0, 0, area.right(), area.bottom()));
        let (cursor, _) = draw(terminal, back, area, &mut buffer);
        let row = |y: u16| -> String {
            (area.x..area.right()).map(|x| buffer[(x, y)].symbol().to_owned()).collect()
        };
        ((area.y..area.bottom()).map(row).collect(), cursor)
    }

    #[test]
    fn what_fits_is_shown_around_the_cursor() {
        let mut terminal = Terminal::new(WindowSize { cols: 10, rows: 4 }, 100);
        terminal.feed(b"one\r\n");
        terminal.command(1);
        terminal.feed("two\r\n漢字 é\r\nlast line!".as_bytes());
        let (rows, cursor) = drawn(&terminal, 0, Rect::new(2, 1, 12, 5));
        assert_eq!(rows[0].trim_end(), "one", "a command's number is no character");
        assert!(rows[2].starts_with("漢") && rows[3].starts_with("last line!"), "{rows:?}");
        assert_eq!(cursor, Some(Position::new(2 + 9, 1 + 3)), "in a terminal that wraps, at its last column");
        // Three columns and two rows are too few: the cursor's are shown.
        let (rows, cursor) = drawn(&terminal, 0, Rect::new(0, 0, 3, 2));
        assert_eq!((rows[1].as_str(), cursor), ("ne!", Some(Position::new(2, 1))));
        // Nothing outside the area is touched, a wide character at its edge included.
        let (rows, _) = drawn(&terminal, 0, Rect::new(0, 0, 1, 4));
        assert_eq!(rows.len(), 4);
    }

    #[test]
    fn what_scrolled_off_can_be_looked_at() {
        let mut terminal = Terminal::new(WindowSize { cols: 10, rows: 2 }, 100);
        for n in 0..20 {
            terminal.feed(format!("\r\nline {n}").as_bytes());
        }
        let (rows, cursor) = drawn(&terminal, 5, Rect::new(0, 0, 10, 2));
        assert_eq!((rows[1].trim_end(), cursor), ("line 14", None));
        assert_eq!(drawn(&terminal, 1_000, Rect::new(0, 0, 10, 2)).0[0].trim_end(), "");
    }
}
