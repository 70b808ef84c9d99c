//! A JSON object that strangers wrote: read in part, changed in part, and otherwise kept byte for byte.
//!
//! Written as upstream writes it: two spaces, a newline at the end, no HTML escapes, and U+2028 and U+2029 escaped as Go
//! does.

use core::fmt;

use serde::de::{DeserializeOwned, Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// The largest record that is read, in bytes: upstream bounds none, and some grew beyond what can be pushed.
pub const MAX_RECORD: usize = 16 * 1024 * 1024;
/// A record has no more keys: each is looked for among those before it.
const MAX_KEYS: usize = 16_384;

/// See the module. Keys are in the order of the file.
#[derive(Debug, Clone, Default)]
pub struct Record(Vec<(String, Box<RawValue>)>);

/// A record is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Larger than [`MAX_RECORD`].
    #[error("it is larger than {} MiB", MAX_RECORD / 1024 / 1024)]
    TooLarge,
    /// Not a JSON object.
    #[error("it is no JSON object: {0}")]
    NoObject(String),
    /// A key has a value of another kind than the format says.
    #[error("its {0} is not what the format says")]
    Field(&'static str),
}

impl Record {
    /// Reads one of at most [`MAX_RECORD`] bytes. Of a key that is there twice the last counts, as in Go.
    pub fn parse(json: &[u8]) -> Result<Self, Malformed> {
        if json.len() > MAX_RECORD {
            return Err(Malformed::TooLarge);
        }
        serde_json::from_slice(json).map_err(|error| Malformed::NoObject(error.to_string()))
    }

    /// A key's value; the default for one that is absent or null.
    pub fn get<T: DeserializeOwned + Default>(&self, key: &'static str) -> Result<T, Malformed> {
        let Some(raw) = self.raw(key) else { return Ok(T::default()) };
        let value: Option<T> = serde_json::from_str(raw.get()).map_err(|_why| Malformed::Field(key))?;
        Ok(value.unwrap_or_default())
    }

    /// A key's value as it stands in the file.
    pub fn raw(&self, key: &str) -> Option<&RawValue> {
        self.0.iter().find(|(own, _)| own == key).map(|(_, value)| value.as_ref())
    }

    /// Its keys and values, in order.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &RawValue)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_ref()))
    }

    /// Sets a key where it stands, or else behind all that come before it in `order`.
    pub fn set_raw(&mut self, key: &str, value: Box<RawValue>, order: &[&str]) {
        if let Some((_, held)) = self.0.iter_mut().find(|(own, _)| own == key) {
            *held = value;
            return;
        }
        let place = |key: &str| order.iter().position(|known| *known == key);
        let at = match place(key) {
            None => self.0.len(),
            Some(own) => {
                let behind = |(other, _): &(String, _)| place(other).is_some_and(|other| other > own);
                self.0.iter().position(behind).unwrap_or(self.0.len())
            }
        };
        self.0.insert(at, (key.to_owned(), value));
    }

    /// The same with a value of ours.
    pub fn set(&mut self, key: &str, value: &impl Serialize, order: &[&str]) {
        self.set_raw(key, raw(value, 1), order);
    }

    /// The same with text that is JSON already; `null` if it is not.
    pub(super) fn set_text(&mut self, key: &str, json: String, order: &[&str]) {
        self.set_raw(key, RawValue::from_string(json).unwrap_or_default(), order);
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) {
        self.0.retain(|(own, _)| own != key);
    }

    /// Writes it as a file.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = self.text(0);
        out.push('\n');
        out.into_bytes()
    }

    /// Its text inside `depth` others.
    pub fn text(&self, depth: usize) -> String {
        if self.0.is_empty() {
            return "{}".to_owned();
        }
        let mut out = String::from("{");
        for (at, (key, value)) in self.0.iter().enumerate() {
            out.push_str(if at == 0 { "\n" } else { ",\n" });
            out.push_str(&"  ".repeat(depth + 1));
            out.push_str(raw(key, 0).get());
            out.push_str(": ");
            out.push_str(value.get());
        }
        out.push('\n');
        out.push_str(&"  ".repeat(depth));
        out.push('}');
        out
    }
}

impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.encode() == other.encode()
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Record;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Record, A::Error> {
                let mut record = Record::default();
                while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                    if record.0.len() == MAX_KEYS {
                        return Err(A::Error::custom("it has too many keys"));
                    }
                    record.set_raw(&key, value, &[]);
                }
                Ok(record)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// A value's text inside `depth` objects, on several lines where it has parts.
pub(super) fn raw(value: &impl Serialize, depth: usize) -> Box<RawValue> {
    let pretty = serde_json::to_string_pretty(value).unwrap_or_else(|_| "null".to_owned());
    // Strings have no line breaks of their own in JSON.
    let text = pretty.replace('\n', &format!("\n{}", "  ".repeat(depth)));
    let text = text.replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029");
    // It was JSON before, and white space between its parts changes nothing.
    RawValue::from_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &[&str] = &["first", "second", "third"];

    #[test]
    fn what_is_not_touched_keeps_its_bytes_and_its_place() {
        let file = "{\n  \"odd\": 1.50e+01,\n  \"first\": null,\n  \"third\": [\n    1\n  ]\n}\n";
        let mut record = Record::parse(file.as_bytes()).unwrap();
        assert_eq!(record.encode(), file.as_bytes());
        record.set("second", &["<a>", "\u{2028}"], ORDER);
        let changed = "{\n  \"odd\": 1.50e+01,\n  \"first\": null,\n  \"second\": [\n    \"<a>\",\n    \"\\u2028\"\n  ],\n  \"third\": [\n    1\n  ]\n}\n";
        assert_eq!(String::from_utf8(record.encode()).unwrap(), changed);
        record.remove("odd");
        record.set("first", &1, ORDER);
        record.set("unknown", &true, ORDER);
        let text = String::from_utf8(record.encode()).unwrap();
        assert!(
            text.starts_with("{\n  \"first\": 1,\n") && text.ends_with("  \"unknown\": true\n}\n"),
            "{text}"
        );
        assert_eq!(record.get::<u64>("first"), Ok(1));
    }

    #[test]
    fn null_and_absent_are_empty_and_another_kind_is_an_error() {
        let record = Record::parse(br#"{"a":null,"b":"text","b":"again"}"#).unwrap();
        assert_eq!(record.get::<Vec<String>>("a"), Ok(Vec::new()));
        assert_eq!(record.get::<Vec<String>>("absent"), Ok(Vec::new()));
        assert_eq!(record.get::<String>("b"), Ok("again".to_owned()), "the last counts");
        assert_eq!(record.get::<u64>("b"), Err(Malformed::Field("b")));
    }

    #[test]
    fn hostile_bytes_are_refused() {
        for wrong in [&b""[..], b"null", b"[]", b"{\"a\":1", b"{\"a\":\xff}", b"{\"a\":1}{"] {
            assert!(Record::parse(wrong).is_err(), "{}", String::from_utf8_lossy(wrong));
        }
        assert_eq!(Record::parse(&vec![b' '; MAX_RECORD + 1]), Err(Malformed::TooLarge));
    }
}
