//! Every decoder that meets bytes from outside is total: 10,000 cases each, more by `PROPTEST_CASES`.
//!
//! Half of the cases are wild bytes, half are good messages with one thing broken: those reach the depths.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test panics when it fails")]

use bytes::Bytes;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::event::{Event, EventKind, pack};
use shared::link::Link;
use shared::wire::driver::{AskerToRelay, DriverToRelay, RelayToAsker, RelayToDriver};
use shared::wire::frame::Frame;
use shared::wire::hello::Greeting;
use shared::wire::sharer::{RelayToSharer, SharerToRelay};
use shared::wire::viewer::{RelayToViewer, ViewerToRelay};
use shared::wire::{MAX_CONTROL, decode, encode};

fn cases() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.max(10_000), failure_persistence: None, ..config }
}

fn lines(golden: &str) -> Vec<String> {
    golden.lines().map(str::to_owned).collect()
}

/// One of these messages with bytes replaced, cut off or doubled; or nothing like them.
fn broken(good: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let edit = (0..good.len(), any::<prop::sample::Index>(), any::<u8>(), 0u8..4);
    let edited = edit.prop_map(move |(which, at, byte, how)| {
        let mut bytes = good[which].clone();
        let at = at.index(bytes.len());
        match how {
            0 => bytes[at] = byte,
            1 => bytes.truncate(at),
            2 => bytes.insert(at, byte),
            _ => bytes.extend_from_within(at..),
        }
        bytes
    });
    prop_oneof![proptest::collection::vec(any::<u8>(), 0..300), edited]
}

/// Reads every broken form of these messages; what can be read can be written and read again.
fn survives<M: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(golden: &str) {
    let good = lines(golden);
    assert!(!good.is_empty());
    for line in &good {
        assert!(decode::<M>(line).is_ok(), "the control: {line}");
    }
    let mut runner = proptest::test_runner::TestRunner::new(cases());
    let all = broken(good.into_iter().map(String::into_bytes).collect());
    let law = |bytes: Vec<u8>| {
        let text = String::from_utf8_lossy(&bytes);
        if let Ok(message) = decode::<M>(&text) {
            prop_assert_eq!(decode::<M>(&encode(&message)), Ok(message));
        }
        Ok(())
    };
    runner.run(&all, law).unwrap();
    assert!(decode::<M>(&" ".repeat(MAX_CONTROL + 1)).is_err(), "its length is looked at first");
}

#[test]
fn the_greeting() {
    survives::<Greeting>(include_str!("golden/greeting.jsonl"));
}

#[test]
fn what_a_sharer_says() {
    survives::<SharerToRelay>(include_str!("golden/sharer_to_relay.jsonl"));
}

#[test]
fn what_a_sharer_hears() {
    survives::<RelayToSharer>(include_str!("golden/relay_to_sharer.jsonl"));
}

#[test]
fn what_a_viewer_says() {
    survives::<ViewerToRelay>(include_str!("golden/viewer_to_relay.jsonl"));
}

#[test]
fn what_a_viewer_hears() {
    survives::<RelayToViewer>(include_str!("golden/relay_to_viewer.jsonl"));
}

#[test]
fn what_drivers_and_askers_say_and_hear() {
    survives::<DriverToRelay>(include_str!("golden/driver_to_relay.jsonl"));
    survives::<RelayToDriver>(include_str!("golden/relay_to_driver.jsonl"));
    survives::<AskerToRelay>(include_str!("golden/asker_to_relay.jsonl"));
    survives::<RelayToAsker>(include_str!("golden/relay_to_asker.jsonl"));
}

#[test]
fn frames() {
    let mut runner = proptest::test_runner::TestRunner::new(cases());
    let law = |(kind, bytes): (u8, Vec<u8>)| {
        let bytes = Bytes::from([&[kind], &bytes[..]].concat());
        if let Ok(frame) = Frame::decode(&bytes) {
            prop_assert_eq!(frame.encode(), bytes);
        }
        Ok(())
    };
    let good = Frame::Credit { consumed: 300 }.encode();
    assert!(Frame::decode(&good).is_ok(), "the control");
    runner.run(&(0u8..20, proptest::collection::vec(any::<u8>(), 0..200)), law).unwrap();
}

#[test]
fn events() {
    let note = br#"{"Title":"work"}"#;
    let good = vec![
        pack(b"output", true),
        pack(&[b'x'; 5_000], true),
        pack(note, true),
        pack(br#"{"Resize":{"cols":80,"rows":24}}"#, false),
    ];
    assert!(Event::decode(EventKind::Output, &good[1]).is_some(), "the control");
    let mut runner = proptest::test_runner::TestRunner::new(cases());
    let law = |bytes: Vec<u8>| {
        for kind in [EventKind::Output, EventKind::Note] {
            if let Some(Event::Output(output)) = Event::decode(kind, &bytes) {
                prop_assert!(output.len() <= 1024 * 1024);
            }
        }
        Ok(())
    };
    runner.run(&broken(good), law).unwrap();
}

#[test]
fn links() {
    let good = format!("https://example.org/x/s/{}#{}", "a".repeat(26), "A".repeat(22));
    assert!(Link::parse(&good).is_ok(), "the control");
    let mut runner = proptest::test_runner::TestRunner::new(cases());
    let law = |bytes: Vec<u8>| {
        if let Ok(link) = Link::parse(&String::from_utf8_lossy(&bytes)) {
            prop_assert_eq!(Link::parse(&link.to_string()), Ok(link));
        }
        Ok(())
    };
    runner.run(&broken(vec![good.into_bytes()]), law).unwrap();
}
