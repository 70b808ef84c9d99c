//! Recordings: what a sharer writes down of every program it runs, on the machine that runs it, and how it is read again.
//!
//! A task's recording is three files, in a directory of its own beside its parent's and its children's:
//!
//! ```text
//! recordings/<root>/<task>/session.json       what it is, when it began and ended, what was cut   (Session)
//!                          terminal.cast      what its terminal showed: asciicast v3              (CastWriter, CastReader)
//!                          transcript.jsonl   what was said and done, one JSON object a line      (Line)
//! ```
//!
//! `<root>` and `<task>` are [`folder`] names of tasks; the root is the task that nobody on that machine started. What was
//! typed is nowhere. A process may be killed at any byte: `session.json` is replaced as a whole, and of the others the last
//! line may be torn, which readers pass over. Readers know their own limits and take whatever else a file holds.

mod cast;
mod held;
#[cfg(feature = "checkpoint")]
mod redacted;
mod session;
mod transcript;

#[cfg(test)]
mod tests;

use sha2::{Digest as _, Sha256};

pub use self::cast::{CastError, CastLine, CastReader, CastWriter, Event, Header, Kind, MAX_CAST_LINE};
pub use self::held::{Held, to_remove};
#[cfg(feature = "checkpoint")]
pub use self::redacted::RedactedLines;
pub use self::session::{Cut, Exit, MAX_CUTS, MAX_SESSION, Missing, Session, Why};
pub use self::transcript::{Entry, Line, MAX_LINE};

use crate::id::TaskId;

/// The terminal's file.
pub const CAST: &str = "terminal.cast";
/// The transcript's file.
pub const TRANSCRIPT: &str = "transcript.jsonl";
/// The file that says what it is.
pub const SESSION: &str = "session.json";

/// The longest task id that is a directory's name as it stands.
const LONGEST: usize = 64;

/// The name of the directory for a task. Ids that we made stand for themselves; one that somebody else made and that could
/// lead elsewhere is hashed.
pub fn folder(task: &TaskId) -> String {
    let id = &task.0;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let good = (1..=LONGEST).contains(&id.len()) && !id.starts_with(['-', '_']) && id.bytes().all(plain);
    if good {
        return id.clone();
    }
    let hash = Sha256::digest(id.as_bytes());
    hash.iter().take(16).fold("_".to_owned(), |name, byte| name + &format!("{byte:02x}"))
}
