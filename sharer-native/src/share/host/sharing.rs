//! Programs and their sessions: what the machine is told of each, and what it wants done.
//!
//! Which program is shared is the machine's to know. Here stands only which program a session is of, so that its
//! effects find terminal and model.

use anyhow::Context as _;
use shared::event::WindowSize;
use shared::id::SessionId;
use shared::sharer::{Begin, Effect, ModelInput, SessionConfig};
use shared::wire::source::SessionSource;

use super::super::bell::Place;
use super::super::hosted::{Found, Hosted};
use super::super::reached::Reached;
use super::super::typist::Typed;
use super::{FIRST, Host};
use crate::clock;
use crate::control::request::Row;
use crate::events::{Line, LinkTexts};
use crate::keeping::Record;
use crate::tty;

/// What goes into the machine.
impl Host {
    /// Tells the machine of a program that is a task from now on; it is shared if its parent is.
    pub(super) fn enter(&mut self, place: Place, read_only: bool, announced: bool) {
        let Some(task) = self.tasks.get(place) else { return };
        let name = if place == FIRST { self.title.clone() } else { task.value.name.to_string() };
        let window = self.hosted.get(&place).map_or(self.hosting.window, Hosted::window);
        // Also of what is private: it may be shared later.
        let title = ModelInput::title(&name);
        match self.hosted.get(&place) {
            Some(hosted) => hosted.feed(title),
            None => self.early.push(title),
        }
        let config = SessionConfig {
            title: name,
            read_only,
            compress: self.compress,
            window: crate::term::clamped(window),
            source: SessionSource::default(),
            announced,
            // Its children are kept as it is.
            keep: self.keep.as_ref().filter(|_| place == FIRST).and_then(Record::keep),
        };
        let taken = self.machine.host(clock::now(), task.value.clone(), config);
        debug_assert!(taken, "no more tasks are recorded than the machine takes");
    }

    /// Shares a program: the first one with its children, a child alone. What is shared already goes on.
    pub(super) fn share(&mut self, place: Place, begin: Begin) -> anyhow::Result<()> {
        let task = self.tasks.get(place).filter(|task| task.is_alive()).context("the program has ended")?;
        let id = task.value.id.clone();
        if self.reached.is_none() {
            let reached = Reached::new(&self.relay)?;
            self.uplink.dial(reached.url.clone());
            self.reached = Some(reached);
        }
        let was_shared = self.machine.session_of(&id).is_some();
        let session = self.machine.share(clock::now(), &id, begin).context("the program has ended")?;
        self.tasks.has_session(place, Some(session));
        if let Some(record) = self.keep.as_mut().filter(|_| place == FIRST) {
            record.is_of(session);
        }
        if let (FIRST, false, Some(links)) = (place, was_shared, self.links_of(place)) {
            self.event(&Line::Shared { session_id: session.to_string(), title: self.title.clone(), links });
        }
        Ok(())
    }

    /// Stops sharing a program, and with the first one what is shared because of it. The programs run on. Says whether it
    /// was shared.
    pub(super) fn unshare(&mut self, place: Place) -> bool {
        let Some(id) = self.tasks.get(place).map(|task| task.value.id.clone()) else { return false };
        let was_shared = self.machine.unshare(clock::now(), &id);
        if was_shared && place == FIRST {
            self.event(&Line::Unshared {});
        }
        was_shared
    }

    /// What is said of a task changed.
    pub(super) fn task_changed(&mut self, place: Place) {
        if let Some(task) = self.tasks.get(place) {
            self.machine.handle_task(clock::now(), task.value.clone());
        }
    }

    /// A program has ended, and all its output was taken.
    pub(super) fn say_exit(&mut self, place: Place) {
        if let Some(task) = self.tasks.get(place)
            && let (Some(session), Some(ended)) = (task.session, task.ended)
        {
            self.machine.handle_exit(clock::now(), session, ended.code, ended.signal_name());
        }
    }

    /// Takes what a program has. What is not shared goes to its model alone.
    pub(super) fn take_found(&mut self, place: Place, found: Found) {
        let Found { output, marks, rings, resized, news, typed } = found;
        self.record_output(place, &output, &marks, resized);
        if rings && self.tasks.rings(place, clock::now().wall) {
            self.task_changed(place);
        }
        if place == FIRST && !output.is_empty() {
            self.search.note_output();
        }
        let Some(hosted) = self.hosted.get_mut(&place) else { return };
        if !hosted.type_reply(news.replies) {
            tracing::debug!("a program asks and does not read the answers");
        }
        let now = clock::now();
        let session = self.tasks.get(place).and_then(|task| task.session);
        let Some(session) = session.filter(|session| self.machine.room(*session).is_some()) else {
            // The model rings for whatever it is fed.
            if !output.is_empty() {
                hosted.feed(ModelInput::Output(output));
            }
            if let Some(window) = resized {
                hosted.feed(ModelInput::Resize(crate::term::clamped(window)));
            }
            return;
        };
        let mut from = 0;
        for (at, mark) in marks {
            self.machine.handle_output(now, session, &output.slice(from..at));
            self.machine.handle_command(now, session, mark);
            from = at;
        }
        if from < output.len() {
            self.machine.handle_output(now, session, &output.slice(from..));
        }
        if let Some(window) = resized {
            self.machine.handle_resize(now, session, crate::term::clamped(window));
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
        if let Some(title) = news.title {
            self.machine.handle_title(now, session, &title);
            if place == FIRST {
                self.entitle();
            }
        }
    }

    /// Gives a PTY the size that who types has room for, unless somebody sits at it, here or at a nested `sharer`, or said
    /// which size it has.
    fn resize_for_viewers(&mut self, place: Place, size: WindowSize) {
        let stays = self.fixed_size || (place == FIRST && !self.headless);
        let Some(hosted) = self.hosted.get_mut(&place).filter(|hosted| !stays && hosted.pty().is_some())
        else {
            return;
        };
        hosted.resize(size);
        self.record_size(place, size);
        if let Some(session) = self.tasks.get(place).and_then(|task| task.session) {
            self.machine.handle_resize(clock::now(), session, size);
        }
    }

    /// The first program's PTY has a new size.
    pub(super) fn take_size(&mut self, window: WindowSize) {
        let window = crate::term::clamped(window);
        self.record_size(FIRST, window);
        match self.tasks.get(FIRST).and_then(|task| task.session) {
            Some(session) => self.machine.handle_resize(clock::now(), session, window),
            None => {
                if let Some(first) = self.first() {
                    first.feed(ModelInput::Resize(window));
                }
            }
        }
    }
}

/// What leaves.
impl Host {
    /// Does what the machine wants.
    pub(super) fn run_effects(&mut self) {
        while let Some(effect) = self.machine.poll_effect() {
            match effect {
                Effect::Connect => self.uplink.connect(),
                Effect::Close(code) => self.uplink.close(code),
                Effect::Model(session, input) => {
                    let place = self.places.get(&session).copied();
                    match place.and_then(|at| self.hosted.get(&at)) {
                        Some(hosted) => hosted.feed(input),
                        None if place == Some(FIRST) => self.early.push(input),
                        None => {}
                    }
                }
                Effect::Type(session, bytes) => {
                    let Some(place) = self.places.get(&session).copied() else { continue };
                    let hosted = self.hosted.get_mut(&place);
                    if let Some(Typed::Now(bytes)) = hosted.map(|hosted| hosted.type_input(bytes)) {
                        self.machine.handle_typed(clock::now(), session, bytes);
                    }
                    if self.tasks.answered(place) {
                        self.task_changed(place);
                    }
                }
                Effect::Resize(session, size) => {
                    if let Some(place) = self.places.get(&session).copied() {
                        self.resize_for_viewers(place, size);
                    }
                }
                Effect::Viewers { session, count, executors } => {
                    tracing::info!(%session, count, executors, "viewers");
                    if self.places.get(&session) == Some(&FIRST) {
                        self.most_viewers = self.most_viewers.max(count);
                        self.event(&Line::Viewers { count, executors });
                        self.entitle();
                    }
                }
                Effect::Connection(_) => self.tell_standing(),
                Effect::Room(session, _) => {
                    if self.places.get(&session) == Some(&FIRST) {
                        self.tell_standing();
                    }
                }
                Effect::Kept(session, kept) => {
                    match kept {
                        Ok(for_ms) => tracing::info!(%session, for_ms, "kept"),
                        Err(reason) => tracing::warn!(%session, reason = reason.words(), "not kept"),
                    }
                    if self.places.get(&session) == Some(&FIRST) {
                        self.kept = Some(kept);
                    }
                }
                Effect::Reach(task) => self.tell_reach(&task),
                Effect::Said(task, update) => self.record_said(&task, *update),
                Effect::Opened { task, session } => {
                    if let Some(place) = self.tasks.with_id(&task) {
                        self.opened(place, session);
                    }
                }
                Effect::Task(task) => {
                    // Of several changes at once the last one is told.
                    let newest = self.machine.task(&task.id).is_some_and(|now| now.revision == task.revision);
                    if let Some(place) = self.tasks.with_id(&task.id).filter(|_| newest) {
                        self.record_task(place, &task);
                        self.tell_task(place);
                    }
                }
                Effect::LinksChanged(session) => match self.places.get(&session) {
                    Some(&FIRST) => {
                        if let Some(links) = self.links_of(FIRST) {
                            self.event(&Line::Links { links });
                        }
                    }
                    Some(place) => self.tell_task(*place),
                    None => {}
                },
                Effect::Ended(session) => self.ended(session),
            }
        }
    }

    fn opened(&mut self, place: Place, session: SessionId) {
        self.places.insert(session, place);
        let before = self.tasks.get(place).and_then(|task| task.session).filter(|before| *before != session);
        if let Some(before) = before {
            // Another sharer took it over; nobody says more of it.
            self.machine.forget(clock::now(), before);
            self.places.remove(&before);
        }
        self.tasks.has_session(place, Some(session));
        // A program that was private for a while may have another size and title than it began with.
        if let Some(hosted) = self.hosted.get(&place) {
            let (window, now) = (crate::term::clamped(hosted.window()), clock::now());
            self.machine.handle_resize(now, session, window);
            if !hosted.title().is_empty() {
                self.machine.handle_title(now, session, hosted.title());
            }
        }
    }

    fn ended(&mut self, session: SessionId) {
        // At the very end the connection stays until the last word is out.
        if !self.ending {
            self.machine.forget(clock::now(), session);
        }
        if let Some(place) = self.places.remove(&session)
            && !self.ending
            && self.tasks.get(place).is_some_and(|task| task.session == Some(session))
        {
            self.tasks.has_session(place, None);
        }
    }

    /// A program's links, while it is shared.
    pub(super) fn links_of(&self, place: Place) -> Option<LinkTexts> {
        let base = &self.reached.as_ref()?.base;
        let links = self.machine.links(self.tasks.get(place)?.session?, base)?;
        Some(LinkTexts { read: links.read.to_string(), write: links.write.map(|link| link.to_string()) })
    }

    /// One task, for lists.
    pub(super) fn row(&self, place: Place) -> Option<Row> {
        let row = self.tasks.row(place)?;
        let task = self.machine.task(&self.tasks.get(place)?.value.id);
        Some(Row { shared: task.is_some_and(|task| task.session.is_some() && !task.removed), ..row })
    }

    /// Tells whoever listens what a task is now. The first one is of interest once it has children.
    pub(super) fn tell_task(&mut self, place: Place) {
        self.report(place);
        if place == FIRST && self.tasks.all().count() == 1 {
            return;
        }
        let Some(row) = self.row(place) else { return };
        self.event(&Line::Task {
            task_id: row.task_id,
            parent: row.parent,
            name: row.name,
            state: row.state,
            reason: row.reason,
            links: self.links_of(place),
        });
    }

    /// What the first program calls its window, or what it is called.
    pub(super) fn first_title(&self) -> &str {
        let own = self.hosted.get(&FIRST).map(Hosted::title).filter(|own| !own.is_empty());
        own.unwrap_or(&self.title)
    }

    /// Tells in the window's title how many watch, if the person wants to know, once somebody has.
    pub(super) fn entitle(&self) {
        if self.show_viewers && !self.headless && self.hosted.contains_key(&FIRST) && self.most_viewers > 0 {
            let title = self.first_title();
            let session = self.tasks.get(FIRST).and_then(|task| task.session);
            match session.and_then(|session| self.machine.viewers(session)).unwrap_or_default().0 {
                0 => tty::entitle(title),
                count => tty::entitle(&format!("{count} watching: {title}")),
            }
        }
    }
}
