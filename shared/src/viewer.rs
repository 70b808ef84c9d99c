//! The viewer: opens a link, checks everything that arrives, and says what to show.
//!
//! The one machine behind the page, the viewer in a terminal and the tests' viewers. One link is one connection and
//! several *panes*: the link's own session, and children's that were opened through it. Its owner gives it [`Event`]s
//! ([`Viewer::update`]), runs the [`Effect`]s that come back, calls it again at [`Viewer::poll_timeout`], and draws
//! [`Viewer::view`]. Terminal contents are not part of the view; they leave as effects that name their pane.
//!
//! Nothing that a session's owner did not sign is shown for longer than 5 s (law 12), whoever relays or reads.

mod arrivals;
mod children;
mod credit;
mod epoch;
mod family;
mod joining;
mod keyboard;
mod pane;
mod panes;
mod paste;
mod pills;
mod proof;
mod standing;
mod tail;
mod talk;
mod text;
mod timeline;
mod typing;
mod update;
mod uplink;
mod view;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::children::BarKey;
use self::family::Family;
use self::pane::{Pane, Stage};
use self::panes::Panes;
use self::uplink::Uplink;
use crate::chain::ViewerChallenge;
use crate::conversation::Transcript;
use crate::entropy::Entropy;
use crate::event::WindowSize;
use crate::id::TaskId;
use crate::link::Link;
use crate::time::{Moment, Now};
use crate::wire::frame::Frame;
use crate::wire::viewer::RelayToViewer;
use crate::wire::{ControlError, Packet, decode};

pub use self::epoch::Divergence;
pub use self::pane::PaneId;
pub use self::paste::PasteQuestion;
pub use self::pills::{Bar, COLOURS, ChildSession, Details, Order, Pill, Selection, Standing, Status};
pub(crate) use self::pills::{Choice, Parts, bar, by_card, name_of};
pub(crate) use self::text::title_of;
pub use self::timeline::{Ask, Control, Jump, SPEEDS, Timeline, clock, speed_word};
pub use self::typing::LostInput;
pub use self::update::{Effect, Event};
pub use self::view::{Closed, Failure, Shown, State, TranscriptView, Typing, View};

/// Watches, and perhaps types into, the sessions that one link opens.
#[derive(Debug)]
pub struct Viewer {
    uplink: Uplink,
    panes: Panes,
    family: Family,
    choice: Choice,
    /// Grows with every change of `choice`.
    choices: u64,
    /// A child that the person wants to see, and nobody has heard of yet.
    wished: Option<TaskId>,
    /// The versions of cards and choice that the panes follow.
    followed: Option<(u64, u64)>,
    /// The challenge of the join since which cards are counted.
    joined_with: Option<ViewerChallenge>,
    bar: Option<(BarKey, Option<Arc<Bar>>)>,
    /// The size of a terminal that fits the person's screen.
    fits: Option<WindowSize>,
}

impl Viewer {
    /// Begins to watch the session of `link`; the first effects connect.
    pub fn new(link: Link, entropy: Entropy, now: Now) -> Self {
        let uplink = Uplink::new(link.base.clone(), entropy, now);
        let mut viewer = Self {
            uplink,
            panes: Panes::new(Pane::new(PaneId::OWN, link, now)),
            family: Family::default(),
            choice: Choice::default(),
            choices: 0,
            wished: None,
            followed: None,
            joined_with: None,
            bar: None,
            fits: None,
        };
        viewer.settle();
        viewer
    }

    /// Takes one event; the effects to run, in order.
    pub fn update(&mut self, now: Now, event: Event) -> Vec<Effect> {
        self.uplink.advance(now);
        match event {
            Event::Connected => self.uplink.handle_connected(),
            Event::Packet(packet) => self.handle_packet(&packet),
            Event::Disconnected { code } => self.handle_disconnected(code),
            Event::Parsed { pane, ticket } => self.uplink.parsed(pane, ticket),
            Event::Timeout => self.handle_timeout(),
            Event::Wake => self.wake(),
            Event::Select(what) => self.select(what),
            Event::Order(order) => {
                self.choice.order = order;
                self.choices += 1;
            }
            Event::Pin { task, pinned } => self.pin(task, pinned),
            Event::StartTyping => self.with_selected(Pane::start_typing),
            Event::StopTyping => self.with_selected(|pane| pane.keyboard.stop()),
            Event::GoOn => self.with_selected(|pane| pane.keyboard.go_on()),
            Event::Keys { pane, bytes } => {
                if let Some(pane) = self.panes.if_selected(pane) {
                    pane.type_keys(&bytes);
                }
            }
            Event::Paste { pane, text, bracketed } => {
                if let Some(pane) = self.panes.if_selected(pane) {
                    pane.type_paste(&text, bracketed);
                }
            }
            Event::AnswerPaste { typed } => self.with_selected(|pane| pane.answer_paste(typed)),
            Event::Title { pane, title } => {
                if let Some(pane) = self.panes.get_mut(pane) {
                    pane.set_title(&title);
                }
            }
            Event::Fits(size) => self.fits = size,
            Event::NoticeSeen => self.with_selected(|pane| pane.notice = None),
            // Nothing live can be gone about in.
            Event::Control(_) | Event::Fetched { .. } => {}
            Event::Retry => {
                if let Some(pane) = self.panes.selected_mut() {
                    pane.retry(&mut self.uplink);
                }
            }
        }
        self.settle();
        self.uplink.take_effects()
    }

    /// The effects of the construction: the first connect.
    pub fn start(&mut self) -> Vec<Effect> {
        self.uplink.take_effects()
    }

    /// The next deadline, and why; at it, the owner gives [`Event::Timeout`].
    pub fn poll_timeout(&self) -> Option<(Moment, &'static str)> {
        let now = self.uplink.now();
        let panes = self.panes.iter().filter_map(|pane| pane.poll_timeout(now));
        let doubt = self.family.doubt().map(|(at, _)| (at, "doubt")).filter(|(at, _)| *at > now.mono);
        let uplink = self.uplink.poll_timeout(self.expects_beats());
        uplink.into_iter().chain(panes).chain(doubt).min()
    }

    /// The link that watches the selected session and no more, once its keys are known.
    pub fn watch_link(&self) -> Option<Link> {
        match &self.choice.selected {
            Selection::Own => self.panes.own().watch_link(),
            Selection::Child(id) => self.child_watch_link(id),
        }
    }

    /// What may stand in an address bar: a link to the opened session that watches, and the child that is selected or
    /// waited for. It stays the parent's for who has the parent's.
    pub fn address(&self) -> Option<String> {
        let own = self.panes.own().watch_link()?;
        let child = match (&self.wished, &self.choice.selected) {
            (Some(id), _) | (None, Selection::Child(id)) => Some(id),
            (None, Selection::Own) => None,
        };
        Some(own.deep(child))
    }

    /// The link that was opened.
    pub fn link(&self) -> &Link {
        &self.panes.own().link
    }

    /// What to show now.
    pub fn view(&self) -> View {
        let bar = self.bar.as_ref().and_then(|(_, bar)| bar.clone());
        match (self.panes.selected(), &self.choice.selected) {
            (Some(pane), _) => pane.view(self.uplink.now(), self.uplink.attempts, bar),
            (None, Selection::Own) => View::nothing(State::Connecting, None, bar),
            (None, Selection::Child(id)) => {
                let task = self.family.get(id);
                let session = task.map_or(ChildSession::NotStarted, |task| self.child_session(task));
                View::nothing(State::Child(session), task.map(name_of), bar)
            }
        }
    }

    /// The selected session's transcript, if it may be looked at.
    pub fn transcript(&self) -> Option<&Transcript> {
        let pane = self.panes.selected()?;
        let shown = pane.view(self.uplink.now(), 0, None).shown;
        (shown != Shown::Hidden).then(|| pane.talk.transcript())
    }

    /// After every call: every pane sends what became due, and the connection is made or dropped.
    fn settle(&mut self) {
        self.tell_break();
        self.learn();
        self.follow();
        if let Some(size) = self.fits {
            self.with_selected(|pane| pane.ask_size(size));
        }
        for pane in self.panes.iter_mut() {
            pane.settle(&mut self.uplink);
        }
        self.tell_break();
        self.uplink.settle(self.panes.iter().any(|pane| pane.is_active() || pane.lingers()));
        self.draw_bar();
    }

    fn with_selected(&mut self, act: impl FnOnce(&mut Pane)) {
        if let Some(pane) = self.panes.selected_mut() {
            act(pane);
        }
    }

    fn pin(&mut self, task: TaskId, pinned: bool) {
        if !pinned {
            self.choice.pinned.remove(&task);
        } else if self.family.get(&task).is_some() {
            self.choice.pinned.insert(task, ());
        }
        self.choices += 1;
    }

    fn tell_break(&mut self) {
        if self.uplink.take_broke() {
            for pane in self.panes.iter_mut() {
                pane.broke(&mut self.uplink);
            }
        }
    }

    fn expects_beats(&self) -> bool {
        self.panes.iter().any(Pane::expects_beats)
    }

    fn handle_disconnected(&mut self, code: Option<u16>) {
        if let Some(failure) = self.uplink.handle_disconnected(code) {
            self.fail(failure);
        }
    }

    /// Nothing of this relay can be shown.
    fn fail(&mut self, failure: Failure) {
        for pane in self.panes.iter_mut() {
            pane.fail(&mut self.uplink, failure);
        }
    }

    fn handle_timeout(&mut self) {
        self.uplink.handle_timeout(self.expects_beats());
        for pane in self.panes.iter_mut() {
            pane.handle_timeout(&mut self.uplink);
        }
    }

    fn wake(&mut self) {
        self.uplink.wake();
        for pane in self.panes.iter_mut() {
            pane.wake(self.uplink.now());
        }
    }

    fn handle_packet(&mut self, packet: &Packet) {
        match self.uplink.handle_packet(packet) {
            Ok(true) => {}
            Ok(false) => return,
            Err(failure) => return self.fail(failure),
        }
        match packet {
            Packet::Text(text) => match decode::<RelayToViewer>(text) {
                // Only the link's own session has children here: there is one level.
                Ok(RelayToViewer::TasksUpdated { channel, rows }) => {
                    let own = self.panes.own();
                    if own.channel == channel
                        && own.stage == Stage::Joined
                        && let Some(epoch) = &own.epoch
                    {
                        self.family.rows(self.uplink.now(), epoch, &rows);
                    }
                }
                Ok(message) => {
                    if let Some(pane) = self.panes.on_channel(message.channel()) {
                        pane.handle_control(&mut self.uplink, message);
                    }
                }
                Err(ControlError::Unknown(_)) => {}
                Err(ControlError::Malformed) => self.uplink.reconnect(),
            },
            Packet::Binary(bytes) => match Frame::decode(bytes) {
                Ok(frame) => {
                    let pane = frame.channel().and_then(|channel| self.panes.on_channel(channel));
                    if let Some(pane) = pane {
                        pane.handle_frame(&mut self.uplink, frame);
                    }
                }
                Err(_malformed) => self.uplink.reconnect(),
            },
        }
    }
}
