//! What each control sequence does: the engine's work, with what it leaves out and what xterm.js does differently.

use std::ops::Range;

use alacritty_terminal::grid::Dimensions as _;
use alacritty_terminal::term::TermMode;
use alacritty_terminal::term::cell::Cell;
use alacritty_terminal::vte::ansi::{self, Attr, Handler, Rgb};
use unicode_width::UnicodeWidthChar as _;

use super::{BLINK, Tap, line};
use crate::term::shadow::{Keyboard, Mouse, Saved};

/// Bytes of a title.
const MAX_TITLE: usize = 1024;
/// The OSC 8 specification names these limits of VTE; longer links are shown as plain text.
const MAX_URI: usize = 2083;
const MAX_LINK_ID: usize = 250;

/// Gives what xterm.js prints for `c` when line drawing is on.
fn drawn(c: char) -> char {
    match c {
        '_' => '_', // the engine says a blank, as DEC did
        '`'..='~' => ansi::StandardCharset::SpecialCharacterAndLineDrawing.map(c),
        _ => c,
    }
}

/// Hands calls on as they are.
macro_rules! forward {
    ($($method:ident($($arg:ident: $type:ty),*);)*) => {
        $(#[inline] fn $method(&mut self, $($arg: $type),*) { self.term.$method($($arg),*); })*
    };
}

/// Calls that are not forwarded and not below have no effect in xterm.js.
impl Handler for Tap {
    forward! {
        goto(line: i32, col: usize);
        goto_line(line: i32);
        goto_col(col: usize);
        carriage_return();
        backspace();
        set_mode(mode: ansi::Mode);
        unset_mode(mode: ansi::Mode);
        set_keypad_application_mode();
        unset_keypad_application_mode();
        set_color(index: usize, colour: Rgb);
        reset_color(index: usize);
    }

    // Text.

    #[inline]
    fn input(&mut self, c: char) {
        let c = if self.shadow.charsets.active { drawn(c) } else { c };
        // Below U+0300 no character joins another.
        if c >= '\u{300}' && self.marks_are_full() && c.width() == Some(0) {
            return;
        }
        if self.term.mode().contains(TermMode::INSERT) {
            self.make_room(c.width().unwrap_or(0));
        }
        self.term.input(c);
    }

    /// An explicit line feed ends a soft wrap and gives up a pending one.
    #[inline]
    fn linefeed(&mut self) {
        let (at, _) = self.at();
        self.end_wrap(Some(at));
        self.term.linefeed();
        self.settle();
        if self.term.mode().contains(TermMode::LINE_FEED_NEW_LINE) {
            self.term.carriage_return();
        }
    }

    fn reverse_index(&mut self) {
        self.settle();
        let Range { start, end } = self.margins();
        if self.at().0 == start {
            self.end_wrap(start.checked_sub(1));
            self.term.reverse_index();
            self.end_wrap(Some(end - 1));
        } else {
            self.term.reverse_index();
        }
    }

    fn bell(&mut self) {
        self.bell = true;
    }

    // Tab stops: the engine's stay as they are, unused.

    fn put_tab(&mut self, count: u16) {
        self.move_forward_tabs(count);
    }

    fn move_forward_tabs(&mut self, count: u16) {
        if self.wrap_pends() {
            return;
        }
        let (_, mut col) = self.at();
        for _ in 0..usize::from(count).min(self.cols()) {
            col = self.shadow.tabs.after(col);
        }
        self.set_column(col);
    }

    fn move_backward_tabs(&mut self, count: u16) {
        if self.wrap_pends() {
            return;
        }
        let (_, mut col) = self.at();
        for _ in 0..usize::from(count).min(self.cols()) {
            col = self.shadow.tabs.before(col);
        }
        self.set_column(col);
    }

    fn set_horizontal_tabstop(&mut self) {
        if !self.wrap_pends() {
            let (_, col) = self.at();
            self.shadow.tabs.set(col, true);
        }
    }

    fn clear_tabs(&mut self, mode: ansi::TabulationClearMode) {
        match mode {
            ansi::TabulationClearMode::Current if self.wrap_pends() => {}
            ansi::TabulationClearMode::Current => {
                let (_, col) = self.at();
                self.shadow.tabs.set(col, false);
            }
            ansi::TabulationClearMode::All => self.shadow.tabs.clear(),
        }
    }

    // Moving.

    fn move_up(&mut self, rows: usize) {
        self.move_rows(-line(rows).0, false);
    }

    fn move_down(&mut self, rows: usize) {
        self.move_rows(line(rows).0, false);
    }

    fn move_up_and_cr(&mut self, rows: usize) {
        self.move_rows(-line(rows).0, true);
    }

    fn move_down_and_cr(&mut self, rows: usize) {
        self.move_rows(line(rows).0, true);
    }

    fn move_forward(&mut self, cols: usize) {
        let (at, col) = self.at();
        self.term.goto(line(at).0, col + cols);
    }

    fn move_backward(&mut self, cols: usize) {
        let (at, col) = self.at();
        self.term.goto(line(at).0, col.saturating_sub(cols));
    }

    fn set_scrolling_region(&mut self, top: usize, bottom: Option<usize>) {
        let rows = self.rows();
        let bottom = bottom.unwrap_or(rows).min(rows);
        if top < bottom {
            let margins = top.saturating_sub(1)..bottom;
            self.shadow.margins = (margins != (0..rows)).then_some(margins);
            self.term.set_scrolling_region(top, Some(bottom));
        }
    }

    // Saving and restoring the cursor: position, pen and the set in use.

    fn save_cursor_position(&mut self) {
        self.shadow.saved = Saved { drawing: self.shadow.charsets.active };
        self.term.save_cursor_position();
    }

    fn restore_cursor_position(&mut self) {
        // Underline colour and link are of the pen, but not saved.
        let extra = self.term.grid().cursor.template.extra.clone();
        self.term.restore_cursor_position();
        let Range { start, end } = self.margins();
        let origin = self.term.mode().contains(TermMode::ORIGIN);
        let cursor = &mut self.term.grid_mut().cursor;
        cursor.input_needs_wrap = false;
        cursor.template.extra = extra;
        if origin {
            cursor.point.line = cursor.point.line.clamp(line(start), line(end - 1));
        }
        self.shadow.charsets.active = self.shadow.saved.drawing;
    }

    // Inserting, deleting, erasing.

    fn insert_blank(&mut self, count: usize) {
        self.settle();
        let (at, col) = self.at();
        self.split_wide(at, col);
        self.split_wide(at, self.cols().saturating_sub(count));
        self.term.insert_blank(count);
    }

    fn delete_chars(&mut self, count: usize) {
        self.settle();
        let (at, col) = self.at();
        // Beyond the end of the line the engine erases what is left of the cursor.
        let count = count.min(self.cols() - col);
        self.split_wide(at, col);
        self.split_wide(at, col + count);
        self.term.delete_chars(count);
    }

    fn erase_chars(&mut self, count: usize) {
        self.settle();
        let (at, col) = self.at();
        self.split_wide(at, col);
        self.split_wide(at, col + count);
        self.term.erase_chars(count);
    }

    fn insert_blank_lines(&mut self, count: usize) {
        self.settle();
        let ((at, _), margins) = (self.at(), self.margins());
        if margins.contains(&at) {
            self.end_wrap(at.checked_sub(1));
            self.term.insert_blank_lines(count);
            self.end_wrap(Some(margins.end - 1));
            self.term.carriage_return();
        }
    }

    /// At the top of the screen the engine would keep the deleted lines in the scrollback.
    fn delete_lines(&mut self, count: usize) {
        self.settle();
        let (at, _) = self.at();
        let margins = self.margins();
        if margins.contains(&at) {
            self.pull_up(at..margins.end, count);
            self.term.carriage_return();
        }
    }

    /// SU, which keeps nothing in the scrollback either.
    fn scroll_up(&mut self, count: usize) {
        self.pull_up(self.margins(), count);
    }

    /// SD: the new lines do not take the pen's background.
    fn scroll_down(&mut self, count: usize) {
        let Range { start, end } = self.margins();
        self.end_wrap(start.checked_sub(1));
        let pen = std::mem::take(&mut self.term.grid_mut().cursor.template);
        self.term.scroll_down(count);
        self.end_wrap(Some(end - 1));
        self.term.grid_mut().cursor.template = pen;
    }

    fn clear_line(&mut self, mode: ansi::LineClearMode) {
        let (at, col) = self.at();
        match mode {
            // Nothing is right of a pending wrap.
            ansi::LineClearMode::Right if self.wrap_pends() => return,
            ansi::LineClearMode::Right => self.split_wide(at, col),
            ansi::LineClearMode::Left => self.split_wide(at, col + 1),
            ansi::LineClearMode::All => {}
        }
        if col == 0 && !matches!(mode, ansi::LineClearMode::Left) || matches!(mode, ansi::LineClearMode::All)
        {
            self.end_wrap(at.checked_sub(1));
        }
        self.term.clear_line(mode);
    }

    fn clear_screen(&mut self, mode: ansi::ClearMode) {
        let (at, _) = self.at();
        match mode {
            ansi::ClearMode::Above => {
                self.clear_line(ansi::LineClearMode::Left);
                self.term.grid_mut().reset_region(..line(at));
            }
            ansi::ClearMode::Below => {
                self.clear_line(ansi::LineClearMode::Right);
                if at + 1 < self.rows() {
                    self.term.grid_mut().reset_region(line(at + 1)..);
                }
            }
            // The engine would keep the old screen in the scrollback.
            ansi::ClearMode::All => self.term.grid_mut().reset_region(..),
            ansi::ClearMode::Saved => self.term.clear_screen(mode),
        }
    }

    /// DECALN homes the cursor and takes the pen's colours.
    fn decaln(&mut self) {
        self.term.decaln();
        let grid = self.term.grid_mut();
        let Cell { fg, bg, flags, .. } = grid.cursor.template;
        for at in 0..grid.screen_lines() {
            for cell in &mut grid[line(at)][..] {
                (cell.fg, cell.bg, cell.flags) = (fg, bg, flags);
            }
        }
        self.term.goto(0, 0);
    }

    fn reset_state(&mut self) {
        self.shadow.reset(self.term.columns());
        self.term.reset_state();
    }

    // The pen.

    #[inline]
    fn terminal_attribute(&mut self, attribute: Attr) {
        let flags = &mut self.term.grid_mut().cursor.template.flags;
        if attribute == Attr::BlinkSlow {
            flags.insert(BLINK);
        } else if attribute == Attr::CancelBlink {
            flags.remove(BLINK);
        } else if attribute == Attr::CancelBold {
            // SGR 21, which the parser takes for the end of bold.
            self.term.terminal_attribute(Attr::DoubleUnderline);
        } else {
            // A reset takes all flags away, blinking too.
            self.term.terminal_attribute(attribute);
        }
    }

    fn set_hyperlink(&mut self, link: Option<ansi::Hyperlink>) {
        let link = link.filter(|link| {
            let id = link.id.as_deref().unwrap_or_default();
            let printable = !link.uri.chars().chain(id.chars()).any(char::is_control);
            printable && link.uri.len() <= MAX_URI && id.len() <= MAX_LINK_ID && !id.contains(';')
        });
        let link =
            link.filter(|link| self.admit_link(link.uri.len() + link.id.as_ref().map_or(16, String::len)));
        self.term.set_hyperlink(link);
    }

    fn configure_charset(&mut self, set: ansi::CharsetIndex, charset: ansi::StandardCharset) {
        let drawing = charset == ansi::StandardCharset::SpecialCharacterAndLineDrawing;
        self.shadow.charsets.designate(set as u8, drawing);
    }

    fn set_active_charset(&mut self, set: ansi::CharsetIndex) {
        self.shadow.charsets.invoke(set as u8);
    }

    // Title, cursor, modes.

    fn set_title(&mut self, title: Option<String>) {
        self.shadow.title = title.map(|title| {
            let mut printable: String = title.chars().filter(|c| !c.is_control()).collect();
            printable.truncate(printable.floor_char_boundary(MAX_TITLE));
            printable
        });
    }

    fn push_title(&mut self) {
        self.shadow.push_title();
    }

    fn pop_title(&mut self) {
        self.shadow.pop_title();
    }

    fn set_cursor_style(&mut self, style: Option<ansi::CursorStyle>) {
        self.shadow.cursor_style = style.map(|style| {
            let shape = match style.shape {
                ansi::CursorShape::Underline => 3,
                ansi::CursorShape::Beam => 5,
                ansi::CursorShape::Block | ansi::CursorShape::HollowBlock | ansi::CursorShape::Hidden => 1,
            };
            shape + u8::from(!style.blinking)
        });
    }

    fn set_private_mode(&mut self, mode: ansi::PrivateMode) {
        let shadow = &mut self.shadow;
        match mode.raw() {
            1 | 6 | 7 | 25 | 1004 | 1007 | 2004 => self.term.set_private_mode(mode),
            2 => (0..4).for_each(|set| shadow.charsets.designate(set, false)),
            12 => shadow.cursor_blink = Some(true),
            45 => shadow.reverse_wrap = true,
            66 => self.term.set_keypad_application_mode(),
            protocol @ (9 | 1000 | 1002 | 1003) => shadow.mouse.protocol = Some(protocol),
            encoding @ (1006 | 1016) => shadow.mouse.encoding = Some(encoding),
            47 | 1047 => self.enter_alternate(),
            1048 => self.save_cursor_position(),
            1049 => {
                self.save_cursor_position();
                self.enter_alternate();
            }
            2026 => shadow.synchronized = true,
            _ => {}
        }
    }

    fn unset_private_mode(&mut self, mode: ansi::PrivateMode) {
        let shadow = &mut self.shadow;
        match mode.raw() {
            1 | 6 | 7 | 25 | 1004 | 1007 | 2004 => self.term.unset_private_mode(mode),
            12 => shadow.cursor_blink = Some(false),
            45 => shadow.reverse_wrap = false,
            66 => self.term.unset_keypad_application_mode(),
            // Any of them turns all off.
            9 | 1000 | 1002 | 1003 => shadow.mouse.protocol = None,
            1006 | 1016 => shadow.mouse.encoding = None,
            47 | 1047 => self.leave_alternate(),
            1048 => self.restore_cursor_position(),
            // Restores the cursor also where there was no alternate screen to leave.
            1049 => {
                self.leave_alternate();
                self.restore_cursor_position();
            }
            2026 => shadow.synchronized = false,
            _ => {}
        }
    }

    fn push_keyboard_mode(&mut self, mode: ansi::KeyboardModes) {
        self.shadow.keyboard.push(mode.bits());
    }

    fn pop_keyboard_modes(&mut self, count: u16) {
        self.shadow.keyboard.pop(count.into());
    }

    fn set_keyboard_mode(&mut self, mode: ansi::KeyboardModes, how: ansi::KeyboardModesApplyBehavior) {
        let Keyboard { flags, .. } = &mut self.shadow.keyboard;
        *flags = match how {
            ansi::KeyboardModesApplyBehavior::Replace => mode.bits(),
            ansi::KeyboardModesApplyBehavior::Union => *flags | mode.bits(),
            ansi::KeyboardModesApplyBehavior::Difference => *flags & !mode.bits(),
        };
    }

    // Queries. Those about the keyboard stay unanswered: the viewers do not speak kitty's protocol.

    fn identify_terminal(&mut self, intermediate: Option<char>) {
        match intermediate {
            None => self.answers.push(format_args!("\x1b[?1;2c")),
            Some('>') => self.answers.push(format_args!("\x1b[>0;276;0c")),
            Some(_) => {}
        }
    }

    fn device_status(&mut self, what: usize) {
        let (row, col) = self.at();
        match what {
            5 => self.answers.push(format_args!("\x1b[0n")),
            6 => self.answers.push(format_args!("\x1b[{};{}R", row + 1, col + 1)),
            _ => {}
        }
    }

    fn report_mode(&mut self, mode: ansi::Mode) {
        let modes = self.term.mode();
        let state = match mode.raw() {
            2 => 4,
            4 => switch(modes.contains(TermMode::INSERT)),
            12 => 3,
            20 => switch(modes.contains(TermMode::LINE_FEED_NEW_LINE)),
            _ => 0,
        };
        self.answers.push(format_args!("\x1b[{};{state}$y", mode.raw()));
    }

    fn report_private_mode(&mut self, mode: ansi::PrivateMode) {
        let modes = self.term.mode();
        let Mouse { protocol, encoding } = self.shadow.mouse;
        let raw = mode.raw();
        let state = match raw {
            1 => switch(modes.contains(TermMode::APP_CURSOR)),
            6 => switch(modes.contains(TermMode::ORIGIN)),
            7 => switch(modes.contains(TermMode::LINE_WRAP)),
            8 => 3,
            12 => switch(self.shadow.cursor_blink == Some(true)),
            25 => switch(modes.contains(TermMode::SHOW_CURSOR)),
            45 => switch(self.shadow.reverse_wrap),
            66 => switch(modes.contains(TermMode::APP_KEYPAD)),
            67 | 1005 | 1015 => 4,
            9 | 1000 | 1002 | 1003 => switch(protocol == Some(raw)),
            1004 => switch(modes.contains(TermMode::FOCUS_IN_OUT)),
            1006 | 1016 => switch(encoding == Some(raw)),
            1048 => 1,
            47 | 1047 | 1049 => switch(modes.contains(TermMode::ALT_SCREEN)),
            2004 => switch(modes.contains(TermMode::BRACKETED_PASTE)),
            2026 => switch(self.shadow.synchronized),
            _ => 0,
        };
        self.answers.push(format_args!("\x1b[?{raw};{state}$y"));
    }

    fn text_area_size_chars(&mut self) {
        let (rows, cols) = (self.rows(), self.cols());
        self.answers.push(format_args!("\x1b[8;{rows};{cols}t"));
    }

    /// Colours nobody has set are those of a dark theme, which agents' programs expect.
    fn dynamic_color_sequence(&mut self, prefix: String, index: usize, terminator: &str) {
        let fallback = match index {
            256 | 258 => Rgb { r: 0xe5, g: 0xe5, b: 0xe5 },
            257 => Rgb { r: 0x1e, g: 0x1e, b: 0x1e },
            _ => return,
        };
        let Rgb { r, g, b } = self.term.colors()[index].unwrap_or(fallback);
        self.answers
            .push(format_args!("\x1b]{prefix};rgb:{r:02x}{r:02x}/{g:02x}{g:02x}/{b:02x}{b:02x}{terminator}"));
    }
}

/// DECRPM's words for on and off.
fn switch(on: bool) -> u8 {
    if on { 1 } else { 2 }
}
