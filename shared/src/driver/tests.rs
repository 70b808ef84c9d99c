//! The two machines with a network between them that belongs to an adversary.

mod world;

use std::path::{Path, PathBuf};

use proptest::prelude::*;

use self::world::World;
use super::sealing::{Answer, Asking, Telling};
use super::*;
use crate::card::Reach;
use crate::entropy::Entropy;
use crate::id::{LineId, SessionId, TaskId};
use crate::keys::driver::DriverKey;
use crate::keys::grant::GrantSecret;
use crate::keys::owner::{Challenge, Signature};
use crate::orchestration::status::TaskState;
use crate::wire::driver::RelayToDriver;
use crate::wire::hello::{Greeting, Hello, Limits};
use crate::wire::{Packet, encode};

const HOST: &str = "relay.example";

fn rule() -> Rule {
    Rule { most_tasks: 2, commands: Vec::new(), directories: Vec::new() }
}

fn key(seed: u8) -> DriverKey {
    DriverKey::generate(&mut Entropy::from_seed([seed; 32]))
}

fn contact(key: &DriverKey) -> Contact {
    Contact { base: "https://relay.example".into(), id: key.id(), secret: key.secret().clone() }
}

fn hello() -> Packet {
    Packet::Text(encode(&Greeting::Hello(Hello {
        protocol: 1,
        features: Vec::new(),
        challenge: Challenge([9; 32]),
        limits: Limits::default(),
        public_url: None,
    })))
}

fn start(id: &str) -> Start {
    Start {
        task: TaskId(id.into()),
        parent: Some(TaskId("parent".into())),
        name: id.into(),
        prompt: None,
        command: vec!["make".into()],
        directory: None,
        environment: Vec::new(),
        read_only: false,
        keep: None,
        granted: Granted::default(),
    }
}

fn granted(revision: u64) -> Granted {
    let byte = u8::try_from(revision).unwrap();
    Granted::new(revision, Some(Reach { watch: GrantSecret([byte; 16]), typing: None }))
}

#[test]
fn a_task_is_started_once_and_its_reports_arrive() {
    let mut world = World::good();
    assert!(world.registered);
    world.begin("a");
    world.deliver();
    assert_eq!(world.started, [TaskId("a".into())]);
    world.say("a", 1, TaskState::Running);
    world.deliver();
    assert_eq!(world.newest(), (1, TaskState::Running));
    assert_eq!(world.heard.last().unwrap().task.session, Some(SessionId([5; 16])));
    assert!(!world.asker.has_orders());
    // Nothing to say: no deadline, and no message for an hour.
    assert_eq!(world.asker.poll_timeout(), None);
    world.wait(3_600_000);
    assert!(world.up.is_empty() && world.down.is_empty());

    world.asker.reach(world.now, &TaskId("a".into()), granted(3));
    world.run();
    world.deliver();
    assert_eq!(world.reached, [3]);
    world.asker.kill(world.now, &TaskId("a".into()));
    world.run();
    world.deliver();
    assert_eq!(world.killed, 1);
    assert_eq!(world.newest(), (99, TaskState::Cancelled));
    assert!(world.failed.is_empty());
}

#[test]
fn texts_are_typed_once_and_in_order_whatever_is_lost_or_said_again() {
    let mut world = World::good();
    world.begin("a");
    world.tell("early");
    assert!(world.typed.is_empty() && world.told.is_empty(), "it has not begun");
    world.deliver();
    assert_eq!((world.typed.as_slice(), world.told.as_slice()), (&["early".to_owned()][..], &[Ok(())][..]));
    for text in ["one", "two", "unread"] {
        world.tell(text);
    }
    // The order is lost; said again it arrives twice, and what was heard of it is lost, too.
    assert_eq!(world.up.len(), 1, "one at a time");
    let lost = world.up.pop().unwrap();
    assert!(!lost.windows(3).any(|part| part == b"one"), "it reads no word");
    world.wait(3_000);
    for _ in 0..2 {
        for body in world.up.clone() {
            world.give_driver(body);
        }
        world.up.clear();
        for body in std::mem::take(&mut world.down)
            .into_iter()
            .filter(|told| !matches!(Telling::decode(told), Some(Telling::Report { .. })))
        {
            world.give_asker(body);
        }
        world.wait(3_000);
    }
    assert_eq!(world.typed[1..], ["one"]);
    world.deliver();
    world.wait(3_000);
    world.deliver();
    assert_eq!(world.typed[1..], ["one", "two", "unread"]);
    assert_eq!(world.told, [Ok(()), Ok(()), Ok(()), Err(Failure::NotReading)]);
    assert!(!world.asker.has_orders());
    world.give_driver(lost);
    assert_eq!(world.typed.len(), 4);
    // Nobody else's task takes one.
    let other = Asker::new(contact(&key(1)), Entropy::from_seed([78; 32]), world.now);
    let mine = std::mem::replace(&mut world.asker, other);
    assert_eq!(world.asker.tell(world.now, &TaskId("a".into()), "x".into()), Err(Failure::Gone));
    world.asker = mine;
}

#[test]
fn a_text_for_a_driver_that_is_away_is_told_to_have_come_to_nothing() {
    let mut world = World::good();
    world.begin("a");
    world.deliver();
    world.presence(false);
    world.tell("nobody hears it");
    world.wait(15_000);
    assert_eq!(world.told, [Err(Failure::Away)]);
    world.presence(true);
    world.deliver();
    world.tell("said");
    world.up.clear();
    world.wait(3_000);
    for body in std::mem::take(&mut world.up) {
        world.give_driver(body);
    }
    world.down.clear();
    world.wait(12_000);
    assert_eq!(world.told[1..], [Err(Failure::Untold)], "it may have been typed");
    // What waits behind is bounded, and what is too long is not begun.
    let task = TaskId("a".into());
    assert_eq!(world.asker.tell(world.now, &task, "x".repeat(200_000)), Err(Failure::TooLong));
    for _ in 0..16 {
        world.tell("more");
    }
    assert_eq!(world.asker.tell(world.now, &task, "x".into()), Err(Failure::NotReading));
    world.restart();
    world.presence(true);
    world.deliver();
    assert_eq!(world.told.len(), 2 + 16);
    assert!(world.told[2..].iter().all(|told| *told == Err(Failure::Gone)), "{:?}", world.told);
    assert!(!world.typed.iter().any(|text| text == "nobody hears it" || text == "more"));
    assert_eq!(world.asker.tell(world.now, &task, "x".into()), Err(Failure::Gone));
}

#[test]
fn what_is_kept_is_no_use_to_the_relay() {
    let mut world = World::good();
    world.begin("a");
    let knock = world.up.pop().unwrap();
    world.give_driver(knock.clone());
    let answer = world.down.pop().unwrap();
    world.give_asker(answer.clone());
    let order = world.up.pop().unwrap();
    for text in ["make", "parent"] {
        assert!(!order.windows(text.len()).any(|part| part == text.as_bytes()), "it reads no word");
    }
    // Altered anywhere: nothing.
    for at in 0..order.len() {
        let mut altered = order.clone();
        altered[at] ^= 1;
        world.give_driver(altered);
    }
    assert!(world.started.is_empty());
    // Held back until the beat is old: nothing, and said again with a new one it is taken, once.
    world.wait(45_001);
    world.give_driver(order.clone());
    assert!(world.started.is_empty());
    world.deliver();
    assert_eq!(world.started.len(), 1, "the control");
    for kept in [&knock, &order] {
        world.line += 1;
        world.give_driver(kept.clone());
        assert!(world.down.is_empty(), "no answer, and nobody's reports go another way");
        world.line -= 1;
    }
    world.say("a", 1, TaskState::Running);
    world.deliver();
    assert_eq!((world.started.len(), world.newest()), (1, (1, TaskState::Running)), "it hears as before");
    // To another boot it is nothing at all.
    world.restart();
    for kept in [knock, order] {
        world.give_driver(kept);
    }
    assert_eq!(world.started.len(), 1);
    world.say("a", 1, TaskState::Running);
    assert!(world.down.iter().all(|told| !matches!(Telling::decode(told), Some(Telling::Report { .. }))));
}

#[test]
fn a_task_said_to_one_boot_is_not_started_by_the_next() {
    let mut world = World::good();
    world.begin("a");
    world.give_driver(world.up[0].clone());
    let answer = world.down.pop().unwrap();
    world.give_asker(answer);
    world.up.clear();
    world.restart();
    world.presence(true);
    world.deliver();
    assert_eq!(world.failed, [(TaskId("a".into()), Failure::Restarted)]);
    assert!(world.started.is_empty());

    // What ran is gone, and what was over stays over.
    for id in ["b", "c"] {
        world.begin(id);
        world.deliver();
        world.say(id, 1, TaskState::Running);
    }
    world.say("c", 2, TaskState::Done);
    world.deliver();
    world.restart();
    world.presence(false);
    assert_eq!(world.failed.len(), 1, "a driver that is away has not failed");
    world.presence(true);
    world.deliver();
    assert_eq!(world.failed[1..], [(TaskId("b".into()), Failure::Gone)]);
    world.begin("d");
    world.deliver();
    assert_eq!(world.started.last(), Some(&TaskId("d".into())), "the control");
}

#[test]
fn what_was_told_to_have_failed_and_yet_began_is_ended() {
    for arrives in [true, false] {
        let mut world = World::good();
        world.begin("a");
        let knock = world.up.remove(0);
        world.give_driver(knock);
        let answer = world.down.pop().unwrap();
        world.give_asker(answer);
        // The way back breaks when the start is said.
        if arrives {
            world.deliver_up();
        }
        world.up.clear();
        world.down.clear();
        assert_eq!(world.started.len(), usize::from(arrives));
        while world.failed.is_empty() {
            world.wait(1_000);
            world.up.clear();
        }
        assert_eq!(world.failed, [(TaskId("a".into()), Failure::Unsure)]);
        assert_eq!(world.asker.tell(world.now, &TaskId("a".into()), "x".into()), Err(Failure::Gone));
        world.asker.handle_disconnected(world.now, None);
        world.line += 1;
        world.wait(600_000);
        world.up.clear();
        assert!(world.asker.has_orders() && world.killed == 0, "it is still asked for");

        world.wait(3_000);
        world.deliver();
        assert_eq!((world.killed, world.asker.has_orders()), (usize::from(arrives), !arrives));
        world.wait(15_000);
        world.deliver();
        assert!(!world.asker.has_orders(), "it never began: the driver had time to say so");
        assert!(world.running.is_empty() && world.heard.is_empty() && world.failed.len() == 1);
        let busy = world.asker.poll_timeout();
        assert!(busy.is_none(), "nothing is to be done any more: {busy:?}");
    }
}

#[test]
fn an_asker_that_was_forgotten_and_comes_back_hears_what_is_new() {
    let mut world = World::good();
    world.begin("a");
    world.deliver();
    for revision in 1..50 {
        world.say("a", revision, TaskState::Running);
        world.deliver();
    }
    world.say("a", 50, TaskState::Done);
    world.deliver();
    world.asker.handle_disconnected(world.now, None);
    let left = RelayToDriver::AskerLeft { line: LineId(world.line) };
    world.driver.handle_packet(world.now, &Packet::Text(encode(&left)));
    world.wait(46_000);
    for other in 0..=255 {
        let mut seed = [1; 32];
        seed[31] = other;
        let other = Asker::new(contact(&key(1)), Entropy::from_seed(seed), world.now);
        let mine = std::mem::replace(&mut world.asker, other);
        world.asker.seek(world.now);
        world.line += 1;
        world.run();
        world.deliver();
        world.asker = mine;
        let left = RelayToDriver::AskerLeft { line: LineId(world.line) };
        world.driver.handle_packet(world.now, &Packet::Text(encode(&left)));
        world.wait(46_000);
    }
    assert_eq!(world.found, 256, "there was room for everybody else");
    world.line += 1;
    world.begin("b");
    world.wait(1_000);
    world.deliver();
    world.say("b", 1, TaskState::Running);
    world.deliver();
    assert_eq!(world.heard.last().unwrap().task.id, TaskId("b".into()), "{:?}", world.failed);
}

#[test]
fn a_wrong_key_is_refused_and_only_by_the_driver_itself() {
    let wrong = Contact { secret: key(2).secret().clone(), ..contact(&key(1)) };
    let mut world = World::new(1, wrong);
    world.begin("a");
    let knock = world.up[0].clone();
    // A relay, or another driver, that says so in its place.
    let Some(Asking::Knock(sealed)) = Asking::decode(&knock) else { panic!() };
    for forged in [sealing::refuse(&key(2), sealed), sealing::refuse(&key(1), b"another knock")] {
        world.give_asker(forged);
    }
    assert!(world.failed.is_empty());
    world.deliver();
    assert_eq!(world.failed, [(TaskId("a".into()), Failure::WrongKey)]);
    assert!(world.started.is_empty());
    assert!(Failure::WrongKey.to_string().contains("does not accept this key"));
}

#[test]
fn another_driver_does_not_pass_for_the_one_that_is_meant() {
    let mut world = World::good();
    world.begin("a");
    let knock = world.up.pop().unwrap();
    // Another driver that was given the same secret: it opens the knock, and cannot sign.
    let Some(Asking::Knock(sealed)) = Asking::decode(&knock) else { panic!() };
    let (asker, challenge, _) = sealing::open_knock(key(1).id(), key(1).secret(), sealed).unwrap();
    let answer = Answer {
        public: key(2).public(),
        boot: crate::keys::epoch::EpochId { start: world.now.wall, random: 1 },
        agreement: asker,
        beat: 1,
        signature: Signature([0; 64]),
    };
    world.give_asker(Telling::Answer(answer.sign(&key(2), asker, &challenge)).encode());
    let posing = Answer { public: key(1).public(), ..answer };
    world.give_asker(Telling::Answer(posing.sign(&key(2), asker, &challenge)).encode());
    // The right one, to an older knock.
    world.give_asker(Telling::Answer(posing.sign(&key(1), asker, &[1; 32])).encode());
    assert!(world.up.is_empty());
    world.give_driver(knock);
    world.deliver();
    assert_eq!(world.started.len(), 1, "the control");
}

#[test]
fn one_asker_reaches_nothing_of_anothers() {
    let mut world = World::good();
    world.begin("a");
    world.deliver();
    let mut other = World::good();
    other.asker = Asker::new(contact(&key(1)), Entropy::from_seed([78; 32]), other.now);
    std::mem::swap(&mut other.driver, &mut world.driver);
    other.line = 2;
    other.begin("a");
    other.deliver();
    other.asker.reach(other.now, &TaskId("a".into()), granted(9));
    other.asker.kill(other.now, &TaskId("a".into()));
    other.run();
    other.deliver();
    assert!(
        other.started.is_empty() && other.reached.is_empty() && other.killed == 0 && other.heard.is_empty()
    );
    other.begin("b");
    other.deliver();
    assert_eq!(other.started.len(), 1, "the control");
}

#[test]
fn what_may_not_be_started_is_told_with_the_reason() {
    let mut world = World::good();
    for id in ["a", "b", "c"] {
        world.begin(id);
    }
    world.deliver();
    assert_eq!(world.started.len(), 2);
    let refused = world.heard.iter().find(|report| report.task.id.0 == "c").unwrap();
    assert_eq!(refused.task.state, TaskState::Error);
    assert!(refused.task.reason.contains("as many tasks as it may (2)"), "{}", &*refused.task.reason);
    world.driver.report_failure(world.now, &TaskId("a".into()), "make: command not found", Some(127));
    world.run();
    world.deliver();
    let failed = world.heard.last().unwrap();
    assert_eq!((&*failed.task.reason, failed.task.state), ("make: command not found", TaskState::Error));
    world.begin("d");
    world.deliver();
    assert_eq!(world.started.last(), Some(&TaskId("d".into())), "there is room again");
}

#[test]
fn a_rule_allows_what_it_names_and_nothing_that_looks_like_it() {
    let rule =
        Rule { most_tasks: 1, commands: vec!["make".into()], directories: vec![PathBuf::from("/srv/work")] };
    assert_eq!(rule.judge(&start("a"), 0), Ok(()));
    assert_eq!(rule.judge(&start("a"), 1), Err(Denied::Full(1)));
    for word in ["/tmp/make", "./make", "Make", "sh", " make"] {
        let start = Start { command: vec![word.into()], ..start("a") };
        assert_eq!(rule.judge(&start, 0), Err(Denied::Command), "{word}");
    }
    let preload = Start { environment: vec![("LD_PRELOAD".into(), "x".into())], ..start("a") };
    assert_eq!(rule.judge(&preload, 0), Err(Denied::Environment));
    for (dir, judged) in [
        ("/srv/work", Ok(())),
        ("/srv/work/a", Ok(())),
        ("/srv/workshop", Err(Denied::Directory)),
        ("/srv", Err(Denied::Directory)),
        ("/", Err(Denied::Directory)),
    ] {
        assert_eq!(rule.judge_directory(Path::new(dir)), judged, "{dir}");
    }
}

#[test]
fn orders_that_no_system_could_take_are_none() {
    let order = |start: Start| Order::decode(&Order::Start(Box::new(start)).encode().unwrap());
    assert!(order(start("a")).is_some(), "the control");
    for bad in [
        Start { command: Vec::new(), ..start("a") },
        Start { command: vec![String::new()], ..start("a") },
        Start { command: vec!["a\0b".into()], ..start("a") },
        Start { task: TaskId(String::new()), ..start("a") },
        Start { parent: Some(TaskId("x".repeat(129))), ..start("a") },
        Start { environment: vec![("SHARER_CONTROL_TOKEN".into(), "x".into())], ..start("a") },
        Start { environment: vec![("A=B".into(), "x".into())], ..start("a") },
    ] {
        assert_eq!(order(bad), None);
    }
    let long = Start { prompt: Some("x".repeat(200_000)), ..start("a") };
    assert!(Order::Start(Box::new(long.clone())).encode().is_none());
    let mut world = World::good();
    world.asker.start(world.now, long);
    world.run();
    assert_eq!(world.failed, [(TaskId("a".into()), Failure::TooLong)]);
}

#[test]
fn who_seeks_a_driver_hears_of_it() {
    let mut world = World::good();
    world.asker.seek(world.now);
    world.run();
    world.presence(false);
    assert_eq!(world.missing, [Failure::Away]);
    world.asker.seek(world.now);
    world.run();
    world.presence(true);
    world.deliver();
    assert_eq!((world.found, world.missing.len()), (1, 1));
    world.asker.seek(world.now);
    world.run();
    world.up.clear();
    world.wait(15_001);
    assert_eq!(world.missing.last(), Some(&Failure::Silent));
}

#[derive(Debug, Clone)]
enum Act {
    Begin(u8),
    Say(u8, u64, TaskState),
    Reach(u8),
    Deliver,
    /// Of what was ever on the way up or down: again, or altered.
    Again(bool, prop::sample::Index, Option<prop::sample::Index>),
    Drop,
    Reorder,
    Restart,
    Wait(u64),
    Reconnect,
}

fn act() -> impl Strategy<Value = Act> {
    let state = proptest::sample::select(vec![TaskState::Running, TaskState::Blocked, TaskState::Done]);
    prop_oneof![
        3 => (0u8..3).prop_map(Act::Begin),
        4 => (0u8..3, 1u64..6, state).prop_map(|(task, revision, state)| Act::Say(task, revision, state)),
        2 => (0u8..3).prop_map(Act::Reach),
        6 => Just(Act::Deliver),
        4 => (any::<bool>(), any::<prop::sample::Index>(), proptest::option::of(any::<prop::sample::Index>()))
            .prop_map(|(up, which, flip)| Act::Again(up, which, flip)),
        1 => Just(Act::Drop),
        2 => Just(Act::Reorder),
        1 => Just(Act::Restart),
        3 => (0u64..60_000).prop_map(Act::Wait),
        1 => Just(Act::Reconnect),
    ]
}

proptest! {
    /// Whatever a relay does: no task begins twice, grants never go back, nothing is heard that was not said, and of what
    /// was heard nothing goes back; and once it lets everything pass, both know the same.
    #[test]
    fn an_adversary_between_them_delays_and_no_more(acts in proptest::collection::vec(act(), 1..60)) {
        let mut world = World::good();
        let (mut kept_up, mut kept_down) = (Vec::<Vec<u8>>::new(), Vec::<Vec<u8>>::new());
        let (mut said, mut revisions) = (Vec::new(), [0u64; 3]);
        let name = |task: u8| format!("t{task}");
        for act in acts {
            kept_up.extend(world.up.iter().cloned());
            kept_down.extend(world.down.iter().cloned());
            match act {
                Act::Begin(task) => world.begin(&name(task)),
                Act::Say(task, revision, state) => {
                    said.push((name(task), revision, state));
                    world.say(&name(task), revision, state);
                }
                Act::Reach(task) => {
                    revisions[usize::from(task)] += 1;
                    let granted = granted(revisions[usize::from(task)]);
                    world.asker.reach(world.now, &TaskId(name(task)), granted);
                    world.run();
                }
                Act::Deliver => world.deliver(),
                Act::Again(up, which, flip) => {
                    let kept = if up { &kept_up } else { &kept_down };
                    if kept.is_empty() { continue }
                    let mut body = which.get(kept).clone();
                    if let Some(flip) = flip {
                        let at = flip.index(body.len());
                        body[at] ^= 0x40;
                    }
                    if up { world.give_driver(body) } else { world.give_asker(body) }
                }
                Act::Drop => { world.up.clear(); world.down.clear(); }
                Act::Reorder => { world.up.reverse(); world.down.reverse(); }
                Act::Restart => { world.restart(); world.presence(true); }
                Act::Wait(ms) => world.wait(ms),
                Act::Reconnect => {
                    world.asker.handle_disconnected(world.now, None);
                    world.line += 1;
                    world.run();
                    world.wait(1_000);
                }
            }
        }
        for _ in 0..40 {
            world.wait(2_000);
            world.deliver();
        }
        let mut started = world.started.clone();
        started.sort();
        started.dedup();
        prop_assert_eq!(started.len(), world.started.len(), "none twice");
        let mut newest = std::collections::BTreeMap::<TaskId, Report>::new();
        for report in &world.heard {
            let of = report.task.id.clone();
            let values = (of.0.clone(), report.task.revision, report.task.state);
            let own = report.task.revision <= 1 || report.task.state == TaskState::Cancelled;
            prop_assert!(said.contains(&values) || own, "said by nobody: {:?}", report);
            if let Some(known) = newest.insert(of, report.clone()) {
                prop_assert!(report.is_newer_than(&known));
            }
        }
        prop_assert!(!world.asker.has_orders(), "all was taken, or given up");
        let runs_on = world.failed.iter().find(|(task, _)| world.running.contains(task));
        prop_assert!(runs_on.is_none(), "told to have failed: {:?}", runs_on);
    }

    /// Any bytes are something or nothing.
    #[test]
    fn decoders_are_total(bytes in proptest::collection::vec(any::<u8>(), 0..300), kind in 0u8..4) {
        let bytes = [&[kind], &bytes[..]].concat();
        if let Some(asking) = Asking::decode(&bytes) {
            prop_assert_eq!(asking.encode(), bytes.clone());
        }
        if let Some(telling) = Telling::decode(&bytes) {
            prop_assert_eq!(telling.encode(), bytes.clone());
        }
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(contact) = Contact::parse(&text) {
            prop_assert_eq!(Contact::parse(&contact.to_string()), Ok(contact));
        }
        drop((Order::decode(&bytes), Report::decode(&bytes)));
    }
}
