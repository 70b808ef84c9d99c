//! Test vectors of the protocol: what `docs/protocol.md` says, as bytes that another program can check.
//!
//! `UPDATE_GOLDEN=1` writes the file anew; the diff is then a change of the protocol.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fs;

use serde_json::{Value, json};
use shared::card::{Card, CardReader, CardSealer, Reach};
use shared::chain::{Attestation, ChainPoint, End};
use shared::encoding::to_base64;
use shared::entropy::Entropy;
use shared::event::{EndReason, Event, EventKind, Note, WindowSize};
use shared::id::{Channel, ParticipantId, SessionId, TaskId};
use shared::input::{Input, InputOpener, InputSealer, View};
use shared::keys::epoch::{
    AgreementKey, ContentKey, EpochId, Header, InputGrant, InputSecret, PROTOCOL_VERSION, Scope,
};
use shared::keys::grant::{Grant, GrantSecret, Right};
use shared::keys::owner::{Challenge, Claim, OwnerKey, Purpose};
use shared::orchestration::task::Task;
use shared::seal::{BeatSealer, EventOpener, EventSealer, open_beat};
use shared::time::UnixMs;
use shared::wire::frame::{Frame, low_bits};
use shared::wire::task::{OwnedEnd, TaskRow};

fn vectors() -> Value {
    let mut entropy = Entropy::from_seed([1; 32]);
    let owner = OwnerKey::generate(&mut entropy);
    let session = owner.session_id();
    let epoch = EpochId { start: UnixMs(1_700_000_000_000), random: 0x0123_4567_89ab_cdef };
    let scope = Scope { session, epoch };
    let watch = GrantSecret([0x11; 16]);
    let kind = Grant { secret: GrantSecret([0x22; 16]), right: Right::Type };
    let content = ContentKey([0x33; 32]);
    let input = InputGrant { secret: InputSecret([0x44; 32]), watch: watch.clone() };
    let ours = AgreementKey::generate(&mut entropy);
    let theirs = AgreementKey::generate(&mut entropy);

    let mut events = EventSealer::new(&content, scope);
    let first = Event::Output(b"$ ls\r\n".to_vec()).encode(false);
    let second = Event::Note(Note::Resize(WindowSize { cols: 80, rows: 24 })).encode(false);
    let start = events.point();
    let first = events.seal(first.0, &first.1);
    let after_first = events.point();
    let second = events.seal(second.0, &second.1);
    let attestation = Attestation { scope, point: events.point(), beat: 1, cards: [0; 32] };
    let (beat, beat_body) = BeatSealer::new(&content, scope).seal(2, UnixMs(1_700_000_001_000));

    let header = Header {
        protocol: PROTOCOL_VERSION,
        features: vec![],
        owner: owner.public(),
        epoch,
        revision: 1,
        agreement: ours.public(),
        boxes: vec![Header::seal_box(scope, &kind, &content, &input, &mut entropy)],
    };
    let view = View { seen: events.point(), beat: 1 };
    let mut typing = InputSealer::new(&theirs, ours.public(), &input.secret, scope).unwrap();
    let typed = typing.seal(&view, &Input::Keys(b"q".to_vec()));
    let mut taking = InputOpener::new(&ours, theirs.public(), &input.secret, scope).unwrap();
    assert_eq!(taking.open(&view, &typed), Some(Input::Keys(b"q".to_vec())));
    let taken = taking.seal_taken();

    let claim = Claim::sign(&owner, epoch, 7, &Challenge([0x55; 32]), "relay.example:443");
    let event_frame = Frame::Event { channel: Channel(1), event: first.clone() };
    let next_frame = Frame::NextEvent {
        channel: Channel(1),
        kind: first.kind,
        low: low_bits(first.number),
        body: first.body.clone(),
    };
    let input_from = Frame::InputFrom {
        channel: Channel(1),
        participant: ParticipantId(300),
        seen: 2,
        beat: 1,
        body: typed.clone().into(),
    };

    let mut cards = CardSealer::new(&content, &input.secret, scope);
    let mut task = Task::new(TaskId("task".into()), Some(TaskId("parent".into())), "tests", epoch.start);
    task.session = Some(SessionId([0x66; 16]));
    let reach = Reach { watch: GrantSecret([0x77; 16]), typing: Some(GrantSecret([0x88; 16])) };
    let card = Card { task, reach: Some(reach) };
    let sealed = cards.seal(&owner, &card, &mut entropy).unwrap();
    let row = TaskRow::new(&card.task, sealed);
    let with_cards = Attestation { cards: cards.digest(), ..attestation };
    let end = End { epoch, point: events.point(), reason: EndReason::Unshared };

    // Whoever holds the link can read all of this back.
    let signed = header.sign(&owner);
    let read = Header::verify(&signed, session).unwrap();
    assert_eq!(read.open_box(&kind.secret).unwrap().content, content);
    let mut reader = CardReader::new(&read.open_box(&kind.secret).unwrap(), scope, owner.public());
    assert_eq!(reader.read(&row.task_id, row.revision, &row.card), Ok(Some(card)));
    let opener = EventOpener::new(&content, scope);
    assert!(opener.open(1, EventKind::Output, &first.body).is_some());
    assert_eq!(open_beat(&content, scope, beat, &beat_body).unwrap().latest, 2);

    json!({
        "owner_public": owner.public(),
        "session_id": session,
        "epoch": epoch,
        "type_grant": kind.secret.to_base64(),
        "token": kind.secret.token(session).to_base64(),
        "token_hash": kind.secret.token(session).hash(),
        "content_key": content.to_base64(),
        "input_secret": input.secret.to_base64(),
        "sharer_agreement_public": ours.public(),
        "viewer_agreement_public": theirs.public(),
        "header": signed,
        "h0": start.hash,
        "event_1": to_base64(&first.body),
        "h1": after_first.hash,
        "event_2": to_base64(&second.body),
        "h2": events.point().hash,
        "attestation_signature": attestation.sign(&owner),
        "row": row,
        "card_digest": to_base64(&cards.digest()),
        "attestation_with_cards_signature": with_cards.sign(&owner),
        "owned_end": OwnedEnd { owner: owner.public(), end: end.sign(&owner) },
        "beat_1": to_base64(&beat_body),
        "input_1": to_base64(&typed),
        "taken_1": to_base64(&taken),
        "claim": claim,
        "frame_event_1": to_base64(&event_frame.encode()),
        "frame_event_1_without_its_number": to_base64(&next_frame.encode()),
        "frame_input_from": to_base64(&input_from.encode()),
        "signature_of_empty_end": owner.sign(Purpose::End, b""),
    })
}

#[test]
fn vectors_are_as_published() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/vectors.json");
    let now = vectors();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, format!("{now:#}\n")).unwrap();
    }
    // As values: in which order keys are written depends on the features of other crates.
    let published: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    assert_eq!(now, published, "the protocol changed");
}

fn fresh() -> (OwnerKey, Scope, ContentKey, Entropy) {
    let mut entropy = Entropy::from_seed([9; 32]);
    let owner = OwnerKey::generate(&mut entropy);
    let epoch = EpochId::next(None, UnixMs(5), &mut entropy);
    let scope = Scope { session: owner.session_id(), epoch };
    let content = ContentKey(entropy.array());
    (owner, scope, content, entropy)
}

#[test]
fn an_event_opens_only_as_itself() {
    let (_, scope, content, mut entropy) = fresh();
    let mut sealer = EventSealer::new(&content, scope);
    let event = sealer.seal(EventKind::Output, b"\0secret");
    let opens = |scope, content: &ContentKey, number, kind, body: &[u8]| {
        EventOpener::new(content, scope).open(number, kind, body).is_some()
    };
    assert!(opens(scope, &content, 1, EventKind::Output, &event.body), "positive control");
    assert!(!opens(scope, &content, 2, EventKind::Output, &event.body), "another number");
    assert!(!opens(scope, &content, 1, EventKind::Note, &event.body), "another kind");
    let other_epoch = Scope { epoch: EpochId::next(Some(scope.epoch), UnixMs(5), &mut entropy), ..scope };
    assert!(!opens(other_epoch, &content, 1, EventKind::Output, &event.body), "another epoch");
    let other_session = Scope { session: SessionId([0; 16]), ..scope };
    assert!(!opens(other_session, &content, 1, EventKind::Output, &event.body), "another session");
    assert!(!opens(scope, &ContentKey([0; 32]), 1, EventKind::Output, &event.body), "another key");
    for at in 0..event.body.len() {
        let mut altered = event.body.to_vec();
        altered[at] ^= 1;
        assert!(!opens(scope, &content, 1, EventKind::Output, &altered), "byte {at} flipped");
    }
    assert!(open_beat(&content, scope, 1, &event.body).is_none(), "not a beat");
}

#[test]
fn an_attestation_is_the_owners_word_about_one_chain() {
    let (owner, scope, content, mut entropy) = fresh();
    let mut sealer = EventSealer::new(&content, scope);
    sealer.seal(EventKind::Output, b"\0a");
    let said = Attestation { scope, point: sealer.point(), beat: 3, cards: [0; 32] };
    let signature = said.sign(&owner);
    assert!(said.verify(&owner.public(), &signature), "positive control");
    let stranger = OwnerKey::generate(&mut entropy);
    assert!(!said.verify(&stranger.public(), &signature));
    let forked = ChainPoint::start(scope).then(EventKind::Output, b"forged");
    assert!(!Attestation { point: forked, ..said }.verify(&owner.public(), &signature));
    assert!(!Attestation { beat: 4, ..said }.verify(&owner.public(), &signature));
    assert!(!Attestation { cards: [1; 32], ..said }.verify(&owner.public(), &signature));
    // A signature for one purpose is none for another.
    assert!(!owner.public().verify(Purpose::End, b"", &owner.sign(Purpose::Card, b"")));
    assert!(owner.public().verify(Purpose::End, b"", &owner.sign(Purpose::End, b"")));
}

#[test]
fn a_claim_is_good_for_one_relay_and_one_challenge() {
    let (owner, scope, _, mut entropy) = fresh();
    let challenge = Challenge(entropy.array());
    let claim = Claim::sign(&owner, scope.epoch, 1, &challenge, "a:1");
    assert!(claim.verify(scope.session, &challenge, "a:1"), "positive control");
    assert!(!claim.verify(scope.session, &challenge, "b:1"));
    assert!(!claim.verify(scope.session, &Challenge(entropy.array()), "a:1"));
    assert!(!claim.verify(OwnerKey::generate(&mut entropy).session_id(), &challenge, "a:1"));
    assert!(!Claim { number: 2, ..claim.clone() }.verify(scope.session, &challenge, "a:1"));
}

#[test]
fn a_header_opens_for_its_grants_and_no_other() {
    let (owner, scope, content, mut entropy) = fresh();
    let watch = Grant::generate(Right::Watch, &mut entropy);
    let kind = Grant::generate(Right::Type, &mut entropy);
    let input = InputGrant { secret: InputSecret(entropy.array()), watch: watch.secret.clone() };
    let agreement = AgreementKey::generate(&mut entropy);
    let boxes = [&watch, &kind].map(|grant| Header::seal_box(scope, grant, &content, &input, &mut entropy));
    let header = Header {
        protocol: PROTOCOL_VERSION,
        features: vec!["later".into()],
        owner: owner.public(),
        epoch: scope.epoch,
        revision: 1,
        agreement: agreement.public(),
        boxes: boxes.to_vec(),
    };
    let signed = header.sign(&owner);
    let read = Header::verify(&signed, scope.session).unwrap();
    assert_eq!(read, header);
    let opened = read.open_box(&kind.secret).unwrap();
    assert_eq!((opened.right(), opened.input), (Right::Type, Some(input)));
    let opened = read.open_box(&watch.secret).unwrap();
    assert_eq!((opened.right(), &opened.content, &opened.input), (Right::Watch, &content, &None));
    assert!(read.open_box(&GrantSecret::generate(&mut entropy)).is_err());

    // The relay hands the watcher the other box under the watcher's name: it does not open.
    let mut swapped = header.clone();
    swapped.boxes[0].sealed = header.boxes[1].sealed.clone();
    assert!(swapped.open_box(&watch.secret).is_err());
    assert!(Header::verify(&signed, SessionId([0; 16])).is_err(), "another session's link");
    let mut altered = signed.clone();
    altered.body.0[20] ^= 1;
    assert!(Header::verify(&altered, scope.session).is_err());
    let resigned = header.sign(&OwnerKey::generate(&mut entropy));
    assert!(Header::verify(&resigned, scope.session).is_err(), "signed by a stranger");
}

#[test]
fn input_is_taken_in_order_whole_and_on_the_sharers_view_only() {
    let (_, scope, _, mut entropy) = fresh();
    let secret = InputSecret(entropy.array());
    let (sharer, viewer) = (AgreementKey::generate(&mut entropy), AgreementKey::generate(&mut entropy));
    let view = View { seen: ChainPoint::start(scope), beat: 1 };
    let keys = |byte: u8| Input::Keys(vec![byte]);
    let ends = || {
        (
            InputSealer::new(&viewer, sharer.public(), &secret, scope).unwrap(),
            InputOpener::new(&sharer, viewer.public(), &secret, scope).unwrap(),
        )
    };

    let (mut sealer, mut opener) = ends();
    let frames: Vec<_> = (0..3).map(|n| sealer.seal(&view, &keys(n))).collect();
    for (n, frame) in (0..3).zip(&frames) {
        assert_eq!(opener.open(&view, frame), Some(keys(n)), "positive control");
    }
    assert_eq!(sealer.open_taken(&opener.seal_taken()), Some(3));
    assert_eq!(opener.open(&view, &frames[2]), None, "replayed");

    for (what, frame) in [("omitted", 1), ("reordered", 2)] {
        let (_, mut opener) = ends();
        assert_eq!(opener.open(&view, &frames[frame]), None, "{what}");
    }
    let (_, mut opener) = ends();
    let elsewhere = View { seen: view.seen.then(EventKind::Output, b"x"), ..view };
    assert_eq!(opener.open(&elsewhere, &frames[0]), None, "made on another view");
    let (_, mut opener) = ends();
    assert_eq!(opener.open(&View { beat: 2, ..view }, &frames[0]), None, "made on another beat");
    let wrong = InputSecret(entropy.array());
    let mut reader = InputSealer::new(&viewer, sharer.public(), &wrong, scope).unwrap();
    let (_, mut opener) = ends();
    assert_eq!(opener.open(&view, &reader.seal(&view, &keys(0))), None, "without the input secret");
    assert!(
        InputSealer::new(&viewer, shared::keys::epoch::AgreementPublic([0; 32]), &secret, scope).is_none()
    );
}
