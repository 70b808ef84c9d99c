//! Compatibility of control messages: golden texts of version 1, later fields, later variants.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Debug;
use std::fs;

use serde::{Serialize, de::DeserializeOwned};
use shared::id::{Channel, ParticipantId, TaskId};
use shared::wire::close::{EndedBecause, Refusal};
use shared::wire::hello::Greeting;
use shared::wire::sharer::{RelayToSharer, SharerToRelay};
use shared::wire::source::{SessionSource, SourceKind};
use shared::wire::viewer::{RelayToViewer, ViewerToRelay};
use shared::wire::{ControlError, MAX_CONTROL, decode, encode};

/// Every line of the golden file `name` reads, and writes back as the same JSON.
fn golden<M: Serialize + DeserializeOwned + PartialEq + Debug>(name: &str) {
    let path = format!("{}/tests/golden/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    assert!(text.lines().count() > 0);
    for line in text.lines() {
        let message: M = decode(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let written: serde_json::Value = serde_json::from_str(&encode(&message)).unwrap();
        let golden: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(written, golden, "{line}");
        // A field of a later version changes nothing.
        let mut later = golden.clone();
        if let Some(fields) = later.as_object_mut().and_then(|o| o.values_mut().next()?.as_object_mut()) {
            fields.insert("from_a_later_version".into(), serde_json::json!({"x": [1]}));
            assert_eq!(decode::<M>(&later.to_string()).unwrap(), message);
        }
    }
}

#[test]
fn golden_texts_of_every_direction_read_and_write_back() {
    golden::<Greeting>("greeting");
    golden::<SharerToRelay>("sharer_to_relay");
    golden::<RelayToSharer>("relay_to_sharer");
    golden::<ViewerToRelay>("viewer_to_relay");
    golden::<RelayToViewer>("relay_to_viewer");
}

#[test]
fn an_unknown_message_is_named_and_harmless() {
    for text in [r#"{"Dance":{"channel":1}}"#, r#""Dance""#] {
        assert_eq!(decode::<RelayToViewer>(text), Err(ControlError::Unknown("Dance".into())));
    }
    for text in ["", "{", "[]", "7", "{}", r#"{"a":1,"b":2}"#] {
        assert_eq!(decode::<RelayToViewer>(text), Err(ControlError::Malformed), "{text}");
    }
    let endless = " ".repeat(MAX_CONTROL + 1);
    assert_eq!(decode::<RelayToViewer>(&endless), Err(ControlError::Malformed));
}

#[test]
fn fields_of_a_later_version_default() {
    let away = r#"{"SharerPresence":{"channel":3}}"#;
    let read = RelayToViewer::SharerPresence { channel: Channel(3), away_ms: None };
    assert_eq!(decode::<RelayToViewer>(away).unwrap(), read);
    let ended = r#"{"SessionEnded":{"channel":1,"reason":"Sharer"}}"#;
    let read = RelayToViewer::SessionEnded {
        channel: Channel(1),
        reason: EndedBecause::Sharer,
        end: None,
        final_number: 0,
    };
    assert_eq!(decode::<RelayToViewer>(ended).unwrap(), read);
    let failed = r#"{"FailedToJoin":{"channel":1,"reason":{"NotFound":{}}}}"#;
    let read =
        RelayToViewer::FailedToJoin { channel: Channel(1), reason: Refusal::NotFound { retry: false } };
    assert_eq!(decode::<RelayToViewer>(failed).unwrap(), read);
    let left = r#"{"ParticipantLeft":{"channel":1,"participant":9}}"#;
    let read = RelayToSharer::ParticipantLeft { channel: Channel(1), participant: ParticipantId(9) };
    assert_eq!(decode::<RelayToSharer>(left).unwrap(), read);
}

#[test]
fn a_source_rides_as_two_fields() {
    let read = |source: &str| -> SessionSource {
        let text = format!(r#"{{"UpdateSourceTaskId":{{"channel":1{source}}}}}"#);
        let message: RelayToViewer = decode(&text).unwrap();
        let RelayToViewer::UpdateSourceTaskId { source, .. } = message else { panic!("{message:?}") };
        source
    };
    let task = |id: &str| Some(TaskId(id.into()));
    let agent = |task_id| SessionSource { kind: SourceKind::AmbientAgent, task_id };
    let user = |task_id| SessionSource { kind: SourceKind::User, task_id };
    assert_eq!(read(""), user(None));
    assert_eq!(read(r#","source_type":"User","source_task_id":"no-uuid""#), user(task("no-uuid")));
    assert_eq!(read(r#","source_type":"AmbientAgent""#), agent(None));
    assert_eq!(read(r#","source_type":{"AmbientAgent":{"task_id":"a"}}"#), agent(task("a")));
    let both = r#","source_type":{"AmbientAgent":{"task_id":"a"}},"source_task_id":"b""#;
    assert_eq!(read(both), agent(task("b")));
}
