//! Refs: where they are, moved all at once or not at all, and only from where they were.

use std::fs::{File, OpenOptions};
use std::time::{Duration, Instant};

use gix::ObjectId;
use gix::refs::transaction::{Change, LogChange, PreviousValue, RefEdit};
use gix::refs::{FullName, Target};
use rustix::fs::{FlockOperation, flock};
use shared::checkpoint::layout::{V1, V2_ARCHIVES};

use super::{Error, Repository, words};

/// Commits that are looked at to find whether one came from another.
const MAX_HISTORY: usize = 100_000;

/// A ref that moves.
#[derive(Debug, Clone)]
pub(super) struct Move {
    pub(super) name: String,
    /// Where it is; `None` if it is not there yet.
    pub(super) from: Option<ObjectId>,
    pub(super) to: ObjectId,
}

/// What became of a transaction.
#[derive(Debug)]
pub(super) enum Moved {
    All,
    /// Somebody else moved one: plan again.
    Conflict,
    /// None moved, for this reason.
    None(String),
}

/// The locks of some refs, given back when dropped.
#[derive(Debug)]
pub(super) struct Locks(#[allow(dead_code, reason = "held, not read")] Vec<File>);

impl Repository {
    /// The commit that a ref is at.
    pub(super) fn tip(&self, name: &str) -> Result<Option<ObjectId>, Error> {
        let found = self.store.try_find_reference(name).map_err(Error::git("a ref cannot be read"))?;
        let Some(found) = found else { return Ok(None) };
        found.try_id().map(|id| Some(id.detach())).ok_or_else(|| Error::Odd(name.to_owned()))
    }

    /// The tree of a commit.
    pub(super) fn tree_at(&self, commit: ObjectId) -> Result<ObjectId, Error> {
        let commit = self.store.find_commit(commit).map_err(Error::git("a commit cannot be read"))?;
        Ok(commit.tree_id().map_err(Error::git("a commit cannot be read"))?.detach())
    }

    /// The tree that a ref is at.
    pub(super) fn tree_of(&self, name: &str) -> Result<Option<ObjectId>, Error> {
        self.tip(name)?.map(|commit| self.tree_at(commit)).transpose()
    }

    /// The refs of archived generations, the newest first, with the numbers they have.
    pub(super) fn archives(&self) -> Result<Vec<(u64, ObjectId)>, Error> {
        let what = "refs cannot be listed";
        let platform = self.store.references().map_err(Error::git(what))?;
        let mut found = Vec::new();
        for reference in platform.prefixed(V2_ARCHIVES).map_err(Error::git(what))? {
            let Ok(reference) = reference else { continue };
            let name = reference.name().as_bstr().to_string();
            let digits = name.strip_prefix(V2_ARCHIVES).filter(|digits| digits.len() == 13);
            let number = digits.and_then(|digits| digits.parse().ok());
            found.extend(number.zip(reference.try_id().map(gix::Id::detach)));
        }
        found.sort_unstable_by(|one, other| other.cmp(one));
        Ok(found)
    }

    /// Writes a commit; no ref knows it yet.
    pub(super) fn commit_of(
        &self,
        tree: ObjectId,
        parent: Option<ObjectId>,
        message: &str,
    ) -> Result<ObjectId, Error> {
        let commit = gix::objs::Commit {
            tree,
            parents: parent.into_iter().collect(),
            author: self.author(),
            committer: self.committer(),
            encoding: None,
            message: message.into(),
            extra_headers: Vec::new(),
        };
        Ok(self.store.write_object(commit).map_err(Error::git("a commit cannot be written"))?.detach())
    }

    /// What a commit is built on: the ref's, or a first one of nothing.
    pub(super) fn parent(&self, tip: Option<ObjectId>, first: &str) -> Result<ObjectId, Error> {
        match tip {
            Some(tip) => Ok(tip),
            None => self.commit_of(self.write_tree(Vec::new())?, None, first),
        }
    }

    /// Moves all of them, in this order, or none.
    pub(super) fn move_refs(&self, moves: &[Move]) -> Result<Moved, Error> {
        let edit = |moved: &Move| -> Result<RefEdit, Error> {
            let name = FullName::try_from(moved.name.as_str());
            let name = name.map_err(|error| Error::Git { what: "a ref's name", why: error.to_string() })?;
            let expected = moved.from.map_or(PreviousValue::MustNotExist, |from| {
                PreviousValue::MustExistAndMatch(Target::Object(from))
            });
            let log = LogChange { message: "sharer: attach".into(), ..LogChange::default() };
            Ok(RefEdit::new(name, Change::Update { log, expected, new: Target::Object(moved.to) }))
        };
        let edits = moves.iter().map(edit).collect::<Result<Vec<_>, _>>()?;
        let committer = self.committer();
        let mut time = gix::date::parse::TimeBuf::default();
        let moved = self.store.edit_references_as(edits, Some(committer.to_ref(&mut time)));
        let Err(why) = moved else { return Ok(Moved::All) };
        for moved in moves {
            if self.tip(&moved.name)? != moved.from {
                return Ok(Moved::Conflict);
            }
        }
        if moves.iter().any(|moved| moved.name == V1 && moved.from.is_none()) {
            for name in ["refs/heads/entire", "refs/heads/entire/checkpoints"] {
                if self.tip(name).is_ok_and(|tip| tip.is_some()) {
                    return Err(Error::InTheWay(name.trim_start_matches("refs/heads/").to_owned()));
                }
            }
        }
        Ok(Moved::None(words(&why)))
    }

    /// Whether `old` is `new`, or `new` came from it.
    pub(super) fn is_before(&self, old: ObjectId, new: ObjectId) -> bool {
        let mut open = vec![new];
        let mut seen = std::collections::BTreeSet::new();
        while let Some(commit) = open.pop() {
            if commit == old {
                return true;
            }
            if seen.len() < MAX_HISTORY && seen.insert(commit) {
                // Where a shallow clone ends, nothing more is known.
                let Ok(commit) = self.store.find_commit(commit) else { continue };
                open.extend(commit.parent_ids().map(gix::Id::detach));
            }
        }
        false
    }

    /// Keeps others of upstream's kind away from these refs (its lock files), and waits until they are free.
    pub(super) fn lock(&self, names: &[&str], wait: Duration) -> Result<Locks, Error> {
        let what = "the lock of the checkpoints";
        let dir = self.common().join("entire-persistent-ref-locks");
        std::fs::create_dir_all(&dir).map_err(Error::file(what))?;
        let until = Instant::now() + wait;
        let mut held = Vec::new();
        for name in names {
            let path = dir.join(format!("{}.lock", name.replace('/', "_")));
            let file = OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(path)
                .map_err(Error::file(what))?;
            while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
                if error != rustix::io::Errno::WOULDBLOCK && error != rustix::io::Errno::INTR {
                    return Err(Error::File { what, error: error.into() });
                }
                if Instant::now() > until {
                    return Err(Error::Contended);
                }
                pause(5);
            }
            held.push(file);
        }
        Ok(Locks(held))
    }
}

/// Waits between one and two times so many milliseconds, so that those who met do not meet again.
pub(super) fn pause(ms: u64) {
    let mut random = [0_u8; 1];
    // Without randomness they meet again.
    let _ignored = getrandom::fill(&mut random);
    std::thread::sleep(Duration::from_micros(ms * (1_000 + u64::from(random[0]) * 4)));
}
