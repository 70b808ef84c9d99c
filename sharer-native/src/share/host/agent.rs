//! Which agent runs in the first program's terminal. The first one that is recognised gives the session its task and its
//! name, and nothing else (ORCHESTRATION 2).

use std::time::Duration;

use tokio::time::Instant;

use super::super::hosted::Hosted;
use super::{FIRST, Host};
use crate::agents::Agent;
use crate::clock;

/// Whoever is in the foreground is looked at after output, at most this often.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// The search for an agent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Search {
    /// One was recognised.
    Over,
    /// Nothing was written since the last look, which allows the next one then.
    Quiet(Instant),
    /// Something was; the next look is then.
    Due(Instant),
}

impl Search {
    /// The first program wrote.
    pub(super) fn note_output(&mut self) {
        if let Self::Quiet(at) = *self {
            *self = Self::Due(at);
        }
    }

    pub(super) fn deadline(self) -> Option<Instant> {
        if let Self::Due(at) = self { Some(at) } else { None }
    }
}

impl Host {
    /// Looks who is in the foreground of the first terminal, if it is time.
    pub(super) fn seek_agent(&mut self) {
        let now = Instant::now();
        if self.search.deadline().is_none_or(|at| at > now) {
            return;
        }
        self.search = Search::Quiet(now + LOOK_EVERY);
        let foreground = self.hosted.get(&FIRST).and_then(Hosted::foreground);
        if let Some(agent) = foreground.and_then(Agent::of_process) {
            self.recognise(agent);
        }
    }

    /// The session is this agent's from now on.
    pub(super) fn recognise(&mut self, agent: Agent) {
        self.search = Search::Over;
        self.tasks.rename(FIRST, agent.name);
        self.record_agent(FIRST, agent);
        self.machine.recognise(clock::now(), &self.task);
        self.task_changed(FIRST);
    }
}
