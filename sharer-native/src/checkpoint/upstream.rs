//! What only the remote has: objects of a partial clone, and checkpoints that a colleague pushed.

use std::time::Duration;

use gix::ObjectId;
use shared::checkpoint::id::CheckpointId;
use shared::checkpoint::layout::{V1, V1_REMOTE};

use super::git::git;
use super::refs::{Move, Moved};
use super::{Error, Repository};

/// A fetch takes no longer.
const FETCH: Duration = Duration::from_mins(1);

/// Has git fetch an object that the clone left out.
pub(super) fn object(repo: &Repository, id: ObjectId) -> Result<(), Error> {
    let ended =
        git(&repo.common(), &["cat-file", "-e", &id.to_string()], "", FETCH).map_err(Error::file("git"))?;
    if ended.ok {
        Ok(())
    } else {
        Err(Error::Git { what: "an object that the clone left out", why: ended.why })
    }
}

/// Makes the branch here what it is to be built on: where there is none, the one that was fetched; where a commit names a
/// checkpoint that is not here (`named`), the remote's, if that only goes on from ours. A checkpoint of others is
/// never begun anew.
pub(super) fn adopt(repo: &Repository, named: Option<&CheckpointId>) -> Result<(), Error> {
    if repo.tip(V1)?.is_none() {
        forward(repo)?;
    }
    let Some(named) = named else { return Ok(()) };
    if has(repo, V1, named)? {
        return Ok(());
    }
    if !has(repo, V1_REMOTE, named)? && !fetch(repo) {
        return Err(Error::Absent(named.clone()));
    }
    if !has(repo, V1_REMOTE, named)? {
        return Err(Error::Absent(named.clone()));
    }
    if forward(repo)? { Ok(()) } else { Err(Error::Apart(named.clone())) }
}

fn has(repo: &Repository, name: &str, id: &CheckpointId) -> Result<bool, Error> {
    let Some(tree) = repo.tree_of(name)? else { return Ok(false) };
    Ok(repo.folder_of(tree, id)?.is_some())
}

/// Moves the branch to where the remote's was seen; `false` if they went apart, or there is none.
fn forward(repo: &Repository) -> Result<bool, Error> {
    let Some(to) = repo.tip(V1_REMOTE)? else { return Ok(false) };
    let from = repo.tip(V1)?;
    if let Some(from) = from
        && !repo.is_before(from, to)
    {
        return Ok(false);
    }
    let moved = repo.move_refs(&[Move { name: V1.to_owned(), from, to }])?;
    match moved {
        // Somebody did the same, or more.
        Moved::All | Moved::Conflict => Ok(true),
        Moved::None(why) => Err(Error::Git { what: "the branch of checkpoints", why }),
    }
}

/// Looks for the branch at the remote; `false` if there is none, or it cannot be reached.
fn fetch(repo: &Repository) -> bool {
    let refspec = format!("+{V1}:{V1_REMOTE}");
    let arguments = ["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "origin", refspec.as_str()];
    match git(&repo.common(), &arguments, "", FETCH) {
        Ok(ended) if ended.ok => true,
        Ok(ended) => {
            tracing::info!(why = ended.why, "the branch of checkpoints was not fetched");
            false
        }
        Err(error) => {
            tracing::info!(%error, "git does not run");
            false
        }
    }
}
