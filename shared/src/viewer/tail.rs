//! The newest events a viewer has opened: what must be written again behind a snapshot that comes late.

use std::collections::VecDeque;

use crate::chain::ChainPoint;
use crate::event::Event;

/// The most plain bytes kept. A full part that takes longer than this much output to arrive is dropped, and asked
/// for again at rest.
const MAX_BYTES: usize = 1024 * 1024;
/// The most chain hashes kept, as many as a sharer keeps (`docs/protocol.md` 5).
const MAX_POINTS: usize = 4_096;
/// What an event costs beside its bytes, so that empty ones are bounded too.
const EVENT_COST: usize = 128;

/// Recent events, contiguous up to the newest, and the chain's hash at each number.
#[derive(Debug, Default)]
pub(super) struct Tail {
    events: VecDeque<(u64, Event)>,
    bytes: usize,
    points: VecDeque<ChainPoint>,
}

fn cost(event: &Event) -> usize {
    EVENT_COST + if let Event::Output(bytes) = event { bytes.len() } else { 0 }
}

impl Tail {
    /// Begins anew at a point that nothing is known before.
    pub(super) fn restart(&mut self, at: ChainPoint) {
        *self = Self::default();
        self.points.push_back(at);
    }

    /// Adds the event that leads to `point`.
    pub(super) fn push(&mut self, point: ChainPoint, event: Event) {
        self.bytes += cost(&event);
        self.events.push_back((point.number, event));
        self.points.push_back(point);
        while self.bytes > MAX_BYTES {
            let Some((_, event)) = self.events.pop_front() else { break };
            self.bytes -= cost(&event);
        }
        if self.points.len() > MAX_POINTS {
            self.points.pop_front();
        }
    }

    /// The chain at `number`, if it is still known.
    pub(super) fn point(&self, number: u64) -> Option<ChainPoint> {
        let first = self.points.front()?.number;
        let index = usize::try_from(number.checked_sub(first)?).ok()?;
        self.points.get(index).copied()
    }

    /// The events after `number` up to `newest`, if all of them are still here.
    pub(super) fn after(&self, number: u64, newest: u64) -> Option<impl Iterator<Item = &(u64, Event)>> {
        let wanted = newest.checked_sub(number)?;
        let have = self.events.iter().filter(|(n, _)| *n > number).count() as u64;
        (have == wanted).then(|| self.events.iter().filter(move |(n, _)| *n > number))
    }
}
