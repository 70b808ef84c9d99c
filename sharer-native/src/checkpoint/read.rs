//! Checkpoints as they are read: v2 first, v1 where v2 has less, each session from where it is whole (CHECKPOINTS 49).

use std::collections::BTreeMap;

use gix::ObjectId;
use shared::checkpoint::id::{CheckpointId, Name};
use shared::checkpoint::layout::{
    self, CAST, EVENTS, LEGACY, MANIFEST, ROOT, Store, V1, V1_REMOTE, V2_FULL, V2_MAIN,
};
use shared::checkpoint::metadata;
use shared::checkpoint::plan::Held;
use shared::checkpoint::record::Record;
use shared::recording::{self, MAX_SESSION};

use super::objects::id_of;
use super::{Error, Repository, v2};

/// The largest prompts that are read, in bytes.
const MAX_PROMPT: u64 = 16 * 1024 * 1024;
/// A checkpoint has no more sessions.
const MAX_SESSIONS: usize = 10_000;

/// A checkpoint, with where everything of it is.
#[derive(Debug)]
pub struct Checkpoint {
    /// Which.
    pub id: CheckpointId,
    /// Its own record; empty if none can be read.
    pub root: Record,
    /// Its sessions, in the order of slots.
    pub sessions: Vec<Session>,
    /// What is wrong with it, in words.
    pub troubles: Vec<String>,
    v1: Held,
    main: Held,
    /// The present generation, then archived ones.
    full: Vec<Held>,
}

/// A session of a checkpoint.
#[derive(Debug)]
pub struct Session {
    /// Its name, safe as a file's; `None` if its record has none.
    pub name: Option<Name>,
    /// Its record.
    pub record: Record,
    /// Its slot in v1, where v1 has it.
    in_v1: Option<usize>,
    /// Its slot in v2, where v2 has it.
    in_v2: Option<usize>,
}

/// A file of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The agent's own transcript.
    Raw,
    /// What of it is shown.
    Compact,
    /// The recording of its terminal.
    Cast,
    /// What it was recorded as: see [`Checkpoint::recording`].
    Manifest,
    /// What was said and done, as it was recorded: `shared::recording::Line`s.
    Events,
    /// What was asked.
    Prompt,
}

impl Part {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Raw, Self::Compact, Self::Cast, Self::Manifest, Self::Events, Self::Prompt];

    /// The part's name in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Raw => "raw transcript",
            Self::Compact => "compact transcript",
            Self::Cast => "recording of its terminal",
            Self::Manifest => "description of its recording",
            Self::Events => "recording of what was said and done",
            Self::Prompt => "prompts",
        }
    }
}

impl Session {
    /// Where it is listed.
    pub fn slot(&self) -> usize {
        self.in_v1.or(self.in_v2).unwrap_or_default()
    }
}

/// Where checkpoints are read from.
struct Stores {
    v1: Option<ObjectId>,
    /// What was fetched of others and is not part of the branch here.
    fetched: Option<ObjectId>,
    main: Option<ObjectId>,
    /// The present generation, then archived ones.
    full: Vec<ObjectId>,
}

impl Stores {
    fn of(repo: &Repository) -> Result<Self, Error> {
        let (v1, fetched) = (repo.tree_of(V1)?, repo.tree_of(V1_REMOTE)?);
        let mut full: Vec<_> = repo.tree_of(V2_FULL)?.into_iter().collect();
        for (_, commit) in repo.archives()? {
            full.push(repo.tree_at(commit)?);
        }
        Ok(Self { v1, fetched, main: repo.tree_of(V2_MAIN)?, full })
    }
}

impl Repository {
    /// The ids of all checkpoints, in order.
    pub fn list(&self) -> Result<Vec<CheckpointId>, Error> {
        let stores = Stores::of(self)?;
        self.ids([stores.v1, stores.fetched, stores.main])
    }

    /// The ids of those that are not only in what was fetched of others while there is a branch here, too.
    pub fn own(&self) -> Result<Vec<CheckpointId>, Error> {
        let stores = Stores::of(self)?;
        self.ids([stores.v1.or(stores.fetched), stores.main, None])
    }

    fn ids(&self, trees: [Option<ObjectId>; 3]) -> Result<Vec<CheckpointId>, Error> {
        let mut ids = Vec::new();
        for tree in trees.into_iter().flatten() {
            ids.extend(self.checkpoints(tree)?.into_iter().map(|(id, _)| id));
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// The checkpoint that is meant by an id, the beginning of one, or a commit that names one.
    pub fn find(&self, text: &str) -> Result<CheckpointId, Error> {
        let mut meant =
            self.list()?.into_iter().filter(|id| !text.is_empty() && id.as_str().starts_with(text));
        match (meant.next(), meant.next()) {
            (Some(id), None) => return Ok(id),
            (Some(_), Some(_)) => {
                return Err(Error::NotFound(
                    "several checkpoints have an id that begins so: name one by more of it".to_owned(),
                ));
            }
            (None, _) => {}
        }
        let commit = self.resolve(text).map_err(|_none| {
            Error::NotFound("no checkpoint has that id, and no commit that name (`sharer checkpoints ls` lists what there is)".to_owned())
        })?;
        let named = commit.checkpoint();
        named.ok_or_else(|| Error::NotFound(format!("commit {} names no checkpoint", commit.short())))
    }

    /// Reads a checkpoint; what is odd in it is in its `troubles`.
    pub fn checkpoint(&self, id: &CheckpointId) -> Result<Checkpoint, Error> {
        let stores = Stores::of(self)?;
        let mut full = Vec::new();
        for tree in &stores.full {
            full.push(self.held(Some(*tree), id)?);
        }
        let (mut v1, main) = (self.held(stores.v1, id)?, self.held(stores.main, id)?);
        if v1.files.is_empty() {
            v1 = self.held(stores.fetched, id)?;
        }
        if v1.files.is_empty() && main.files.is_empty() {
            return Err(Error::NotFound(format!("there is no checkpoint {id} in this repository")));
        }
        let mut troubles = Vec::new();
        let (one, other) = (side(id, &v1, "v1", &mut troubles), side(id, &main, "v2", &mut troubles));
        let (first, second) = match (one, other) {
            (Some(one), Some(other)) if other.1.len() < one.1.len() => ((one, true), Some((other, false))),
            (one, Some(other)) => ((other, false), one.map(|one| (one, true))),
            (Some(one), None) => ((one, true), None),
            (None, None) => ((Default::default(), true), None),
        };
        let ((root, listed), is_v1) = first;
        let mut sessions: Vec<Session> = Vec::new();
        let mut add = |records: BTreeMap<usize, Record>, is_v1: bool| {
            for (slot, record) in records {
                let name = metadata::session_id(&record).ok();
                let known = sessions.iter_mut().find(|known| name.is_some() && known.name == name);
                let (in_v1, in_v2) = if is_v1 { (Some(slot), None) } else { (None, Some(slot)) };
                match known {
                    Some(known) => {
                        known.in_v1 = known.in_v1.or(in_v1);
                        known.in_v2 = known.in_v2.or(in_v2);
                    }
                    None => sessions.push(Session { name, record, in_v1, in_v2 }),
                }
            }
        };
        add(listed, is_v1);
        if let Some(((_, listed), is_v1)) = second {
            add(listed, is_v1);
        }
        Ok(Checkpoint { id: id.clone(), root, sessions, troubles, v1, main, full })
    }
}

/// What one store says: the checkpoint's record and those of its sessions, as far as they can be read.
fn side(
    id: &CheckpointId,
    held: &Held,
    name: &str,
    troubles: &mut Vec<String>,
) -> Option<(Record, BTreeMap<usize, Record>)> {
    if held.files.is_empty() {
        return None;
    }
    let mut read = |path: &str, json: &[u8]| match Record::parse(json) {
        Ok(record) => Some(record),
        Err(why) => {
            troubles.push(format!("{name}: {} cannot be read: {why}", layout::pointer(id, path)));
            None
        }
    };
    let root = held.root.as_deref().and_then(|json| read(ROOT, json));
    let records: BTreeMap<usize, Record> = held
        .records
        .iter()
        .filter_map(|(slot, json)| Some((*slot, read(&Store::record(*slot), json)?)))
        .collect();
    let listed = root.as_ref().and_then(|root| metadata::sessions(root).ok()).map(|listed| listed.len());
    match listed {
        None => troubles.push(format!("{name}: {} is missing or says nothing", layout::pointer(id, ROOT))),
        Some(listed) => {
            let missing = (0..listed.min(MAX_SESSIONS)).filter(|slot| !held.records.contains_key(slot));
            troubles.extend(
                missing
                    .map(|slot| format!("{name}: {} is missing", layout::pointer(id, &Store::record(slot)))),
            );
        }
    }
    Some((root.unwrap_or_default(), records))
}

impl Checkpoint {
    /// Where a part of a session is: the store's files, the slot, the file's name and whether a hash is beside it.
    fn place(&self, session: &Session, part: Part) -> Option<(&Held, usize, Store)> {
        let has = |held: &Held, slot: usize, name: &str| held.files.contains_key(&format!("{slot}/{name}"));
        let name = |store: Store| match part {
            Part::Raw | Part::Compact => store.transcript(),
            Part::Cast => CAST,
            Part::Manifest => MANIFEST,
            Part::Events => EVENTS,
            Part::Prompt => "prompt.txt",
        };
        let v1 = || {
            session
                .in_v1
                .filter(|slot| has(&self.v1, *slot, name(Store::V1)))
                .map(|slot| (&self.v1, slot, Store::V1))
        };
        let main = || {
            session
                .in_v2
                .filter(|slot| has(&self.main, *slot, name(Store::Main)))
                .map(|slot| (&self.main, slot, Store::Main))
        };
        match part {
            Part::Compact => {
                // Newer v1 has it under the name that v2 gives it.
                let v1 = || {
                    session
                        .in_v1
                        .filter(|slot| has(&self.v1, *slot, Store::Main.transcript()))
                        .map(|slot| (&self.v1, slot, Store::Main))
                };
                main().or_else(v1)
            }
            Part::Prompt => main().or_else(v1),
            Part::Raw | Part::Cast | Part::Manifest | Part::Events => {
                let full = session.in_v2.and_then(|slot| {
                    let held = self.full.iter().find(|held| has(held, slot, name(Store::Full)))?;
                    Some((held, slot, Store::Full))
                });
                full.or_else(v1)
            }
        }
    }

    /// Whether a session has such a part.
    pub fn has(&self, session: &Session, part: Part) -> bool {
        self.place(session, part).is_some() || (part == Part::Raw && self.legacy(session).is_some())
    }

    /// The transcript's name in the oldest checkpoints.
    fn legacy(&self, session: &Session) -> Option<(&Held, usize)> {
        let slot = session.in_v1?;
        self.v1.files.contains_key(&format!("{slot}/{LEGACY}")).then_some((&self.v1, slot))
    }

    /// Gives `to` a part of a session piece by piece, and says whether it is what its hash says; `None` if there is no hash.
    ///
    /// # Errors
    /// When the session has no such part, or `to` fails.
    pub fn read(
        &self,
        repo: &Repository,
        session: &Session,
        part: Part,
        to: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<Option<bool>, Error> {
        if let Some((held, slot, store)) = self.place(session, part) {
            return match part {
                Part::Raw | Part::Compact => v2::checked(repo, &self.id, held, slot, store, to),
                Part::Cast => repo.pieces(&self.id, held, slot, CAST, to).map(|()| None),
                Part::Manifest => repo.pieces(&self.id, held, slot, MANIFEST, to).map(|()| None),
                Part::Events => repo.pieces(&self.id, held, slot, EVENTS, to).map(|()| None),
                Part::Prompt => {
                    let object = held.files.get(&Store::prompt(slot));
                    let text =
                        object.map(|object| repo.blob(id_of(object)?, "prompts", MAX_PROMPT)).transpose()?;
                    to(&text.unwrap_or_default()).map(|()| None)
                }
            };
        }
        match self.legacy(session).filter(|_| part == Part::Raw) {
            Some((held, slot)) => repo.pieces(&self.id, held, slot, LEGACY, to).map(|()| None),
            None => Err(Error::NotFound(format!("session {} has no {}", session.slot(), part.words()))),
        }
    }

    /// What a session was recorded as: its name, its task and that of its parent, when it began and ended. `None` if it was
    /// not recorded, or what is said of that makes no sense.
    pub fn recording(
        &self,
        repo: &Repository,
        session: &Session,
    ) -> Result<Option<recording::Session>, Error> {
        if !self.has(session, Part::Manifest) {
            return Ok(None);
        }
        let mut json = Vec::new();
        self.read(repo, session, Part::Manifest, &mut |bytes| {
            // One byte more than is read makes it none.
            let room = (MAX_SESSION + 1).saturating_sub(json.len());
            json.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
            Ok(())
        })?;
        Ok(recording::Session::parse(&json))
    }

    /// The sessions that v2 has under another slot than v1, or not at all; those that only v2 has.
    pub fn differences(&self) -> Vec<String> {
        if self.main.files.is_empty() {
            return Vec::new();
        }
        let said = self.sessions.iter().filter_map(|session| match (session.in_v1, session.in_v2) {
            (Some(one), Some(other)) if one != other => {
                Some(format!("session {one} of v1 is session {other} in v2"))
            }
            (Some(one), None) => Some(format!("v2 lacks session {one}")),
            (None, Some(other)) => Some(format!("only v2 has session {other}")),
            _ => None,
        });
        said.collect()
    }

    /// Which stores have it.
    pub fn stores(&self) -> &'static str {
        match (self.v1.files.is_empty(), self.main.files.is_empty()) {
            (false, true) => "v1",
            (true, _) => "v2",
            (false, false) => "v1, v2",
        }
    }
}
