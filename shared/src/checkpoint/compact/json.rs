//! JSON that strangers wrote, read in parts, and written again as Go's encoder does.
//!
//! Parts stay text until they are looked at, so depth costs no stack and a block that nobody looks into keeps its bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// More keys than any agent writes into one object: each costs memory, and an object of 50 MiB may have millions.
const MAX_KEYS: usize = 16_384;
/// More parts than any agent's list has.
const MAX_ITEMS: usize = 1024 * 1024;
/// Deeper than any transcript. Go's decoder refuses 10,000, and readers refuse a file for one bad line.
const MAX_DEPTH: u32 = 1_000;

/// An object's parts by key; of a key that is there twice the last counts, as in Go.
#[derive(Debug, Default)]
pub(in crate::checkpoint) struct Object<'a>(BTreeMap<Cow<'a, str>, &'a RawValue>);

impl<'a> Object<'a> {
    /// Reads one; `None` for anything else, and for one with too many keys.
    pub(in crate::checkpoint) fn parse(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// A part as it stands there.
    pub(in crate::checkpoint) fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0.get(key).copied()
    }

    /// A part that is text; empty if it is none.
    pub(in crate::checkpoint) fn text(&self, key: &str) -> String {
        self.get(key).and_then(text).unwrap_or_default()
    }

    /// A part that is an object.
    pub(in crate::checkpoint) fn object(&self, key: &str) -> Option<Self> {
        Object::parse(self.get(key)?.get())
    }

    /// A part that is a whole number; 0 if it is none.
    pub(in crate::checkpoint) fn number(&self, key: &str) -> u64 {
        self.get(key).and_then(|raw| raw.get().parse().ok()).unwrap_or_default()
    }

    /// Whether a part is `true`.
    pub(in crate::checkpoint) fn flag(&self, key: &str) -> bool {
        self.get(key).is_some_and(|raw| raw.get() == "true")
    }

    /// The objects in a part that is a list; others in it are passed over.
    pub(in crate::checkpoint) fn objects(&self, key: &str) -> Vec<Self> {
        self.get(key)
            .and_then(list)
            .unwrap_or_default()
            .into_iter()
            .filter_map(|raw| Object::parse(raw.get()))
            .collect()
    }

    /// Its keys and parts, in the order of keys.
    pub(in crate::checkpoint) fn parts(self) -> impl Iterator<Item = (String, &'a RawValue)> {
        self.0.into_iter().map(|(key, part)| (key.into_owned(), part))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
                let mut object = Object::default();
                while let Some((Key(key), part)) = map.next_entry()? {
                    object.0.insert(key, part);
                    if object.0.len() > MAX_KEYS {
                        return Err(A::Error::custom("too many keys"));
                    }
                }
                Ok(object)
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

/// A key, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// The parts of a list; `None` for anything else.
pub(super) fn list(raw: &RawValue) -> Option<Vec<&RawValue>> {
    struct Items;
    impl<'de> Visitor<'de> for Items {
        type Value = Vec<&'de RawValue>;
        fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
            f.write_str("a list")
        }
        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut items = Vec::new();
            while let Some(item) = seq.next_element()? {
                items.push(item);
                if items.len() > MAX_ITEMS {
                    return Err(A::Error::custom("too many parts"));
                }
            }
            Ok(items)
        }
    }
    impl<'de> DeserializeSeed<'de> for Items {
        type Value = Vec<&'de RawValue>;
        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
            deserializer.deserialize_seq(self)
        }
    }
    Items.deserialize(&mut serde_json::Deserializer::from_str(raw.get())).ok()
}

/// A string as bytes: half a pair of surrogates, too.
struct Bytes;
impl Visitor<'_> for Bytes {
    type Value = Vec<u8>;
    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("a string")
    }
    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }
}

/// What a part says that is text.
pub(super) fn text(raw: &RawValue) -> Option<String> {
    unquote(raw.get())
}

/// What a JSON string says; `None` for other JSON. Half a pair of surrogates, which agents leave where they cut text, is
/// a replacement character, as in Go.
pub(in crate::checkpoint) fn unquote(json: &str) -> Option<String> {
    if !json.starts_with('"') {
        return None;
    }
    if let Ok(text) = serde_json::from_str(json) {
        return Some(text);
    }
    // Read as bytes, such a half is written as three, which no other character begins with.
    let mut bytes = serde_json::Deserializer::from_str(json).deserialize_bytes(Bytes).ok()?;
    for at in 0..bytes.len() {
        if let Some(half @ [0xed, 0xa0..=0xbf, _]) = bytes.get_mut(at..at + 3) {
            half.copy_from_slice("\u{fffd}".as_bytes());
        }
    }
    String::from_utf8(bytes).ok()
}

/// JSON without space between its parts and with the characters escaped that Go escapes for HTML; `None` if it is too
/// deep.
pub(super) fn raw(json: &str) -> Option<String> {
    let mut out = String::with_capacity(json.len());
    let (mut from, mut depth, mut inside, mut escaped) = (0, 0_u32, false, false);
    for (at, byte) in json.bytes().enumerate() {
        let (instead, length) = match byte {
            b'<' => ("\\u003c", 1),
            b'>' => ("\\u003e", 1),
            b'&' => ("\\u0026", 1),
            0xe2 if json.get(at..).is_some_and(|rest| rest.starts_with('\u{2028}')) => ("\\u2028", 3),
            0xe2 if json.get(at..).is_some_and(|rest| rest.starts_with('\u{2029}')) => ("\\u2029", 3),
            b' ' | b'\t' | b'\n' | b'\r' if !inside => ("", 1),
            _ => {
                match byte {
                    b'"' if !escaped => inside = !inside,
                    b'{' | b'[' if !inside => depth += 1,
                    b'}' | b']' if !inside => depth = depth.saturating_sub(1),
                    _ => {}
                }
                escaped = inside && !escaped && byte == b'\\';
                if depth > MAX_DEPTH {
                    return None;
                }
                continue;
            }
        };
        escaped = false;
        out.push_str(json.get(from..at)?);
        out.push_str(instead);
        from = at + length;
    }
    out.push_str(json.get(from..)?);
    Some(out)
}

/// A JSON string that says `text`, as Go writes it.
pub(super) fn string(text: &str) -> String {
    serde_json::to_string(text).ok().and_then(|json| raw(&json)).unwrap_or_else(|| "\"\"".to_owned())
}

/// An object of parts that are JSON already.
pub(super) fn object<'a>(parts: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let parts: Vec<_> = parts.into_iter().map(|(key, part)| format!("{}:{part}", string(key))).collect();
    format!("{{{}}}", parts.join(","))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn json_is_written_as_go_writes_it() {
        assert_eq!(raw("{ \"a\" : [ 1.50e+1 ,\n null ] }").unwrap(), "{\"a\":[1.50e+1,null]}");
        assert_eq!(raw("\"<a b> & \\\" \\\\\"").unwrap(), "\"\\u003ca b\\u003e \\u0026 \\\" \\\\\"");
        assert_eq!(string("\u{2028}ü\u{1}\u{8}\t/"), "\"\\u2028ü\\u0001\\b\\t/\"");
        assert_eq!(object([("b", "1"), ("a<", "[]")]), "{\"b\":1,\"a\\u003c\":[]}");
    }

    #[test]
    fn halves_of_surrogate_pairs_are_replaced() {
        let read = |json: &str| text(&RawValue::from_string(json.to_owned()).unwrap());
        assert_eq!(read(r#""cut \ud83d""#).as_deref(), Some("cut \u{fffd}"));
        assert_eq!(read(r#""\ude00 \ud83d\ude00 ü""#).as_deref(), Some("\u{fffd} \u{1f600} ü"));
        assert_eq!(read("1"), None);
        assert_eq!(read("null"), None);
    }

    #[test]
    fn depth_and_numbers_of_parts_are_bounded() {
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        assert_eq!(raw(&deep), None);
        let object = format!("{{\"a\":{deep},\"b\":\"x\"}}");
        assert_eq!(Object::parse(&object).unwrap().text("b"), "x", "what is not looked into costs nothing");
        let keys: Vec<_> = (0..=MAX_KEYS).map(|at| format!("\"{at}\":1")).collect();
        assert!(Object::parse(&format!("{{{}}}", keys.join(","))).is_none());
        let items = RawValue::from_string(format!("[{}1]", "1,".repeat(MAX_ITEMS))).unwrap();
        assert!(list(&items).is_none());
    }

    proptest! {
        #[test]
        fn what_is_written_again_says_the_same(said in "\\PC{0,40}", number: f64) {
            let value = serde_json::json!({"a b": [said, number], "<": {"k": null}});
            for json in [value.to_string(), serde_json::to_string_pretty(&value).unwrap()] {
                let again = raw(&json).unwrap();
                prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&again).unwrap(), &serde_json::from_str::<serde_json::Value>(&json).unwrap());
                let is_escaped = !again.contains(['<', '>', '&', '\u{2028}', '\u{2029}']);
                prop_assert!(is_escaped);
            }
        }
    }
}
