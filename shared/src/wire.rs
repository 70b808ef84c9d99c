//! Every message between programs, defined once (DESIGN 4; `docs/protocol.md` describes it for strangers).
//!
//! *Control* messages are JSON text frames, externally tagged; frequent ones are binary ([`frame`]). Unknown
//! fields are ignored, later fields default, and an unknown message affects itself only.

pub mod close;
pub mod driver;
pub mod frame;
pub mod hello;
pub mod keeper;
pub mod numbering;
pub mod sharer;
pub mod source;
pub mod task;
pub mod viewer;

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::encoding::read;

/// The WebSocket path on a relay.
pub const SOCKET_PATH: &str = "/api/v1/socket";
/// The path at which a relay answers for the rows of a task's children ([`task::RunsAnswer`]).
pub const RUNS_PATH: &str = "/api/v1/agent/runs";
/// The subprotocol every peer without an Origin must offer (DESIGN 6).
pub const NATIVE_SUBPROTOCOL: &str = "sharer.native.v1";
/// The subprotocol the browser offers.
pub const BROWSER_SUBPROTOCOL: &str = "sharer.browser.v1";
/// The largest control message, in bytes of JSON.
pub const MAX_CONTROL: usize = 256 * 1024;

/// Why a control message was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ControlError {
    /// It is JSON, but no message this version knows: to be ignored.
    #[error("unknown control message {0:?}")]
    Unknown(String),
    /// It is no control message at all: close the connection.
    #[error("malformed control message")]
    Malformed,
}

/// Writes a control message.
pub fn encode<M: Serialize>(message: &M) -> String {
    // Serialising plain enums with string keys cannot fail.
    serde_json::to_string(message).unwrap_or_default()
}

/// Reads a control message.
pub fn decode<M: DeserializeOwned>(text: &str) -> Result<M, ControlError> {
    if text.len() > MAX_CONTROL {
        return Err(ControlError::Malformed);
    }
    let json: Value = serde_json::from_slice(text.as_bytes()).map_err(|_error| ControlError::Malformed)?;
    let name = match &json {
        Value::String(name) => Some(name),
        Value::Object(fields) if fields.len() == 1 => fields.keys().next(),
        Value::Object(_) | Value::Array(_) | Value::Number(_) | Value::Bool(_) | Value::Null => None,
    };
    let unknown =
        name.map_or(ControlError::Malformed, |name| ControlError::Unknown(name.chars().take(64).collect()));
    read(json).map_err(|_error| unknown)
}

/// One message on a WebSocket, as machines hand it out and take it in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// A control message in JSON.
    Text(String),
    /// A frame.
    Binary(bytes::Bytes),
}
