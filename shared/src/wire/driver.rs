//! Control messages between a driver, those who ask it, and a relay. Bodies are sealed between the two: a relay
//! passes them on and learns who talks to whom.

use serde::{Deserialize, Serialize};

use super::close::Refusal;
use crate::encoding::Blob;
use crate::id::{DriverId, LineId};
use crate::keys::owner::Claim;

/// The largest body of a message, in bytes: an order of [`MAX_ORDER`] bytes, sealed.
pub const MAX_BODY: usize = MAX_ORDER + 256;
/// The largest order, in bytes of its JSON: a command, what is added to its environment, and a prompt.
pub const MAX_ORDER: usize = 128 * 1024;
/// Drivers that one connection may ask.
pub const MAX_ASKED: usize = 16;

/// From a driver to a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DriverToRelay {
    /// Takes its place, so that it can be asked; the claim's epoch is its boot. One driver a connection.
    RegisterDriver {
        /// The driver's protocol version.
        protocol: u32,
        /// Who it is.
        driver: DriverId,
        /// Proof, for this connection. Of two claims the higher (boot, number) wins.
        claim: Claim,
    },
    /// Tells somebody who asked.
    TellAsker {
        /// Who.
        line: LineId,
        /// At most [`MAX_BODY`].
        body: Blob,
    },
}

/// From a relay to a driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelayToDriver {
    /// It can be asked from now on.
    DriverRegistered {
        /// Who.
        driver: DriverId,
    },
    /// It cannot.
    DriverRefused {
        /// Who.
        driver: DriverId,
        /// Why.
        #[serde(deserialize_with = "crate::encoding::extensible")]
        reason: Refusal,
    },
    /// Somebody asks.
    DriverAsked {
        /// Who: the same number as long as that connection lasts.
        line: LineId,
        /// What.
        body: Blob,
    },
    /// Nothing that is told reaches this asker any more.
    AskerLeft {
        /// Who.
        line: LineId,
    },
}

/// From somebody who asks a driver to a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AskerToRelay {
    /// Asks a driver. From then on, the relay says when that driver comes and goes.
    AskDriver {
        /// Whom.
        driver: DriverId,
        /// At most [`MAX_BODY`].
        body: Blob,
    },
}

/// From a relay to somebody who asks a driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelayToAsker {
    /// The driver tells something.
    DriverTold {
        /// Who.
        driver: DriverId,
        /// What.
        body: Blob,
    },
    /// The driver is here or not; also the answer to who asks one that is not here, or never was.
    DriverPresence {
        /// Who.
        driver: DriverId,
        /// Whether it can be asked.
        here: bool,
    },
    /// What was asked last was not passed on: too much is on its way already.
    DriverBusy {
        /// Who.
        driver: DriverId,
        /// When to ask again, in milliseconds.
        #[serde(default)]
        retry_after_ms: u64,
    },
}
