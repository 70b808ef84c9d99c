//! What a recording is of: `session.json`.

use serde::{Deserialize, Serialize};

use crate::encoding::{Extensible, extensible, from_json};
use crate::event::WindowSize;
use crate::id::{SessionId, TaskId};
use crate::orchestration::task::is_good_id;
use crate::time::UnixMs;

/// The most that is read of a `session.json`, in bytes.
pub const MAX_SESSION: usize = 64 * 1024;
/// The most cuts that one says; later ones are added to the last.
pub const MAX_CUTS: usize = 64;
/// The version that is written.
const VERSION: u32 = 1;

/// What a program was recorded as: whole, with all that is known by now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// 1. A later one may say more; what it says is read as far as it is known.
    pub version: u32,
    /// The task.
    #[serde(rename = "task_id")]
    pub task: TaskId,
    /// The task at the top of those that ran on the machine with it; its own if it is that.
    #[serde(rename = "root_task_id")]
    pub root: TaskId,
    /// The task that started it, here or on another machine.
    #[serde(rename = "parent_task_id", default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    /// Its newest shared session, if it ever was shared.
    #[serde(rename = "session_id", default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// What people call it.
    #[serde(default)]
    pub name: String,
    /// What ran, with its arguments.
    #[serde(default)]
    pub command: String,
    /// What it was asked to do, or the beginning of that.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prompt: String,
    /// Where it ran.
    #[serde(default)]
    pub directory: String,
    /// The agent's program (`claude`), if one was recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What the agent calls its own session, if it said so.
    #[serde(rename = "agent_session_id", default, skip_serializing_if = "Option::is_none")]
    pub agent_session: Option<String>,
    /// When it began; `at` in the other files counts milliseconds from here.
    pub started: UnixMs,
    /// The terminal's size at the start.
    pub size: WindowSize,
    /// When it ended. `None`: it runs, or its `sharer` was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<UnixMs>,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// What is not in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cuts: Vec<Cut>,
    /// The version of `sharer` that recorded it.
    #[serde(default)]
    pub sharer: String,
}

/// How a program ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit code, if it exited by itself.
    #[serde(default)]
    pub code: Option<i32>,
    /// The signal that killed it, by name.
    #[serde(default)]
    pub signal: Option<String>,
}

/// What a cut took away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// Output of the terminal.
    Terminal,
    /// Lines of the transcript.
    Transcript,
    /// Something of a later version.
    Unknown,
}

impl Extensible for Missing {
    const UNKNOWN: Self = Self::Unknown;
}

/// Why something was cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// It had the size that one recording, or all of them together, may have.
    Size,
    /// The disk did not keep up, and the program was not to wait.
    Slow,
    /// The disk is full, or could not be written.
    Disk,
    /// Somebody removed it while it was recorded.
    Removed,
    /// A reason of a later version.
    Unknown,
}

impl Extensible for Why {
    const UNKNOWN: Self = Self::Unknown;
}

impl Why {
    /// The reason, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Size => "it had the size it may have",
            Self::Slow => "the disk did not keep up",
            Self::Disk => "the disk is full or cannot be written",
            Self::Removed => "it was removed while it ran",
            Self::Unknown => "for a reason of a later version",
        }
    }
}

/// Something that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Where, in milliseconds since the start.
    pub at: u64,
    /// Of what.
    #[serde(deserialize_with = "extensible")]
    pub what: Missing,
    /// How many bytes of output, or lines.
    pub count: u64,
    /// Why.
    #[serde(deserialize_with = "extensible")]
    pub why: Why,
}

impl Session {
    /// What is known when a program starts.
    pub fn new(task: TaskId, root: TaskId, started: UnixMs, size: WindowSize) -> Self {
        Self {
            version: VERSION,
            task,
            root,
            parent: None,
            session: None,
            name: String::new(),
            command: String::new(),
            prompt: String::new(),
            directory: String::new(),
            agent: None,
            agent_session: None,
            started,
            size: size.clamped(),
            ended: None,
            exit: None,
            cuts: Vec::new(),
            sharer: String::new(),
        }
    }

    /// Adds a cut; one of the same kind and reason goes on where the last one was, and so does any beyond [`MAX_CUTS`].
    pub fn cut(&mut self, cut: Cut) {
        let full = self.cuts.len() >= MAX_CUTS;
        match self.cuts.iter_mut().rfind(|last| full || (last.what, last.why) == (cut.what, cut.why)) {
            // A hole in the middle is another one; what is left out for good is one.
            Some(last) if full || cut.why != Why::Slow => last.count = last.count.saturating_add(cut.count),
            _ => self.cuts.push(cut),
        }
    }

    /// As it stands in its file.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).unwrap_or_default();
        json.push(b'\n');
        json
    }

    /// Reads a file. `None`: it is longer than [`MAX_SESSION`], or no such JSON, or its ids are none.
    pub fn parse(json: &[u8]) -> Option<Self> {
        let session: Self = (json.len() <= MAX_SESSION).then(|| from_json(json))??;
        let good = session.parent.iter().chain([&session.task, &session.root]).all(is_good_id);
        good.then(|| Self { size: session.size.clamped(), ..session })
    }
}
