//! Control messages between a sharer and a relay.

use serde::{Deserialize, Serialize};

use super::close::Refusal;
use super::source::SessionSource;
use super::task::{OwnedEnd, TaskRow};
use crate::chain::ViewerChallenge;
use crate::encoding::Extensible;
use crate::id::{Channel, ParticipantId, SessionId};
use crate::keys::epoch::{AgreementPublic, EpochId};
use crate::keys::grant::GrantRow;
use crate::keys::owner::{Claim, Signed};

/// What a sharer tells a relay of a session to open, or open again, its room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitPayload {
    /// The sharer's protocol version.
    pub protocol: u32,
    /// The session.
    pub session_id: SessionId,
    /// Proof that the sharer owns it, for this connection.
    pub claim: Claim,
    /// The current header.
    pub header: Signed,
    /// What the relay needs to know of the grants.
    pub grants: Vec<GrantRow>,
    /// Number of the newest event of the epoch.
    pub latest: u64,
    /// The session's source.
    #[serde(flatten)]
    pub source: SessionSource,
    /// A signed [`crate::keys::keeper::Keep`], if the session is to be kept when it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Signed>,
}

/// From a sharer to a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SharerToRelay {
    /// Claims a session and opens its room on a new channel.
    Initialize {
        /// A number not used before on this connection.
        channel: Channel,
        /// The session.
        payload: Box<InitPayload>,
    },
    /// A new header: another revision (a grant was added) or another epoch (one was removed).
    UpdateHeader {
        /// The session.
        channel: Channel,
        /// The header.
        header: Signed,
        /// The epoch it is of, so that the relay need not parse sealed things.
        epoch: EpochId,
        /// All grants that are left; participants with others are dropped.
        grants: Vec<GrantRow>,
    },
    /// The session's task, or kind of source, became known.
    UpdateSourceTaskId {
        /// The session.
        channel: Channel,
        /// The whole source.
        #[serde(flatten)]
        source: SessionSource,
    },
    /// Rows of the session's tasks: whole values that take the place of older ones; others stay. All of them are
    /// said again after every `SessionInitialized` and with every new epoch.
    UpdateTasks {
        /// The session.
        channel: Channel,
        /// At most as many, and as large, as the relay's limits say.
        rows: Vec<TaskRow>,
    },
    /// The answer to a participant's challenge.
    Answer {
        /// The session.
        channel: Channel,
        /// Who asked.
        participant: ParticipantId,
        /// A signed [`crate::chain::Answer`].
        answer: Signed,
    },
    /// Input of this participant is not taken any more; its frames were not what they should be.
    InputRefused {
        /// The session.
        channel: Channel,
        /// Whose.
        participant: ParticipantId,
        /// Why, in a word for machines.
        #[serde(deserialize_with = "crate::encoding::extensible")]
        reason: InputRefusal,
    },
    /// The session is over; its room goes once viewers know.
    EndSession {
        /// The session.
        channel: Channel,
        /// A signed [`crate::chain::End`].
        end: Signed,
        /// Number of the last event.
        final_number: u64,
        /// Whether it is to stay, for those who come later, while this connection holds it.
        #[serde(default, skip_serializing_if = "crate::encoding::is_false")]
        stays: bool,
    },
    /// Sessions that end together: the relay applies all before it tells anybody. Of the whole connection, and
    /// believed for each end's signature, so no session need be held. Sent again until `GroupEnded`.
    EndGroup {
        /// At most [`super::task::MAX_GROUP`].
        ends: Vec<OwnedEnd>,
    },
}

/// Why a sharer does not take a participant's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum InputRefusal {
    /// A frame did not open: input was lost, altered or out of order on the way.
    Broken,
    /// It was made on a view, or a beat, too old.
    Stale,
    /// The link may not type.
    NotAllowed,
    /// The program does not read; nothing more fits.
    Full,
    /// A reason of a later version.
    Unknown,
}

impl Extensible for InputRefusal {
    const UNKNOWN: Self = Self::Unknown;
}

/// From a relay to a sharer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RelayToSharer {
    /// The room is open.
    SessionInitialized {
        /// The session.
        channel: Channel,
        /// The last event of the payload's epoch that the relay still holds or held: send what follows.
        /// `None`: it holds nothing of it.
        #[serde(default)]
        acknowledged: Option<u64>,
        /// The event of the snapshot that the relay holds with history and all, if it holds one.
        #[serde(default)]
        snapshot: Option<u64>,
        /// Which pages of the transcript the relay holds: generation, and index of the newest.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pages: Option<(u64, u32)>,
    },
    /// The room is not open.
    FailedToInitialize {
        /// The session.
        channel: Channel,
        /// Why.
        #[serde(deserialize_with = "crate::encoding::extensible")]
        reason: Refusal,
    },
    /// Somebody needs a snapshot; one request is outstanding at most.
    SnapshotRequested {
        /// The session.
        channel: Channel,
        /// With the full part, or the screen only.
        #[serde(default)]
        full: bool,
    },
    /// Somebody joined, and wants an answer.
    ParticipantJoined {
        /// The session.
        channel: Channel,
        /// Who.
        participant: ParticipantId,
        /// To be signed.
        challenge: ViewerChallenge,
        /// The participant's key for input, if it has a grant to type.
        #[serde(default)]
        agreement: Option<AgreementPublic>,
        /// The key of its previous input connection, whose count it wants.
        #[serde(default)]
        previous: Option<AgreementPublic>,
    },
    /// Somebody left.
    ParticipantLeft {
        /// The session.
        channel: Channel,
        /// Who.
        participant: ParticipantId,
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
    /// These sessions have ended here, or are not here: the ends whose signatures were good.
    GroupEnded {
        /// As in [`SharerToRelay::EndGroup`].
        session_ids: Vec<SessionId>,
    },
    /// Every participant has seen the end, or nobody is there; said once.
    EndAcknowledged {
        /// The session.
        channel: Channel,
    },
    /// The ended session is in the relay's archive; said again when it was stored again.
    SessionKept {
        /// The session.
        channel: Channel,
        /// For how long from now, in milliseconds.
        for_ms: u64,
    },
    /// It is not, although it was to be.
    NotKept {
        /// The session.
        channel: Channel,
        /// Why.
        #[serde(deserialize_with = "crate::encoding::extensible")]
        reason: NotKept,
    },
}

/// Why an ended session is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum NotKept {
    /// The relay has no archive.
    NoArchive,
    /// There is no screen of it that could be shown.
    NoScreen,
    /// It is larger than the relay keeps of one session.
    TooLarge,
    /// The relay keeps as much as it will.
    Full,
    /// The relay could not write it; it tries again while it has the session.
    Failed,
    /// It was removed from the archive by who had it kept.
    Removed,
    /// A reason of a later version.
    Unknown,
}

impl NotKept {
    /// What it means, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::NoArchive => "the relay has no archive (`sharer relay --data-dir`)",
            Self::NoScreen => "the relay was not given its last screen",
            Self::TooLarge => "it is larger than the relay keeps of one session",
            Self::Full => "the relay's archive is full",
            Self::Failed => "the relay could not write it; it tries again while it has the session",
            Self::Removed => "it was removed",
            Self::Unknown => "the relay does not keep it",
        }
    }
}

impl Extensible for NotKept {
    const UNKNOWN: Self = Self::Unknown;
}

impl RelayToSharer {
    /// The session's channel; `None` for what is of the whole connection.
    pub fn channel(&self) -> Option<Channel> {
        match self {
            Self::SessionInitialized { channel, .. }
            | Self::FailedToInitialize { channel, .. }
            | Self::SnapshotRequested { channel, .. }
            | Self::ParticipantJoined { channel, .. }
            | Self::ParticipantLeft { channel, .. }
            | Self::ParticipantListUpdated { channel, .. }
            | Self::EndAcknowledged { channel }
            | Self::SessionKept { channel, .. }
            | Self::NotKept { channel, .. } => Some(*channel),
            Self::GroupEnded { .. } => None,
        }
    }
}

impl SharerToRelay {
    /// The session's channel; `None` for what is of the whole connection.
    pub fn channel(&self) -> Option<Channel> {
        match self {
            Self::Initialize { channel, .. }
            | Self::UpdateHeader { channel, .. }
            | Self::UpdateSourceTaskId { channel, .. }
            | Self::UpdateTasks { channel, .. }
            | Self::Answer { channel, .. }
            | Self::InputRefused { channel, .. }
            | Self::EndSession { channel, .. } => Some(*channel),
            Self::EndGroup { .. } => None,
        }
    }
}
