//! What an agent's transcript has that only its agent can read, taken out before anything is kept (CHECKPOINTS 1.8).

use std::borrow::Cow;

use serde::de::IgnoredAny;

use super::json::end_of_string;
use crate::checkpoint::agent::Agent;

/// Codex keeps under this key what it thought, encrypted for its maker and bound to its session.
const ENCRYPTED: &[u8] = b"\"encrypted_content\"";

/// A line of a transcript without it. Lines stay lines: start markers count them. What is clean keeps its bytes, and so
/// does a line that is no JSON.
pub fn sanitised(agent: Option<Agent>, line: &[u8]) -> Cow<'_, [u8]> {
    if agent != Some(Agent::Codex) || !line.windows(ENCRYPTED.len()).any(|part| part == ENCRYPTED) {
        return Cow::Borrowed(line);
    }
    without_member(line, ENCRYPTED).map_or(Cow::Borrowed(line), Cow::Owned)
}

/// JSON without the members of this key, a string as JSON has it; `None` for what is no JSON.
fn without_member(json: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    serde_json::from_slice::<IgnoredAny>(json).ok()?;
    let mut out = Vec::with_capacity(json.len());
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        if *byte != b'"' {
            out.push(*byte);
            at += 1;
            continue;
        }
        let end = end_of_string(json, at)?;
        let token = json.get(at..end)?;
        let behind = skip_space(json, end);
        // In JSON a colon follows keys only.
        if token != key || json.get(behind) != Some(&b':') {
            out.extend_from_slice(token);
            at = end;
            continue;
        }
        at = skip_space(json, end_of_value(json, skip_space(json, behind + 1))?);
        if json.get(at) == Some(&b',') {
            at = skip_space(json, at + 1);
        } else {
            // It was the last: the comma before it goes.
            while out.last().is_some_and(u8::is_ascii_whitespace) {
                out.pop();
            }
            out.pop_if(|last| *last == b',');
        }
    }
    Some(out)
}

fn skip_space(json: &[u8], at: usize) -> usize {
    let rest = json.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

/// Behind the value that begins at `start`.
fn end_of_value(json: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut depth) = (start, 0_usize);
    loop {
        match json.get(at)? {
            b'"' => {
                at = end_of_string(json, at)?;
                if depth == 0 {
                    return Some(at);
                }
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 1 => return Some(at + 1),
            b'}' | b']' if depth > 1 => depth -= 1,
            b',' | b'}' | b']' if depth == 0 => return Some(at),
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn clean(text: &str) -> String {
        String::from_utf8(sanitised(Some(Agent::Codex), text.as_bytes()).into_owned()).unwrap()
    }

    #[test]
    fn what_codex_thought_goes_and_all_else_keeps_its_bytes() {
        for (line, expected) in [
            (
                r#"{"type":"response_item","payload":{"type":"reasoning","summary":[ ],"encrypted_content":"gAAA=="}}"#,
                r#"{"type":"response_item","payload":{"type":"reasoning","summary":[ ]}}"#,
            ),
            (
                r#"{"payload":{ "encrypted_content" : null , "a":1.50}, "b":"encrypted_content"}"#,
                r#"{"payload":{ "a":1.50}, "b":"encrypted_content"}"#,
            ),
            (
                r#"{"type":"compacted","payload":{"replacement_history":[{"type":"compaction","encrypted_content":"x"},{"encrypted_content":{"a":["}"]}}]}}"#,
                r#"{"type":"compacted","payload":{"replacement_history":[{"type":"compaction"},{}]}}"#,
            ),
            (r#"{"a": 1 , "encrypted_content":12 }"#, r#"{"a": 1 }"#),
            (r#"{"a":"\"encrypted_content\": 1"}"#, r#"{"a":"\"encrypted_content\": 1"}"#),
            (r#"{"torn":{"encrypted_content":"x"#, r#"{"torn":{"encrypted_content":"x"#),
        ] {
            assert_eq!(clean(&format!("{line}\n")), format!("{expected}\n"));
        }
        let line = br#"{"encrypted_content":"x"}"#;
        for other in [Some(Agent::ClaudeCode), None] {
            assert_eq!(sanitised(other, line), line.as_slice(), "others mean something else by it");
        }
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<i32>().prop_map(Value::from),
            "\\PC{0,6}".prop_map(Value::from)
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            let key = prop_oneof!["[a-c]", Just("encrypted_content".to_owned())];
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(key, inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    fn without(value: Value) -> Value {
        match value {
            Value::Array(items) => items.into_iter().map(without).collect(),
            Value::Object(members) => {
                let kept = members.into_iter().filter(|(key, _)| key != "encrypted_content");
                Value::Object(kept.map(|(key, value)| (key, without(value))).collect())
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
        }
    }

    proptest! {
        #[test]
        fn json_stays_json_without_it(value in value(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let read: Value = serde_json::from_str(&clean(&text.unwrap())).unwrap();
            prop_assert_eq!(read, without(value));
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..60), at in any::<prop::sample::Index>()) {
            let mut bytes = bytes;
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, ENCRYPTED.iter().copied());
            prop_assert!(sanitised(Some(Agent::Codex), &bytes).len() <= bytes.len());
        }
    }
}
