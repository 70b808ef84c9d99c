//! A relay that deals with cards as it likes, with a reader that colludes: what a viewer shows of children is what their
//! parent's owner signed, and cards that are held back are told within 5 s.

use shared::card::{Card, CardSealer, Reach};
use shared::chain::Attestation;
use shared::entropy::Entropy;
use shared::id::{Channel, SessionId, TaskId};
use shared::keys::epoch::{ContentKey, Header, InputSecret, Opened, Scope};
use shared::keys::grant::{GrantSecret, Right};
use shared::keys::owner::OwnerKey;
use shared::orchestration::status::TaskState;
use shared::orchestration::task::Task;
use shared::time::UnixMs;
use shared::viewer::{Pill, Selection, Standing, Status};
use shared::wire::Packet;
use shared::wire::decode;
use shared::wire::frame::Frame;
use shared::wire::task::TaskRow;
use shared::wire::viewer::RelayToViewer;

use crate::hostile::{begin, binary, frame, isolate, text};
use crate::network::{End, Way};
use crate::screen::ByteLog;
use crate::world::World;

const CHANNEL: Channel = Channel(1);

/// The parent's owner, as its own sharer holds it: all of a sharer is drawn from its seed.
struct Owner {
    key: OwnerKey,
    entropy: Entropy,
    opened: Opened,
    scope: Scope,
    cards: CardSealer,
}

impl Owner {
    fn of(world: &World<ByteLog>) -> Self {
        let mut entropy = Entropy::from_seed(world.first_seed);
        drop(entropy.fork());
        let key = OwnerKey::generate(&mut entropy.fork());
        assert_eq!(key.session_id(), world.programs[0].id, "sharers draw their keys otherwise now");
        let header = world.trace.as_ref().unwrap().iter().rev().find_map(|(.., packet)| match packet {
            Packet::Text(text) => match decode(text) {
                Ok(
                    RelayToViewer::JoinedSuccessfully { header, .. }
                    | RelayToViewer::HeaderUpdated { header, .. },
                ) => Header::verify(&header, key.session_id()).ok(),
                _ => None,
            },
            Packet::Binary(_) => None,
        });
        let header = header.unwrap();
        let opened = header.open_box(&world.link(Right::Type).secret).unwrap();
        let scope = header.scope();
        let cards = CardSealer::new(&opened.content, &input(&opened), scope);
        Self { key, entropy: Entropy::from_seed([9; 32]), opened, scope, cards }
    }

    fn row(&mut self, id: &str, revision: u64, state: TaskState) -> TaskRow {
        let card = card(id, revision, state);
        let sealed = self.cards.seal(&self.key, &card, &mut self.entropy).unwrap();
        TaskRow::new(&card.task, sealed)
    }

    /// What the owner attests of the cards it has sealed, at the newest event that the viewer was told.
    fn attestation(&self, world: &World<ByteLog>) -> Packet {
        let newest = world.trace.as_ref().unwrap().iter().rev().find_map(|(_, end, way, packet)| {
            let to_viewer = (*end, *way) == (End::Viewer(0), Way::Down);
            match frame(packet).filter(|_| to_viewer) {
                Some(Frame::Attestation { number, beat, hash, .. }) => Some((number, beat, hash)),
                _ => None,
            }
        });
        let (number, beat, hash) = newest.unwrap();
        let cards = self.cards.digest();
        let point = shared::chain::ChainPoint { number, hash };
        let signature = Attestation { scope: self.scope, point, beat, cards }.sign(&self.key);
        binary(&Frame::Attestation { channel: CHANNEL, number, beat, hash, cards, signature })
    }
}

fn input(opened: &Opened) -> InputSecret {
    opened.input.as_ref().unwrap().secret.clone()
}

fn card(id: &str, revision: u64, state: TaskState) -> Card {
    let mut task = Task::new(TaskId(id.into()), Some(TaskId("parent".into())), id, UnixMs(1));
    (task.revision, task.state) = (revision, state);
    task.session = Some(SessionId([id.as_bytes()[0]; 16]));
    Card { task, reach: Some(Reach { watch: GrantSecret([1; 16]), typing: Some(GrantSecret([2; 16])) }) }
}

fn rows(rows: Vec<TaskRow>) -> Packet {
    text(&RelayToViewer::TasksUpdated { channel: CHANNEL, rows })
}

fn tell(world: &mut World<ByteLog>, packet: Packet) {
    world.inject(End::Viewer(0), Way::Down, packet);
    world.run(100);
}

fn pills(world: &World<ByteLog>) -> Vec<Pill> {
    let bar = world.view(0).bar;
    bar.map(|bar| bar.pills[1..].to_vec()).unwrap_or_default()
}

/// Name and status of each child, as shown.
fn shown(world: &World<ByteLog>) -> Vec<(String, Status)> {
    pills(world).into_iter().map(|pill| (pill.name, pill.status)).collect()
}

fn standing(world: &World<ByteLog>) -> Option<Standing> {
    world.view(0).bar.map(|bar| bar.standing)
}

/// A viewer that hears only what the test says, and the owner of what it looks at.
fn alone(rights: &[Right]) -> (World<ByteLog>, Owner) {
    let mut world = begin(rights);
    let owner = Owner::of(&world);
    isolate(&mut world, 0);
    (world, owner)
}

#[test]
fn cards_that_the_owner_did_not_sign_for_their_place_change_nothing() {
    for right in [Right::Watch, Right::Type] {
        let (mut world, mut owner) = alone(&[right]);
        let (a, b) = (owner.row("a", 1, TaskState::Running), owner.row("b", 1, TaskState::Blocked));
        let expected = vec![("a".to_owned(), Status::Running), ("b".to_owned(), Status::Blocked)];

        // A reader's own: it has the content key, and for a type link the input secret, but not the owner's.
        let secret =
            owner.opened.input.as_ref().filter(|_| right == Right::Type).map(|input| input.secret.clone());
        let secret = secret.unwrap_or(InputSecret([0; 32]));
        let mut forger = CardSealer::new(&ContentKey(owner.opened.content.0), &secret, owner.scope);
        let mut entropy = Entropy::from_seed([66; 32]);
        let stranger = OwnerKey::generate(&mut entropy);
        let forged = card("a", 99, TaskState::Done);
        let forged = TaskRow::new(&forged.task, forger.seal(&stranger, &forged, &mut entropy).unwrap());
        // The owner's, under another's name, in another's place, of another time.
        let swapped = TaskRow { card: b.card.clone(), ..a.clone() };
        let renamed = TaskRow { task_id: TaskId("c".into()), ..a.clone() };
        let newer = TaskRow { revision: 7, ..a.clone() };
        let mut flipped = a.clone();
        flipped.card.body.0[30] ^= 1;
        let bad = [forged, swapped, renamed, newer, flipped];
        for row in &bad {
            tell(&mut world, rows(vec![row.clone()]));
            assert_eq!(shown(&world), [], "{row:?}");
        }
        // The control, in one message with all of those.
        tell(&mut world, rows([&bad[..], &[a, b]].concat()));
        assert_eq!(shown(&world), expected);
        for row in bad {
            tell(&mut world, rows(vec![row]));
        }
        assert_eq!(shown(&world), expected);
    }
}

#[test]
fn what_the_relay_says_beside_a_card_is_not_shown() {
    let (mut world, mut owner) = alone(&[Right::Watch]);
    let honest = owner.row("a", 1, TaskState::Running);
    let lying = TaskRow {
        state: TaskState::Done,
        session_id: Some(SessionId([7; 16])),
        parent_task_id: Some(TaskId("somebody else".into())),
        ..honest
    };
    tell(&mut world, rows(vec![lying]));
    assert_eq!(shown(&world), [("a".to_owned(), Status::Running)]);
    world.update(0, shared::viewer::Event::Select(Selection::Child(TaskId("a".into()))));
    let link = world.viewers[0].machine.watch_link().unwrap();
    assert_eq!((link.session, link.secret), (SessionId([b'a'; 16]), GrantSecret([1; 16])));
}

#[test]
fn an_old_card_never_comes_back_within_an_epoch_or_from_another() {
    let (mut world, mut owner) = alone(&[Right::Watch]);
    let (old, new) = (owner.row("a", 1, TaskState::Running), owner.row("a", 2, TaskState::Error));
    tell(&mut world, rows(vec![old.clone()]));
    assert_eq!(shown(&world), [("a".to_owned(), Status::Running)], "the control");
    tell(&mut world, rows(vec![new.clone()]));
    for row in [&old, &new, &old] {
        tell(&mut world, rows(vec![row.clone()]));
        assert_eq!(shown(&world), [("a".to_owned(), Status::Error)]);
    }
    // A new epoch, and somebody who comes then: what was sealed before it is worth nothing.
    let mut world = begin(&[Right::Watch]);
    let mut before = Owner::of(&world);
    let old = before.row("a", 1, TaskState::Running);
    world.with_program(0, |machine, now, id| machine.revoke(now, id, &[Right::Type]));
    world.run(5_000);
    let mut after = Owner::of(&world);
    assert!(after.scope.epoch > before.scope.epoch);
    isolate(&mut world, 0);
    // With a new epoch the viewer joined anew.
    let channel = world.trace.as_ref().unwrap().iter().rev().find_map(|(.., packet)| match packet {
        Packet::Text(text) => match decode(text) {
            Ok(RelayToViewer::JoinedSuccessfully { channel, .. }) => Some(channel),
            _ => None,
        },
        Packet::Binary(_) => None,
    });
    let rows = |rows| text(&RelayToViewer::TasksUpdated { channel: channel.unwrap(), rows });
    tell(&mut world, rows(vec![old]));
    assert_eq!(shown(&world), []);
    let new = after.row("a", 1, TaskState::Blocked);
    tell(&mut world, rows(vec![new]));
    assert_eq!(shown(&world), [("a".to_owned(), Status::Blocked)], "the control");
}

#[test]
fn cards_held_back_are_told_within_five_seconds() {
    for held in [None, Some("b"), Some("a")] {
        let (mut world, mut owner) = alone(&[Right::Watch]);
        let first = owner.row("a", 1, TaskState::Running);
        let before = owner.attestation(&world);
        tell(&mut world, rows(vec![first]));
        tell(&mut world, before);
        assert_eq!(standing(&world), Some(Standing::Present));
        // One ends, one more begins; the relay keeps one of both to itself.
        let all = [owner.row("a", 2, TaskState::Done), owner.row("b", 1, TaskState::Running)];
        let told = all.into_iter().filter(|row| Some(row.task_id.0.as_str()) != held).collect();
        tell(&mut world, rows(told));
        let attested = owner.attestation(&world);
        tell(&mut world, attested);
        assert_eq!(standing(&world), Some(Standing::Present), "not a moment's doubt");
        world.run(5_100);
        let stale = matches!(standing(&world), Some(Standing::Stale { .. }));
        assert_eq!(stale, held.is_some(), "{held:?}: {:?}", standing(&world));
    }
    // The relay shows cards, and no word of the owner's for them.
    let (mut world, mut owner) = alone(&[Right::Watch]);
    let row = owner.row("a", 1, TaskState::Running);
    tell(&mut world, rows(vec![row]));
    world.run(5_100);
    assert!(matches!(standing(&world), Some(Standing::Stale { .. })), "{:?}", standing(&world));
}
