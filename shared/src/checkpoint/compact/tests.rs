//! The expected lines in `golden` were written by hand from CHECKPOINTS 2.5.

use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::checkpoint::id::Name;
use crate::checkpoint::metadata::TokenUsage;

/// The worked example of CHECKPOINTS 8.
const EXAMPLE: &str = r#"{"type":"user","timestamp":"2026-01-02T03:04:05Z","message":{"role":"user","content":"add a greeting"}}
{"type":"assistant","timestamp":"2026-01-02T03:04:09Z","message":{"id":"msg_1","role":"assistant","model":"demo-model","content":[{"type":"text","text":"Done."}],"usage":{"input_tokens":10,"output_tokens":5}}}
"#;

fn head(agent: Agent, version: &str) -> Head {
    Head { agent: agent.display().to_owned(), cli_version: version.to_owned() }
}

fn compact(agent: Agent, start: u64, transcript: &str) -> Compacted {
    read(agent, Some(&head(agent, "1.2.3")), start, transcript.as_bytes()).compact.unwrap()
}

fn lines(agent: Agent, transcript: &str) -> String {
    let read = read(agent, Some(&head(agent, "1.2.3")), 0, transcript.as_bytes());
    read.compact.map(|compact| String::from_utf8(compact.bytes).unwrap()).unwrap_or_default()
}

fn usage(input: u64, creation: u64, read: u64, output: u64, calls: u64) -> TokenUsage {
    TokenUsage {
        input_tokens: input,
        cache_creation_tokens: creation,
        cache_read_tokens: read,
        output_tokens: output,
        api_call_count: calls,
    }
}

fn golden(agent: Agent, transcript: &str, expected: &str) -> Facts {
    let read = read(agent, Some(&head(agent, "1.2.3")), 0, transcript.as_bytes());
    let compact = read.compact.unwrap();
    let written = String::from_utf8(compact.bytes).unwrap();
    for (written, expected) in written.lines().zip(expected.lines()) {
        assert_eq!(written, expected);
    }
    assert_eq!(written, expected);
    assert_eq!((compact.lines, compact.start), (expected.lines().count() as u64, 0));
    assert_eq!(Agent::detect(transcript.as_bytes()), Some(agent));
    read.facts
}

#[test]
fn the_worked_example_byte_for_byte() {
    assert_eq!(EXAMPLE.len(), 314);
    let head = head(Agent::ClaudeCode, "0.0.0-demo");
    let read = read(Agent::ClaudeCode, Some(&head), 0, EXAMPLE.as_bytes());
    let compact = read.compact.unwrap();
    assert_eq!(compact.bytes.len(), 333);
    let digest = format!("{:x}", Sha256::digest(&compact.bytes));
    assert_eq!(digest, "a3d6ceb280ec51168c2e113dc2d1373088e8f6d4533bc646d64aa7949592b555");
    assert_eq!(read.facts.token_usage, Some(usage(10, 0, 0, 5, 1)));
    assert_eq!(
        (read.facts.model.as_str(), read.facts.prompts),
        ("demo-model", vec!["add a greeting".to_owned()])
    );
}

#[test]
fn claude_code_as_written_by_hand() {
    let facts = golden(
        Agent::ClaudeCode,
        include_str!("golden/claude-code.jsonl"),
        include_str!("golden/claude-code.compact.jsonl"),
    );
    assert_eq!(facts.session_id.as_deref(), Some("11111111-aaaa-4bbb-8ccc-000000000001"));
    assert_eq!(facts.directory.as_deref(), Some("/work/demo"));
    assert_eq!(facts.prompts, ["count the <b>lines</b> & say", "and stop"]);
    assert_eq!((facts.model.as_str(), facts.turns), ("demo-model", 2));
    // The fragment with most output counts, whole: it says nothing of what was cached.
    assert_eq!(facts.token_usage, Some(usage(3, 0, 0, 29, 3)));
}

#[test]
fn cursor_as_written_by_hand() {
    let facts = golden(
        Agent::Cursor,
        include_str!("golden/cursor.jsonl"),
        include_str!("golden/cursor.compact.jsonl"),
    );
    assert_eq!(facts.prompts, ["add a greeting", "thanks"]);
    assert_eq!((facts.model.as_str(), facts.token_usage, facts.session_id), ("", None, None));
}

#[test]
fn factory_ai_droid_as_written_by_hand() {
    let facts = golden(
        Agent::Droid,
        include_str!("golden/factoryai-droid.jsonl"),
        include_str!("golden/factoryai-droid.compact.jsonl"),
    );
    assert_eq!(facts.session_id.as_deref(), Some("33333333-aaaa-4bbb-8ccc-000000000003"));
    assert_eq!(facts.directory.as_deref(), Some("/work/demo"));
    assert_eq!(facts.token_usage, Some(usage(9, 0, 0, 4, 1)));
}

#[test]
fn codex_as_written_by_hand() {
    let facts =
        golden(Agent::Codex, include_str!("golden/codex.jsonl"), include_str!("golden/codex.compact.jsonl"));
    assert_eq!(facts.session_id.as_deref(), Some("44444444-aaaa-4bbb-8ccc-000000000004"));
    assert_eq!(facts.directory.as_deref(), Some("/work/demo"));
    assert_eq!((facts.model.as_str(), facts.prompts), ("demo-codex", vec!["add a greeting".to_owned()]));
    assert_eq!(facts.token_usage, Some(usage(60, 0, 200, 19, 2)));
}

#[test]
fn copilot_as_written_by_hand() {
    let facts = golden(
        Agent::Copilot,
        include_str!("golden/copilot-cli.jsonl"),
        include_str!("golden/copilot-cli.compact.jsonl"),
    );
    assert_eq!(facts.session_id.as_deref(), Some("55555555-aaaa-4bbb-8ccc-000000000005"));
    assert_eq!(facts.directory.as_deref(), Some("/work/demo"));
    assert_eq!((facts.model.as_str(), facts.prompts), ("demo-copilot", vec!["add a greeting".to_owned()]));
    assert_eq!(facts.token_usage, Some(usage(901, 7, 800, 37, 3)));
}

#[test]
fn gemini_as_written_by_hand() {
    let facts = golden(
        Agent::Gemini,
        include_str!("golden/gemini.jsonl"),
        include_str!("golden/gemini.compact.jsonl"),
    );
    assert_eq!(facts.session_id.as_deref(), Some("66666666-aaaa-4bbb-8ccc-000000000006"));
    assert_eq!((facts.model.as_str(), facts.prompts), ("demo-gemini", vec!["add a greeting".to_owned()]));
    assert_eq!(facts.token_usage, Some(usage(110, 0, 40, 7, 2)));
}

#[test]
fn opencode_as_written_by_hand() {
    let facts = golden(
        Agent::OpenCode,
        include_str!("golden/opencode.jsonl"),
        include_str!("golden/opencode.compact.jsonl"),
    );
    assert_eq!(facts.session_id.as_deref(), Some("ses_77777777"));
    assert_eq!(facts.directory.as_deref(), Some("/work/demo"));
    assert_eq!((facts.model.as_str(), facts.prompts), ("demo-open", vec!["add a greeting".to_owned()]));
    assert_eq!(facts.token_usage, Some(usage(11, 14, 13, 12, 1)));
}

#[test]
fn a_start_marker_counts_what_the_agent_counts() {
    // Lines: those of tools' answers and of nothing, too. A message on both sides belongs to the later part.
    let claude = include_str!("golden/claude-code.jsonl");
    for (start, expected) in
        [(0, 0), (1, 0), (2, 1), (3, 1), (4, 1), (7, 2), (9, 2), (10, 3), (14, 5), (99, 5)]
    {
        assert_eq!(compact(Agent::ClaudeCode, start, claude).start, expected, "{start}");
    }
    // Response items: the user's request is the third, what thought goes before the answer the fourth.
    let codex = include_str!("golden/codex.jsonl");
    for (start, expected) in
        [(1, 0), (2, 0), (3, 1), (4, 1), (5, 1), (7, 2), (8, 2), (9, 3), (10, 3), (11, 3), (12, 4)]
    {
        assert_eq!(compact(Agent::Codex, start, codex).start, expected, "{start}");
    }
    let gemini = include_str!("golden/gemini.jsonl");
    for (start, expected) in [(1, 0), (2, 1), (3, 2), (9, 2)] {
        assert_eq!(compact(Agent::Gemini, start, gemini).start, expected, "{start}");
    }
}

#[test]
fn calls_that_were_made_together_are_answered_in_any_order() {
    let item = |payload: &str| format!("{{\"type\":\"response_item\",\"payload\":{payload}}}\n");
    let call = |id: &str| {
        item(&format!(
            "{{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{{}}\",\"call_id\":\"{id}\"}}"
        ))
    };
    let said = |id: &str| {
        item(&format!("{{\"type\":\"function_call_output\",\"output\":\"said {id}\",\"call_id\":\"{id}\"}}"))
    };
    let both =
        lines(Agent::Codex, &(call("a") + &call("b") + &said("b") + &said("a") + &call("c") + &said("c")));
    assert_eq!(both.lines().count(), 2, "{both}");
    for id in ["a", "b", "c"] {
        assert!(
            both.contains(&format!(
                "{{\"id\":\"{id}\",\"input\":{{}},\"name\":\"f\",\"result\":{{\"output\":\"said {id}\""
            )),
            "{both}"
        );
    }
}

#[test]
fn subagents_are_known_by_what_their_tools_say() {
    let line = |result: &str, more: &str| {
        format!(
            "{{\"type\":\"user\",\"message\":{{\"content\":[{{\"type\":\"tool_result\",\"tool_use_id\":\"toolu_1\",\"content\":\"{result}\"}}]}}{more}}}\n"
        )
    };
    let found = |transcript: String| read(Agent::ClaudeCode, None, 0, transcript.as_bytes()).facts.subagents;
    let name = |text: &str| Name::parse(text).unwrap();
    let expected = [Subagent { tool_use_id: name("toolu_1"), agent_id: name("a1b2") }];
    assert_eq!(found(line("agentId: a1b2 (to go on)", "")), expected);
    assert_eq!(found(line("done", ",\"toolUseResult\":{\"agentId\":\"a1b2\"}")), expected);
    assert_eq!(found(line("done", ",\"toolUseResult\":{\"agentId\":\"../../a\"}")), []);
    assert_eq!(found(line("agentId: ../x", "")), []);
    let [subagent] = expected;
    assert_eq!(subagent.transcript(), "toolu_1/agent-a1b2.jsonl");
    let (path, record) = subagent.record(&name("s1"));
    assert_eq!(path, "toolu_1/checkpoint.json");
    let expected = "{\n  \"session_id\": \"s1\",\n  \"tool_use_id\": \"toolu_1\",\n  \"checkpoint_uuid\": \"\",\n  \"agent_id\": \"a1b2\"\n}\n";
    assert_eq!(String::from_utf8(record).unwrap(), expected);
}

#[test]
fn what_says_nothing_makes_no_file() {
    for agent in Agent::ALL {
        for empty in [
            "",
            "\n\n",
            "plain text\n",
            "[]\n",
            "{\"messages\":1,\"sessionId\":\"x\",\"info\":{}}",
            "{\"type\":\"system\"}\n",
        ] {
            assert_eq!(lines(agent, empty), "", "{agent:?} {empty}");
        }
    }
    assert_eq!(read(Agent::ClaudeCode, None, 5, EXAMPLE.as_bytes()).compact, None, "it was not asked for");
}

#[test]
fn torn_lines_zeros_and_other_encodings_cost_their_own_line_only() {
    let mut torn = b"{\"type\":\"user\",\"message\":{\"content\":\"lo\n\0\0\0\0\n\xff\xfe{\0\"\0\n".to_vec();
    torn.extend_from_slice(EXAMPLE.as_bytes());
    torn.extend_from_slice(
        b"{\"type\":\"user\",\"message\":{\"content\":\"caf\xe9 \\ud83d\"}}\r\n{\"type\":\"user\",\"mess",
    );
    let read = read(Agent::ClaudeCode, Some(&head(Agent::ClaudeCode, "0.0.0-demo")), 0, &torn);
    let compact = read.compact.unwrap();
    assert_eq!((compact.lines, compact.bytes.len()), (3, 333 + 105));
    assert_eq!(read.facts.prompts, ["add a greeting", "caf\u{fffd} \u{fffd}"]);
}

#[test]
fn deep_json_is_left_out_where_it_would_break_readers() {
    let deep = "[".repeat(20_000) + &"]".repeat(20_000);
    let line = format!(
        "{{\"type\":\"assistant\",\"message\":{{\"content\":[{{\"type\":\"odd\",\"x\":{deep}}},{{\"type\":\"tool_use\",\"id\":\"t\",\"input\":{deep}}}]}}}}\n"
    );
    let expected = r#"{"v":1,"agent":"Claude Code","cli_version":"1.2.3","type":"assistant","content":[{"id":"t","type":"tool_use"}]}"#;
    assert_eq!(lines(Agent::ClaudeCode, &line), format!("{expected}\n"));
}

#[test]
fn a_transcript_that_becomes_too_large_has_no_compact_one() {
    let line =
        format!("{{\"type\":\"assistant\",\"message\":{{\"content\":\"{}\"}}}}\n", "<".repeat(1024 * 1024));
    let mut reader = Reader::new(Agent::ClaudeCode, Some(&head(Agent::ClaudeCode, "1")), 0);
    for _ in 0..10 {
        reader.line(line.as_bytes());
        // One message without an id goes on and on: it is let go of before it is larger than what is kept.
        assert!(reader.waits() <= MAX_CHUNK);
    }
    let read = reader.finish();
    assert_eq!(read.compact, None);
}

fn event() -> impl Strategy<Value = String> {
    let text = "[a-z<>&\\\\\"\u{0}-\u{1f}é]{0,12}";
    let word = prop::sample::select(vec![
        "user",
        "assistant",
        "message",
        "response_item",
        "event_msg",
        "token_count",
        "function_call",
        "function_call_output",
        "user.message",
        "assistant.message",
        "tool.execution_complete",
        "gemini",
        "text",
        "tool_use",
        "tool_result",
        "thinking",
        "image",
        "t1",
        "t2",
    ]);
    let key = prop::sample::select(vec![
        "type",
        "role",
        "message",
        "payload",
        "data",
        "content",
        "id",
        "call_id",
        "tool_use_id",
        "text",
        "input",
        "arguments",
        "output",
        "toolRequests",
        "toolCallId",
        "result",
        "usage",
        "input_tokens",
        "info",
        "messages",
        "parts",
        "timestamp",
        "toolUseResult",
        "stdout",
        "is_error",
    ]);
    let leaf = prop_oneof![
        3 => word.prop_map(serde_json::Value::from),
        1 => text.prop_map(serde_json::Value::from),
        1 => any::<i64>().prop_map(serde_json::Value::from),
        1 => any::<bool>().prop_map(serde_json::Value::from),
        1 => Just(serde_json::Value::Null),
    ];
    let value = leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(serde_json::Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..7)
                .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
        ]
    });
    value.prop_map(|value| value.to_string())
}

proptest! {
    #[test]
    fn whatever_comes_the_lines_are_those_that_readers_take(
        events in prop::collection::vec(event(), 0..12),
        cut in any::<prop::sample::Index>(),
        noise in prop::collection::vec(any::<u8>(), 0..9),
        start in 0..6_u64,
    ) {
        let mut transcript = events.join("\n").into_bytes();
        let at = cut.index(transcript.len() + 1);
        transcript.splice(at..at, noise);
        for agent in Agent::ALL {
            let read = read(agent, Some(&head(agent, "1.2.3")), start, &transcript);
            let Some(compact) = read.compact else { continue };
            let text = String::from_utf8(compact.bytes).unwrap();
            prop_assert!(text.ends_with('\n') && !text.contains(['<', '>', '&']));
            prop_assert_eq!(text.lines().count() as u64, compact.lines);
            prop_assert!(compact.start <= compact.lines);
            for line in text.lines() {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                prop_assert_eq!(&line["v"], 1);
                prop_assert_eq!(&line["cli_version"], "1.2.3");
                prop_assert!(line["content"].as_array().is_some_and(|blocks| !blocks.is_empty()));
            }
        }
    }
}
