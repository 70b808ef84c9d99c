//! What a transcript says of its session, bounded.

use std::collections::BTreeMap;

use crate::checkpoint::id::Name;
use crate::checkpoint::metadata::TokenUsage;
use crate::checkpoint::record::Record;

/// As many bytes of prompts are kept: what a person types in weeks.
const MAX_PROMPTS: usize = 1024 * 1024;
/// Names of models and directories are no longer than this.
const MAX_NAME: usize = 4_096;
/// More subagents than a session starts.
const MAX_SUBAGENTS: usize = 512;
/// As many messages are told apart; their fragments follow each other closely.
const MAX_MESSAGES: usize = 16_384;

/// What is known of a session from its transcript.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The session's id, as the agent names it; nobody checked it.
    pub session_id: Option<String>,
    /// Where the agent ran.
    pub directory: Option<String>,
    /// The model's name; empty if it is not told.
    pub model: String,
    /// What the person asked, without what agents and editors add; the first MiB of it.
    pub prompts: Vec<String>,
    /// How often the person asked, those left out included.
    pub turns: u64,
    /// What the session used, without its subagents; `None` if the transcript does not tell.
    pub token_usage: Option<TokenUsage>,
    /// The subagents it started, at most 512.
    pub subagents: Vec<Subagent>,
}

/// A subagent: its transcript is a file of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subagent {
    /// The tool's use that started it.
    pub tool_use_id: Name,
    /// Its own id.
    pub agent_id: Name,
}

impl Subagent {
    /// Its transcript's path below a checkpoint's `tasks/`.
    pub fn transcript(&self) -> String {
        format!("{}/agent-{}.jsonl", self.tool_use_id, self.agent_id)
    }

    /// The path and the bytes of the record beside it, which says that it was of this session.
    pub fn record(&self, session: &Name) -> (String, Vec<u8>) {
        const ORDER: &[&str] = &["session_id", "tool_use_id", "checkpoint_uuid", "agent_id"];
        let mut record = Record::default();
        record.set("session_id", &session.as_str(), ORDER);
        record.set("tool_use_id", &self.tool_use_id.as_str(), ORDER);
        record.set("checkpoint_uuid", &"", ORDER);
        record.set("agent_id", &self.agent_id.as_str(), ORDER);
        (format!("{}/checkpoint.json", self.tool_use_id), record.encode())
    }
}

/// Facts as they come.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    facts: Facts,
    /// Bytes of prompts.
    prompts: usize,
    /// Of each message what its last fragment says.
    messages: BTreeMap<String, TokenUsage>,
}

impl Gathering {
    pub(super) fn session(&mut self, id: &str) {
        first(&mut self.facts.session_id, id);
    }

    pub(super) fn directory(&mut self, path: &str) {
        first(&mut self.facts.directory, path);
    }

    pub(super) fn knows_session(&self) -> bool {
        self.facts.session_id.is_some() && self.facts.directory.is_some()
    }

    /// The first model counts.
    pub(super) fn model(&mut self, name: &str) {
        if self.facts.model.is_empty() && name.len() <= MAX_NAME {
            name.clone_into(&mut self.facts.model);
        }
    }

    /// The last model counts.
    pub(super) fn model_now(&mut self, name: &str) {
        if !name.is_empty() {
            self.facts.model.clear();
            self.model(name);
        }
    }

    pub(super) fn prompt(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.facts.turns += 1;
        self.prompts = self.prompts.saturating_add(text.len());
        if self.prompts <= MAX_PROMPTS {
            self.facts.prompts.push(text.to_owned());
        }
    }

    /// What a message used. Its fragments say the same, or more: that with most output counts.
    pub(super) fn message(&mut self, id: &str, usage: TokenUsage) {
        if id.is_empty() || id.len() > MAX_NAME {
            return;
        }
        match self.messages.get_mut(id) {
            Some(held) if held.output_tokens >= usage.output_tokens => {}
            Some(held) => *held = usage,
            None => {
                if self.messages.len() >= MAX_MESSAGES {
                    self.settle();
                }
                self.messages.insert(id.to_owned(), usage);
            }
        }
    }

    /// What was used beside what was said before.
    pub(super) fn add(&mut self, usage: TokenUsage) {
        self.facts.token_usage = Some(self.facts.token_usage.unwrap_or_default() + usage);
    }

    /// What was used in all.
    pub(super) fn usage(&mut self, usage: TokenUsage) {
        self.messages.clear();
        self.facts.token_usage = Some(usage);
    }

    pub(super) fn requests(&self) -> u64 {
        self.facts.token_usage.map_or(0, |usage| usage.api_call_count)
    }

    pub(super) fn subagent(&mut self, tool_use_id: &str, agent_id: &str) {
        if let (Some(tool_use_id), Some(agent_id)) = (Name::parse(tool_use_id), Name::parse(agent_id))
            && self.facts.subagents.len() < MAX_SUBAGENTS
            && !self.facts.subagents.iter().any(|known| known.agent_id == agent_id)
        {
            self.facts.subagents.push(Subagent { tool_use_id, agent_id });
        }
    }

    fn settle(&mut self) {
        for usage in std::mem::take(&mut self.messages).into_values() {
            self.add(usage);
        }
    }

    pub(super) fn finish(mut self) -> Facts {
        self.settle();
        self.facts
    }
}

fn first(held: &mut Option<String>, text: &str) {
    if held.is_none() && !text.is_empty() && text.len() <= MAX_NAME {
        *held = Some(text.to_owned());
    }
}
