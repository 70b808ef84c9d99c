//! What is attached: a transcript that was named, or the one that an agent keeps.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Cursor, Read};
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use shared::checkpoint::agent::Agent;
use shared::checkpoint::compact::{Facts, Reader};
use shared::checkpoint::id::Name;
use shared::checkpoint::metadata::NewSession;
use shared::checkpoint::plan::{Kept, Object};
use shared::checkpoint::redact;

use crate::agents::transcripts::{Found, Places, open};
use crate::checkpoint::args::AttachArgs;
use crate::checkpoint::{Repository, take};

/// What stands between prompts.
const BETWEEN: &str = "\n\n---\n\n";
/// By so much of its beginning a transcript's agent is known, in bytes.
const BEGINNING: u64 = 64 * 1024;
/// Files are read in such parts.
const PART: usize = 256 * 1024;

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
    let name = args.session.as_deref().map(|name| {
        Name::parse(name)
            .context("a session's name has letters, digits, - and _, at most 200; nothing was written")
    });
    let name = name.transpose()?;
    let agent = args.agent.as_deref().map(|agent| {
        let known = || Agent::ALL.map(Agent::name).join(", ");
        Agent::parse(agent)
            .with_context(|| format!("no transcripts of that agent are known, but of these: {}", known()))
    });
    let agent = agent.transpose()?;
    let Some(path) = &args.transcript else {
        let (places, found) = find(repo, name, agent, args.force, ask)?;
        return of_agent(repo, &places, &found);
    };
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

/// The session that an agent keeps: the one of this name, or the newest of this directory if the person wants that.
fn find(
    repo: &Repository,
    name: Option<Name>,
    agent: Option<Agent>,
    force: bool,
    ask: &mut dyn FnMut(&str) -> Option<bool>,
) -> anyhow::Result<(Places, Found)> {
    let places = Places::of_user().context("there is no home to look for transcripts in")?;
    let directory = match repo.worktree() {
        Some(worktree) => worktree.canonicalize()?,
        None => std::env::current_dir()?,
    };
    if let Some(name) = name {
        let found = places.session(&directory, &name, agent);
        let found = found.with_context(|| {
            format!("no agent's transcript of session {name} was found; name its file: sharer attach {name} --transcript FILE")
        })?;
        return Ok((places, found));
    }
    let found = places.sessions(&directory, agent).next();
    let found = found.context(
        "no agent kept a session of this directory; name a transcript: sharer attach --transcript FILE",
    )?;
    let session = format!("{} of {}", found.session_id, found.agent.display());
    if !force {
        match ask(&format!("The newest session here is {session}.\nAttach it?")) {
            Some(true) => {}
            Some(false) => bail!("nothing was attached; name another session: sharer attach SESSION"),
            None => bail!(
                "the newest session here is {session}, and there is nobody to ask; name it, or say --force"
            ),
        }
    }
    Ok((places, found))
}

/// A session that an agent keeps, with what its subagents said.
fn of_agent(repo: &Repository, places: &Places, found: &Found) -> anyhow::Result<Gathered> {
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
            let more = if index == 0 { String::new() } else { format!(".{index:03}") };
            kept.tasks.insert(format!("{task}/agent-{agent}.jsonl{more}"), piece);
        }
        let record = serde_json::json!({
            "session_id": found.session_id.as_str(), "tool_use_id": task.as_str(), "checkpoint_uuid": "",
            "agent_id": agent.as_str(),
        });
        let record = repo.store_json(&record)?;
        kept.tasks.insert(format!("{task}/checkpoint.json"), record);
    }
    Ok(Gathered { kept: vec![kept], warnings })
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
    let prompt = redact::text(facts.prompts.join(BETWEEN).as_bytes());
    let session = NewSession {
        cli_version: env!("CARGO_PKG_VERSION").to_owned(),
        session_id,
        created_at: repo.now(),
        branch: None,
        checkpoints_count: facts.turns.max(1),
        files_touched: Vec::new(),
        agent: agent.map(|agent| agent.display().to_owned()),
        model: facts.model.clone(),
        token_usage: facts.token_usage,
    };
    let prompt = String::from_utf8_lossy(prompt.bytes()).into_owned();
    let extra: BTreeMap<String, Object> = BTreeMap::new();
    let kept =
        Kept { session, transcript: taken.pieces, hash: taken.hash, prompt, extra, tasks: BTreeMap::new() };
    Ok((kept, facts))
}
