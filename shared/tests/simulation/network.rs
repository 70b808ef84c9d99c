//! Sockets between machines and a relay: ordered within each, not across them, and breakable at any packet.

use std::collections::{BTreeMap, VecDeque};

use shared::wire::Packet;

/// Who is at the far end from the relay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum End {
    Sharer(usize),
    Viewer(usize),
}

/// Towards the relay, or away from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

/// What a socket carries.
#[derive(Debug, Clone)]
pub(crate) enum Item {
    Packet(Packet),
    Close(Option<u16>),
}

#[derive(Debug)]
struct Flying {
    at: u64,
    sequence: u64,
    item: Item,
}

#[derive(Debug)]
pub(crate) struct Socket {
    pub(crate) end: End,
    latency: u64,
    bytes_per_ms: u64,
    up: VecDeque<Flying>,
    down: VecDeque<Flying>,
    /// What is sent from now on goes nowhere.
    dead: bool,
}

impl Socket {
    fn queue(&mut self, way: Way) -> &mut VecDeque<Flying> {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }
}

/// All sockets.
#[derive(Debug, Default)]
pub(crate) struct Network {
    sockets: BTreeMap<u64, Socket>,
    next_socket: u64,
    sequence: u64,
    pub(crate) reorders: u64,
}

/// Whether credit counts a frame, by its byte of kind (`docs/protocol.md` 6).
fn counted(item: &Item) -> usize {
    match item {
        Item::Packet(Packet::Binary(bytes)) if !matches!(bytes.first(), Some(8 | 9 | 12 | 13)) => bytes.len(),
        Item::Packet(_) | Item::Close(_) => 0,
    }
}

impl Network {
    pub(crate) fn open(&mut self, end: End, latency: u64, bytes_per_ms: u64) -> u64 {
        self.next_socket += 1;
        let socket =
            Socket { end, latency, bytes_per_ms, up: VecDeque::new(), down: VecDeque::new(), dead: false };
        self.sockets.insert(self.next_socket, socket);
        self.next_socket
    }

    pub(crate) fn end(&self, id: u64) -> Option<End> {
        self.sockets.get(&id).map(|socket| socket.end)
    }

    /// Sends behind everything sent before, `extra` ms later than the network would.
    pub(crate) fn send(&mut self, id: u64, way: Way, item: Item, now: u64, extra: u64) {
        self.sequence += 1;
        let sequence = self.sequence;
        let Some(socket) = self.sockets.get_mut(&id).filter(|socket| !socket.dead) else { return };
        let (latency, pace) = (socket.latency, socket.bytes_per_ms);
        let queue = socket.queue(way);
        let before = queue.back().map_or(0, |last| last.at);
        let at = before.max(now + latency) + counted(&item) as u64 / pace + extra;
        queue.push_back(Flying { at, sequence, item });
        // Law 5: never more on its way than credit covers, but for a frame that is alone.
        let sizes: Vec<usize> = queue.iter().map(|flying| counted(&flying.item)).filter(|n| *n > 0).collect();
        let flying: usize = sizes.iter().sum();
        assert!(flying <= 256 * 1024 || sizes.len() == 1 || extra > 0, "{flying} bytes on their way {way:?}");
    }

    /// Sends past everything in the queue: a relay that reorders.
    pub(crate) fn inject(&mut self, id: u64, way: Way, item: Item, now: u64) {
        self.sequence += 1;
        let sequence = self.sequence;
        if let Some(socket) = self.sockets.get_mut(&id).filter(|socket| !socket.dead) {
            socket.queue(way).push_front(Flying { at: now, sequence, item });
        }
    }

    /// Breaks a socket: of what is on its way, the first `keep` packets still arrive. Both sides learn it when those
    /// did, or after `unnoticed` ms.
    pub(crate) fn cut(&mut self, id: u64, now: u64, keep: usize, unnoticed: u64) -> bool {
        let Some(socket) = self.sockets.get_mut(&id).filter(|socket| !socket.dead) else { return false };
        let midway = socket.up.len() > keep || socket.down.len() > keep;
        socket.dead = true;
        for way in [Way::Up, Way::Down] {
            let queue = socket.queue(way);
            queue.truncate(keep);
            let at = queue.back().map_or(0, |last| last.at).max(now + 1 + unnoticed);
            self.sequence += 1;
            queue.push_back(Flying { at, sequence: self.sequence, item: Item::Close(None) });
        }
        midway
    }

    /// One side closes: what it sent still arrives, and it hears nothing more.
    pub(crate) fn close(&mut self, id: u64, by: Way, code: Option<u16>, now: u64) {
        self.send(id, by, Item::Close(code), now, 0);
        if let Some(socket) = self.sockets.get_mut(&id) {
            socket.dead = true;
            let other = if by == Way::Up { Way::Down } else { Way::Up };
            socket.queue(other).clear();
            if socket.queue(by).is_empty() {
                self.sockets.remove(&id);
            }
        }
    }

    pub(crate) fn remove_if_done(&mut self, id: u64) {
        if self.sockets.get(&id).is_some_and(|s| s.dead && s.up.is_empty() && s.down.is_empty()) {
            self.sockets.remove(&id);
        }
    }

    /// When the next packet arrives that somebody awake can take.
    pub(crate) fn next_at(&self, awake: impl Fn(End, Way) -> bool) -> Option<u64> {
        let first = |socket: &Socket| {
            let up = socket.up.front().filter(|_| awake(socket.end, Way::Up)).map(|flying| flying.at);
            let down = socket.down.front().filter(|_| awake(socket.end, Way::Down)).map(|flying| flying.at);
            up.into_iter().chain(down).min()
        };
        self.sockets.values().filter_map(first).min()
    }

    /// Takes the next packet that has arrived.
    pub(crate) fn arrived(
        &mut self,
        now: u64,
        awake: impl Fn(End, Way) -> bool,
    ) -> Option<(u64, End, Way, Item)> {
        let mut best: Option<(u64, u64, u64, Way)> = None;
        let mut oldest = u64::MAX;
        for (&id, socket) in &self.sockets {
            for (way, queue) in [(Way::Up, &socket.up), (Way::Down, &socket.down)] {
                let Some(first) = queue.front() else { continue };
                oldest = oldest.min(first.sequence);
                let candidate = (first.at, first.sequence, id, way);
                if first.at <= now
                    && awake(socket.end, way)
                    && best.is_none_or(|best| (best.0, best.1) > (candidate.0, candidate.1))
                {
                    best = Some(candidate);
                }
            }
        }
        let (_, sequence, id, way) = best?;
        self.reorders += u64::from(oldest < sequence);
        let socket = self.sockets.get_mut(&id)?;
        let end = socket.end;
        let flying = socket.queue(way).pop_front()?;
        Some((id, end, way, flying.item))
    }

    /// A relay that dies takes all its sockets along; peers learn it when the first `keep` packets were read.
    pub(crate) fn die(&mut self, now: u64, keep: usize) {
        for socket in self.sockets.values_mut() {
            socket.up.clear();
            if !socket.dead {
                socket.dead = true;
                socket.down.truncate(keep);
                let at = socket.down.back().map_or(0, |last| last.at).max(now + 1);
                self.sequence += 1;
                socket.down.push_back(Flying { at, sequence: self.sequence, item: Item::Close(None) });
            }
        }
        self.sockets.retain(|_, socket| !socket.down.is_empty());
    }
}
