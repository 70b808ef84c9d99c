//! Output and events between the PTY and the relay: what is gathered, kept, sent and left out.
//!
//! Bound: output waits here until [`KEPT`] bytes are neither acknowledged nor waiting to be sealed; beyond,
//! output is counted and dropped, until everything kept was sent and a `Skipped` says so. Events that only the
//! terminal model has not passed are bounded by the model's own queue.

use std::collections::VecDeque;

use crate::chain::{ChainHash, ChainPoint};
use crate::event::MAX_OUTPUT;
use crate::seal::SealedEvent;
use crate::wire::hello::{ACKNOWLEDGED_AT_ONCE, EVENT_COST};

/// The most bytes kept for a relay that does not take them (`docs/protocol.md` 7).
pub(super) const KEPT: usize = 1024 * 1024;
/// Output is pouring while events of so many bytes are on their way to the relay: what comes now is gathered, and
/// leaves when an event is full or the relay has taken what is on its way. Twice what a relay acknowledges at once,
/// so that what waits is always woken.
const POURING: usize = 2 * ACKNOWLEDGED_AT_ONCE;

struct Kept {
    event: SealedEvent,
    hash: ChainHash,
}

impl Kept {
    fn cost(&self) -> usize {
        self.event.body.len() + EVENT_COST
    }
}

/// Takes from the front of `bytes` as many whole characters as fit into `room` bytes.
pub(super) fn split_whole(bytes: &[u8], room: usize) -> (&[u8], &[u8]) {
    let mut at = room.min(bytes.len());
    // A character has at most 3 continuation bytes; more of them are no character.
    for back in 0..4 {
        let Some(candidate) = at.checked_sub(back) else { break };
        if bytes.get(candidate).is_none_or(|byte| byte & 0xC0 != 0x80) {
            at = candidate;
            break;
        }
    }
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

/// See the module.
#[derive(Default)]
pub(super) struct Buffer {
    /// Output that is not sealed yet, at most [`MAX_OUTPUT`].
    pending: Vec<u8>,
    /// `Some`: output is being left out, so many bytes since the last `Skipped`.
    dropped: Option<u64>,
    events: VecDeque<Kept>,
    /// Cost of the events that are not acknowledged.
    unacknowledged: usize,
    acknowledged: u64,
    passed: u64,
    sent: u64,
}

impl Buffer {
    /// How many bytes of output [`Buffer::gather`] takes before what is pending must be sealed.
    pub(super) fn room(&self) -> usize {
        MAX_OUTPUT.saturating_sub(self.pending.len())
    }

    /// Whether output must be left out, or is being left out already.
    pub(super) fn is_full(&self) -> bool {
        self.dropped.is_some() || self.unacknowledged + self.pending.len() >= KEPT
    }

    pub(super) fn gather(&mut self, output: &[u8]) {
        self.pending.extend_from_slice(output);
    }

    pub(super) fn drop_output(&mut self, bytes: usize) {
        let dropped = self.dropped.unwrap_or(0);
        self.dropped = Some(dropped.saturating_add(bytes as u64));
    }

    /// Output gathered so far, to be sealed now.
    pub(super) fn take_pending(&mut self) -> Option<Vec<u8>> {
        (!self.pending.is_empty()).then(|| std::mem::take(&mut self.pending))
    }

    /// How much was left out; the caller seals it as `Skipped`.
    pub(super) fn take_dropped(&mut self) -> Option<u64> {
        self.dropped.take()
    }

    /// Keeps a sealed event until it is acknowledged and passed.
    pub(super) fn keep(&mut self, event: SealedEvent, hash: ChainHash) {
        let kept = Kept { event, hash };
        self.unacknowledged += kept.cost();
        self.events.push_back(kept);
    }

    fn oldest(&self) -> Option<u64> {
        self.events.front().map(|kept| kept.event.number)
    }

    fn at(&self, number: u64) -> Option<&Kept> {
        let index = usize::try_from(number.checked_sub(self.oldest()?)?).ok()?;
        self.events.get(index)
    }

    /// The next event to send, and counts it as sent.
    pub(super) fn next_event(&mut self) -> Option<SealedEvent> {
        let event = self.at(self.sent + 1)?.event.clone();
        self.sent = event.number;
        Some(event)
    }

    /// Bytes of the body of what [`Buffer::next_event`] gives once pending output is sealed, at most.
    pub(super) fn next_len(&self) -> Option<usize> {
        let kept = self.at(self.sent + 1).map(|kept| kept.event.body.len());
        let gathered = (!self.pending.is_empty() || self.dropped.is_some()).then_some(self.pending.len());
        kept.or(gathered.filter(|_| !self.is_pouring()))
    }

    /// Whether what is gathered waits for more. What is left out waits for nothing: all that is kept has to leave.
    pub(super) fn is_pouring(&self) -> bool {
        self.dropped.is_none() && self.unacknowledged >= POURING
    }

    pub(super) fn all_sent(&self) -> bool {
        self.at(self.sent + 1).is_none()
    }

    /// Number of the last event sent, or held by the relay before, on this connection.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// The point at the last event sent, if that event is still kept.
    pub(super) fn sent_point(&self) -> Option<ChainPoint> {
        self.at(self.sent).map(|kept| ChainPoint { number: self.sent, hash: kept.hash })
    }

    /// A room holds everything up to `held` (`None`: nothing): what follows is to be sent. `latest` is the
    /// newest number issued.
    ///
    /// What another relay acknowledged, or this one before it forgot, counts no more: an event that is to be sent
    /// again must not go when the model passes it.
    pub(super) fn resume(&mut self, held: Option<u64>, latest: u64) {
        let before_oldest = self.oldest().map_or(latest, |oldest| oldest.saturating_sub(1));
        self.sent = held.unwrap_or(0).max(before_oldest).min(latest);
        self.acknowledged = self.sent;
        let unheld = self.events.iter().skip_while(|kept| kept.event.number <= self.sent);
        self.unacknowledged = unheld.map(Kept::cost).sum();
        self.forget();
    }

    /// The relay holds everything up to `number`; numbers never sent say nothing.
    pub(super) fn acknowledge(&mut self, number: u64) {
        let number = number.min(self.sent);
        if number <= self.acknowledged {
            return;
        }
        let newly = self
            .events
            .iter()
            .skip_while(|kept| kept.event.number <= self.acknowledged)
            .take_while(|kept| kept.event.number <= number)
            .map(Kept::cost)
            .sum();
        self.unacknowledged = self.unacknowledged.saturating_sub(newly);
        self.acknowledged = number;
        self.forget();
    }

    /// The terminal model has passed everything up to `number`.
    pub(super) fn pass(&mut self, number: u64) {
        self.passed = self.passed.max(number);
        self.forget();
    }

    fn forget(&mut self) {
        let both = self.acknowledged.min(self.passed);
        while self.events.front().is_some_and(|kept| kept.event.number <= both) {
            self.events.pop_front();
        }
    }

    /// Whether even notes are too many: a relay that asks for snapshots but acknowledges nothing.
    pub(super) fn is_overfull(&self) -> bool {
        self.unacknowledged >= 2 * KEPT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_between_characters() {
        let text = "aé😀b".as_bytes();
        for room in 0..=text.len() + 1 {
            let (left, right) = split_whole(text, room);
            assert!(left.len() <= room.min(text.len()));
            assert!(core::str::from_utf8(left).is_ok() && core::str::from_utf8(right).is_ok(), "{room}");
            assert!(room < 4 || !left.is_empty());
        }
        assert_eq!(split_whole(&[0x80; 9], 6).0.len(), 6, "what is no character is cut anywhere");
    }
}
