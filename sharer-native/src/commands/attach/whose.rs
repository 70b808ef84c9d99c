//! Which recording is meant, and which transcripts that agents keep are of recorded programs.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use shared::checkpoint::agent::Agent;
use shared::checkpoint::id::Name;
use shared::checkpoint::whose::{Claim, Span, Whose, assign};
use shared::id::TaskId;
use shared::time::UnixMs;

use crate::agents::transcripts::{Found, Places};
use crate::record::place::{self, Recording};

/// The recording of exactly this task or session.
pub(super) fn exactly(id: &str) -> anyhow::Result<Option<Recording>> {
    let is_it = |recording: &Recording| {
        let session = recording.session.session.map(|session| session.to_string());
        recording.session.task.0 == id || session.as_deref() == Some(id)
    };
    Ok(place::all()?.into_iter().find(is_it))
}

/// The newest recording of a program that was begun in this directory or below it, by nobody's program but the person, and
/// from when to when that ran.
pub(super) fn newest(directory: &Path) -> Option<(Recording, Span)> {
    let is_it = |recording: &Recording| recording.is_root() && recording.is_below(directory);
    let recording = place::all().ok()?.into_iter().find(is_it)?;
    let span = span(&recording);
    Some((recording, span))
}

/// The recorded program that wrote this transcript.
pub(super) fn recording_of(places: &Places, found: &Found) -> Option<Recording> {
    let mut all = place::all().ok()?;
    let may = |recording: &Recording| span(recording).holds(ms(found.modified));
    all.retain(|recording| agent(recording) == Some(found.agent) && may(recording));
    all.into_iter().find(|recording| is_of(places, recording, found))
}

/// The recorded program that this one is a task of, at whatever depth; itself, if that was not recorded here or is of
/// another directory: what was done there is nothing of this one.
pub(super) fn top(recording: Recording, directory: &Path) -> anyhow::Result<Recording> {
    let is_it = |other: &Recording| other.session.task == recording.session.root && other.is_below(directory);
    let root = place::all()?.into_iter().find(is_it);
    Ok(root.unwrap_or(recording))
}

/// Whether the program is known to have written this transcript.
fn is_of(places: &Places, recording: &Recording, found: &Found) -> bool {
    let own = of_group(places, recording).ok().and_then(|mut all| all.remove(&recording.session.task));
    matches!(own, Some(Whose::Found(own)) if own.path == found.path)
}

/// What agents keep of each program that was recorded with this one: they are told apart by what is left for each.
pub(super) fn of_group(
    places: &Places,
    recording: &Recording,
) -> anyhow::Result<BTreeMap<TaskId, Whose<Found>>> {
    let mut group = place::all()?;
    group.retain(|other| other.session.root == recording.session.root);
    let found = assign(group.iter().map(|recording| claim(places, recording)).collect());
    Ok(group.into_iter().map(|recording| recording.session.task).zip(found).collect())
}

fn agent(recording: &Recording) -> Option<Agent> {
    Agent::parse(recording.session.agent.as_deref()?)
}

/// From when to when it ran.
fn span(recording: &Recording) -> Span {
    let ended = recording.session.ended.unwrap_or_else(|| {
        // Of one whose sharer was killed nobody knows when its program ended.
        let last = if recording.running { None } else { last_written(&recording.dir) };
        ms(last.unwrap_or_else(SystemTime::now))
    });
    Span { began: recording.session.started, ended }
}

fn last_written(dir: &Path) -> Option<SystemTime> {
    let files = std::fs::read_dir(dir).ok()?.flatten();
    files.filter_map(|entry| entry.metadata().ok()?.modified().ok()).max()
}

/// What may be what an agent keeps of the program.
fn claim(places: &Places, recording: &Recording) -> Claim<Found> {
    let session = &recording.session;
    let (directory, span) = (Path::new(&session.directory), span(recording));
    let Some(agent) = agent(recording) else {
        return Claim::Any { prompt: String::new(), during: Vec::new() };
    };
    let named = session.agent_session.as_deref().and_then(Name::parse);
    let named = named.and_then(|name| places.session(directory, &name, Some(agent)));
    // One that goes on may go on under another name.
    if let Some(named) = named.filter(|found| span.holds(ms(found.modified))) {
        return Claim::Named(named);
    }
    let during = places.sessions(directory, Some(agent));
    let during = during.take_while(|found| span.began_before(ms(found.modified)));
    let during = during.filter(|found| span.holds(ms(found.modified))).collect();
    Claim::Any { prompt: session.prompt.clone(), during }
}

/// A file's time as recordings say theirs.
pub(super) fn ms(at: SystemTime) -> UnixMs {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
