//! The player: shows a film at any moment.

mod clock;
mod screen;

use std::sync::Arc;

use self::clock::Clock;
use self::screen::Screen;
use super::film::{Film, Reel};
use super::piece::Piece;
use super::talk::Talk;
use crate::command::{Commands, Told};
use crate::conversation::Transcript;
use crate::orchestration::status::TaskState;
use crate::orchestration::task::Task;
use crate::time::{Moment, Now};
use crate::viewer::{
    Ask, Bar, ChildSession, Choice, Control, Effect, Event, Failure, Jump, PaneId, Parts, Selection, Shown,
    Standing, State, Timeline, View, bar, by_card, name_of, title_of,
};

/// The view follows the film's time in steps of this, in milliseconds of the person's.
const TICK_MS: u64 = 100;
/// What happens in the film is shown at most this often, in milliseconds of the person's.
const FRAME_MS: u64 = 16;
/// Said when a piece does not come.
const LOST: &str = "The recording cannot be read any more: the program that plays it may have ended.";

/// Said of a reel with gaps.
const CUT: &str = "Part of this was not recorded.";

/// Watches a film: see [`super`].
#[derive(Debug)]
pub struct Player {
    film: Option<Film>,
    /// The film could not be had.
    failed: bool,
    clock: Clock,
    choice: Choice,
    /// Which reel is looked at.
    reel: usize,
    screen: Screen,
    talk: Talk,
    commands: Arc<Commands>,
    /// How many of the reel's words on commands are in them.
    told: usize,
    jumps: Arc<Vec<Jump>>,
    idle: Arc<Vec<(u64, u64)>>,
    bar: Option<Arc<Bar>>,
    title: Option<String>,
    notice: Option<&'static str>,
    effects: Vec<Effect>,
}

impl Player {
    /// Before a film's beginning, where it stands or begins to play; the first effect asks for its head.
    pub fn new(now: Now, plays: bool) -> Self {
        Self {
            film: None,
            failed: false,
            clock: Clock::new(now.mono, plays),
            choice: Choice::default(),
            reel: 0,
            screen: Screen::default(),
            talk: Talk::default(),
            commands: Arc::default(),
            told: 0,
            jumps: Arc::default(),
            idle: Arc::default(),
            bar: None,
            title: None,
            notice: None,
            effects: vec![Effect::Fetch(Ask::Film)],
        }
    }

    /// The effects of the construction.
    pub fn start(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Takes one event; the effects to run, in order. Events that only something live has change nothing.
    pub fn update(&mut self, now: Now, event: Event) -> Vec<Effect> {
        let runs = self.film.is_some() && !self.screen.holds();
        self.clock.advance(now.mono, runs, &self.idle);
        match event {
            Event::Control(control) => self.control(control),
            Event::Fetched { ask, bytes } => self.fetched(ask, bytes),
            Event::Parsed { ticket, .. } => self.screen.parsed(ticket),
            Event::Select(what) => self.select(what),
            Event::Order(order) => self.choice.order = order,
            Event::Pin { task, pinned } => {
                if pinned {
                    self.choice.pinned.insert(task, ());
                } else {
                    self.choice.pinned.remove(&task);
                }
            }
            Event::Title { title, .. } => self.title = title_of(&title),
            Event::NoticeSeen => self.notice = None,
            Event::Retry => self.retry(),
            Event::Timeout
            | Event::Wake
            | Event::Connected
            | Event::Packet(_)
            | Event::Disconnected { .. }
            | Event::StartTyping
            | Event::StopTyping
            | Event::GoOn
            | Event::Keys { .. }
            | Event::Paste { .. }
            | Event::AnswerPaste { .. }
            | Event::Fits(_) => {}
        }
        self.settle();
        std::mem::take(&mut self.effects)
    }

    /// The next deadline, and why; at it, the owner gives [`Event::Timeout`].
    pub fn poll_timeout(&self) -> Option<(Moment, &'static str)> {
        if !self.clock.playing || self.film.is_none() || self.screen.holds() {
            return None;
        }
        let next = self.screen.next().map_or(TICK_MS, |at| self.clock.until(at).clamp(FRAME_MS, TICK_MS));
        Some((self.clock.now().after(next), "the film goes on"))
    }

    /// The selected session's transcript at this moment of the film.
    pub fn transcript(&self) -> &Transcript {
        self.talk.transcript()
    }

    /// What to show now.
    pub fn view(&self) -> View {
        let Some((film, reel)) = self.film.as_ref().and_then(|film| Some((film, film.reels.get(self.reel)?)))
        else {
            let state = if self.failed { State::Failed(Failure::NotFound) } else { State::CatchingUp };
            return View::nothing(state, None, None);
        };
        let name = reel.card(self.clock.at()).map(|(task, _)| name_of(task));
        let timeline = Timeline {
            at: self.clock.at(),
            length: film.length,
            playing: self.clock.playing,
            waits: self.screen.waits(),
            speed: self.clock.speed(),
            skips: self.clock.skips,
            jumps: Arc::clone(&self.jumps),
            idle: Arc::clone(&self.idle),
        };
        let (shown, state) = match self.child() {
            Some(child) => (Shown::Nothing, State::Child(child)),
            None if self.screen.is_filled() => (Shown::Screen, State::Recorded),
            None => (Shown::Nothing, State::CatchingUp),
        };
        View {
            pane: Some(PaneId::OWN),
            shown,
            title: self.title.clone().filter(|_| shown == Shown::Screen).or(name),
            window: self.screen.window(),
            commands: Arc::clone(&self.commands),
            transcript: self.talk.view(),
            notice: self.notice,
            timeline: Some(timeline),
            ..View::nothing(state, None, self.bar.clone())
        }
    }

    /// Why there is no screen at this moment, if there is none.
    fn child(&self) -> Option<ChildSession> {
        let reel = self.film.as_ref()?.reels.get(self.reel)?;
        let begun = reel.session(self.clock.at());
        (!matches!(begun, ChildSession::Live | ChildSession::Ended)).then_some(begun)
    }

    fn control(&mut self, control: Control) {
        let Some(film) = &self.film else { return };
        match control {
            Control::Play(plays) => {
                if plays && self.clock.at() >= film.length {
                    self.seek(0);
                }
                self.clock.playing = plays;
                self.screen.try_again();
            }
            Control::Seek(at) => self.seek(at),
            Control::By(ms) => self.seek(self.clock.at().saturating_add_signed(ms)),
            Control::Command { back } => {
                let to = self.view().timeline.and_then(|line| line.command(back));
                if let Some(to) = to {
                    self.seek(to);
                }
            }
            Control::NextSpeed => self.clock.next_speed(),
            Control::Faster(faster) => self.clock.faster(faster),
            Control::Skip(skips) => self.clock.skips = skips,
        }
    }

    fn seek(&mut self, at: u64) {
        self.clock.seek(at);
        self.screen.seek();
    }

    fn select(&mut self, what: Selection) {
        let Some(film) = &self.film else { return };
        let reel = match &what {
            Selection::Own => Some(0),
            Selection::Child(id) => film.reels.iter().position(|reel| reel.id() == Some(id)),
        };
        if let Some(reel) = reel.filter(|reel| *reel != self.reel) {
            self.choice.selected = what;
            self.show(reel);
        }
    }

    /// Looks at a reel, at this moment of the film.
    fn show(&mut self, place: usize) {
        let Some(reel) = self.film.as_ref().and_then(|film| film.reels.get(place)) else { return };
        self.reel = place;
        self.jumps = Arc::new(reel.jumps());
        self.idle = Arc::new(reel.idle.clone());
        (self.commands, self.told) = (Arc::default(), 0);
        self.title = None;
        self.notice = reel.cut.then_some(CUT);
        if reel.talks {
            self.effects.push(Effect::Fetch(Ask::Talk(place)));
        }
        self.screen.begin(place);
        self.talk.load(Vec::new());
    }

    fn retry(&mut self) {
        if self.film.is_none() {
            self.failed = false;
            self.effects.push(Effect::Fetch(Ask::Film));
        }
    }

    fn fetched(&mut self, ask: Ask, bytes: Option<Vec<u8>>) {
        let piece = |bytes: Option<Vec<u8>>| bytes.and_then(|bytes| Piece::decode(&bytes));
        match ask {
            Ask::Film if self.film.is_none() => match bytes.and_then(|bytes| Film::decode(&bytes)) {
                Some(film) => {
                    self.clock.length = film.length;
                    self.film = Some(film);
                    self.show(0);
                }
                None => self.failed = true,
            },
            Ask::Film => {}
            Ask::Talk(reel) => match piece(bytes) {
                Some(piece) if reel == self.reel => self.talk.load(piece.events),
                Some(_) => {}
                None => self.lost(),
            },
            Ask::Piece(reel, place) => {
                if let Some(piece) = piece(bytes) {
                    self.screen.take(reel, place, piece);
                } else {
                    self.screen.lost(reel, place);
                    self.lost();
                }
            }
        }
    }

    fn lost(&mut self) {
        self.notice = Some(LOST);
        self.clock.playing = false;
    }

    /// After every event: everything is as it was at this moment of the film.
    fn settle(&mut self) {
        let Some(film) = &self.film else { return };
        let at = self.clock.at();
        let Some(reel) = film.reels.get(self.reel) else { return };
        self.screen.settle(at, self.clock.playing, &reel.cuts, &mut self.effects);
        self.talk.at(at);
        let until = reel.commands.partition_point(|(when, _)| *when <= at);
        if until < self.told {
            (self.commands, self.told) = (Arc::default(), 0);
        }
        for (_, told) in reel.commands.get(self.told..until).unwrap_or_default() {
            Arc::make_mut(&mut self.commands).tell(told.clone());
        }
        self.told = until;
        self.draw_bar();
    }

    /// Every session of the film has its pill from the beginning; how it stands is as of this moment.
    fn draw_bar(&mut self) {
        let Some(film) = &self.film else { return };
        let at = self.clock.at();
        let mut cards: Vec<(Task, ChildSession)> = Vec::with_capacity(film.reels.len());
        for reel in &film.reels {
            if let Some((task, begun)) = reel.card(at) {
                let mut task = task.clone();
                if !begun {
                    (task.state, task.wants_attention) = (TaskState::Starting, false);
                }
                cards.push((task, reel.session(at)));
            }
        }
        let mut cards = cards.iter();
        let own = cards.next().map(|(task, _)| task);
        let drawn = bar(Parts {
            own,
            own_state: TaskState::Unknown,
            own_name: String::new(),
            children: cards.map(|(task, session)| (task, session.clone())).collect(),
            held_back: false,
            standing: Standing::Present,
            choice: &self.choice,
        });
        if self.bar != drawn {
            self.bar = drawn;
        }
    }
}

impl Reel {
    /// Whose it is.
    fn id(&self) -> Option<&crate::id::TaskId> {
        self.cards.first().map(|(_, task)| &task.id)
    }

    /// What was known of it at that moment; before anything was, what was known first, and `false`.
    fn card(&self, at: u64) -> Option<(&Task, bool)> {
        let known = self.cards.iter().rev().find(|(when, _)| *when <= at).map(|(_, task)| (task, true));
        known.or_else(|| self.cards.first().map(|(_, task)| (task, false)))
    }

    /// Where its session was at that moment.
    fn session(&self, at: u64) -> ChildSession {
        let Some((task, _)) = self.card(at) else { return ChildSession::NotStarted };
        match self.cuts.first() {
            None => {
                let said = by_card(task, true);
                if matches!(said, ChildSession::Failed { .. }) && !self.talks {
                    said
                } else {
                    ChildSession::Unrecorded
                }
            }
            Some(start) if at < *start => ChildSession::NotStarted,
            Some(_) if task.state.is_final() => ChildSession::Ended,
            Some(_) => ChildSession::Live,
        }
    }

    /// Where its commands begin, and how they ended.
    fn jumps(&self) -> Vec<Jump> {
        let mut jumps = Vec::new();
        let mut numbers = Vec::new();
        for (at, told) in &self.commands {
            match told {
                Told::Started { number, .. } => {
                    jumps.push(Jump { at: *at, failed: false });
                    numbers.push(*number);
                }
                Told::Finished { number, exit: Some(status), .. } if *status != 0 => {
                    let jump = numbers.last().filter(|last| *last == number).and(jumps.last_mut());
                    if let Some(jump) = jump {
                        jump.failed = true;
                    }
                }
                Told::Finished { .. } => {}
            }
        }
        jumps
    }
}
