//! The terminal model as a screen of the simulation.

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use shared::event::WindowSize;
use sharer_native::term::Terminal;

use crate::random::Random;
use crate::screen::Screen;

/// Lines of scrollback: few, so that histories go beyond them.
const SCROLLBACK: usize = 120;
/// What a program may write besides lines of text: colours, wide characters, lines that wrap, moves of the cursor, erasing,
/// margins, the other screen.
const PIECES: [&str; 12] = [
    "\x1b[1;38;5;208mwarning\x1b[0m: ",
    "漢字かな交じり文 ",
    "😀👩‍👩‍👧 e\u{301} ",
    "a line that is longer than most windows are wide, and is wrapped once or several times before it comes to its end\r\n",
    "\x1b[5;10Hhere\x1b[K",
    "\x1b[2J\x1b[H",
    "\x1b[2;6r\x1b[6;1H\n\n\x1b[r",
    "\x1b[?1049h\x1b[Hfull screen\r\n",
    "\x1b[?1049l",
    "\x1b[3L\x1b[2M\x1b[4@\x1b[2P",
    "\t\ttabs\r\n",
    "\x1b[?25l\x1b[7mhidden\x1b[27m\x1b[?25h\r\n",
];

/// See the module.
pub(crate) struct Model(RefCell<Terminal>);

impl Screen for Model {
    const EXACT: bool = false;

    fn output(random: &mut Random, len: usize) -> Vec<u8> {
        let mut out = Vec::with_capacity(len + 200);
        while out.len() < len {
            let most = (len - out.len()).min(400);
            out.extend(random.text(most));
            out.extend_from_slice(PIECES[random.index(PIECES.len())].as_bytes());
        }
        out
    }

    fn fresh(window: WindowSize) -> Self {
        Self(RefCell::new(Terminal::new(window, SCROLLBACK)))
    }

    fn feed(&mut self, bytes: &[u8]) {
        self.0.get_mut().feed(bytes);
    }

    fn resize(&mut self, window: WindowSize) {
        self.0.get_mut().resize(window);
    }

    fn dump(&self, history: bool) -> Vec<u8> {
        let mut terminal = self.0.borrow_mut();
        if history { terminal.full() } else { terminal.screen() }
    }

    fn state(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.dump(false).hash(&mut hasher);
        hasher.finish()
    }

    fn history(&self) -> Vec<u8> {
        self.dump(true)
    }

    fn window(&self) -> WindowSize {
        self.0.borrow().size()
    }
}
