//! Control messages between a relay and somebody who has sessions kept there.

use serde::{Deserialize, Serialize};

use crate::id::SessionId;
use crate::keys::owner::{OwnerPublic, Signature};

/// Sessions that one answer names; what is removed is not bounded by it.
pub const MAX_KEPT: usize = 1_024;

/// From a keeper to a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeeperToRelay {
    /// Asks what is kept for a key, or has all of it removed.
    AskKept {
        /// The key that the sessions' owners named.
        keeper: OwnerPublic,
        /// Whether it is to be removed.
        #[serde(default)]
        remove: bool,
        /// Over all of this, the relay's challenge and the host that was dialled
        /// ([`crate::keys::keeper::KeeperKey::sign`]).
        signature: Signature,
    },
}

/// From a relay to a keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelayToKeeper {
    /// What is kept for a key, or was until now.
    KeptHere {
        /// At most [`MAX_KEPT`]; none as well if the signature is not good.
        sessions: Vec<KeptSession>,
        /// All of it is removed, and stays so.
        #[serde(default)]
        removed: bool,
    },
}

/// A session in a relay's archive, or on its way there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptSession {
    /// Which.
    pub session_id: SessionId,
    /// For how long from now, in milliseconds; of one that has not ended, from its end.
    pub for_ms: u64,
    /// Its size in bytes; 0: it has not ended.
    #[serde(default)]
    pub bytes: u64,
}
