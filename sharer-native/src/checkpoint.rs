//! Checkpoints in a git repository: objects and refs by `gix`, and `git` itself where its hooks, its keys and its network
//! are wanted ([`amend`], [`upstream`]).
//!
//! What changes is decided by `shared::checkpoint`; here are its hands. Objects come first and refs last, compared and
//! swapped at once, so whoever reads sees the store as it was or as it is. Neither index, nor worktree, nor HEAD is touched.

pub mod amend;
pub mod args;
pub mod behind;
mod git;
pub mod keep;
mod objects;
pub mod read;
mod refs;
pub mod repository;
mod rotation;
pub mod state;
pub mod take;
mod trees;
mod upstream;
mod v2;

use shared::checkpoint::chunks::LineTooLong;
use shared::checkpoint::id::CheckpointId;
use shared::checkpoint::layout;
use shared::checkpoint::plan::Refusal;
use shared::checkpoint::record::Malformed;

pub use self::repository::Repository;

/// Why a checkpoint was neither read nor written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none here.
    #[error("this directory is in no git repository: go into the one that is meant")]
    NotHere,
    /// There is one that cannot be opened.
    #[error("this is no git repository that can be read: {0}")]
    NoRepository(String),
    /// A kind of repository that is not written.
    #[error("the repository has {0}, which sharer cannot read; nothing was changed")]
    Unsupported(&'static str),
    /// HEAD has no commit.
    #[error("the repository has no commit yet: make one first, a session is kept with a commit")]
    NoCommit,
    /// No commit is called so.
    #[error("{0} is no commit of this repository")]
    NoSuchCommit(String),
    /// git's part failed.
    #[error("{what}: {why}")]
    Git {
        /// What was to be done.
        what: &'static str,
        /// As told.
        why: String,
    },
    /// Something is larger than what is read.
    #[error("{what} has {size} bytes; more than {most} are not read")]
    TooLarge {
        /// What it is.
        what: String,
        /// In bytes.
        size: u64,
        /// In bytes.
        most: u64,
    },
    /// A path holds another kind of thing than the format says.
    #[error("{0} is not what the format says")]
    Odd(String),
    /// A checkpoint cannot be understood whole, so it stays as it is.
    #[error("checkpoint {id} stays as it is: {why}")]
    Refused {
        /// Which.
        id: CheckpointId,
        /// Why.
        why: Refusal,
    },
    /// A record cannot be read.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// Where, from the tree's root.
        path: String,
        /// Why.
        why: Malformed,
    },
    /// A commit names a checkpoint that is not here: it would be begun anew over that of others.
    #[error(
        "the commit names checkpoint {0}, which is not in this repository; get it first: git fetch origin {branch}:{branch}",
        branch = layout::V1.trim_start_matches("refs/heads/")
    )]
    Absent(CheckpointId),
    /// The branch here and the one fetched went apart.
    #[error(
        "the commit names checkpoint {0}, which only origin's branch {branch} has, and that and yours went apart; merge them first",
        branch = layout::V1.trim_start_matches("refs/heads/")
    )]
    Apart(CheckpointId),
    /// A branch stands where a folder of refs should.
    #[error("the branch {0} stands in the way of {branch}; rename it", branch = layout::V1)]
    InTheWay(String),
    /// Others were always faster.
    #[error("other programs kept changing the checkpoints; nothing of this was written, try again")]
    Contended,
    /// A line that no piece can hold.
    #[error("the transcript: {0}; nothing was written")]
    Line(#[from] LineTooLong),
    /// The transcript has nothing in it.
    #[error("the transcript is empty; nothing was written")]
    Empty,
    /// Who reads has enough.
    #[error("no more is read")]
    Enough,
    /// A transcript that is one JSON value, too large for one piece.
    #[error("the transcript is one JSON value of more than 50 MiB; nothing was written")]
    OneTooLarge,
    /// Reading or writing outside of git.
    #[error("{what}: {error}")]
    File {
        /// What it was.
        what: &'static str,
        /// Why.
        error: std::io::Error,
    },
    /// A transcript is not what its hash says.
    #[error("the transcript of session {slot} is not what its hash says")]
    Hash {
        /// Which session.
        slot: usize,
    },
    /// There is no such checkpoint, or several.
    #[error("{0}")]
    NotFound(String),
}

impl Error {
    /// From what gix says.
    fn git(what: &'static str) -> impl Fn(gix::Error) -> Self {
        move |error| Self::Git { what, why: words(&error) }
    }

    fn file(what: &'static str) -> impl Fn(std::io::Error) -> Self {
        move |error| Self::File { what, error }
    }
}

/// An error and what is behind it, on one line.
fn words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut behind = error.source();
    while let Some(next) = behind {
        let next_text = next.to_string();
        if !text.contains(&next_text) {
            text = format!("{text}: {next_text}");
        }
        behind = next.source();
    }
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(600).collect()
}
