//! Which files of a checkpoint change when a session is attached: in v1 one slot, in v2 what is missing or differs.
//!
//! v2 is never written by itself: it is made equal to v1, so a checkpoint that v2 lacks, has in part or in another order
//! becomes whole by the same rule that adds a session (CHECKPOINTS 21 to 28), and once equal nothing changes any more.

mod mirror;
mod slot;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use self::mirror::{Compact, Mirror, Mirrored, mirror, wanted};
pub use self::slot::{Attached, Kept, attach};
use super::record::{Malformed, Record};

/// An object of the repository: its id in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Object(pub String);

/// What a file is to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// These bytes.
    Bytes(Vec<u8>),
    /// What this object holds.
    Object(Object),
}

/// What becomes of the files below a checkpoint's folder: new content, or `None` for one that goes.
pub type Edits = BTreeMap<String, Option<Content>>;

/// A checkpoint as a store has it: paths below its folder, and the records among them.
#[derive(Debug, Clone, Default)]
pub struct Held {
    /// Every file and its object.
    pub files: BTreeMap<String, Object>,
    /// The checkpoint's own record, as it stands in the file.
    pub root: Option<Vec<u8>>,
    /// The sessions' records by slot.
    pub records: BTreeMap<usize, Vec<u8>>,
}

/// Why a checkpoint is not touched (CHECKPOINTS 11): what is wrong would be lost.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A record cannot be read.
    #[error("{path} cannot be read: {why}")]
    Unreadable {
        /// Below the checkpoint's folder.
        path: String,
        /// What is wrong with it.
        why: Malformed,
    },
    /// The checkpoint's record lists a session whose own record is not there.
    #[error("{path} is missing")]
    Missing {
        /// Below the checkpoint's folder.
        path: String,
    },
    /// There is a session that the checkpoint's record does not list: its slot would be another's.
    #[error("{path} is of no session that metadata.json lists")]
    Unlisted {
        /// Below the checkpoint's folder.
        path: String,
    },
    /// There are files, but no record of the checkpoint.
    #[error("the checkpoint has files, but no metadata.json")]
    NoRoot,
}

impl Held {
    /// The records of the checkpoint and of all its sessions; `None` where there is no such checkpoint.
    fn read(&self) -> Result<Option<(Record, Vec<Record>)>, Refusal> {
        let Some(root) = &self.root else {
            return if self.files.is_empty() { Ok(None) } else { Err(Refusal::NoRoot) };
        };
        let unreadable = |path: &str| {
            let path = path.to_owned();
            |why| Refusal::Unreadable { path, why }
        };
        let root = Record::parse(root).map_err(unreadable(super::layout::ROOT))?;
        super::metadata::checkpoint_id(&root).map_err(unreadable(super::layout::ROOT))?;
        let listed = super::metadata::sessions(&root).map_err(unreadable(super::layout::ROOT))?;
        let is_unlisted =
            |path: &&String| super::layout::slot(path).is_some_and(|(slot, _)| slot >= listed.len());
        if let Some(path) = self.files.keys().find(is_unlisted) {
            return Err(Refusal::Unlisted { path: path.clone() });
        }
        let records = (0..listed.len()).map(|slot| {
            let path = super::layout::Store::record(slot);
            let json = self.records.get(&slot).ok_or_else(|| Refusal::Missing { path: path.clone() })?;
            let record = Record::parse(json).map_err(unreadable(&path))?;
            super::metadata::session_id(&record).map_err(unreadable(&path))?;
            Ok(record)
        });
        let records = records.collect::<Result<_, _>>()?;
        Ok(Some((root, records)))
    }

    /// The pieces of a session's transcript as a store has them, in order.
    fn transcript(&self, slot: usize, store: super::layout::Store) -> Vec<&Object> {
        let names: Vec<&str> = self.of(slot).map(|(name, _)| name).collect();
        let pieces = super::layout::pieces(names.into_iter(), store.transcript());
        pieces.into_iter().filter_map(|name| self.files.get(&format!("{slot}/{name}"))).collect()
    }

    /// The files of a session, without its slot's number.
    fn of(&self, slot: usize) -> impl Iterator<Item = (&str, &Object)> {
        self.files.iter().filter_map(move |(path, object)| {
            let (own, name) = super::layout::slot(path)?;
            (own == slot).then_some((name, object))
        })
    }
}

/// The edits that make `held` into `wanted`; what stays equal is not among them.
fn differences(held: &BTreeMap<String, Object>, wanted: BTreeMap<String, Content>) -> Edits {
    let gone = held.keys().filter(|path| !wanted.contains_key(*path));
    let mut edits: Edits = gone.map(|path| (path.clone(), None)).collect();
    for (path, content) in wanted {
        let same = matches!(&content, Content::Object(object) if held.get(&path) == Some(object));
        if !same {
            edits.insert(path, Some(content));
        }
    }
    edits
}
