//! The trailer on the commit: `git commit --amend`, so that hooks run and signatures are made as the person has them.

use std::time::Duration;

use shared::checkpoint::id::CheckpointId;
use shared::checkpoint::trailer;

use super::Repository;
use super::git::git;
use super::repository::Commit;

/// Hooks, and a person's answer to what a key asks for, take no longer.
const AMEND: Duration = Duration::from_mins(5);
/// Looking for a commit in remote branches takes no longer.
const LOOK: Duration = Duration::from_secs(10);

/// Where the trailer is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trailer {
    /// The commit had it.
    Had,
    /// The commit has it, and another name.
    Added {
        /// That.
        commit: String,
    },
    /// The person is to put it there, for this reason.
    Left(String),
    /// HEAD is another commit by now, and the one that was meant may be no more.
    Moved,
}

/// HEAD's message with the trailer, if it may be put there; else where the trailer is. `ask` asks the person a question;
/// `None` if there is nobody to ask.
///
/// A commit that others may have, or that is on no branch, is changed with `force` or after a question of its own only;
/// one in the middle of a merge not at all.
pub fn may(
    repo: &Repository,
    commit: &Commit,
    id: &CheckpointId,
    force: bool,
    ask: &mut dyn FnMut(&str) -> Option<bool>,
) -> Result<String, Trailer> {
    if commit.checkpoint().as_ref() == Some(id) {
        return Err(Trailer::Had);
    }
    let left = |why: &str| Err(Trailer::Left(why.to_owned()));
    if repo.worktree().is_none() {
        return left("a bare repository has no commit to amend");
    }
    if repo.is_merging() {
        return left("a merge, rebase or the like is in progress");
    }
    let Some(message) = commit.message.as_deref() else { return left("the commit's message is not UTF-8") };
    let Some(message) = trailer::with_checkpoint(message, id) else {
        return left("git would not see a trailer in the commit's message");
    };
    if !force {
        let risk = if repo.branch().is_none() {
            Some("HEAD is on no branch")
        } else if is_pushed(repo, commit) {
            Some("a remote branch has this commit")
        } else {
            None
        };
        let about = format!("Last commit: {} {}\n{}: {id}\n", commit.short(), commit.subject(), trailer::KEY);
        let question = match risk {
            None => {
                format!("{about}Amend it with this trailer?")
            }
            Some(risk) => format!(
                "{about}{risk}; amending gives it another name. Amend it with this trailer all the same?"
            ),
        };
        match (ask(&question), risk) {
            (Some(true), _) => {}
            (Some(false), _) => return left("you said no"),
            (None, Some(risk)) => return left(risk),
            (None, None) => return left("there is nobody to ask; --force amends without asking"),
        }
    }
    Ok(message)
}

/// Gives HEAD the message that [`may`] gave.
pub fn amend(repo: &Repository, commit: &Commit, id: &CheckpointId, message: &str) -> Trailer {
    if repo.head().map(|head| head.id).ok() != Some(commit.id) {
        return Trailer::Moved;
    }
    let Some(worktree) = repo.worktree() else {
        return Trailer::Left("a bare repository has no commit to amend".to_owned());
    };
    let arguments =
        ["commit", "--amend", "--only", "--allow-empty", "--quiet", "--cleanup=verbatim", "-F", "-"];
    let why = match git(worktree, &arguments, message, AMEND) {
        Err(error) => format!("git does not run: {error}"),
        Ok(ended) if !ended.ok => format!("git could not amend the commit: {}", ended.why),
        Ok(_) => match repo.head() {
            Ok(head) if head.checkpoint().as_ref() == Some(id) => {
                return Trailer::Added { commit: head.id.to_string() };
            }
            _ => "the commit's message was changed by a hook".to_owned(),
        },
    };
    tracing::warn!(checkpoint = %id, why, "the commit has no trailer");
    Trailer::Left(why)
}

/// Whether a branch that was fetched or pushed has this commit; one that cannot be asked for counts as such.
fn is_pushed(repo: &Repository, commit: &Commit) -> bool {
    let id = commit.id.to_string();
    let arguments = ["for-each-ref", "--count=1", "--contains", &id, "refs/remotes"];
    git(&repo.common(), &arguments, "", LOOK).map_or(true, |ended| !ended.ok || !ended.said.trim().is_empty())
}
