//! Generations of raw transcripts: a full one is archived under a number, and the next begins empty (CHECKPOINTS 2.6).

use gix::objs::tree::{Entry, EntryKind};
use shared::checkpoint::layout::{V2_ARCHIVES, V2_FULL, V2_MAIN};
use shared::checkpoint::record::Record;

use super::refs::{Move, Moved};
use super::{Error, Repository};

/// Checkpoints in a generation (upstream's bound).
const FULL: usize = 100;

/// Archives the present generation if it is full.
pub(super) fn rotate(repo: &Repository) -> Result<bool, Error> {
    let Some(tip) = repo.tip(V2_FULL)? else { return Ok(false) };
    let tree = repo.tree_at(tip)?;
    let held = repo.checkpoints(tree)?;
    if held.len() < FULL {
        return Ok(false);
    }
    let main = repo.tree_of(V2_MAIN)?;
    let mut times = Vec::new();
    for (id, _) in &held {
        let records = repo.held(main, id)?.records;
        let times_of =
            records.values().filter_map(|json| Record::parse(json).ok()?.get::<String>("created_at").ok());
        times.extend(times_of.filter(|time| !time.is_empty()));
    }
    // Fractions of a second come behind the whole one.
    times.sort_unstable_by(|one, other| one.trim_end_matches('Z').cmp(other.trim_end_matches('Z')));
    let now = repo.now();
    let (oldest, newest) = (times.first().unwrap_or(&now), times.last().unwrap_or(&now));
    let generation = format!(
        "{{\n  \"oldest_checkpoint_at\": {},\n  \"newest_checkpoint_at\": {}\n}}\n",
        serde_json::json!(oldest),
        serde_json::json!(newest)
    );
    let mut entries = repo.tree(tree)?.entries;
    entries.retain(|entry| entry.filename != "generation.json");
    let oid = repo.write(generation.as_bytes())?;
    entries.push(Entry { mode: EntryKind::Blob.into(), filename: "generation.json".into(), oid });
    entries.sort();
    let archived = repo.commit_of(repo.write_tree(entries)?, Some(tip), "Archive generation")?;
    let next = repo.commit_of(repo.write_tree(Vec::new())?, None, "Start generation")?;
    let number = repo.archives()?.first().map_or(0, |(number, _)| *number).saturating_add(1);
    let moves = [
        Move { name: format!("{V2_ARCHIVES}{number:013}"), from: None, to: archived },
        Move { name: V2_FULL.to_owned(), from: Some(tip), to: next },
    ];
    match repo.move_refs(&moves)? {
        Moved::All => Ok(true),
        // Whoever was faster rotates, or the next attach does.
        Moved::Conflict => Ok(false),
        Moved::None(why) => Err(Error::Git { what: "the refs of generations", why }),
    }
}
