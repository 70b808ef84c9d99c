//! What a room holds for everybody in it, present and to come.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use super::log::Log;
use super::pages::Pages;
use super::rows::Rows;
use super::store::{Generation, Store};
use crate::chain::ChainHash;
use crate::id::Channel;
use crate::keys::epoch::EpochId;
use crate::keys::owner::{Signature, Signed};
use crate::time::Moment;
use crate::wire::frame::Frame;
use crate::wire::source::SessionSource;

use super::outbox::BOUND;

/// The most events kept behind the stored snapshot, in bytes. Beyond, the snapshot is given up: nobody can
/// join until the sharer has answered with the next one, and those who follow notice nothing.
pub(super) const MAX_TAIL: u64 = 1024 * 1024;
/// A snapshot is served with at most this much tail while a fresher one can be had, in bytes.
const SERVED_TAIL: u64 = 16 * 1024;
/// How long a viewer waits for a fresher snapshot when an older one could be served, in milliseconds.
pub(super) const PATIENCE_MS: u64 = 1_000;
/// Attestations kept: of them a viewer gets the newest that it has the events for.
const MAX_ATTESTATIONS: usize = 8;
/// What its owner stopped sharing is dropped after so long, in milliseconds, if somebody who was there is still being given
/// the rest of it: as long as a sharer waits for its end to be seen.
const WITHDRAWN_MS: u64 = 1_000;

/// An attestation as it came.
#[derive(Debug, Clone)]
pub(super) struct Attested {
    /// Counts the room's attestations, as one event may be attested more than once.
    pub(super) order: u64,
    pub(super) number: u64,
    pub(super) beat: u64,
    pub(super) hash: ChainHash,
    pub(super) cards: [u8; 32],
    pub(super) signature: Signature,
}

impl Attested {
    /// As a frame on a viewer's channel.
    pub(super) fn frame(&self, channel: Channel) -> Frame {
        Frame::Attestation {
            channel,
            number: self.number,
            beat: self.beat,
            hash: self.hash,
            cards: self.cards,
            signature: self.signature,
        }
    }
}

/// The newest beat.
#[derive(Debug)]
pub(super) struct NewestBeat {
    pub(super) number: u64,
    pub(super) body: Bytes,
}

/// How many are in the room.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct People {
    pub(super) revision: u64,
    pub(super) viewers: u32,
    pub(super) executors: u32,
}

/// The session is over.
#[derive(Debug)]
pub(super) struct Ended {
    /// Its owner's word; `None`: its sharer never came back to say one.
    pub(super) end: Option<Signed>,
    pub(super) final_number: u64,
    /// Whether the room stays while the sharer is connected.
    pub(super) stays: bool,
    /// Whether its owner stopped sharing: who comes later hears that and is shown nothing.
    pub(super) withdrawn: bool,
    pub(super) at: Moment,
}

/// Header, log, snapshots and latest values.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) header: Signed,
    pub(super) epoch: EpochId,
    pub(super) source: SessionSource,
    pub(super) rows: Rows,
    pub(super) log: Log,
    /// Whether the room holds, or held, anything of the epoch.
    pub(super) known: bool,
    pub(super) store: Store,
    pub(super) pages: Pages,
    attestations: VecDeque<Attested>,
    attested: u64,
    pub(super) beat: Option<NewestBeat>,
    pub(super) people: People,
    pub(super) away_since: Option<Moment>,
    pub(super) ended: Option<Ended>,
    /// Until when it is in the archive, if it is.
    pub(super) kept_until: Option<Moment>,
    /// The moment of the call that is being worked on.
    pub(super) clock: Moment,
    /// Since when somebody with credit waits for a snapshot.
    pub(super) waiting: Option<Moment>,
    /// The event that the newest snapshot stands at for which somebody waited.
    pub(super) awaited: Option<u64>,
    /// Whether somebody waits for history.
    pub(super) wants_full: bool,
    /// The sharer was asked for history and has none.
    pub(super) has_no_history: bool,
}

impl Content {
    /// An empty room.
    pub(super) fn new(header: Signed, epoch: EpochId, source: SessionSource, clock: Moment) -> Self {
        Self {
            header,
            epoch,
            source,
            rows: Rows::default(),
            log: Log::after(0),
            known: false,
            store: Store::default(),
            pages: Pages::default(),
            attestations: VecDeque::new(),
            attested: 0,
            beat: None,
            people: People::default(),
            away_since: None,
            ended: None,
            kept_until: None,
            clock,
            waiting: None,
            awaited: None,
            wants_full: false,
            has_no_history: false,
        }
    }

    /// Since when nobody keeps the room: the sharer went, or it is over.
    pub(super) fn left_at(&self) -> Option<Moment> {
        self.ended.as_ref().map_or(self.away_since, |ended| (!ended.stays).then_some(ended.at))
    }

    /// Forgets everything of the epoch before.
    pub(super) fn begin_epoch(&mut self, epoch: EpochId) {
        self.epoch = epoch;
        (self.ended, self.kept_until) = (None, None);
        self.forget();
    }

    /// Forgets everything that can be seen of the session.
    pub(super) fn forget(&mut self) {
        self.known = false;
        self.rows.clear();
        self.log.restart(0);
        self.store.clear();
        self.pages = Pages::default();
        self.attestations.clear();
        self.beat = None;
        (self.waiting, self.awaited) = (None, None);
        self.has_no_history = false;
    }

    /// Whether its owner stopped sharing it.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.ended.as_ref().is_some_and(|ended| ended.withdrawn)
    }

    /// Until when it holds what its owner stopped sharing, at most; `None`: there is no such thing.
    pub(super) fn forgets_at(&self) -> Option<Moment> {
        let ended = self.ended.as_ref().filter(|ended| ended.withdrawn && self.shows() > 0)?;
        Some(ended.at.after(WITHDRAWN_MS))
    }

    /// Bytes of all that can be seen of the session.
    fn shows(&self) -> u64 {
        self.log.held() + self.store.held() + self.pages.held() + self.rows.bytes() as u64
    }

    /// Bytes of all that a sharer may make large.
    pub(super) fn held(&self) -> u64 {
        let signed = |signed: &Signed| signed.body.0.len() as u64;
        let end = self.ended.as_ref().and_then(|ended| ended.end.as_ref());
        signed(&self.header) + end.map_or(0, signed) + self.shows()
    }

    /// Milliseconds since the sharer's connection broke.
    pub(super) fn away_ms(&self) -> Option<u64> {
        self.away_since.map(|since| self.clock.since(since))
    }

    /// Bytes of events behind the stored snapshot.
    pub(super) fn tail(&self) -> u64 {
        let start = self.store.number().map_or(0, |number| self.log.offset(number));
        self.log.end().saturating_sub(start).min(self.log.bytes())
    }

    /// Whether a viewer that has everything up to `number` can go on from there. One that is ahead waits.
    pub(super) fn resumes(&self, number: u64, bound: u64) -> bool {
        let log = &self.log;
        log.continues(number)
            && (self.known || number > 0)
            && log.end().saturating_sub(log.offset(number)) <= bound
    }

    /// The snapshot to give to somebody now, if one is worth giving.
    pub(super) fn serve(&self) -> Option<Arc<Generation>> {
        let stored = self.store.stored()?;
        let tail = self.tail();
        // In a flood much follows even a snapshot that was asked for just now: none would ever be fresh enough.
        let asked_for = self.awaited.is_some() && self.awaited == self.store.number();
        let waited = || self.waiting.is_some_and(|since| self.clock.since(since) >= PATIENCE_MS);
        let final_state = self.away_since.is_some() || self.ended.is_some();
        let good = tail <= SERVED_TAIL || final_state || (tail <= BOUND && (asked_for || waited()));
        good.then(|| Arc::clone(&stored.generation))
    }

    /// Somebody waits for a snapshot.
    pub(super) fn wait(&mut self) {
        let clock = self.clock;
        self.waiting.get_or_insert(clock);
    }

    /// Adds an attestation; the oldest goes when there are too many.
    pub(super) fn attest(&mut self, mut attested: Attested) {
        self.attested += 1;
        attested.order = self.attested;
        if self.attestations.len() >= MAX_ATTESTATIONS {
            self.attestations.pop_front();
        }
        self.attestations.push_back(attested);
    }

    /// All that are kept, the oldest first.
    pub(super) fn attestations(&self) -> impl Iterator<Item = &Attested> {
        self.attestations.iter()
    }

    /// The newest attestation of an event in `base ..= cursor` that came after `order`.
    pub(super) fn attestation(&self, base: u64, cursor: u64, order: u64) -> Option<&Attested> {
        if self.attested <= order {
            return None;
        }
        let newer = self.attestations.iter().rev().take_while(|attested| attested.order > order);
        newer.into_iter().find(|attested| (base..=cursor).contains(&attested.number))
    }
}
