//! Names of sessions, tasks, participants and channels.

use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::encoding::BASE32;

/// A session's id: the first 16 bytes of a hash of its owner's public key, so that whoever holds the id can
/// check the key (DESIGN 3). Written as 26 characters of lower-case base32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub [u8; 16]);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32.encode(&self.0))
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no session id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a session id (26 characters a–z, 2–7)")]
pub struct NotASessionId;

impl FromStr for SessionId {
    type Err = NotASessionId;

    fn from_str(text: &str) -> Result<Self, NotASessionId> {
        BASE32.decode(text).and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(NotASessionId)
    }
}

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SessionId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// A driver's id: the first 16 bytes of a hash of its public key. Written like a session's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DriverId(pub [u8; 16]);

impl fmt::Display for DriverId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32.encode(&self.0))
    }
}

impl fmt::Debug for DriverId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no driver's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a driver's id (26 characters a–z, 2–7)")]
pub struct NotADriverId;

impl FromStr for DriverId {
    type Err = NotADriverId;

    fn from_str(text: &str) -> Result<Self, NotADriverId> {
        BASE32.decode(text).and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(NotADriverId)
    }
}

impl Serialize for DriverId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DriverId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <std::borrow::Cow<'de, str>>::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

/// Somebody who asks a driver, numbered by the relay: one per asker's connection and driver, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LineId(pub u64);

/// A task's id: a UUID where we made it, any opaque text where somebody else did.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub String);

/// As much of an id as lists show and people type, in characters: of a UUID, up to its first dash.
pub const SHORT: usize = 8;

/// The beginning of an id, for people: [`SHORT`] characters at most, and none that controls a terminal.
pub fn short(id: &str) -> String {
    id.chars().filter(|c| !c.is_control()).take(SHORT).collect()
}

/// A participant of a room, numbered by the relay: one per successful join, never used again in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ParticipantId(pub u64);

/// One session inside a connection; the connecting peer picks the number, once per connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Channel(pub u32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_short_for_people_and_controls_nothing() {
        assert_eq!(short("06ba1001-a30e-4c52-8668-803a1b5dcbbf"), "06ba1001");
        assert_eq!((short("a\x1b[31m\nb").as_str(), short("é漢").as_str()), ("a[31mb", "é漢"));
    }

    #[test]
    fn a_session_id_reads_back() {
        let id = SessionId([0xA5; 16]);
        let text = id.to_string();
        assert_eq!(text.len(), 26);
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text.to_uppercase().parse::<SessionId>(), Err(NotASessionId));
        assert_eq!("".parse::<SessionId>(), Err(NotASessionId));
    }
}
