//! A room: one session's content, the sharer that holds it, and its participants.

mod deadlines;
mod holding;
mod people;

use std::collections::BTreeMap;

use super::PeerId;
use super::content::Content;
use super::holder::Holder;
use super::keeping::Keeping;
use super::outbox::Viewer;
use super::pace::Pace;
use super::pages::Pages;
use crate::id::{Channel, ParticipantId};
use crate::keys::epoch::EpochId;
use crate::keys::grant::GrantRow;
use crate::keys::owner::OwnerPublic;
use crate::time::Moment;

/// A snapshot is asked for when so much follows the stored one, in bytes.
const TAIL_WANTED: u64 = 256 * 1024;
/// A session is at rest after so long without an event, in milliseconds; and history waits so long after a
/// flood.
const REST_MS: u64 = 1_000;

/// Channels on which something is due, and whether it needs no credit.
#[derive(Debug, Default)]
pub(super) struct Wakes(pub(super) Vec<(PeerId, Channel, bool)>);

impl Wakes {
    fn viewer(&mut self, viewer: &Viewer, urgent: bool) {
        self.0.push((viewer.peer, viewer.channel, urgent));
    }

    fn holder(&mut self, holder: &Holder) {
        self.0.push((holder.peer, holder.channel, true));
    }
}

/// A viewer whose grant is gone.
#[derive(Debug)]
pub(super) struct Dropped {
    pub(super) peer: PeerId,
    pub(super) channel: Channel,
}

/// One session at a relay.
#[allow(clippy::struct_excessive_bools, reason = "each is a thing that is due, or was done once")]
#[derive(Debug)]
pub(super) struct Room {
    pub(super) owner: OwnerPublic,
    /// The highest claim seen.
    pub(super) claim: (EpochId, u64),
    pub(super) grants: Vec<GrantRow>,
    pub(super) content: Content,
    pub(super) holder: Option<Holder>,
    pub(super) viewers: BTreeMap<ParticipantId, Viewer>,
    next_participant: u64,
    pace: Pace,
    asked_full: bool,
    /// The newest event when history was last asked for: asked again only after another.
    full_tried: Option<u64>,
    flood_until: Moment,
    last_event: Moment,
    pub(super) unacknowledged: usize,
    pub(super) acknowledge_at: Option<Moment>,
    people_due: bool,
    people_next: Moment,
    end_acknowledged: bool,
    /// Whether it is to be kept when it has ended.
    pub(super) keeping: Option<Keeping>,
    /// It was made of an archive's object.
    pub(super) frozen: bool,
    /// What [`super::Relay`] has in its budget.
    pub(super) held: u64,
    /// What [`super::Relay`] has in its table of deadlines.
    pub(super) deadline: Option<Moment>,
}

impl Room {
    /// A new room without a holder.
    pub(super) fn new(owner: OwnerPublic, claim: (EpochId, u64), content: Content) -> Self {
        Self {
            owner,
            claim,
            grants: Vec::new(),
            content,
            holder: None,
            viewers: BTreeMap::new(),
            next_participant: 1,
            pace: Pace::default(),
            asked_full: false,
            full_tried: None,
            flood_until: Moment(0),
            last_event: Moment(0),
            unacknowledged: 0,
            acknowledge_at: None,
            people_due: false,
            people_next: Moment(0),
            end_acknowledged: false,
            keeping: None,
            frozen: false,
            held: 0,
            deadline: None,
        }
    }

    /// Bytes that it holds, in all that peers may make large.
    pub(super) fn count(&self) -> u64 {
        let input = self.holder.as_ref().map_or(0, Holder::held);
        self.content.held().saturating_add(input)
    }

    /// Gives up what is over `most` bytes, what is missed least first: scrollback, the events behind the snapshot and with
    /// them the snapshot, the transcript, a snapshot that is arriving. Viewers who miss something of it are brought back by
    /// the next snapshot. `false`: what is left is still too much.
    pub(super) fn shed(&mut self, most: u64, wakes: &mut Wakes) -> bool {
        if self.count() > most {
            self.content.store.drop_full();
        }
        if self.count() > most {
            let rest = self.count() - self.content.log.held();
            self.content.log.shed(most.saturating_sub(rest));
            let number = self.content.store.number();
            if number.is_some_and(|number| !self.content.log.continues(number)) {
                self.content.store.clear();
            }
            for viewer in self.viewers.values() {
                wakes.viewer(viewer, false);
            }
        }
        if self.count() > most {
            self.content.pages = Pages::default();
        }
        if self.count() > most {
            self.content.store.interrupt();
        }
        self.count() <= most
    }
}
