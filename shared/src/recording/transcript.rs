//! What was said and done beside the terminal: a line of `transcript.jsonl`.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::session::{Cut, Exit};
use crate::command::Told;
use crate::conversation::Change;
use crate::encoding::read;
use crate::orchestration::task::Task;

/// The longest line that is read, in bytes: twice what the largest block takes, and some.
pub const MAX_LINE: usize = 64 * 1024;

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Entry {
    /// The transcript changed: numbered from 1 in this file, to be given to [`crate::conversation::Transcript::apply`].
    Change(Change),
    /// A command began or ended at this place of the output, numbered from 1 in this file.
    Command(Told),
    /// What is said of a task from here on: the recorded one, or one below it, here or elsewhere.
    Task(Box<Task>),
    /// Something was left out here.
    Cut(Cut),
    /// The program ended, and all its output was written; nothing follows.
    End(Exit),
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Milliseconds since the start.
    pub at: u64,
    /// What happened.
    #[serde(flatten)]
    pub entry: Entry,
}

impl Line {
    /// Writes the line, with its end.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend(serde_json::to_vec(self).unwrap_or_default());
        out.push(b'\n');
    }

    /// Reads a line, with its end or without. `None`: it is torn, too long, or of a kind that this version does not know.
    pub fn parse(line: &[u8]) -> Option<Self> {
        let line = line.trim_ascii_end();
        if line.len() > MAX_LINE {
            return None;
        }
        let mut fields: Map<String, Value> = serde_json::from_slice(line).ok()?;
        let at = fields.get("at")?.as_u64()?;
        let entry = field(&mut fields, "change", Entry::Change)
            .or_else(|| field(&mut fields, "command", Entry::Command))
            .or_else(|| field(&mut fields, "task", |task| Entry::Task(Box::new(task))))
            .or_else(|| field(&mut fields, "cut", Entry::Cut))
            .or_else(|| field(&mut fields, "end", Entry::End))?;
        if let Entry::Task(task) = &entry
            && !task.is_good()
        {
            return None;
        }
        Some(Self { at, entry })
    }
}

fn field<T: DeserializeOwned>(
    fields: &mut Map<String, Value>,
    name: &str,
    entry: impl FnOnce(T) -> Entry,
) -> Option<Entry> {
    read(fields.remove(name)?).ok().map(entry)
}
