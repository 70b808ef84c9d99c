//! A room's snapshots: one that can be served, one that is arriving.

use std::sync::Arc;

use bytes::Bytes;

use crate::id::Channel;
use crate::keys::owner::Signed;
use crate::snapshot::{MAX_PART_FRAMES, Manifest, PART_FRAME, Part};
use crate::wire::frame::Frame;

/// What sealing and packing may add to a frame of a part, generously.
const FRAME_SLACK: usize = 1024;

/// A snapshot's manifest and screen, shared with the viewers that are being given it.
#[derive(Debug)]
pub(super) struct Generation {
    pub(super) id: u64,
    /// The event it stands at.
    pub(super) number: u64,
    /// The newest event up to there that changed the terminal's size.
    pub(super) resized: u64,
    pub(super) manifest: Signed,
    pub(super) screen: Vec<Bytes>,
    held: u64,
}

/// A snapshot whose screen is whole.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) generation: Arc<Generation>,
    full: Vec<Bytes>,
    full_frames: usize,
    held: u64,
}

impl Stored {
    /// The full part, once it is whole.
    pub(super) fn full(&self) -> Option<&[Bytes]> {
        (self.full_frames > 0 && self.full.len() == self.full_frames).then_some(&self.full[..])
    }

    /// Whether the full part is still arriving.
    pub(super) fn is_arriving(&self) -> bool {
        self.full.len() < self.full_frames
    }

    fn drop_full(&mut self) {
        (self.full, self.full_frames, self.held) = (Vec::new(), 0, 0);
    }
}

#[derive(Debug)]
struct Arriving {
    generation: Generation,
    screen_frames: usize,
    full_frames: usize,
}

/// What a part's frame brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Arrival {
    /// There is a new screen to serve.
    pub(super) screen: bool,
    /// The snapshot is whole.
    pub(super) complete: bool,
}

/// At most two generations: full when a third begins to arrive, which takes the place of the second.
#[derive(Debug, Default)]
pub(super) struct Store {
    stored: Option<Stored>,
    arriving: Option<Arriving>,
}

impl Store {
    /// The snapshot that can be served.
    pub(super) fn stored(&self) -> Option<&Stored> {
        self.stored.as_ref()
    }

    /// The event that the stored snapshot stands at.
    pub(super) fn number(&self) -> Option<u64> {
        self.stored.as_ref().map(|stored| stored.generation.number)
    }

    /// The event of the stored snapshot, if its history is whole too.
    pub(super) fn whole(&self) -> Option<u64> {
        self.stored.as_ref().filter(|stored| stored.full().is_some()).map(|stored| stored.generation.number)
    }

    /// The stored snapshot, with its history if that is whole, as its sharer said it.
    pub(super) fn frames(&self, channel: Channel) -> Vec<Frame> {
        let Some(stored) = &self.stored else { return Vec::new() };
        let Generation { id, number, manifest, screen, .. } = &*stored.generation;
        let (id, number, manifest) = (*id, *number, manifest.clone());
        let mut frames = vec![Frame::SnapshotManifest { channel, id, number, manifest }];
        for (part, bodies) in [(Part::Screen, &screen[..]), (Part::Full, stored.full().unwrap_or_default())] {
            let last = bodies.len().saturating_sub(1);
            frames.extend((0..).zip(bodies).map(|(index, body)| Frame::SnapshotPart {
                channel,
                id,
                part,
                index,
                last: index as usize == last,
                body: body.clone(),
            }));
        }
        frames
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Forgets what is arriving, as nothing more of it will.
    pub(super) fn interrupt(&mut self) {
        self.arriving = None;
        if let Some(stored) = self.stored.as_mut().filter(|stored| stored.is_arriving()) {
            stored.drop_full();
        }
    }

    /// Bytes of both generations.
    pub(super) fn held(&self) -> u64 {
        let arriving = self.arriving.as_ref().map_or(0, |arriving| arriving.generation.held);
        let stored = self.stored.as_ref().map_or(0, |stored| stored.generation.held + stored.held);
        arriving + stored
    }

    /// Forgets the history of what can be served.
    pub(super) fn drop_full(&mut self) {
        if let Some(stored) = &mut self.stored {
            stored.drop_full();
        }
    }

    /// A verified manifest; an older one than what is stored is ignored.
    pub(super) fn begin(&mut self, signed: Signed, manifest: &Manifest) {
        let (id, number) = (manifest.id, manifest.point.number);
        self.interrupt();
        if self.stored.as_ref().is_some_and(|s| id <= s.generation.id || number < s.generation.number) {
            return;
        }
        let frames = |frames: u32| (frames as usize).min(MAX_PART_FRAMES);
        self.arriving = Some(Arriving {
            generation: Generation {
                id,
                number,
                resized: manifest.resized,
                held: signed.body.0.len() as u64,
                manifest: signed,
                screen: Vec::new(),
            },
            screen_frames: frames(manifest.screen.frames),
            full_frames: manifest.full.map_or(0, |full| frames(full.frames)),
        });
    }

    /// A frame of a part. Frames that belong to nothing are ignored.
    pub(super) fn part(&mut self, id: u64, part: Part, index: u32, body: Bytes) -> Arrival {
        if body.len() > PART_FRAME + FRAME_SLACK {
            return Arrival::default();
        }
        match part {
            Part::Screen => self.screen(id, index, body),
            Part::Full => self.full(id, index, body),
        }
    }

    fn screen(&mut self, id: u64, index: u32, body: Bytes) -> Arrival {
        let Some(arriving) = self.arriving.as_mut().filter(|arriving| arriving.generation.id == id) else {
            return Arrival::default();
        };
        if index as usize != arriving.generation.screen.len() {
            return Arrival::default();
        }
        arriving.generation.held += body.len() as u64;
        arriving.generation.screen.push(body);
        if arriving.generation.screen.len() < arriving.screen_frames {
            return Arrival::default();
        }
        let Some(Arriving { generation, full_frames, .. }) = self.arriving.take() else {
            return Arrival::default();
        };
        self.stored =
            Some(Stored { generation: Arc::new(generation), full: Vec::new(), full_frames, held: 0 });
        Arrival { screen: true, complete: full_frames == 0 }
    }

    fn full(&mut self, id: u64, index: u32, body: Bytes) -> Arrival {
        let Some(stored) = self.stored.as_mut().filter(|s| s.generation.id == id && s.is_arriving()) else {
            return Arrival::default();
        };
        if index as usize == stored.full.len() {
            stored.held += body.len() as u64;
            stored.full.push(body);
        }
        Arrival { screen: false, complete: !stored.is_arriving() }
    }
}
