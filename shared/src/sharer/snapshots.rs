//! Snapshots on their way: asked for, being dumped, being sent.
//!
//! One is asked of the terminal model at a time. One that began to be sent is sent whole, then the newest one;
//! a newer one replaces one that waits.

use std::collections::VecDeque;

use super::Mark;
use crate::chain::ChainPoint;
use crate::id::Channel;
use crate::snapshot::{Part, SealedSnapshot};
use crate::time::{Moment, Now};
use crate::wire::frame::Frame;

/// The model is asked at most this often, in milliseconds, whatever a relay asks (DESIGN 4).
const SPACED_MS: u64 = 100;

/// What the model was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) mark: Mark,
    pub(super) point: ChainPoint,
    /// The newest change of the transcript there.
    pub(super) transcript: u64,
    /// The newest event up to there that changed the size.
    pub(super) resized: u64,
    /// The newest command up to there.
    pub(super) commands: u64,
    pub(super) full: bool,
}

struct Outgoing {
    number: u64,
    frames: VecDeque<Frame>,
    begun: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Snapshots {
    /// `Some(full)`: one is wanted that the model was not asked for yet.
    wanted: Option<bool>,
    asked: Option<Request>,
    earliest: Moment,
    outgoing: VecDeque<Outgoing>,
}

impl Snapshots {
    pub(super) fn want(&mut self, full: bool) {
        self.wanted = Some(self.wanted.unwrap_or(false) || full);
    }

    /// When the model may be asked; `None` while nothing is wanted, or it has not answered yet.
    pub(super) fn due(&self) -> Option<Moment> {
        (self.wanted.is_some() && self.asked.is_none()).then_some(self.earliest)
    }

    /// Takes the wish, at a mark that was just made.
    pub(super) fn ask(
        &mut self,
        now: Now,
        mark: Mark,
        point: ChainPoint,
        transcript: u64,
        resized: u64,
        commands: u64,
    ) -> Option<Request> {
        let full = self.wanted.take()?;
        self.earliest = now.mono.after(SPACED_MS);
        let request = Request { mark, point, transcript, resized, commands, full };
        self.asked = Some(request);
        Some(request)
    }

    /// The model answered; what it was asked for, if that still matters.
    pub(super) fn answered(&mut self, mark: Mark, full: bool) -> Option<Request> {
        // An answer to a forgotten request at the same mark may hold less than was asked since.
        self.asked.take_if(|request| request.mark == mark && (full || !request.full))
    }

    /// Queues a sealed snapshot.
    pub(super) fn send(&mut self, channel: Channel, snapshot: SealedSnapshot) {
        let SealedSnapshot { id, number, manifest, screen, full } = snapshot;
        let mut frames = VecDeque::with_capacity(1 + screen.len() + full.len());
        frames.push_back(Frame::SnapshotManifest { channel, id, number, manifest });
        for (part, bodies) in [(Part::Screen, screen), (Part::Full, full)] {
            let last = bodies.len().saturating_sub(1);
            for (index, body) in bodies.into_iter().enumerate() {
                let last = index == last;
                let index = u32::try_from(index).unwrap_or(u32::MAX); // MAX_PART_FRAMES fits
                frames.push_back(Frame::SnapshotPart { channel, id, part, index, last, body });
            }
        }
        self.outgoing.retain(|waiting| waiting.begun);
        self.outgoing.push_back(Outgoing { number, frames, begun: false });
    }

    /// Bytes of the body of the next frame.
    pub(super) fn next_len(&self, sent: u64) -> Option<usize> {
        let frame = self.outgoing.front().filter(|first| first.number <= sent)?.frames.front()?;
        if let Frame::SnapshotManifest { manifest, .. } = frame {
            Some(manifest.body.0.len())
        } else if let Frame::SnapshotPart { body, .. } = frame {
            Some(body.len())
        } else {
            None
        }
    }

    /// The next frame, of a snapshot whose events were all sent.
    pub(super) fn next_frame(&mut self, sent: u64) -> Option<Frame> {
        let first = self.outgoing.front_mut().filter(|first| first.number <= sent)?;
        first.begun = true;
        let frame = first.frames.pop_front();
        if first.frames.is_empty() {
            self.outgoing.pop_front();
        }
        frame
    }

    /// Whether nothing is wanted, asked or waiting.
    pub(super) fn is_idle(&self) -> bool {
        self.wanted.is_none() && self.asked.is_none() && self.outgoing.is_empty()
    }

    /// The connection broke, or the epoch ended: the relay asks again for what it needs.
    pub(super) fn forget(&mut self) {
        self.wanted = None;
        self.asked = None;
        self.outgoing.clear();
    }
}
