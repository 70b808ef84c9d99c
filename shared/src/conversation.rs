//! What agents and people say and do, as a list of blocks: the Agent Client Protocol's words, in a model of our own.
//!
//! The session's owner feeds [`Update`]s to a [`Conversation`], which decides what block each of them belongs to and
//! gives out numbered [`Change`]s. Changes name their block, so whoever follows needs no rule but [`Transcript::apply`]:
//! the same [`Transcript`] grows in a viewer, from the first change, or from [`Page`]s and the changes after them. Pages
//! hold whole blocks with the number of their last change; of two versions the higher wins, so pages may be read in any
//! order, twice, and beside live changes.
//!
//! ```text
//!  ACP ──▶ Update ──▶ Conversation ──▶ Change ──▶ Transcript
//!                          └─────────▶ Page ────────┘
//! ```
//!
//! Bounds: a block costs at most [`MAX_BLOCK`] bytes as JSON, a transcript at most [`MAX_TRANSCRIPT`] and
//! [`MAX_BLOCKS`] blocks; beyond, the oldest blocks are forgotten, which is a change like any other.

mod author;
mod block;
mod page;
mod text;
mod transcript;
mod update;

#[cfg(test)]
mod tests;

pub use self::author::Conversation;
pub use self::block::{
    AgentId, Attachment, Between, Block, Message, PlanEntry, Role, Subagent, ToolCall, ToolContent,
};
pub use self::page::{Entry, MAX_PAGE, Page};
pub use self::text::{name_text, plain_text};
pub use self::transcript::{Change, Need, Transcript, What};
pub use self::update::{Content, Patch, Update};

/// The most bytes of JSON that one block takes.
pub const MAX_BLOCK: usize = 24 * 1024;
/// The most bytes of JSON that all blocks of a transcript take; the oldest are forgotten beyond.
pub const MAX_TRANSCRIPT: usize = 4 * 1024 * 1024;
/// The most blocks of a transcript; the oldest are forgotten beyond.
pub const MAX_BLOCKS: usize = 10_000;
/// The most agents that a transcript has names for.
pub const MAX_NAMES: usize = 256;
