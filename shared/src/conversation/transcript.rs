//! The transcript as everybody holds it: numbered blocks, changed by numbered changes.

use serde::{Deserialize, Serialize};

use super::block::{AgentId, Between, Block, Message, ToolCall};
use super::page::{Entry, Page};
use super::{MAX_BLOCKS, MAX_NAMES};
use crate::encoding::{Extensible, extensible};
use crate::ordered::Ordered;

/// The most changes that wait for the pages they follow; a viewer that has more asks again.
const MOST_WAITING: usize = 16_384;

/// What a change does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum What {
    /// The block is this now.
    Set(u32, #[serde(deserialize_with = "extensible")] Block),
    /// The block's text goes on.
    Append(u32, String),
    /// The tool call changes.
    Tool(u32, ToolCall),
    /// The agent is called this.
    Name(AgentId, String),
    /// All blocks before this one are forgotten.
    Forget(u32),
    /// A change of a later version.
    Unknown,
}

impl Extensible for What {
    const UNKNOWN: Self = Self::Unknown;
}

impl What {
    fn block(&self) -> Option<u32> {
        match self {
            Self::Set(at, _) | Self::Append(at, _) | Self::Tool(at, _) => Some(*at),
            Self::Name(..) | Self::Forget(_) | Self::Unknown => None,
        }
    }
}

/// One step of a transcript's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Counts the session's changes, from 1.
    pub revision: u64,
    /// What it does.
    #[serde(deserialize_with = "extensible")]
    pub what: What,
}

/// Something with the number of the change that made it what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held<T> {
    pub(super) revision: u64,
    pub(super) value: T,
}

/// Pages on their way, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Loading {
    /// The newest page's revision, once it came: what changes after it is live.
    target: Option<u64>,
    /// Changes that came before the newest page.
    early: Vec<Change>,
    /// Blocks whose value at `target` is held.
    fresh: Ordered<u32, ()>,
    /// Changes after `target` to blocks that are not.
    waiting: Ordered<u32, Vec<Change>>,
    /// How many changes wait.
    count: usize,
}

/// What a transcript needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: everything up to its newest change is there.
    Nothing,
    /// The newest page there is.
    Newest,
    /// The page before the last one loaded.
    Older,
}

/// See the module. The default is a transcript before its first change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transcript {
    /// Everything up to this change is in it, and with [`Loading`], much of what follows.
    whole: u64,
    /// The newest change that was seen.
    revision: u64,
    first: u32,
    blocks: Ordered<u32, Held<Block>>,
    names: Ordered<AgentId, Held<String>>,
    loading: Option<Loading>,
    /// Grows with everything that may look different; for whoever draws.
    seen: u64,
    /// There was a block that is no line about a child.
    spoken: bool,
}

impl Transcript {
    /// The blocks in order, each under the number that stays its own, with the change that made it what it is.
    pub fn blocks(&self) -> impl DoubleEndedIterator<Item = (u32, u64, &Block)> {
        self.blocks.iter().map(|(at, held)| (*at, held.revision, &held.value))
    }

    /// The block under that number.
    pub fn block(&self, at: u32) -> Option<&Block> {
        self.blocks.get(&at).map(|held| &held.value)
    }

    /// How many blocks there are.
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there is no block.
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Number of the oldest block that is not forgotten.
    pub fn first(&self) -> u32 {
        self.first
    }

    /// The newest change that was seen.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Everything up to this change is in it.
    pub fn whole(&self) -> u64 {
        self.whole
    }

    /// Whether older pages are still on their way.
    pub fn is_loading(&self) -> bool {
        self.loading.is_some()
    }

    /// Grows with everything that may look different.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Whether somebody speaks in it: there was more than lines about children and messages to them.
    pub fn is_spoken(&self) -> bool {
        self.spoken
    }

    /// What to call an agent: its name, or one fallback.
    pub fn name(&self, id: &AgentId) -> String {
        self.names.get(id).map_or_else(|| id.fallback(), |held| held.value.clone())
    }

    /// Whether the agent has a name.
    pub fn has_name(&self, id: &AgentId) -> bool {
        self.names.contains(id)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = (&AgentId, &Held<String>)> {
        self.names.iter()
    }

    pub(super) fn held(&self) -> impl Iterator<Item = (u32, &Held<Block>)> {
        self.blocks.iter().map(|(at, held)| (*at, held))
    }

    /// Takes the next change, and says what is needed then. A change that is known already is ignored.
    pub fn apply(&mut self, change: Change) -> Need {
        if change.revision <= self.revision {
            return Need::Nothing;
        }
        let gap = change.revision > self.revision + 1;
        self.revision = change.revision;
        self.seen += 1;
        if gap {
            self.loading = Some(Loading { early: vec![change], count: 1, ..Loading::default() });
            return Need::Newest;
        }
        if self.loading.is_none() {
            self.whole = change.revision;
            self.perform(change);
            return Need::Nothing;
        }
        self.take_live(change)
    }

    /// Changes after this one will come, but not those up to it: pages are needed if they are not here already.
    pub fn begin_at(&mut self, revision: u64) -> Need {
        if revision <= self.revision {
            return Need::Nothing;
        }
        self.revision = revision;
        self.loading = Some(Loading::default());
        Need::Newest
    }

    /// A change while pages are on their way.
    fn take_live(&mut self, change: Change) -> Need {
        let Some(loading) = &mut self.loading else { return Need::Nothing };
        if loading.count >= MOST_WAITING {
            *loading = Loading::default();
            return Need::Newest;
        }
        if loading.target.is_none() {
            loading.count += 1;
            loading.early.push(change);
            return Need::Nothing;
        }
        match change.what.block() {
            Some(at) if matches!(change.what, What::Set(..)) => {
                loading.fresh.insert(at, ());
                // It is all of the block, whatever came before.
                let over = loading.waiting.remove(&at).unwrap_or_default();
                loading.count = loading.count.saturating_sub(over.len());
            }
            Some(at) if !loading.fresh.contains(&at) => {
                loading.count += 1;
                match loading.waiting.get_mut(&at) {
                    Some(waiting) => waiting.push(change),
                    None => drop(loading.waiting.insert(at, vec![change])),
                }
                return Need::Nothing;
            }
            _ => {}
        }
        self.perform(change);
        Need::Nothing
    }

    fn perform(&mut self, change: Change) {
        let Change { revision, what } = change;
        match what {
            What::Set(at, value) => {
                if at >= self.first {
                    self.spoken |= !matches!(value, Block::Subagent(_) | Block::Between(_));
                    self.blocks.insert(at, Held { revision, value });
                }
            }
            What::Append(at, more) => {
                if let Some(held) = self.blocks.get_mut(&at) {
                    held.revision = revision;
                    if let Block::Message(Message { text, .. }) | Block::Between(Between { text, .. }) =
                        &mut held.value
                    {
                        text.push_str(&more);
                    }
                }
            }
            What::Tool(at, patch) => {
                if let Some(held) = self.blocks.get_mut(&at)
                    && let Block::Tool(call) = &mut held.value
                {
                    held.revision = revision;
                    call.patch(patch);
                }
            }
            What::Name(id, value) => {
                if self.names.len() < MAX_NAMES || self.names.contains(&id) {
                    self.names.insert(id, Held { revision, value });
                }
            }
            What::Forget(first) => self.forget(first),
            What::Unknown => {}
        }
        // What the owner keeps to, a stranger with its key must keep to as well.
        while self.blocks.len() > 2 * MAX_BLOCKS {
            self.blocks.pop_first();
        }
    }

    fn forget(&mut self, first: u32) {
        if first > self.first {
            self.first = first;
            self.blocks.drop_before(&first);
        }
    }

    /// Takes a page: the newest first, then each older one in turn.
    pub fn load(&mut self, page: Page) -> Need {
        if self.loading.is_none() && page.revision <= self.whole {
            return Need::Nothing;
        }
        self.seen += 1;
        let loading = self.loading.get_or_insert_default();
        let newest = loading.target.is_none();
        let mut early = Vec::new();
        if newest {
            let begin = loading.early.first().map_or(self.revision, |change| change.revision - 1);
            if page.revision < begin {
                return Need::Newest;
            }
            loading.target = Some(page.revision);
            early = std::mem::take(&mut loading.early);
            loading.count = 0;
            self.revision = self.revision.max(page.revision);
        }
        let (after, target) = (page.after, page.revision);
        self.merge(page);
        for change in early.into_iter().filter(|change| newest && change.revision > target) {
            self.take_live(change);
        }
        if after > self.whole {
            return Need::Older;
        }
        // Everything older is here: what still waits belongs to blocks that did not change meanwhile.
        let waiting = self.loading.take().map(|loading| loading.waiting).unwrap_or_default();
        for change in waiting.into_values().flatten() {
            self.perform(change);
        }
        self.whole = self.revision;
        Need::Nothing
    }

    fn merge(&mut self, page: Page) {
        self.forget(page.first);
        for (id, revision, value) in page.names {
            if self.names.get(&id).is_none_or(|held| held.revision < revision) {
                self.perform(Change { revision, what: What::Name(id, value) });
            }
        }
        for Entry(at, revision, value) in page.blocks {
            let Some(loading) = self.loading.as_mut() else { return };
            if at < self.first || loading.fresh.insert(at, ()).is_some() {
                continue;
            }
            let waiting = loading.waiting.remove(&at).unwrap_or_default();
            loading.count = loading.count.saturating_sub(waiting.len());
            self.perform(Change { revision, what: What::Set(at, value) });
            // A page that was fetched again may hold what waited.
            for change in waiting.into_iter().filter(|change| change.revision > revision) {
                self.perform(change);
            }
        }
    }
}
