//! `sharer checkpoints`: what is kept with the commits of this repository.

use std::collections::BTreeSet;
use std::io::Write as _;

use anyhow::Context as _;
use serde_json::json;
use shared::checkpoint::record::Record;
use shared::recording;
use shared::time::in_words;

use super::{plain, print};
use crate::checkpoint::args::CheckpointsCommand;
use crate::checkpoint::keep::{Keep, V2, keep};
use crate::checkpoint::read::{Checkpoint, Part, Session};
use crate::checkpoint::{Error, Repository};
use crate::clock::{self, milliseconds};

/// The exit status of `verify` if something is wrong.
const WRONG: u8 = 1;
/// As much of a prompt stands in a list.
const SHORT: usize = 60;

/// `sharer checkpoints …`; the exit status.
pub fn checkpoints(command: &CheckpointsCommand) -> anyhow::Result<u8> {
    let repo = Repository::open(&std::env::current_dir()?)?;
    match command {
        CheckpointsCommand::Ls { json } => ls(&repo, *json).map(|()| 0),
        CheckpointsCommand::Show { id, session, raw, compact, cast, json } => {
            let checkpoint = repo.checkpoint(&repo.find(id)?)?;
            let parts = [(*raw, Part::Raw), (*compact, Part::Compact), (*cast, Part::Cast)];
            let part = parts.into_iter().find_map(|(is_it, part)| is_it.then_some(part));
            match part {
                Some(part) => write_part(&repo, &checkpoint, *session, part),
                None if *json => print(&format!("{}\n", as_json(&repo, &checkpoint, *session))),
                None => show(&repo, &checkpoint, *session),
            }
            .map(|()| 0)
        }
        CheckpointsCommand::Verify { id } => verify(&repo, id.as_deref()),
        CheckpointsCommand::Sync => sync(&repo).map(|()| 0),
    }
}

fn text(record: &Record, key: &'static str) -> String {
    plain(&record.get::<String>(key).unwrap_or_default())
}

/// The prompts of a session on one line, shortened.
fn asked(repo: &Repository, checkpoint: &Checkpoint, session: &Session) -> String {
    let mut prompt = Vec::new();
    let read = checkpoint.has(session, Part::Prompt).then(|| {
        checkpoint.read(repo, session, Part::Prompt, &mut |bytes| {
            prompt.extend_from_slice(bytes);
            Ok(())
        })
    });
    // One that cannot be read is shown by `verify`.
    drop(read);
    let words = String::from_utf8_lossy(&prompt).split_whitespace().collect::<Vec<_>>().join(" ");
    let short: String = plain(&words).chars().take(SHORT).collect();
    if words.chars().count() > SHORT { format!("{short}…") } else { short }
}

fn ls(repo: &Repository, as_json: bool) -> anyhow::Result<()> {
    let ids = repo.list()?;
    let now = clock::now().wall.0;
    let (mut values, mut lines) = (Vec::new(), Vec::new());
    for id in &ids {
        let checkpoint = match repo.checkpoint(id) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                print(&format!("{id}  cannot be read: {}\n", plain(&error.to_string())))?;
                continue;
            }
        };
        let times = checkpoint.sessions.iter().map(|session| text(&session.record, "created_at"));
        let newest = times.max().unwrap_or_default();
        if as_json {
            values.push(json!({
                "checkpoint_id": checkpoint.id.as_str(), "created_at": newest, "sessions": checkpoint.sessions.len(),
                "stores": checkpoint.stores(), "troubles": checkpoint.troubles,
            }));
        } else {
            let line = described(repo, &checkpoint, &newest, now);
            lines.push((newest, line));
        }
    }
    if as_json {
        return print(&format!("{}\n", serde_json::Value::from(values)));
    }
    if ids.is_empty() {
        return print("This repository has no checkpoints.\n");
    }
    // As the history of a repository is shown.
    lines.sort_by(|(one, _), (other, _)| other.cmp(one));
    lines.iter().try_for_each(|(_, line)| print(line))
}

/// A checkpoint on one line: when, of whom, and what was asked or run.
fn described(repo: &Repository, checkpoint: &Checkpoint, newest: &str, now: u64) -> String {
    let when = match milliseconds(newest) {
        Some(then) => format!("{} ago", in_words(now.saturating_sub(then))),
        None => newest.to_owned(),
    };
    let agents: BTreeSet<_> =
        checkpoint.sessions.iter().map(|session| text(&session.record, "agent")).collect();
    let agents = agents.into_iter().filter(|agent| !agent.is_empty()).collect::<Vec<_>>().join(", ");
    let count = checkpoint.sessions.len();
    let sessions = if count == 1 { "1 session".to_owned() } else { format!("{count} sessions") };
    let first = checkpoint.sessions.first();
    let about = first.map(|session| asked(repo, checkpoint, session)).filter(|asked| !asked.is_empty());
    let about = about.or_else(|| Some(plain(&checkpoint.recording(repo, first?).ok()??.name)));
    let about = about.unwrap_or_default();
    let said = [checkpoint.id.to_string(), when, sessions, agents, about];
    said.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ") + "\n"
}

/// The session that is meant; the last one without a number.
fn chosen(checkpoint: &Checkpoint, slot: Option<usize>) -> anyhow::Result<&Session> {
    let mut sessions = checkpoint.sessions.iter();
    let found = match slot {
        Some(slot) => sessions.find(|session| session.slot() == slot),
        None => sessions.max_by_key(|session| session.slot()),
    };
    found.with_context(|| {
        let slots: Vec<_> = checkpoint.sessions.iter().map(|session| session.slot().to_string()).collect();
        format!("checkpoint {} has no such session; it has {}", checkpoint.id, slots.join(", "))
    })
}

fn write_part(
    repo: &Repository,
    checkpoint: &Checkpoint,
    slot: Option<usize>,
    part: Part,
) -> anyhow::Result<()> {
    let session = chosen(checkpoint, slot)?;
    let mut out = std::io::stdout().lock();
    let mut write =
        |bytes: &[u8]| out.write_all(bytes).map_err(|error| Error::File { what: "stdout", error });
    let good = checkpoint.read(repo, session, part, &mut write)?;
    anyhow::ensure!(good != Some(false), "what was written is not what its hash says");
    Ok(())
}

fn as_json(repo: &Repository, checkpoint: &Checkpoint, slot: Option<usize>) -> serde_json::Value {
    let value =
        |record: &Record| serde_json::from_slice::<serde_json::Value>(&record.encode()).unwrap_or_default();
    let sessions =
        checkpoint.sessions.iter().filter(|session| slot.is_none_or(|slot| session.slot() == slot));
    let sessions: Vec<_> = sessions
        .map(|session| {
            json!({
                "slot": session.slot(), "metadata": value(&session.record),
                "raw": checkpoint.has(session, Part::Raw), "compact": checkpoint.has(session, Part::Compact),
                "terminal": checkpoint.has(session, Part::Cast),
                "recording": checkpoint.recording(repo, session).ok().flatten(),
            })
        })
        .collect();
    json!({
        "checkpoint_id": checkpoint.id.as_str(), "metadata": value(&checkpoint.root), "sessions": sessions,
        "stores": checkpoint.stores(), "troubles": checkpoint.troubles, "differences": checkpoint.differences(),
    })
}

/// What each session was recorded as, and which one started it.
fn recorded(repo: &Repository, checkpoint: &Checkpoint) -> Vec<String> {
    let all = checkpoint.sessions.iter();
    let all: Vec<_> = all.map(|session| checkpoint.recording(repo, session).ok().flatten()).collect();
    let words = |own: &Option<recording::Session>| {
        let Some(own) = own else { return String::new() };
        let is_parent = |other: &Option<recording::Session>| {
            own.parent.is_some() && other.as_ref().map(|other| &other.task) == own.parent.as_ref()
        };
        let parent = all.iter().zip(&checkpoint.sessions).find(|(other, _)| is_parent(other));
        let below = parent.map(|(_, parent)| format!(", started by {}", parent.slot()));
        plain(&own.name) + &below.unwrap_or_default()
    };
    all.iter().map(words).collect()
}

fn show(repo: &Repository, checkpoint: &Checkpoint, slot: Option<usize>) -> anyhow::Result<()> {
    if slot.is_some() {
        chosen(checkpoint, slot)?;
    }
    print(&format!("Checkpoint {} ({})\n", checkpoint.id, checkpoint.stores()))?;
    let all = checkpoint.sessions.iter().zip(recorded(repo, checkpoint));
    for (session, recorded) in all.filter(|(session, _)| slot.is_none_or(|slot| session.slot() == slot)) {
        let record = &session.record;
        let name = session.name.as_ref().map_or_else(|| "(no name)".to_owned(), ToString::to_string);
        print(&format!("\n{}  {name}\n", session.slot()))?;
        let parts = [Part::Raw, Part::Compact, Part::Cast, Part::Events];
        let parts = parts.into_iter().filter(|part| checkpoint.has(session, *part));
        let parts: Vec<_> = parts.map(Part::words).collect();
        for (what, said) in [
            ("agent", text(record, "agent")),
            ("model", text(record, "model")),
            ("attached", text(record, "created_at")),
            ("asked", asked(repo, checkpoint, session)),
            ("recorded", recorded),
            ("has", parts.join(", ")),
        ] {
            if !said.is_empty() {
                print(&format!("   {what:9}{said}\n"))?;
            }
        }
    }
    for trouble in checkpoint.troubles.iter().chain(&checkpoint.differences()) {
        print(&format!("\n! {}\n", plain(trouble)))?;
    }
    Ok(())
}

/// Reads every part of one checkpoint, or of all.
fn verify(repo: &Repository, id: Option<&str>) -> anyhow::Result<u8> {
    let ids = match id {
        Some(id) => vec![repo.find(id)?],
        None => repo.list()?,
    };
    let (mut wrong, mut read) = (0_usize, 0_usize);
    for id in &ids {
        let checkpoint = match repo.checkpoint(id) {
            Ok(checkpoint) => checkpoint,
            Err(error) => {
                wrong += 1;
                print(&format!("{id}  {}\n", plain(&error.to_string())))?;
                continue;
            }
        };
        let mut troubles = checkpoint.troubles.clone();
        troubles.extend(checkpoint.differences());
        for session in &checkpoint.sessions {
            for part in Part::ALL {
                if !checkpoint.has(session, part) {
                    continue;
                }
                read += 1;
                if part == Part::Manifest && matches!(checkpoint.recording(repo, session), Ok(None)) {
                    troubles.push(format!("session {}: the {} says nothing", session.slot(), part.words()));
                }
                match checkpoint.read(repo, session, part, &mut |_bytes| Ok(())) {
                    Ok(Some(false)) => {
                        troubles.push(format!(
                            "session {}: the {} is not what its hash says",
                            session.slot(),
                            part.words()
                        ));
                    }
                    Ok(_) => {}
                    Err(error) => {
                        troubles.push(format!("session {}: {}: {error}", session.slot(), part.words()));
                    }
                }
            }
        }
        for trouble in &troubles {
            print(&format!("{id}  {}\n", plain(trouble)))?;
        }
        wrong += usize::from(!troubles.is_empty());
    }
    for id in repo.behind() {
        print(&format!("{id}  v2 may lack something; `sharer checkpoints sync` brings it over\n"))?;
    }
    let counted =
        if ids.len() == 1 { "1 checkpoint".to_owned() } else { format!("{} checkpoints", ids.len()) };
    let said = match (wrong, read) {
        (0, 0) => String::new(),
        (0, _) => ": all is well".to_owned(),
        (1, _) => ": something is wrong with 1 of them".to_owned(),
        _ => format!(": something is wrong with {wrong} of them"),
    };
    print(&format!("{counted}, {read} files read{said}.\n"))?;
    Ok(if wrong > 0 { WRONG } else { 0 })
}

fn sync(repo: &Repository) -> anyhow::Result<()> {
    if repo.settings().unreadable {
        anyhow::bail!("the settings in .entire cannot be read, so v2 counts as switched off");
    }
    if !repo.settings().v2 {
        return print("v2 is switched off (`strategy_options.checkpoints_v2` in .entire/settings.json).\n");
    }
    let (mut whole, mut behind) = (0_usize, 0_usize);
    for id in repo.own()? {
        let trouble = match keep(repo, &Keep { id: &id, is_named: true, sessions: &[], v2: true }) {
            Ok(done) => match done.v2 {
                V2::Behind(failure) => Some(failure.to_string()),
                V2::Off | V2::Whole(_) => None,
            },
            // Only v2 has it, or it cannot be understood.
            Err(error) => Some(error.to_string()),
        };
        match trouble {
            None => whole += 1,
            Some(why) => {
                behind += 1;
                print(&format!("{id}  {}\n", plain(&why)))?;
            }
        }
    }
    // Of what was never written nothing is behind.
    let all = repo.list()?;
    for id in repo.behind().iter().filter(|id| !all.contains(id)) {
        repo.forget_behind(id);
    }
    print(&format!("v2 has {whole} checkpoints as v1 has them.\n"))?;
    anyhow::ensure!(behind == 0, "{behind} checkpoints could not be brought over");
    Ok(())
}
