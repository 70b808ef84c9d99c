//! A session in v1: into the slot it had, or behind the others.

use std::collections::BTreeMap;

use super::{Content, Edits, Held, Object, Refusal, differences};
use crate::checkpoint::id::CheckpointId;
use crate::checkpoint::layout::{self, ROOT, Store};
use crate::checkpoint::metadata::{self, Listed, NewSession};

/// A session that is attached, redacted, with its large parts in objects already.
#[derive(Debug, Clone)]
pub struct Kept {
    /// What its record says.
    pub session: NewSession,
    /// The pieces of its transcript, see [`super::super::chunks`]; never none.
    pub transcript: Vec<Object>,
    /// SHA-256 of the whole of it: `sha256:` and 64 digits.
    pub hash: String,
    /// Its prompts as one text, empty if there are none.
    pub prompt: String,
    /// Files that upstream does not know, below the session's slot: the terminal's recording.
    pub extra: BTreeMap<String, Object>,
    /// Files below the checkpoint's `tasks/`: what subagents said.
    pub tasks: BTreeMap<String, Object>,
}

/// What an attach does to v1.
#[derive(Debug, Clone)]
pub struct Attached {
    /// Where the session is.
    pub slot: usize,
    /// Whether the checkpoint had it before.
    pub was_there: bool,
    /// What changes; empty if everything is as it was.
    pub edits: Edits,
}

/// Names of files in a slot that a new transcript makes untrue: they go, even if no new one takes their place. What was
/// recorded of the very same one stays true.
fn is_ours(name: &str, extra: &BTreeMap<String, Object>, is_recorded: bool) -> bool {
    let numbered =
        |base: &str| name.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
    let compact = name == Store::Main.transcript();
    numbered(Store::V1.transcript())
        || (is_recorded && layout::RECORDED.into_iter().any(numbered))
        || compact
        || extra.contains_key(name)
        || [Store::V1.hash(), "metadata.json", "prompt.txt"].contains(&name)
}

/// Plans a session into a checkpoint.
///
/// # Errors
/// When what is there cannot be understood whole: then nothing of it is changed.
pub fn attach(id: &CheckpointId, held: &Held, kept: &Kept) -> Result<Attached, Refusal> {
    let (root, mut records) = match held.read()? {
        Some((root, records)) => (Some(root), records),
        None => (None, Vec::new()),
    };
    let name = &kept.session.session_id;
    let found = records.iter().position(|record| metadata::session_id(record).as_ref() == Ok(name));
    let slot = found.unwrap_or(records.len());
    let record = kept.session.record(id, records.get(slot));

    let mut files = BTreeMap::new();
    let transcript = kept.transcript.iter().enumerate();
    files.extend(
        transcript.map(|(index, object)| (Store::V1.piece(slot, index), Content::Object(object.clone()))),
    );
    files.extend(
        kept.extra.iter().map(|(name, object)| (format!("{slot}/{name}"), Content::Object(object.clone()))),
    );
    let tasks = kept.tasks.iter();
    let tasks: BTreeMap<_, _> =
        tasks.map(|(name, object)| (format!("tasks/{name}"), Content::Object(object.clone()))).collect();

    let has = |path: &str, content: &Content| matches!(content, Content::Object(object) if held.files.get(path) == Some(object));
    let is_same_transcript = held.transcript(slot, Store::V1).into_iter().eq(&kept.transcript);
    let is_recorded = !(is_same_transcript && kept.extra.is_empty());
    let same = found.is_some()
        && files.iter().chain(&tasks).all(|(path, content)| has(path, content))
        && held.of(slot).filter(|(name, _)| is_piece(name, is_recorded)).count() == files.len();
    if same {
        return Ok(Attached { slot, was_there: true, edits: Edits::new() });
    }

    files.insert(format!("{slot}/{}", Store::V1.hash()), Content::Bytes(kept.hash.clone().into_bytes()));
    files.insert(Store::record(slot), Content::Bytes(record.encode()));
    if !kept.prompt.is_empty() {
        files.insert(Store::prompt(slot), Content::Bytes(kept.prompt.clone().into_bytes()));
    }
    if let Some(old) = records.get_mut(slot) {
        *old = record;
    } else {
        records.push(record);
    }
    let listed: Vec<_> = records
        .iter()
        .enumerate()
        .map(|(at, record)| {
            let there = |file: &str| {
                if at == slot { files.contains_key(file) } else { held.files.contains_key(file) }
            };
            Listed {
                record,
                transcript: there(&Store::V1.piece(at, 0)),
                hash: there(&format!("{at}/{}", Store::V1.hash())),
                prompt: there(&Store::prompt(at)),
            }
        })
        .collect();
    let root = metadata::root(id, root.as_ref(), &listed, slot, Store::V1)
        .map_err(|why| Refusal::Unreadable { path: ROOT.to_owned(), why })?;

    let stays = held.files.iter().filter(|(path, _)| {
        !layout::slot(path).is_some_and(|(own, name)| own == slot && is_ours(name, &kept.extra, is_recorded))
    });
    let mut wanted: BTreeMap<String, Content> =
        stays.map(|(path, object)| (path.clone(), Content::Object(object.clone()))).collect();
    wanted.insert(ROOT.to_owned(), Content::Bytes(root.encode()));
    wanted.extend(files);
    wanted.extend(tasks);
    Ok(Attached { slot, was_there: found.is_some(), edits: differences(&held.files, wanted) })
}

/// Whether it is of the transcript, or of a recording that counts.
fn is_piece(name: &str, is_recorded: bool) -> bool {
    let is = |of: &str| !layout::pieces(std::iter::once(name), of).is_empty();
    is(Store::V1.transcript()) || (is_recorded && layout::RECORDED.into_iter().any(is))
}
