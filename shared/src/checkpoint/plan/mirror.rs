//! v2 made equal to v1.

use std::collections::{BTreeMap, BTreeSet};

use super::{Content, Edits, Held, Object, Refusal, differences};
use crate::checkpoint::id::{CheckpointId, Name};
use crate::checkpoint::layout::{self, ROOT, Store};
use crate::checkpoint::metadata::{self, Listed};
use crate::checkpoint::record::{Malformed, Record};

/// A compact transcript that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compact {
    /// It.
    pub object: Object,
    /// Its SHA-256: `sha256:` and 64 digits.
    pub hash: String,
    /// How many of its lines are before the session's part of the checkpoint.
    pub start: u64,
}

/// What v2 has and v1 has.
#[derive(Debug)]
pub struct Mirror<'a> {
    /// Of which checkpoint.
    pub id: &'a CheckpointId,
    /// In v1, as it is now.
    pub v1: &'a Held,
    /// In v2's main ref.
    pub main: &'a Held,
    /// Among v2's raw transcripts of the present generation.
    pub current: &'a Held,
    /// In archived generations, the newest first.
    pub archived: &'a [Held],
}

/// What changes in v2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrored {
    /// In the main ref.
    pub main: Edits,
    /// Among the raw transcripts.
    pub current: Edits,
    /// Sessions that only v2 has: they stay, behind v1's.
    pub only_here: Vec<Name>,
}

/// A session that v2 has: where, and its record.
struct Known {
    slot: usize,
    record: Record,
}

/// A session's name, and how many of it were before: a name may be there twice.
type Key = (Name, usize);

/// The key of the next session of this name.
fn key(name: Name, seen: &mut BTreeMap<Name, usize>) -> Key {
    let count = seen.entry(name.clone()).or_default();
    *count += 1;
    (name, *count - 1)
}

impl Mirror<'_> {
    /// Sessions by name, as v2's main ref has them; a slot without a record has none.
    fn known(&self) -> Result<BTreeMap<Key, Known>, Refusal> {
        let (mut known, mut seen) = (BTreeMap::new(), BTreeMap::new());
        for (slot, json) in &self.main.records {
            let unreadable = |why| Refusal::Unreadable { path: Store::record(*slot), why };
            let record = Record::parse(json).map_err(unreadable)?;
            let name = metadata::session_id(&record).map_err(unreadable)?;
            known.insert(key(name, &mut seen), Known { slot: *slot, record });
        }
        Ok(known)
    }

    /// What one session has in v1, by slot.
    fn sessions(&self) -> Result<(Record, Vec<(Key, Record)>), Refusal> {
        let (root, records) = self.v1.read()?.ok_or(Refusal::NoRoot)?;
        let mut seen = BTreeMap::new();
        let named = records.into_iter().enumerate().map(|(slot, record)| {
            let unreadable = |why| Refusal::Unreadable { path: Store::record(slot), why };
            Ok((key(metadata::session_id(&record).map_err(unreadable)?, &mut seen), record))
        });
        Ok((root, named.collect::<Result<_, Refusal>>()?))
    }

    /// Whether v2 has this transcript, compact, for what v1 has in `slot`.
    fn has_compact(&self, slot: usize, known: Option<&Known>) -> bool {
        let Some(Known { slot: own, .. }) = known else { return false };
        let file = |name: &str| format!("{own}/{name}");
        let hash = self.v1.files.get(&format!("{slot}/{}", Store::V1.hash()));
        // Readers take the newest generation that has the file.
        let mut full = std::iter::once(self.current).chain(self.archived);
        let is_of_this = if hash.is_some() {
            hash == full.find_map(|held| held.files.get(&file(Store::Full.hash())))
        } else {
            let newest = full.find(|held| held.files.contains_key(&Store::Full.piece(*own, 0)));
            let raw = self.v1.transcript(slot, Store::V1);
            newest.is_some_and(|held| held.transcript(*own, Store::Full) == raw)
        };
        is_of_this
            && self.main.files.contains_key(&file(Store::Main.transcript()))
            && self.main.files.contains_key(&file(Store::Main.hash()))
    }
}

/// The slots of v1 whose transcripts are to be made compact before v2 can be [made equal](mirror).
///
/// # Errors
/// As for [`mirror`].
pub fn wanted(mirror: &Mirror<'_>) -> Result<Vec<usize>, Refusal> {
    let known = mirror.known()?;
    let (_, sessions) = mirror.sessions()?;
    let lacks = |(slot, (name, _)): (usize, &(Key, Record))| {
        let has_raw = mirror.v1.files.contains_key(&Store::V1.piece(slot, 0));
        (has_raw && !mirror.has_compact(slot, known.get(name))).then_some(slot)
    };
    Ok(sessions.iter().enumerate().filter_map(lacks).collect())
}

/// Plans v2 to be as v1 is. `compacts` has what [`wanted`] asked for, by slot of v1; a transcript of an agent that cannot
/// be made compact is not among them, and v2 has it raw only.
///
/// # Errors
/// When v1 or what is in v2 cannot be understood: then v2 stays as it is.
pub fn mirror(mirror: &Mirror<'_>, compacts: &BTreeMap<usize, Compact>) -> Result<Mirrored, Refusal> {
    let Mirror { id, v1, main, current, archived } = mirror;
    let old_root = main.root.as_deref().map(Record::parse).transpose().map_err(at_root)?;
    let (known, (v1_root, sessions)) = (mirror.known()?, mirror.sessions()?);
    let names: BTreeSet<&Key> = sessions.iter().map(|(name, _)| name).collect();
    let mut only_here: Vec<_> = known.iter().filter(|(name, _)| !names.contains(name)).collect();
    only_here.sort_by_key(|(_, known)| known.slot);

    // What v2 has of a session goes with it to its slot.
    let mut moves: BTreeMap<usize, usize> = BTreeMap::new();
    for (slot, (name, _)) in sessions.iter().enumerate() {
        moves.extend(known.get(name).map(|known| (known.slot, slot)));
    }
    let behind = only_here.iter().enumerate();
    moves.extend(behind.map(|(at, (_, known))| (known.slot, sessions.len() + at)));
    let is_known = |slot: usize| sessions.get(slot).is_some_and(|(name, _)| known.contains_key(name));
    strays(main, current, sessions.len() + only_here.len(), is_known, &mut moves);
    let moved = |held: &Held| -> BTreeMap<String, Content> {
        let stays = held.files.iter().filter_map(|(path, object)| {
            let path = match layout::slot(path) {
                None => path.clone(),
                Some((slot, name)) => format!("{}/{name}", moves.get(&slot)?),
            };
            Some((path, Content::Object(object.clone())))
        });
        stays.collect()
    };
    let (mut main_files, mut full_files) = (moved(main), moved(current));

    let mut records = Vec::new();
    for (slot, (name, record)) in sessions.iter().enumerate() {
        let old = known.get(name);
        let of_v1 = |file: &str| v1.files.get(&format!("{slot}/{file}")).cloned().map(Content::Object);
        let compact = compacts.get(&slot);
        let [transcript, hash] =
            [Store::Main.transcript(), Store::Main.hash()].map(|name| format!("{slot}/{name}"));
        let start = if let Some(compact) = compact {
            main_files.insert(transcript, Content::Object(compact.object.clone()));
            main_files.insert(hash, Content::Bytes(compact.hash.clone().into_bytes()));
            Some(compact.start)
        } else if mirror.has_compact(slot, old) || !v1.files.contains_key(&Store::V1.piece(slot, 0)) {
            // What v1 has no transcript of to be equal to, v2 may have one of.
            old.map(|old| old.record.get("checkpoint_transcript_start")).transpose().map_err(at_root)?
        } else {
            main_files.remove(&transcript);
            main_files.remove(&hash);
            None
        };
        set(&mut main_files, Store::prompt(slot), of_v1("prompt.txt"));
        let record = metadata::in_v2(record, old.map(|old| &old.record), start);
        let path = Store::record(slot);
        let json = record.encode();
        let same = old.filter(|old| main.records.get(&old.slot) == Some(&json));
        let held = same.and_then(|old| main.files.get(&Store::record(old.slot)));
        main_files
            .insert(path, held.map_or_else(|| Content::Bytes(json), |held| Content::Object(held.clone())));
        records.push(record);

        raw(mirror, slot, &mut full_files);
    }
    // Archives stay as they are: what only they have of a session that moved goes with it.
    for known in only_here.iter().map(|(_, known)| known) {
        let to = moves.get(&known.slot).filter(|to| **to != known.slot);
        let held = archived.iter().find(|held| held.files.contains_key(&Store::Full.piece(known.slot, 0)));
        if let (Some(to), Some(held)) = (to, held)
            && !full_files.contains_key(&Store::Full.piece(*to, 0))
        {
            let files = held.of(known.slot);
            full_files.extend(
                files.map(|(name, object)| (format!("{to}/{name}"), Content::Object(object.clone()))),
            );
        }
    }
    tasks(v1, archived, sessions.len(), &mut full_files);

    records.extend(only_here.iter().map(|(_, known)| known.record.clone()));
    let listed: Vec<_> = records
        .iter()
        .enumerate()
        .map(|(slot, record)| Listed {
            record,
            transcript: main_files.contains_key(&format!("{slot}/{}", Store::Main.transcript())),
            hash: main_files.contains_key(&format!("{slot}/{}", Store::Main.hash())),
            prompt: main_files.contains_key(&Store::prompt(slot)),
        })
        .collect();
    let root = metadata::root_in_v2(id, &v1_root, old_root.as_ref(), &listed).map_err(at_root)?.encode();
    let same = main.root.as_ref().filter(|held| **held == root).and_then(|_| main.files.get(ROOT));
    main_files.insert(
        ROOT.to_owned(),
        same.map_or_else(|| Content::Bytes(root), |held| Content::Object(held.clone())),
    );
    Ok(Mirrored {
        main: differences(&main.files, main_files),
        current: differences(&current.files, full_files),
        only_here: only_here.into_iter().map(|((name, _), _)| name.clone()).collect(),
    })
}

/// Slots of which v2 has files and no record: each stays where it is, unless another session belongs there; then it goes
/// behind all.
fn strays(
    main: &Held,
    current: &Held,
    count: usize,
    is_known: impl Fn(usize) -> bool,
    moves: &mut BTreeMap<usize, usize>,
) {
    let slots = main.files.keys().chain(current.files.keys()).filter_map(|path| layout::slot(path));
    let strays: BTreeSet<usize> =
        slots.map(|(slot, _)| slot).filter(|slot| !moves.contains_key(slot)).collect();
    let mut taken: BTreeSet<usize> = moves.values().copied().collect();
    let mut away = Vec::new();
    for slot in strays {
        if (slot >= count || !is_known(slot)) && taken.insert(slot) {
            moves.insert(slot, slot);
        } else {
            away.push(slot);
        }
    }
    for slot in away {
        // One of so many is free.
        let last = count + taken.len();
        let free = (count..=last).find(|free| taken.insert(*free)).unwrap_or(slot);
        moves.insert(slot, free);
    }
}

fn at_root(why: Malformed) -> Refusal {
    Refusal::Unreadable { path: ROOT.to_owned(), why }
}

/// A file with this content, or none.
fn set(files: &mut BTreeMap<String, Content>, path: String, content: Option<Content>) {
    match content {
        Some(content) => drop(files.insert(path, content)),
        None => drop(files.remove(&path)),
    }
}

/// The raw transcript of a slot: the objects that v1 has, unless an archive has them there already. Where v1 has none, what
/// v2 has is all there is.
fn raw(mirror: &Mirror<'_>, slot: usize, files: &mut BTreeMap<String, Content>) {
    let own: Vec<&str> = mirror.v1.of(slot).map(|(name, _)| name).collect();
    let mut pieces = layout::pieces(own.iter().copied(), Store::V1.transcript());
    if pieces.is_empty() {
        pieces = layout::pieces(own.iter().copied(), layout::LEGACY);
    }
    let raw_stays = pieces.is_empty();
    let mut wanted: BTreeMap<String, &Object> = BTreeMap::new();
    for (index, name) in pieces.iter().enumerate() {
        wanted.extend(
            mirror
                .v1
                .files
                .get(&format!("{slot}/{name}"))
                .map(|object| (Store::Full.piece(slot, index), object)),
        );
    }
    for name in layout::RECORDED.iter().flat_map(|of| layout::pieces(own.iter().copied(), of)) {
        let path = format!("{slot}/{name}");
        wanted.extend(mirror.v1.files.get(&path).map(|object| (path, object)));
    }
    let hash = mirror.v1.files.get(&format!("{slot}/{}", Store::V1.hash()));
    wanted
        .extend(hash.filter(|_| !raw_stays).map(|object| (format!("{slot}/{}", Store::Full.hash()), object)));
    let has = |held: &Held| wanted.iter().all(|(path, object)| held.files.get(path) == Some(*object));
    let path = Store::Full.piece(slot, 0);
    let newest = mirror.archived.iter().find(|held| held.files.contains_key(&path));
    let is_archived = newest.is_some_and(has) && !has(mirror.current);
    // Pieces that a longer transcript had.
    files.retain(|path, _| {
        let is_raw = |name: &str| {
            let is = |of| !layout::pieces(std::iter::once(name), of).is_empty();
            is(Store::Full.transcript()) || name == Store::Full.hash() || layout::RECORDED.into_iter().any(is)
        };
        raw_stays || !layout::slot(path).is_some_and(|(own, name)| own == slot && is_raw(name))
    });
    if !is_archived {
        files.extend(wanted.into_iter().map(|(path, object)| (path, Content::Object(object.clone()))));
    }
}

/// What subagents said: v1 has it beside its sessions, or in one; v2 in one, where it is or else in the newest.
fn tasks(v1: &Held, archived: &[Held], sessions: usize, files: &mut BTreeMap<String, Content>) {
    for (path, object) in &v1.files {
        let content = Content::Object(object.clone());
        match layout::slot(path) {
            Some((slot, name)) if name.starts_with("tasks/") => {
                let is_archived = archived.iter().any(|held| held.files.get(path) == Some(object));
                if !is_archived {
                    files.insert(format!("{slot}/{name}"), content);
                }
            }
            None if path.starts_with("tasks/") => {
                let mut places = (0..sessions).map(|slot| format!("{slot}/{path}"));
                let is_archived =
                    |path: &String| archived.iter().any(|held| held.files.get(path) == Some(object));
                let place = places.clone().find(|place| files.contains_key(place) || is_archived(place));
                match place.or_else(|| places.next_back()) {
                    Some(place) if !is_archived(&place) => drop(files.insert(place, content)),
                    _ => {}
                }
            }
            _ => {}
        }
    }
}
