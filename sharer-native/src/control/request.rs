//! What is asked over the control socket, and what is answered.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shared::conversation::Update;

/// One line from whoever asks.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// The task's token; `None` from the owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// What is asked.
    pub request: Request,
}

impl std::fmt::Debug for Call {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("request", &self.request).finish_non_exhaustive()
    }
}

/// What is asked. Those up to `Unshare` are the owner's, some of them the first program's too; the rest belongs to tasks. Tasks are named by id, by a
/// unique beginning of it, or by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Everything about the session.
    Status,
    /// Make a link useless.
    Revoke {
        /// Of which task; `None`: the first.
        task: Option<String>,
        /// The link that watches.
        read: bool,
        /// The link that can type.
        write: bool,
    },
    /// Put the read link into the clipboard of the user's own terminal; the first program may ask this too.
    Copy,
    /// Share a task; the first program may ask this too.
    Share {
        /// Which, alone; `None`: the first, and all that is shared with it.
        task: Option<String>,
        /// With what has scrolled off already.
        from_start: bool,
    },
    /// Stop sharing a task; the first program may ask this too. The links of the next share are new.
    Unshare {
        /// Which; `None`: the first.
        task: Option<String>,
    },
    /// Start a task below the one that asks.
    Spawn(Box<Spawn>),
    /// Take a program that runs in a nested `sharer` as a task below the one that asks; frames follow the answer
    /// ([`super::nested`]).
    Nest(Box<Nest>),
    /// Answer when the task has ended.
    Wait {
        /// Which.
        task: String,
    },
    /// How a task is getting on.
    Task {
        /// Which.
        task: String,
    },
    /// List tasks.
    Tasks,
    /// Whether the terminal of the task that asks is this session.
    Shows {
        /// Its id.
        session: String,
    },
    /// Type into a task.
    Tell {
        /// Which.
        task: String,
        /// What.
        text: String,
    },
    /// End a task.
    Kill {
        /// Which.
        task: String,
    },
    /// Add to the transcript of the task that asks.
    Emit {
        /// What happened, in order.
        updates: Vec<Update>,
    },
    /// Say how the task that asks is getting on.
    State {
        /// `running`, `waiting` or `blocked`.
        state: String,
        /// Why, for people.
        reason: Option<String>,
    },
}

/// A task to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spawn {
    /// Its name; without one it is called like its program.
    pub name: Option<String>,
    /// What it is asked to do, for people.
    pub prompt: Option<String>,
    /// Whether the parent's own agent tells of it in its transcript.
    #[serde(default)]
    pub told: bool,
    /// Program and arguments.
    pub command: Vec<Word>,
    /// Where it runs.
    pub dir: PathBuf,
    /// The whole environment of whoever asks.
    pub environment: Vec<(Word, Word)>,
    /// The driver it runs under; `None`: here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on: Option<On>,
}

/// Under which driver a task runs, and where there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct On {
    /// What the user calls the driver.
    pub driver: String,
    /// The directory; `None`: where the driver says.
    pub dir: Option<String>,
    /// What is added to the environment there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<(String, String)>,
}

/// A program in a nested `sharer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nest {
    /// Its name.
    pub name: String,
    /// What runs, for people.
    pub command: String,
    /// Where it runs.
    pub dir: PathBuf,
    /// Its terminal's width, in cells.
    pub cols: u16,
    /// Its terminal's height, in cells.
    pub rows: u16,
    /// Whether no viewer may type into it.
    pub read_only: bool,
    /// Whether it is not to be recorded.
    #[serde(default)]
    pub no_record: bool,
}

/// What the system calls a string: text nearly always, any bytes now and then.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Word {
    /// Text.
    Text(String),
    /// Bytes that are no text.
    Bytes(Vec<u8>),
}

impl std::fmt::Debug for Word {
    /// Without what it is: environments hold tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Word(..)")
    }
}

impl From<&OsStr> for Word {
    fn from(word: &OsStr) -> Self {
        word.to_str()
            .map_or_else(|| Self::Bytes(word.as_bytes().to_vec()), |text| Self::Text(text.to_owned()))
    }
}

impl From<Word> for OsString {
    fn from(word: Word) -> Self {
        match word {
            Word::Text(text) => text.into(),
            Word::Bytes(bytes) => Self::from_vec(bytes),
        }
    }
}

/// Everything about a session.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The first program's task.
    pub task_id: String,
    /// Its id, while it is shared.
    pub session_id: Option<String>,
    /// `private`, `share pending` or `shared`.
    pub sharing: String,
    /// Its title.
    pub title: String,
    /// The process that shares it.
    pub pid: u32,
    /// The connection to the relay, in a word.
    pub connection: String,
    /// Why there is none, for people.
    #[serde(default)]
    pub trouble: Option<String>,
    /// Why not all of it is recorded, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_recorded: Option<String>,
    /// How many watch.
    pub viewers: u32,
    /// How many of them may type.
    pub executors: u32,
    /// The program's terminal.
    pub tty: Option<PathBuf>,
    /// The link that watches, while it is shared.
    pub read: Option<String>,
    /// The link that can type.
    pub write: Option<String>,
    /// All tasks.
    #[serde(default)]
    pub tasks: Vec<Row>,
}

impl std::fmt::Debug for Status {
    /// Without the links.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Status");
        out.field("task_id", &self.task_id).field("session_id", &self.session_id);
        out.field("sharing", &self.sharing).field("pid", &self.pid);
        out.field("connection", &self.connection).field("tasks", &self.tasks);
        out.finish_non_exhaustive()
    }
}

/// One task, for lists.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its id.
    pub task_id: String,
    /// The task that started it; `None` for the first.
    pub parent: Option<String>,
    /// Its name.
    pub name: String,
    /// `running`, `waiting`, `blocked`, `done`, `error` or `cancelled`.
    pub state: String,
    /// Why, for people.
    pub reason: Option<String>,
    /// Since when, in milliseconds since 1970.
    pub since: u64,
    /// The command, shortened.
    pub command: String,
    /// Whether viewers can see it.
    pub shared: bool,
    /// Its program's process id.
    pub pid: Option<u32>,
    /// Its exit code, if it exited by itself.
    pub code: Option<i32>,
    /// The signal that killed it, by name.
    pub signal: Option<String>,
    /// The driver it runs under, elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// To its owner: the link that watches it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read: Option<String>,
    /// To its owner: the link that can type into it alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub write: Option<String>,
}

impl std::fmt::Debug for Row {
    /// Without the links.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut out = f.debug_struct("Row");
        out.field("task_id", &self.task_id).field("name", &self.name).field("state", &self.state);
        out.field("shared", &self.shared).field("pid", &self.pid).field("code", &self.code);
        out.finish_non_exhaustive()
    }
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To `Status`, and to the owner's `Revoke`, `Share` and `Unshare`.
    Status(Box<Status>),
    /// To `Copy`.
    Copied,
    /// To the first program's `Share`.
    Shared {
        /// Whether the link was sent to the clipboard of the user's own terminal.
        copied: bool,
    },
    /// To `Spawn`.
    Spawned {
        /// The task.
        task: Box<Row>,
        /// What is to be known of it, for people: a sentence each.
        notices: Vec<String>,
    },
    /// To `Nest`.
    Nested {
        /// The task.
        task: Box<Row>,
        /// Something to know, for people.
        notice: Option<String>,
        /// What its program finds in its environment.
        environment: Vec<(String, Word)>,
    },
    /// To `Wait`, when the task has ended.
    Ended {
        /// The task.
        task: Box<Row>,
        /// The exit status a shell would show.
        status: u8,
    },
    /// To `Task`.
    Task(Box<Row>),
    /// To `Shows`.
    Shows(bool),
    /// To `Tasks`.
    Tasks(Vec<Row>),
    /// To `Tell`, `Kill` and `State`, and to the first program's `Unshare`.
    Done,
    /// The command of a `Spawn` does not start.
    NotStarted {
        /// Why, for people.
        why: String,
        /// The exit status a shell would show.
        status: u8,
    },
    /// It cannot be done; why, for people.
    Refused(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_their_bytes() {
        for bytes in [&b"plain"[..], b"gr\xc3\xbcn", b"\xff\xfe", b""] {
            let word = Word::from(OsStr::from_bytes(bytes));
            let line = serde_json::to_string(&word).unwrap();
            let back: Word = serde_json::from_str(&line).unwrap();
            assert_eq!(OsString::from(back).as_bytes(), bytes, "{line}");
        }
    }

    #[test]
    fn a_call_shows_no_token() {
        let call = Call { token: Some("canary".into()), request: Request::Tasks };
        assert!(!format!("{call:?}").contains("canary"));
        assert!(serde_json::to_string(&call).unwrap().contains("canary"));
    }

    #[test]
    fn no_link_and_no_token_is_in_a_debug_print() {
        let link = || Some("canary".to_owned());
        let row = Row {
            task_id: "t".into(),
            parent: None,
            name: "n".into(),
            state: "done".into(),
            reason: None,
            since: 0,
            command: "c".into(),
            shared: true,
            pid: None,
            code: None,
            signal: None,
            driver: None,
            read: link(),
            write: link(),
        };
        let status = Status {
            task_id: "t".into(),
            session_id: None,
            sharing: "shared".into(),
            title: String::new(),
            pid: 1,
            connection: "connected".into(),
            trouble: None,
            not_recorded: None,
            viewers: 0,
            executors: 0,
            tty: None,
            read: link(),
            write: link(),
            tasks: vec![row.clone()],
        };
        let environment = vec![("SHARER_CONTROL_TOKEN".to_owned(), Word::Text("canary".into()))];
        let replies = [
            Reply::Status(Box::new(status)),
            Reply::Task(Box::new(row.clone())),
            Reply::Nested { task: Box::new(row), notice: None, environment },
        ];
        for reply in replies {
            assert!(!format!("{reply:?}").contains("canary"), "{reply:?}");
            assert!(serde_json::to_string(&reply).unwrap().contains("canary"), "the control");
        }
        let bytes = Word::Bytes(b"canary".to_vec());
        assert_eq!(format!("{bytes:?}"), "Word(..)");
        let line = crate::events::Line::Links {
            links: crate::events::LinkTexts { read: "canary".into(), write: link() },
        };
        assert!(!format!("{line:?}").contains("canary"));
        assert!(serde_json::to_string(&line).unwrap().contains("canary"), "the control");
    }
}
