//! Cuts a session's events into pieces of bounded size, and finds what a timeline shows of them.

use super::film::Began;
use super::piece::Timed;
use crate::event::{Event, Note, WindowSize};

/// Lines that can be scrolled back to at any moment of a film: keyframes have them.
pub const SCROLLBACK: usize = 500;
/// A piece is complete with so many bytes of output: a browser's terminal takes them in 20 ms.
const PIECE: usize = 128 * 1024;
/// As many for each cell of a keyframe, if that is more: of a large terminal's keyframes there are fewer.
const CELL: usize = 2;
/// What an event costs besides its bytes.
const EVENT: usize = 32;
/// What another size costs, in cells for each byte of output: all of them are laid out anew.
const LAID_OUT: usize = 16;
/// Nothing happens when nothing happens for so long, in milliseconds.
const IDLE_MS: u64 = 2_000;
/// What came last is looked at for so long, in milliseconds.
const LOOK_MS: u64 = 1_000;
/// Commands that a timeline knows, as beginnings and ends; later ones are in the output only.
const MAX_COMMANDS: usize = 16_384;
/// Spans without events that a timeline knows.
const MAX_IDLE: usize = 8_192;

/// A piece without its keyframe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// When it begins.
    pub at: u64,
    /// The terminal's size there.
    pub window: WindowSize,
    /// What happened.
    pub events: Vec<Timed>,
}

/// What is known of a session when all of it is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The last piece.
    pub cut: Cut,
    /// When each piece begins.
    pub starts: Vec<u64>,
    /// Commands beginning and ending.
    pub commands: Vec<Began>,
    /// When nothing happens: from, until.
    pub idle: Vec<(u64, u64)>,
}

/// See the module.
#[derive(Debug)]
pub struct Cutter {
    window: WindowSize,
    cut: Cut,
    starts: Vec<u64>,
    size: usize,
    commands: Vec<Began>,
    idle: Vec<(u64, u64)>,
    /// When something happened last.
    last: u64,
}

impl Cutter {
    /// For a session that begins at this moment of film with a terminal of this size.
    pub fn new(start: u64, window: WindowSize) -> Self {
        let window = window.clamped();
        Self {
            window,
            cut: Cut { at: start, window, events: Vec::new() },
            starts: vec![start],
            size: 0,
            commands: Vec::new(),
            idle: Vec::new(),
            last: start,
        }
    }

    /// Something is seen to happen at that moment.
    pub fn stirs(&mut self, at: u64) {
        if at.saturating_sub(self.last) > IDLE_MS && self.idle.len() < MAX_IDLE {
            self.idle.push((self.last.saturating_add(LOOK_MS), at));
        }
        self.last = self.last.max(at);
    }

    /// Takes the next event; times do not go back, and are made to. The piece that is complete, if one is.
    pub fn push(&mut self, at: u64, event: Event) -> Option<Cut> {
        let at = at.max(self.last);
        self.stirs(at);
        let complete = (self.size >= self.most()).then(|| {
            self.size = 0;
            self.starts.push(at);
            let next = Cut { at, window: self.window, events: Vec::new() };
            std::mem::replace(&mut self.cut, next)
        });
        match &event {
            Event::Output(bytes) => self.size += bytes.len(),
            Event::Note(Note::Resize(window)) => {
                self.window = window.clamped();
                self.size += cells(self.window, SCROLLBACK) / LAID_OUT;
            }
            Event::Note(Note::Command(told)) if self.commands.len() < MAX_COMMANDS => {
                self.commands.push((at, told.clone()));
            }
            Event::Note(_) | Event::Unknown => {}
        }
        self.size += EVENT;
        self.cut.events.push((at, event));
        complete
    }

    /// What a piece holds.
    fn most(&self) -> usize {
        PIECE.max(cells(self.cut.window, SCROLLBACK) * CELL)
    }

    /// The rest, until the session's end.
    pub fn finish(mut self, end: u64) -> Done {
        self.stirs(end);
        let Self { cut, starts, commands, idle, .. } = self;
        Done { cut, starts, commands, idle }
    }
}

/// Cells of a terminal's screen and of so many lines that have scrolled off.
fn cells(window: WindowSize, lines: usize) -> usize {
    usize::from(window.cols) * (usize::from(window.rows) + lines)
}
