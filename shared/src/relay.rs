//! The relay: orders, keeps and fans out sealed frames, and can neither read nor forge them.
//!
//! One [`Relay`] is all rooms and connections of a relay process. Connections are [`PeerId`]s that the shell
//! gives; what they say goes in by [`Relay::handle_packet`], and [`Relay::poll_ready`] names those for whom
//! [`Relay::poll_transmit`] has something. Everything kept is bounded, and each bound's rule is written where
//! it is: the log in `content`, snapshots in `store`, rows in `rows`, a viewer's outbox in `outbox`, a sharer's in
//! `holder`, attempts in `access`, all rooms together in `budget`, connections of an address in `crowd`,
//! what is on its way to drivers and their askers in `peer`, kept sessions in `archive`.

mod access;
mod archive;
mod budget;
mod content;
mod control;
mod crowd;
mod drivers;
mod frozen;
mod group;
mod holder;
mod keeping;
mod log;
mod outbox;
mod pace;
mod pages;
mod peer;
mod room;
mod rows;
mod runs;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;

use self::access::Limits;
use self::archive::Archive;
pub use self::archive::{ArchiveOrder, KeepLimits, LoadError};
use self::budget::{Budget, RESERVED};
use self::content::{Attested, NewestBeat};
pub use self::crowd::{Crowd, neighbourhood};
use self::drivers::Drivers;
pub use self::frozen::{Damage, Frozen, KeptHead, USUAL_HEAD, decode_head, head_len};
use self::holder::QueuedInput;
use self::outbox::Step;
use self::peer::{Peer, Role};
use self::room::{Dropped, Room, Wakes};
pub use self::rows::RowsPage;
pub use self::runs::{Runs, RunsError, RunsQuery};
use crate::entropy::Entropy;
use crate::id::{Channel, SessionId};
use crate::keys::epoch::PROTOCOL_VERSION;
use crate::keys::owner::Challenge;
use crate::time::{Moment, Now, UnixMs};
use crate::wire::close::{CloseCode, EndedBecause, Refusal};
use crate::wire::frame::Frame;
use crate::wire::hello::{Greeting, Hello, Limits as Announced};
use crate::wire::viewer::RelayToViewer;
use crate::wire::{self, Packet};

/// A relay that started less than this long ago may only have forgotten a session, in milliseconds (DESIGN 4).
pub const AMNESIA_MS: u64 = 60_000;
/// More than a sealed beat or acknowledgement of input has, in bytes: two varints and a tag. Slots of many viewers hold
/// them, and credit bounds only what is in flight.
const MAX_SMALL_BODY: usize = 64;

/// A connection, numbered by the shell and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// What the shell knows of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerInfo {
    /// Host and port as dialled: the `Host` of its request. Claims sign it.
    pub host: String,
    /// Its address as limits count it: [`neighbourhood`].
    pub address: String,
}

/// How a relay is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayConfig {
    /// How long a room outlives its sharer's connection or its end, in milliseconds.
    pub away_keep_ms: u64,
    /// Rooms at most.
    pub max_sessions: usize,
    /// Participants of a room at most.
    pub max_viewers: usize,
    /// Bytes that all rooms together may hold.
    pub max_held: u64,
    /// Base of links, if it knows a better one than peers dial.
    pub public_url: Option<String>,
    /// What its archive keeps; `None`: it has none.
    pub keep: Option<KeepLimits>,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            away_keep_ms: 600_000,
            max_sessions: 10_000,
            max_viewers: 1_000,
            max_held: 1024 * 1024 * 1024,
            public_url: None,
            keep: None,
        }
    }
}

/// One message to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// A control message.
    Text(String),
    /// A frame: its head for this peer, and a body that all share.
    Binary {
        /// Kind, channel and varints.
        head: Vec<u8>,
        /// The rest.
        body: Bytes,
    },
    /// The last thing: the connection is to be closed with this code.
    Close(CloseCode),
}

/// What a relay counts; no id, name or address is among it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Rooms.
    pub sessions: usize,
    /// Participants of all rooms.
    pub viewers: usize,
    /// Connections.
    pub connections: usize,
    /// Events stored, ever.
    pub events: u64,
    /// Bytes of binary frames received, ever.
    pub bytes_in: u64,
    /// Bytes of binary frames sent, ever.
    pub bytes_out: u64,
    /// Joins that succeeded, ever.
    pub joins: u64,
    /// Joins and claims that failed, ever.
    pub refusals: u64,
    /// Bytes that all rooms hold now.
    pub held_bytes: u64,
    /// Bytes of events held now.
    pub log_bytes: u64,
    /// Rows of tasks.
    pub rows: usize,
    /// Bytes of rows held now.
    pub row_bytes: usize,
    /// Ended sessions in the archive.
    pub kept: usize,
    /// Bytes of all objects in the archive.
    pub kept_bytes: u64,
    /// Objects of the archive that were found cut short or altered, ever.
    pub kept_damaged: u64,
    /// Objects that could not be written or removed, ever.
    pub kept_failed: u64,
}

/// All rooms and connections of one relay.
#[derive(Debug)]
pub struct Relay {
    config: RelayConfig,
    entropy: Entropy,
    started: Moment,
    clock: Moment,
    wall: UnixMs,
    peers: BTreeMap<PeerId, Peer>,
    rooms: BTreeMap<SessionId, Room>,
    drivers: Drivers,
    archive: Archive,
    limits: Limits,
    budget: Budget,
    ready: VecDeque<PeerId>,
    wakes: Wakes,
    deadlines: BTreeSet<(Moment, SessionId)>,
    counted: Stats,
}

impl Relay {
    /// A relay that has just started, and remembers nothing.
    pub fn new(config: RelayConfig, entropy: Entropy, now: Now) -> Self {
        Self {
            budget: Budget::new(config.max_held),
            archive: Archive::new(config.keep),
            config,
            entropy,
            started: now.mono,
            clock: now.mono,
            wall: now.wall,
            peers: BTreeMap::new(),
            rooms: BTreeMap::new(),
            drivers: Drivers::default(),
            limits: Limits::default(),
            ready: VecDeque::new(),
            wakes: Wakes::default(),
            deadlines: BTreeSet::new(),
            counted: Stats::default(),
        }
    }

    /// What it announces; the shell refuses larger messages before it allocates anything for them.
    pub fn limits(&self) -> Announced {
        Announced {
            viewers: self.config.max_viewers as u64,
            sessions: self.config.max_sessions as u64,
            keep_ms: self.archive.keep_ms(),
            ..Announced::default()
        }
    }

    /// What it has counted.
    pub fn stats(&self) -> Stats {
        let (kept, kept_bytes) = self.archive.held();
        Stats {
            sessions: self.rooms.len(),
            viewers: self.rooms.values().map(|room| room.viewers.len()).sum(),
            connections: self.peers.len(),
            held_bytes: self.budget.held(),
            log_bytes: self.rooms.values().map(|room| room.content.log.bytes()).sum(),
            rows: self.rooms.values().map(|room| room.content.rows.len()).sum(),
            row_bytes: self.rooms.values().map(|room| room.content.rows.bytes()).sum(),
            kept,
            kept_bytes,
            kept_damaged: self.archive.damaged,
            kept_failed: self.archive.failed,
            ..self.counted
        }
    }

    /// A connection is open; it is greeted.
    pub fn handle_connected(&mut self, now: Now, peer: PeerId, info: PeerInfo) {
        self.advance(now);
        let challenge = Challenge(self.entropy.array());
        let hello = wire::encode(&Greeting::Hello(Hello {
            protocol: PROTOCOL_VERSION,
            features: Vec::new(),
            challenge,
            limits: self.limits(),
            public_url: self.config.public_url.clone(),
        }));
        self.peers.insert(peer, Peer::new(info, challenge, hello));
        self.make_ready(peer);
    }

    /// A connection is gone.
    pub fn handle_disconnected(&mut self, now: Now, peer: PeerId) {
        self.advance(now);
        self.detach(peer);
        self.peers.remove(&peer);
        self.settle();
    }

    /// A connection said something.
    pub fn handle_packet(&mut self, now: Now, peer: PeerId, packet: Packet) {
        self.advance(now);
        if self.peers.get(&peer).is_none_or(|peer| peer.closing.is_some()) {
            return;
        }
        match packet {
            Packet::Text(text) => self.control(peer, &text),
            Packet::Binary(bytes) => match Frame::decode(&bytes) {
                _ if bytes.len() as u64 > self.limits().frame => self.close(peer, CloseCode::TooLarge),
                Ok(frame) => {
                    self.counted.bytes_in += bytes.len() as u64;
                    self.frame(peer, frame, bytes.len());
                }
                Err(_malformed) => self.close(peer, CloseCode::ProtocolError),
            },
        }
        self.settle();
    }

    /// The relay closes a connection for a reason of the shell's.
    pub fn close(&mut self, peer: PeerId, code: CloseCode) {
        self.detach(peer);
        if let Some(open) = self.peers.get_mut(&peer) {
            open.close(code);
        }
        self.make_ready(peer);
    }

    /// A connection that has something to send now. It is named once; poll it until it has nothing more.
    pub fn poll_ready(&mut self) -> Option<PeerId> {
        while let Some(peer) = self.ready.pop_front() {
            if let Some(open) = self.peers.get_mut(&peer) {
                open.queued = false;
                return Some(peer);
            }
        }
        None
    }

    /// What goes to a connection next.
    pub fn poll_transmit(&mut self, peer: PeerId) -> Option<Outgoing> {
        loop {
            let open = self.peers.get_mut(&peer)?;
            if let Some(own) = open.next_own() {
                return Some(own);
            }
            if open.closing.is_some() {
                return None;
            }
            let (channel, role) = open.turn()?;
            let allowance = open.allowance();
            let (Role::Sharer(session) | Role::Viewer(session, _)) = role;
            let step = match self.rooms.get_mut(&session) {
                None => Step::Idle,
                Some(room) => {
                    room.content.clock = self.clock;
                    match role {
                        Role::Sharer(_) => match &mut room.holder {
                            Some(holder) => holder.next(&room.content, &room.viewers),
                            None => Step::Idle,
                        },
                        Role::Viewer(_, participant) => match room.viewers.get_mut(&participant) {
                            Some(viewer) => viewer.next(&mut room.content, allowance),
                            None => Step::Idle,
                        },
                    }
                }
            };
            let blocked = match step {
                Step::Send(outgoing) => {
                    open.sent(channel, &outgoing, matches!(role, Role::Viewer(..)));
                    if let Outgoing::Binary { head, body } = &outgoing {
                        self.counted.bytes_out += (head.len() + body.len()) as u64;
                    }
                    return Some(outgoing);
                }
                Step::Blocked => true,
                Step::Idle => false,
            };
            open.rest(channel, blocked);
            // It may have found out that it needs a snapshot.
            self.touch(session);
            self.settle();
        }
    }

    /// When [`Self::handle_timeout`] is due, and for what.
    pub fn poll_timeout(&self) -> Option<(Moment, &'static str)> {
        let room = self.deadlines.first().map(|(at, session)| {
            let reason =
                self.rooms.get(session).and_then(|room| room.next_deadline(self.config.away_keep_ms));
            (*at, reason.map_or("room", |(_, reason)| reason))
        });
        let kept = self.archive.next_deadline(self.clock, self.wall).map(|at| (at, "kept session expires"));
        room.into_iter().chain(kept).min()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Now) {
        self.advance(now);
        self.expire_kept();
        while let Some(&(at, session)) = self.deadlines.first() {
            if at > self.clock {
                break;
            }
            let keep = self.config.away_keep_ms;
            if self.lose(session) {
                continue;
            }
            if let Some(room) = self.rooms.get(&session).filter(|room| room.is_expired(self.clock, keep)) {
                let ended = room.content.ended.is_some();
                let reason = if ended { EndedBecause::Relay } else { EndedBecause::SharerAway };
                self.remove_room(session, &reason);
                continue;
            }
            self.grant(session);
            self.touch(session);
            // A deadline that is still due would be due for ever.
            if self.deadlines.first() == Some(&(at, session)) {
                self.deadlines.remove(&(at, session));
                let later = self.clock.after(1);
                self.deadlines.insert((later, session));
                if let Some(room) = self.rooms.get_mut(&session) {
                    room.deadline = Some(later);
                }
            }
        }
        self.settle();
    }

    // Below: frames. Control messages are in `control`.

    fn frame(&mut self, peer: PeerId, frame: Frame, bytes: usize) {
        let Some(open) = self.peers.get_mut(&peer) else { return };
        if let Frame::Credit { consumed } | Frame::Input { consumed, .. } = frame {
            // Input says 0 for "no news", which is never more than was consumed before.
            if !open.credit(consumed) {
                return self.close(peer, CloseCode::ProtocolError);
            }
            self.make_ready(peer);
        }
        let Some(channel) = frame.channel() else { return };
        let Some(open) = self.peers.get_mut(&peer) else { return };
        if !open.received(&frame, bytes) {
            return self.close(peer, CloseCode::CreditExceeded);
        }
        if open.grant_is_due() {
            self.make_ready(peer);
        }
        // A frame on a channel that is gone may have crossed that news.
        let Some(open) = self.peers.get_mut(&peer) else { return };
        let Some(&role) = open.channels.get(&channel) else { return };
        let Ok(frame) = open.numbering.put_back(frame) else {
            return self.close(peer, CloseCode::ProtocolError);
        };
        let (Role::Sharer(session) | Role::Viewer(session, _)) = role;
        let Some(room) = self.rooms.get_mut(&session) else { return };
        let (now, wakes) = (self.clock, &mut self.wakes);
        room.content.clock = now;
        match (role, frame) {
            (Role::Sharer(_), Frame::Event { event, .. }) => {
                self.counted.events += 1;
                room.event(now, event, wakes);
            }
            (Role::Sharer(_), Frame::SnapshotManifest { manifest, .. }) => room.manifest(manifest),
            (Role::Sharer(_), Frame::SnapshotPart { id, part, index, body, .. }) => {
                room.part(now, id, part, index, body, wakes);
            }
            (Role::Sharer(_), Frame::Attestation { number, beat, hash, cards, signature, .. }) => {
                let attested = Attested { order: 0, number, beat, hash, cards, signature };
                room.attest(attested, wakes);
            }
            (Role::Sharer(_), Frame::Beat { number, body, .. }) if body.len() <= MAX_SMALL_BODY => {
                room.beat(NewestBeat { number, body }, wakes);
            }
            (Role::Sharer(_), Frame::TranscriptPage { page, .. }) => room.content.pages.page(page),
            (Role::Sharer(_), Frame::TranscriptHead { head, .. }) => room.transcript_head(head, wakes),
            (Role::Sharer(_), Frame::TakenFor { participant, body, .. }) if body.len() <= MAX_SMALL_BODY => {
                room.direct(participant, wakes, |viewer| viewer.taken(body));
            }
            (Role::Viewer(_, participant), Frame::Input { seen, beat, body, .. }) => {
                room.input(QueuedInput { participant, seen, beat, body }, wakes);
            }
            _ => return self.close(peer, CloseCode::ProtocolError),
        }
        self.touch(session);
    }

    // Bookkeeping.

    fn advance(&mut self, now: Now) {
        self.clock = self.clock.max(now.mono);
        self.wall = now.wall;
    }

    fn role(&self, peer: PeerId, channel: Channel) -> Option<Role> {
        self.peers.get(&peer)?.channels.get(&channel).copied()
    }

    fn make_ready(&mut self, peer: PeerId) {
        if let Some(open) = self.peers.get_mut(&peer).filter(|open| !open.queued) {
            open.queued = true;
            self.ready.push_back(peer);
        }
    }

    fn reply(&mut self, peer: PeerId, text: String) {
        if let Some(open) = self.peers.get_mut(&peer) {
            open.reply(text);
        }
        self.make_ready(peer);
    }

    fn close_channel(&mut self, peer: PeerId, channel: Channel) {
        if let Some(open) = self.peers.get_mut(&peer) {
            open.close_channel(channel);
        }
    }

    /// Ends the session for some of its viewers, at once.
    fn end_for(&mut self, viewers: Vec<Dropped>, reason: &EndedBecause) {
        for Dropped { peer, channel } in viewers {
            self.close_channel(peer, channel);
            let (reason, end) = (reason.clone(), None);
            self.reply(
                peer,
                wire::encode(&RelayToViewer::SessionEnded {
                    channel,
                    reason,
                    end,
                    final_number: 0,
                    kept_ms: None,
                }),
            );
        }
    }

    /// Takes a connection out of all its rooms.
    fn detach(&mut self, peer: PeerId) {
        self.leave_drivers(peer);
        let Some(open) = self.peers.get_mut(&peer) else { return };
        for (channel, role) in std::mem::take(&mut open.channels) {
            let (Role::Sharer(session) | Role::Viewer(session, _)) = role;
            let Some(room) = self.rooms.get_mut(&session) else { continue };
            room.content.clock = self.clock;
            match role {
                Role::Sharer(_) => {
                    if room.holder.as_ref().is_some_and(|h| h.peer == peer && h.channel == channel) {
                        room.release(self.clock, &mut self.wakes);
                    }
                }
                Role::Viewer(_, participant) => {
                    room.leave(participant, &mut self.wakes);
                }
            }
            self.touch(session);
        }
    }

    fn remove_room(&mut self, session: SessionId, reason: &EndedBecause) {
        let Some(room) = self.rooms.remove(&session) else { return };
        self.budget.count(room.held, 0);
        if let Some(at) = room.deadline {
            self.deadlines.remove(&(at, session));
        }
        let viewers = room.viewers.into_values();
        self.end_for(viewers.map(|v| Dropped { peer: v.peer, channel: v.channel }).collect(), reason);
        if let Some(holder) = room.holder {
            self.close_channel(holder.peer, holder.channel);
        }
    }

    /// With an acknowledgement goes the credit that is less than a step.
    fn grant(&mut self, session: SessionId) {
        let Some(peer) = self.rooms.get(&session).and_then(|room| room.holder.as_ref()).map(|h| h.peer)
        else {
            return;
        };
        if self.peers.get_mut(&peer).is_some_and(Peer::grant) {
            self.make_ready(peer);
        }
    }

    /// A room changed: does what became due, and notes its next deadline.
    fn touch(&mut self, session: SessionId) {
        let Some(room) = self.rooms.get_mut(&session) else { return };
        room.content.clock = self.clock;
        room.tick(self.clock, &mut self.wakes);
        let held = room.count();
        self.budget.count(std::mem::replace(&mut room.held, held), held);
        if self.budget.is_over(held) && !self.shed(session) {
            return;
        }
        self.archive_room(session);
        let Some(room) = self.rooms.get_mut(&session) else { return };
        let deadline = room.next_deadline(self.config.away_keep_ms).map(|(at, _)| at);
        if deadline == room.deadline {
            return;
        }
        if let Some(at) = std::mem::replace(&mut room.deadline, deadline) {
            self.deadlines.remove(&(at, session));
        }
        if let Some(at) = deadline {
            self.deadlines.insert((at, session));
        }
    }

    /// A room is to hold no more than its reserve; `false` if it could not, and is gone: it is refused as a new one would be,
    /// and its sharer claims it again later.
    fn shed(&mut self, session: SessionId) -> bool {
        let Some(room) = self.rooms.get_mut(&session) else { return false };
        let fits = room.shed(RESERVED, &mut self.wakes);
        let held = room.count();
        self.budget.count(std::mem::replace(&mut room.held, held), held);
        if !fits {
            let holder = room.holder.as_ref().map(|holder| (holder.peer, holder.channel));
            self.counted.refusals += 1;
            self.remove_room(session, &EndedBecause::Relay);
            if let Some((peer, channel)) = holder {
                self.refuse_sharer(peer, channel, Refusal::RelayFull);
            }
        }
        fits
    }

    /// Names the connections that something became due for.
    fn settle(&mut self) {
        let mut wakes = std::mem::take(&mut self.wakes.0);
        for (peer, channel, urgent) in wakes.drain(..) {
            if self.peers.get_mut(&peer).is_some_and(|open| open.wake(channel, urgent)) {
                self.make_ready(peer);
            }
        }
        // Kept for its room: there is one call per frame.
        self.wakes.0 = wakes;
    }
}
