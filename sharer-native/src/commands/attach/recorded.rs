//! A session that `sharer` recorded: what its agent wrote, or else what was said and done, with its terminal beside it; and
//! the same of every task below it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use anyhow::Context as _;
use shared::checkpoint::compact::Facts;
use shared::checkpoint::id::Name;
use shared::checkpoint::layout::{self, CAST, EVENTS, MANIFEST};
use shared::checkpoint::plan::{Kept, Object};
use shared::checkpoint::redact;
use shared::checkpoint::whose::Whose;
use shared::conversation::{Block, Message, Role, Transcript};
use shared::id::TaskId;
use shared::orchestration::task::MAX_TASKS;
use shared::recording::{self, Entry, Line, RedactedLines, folder};

use super::gather::{Gathered, PART, new_session, of_agent};
use super::whose;
use crate::agents::transcripts::Places;
use crate::checkpoint::take::Taken;
use crate::checkpoint::{Error, Repository, take};
use crate::record::place::{self, Recording};

/// Whose transcript it is where no agent wrote one.
pub(super) const OURS: &str = "sharer";

/// Stores a recorded program and all below it, each as a session.
pub(super) fn sessions(repo: &Repository, places: &Places, top: &Recording) -> anyhow::Result<Gathered> {
    let mut all = vec![top.clone()];
    all.extend(place::below(top)?);
    let mut gathered = Gathered { kept: Vec::new(), warnings: Vec::new() };
    let mut transcripts = whose::of_group(places, top)?;
    let mut elsewhere = BTreeMap::new();
    for recording in &all {
        let stored = Stored::of(repo, recording)?;
        let agents = match transcripts.remove(&recording.session.task).unwrap_or(Whose::Nobodys) {
            Whose::Found(found) => of_agent(repo, places, &found).map(Some),
            Whose::Unclear(several) => {
                let several: Vec<_> = several.iter().map(|found| found.session_id.as_str()).collect();
                gathered.warnings.push(format!(
                    "which transcript is that of {} is not clear ({}): attached is what was recorded of it",
                    recording.session.task.0,
                    several.join(", ")
                ));
                Ok(None)
            }
            Whose::Nobodys => Ok(None),
        };
        let kept = match agents {
            Ok(Some((kept, warnings))) => {
                gathered.warnings.extend(warnings);
                Some(kept)
            }
            Ok(None) => None,
            Err(error) => {
                gathered.warnings.push(format!("{error:#}: attached is what was recorded of it"));
                None
            }
        };
        let mut kept = match kept {
            Some(kept) => kept,
            None => stored.as_transcript(repo, recording)?,
        };
        kept.extra = stored.files;
        gathered.kept.push(kept);
        elsewhere.extend(stored.tasks);
    }
    elsewhere.retain(|task, _| all.iter().all(|recording| recording.session.task != *task));
    if !elsewhere.is_empty() {
        let names: Vec<_> = elsewhere.into_values().collect();
        gathered.warnings.push(format!(
            "not recorded on this computer, and so not attached: {} (a task on another machine is recorded there)",
            names.join(", ")
        ));
    }
    Ok(gathered)
}

/// A recording in the store, under no name yet.
struct Stored {
    /// By their names below a slot.
    files: BTreeMap<String, Object>,
    /// What was said and done; of a program of which nothing was written, what it was.
    events: Taken,
    facts: Facts,
    /// The names of the tasks below it, as far as it was told of them.
    tasks: BTreeMap<TaskId, String>,
}

impl Stored {
    fn of(repo: &Repository, recording: &Recording) -> anyhow::Result<Self> {
        let session = &recording.session;
        let failed = || format!("the recording of {} cannot be stored", session.task.0);
        let mut files = BTreeMap::new();
        let clean = redact::transcript(&session.to_json());
        files.insert(MANIFEST.to_owned(), repo.store_clean(&clean).with_context(failed)?);

        let cast = file(repo, &recording.dir.join(CAST), RedactedLines::of_cast(), &mut |_line| {});
        add(&mut files, CAST, cast.with_context(failed)?.as_ref());

        let mut said = Said::default();
        let lines = RedactedLines::of_transcript();
        let path = recording.dir.join(recording::TRANSCRIPT);
        let events = file(repo, &path, lines, &mut |line| said.line(line)).with_context(failed)?;
        add(&mut files, EVENTS, events.as_ref());
        let events = match events {
            Some(events) => events,
            None => take::take(repo, &mut clean.bytes(), None, &mut |_line| {})?,
        };
        let mut facts = said.facts();
        if facts.prompts.is_empty() {
            facts.prompts.extend(Some(session.prompt.clone()).filter(|prompt| !prompt.is_empty()));
        }
        Ok(Self { files, events, facts, tasks: said.tasks })
    }

    /// As the transcript of a program that has none of its own.
    fn as_transcript(&self, repo: &Repository, recording: &Recording) -> anyhow::Result<Kept> {
        let name = Name::parse(&folder(&recording.session.task));
        let name = name.context("a recording has a name that no session may have")?;
        let Taken { pieces, hash, .. } = self.events.clone();
        let (session, prompt) = new_session(repo, name, Some(OURS.to_owned()), &self.facts);
        Ok(Kept { session, transcript: pieces, hash, prompt, extra: BTreeMap::new(), tasks: BTreeMap::new() })
    }
}

/// A file of a recording as far as it is written by now; `None` if there is nothing in it.
fn file(
    repo: &Repository,
    path: &Path,
    lines: RedactedLines,
    see: &mut dyn FnMut(&[u8]),
) -> anyhow::Result<Option<Taken>> {
    // One that made room meanwhile is as good as one that says nothing.
    let Ok(file) = File::open(path) else { return Ok(None) };
    // It may grow faster than it is read.
    let length = file.metadata()?.len();
    let mut from = BufReader::with_capacity(PART, file.take(length));
    match take::recorded(repo, &mut from, lines, see) {
        Err(Error::Empty) => Ok(None),
        taken => Ok(Some(taken?)),
    }
}

fn add(files: &mut BTreeMap<String, Object>, name: &str, taken: Option<&Taken>) {
    let pieces = taken.into_iter().flat_map(|taken| &taken.pieces).cloned();
    files.extend(pieces.enumerate().map(|(index, piece)| (layout::piece(name, index), piece)));
}

/// What a recording tells.
#[derive(Default)]
struct Said {
    transcript: Transcript,
    /// The names of the tasks below it.
    tasks: BTreeMap<TaskId, String>,
}

impl Said {
    fn line(&mut self, line: &[u8]) {
        match Line::parse(line).map(|line| line.entry) {
            Some(Entry::Change(change)) => drop(self.transcript.apply(change)),
            Some(Entry::Task(task)) if self.tasks.len() < MAX_TASKS => {
                self.tasks.insert(task.id, task.name.to_string());
            }
            _ => {}
        }
    }

    fn facts(&self) -> Facts {
        let mut facts = Facts::default();
        for (_, _, block) in self.transcript.blocks() {
            if let Block::Message(Message { role: Role::User, text, continues }) = block {
                match facts.prompts.last_mut().filter(|_| *continues) {
                    Some(last) => last.push_str(text),
                    None => facts.prompts.push(text.clone()),
                }
            }
        }
        facts.turns = u64::try_from(facts.prompts.len()).unwrap_or(u64::MAX);
        facts
    }
}
