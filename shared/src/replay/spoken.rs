//! What a compact transcript says (CHECKPOINTS 2.5), as a recording says it: for sessions of which there is nothing else.

use serde_json::Value;

use crate::conversation::{Attachment, Content, Conversation, Role, ToolCall, ToolContent, Update};
use crate::recording::{Entry, Line};
use crate::time::UnixMs;

/// The longest line that is read, in bytes: JSON takes many times as much in memory.
const LONGEST: usize = 1 << 20;
/// The most that is said; what is behind it is left out.
const MAX_SAID: usize = 100_000;

/// A compact transcript's lines as those of a recording, and when it began, by the first time that it says.
///
/// `when` reads the time of a line, in milliseconds since 1970; a line without one is as old as the one before it. What is
/// no such line is passed over.
pub fn spoken(compact: &[u8], when: impl Fn(&str) -> Option<u64>) -> (Option<UnixMs>, Vec<Line>) {
    let mut conversation = Conversation::default();
    let (mut began, mut at) = (None, 0);
    let mut lines = Vec::new();
    for line in compact.split(|byte| *byte == b'\n').filter(|line| line.len() <= LONGEST) {
        let Ok(said) = serde_json::from_slice::<Value>(line) else { continue };
        if let Some(now) = said.get("ts").and_then(Value::as_str).and_then(&when) {
            at = now.saturating_sub(*began.get_or_insert(now)).max(at);
        }
        let role = if text(&said, "type") == Some("user") { Role::User } else { Role::Agent };
        let blocks = said.get("content").and_then(Value::as_array).into_iter().flatten();
        for (place, block) in blocks.enumerate() {
            let update = update(role, block, || format!("{}-{place}", lines.len()));
            let changes = conversation.update(update).into_iter();
            lines.extend(changes.map(|change| Line { at, entry: Entry::Change(change) }));
            if lines.len() >= MAX_SAID {
                return (began.map(UnixMs), lines);
            }
        }
    }
    (began.map(UnixMs), lines)
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key)?.as_str()
}

fn update(role: Role, block: &Value, id: impl Fn() -> String) -> Update {
    let chunk = |content| Update::Chunk { role, message: Some(id()), content };
    // A person's text has no type.
    match (text(block, "type"), text(block, "text")) {
        (None | Some("text"), Some(said)) => chunk(Content::Text(said.to_owned())),
        (Some("tool_use"), _) => {
            let id = text(block, "id").map_or_else(&id, str::to_owned);
            Update::ToolCall { id, call: call(block) }
        }
        (Some(kind @ ("image" | "audio" | "document")), _) => {
            chunk(Content::Attachment(Attachment { kind: kind.to_owned(), name: String::new(), uri: None }))
        }
        (kind, _) => Update::Opaque {
            kind: kind.unwrap_or_default().to_owned(),
            json: block.to_string(),
            state: false,
        },
    }
}

fn call(block: &Value) -> ToolCall {
    let result = block.get("result");
    let output = result.and_then(|result| text(result, "output")).filter(|output| !output.is_empty());
    let file = result.and_then(|result| text(result.get("file")?, "filePath"));
    let status = result.and_then(|result| text(result, "status")).map(|status| match status {
        "error" => "failed".to_owned(),
        _ => "completed".to_owned(),
    });
    ToolCall {
        title: text(block, "name").map(str::to_owned),
        kind: None,
        status,
        content: output.map(|output| vec![ToolContent::Text(output.to_owned())]),
        places: file.map(|file| vec![file.to_owned()]),
        more: block.get("input").map(Value::to_string),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conversation::{Block, Transcript};

    #[test]
    fn a_compact_transcript_is_a_conversation_with_its_times() {
        let compact = concat!(
            r#"{"v":1,"type":"user","ts":"100","content":[{"id":"p1","text":"count the lines"},{"type":"image","source":{}}]}"#,
            "\n",
            r#"{"v":1,"type":"assistant","ts":"2100","content":[{"text":"Counting.","type":"text"},{"id":"t1","input":{"path":"a.rs"},"name":"Read","result":{"output":"1: fn main","status":"success","file":{"filePath":"a.rs","numLines":1}},"type":"tool_use"},{"id":"t2","input":{},"name":"Grep","result":{"output":"","status":"error"},"type":"tool_use"}]}"#,
            "\nno line\n",
            r#"{"v":1,"type":"assistant","ts":"90","content":[{"text":"Done.","type":"text"},{"type":"web","x":1}]}"#,
            "\n",
        );
        let (began, lines) = spoken(compact.as_bytes(), |time| time.parse().ok());
        assert_eq!(began, Some(UnixMs(100)));
        let mut transcript = Transcript::default();
        let mut times = Vec::new();
        for line in lines {
            times.push(line.at);
            let Entry::Change(change) = line.entry else { panic!("it only changes") };
            transcript.apply(change);
        }
        assert!(times.is_sorted() && times.last() == Some(&2_000), "{times:?}");
        let blocks: Vec<&Block> = transcript.blocks().map(|(_, _, block)| block).collect();
        let words: Vec<String> = blocks.iter().map(|block| block.words()).collect();
        assert!(
            matches!(
                blocks.as_slice(),
                [
                    Block::Message(asked),
                    Block::Attachment(Role::User, _),
                    Block::Message(said),
                    Block::Tool(read),
                    Block::Tool(grep),
                    Block::Message(done),
                    Block::Opaque { .. },
                ] if asked.role == Role::User
                    && asked.text == "count the lines"
                    && said.text == "Counting."
                    && read.title.as_deref() == Some("Read")
                    && read.places.as_deref() == Some(&["a.rs".to_owned()][..])
                    && grep.status.as_deref() == Some("failed")
                    && done.text == "Done."
            ),
            "{words:?}"
        );
    }

    #[test]
    fn any_bytes_say_nothing_or_something() {
        for bytes in [&b""[..], b"\xff\n{}\n[]\n", br#"{"content":[1,null,{"type":3},{"text":[]}]}"#] {
            let (began, _) = spoken(bytes, |_| None);
            assert_eq!(began, None);
        }
    }
}
