//! What leaves: small frames that cannot wait, then snapshots and events as the connection has room.

use super::{Room, Session};
use crate::chain::{ATTEST_AT_REST_MS, Attestation, BEAT_EVERY_MS};
use crate::sharer::step::Step;
use crate::time::{Moment, Now};
use crate::wire::frame::Frame;

/// An attestation goes out this long after an event that none covers, in milliseconds: half a second before the
/// bound of 5 s, which is the way to the viewer.
const ATTEST_AFTER_MS: u64 = 4_500;
/// More than any small frame has, and than a large one has besides its body, in bytes: an attestation with cards
/// is 160.
pub(in crate::sharer) const SMALL: usize = 256;

/// The newest attestation.
#[derive(Debug, Default)]
pub(super) struct Attests {
    /// The event it covers.
    pub(super) number: u64,
    pub(super) at: Moment,
    /// When the oldest event was sealed that it does not cover.
    pub(super) uncovered: Option<Moment>,
    /// Another is to go now.
    pub(super) due: bool,
    /// The cards that the newest word was about.
    pub(super) cards: [u8; 32],
}

impl Session {
    /// Whether cards, an acknowledgement, an attestation or a beat are to go.
    pub(in crate::sharer) fn has_small(&self, now: Now) -> bool {
        self.room.is_open()
            && (self.attests.due
                || self.cards.has_news()
                || self.beat.is_some()
                || self.inputs.next_report().is_some_and(|at| at <= now.mono))
    }

    /// The next frame of what is small and cannot wait: acknowledgements, attestation, beat.
    pub(in crate::sharer) fn next_small(&mut self, now: Now) -> Option<Frame> {
        let Room::Open(channel) = self.room else { return None };
        if let Some((participant, body)) = self.inputs.report(now) {
            return Some(Frame::TakenFor { channel, participant, body: body.into() });
        }
        if self.attests.due
            && let Some(frame) = self.attest(now)
        {
            return Some(frame);
        }
        let (number, body) = self.beat.take()?;
        Some(Frame::Beat { channel, number, body: body.into() })
    }

    /// At least as many bytes as the next large frame has; `None` if there is none.
    pub(in crate::sharer) fn next_len(&self) -> Option<usize> {
        if !self.room.is_open() {
            return None;
        }
        let snapshot = self.talk.next_len().or_else(|| self.snapshots.next_len(self.buffer.sent()));
        Some(snapshot.or_else(|| self.buffer.next_len())? + SMALL)
    }

    /// The next frame of a snapshot or event; when all events were sent, what was gathered since is sealed, unless
    /// output is pouring.
    pub(in crate::sharer) fn next_frame(&mut self, step: &mut Step) -> Option<Frame> {
        let Room::Open(channel) = self.room else { return None };
        if let Some(frame) = self.talk.next_frame() {
            return Some(frame);
        }
        if let Some(frame) = self.snapshots.next_frame(self.buffer.sent()) {
            return Some(frame);
        }
        if self.buffer.all_sent() && !self.buffer.is_pouring() {
            self.settle(step);
        }
        self.buffer.next_event().map(|event| Frame::Event { channel, event })
    }

    pub(super) fn attest_at(&self) -> Option<Moment> {
        let rest = self.attests.at.after(ATTEST_AT_REST_MS);
        let at = self.attests.uncovered.map_or(rest, |since| since.after(ATTEST_AFTER_MS).min(rest));
        (!self.attests.due).then_some(at)
    }

    /// Attests everything that was sent.
    fn attest(&mut self, now: Now) -> Option<Frame> {
        let Room::Open(channel) = self.room else { return None };
        let sent = self.buffer.sent();
        let point = self.buffer.sent_point().or_else(|| self.epoch.point_at(sent))?;
        let (beat, cards) = self.cards_now(now);
        let attestation = Attestation { scope: self.epoch.scope, point, beat, cards };
        let signature = attestation.sign(&self.owner.key);
        self.attests.number = sent;
        self.attests.at = now.mono;
        self.attests.uncovered = (sent < self.epoch.point().number).then_some(now.mono);
        self.attests.due = false;
        Some(Frame::Attestation { channel, number: sent, beat, hash: point.hash, cards, signature })
    }

    /// The newest beat, and the digest of the cards, for the owner's next word about both. Other cards than those of its
    /// last word have another beat, so that nobody can pass an older word for the newer.
    pub(super) fn cards_now(&mut self, now: Now) -> (u64, [u8; 32]) {
        let cards = self.epoch.cards.digest();
        if std::mem::replace(&mut self.attests.cards, cards) != cards {
            self.issue_beat(now);
        }
        (self.epoch.beat_number(), cards)
    }

    pub(super) fn issue_beat(&mut self, now: Now) {
        self.beat = Some(self.epoch.beat(now));
        self.next_beat = now.mono.after(BEAT_EVERY_MS);
    }
}
