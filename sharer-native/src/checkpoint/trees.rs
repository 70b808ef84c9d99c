//! Trees with some files changed; all else in them stays as it was, whatever it is.

use std::collections::BTreeMap;

use gix::ObjectId;
use gix::objs::Tree;
use gix::objs::tree::{Entry, EntryKind};

use super::{Error, Repository};

/// What changes in a folder.
#[derive(Default)]
struct Folder {
    files: BTreeMap<String, Option<ObjectId>>,
    folders: BTreeMap<String, Self>,
}

impl Folder {
    fn of(changes: impl IntoIterator<Item = (String, Option<ObjectId>)>) -> Self {
        let mut root = Self::default();
        for (path, file) in changes {
            let mut folder = &mut root;
            let mut parts = path.split('/').peekable();
            while let Some(part) = parts.next() {
                if parts.peek().is_none() {
                    folder.files.insert(part.to_owned(), file);
                    break;
                }
                folder = folder.folders.entry(part.to_owned()).or_default();
            }
        }
        root
    }
}

impl Repository {
    /// The tree with these files changed: `None` takes one out, and folders that become empty with it.
    pub(super) fn spliced(
        &self,
        tree: Option<ObjectId>,
        changes: impl IntoIterator<Item = (String, Option<ObjectId>)>,
    ) -> Result<ObjectId, Error> {
        let changed = self.splice(tree, Folder::of(changes), "")?;
        changed.map_or_else(|| self.write_tree(Vec::new()), Ok)
    }

    fn splice(&self, tree: Option<ObjectId>, changes: Folder, path: &str) -> Result<Option<ObjectId>, Error> {
        let mut entries = match tree {
            Some(tree) => self.tree(tree)?.entries,
            None => Vec::new(),
        };
        let mut put = |name: &str, kind: EntryKind, id: Option<ObjectId>| -> Result<(), Error> {
            let is_tree = kind == EntryKind::Tree;
            let held = entries.iter().position(|entry| entry.filename == name);
            if let Some(held) = held {
                let other = entries.get(held).is_some_and(|entry| entry.mode.is_tree() != is_tree);
                if other {
                    return Err(Error::Odd(format!("{path}/{name}")));
                }
                entries.remove(held);
            }
            entries.extend(id.map(|oid| Entry { mode: kind.into(), filename: name.into(), oid }));
            Ok(())
        };
        for (name, file) in changes.files {
            put(&name, EntryKind::Blob, file)?;
        }
        for (name, folder) in changes.folders {
            let held = tree.map(|tree| self.folder(tree, &name)).transpose()?.flatten();
            let changed = self.splice(held, folder, &format!("{path}/{name}"))?;
            if held.is_some() || changed.is_some() {
                put(&name, EntryKind::Tree, changed)?;
            }
        }
        entries.sort();
        if entries.is_empty() { Ok(None) } else { self.write_tree(entries).map(Some) }
    }

    /// Writes a tree; an empty one too, as every object that a commit names must exist.
    pub(super) fn write_tree(&self, entries: Vec<Entry>) -> Result<ObjectId, Error> {
        let written = self.store.write_object(Tree { entries });
        Ok(written.map_err(Error::git("a tree cannot be written"))?.detach())
    }
}
