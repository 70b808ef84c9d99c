//! One epoch as its sharer holds it: keys, sealers, the chain's recent points and the beats.

use std::collections::VecDeque;

use super::owner::Owner;
use crate::card::CardSealer;
use crate::chain::{BEAT_GOOD_FOR_MS, ChainHash, ChainPoint};
use crate::entropy::Entropy;
use crate::event::Event;
use crate::keys::epoch::{
    AgreementKey, ContentKey, EpochId, Header, InputGrant, InputSecret, PROTOCOL_VERSION, Scope,
};
use crate::keys::grant::{Grant, GrantSecret};
use crate::keys::owner::Signed;
use crate::pages::PageSealer;
use crate::seal::{BeatSealer, EventSealer, SealedEvent};
use crate::snapshot::SnapshotSealer;
use crate::time::{Moment, Now};

/// Input made on a view older than this many events is refused (`docs/protocol.md` 5).
const REMEMBERED_POINTS: usize = 4_096;
/// Beats that can still be good: 45 s of them at one every 20 s, and those that connections add.
const REMEMBERED_BEATS: usize = 64;

/// Everything that begins and ends with an epoch. Dropping it forgets its keys.
pub(super) struct Epoch {
    pub(super) scope: Scope,
    content: ContentKey,
    pub(super) input_secret: InputSecret,
    pub(super) agreement: AgreementKey,
    revision: u32,
    events: EventSealer,
    pub(super) snapshots: SnapshotSealer,
    pub(super) pages: PageSealer,
    beats: BeatSealer,
    pub(super) cards: CardSealer,
    /// Hashes of the newest events; the last belongs to the newest.
    points: VecDeque<ChainHash>,
    /// When the newest beats were issued.
    issued: VecDeque<(u64, Moment)>,
}

impl Epoch {
    /// Draws the keys of the epoch after `previous`.
    pub(super) fn begin(owner: &Owner, previous: Option<EpochId>, entropy: &mut Entropy, now: Now) -> Self {
        let id = EpochId::next(previous, now.wall, entropy);
        let scope = Scope { session: owner.id(), epoch: id };
        let content = ContentKey(entropy.array());
        let events = EventSealer::new(&content, scope);
        let input_secret = InputSecret(entropy.array());
        Self {
            scope,
            cards: CardSealer::new(&content, &input_secret, scope),
            input_secret,
            agreement: AgreementKey::generate(entropy),
            revision: 0,
            snapshots: SnapshotSealer::new(&content, scope),
            pages: PageSealer::new(&content, scope),
            beats: BeatSealer::new(&content, scope),
            points: VecDeque::from([events.point().hash]),
            events,
            issued: VecDeque::new(),
            content,
        }
    }

    pub(super) fn id(&self) -> EpochId {
        self.scope.epoch
    }

    /// The newest header's revision.
    pub(super) fn revision(&self) -> u32 {
        self.revision
    }

    /// Signs the next revision of the header, with a box for each of `grants`.
    pub(super) fn header(&mut self, owner: &Owner, entropy: &mut Entropy) -> Signed {
        self.revision = self.revision.saturating_add(1);
        let seal = |(grant, watch): (&Grant, GrantSecret)| {
            let input = InputGrant { secret: self.input_secret.clone(), watch };
            Header::seal_box(self.scope, grant, &self.content, &input, entropy)
        };
        let header = Header {
            protocol: PROTOCOL_VERSION,
            features: Vec::new(),
            owner: owner.key.public(),
            epoch: self.id(),
            revision: self.revision,
            agreement: self.agreement.public(),
            boxes: owner.grants().map(seal).collect(),
        };
        header.sign(&owner.key)
    }

    /// Numbers, seals and chains one event.
    pub(super) fn seal(&mut self, event: &Event, compress: bool) -> (SealedEvent, ChainHash) {
        let (kind, plain) = event.encode(compress);
        let sealed = self.events.seal(kind, &plain);
        let hash = self.events.point().hash;
        self.points.push_back(hash);
        if self.points.len() > REMEMBERED_POINTS {
            self.points.pop_front();
        }
        (sealed, hash)
    }

    /// The point after the newest event.
    pub(super) fn point(&self) -> ChainPoint {
        self.events.point()
    }

    /// Our own point at `number`: `None` if it was never issued or is too old.
    pub(super) fn point_at(&self, number: u64) -> Option<ChainPoint> {
        let back = usize::try_from(self.point().number.checked_sub(number)?).ok()?;
        let index = self.points.len().checked_sub(back)?.checked_sub(1)?;
        Some(ChainPoint { number, hash: *self.points.get(index)? })
    }

    /// Issues the next beat.
    pub(super) fn beat(&mut self, now: Now) -> (u64, Vec<u8>) {
        let (number, body) = self.beats.seal(self.point().number, now.wall);
        self.issued.push_back((number, now.mono));
        if self.issued.len() > REMEMBERED_BEATS {
            self.issued.pop_front();
        }
        (number, body)
    }

    /// The newest beat's number.
    pub(super) fn beat_number(&self) -> u64 {
        self.beats.number()
    }

    /// Whether input that names this beat is fresh enough.
    pub(super) fn beat_is_good(&self, number: u64, now: Now) -> bool {
        let issued = self.issued.iter().find(|(issued, _)| *issued == number);
        issued.is_some_and(|(_, at)| now.mono.since(*at) <= BEAT_GOOD_FOR_MS)
    }
}
