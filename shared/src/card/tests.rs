use super::*;
use crate::id::SessionId;
use crate::keys::epoch::{EpochId, InputGrant, Opened};
use crate::orchestration::status::TaskState;
use crate::time::{Moment, UnixMs};

struct Parent {
    owner: OwnerKey,
    scope: Scope,
    content: ContentKey,
    input: InputSecret,
    entropy: Entropy,
}

impl Parent {
    fn new(seed: u8) -> Self {
        let mut entropy = Entropy::from_seed([seed; 32]);
        let owner = OwnerKey::generate(&mut entropy);
        let epoch = EpochId::next(None, UnixMs(5), &mut entropy);
        let scope = Scope { session: owner.session_id(), epoch };
        let (content, input) = (ContentKey(entropy.array()), InputSecret(entropy.array()));
        Self { owner, scope, content, input, entropy }
    }

    fn sealer(&self) -> CardSealer {
        CardSealer::new(&self.content, &self.input, self.scope)
    }

    fn seal(&mut self, sealer: &mut CardSealer, card: &Card) -> SealedCard {
        sealer.seal(&self.owner, card, &mut self.entropy).unwrap()
    }

    fn keys(&self, may_type: bool) -> Opened {
        let input = InputGrant { secret: self.input.clone(), watch: GrantSecret([0; 16]) };
        Opened { content: self.content.clone(), input: Some(input).filter(|_| may_type) }
    }

    fn reader(&self, may_type: bool) -> CardReader {
        CardReader::new(&self.keys(may_type), self.scope, self.owner.public())
    }
}

fn card(id: &str, revision: u64) -> Card {
    let mut task = Task::new(TaskId(id.into()), Some(TaskId("p".into())), "tests", UnixMs(7));
    (task.revision, task.state) = (revision, TaskState::Running);
    task.session = Some(SessionId([4; 16]));
    Card { task, reach: Some(Reach { watch: GrantSecret([1; 16]), typing: Some(GrantSecret([2; 16])) }) }
}

fn read(reader: &mut CardReader, card: &Card, sealed: &SealedCard) -> Result<Option<Card>, CardError> {
    reader.read(&card.task.id, card.task.revision, sealed)
}

#[test]
fn a_card_gives_each_right_what_was_made_for_it() {
    let mut parent = Parent::new(1);
    let mut sealer = parent.sealer();
    let made = card("a", 1);
    let sealed = parent.seal(&mut sealer, &made);
    assert_eq!(read(&mut parent.reader(true), &made, &sealed), Ok(Some(made.clone())));
    // A reader's role in the child is no more than in the parent.
    let seen = read(&mut parent.reader(false), &made, &sealed).unwrap().unwrap();
    assert_eq!(seen.reach, Some(Reach { watch: GrantSecret([1; 16]), typing: None }));
    // Without a session there is nothing to open.
    let unreached = Card { reach: None, ..card("b", 1) };
    let sealed = parent.seal(&mut sealer, &unreached);
    assert_eq!(sealed.typing, None);
    assert_eq!(read(&mut parent.reader(true), &unreached, &sealed), Ok(Some(unreached)));
}

#[test]
fn a_card_stands_for_itself_only() {
    let mut parent = Parent::new(1);
    let mut sealer = parent.sealer();
    let (a, b) = (card("a", 2), card("b", 2));
    let (sealed_a, sealed_b) = (parent.seal(&mut sealer, &a), parent.seal(&mut sealer, &b));
    let open = |reader: &mut CardReader, id: &str, revision, sealed: &SealedCard| {
        reader.read(&TaskId(id.into()), revision, sealed)
    };
    assert!(open(&mut parent.reader(true), "a", 2, &sealed_a).is_ok_and(|card| card.is_some()), "control");
    let refused = Err(CardError::NotTheOwners);
    assert_eq!(open(&mut parent.reader(true), "b", 2, &sealed_a), refused, "another task's");
    assert_eq!(open(&mut parent.reader(true), "a", 3, &sealed_a), refused, "another revision's");
    // A task id and a body whose lengths are shifted against each other.
    assert_eq!(open(&mut parent.reader(true), "a2", 2, &sealed_a), refused);

    let mixed = SealedCard { typing: sealed_b.typing.clone(), ..sealed_a.clone() };
    assert_eq!(open(&mut parent.reader(true), "a", 2, &mixed), refused, "another's type grant");
    let without = SealedCard { typing: None, ..sealed_a.clone() };
    assert_eq!(open(&mut parent.reader(true), "a", 2, &without), refused, "type grant left out");

    let other = Parent::new(2);
    let foreign = CardReader::new(&parent.keys(true), other.scope, other.owner.public());
    assert_eq!(open(&mut { foreign }, "a", 2, &sealed_a), refused, "another session's");
    let next = EpochId::next(Some(parent.scope.epoch), UnixMs(6), &mut parent.entropy);
    let later = Scope { epoch: next, ..parent.scope };
    let reader = CardReader::new(&parent.keys(true), later, parent.owner.public());
    assert_eq!(open(&mut { reader }, "a", 2, &sealed_a), refused, "another epoch's");
    let reader = CardReader::new(&parent.keys(true), parent.scope, other.owner.public());
    assert_eq!(open(&mut { reader }, "a", 2, &sealed_a), refused, "another owner");

    // A colluding reader seals what it likes; it cannot sign it.
    let mut forger = Parent::new(3);
    let mut forging = CardSealer::new(&parent.content, &parent.input, parent.scope);
    let forged = forging.seal(&forger.owner, &card("a", 9), &mut forger.entropy).unwrap();
    assert_eq!(open(&mut parent.reader(true), "a", 9, &forged), refused, "signed by a reader");
    // A signature of the owner's for something else is none for a card.
    let signature = parent.owner.sign(Purpose::Attestation, b"x");
    assert_eq!(open(&mut parent.reader(true), "a", 2, &SealedCard { signature, ..sealed_a }), refused);
}

#[test]
fn every_flipped_byte_is_seen() {
    let mut parent = Parent::new(1);
    let made = card("a", 1);
    let sealed = parent.seal(&mut parent.sealer(), &made);
    assert!(read(&mut parent.reader(true), &made, &sealed).is_ok(), "control");
    for at in 0..sealed.body.0.len() {
        let mut altered = sealed.clone();
        altered.body.0[at] ^= 1;
        assert!(read(&mut parent.reader(true), &made, &altered).is_err(), "body, byte {at}");
    }
    for at in 0..sealed.typing.as_ref().unwrap().0.len() {
        let mut altered = sealed.clone();
        altered.typing.as_mut().unwrap().0[at] ^= 1;
        assert!(read(&mut parent.reader(true), &made, &altered).is_err(), "type grant, byte {at}");
    }
    for at in 0..64 {
        let mut altered = sealed.clone();
        altered.signature.0[at] ^= 1;
        assert!(read(&mut parent.reader(true), &made, &altered).is_err(), "signature, byte {at}");
    }
}

#[test]
fn an_old_revision_never_replaces_a_newer_one() {
    let mut parent = Parent::new(1);
    let mut sealer = parent.sealer();
    let (old, new) = (card("a", 1), card("a", 2));
    let (sealed_old, sealed_new) = (parent.seal(&mut sealer, &old), parent.seal(&mut sealer, &new));
    assert_eq!(sealer.seal(&parent.owner, &old, &mut parent.entropy), None, "sealed once");
    assert_eq!(sealer.seal(&parent.owner, &new, &mut parent.entropy), None, "sealed once");
    let mut reader = parent.reader(true);
    assert_eq!(read(&mut reader, &old, &sealed_old), Ok(Some(old.clone())), "control");
    assert_eq!(read(&mut reader, &new, &sealed_new), Ok(Some(new.clone())));
    assert_eq!(read(&mut reader, &old, &sealed_old), Ok(None), "replayed");
    assert_eq!(read(&mut reader, &new, &sealed_new), Ok(None), "doubled");
    reader.settle();
    reader.attested(Moment(0), sealer.digest());
    assert_eq!(reader.doubted_since(), None);
}

#[test]
fn a_card_held_back_or_old_is_found_out() {
    let mut parent = Parent::new(1);
    let mut sealer = parent.sealer();
    let mut reader = parent.reader(false);
    assert_eq!(sealer.digest(), [0; 32]);
    let cards = [card("a", 1), card("b", 1), card("a", 2)];
    let sealed: Vec<_> = cards.iter().map(|card| parent.seal(&mut sealer, card)).collect();
    reader.attested(Moment(1), [0; 32]);
    assert_eq!(reader.doubted_since(), None, "nothing attested, nothing here");

    // The attestation overtakes the cards, one of which is held back.
    reader.attested(Moment(1_000), sealer.digest());
    read(&mut reader, &cards[0], &sealed[0]).unwrap();
    read(&mut reader, &cards[1], &sealed[1]).unwrap();
    reader.settle();
    reader.attested(Moment(4_000), sealer.digest());
    assert_eq!(reader.doubted_since(), Some(Moment(1_000)), "an old revision of a");
    read(&mut reader, &cards[2], &sealed[2]).unwrap();
    reader.settle();
    assert_eq!(reader.doubted_since(), None, "control: with the newest of each");

    // A late attestation of a state that has passed is no sign; of one that never was here, it is.
    let passed = sealer.digest();
    let next = card("c", 1);
    let sealed = parent.seal(&mut sealer, &next);
    read(&mut reader, &next, &sealed).unwrap();
    reader.settle();
    reader.attested(Moment(5_000), passed);
    assert_eq!(reader.doubted_since(), None);
    parent.seal(&mut sealer, &card("d", 1));
    reader.attested(Moment(6_000), sealer.digest());
    assert_eq!(reader.doubted_since(), Some(Moment(6_000)), "d is held back");
}

#[test]
fn the_largest_task_makes_a_card_within_the_limit() {
    let long = "\"".repeat(4_000);
    let mut made = card(&"\"".repeat(64), u64::MAX);
    let task = &mut made.task;
    task.parent = Some(task.id.clone());
    (task.name, task.reason) = (long.as_str().into(), long.as_str().into());
    (task.command, task.prompt) = (long.as_str().into(), long.as_str().into());
    (task.directory, task.driver) = (long.as_str().into(), Some(long.as_str().into()));
    (task.since, task.started) = (UnixMs(u64::MAX), UnixMs(u64::MAX));
    let mut parent = Parent::new(1);
    let sealed = parent.seal(&mut parent.sealer(), &made);
    assert!(sealed.size() <= MAX_CARD, "{}", sealed.size());
    assert_eq!(read(&mut parent.reader(true), &made, &sealed), Ok(Some(made.clone())));
    let padded = SealedCard { body: Blob(vec![0; MAX_CARD]), ..sealed };
    assert_eq!(read(&mut parent.reader(true), &made, &padded), Err(CardError::TooLarge));
}

#[test]
fn there_are_no_more_cards_than_tasks() {
    let mut parent = Parent::new(1);
    let mut sealer = parent.sealer();
    let most = crate::orchestration::task::MAX_TASKS;
    for n in 0..most {
        parent.seal(&mut sealer, &card(&n.to_string(), 1));
    }
    assert_eq!(sealer.seal(&parent.owner, &card("more", 1), &mut parent.entropy), None);
    assert!(sealer.seal(&parent.owner, &card("7", 2), &mut parent.entropy).is_some());
}
