//! Why joins fail, sessions end and connections close: codes that tell the other side what to do.

use serde::{Deserialize, Serialize};

use crate::encoding::Extensible;

/// What the other side should do about a closed connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Connect again, with the usual backoff.
    Retry,
    /// Connect again, but wait at least 10 s first.
    RetryLater,
    /// Do not connect again.
    Stop,
}

/// WebSocket close codes of the private range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseCode {
    /// The relay shuts down or restarts.
    GoingAway,
    /// The peer broke the protocol: a malformed or impossible frame.
    ProtocolError,
    /// A message was over an announced limit.
    TooLarge,
    /// The peer sent more than it had credit for.
    CreditExceeded,
    /// Too many joins or claims.
    RateLimited,
    /// Nothing was heard from the peer for too long.
    TimedOut,
    /// The relay has no room for more.
    Full,
    /// A newer claim took the session.
    Replaced,
    /// The peer speaks another protocol version.
    VersionMismatch,
}

impl CloseCode {
    /// Every code.
    pub const ALL: [Self; 9] = [
        Self::GoingAway,
        Self::ProtocolError,
        Self::TooLarge,
        Self::CreditExceeded,
        Self::RateLimited,
        Self::TimedOut,
        Self::Full,
        Self::Replaced,
        Self::VersionMismatch,
    ];

    /// The code on the wire: 41xx retry, 42xx retry later, 43xx do not retry.
    pub fn code(self) -> u16 {
        match self {
            Self::GoingAway => 4100,
            Self::ProtocolError => 4101,
            Self::CreditExceeded => 4102,
            Self::TimedOut => 4103,
            Self::RateLimited => 4200,
            Self::Full => 4201,
            Self::Replaced => 4300,
            Self::VersionMismatch => 4301,
            Self::TooLarge => 4302,
        }
    }

    /// The known code with that number.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.code() == code)
    }

    /// What to do on any code, known or not: the hundreds decide.
    pub fn advice(code: u16) -> Advice {
        match code {
            4200..=4299 => Advice::RetryLater,
            4300..=4399 => Advice::Stop,
            _ => Advice::Retry,
        }
    }
}

/// Why a join, or a claim, did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// No such session, or the link does not open it: one answer for both. `retry` while the relay may only
    /// have forgotten it.
    NotFound {
        /// Whether trying again for a minute makes sense.
        #[serde(default)]
        retry: bool,
    },
    /// Too many participants in the session.
    SessionFull,
    /// The relay holds as many sessions as it will.
    RelayFull,
    /// Too many attempts.
    RateLimited {
        /// When to try again, in milliseconds.
        #[serde(default)]
        retry_after_ms: u64,
    },
    /// A newer claim holds the session.
    Replaced,
    /// The claim's signature is not good for this relay, challenge and host.
    BadClaim,
    /// The other side speaks another protocol version.
    VersionMismatch {
        /// The version it speaks.
        #[serde(default)]
        speaks: u32,
    },
    /// A reason of a later version.
    Unknown,
}

impl Refusal {
    /// What it means for who shares, for people.
    pub fn words(&self) -> &'static str {
        match self {
            Self::RelayFull => "the relay holds as many sessions as it will; it is asked again",
            Self::SessionFull => "the relay takes no more sessions on this connection; it is asked again",
            Self::RateLimited { .. } => {
                "the relay takes no more sessions from here for now; it is asked again"
            }
            Self::Replaced => "another sharer holds the session",
            Self::BadClaim => "the relay does not believe whose session it is; it is asked again",
            Self::VersionMismatch { .. } => "the relay speaks another version of the protocol",
            Self::NotFound { .. } | Self::Unknown => "the relay refuses the session; it is asked again",
        }
    }
}

impl Extensible for Refusal {
    const UNKNOWN: Self = Self::Unknown;
}

/// Why the relay says that a session is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EndedBecause {
    /// The sharer said so; its signed end travels along.
    Sharer,
    /// The sharer was away longer than the relay keeps a room.
    SharerAway,
    /// The link's grant was removed.
    Revoked,
    /// The relay's operator or limits closed it.
    Relay,
    /// A reason of a later version.
    Unknown,
}

impl Extensible for EndedBecause {
    const UNKNOWN: Self = Self::Unknown;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::Channel;
    use crate::wire::viewer::RelayToViewer;

    #[test]
    fn codes_read_back_and_advise() {
        for code in CloseCode::ALL {
            assert_eq!(CloseCode::from_code(code.code()), Some(code));
        }
        assert_eq!(CloseCode::advice(4399), Advice::Stop);
        assert_eq!(CloseCode::advice(1006), Advice::Retry);
    }

    #[test]
    fn a_reason_of_a_later_version_is_read() {
        for later in [r#""Moon""#, r#"{"Moon":{"phase":1}}"#] {
            let text = format!(r#"{{"FailedToJoin":{{"channel":1,"reason":{later}}}}}"#);
            let read = RelayToViewer::FailedToJoin { channel: Channel(1), reason: Refusal::Unknown };
            assert_eq!(crate::wire::decode(&text), Ok(read));
        }
        assert_eq!(
            serde_json::from_str::<Refusal>(r#"{"NotFound":{"retry":true,"x":1}}"#).unwrap(),
            Refusal::NotFound { retry: true }
        );
    }
}
