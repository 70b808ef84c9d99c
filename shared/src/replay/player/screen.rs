//! The terminal of the reel that is looked at, at a moment.

use std::collections::VecDeque;

use super::super::piece::Piece;
use crate::command::Told;
use crate::event::{Event, Note, WindowSize};
use crate::viewer::{Ask, Effect, PaneId};

/// Pieces that are kept: who goes to and fro asks for none twice.
const KEPT: usize = 8;
/// The film stands still while a terminal has so many bytes before it.
const BEHIND: usize = 512 * 1024;
/// Bytes given to a terminal at once.
const WRITE: usize = 64 * 1024;

/// Where the terminal is.
#[derive(Debug, Clone, Copy)]
struct Place {
    piece: usize,
    /// The next of its events.
    next: usize,
    /// All before this moment of film is written.
    at: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Screen {
    reel: usize,
    /// The newest last.
    pieces: Vec<(usize, Piece)>,
    asked: Vec<usize>,
    /// Pieces that did not come: they are asked for again when the person does something.
    lost: Vec<usize>,
    place: Option<Place>,
    /// It was gone to another moment: what is between is not to be seen.
    sought: bool,
    window: Option<WindowSize>,
    ticket: u64,
    /// Writes that the terminal has before it, and their bytes.
    unparsed: VecDeque<(u64, usize)>,
}

impl Screen {
    /// Another reel.
    pub(super) fn begin(&mut self, reel: usize) {
        let Self { ticket, unparsed, .. } = std::mem::take(self);
        *self = Self { reel, ticket, unparsed, ..Self::default() };
    }

    /// To another moment.
    pub(super) fn seek(&mut self) {
        self.sought = true;
        self.lost.clear();
    }

    /// Whether there is something to be seen.
    pub(super) fn is_filled(&self) -> bool {
        self.place.is_some()
    }

    /// Whether it waits for a piece of this moment.
    pub(super) fn waits(&self) -> bool {
        self.sought && !self.asked.is_empty()
    }

    /// Whether the film has to stand still.
    pub(super) fn holds(&self) -> bool {
        self.waits() || self.unparsed.iter().map(|(_, bytes)| bytes).sum::<usize>() > BEHIND
    }

    /// When something happens next, as far as that is here.
    pub(super) fn next(&self) -> Option<u64> {
        let place = self.place?;
        self.piece(place.piece)?.events.get(place.next).map(|(at, _)| *at)
    }

    pub(super) fn window(&self) -> Option<WindowSize> {
        self.window
    }

    pub(super) fn parsed(&mut self, ticket: u64) {
        while self.unparsed.front().is_some_and(|(first, _)| *first <= ticket) {
            self.unparsed.pop_front();
        }
    }

    /// A piece came.
    pub(super) fn take(&mut self, reel: usize, place: usize, piece: Piece) {
        if reel == self.reel {
            self.asked.retain(|asked| *asked != place);
            self.pieces.retain(|(other, _)| *other != place);
            if self.pieces.len() >= KEPT {
                self.pieces.remove(0);
            }
            self.pieces.push((place, piece));
        }
    }

    /// A piece does not come.
    pub(super) fn lost(&mut self, reel: usize, place: usize) {
        if reel == self.reel {
            self.asked.retain(|asked| *asked != place);
            self.lost.push(place);
        }
    }

    /// What did not come may by now.
    pub(super) fn try_again(&mut self) {
        self.lost.clear();
    }

    fn piece(&self, place: usize) -> Option<&Piece> {
        self.pieces.iter().find(|(other, _)| *other == place).map(|(_, piece)| piece)
    }

    fn ask(&mut self, piece: usize, effects: &mut Vec<Effect>) {
        if self.piece(piece).is_none() && !self.asked.contains(&piece) && !self.lost.contains(&piece) {
            self.asked.push(piece);
            effects.push(Effect::Fetch(Ask::Piece(self.reel, piece)));
        }
    }

    /// Brings the terminal to a moment, if what it takes is here; else asks for it.
    pub(super) fn settle(&mut self, at: u64, playing: bool, cuts: &[u64], effects: &mut Vec<Effect>) {
        let Some(wanted) = cuts.partition_point(|cut| *cut <= at).checked_sub(1) else {
            // It has not begun.
            (self.place, self.sought) = (None, false);
            return;
        };
        if playing && wanted + 1 < cuts.len() {
            self.ask(wanted + 1, effects);
        }
        let stays = self.place.is_some_and(|place| {
            let on = place.piece == wanted
                || (!self.sought && place.piece < wanted && wanted - place.piece < KEPT);
            on && place.at <= at
        });
        if !stays {
            self.sought = true;
            if self.piece(wanted).is_none() {
                return self.ask(wanted, effects);
            }
            self.rebuild(wanted, effects);
        }
        while let Some(place) = self.place {
            if self.piece(place.piece).is_none() {
                self.sought = true;
                return self.ask(place.piece, effects);
            }
            self.write(at, effects);
            if place.piece >= wanted {
                break;
            }
            self.place = Some(Place { piece: place.piece + 1, next: 0, at: place.at });
        }
        self.sought = false;
    }

    fn ticket(&mut self, bytes: usize) -> u64 {
        self.ticket += 1;
        self.unparsed.push_back((self.ticket, bytes));
        self.ticket
    }

    /// Begins with a piece's keyframe.
    fn rebuild(&mut self, place: usize, effects: &mut Vec<Effect>) {
        let Some(piece) = self.piece(place) else { return };
        let (window, bytes) = (piece.window, piece.key.clone());
        let ticket = self.ticket(bytes.len());
        self.window = Some(window);
        effects.push(Effect::Rebuild { pane: PaneId::OWN, ticket, window, bytes });
        self.place = Some(Place { piece: place, next: 0, at: 0 });
    }

    /// Writes what its piece has up to a moment.
    fn write(&mut self, at: u64, effects: &mut Vec<Effect>) {
        let Some(place) = self.place else { return };
        let Some(piece) = self.piece(place.piece) else { return };
        let events = piece.events.get(place.next..).unwrap_or_default();
        let due = events.partition_point(|(when, _)| *when <= at);
        let mut wanted = Vec::new();
        let mut output = Vec::new();
        for (_, event) in events.get(..due).unwrap_or_default() {
            match event {
                Event::Output(bytes) => {
                    output.extend_from_slice(bytes);
                    if output.len() < WRITE {
                        continue;
                    }
                    wanted.push(Event::Output(std::mem::take(&mut output)));
                }
                Event::Note(note @ (Note::Resize(_) | Note::Command(Told::Started { .. }))) => {
                    wanted.push(Event::Output(std::mem::take(&mut output)));
                    wanted.push(Event::Note(note.clone()));
                }
                Event::Note(_) | Event::Unknown => {}
            }
        }
        wanted.push(Event::Output(output));
        self.place = Some(Place { next: place.next + due, at, ..place });
        let pane = PaneId::OWN;
        for event in wanted {
            match event {
                Event::Output(bytes) if !bytes.is_empty() => {
                    let ticket = self.ticket(bytes.len());
                    effects.push(Effect::Write { pane, ticket, bytes });
                }
                Event::Note(Note::Resize(window)) => {
                    let window = window.clamped();
                    self.window = Some(window);
                    effects.push(Effect::Resize { pane, window });
                }
                Event::Note(Note::Command(told)) => {
                    effects.push(Effect::Mark { pane, command: told.number() });
                }
                Event::Output(_) | Event::Note(_) | Event::Unknown => {}
            }
        }
    }
}
