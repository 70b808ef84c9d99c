//! The relay's first message on every connection.

use serde::{Deserialize, Serialize};

use crate::card::MAX_CARD;
use crate::keys::owner::Challenge;
use crate::orchestration::task::MAX_TASKS;

/// What a relay announces before it hears anything.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Its protocol version.
    pub protocol: u32,
    /// Optional features; none has a security meaning.
    #[serde(default)]
    pub features: Vec<String>,
    /// Fresh for this connection; claims sign it.
    pub challenge: Challenge,
    /// What it refuses beyond.
    #[serde(default)]
    pub limits: Limits,
    /// The base of links to this relay, if it knows a better one than the peer dialled.
    #[serde(default)]
    pub public_url: Option<String>,
}

/// Limits of a relay. Whatever exceeds one is refused before memory is allocated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// The largest binary message, in bytes.
    pub frame: u64,
    /// The largest control message, in bytes.
    pub control: u64,
    /// Credit of a connection: binary bytes in flight towards a peer that has not granted more.
    pub credit: u64,
    /// Viewers in a session.
    pub viewers: u64,
    /// Sessions at the relay.
    pub sessions: u64,
    /// Channels open at once on a connection.
    pub channels: u64,
    /// Rows of a session, and signed ends of one [`super::sharer::SharerToRelay::EndGroup`] besides its parent's.
    pub rows: u64,
    /// The largest card of a row, in bytes.
    pub card: u64,
    /// How long an ended session is kept at most, in milliseconds; 0: none is.
    #[serde(skip_serializing_if = "crate::encoding::is_zero")]
    pub keep_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // An event of MAX_EVENT bytes, sealed, with its header.
            frame: 1024 * 1024 + 256,
            control: super::MAX_CONTROL as u64,
            credit: CREDIT,
            viewers: 1_000,
            sessions: 10_000,
            channels: MAX_CHANNELS as u64,
            rows: MAX_TASKS as u64,
            card: MAX_CARD as u64,
            keep_ms: 0,
        }
    }
}

/// Channels open at once on a connection: a parent and all its children, generously. What is asked for beyond is
/// refused by itself.
pub const MAX_CHANNELS: usize = 256;

/// Credit of a connection, in bytes of binary frames (DESIGN 4).
pub const CREDIT: u64 = 256 * 1024;
/// A relay acknowledges a session's events once so many bytes of them wait for it, each counted with [`EVENT_COST`]; a
/// sharer gathers output while more than that is on its way, so a relay that gathers more slows it.
pub const ACKNOWLEDGED_AT_ONCE: usize = 8 * 1024;
/// What an event counts for besides its sealed body, in bytes.
pub const EVENT_COST: usize = 64;
/// Credit of input on a connection, in bytes (DESIGN 4).
pub const INPUT_CREDIT: u64 = 64 * 1024;
/// What a frame of input counts for besides what was typed, in bytes: more than its seal, kind and counters.
pub const INPUT_COST: u64 = 64;

/// The relay's first message, as an enum like all the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Greeting {
    /// The hello.
    Hello(Hello),
}
