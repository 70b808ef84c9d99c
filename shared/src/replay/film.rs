//! A film's head: everything but its pieces.

use super::piece::{MAX_PIECE, put, take};
use crate::command::Told;
use crate::encoding::{from_json, put_varint, take_varint};
use crate::event::{Event, EventKind, Note, pack, unpack};
use crate::orchestration::task::Task;
use crate::time::UnixMs;

/// What a person is told of a command, and when it was, in milliseconds of film.
pub type Began = (u64, Told);

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Film {
    /// When it begins, by the clock of the computer it was recorded on.
    pub began: UnixMs,
    /// How long it is, in milliseconds.
    pub length: u64,
    /// Its sessions: first the one that was opened, then its children as they were started.
    pub reels: Vec<Reel>,
}

/// One session of a film. Times are milliseconds of film.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reel {
    /// What is known of it, from when on; at least one, the earliest first.
    pub cards: Vec<(u64, Task)>,
    /// When each piece begins, the first when the session does; empty: nothing was recorded of its terminal.
    pub cuts: Vec<u64>,
    /// Commands beginning and ending.
    pub commands: Vec<Began>,
    /// When nothing happens for some time: from, until.
    pub idle: Vec<(u64, u64)>,
    /// Something was said: there is a piece with its transcript's changes.
    pub talks: bool,
    /// Part of it was not recorded.
    pub cut: bool,
}

/// The form that is written here.
const VERSION: u64 = 1;

/// Written by hand, of what the page can read already: code that reads JSON into new types is large there.
impl Film {
    /// Reads a film's head; `None` if it is malformed.
    pub fn decode(packed: &[u8]) -> Option<Self> {
        let plain = unpack(packed, MAX_PIECE)?;
        let mut rest = plain.as_slice();
        if take_varint(&mut rest)? != VERSION {
            return None;
        }
        let (began, length) = (UnixMs(take_varint(&mut rest)?), take_varint(&mut rest)?);
        let mut reels = Vec::new();
        while !rest.is_empty() {
            reels.push(Reel::decode(&mut rest)?);
        }
        (!reels.is_empty()).then_some(Self { began, length, reels })
    }

    /// Leaves out cards and commands, again and again the later half of each session's, until the head is one that is read:
    /// nobody's work tells so much, but a file can.
    pub fn fit(&mut self) {
        while self.plain().len() > MAX_PIECE
            && self.reels.iter().any(|reel| reel.cards.len() > 1 || !reel.commands.is_empty())
        {
            for reel in &mut self.reels {
                reel.cards.truncate(reel.cards.len().div_ceil(2));
                reel.commands.truncate(reel.commands.len() / 2);
            }
        }
    }

    /// Writes it, packed.
    pub fn encode(&self) -> Vec<u8> {
        pack(&self.plain(), true)
    }

    fn plain(&self) -> Vec<u8> {
        let mut plain = Vec::new();
        for number in [VERSION, self.began.0, self.length] {
            put_varint(&mut plain, number);
        }
        self.reels.iter().for_each(|reel| reel.encode(&mut plain));
        plain
    }
}

impl Reel {
    fn encode(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.talks) | u64::from(self.cut) << 1);
        put_times(out, self.cuts.iter().copied());
        put_times(out, self.idle.iter().flat_map(|(from, until)| [*from, *until]));
        put_times(out, self.cards.iter().map(|(at, _)| *at));
        for (_, task) in &self.cards {
            // Serialising plain structs with string keys cannot fail.
            put(out, &serde_json::to_vec(task).unwrap_or_default());
        }
        put_times(out, self.commands.iter().map(|(at, _)| *at));
        for (_, told) in &self.commands {
            put(out, &Event::Note(Note::Command(told.clone())).encode(false).1);
        }
    }

    fn decode(rest: &mut &[u8]) -> Option<Self> {
        let flags = take_varint(rest)?;
        let cuts = take_times(rest)?;
        let spans = take_times(rest)?;
        let mut reel = Self {
            cards: Vec::new(),
            cuts,
            commands: Vec::new(),
            idle: spans.chunks_exact(2).filter_map(|span| Some((*span.first()?, *span.last()?))).collect(),
            talks: flags & 1 != 0,
            cut: flags & 2 != 0,
        };
        for at in take_times(rest)? {
            reel.cards.push((at, from_json(take(rest)?)?));
        }
        for at in take_times(rest)? {
            if let Event::Note(Note::Command(told)) = Event::decode(EventKind::Note, take(rest)?)? {
                reel.commands.push((at, told));
            }
        }
        (!reel.cards.is_empty()).then_some(reel)
    }
}

/// Writes moments, none before the one before it.
fn put_times(out: &mut Vec<u8>, times: impl Iterator<Item = u64>) {
    let mut bytes = Vec::new();
    let mut before = 0;
    for at in times {
        put_varint(&mut bytes, at.saturating_sub(before));
        before = at;
    }
    put(out, &bytes);
}

fn take_times(rest: &mut &[u8]) -> Option<Vec<u64>> {
    let mut bytes = take(rest)?;
    let mut times = Vec::new();
    let mut at = 0_u64;
    while !bytes.is_empty() {
        at = at.checked_add(take_varint(&mut bytes)?)?;
        times.push(at);
    }
    Some(times)
}
