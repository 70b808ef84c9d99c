//! Secrets taken out of what is kept, before anything is hashed or written (CHECKPOINTS 1.8).
//!
//! A line of JSON is read as such: only the text of its strings is looked at, not that of keys, ids, paths and pictures,
//! and what is clean keeps its bytes. Any other line is text. [`Redacted`] is the only kind of bytes that is stored.

mod assigned;
mod cut;
mod json;
mod key;
mod parts;
mod sanitised;
mod secrets;
mod view;

use std::borrow::Cow;

pub use self::cut::cut_words;
pub use self::parts::Parts;
pub use self::sanitised::sanitised;

/// What stands where a secret was.
pub const MARK: &str = "REDACTED";

/// Bytes without secrets: nothing else makes them than this module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Redacted(Vec<u8>);

impl Redacted {
    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Plain text: prompts, summaries, what a terminal showed.
pub fn text(text: &[u8]) -> Redacted {
    Redacted(words(text).into_owned())
}

/// One line of a transcript, with or without its end.
pub fn line(line: &[u8]) -> Redacted {
    Redacted(json::redact(line).unwrap_or_else(|| words(line)).into_owned())
}

/// A whole transcript: as one JSON value if it is one, else line by line.
pub fn transcript(bytes: &[u8]) -> Redacted {
    if let Some(one) = json::redact(bytes) {
        return Redacted(one.into_owned());
    }
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    Redacted(lines.flat_map(|one| line(one).0).collect())
}

/// Text with its secrets replaced.
fn words(text: &[u8]) -> Cow<'_, [u8]> {
    let found = secrets::find(text);
    if found.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    for secret in found {
        out.extend_from_slice(text.get(at..secret.place.start).unwrap_or_default());
        out.extend_from_slice(MARK.as_bytes());
        at = secret.place.end;
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As published formats go; none was ever given out.
    const SECRET: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

    fn redacted(text: &str) -> String {
        String::from_utf8(line(text.as_bytes()).into_bytes()).unwrap()
    }

    #[test]
    fn a_secret_is_seen_beside_half_a_pair_of_surrogates_and_in_bytes_that_are_no_text() {
        let cut = format!(r#"{{"a":"{SECRET} cut \ud83d"}}"#);
        assert_eq!(redacted(&cut), "{\"a\":\"REDACTED cut \u{fffd}\"}");
        let mut latin = format!(r#"{{"a":"caf\n {SECRET} "#).into_bytes();
        latin.extend_from_slice(b"caf\xe9\"}\n");
        assert_eq!(line(&latin).bytes(), "{\"a\":\"caf\\n REDACTED caf\u{fffd}\"}\n".as_bytes());
    }

    #[test]
    fn depth_costs_no_more_than_its_bytes_and_hides_nothing() {
        let depth = 300_000;
        let deep = |inner: &str| format!("{}{inner}{}", "[{\"path\":".repeat(depth), "}]".repeat(depth));
        assert_eq!(redacted(&deep(&format!("\"{SECRET}\""))), deep("\"REDACTED\""));
        let one = format!("{}\"x\",\"{SECRET}\"{}", "[".repeat(depth), "]".repeat(depth));
        assert!(!redacted(&one).contains(SECRET));
    }

    #[test]
    fn only_strings_that_may_hold_secrets_are_looked_at() {
        let clean = format!(
            r#"{{"{SECRET}":1, "tool_use_id":"{SECRET}","signature":"{SECRET}","cwd":"{SECRET}","source":{{"data":"{SECRET}","type":"base64"}},"n":[1.50,"ü\u00e9"]}}"#
        );
        assert_eq!(redacted(&clean), clean);
        let dirty = format!(r#"{{"a":["x\n{SECRET} y", {{"type":"text","text":"{SECRET}"}}],  "k" : 1}}"#);
        let expected = r#"{"a":["x\nREDACTED y", {"type":"text","text":"REDACTED"}],  "k" : 1}"#;
        assert_eq!(redacted(&dirty), expected);
    }

    #[test]
    fn what_a_key_calls_a_secret_is_one_and_what_was_cut_to_fit_hides_none() {
        let dirty = r#"{"db_password":"correct-horse","api_key":["abcd1234efgh"],"max_tokens":4096,"token":null,"secret":"it is a word","n":"x …"}"#;
        let clean = r#"{"db_password":"REDACTED","api_key":["REDACTED"],"max_tokens":4096,"token":null,"secret":"it is a word","n":"x …"}"#;
        assert_eq!(redacted(dirty), clean);
        assert_eq!(redacted(r#"{"name":"echo ghp_01234567…"}"#), r#"{"name":"echo REDACTED…"}"#);
    }

    #[test]
    fn a_secret_is_seen_through_escapes_and_in_text_that_is_no_json() {
        let escaped = SECRET.replace('_', "\\u005f");
        assert_eq!(redacted(&format!(r#"{{"a":"{escaped}"}}"#)), r#"{"a":"REDACTED"}"#);
        assert_eq!(redacted(&format!("torn {{\"a\":\"{SECRET}\n")), "torn {\"a\":\"REDACTED\n");
        assert_eq!(redacted(&format!(r#""{SECRET}""#)), r#""REDACTED""#);
    }

    proptest! {
        #[test]
        fn no_secret_stays_wherever_it_stands_and_json_stays_json(before in "\\PC{0,12}", after in "\\PC{0,12}", depth in 0..4_usize) {
            let mut value = serde_json::json!(format!("{before} {SECRET} {after}"));
            for _ in 0..depth {
                value = serde_json::json!({"type": "text", "content": [value, 1.5]});
            }
            let line = redacted(&(value.to_string() + "\n"));
            prop_assert!(!line.contains(SECRET));
            let read: Result<serde_json::Value, _> = serde_json::from_str(&line);
            prop_assert!(read.is_ok() && line.contains(MARK), "{}", line);
        }

        #[test]
        fn any_bytes_come_out_without_the_secret(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index) {
            let at = at.index(bytes.len() + 1);
            bytes.splice(at..at, format!(" {SECRET} ").into_bytes());
            let out = transcript(&bytes);
            prop_assert!(!out.bytes().windows(SECRET.len()).any(|part| part == SECRET.as_bytes()));
        }
    }
}
