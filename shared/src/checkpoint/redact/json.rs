//! Secrets inside JSON: only in the text of strings, and not of those that are names of something.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::IgnoredAny;

use super::assigned::{Named, is_value, named};
use super::{MARK, words};
use crate::checkpoint::compact::json::unquote;

/// What is open is remembered so far down; below, every string is looked at, keys and names too.
const MAX_DEPTH: usize = 1_000;

/// What the next string of an open object or list is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A key.
    Key,
    /// A name of something: an id, a path, a signature.
    Name,
    /// What stands under `type`.
    Type,
    /// What somebody calls a secret.
    Secret(Named),
    /// Text.
    Text,
}

/// An object or list that is open.
struct Open {
    is_object: bool,
    next: Next,
    /// It is a picture: what was found in it does not count.
    is_picture: bool,
    /// Replacements there were when it was opened.
    before: usize,
}

/// Text that takes the place of a string.
struct Change {
    place: Range<usize>,
    text: String,
}

/// A JSON value with its secrets replaced, all other bytes as they were; `None` if it is none.
pub(super) fn redact(json: &[u8]) -> Option<Cow<'_, [u8]>> {
    // From here on it is known to be well formed.
    serde_json::from_slice::<IgnoredAny>(json).ok()?;
    let mut open: Vec<Open> = Vec::new();
    let mut beyond = 0_usize;
    let mut changes: Vec<Change> = Vec::new();
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        match byte {
            b'{' | b'[' if open.len() >= MAX_DEPTH => beyond += 1,
            b'}' | b']' if beyond > 0 => beyond -= 1,
            b'{' | b'[' => {
                let is_object = *byte == b'{';
                // A list's strings are under the list's own key.
                let inherited = open.last().map_or(Next::Text, |around| around.next);
                let next = match inherited {
                    _ if is_object => Next::Key,
                    Next::Name => Next::Name,
                    Next::Secret(named) => Next::Secret(named),
                    Next::Key | Next::Type | Next::Text => Next::Text,
                };
                open.push(Open { is_object, next, is_picture: false, before: changes.len() });
            }
            b'}' | b']' => {
                if let Some(closed) = open.pop().filter(|closed| closed.is_picture) {
                    changes.truncate(closed.before);
                }
            }
            b',' => {
                if let Some(top) = open.last_mut().filter(|top| top.is_object && beyond == 0) {
                    top.next = Next::Key;
                }
            }
            b'"' => {
                let end = end_of_string(json, at)?;
                changes.extend(string(json, at..end, open.last_mut().filter(|_| beyond == 0)));
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    if changes.is_empty() {
        return Some(Cow::Borrowed(json));
    }
    let mut out = Vec::with_capacity(json.len());
    let mut from = 0;
    for Change { place, text } in changes {
        out.extend_from_slice(json.get(from..place.start)?);
        out.extend_from_slice(text.as_bytes());
        from = place.end;
    }
    out.extend_from_slice(json.get(from..)?);
    Some(Cow::Owned(out))
}

/// Behind the string that begins at `start`.
pub(super) fn end_of_string(json: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match json.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// Reads a string as a key or a value; what takes its place.
fn string(json: &[u8], place: Range<usize>, around: Option<&mut Open>) -> Option<Change> {
    let token = json.get(place.clone())?;
    let mut secret = None;
    if let Some(around) = around {
        match around.next {
            Next::Key => {
                around.next = after(&serde_json::from_slice::<String>(token).unwrap_or_default());
                return None;
            }
            Next::Name => return None,
            Next::Type => {
                let kind: String = serde_json::from_slice(token).unwrap_or_default();
                around.is_picture |= kind.starts_with("image") || kind == "base64";
            }
            Next::Secret(named) => secret = Some(named),
            Next::Text => {}
        }
    }
    let inner = token.get(1..token.len() - 1)?;
    // Most strings have no escapes, and are as they are read.
    let text: Cow<'_, [u8]> = if inner.contains(&b'\\') {
        Cow::Owned(unquote(&String::from_utf8_lossy(token))?.into_bytes())
    } else {
        Cow::Borrowed(inner)
    };
    if secret.is_some_and(|named| is_value(named, &text, true)) {
        return Some(Change { place, text: format!("\"{MARK}\"") });
    }
    match words(&text) {
        Cow::Borrowed(_) => None,
        Cow::Owned(clean) => {
            let text = serde_json::to_string(&String::from_utf8_lossy(&clean)).ok()?;
            Some(Change { place, text })
        }
    }
}

/// What stands under this key (CHECKPOINTS 1.8).
fn after(key: &str) -> Next {
    let names = ["signature", "filepath", "file_path", "cwd", "root", "directory", "dir", "path"];
    let lower = key.to_ascii_lowercase();
    if key == "type" {
        Next::Type
    } else if names.contains(&lower.as_str()) || lower.ends_with("id") || lower.ends_with("ids") {
        Next::Name
    } else {
        named(lower.as_bytes()).map_or(Next::Text, Next::Secret)
    }
}
