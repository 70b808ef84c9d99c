//! The shadow: state of the terminal that the engine hides or does not know.

use alacritty_terminal::grid::Cursor;
use alacritty_terminal::term::cell::Cell;
use std::ops::Range;

use super::tabs::Tabs;

/// How many keyboard modes a program may stack. Programs use one or two.
const MAX_KEYBOARD_MODES: usize = 16;
/// xterm.js keeps as many titles.
const MAX_TITLES: usize = 10;

/// What the tap notes beside the engine.
#[derive(Debug)]
pub(super) struct Shadow {
    pub(super) title: Option<String>,
    pub(super) titles: Vec<String>,
    /// The scrolling region; `None`: the whole screen.
    pub(super) margins: Option<Range<usize>>,
    pub(super) tabs: Tabs,
    pub(super) charsets: Charsets,
    pub(super) keyboard: Keyboard,
    pub(super) saved: Saved,
    /// The primary screen's own state while the alternate screen shows.
    pub(super) hidden: Option<Hidden>,
    pub(super) mouse: Mouse,
    /// DECSCUSR, 1 to 6.
    pub(super) cursor_style: Option<u8>,
    /// Private mode 12.
    pub(super) cursor_blink: Option<bool>,
    /// Private mode 45.
    pub(super) reverse_wrap: bool,
    /// Private mode 2026: the program is in the middle of drawing.
    pub(super) synchronized: bool,
}

/// What xterm.js keeps for each screen, and the engine once.
#[derive(Debug)]
pub(super) struct Hidden {
    pub(super) margins: Option<Range<usize>>,
    pub(super) tabs: Tabs,
    pub(super) keyboard: Keyboard,
    pub(super) saved: Saved,
    /// The engine forgets the primary screen's saved cursor when the alternate screen comes.
    pub(super) saved_cursor: Cursor<Cell>,
}

/// What DECSC keeps besides the engine's cursor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Saved {
    /// Line drawing was on.
    pub(super) drawing: bool,
}

/// Character sets: all that matters is whether each is DEC line drawing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Charsets {
    /// G0 to G3.
    pub(super) drawing: [bool; 4],
    /// Which of them is invoked.
    pub(super) invoked: u8,
    /// The set in use; DECRC changes it without touching the others.
    pub(super) active: bool,
}

impl Charsets {
    pub(super) fn designate(&mut self, set: u8, drawing: bool) {
        if let Some(slot) = self.drawing.get_mut(usize::from(set)) {
            *slot = drawing;
        }
        if set == self.invoked {
            self.active = drawing;
        }
    }

    pub(super) fn invoke(&mut self, set: u8) {
        self.invoked = set;
        self.active = self.drawing.get(usize::from(set)) == Some(&true);
    }
}

/// Mouse reporting, by private mode number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mouse {
    /// 9, 1000, 1002 or 1003.
    pub(super) protocol: Option<u16>,
    /// 1006 or 1016.
    pub(super) encoding: Option<u16>,
}

/// The kitty keyboard protocol of one screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Keyboard {
    pub(super) flags: u8,
    pub(super) stack: Vec<u8>,
}

impl Keyboard {
    pub(super) fn push(&mut self, flags: u8) {
        if self.stack.len() == MAX_KEYBOARD_MODES {
            self.stack.remove(0);
        }
        self.stack.push(std::mem::replace(&mut self.flags, flags));
    }

    pub(super) fn pop(&mut self, count: usize) {
        for _ in 0..count.min(MAX_KEYBOARD_MODES + 1) {
            self.flags = self.stack.pop().unwrap_or_default();
        }
    }
}

impl Shadow {
    pub(super) fn new(cols: usize) -> Self {
        Self {
            title: None,
            titles: Vec::new(),
            margins: None,
            tabs: Tabs::new(cols),
            charsets: Charsets::default(),
            keyboard: Keyboard::default(),
            saved: Saved::default(),
            hidden: None,
            mouse: Mouse::default(),
            cursor_style: None,
            cursor_blink: None,
            reverse_wrap: false,
            synchronized: false,
        }
    }

    /// RIS: all but the titles and the cursor's blinking, which xterm.js keeps.
    pub(super) fn reset(&mut self, cols: usize) {
        let (title, titles) = (self.title.take(), std::mem::take(&mut self.titles));
        *self = Self { title, titles, cursor_blink: self.cursor_blink, ..Self::new(cols) };
    }

    pub(super) fn push_title(&mut self) {
        if self.titles.len() == MAX_TITLES {
            self.titles.remove(0);
        }
        self.titles.push(self.title.get_or_insert_default().clone());
    }

    pub(super) fn pop_title(&mut self) {
        if let Some(title) = self.titles.pop() {
            self.title = Some(title);
        }
    }
}
