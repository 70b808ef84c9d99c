//! What is shared: sessions opened and closed for programs, and what leaves them.
//!
//! The first program's session brings those of its direct children with it, in and out. Whether it is shared is read
//! where it is: in the sessions that are open now, and nowhere else (law 10).

use anyhow::Context as _;
use bytes::Bytes;
use shared::event::WindowSize;
use shared::id::SessionId;
use shared::keys::grant::Right;
use shared::sharer::{Effect, ModelInput, RoomState, SessionConfig};
use shared::wire::source::{SessionSource, SourceKind};

use super::super::bell::Place;
use super::super::hosted::{Found, Hosted};
use super::super::reached::Reached;
use super::{FIRST, Host, word};
use crate::clock;
use crate::events::{Line, LinkTexts};

/// How a program comes to be shared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    /// With its first byte.
    Start,
    /// Later, from its current screen on.
    Screen,
    /// Later, with the lines that scrolled off before.
    History,
}

impl Host {
    /// Shares the first program and its children.
    pub(super) fn share(&mut self, opening: Opening) -> anyhow::Result<LinkTexts> {
        if self.reached.is_none() {
            let reached = Reached::new(&self.relay, self.public_url.as_deref())?;
            self.uplink.dial(reached.url.clone());
            self.reached = Some(reached);
        }
        self.open(FIRST, opening);
        for place in self.tasks.children(FIRST) {
            self.open(place, opening);
            self.task_changed(place);
        }
        let links = self.links_of(FIRST).context("the session has no link")?;
        let session_id = self.sessions.get(&FIRST).map(SessionId::to_string).unwrap_or_default();
        self.event(&Line::Shared { session_id, title: self.title.clone(), links: links.clone() });
        Ok(links)
    }

    /// Opens a program's session, unless it has one.
    pub(super) fn open(&mut self, place: Place, opening: Opening) {
        if self.sessions.contains_key(&place) {
            return;
        }
        let now = clock::now();
        let (title, task_id) = match self.tasks.get(place) {
            Some(task) if place != FIRST => (task.value.name.to_string(), Some(task.value.id.clone())),
            _ => (self.title.clone(), None),
        };
        let window = self.hosted.get(&place).map_or(self.hosting.window, Hosted::window);
        if let (Opening::Screen, Some(hosted)) = (opening, self.hosted.get(&place)) {
            hosted.forget_history();
        }
        let session = self.machine.open(
            now,
            SessionConfig {
                title,
                read_only: self.read_only,
                compress: self.compress,
                window: crate::term::clamped(window),
                source: SessionSource { kind: SourceKind::User, task_id },
            },
        );
        if opening != Opening::Start {
            // What was written before is in no event: an epoch after the first says so, and asks for a snapshot.
            self.machine.revoke(now, session, &[Right::Watch, Right::Type]);
        }
        self.sessions.insert(place, session);
        self.places.insert(session, place);
        self.unfinished.insert(session);
        self.tasks.has_session(place, Some(session));
    }

    /// Stops sharing the first program and its children; the programs run on.
    pub(super) fn unshare(&mut self) {
        for place in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.close(place);
        }
        self.event(&Line::Unshared {});
    }

    fn close(&mut self, place: Place) {
        if let Some(session) = self.sessions.remove(&place) {
            self.places.remove(&session);
            self.machine.close(clock::now(), session);
            self.tasks.has_session(place, None);
            self.task_changed(place);
        }
    }

    /// Says of all sessions how their programs ended. They stay open until then, for those who come late.
    pub(super) fn end_sessions(&mut self) {
        // Children first: their last word is there when their parent's is.
        for (place, session) in self.sessions.iter().rev() {
            let ended = self.tasks.get(*place).and_then(|task| task.ended);
            let (code, signal) = ended.map_or((None, None), |ended| (ended.code, ended.signal_name()));
            self.machine.handle_exit(clock::now(), *session, code, signal);
        }
    }

    /// A program's links, if it is shared.
    pub(super) fn links_of(&self, place: Place) -> Option<LinkTexts> {
        let base = &self.reached.as_ref()?.base;
        let links = self.machine.links(*self.sessions.get(&place)?, base)?;
        Some(LinkTexts { read: links.read.to_string(), write: links.write.map(|link| link.to_string()) })
    }

    /// Whether viewers can join the first program's session now; `None`: it is private.
    pub(super) fn room(&self) -> Option<RoomState> {
        self.machine.room(*self.sessions.get(&FIRST)?)
    }

    /// Takes what a program has.
    pub(super) fn take_found(&mut self, place: Place, found: Found) {
        let Found { output, news, typed } = found;
        let now = clock::now();
        if let Some(hosted) = self.hosted.get_mut(&place) {
            hosted.type_reply(news.replies);
        }
        let Some(session) = self.sessions.get(&place).copied() else {
            self.take_private(place, output);
            return;
        };
        if !output.is_empty() {
            self.machine.handle_output(now, session, &output);
        }
        if typed > 0 {
            self.machine.handle_typed(now, session, typed);
        }
        if let Some(mark) = news.passed {
            self.machine.handle_model_passed(now, session, mark);
        }
        for dump in &news.dumps {
            self.machine.handle_dump(now, session, dump);
        }
        if let Some(title) = &news.title {
            self.machine.handle_title(now, session, title);
        }
    }

    /// Output of a program that is not shared goes to its model only.
    fn take_private(&self, place: Place, output: Bytes) {
        // The model rings for whatever it is fed.
        if let (Some(hosted), false) = (self.hosted.get(&place), output.is_empty()) {
            hosted.feed(ModelInput::Output(output));
        }
    }

    /// The first program's PTY has a new size.
    pub(super) fn take_size(&mut self, window: WindowSize) {
        let window = crate::term::clamped(window);
        match (self.sessions.get(&FIRST), self.hosted.get(&FIRST)) {
            (Some(session), _) => self.machine.handle_resize(clock::now(), *session, window),
            (None, Some(hosted)) => hosted.feed(ModelInput::Resize(window)),
            (None, None) => {}
        }
    }

    /// Does what the machine wants.
    pub(super) fn run_effects(&mut self) {
        while let Some(effect) = self.machine.poll_effect() {
            match effect {
                Effect::Connect => self.uplink.connect(),
                Effect::Close(code) => self.uplink.close(code),
                // Of a session that is not shared any more there is nothing left to do.
                Effect::Model(session, input) => {
                    if let Some(hosted) = self.places.get(&session).and_then(|place| self.hosted.get(place)) {
                        hosted.feed(input);
                    }
                }
                Effect::Type(session, bytes) => {
                    if let Some(hosted) =
                        self.places.get(&session).and_then(|place| self.hosted.get_mut(place))
                    {
                        hosted.type_input(bytes);
                    }
                }
                Effect::Viewers { session, count, executors } => {
                    if self.sessions.get(&FIRST) == Some(&session) {
                        self.most_viewers = self.most_viewers.max(count);
                        tracing::info!(count, executors, "viewers");
                        self.event(&Line::Viewers { count, executors });
                    }
                }
                Effect::Connection(state) => {
                    tracing::info!(state = word(state), "connection");
                    self.event(&Line::Connection { state: word(state) });
                }
                Effect::Room(session, RoomState::Replaced) if self.sessions.get(&FIRST) == Some(&session) => {
                    self.event(&Line::Connection { state: "replaced" });
                }
                Effect::Room(..) => {}
                Effect::LinksChanged(session) => self.links_changed(session),
                Effect::Ended(session) => {
                    self.machine.forget(clock::now(), session);
                    self.unfinished.remove(&session);
                }
            }
        }
    }

    fn links_changed(&mut self, session: SessionId) {
        match self.places.get(&session).copied() {
            Some(FIRST) => {
                if let Some(links) = self.links_of(FIRST) {
                    self.event(&Line::Links { links });
                }
            }
            Some(place) => self.task_changed(place),
            None => {}
        }
    }
}
