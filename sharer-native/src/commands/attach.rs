//! `sharer attach`: a session kept with a commit.

mod gather;
mod recorded;
mod whose;

use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};

use anyhow::{Context as _, bail};
use rustix::stdio::stdout;
use rustix::termios::isatty;
use shared::checkpoint::id::CheckpointId;
use shared::checkpoint::plan::Kept;
use shared::checkpoint::trailer;
use shared::id::short;

use super::{complain, print};
use crate::checkpoint::amend::{self, Trailer};
use crate::checkpoint::args::AttachArgs;
use crate::checkpoint::keep::{Done, Keep, V2, keep};
use crate::checkpoint::repository::Commit;
use crate::checkpoint::{Repository, state};
use crate::{exit, log};

const MOVED: &str = "HEAD moved meanwhile";

/// `sharer attach`; the exit status.
pub fn attach(args: &AttachArgs) -> anyhow::Result<u8> {
    if let Some(path) = &args.log_file {
        log::begin(path).with_context(|| format!("cannot write the log {}", path.display()))?;
    }
    let repo = Repository::open(&std::env::current_dir()?)?;
    let settings = repo.settings();
    if !settings.enabled {
        print("Checkpoints are switched off here (`enabled` in .entire/settings.json).\n")?;
        return Ok(0);
    }
    if settings.v2_only {
        bail!(
            "`strategy_options.checkpoints_v2_only` is on, and sharer never writes v2 without v1; nothing was attached"
        );
    }
    if settings.unreadable {
        complain("the settings in .entire cannot be read, so v2 counts as switched off");
    }
    let head = repo.head()?;
    let commit = if args.commit == "HEAD" { head.clone() } else { repo.resolve(&args.commit)? };
    let named = commit.checkpoint();
    let id = match &named {
        Some(id) => id.clone(),
        None => fresh()?,
    };
    let sessions = gather::sessions(&repo, args, &mut ask)?;
    for warning in &sessions.warnings {
        complain(warning);
    }
    let sessions = sessions.kept;
    // What the person does not want is not written first.
    let amends = (commit.id == head.id).then(|| amend::may(&repo, &commit, &id, args.force, &mut ask));
    let wish = Keep { id: &id, is_named: named.is_some(), sessions: &sessions, v2: settings.v2 };
    let done = keep(&repo, &wish)?;
    // Upstream's programs know nothing of what only we recorded.
    let known = sessions.iter().filter(|kept| kept.session.agent.as_deref() != Some(recorded::OURS));
    for Kept { session, .. } in known {
        if let Err(error) = state::note(&repo, session, &id, &commit.id.to_string()) {
            tracing::warn!(%error, session = %session.session_id, "the session's state was not written");
            complain(&format!("the state of session {} was not written: {error}", session.session_id));
        }
    }
    let trailer = match amends {
        Some(Ok(message)) => amend::amend(&repo, &commit, &id, &message),
        Some(Err(trailer)) => trailer,
        None if named.is_some() => Trailer::Had,
        None => Trailer::Left("only HEAD's message is ever changed".to_owned()),
    };
    tell(args, &id, &sessions, &commit, &done, &trailer)?;
    let failed = args.strict_v2 && matches!(done.v2, V2::Behind(_));
    Ok(if failed { exit::FAILED } else { 0 })
}

/// An id that nobody has.
fn fresh() -> anyhow::Result<CheckpointId> {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes).context("no randomness")?;
    Ok(CheckpointId::from_bytes(bytes))
}

/// Asks at the terminal; where the answer goes to a program nobody is there to ask.
fn ask(question: &str) -> Option<bool> {
    if !isatty(stdout()) {
        return None;
    }
    let question: String = question.chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    let mut terminal = BufReader::new(File::options().read(true).write(true).open("/dev/tty").ok()?);
    loop {
        write!(terminal.get_mut(), "{question} [Y/n] ").ok()?;
        let mut answer = String::new();
        terminal.read_line(&mut answer).ok()?;
        match answer.trim().to_lowercase().as_str() {
            // The terminal is gone.
            _ if answer.is_empty() => return Some(false),
            "" | "y" | "yes" => return Some(true),
            "n" | "no" => return Some(false),
            _ => writeln!(terminal.get_mut(), "Please answer y or n.").ok()?,
        }
    }
}

fn tell(
    args: &AttachArgs,
    id: &CheckpointId,
    sessions: &[Kept],
    commit: &Commit,
    done: &Done,
    trailer: &Trailer,
) -> anyhow::Result<()> {
    let line = format!("{}: {id}", trailer::KEY);
    match &done.v2 {
        V2::Off => {}
        V2::Whole(only_here) => {
            for name in only_here {
                complain(&format!("only v2 has session {name} of this checkpoint; it stays there"));
            }
        }
        V2::Behind(failure) => {
            complain(&format!("v1 has it, v2 does not: {failure}; `sharer checkpoints sync` tries again"));
        }
    }
    if args.json {
        let v2 = match &done.v2 {
            V2::Off => serde_json::json!("off"),
            V2::Whole(_) => serde_json::json!("whole"),
            V2::Behind(failure) => {
                serde_json::json!({"ref": failure.reference, "stage": failure.stage, "reason": failure.why})
            }
        };
        let sessions = sessions.iter().zip(&done.slots);
        let sessions: Vec<_> = sessions
            .map(|(kept, slot)| serde_json::json!({"session_id": kept.session.session_id.as_str(), "slot": slot}))
            .collect();
        let (commit, why) = match trailer {
            Trailer::Had => (Some(commit.id.to_string()), None),
            Trailer::Added { commit } => (Some(commit.clone()), None),
            Trailer::Left(why) => (None, Some(why.as_str())),
            Trailer::Moved => (None, Some(MOVED)),
        };
        let done = serde_json::json!({
            "checkpoint_id": id.as_str(), "sessions": sessions, "changed": !done.is_same, "v2": v2,
            "trailer": line, "commit": commit, "trailer_left": why,
        });
        return print(&format!("{done}\n"));
    }
    let names: Vec<_> = sessions.iter().map(|kept| kept.session.session_id.as_str()).collect();
    let all = || names.iter().map(|name| short(name)).collect::<Vec<_>>().join(", ");
    print(&match (names.as_slice(), done.is_same) {
        ([name], true) => format!("Checkpoint {id} has session {name} as it is.\n"),
        ([name], false) => format!("Attached session {name} to checkpoint {id}.\n"),
        (_, true) => {
            format!("Checkpoint {id} has these {} sessions as they are: {}.\n", names.len(), all())
        }
        (_, false) => format!("Attached {} sessions to checkpoint {id}: {}.\n", names.len(), all()),
    })?;
    match trailer {
        Trailer::Had => Ok(()),
        Trailer::Added { commit } => {
            print(&format!("The commit names it, and is now {}.\n", commit.get(..10).unwrap_or(commit)))
        }
        // The commit whose message it would be put into may have been replaced.
        Trailer::Moved => print(&format!(
            "No commit names it, because {MOVED}. Run the same `sharer attach` again: it amends the commit that is there now.\n"
        )),
        Trailer::Left(why) => print(&format!(
            "The commit {} does not name it ({why}). Put this at the end of its message:\n\n{line}\n",
            commit.short()
        )),
    }
}
