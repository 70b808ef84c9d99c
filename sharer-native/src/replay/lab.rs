//! The second pass: pieces with their keyframes, made by the terminal model while somebody watches.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use shared::command::Told;
use shared::event::{Event, Note};
use shared::replay::{Ask, Cut, Cutter, Piece, SCROLLBACK};
use tokio::sync::Notify;

use super::cutting::Cutting;
use super::footage::Footage;
use crate::term::Terminal;

/// The most that all pieces of a film take, in bytes: those of two hours of work take some ten million.
const MAX_FILM: usize = 1 << 30;

/// What is left of [`MAX_FILM`].
#[derive(Debug)]
pub struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MAX_FILM)
    }
}

impl Room {
    /// Takes up what a piece needs.
    ///
    /// # Errors
    /// When there is not so much left.
    pub fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        let left = self.0.checked_sub(piece.len());
        self.0 = left.ok_or_else(|| io::Error::other("all its screens take more than 1 GiB"))?;
        Ok(())
    }
}

/// Makes a session's pieces, in order, until one is not taken.
pub fn develop(
    one: &Footage,
    offset: u64,
    mut give: impl FnMut(Vec<u8>) -> io::Result<()>,
) -> io::Result<()> {
    let mut taken = Ok(());
    let mut cutter = Cutter::new(offset, one.session.size);
    let mut terminal = Terminal::new(one.session.size, SCROLLBACK);
    let mut print = |cut: Cut| {
        if taken.is_err() {
            return;
        }
        let key = terminal.full();
        for (_, event) in &cut.events {
            match event {
                Event::Output(bytes) => terminal.feed(bytes),
                Event::Note(Note::Resize(size)) => terminal.resize(*size),
                Event::Note(Note::Command(Told::Started { number, .. })) => terminal.command(*number),
                Event::Note(_) | Event::Unknown => {}
            }
        }
        // Nobody is asked anything any more.
        drop(terminal.take_replies());
        taken = give(Piece { window: cut.window, key, events: cut.events }.encode());
    };
    one.events(|at, event| {
        if let Some(cut) = cutter.push(offset.saturating_add(at), event) {
            print(cut);
        }
    })?;
    print(cutter.finish(0).cut);
    taken
}

/// A reel's pieces, as far as they are made.
#[derive(Debug, Default)]
struct Shelf {
    pieces: Vec<Bytes>,
    begun: bool,
    /// No more will come.
    done: bool,
}

/// Has pieces made for whoever asks.
#[derive(Debug)]
pub struct Lab {
    cutting: Cutting,
    head: Bytes,
    shelves: Mutex<Vec<Shelf>>,
    room: Mutex<Room>,
    made: Notify,
}

impl Lab {
    /// Opens a film; its first reel is begun at once.
    pub fn open(cutting: Cutting) -> Arc<Self> {
        let mut shelves = Vec::new();
        shelves.resize_with(cutting.film.reels.len(), Shelf::default);
        let head = cutting.film.encode().into();
        let lab = Arc::new(Self {
            cutting,
            head,
            shelves: Mutex::new(shelves),
            room: Mutex::default(),
            made: Notify::new(),
        });
        lab.begin(0);
        lab
    }

    fn shelf<T>(&self, reel: usize, act: impl FnOnce(&mut Shelf) -> T) -> Option<T> {
        let mut shelves = self.shelves.lock().unwrap_or_else(PoisonError::into_inner);
        shelves.get_mut(reel).map(act)
    }

    /// Begins a reel, in a thread of its own: each is begun once, when somebody looks at it.
    fn begin(self: &Arc<Self>, reel: usize) {
        let Some(Some(_)) = self.cutting.footage.get(reel) else { return };
        if self.shelf(reel, |shelf| std::mem::replace(&mut shelf.begun, true)) != Some(false) {
            return;
        }
        let lab = Arc::downgrade(self);
        let Some(Some((footage, offset))) = self.cutting.footage.get(reel).cloned() else { return };
        let work = move || {
            let told = develop(&footage, offset, |piece| {
                let Some(lab) = lab.upgrade() else {
                    return Err(io::Error::other("nobody watches any more"));
                };
                lab.room.lock().unwrap_or_else(PoisonError::into_inner).take(&piece)?;
                lab.shelf(reel, |shelf| shelf.pieces.push(piece.into()));
                lab.made.notify_waiters();
                Ok(())
            });
            if let Err(error) = told {
                tracing::warn!(%error, "a recording cannot be played to its end");
            }
            if let Some(lab) = lab.upgrade() {
                lab.shelf(reel, |shelf| shelf.done = true);
                lab.made.notify_waiters();
            }
        };
        if let Err(error) = std::thread::Builder::new().name("film".into()).spawn(work) {
            tracing::warn!(%error, "no thread for a film");
            self.shelf(reel, |shelf| shelf.done = true);
        }
    }

    /// What a player asks for, as soon as it is made; `None`: there is no such thing.
    pub async fn get(self: Arc<Self>, ask: Ask) -> Option<Bytes> {
        let (reel, place) = match ask {
            Ask::Film => return Some(self.head.clone()),
            Ask::Talk(reel) => return self.cutting.talks.get(reel)?.clone().map(Bytes::from),
            Ask::Piece(reel, place) => (reel, place),
        };
        if place >= self.cutting.film.reels.get(reel)?.cuts.len() {
            return None;
        }
        self.begin(reel);
        loop {
            let made = self.made.notified();
            tokio::pin!(made);
            made.as_mut().enable();
            let (piece, done) = self.shelf(reel, |shelf| (shelf.pieces.get(place).cloned(), shelf.done))?;
            if piece.is_some() || done {
                return piece;
            }
            made.await;
        }
    }
}
