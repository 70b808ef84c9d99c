//! What transcripts say of children without any agent's saying it: that they were started, what they were told, and what
//! became of them (ORCHESTRATION 5, statement 24).
//!
//! Children of who is nobody's child only: grandchildren are not shared. What an agent tells of its own children by itself
//! is not told twice ([`SessionConfig::announced`](super::SessionConfig)).

use super::Sharer;
use crate::conversation::{AgentId, Patch, Update};
use crate::id::TaskId;
use crate::orchestration::status::TaskState;
use crate::orchestration::task::Task;
use crate::time::Now;

/// Lines about one child that are no end: one that changes its mind all day does not push out what others said.
const MOST_LINES: u8 = 32;

/// What was said of a child.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Announced {
    state: TaskState,
    lines: u8,
}

impl Announced {
    /// Whether a state is news, and to be said.
    fn is_news(&mut self, state: TaskState) -> bool {
        let said = std::mem::replace(&mut self.state, state);
        let tells = match state {
            TaskState::Done | TaskState::Error | TaskState::Cancelled => return said != state,
            TaskState::Blocked => said != state,
            // That somebody helped is worth a line; that it works or waits, its pill says.
            TaskState::Running | TaskState::Waiting => said == TaskState::Blocked,
            TaskState::Starting | TaskState::Unknown => false,
        };
        let tells = tells && self.lines < MOST_LINES;
        self.lines += u8::from(tells);
        tells
    }
}

impl Sharer {
    /// A child was started: its parent's transcript says so.
    pub(super) fn announce_launch(&mut self, now: Now, id: &TaskId) {
        let Some((task, parent)) = self.announced(id) else { return };
        let Some(agent) = AgentId::new(&id.0) else { return };
        let what = if task.prompt.is_empty() { task.command.to_string() } else { task.prompt.to_string() };
        let launch = Update::Subagent {
            id: agent,
            title: Patch::Set(task.name.to_string()),
            description: Patch::Set(what),
            state: Patch::Keep,
        };
        self.say_in(now, &parent, launch);
        self.announce_state(now, id);
    }

    /// What is said of a child changed: its parent's transcript tells what matters to readers.
    pub(super) fn announce_state(&mut self, now: Now, id: &TaskId) {
        let Some((task, parent)) = self.announced(id) else { return };
        let said = self.programs.announced(id);
        let (Some(true), Some(agent)) = (said.map(|said| said.is_news(task.state)), AgentId::new(&id.0))
        else {
            return;
        };
        // ACP's words, where it has one.
        let blocked = task.state == TaskState::Blocked;
        let state = if blocked { "requires_action" } else { task.state.word() };
        let reason = Some(task.reason.to_string()).filter(|reason| !reason.is_empty());
        self.say_in(now, &parent, Update::Lifecycle { id: agent, state: state.to_owned(), reason });
    }

    /// Somebody told a task something: a task above it, or (`None`) its user. Both transcripts hold it.
    pub fn handle_told(&mut self, now: Now, from: Option<&TaskId>, to: &TaskId, text: &str) {
        self.told += 1;
        let agent = |id: &TaskId| AgentId::new(&id.0).map_or(Patch::Keep, Patch::Set);
        let message = Update::Between {
            id: format!("sharer {}", self.told),
            from: from.map_or(Patch::Keep, agent),
            to: agent(to),
            text: Some(text.to_owned()),
        };
        let above = from.cloned().or_else(|| self.task(to).and_then(|task| task.parent.clone()));
        for task in above.iter().chain([to]) {
            self.say_in(now, task, message.clone());
        }
    }

    /// A child of which its parent's transcript is to tell.
    fn announced(&self, id: &TaskId) -> Option<(Task, TaskId)> {
        let task = self.programs.announces(id)?;
        Some((task.clone(), task.parent.clone()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_matters_is_said_once_and_a_restless_child_is_not_heard_without_end() {
        use TaskState::{Blocked, Done, Error, Running, Starting, Waiting};
        let mut said = Announced::default();
        let news = |said: &mut Announced, states: &[TaskState]| -> Vec<bool> {
            states.iter().map(|state| said.is_news(*state)).collect()
        };
        let states = [Starting, Running, Waiting, Running, Blocked, Blocked, Running, Waiting];
        assert_eq!(news(&mut said, &states), [false, false, false, false, true, false, true, false]);
        for _ in 0..1_000 {
            news(&mut said, &[Blocked, Running]);
        }
        assert_eq!(said.lines, MOST_LINES);
        assert_eq!(
            news(&mut said, &[Blocked, Error, Error, Done]),
            [false, true, false, true],
            "ends always"
        );
    }
}
