//! Writes a screen and its state as control sequences. Knows nothing of the engine.

use std::collections::BTreeMap;
use std::io::Write;

use super::command::is_number;
use super::style::{Colour, Style};

/// How every dump begins: whatever went before is gone.
pub(super) const RESET: &[u8] = b"\x18\x1bc\x1b[20l";

/// Behind this stands the number of the command that was typed on the line that follows.
pub(super) const COMMAND: &[u8] = b"\x1b]133;C;n=";

/// Runs of blanks longer than this are jumped over; the jump takes 4 to 6 bytes.
const SHORT_RUN: usize = 5;
/// A frugal writer leaves out links beyond this size, and all styles and marks beyond twice this size.
const RICH: usize = 3 << 20;

/// One character with what joined it, as it stands in one or two cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Glyph<'a> {
    pub(super) base: char,
    pub(super) marks: &'a [char],
    pub(super) style: Style,
    pub(super) wide: bool,
}

impl Glyph<'_> {
    /// Columns.
    pub(super) fn width(&self) -> usize {
        if self.wide { 2 } else { 1 }
    }

    /// Says whether a cell nobody has written looks the same.
    fn is_blank(&self) -> bool {
        self.base <= ' ' && self.marks.is_empty() && self.style.invisible_on_blank()
    }

    /// Says whether a space of that style looks the same.
    pub(super) fn is_space_like(&self, style: Style) -> bool {
        let same_style =
            self.style == style || (self.style.invisible_on_blank() && style.invisible_on_blank());
        self.base <= ' ' && self.marks.is_empty() && same_style
    }
}

/// A row of glyphs and how it hangs together with its neighbours.
#[derive(Debug, Default)]
pub(super) struct Row<'a> {
    pub(super) glyphs: Vec<Glyph<'a>>,
    /// The row goes on from the one before: its first glyph is written where that one wraps.
    pub(super) goes_on: bool,
    /// The row wraps into the next.
    pub(super) wraps: bool,
    /// The command that was typed on the line that begins here.
    pub(super) command: Option<u64>,
}

/// The output, and what a terminal that has read it is like.
pub(super) struct Writer {
    out: Vec<u8>,
    pen: Style,
    /// Line feeds not written yet: behind the last text they only matter if they fill the scrollback.
    newlines: usize,
    links: Vec<(String, String)>,
    link_numbers: BTreeMap<(String, String), u32>,
    frugal: bool,
}

impl Writer {
    /// Begins with a reset. `frugal`: rather leaves out decoration than get very long.
    pub(super) fn new(frugal: bool) -> Self {
        let mut out = Vec::with_capacity(16 * 1024);
        // CAN ends what the viewer may be in the middle of; RIS; LNM, which xterm.js keeps over a reset.
        out.extend_from_slice(RESET);
        let (links, link_numbers) = (Vec::new(), BTreeMap::new());
        Self { out, pen: Style::default(), newlines: 0, links, link_numbers, frugal }
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }

    /// Gives the number of a hyperlink, for [`Style::link`].
    pub(super) fn link(&mut self, id: &str, uri: &str) -> u32 {
        let link = (id.to_owned(), uri.to_owned());
        if let Some(number) = self.link_numbers.get(&link) {
            return *number;
        }
        self.links.push(link.clone());
        let number = u32::try_from(self.links.len()).unwrap_or(0);
        self.link_numbers.insert(link, number);
        number
    }

    /// Writes a sequence as it is.
    pub(super) fn put(&mut self, sequence: std::fmt::Arguments<'_>) {
        // Writing into a vector cannot fail.
        drop(self.out.write_fmt(sequence));
    }

    /// Sets or resets a private mode.
    pub(super) fn mode(&mut self, mode: u16, on: bool) {
        self.put(format_args!("\x1b[?{mode}{}", if on { 'h' } else { 'l' }));
    }

    /// Moves the cursor; row and column from 0.
    pub(super) fn go_to(&mut self, row: usize, col: usize) {
        self.put(format_args!("\x1b[{};{}H", row + 1, col + 1));
    }

    /// Makes the pen write in a style.
    pub(super) fn style(&mut self, style: Style) {
        let style = match self.out.len() {
            long if self.frugal && long > 2 * RICH => Style::default(),
            long if self.frugal && long > RICH => Style { link: 0, ..style },
            _ => style,
        };
        if style.link != self.pen.link {
            let link = style.link.checked_sub(1).and_then(|at| self.links.get(at as usize));
            let (id, uri) = link.map_or(("", ""), |(id, uri)| (id, uri));
            self.out.extend_from_slice(b"\x1b]8;");
            if !id.is_empty() {
                self.out.extend_from_slice(b"id=");
                self.out.extend_from_slice(id.as_bytes());
            }
            self.out.push(b';');
            self.out.extend_from_slice(uri.as_bytes());
            self.out.extend_from_slice(b"\x1b\\");
        }
        style.write_sgr(self.pen, &mut self.out);
        self.pen = style;
    }

    /// Writes a glyph in the current style.
    pub(super) fn print(&mut self, glyph: &Glyph<'_>) {
        let marks = if self.frugal && self.out.len() > 2 * RICH { &[] } else { glyph.marks };
        let mut utf8 = [0; 4];
        for c in std::iter::once(glyph.base.max(' ')).chain(marks.iter().copied().filter(|c| !is_number(*c)))
        {
            self.out.extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
        }
    }

    /// Says whether a glyph comes out right in the current style.
    pub(super) fn is_right(&self, glyph: &Glyph<'_>) -> bool {
        glyph.style == self.pen || glyph.is_space_like(self.pen)
    }

    /// Writes the first of some glyphs and gives the others. Blanks take a style that suits what follows.
    fn first<'a, 'b>(&mut self, glyphs: &'b [Glyph<'a>]) -> &'b [Glyph<'a>] {
        let Some((glyph, rest)) = glyphs.split_first() else { return glyphs };
        if !self.is_right(glyph) {
            let next = || rest.iter().find(|glyph| !glyph.is_blank()).map(|glyph| glyph.style);
            let style = if glyph.is_blank() {
                next().filter(Style::invisible_on_blank).unwrap_or_default()
            } else {
                glyph.style
            };
            self.style(style);
        }
        self.print(glyph);
        rest
    }

    /// Writes a row where the cursor stands, and leaves out blanks at its end.
    pub(super) fn row(&mut self, row: &Row<'_>) {
        let trailing = row.glyphs.iter().rev().take_while(|glyph| glyph.is_blank()).count();
        let kept = if row.wraps { row.glyphs.len() } else { row.glyphs.len() - trailing };
        let mut glyphs = row.glyphs.as_slice();
        if row.goes_on {
            self.first_after_wrap(glyphs);
            glyphs = glyphs.get(1..kept).unwrap_or_default();
        } else {
            glyphs = glyphs.get(..kept).unwrap_or_default();
        }
        if !glyphs.is_empty() {
            self.flush_newlines();
        }
        if let Some(number) = row.command.filter(|_| row.goes_on || !glyphs.is_empty()) {
            self.put(format_args!("\x1b]133;C;n={number}\x07"));
        }
        while !glyphs.is_empty() {
            let run = glyphs.iter().take_while(|glyph| glyph.is_blank()).count();
            if run > SHORT_RUN && !row.wraps {
                self.put(format_args!("\x1b[{run}C"));
                glyphs = glyphs.get(run..).unwrap_or_default();
            } else {
                glyphs = self.first(glyphs);
            }
        }
        if !row.wraps {
            self.newlines += 1;
        }
    }

    /// Writes the glyph that makes the row before wrap. If that scrolls, the new line takes the background.
    fn first_after_wrap(&mut self, glyphs: &[Glyph<'_>]) {
        self.first(glyphs);
        if self.pen.background != Colour::Default {
            self.style(Style::default());
            self.out.extend_from_slice(b"\x1b[K");
        }
    }

    /// Writes the line feeds that are due. A line that scrolls in takes the background.
    fn flush_newlines(&mut self) {
        if self.newlines > 0 && self.pen.background != Colour::Default {
            self.style(Style::default());
        }
        for _ in 0..std::mem::take(&mut self.newlines) {
            self.out.extend_from_slice(b"\r\n");
        }
    }

    /// Ends the rows: `scrolled` says that they fill the scrollback, so that also blank ones count.
    pub(super) fn end_rows(&mut self, scrolled: bool) {
        self.newlines = self.newlines.saturating_sub(1);
        if scrolled {
            self.flush_newlines();
        }
        self.newlines = 0;
    }
}
