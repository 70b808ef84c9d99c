//! Where a session comes from: a user's terminal or an agent's task.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::encoding::{Extensible, read};
use crate::id::TaskId;

/// The kind of a session's source; one of a later version is read as a person's terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub enum SourceKind {
    /// A person's terminal.
    #[default]
    User,
    /// An agent that runs on its own.
    AmbientAgent,
}

impl Extensible for SourceKind {
    const UNKNOWN: Self = Self::User;
}

/// A session's source: its kind, and the orchestrator's task once there is one.
///
/// On the wire: `source_type` is `"User"` or `{"AmbientAgent":{"task_id":…}}`, the legacy bare
/// `"AmbientAgent"` is read too; `source_task_id` rides beside it and is believed first. No behaviour is
/// ever inferred from the presence of an id.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Fields", into = "Fields")]
pub struct SessionSource {
    /// The kind.
    pub kind: SourceKind,
    /// The task; opaque where it is no UUID.
    pub task_id: Option<TaskId>,
}

#[derive(Serialize, Deserialize)]
struct Fields {
    #[serde(default)]
    source_type: SourceType,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_task_id: Option<TaskId>,
}

/// A source's `source_type` on the wire, for messages that have its two fields among their own: `#[serde(flatten)]` would
/// double the code that reads them, which the page pays for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum SourceType {
    /// Only the kind.
    Bare(SourceKind),
    /// An agent that runs on its own.
    Agent {
        /// What is said of it.
        #[serde(rename = "AmbientAgent")]
        agent: AgentSource,
    },
}

/// What a source of the kind [`SourceKind::AmbientAgent`] says inside itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSource {
    /// The task; the field beside the source is believed first.
    #[serde(default)]
    pub task_id: Option<TaskId>,
}

impl Default for SourceType {
    fn default() -> Self {
        Self::Bare(SourceKind::UNKNOWN)
    }
}

impl<'de> Deserialize<'de> for SourceType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut json = Value::deserialize(deserializer)?;
        let agent = json.get_mut("AmbientAgent").map(Value::take);
        let read = match agent {
            Some(agent) => read(agent).ok().map(|agent| Self::Agent { agent }),
            None => read(json).ok().map(Self::Bare),
        };
        Ok(read.unwrap_or_default())
    }
}

impl SessionSource {
    /// Of its two fields on the wire.
    pub fn new(source_type: SourceType, source_task_id: Option<TaskId>) -> Self {
        let (kind, inner) = match source_type {
            SourceType::Bare(kind) => (kind, None),
            SourceType::Agent { agent } => (SourceKind::AmbientAgent, agent.task_id),
        };
        Self { kind, task_id: source_task_id.or(inner) }
    }

    /// The first of its two fields on the wire, in the strict form; the other one is `task_id`.
    pub fn source_type(&self) -> SourceType {
        match self.kind {
            SourceKind::User => SourceType::Bare(SourceKind::User),
            SourceKind::AmbientAgent => {
                SourceType::Agent { agent: AgentSource { task_id: self.task_id.clone() } }
            }
        }
    }
}

impl From<Fields> for SessionSource {
    fn from(fields: Fields) -> Self {
        Self::new(fields.source_type, fields.source_task_id)
    }
}

impl From<SessionSource> for Fields {
    fn from(source: SessionSource) -> Self {
        Self { source_type: source.source_type(), source_task_id: source.task_id }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_and_writes_the_strict_one() {
        let task = |id: &str| Some(TaskId(id.into()));
        for (json, kind, task_id) in [
            ("{}", SourceKind::User, None),
            (r#"{"source_type":"User"}"#, SourceKind::User, None),
            (r#"{"source_type":"User","source_task_id":"t"}"#, SourceKind::User, task("t")),
            (r#"{"source_type":"AmbientAgent"}"#, SourceKind::AmbientAgent, None),
            (r#"{"source_type":{"AmbientAgent":{"task_id":"a"}}}"#, SourceKind::AmbientAgent, task("a")),
            (
                r#"{"source_type":{"AmbientAgent":{"task_id":"a"}},"source_task_id":"b","x":1}"#,
                SourceKind::AmbientAgent,
                task("b"),
            ),
            // A kind of a later version.
            (r#"{"source_type":{"Moon":{}},"source_task_id":"b"}"#, SourceKind::User, task("b")),
        ] {
            let read: SessionSource = serde_json::from_str(json).unwrap();
            assert_eq!(read, SessionSource { kind, task_id }, "{json}");
            let written = serde_json::to_string(&read).unwrap();
            assert_eq!(serde_json::from_str::<SessionSource>(&written).unwrap(), read, "{written}");
        }
        let user = serde_json::to_string(&SessionSource::default()).unwrap();
        assert_eq!(user, r#"{"source_type":"User"}"#);
    }
}
