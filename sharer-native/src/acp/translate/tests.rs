use serde_json::{Value, json};
use shared::conversation::{Conversation, Role, Transcript, Update};

use super::*;

/// One `update` of each kind that ACP 1 has, as its agents write it.
fn all() -> Vec<Value> {
    let text = |text: &str| json!({"type": "text", "text": text});
    vec![
        json!({"sessionUpdate": "user_message_chunk", "content": text("do it"), "messageId": "m1"}),
        json!({"sessionUpdate": "agent_message_chunk", "content": text("done é😀")}),
        json!({"sessionUpdate": "agent_thought_chunk", "content": text("hm")}),
        json!({"sessionUpdate": "agent_message_chunk",
            "content": {"type": "resource_link", "name": "spec", "uri": "https://x.example/spec"}}),
        json!({"sessionUpdate": "tool_call_update", "toolCallId": "c1", "title": "Edit", "kind": "edit",
        "status": "in_progress", "rawInput": {"path": "/a"},
        "locations": [{"path": "/a", "line": 3}, {"path": "/b"}],
        "content": [
            {"type": "content", "content": text("out")},
            {"type": "diff", "path": "/a", "oldText": "1", "newText": "2"},
            {"type": "diff", "path": "/new", "newText": "2"},
            {"type": "terminal", "terminalId": "t1"},
        ]}),
        json!({"sessionUpdate": "tool_call_update", "toolCallId": "c1", "status": "completed"}),
        json!({"sessionUpdate": "plan", "entries": [
            {"content": "first", "priority": "high", "status": "completed"},
            {"content": "then", "priority": "low", "status": "pending"}]}),
        json!({"sessionUpdate": "available_commands_update",
            "availableCommands": [{"name": "test", "description": "Runs tests", "input": {"hint": "which"}}]}),
        json!({"sessionUpdate": "current_mode_update", "currentModeId": "plan"}),
        json!({"sessionUpdate": "config_option_update", "configOptions": []}),
        json!({"sessionUpdate": "session_info_update", "title": "A title"}),
        json!({"sessionUpdate": "usage_update", "used": 10, "size": 100}),
        json!({"sessionUpdate": "notice", "severity": "warning", "title": "Slow", "description": "very"}),
        json!({"sessionUpdate": "compaction_update", "compactionId": "k", "status": "in_progress"}),
        json!({"sessionUpdate": "compaction_summary_chunk", "compactionId": "k", "content": text("so far")}),
        json!({"sessionUpdate": "subagent_update", "sessionId": "s2", "title": "Ada", "description": null,
            "state": {"state": "running"}}),
        json!({"sessionUpdate": "session_message", "messageId": "b1", "senderSessionId": "s1",
            "recipientSessionId": "s2", "content": [text("look at it")]}),
        json!({"sessionUpdate": "session_message_chunk", "messageId": "b1", "content": text(" now")}),
    ]
}

#[test]
fn every_kind_of_update_goes_there_and_back() {
    for json in all() {
        let known: SessionUpdate = serde_json::from_value(json.clone()).unwrap();
        let ours = from_acp(&known);
        let back = to_acp(&ours).unwrap_or_else(|| panic!("{json} does not come back"));
        assert_eq!(serde_json::to_value(back).unwrap(), json);
    }
    // A call that begins comes back as an update of the same call, which says the same.
    let begins = json!({"sessionUpdate": "tool_call", "toolCallId": "c1", "title": "Read", "kind": "read"});
    let Update::ToolCall { id, call } = from_json(&begins) else { panic!("no call") };
    assert_eq!(
        (id.as_str(), call.title.as_deref(), call.kind.as_deref()),
        ("c1", Some("Read"), Some("read"))
    );
    assert_eq!(call.status.as_deref(), Some("pending"));
}

#[test]
fn no_kind_of_the_crate_is_forgotten_here() {
    // A kind that the crate does not know fails with the list of those it does.
    let error =
        serde_json::from_value::<SessionUpdate>(json!({"sessionUpdate": "?"})).unwrap_err().to_string();
    let named: Vec<&str> = error.split('`').skip(3).step_by(2).collect();
    assert!(named.len() > 10, "{error}");
    let tested: Vec<Value> = all();
    for kind in named.into_iter().filter(|kind| *kind != "tool_call") {
        assert!(tested.iter().any(|json| json["sessionUpdate"] == *kind), "{kind} is not tested");
    }
}

#[test]
fn what_is_not_known_is_kept() {
    for json in [
        json!({"sessionUpdate": "hologram", "x": [1, {"y": 2}]}),
        json!({"sessionUpdate": "tool_call", "no": "id"}),
        json!({"sessionUpdate": 7}),
        json!(null),
        json!(["sessionUpdate"]),
    ] {
        let Update::Opaque { json: kept, .. } = from_json(&json) else { panic!("{json} is not opaque") };
        assert_eq!(serde_json::from_str::<Value>(&kept).unwrap(), json);
    }
    let image = json!({"sessionUpdate": "agent_message_chunk",
        "content": {"type": "image", "mimeType": "image/png", "data": "AAAA".repeat(100_000)}});
    let Update::Chunk { role: Role::Agent, content: Content::Attachment(attachment), .. } = from_json(&image)
    else {
        panic!("no attachment")
    };
    assert_eq!((attachment.kind.as_str(), attachment.name.as_str()), ("image", "image/png"));
}

#[test]
fn a_conversation_in_acp_becomes_a_transcript_that_reads_like_it() {
    let mut conversation = Conversation::default();
    let mut transcript = Transcript::default();
    for json in all() {
        for change in conversation.update(from_json(&json)) {
            transcript.apply(change);
        }
    }
    let words: Vec<String> = transcript.blocks().map(|(_, _, block)| format!("{block:?}")).collect();
    let all = words.join("\n");
    for said in [
        "do it",
        "done é😀",
        "hm",
        "https://x.example/spec",
        "Edit",
        "completed",
        "first",
        "Mode: plan",
        "Slow",
        "look at it now",
    ] {
        assert!(all.contains(said), "{said} is missing in\n{all}");
    }
    let agent = AgentId::new("s2").unwrap();
    assert_eq!(transcript.name(&agent), "Ada");
}
