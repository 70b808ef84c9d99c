//! Pages: a transcript's blocks as whole values, in pieces that are sealed once and kept.

use serde::{Deserialize, Serialize};

use super::block::{AgentId, Block};
use super::transcript::Transcript;

/// The largest page, in bytes of JSON (DESIGN 4).
pub const MAX_PAGE: usize = 64 * 1024;
/// A page that takes so many bytes is complete: with one more block it stays below [`MAX_PAGE`].
const FULL: usize = 32 * 1024;

/// Everything that changed last after one change and up to another, as it was then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    /// It holds what changed after this one …
    pub after: u64,
    /// … and up to this one.
    pub revision: u64,
    /// Blocks before this one are forgotten.
    pub first: u32,
    /// Blocks: number, last change, value.
    pub blocks: Vec<Entry>,
    /// Names of agents: id, last change, name.
    pub names: Vec<(AgentId, u64, String)>,
}

/// A block in a page: its number, its last change, its value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry(
    /// Number.
    pub u32,
    /// Last change.
    pub u64,
    /// Value.
    #[serde(deserialize_with = "crate::encoding::extensible")]
    pub Block,
);

impl Page {
    /// Reads a page; `None` if it is malformed.
    pub fn decode(json: &[u8]) -> Option<Self> {
        crate::encoding::from_json(json)
    }

    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        // Serialising plain structs with string keys cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Everything in `transcript` that changed after `after`, in the order of the changes, each page below [`MAX_PAGE`].
/// All but the last are complete; the last holds the newest change, and is never missing if there is one.
pub(super) fn cut(transcript: &Transcript, after: u64) -> Vec<Page> {
    enum Item<'a> {
        Block(u32, &'a Block),
        Name(&'a AgentId, &'a str),
    }
    let blocks = transcript.held().map(|(at, held)| (held.revision, Item::Block(at, &held.value)));
    let names = transcript.names().map(|(id, held)| (held.revision, Item::Name(id, &held.value)));
    let mut items: Vec<_> = blocks.chain(names).filter(|(revision, _)| *revision > after).collect();
    items.sort_unstable_by_key(|(revision, _)| *revision);
    let first = transcript.first();
    let empty = |after| Page { after, revision: after, first, blocks: Vec::new(), names: Vec::new() };
    let mut pages = Vec::new();
    let mut page = empty(after);
    let mut size = 0;
    for (revision, item) in items {
        if size >= FULL {
            let next = empty(page.revision);
            pages.push(std::mem::replace(&mut page, next));
            size = 0;
        }
        page.revision = revision;
        match item {
            Item::Block(at, block) => {
                size += block.cost() + 32;
                page.blocks.push(Entry(at, revision, block.clone()));
            }
            Item::Name(id, name) => {
                size += id.as_str().len() + name.len() + 32;
                page.names.push((id.clone(), revision, name.to_owned()));
            }
        }
    }
    if transcript.revision() > after {
        page.revision = transcript.revision();
        pages.push(page);
    }
    pages
}
