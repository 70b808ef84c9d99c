//! Kept sessions.

use super::*;
use crate::card::SealedCard;
use crate::encoding::Blob;
use crate::id::TaskId;
use crate::keys::keeper::{Keep, KeeperKey};
use crate::keys::owner::Signature;
use crate::orchestration::task::Task;
use crate::wire::keeper::{KeeperToRelay, RelayToKeeper};
use crate::wire::sharer::NotKept;
use crate::wire::task::{OwnedEnd, RunsAnswer, TaskRow};

const HOUR: u64 = 3_600_000;

/// Objects as a directory would hold them; `full`: nothing more can be written.
#[derive(Default)]
struct Disk {
    objects: BTreeMap<SessionId, Vec<u8>>,
    full: bool,
    stores: usize,
}

fn config() -> RelayConfig {
    let keep = KeepLimits { for_ms: 24 * HOUR, session: 1024 * 1024, total: 4 * 1024 * 1024, sessions: 8 };
    RelayConfig { keep: Some(keep), ..RelayConfig::default() }
}

impl World {
    /// Does what is to be done in the archive.
    fn work(&mut self, disk: &mut Disk) {
        while let Some(order) = self.relay.poll_archive() {
            let now = self.now();
            match order {
                ArchiveOrder::Store(number, frozen) => {
                    let object = frozen.encode();
                    let stored = (!disk.full).then_some(object.len() as u64);
                    if stored.is_some() {
                        disk.stores += 1;
                        disk.objects.insert(frozen.session(), object);
                    }
                    self.relay.handle_stored(now, frozen.session(), number, stored);
                }
                ArchiveOrder::Load(session) => {
                    let object = disk.objects.get(&session).cloned().unwrap_or_default();
                    let loaded = Frozen::decode(session, &object.into());
                    self.relay.handle_loaded(now, session, loaded.map_err(|_damage| LoadError::Damaged));
                }
                ArchiveOrder::Remove(session) => {
                    disk.objects.remove(&session);
                    self.relay.handle_removed(now, session, true);
                }
            }
            self.drain();
        }
    }

    /// Another relay on the same disk, so many milliseconds later.
    fn restarted(&self, disk: &Disk, later: u64) -> Self {
        let mut world = Self::with(config());
        world.ms = self.ms + later;
        for (session, object) in &disk.objects {
            match decode_head(*session, &object[..object.len().min(USUAL_HEAD)], object.len() as u64) {
                Ok(head) => world.relay.handle_found(world.now(), head, object.len() as u64),
                Err(_damage) => world.relay.handle_damaged(),
            }
        }
        world
    }
}

impl Sharer {
    fn keeping(seed: u8, keeper: &KeeperKey) -> Self {
        let keep = Some(Keep { for_ms: HOUR, keeper: keeper.public() });
        Self { keep, ..Self::seeded(seed) }
    }

    fn signed_end(&self, reason: EndReason) -> Signed {
        let scope = Scope { session: self.owner.session_id(), epoch: self.epoch };
        let point = ChainPoint { number: self.number, ..ChainPoint::start(scope) };
        End { epoch: self.epoch, point, reason }.sign(&self.owner)
    }

    fn say_end(&self, world: &mut World, peer: u64, stays: bool) {
        let end = self.signed_end(EndReason::Exited { code: Some(0), signal: None });
        let (channel, final_number) = (CH, self.number);
        world.text(peer, &SharerToRelay::EndSession { channel, end, final_number, stays });
    }

    /// Claims at its own peer, is seen, ends and goes.
    fn lives_and_ends(&mut self, world: &mut World, peer: u64, disk: &mut Disk) -> Vec<RelayToSharer> {
        self.claim(world, peer, HOST);
        self.event(world, peer, 100);
        self.snapshot(world, peer, true);
        self.event(world, peer, 100);
        world.text(peer, &SharerToRelay::UpdateTasks { channel: CH, rows: vec![row()] });
        self.say_end(world, peer, false);
        world.work(disk);
        let said = world.sharer(peer);
        world.gone(peer);
        said
    }
}

fn row() -> TaskRow {
    let card = SealedCard { body: Blob(vec![7; 99]), typing: None, signature: Signature([7; 64]) };
    TaskRow::new(&Task::new(TaskId("child".into()), Some(TaskId("p".into())), "", UnixMs(0)), card)
}

fn keeper(seed: u8) -> KeeperKey {
    KeeperKey::generate(&mut Entropy::from_seed([seed; 32]))
}

/// What a viewer is given of a kept session; the relay's refusal if it is not.
fn opened(world: &mut World, disk: &mut Disk, sharer: &Sharer, peer: u64) -> Result<Vec<Heard>, Refusal> {
    sharer.join(world, peer, Right::Watch, None);
    world.work(disk);
    let heard = world.viewer(peer);
    match &heard[..] {
        [Heard::Control(RelayToViewer::FailedToJoin { reason, .. })] => Err(reason.clone()),
        _ => Ok(heard),
    }
}

fn kept_ms(heard: &[Heard]) -> Option<u64> {
    heard.iter().find_map(|heard| match heard {
        Heard::Control(RelayToViewer::SessionEnded { end: Some(_), kept_ms, .. }) => *kept_ms,
        _ => None,
    })
}

fn ask(world: &mut World, peer: u64, challenge: &Challenge, key: &KeeperKey, remove: bool) -> RelayToKeeper {
    let signature = key.sign(remove, challenge, HOST);
    world.text(peer, &KeeperToRelay::AskKept { keeper: key.public(), remove, signature });
    let Some(Outgoing::Text(text)) = world.take(peer).pop() else { panic!("no answer") };
    wire::decode(&text).unwrap()
}

#[test]
fn a_kept_session_is_shown_by_a_relay_that_was_started_anew() {
    let (mut world, mut disk, key) = (World::with(config()), Disk::default(), keeper(7));
    let mut sharer = Sharer::keeping(1, &key);
    let said = sharer.lives_and_ends(&mut world, 1, &mut disk);
    assert!(said.contains(&RelayToSharer::SessionKept { channel: CH, for_ms: HOUR }), "{said:?}");
    let live = opened(&mut world, &mut disk, &sharer, 2).unwrap();
    let mut world = world.restarted(&disk, HOUR / 2);
    assert_eq!(world.relay.stats().kept, 1);
    let heard = opened(&mut world, &mut disk, &sharer, 3).unwrap();
    let frames = |heard: &[Heard]| heard.iter().filter(|h| matches!(h, Heard::Frame(_))).cloned().collect();
    let (was, is): (Vec<Heard>, Vec<Heard>) = (frames(&live), frames(&heard));
    assert_eq!(was, is, "the sealed frames as they were");
    assert!(is.iter().any(Heard::is_screen) && is.iter().any(Heard::is_history));
    assert_eq!(is.iter().filter_map(Heard::event).collect::<Vec<_>>(), [2]);
    assert!(heard.iter().any(
        |h| matches!(h, Heard::Control(RelayToViewer::TasksUpdated { rows, .. }) if rows[..] == [row()])
    ));
    assert_eq!(kept_ms(&heard), Some(HOUR / 2));
    // When nobody looks it is put away, and comes again.
    assert_eq!(world.relay.stats().sessions, 1);
    world.gone(3);
    world.wait(60_000);
    assert_eq!(world.relay.stats().sessions, 0);
    assert!(opened(&mut world, &mut disk, &sharer, 4).is_ok());
}

/// For how long what a lost sharer left is kept, where that is said; 0: it is not kept yet.
fn lost(heard: &[Heard]) -> Option<u64> {
    heard.iter().find_map(|heard| match heard {
        Heard::Control(RelayToViewer::SessionEnded {
            reason: EndedBecause::SharerAway,
            end: None,
            kept_ms,
            ..
        }) => Some(kept_ms.unwrap_or(0)),
        _ => None,
    })
}

#[test]
fn a_session_whose_sharer_never_comes_back_is_kept_as_it_was_and_said_to_be_lost() {
    let (mut world, mut disk, key) = (World::with(config()), Disk::default(), keeper(7));
    let (mut sharer, mut other) = (Sharer::keeping(1, &key), Sharer::seeded(2));
    for (peer, sharer) in [(1, &mut sharer), (2, &mut other)] {
        sharer.claim(&mut world, peer, HOST);
        sharer.event(&mut world, peer, 100);
        sharer.snapshot(&mut world, peer, true);
        // Nobody will ever sign this one.
        sharer.event(&mut world, peer, 100);
    }
    sharer.join(&mut world, 3, Right::Watch, None);
    other.join(&mut world, 4, Right::Watch, None);
    (world.gone(1), world.gone(2));
    world.wait(599_000);
    world.work(&mut disk);
    assert!(disk.objects.is_empty() && lost(&world.viewer(3)).is_none(), "it may still come back");
    world.wait(1_000);
    assert_eq!((lost(&world.viewer(3)), lost(&world.viewer(4))), (Some(0), Some(0)));
    world.work(&mut disk);
    assert_eq!(
        (disk.objects.len(), world.relay.stats().sessions),
        (1, 1),
        "the other is to be kept by nobody"
    );
    let late = opened(&mut world, &mut disk, &sharer, 5).unwrap();
    assert!(late.iter().any(Heard::is_screen) && lost(&late) == Some(HOUR), "{late:?}");
    // From the archive, after a restart.
    let mut later = world.restarted(&disk, HOUR / 2);
    let heard = opened(&mut later, &mut disk, &sharer, 6).unwrap();
    assert!(heard.iter().any(Heard::is_screen) && heard.iter().any(Heard::is_history));
    assert_eq!(heard.iter().find_map(Heard::event), None, "what nobody signed is not shown for ever");
    assert_eq!(lost(&heard), Some(HOUR / 2));
    assert!(opened(&mut later, &mut disk, &other, 7).is_err());
    // It comes back after all, and is kept as it really ends.
    for world in [&mut later, &mut world] {
        let said = sharer.lives_and_ends(world, 8, &mut disk);
        assert!(said.contains(&RelayToSharer::SessionKept { channel: CH, for_ms: HOUR }), "{said:?}");
        let heard = opened(world, &mut disk, &sharer, 9).unwrap();
        assert!(kept_ms(&heard).is_some() && lost(&heard).is_none(), "{heard:?}");
    }
}

#[test]
fn what_is_lost_is_not_kept_against_anybodys_will() {
    // Stopped, or removed, while its sharer was away for good.
    for removed in [false, true] {
        let (mut world, mut disk, key) = (World::with(config()), Disk::default(), keeper(7));
        let mut sharer = Sharer::keeping(1, &key);
        sharer.claim(&mut world, 1, HOST);
        sharer.event(&mut world, 1, 100);
        sharer.snapshot(&mut world, 1, true);
        world.gone(1);
        world.wait(600_000);
        world.work(&mut disk);
        assert_eq!(disk.objects.len(), 1, "control");
        let challenge = world.connect(10);
        if removed {
            let signature = key.sign(true, &challenge, HOST);
            world.text(10, &KeeperToRelay::AskKept { keeper: key.public(), remove: true, signature });
        } else {
            let ends =
                vec![OwnedEnd { owner: sharer.owner.public(), end: sharer.signed_end(EndReason::Unshared) }];
            world.text(10, &SharerToRelay::EndGroup { ends });
        }
        world.work(&mut disk);
        let heard = opened(&mut world, &mut disk, &sharer, 11);
        assert!(heard.is_err() || !heard.unwrap().iter().any(Heard::is_screen), "{removed}");
        let mut world = world.restarted(&disk, 1);
        assert!(opened(&mut world, &mut disk, &sharer, 12).is_err(), "{removed}");
    }
}

#[test]
fn what_nobody_looks_at_makes_way_for_a_live_session() {
    let one = RelayConfig { max_sessions: 1, ..config() };
    let (mut world, mut disk, key) = (World::with(one.clone()), Disk::default(), keeper(7));
    let mut kept = Sharer::keeping(1, &key);
    kept.lives_and_ends(&mut world, 1, &mut disk);
    let mut world = World { relay: Relay::new(one, Entropy::from_seed([9; 32]), world.now()), ..world };
    for (session, object) in &disk.objects {
        let head = decode_head(*session, object, object.len() as u64).unwrap();
        world.relay.handle_found(world.now(), head, object.len() as u64);
    }
    assert!(opened(&mut world, &mut disk, &kept, 2).is_ok());
    let mut live = Sharer::seeded(2);
    live.claim(&mut world, 3, HOST);
    let full = RelayToSharer::FailedToInitialize { channel: CH, reason: Refusal::RelayFull };
    assert_eq!(world.sharer(3), [full], "somebody looks at it");
    world.gone(2);
    live.claim(&mut world, 4, HOST);
    assert!(matches!(world.sharer(4)[..], [RelayToSharer::SessionInitialized { .. }, ..]));
    // And it opens again as soon as there is room.
    assert_eq!(opened(&mut world, &mut disk, &kept, 5), Err(Refusal::RelayFull));
    world.gone(4);
    world.wait(600_000);
    assert!(opened(&mut world, &mut disk, &kept, 6).is_ok());
}

#[test]
fn runs_of_a_kept_session_are_told_to_who_has_its_token() {
    let (mut world, mut disk, key) = (World::with(config()), Disk::default(), keeper(7));
    let mut sharer = Sharer::keeping(1, &key);
    sharer.source.task_id = Some(TaskId("parent".into()));
    sharer.lives_and_ends(&mut world, 1, &mut disk);
    let mut world = world.restarted(&disk, 1);
    let session = sharer.owner.session_id();
    let query = |task: &str, token| RunsQuery { ancestor: TaskId(task.into()), token, after: None, limit: 9 };
    let ask =
        |world: &mut World, task: &str, token| world.relay.runs(world.now(), "10.0.0.9", &query(task, token));
    let token = sharer.token(Right::Watch);
    assert_eq!(ask(&mut world, "parent", Sharer::seeded(3).token(Right::Watch)), Err(RunsError::NotFound));
    assert!(!world.relay.is_loading(session), "nothing is read for who may not know of it");
    assert_eq!(ask(&mut world, "parent", token.clone()), Err(RunsError::Later(session)));
    assert!(world.relay.is_loading(session));
    world.work(&mut disk);
    assert!(!world.relay.is_loading(session));
    let runs = ask(&mut world, "parent", token.clone()).unwrap();
    let answer: RunsAnswer = serde_json::from_str(&runs.to_json()).unwrap();
    assert_eq!((answer.session_id, answer.runs), (session, vec![row()]));
    assert_eq!(ask(&mut world, "another", token.clone()), Err(RunsError::NotFound));
    // Put away again, as nobody looks.
    world.wait(60_000);
    assert_eq!(world.relay.stats().sessions, 0);
    assert_eq!(ask(&mut world, "parent", token), Err(RunsError::Later(session)));
}

#[test]
fn a_kept_session_opens_for_its_own_links_only() {
    let (mut world, mut disk, key) = (World::with(config()), Disk::default(), keeper(7));
    let mut parent = Sharer::keeping(1, &key);
    let mut child = Sharer::keeping(2, &key);
    parent.lives_and_ends(&mut world, 1, &mut disk);
    child.lives_and_ends(&mut world, 2, &mut disk);
    let mut world = world.restarted(&disk, 61_000);
    world.ms += 61_000;
    // The child's token, shown for the parent.
    world.connect(3);
    let payload = parent.payload(child.token(Right::Watch), None);
    world.text(3, &ViewerToRelay::Join { channel: CH, payload });
    world.work(&mut disk);
    let heard = world.viewer(3);
    let refused = RelayToViewer::FailedToJoin { channel: CH, reason: Refusal::NotFound { retry: false } };
    assert_eq!(heard, [Heard::Control(refused)]);
    assert_eq!(world.relay.stats().sessions, 0, "nothing was read for it");
    assert!(opened(&mut world, &mut disk, &child, 4).is_ok());
}

#[test]
fn what_was_cut_short_or_altered_is_found_and_harms_nothing_else() {
    let (mut world, mut disk, key) = (World::with(config()), Disk::default(), keeper(7));
    let mut sharer = Sharer::keeping(1, &key);
    let mut other = Sharer::keeping(2, &key);
    sharer.lives_and_ends(&mut world, 1, &mut disk);
    other.lives_and_ends(&mut world, 2, &mut disk);
    let session = sharer.owner.session_id();
    let whole = disk.objects[&session].clone();
    assert!(Frozen::decode(session, &whole.clone().into()).is_ok());
    let head = |object: &[u8]| decode_head(session, object, object.len() as u64);
    for len in 0..whole.len() {
        assert_eq!(head(&whole[..len]), Err(Damage::CutShort), "{len}");
        assert_eq!(Frozen::decode(session, &whole[..len].to_vec().into()), Err(Damage::CutShort));
    }
    for at in 0..whole.len() {
        let mut altered = whole.clone();
        altered[at] ^= 1;
        assert!(Frozen::decode(session, &altered.into()).is_err(), "{at}");
    }
    assert_eq!(head(&[&whole[..], b"x"].concat()), Err(Damage::Altered));
    assert!(decode_head(other.owner.session_id(), &whole, whole.len() as u64).is_err(), "another's name");
    // Found when it is opened …
    let mut running = world.restarted(&disk, 61_000);
    running.ms += 61_000;
    *disk.objects.get_mut(&session).unwrap().last_mut().unwrap() ^= 1;
    assert_eq!(
        opened(&mut running, &mut disk, &sharer, 3),
        Err(Refusal::NotFound { retry: false }),
        "not shown"
    );
    assert_eq!(running.relay.stats().kept_damaged, 1);
    assert!(opened(&mut running, &mut disk, &other, 4).is_ok());
    // … or when the relay starts.
    disk.objects.get_mut(&session).unwrap().truncate(200);
    let mut started = world.restarted(&disk, 1);
    assert_eq!((started.relay.stats().kept_damaged, started.relay.stats().kept), (1, 1));
    assert!(opened(&mut started, &mut disk, &other, 4).is_ok());
}

#[test]
fn what_its_owner_did_not_sign_is_not_shown_from_the_archive() {
    let (mut world, mut disk, key) = (World::with(config()), Disk::default(), keeper(7));
    let mut sharer = Sharer::keeping(1, &key);
    let mut other = Sharer::keeping(2, &key);
    sharer.lives_and_ends(&mut world, 1, &mut disk);
    other.lives_and_ends(&mut world, 2, &mut disk);
    let read = |sharer: &Sharer| {
        let session = sharer.owner.session_id();
        Frozen::decode(session, &disk.objects[&session].clone().into()).unwrap()
    };
    let (own, others) = (read(&sharer), read(&other));
    // Whole, with good digests: the other's screen in this session's place, its end, its word to keep it.
    for range in [0..1, 1..2] {
        let mut forged = own.clone();
        forged.packets.splice(range.clone(), others.packets[range].to_vec());
        let mut world = world.restarted(&disk, 1);
        disk.objects.insert(sharer.owner.session_id(), forged.encode());
        assert!(opened(&mut world, &mut disk, &sharer, 3).is_err());
        assert_eq!(world.relay.stats().kept_damaged, 1);
    }
    let mut forged = own.clone();
    forged.head.keep = others.head.keep;
    let object = forged.encode();
    let session = sharer.owner.session_id();
    assert_eq!(decode_head(session, &object, object.len() as u64), Err(Damage::Altered));
    disk.objects.insert(session, own.encode());
    let mut world = world.restarted(&disk, 1);
    assert!(opened(&mut world, &mut disk, &sharer, 3).is_ok(), "the control");
}

#[test]
fn only_its_keeper_removes_a_kept_session_and_it_stays_removed() {
    let (mut world, mut disk, key) = (World::with(config()), Disk::default(), keeper(7));
    let mut sharer = Sharer::keeping(1, &key);
    let mut other = Sharer::keeping(2, &keeper(8));
    sharer.lives_and_ends(&mut world, 1, &mut disk);
    other.lives_and_ends(&mut world, 2, &mut disk);
    let mut world = world.restarted(&disk, 0);
    let nothing = RelayToKeeper::KeptHere { sessions: vec![], removed: false };
    // Somebody else's key; this one's for another connection; this one's word for another wish.
    let (here, there) = (world.connect(10), world.connect(11));
    assert_eq!(ask(&mut world, 10, &here, &keeper(9), true), nothing);
    assert_eq!(ask(&mut world, 11, &here, &key, true), nothing);
    let signature = key.sign(false, &there, HOST);
    world.text(11, &KeeperToRelay::AskKept { keeper: key.public(), remove: true, signature });
    let Some(Outgoing::Text(text)) = world.take(11).pop() else { panic!() };
    assert_eq!(wire::decode(&text), Ok(nothing.clone()));
    assert!(world.relay.poll_archive().is_none());
    let RelayToKeeper::KeptHere { sessions, removed: false } = ask(&mut world, 11, &there, &key, false)
    else {
        panic!()
    };
    assert_eq!(sessions.iter().map(|kept| kept.session_id).collect::<Vec<_>>(), [sharer.owner.session_id()]);
    assert!(sessions[0].bytes > 0 && sessions[0].for_ms == HOUR);
    // Its keeper; answered when it is gone.
    let signature = key.sign(true, &there, HOST);
    world.text(11, &KeeperToRelay::AskKept { keeper: key.public(), remove: true, signature });
    assert!(world.take(11).is_empty());
    world.work(&mut disk);
    let Some(Outgoing::Text(text)) = world.take(11).pop() else { panic!() };
    assert!(matches!(wire::decode(&text), Ok(RelayToKeeper::KeptHere { removed: true, .. })));
    assert!(opened(&mut world, &mut disk, &sharer, 3).is_err());
    assert!(opened(&mut world, &mut disk, &other, 4).is_ok(), "the control");
    // Its sharer comes back, to this relay or the next, and has it kept no more.
    let mut world = world.restarted(&disk, 0);
    let said = sharer.lives_and_ends(&mut world, 5, &mut disk);
    assert!(said.contains(&RelayToSharer::NotKept { channel: CH, reason: NotKept::Removed }), "{said:?}");
    let mut world = world.restarted(&disk, 0);
    assert!(opened(&mut world, &mut disk, &sharer, 6).is_err());
    // Nor is anything of it left when it would have expired.
    world.wait(HOUR);
    world.work(&mut disk);
    assert!(disk.objects.is_empty());
}

#[test]
fn a_session_that_stays_is_removed_with_its_room() {
    let (mut world, mut disk, key) = (World::with(config()), Disk::default(), keeper(7));
    let mut sharer = Sharer::keeping(1, &key);
    sharer.claim(&mut world, 1, HOST);
    sharer.event(&mut world, 1, 100);
    sharer.snapshot(&mut world, 1, true);
    sharer.say_end(&mut world, 1, true);
    world.work(&mut disk);
    world.take(1);
    assert!(opened(&mut world, &mut disk, &sharer, 2).is_ok());
    let challenge = world.connect(10);
    let signature = key.sign(true, &challenge, HOST);
    world.text(10, &KeeperToRelay::AskKept { keeper: key.public(), remove: true, signature });
    world.work(&mut disk);
    assert!(world.sharer(1).contains(&RelayToSharer::NotKept { channel: CH, reason: NotKept::Removed }));
    assert!(opened(&mut world, &mut disk, &sharer, 3).is_err());
}

#[test]
fn what_has_expired_is_gone_whether_the_relay_ran_or_not() {
    let (mut world, mut disk, key) = (World::with(config()), Disk::default(), keeper(7));
    let mut sharer = Sharer::keeping(1, &key);
    sharer.lives_and_ends(&mut world, 1, &mut disk);
    let mut almost = world.restarted(&disk, HOUR - 1_000);
    almost.relay.handle_timeout(almost.now());
    assert!(opened(&mut almost, &mut disk, &sharer, 2).is_ok(), "the control");
    // It expires while somebody looks at it.
    almost.wait(2_000);
    let last = almost.viewer(2);
    assert!(matches!(last.last(), Some(Heard::Control(RelayToViewer::SessionEnded { .. }))), "{last:?}");
    let mut later = world.restarted(&disk, HOUR);
    later.relay.handle_timeout(later.now());
    later.work(&mut disk);
    assert!(disk.objects.is_empty());
    assert!(opened(&mut later, &mut disk, &sharer, 2).is_err());
    // What a relay keeps at most counts, whatever is asked for.
    let keep = Some(Keep { for_ms: u64::MAX, keeper: key.public() });
    let mut long = Sharer { keep, ..Sharer::seeded(3) };
    let said = long.lives_and_ends(&mut world, 3, &mut disk);
    assert!(said.contains(&RelayToSharer::SessionKept { channel: CH, for_ms: 24 * HOUR }), "{said:?}");
}

#[test]
fn a_full_disk_is_told_loses_nothing_live_and_is_tried_again() {
    let (mut world, key) = (World::with(config()), keeper(7));
    let mut disk = Disk { full: true, ..Disk::default() };
    let mut live = Sharer::seeded(2);
    live.claim(&mut world, 2, HOST);
    live.event(&mut world, 2, 100);
    live.snapshot(&mut world, 2, true);
    let mut sharer = Sharer::keeping(1, &key);
    let said = sharer.lives_and_ends(&mut world, 1, &mut disk);
    assert!(said.contains(&RelayToSharer::NotKept { channel: CH, reason: NotKept::Failed }), "{said:?}");
    assert_eq!(world.relay.stats().kept_failed, 1);
    assert!(opened(&mut world, &mut disk, &sharer, 3).is_ok(), "its room is still here");
    assert!(opened(&mut world, &mut disk, &live, 4).is_ok());
    disk.full = false;
    world.wait(30_000);
    world.work(&mut disk);
    assert_eq!(disk.objects.len(), 1);
}

#[test]
fn sizes_are_bounded_for_one_and_for_all() {
    let limits = KeepLimits { for_ms: HOUR, session: 100_000, total: 150_000, sessions: 8 };
    let mut world = World::with(RelayConfig { keep: Some(limits), ..RelayConfig::default() });
    let (mut disk, key) = (Disk::default(), keeper(7));
    let mut ends = |seed: u8, size: usize| {
        let mut sharer = Sharer::keeping(seed, &key);
        let peer = u64::from(seed);
        sharer.claim(&mut world, peer, HOST);
        sharer.snapshot(&mut world, peer, true);
        sharer.event(&mut world, peer, size);
        sharer.say_end(&mut world, peer, false);
        world.work(&mut disk);
        let said = world.sharer(peer);
        said.into_iter().find_map(|said| match said {
            RelayToSharer::SessionKept { .. } => Some(None),
            RelayToSharer::NotKept { reason, .. } => Some(Some(reason)),
            _ => None,
        })
    };
    assert_eq!(ends(1, 101_000), Some(Some(NotKept::TooLarge)));
    assert_eq!(ends(2, 80_000), Some(None));
    assert_eq!(ends(3, 80_000), Some(Some(NotKept::Full)));
    assert_eq!(ends(4, 20_000), Some(None));
    // And a relay without an archive says so.
    let (mut world, mut sharer) = (World::new(), Sharer::keeping(5, &key));
    let said = sharer.lives_and_ends(&mut world, 1, &mut Disk::default());
    assert!(said.contains(&RelayToSharer::NotKept { channel: CH, reason: NotKept::NoArchive }), "{said:?}");
}

#[test]
fn a_link_that_was_removed_opens_nothing_of_the_archive() {
    let (mut world, mut disk, key) = (World::with(config()), Disk::default(), keeper(7));
    let mut sharer = Sharer::keeping(1, &key);
    sharer.lives_and_ends(&mut world, 1, &mut disk);
    assert_eq!(disk.objects.len(), 1);
    // A driver's session: its grants change after its end.
    sharer.claim(&mut world, 2, HOST);
    let removed = sharer.token(Right::Watch);
    sharer.epoch = EpochId { start: UnixMs(2), random: 0 };
    sharer.grants.remove(0);
    let (header, epoch, grants) = (sharer.header(), sharer.epoch, sharer.rows());
    world.text(2, &SharerToRelay::UpdateHeader { channel: CH, header, epoch, grants });
    world.work(&mut disk);
    assert!(disk.objects.is_empty(), "at once");
    let scope = Scope { session: sharer.owner.session_id(), epoch };
    sharer.snapshots = SnapshotSealer::new(&ContentKey([5; 32]), scope);
    sharer.number = 0;
    sharer.event(&mut world, 2, 100);
    sharer.snapshot(&mut world, 2, true);
    sharer.say_end(&mut world, 2, true);
    world.work(&mut disk);
    let mut world = world.restarted(&disk, 0);
    for (peer, token, opens) in [(5, removed, false), (6, sharer.token(Right::Type), true)] {
        world.connect(peer);
        world.text(peer, &ViewerToRelay::Join { channel: CH, payload: sharer.payload(token, None) });
        world.work(&mut disk);
        assert_eq!(world.viewer(peer).iter().any(Heard::is_screen), opens);
    }
}

#[test]
fn what_its_owner_stops_sharing_is_not_kept() {
    let (mut world, mut disk, key) = (World::with(config()), Disk::default(), keeper(7));
    let (mut here, mut gone) = (Sharer::keeping(1, &key), Sharer::keeping(2, &key));
    here.lives_and_ends(&mut world, 1, &mut disk);
    gone.lives_and_ends(&mut world, 2, &mut disk);
    let mut world = world.restarted(&disk, 0);
    let ended =
        |sharer: &Sharer, reason| OwnedEnd { owner: sharer.owner.public(), end: sharer.signed_end(reason) };
    let exited = EndReason::Exited { code: Some(0), signal: None };
    let ends = vec![ended(&here, exited), ended(&gone, EndReason::Unshared)];
    world.connect(9);
    world.text(9, &SharerToRelay::EndGroup { ends });
    world.work(&mut disk);
    assert!(opened(&mut world, &mut disk, &here, 3).is_ok(), "it had ended already");
    assert!(opened(&mut world, &mut disk, &gone, 4).is_err());
    assert_eq!(disk.objects.len(), 1);
}

#[test]
fn what_changes_after_the_end_is_written_once_more() {
    let (mut world, mut disk, key) = (World::with(config()), Disk::default(), keeper(7));
    let mut sharer = Sharer::keeping(1, &key);
    sharer.claim(&mut world, 1, HOST);
    sharer.event(&mut world, 1, 100);
    sharer.snapshot(&mut world, 1, true);
    sharer.say_end(&mut world, 1, true);
    world.work(&mut disk);
    for revision in 0..20 {
        let row = TaskRow { revision, ..row() };
        world.text(1, &SharerToRelay::UpdateTasks { channel: CH, rows: vec![row] });
    }
    world.wait(1_000);
    world.work(&mut disk);
    assert_eq!(disk.stores, 2);
    let mut world = world.restarted(&disk, 0);
    let heard = opened(&mut world, &mut disk, &sharer, 3).unwrap();
    let rows = heard.iter().find_map(|heard| match heard {
        Heard::Control(RelayToViewer::TasksUpdated { rows, .. }) => Some(rows[0].revision),
        _ => None,
    });
    assert_eq!(rows, Some(19));
    // Somebody who left while it was read is not let in.
    world.gone(3);
    world.wait(60_000);
    sharer.join(&mut world, 4, Right::Watch, None);
    world.text(4, &ViewerToRelay::Leave { channel: CH });
    world.work(&mut disk);
    assert_eq!(world.viewer(4), []);
}
