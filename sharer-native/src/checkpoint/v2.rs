//! v2 made equal to v1, up to where only its refs are to be moved.

use std::collections::BTreeMap;

use gix::ObjectId;
use sha2::{Digest as _, Sha256};
use shared::checkpoint::agent::Agent;
use shared::checkpoint::chunks::MAX_CHUNK;
use shared::checkpoint::compact::{self, Compacted, Head};
use shared::checkpoint::id::{CheckpointId, Name};
use shared::checkpoint::layout::{self, Store, V2_FULL, V2_MAIN};
use shared::checkpoint::plan::{self, Compact, Held, Mirror};
use shared::checkpoint::record::Record;

use super::objects::{id_of, named};
use super::refs::Move;
use super::{Error, Repository};

/// The first commit of its refs.
const FIRST: &str = "Initialize v2 ref";
/// A hash's file, with more than it should have.
const MAX_HASH: u64 = 200;

/// Why v2 is not what v1 is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reference} ({stage}): {why}")]
pub struct Failure {
    /// Where.
    pub reference: &'static str,
    /// What was being done: `read`, `transcript`, `write`, `refs`.
    pub stage: &'static str,
    /// Why it could not be.
    pub why: String,
}

/// What is ready to be moved.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) moves: Vec<Move>,
    pub(super) only_here: Vec<Name>,
}

/// One of its refs as it is, and as it will be.
struct Side {
    name: &'static str,
    tip: Option<ObjectId>,
    tree: Option<ObjectId>,
    commit: Option<ObjectId>,
    held: Held,
}

impl Side {
    fn read(repo: &Repository, name: &'static str, id: &CheckpointId) -> Result<Self, Error> {
        let tip = repo.tip(name)?;
        let tree = tip.map(|tip| repo.tree_at(tip)).transpose()?;
        Ok(Self { name, tip, tree, commit: tip, held: repo.held(tree, id)? })
    }

    /// One commit more, if anything changes.
    fn change(&mut self, repo: &Repository, id: &CheckpointId, edits: plan::Edits) -> Result<(), Error> {
        if edits.is_empty() {
            return Ok(());
        }
        let mut changes = BTreeMap::new();
        repo.apply(id, &mut self.held, edits, &mut changes)?;
        let tree = repo.spliced(self.tree, changes)?;
        // Made again it may be what it was.
        if self.tree == Some(tree) {
            return Ok(());
        }
        let parent = repo.parent(self.commit, FIRST)?;
        self.commit = Some(repo.commit_of(tree, Some(parent), &format!("Checkpoint: {id}\n"))?);
        self.tree = Some(tree);
        Ok(())
    }

    fn moved(&self) -> Option<Move> {
        let to = self.commit.filter(|_| self.commit != self.tip)?;
        Some(Move { name: self.name.to_owned(), from: self.tip, to })
    }
}

/// Writes what v2 lacks of a checkpoint: first of what v1 had before, so that this is a commit of its own and whole, then
/// of what it has now.
pub(super) fn prepare(
    repo: &Repository,
    id: &CheckpointId,
    before: &Held,
    now: &Held,
) -> Result<Prepared, Failure> {
    let failed = |reference, stage| move |error: Error| Failure { reference, stage, why: error.to_string() };
    let mut main = Side::read(repo, V2_MAIN, id).map_err(failed(V2_MAIN, "read"))?;
    let mut full = Side::read(repo, V2_FULL, id).map_err(failed(V2_FULL, "read"))?;
    let archived = archived(repo, id).map_err(failed(V2_FULL, "read"))?;
    let mut only_here = Vec::new();
    let steps = [(!before.files.is_empty()).then_some(before), (before.files != now.files).then_some(now)];
    for v1 in steps.into_iter().flatten() {
        let refused = |why| failed(V2_MAIN, "read")(Error::Refused { id: id.clone(), why });
        let mirror = Mirror { id, v1, main: &main.held, current: &full.held, archived: &archived };
        let mut compacts = BTreeMap::new();
        for slot in plan::wanted(&mirror).map_err(refused)? {
            let compact = compact_of(repo, id, v1, slot).map_err(failed(V2_MAIN, "transcript"))?;
            compacts.extend(compact.map(|compact| (slot, compact)));
        }
        let mirrored = plan::mirror(&mirror, &compacts).map_err(refused)?;
        main.change(repo, id, mirrored.main).map_err(failed(V2_MAIN, "write"))?;
        full.change(repo, id, mirrored.current).map_err(failed(V2_FULL, "write"))?;
        only_here = mirrored.only_here;
    }
    Ok(Prepared { moves: [main.moved(), full.moved()].into_iter().flatten().collect(), only_here })
}

/// What archived generations have of a checkpoint, the newest first.
pub(super) fn archived(repo: &Repository, id: &CheckpointId) -> Result<Vec<Held>, Error> {
    let mut found = Vec::new();
    for (_, commit) in repo.archives()? {
        let held = repo.held(Some(repo.tree_at(commit)?), id)?;
        if !held.files.is_empty() {
            found.push(held);
        }
    }
    Ok(found)
}

/// The compact form of what v1 has in a slot, checked by its hash; `None` if its agent's cannot be made, or it is longer
/// than one piece.
fn compact_of(
    repo: &Repository,
    id: &CheckpointId,
    v1: &Held,
    slot: usize,
) -> Result<Option<Compact>, Error> {
    let raw = raw(repo, id, v1, slot)?;
    let record = v1.records.get(&slot).and_then(|json| Record::parse(json).ok()).unwrap_or_default();
    let Some(raw) = raw else { return Ok(None) };
    let Some(Compacted { bytes, start, .. }) = compacted(&record, &raw) else { return Ok(None) };
    let hash = hash(&bytes);
    Ok(Some(Compact { object: named(repo.write(&bytes)?), hash, start }))
}

/// The compact form of a session's transcript, with the start of its part.
fn compacted(record: &Record, raw: &[u8]) -> Option<Compacted> {
    let text = |key| record.get::<String>(key).unwrap_or_default();
    let agent = Agent::parse(&text("agent"))?;
    // Readers refuse lines without a version.
    let version = Some(text("cli_version")).filter(|version| !version.is_empty());
    let head = Head {
        agent: agent.display().to_owned(),
        cli_version: version.unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned()),
    };
    let start = record.get("checkpoint_transcript_start").unwrap_or_default();
    compact::read(agent, Some(&head), start, raw).compact
}

/// What a hash's file has.
fn hash(bytes: &[u8]) -> String {
    format!("sha256:{}", data_encoding::HEXLOWER.encode(&Sha256::digest(bytes)))
}

/// A transcript, if it is not longer than one piece may be; all of it is checked by its hash, if it has one.
fn raw(repo: &Repository, id: &CheckpointId, held: &Held, slot: usize) -> Result<Option<Vec<u8>>, Error> {
    let mut whole = Some(Vec::new());
    let good = checked(repo, id, held, slot, Store::V1, &mut |bytes| {
        if let Some(all) = &mut whole {
            if all.len().saturating_add(bytes.len()) as u64 > MAX_CHUNK {
                whole = None;
            } else {
                all.extend_from_slice(bytes);
            }
        }
        Ok(())
    })?;
    if good == Some(false) { Err(Error::Hash { slot }) } else { Ok(whole) }
}

/// Gives `to` a transcript piece by piece; says whether it is what its hash says, `None` if it has none.
pub(super) fn checked(
    repo: &Repository,
    id: &CheckpointId,
    held: &Held,
    slot: usize,
    store: Store,
    to: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
) -> Result<Option<bool>, Error> {
    let expected = held.files.get(&format!("{slot}/{}", store.hash()));
    let expected = expected.map(|object| repo.blob(id_of(object)?, store.hash(), MAX_HASH)).transpose()?;
    let mut hasher = Sha256::new();
    repo.pieces(id, held, slot, store.transcript(), &mut |bytes| {
        hasher.update(bytes);
        to(bytes)
    })?;
    let found = format!("sha256:{}", data_encoding::HEXLOWER.encode(&hasher.finalize()));
    Ok(expected.map(|expected| expected.trim_ascii() == found.as_bytes()))
}

impl Repository {
    /// Gives `to` the pieces of a file of a slot in order, with what was dropped between them.
    pub(super) fn pieces(
        &self,
        id: &CheckpointId,
        held: &Held,
        slot: usize,
        name: &str,
        to: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let prefix = format!("{slot}/");
        let own = held.files.keys().filter_map(|path| path.strip_prefix(prefix.as_str()));
        for (index, piece) in layout::pieces(own, name).into_iter().enumerate() {
            if index > 0 {
                to(b"\n")?;
            }
            let Some(object) = held.files.get(&format!("{slot}/{piece}")) else { continue };
            // A line's end may be in it beyond the bound.
            to(&self.blob(
                id_of(object)?,
                &layout::pointer(id, &format!("{slot}/{piece}")),
                MAX_CHUNK + 1,
            )?)?;
        }
        Ok(())
    }
}
