//! Sessions put into a checkpoint: into v1, and v2 made equal to it.

use std::collections::BTreeMap;
use std::time::Duration;

use gix::ObjectId;
use shared::checkpoint::id::{CheckpointId, Name};
use shared::checkpoint::layout::{V1, V2_FULL, V2_MAIN};
use shared::checkpoint::metadata::STRATEGY;
use shared::checkpoint::plan::{self, Content, Edits, Held, Kept};

use super::objects::{id_of, named};
use super::refs::{Move, Moved, pause};
use super::v2::{self, Failure};
use super::{Error, Repository, rotation, upstream};

/// A plan is made anew so often when others moved a ref meanwhile.
const ATTEMPTS: u32 = 12;

/// v1's lock is waited for so long: others hold it for as long as a write takes.
const LOCK: Duration = Duration::from_mins(1);
/// v2's so long: who writes both has v1's first, and what v2 lacks can be brought over later.
const V2_LOCK: Duration = Duration::from_secs(5);

/// What is to be kept.
#[derive(Debug)]
pub struct Keep<'a> {
    /// In which checkpoint.
    pub id: &'a CheckpointId,
    /// Whether a commit names that: then it must be there.
    pub is_named: bool,
    /// What is attached; with none, only v2 is made equal to v1.
    pub sessions: &'a [Kept],
    /// Whether v2 is written.
    pub v2: bool,
}

/// What was done.
#[derive(Debug)]
pub struct Done {
    /// Where each session is.
    pub slots: Vec<usize>,
    /// Whether v1 had all of this already.
    pub is_same: bool,
    /// What became of v2.
    pub v2: V2,
}

/// What became of v2.
#[derive(Debug)]
pub enum V2 {
    /// It is switched off.
    Off,
    /// It has what v1 has, and these sessions that v1 has not.
    Whole(Vec<Name>),
    /// It lacks something; v1 has it.
    Behind(Failure),
}

/// Puts sessions into a checkpoint.
///
/// # Errors
/// Then no ref of the checkpoints has moved.
pub fn keep(repo: &Repository, keep: &Keep<'_>) -> Result<Done, Error> {
    upstream::adopt(repo, keep.is_named.then_some(keep.id))?;
    let _lock = repo.lock(&[V1], LOCK)?;
    // Somebody who holds v2's keeps nobody from v1.
    let locked = if keep.v2 { repo.lock(&[V2_MAIN, V2_FULL], V2_LOCK).map(Some) } else { Ok(None) };
    let (_v2_locks, unlocked) = match locked {
        Ok(locks) => (locks, None),
        Err(why) => (None, Some(Failure { reference: V2_MAIN, stage: "lock", why: why.to_string() })),
    };
    let (was_behind, before) = (repo.is_behind(keep.id), repo.tip(V1)?);
    let kept = with_retries(repo, keep, unlocked.as_ref());
    // Nothing of this is in v1, so v2 does not lack it.
    if kept.is_err() && !was_behind && repo.tip(V1).is_ok_and(|now| now == before) {
        repo.forget_behind(keep.id);
    }
    kept
}

/// Plans and moves until nobody was faster.
fn with_retries(repo: &Repository, keep: &Keep<'_>, unlocked: Option<&Failure>) -> Result<Done, Error> {
    for attempt in 0..ATTEMPTS {
        if attempt > 0 {
            pause(5 << attempt.min(6));
        }
        if let Some(done) = once(repo, keep, unlocked)? {
            if matches!(done.v2, V2::Whole(_))
                && let Err(why) = rotation::rotate(repo)
            {
                tracing::warn!(checkpoint = %keep.id, %why, "the generation of raw transcripts was not archived");
            }
            return Ok(done);
        }
    }
    Err(Error::Contended)
}

/// Plans from where the refs are, writes, and moves them; `None` if somebody moved them meanwhile.
fn once(repo: &Repository, keep: &Keep<'_>, unlocked: Option<&Failure>) -> Result<Option<Done>, Error> {
    let tip = repo.tip(V1)?;
    let tree = tip.map(|tip| repo.tree_at(tip)).transpose()?;
    let before = repo.held(tree, keep.id)?;
    if keep.is_named && before.files.is_empty() {
        return Err(Error::Absent(keep.id.clone()));
    }
    let mut held = before.clone();
    let (mut slots, mut changes) = (Vec::new(), BTreeMap::new());
    for session in keep.sessions {
        let refused = |why| Error::Refused { id: keep.id.clone(), why };
        let attached = plan::attach(keep.id, &held, session).map_err(refused)?;
        slots.push(attached.slot);
        repo.apply(keep.id, &mut held, attached.edits, &mut changes)?;
    }
    let mut moves = Vec::new();
    if !changes.is_empty() {
        let tree = repo.spliced(tree, changes)?;
        let parent = repo.parent(tip, "Initialize sessions branch")?;
        let to = repo.commit_of(tree, Some(parent), &message(keep))?;
        moves.push(Move { name: V1.to_owned(), from: tip, to });
    }
    let is_same = moves.is_empty();
    let prepare = || match unlocked {
        Some(failure) => Err(failure.clone()),
        None => v2::prepare(repo, keep.id, &before, &held),
    };
    let prepared = keep.v2.then(prepare).transpose();
    let (v2_moves, v2) = match prepared {
        Ok(None) => (Vec::new(), V2::Off),
        Ok(Some(prepared)) => (prepared.moves, V2::Whole(prepared.only_here)),
        Err(failure) => (Vec::new(), V2::Behind(failure)),
    };

    if !v2_moves.is_empty() {
        // Whoever is killed from here on leaves word.
        let writing = Failure { reference: V2_MAIN, stage: "refs", why: "it was interrupted".to_owned() };
        if let Err(error) = repo.note_behind(keep.id, &writing) {
            tracing::warn!(checkpoint = %keep.id, %error, "no note was made that v2 may lag");
        }
        let both: Vec<_> = moves.iter().chain(&v2_moves).cloned().collect();
        match repo.move_refs(&both)? {
            Moved::All => {
                repo.forget_behind(keep.id);
                return Ok(Some(Done { slots, is_same, v2 }));
            }
            Moved::Conflict => return Ok(None),
            Moved::None(why) => {
                // v1 is not to wait for v2.
                let failure = Failure { reference: V2_MAIN, stage: "refs", why };
                return alone(repo, keep, &moves, Done { slots, is_same, v2: V2::Behind(failure) });
            }
        }
    }
    alone(repo, keep, &moves, Done { slots, is_same, v2 })
}

/// Moves v1 without v2.
fn alone(repo: &Repository, keep: &Keep<'_>, moves: &[Move], done: Done) -> Result<Option<Done>, Error> {
    if !moves.is_empty() {
        match repo.move_refs(moves)? {
            Moved::All => {}
            Moved::Conflict => return Ok(None),
            Moved::None(why) => {
                return Err(Error::Git { what: "the branch of checkpoints did not move", why });
            }
        }
    }
    match &done.v2 {
        V2::Off => {}
        V2::Whole(_) => repo.forget_behind(keep.id),
        V2::Behind(failure) => {
            let Failure { reference, stage, why } = failure;
            tracing::warn!(checkpoint = %keep.id, reference, stage, why, "v2 lacks what v1 has");
            if let Err(error) = repo.note_behind(keep.id, failure) {
                tracing::warn!(checkpoint = %keep.id, %error, "no note was made that v2 lags");
            }
        }
    }
    Ok(Some(done))
}

/// The message of v1's commit; readers look for its first line.
fn message(keep: &Keep<'_>) -> String {
    let sessions = keep.sessions.iter().map(|kept| format!("Entire-Session: {}\n", kept.session.session_id));
    let agent = keep.sessions.first().and_then(|kept| kept.session.agent.as_ref());
    let agent = agent.map(|agent| format!("Entire-Agent: {agent}\n")).unwrap_or_default();
    let sessions: String = sessions.collect();
    format!("Checkpoint: {}\n\n{sessions}Entire-Strategy: {STRATEGY}\n{agent}", keep.id)
}

impl Repository {
    /// Does to `held` what the edits say, and adds what that means for the store's tree to `changes`.
    pub(super) fn apply(
        &self,
        id: &CheckpointId,
        held: &mut Held,
        edits: Edits,
        changes: &mut BTreeMap<String, Option<ObjectId>>,
    ) -> Result<(), Error> {
        for (path, content) in edits {
            let object = match content {
                None => None,
                Some(Content::Object(object)) => Some(id_of(&object)?),
                Some(Content::Bytes(bytes)) => Some(self.write(&bytes)?),
            };
            changes.insert(format!("{}/{path}", id.folder()), object);
            match object {
                None => drop(held.files.remove(&path)),
                Some(object) => drop(held.files.insert(path, named(object))),
            }
        }
        self.read_records(held, id)
    }
}
