//! Dumps: reads the engine's cells and the shadow, and has them written.
//!
//! The order matters. Rows first, while all modes are as after a reset; then what the cursor moves through
//! (margins, origin mode); cursor and pen; the modes that change how text is written; last of all the character
//! printed last, once more, so that a combining mark or REP that follows finds it.

use std::ops::Range;

use alacritty_terminal::grid::{Cursor, Dimensions, Grid};
use alacritty_terminal::index::{Column, Line};
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::{Cell, Flags, Hyperlink};
use alacritty_terminal::vte::ansi::{Color, NamedColor};

use super::cells;
use super::command::is_number;
use super::shadow::{Charsets, Keyboard, Saved};
use super::style::{Colour, Effects, Style};
use super::tabs::Tabs;
use super::tap::{BLINK, Tap, line, row};
use super::writer::{Glyph, Row, Writer};

/// Bytes of a dump with scrollback; a snapshot may have 16 MiB.
pub(super) const LONGEST: usize = 12 << 20;

/// Dumps the screen and up to `lines` lines of scrollback. `printed`: a printed character came last.
pub(super) fn dump(tap: &mut Tap, lines: usize, printed: bool) -> Vec<u8> {
    let mut writer = Writer::new(lines == 0);
    tap.with_primary(|tap| rows(tap, lines, &mut writer));
    if let Some(hidden) = &tap.shadow.hidden {
        saved_cursor(&hidden.saved_cursor, hidden.saved, &mut writer);
        tabs(&hidden.tabs, &mut writer);
        margins(hidden.margins.as_ref(), &mut writer);
        keyboard(&hidden.keyboard, &mut writer);
        writer.style(Style::default());
        writer.mode(1047, true);
        writer.go_to(0, 0);
        rows(tap, 0, &mut writer);
    }
    state(tap, printed, &mut writer);
    writer.finish()
}

/// Reads the screen as text.
pub(super) fn text(tap: &Tap) -> String {
    let grid = tap.term.grid();
    let mut text = String::new();
    for at in 0..grid.screen_lines() {
        let cells = grid[line(at)][..].iter();
        for cell in cells.filter(|cell| !cell.flags.contains(Flags::WIDE_CHAR_SPACER)) {
            text.push(cell.c);
            text.extend(cell.zerowidth().unwrap_or_default().iter().filter(|c| !is_number(**c)));
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

/// Writes all but the cells.
fn state(tap: &Tap, printed: bool, writer: &mut Writer) {
    let Tap { term, shadow, .. } = tap;
    let (grid, modes) = (term.grid(), *term.mode());
    let cursor = &grid.cursor;

    saved_cursor(&grid.saved_cursor, shadow.saved, writer);
    tabs(&shadow.tabs, writer);
    for title in &shadow.titles {
        writer.put(format_args!("\x1b]2;{title}\x1b\\\x1b[22;2t"));
    }
    if let Some(title) = &shadow.title {
        writer.put(format_args!("\x1b]2;{title}\x1b\\"));
    }
    colours(tap, writer);
    margins(shadow.margins.as_ref(), writer);
    let mut top = 0;
    if modes.contains(TermMode::ORIGIN) {
        writer.mode(6, true);
        top = shadow.margins.as_ref().map_or(0, |margins| margins.start);
    }

    let (at, col) = (row(cursor.point.line).saturating_sub(top), cursor.point.column);
    let last = last_glyph(grid, writer);
    let pen = style(&cursor.template, writer);
    match &last {
        // Only printing in the last column leaves a wrap pending.
        Some((col, glyph)) if cursor.input_needs_wrap => {
            writer.go_to(at, *col);
            writer.style(if glyph.is_space_like(pen) { pen } else { glyph.style });
            writer.print(glyph);
        }
        _ => writer.go_to(at, col.0),
    }
    writer.style(pen);

    if !modes.contains(TermMode::LINE_WRAP) {
        writer.mode(7, false);
    }
    if modes.contains(TermMode::INSERT) {
        writer.put(format_args!("\x1b[4h"));
    }
    if modes.contains(TermMode::LINE_FEED_NEW_LINE) {
        writer.put(format_args!("\x1b[20h"));
    }
    if modes.contains(TermMode::APP_KEYPAD) {
        writer.put(format_args!("\x1b="));
    }
    for (mode, flag) in
        [(1, TermMode::APP_CURSOR), (2004, TermMode::BRACKETED_PASTE), (1004, TermMode::FOCUS_IN_OUT)]
    {
        if modes.contains(flag) {
            writer.mode(mode, true);
        }
    }
    for mode in [shadow.mouse.protocol, shadow.mouse.encoding].into_iter().flatten() {
        writer.mode(mode, true);
    }
    if shadow.reverse_wrap {
        writer.mode(45, true);
    }
    if !modes.contains(TermMode::ALTERNATE_SCROLL) {
        writer.mode(1007, false);
    }
    if let Some(style) = shadow.cursor_style {
        writer.put(format_args!("\x1b[{style} q"));
    }
    if let Some(blinks) = shadow.cursor_blink {
        writer.mode(12, blinks);
    }
    // Always written: were the glyph of a pending wrap the last thing, a combining mark that follows would join it.
    writer.mode(25, modes.contains(TermMode::SHOW_CURSOR));
    keyboard(&shadow.keyboard, writer);
    charsets(shadow.charsets, writer);
    if shadow.synchronized {
        writer.mode(2026, true);
    }

    if let Some((col, glyph)) = last
        && printed
        && col + glyph.width() == cursor.point.column.0 + usize::from(cursor.input_needs_wrap)
        && writer.is_right(&glyph)
    {
        writer.go_to(at, col);
        if modes.contains(TermMode::INSERT) {
            writer.put(format_args!("\x1b[{}P", glyph.width()));
        }
        writer.print(&glyph);
    }
}

/// Writes the rows of a screen, with so many lines of its scrollback before it.
fn rows(tap: &Tap, history: usize, writer: &mut Writer) {
    let grid = tap.term.grid();
    let history = history.min(grid.history_size());
    let mut styles = Styles::default();
    let mut row = Row::default();
    let first = -line(history).0;
    let end = line(grid.screen_lines()).0;
    for at in first..end {
        row.goes_on = row.wraps;
        row.command = tap.command_of(&grid[Line(at)][Column(0)]);
        let next = (at + 1 < end).then_some(Line(at + 1));
        row.wraps = next.is_some() && grid[Line(at)][grid.last_column()].flags.contains(Flags::WRAPLINE);
        let follower = next.filter(|_| row.wraps).map(|next| &grid[next][Column(0)]);
        let wide_follower = follower.filter(|cell| cell.flags.contains(Flags::WIDE_CHAR));
        let wide_follower = wide_follower.map(|cell| styles.of(cell, writer));
        read(grid, Line(at), wide_follower, &mut row.glyphs, &mut styles, writer);
        writer.row(&row);
    }
    writer.end_rows(history > 0);
}

/// Reads a row. `wide_follower`: the style of a wide character that the row wraps before. It leaves a blank cell
/// of its own style where it does not fit, which must not be written then.
fn read<'a>(
    grid: &'a Grid<Cell>,
    at: Line,
    wide_follower: Option<Style>,
    glyphs: &mut Vec<Glyph<'a>>,
    styles: &mut Styles,
    writer: &mut Writer,
) {
    glyphs.clear();
    let mut cells = grid[at][..].iter().peekable();
    while let Some(cell) = cells.next() {
        let style = styles.of(cell, writer);
        let is_wide = cell.flags.contains(Flags::WIDE_CHAR);
        let spacer = cells.next_if(|cell| is_wide && cell.flags.contains(Flags::WIDE_CHAR_SPACER));
        let glyph = glyph(cell, spacer.is_some(), style);
        let left_by_follower = wide_follower.is_some_and(|follower| glyph.is_space_like(follower));
        if !(left_by_follower && cells.peek().is_none()) {
            glyphs.push(glyph);
        }
    }
}

/// Finds the glyph left of the cursor, or the one under it if a wrap pends, and its column.
fn last_glyph<'a>(grid: &'a Grid<Cell>, writer: &mut Writer) -> Option<(usize, Glyph<'a>)> {
    let cursor = &grid.cursor;
    let cells = &grid[cursor.point.line];
    let mut col = cursor.point.column.0;
    if !cursor.input_needs_wrap {
        col = col.checked_sub(1)?;
    }
    if col > 0 && cells[Column(col)].flags.contains(Flags::WIDE_CHAR_SPACER) {
        col -= 1;
    }
    let follows = |flag| col + 1 < grid.columns() && cells[Column(col + 1)].flags.contains(flag);
    Some((
        col,
        glyph(&cells[Column(col)], follows(Flags::WIDE_CHAR_SPACER), style(&cells[Column(col)], writer)),
    ))
}

/// Gives the glyph of a cell. A wide one whose other half is gone, as after a resize, is a blank.
fn glyph(cell: &Cell, spacer_follows: bool, style: Style) -> Glyph<'_> {
    let wide = cell.flags.contains(Flags::WIDE_CHAR) && spacer_follows;
    if cell.flags.contains(Flags::WIDE_CHAR) && !wide {
        return Glyph { base: ' ', marks: &[], style, wide };
    }
    let marks = cell.zerowidth().unwrap_or_default();
    // A command's number is no part of what is seen.
    let marks = match marks {
        [marks @ .., last] if is_number(*last) => marks,
        marks => marks,
    };
    Glyph { base: cell.c, marks, style, wide }
}

fn saved_cursor(cursor: &Cursor<Cell>, saved: Saved, writer: &mut Writer) {
    let style = Style { link: 0, ..style(&cursor.template, writer) };
    let (at, col) = (row(cursor.point.line), cursor.point.column.0);
    if (at, col, style, saved) == (0, 0, Style::default(), Saved::default()) {
        return;
    }
    writer.go_to(at, col);
    writer.style(style);
    writer.put(format_args!("{}", if saved.drawing { "\x1b(0\x1b7\x1b(B" } else { "\x1b7" }));
}

fn tabs(tabs: &Tabs, writer: &mut Writer) {
    if let Some(stops) = tabs.unusual() {
        writer.put(format_args!("\x1b[3g"));
        for col in stops {
            writer.put(format_args!("\x1b[{}G\x1bH", col + 1));
        }
    }
}

fn margins(margins: Option<&Range<usize>>, writer: &mut Writer) {
    if let Some(Range { start, end }) = margins {
        writer.put(format_args!("\x1b[{};{end}r", start + 1));
    }
}

fn keyboard(keyboard: &Keyboard, writer: &mut Writer) {
    let mut flags = keyboard.stack.iter().chain([&keyboard.flags]);
    if let Some(first @ 1..) = flags.next() {
        writer.put(format_args!("\x1b[={first}u"));
    }
    for flags in flags {
        writer.put(format_args!("\x1b[>{flags}u"));
    }
}

/// After DECRC the set in use may be another than the invoked one, which no sequence says: then the former counts.
fn charsets(charsets: Charsets, writer: &mut Writer) {
    for ((set, drawing), designator) in (0..).zip(charsets.drawing).zip(['(', ')', '*', '+']) {
        if if set == charsets.invoked { charsets.active } else { drawing } {
            writer.put(format_args!("\x1b{designator}0"));
        }
    }
    match charsets.invoked {
        0 => {}
        1 => writer.put(format_args!("\x0e")),
        2 => writer.put(format_args!("\x1bn")),
        _ => writer.put(format_args!("\x1bo")),
    }
}

fn colours(tap: &Tap, writer: &mut Writer) {
    let colours = tap.term.colors();
    for index in 0..=NamedColor::Cursor as usize {
        if let Some(colour) = colours[index] {
            let selector = if index < 256 { format!("4;{index}") } else { format!("{}", index - 256 + 10) };
            writer.put(format_args!(
                "\x1b]{selector};rgb:{:02x}/{:02x}/{:02x}\x1b\\",
                colour.r, colour.g, colour.b
            ));
        }
    }
}

/// Reads styles; neighbours mostly share one.
#[derive(Default)]
struct Styles {
    last: Option<(Color, Color, Flags, Style)>,
}

impl Styles {
    fn of(&mut self, cell: &Cell, writer: &mut Writer) -> Style {
        if cell.extra.is_some() {
            return style(cell, writer);
        }
        match self.last {
            Some((fg, bg, flags, style)) if (fg, bg, flags) == (cell.fg, cell.bg, cell.flags) => style,
            _ => {
                let style = style(cell, writer);
                self.last = Some((cell.fg, cell.bg, cell.flags, style));
                style
            }
        }
    }
}

fn style(cell: &Cell, writer: &mut Writer) -> Style {
    Style { link: cell.hyperlink().map_or(0, |link| link_number(&link, writer)), ..look(cell) }
}

/// A cell for somebody who draws it, and the one behind it. The column is not known here.
pub(super) fn glyph_of<'a>(cell: &'a Cell, next: Option<&Cell>) -> cells::Glyph<'a> {
    let spacer_follows = next.is_some_and(|next| next.flags.contains(Flags::WIDE_CHAR_SPACER));
    let Glyph { base, marks, style, wide } = glyph(cell, spacer_follows, look(cell));
    cells::Glyph { column: 0, base, marks, wide, style }
}

fn look(cell: &Cell) -> Style {
    let mut effects = Effects::default();
    for (flag, effect) in [
        (Flags::BOLD, Effects::BOLD),
        (Flags::DIM, Effects::DIM),
        (Flags::ITALIC, Effects::ITALIC),
        (BLINK, Effects::BLINK),
        (Flags::INVERSE, Effects::INVERSE),
        (Flags::HIDDEN, Effects::HIDDEN),
        (Flags::STRIKEOUT, Effects::STRIKE),
    ] {
        effects.set(effect, cell.flags.contains(flag));
    }
    let underlines = [
        Flags::UNDERLINE,
        Flags::DOUBLE_UNDERLINE,
        Flags::UNDERCURL,
        Flags::DOTTED_UNDERLINE,
        Flags::DASHED_UNDERLINE,
    ];
    let underline =
        (1..).zip(underlines).find(|(_, flag)| cell.flags.contains(*flag)).map_or(0, |(kind, _)| kind);
    Style {
        foreground: colour(cell.fg),
        background: colour(cell.bg),
        underline,
        underline_colour: cell.underline_color().map_or(Colour::Default, colour),
        effects,
        link: 0,
    }
}

/// Links without an id get one of the engine's own making.
fn link_number(link: &Hyperlink, writer: &mut Writer) -> u32 {
    let id = if link.id().ends_with("_alacritty") { "" } else { link.id() };
    writer.link(id, link.uri())
}

fn colour(colour: Color) -> Colour {
    match colour {
        Color::Named(name) => {
            u8::try_from(name as usize).ok().filter(|n| *n < 16).map_or(Colour::Default, Colour::Basic)
        }
        Color::Indexed(index) => Colour::Palette(index),
        Color::Spec(rgb) => Colour::Rgb(rgb.r, rgb.g, rgb.b),
    }
}
