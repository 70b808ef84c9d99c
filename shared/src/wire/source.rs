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
    source_type: Type,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_task_id: Option<TaskId>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Type {
    Bare(SourceKind),
    Agent {
        #[serde(rename = "AmbientAgent")]
        agent: Agent,
    },
}

#[derive(Serialize, Deserialize)]
struct Agent {
    #[serde(default)]
    task_id: Option<TaskId>,
}

impl Default for Type {
    fn default() -> Self {
        Self::Bare(SourceKind::UNKNOWN)
    }
}

impl<'de> Deserialize<'de> for Type {
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

impl From<Fields> for SessionSource {
    fn from(fields: Fields) -> Self {
        let (kind, inner) = match fields.source_type {
            Type::Bare(kind) => (kind, None),
            Type::Agent { agent } => (SourceKind::AmbientAgent, agent.task_id),
        };
        Self { kind, task_id: fields.source_task_id.or(inner) }
    }
}

impl From<SessionSource> for Fields {
    fn from(source: SessionSource) -> Self {
        let source_type = match source.kind {
            SourceKind::User => Type::Bare(SourceKind::User),
            SourceKind::AmbientAgent => Type::Agent { agent: Agent { task_id: source.task_id.clone() } },
        };
        Self { source_type, source_task_id: source.task_id }
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
