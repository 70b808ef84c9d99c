//! Compatibility of control messages: golden texts of version 1, later fields, later variants.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::fmt::Debug;
use std::fs;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use shared::id::{Channel, ParticipantId, TaskId};
use shared::orchestration::status::TaskState;
use shared::wire::close::{EndedBecause, Refusal};
use shared::wire::driver::{AskerToRelay, DriverToRelay, RelayToAsker, RelayToDriver};
use shared::wire::hello::Greeting;
use shared::wire::keeper::{KeeperToRelay, RelayToKeeper};
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
    golden::<DriverToRelay>("driver_to_relay");
    golden::<RelayToDriver>("relay_to_driver");
    golden::<AskerToRelay>("asker_to_relay");
    golden::<RelayToAsker>("relay_to_asker");
    golden::<KeeperToRelay>("keeper_to_relay");
    golden::<RelayToKeeper>("relay_to_keeper");
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
        kept_ms: None,
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

/// Every form of a source that any version has written, and what it says.
fn forms() -> [(&'static str, SessionSource); 10] {
    let task = |id: &str| Some(TaskId(id.into()));
    let agent = |task_id| SessionSource { kind: SourceKind::AmbientAgent, task_id };
    let user = |task_id| SessionSource { kind: SourceKind::User, task_id };
    let uuid = "0190c0de-0000-4000-8000-000000000000";
    [
        ("", user(None)),
        (r#""source_type":"User""#, user(None)),
        (r#""source_type":"User","source_task_id":null"#, user(None)),
        (r#""source_type":"User","source_task_id":"no uuid""#, user(task("no uuid"))),
        (r#""source_task_id":"0190c0de-0000-4000-8000-000000000000""#, user(task(uuid))),
        (r#""source_type":"AmbientAgent""#, agent(None)),
        (r#""source_type":"AmbientAgent","source_task_id":"b""#, agent(task("b"))),
        (r#""source_type":{"AmbientAgent":{"task_id":"a","later":1}}"#, agent(task("a"))),
        (r#""source_type":{"AmbientAgent":{"task_id":"a"}},"source_task_id":"b""#, agent(task("b"))),
        (r#""source_type":{"Dream":{}},"source_task_id":"b""#, user(task("b"))),
    ]
}

/// The golden text that begins with `start`, with the source that it carries put in place of its own.
fn with_source(file: &str, start: &str, source: &str) -> String {
    let mut message: serde_json::Value = serde_json::from_str(&golden_line(file, start)).unwrap();
    let fields = message.as_object_mut().unwrap().values_mut().next().unwrap().as_object_mut().unwrap();
    let carrier = if fields.contains_key("source_type") {
        fields
    } else {
        fields.get_mut("payload").unwrap().as_object_mut().unwrap()
    };
    assert!(carrier.remove("source_type").is_some());
    carrier.remove("source_task_id");
    carrier.extend(serde_json::from_str::<serde_json::Map<_, _>>(&format!("{{{source}}}")).unwrap());
    message.to_string()
}

#[test]
fn a_source_is_read_in_every_form_wherever_it_is_carried() {
    for (form, says) in forms() {
        let text = with_source("sharer_to_relay", "Initialize", form);
        let SharerToRelay::Initialize { payload, .. } = decode(&text).unwrap() else { panic!("{text}") };
        assert_eq!(payload.source, says, "{text}");
        let text = with_source("sharer_to_relay", "UpdateSourceTaskId", form);
        let SharerToRelay::UpdateSourceTaskId { source, .. } = decode(&text).unwrap() else {
            panic!("{text}")
        };
        assert_eq!(source, says, "{text}");
        let text = with_source("relay_to_viewer", "UpdateSourceTaskId", form);
        let RelayToViewer::UpdateSourceTaskId { source_type, source_task_id, .. } = decode(&text).unwrap()
        else {
            panic!("{text}")
        };
        assert_eq!(SessionSource::new(source_type, source_task_id), says, "{text}");
        let text = with_source("relay_to_viewer", "JoinedSuccessfully", form);
        let RelayToViewer::JoinedSuccessfully { source_type, source_task_id, .. } = decode(&text).unwrap()
        else {
            panic!("{text}")
        };
        assert_eq!(SessionSource::new(source_type, source_task_id), says, "{text}");
        // It is written in the strict form, which every version reads back.
        let message = RelayToViewer::UpdateSourceTaskId {
            channel: Channel(1),
            source_type: says.source_type(),
            source_task_id: says.task_id.clone(),
        };
        let written = encode(&message);
        assert_eq!(decode::<RelayToViewer>(&written).unwrap(), message);
        let fields: serde_json::Value = serde_json::from_str(&written).unwrap();
        let fields = &fields["UpdateSourceTaskId"];
        let id = says.task_id.as_ref().map(|id| id.0.as_str());
        match says.kind {
            SourceKind::User => assert_eq!(fields["source_type"], "User"),
            SourceKind::AmbientAgent => {
                assert_eq!(fields["source_type"]["AmbientAgent"]["task_id"].as_str(), id);
            }
        }
        assert_eq!(fields["source_task_id"].as_str(), id, "the sidecar beside either kind");
    }
}

/// A peer of the version before tasks: what it says is read, and what it is told it does not know affects itself only.
#[test]
fn an_older_peer_is_understood_and_understands_what_it_knows() {
    #[derive(Debug, Deserialize)]
    enum OlderRelayToViewer {
        JoinedSuccessfully { channel: Channel, latest: u64 },
    }
    #[derive(Debug, Deserialize)]
    enum OlderSharerToRelay {
        Initialize { channel: Channel, payload: OlderInit },
    }
    #[derive(Debug, Deserialize)]
    struct OlderInit {
        protocol: u32,
        latest: u64,
    }
    // It does not know: rows, groups, the sidecar.
    for (file, known) in [("relay_to_viewer", "TasksUpdated"), ("relay_to_viewer", "UpdateSourceTaskId")] {
        let text = golden_line(file, known);
        assert!(decode::<RelayToViewer>(&text).is_ok(), "control");
        let error = decode::<OlderRelayToViewer>(&text).unwrap_err();
        assert_eq!(error, ControlError::Unknown(known.into()));
    }
    for known in ["UpdateTasks", "EndGroup"] {
        let error = decode::<OlderSharerToRelay>(&golden_line("sharer_to_relay", known)).unwrap_err();
        assert_eq!(error, ControlError::Unknown(known.into()));
    }
    // It knows the rest, beside fields that are new to it.
    let form = r#""source_type":{"AmbientAgent":{"task_id":"a"}},"source_task_id":"a""#;
    let OlderRelayToViewer::JoinedSuccessfully { channel, latest } =
        decode(&with_source("relay_to_viewer", "JoinedSuccessfully", form)).unwrap();
    assert_eq!((channel, latest), (Channel(1), 4));
    let OlderSharerToRelay::Initialize { channel, payload } =
        decode(&with_source("sharer_to_relay", "Initialize", form)).unwrap();
    assert_eq!((channel, payload.protocol, payload.latest), (Channel(1), 1, 4));
    // It says nothing of what came after it: a source, limits of rows, a row's parent, session and type grant.
    let hello = r#"{"Hello":{"protocol":1,"challenge":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc","limits":{"frame":9}}}"#;
    let Greeting::Hello(hello) = decode(hello).unwrap();
    assert_eq!((hello.limits.frame, hello.limits.rows, hello.limits.card), (9, 512, 4_096));
    let text = golden_line("sharer_to_relay", "UpdateTasks").replace(r#""state":"running","#, "");
    let SharerToRelay::UpdateTasks { rows, .. } = decode(&text).unwrap() else { panic!("{text}") };
    assert_eq!(rows[0].state, TaskState::Unknown);
    let text = text.replace(r#""revision":3"#, r#""revision":3,"state":"dreaming""#);
    let SharerToRelay::UpdateTasks { rows, .. } = decode(&text).unwrap() else { panic!("{text}") };
    assert_eq!(rows[0].state, TaskState::Unknown, "a state of a later version");
    assert_eq!((&rows[1].parent_task_id, rows[1].session_id, &rows[1].card.typing), (&None, None, &None));
}

fn golden_line(file: &str, start: &str) -> String {
    let path = format!("{}/tests/golden/{file}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(path).unwrap();
    text.lines().find(|line| line.starts_with(&format!("{{\"{start}\""))).unwrap().to_owned()
}
