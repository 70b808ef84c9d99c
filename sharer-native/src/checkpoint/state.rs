//! What upstream's CLI remembers of a session (CHECKPOINTS 3): told of an attach where that CLI is in use, and otherwise
//! left alone.

use std::io;

use shared::checkpoint::id::CheckpointId;
use shared::checkpoint::metadata::NewSession;
use shared::checkpoint::record::{MAX_RECORD, Record};

use super::Repository;

/// The keys that are set, in upstream's order.
const KEYS: &[&str] = &[
    "session_id",
    "cli_version",
    "base_commit",
    "started_at",
    "phase",
    "last_checkpoint_id",
    "attached_manually",
    "agent_type",
    "model_name",
    "token_usage",
];

/// Notes in the session's state that it is in a checkpoint; all other keys stay as they are.
pub fn note(repo: &Repository, session: &NewSession, id: &CheckpointId, commit: &str) -> io::Result<()> {
    let folder = repo.common().join("entire-sessions");
    if !folder.is_dir() {
        return Ok(());
    }
    let path = folder.join(format!("{}.json", session.session_id));
    let mut state = match std::fs::metadata(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Record::default(),
        Err(error) => return Err(error),
        Ok(found) if found.len() > MAX_RECORD as u64 => return Err(io::Error::other("it is too large")),
        Ok(_) => Record::parse(&std::fs::read(&path)?).map_err(io::Error::other)?,
    };
    state.set("session_id", &session.session_id.as_str(), KEYS);
    state.set("last_checkpoint_id", &id.as_str(), KEYS);
    state.set("attached_manually", &true, KEYS);
    let said = [
        ("cli_version", session.cli_version.as_str()),
        // Without it later commits are not linked; one that is running stays so.
        ("base_commit", commit),
        ("started_at", session.created_at.as_str()),
        ("phase", "ended"),
        ("agent_type", session.agent.as_deref().unwrap_or_default()),
        ("model_name", session.model.as_str()),
    ];
    for (key, value) in said {
        let is_said = get(&state, key).is_ok_and(|held| !held.is_empty());
        if !is_said && !value.is_empty() {
            state.set(key, &value, KEYS);
        }
    }
    if let Some(usage) = &session.token_usage {
        state.set("token_usage", usage, KEYS);
    }
    let whole = path.with_extension("json.sharer");
    std::fs::write(&whole, state.encode())?;
    std::fs::rename(whole, path)
}

fn get(state: &Record, key: &'static str) -> Result<String, shared::checkpoint::record::Malformed> {
    state.get(key)
}
