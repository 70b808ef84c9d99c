//! The tasks of this process: who started whom, what each may do to which, how each is getting on.
//!
//! The first program is the first task. Its children are shared with it; their children run and are recorded, and
//! are not shared (ORCHESTRATION 2). Bounds: [`MOST_ALIVE`] run at once, [`MAX_TASKS`] children are recorded.

use std::collections::{BTreeMap, BTreeSet};

use shared::id::{SessionId, TaskId};
use shared::orchestration::status::TaskState;
use shared::orchestration::task::{MAX_TASKS, Name, Task as Value};
use shared::orchestration::text::Text;
use shared::time::UnixMs;

use super::bell::Place;
use crate::control::caller::Allowance;
use crate::control::request::Row;
use crate::pty::Ended;

/// Tasks that run at the same time, the first included.
pub(super) const MOST_ALIVE: usize = 256;
/// A task that nobody has answered rings again after this long, in milliseconds.
const RING_EVERY_MS: u64 = 2_000;
/// The most of a name or state that an error repeats, in characters.
const LONGEST_WORD: usize = 80;

/// One task.
#[derive(Debug)]
pub(super) struct Task {
    /// What viewers are told.
    pub(super) value: Value,
    pub(super) parent: Option<Place>,
    pub(super) pid: Option<u32>,
    pub(super) ended: Option<Ended>,
    /// Its newest session, until that has ended.
    pub(super) session: Option<SessionId>,
    pub(super) token: String,
    killed: bool,
    rang: UnixMs,
    allowance: Allowance,
}

impl Task {
    pub(super) fn is_alive(&self) -> bool {
        self.ended.is_none()
    }

    /// Whether it runs under a driver, as seen from where it was asked for.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.value.driver.is_some()
    }
}

/// Why something about a task cannot be done, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum TaskError {
    #[error("there is no task {0:?} below this one (`sharer ps` lists them)")]
    NotFound(String),
    #[error("several tasks are called {0:?}: use an id from `sharer ps`")]
    Ambiguous(String),
    #[error("{MOST_ALIVE} tasks run already: wait for some to end before you start more")]
    TooManyAlive,
    #[error("this session has had {MAX_TASKS} tasks: start another one with `sharer -- COMMAND`")]
    TooManyEver,
    #[error("too many requests: wait a moment between them")]
    TooOften,
    #[error("the task has ended")]
    Over,
    #[error("the text is too long (256 KiB)")]
    TooLong,
    #[error("the task does not read what it is told: too much waits for it already")]
    NotReading,
    #[error("a child's own children are not shared")]
    Grandchild,
    #[error("the text is too long for a task on another machine (128 KiB)")]
    TooLongElsewhere,
    #[error("a task can be running, waiting or blocked, not {0:?}")]
    NoState(String),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tasks {
    by_place: BTreeMap<Place, Task>,
    /// Places that were ever given away: none is given twice.
    places: u32,
}

impl Tasks {
    /// Where the next task goes, if one more may start.
    pub(super) fn room(&self) -> Result<Place, TaskError> {
        if self.by_place.values().filter(|task| task.is_alive()).count() >= MOST_ALIVE {
            return Err(TaskError::TooManyAlive);
        }
        if self.by_place.len() > MAX_TASKS {
            return Err(TaskError::TooManyEver);
        }
        Ok(Place(self.places))
    }

    /// Tasks that may be forgotten if that makes room for one more, the oldest first: over, as is who started them if that was
    /// not `root`, and nothing is below them.
    pub(super) fn in_the_way(&self, root: Place) -> Vec<Place> {
        if self.by_place.len() <= MAX_TASKS {
            return Vec::new();
        }
        let parents: BTreeSet<Place> = self.by_place.values().filter_map(|task| task.parent).collect();
        let is_asked_for = |parent: Place| parent != root && self.get(parent).is_some_and(Task::is_alive);
        let over = self.all().filter(|(place, task)| {
            !task.is_alive()
                && task.session.is_none()
                && !parents.contains(place)
                && task.parent.is_some_and(|parent| !is_asked_for(parent))
        });
        over.map(|(place, _)| place).collect()
    }

    /// Nothing is known of a task any more. Nothing is to be below it.
    pub(super) fn forget(&mut self, place: Place) {
        self.by_place.remove(&place);
    }

    /// Records a task that has started. `token` is fresh; the name is made one of its own.
    pub(super) fn add(&mut self, place: Place, parent: Option<Place>, token: String, mut value: Value) {
        value.name = self.free_name(&value.name);
        value.enter(TaskState::Running, "", value.started);
        let task = Task {
            value,
            parent,
            pid: None,
            ended: None,
            session: None,
            token,
            killed: false,
            rang: UnixMs::default(),
            allowance: Allowance::default(),
        };
        self.by_place.entry(place).or_insert(task);
        self.places = self.places.max(place.0.saturating_add(1));
    }

    /// Records a task that a driver was asked for.
    pub(super) fn add_elsewhere(&mut self, place: Place, parent: Place, token: String, value: Value) {
        self.add(place, Some(parent), token, value);
        if let Some(task) = self.by_place.get_mut(&place) {
            task.value.enter(TaskState::Starting, "", task.value.started);
        }
    }

    /// Gives a task another name, made one of its own.
    pub(super) fn rename(&mut self, place: Place, name: &str) {
        let name = self.free_name(name);
        if let Some(task) = self.by_place.get_mut(&place) {
            task.value.name = name;
        }
    }

    /// A task's newest session is this one, or has ended.
    pub(super) fn has_session(&mut self, place: Place, session: Option<SessionId>) {
        if let Some(task) = self.by_place.get_mut(&place) {
            task.session = session;
        }
    }

    /// A task's program has this process id.
    pub(super) fn runs_as(&mut self, place: Place, pid: Option<u32>) {
        if let Some(task) = self.by_place.get_mut(&place) {
            task.pid = pid;
        }
    }

    pub(super) fn get(&self, place: Place) -> Option<&Task> {
        self.by_place.get(&place)
    }

    /// All, in the order they were started.
    pub(super) fn all(&self) -> impl Iterator<Item = (Place, &Task)> {
        self.by_place.iter().map(|(place, task)| (*place, task))
    }

    /// The task with this token.
    pub(super) fn with_token(&self, token: &str) -> Option<Place> {
        self.all().find(|(_, task)| task.token == token).map(|(place, _)| place)
    }

    /// The task with this id.
    pub(super) fn with_id(&self, id: &TaskId) -> Option<Place> {
        self.all().find(|(_, task)| task.value.id == *id).map(|(place, _)| place)
    }

    /// Counts a request of a task.
    pub(super) fn count(&mut self, by: Place, steady_ms: u64) -> Result<(), TaskError> {
        let allowed = self.by_place.get_mut(&by).is_some_and(|task| task.allowance.take(steady_ms));
        if allowed { Ok(()) } else { Err(TaskError::TooOften) }
    }

    /// Whether a task was started by another, or by one that was.
    pub(super) fn is_below(&self, place: Place, other: Place) -> bool {
        let mut at = self.get(place).and_then(|task| task.parent);
        while let Some(parent) = at {
            if parent == other {
                return true;
            }
            at = self.get(parent).and_then(|task| task.parent);
        }
        false
    }

    /// All tasks below one.
    pub(super) fn below(&self, place: Place) -> Vec<Place> {
        self.by_place.keys().copied().filter(|other| self.is_below(*other, place)).collect()
    }

    /// The task below `by` with this id, this unique beginning of an id, or this name.
    pub(super) fn find(&self, by: Place, word: &str) -> Result<Place, TaskError> {
        let below: Vec<(Place, &Task)> = self.all().filter(|(place, _)| self.is_below(*place, by)).collect();
        let those = |is: &dyn Fn(&Task) -> bool| -> Vec<Place> {
            below.iter().filter(|(_, task)| is(task)).map(|(place, _)| *place).collect()
        };
        let by_id = those(&|task| task.value.id.0 == word);
        let by_name = those(&|task| *task.value.name == *word);
        let by_beginning = those(&|task| word.len() >= 2 && task.value.id.0.starts_with(word));
        for found in [by_id, by_name, by_beginning] {
            match found.as_slice() {
                [] => {}
                [one] => return Ok(*one),
                _ => return Err(TaskError::Ambiguous(shortened(word))),
            }
        }
        Err(TaskError::NotFound(shortened(word)))
    }

    /// A task's program rang; whether that is to be told: a bell without end rings now and then. Of the first
    /// one nobody needs to be told: it is what everybody sees first.
    pub(super) fn rings(&mut self, place: Place, now: UnixMs) -> bool {
        let task = self.by_place.get_mut(&place).filter(|task| task.parent.is_some() && task.is_alive());
        let Some(task) = task else { return false };
        let soon = task.value.wants_attention && now.0.abs_diff(task.rang.0) < RING_EVERY_MS;
        if !soon {
            task.rang = now;
            task.value.ring();
        }
        !soon
    }

    /// Somebody typed into a task, which answers its ring; whether there was one.
    pub(super) fn answered(&mut self, place: Place) -> bool {
        self.by_place.get_mut(&place).is_some_and(|task| task.value.answer())
    }

    /// A task says how it is getting on.
    pub(super) fn say(
        &mut self,
        place: Place,
        word: &str,
        reason: &str,
        now: UnixMs,
    ) -> Result<(), TaskError> {
        let said = [TaskState::Running, TaskState::Waiting, TaskState::Blocked];
        let state = TaskState::from_word(word).filter(|state| said.contains(state));
        let state = state.ok_or_else(|| TaskError::NoState(shortened(word)))?;
        let task = self.by_place.get_mut(&place).filter(|task| task.is_alive()).ok_or(TaskError::Over)?;
        task.value.enter(state, reason.trim(), now);
        Ok(())
    }

    /// A task is ended on purpose.
    pub(super) fn kill(&mut self, place: Place) -> Result<(), TaskError> {
        let task = self.by_place.get_mut(&place).filter(|task| task.is_alive()).ok_or(TaskError::Over)?;
        task.killed = true;
        Ok(())
    }

    /// A task's program has ended.
    pub(super) fn end(&mut self, place: Place, ended: Ended, now: UnixMs) {
        let Some(task) = self.by_place.get_mut(&place).filter(|task| task.is_alive()) else { return };
        task.ended = Some(ended);
        let (state, reason) = match (ended.code, ended.signal_name()) {
            _ if task.killed => (TaskState::Cancelled, String::new()),
            (Some(0), _) => (TaskState::Done, String::new()),
            (Some(code), _) => (TaskState::Error, format!("exit status {code}")),
            (None, Some(signal)) => (TaskState::Cancelled, signal),
            (None, None) => (TaskState::Error, String::new()),
        };
        task.value.enter(state, &reason, now);
    }

    /// A task's driver tells how it stands.
    pub(super) fn told(&mut self, place: Place, told: &Value, ended: Option<Ended>) {
        let Some(task) = self.by_place.get_mut(&place) else { return };
        let value = &mut task.value;
        (value.state, value.reason, value.since) = (told.state, told.reason.clone(), told.since);
        value.wants_attention = told.wants_attention;
        task.ended = task.ended.or(ended);
    }

    /// One task, for lists; whether it is shared is not known here.
    pub(super) fn row(&self, place: Place) -> Option<Row> {
        let Task { value, parent, pid, ended, .. } = self.get(place)?;
        let parent = parent.and_then(|parent| self.get(parent)).map(|parent| parent.value.id.0.clone());
        Some(Row {
            task_id: value.id.0.clone(),
            parent,
            name: value.name.to_string(),
            state: value.state.to_string(),
            reason: (!value.reason.is_empty()).then(|| value.reason.to_string()),
            since: value.since.0,
            command: value.command.to_string(),
            shared: false,
            pid: *pid,
            code: ended.and_then(|ended| ended.code),
            signal: ended.and_then(Ended::signal_name),
            driver: value.driver.as_ref().map(ToString::to_string),
            read: None,
            write: None,
        })
    }

    fn free_name(&self, wanted: &str) -> Name {
        let wanted = if wanted.trim().is_empty() { "task" } else { wanted.trim() };
        let taken = |name: &Name| self.by_place.values().any(|task| task.value.name == *name);
        let name = Name::new(wanted);
        if !taken(&name) {
            return name;
        }
        // A number at the end is not cut off.
        let cut = Text::<240>::new(wanted);
        let numbered = (2..).map(|number: u32| Name::new(&format!("{cut} {number}")));
        numbered.take(MAX_TASKS + 1).find(|name| !taken(name)).unwrap_or(name)
    }
}

fn shortened(word: &str) -> String {
    word.chars().take(LONGEST_WORD).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks(parents: &[Option<u32>]) -> Tasks {
        let mut tasks = Tasks::default();
        for (at, parent) in parents.iter().enumerate() {
            let place = tasks.room().unwrap();
            let id = TaskId(format!("{at}{at}-id"));
            let value = Value::new(id, None, &format!("name {at}"), UnixMs(1));
            tasks.add(place, parent.map(Place), format!("token {at}"), value);
        }
        tasks
    }

    #[test]
    fn a_task_reaches_below_itself_only() {
        // 0 ─ 1 ─ 3, 0 ─ 2
        let tasks = tasks(&[None, Some(0), Some(0), Some(1)]);
        let found = |by, word| tasks.find(Place(by), word).ok().map(|Place(place)| place);
        assert_eq!(found(0, "11-id"), Some(1));
        assert_eq!(found(0, "name 3"), Some(3), "grandchildren too");
        assert_eq!(found(0, "22"), Some(2), "a unique beginning");
        assert_eq!(found(0, "00-id"), None, "not itself");
        assert_eq!(found(1, "33"), Some(3));
        for not_below in ["00", "11", "22", "name 0", "name 2", ""] {
            assert_eq!(found(1, not_below), None, "{not_below}");
        }
        assert_eq!(tasks.below(Place(0)), [Place(1), Place(2), Place(3)]);
    }

    #[test]
    fn only_the_process_ends_a_task_and_it_stays_ended() {
        let mut tasks = tasks(&[None, Some(0), Some(0), Some(0)]);
        let one = Place(1);
        assert_eq!(tasks.say(one, "blocked", "which\ndatabase?", UnixMs(5)), Ok(()));
        let row = tasks.row(one).unwrap();
        assert_eq!((row.state.as_str(), row.reason.as_deref()), ("blocked", Some("which database?")));
        assert!(matches!(tasks.say(one, "done", "", UnixMs(6)), Err(TaskError::NoState(_))));
        tasks.end(one, Ended { code: Some(3), signal: None }, UnixMs(7));
        let row = tasks.row(one).unwrap();
        assert_eq!((row.state.as_str(), row.code, row.since), ("error", Some(3), 7));
        assert_eq!(tasks.say(one, "running", "", UnixMs(8)), Err(TaskError::Over));
        tasks.end(one, Ended { code: Some(0), signal: None }, UnixMs(9));
        assert_eq!(tasks.row(one).unwrap().state, "error");
        tasks.end(Place(2), Ended { code: None, signal: Some(9) }, UnixMs(9));
        assert_eq!(tasks.row(Place(2)).unwrap().state, "cancelled");
        tasks.kill(Place(3)).unwrap();
        tasks.end(Place(3), Ended { code: Some(1), signal: None }, UnixMs(9));
        assert_eq!(tasks.row(Place(3)).unwrap().state, "cancelled", "it ended because it was told to");
    }

    #[test]
    fn tasks_are_bounded() {
        let mut tasks = Tasks::default();
        let mut refused = None;
        for at in 0..2_000 {
            match tasks.room() {
                Ok(place) => {
                    let value = Value::new(TaskId(format!("{at}")), None, "same", UnixMs(0));
                    tasks.add(place, None, String::new(), value);
                }
                Err(error) => refused = Some(error),
            }
        }
        assert_eq!(refused, Some(TaskError::TooManyAlive));
        assert_eq!(tasks.all().count(), MOST_ALIVE);
        assert_eq!(tasks.row(Place(1)).unwrap().name, "same 2");
        let over = Ended { code: Some(0), signal: None };
        tasks.end(Place(0), over, UnixMs(0));
        while let Ok(place) = tasks.room() {
            tasks.add(place, None, String::new(), Value::new(TaskId("x".into()), None, "", UnixMs(0)));
            tasks.end(place, over, UnixMs(0));
        }
        assert_eq!(tasks.room(), Err(TaskError::TooManyEver));
        assert!(tasks.in_the_way(Place(0)).is_empty(), "none is below that one");
    }

    #[test]
    fn what_is_over_can_make_room() {
        let over = Ended { code: Some(0), signal: None };
        // 0 ─ 1 ─ 2, 0 ─ 3 ─ 4, 0 ─ 5
        let mut tasks = tasks(&[None, Some(0), Some(1), Some(0), Some(3), Some(0)]);
        for place in [1, 2, 4, 5] {
            tasks.end(Place(place), over, UnixMs(0));
        }
        tasks.has_session(Place(5), Some(SessionId([1; 16])));
        assert!(tasks.in_the_way(Place(0)).is_empty(), "there is room");
        while let Ok(place) = tasks.room() {
            let value = Value::new(TaskId(format!("{place:?}")), None, "", UnixMs(0));
            tasks.add(place, Some(Place(3)), String::new(), value);
            tasks.end(place, over, UnixMs(0));
        }
        assert_eq!(tasks.in_the_way(Place(0)), [Place(2)], "3 may ask for its own, and 5 is still seen");
        tasks.forget(Place(2));
        assert_eq!(tasks.room(), Ok(Place(u32::try_from(MAX_TASKS).unwrap() + 1)), "a new place");
        tasks.add(
            Place(999),
            Some(Place(3)),
            String::new(),
            Value::new(TaskId("x".into()), None, "", UnixMs(0)),
        );
        assert_eq!(tasks.in_the_way(Place(0)), [Place(1)], "nothing is below it any more");
    }
}
