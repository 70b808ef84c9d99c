//! Secrets inside JSON: only in the text of strings, and not of those that are names of something.

use std::borrow::Cow;
use std::ops::Range;

use serde::de::IgnoredAny;

use super::words;

/// An object or list that is open.
struct Open {
    is_object: bool,
    /// The next string is a key.
    wants_key: bool,
    /// What stands here is a name of something: an id, a path, a signature.
    is_name: bool,
    /// The present key is `type`.
    is_type: bool,
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
    let mut changes: Vec<Change> = Vec::new();
    let mut at = 0;
    while let Some(byte) = json.get(at) {
        match byte {
            b'{' | b'[' => {
                let is_object = *byte == b'{';
                // A list's strings are under the list's own key.
                let is_name = !is_object && open.last().is_some_and(|around| around.is_name);
                open.push(Open {
                    is_object,
                    wants_key: is_object,
                    is_name,
                    is_type: false,
                    is_picture: false,
                    before: changes.len(),
                });
            }
            b'}' | b']' => {
                if let Some(closed) = open.pop().filter(|closed| closed.is_picture) {
                    changes.truncate(closed.before);
                }
            }
            b',' => {
                if let Some(top) = open.last_mut() {
                    top.wants_key = top.is_object;
                }
            }
            b'"' => {
                let end = end_of_string(json, at)?;
                changes.extend(string(json, at..end, open.last_mut()));
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
fn end_of_string(json: &[u8], start: usize) -> Option<usize> {
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
    if let Some(around) = around {
        if std::mem::take(&mut around.wants_key) {
            let key: String = serde_json::from_slice(token).unwrap_or_default();
            around.is_name = is_name(&key);
            around.is_type = key == "type";
            return None;
        }
        if around.is_type {
            let kind: String = serde_json::from_slice(token).unwrap_or_default();
            around.is_picture |= kind.starts_with("image") || kind == "base64";
        }
        if around.is_name {
            return None;
        }
    }
    let inner = token.get(1..token.len() - 1)?;
    // Most strings have no escapes, and are as they are read.
    let text: Cow<'_, [u8]> = if inner.contains(&b'\\') {
        Cow::Owned(serde_json::from_slice::<String>(token).ok()?.into_bytes())
    } else {
        Cow::Borrowed(inner)
    };
    match words(&text) {
        Cow::Borrowed(_) => None,
        Cow::Owned(clean) => {
            let text = serde_json::to_string(&String::from_utf8_lossy(&clean)).ok()?;
            Some(Change { place, text })
        }
    }
}

/// Whether what stands under this key is a name (CHECKPOINTS 1.8).
fn is_name(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    let names = ["signature", "filepath", "file_path", "cwd", "root", "directory", "dir", "path"];
    names.contains(&key.as_str()) || key.ends_with("id") || key.ends_with("ids")
}
