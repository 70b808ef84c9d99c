//! What is attached: a transcript that was named, a session that was recorded here, or one that an agent keeps.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use shared::checkpoint::agent::Agent;
use shared::checkpoint::compact::{Facts, Reader};
use shared::checkpoint::id::Name;
use shared::checkpoint::layout;
use shared::checkpoint::metadata::NewSession;
use shared::checkpoint::plan::Kept;
use shared::checkpoint::redact;
use shared::checkpoint::whose::Span;

use super::{recorded, whose};
use crate::agents::transcripts::{Found, Places, open};
use crate::checkpoint::args::AttachArgs;
use crate::checkpoint::take::Taken;
use crate::checkpoint::{Repository, take};
use crate::commands::plain;
use crate::record::place::{self, Recording};

/// What stands between prompts.
const BETWEEN: &str = "\n\n---\n\n";
/// By so much of its beginning a transcript's agent is known, in bytes.
const BEGINNING: u64 = 64 * 1024;
/// Files are read in such parts.
pub(super) const PART: usize = 256 * 1024;

/// What was found.
pub(super) struct Gathered {
    /// Never none.
    pub(super) kept: Vec<Kept>,
    /// What the person should know.
    pub(super) warnings: Vec<String>,
}

/// Finds and stores what the command line means.
pub(super) fn sessions(
    repo: &Repository,
    args: &AttachArgs,
    ask: &mut dyn FnMut(&str) -> Option<bool>,
) -> anyhow::Result<Gathered> {
    let agent = args.agent.as_deref().map(|agent| {
        let known = || Agent::ALL.map(Agent::name).join(", ");
        Agent::parse(agent)
            .with_context(|| format!("no transcripts of that agent are known, but of these: {}", known()))
    });
    let agent = agent.transpose()?;
    let Some(path) = &args.transcript else {
        let places = Places::of_user().context("there is no home to look for transcripts in")?;
        return match find(repo, &places, args, agent, ask)? {
            Meant::Recorded(recording) => recorded::sessions(repo, &places, &recording),
            Meant::Kept(found) => {
                let (kept, warnings) = of_agent(repo, &places, &found)?;
                Ok(Gathered { kept: vec![kept], warnings })
            }
        };
    };
    let name = args.session.as_deref().map(|name| {
        Name::parse(name)
            .context("a session's name has letters, digits, - and _, at most 200; nothing was written")
    });
    let name = name.transpose()?;
    let mut warnings = Vec::new();
    let (kept, _) = if path.as_os_str() == "-" {
        let by_name = |facts: &Facts| {
            let told = facts.session_id.as_deref().and_then(Name::parse);
            name.or(told).context(
                "name the session that stdin is the transcript of: sharer attach SESSION --transcript -",
            )
        };
        store(repo, &mut std::io::stdin().lock(), agent, by_name, &mut warnings)?
    } else {
        let by_name = |facts: &Facts| {
            let told = facts.session_id.as_deref().and_then(Name::parse);
            let stem = || path.file_stem().and_then(|stem| Name::parse(stem.to_str()?));
            name.or(told).or_else(stem).context("name the session: sharer attach SESSION --transcript FILE")
        };
        let mut file =
            std::fs::File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
        store(repo, &mut file, agent, by_name, &mut warnings)?
    };
    Ok(Gathered { kept: vec![kept], warnings })
}

/// What is meant.
enum Meant {
    /// A program that was recorded here, and all below it.
    Recorded(Box<Recording>),
    /// A session that an agent keeps.
    Kept(Found),
}

/// The session of this name, recorded or kept by an agent; or the newest of this directory if the person wants that.
fn find(
    repo: &Repository,
    places: &Places,
    args: &AttachArgs,
    agent: Option<Agent>,
    ask: &mut dyn FnMut(&str) -> Option<bool>,
) -> anyhow::Result<Meant> {
    let directory = match repo.worktree() {
        Some(worktree) => worktree.canonicalize()?,
        None => std::env::current_dir()?,
    };
    match &args.session {
        Some(name) => named(places, &directory, name, agent),
        None => newest(places, &directory, agent, args.force, ask),
    }
}

/// What the person named. Who names an agent means a session by that agent's own id.
fn named(places: &Places, directory: &Path, name: &str, agent: Option<Agent>) -> anyhow::Result<Meant> {
    let recorded = |recording| Meant::Recorded(Box::new(recording));
    if agent.is_none()
        && let Some(recording) = whose::exactly(name)?
    {
        return Ok(recorded(recording));
    }
    if let Some(found) = Name::parse(name).and_then(|name| places.session(directory, &name, agent)) {
        // What was recorded of it goes with it.
        let recording = whose::recording_of(places, &found);
        return Ok(recording.map_or(Meant::Kept(found), recorded));
    }
    if agent.is_none()
        && let Some(recording) = place::called(name, directory)?
    {
        return Ok(recorded(recording));
    }
    let name = plain(name);
    bail!(
        "nothing is recorded under {name} (`sharer ls --recorded` lists what is), and no agent's transcript of it was found; name its file: sharer attach {name} --transcript FILE"
    )
}

/// The newest session of this directory, after asking.
fn newest(
    places: &Places,
    directory: &Path,
    agent: Option<Agent>,
    force: bool,
    ask: &mut dyn FnMut(&str) -> Option<bool>,
) -> anyhow::Result<Meant> {
    let found = places.sessions(directory, agent).next();
    // What was recorded of it goes with it.
    let writer = found.as_ref().and_then(|found| whose::recording_of(places, found));
    let recording = if agent.is_some() {
        writer
    } else {
        // A task is a part of something that began before it and may have changed before it.
        let writer = writer.map(|writer| whose::top(writer, directory)).transpose()?;
        let is_newer =
            |span: &Span| found.as_ref().is_none_or(|found| span.ended_after(whose::ms(found.modified)));
        let newest = whose::newest(directory).filter(|(_, span)| is_newer(span));
        newest.map(|(recording, _)| recording).or(writer)
    };
    let (session, meant) = match (recording, found) {
        (Some(recording), _) => (described(&recording)?, Meant::Recorded(Box::new(recording))),
        (None, Some(found)) => {
            (format!("{} of {}", found.session_id, found.agent.display()), Meant::Kept(found))
        }
        (None, None) => bail!(
            "nothing was recorded in this directory, and no agent kept a session of it; name a transcript: sharer attach --transcript FILE"
        ),
    };
    if !force {
        match ask(&format!("The newest session here is {session}.\nAttach it?")) {
            Some(true) => {}
            Some(false) => bail!("nothing was attached; name another session: sharer attach SESSION"),
            None => bail!(
                "the newest session here is {session}, and there is nobody to ask; name it, or say --force"
            ),
        }
    }
    Ok(meant)
}

/// A recording, for people.
fn described(recording: &Recording) -> anyhow::Result<String> {
    let name = plain(&recording.session.name);
    let id = plain(&recording.session.task.0);
    let runs = if recording.running { ", which runs" } else { "" };
    Ok(match place::below(recording)?.len() {
        0 => format!("{name} ({id}, recorded here{runs})"),
        1 => format!("{name} ({id}, recorded here{runs}, with the task below it)"),
        count => format!("{name} ({id}, recorded here{runs}, with the {count} tasks below it)"),
    })
}

/// A session that an agent keeps, with what its subagents said.
pub(super) fn of_agent(
    repo: &Repository,
    places: &Places,
    found: &Found,
) -> anyhow::Result<(Kept, Vec<String>)> {
    let mut warnings = Vec::new();
    let opened = |path: &PathBuf| open(path).with_context(|| format!("cannot read {}", path.display()));
    let name = found.session_id.clone();
    let mut file = opened(&found.path)?;
    let (mut kept, facts) = store(repo, &mut file, Some(found.agent), |_facts| Ok(name), &mut warnings)?;
    if kept.session.model.is_empty() {
        kept.session.model = places.model(found).unwrap_or_default();
    }
    for (subagent, path) in places.subagents(found, &facts.subagents) {
        let (task, agent) = (&subagent.tool_use_id, &subagent.agent_id);
        let taken = opened(&path).and_then(|file| {
            let mut from = BufReader::with_capacity(PART, file);
            Ok(take::take(repo, &mut from, Some(found.agent), &mut |_line| {})?)
        });
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) => {
                warnings.push(format!("what subagent {agent} said is not attached: {error:#}"));
                continue;
            }
        };
        for (index, piece) in taken.pieces.into_iter().enumerate() {
            kept.tasks.insert(layout::piece(&format!("{task}/agent-{agent}.jsonl"), index), piece);
        }
        let record = serde_json::json!({
            "session_id": found.session_id.as_str(), "tool_use_id": task.as_str(), "checkpoint_uuid": "",
            "agent_id": agent.as_str(),
        });
        let record = repo.store_json(&record)?;
        kept.tasks.insert(format!("{task}/checkpoint.json"), record);
    }
    Ok((kept, warnings))
}

/// Stores a transcript and says what it says of its session.
fn store(
    repo: &Repository,
    from: &mut dyn Read,
    agent: Option<Agent>,
    name: impl FnOnce(&Facts) -> anyhow::Result<Name>,
    warnings: &mut Vec<String>,
) -> anyhow::Result<(Kept, Facts)> {
    let mut beginning = Vec::new();
    Read::take(&mut *from, BEGINNING).read_to_end(&mut beginning).context("cannot read the transcript")?;
    let agent = agent.or_else(|| Agent::detect(&beginning));
    let mut from = BufReader::with_capacity(PART, Cursor::new(beginning).chain(from));
    let mut reader = agent.map(|agent| Reader::new(agent, None, 0));
    let from: &mut dyn BufRead = &mut from;
    let taken = take::take(repo, from, agent, &mut |line| {
        if let Some(reader) = &mut reader {
            reader.line(line);
        }
    })?;
    let facts = reader.map(|reader| reader.finish().facts).unwrap_or_default();
    let session_id = name(&facts)?;
    if facts.prompts.is_empty() {
        warnings.push(format!("no prompt was found in the transcript of session {session_id}"));
    }
    let agent = agent.map(|agent| agent.display().to_owned());
    let (session, prompt) = new_session(repo, session_id, agent, &facts);
    let Taken { pieces, hash, .. } = taken;
    let (extra, tasks) = (BTreeMap::new(), BTreeMap::new());
    Ok((Kept { session, transcript: pieces, hash, prompt, extra, tasks }, facts))
}

/// What is said of a session that is attached now, and its prompts as one text.
pub(super) fn new_session(
    repo: &Repository,
    session_id: Name,
    agent: Option<String>,
    facts: &Facts,
) -> (NewSession, String) {
    let prompt = redact::text(facts.prompts.join(BETWEEN).as_bytes());
    let session = NewSession {
        cli_version: env!("CARGO_PKG_VERSION").to_owned(),
        session_id,
        created_at: repo.now(),
        branch: None,
        checkpoints_count: facts.turns.max(1),
        files_touched: Vec::new(),
        agent,
        model: facts.model.clone(),
        token_usage: facts.token_usage,
    };
    (session, String::from_utf8_lossy(prompt.bytes()).into_owned())
}
