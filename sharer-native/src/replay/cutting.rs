//! The first pass: a film's head, and what was said, from its footage.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;

use shared::conversation::{Change, Transcript, What};
use shared::event::{Event, Note, WindowSize};
use shared::id::TaskId;
use shared::orchestration::status::TaskState;
use shared::orchestration::task::{MAX_TASKS, Task};
use shared::recording::{Entry, Exit, Line, MAX_LINE, Session};
use shared::replay::{Cutter, Film, Piece, Reel, Timed};

use super::footage::Footage;

/// The most bytes of JSON that a transcript's changes take before their older half becomes blocks.
const MAX_TALK: usize = 8 << 20;
/// What is known of one task is as much at most; the newest counts.
const MAX_CARDS: usize = 512;

/// A film without its pieces.
#[derive(Debug)]
pub struct Cutting {
    /// Its head.
    pub film: Film,
    /// Where its reels come from, in the same order; `None`: known from others only. With what each adds to its
    /// milliseconds.
    pub footage: Vec<Option<(Footage, u64)>>,
    /// What was said in each, packed.
    pub talks: Vec<Option<Vec<u8>>>,
}

/// A session's transcript, read.
#[derive(Default)]
struct Said {
    changes: Vec<Timed>,
    size: usize,
    /// What was older, as it then was.
    before: Transcript,
    before_at: u64,
    /// When anything happened.
    stirs: Vec<u64>,
    cards: BTreeMap<TaskId, VecDeque<(u64, Task)>>,
    last: u64,
}

/// Cuts a film from at least one session: first the one that was opened, then the others by when they began.
pub fn cut(mut footage: Vec<Footage>) -> io::Result<Cutting> {
    if let [_, others @ ..] = footage.as_mut_slice() {
        others
            .sort_by(|a, b| (a.session.started, &a.session.task).cmp(&(b.session.started, &b.session.task)));
    }
    let mut known = BTreeSet::new();
    footage.retain(|one| known.insert(one.session.task.clone()));
    footage.truncate(MAX_TASKS);
    let began = footage.iter().map(|one| one.session.started).min().unwrap_or_default();
    let mut film = Film { began, length: 0, reels: Vec::new() };
    let mut cards: BTreeMap<TaskId, Vec<(u64, Task)>> = BTreeMap::new();
    let mut places = Vec::new();
    let mut talks = Vec::new();
    for one in footage {
        let offset = one.session.started.0.saturating_sub(began.0);
        let said = said(&one, offset)?;
        for (id, said) in said.cards {
            if cards.len() < MAX_TASKS || cards.contains_key(&id) {
                cards.entry(id).or_default().extend(said);
            }
        }
        let mut cutter = Cutter::new(offset, one.session.size);
        let mut stirs = said.stirs.iter().copied().peekable();
        let mut any = false;
        let mut last = offset.max(said.last);
        one.events(|at, event| {
            let at = offset.saturating_add(at);
            while let Some(stir) = stirs.next_if(|stir| *stir <= at) {
                cutter.stirs(stir);
            }
            any = true;
            last = last.max(at);
            drop(cutter.push(at, event));
        })?;
        stirs.for_each(|stir| cutter.stirs(stir));
        let end = one.session.ended.map_or(0, |ended| ended.0.saturating_sub(began.0)).max(last);
        film.length = film.length.max(end);
        let done = cutter.finish(end);
        let mut known = said_of(&one.session, offset, end);
        cards.entry(one.session.task.clone()).or_default().append(&mut known);
        let talk = talk(&said.before, said.before_at, said.changes);
        film.reels.push(Reel {
            cards: Vec::new(),
            cuts: if any || talk.is_none() { done.starts } else { Vec::new() },
            commands: done.commands,
            idle: done.idle,
            talks: talk.is_some(),
            cut: !one.session.cuts.is_empty(),
        });
        talks.push(talk);
        places.push(Some((one, offset)));
    }
    let ids: Vec<TaskId> = places.iter().flatten().map(|(one, _)| one.session.task.clone()).collect();
    for (reel, id) in film.reels.iter_mut().zip(&ids) {
        reel.cards = in_order(cards.remove(id).unwrap_or_default());
    }
    // Children that ran elsewhere, or were not recorded, are known from what was said of them. Alone, a child has none.
    let mut others: Vec<Reel> = cards
        .into_values()
        .map(in_order)
        .filter(|cards| cards.iter().any(|(_, task)| task.parent.as_ref().is_some_and(|of| ids.contains(of))))
        .map(|cards| Reel {
            cards,
            cuts: Vec::new(),
            commands: Vec::new(),
            idle: Vec::new(),
            talks: false,
            cut: false,
        })
        .collect();
    others.truncate(MAX_TASKS.saturating_sub(film.reels.len()));
    talks.resize_with(film.reels.len() + others.len(), || None);
    places.resize_with(film.reels.len() + others.len(), || None);
    film.reels.append(&mut others);
    film.fit();
    Ok(Cutting { film, footage: places, talks })
}

/// What its own description says of a session: enough where nobody said more.
fn said_of(session: &Session, start: u64, end: u64) -> Vec<(u64, Task)> {
    let mut task = Task::new(session.task.clone(), session.parent.clone(), &session.name, session.started);
    task.command = session.command.as_str().into();
    task.directory = session.directory.as_str().into();
    task.prompt = session.prompt.as_str().into();
    task.session = session.session;
    // Whatever was said by others is newer.
    task.revision = 0;
    task.enter(TaskState::Running, "", session.started);
    task.revision = 0;
    let mut known = vec![(start, task.clone())];
    if let Some(ended) = session.ended {
        let well = matches!(session.exit, None | Some(Exit { code: Some(0), .. }));
        task.enter(if well { TaskState::Done } else { TaskState::Error }, "", ended);
        task.revision = 0;
        known.push((end, task));
    }
    known
}

/// Cards as a film has them: by time, each newer than the one before; the end that nobody told is its description's.
fn in_order(mut cards: Vec<(u64, Task)>) -> Vec<(u64, Task)> {
    cards.sort_by(|(a, one), (b, other)| (a, one.revision).cmp(&(b, other.revision)));
    let mut kept: Vec<(u64, Task)> = Vec::new();
    for (at, card) in cards {
        let Some((_, last)) = kept.last() else {
            kept.push((at, card));
            continue;
        };
        if card.revision == 0 {
            // What its description adds to what was said is its end.
            if card.state.is_final() && !last.state.is_final() {
                kept.push((at, Task { state: card.state, since: card.since, ..last.clone() }));
            }
        } else if card.revision >= last.revision {
            kept.push((at, card));
        }
    }
    let extra = kept.len().saturating_sub(MAX_CARDS);
    // The first says since when it is there.
    kept.drain(1..=extra);
    kept
}

fn said(one: &Footage, offset: u64) -> io::Result<Said> {
    let mut said = Said::default();
    one.transcript.lines(MAX_LINE, |line| {
        let Some(Line { at, entry }) = Line::parse(line) else { return };
        let at = offset.saturating_add(at).max(said.last);
        said.last = at;
        match entry {
            Entry::Change(change) => {
                said.stirs.push(at);
                said.size += line.len();
                said.changes.push((at, Event::Note(Note::Agent(change))));
                if said.size > MAX_TALK {
                    said.fold();
                }
            }
            Entry::Task(task) if said.cards.len() < MAX_TASKS || said.cards.contains_key(&task.id) => {
                let cards = said.cards.entry(task.id.clone()).or_default();
                cards.push_back((at, *task));
                // The first is kept: it says when the task began.
                if cards.len() > MAX_CARDS {
                    cards.remove(1);
                }
            }
            Entry::Task(_) | Entry::Command(_) | Entry::Cut(_) | Entry::End(_) => {}
        }
    })?;
    Ok(said)
}

impl Said {
    /// The older half of the changes becomes the blocks that they made.
    fn fold(&mut self) {
        self.size /= 2;
        let half = self.changes.len() / 2;
        let mut names = Vec::new();
        for (at, event) in self.changes.drain(..half) {
            self.before_at = at;
            if let Event::Note(Note::Agent(change)) = event {
                if let What::Name(..) = change.what {
                    names.push((at, Event::Note(Note::Agent(change.clone()))));
                }
                let revision = self.before.revision() + 1;
                self.before.apply(Change { revision, what: change.what });
            }
        }
        self.changes.splice(0..0, names);
    }
}

/// A transcript's changes, numbered without gaps, as a piece; `None` if nothing was said.
fn talk(before: &Transcript, before_at: u64, changes: Vec<Timed>) -> Option<Vec<u8>> {
    let blocks = before.blocks().map(|(at, _, block)| What::Set(at, block.clone()));
    let forgotten = (before.first() > 0).then(|| What::Forget(before.first()));
    let first = blocks.chain(forgotten).map(|what| (before_at, what)).collect::<Vec<_>>();
    let rest = changes.into_iter().filter_map(|(at, event)| match event {
        Event::Note(Note::Agent(change)) => Some((at, change.what)),
        Event::Output(_) | Event::Note(_) | Event::Unknown => None,
    });
    let mut last = 0;
    let numbered = first.into_iter().chain(rest).zip(1..).map(|((at, what), revision)| {
        // Names of what was folded are older than it.
        last = at.max(last);
        (last, Event::Note(Note::Agent(Change { revision, what })))
    });
    let events: Vec<Timed> = numbered.collect();
    let window = WindowSize::SMALLEST;
    (!events.is_empty()).then(|| Piece { window, key: Vec::new(), events }.encode())
}
