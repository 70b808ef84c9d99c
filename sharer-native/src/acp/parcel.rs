//! Updates on their way to a session: none longer than a request can carry, and requests of several.

use serde_json::Value;
use shared::conversation::{Content, Update};

/// The most bytes of JSON that one update takes: a request may have eight of them.
const LONGEST: usize = 128 * 1024;
/// The most bytes of JSON that the updates of a request take together: half of what the socket takes, for what is
/// around them.
pub(super) const MOST_TOGETHER: usize = 512 * 1024;
/// Updates that go in one request.
const AT_ONCE: usize = 64;
/// Longer texts of messages go in pieces of so many bytes: JSON may write a byte as six.
const PIECE: usize = LONGEST / 8;
/// Texts of an update that is too long are cut to so many bytes, one after the other until it fits. A transcript keeps
/// 14 KiB of a tool call's contents.
const CUTS: [usize; 3] = [16 * 1024, 2 * 1024, 256];
/// What lists of such an update may have; a transcript keeps no more either.
const MOST_ENTRIES: usize = 32;

/// An update, and how many bytes of JSON it takes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Parcel {
    pub(super) update: Update,
    pub(super) size: usize,
}

/// How many bytes of JSON it takes, if that is not too many.
fn fitting(update: &Update) -> Option<usize> {
    let size = serde_json::to_vec(update).ok()?.len();
    (size <= LONGEST).then_some(size)
}

/// The update in parcels, and whether they are all of it.
pub(super) fn pack(update: Update) -> (Vec<Parcel>, bool) {
    if let Update::Chunk { role, message, content: Content::Text(text) } = &update
        && text.len() > PIECE
    {
        let mut parcels = Vec::new();
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let (front, back) = rest.split_at(rest.floor_char_boundary(PIECE));
            rest = back;
            let (role, message, content) = (*role, message.clone(), Content::Text(front.to_owned()));
            let update = Update::Chunk { role, message, content };
            // Too long is only its message's name, and that is in all of them.
            let Some(size) = fitting(&update) else { return (Vec::new(), false) };
            parcels.push(Parcel { update, size });
        }
        return (parcels, true);
    }
    match fitting(&update) {
        Some(size) => (vec![Parcel { update, size }], true),
        None => (cut(&update).into_iter().collect(), false),
    }
}

/// As much of an update as fits.
fn cut(update: &Update) -> Option<Parcel> {
    let mut value = serde_json::to_value(update).ok()?;
    CUTS.iter().find_map(|longest| {
        shorten(&mut value, *longest, false);
        let update = serde_json::from_value(value.clone()).ok()?;
        Some(Parcel { size: fitting(&update)?, update })
    })
}

/// Cuts all texts, at their beginning if their end is what counts.
fn shorten(value: &mut Value, longest: usize, at_front: bool) {
    match value {
        Value::String(text) if text.len() > longest => {
            if at_front {
                text.drain(..text.ceil_char_boundary(text.len() - longest));
            } else {
                text.truncate(text.floor_char_boundary(longest));
            }
        }
        Value::Array(values) => {
            values.truncate(MOST_ENTRIES);
            for value in values {
                shorten(value, longest, at_front);
            }
        }
        Value::Object(fields) => {
            for (name, value) in fields {
                // A terminal's.
                shorten(value, longest, name == "output");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// What goes together in one request, in order.
pub(super) fn requests(parcels: Vec<Parcel>) -> impl Iterator<Item = Vec<Update>> {
    let mut parcels = parcels.into_iter().peekable();
    std::iter::from_fn(move || {
        let mut size = 0;
        let mut updates = Vec::new();
        while let Some(parcel) = parcels.next_if(|next| {
            updates.is_empty() || (updates.len() < AT_ONCE && size + next.size <= MOST_TOGETHER)
        }) {
            size += parcel.size;
            updates.push(parcel.update);
        }
        (!updates.is_empty()).then_some(updates)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use shared::conversation::{AgentId, Role, ToolCall, ToolContent};

    fn said(text: String) -> Update {
        Update::Chunk { role: Role::Agent, message: None, content: Content::Text(text) }
    }

    fn sent(updates: Vec<Update>) -> Vec<Vec<Update>> {
        requests(updates.into_iter().flat_map(|update| pack(update).0).collect()).collect()
    }

    #[test]
    fn no_request_is_longer_than_the_socket_takes_and_every_word_is_in_one() {
        let texts: Vec<String> = (0..200)
            .map(|n| format!("{n} {}", "x\u{1}é".repeat(n * 150)))
            .chain(["€".repeat(1 << 20)])
            .collect();
        let requests = sent(texts.iter().cloned().map(said).collect());
        let mut read = String::new();
        for updates in requests {
            assert!(serde_json::to_vec(&updates).unwrap().len() < MOST_TOGETHER + 1024);
            assert!(updates.len() <= AT_ONCE);
            for update in updates {
                if let Update::Chunk { content: Content::Text(text), .. } = update {
                    read.push_str(&text);
                }
            }
        }
        assert!(read == texts.concat());
    }

    #[test]
    fn small_ones_go_together() {
        let count: Vec<usize> = sent(vec![said("x".to_owned()); 130]).iter().map(Vec::len).collect();
        assert_eq!(count, [64, 64, 2]);
    }

    #[test]
    fn what_is_too_long_is_cut_and_what_it_says_beside_stays() {
        let long = "\u{1}".repeat(32 * 1024);
        let diff = ToolContent::Diff { path: "/a".to_owned(), old: Some(long.clone()), new: long.clone() };
        let status = Some("completed".to_owned());
        let call = ToolCall { status: status.clone(), content: Some(vec![diff; 40]), ..ToolCall::default() };
        let (parcels, whole) = pack(Update::ToolCall { id: "c1".to_owned(), call });
        assert!(!whole);
        let [Parcel { update: Update::ToolCall { id, call }, size }] = parcels.as_slice() else {
            panic!("one call: {}", parcels.len())
        };
        assert_eq!((id.as_str(), &call.status), ("c1", &status));
        assert!(*size <= LONGEST);

        let output = Some(format!("{}the end", "é".repeat(1 << 20)));
        let terminal = Update::Terminal { id: "t".to_owned(), command: None, output, exit: None };
        let (parcels, whole) = pack(terminal);
        let Some(Parcel { update: Update::Terminal { output: Some(output), .. }, .. }) = parcels.first()
        else {
            panic!("a terminal")
        };
        assert!(!whole && output.ends_with("ééthe end"), "its end is what counts");
    }

    #[test]
    fn what_cannot_be_cut_is_left_out() {
        let name = Some("m".repeat(LONGEST));
        let content = Content::Text("x".repeat(2 * PIECE));
        let update = Update::Chunk { role: Role::Agent, message: name, content };
        assert_eq!(pack(update), (Vec::new(), false));
        let id = AgentId::new("a").unwrap();
        let small = Update::Name { id, name: "b".to_owned() };
        assert!(pack(small).1);
    }
}
