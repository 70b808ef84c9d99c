//! Control messages between a viewer and a relay.

use serde::{Deserialize, Serialize};

use super::close::{EndedBecause, Refusal};
use super::sharer::InputRefusal;
use super::source::SourceType;
use super::task::TaskRow;
use crate::chain::ViewerChallenge;
use crate::id::{Channel, SessionId, TaskId};
use crate::keys::epoch::{AgreementPublic, EpochId};
use crate::keys::grant::Token;
use crate::keys::owner::Signed;

/// Where a viewer was when its connection broke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The epoch.
    pub epoch: EpochId,
    /// The last event it has.
    pub number: u64,
    /// The event of the snapshot whose history its terminal holds; 0 if it holds none.
    #[serde(default)]
    pub history: u64,
}

/// What a viewer asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JoinPayload {
    /// The viewer's protocol version.
    pub protocol: u32,
    /// The session.
    pub session_id: SessionId,
    /// Shows that it holds a grant.
    pub token: Token,
    /// To be signed by the sharer.
    pub challenge: ViewerChallenge,
    /// Where it was, if it was.
    #[serde(default)]
    pub resume: Option<Resume>,
    /// Its key for input on this connection, if its link may type.
    #[serde(default)]
    pub agreement: Option<AgreementPublic>,
    /// The key of its previous input connection, to learn how much of it was taken.
    #[serde(default)]
    pub previous: Option<AgreementPublic>,
}

/// From a viewer to a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ViewerToRelay {
    /// Joins a session on a new channel.
    Join {
        /// A number not used before on this connection.
        channel: Channel,
        /// What to join.
        payload: Box<JoinPayload>,
    },
    /// Leaves it; nothing more comes on the channel.
    Leave {
        /// The session.
        channel: Channel,
    },
    /// What the viewer has does not fit together: it needs a snapshot.
    Resync {
        /// The session.
        channel: Channel,
    },
    /// The viewer needs pages of the transcript; of two requests the later counts.
    FetchTranscript {
        /// The session.
        channel: Channel,
        /// From this one on towards older ones; 0: the head and the newest page.
        page: u32,
        /// How many.
        most: u32,
    },
    /// The viewer has seen the last event of an ended session.
    EndSeen {
        /// The session.
        channel: Channel,
    },
}

/// From a relay to a viewer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelayToViewer {
    /// The viewer is in the room. O(1): snapshot, events and people follow.
    JoinedSuccessfully {
        /// The session.
        channel: Channel,
        /// The current header.
        header: Signed,
        /// The newest event the relay has.
        latest: u64,
        /// Whether what follows continues at the viewer's `resume`, without a snapshot.
        #[serde(default)]
        resumed: bool,
        /// The kind of the session's source.
        #[serde(default)]
        source_type: SourceType,
        /// The source's task; [`SessionSource::new`](super::source::SessionSource::new) makes one of both.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source_task_id: Option<TaskId>,
        /// Milliseconds since the sharer's connection broke; `None` while it is there.
        #[serde(default)]
        away_ms: Option<u64>,
        /// All participants.
        #[serde(default)]
        viewers: u32,
    },
    /// The viewer is not in the room.
    FailedToJoin {
        /// The channel of the join.
        channel: Channel,
        /// Why.
        #[serde(deserialize_with = "crate::encoding::extensible")]
        reason: Refusal,
    },
    /// A new header.
    HeaderUpdated {
        /// The session.
        channel: Channel,
        /// The header.
        header: Signed,
    },
    /// The answer to the viewer's challenge.
    Answer {
        /// The session.
        channel: Channel,
        /// A signed [`crate::chain::Answer`].
        answer: Signed,
    },
    /// The sharer's connection broke, or is back.
    SharerPresence {
        /// The session.
        channel: Channel,
        /// Milliseconds since it broke; `None` while it is there.
        #[serde(default)]
        away_ms: Option<u64>,
    },
    /// How many watch and may type, as the relay counts. Latest value.
    ParticipantListUpdated {
        /// The session.
        channel: Channel,
        /// Grows with every change.
        revision: u64,
        /// All participants.
        viewers: u32,
        /// Those whose grant may type.
        executors: u32,
    },
    /// The session's source became known.
    UpdateSourceTaskId {
        /// The session.
        channel: Channel,
        /// The kind of the session's source.
        #[serde(default)]
        source_type: SourceType,
        /// The source's task; [`SessionSource::new`](super::source::SessionSource::new) makes one of both.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source_task_id: Option<TaskId>,
    },
    /// Rows of the session's tasks, behind the join reply and as they change: latest values, in messages of at most
    /// [`super::task::MAX_ROWS_MESSAGE`] bytes. What a message does not name stays as it was.
    TasksUpdated {
        /// The session.
        channel: Channel,
        /// The rows.
        rows: Vec<TaskRow>,
    },
    /// What follows does not continue what the viewer has: a snapshot is on its way.
    Resyncing {
        /// The session.
        channel: Channel,
    },
    /// The sharer takes no more input on this connection.
    InputRefused {
        /// The session.
        channel: Channel,
        /// Why.
        #[serde(deserialize_with = "crate::encoding::extensible")]
        reason: InputRefusal,
    },
    /// The session is over, or over for this link.
    SessionEnded {
        /// The session.
        channel: Channel,
        /// Who says so.
        #[serde(deserialize_with = "crate::encoding::extensible")]
        reason: EndedBecause,
        /// A signed [`crate::chain::End`], if the sharer said so.
        #[serde(default)]
        end: Option<Signed>,
        /// Number of the last event.
        #[serde(default)]
        final_number: u64,
        /// For how long the relay keeps it, in milliseconds, if it is in its archive.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kept_ms: Option<u64>,
    },
}

impl RelayToViewer {
    /// The session's channel.
    pub fn channel(&self) -> Channel {
        match self {
            Self::JoinedSuccessfully { channel, .. }
            | Self::FailedToJoin { channel, .. }
            | Self::HeaderUpdated { channel, .. }
            | Self::Answer { channel, .. }
            | Self::SharerPresence { channel, .. }
            | Self::ParticipantListUpdated { channel, .. }
            | Self::UpdateSourceTaskId { channel, .. }
            | Self::TasksUpdated { channel, .. }
            | Self::Resyncing { channel }
            | Self::InputRefused { channel, .. }
            | Self::SessionEnded { channel, .. } => *channel,
        }
    }
}
