//! The rows of a task's children for who asks over HTTP: the cold answer, and the fallback.

use super::Relay;
use super::access::{self, Cost};
use super::rows::RowsPage;
use crate::id::{SessionId, TaskId};
use crate::keys::grant::Token;
use crate::keys::hash;
use crate::time::Now;
use crate::wire;
use crate::wire::source::SessionSource;
use crate::wire::task::{PageInfo, RunsAnswer};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunsQuery {
    /// The parent's task.
    pub ancestor: TaskId,
    /// Shows a grant of the parent's session.
    pub token: Token,
    /// The task behind which the answer begins.
    pub after: Option<TaskId>,
    /// Rows at most.
    pub limit: usize,
}

/// A page of a session's rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Runs {
    /// The parent's session.
    pub session_id: SessionId,
    /// Its source.
    pub source: SessionSource,
    /// Some of its rows.
    pub page: RowsPage,
}

impl Runs {
    /// A [`RunsAnswer`] in JSON, from rows that are JSON already.
    pub fn to_json(&self) -> String {
        let page_info =
            PageInfo { has_next_page: self.page.next.is_some(), next_cursor: self.page.next.clone() };
        let around = RunsAnswer {
            session_id: self.session_id,
            source: self.source.clone(),
            runs: Vec::new(),
            page_info,
        };
        wire::encode(&around).replacen(r#""runs":[]"#, &format!(r#""runs":{}"#, self.page.rows), 1)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RunsError {
    /// No such task, or the token does not open its session: one answer for both.
    #[error("not found")]
    NotFound,
    /// Too many attempts; try again after so many milliseconds.
    #[error("too many requests")]
    RateLimited(u64),
    /// It is read from the archive; ask again when [`Relay::is_loading`] says that it was.
    #[error("not yet")]
    Later(SessionId),
}

impl Relay {
    /// The rows of a task's children, for a token of one of the grants of the task's own session.
    pub fn runs(&mut self, now: Now, address: &str, query: &RunsQuery) -> Result<Runs, RunsError> {
        self.clock = self.clock.max(now.mono);
        let of_task = |source: &SessionSource| source.task_id.as_ref() == Some(&query.ancestor);
        // Anybody may call a task what they like: the token decides which session is meant.
        let mut opened = self
            .rooms
            .iter()
            .filter(|(_, room)| of_task(&room.content.source))
            .filter(|(_, room)| access::find(Some(&room.grants), &query.token).is_some());
        let found = opened.next().map(|(session, _)| *session);
        let nobody = access::find(None, &query.token);
        let kept = if found.is_none() { self.kept_for(&query.token) } else { None };
        let opens = found.is_some() || kept.is_some();
        let cost = if opens && nobody.is_none() { Cost::Join } else { Cost::Failure };
        self.limits
            .spend(self.clock, address, place(&query.ancestor), cost)
            .map_err(RunsError::RateLimited)?;
        if let Some(session) = kept {
            self.load_kept(session);
            return Err(RunsError::Later(session));
        }
        let room = found.and_then(|session| Some((session, self.rooms.get(&session)?)));
        let (session_id, room) = room.ok_or(RunsError::NotFound)?;
        let page = room.content.rows.page(query.after.as_ref(), query.limit);
        Ok(Runs { session_id, source: room.content.source.clone(), page })
    }
}

/// Attempts are counted by (address, session); a task that may not be there is counted as a session of its own.
fn place(task: &TaskId) -> SessionId {
    let digest = hash("runs of a task", &[task.0.as_bytes()]);
    SessionId(digest.first_chunk().copied().unwrap_or_default())
}
