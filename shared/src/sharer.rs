//! The sharer of one session: from the bytes of a PTY to sealed frames for a relay, and sealed input back.
//!
//! The owner feeds it output, sizes, the end, packets and time, and runs its effects. The terminal model stands
//! beside it: everything for the model leaves as [`ModelInput`] in one order, bytes and marks, so that a dump
//! taken at a mark holds exactly the output up to that event's number and nothing of a later one.
//!
//! Invariants: an event is numbered, sealed and kept in one step, and what is sent again are those bytes. A
//! dropped byte lies before a `Skipped`. Nothing a relay says makes this type anything but input composed with
//! the epoch's input secret, and nothing makes it end: a program runs on without a relay.

mod buffer;
mod epoch;
mod input;
mod session;
mod snapshots;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use bytes::Bytes;

use self::buffer::{Buffer, split_whole};
use self::epoch::Epoch;
use self::input::{Inputs, Taken};
use self::session::Session;
use self::snapshots::Snapshots;
use crate::chain::{ATTEST_AT_REST_MS, Answer, Attestation, BEAT_EVERY_MS, ChainPoint, End};
use crate::connection::{Connection, Stage};
use crate::entropy::Entropy;
use crate::event::{EndReason, Event, Note, WindowSize};
use crate::id::{Channel, ParticipantId, SessionId};
use crate::keys::epoch::{EpochId, PROTOCOL_VERSION};
use crate::keys::grant::Right;
use crate::keys::owner::{Claim, Signed};
use crate::snapshot::Dump;
use crate::time::{Moment, Now};
use crate::wire::close::{CloseCode, Refusal};
use crate::wire::frame::Frame;
use crate::wire::hello::{CREDIT, Greeting, Hello};
use crate::wire::sharer::{InitPayload, RelayToSharer, SharerToRelay};
use crate::wire::source::SessionSource;
use crate::wire::{ControlError, Packet, decode, encode};

pub use self::session::Links;

/// The session's channel: one session has one connection.
const CHANNEL: Channel = Channel(1);
/// An attestation goes out this long after an event that none covers, in milliseconds: half a second before the
/// bound of 5 s, which is the way to the viewer.
const ATTEST_AFTER_MS: u64 = 4_500;
/// A resize is followed by a snapshot when sizes were quiet for this long, in milliseconds (DESIGN 5).
const RESIZE_QUIET_MS: u64 = 200;
/// A relay that does not open the room within this time, in milliseconds, is left.
const HANDSHAKE_MS: u64 = 10_000;
/// How long the end waits for viewers, in milliseconds (DESIGN 4).
const END_WITHIN_MS: u64 = 1_000;
/// The least wait after a refusal that is not about this connection, in milliseconds.
const REFUSED_MS: u64 = 10_000;
/// Control messages that wait for the socket; a relay that asks for more without reading is left.
const MOST_CONTROL: usize = 8_192;
/// The longest title that viewers are told, in bytes.
const LONGEST_TITLE: usize = 1_024;

/// How a session is shared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharerConfig {
    /// What viewers see as its title until the program sets one.
    pub title: String,
    /// Whether no link may type.
    pub read_only: bool,
    /// Whether output is compressed before it is sealed.
    pub compress: bool,
    /// The PTY's size.
    pub window: WindowSize,
    /// Where the session comes from.
    pub source: SessionSource,
}

/// A place in the order of everything the model is given: all output up to this event of this epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The epoch.
    pub epoch: EpochId,
    /// The event.
    pub number: u64,
}

/// What the terminal model gets, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelInput {
    /// Output.
    Output(Bytes),
    /// A new size.
    Resize(WindowSize),
    /// Everything before it belongs to events up to here; the owner reports it with
    /// [`Sharer::handle_model_passed`].
    Mark(Mark),
    /// Dump now, and answer with [`Sharer::handle_dump`].
    Snapshot {
        /// The mark it stands at.
        mark: Mark,
        /// Whether history is wanted too.
        full: bool,
    },
}

/// A dump of the terminal model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelDump {
    /// As in [`ModelInput::Snapshot`].
    pub mark: Mark,
    /// The terminal's size.
    pub window: WindowSize,
    /// Bytes that bring a fresh terminal to the screen.
    pub screen: Vec<u8>,
    /// Bytes that bring a fresh terminal to history and screen, if they were asked for.
    pub full: Option<Vec<u8>>,
}

/// The connection to the relay, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// On the way, for the first time or again.
    Connecting,
    /// Viewers can join.
    Connected,
    /// It broke or was refused; the next attempt comes by itself.
    Waiting,
    /// Another sharer took the session over; this one does not come back.
    Replaced,
    /// The relay will not have this sharer (another protocol version).
    Refused,
}

/// What the owner does for the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Connect to the relay; answer with `handle_connected` or `handle_disconnected`.
    Connect,
    /// Drop the socket, or the attempt; no answer is needed.
    Close(CloseCode),
    /// For the terminal model.
    Model(ModelInput),
    /// Write to the PTY; report with [`Sharer::handle_typed`].
    Type(Vec<u8>),
    /// How many watch, and how many of them may type.
    Viewers {
        /// All.
        count: u32,
        /// Those whose link may type.
        executors: u32,
    },
    /// The connection's state changed.
    Connection(ConnectionState),
    /// The links changed: ask [`Sharer::links`].
    LinksChanged,
    /// The session is over and everything about it was handed out: flush and close.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// No socket.
    Away,
    /// Waiting for the relay's hello, since then.
    Greeting(Moment),
    /// Waiting for the room, claimed with this epoch, since then.
    Claiming(EpochId, Moment),
    /// The room is open.
    Live,
}

#[derive(Debug)]
struct Ending {
    reason: EndReason,
    deadline: Moment,
    said: bool,
    acknowledged: bool,
}

/// See the module.
pub struct Sharer {
    config: SharerConfig,
    entropy: Entropy,
    now: Now,
    session: Session,
    epoch: Epoch,
    header: Signed,
    title: String,
    window: WindowSize,

    connection: Connection,
    phase: Phase,
    host: String,
    claims: u64,
    credit: u64,
    sent_bytes: u64,
    consumed: u64,
    control: VecDeque<String>,
    /// A frame that waits for credit.
    held: Option<Bytes>,

    buffer: Buffer,
    snapshots: Snapshots,
    inputs: Inputs,

    attested: u64,
    attested_at: Moment,
    /// When the oldest event was sealed that no attestation covers.
    uncovered: Option<Moment>,
    attest_due: bool,
    next_beat: Moment,
    beat: Option<(u64, Vec<u8>)>,
    resize_quiet: Option<Moment>,
    /// The size changed while output was left out.
    resized: bool,
    /// The newest `Skipped`: viewers need a snapshot at or after it.
    skipped: u64,

    /// The relay's revision of the list, all participants, and those that may type.
    people: (Option<u64>, u32, u32),
    state: Option<ConnectionState>,
    ending: Option<Ending>,
    ended: bool,
    effects: VecDeque<Effect>,
}

impl core::fmt::Debug for Sharer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sharer")
            .field("session", &self.session.id())
            .field("phase", &self.phase)
            .field("point", &self.epoch.point().number)
            .finish_non_exhaustive()
    }
}

/// Getters and commands.
impl Sharer {
    /// Draws owner key, grants and the first epoch; it wants to connect at once.
    pub fn new(config: SharerConfig, mut entropy: Entropy, now: Now) -> Self {
        let session = Session::new(config.read_only, &mut entropy);
        let mut epoch = Epoch::begin(&session, None, &mut entropy, now);
        let header = epoch.header(&session, &mut entropy);
        let connection = Connection::new(entropy.fork(), now);
        let mut sharer = Self {
            title: title_text(&config.title),
            window: config.window,
            config,
            entropy,
            now,
            session,
            epoch,
            header,
            connection,
            phase: Phase::Away,
            host: String::new(),
            claims: 0,
            credit: CREDIT,
            sent_bytes: 0,
            consumed: 0,
            control: VecDeque::new(),
            held: None,
            buffer: Buffer::default(),
            snapshots: Snapshots::default(),
            inputs: Inputs::default(),
            attested: 0,
            attested_at: now.mono,
            uncovered: None,
            attest_due: false,
            next_beat: now.mono,
            beat: None,
            resize_quiet: None,
            resized: false,
            skipped: 0,
            people: (None, 0, 0),
            state: None,
            ending: None,
            ended: false,
            effects: VecDeque::new(),
        };
        // The model's dumps say the title too, so that late joiners learn it the same way.
        let title = format!("\x1b]2;{}\x1b\\", sharer.title);
        sharer.model(ModelInput::Output(title.into()));
        sharer.describe();
        sharer.advance();
        sharer
    }

    /// The session's id.
    pub fn session_id(&self) -> SessionId {
        self.session.id()
    }

    /// The links at a relay whose pages are under `base`.
    pub fn links(&self, base: &str) -> Option<Links> {
        let read = self.session.link(Right::Watch, base)?;
        Some(Links { read, write: self.session.link(Right::Type, base) })
    }

    /// The connection's state.
    pub fn state(&self) -> ConnectionState {
        self.state.unwrap_or(ConnectionState::Connecting)
    }

    /// How many watch, and how many of them may type.
    pub fn viewers(&self) -> (u32, u32) {
        (self.people.1, self.people.2)
    }

    /// Where the chain is.
    pub fn point(&self) -> ChainPoint {
        self.epoch.point()
    }

    /// Removes the grant with this right and everything it opened, and makes a new one in its place. Says whether
    /// there was one.
    pub fn revoke(&mut self, now: Now, right: Right) -> bool {
        self.now = now;
        if self.session.grant(right).is_none() {
            return false;
        }
        self.session.replace(right, &mut self.entropy);
        self.begin_epoch();
        self.advance();
        true
    }

    /// Removes all grants at once and makes new ones in their place.
    pub fn revoke_all(&mut self, now: Now) {
        self.now = now;
        for right in [Right::Watch, Right::Type] {
            if self.session.grant(right).is_some() {
                self.session.replace(right, &mut self.entropy);
            }
        }
        self.begin_epoch();
        self.advance();
    }

    /// Adds a grant to type to a session that was read-only. Says whether there was none.
    pub fn allow_typing(&mut self, now: Now) -> bool {
        self.now = now;
        if self.session.grant(Right::Type).is_some() {
            return false;
        }
        self.session.replace(Right::Type, &mut self.entropy);
        self.header = self.epoch.header(&self.session, &mut self.entropy);
        self.effects.push_back(Effect::LinksChanged);
        if self.phase == Phase::Live {
            self.send_header();
        }
        self.advance();
        true
    }

    /// Ends the session; the program may run on.
    pub fn stop(&mut self, now: Now) {
        self.end(now, EndReason::Unshared);
    }

    /// Connects now if it waits to: the network is back, or the owner looks.
    pub fn hurry(&mut self, now: Now) {
        self.now = now;
        self.connection.hurry(now);
        self.advance();
    }
}

/// From the PTY and the terminal model.
impl Sharer {
    /// The program wrote; `output` ends at the end of a character.
    pub fn handle_output(&mut self, now: Now, output: &Bytes) {
        self.now = now;
        if self.ending.is_some() {
            return;
        }
        let mut rest: &[u8] = output;
        while !rest.is_empty() {
            if self.buffer.is_full() {
                // The mark of what is kept lies before what is dropped.
                self.seal_pending();
                self.buffer.drop_output(rest.len());
                self.model(ModelInput::Output(output.slice_ref(rest)));
                break;
            }
            let (head, tail) = split_whole(rest, self.buffer.room());
            if head.is_empty() {
                self.seal_pending();
                continue;
            }
            self.buffer.gather(head);
            self.model(ModelInput::Output(output.slice_ref(head)));
            rest = tail;
        }
        self.advance();
    }

    /// The PTY has a new size.
    pub fn handle_resize(&mut self, now: Now, window: WindowSize) {
        self.now = now;
        if self.ending.is_some() || window == self.window {
            return;
        }
        self.window = window;
        self.seal_pending();
        if self.buffer.is_full() {
            // Sizes are left out like output; the newest is said before `Skipped`.
            self.buffer.drop_output(0);
            self.resized = true;
            self.model(ModelInput::Resize(window));
        } else {
            self.model(ModelInput::Resize(window));
            self.seal(&Event::Note(Note::Resize(window)));
        }
        self.resize_quiet = Some(now.mono.after(RESIZE_QUIET_MS));
        self.advance();
    }

    /// The program set the terminal's title.
    pub fn handle_title(&mut self, now: Now, title: &str) {
        self.now = now;
        let title = title_text(title);
        // What cannot be kept is not worth a place: the title is in the output and in every dump.
        if self.ending.is_some() || title == self.title || self.buffer.is_full() {
            return;
        }
        self.title = title;
        self.seal_pending();
        self.seal(&Event::Note(Note::Title(self.title.clone())));
        self.advance();
    }

    /// The program exited.
    pub fn handle_exit(&mut self, now: Now, code: Option<i32>, signal: Option<String>) {
        self.end(now, EndReason::Exited { code, signal });
    }

    /// The PTY took bytes of an [`Effect::Type`].
    pub fn handle_typed(&mut self, now: Now, bytes: usize) {
        self.now = now;
        self.inputs.typed(bytes);
    }

    /// The model has passed a mark.
    pub fn handle_model_passed(&mut self, now: Now, mark: Mark) {
        self.now = now;
        if mark.epoch == self.epoch.id() {
            self.buffer.pass(mark.number);
        }
    }

    /// The model dumped.
    pub fn handle_dump(&mut self, now: Now, dump: &ModelDump) {
        self.now = now;
        if let Some(request) = self.snapshots.answered(dump.mark, dump.full.is_some())
            && request.mark.epoch == self.epoch.id()
        {
            let plain = Dump {
                point: request.point,
                window: dump.window,
                screen: &dump.screen,
                full: dump.full.as_deref().filter(|_| request.full),
            };
            let compress = self.config.compress;
            let sealed = self.epoch.snapshots.seal(&self.session.owner, plain, compress, &mut self.entropy);
            self.snapshots.send(CHANNEL, sealed);
        }
        self.advance();
    }
}

/// From the connection.
impl Sharer {
    /// The socket to the relay is open; `host` is the authority that was dialled.
    pub fn handle_connected(&mut self, now: Now, host: &str) {
        self.now = now;
        if self.ended || !matches!(self.connection.stage(), Stage::Connecting(_)) {
            self.effects.push_back(Effect::Close(CloseCode::GoingAway));
            return;
        }
        self.connection.handle_connected(now);
        host.clone_into(&mut self.host);
        self.phase = Phase::Greeting(now.mono);
        (self.sent_bytes, self.consumed, self.credit) = (0, 0, CREDIT);
        self.advance();
    }

    /// The socket closed, or could not be opened.
    pub fn handle_disconnected(&mut self, now: Now, code: Option<u16>) {
        self.now = now;
        self.connection.handle_disconnected(now, code);
        self.go_away();
        self.advance();
    }

    /// A message came.
    pub fn handle_packet(&mut self, now: Now, packet: &Packet) {
        self.now = now;
        match (self.phase, packet) {
            (Phase::Away, _) => {}
            (Phase::Greeting(_), Packet::Text(text)) => match decode::<Greeting>(text) {
                Ok(Greeting::Hello(hello)) => self.greet(&hello),
                Err(ControlError::Unknown(_)) => {}
                Err(ControlError::Malformed) => self.close(CloseCode::ProtocolError, 0),
            },
            (Phase::Claiming(..) | Phase::Live, Packet::Text(text)) => match decode(text) {
                Ok(message) => self.handle_message(message),
                Err(ControlError::Unknown(_)) => {}
                Err(ControlError::Malformed) => self.close(CloseCode::ProtocolError, 0),
            },
            (Phase::Greeting(_) | Phase::Claiming(..) | Phase::Live, Packet::Binary(bytes)) => {
                match Frame::decode(bytes) {
                    Ok(frame) => self.handle_frame(frame),
                    Err(_) => self.close(CloseCode::ProtocolError, 0),
                }
            }
        }
        self.advance();
    }

    fn greet(&mut self, hello: &Hello) {
        if hello.protocol != PROTOCOL_VERSION {
            self.stop_connecting(CloseCode::VersionMismatch);
            return;
        }
        self.credit = hello.limits.credit.min(CREDIT);
        self.claims += 1;
        let epoch = self.epoch.id();
        let claim = Claim::sign(&self.session.owner, epoch, self.claims, &hello.challenge, &self.host);
        let payload = InitPayload {
            protocol: PROTOCOL_VERSION,
            session_id: self.session.id(),
            claim,
            header: self.header.clone(),
            grants: self.session.rows(),
            latest: self.epoch.point().number,
            source: self.config.source.clone(),
        };
        self.say(&SharerToRelay::Initialize { channel: CHANNEL, payload: Box::new(payload) });
        self.phase = Phase::Claiming(epoch, self.now.mono);
    }

    fn handle_message(&mut self, message: RelayToSharer) {
        use RelayToSharer as R;
        match message {
            R::SessionInitialized { channel: CHANNEL, acknowledged, .. } => self.open_room(acknowledged),
            R::FailedToInitialize { channel: CHANNEL, reason } => self.refused(&reason),
            R::SnapshotRequested { channel: CHANNEL, full } if self.phase == Phase::Live => {
                self.snapshots.want(full);
            }
            R::ParticipantJoined { channel: CHANNEL, participant, challenge, agreement, previous }
                if self.phase == Phase::Live =>
            {
                if self.inputs.keys_are_used_up() {
                    self.begin_epoch();
                }
                let (taken, input) = self.inputs.join(&self.epoch, participant, agreement, previous);
                let answer = Answer {
                    challenge,
                    epoch: self.epoch.id(),
                    point: self.epoch.point(),
                    beat: self.epoch.beat_number(),
                    taken,
                    input,
                };
                self.answer(participant, &answer);
            }
            R::ParticipantLeft { channel: CHANNEL, participant } => self.inputs.leave(participant),
            R::ParticipantListUpdated { channel: CHANNEL, revision, viewers, executors }
                if Some(revision) > self.people.0 =>
            {
                self.count(Some(revision), viewers, executors);
            }
            R::EndAcknowledged { channel: CHANNEL } => {
                if let Some(ending) = &mut self.ending {
                    ending.acknowledged = true;
                }
            }
            R::SessionInitialized { .. }
            | R::FailedToInitialize { .. }
            | R::SnapshotRequested { .. }
            | R::ParticipantJoined { .. }
            | R::ParticipantLeft { .. }
            | R::ParticipantListUpdated { .. }
            | R::GroupEnded { .. }
            | R::EndAcknowledged { .. } => {}
        }
    }

    fn open_room(&mut self, acknowledged: Option<u64>) {
        let Phase::Claiming(claimed, _) = self.phase else { return };
        self.phase = Phase::Live;
        self.attest_due = true;
        self.issue_beat();
        if claimed != self.epoch.id() {
            // The epoch changed while the relay opened the room.
            self.buffer.resume(None, self.epoch.point().number);
            self.send_header();
            self.snapshots.want(true);
        } else if acknowledged.is_some_and(|number| number > self.epoch.point().number) {
            // Somebody else numbered events of this epoch: it is not ours alone.
            self.begin_epoch();
        } else {
            self.buffer.resume(acknowledged, self.epoch.point().number);
            if self.skipped > self.buffer.sent() {
                self.snapshots.want(true);
            }
            if !self.buffer.all_sent() {
                self.uncovered.get_or_insert(self.now.mono);
            }
        }
    }

    fn refused(&mut self, reason: &Refusal) {
        match reason {
            Refusal::Replaced => self.stop_connecting(CloseCode::Replaced),
            Refusal::VersionMismatch { .. } => self.stop_connecting(CloseCode::VersionMismatch),
            Refusal::RateLimited { retry_after_ms } => {
                self.close(CloseCode::RateLimited, REFUSED_MS.max(*retry_after_ms));
            }
            Refusal::NotFound { .. }
            | Refusal::SessionFull
            | Refusal::RelayFull
            | Refusal::BadClaim
            | Refusal::Unknown => self.close(CloseCode::GoingAway, REFUSED_MS),
        }
    }

    fn handle_frame(&mut self, frame: Frame) {
        match frame {
            Frame::Credit { consumed } if consumed <= self.sent_bytes => {
                self.consumed = self.consumed.max(consumed);
            }
            // Credit for what was never sent.
            Frame::Credit { .. } => self.close(CloseCode::ProtocolError, 0),
            Frame::Acknowledged { channel: CHANNEL, number } if self.phase == Phase::Live => {
                self.buffer.acknowledge(number);
            }
            Frame::InputFrom { channel: CHANNEL, participant, seen, beat, body }
                if self.phase == Phase::Live && self.ending.is_none() =>
            {
                match self.inputs.take(self.now, &self.epoch, participant, (seen, beat), &body) {
                    Taken::Type(bytes) => self.effects.push_back(Effect::Type(bytes)),
                    Taken::Nothing => {}
                    Taken::Refused(reason) => {
                        self.say(&SharerToRelay::InputRefused { channel: CHANNEL, participant, reason });
                    }
                }
            }
            // Of other sessions or phases, or in the wrong direction: they mean nothing here.
            Frame::Acknowledged { .. }
            | Frame::InputFrom { .. }
            | Frame::Event { .. }
            | Frame::SnapshotManifest { .. }
            | Frame::SnapshotPart { .. }
            | Frame::Attestation { .. }
            | Frame::Beat { .. }
            | Frame::Input { .. }
            | Frame::TakenFor { .. }
            | Frame::Taken { .. } => {}
        }
    }
}

/// What leaves.
impl Sharer {
    /// The next message for the socket.
    pub fn poll_transmit(&mut self) -> Option<Packet> {
        if let Some(text) = self.control.pop_front() {
            return Some(Packet::Text(text));
        }
        if self.phase != Phase::Live {
            return None;
        }
        if self.held.is_none() {
            self.held = self.next_frame().map(|frame| frame.encode());
        }
        match &self.held {
            Some(frame) => {
                let flying = self.sent_bytes.saturating_sub(self.consumed);
                let len = frame.len() as u64;
                if flying > 0 && flying + len > self.credit {
                    return None;
                }
                self.sent_bytes += len;
                self.held.take().map(Packet::Binary)
            }
            None => self.say_end(),
        }
    }

    /// The next effect.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to call [`Sharer::handle_timeout`], and why.
    pub fn poll_timeout(&self) -> Option<(Moment, &'static str)> {
        if self.ended {
            return None;
        }
        let live = self.phase == Phase::Live;
        let while_live = |at: Option<Moment>, word| at.filter(|_| live).map(|at| (at, word));
        let handshake = match self.phase {
            Phase::Greeting(since) | Phase::Claiming(_, since) => Some(since.after(HANDSHAKE_MS)),
            Phase::Away | Phase::Live => None,
        };
        [
            self.connection.poll_timeout(),
            handshake.map(|at| (at, "give up the handshake")),
            while_live(Some(self.next_beat), "beat"),
            while_live(self.attest_at(), "attest"),
            while_live(self.inputs.next_report().filter(|at| *at > self.now.mono), "acknowledge input"),
            while_live(self.snapshots.due(), "snapshot"),
            self.resize_quiet.map(|at| (at, "snapshot after a resize")),
            self.ending.as_ref().map(|ending| (ending.deadline, "end")),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// A deadline passed, or just time.
    pub fn handle_timeout(&mut self, now: Now) {
        self.now = now;
        if self.connection.handle_timeout(now) {
            self.effects.push_back(Effect::Close(CloseCode::TimedOut));
        }
        if let Phase::Greeting(since) | Phase::Claiming(_, since) = self.phase
            && now.mono.since(since) >= HANDSHAKE_MS
        {
            self.close(CloseCode::TimedOut, 0);
        }
        if self.resize_quiet.take_if(|at| *at <= now.mono).is_some() && self.phase == Phase::Live {
            self.snapshots.want(true);
        }
        self.advance();
    }

    /// The next frame in order of what cannot wait: acknowledgements, attestation, beat, snapshot, events.
    fn next_frame(&mut self) -> Option<Frame> {
        if let Some((participant, body)) = self.inputs.report(self.now) {
            return Some(Frame::TakenFor { channel: CHANNEL, participant, body: body.into() });
        }
        if self.attest_due
            && let Some(frame) = self.attest()
        {
            return Some(frame);
        }
        if let Some((number, body)) = self.beat.take() {
            return Some(Frame::Beat { channel: CHANNEL, number, body: body.into() });
        }
        if let Some(frame) = self.snapshots.next_frame(self.buffer.sent()) {
            return Some(frame);
        }
        if self.buffer.all_sent() {
            self.settle();
            self.advance();
        }
        match self.buffer.next_event() {
            Some(event) => Some(Frame::Event { channel: CHANNEL, event }),
            // The end is attested at once, after it was sent.
            None if self.ending.is_some() && self.attested < self.epoch.point().number => self.attest(),
            None => None,
        }
    }

    fn attest_at(&self) -> Option<Moment> {
        let rest = self.attested_at.after(ATTEST_AT_REST_MS);
        let at = self.uncovered.map_or(rest, |since| since.after(ATTEST_AFTER_MS).min(rest));
        (!self.attest_due).then_some(at)
    }

    /// Attests everything that was sent.
    fn attest(&mut self) -> Option<Frame> {
        let sent = self.buffer.sent();
        let point = self.buffer.sent_point().or_else(|| self.epoch.point_at(sent))?;
        let (beat, cards) = (self.epoch.beat_number(), [0; 32]);
        let attestation = Attestation { scope: self.epoch.scope, point, beat, cards };
        let signature = attestation.sign(&self.session.owner);
        self.attested = sent;
        self.attested_at = self.now.mono;
        self.uncovered = (sent < self.epoch.point().number).then_some(self.now.mono);
        self.attest_due = false;
        Some(Frame::Attestation { channel: CHANNEL, number: sent, beat, hash: point.hash, cards, signature })
    }

    /// `EndSession`, when nothing else is left to say.
    fn say_end(&mut self) -> Option<Packet> {
        let (point, epoch) = (self.epoch.point(), self.epoch.id());
        let ending = self.ending.as_mut().filter(|ending| !ending.said)?;
        if !self.snapshots.is_idle() || self.attested < point.number {
            return None;
        }
        ending.said = true;
        let end = End { epoch, point, reason: ending.reason.clone() }.sign(&self.session.owner);
        let message = SharerToRelay::EndSession { channel: CHANNEL, end, final_number: point.number };
        self.advance();
        Some(Packet::Text(encode(&message)))
    }
}

/// Inner steps.
impl Sharer {
    fn model(&mut self, input: ModelInput) {
        self.effects.push_back(Effect::Model(input));
    }

    /// Numbers, seals, chains and keeps one event, and marks its place for the model.
    fn seal(&mut self, event: &Event) {
        let (sealed, hash) = self.epoch.seal(event, self.config.compress);
        let mark = Mark { epoch: self.epoch.id(), number: sealed.number };
        self.buffer.keep(sealed, hash);
        self.uncovered.get_or_insert(self.now.mono);
        self.model(ModelInput::Mark(mark));
    }

    fn seal_pending(&mut self) {
        if let Some(output) = self.buffer.take_pending() {
            self.seal(&Event::Output(output));
        }
    }

    /// Seals what was gathered and says what was left out: now an event stands for everything so far.
    fn settle(&mut self) {
        self.seal_pending();
        let Some(bytes) = self.buffer.take_dropped() else { return };
        if std::mem::take(&mut self.resized) {
            self.seal(&Event::Note(Note::Resize(self.window)));
        }
        self.seal(&Event::Note(Note::Skipped { bytes }));
        self.skipped = self.epoch.point().number;
        if self.phase == Phase::Live {
            self.snapshots.want(true);
        }
    }

    /// The first events of an epoch: what a viewer needs to know before there is output.
    fn describe(&mut self) {
        self.seal(&Event::Note(Note::Resize(self.window)));
        self.seal(&Event::Note(Note::Title(self.title.clone())));
    }

    /// Everything old is forgotten; what was shown so far comes as a snapshot of the new epoch.
    fn begin_epoch(&mut self) {
        self.epoch = Epoch::begin(&self.session, Some(self.epoch.id()), &mut self.entropy, self.now);
        self.header = self.epoch.header(&self.session, &mut self.entropy);
        self.buffer = Buffer::default();
        self.snapshots.forget();
        (self.held, self.beat, self.uncovered, self.attested) = (None, None, None, 0);
        self.resized = false;
        self.describe();
        // What earlier epochs showed is in no event of this one: only a snapshot brings it.
        self.seal(&Event::Note(Note::Skipped { bytes: 0 }));
        self.skipped = self.epoch.point().number;
        self.effects.push_back(Effect::LinksChanged);
        self.inputs.begin_epoch();
        if self.phase == Phase::Live {
            self.issue_beat();
            self.send_header();
            self.snapshots.want(true);
            self.attest_due = true;
        }
    }

    fn issue_beat(&mut self) {
        self.beat = Some(self.epoch.beat(self.now));
        self.next_beat = self.now.mono.after(BEAT_EVERY_MS);
    }

    fn send_header(&mut self) {
        let (header, epoch, grants) = (self.header.clone(), self.epoch.id(), self.session.rows());
        self.say(&SharerToRelay::UpdateHeader { channel: CHANNEL, header, epoch, grants });
    }

    fn answer(&mut self, participant: ParticipantId, answer: &Answer) {
        let answer = answer.sign(&self.session.owner);
        self.say(&SharerToRelay::Answer { channel: CHANNEL, participant, answer });
    }

    fn say(&mut self, message: &SharerToRelay) {
        if self.control.len() >= MOST_CONTROL {
            self.close(CloseCode::ProtocolError, REFUSED_MS);
        } else if self.phase != Phase::Away {
            self.control.push_back(encode(message));
        }
    }

    fn end(&mut self, now: Now, reason: EndReason) {
        self.now = now;
        if self.ending.is_some() {
            return;
        }
        self.settle();
        self.seal(&Event::Note(Note::Ended(reason.clone())));
        let deadline = now.mono.after(END_WITHIN_MS);
        self.ending = Some(Ending { reason, deadline, said: false, acknowledged: false });
        self.advance();
    }

    /// Gives the socket up and tries again later.
    fn close(&mut self, code: CloseCode, at_least_ms: u64) {
        self.effects.push_back(Effect::Close(code));
        self.connection.retry(self.now, at_least_ms);
        self.go_away();
    }

    /// Gives the relay up for good.
    fn stop_connecting(&mut self, code: CloseCode) {
        self.effects.push_back(Effect::Close(code));
        self.connection.stop(Some(code.code()));
        self.go_away();
    }

    fn go_away(&mut self) {
        self.phase = Phase::Away;
        self.control.clear();
        (self.held, self.beat) = (None, None);
        self.snapshots.forget();
        self.inputs.leave_all();
        self.count(None, 0, 0);
    }

    fn count(&mut self, revision: Option<u64>, viewers: u32, executors: u32) {
        if (self.people.1, self.people.2) != (viewers, executors) {
            self.effects.push_back(Effect::Viewers { count: viewers, executors });
        }
        self.people = (revision, viewers, executors);
    }

    /// Does what has become possible.
    fn advance(&mut self) {
        let now = self.now;
        if !self.ended && self.connection.poll_connect(now) {
            self.effects.push_back(Effect::Connect);
        }
        if self.phase == Phase::Live && !self.ended {
            if self.next_beat <= now.mono {
                self.issue_beat();
            }
            if self.attest_at().is_some_and(|at| at <= now.mono) {
                self.attest_due = true;
            }
            if self.snapshots.due().is_some_and(|at| at <= now.mono) {
                self.settle();
                if self.buffer.is_overfull() {
                    self.begin_epoch();
                }
                let point = self.epoch.point();
                let mark = Mark { epoch: self.epoch.id(), number: point.number };
                if let Some(request) = self.snapshots.ask(now, mark, point) {
                    self.model(ModelInput::Snapshot { mark, full: request.full });
                }
            }
        }
        self.tell_state();
        self.finish();
    }

    fn tell_state(&mut self) {
        let state = match (self.connection.stage(), self.phase) {
            (Stage::Stopped(Some(code)), _) if code == CloseCode::Replaced.code() => {
                ConnectionState::Replaced
            }
            (Stage::Stopped(_), _) => ConnectionState::Refused,
            (_, Phase::Live) => ConnectionState::Connected,
            (Stage::Connecting(_) | Stage::Connected(_), _) => ConnectionState::Connecting,
            (Stage::Waiting(_), _) => ConnectionState::Waiting,
        };
        if self.state != Some(state) {
            self.state = Some(state);
            self.effects.push_back(Effect::Connection(state));
        }
    }

    fn finish(&mut self) {
        let Some(ending) = self.ending.as_ref().filter(|_| !self.ended) else { return };
        let heard = ending.said && (ending.acknowledged || self.people.1 == 0);
        let alone = matches!(self.connection.stage(), Stage::Waiting(_) | Stage::Stopped(_));
        if heard || alone || ending.deadline <= self.now.mono {
            self.ended = true;
            self.effects.push_back(Effect::Ended);
        }
    }
}

/// A title as one line of text: no control characters, at most [`LONGEST_TITLE`] bytes.
fn title_text(title: &str) -> String {
    let mut text: String = title.chars().filter(|c| !c.is_control()).collect();
    while text.len() > LONGEST_TITLE {
        text.pop();
    }
    text
}
