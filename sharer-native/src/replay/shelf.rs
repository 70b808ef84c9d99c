//! Where footage is: directories of recordings, and checkpoints of a repository.

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use shared::checkpoint::agent::Agent;
use shared::checkpoint::compact::{Head, Reader};
use shared::event::WindowSize;
use shared::id::TaskId;
use shared::orchestration::task::MAX_TASKS;
use shared::recording::{Line, Session};
use shared::replay::spoken;
use shared::time::UnixMs;

use super::footage::{Footage, Kept};
use crate::checkpoint::read::{self, Checkpoint, Part};
use crate::checkpoint::{Error, Repository};
use crate::clock::milliseconds;

/// The most that is read of one file of a checkpoint, in bytes: what one recording takes unless it is told otherwise.
const MAX_PART: usize = 256 << 20;
/// The most that is held of a checkpoint, in bytes. A small repository can name one file over and over.
const MAX_ALL: usize = 512 << 20;
/// The longest line of a transcript that is read, in bytes: none that is longer was ever kept.
const MAX_SAID: usize = 50 << 20;

/// A recording's directory, with those of its children beside it; or the directory that holds them all.
pub fn recorded(folder: &Path) -> Vec<Footage> {
    let own = Footage::of_recording(folder);
    // A recording that is named without its directory lies in this one.
    let folder = folder.canonicalize().unwrap_or_else(|_unreadable| folder.to_owned());
    let beside = if own.is_some() { folder.parent() } else { Some(folder.as_path()) };
    let owner = folder.metadata().map(|about| about.uid()).ok();
    let entries = beside.and_then(|beside| std::fs::read_dir(beside).ok());
    // Where everybody writes, others may have put something beside it.
    let is_theirs = |entry: &DirEntry| entry.metadata().map(|about| about.uid()).ok() == owner;
    let others = entries.into_iter().flatten().flatten().filter(is_theirs);
    let others = others.filter_map(|entry| Footage::of_recording(&entry.path()));
    let mut found: Vec<Footage> = own.into_iter().chain(others).collect();
    let is_root = |one: &&Footage| one.session.task == one.session.root;
    let own = found.first().filter(|_| beside != Some(folder.as_path()));
    let Some(first) = own.or_else(|| found.iter().find(is_root)).map(|one| one.session.task.clone()) else {
        return Vec::new();
    };
    below(&mut found, &first);
    found
}

/// Keeps the session of `first`, in front, and those that it and its children started.
fn below(found: &mut Vec<Footage>, first: &TaskId) {
    let mut kept: Vec<Footage> = found.extract_if(.., |one| one.session.task == *first).take(1).collect();
    let mut seen = 0;
    while let Some(parent) = kept.get(seen).map(|one| one.session.task.clone()) {
        seen += 1;
        kept.extend(found.extract_if(.., |one| one.session.parent.as_ref() == Some(&parent)));
    }
    *found = kept;
}

/// What is read of a checkpoint, as far as there is room for it.
struct Room<'a> {
    repo: &'a Repository,
    checkpoint: &'a Checkpoint,
    left: usize,
}

impl Room<'_> {
    /// A part of a session; nothing if it has none. What is beyond the room is left out, as of any recording that was cut.
    fn read(&mut self, session: &read::Session, part: Part) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        if !self.checkpoint.has(session, part) {
            return Ok(bytes);
        }
        let most = MAX_PART.min(self.left);
        let read = self.checkpoint.read(self.repo, session, part, &mut |more| {
            let room = most.saturating_sub(bytes.len()).min(more.len());
            bytes.extend_from_slice(more.get(..room).unwrap_or_default());
            if room == more.len() { Ok(()) } else { Err(Error::Enough) }
        });
        self.left = self.left.saturating_sub(bytes.len());
        match read {
            Ok(_) | Err(Error::Enough) => Ok(bytes),
            Err(error) => Err(error),
        }
    }
}

/// The sessions of a checkpoint, in the order of their slots; those without anything to play are left out.
///
/// # Errors
/// When something of it cannot be read.
pub fn kept(repo: &Repository, checkpoint: &Checkpoint) -> Result<Vec<Footage>, Error> {
    let mut found: Vec<Footage> = Vec::new();
    let mut room = Room { repo, checkpoint, left: MAX_ALL };
    for session in checkpoint.sessions.iter().take(MAX_TASKS) {
        let (cast, mut events) = (room.read(session, Part::Cast)?, room.read(session, Part::Events)?);
        let recording = checkpoint.recording(repo, session)?;
        let mut said = None;
        if !events.windows(9).any(|bytes| bytes == b"\"change\":") {
            let agent = session.record.get::<String>("agent").unwrap_or_default();
            let compact = match room.read(session, Part::Compact)? {
                none if none.is_empty() => compact(&agent, &room.read(session, Part::Raw)?),
                compact => compact,
            };
            let (began, lines) = spoken(&compact, milliseconds);
            said = Some((agent, began, lines));
        }
        let session = match (recording, &said) {
            (Some(recording), _) => recording,
            (None, Some((_, _, lines))) if lines.is_empty() && cast.is_empty() => continue,
            (None, said) => unrecorded(session, said.as_ref()),
        };
        if let Some((_, began, lines)) = said {
            // On the clock of its terminal.
            let offset = began.unwrap_or_default().0.saturating_sub(session.started.0);
            for mut line in lines {
                line.at = line.at.saturating_add(offset);
                line.write(&mut events);
            }
        }
        let here = |bytes: Vec<u8>| if bytes.is_empty() { Kept::Nothing } else { Kept::Here(bytes.into()) };
        let one = Footage { session, cast: here(cast), transcript: here(events) };
        // Of one that was attached twice, under two names, the later has more.
        match found.iter_mut().find(|other| other.session.task == one.session.task) {
            Some(other) => *other = one,
            None => found.push(one),
        }
    }
    begin_together(&mut found);
    Ok(found)
}

/// Sessions of one commit may be of different days: all that do not belong together begin with the first one, and those of
/// one orchestration stay on one clock.
fn begin_together(found: &mut [Footage]) {
    let mut began: BTreeMap<TaskId, u64> = BTreeMap::new();
    for Footage { session, .. } in found.iter() {
        let began = began.entry(session.root.clone()).or_insert(session.started.0);
        *began = session.started.0.min(*began);
    }
    let Some(first) = found.first().and_then(|one| began.get(&one.session.root).copied()) else { return };
    for Footage { session, .. } in found {
        let began = began.get(&session.root).copied().unwrap_or_default();
        for at in std::iter::once(&mut session.started).chain(&mut session.ended) {
            *at = UnixMs(at.0.saturating_sub(began).saturating_add(first));
        }
    }
}

/// What is known of a session that only its agent wrote down.
fn unrecorded(session: &read::Session, said: Option<&(String, Option<UnixMs>, Vec<Line>)>) -> Session {
    let agent = said.map(|(agent, ..)| agent.as_str()).unwrap_or_default();
    let began = said.and_then(|(_, began, _)| *began).unwrap_or_default();
    let name = session.name.as_ref().map_or_else(|| session.slot().to_string(), ToString::to_string);
    let task = TaskId(name.clone());
    let mut made = Session::new(task.clone(), task, began, WindowSize { cols: 80, rows: 24 });
    made.name = if agent.is_empty() { name } else { agent.to_owned() };
    // As far as is known.
    let last = said.and_then(|(.., lines)| lines.last());
    made.ended = last.map(|line| UnixMs(began.0.saturating_add(line.at)));
    made
}

/// A transcript, made compact.
fn compact(agent: &str, raw: &[u8]) -> Vec<u8> {
    let head = Head { agent: agent.to_owned(), cli_version: env!("CARGO_PKG_VERSION").to_owned() };
    let mut reader = Reader::new(Agent::parse(agent).unwrap_or(Agent::ClaudeCode), Some(&head), 0);
    for line in raw.split_inclusive(|byte| *byte == b'\n').filter(|line| line.len() <= MAX_SAID) {
        reader.line(line);
    }
    reader.finish().compact.map(|compact| compact.bytes).unwrap_or_default()
}
