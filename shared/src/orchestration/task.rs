//! A task: one agent's piece of work, as a whole value with a revision.

use serde::{Deserialize, Serialize};

use super::status::TaskState;
use super::text::{Text, cost};
use crate::entropy::Entropy;
use crate::id::{SessionId, TaskId};
use crate::time::UnixMs;
use crate::wire::source::SourceKind;

/// The most children of a session: what `spawn` refuses beyond, and what peers are believed.
pub const MAX_TASKS: usize = 512;
/// The longest task id, in bytes as it stands in JSON. Ids are never cut: two could become one.
pub const MAX_TASK_ID: usize = 128;
/// A task in JSON is never longer, in bytes: the sum of what its texts may have, and some.
pub const MAX_TASK: usize = 3_584;

/// A task's name.
pub type Name = Text<256>;

/// One agent's piece of work. Its texts are cut to size when it is made and when it is read.
///
/// The order of two values says nothing, except that the higher revision comes last: see [`super::tree`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Task {
    /// Grows with every change; of two values the higher one counts.
    pub revision: u64,
    /// Where it is.
    #[serde(default, deserialize_with = "crate::encoding::extensible")]
    pub state: TaskState,
    /// Whose it is.
    #[serde(rename = "task_id")]
    pub id: TaskId,
    /// The task that started it.
    #[serde(rename = "parent_task_id", default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    /// What people call it.
    #[serde(default)]
    pub name: Name,
    /// Why it is in that state, if somebody said so.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub reason: Text<256>,
    /// Since when it is in that state, by its sharer's clock.
    #[serde(default)]
    pub since: UnixMs,
    /// When it was asked for, by its sharer's clock: the order of pills.
    #[serde(default)]
    pub started: UnixMs,
    /// What runs.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub command: Text<512>,
    /// The beginning of what it was asked to do.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub prompt: Text<1024>,
    /// Its working directory.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub directory: Text<512>,
    /// The driver it runs under; `None`: it is local. A label: nothing else depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<Text<64>>,
    /// The kind of its session's source.
    #[serde(default, deserialize_with = "crate::encoding::extensible")]
    pub kind: SourceKind,
    /// Its session, once it has one.
    #[serde(rename = "session_id", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Why its session cannot be watched, while the relay refuses it.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub refusal: Text<80>,
    /// It rang, and nobody has answered by typing into it.
    #[serde(default, skip_serializing_if = "crate::encoding::is_false")]
    pub wants_attention: bool,
    /// How often it rang: whoever looked is told of a later ring.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub rings: u32,
    /// Its parent's link does not reach it any more. It stays, greyed.
    #[serde(default, skip_serializing_if = "crate::encoding::is_false")]
    pub removed: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

fn is_empty<const MAX: usize>(text: &Text<MAX>) -> bool {
    text.is_empty()
}

impl Task {
    /// A task that was asked for at `now`: starting, its first revision, all else empty.
    pub fn new(id: TaskId, parent: Option<TaskId>, name: &str, now: UnixMs) -> Self {
        Self {
            revision: 1,
            state: TaskState::Starting,
            id,
            parent,
            name: name.into(),
            reason: Text::default(),
            since: now,
            started: now,
            command: Text::default(),
            prompt: Text::default(),
            directory: Text::default(),
            driver: None,
            kind: SourceKind::default(),
            session: None,
            refusal: Text::default(),
            wants_attention: false,
            rings: 0,
            removed: false,
        }
    }

    /// Enters a state for a reason, in a new revision. `false`: it is there already, for that reason.
    pub fn enter(&mut self, state: TaskState, reason: &str, now: UnixMs) -> bool {
        let reason = reason.into();
        if (self.state, &self.reason) == (state, &reason) {
            return false;
        }
        if self.state != state {
            self.since = now;
        }
        (self.state, self.reason) = (state, reason);
        self.revision = self.revision.saturating_add(1);
        true
    }

    /// It rang, in a new revision.
    pub fn ring(&mut self) {
        self.wants_attention = true;
        self.rings = self.rings.saturating_add(1);
        self.revision = self.revision.saturating_add(1);
    }

    /// Its ring was answered, in a new revision. `false`: there was none.
    pub fn answer(&mut self) -> bool {
        let rang = std::mem::take(&mut self.wants_attention);
        self.revision = self.revision.saturating_add(rang.into());
        rang
    }

    /// Whether its ids are of a size that peers accept.
    pub fn is_good(&self) -> bool {
        is_good_id(&self.id) && self.parent.as_ref().is_none_or(is_good_id)
    }
}

/// Whether a task id is one that peers accept: not empty, at most [`MAX_TASK_ID`] bytes, no control characters.
pub fn is_good_id(id: &TaskId) -> bool {
    let mut size = 0;
    let short = id.0.chars().all(|character| {
        size += cost(character);
        size <= MAX_TASK_ID && !character.is_control()
    });
    short && !id.0.is_empty()
}

/// Draws the id of a new task: a random UUID.
pub fn new_id(entropy: &mut Entropy) -> TaskId {
    TaskId(uuid::Builder::from_random_bytes(entropy.array()).into_uuid().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::SessionId;

    fn task() -> Task {
        Task::new(TaskId("t".into()), Some(TaskId("p".into())), "tests", UnixMs(5))
    }

    #[test]
    fn a_task_reads_back_and_misses_nothing_of_a_later_version() {
        let mut full = task();
        full.driver = Some("box".into());
        full.session = Some(SessionId([1; 16]));
        full.kind = SourceKind::AmbientAgent;
        full.ring();
        for task in [task(), full] {
            let text = serde_json::to_string(&task).unwrap();
            assert_eq!(serde_json::from_str::<Task>(&text).unwrap(), task, "{text}");
        }
        let later = r#"{"task_id":"t","revision":3,"state":"dreaming","kind":{"Moon":1},"colour":"red"}"#;
        let read: Task = serde_json::from_str(later).unwrap();
        assert_eq!((read.state, read.kind, read.revision), (TaskState::Unknown, SourceKind::User, 3));
        assert!(serde_json::from_str::<Task>(r#"{"name":"no id"}"#).is_err());
    }

    #[test]
    fn the_longest_texts_still_make_a_bounded_task() {
        let long = "\"\u{1}\\".repeat(10_000);
        let id = TaskId("\"".repeat(MAX_TASK_ID / 2));
        let mut task = Task::new(id.clone(), Some(id), &long, UnixMs(u64::MAX));
        task.revision = u64::MAX;
        task.reason = long.as_str().into();
        task.command = long.as_str().into();
        task.prompt = long.as_str().into();
        task.directory = long.as_str().into();
        task.driver = Some(long.as_str().into());
        task.refusal = long.as_str().into();
        task.kind = SourceKind::AmbientAgent;
        task.state = TaskState::Cancelled;
        task.session = Some(SessionId([255; 16]));
        (task.wants_attention, task.removed, task.rings) = (true, true, u32::MAX);
        assert!(task.is_good());
        let json = serde_json::to_string(&task).unwrap();
        assert!(json.len() <= MAX_TASK && json.len() > MAX_TASK - 512, "{}", json.len());
        // The same texts from a peer that does not cut.
        let uncut = serde_json::json!({"task_id": "t", "revision": 1, "name": "n".repeat(10_000)});
        let read: Task = serde_json::from_value(uncut).unwrap();
        assert_eq!(read.name.len(), 256);
    }

    #[test]
    fn ids_are_opaque_bounded_and_never_cut() {
        for good in ["1", "no uuid", "0190c0de-0000-7000-8000-000000000000", &"x".repeat(128)] {
            assert!(is_good_id(&TaskId(good.into())), "{good}");
        }
        for bad in ["", "a\nb", "\u{9b}", &"x".repeat(129), &"\"".repeat(65)] {
            assert!(!is_good_id(&TaskId(bad.into())), "{bad}");
        }
        let mut entropy = Entropy::from_seed([1; 32]);
        let id = new_id(&mut entropy);
        assert!(is_good_id(&id) && uuid::Uuid::parse_str(&id.0).is_ok_and(|id| id.get_version_num() == 4));
        assert_ne!(id, new_id(&mut entropy));
    }

    #[test]
    fn entering_a_state_is_a_revision_and_staying_is_none() {
        let mut task = task();
        assert!(task.enter(TaskState::Running, "", UnixMs(9)));
        assert_eq!((task.revision, task.since, task.started), (2, UnixMs(9), UnixMs(5)));
        assert!(!task.enter(TaskState::Running, "", UnixMs(10)));
        assert!(task.enter(TaskState::Running, "step 2", UnixMs(11)));
        assert_eq!((task.revision, task.since), (3, UnixMs(9)), "the state is as old as before");
    }
}
