#![allow(
    clippy::needless_pass_by_value,
    clippy::wildcard_enum_match_arm,
    clippy::format_collect,
    clippy::large_stack_arrays,
    reason = "tests are read, not reused"
)]

use proptest::prelude::*;
use serde_json::json;
use shared::conversation::{Block, Conversation};

use super::*;

fn read(lines: &[(Side, Value)]) -> Vec<Meaning> {
    let mut tap = Tap::default();
    lines.iter().flat_map(|(side, line)| tap.line(*side, line.to_string().as_bytes())).collect()
}

fn blocks(meanings: &[Meaning], of: &str) -> Vec<Block> {
    let mut conversation = Conversation::default();
    for meaning in meanings {
        if let Meaning::Update { session, update } = meaning
            && session == of
        {
            conversation.update(update.clone());
        }
    }
    conversation.transcript().blocks().map(|(_, _, block)| block.clone()).collect()
}

fn update(session: &str, update: Value) -> (Side, Value) {
    let params = json!({"sessionId": session, "update": update});
    (Side::Agent, json!({"jsonrpc": "2.0", "method": "session/update", "params": params}))
}

fn says(session: &str, text: &str) -> (Side, Value) {
    let content = json!({"type": "text", "text": text});
    update(session, json!({"sessionUpdate": "agent_message_chunk", "content": content}))
}

#[test]
fn an_exchange_is_a_prompt_an_answer_and_an_end() {
    let meanings = read(&[
        (Side::Editor, json!({"id": 1, "method": "session/new", "params": {"cwd": "/", "mcpServers": []}})),
        (Side::Agent, json!({"id": 1, "result": {"sessionId": "s"}})),
        (
            Side::Editor,
            json!({"id": 2, "method": "session/prompt",
            "params": {"sessionId": "s", "prompt": [{"type": "text", "text": "hello"}]}}),
        ),
        says("s", "hi "),
        says("s", "there"),
        (Side::Agent, json!({"id": 2, "result": {"stopReason": "end_turn"}})),
    ]);
    let session = "s".to_owned();
    assert_eq!(meanings[0], Meaning::Session { session: session.clone() });
    assert_eq!(meanings[1], Meaning::Doing { session: session.clone(), what: Doing::Running });
    assert_eq!(meanings.last(), Some(&Meaning::Doing { session, what: Doing::Waiting }));
    let said: Vec<String> = blocks(&meanings, "s")
        .into_iter()
        .map(|block| match block {
            Block::Message(message) => format!("{:?} {}", message.role, message.text),
            Block::Stop(reason) => reason,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(said, ["User hello", "Agent hi there", "end_turn"]);
}

#[test]
fn ids_of_the_two_sides_are_apart() {
    let meanings = read(&[
        (
            Side::Editor,
            json!({"id": 1, "method": "session/prompt", "params": {"sessionId": "s", "prompt": []}}),
        ),
        (
            Side::Agent,
            json!({"id": 1, "method": "session/request_permission",
            "params": {"sessionId": "s", "toolCall": {"toolCallId": "c", "title": "Delete"}, "options": []}}),
        ),
        (Side::Editor, json!({"id": 1, "result": {"outcome": {"outcome": "cancelled"}}})),
        (Side::Agent, json!({"id": 1, "result": {"stopReason": "cancelled"}})),
    ]);
    let doing: Vec<Doing> = meanings
        .iter()
        .filter_map(|meaning| match meaning {
            Meaning::Doing { what, .. } => Some(*what),
            _ => None,
        })
        .collect();
    assert_eq!(doing, [Doing::Running, Doing::Blocked, Doing::Running, Doing::Waiting]);
}

#[test]
fn a_loaded_conversation_is_replayed_and_goes_on() {
    let meanings = read(&[
        says("s", "before"),
        (
            Side::Editor,
            json!({"id": "a", "method": "session/load", "params": {"sessionId": "s", "cwd": "/", "mcpServers": []}}),
        ),
        says("s", "again "),
        (Side::Agent, json!({"id": "a", "result": null})),
        says("s", "and on"),
    ]);
    let [Block::Message(message)] = &blocks(&meanings, "s")[..] else { panic!("not one message") };
    assert_eq!(message.text, "again and on");
}

#[test]
fn a_subagent_is_a_child_with_a_conversation_of_its_own() {
    let meanings = read(&[
        update(
            "s",
            json!({"sessionUpdate": "subagent_update", "sessionId": "kid", "title": "Ada",
            "state": {"state": "running"}}),
        ),
        says("kid", "mine"),
        says("s", "yours"),
    ]);
    let child = Meaning::Child {
        parent: "s".into(),
        session: "kid".into(),
        title: Some("Ada".into()),
        state: Some("running".into()),
    };
    assert!(meanings.contains(&child), "{meanings:?}");
    assert_eq!(blocks(&meanings, "kid").len(), 1);
}

#[test]
fn a_terminal_is_known_before_the_call_that_shows_it() {
    let meanings = read(&[
        (
            Side::Agent,
            json!({"id": 5, "method": "terminal/create",
            "params": {"sessionId": "s", "command": "make", "args": ["all"]}}),
        ),
        (Side::Editor, json!({"id": 5, "result": {"terminalId": "t"}})),
        update(
            "s",
            json!({"sessionUpdate": "tool_call", "toolCallId": "c", "title": "Build",
            "content": [{"type": "terminal", "terminalId": "t"}]}),
        ),
        (
            Side::Agent,
            json!({"id": 6, "method": "terminal/output", "params": {"sessionId": "s", "terminalId": "t"}}),
        ),
        (
            Side::Editor,
            json!({"id": 6, "result": {"output": "built", "truncated": false,
            "exitStatus": {"exitCode": 0, "signal": null}}}),
        ),
    ]);
    let shown = format!("{:?}", blocks(&meanings, "s"));
    for part in ["make all", "built", "Some(\"0\")"] {
        assert!(shown.contains(part), "{part} is missing in {shown}");
    }
}

proptest! {
    #[test]
    fn any_bytes_mean_something_or_nothing(bytes in prop::collection::vec(any::<u8>(), 0..200), text in "[\\[\\]{}\":,a-z/]{0,100}") {
        let mut tap = Tap::default();
        tap.line(Side::Agent, &bytes);
        tap.line(Side::Editor, text.as_bytes());
    }

    #[test]
    fn lines_come_whole_however_they_are_cut(lines in prop::collection::vec("[a-z]{1,20}", 0..20), cut in 1..30usize) {
        let text = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let mut found = Vec::new();
        let mut cutter = Lines::default();
        for piece in text.as_bytes().chunks(cut) {
            cutter.push(piece, |line| found.push(String::from_utf8(line.to_vec()).unwrap()), || panic!("skipped"));
        }
        prop_assert_eq!(found, lines);
    }
}

#[test]
fn a_line_that_is_too_long_is_skipped_and_the_next_is_read() {
    let (mut lines, mut skipped) = (Vec::new(), 0);
    let mut cutter = Lines::default();
    for _ in 0..=LONGEST_LINE / 1000 {
        cutter.push(&[b'x'; 1000], |_| panic!("too long"), || panic!("not yet"));
    }
    cutter.push(b"\nnext\n", |line| lines.push(line.to_vec()), || skipped += 1);
    assert_eq!((lines, skipped), (vec![b"next".to_vec()], 1));
}

#[test]
fn requests_that_nobody_answers_are_forgotten() {
    let mut tap = Tap::default();
    for id in 0..3 * MOST_REQUESTS {
        let line = json!({"id": id, "method": "session/new", "params": {}}).to_string();
        tap.line(Side::Editor, line.as_bytes());
    }
    assert!(tap.asked.len() <= MOST_REQUESTS && tap.order.len() <= MOST_REQUESTS);
    // A deep message is no message.
    assert!(tap.line(Side::Agent, &[b'['; 100_000]).is_empty());
}
