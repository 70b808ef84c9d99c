use proptest::prelude::*;

use super::*;
use crate::checkpoint::id::{CheckpointId, Name};
use crate::checkpoint::layout::{ROOT, Store};
use crate::checkpoint::metadata::{self, NewSession};

fn id() -> CheckpointId {
    CheckpointId::parse("7c1e0b9a42d5").unwrap()
}

/// An object is called by what it holds.
fn object(bytes: &[u8]) -> Object {
    Object(crate::encoding::to_base64(bytes))
}

fn bytes(object: &Object) -> Vec<u8> {
    crate::encoding::from_base64(&object.0).unwrap()
}

/// One checkpoint in all its stores.
#[derive(Debug, Clone, Default)]
struct Stores {
    v1: Held,
    main: Held,
    current: Held,
    archived: Vec<Held>,
}

fn apply(held: &mut Held, edits: &Edits) {
    for (path, content) in edits {
        match content {
            None => drop(held.files.remove(path)),
            Some(Content::Object(object)) => drop(held.files.insert(path.clone(), object.clone())),
            Some(Content::Bytes(bytes)) => drop(held.files.insert(path.clone(), object(bytes))),
        }
    }
    reread(held);
}

/// The records as a shell reads them from the files.
fn reread(held: &mut Held) {
    held.root = held.files.get(ROOT).map(bytes);
    held.records =
        (0..64).filter_map(|slot| Some((slot, bytes(held.files.get(&Store::record(slot))?)))).collect();
}

fn kept(name: &str, text: &str) -> Kept {
    Kept {
        session: NewSession {
            cli_version: "1".to_owned(),
            session_id: Name::parse(name).unwrap(),
            created_at: "2026-01-02T03:05:00Z".to_owned(),
            branch: None,
            checkpoints_count: 1,
            files_touched: vec![format!("{name}.rs")],
            agent: Some("Claude Code".to_owned()),
            model: String::new(),
            token_usage: None,
        },
        transcript: vec![object(text.as_bytes())],
        hash: format!("sha256:{text}"),
        prompt: format!("do {name}"),
        extra: BTreeMap::new(),
        tasks: BTreeMap::new(),
    }
}

impl Stores {
    fn attach(&mut self, kept: &Kept) -> Attached {
        let attached = attach(&id(), &self.v1, kept).unwrap();
        apply(&mut self.v1, &attached.edits);
        attached
    }

    fn mirror(&mut self) -> Mirrored {
        let of = Mirror {
            id: &id(),
            v1: &self.v1,
            main: &self.main,
            current: &self.current,
            archived: &self.archived,
        };
        let compact = |slot: usize| {
            let raw = self.v1.files.get(&Store::V1.piece(slot, 0)).unwrap();
            let compact = Compact {
                object: object(&[b"compact ".to_vec(), bytes(raw)].concat()),
                hash: raw.0.clone(),
                start: 0,
            };
            (slot, compact)
        };
        let compacts = wanted(&of).unwrap().into_iter().map(compact).collect();
        let mirrored = mirror(&of, &compacts).unwrap();
        apply(&mut self.main, &mirrored.main);
        apply(&mut self.current, &mirrored.current);
        mirrored
    }

    fn names(held: &Held) -> Vec<String> {
        let root = Record::parse(held.root.as_ref().unwrap()).unwrap();
        let listed = metadata::sessions(&root).unwrap().len();
        let name = |slot| {
            let record = Record::parse(held.records.get(&slot).unwrap()).unwrap();
            metadata::session_id(&record).unwrap().to_string()
        };
        (0..listed).map(name).collect()
    }

    /// v2 has in the slots of v1 what v1 has.
    fn is_equal(&self) -> Result<(), String> {
        let names = Self::names(&self.v1);
        let in_v2 = Self::names(&self.main);
        if in_v2.get(..names.len()) != Some(&names) {
            return Err(format!("{names:?} but {in_v2:?}"));
        }
        for slot in 0..names.len() {
            let raw = self.v1.files.get(&Store::V1.piece(slot, 0)).unwrap();
            let path = Store::Full.piece(slot, 0);
            let held = std::iter::once(&self.current).chain(&self.archived);
            if !held.into_iter().any(|held| held.files.get(&path) == Some(raw)) {
                return Err(format!("slot {slot}: raw"));
            }
            let compact = self.main.files.get(&Store::Main.piece(slot, 0)).map(bytes);
            if compact != Some([b"compact ".to_vec(), bytes(raw)].concat()) {
                return Err(format!("slot {slot}: compact {compact:?}"));
            }
            let prompt = |held: &Held| held.files.get(&Store::prompt(slot)).cloned();
            if prompt(&self.v1) != prompt(&self.main) {
                return Err(format!("slot {slot}: prompt"));
            }
        }
        Ok(())
    }
}

#[test]
fn a_session_has_the_slot_it_had_or_the_next_and_the_same_again_changes_nothing() {
    let mut stores = Stores::default();
    assert_eq!((stores.attach(&kept("a", "1")).slot, stores.attach(&kept("b", "2")).slot), (0, 1));
    let again = stores.attach(&kept("a", "1"));
    assert!(again.was_there && again.edits.is_empty(), "{again:?}");
    let mut longer = kept("a", "3");
    longer.transcript.push(object(b"4"));
    let longer = stores.attach(&longer);
    assert_eq!((longer.slot, longer.was_there), (0, true));
    assert!(longer.edits.keys().all(|path| path == ROOT || path.starts_with("0/")), "{longer:?}");
    let shorter = stores.attach(&kept("a", "5"));
    assert_eq!(shorter.edits.get("0/full.jsonl.001"), Some(&None), "no piece of the longer one stays");
    assert_eq!(Stores::names(&stores.v1), ["a", "b"]);
}

#[test]
fn what_others_wrote_survives() {
    let mut stores = Stores::default();
    stores.attach(&kept("a", "1"));
    for path in ["0/context.md", "0/assets/manifest.json", "tasks/t/checkpoint.json", "odd"] {
        stores.v1.files.insert(path.to_owned(), object(path.as_bytes()));
    }
    stores.attach(&kept("a", "2"));
    stores.attach(&kept("b", "3"));
    for path in ["0/context.md", "0/assets/manifest.json", "tasks/t/checkpoint.json", "odd"] {
        assert_eq!(stores.v1.files.get(path), Some(&object(path.as_bytes())), "{path}");
    }
}

#[test]
fn what_cannot_be_read_whole_is_refused_and_named() {
    let mut stores = Stores::default();
    stores.attach(&kept("a", "1"));
    stores.attach(&kept("b", "2"));
    let refused = |change: &dyn Fn(&mut Held)| {
        let mut held = stores.v1.clone();
        change(&mut held);
        attach(&id(), &held, &kept("c", "3")).unwrap_err().to_string()
    };
    assert_eq!(refused(&|held| drop(held.records.remove(&0))), "0/metadata.json is missing");
    assert!(refused(&|held| held.root = Some(b"{".to_vec())).starts_with("metadata.json cannot be read"));
    assert!(
        refused(&|held| held.root = Some(br#"{"checkpoint_id":"x"}"#.to_vec())).contains("checkpoint_id")
    );
    assert_eq!(refused(&|held| held.root = None), "the checkpoint has files, but no metadata.json");
}

#[test]
fn a_checkpoint_that_v2_lacks_is_brought_over_whole() {
    let mut stores = Stores::default();
    for (name, text) in [("a", "1"), ("b", "2"), ("c", "3")] {
        stores.attach(&kept(name, text));
    }
    stores.v1.files.insert("tasks/t/checkpoint.json".to_owned(), object(b"task"));
    stores.mirror();
    stores.is_equal().unwrap();
    assert_eq!(stores.current.files.get("2/tasks/t/checkpoint.json"), Some(&object(b"task")));
    let again = stores.mirror();
    assert!(again.main.is_empty() && again.current.is_empty(), "{again:?}");

    stores.attach(&kept("d", "4"));
    let one = stores.mirror();
    assert!(one.main.keys().all(|path| path == ROOT || path.starts_with("3/")), "{one:?}");
    assert!(one.current.keys().all(|path| path.starts_with("3/")), "{one:?}");
}

#[test]
fn a_shadow_is_healed_by_name_and_what_only_v2_has_stays_behind() {
    let mut stores = Stores::default();
    stores.attach(&kept("only-here", "0"));
    stores.attach(&kept("b", "2"));
    stores.mirror();
    stores.v1 = Held::default();
    stores.attach(&kept("a", "1"));
    stores.attach(&kept("b", "2"));
    stores.main.files.insert("1/later.json".to_owned(), object(b"b's"));
    let mirrored = stores.mirror();
    stores.is_equal().unwrap();
    assert_eq!(mirrored.only_here, [Name::parse("only-here").unwrap()]);
    assert_eq!(Stores::names(&stores.main), ["a", "b", "only-here"]);
    assert_eq!(stores.main.files.get("1/later.json"), Some(&object(b"b's")));
    assert_eq!(stores.current.files.get(&Store::Full.piece(2, 0)), Some(&object(b"0")));
}

#[test]
fn a_terminals_recording_is_beside_the_raw_transcript_in_both_stores() {
    let mut stores = Stores::default();
    let mut with = kept("a", "1");
    with.extra = [("terminal.cast", b"x"), ("terminal.cast.001", b"y")]
        .map(|(name, bytes)| (name.to_owned(), object(bytes)))
        .into();
    stores.attach(&with);
    stores.mirror();
    for held in [&stores.v1, &stores.current] {
        assert_eq!(held.files.get("0/terminal.cast.001"), Some(&object(b"y")));
    }
    stores.attach(&kept("a", "2"));
    stores.mirror();
    for held in [&stores.v1, &stores.current] {
        assert!(!held.files.keys().any(|path| path.contains("terminal")), "{held:?}");
    }
}

#[test]
fn what_an_archive_has_is_not_kept_twice() {
    let mut stores = Stores::default();
    stores.attach(&kept("a", "1"));
    stores.mirror();
    stores.archived.push(std::mem::take(&mut stores.current));
    stores.attach(&kept("b", "2"));
    let mirrored = stores.mirror();
    stores.is_equal().unwrap();
    assert!(mirrored.current.keys().all(|path| path.starts_with("1/")), "{mirrored:?}");
}

/// What may happen to a checkpoint between two attaches.
#[derive(Debug, Clone)]
enum Act {
    /// A session is attached; v2 follows or not.
    Attach(u8, u8, bool),
    /// v2 was lost, or never switched on.
    LoseV2,
    /// Somebody's v2 lost a slot's record and files.
    LoseSlot(u8),
    /// Two slots of v2 changed places.
    Swap(u8, u8),
    /// The generation was archived.
    Archive,
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0..5_u8, 0..3_u8, any::<bool>()).prop_map(|(name, text, v2)| Act::Attach(name, text, v2)),
        1 => Just(Act::LoseV2),
        1 => (0..5_u8).prop_map(Act::LoseSlot),
        1 => (0..5_u8, 0..5_u8).prop_map(|(one, other)| Act::Swap(one, other)),
        1 => Just(Act::Archive),
    ];
    proptest::collection::vec(act, 1..14)
}

fn renumber(held: &mut Held, to: impl Fn(usize) -> Option<usize>) {
    let files = std::mem::take(&mut held.files).into_iter();
    let moved = files.filter_map(|(path, object)| match crate::checkpoint::layout::slot(&path) {
        None => Some((path, object)),
        Some((slot, name)) => Some((format!("{}/{name}", to(slot)?), object)),
    });
    held.files = moved.collect();
    reread(held);
}

/// Puts a file into a store as somebody else's program might.
fn put(held: &mut Held, path: &str, text: &str) {
    held.files.insert(path.to_owned(), object(text.as_bytes()));
    reread(held);
}

fn removed(held: &mut Held, path: &str) {
    assert!(held.files.remove(path).is_some(), "{path}");
    reread(held);
}

fn whole(names: &[&str]) -> Stores {
    let mut stores = Stores::default();
    for name in names {
        stores.attach(&kept(name, &format!("{name}{name}")));
    }
    stores.mirror();
    stores.is_equal().unwrap();
    stores
}

#[test]
fn a_session_that_the_record_does_not_list_is_not_written_over() {
    let mut stores = whole(&["a", "b"]);
    let root = whole(&["a"]).v1.root.unwrap();
    put(&mut stores.v1, ROOT, std::str::from_utf8(&root).unwrap());
    let refused = Refusal::Unlisted { path: "1/content_hash.txt".to_owned() };
    assert_eq!(attach(&id(), &stores.v1, &kept("c", "cc")).unwrap_err(), refused);
    let none = format!("{{\"checkpoint_id\": \"{}\", \"sessions\": null}}", id());
    put(&mut stores.v1, ROOT, &none);
    assert!(matches!(attach(&id(), &stores.v1, &kept("c", "cc")), Err(Refusal::Unlisted { .. })));
}

#[test]
fn what_only_v2_has_of_a_transcript_stays() {
    // v1's is gone.
    let mut stores = whole(&["a", "b"]);
    removed(&mut stores.v1, "0/full.jsonl");
    let (main, current) = (stores.main.files.clone(), stores.current.files.clone());
    stores.mirror();
    assert_eq!(stores.current.files, current);
    assert_eq!(stores.main.files.get("0/transcript.jsonl"), main.get("0/transcript.jsonl"));
    // It has the name of the oldest checkpoints there.
    put(&mut stores.v1, "0/full.log", "aa");
    removed(&mut stores.v1, "0/content_hash.txt");
    stores.mirror();
    assert_eq!(stores.current.files.get("0/raw_transcript"), Some(&object(b"aa")));
    let again = stores.mirror();
    assert_eq!((again.main, again.current), (Edits::new(), Edits::new()));
}

#[test]
fn files_of_sessions_that_v2_has_no_record_of_stay() {
    let mut stores = whole(&["a", "b"]);
    // Behind all sessions, and in a slot that a session takes.
    put(&mut stores.current, "5/tasks/t/agent.jsonl", "said");
    stores.mirror();
    assert_eq!(stores.current.files.get("5/tasks/t/agent.jsonl"), Some(&object(b"said")));
    // v2's records are gone: what is in a slot is of v1's session there.
    put(&mut stores.current, "1/tasks/t/agent.jsonl", "said");
    stores.main = Held::default();
    stores.mirror();
    stores.is_equal().unwrap();
    for path in ["1/tasks/t/agent.jsonl", "5/tasks/t/agent.jsonl"] {
        assert_eq!(stores.current.files.get(path), Some(&object(b"said")), "{path}");
    }
    let again = stores.mirror();
    assert_eq!((again.main, again.current), (Edits::new(), Edits::new()));
}

#[test]
fn what_an_archive_has_of_a_session_that_moves_goes_with_it() {
    let mut stores = whole(&["a"]);
    stores.archived = vec![std::mem::take(&mut stores.current)];
    // v1 has others: the session is v2's alone, and makes way.
    stores.v1 = whole(&["b"]).v1;
    let mirrored = stores.mirror();
    assert_eq!(mirrored.only_here, [Name::parse("a").unwrap()]);
    assert_eq!(stores.current.files.get("1/raw_transcript"), Some(&object(b"aa")));
    let again = stores.mirror();
    assert_eq!((again.main, again.current), (Edits::new(), Edits::new()));
}

#[test]
fn a_recording_of_the_very_same_transcript_stays() {
    let mut stores = Stores::default();
    let mut recorded = kept("a", "aa");
    recorded.extra.insert("terminal.cast".to_owned(), object(b"cast"));
    stores.attach(&recorded);
    assert!(stores.attach(&kept("a", "aa")).edits.is_empty());
    assert!(stores.v1.files.contains_key("0/terminal.cast"));
    stores.attach(&kept("a", "other"));
    assert!(!stores.v1.files.contains_key("0/terminal.cast"), "it is of another");
}

#[test]
fn what_v1s_record_says_v2s_says_and_of_others_files_nothing_is_changed() {
    let mut stores = whole(&["a", "b"]);
    let more = String::from_utf8(stores.v1.root.clone().unwrap()).unwrap();
    let more = more.replacen('{', "{\n  \"has_review\": true,\n  \"zz\": 1.50,", 1);
    let more = more.replacen("\"prompt\"", "\"compact_transcript\": \"/x\",\n      \"prompt\"", 1);
    put(&mut stores.v1, ROOT, &more);
    removed(&mut stores.v1, "0/content_hash.txt");
    stores.mirror();
    let root = String::from_utf8(stores.main.root.clone().unwrap()).unwrap();
    assert!(root.contains("\"has_review\": true") && root.contains("\"zz\": 1.50"), "{root}");
    let again = stores.mirror();
    assert_eq!((again.main, again.current), (Edits::new(), Edits::new()), "also without a hash");
    let entry =
        |root: &[u8]| Record::parse(root).and_then(|root| metadata::sessions(&root)).unwrap().remove(0);
    let before = entry(more.as_bytes()).text(2);
    stores.attach(&kept("b", "longer"));
    assert_eq!(entry(stores.v1.root.as_ref().unwrap()).text(2), before);
    stores.attach(&kept("a", "longer"));
    assert!(entry(stores.v1.root.as_ref().unwrap()).raw("compact_transcript").is_none());
}

#[test]
fn a_name_that_is_there_twice_is_two_sessions_and_changes_nothing_again() {
    let mut stores = whole(&["a", "b"]);
    for path in ["1/metadata.json", ROOT] {
        let text = String::from_utf8(bytes(&stores.v1.files[path])).unwrap();
        put(&mut stores.v1, path, &text.replace("\"session_id\": \"b\"", "\"session_id\": \"a\""));
    }
    stores.mirror();
    stores.is_equal().unwrap();
    let again = stores.mirror();
    assert_eq!((again.main, again.current), (Edits::new(), Edits::new()));
}

proptest! {
    #[test]
    fn after_any_history_an_attach_makes_v2_whole(acts in acts()) {
        let mut stores = Stores::default();
        for act in acts {
            match act {
                Act::Attach(name, text, v2) => {
                    stores.attach(&kept(&format!("s{name}"), &format!("{name} {text}")));
                    if v2 {
                        stores.mirror();
                        prop_assert_eq!(stores.is_equal(), Ok(()));
                    }
                }
                Act::LoseV2 => (stores.main, stores.current) = (Held::default(), Held::default()),
                Act::LoseSlot(lost) => {
                    let to = |slot: usize| (slot != usize::from(lost)).then_some(slot);
                    renumber(&mut stores.main, to);
                    renumber(&mut stores.current, to);
                }
                Act::Swap(one, other) => {
                    let (one, other) = (usize::from(one), usize::from(other));
                    let to = |slot: usize| Some(if slot == one { other } else if slot == other { one } else { slot });
                    renumber(&mut stores.main, to);
                    renumber(&mut stores.current, to);
                }
                Act::Archive => {
                    let held = std::mem::take(&mut stores.current);
                    stores.archived.insert(0, held);
                }
            }
        }
        stores.attach(&kept("last", "x"));
        stores.mirror();
        prop_assert_eq!(stores.is_equal(), Ok(()));
        let again = stores.mirror();
        prop_assert!(again.main.is_empty() && again.current.is_empty(), "{:?}", again);
    }
}
