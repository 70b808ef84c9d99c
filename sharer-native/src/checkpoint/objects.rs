//! Objects: read up to a size, fetched where a partial clone left them out; and a checkpoint as a tree has it.

use gix::ObjectId;
use gix::objs::Kind;
use shared::checkpoint::id::CheckpointId;
use shared::checkpoint::layout::{self, ROOT};
use shared::checkpoint::plan::{Held, Object};
use shared::checkpoint::record::MAX_RECORD;
use shared::checkpoint::redact::Redacted;

use super::{Error, Repository, upstream, words};

/// The largest tree that is read, in bytes: half a million entries of a folder.
const MAX_TREE: u64 = 32 * 1024 * 1024;
/// A checkpoint with more files and folders is none that anybody wrote.
const MAX_FILES: usize = 100_000;
/// All records of a checkpoint, in bytes: small repositories can name one over and over.
const MAX_RECORDS: u64 = 64 * 1024 * 1024;
/// Folders in folders of a checkpoint: upstream has four.
const MAX_DEPTH: usize = 16;

/// One entry of a tree.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) id: ObjectId,
    pub(super) is_tree: bool,
    /// A regular file, executable or not; links and submodules are none.
    pub(super) is_file: bool,
}

/// The name that plans know an object by.
pub(super) fn named(id: ObjectId) -> Object {
    Object(id.to_hex().to_string())
}

/// The object of a plan's name.
pub(super) fn id_of(object: &Object) -> Result<ObjectId, Error> {
    ObjectId::from_hex(object.0.as_bytes())
        .map_err(|error| Error::Git { what: "an object's name", why: error.to_string() })
}

impl Repository {
    /// What kind of object this is and how large, without reading it; asks the remote that a partial clone came from.
    fn header(&self, id: ObjectId) -> Result<(Kind, u64), Error> {
        let find = || self.store.try_find_header(id).map_err(Error::git("an object cannot be read"));
        let found = match find()? {
            None if self.is_partial() => {
                upstream::object(self, id)?;
                find()?
            }
            found => found,
        };
        let header = found.ok_or_else(|| Error::Git { what: "an object is missing", why: id.to_string() })?;
        Ok((header.kind(), header.size()))
    }

    /// Whether objects may have been left out when it was cloned.
    fn is_partial(&self) -> bool {
        let config = self.store.config_snapshot();
        let promises =
            |name: &gix::bstr::BString| config.boolean(&*format!("remote.{name}.promisor")) == Some(true);
        config.string("extensions.partialClone").is_some() || self.store.remote_names().iter().any(promises)
    }

    fn object(&self, id: ObjectId, wanted: Kind, what: &str, most: u64) -> Result<Vec<u8>, Error> {
        // An empty tree need not exist.
        if wanted == Kind::Tree && id == ObjectId::empty_tree(gix::hash::Kind::Sha1) {
            return Ok(Vec::new());
        }
        let (kind, size) = self.header(id)?;
        if kind != wanted {
            return Err(Error::Odd(what.to_owned()));
        }
        if size > most {
            return Err(Error::TooLarge { what: what.to_owned(), size, most });
        }
        let mut object = self.store.find_object(id).map_err(Error::git("an object cannot be read"))?;
        Ok(std::mem::take(&mut object.data))
    }

    /// A file's bytes, at most `most`.
    pub(super) fn blob(&self, id: ObjectId, what: &str, most: u64) -> Result<Vec<u8>, Error> {
        self.object(id, Kind::Blob, what, most)
    }

    /// A tree as it is, to be changed.
    pub(super) fn tree(&self, id: ObjectId) -> Result<gix::objs::Tree, Error> {
        let data = self.object(id, Kind::Tree, "a tree", MAX_TREE)?;
        let tree = gix::objs::TreeRef::from_bytes(&data, gix::hash::Kind::Sha1);
        Ok(tree.map_err(|error| Error::Git { what: "a tree cannot be read", why: words(&error) })?.into())
    }

    /// A tree's entries; names that are not UTF-8, or that no path may have, are nothing of ours.
    pub(super) fn entries(&self, id: ObjectId) -> Result<Vec<Entry>, Error> {
        let entries = self.tree(id)?.entries.into_iter().filter_map(|entry| {
            let name = String::from_utf8(entry.filename.into()).ok()?;
            // No path leads through such a name.
            let odd = name.contains('/') || matches!(name.as_str(), "" | "." | "..");
            (!odd).then_some(Entry {
                name,
                id: entry.oid,
                is_tree: entry.mode.is_tree(),
                is_file: entry.mode.is_blob(),
            })
        });
        Ok(entries.collect())
    }

    /// The folder of this name in a tree.
    pub(super) fn folder(&self, tree: ObjectId, name: &str) -> Result<Option<ObjectId>, Error> {
        let entries = self.entries(tree)?;
        Ok(entries.into_iter().find(|entry| entry.name == name && entry.is_tree).map(|entry| entry.id))
    }

    /// A checkpoint's folder in a store's tree.
    pub(super) fn folder_of(&self, tree: ObjectId, id: &CheckpointId) -> Result<Option<ObjectId>, Error> {
        let folder = id.folder();
        let (shard, rest) = folder.split_once('/').unwrap_or_default();
        let Some(shard) = self.folder(tree, shard)? else { return Ok(None) };
        self.folder(shard, rest)
    }

    /// The checkpoints in a store's tree, with their folders; what is no checkpoint's folder is passed over.
    pub(super) fn checkpoints(&self, tree: ObjectId) -> Result<Vec<(CheckpointId, ObjectId)>, Error> {
        let mut found = Vec::new();
        for shard in self.entries(tree)?.into_iter().filter(|entry| entry.is_tree && entry.name.len() == 2) {
            for entry in self.entries(shard.id)?.into_iter().filter(|entry| entry.is_tree) {
                found.extend(CheckpointId::from_folder(&shard.name, &entry.name).map(|id| (id, entry.id)));
            }
        }
        Ok(found)
    }

    /// A checkpoint as a store has it; an empty one where it has none.
    pub(super) fn held(&self, tree: Option<ObjectId>, id: &CheckpointId) -> Result<Held, Error> {
        let mut held = Held::default();
        let Some(folder) = tree.map(|tree| self.folder_of(tree, id)).transpose()?.flatten() else {
            return Ok(held);
        };
        let mut open = vec![(folder, String::new(), 0)];
        let mut seen = 0;
        while let Some((folder, path, depth)) = open.pop() {
            for entry in self.entries(folder)? {
                // Of folders, too: a small tree can name the same one over and over.
                seen += 1;
                if seen > MAX_FILES {
                    return Err(Error::Odd(layout::pointer(id, "")));
                }
                let path = if path.is_empty() { entry.name } else { format!("{path}/{}", entry.name) };
                if entry.is_tree {
                    if depth == MAX_DEPTH {
                        return Err(Error::Odd(layout::pointer(id, &path)));
                    }
                    open.push((entry.id, path, depth + 1));
                } else if entry.is_file {
                    held.files.insert(path, named(entry.id));
                }
            }
        }
        self.read_records(&mut held, id)?;
        Ok(held)
    }

    /// Reads the records among the files anew.
    pub(super) fn read_records(&self, held: &mut Held, id: &CheckpointId) -> Result<(), Error> {
        let mut left = MAX_RECORDS;
        let mut read = |path: &str, object: &Object| {
            let most = left.min(u64::try_from(MAX_RECORD).unwrap_or(u64::MAX));
            let record = self.blob(id_of(object)?, &layout::pointer(id, path), most)?;
            left = left.saturating_sub(record.len() as u64);
            Ok::<_, Error>(record)
        };
        held.root = held.files.get(ROOT).map(|object| read(ROOT, object)).transpose()?;
        held.records.clear();
        for (path, object) in &held.files {
            if let Some((slot, ROOT)) = layout::slot(path) {
                held.records.insert(slot, read(path, object)?);
            }
        }
        Ok(())
    }

    /// Writes a small record of ours, as records are written.
    pub fn store_json(&self, value: &serde_json::Value) -> Result<Object, Error> {
        Ok(named(self.write(format!("{value:#}\n").as_bytes())?))
    }

    /// Writes a small file.
    pub fn store_clean(&self, clean: &Redacted) -> Result<Object, Error> {
        Ok(named(self.write(clean.bytes())?))
    }

    /// Writes a file's bytes.
    pub(super) fn write(&self, bytes: &[u8]) -> Result<ObjectId, Error> {
        Ok(self.store.write_blob(bytes).map_err(Error::git("an object cannot be written"))?.detach())
    }
}
