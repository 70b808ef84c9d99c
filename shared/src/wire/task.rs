//! Rows of tasks, as a relay keeps them, and the ends of a group.

use serde::{Deserialize, Serialize};

use super::source::SessionSource;
use crate::card::{MAX_CARD, SealedCard};
use crate::id::{SessionId, TaskId};
use crate::keys::owner::{OwnerPublic, Signed};
use crate::orchestration::status::TaskState;
use crate::orchestration::task::{MAX_TASKS, Task, is_good_id};

/// The largest message of rows from a relay, in bytes of JSON.
pub const MAX_ROWS_MESSAGE: usize = 64 * 1024;
/// The most ends of one group: a parent's and its children's.
pub const MAX_GROUP: usize = MAX_TASKS + 1;

/// One task of a session: plain fields by which a relay routes and answers, and the card that people are shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRow {
    /// The task.
    pub task_id: TaskId,
    /// The task that started it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_task_id: Option<TaskId>,
    /// Where it is.
    #[serde(default, deserialize_with = "crate::encoding::extensible")]
    pub state: TaskState,
    /// Its session, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Of two rows of a task the higher one counts. The card names it too.
    pub revision: u64,
    /// What the session's owner says of it.
    pub card: SealedCard,
}

impl TaskRow {
    /// The row of a task whose card is `card`.
    pub fn new(task: &Task, card: SealedCard) -> Self {
        Self {
            task_id: task.id.clone(),
            parent_task_id: task.parent.clone(),
            state: task.state,
            session_id: task.session,
            revision: task.revision,
            card,
        }
    }

    /// Whether it is within the limits that a relay announces.
    pub fn is_good(&self) -> bool {
        let ids = is_good_id(&self.task_id) && self.parent_task_id.as_ref().is_none_or(is_good_id);
        ids && self.card.size() <= MAX_CARD
    }
}

/// Rows as messages may carry them: each list's texts are together smaller than [`MAX_ROWS_MESSAGE`], and no list is
/// empty.
pub fn batches(rows: impl IntoIterator<Item = TaskRow>) -> Vec<Vec<TaskRow>> {
    let (mut batches, mut room) = (Vec::<Vec<TaskRow>>::new(), 0);
    for row in rows {
        let size = super::encode(&row).len() + 1;
        if let Some(batch) = batches.last_mut().filter(|_| size <= room) {
            batch.push(row);
        } else {
            // What stands around the rows.
            room = MAX_ROWS_MESSAGE - 64;
            batches.push(vec![row]);
        }
        room = room.saturating_sub(size);
    }
    batches
}

/// What a relay answers over HTTP to who shows a token of the parent's session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunsAnswer {
    /// The parent's session.
    pub session_id: SessionId,
    /// Its source.
    #[serde(flatten)]
    pub source: SessionSource,
    /// Some of its rows, in the order of their tasks' ids.
    pub runs: Vec<TaskRow>,
    /// Where the next ones are.
    pub page_info: PageInfo,
}

/// Where an answer stands among its pages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageInfo {
    /// Whether more rows follow.
    pub has_next_page: bool,
    /// What to ask for them with.
    #[serde(default)]
    pub next_cursor: Option<TaskId>,
}

/// The end of a session with the key that proves it, for a relay that may or may not have a room for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedEnd {
    /// Names the session, and signed the end.
    pub owner: OwnerPublic,
    /// A signed [`crate::chain::End`].
    pub end: Signed,
}

impl OwnedEnd {
    /// The session that ends.
    pub fn session_id(&self) -> SessionId {
        self.owner.session_id()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::{ChainPoint, End};
    use crate::encoding::Blob;
    use crate::entropy::Entropy;
    use crate::event::EndReason;
    use crate::id::Channel;
    use crate::keys::epoch::{EpochId, Scope};
    use crate::keys::owner::{OwnerKey, Signature};
    use crate::time::UnixMs;
    use crate::wire::sharer::SharerToRelay;
    use crate::wire::{MAX_CONTROL, decode, encode};

    #[test]
    fn the_largest_group_ends_in_one_message() {
        let mut entropy = Entropy::from_seed([1; 32]);
        let owner = OwnerKey::generate(&mut entropy);
        let epoch = EpochId { start: UnixMs(u64::MAX), random: u64::MAX };
        let start = ChainPoint::start(Scope { session: owner.session_id(), epoch });
        let end = End { epoch, point: ChainPoint { number: u64::MAX, ..start }, reason: EndReason::Unshared };
        let end = OwnedEnd { owner: owner.public(), end: end.sign(&owner) };
        let message = SharerToRelay::EndGroup { ends: vec![end; MAX_GROUP] };
        let text = encode(&message);
        assert!(text.len() <= MAX_CONTROL, "{}", text.len());
        assert_eq!(decode(&text), Ok(message));
    }

    #[test]
    fn many_rows_travel_in_messages_that_relays_accept() {
        let row = |n: usize| {
            let card = SealedCard { body: Blob(vec![0; 3_000]), typing: None, signature: Signature([0; 64]) };
            TaskRow::new(&Task::new(TaskId(n.to_string()), None, "", UnixMs(0)), card)
        };
        let rows: Vec<_> = (0..MAX_TASKS).map(row).collect();
        let batches = batches(rows.clone());
        assert!(batches.len() > 20 && batches.concat() == rows);
        for rows in batches {
            let text = encode(&SharerToRelay::UpdateTasks { channel: Channel(u32::MAX), rows });
            assert!(text.len() <= MAX_ROWS_MESSAGE, "{}", text.len());
        }
        assert!(super::batches([]).is_empty());
    }

    #[test]
    fn one_row_always_fits_a_message() {
        let card =
            SealedCard { body: Blob(vec![0; MAX_CARD - 64]), typing: None, signature: Signature([0; 64]) };
        let id = TaskId("\"".repeat(64));
        let task = Task::new(id.clone(), Some(id), "", UnixMs(0));
        let row = TaskRow { session_id: Some(SessionId([0; 16])), ..TaskRow::new(&task, card) };
        assert!(row.is_good() && encode(&row).len() < MAX_ROWS_MESSAGE / 8);
    }
}
