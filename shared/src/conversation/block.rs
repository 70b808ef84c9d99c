//! Blocks: the things a transcript is a list of.

use serde::{Deserialize, Serialize};

use super::text::{cut_end, cut_front, name_text, plain_text};
use crate::encoding::Extensible;

/// The longest id of an agent, in bytes.
const LONGEST_ID: usize = 128;
/// The longest title, in bytes of JSON.
const TITLE: usize = 1024;
/// The most entries of a plan, contents of a tool call, and places it names.
const MOST_ENTRIES: usize = 32;
/// What a tool call's contents take together, in bytes of JSON.
const CONTENTS: usize = 14 * 1024;
/// What came with a tool call beside, in bytes of JSON.
const MORE: usize = 4 * 1024;
/// What any other text of a block takes, in bytes of JSON.
const TEXT: usize = 16 * 1024;

/// Names an agent within its session's transcript: the id of its ACP session, or of its task.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct AgentId(String);

impl TryFrom<String> for AgentId {
    type Error = &'static str;

    fn try_from(id: String) -> Result<Self, Self::Error> {
        Self::new(&id).ok_or("an agent's id has 1 to 128 bytes")
    }
}

impl AgentId {
    /// An id of at most 128 bytes; `None` for one that is longer or empty, which cannot be told from others.
    pub fn new(id: &str) -> Option<Self> {
        (!id.is_empty() && id.len() <= LONGEST_ID).then(|| Self(id.to_owned()))
    }

    /// The id as its agent writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What stands for an agent whose name is not known: "agent 3f2a…".
    pub fn fallback(&self) -> String {
        let plain = name_text(&self.0);
        let mut short: String = plain.chars().take(4).collect();
        if short.len() < plain.len() {
            short.push('…');
        }
        format!("agent {short}")
    }
}

/// Whose words a message holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// The person's, or the program's that speaks for it.
    User,
    /// The agent's answer.
    Agent,
    /// The agent's thinking.
    Thought,
}

/// Words in a row from one side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Whose.
    pub role: Role,
    /// Markdown, by custom.
    pub text: String,
    /// Whether it goes on from the block before, which was full.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub continues: bool,
}

/// Something other than text in a message: an image, a file, a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// ACP's word for it: `image`, `audio`, `resource_link`, `resource`, or one that we do not know.
    pub kind: String,
    /// What to call it.
    #[serde(default)]
    pub name: String,
    /// Where it is.
    #[serde(default)]
    pub uri: Option<String>,
}

/// What a tool call shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ToolContent {
    /// Text.
    Text(String),
    /// A change to a file.
    Diff {
        /// Which file.
        path: String,
        /// What it held; `None` for a new one.
        #[serde(default)]
        old: Option<String>,
        /// What it holds now.
        new: String,
    },
    /// A command that runs in a terminal of the editor.
    Terminal {
        /// ACP's id of the terminal.
        id: String,
        /// The command.
        #[serde(default)]
        command: String,
        /// The newest output that passed.
        #[serde(default)]
        output: String,
        /// How it ended: an exit code, or a signal's name.
        #[serde(default)]
        exit: Option<String>,
    },
    /// Something else.
    Attachment(Attachment),
}

/// A tool call, or a change to one: what is `None` is not known, or stays.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ToolCall {
    /// What it does, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// ACP's kind: `read`, `edit`, `execute`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// ACP's status: `pending`, `in_progress`, `completed`, `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What it shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Vec<ToolContent>>,
    /// Files, with lines, that it works on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub places: Option<Vec<String>>,
    /// What was asked of the tool, and what else came with the call, as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more: Option<String>,
}

impl ToolCall {
    /// Takes over what `patch` says.
    pub fn patch(&mut self, patch: Self) {
        fn take<T>(field: &mut Option<T>, new: Option<T>) {
            if new.is_some() {
                *field = new;
            }
        }
        take(&mut self.title, patch.title);
        take(&mut self.kind, patch.kind);
        take(&mut self.status, patch.status);
        take(&mut self.content, patch.content);
        take(&mut self.places, patch.places);
        take(&mut self.more, patch.more);
    }
}

/// A step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlanEntry {
    /// What is to be done.
    pub content: String,
    /// ACP's priority: `high`, `medium`, `low`.
    #[serde(default)]
    pub priority: String,
    /// ACP's status: `pending`, `in_progress`, `completed`.
    #[serde(default)]
    pub status: String,
}

/// A message between agents.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Between {
    /// Who sent it.
    #[serde(default)]
    pub from: Option<AgentId>,
    /// To whom.
    #[serde(default)]
    pub to: Option<AgentId>,
    /// What it says.
    #[serde(default)]
    pub text: String,
}

/// An agent that this one started, or what became of it later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subagent {
    /// Which.
    pub id: AgentId,
    /// What it is for, or why it is in this state.
    #[serde(default)]
    pub description: Option<String>,
    /// ACP's state: `running`, `idle`, `requires_action`, …; `None` where it was started.
    #[serde(default)]
    pub state: Option<String>,
}

/// One thing in a transcript.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Block {
    /// Words.
    Message(Message),
    /// Something else in a message of this side.
    Attachment(Role, Attachment),
    /// A tool call.
    Tool(ToolCall),
    /// A plan.
    Plan(Vec<PlanEntry>),
    /// A message between agents.
    Between(Between),
    /// An agent that was started, and how it does.
    Subagent(Subagent),
    /// Something that happened: a launch, a change of mode, a notice.
    Notice(String),
    /// The exchange ended, for ACP's reason: `end_turn`, `cancelled`, …
    Stop(String),
    /// Something that the sharer does not know, as it came, up to a bound.
    Opaque {
        /// What it calls itself.
        kind: String,
        /// The JSON, or as much of it as fits.
        json: String,
    },
    /// A block of a later version.
    Unknown,
}

impl Extensible for Block {
    const UNKNOWN: Self = Self::Unknown;
}

impl Block {
    /// What it takes as JSON, in bytes.
    pub fn cost(&self) -> usize {
        serde_json::to_vec(self).map_or(0, |json| json.len())
    }

    /// All text in it that people read, for finding.
    pub fn words(&self) -> String {
        fn put(out: &mut String, text: &str) {
            out.push_str(text);
            out.push('\n');
        }
        let mut out = String::new();
        match self {
            Self::Message(message) => put(&mut out, &message.text),
            Self::Attachment(_, attachment) => put(&mut out, &attachment.name),
            Self::Tool(call) => {
                put(&mut out, call.title.as_deref().unwrap_or_default());
                for content in call.content.iter().flatten() {
                    match content {
                        ToolContent::Text(text) => put(&mut out, text),
                        ToolContent::Diff { path, old, new } => {
                            put(&mut out, path);
                            put(&mut out, old.as_deref().unwrap_or_default());
                            put(&mut out, new);
                        }
                        ToolContent::Terminal { command, output, .. } => {
                            put(&mut out, command);
                            put(&mut out, output);
                        }
                        ToolContent::Attachment(attachment) => put(&mut out, &attachment.name),
                    }
                }
            }
            Self::Plan(entries) => entries.iter().for_each(|entry| put(&mut out, &entry.content)),
            Self::Between(between) => put(&mut out, &between.text),
            Self::Subagent(subagent) => put(&mut out, subagent.description.as_deref().unwrap_or_default()),
            Self::Notice(text) | Self::Stop(text) => put(&mut out, text),
            Self::Opaque { json, .. } => put(&mut out, json),
            Self::Unknown => {}
        }
        out
    }

    /// Cleans and cuts what strangers wrote, so that it costs at most [`MAX_BLOCK`](super::MAX_BLOCK). A message's text is
    /// cleaned only: its author splits it.
    pub(super) fn fit(&mut self) {
        match self {
            Self::Message(message) => message.text = plain_text(&message.text),
            Self::Attachment(_, attachment) => attachment.fit(),
            Self::Tool(call) => call.fit(),
            Self::Plan(entries) => {
                entries.truncate(MOST_ENTRIES);
                for entry in entries {
                    entry.content = name_text(&entry.content);
                    entry.priority = name_text(&entry.priority);
                    entry.status = name_text(&entry.status);
                }
            }
            Self::Between(between) => fit_text(&mut between.text, TEXT),
            Self::Subagent(subagent) => {
                if let Some(description) = &mut subagent.description {
                    fit_text(description, TITLE);
                }
                subagent.state = subagent.state.take().map(|state| name_text(&state));
            }
            Self::Notice(text) => fit_text(text, TEXT),
            Self::Stop(reason) => *reason = name_text(reason),
            Self::Opaque { kind, json } => {
                *kind = name_text(kind);
                fit_text(json, TEXT);
            }
            Self::Unknown => {}
        }
    }
}

fn fit_text(text: &mut String, room: usize) {
    *text = plain_text(text);
    cut_end(text, room);
}

impl Attachment {
    fn fit(&mut self) {
        self.kind = name_text(&self.kind);
        self.name = name_text(&self.name);
        if let Some(uri) = &mut self.uri {
            fit_text(uri, TITLE);
        }
    }
}

impl ToolCall {
    pub(super) fn fit(&mut self) {
        if let Some(title) = &mut self.title {
            fit_text(title, TITLE);
        }
        for word in [&mut self.kind, &mut self.status].into_iter().flatten() {
            *word = name_text(word);
        }
        if let Some(contents) = &mut self.content {
            contents.truncate(MOST_ENTRIES);
            // What comes first may take half of what is left; most calls have one content.
            let mut room = CONTENTS;
            let mut left = contents.len();
            for content in contents {
                let share = if left == 1 { room } else { room / 2 };
                left -= 1;
                content.fit(share);
                room = room.saturating_sub(serde_json::to_vec(content).map_or(0, |json| json.len()));
            }
        }
        if let Some(places) = &mut self.places {
            places.truncate(MOST_ENTRIES / 2);
            for place in places {
                *place = name_text(place);
            }
        }
        if let Some(more) = &mut self.more {
            fit_text(more, MORE);
        }
    }
}

impl ToolContent {
    fn fit(&mut self, room: usize) {
        match self {
            Self::Text(text) => fit_text(text, room),
            Self::Diff { path, old, new } => {
                *path = name_text(path);
                let room = room / 2;
                fit_text(new, room);
                if let Some(old) = old {
                    fit_text(old, room);
                }
            }
            Self::Terminal { id, command, output, exit } => {
                *id = name_text(id);
                *command = name_text(command);
                *output = plain_text(output);
                cut_front(output, room);
                *exit = exit.take().map(|exit| name_text(&exit));
            }
            Self::Attachment(attachment) => attachment.fit(),
        }
    }
}
