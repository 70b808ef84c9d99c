//! Which recording is meant, and which transcripts that agents keep are of recorded programs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use shared::checkpoint::agent::Agent;
use shared::checkpoint::id::Name;
use shared::id::TaskId;

use crate::agents::transcripts::{Found, Places};
use crate::record::place::{self, Recording};

/// An agent writes the last of its transcript so long after its program ended, at most.
const LATE: Duration = Duration::from_secs(10);
/// A program may have run for a moment when its recording began, and file systems' clocks lag behind.
const EARLY: Duration = Duration::from_secs(2);
/// A recording says its beginning and its length in whole milliseconds, and both are cut.
pub(super) const ROUNDED: Duration = Duration::from_millis(2);

/// The recording of exactly this task or session.
pub(super) fn exactly(id: &str) -> anyhow::Result<Option<Recording>> {
    let is_it = |recording: &Recording| {
        let session = recording.session.session.map(|session| session.to_string());
        recording.session.task.0 == id || session.as_deref() == Some(id)
    };
    Ok(place::all()?.into_iter().find(is_it))
}

/// The newest recording of a program that was begun in this directory or below it, by nobody's program but the person, and
/// when it ended; now, if it runs.
pub(super) fn newest(directory: &Path) -> Option<(Recording, SystemTime)> {
    let is_it = |recording: &Recording| recording.is_root() && recording.is_below(directory);
    let recording = place::all().ok()?.into_iter().find(is_it)?;
    let (_, ended) = span(&recording);
    Some((recording, ended))
}

/// The recorded program that wrote this transcript.
pub(super) fn recording_of(places: &Places, found: &Found) -> Option<Recording> {
    let mut all = place::all().ok()?;
    all.retain(|recording| agent(recording) == Some(found.agent) && wrote(recording, found));
    all.into_iter().find(|recording| is_of(places, recording, found))
}

/// The recorded program that this one is a task of, at whatever depth; itself, if that was not recorded here.
pub(super) fn top(recording: Recording) -> anyhow::Result<Recording> {
    let root = place::all()?.into_iter().find(|other| other.session.task == recording.session.root);
    Ok(root.unwrap_or(recording))
}

/// Whether the program is known to have written this transcript.
fn is_of(places: &Places, recording: &Recording, found: &Found) -> bool {
    let own = of_group(places, recording).ok().and_then(|mut all| all.remove(&recording.session.task));
    matches!(own, Some(Whose::Found(own)) if own.path == found.path)
}

/// What agents keep of each program that was recorded with this one: they are told apart by what is left for each.
pub(super) fn of_group(places: &Places, recording: &Recording) -> anyhow::Result<BTreeMap<TaskId, Whose>> {
    let mut group = place::all()?;
    group.retain(|other| other.session.root == recording.session.root);
    let found = transcripts(places, &group);
    Ok(group.into_iter().map(|recording| recording.session.task).zip(found).collect())
}

fn agent(recording: &Recording) -> Option<Agent> {
    Agent::parse(recording.session.agent.as_deref()?)
}

/// From when to when it ran.
fn span(recording: &Recording) -> (SystemTime, SystemTime) {
    let at = |ms: u64| UNIX_EPOCH + Duration::from_millis(ms);
    let ended = match recording.session.ended {
        Some(ended) => at(ended.0),
        None if recording.running => SystemTime::now(),
        // Its sharer was killed: nobody knows when its program ended.
        None => last_written(&recording.dir).unwrap_or_else(SystemTime::now),
    };
    (at(recording.session.started.0), ended)
}

fn last_written(dir: &Path) -> Option<SystemTime> {
    let files = std::fs::read_dir(dir).ok()?.flatten();
    files.filter_map(|entry| entry.metadata().ok()?.modified().ok()).max()
}

/// Whether the transcript changed last while the program ran.
fn wrote(recording: &Recording, found: &Found) -> bool {
    let (began, ended) = span(recording);
    found.modified + EARLY >= began && found.modified <= ended + LATE
}

/// What an agent keeps of a recorded program.
#[derive(Debug)]
pub(super) enum Whose {
    /// This.
    Found(Found),
    /// One of these.
    Unclear(Vec<Found>),
    /// Nothing.
    Nobodys,
}

/// What agents keep of each of these programs: the session that it named; else the one that was asked what it was to do;
/// else the only one that changed while it ran and is no other's.
fn transcripts(places: &Places, recordings: &[Recording]) -> Vec<Whose> {
    let mut taken: BTreeSet<PathBuf> = BTreeSet::new();
    let mut sure: Vec<Option<Found>> = Vec::new();
    let mut maybe: Vec<Vec<Found>> = Vec::new();
    for recording in recordings {
        let session = &recording.session;
        let directory = Path::new(&session.directory);
        let Some(agent) = agent(recording) else {
            sure.push(None);
            maybe.push(Vec::new());
            continue;
        };
        let named = session.agent_session.as_deref().and_then(Name::parse);
        let named = named.and_then(|name| places.session(directory, &name, Some(agent)));
        // One that goes on may go on under another name.
        let named = named.filter(|found| wrote(recording, found) && taken.insert(found.path.clone()));
        let (began, _) = span(recording);
        let during =
            || places.sessions(directory, Some(agent)).take_while(|found| found.modified + EARLY >= began);
        let during = if named.is_some() {
            Vec::new()
        } else {
            during().filter(|found| wrote(recording, found)).collect()
        };
        sure.push(named);
        maybe.push(during);
    }
    // Each that is found leaves less for the others.
    let mut goes_on = true;
    while goes_on {
        goes_on = false;
        for asked in [true, false] {
            for (at, recording) in recordings.iter().enumerate() {
                let (Some(own), Some(maybe)) = (sure.get_mut(at), maybe.get_mut(at)) else { continue };
                if own.is_some() {
                    continue;
                }
                maybe.retain(|found| !taken.contains(&found.path));
                let mut good =
                    maybe.iter().filter(|found| !asked || is_asked(&recording.session.prompt, &found.asked));
                if let (Some(only), None) = (good.next(), good.next()) {
                    taken.insert(only.path.clone());
                    *own = Some(only.clone());
                    goes_on = true;
                }
            }
        }
    }
    let all = sure.into_iter().zip(maybe);
    all.map(|(own, maybe)| match own {
        Some(found) => Whose::Found(found),
        None if maybe.is_empty() => Whose::Nobodys,
        None => Whose::Unclear(maybe),
    })
    .collect()
}

/// Whether the first thing that was asked is what the program was started for. Both may be cut.
fn is_asked(prompt: &str, asked: &str) -> bool {
    let prompt = prompt.trim().trim_end_matches('…');
    !prompt.is_empty() && (asked.contains(prompt) || (!asked.is_empty() && prompt.starts_with(asked.trim())))
}
