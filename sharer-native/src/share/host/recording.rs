//! What the recorder is told of programs and tasks.

use bytes::Bytes;
use shared::command::Mark;
use shared::conversation::Update;
use shared::event::WindowSize;
use shared::id::TaskId;
use shared::orchestration::task::Task;
use shared::recording::{Exit, Session};

use super::super::bell::Place;
use super::super::hosted::Hosted;
use super::{FIRST, Host};
use crate::agents::{Agent, Started};
use crate::clock;
use crate::pty::Ended;

impl Host {
    /// A program that is a task from now on is recorded, unless nothing is to be.
    pub(super) fn record(&mut self, place: Place, started: Option<Started>) {
        let Some(task) = self.tasks.get(place).filter(|_| self.recorder.is_on()) else { return };
        let top = self.tasks.get(self.top_of(place)).map_or(&task.value.id, |top| &top.value.id);
        let (now, value) = (clock::now(), &task.value);
        let window = self.hosted.get(&place).map_or(self.hosting.window, Hosted::window);
        let mut session = Session::new(value.id.clone(), top.clone(), now.wall, window);
        session.parent.clone_from(&value.parent);
        session.session = task.session;
        session.name = value.name.to_string();
        session.command = value.command.to_string();
        session.prompt = value.prompt.to_string();
        session.directory = value.directory.to_string();
        if place == FIRST {
            let here = std::env::current_dir().unwrap_or_default();
            session.directory = here.to_string_lossy().into_owned();
        }
        if let Some(Started { agent, session: named }) = started {
            session.agent = Some(agent.program.to_owned());
            session.agent_session = named;
        }
        env!("CARGO_PKG_VERSION").clone_into(&mut session.sharer);
        let known = self.machine.task(&value.id).cloned();
        self.recorder.begin(place.0, now.mono, session);
        if let Some(task) = known {
            self.record_task(place, &task);
        }
    }

    /// The task above this one that nobody on this machine started.
    fn top_of(&self, place: Place) -> Place {
        let mut at = place;
        while let Some(above) = self.tasks.get(at).and_then(|task| task.parent) {
            // A driver starts for others, and is no program itself.
            if above == FIRST && self.lines.is_driver() {
                break;
            }
            at = above;
        }
        at
    }

    /// What is said of a task changed: its own recording says so, and the one at the top, which knows all below it.
    pub(super) fn record_task(&self, place: Place, task: &Task) {
        let now = clock::now().mono;
        self.recorder.task(place.0, now, task.clone());
        let top = self.top_of(place);
        if top != place {
            self.recorder.task(top.0, now, task.clone());
        }
    }

    /// A program wrote, or its terminal has another size.
    pub(super) fn record_output(
        &self,
        place: Place,
        output: &Bytes,
        marks: &[(usize, Mark)],
        resized: Option<WindowSize>,
    ) {
        if !(output.is_empty() && marks.is_empty()) {
            self.recorder.output(place.0, clock::now().mono, output, marks);
        }
        if let Some(size) = resized {
            self.record_size(place, crate::term::clamped(size));
        }
    }

    /// A program's terminal has another size.
    pub(super) fn record_size(&self, place: Place, size: WindowSize) {
        self.recorder.resize(place.0, clock::now().mono, size);
    }

    /// Something happened in a program's conversation.
    pub(super) fn record_said(&self, task: &TaskId, update: Update) {
        if let Some(place) = self.tasks.with_id(task) {
            self.recorder.said(place.0, clock::now().mono, update);
        }
    }

    /// An agent was recognised in a program's terminal.
    pub(super) fn record_agent(&self, place: Place, agent: Agent) {
        self.recorder.agent(place.0, clock::now().mono, agent.program);
    }

    /// A program has ended, and all its output was taken.
    pub(super) fn record_end(&mut self, place: Place, ended: Ended) {
        let Some(id) = self.tasks.get(place).map(|task| task.value.id.clone()) else { return };
        if let Some(task) = self.machine.task(&id) {
            // What is told of it later comes too late.
            self.record_task(place, task);
        }
        let exit = Exit { code: ended.code, signal: ended.signal_name() };
        self.recorder.end(place.0, clock::now().mono, exit, ended.status());
    }
}
