//! A room's rows: the latest value for each task, as the JSON in which it travels.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::id::{Channel, TaskId};
use crate::orchestration::task::MAX_TASKS;
use crate::wire;
use crate::wire::task::{MAX_ROWS_MESSAGE, TaskRow};

/// What a message's own words may take besides its rows, generously.
const WORDS: usize = 64;

#[derive(Debug)]
struct Kept {
    order: u64,
    revision: u64,
    json: Box<str>,
}

/// Rows by task. At most [`MAX_TASKS`] of at most a card's size each: beyond, the sharer is refused. A newer value
/// takes the place of an older one here, and so in every viewer's outbox, which is a position in their order.
#[derive(Debug, Default)]
pub(super) struct Rows {
    kept: BTreeMap<TaskId, Kept>,
    /// Which task changed when: each task has one place, that of its latest value.
    changes: BTreeMap<u64, TaskId>,
    newest: u64,
    bytes: usize,
}

/// Some rows in the order of their tasks' ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsPage {
    /// A JSON array of [`TaskRow`]s.
    pub rows: String,
    /// The task behind which the next page begins; `None` if this is the last.
    pub next: Option<TaskId>,
}

impl Rows {
    /// Takes in a row: `Some(true)` if it is news, `None` if there are too many.
    pub(super) fn update(&mut self, row: &TaskRow) -> Option<bool> {
        match self.kept.get(&row.task_id) {
            Some(kept) if kept.revision >= row.revision => return Some(false),
            Some(kept) => {
                self.changes.remove(&kept.order);
                self.bytes -= kept.json.len();
            }
            None if self.kept.len() >= MAX_TASKS => return None,
            None => {}
        }
        self.newest += 1;
        let json = wire::encode(row).into_boxed_str();
        self.bytes += json.len();
        self.changes.insert(self.newest, row.task_id.clone());
        let kept = Kept { order: self.newest, revision: row.revision, json };
        self.kept.insert(row.task_id.clone(), kept);
        Some(true)
    }

    /// Forgets all rows; the order goes on.
    pub(super) fn clear(&mut self) {
        let newest = self.newest;
        *self = Self { newest, ..Self::default() };
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }

    /// Bytes of JSON kept.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is news behind a viewer's position.
    pub(super) fn has_news(&self, position: u64) -> bool {
        self.changes.last_key_value().is_some_and(|(newest, _)| *newest > position)
    }

    /// A `TasksUpdated` of what changed behind a viewer's position, as much as one message may hold; moves the
    /// position on.
    pub(super) fn message(&self, channel: Channel, position: &mut u64) -> Option<String> {
        if !self.has_news(*position) {
            return None;
        }
        let mut text = format!(r#"{{"TasksUpdated":{{"channel":{},"rows":["#, channel.0);
        let behind = self.changes.range((Bound::Excluded(*position), Bound::Unbounded));
        let mut first = true;
        for (order, json) in behind.filter_map(|(order, task)| Some((order, &self.kept.get(task)?.json))) {
            if !first && text.len() + json.len() + WORDS > MAX_ROWS_MESSAGE {
                break;
            }
            push(&mut text, json, &mut first);
            *position = *order;
        }
        text.push_str("]}}");
        Some(text)
    }

    /// Up to `limit` rows behind a task's, as many as a message may hold.
    pub(super) fn page(&self, after: Option<&TaskId>, limit: usize) -> RowsPage {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rows = String::from("[");
        let (mut first, mut last, mut count, mut more) = (true, None, 0, false);
        for (task, kept) in self.kept.range::<TaskId, _>((start, Bound::Unbounded)) {
            if count >= limit.max(1) || (!first && rows.len() + kept.json.len() + WORDS > MAX_ROWS_MESSAGE) {
                more = true;
                break;
            }
            push(&mut rows, &kept.json, &mut first);
            count += 1;
            last = Some(task);
        }
        rows.push(']');
        RowsPage { rows, next: last.filter(|_| more).cloned() }
    }
}

fn push(text: &mut String, json: &str, first: &mut bool) {
    if !std::mem::replace(first, false) {
        text.push(',');
    }
    text.push_str(json);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::card::SealedCard;
    use crate::encoding::Blob;
    use crate::keys::owner::Signature;
    use crate::orchestration::task::Task;
    use crate::time::UnixMs;
    use crate::wire::viewer::RelayToViewer;

    fn row(id: usize, revision: u64, size: usize) -> TaskRow {
        let card = SealedCard { body: Blob(vec![7; size]), typing: None, signature: Signature([7; 64]) };
        let mut task = Task::new(TaskId(format!("{id:04}")), Some(TaskId("p".into())), "", UnixMs(0));
        task.revision = revision;
        TaskRow::new(&task, card)
    }

    fn read(rows: &Rows, position: &mut u64) -> Vec<TaskRow> {
        let Some(text) = rows.message(Channel(3), position) else { return Vec::new() };
        assert!(text.len() <= MAX_ROWS_MESSAGE, "{}", text.len());
        let Ok(RelayToViewer::TasksUpdated { channel: Channel(3), rows }) = wire::decode(&text) else {
            panic!("{text}")
        };
        rows
    }

    #[test]
    fn a_viewer_gets_the_latest_value_of_each_once() {
        let mut rows = Rows::default();
        let mut position = 0;
        assert_eq!(read(&rows, &mut position), []);
        for (id, revision, news) in [(1, 1, true), (2, 1, true), (1, 2, true), (1, 1, false), (1, 2, false)] {
            assert_eq!(rows.update(&row(id, revision, 9)), Some(news), "{id} {revision}");
        }
        assert_eq!(read(&rows, &mut position), [row(2, 1, 9), row(1, 2, 9)]);
        assert_eq!(read(&rows, &mut position), []);
        rows.update(&row(2, 5, 9));
        assert_eq!(read(&rows, &mut position), [row(2, 5, 9)]);
        rows.clear();
        assert_eq!((rows.len(), rows.bytes(), read(&rows, &mut position)), (0, 0, vec![]));
        rows.update(&row(2, 1, 9));
        assert_eq!(read(&rows, &mut position), [row(2, 1, 9)], "a new epoch's");
    }

    #[test]
    fn messages_and_pages_are_bounded_and_complete() {
        let mut rows = Rows::default();
        for id in 0..MAX_TASKS {
            assert_eq!(rows.update(&row(id, 1, 4_000)), Some(true));
        }
        assert_eq!(rows.update(&row(MAX_TASKS, 1, 9)), None, "one too many");
        assert_eq!(rows.update(&row(7, 2, 9)), Some(true), "known ones go on");
        let (mut position, mut seen) = (0, Vec::new());
        while rows.has_news(position) {
            seen.extend(read(&rows, &mut position));
        }
        assert_eq!(seen.len(), MAX_TASKS);
        let (mut after, mut paged, mut pages) = (None, Vec::new(), 0);
        loop {
            let page = rows.page(after.as_ref(), 100);
            assert!(page.rows.len() <= MAX_ROWS_MESSAGE);
            paged.extend(serde_json::from_str::<Vec<TaskRow>>(&page.rows).unwrap());
            pages += 1;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert!(pages > 6 && paged.len() == MAX_TASKS);
        assert!(paged.is_sorted_by_key(|row| row.task_id.clone()));
        assert_eq!(
            rows.page(Some(&TaskId("0510".into())), 0).rows,
            format!("[{}]", wire::encode(&row(511, 1, 4_000)))
        );
    }
}
