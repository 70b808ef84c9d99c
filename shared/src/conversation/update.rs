//! Updates: what an agent or an editor says happened, in ACP's words, before it is known which block it belongs to.

use serde::{Deserialize, Serialize};

use super::block::{AgentId, Attachment, PlanEntry, Role, ToolCall};

/// What an update says of a field.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Patch<T> {
    /// It stays.
    #[default]
    Keep,
    /// It is nothing now.
    Clear,
    /// It is this now.
    Set(T),
}

impl<T> Patch<T> {
    /// Changes the field.
    pub fn apply(self, field: &mut Option<T>) {
        match self {
            Self::Keep => {}
            Self::Clear => *field = None,
            Self::Set(value) => *field = Some(value),
        }
    }

    /// What it is set to.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Keep | Self::Clear => None,
        }
    }
}

/// A piece of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// Text.
    Text(String),
    /// Anything else.
    Attachment(Attachment),
}

/// What happened. A field that is `None` says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Update {
    /// A piece of a message (`user_message_chunk`, `agent_message_chunk`, `agent_thought_chunk`, or part of a prompt).
    Chunk {
        /// Whose.
        role: Role,
        /// Its message, if the agent says which.
        message: Option<String>,
        /// The piece.
        content: Content,
    },
    /// A tool call begins or changes (`tool_call`, `tool_call_update`).
    ToolCall {
        /// ACP's id of the call.
        id: String,
        /// What is new.
        call: ToolCall,
    },
    /// The newest output of a terminal that tool calls may show.
    Terminal {
        /// ACP's id of the terminal.
        id: String,
        /// The command.
        command: Option<String>,
        /// All output that is kept.
        output: Option<String>,
        /// How it ended.
        exit: Option<String>,
    },
    /// The whole plan.
    Plan(Vec<PlanEntry>),
    /// The agent works in another mode now.
    Mode(String),
    /// An agent was started, or does something else now.
    Subagent {
        /// Which.
        id: AgentId,
        /// Its name.
        title: Patch<String>,
        /// What it is for.
        description: Patch<String>,
        /// How it does.
        state: Patch<String>,
    },
    /// An agent that was started does something else now: a line of its own, where it happened.
    Lifecycle {
        /// Which.
        id: AgentId,
        /// How it does.
        state: String,
        /// Why.
        reason: Option<String>,
    },
    /// A message between agents begins or changes.
    Between {
        /// Its id in this transcript.
        id: String,
        /// Who sends it.
        from: Patch<AgentId>,
        /// To whom.
        to: Patch<AgentId>,
        /// All of its text.
        text: Option<String>,
    },
    /// More text of a message between agents.
    BetweenChunk {
        /// Its id in this transcript.
        id: String,
        /// More text.
        text: String,
    },
    /// An agent is called this. Nobody is told before the transcript mentions it.
    Name {
        /// Which.
        id: AgentId,
        /// Its name.
        name: String,
    },
    /// Something happened that people should know.
    Notice {
        /// ACP's severity: `info`, `warning`, `error`.
        severity: String,
        /// In short.
        title: String,
        /// More of it.
        description: Option<String>,
    },
    /// The exchange ended, and why. Nothing else ends one.
    Stop(String),
    /// What was said so far is said again, from the beginning.
    ReplayStart,
    /// What follows is new; an exchange that was not ended goes on.
    ReplayEnd,
    /// Something else. Of a kind that is a `state`, the newest stands for all before.
    Opaque {
        /// What it calls itself.
        kind: String,
        /// The JSON.
        json: String,
        /// Whether only the newest of its kind matters.
        state: bool,
    },
}
