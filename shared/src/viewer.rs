//! The viewer: opens a session, checks everything that arrives, and says what to show.
//!
//! The one machine behind the page, the viewer in a terminal and the tests' viewers. Its owner gives it [`Event`]s
//! ([`Viewer::update`]), runs the [`Effect`]s that come back, calls it again at [`Viewer::poll_timeout`], and draws
//! [`Viewer::view`]. Terminal contents are not part of the view; they leave as effects.
//!
//! Nothing that the session's owner did not sign is shown for longer than 5 s (law 12), whoever relays or reads.

mod credit;
mod epoch;
mod paste;
mod proof;
mod tail;
mod typing;
mod update;
mod view;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use self::credit::Credit;
use self::epoch::{Epoch, Step};
use self::typing::Typing as InputConnection;
use crate::chain::{BEAT_GOOD_FOR_MS, ViewerChallenge};
use crate::connection::Connection;
use crate::entropy::Entropy;
use crate::event::WindowSize;
use crate::id::Channel;
use crate::input::{Input, InputSealer, View as Seen};
use crate::keys::epoch::{AgreementKey, BoxError, EpochId, Header, HeaderError, PROTOCOL_VERSION};
use crate::keys::grant::Right;
use crate::keys::owner::Signed;
use crate::link::Link;
use crate::time::{Moment, Now, UnixMs};
use crate::wire::close::{CloseCode, EndedBecause, Refusal};
use crate::wire::frame::Frame;
use crate::wire::hello::Greeting;
use crate::wire::sharer::InputRefusal;
use crate::wire::viewer::{JoinPayload, RelayToViewer, Resume, ViewerToRelay};
use crate::wire::{ControlError, Packet, SOCKET_PATH, decode, encode};

pub use self::epoch::Divergence;
pub use self::paste::PasteQuestion;
pub use self::typing::LostInput;
pub use self::update::{Effect, Event};
pub use self::view::{Closed, Failure, Shown, State, Typing, View};

/// How long the relay may take for its hello, and for the reply to a join, in milliseconds.
const REPLY_MS: u64 = 10_000;
/// A relay that forgot a session is asked again this often, in milliseconds...
const ASK_AGAIN_MS: u64 = 1_000;
/// ... for this long (DESIGN 4) ...
const ASK_FOR_MS: u64 = 60_000;
/// ... and after that, or where the relay says that it forgot nothing, by a page that was live, this often. A relay
/// bears one wrong link every 2.5 s from an address.
const ASK_RARELY_MS: u64 = 10_000;
/// Beats come every 20 s: a connection on which nothing arrives for this long, in milliseconds, is a dead one.
const SILENCE_MS: u64 = 75_000;
/// A person who looks again does not wait for that: this much silence, in milliseconds, makes a new connection.
const SILENCE_ON_WAKE_MS: u64 = 25_000;
/// Snapshots are asked for at most this often, in milliseconds.
const RESYNC_EVERY_MS: u64 = 1_000;

/// Where the viewer is in the relay's eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// No socket.
    Apart,
    /// The relay speaks first.
    Greeting { since: Moment },
    /// Asked to be let in.
    Joining { since: Moment },
    /// Told that there is no such session yet; asks again.
    Asking { at: Moment },
    /// In the room.
    Joined,
}

/// Watches, and perhaps types into, one session.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, each set and read by itself")]
pub struct Viewer {
    link: Link,
    entropy: Entropy,
    connection: Connection,
    stage: Stage,
    channel: Channel,
    challenge: ViewerChallenge,
    credit: Credit,
    effects: VecDeque<Effect>,
    now: Now,

    over: Option<State>,
    epoch: Option<Epoch>,
    /// The newest header that was accepted; none older ever is.
    accepted: Option<(EpochId, u32)>,
    /// Whether the terminal holds anything.
    filled: bool,
    /// Until when the screen of an epoch that is over may stand unsigned.
    old_deadline: Option<Moment>,
    was_live: bool,
    lost_at: Option<UnixMs>,
    /// The relay answers that there is no such session, since then.
    not_found: Option<Now>,
    attempts: u32,
    away_since: Option<UnixMs>,
    heard: Moment,
    /// When the sharer itself was last heard, by beat or answer: for people, and for deadlines.
    sharer_heard: (UnixMs, Moment),
    resync_sent: Option<Moment>,
    resync_due: bool,

    input: Option<InputConnection>,
    /// An input connection that broke with input that nobody acknowledged.
    broken: Option<InputConnection>,
    wants_typing: bool,
    refused: bool,
    lost: Option<LostInput>,
    paste: Option<(PasteQuestion, Vec<u8>)>,

    title: Option<String>,
    window: Option<WindowSize>,
    viewers: u32,
    viewers_revision: u64,
    notice: Option<&'static str>,
}

impl Viewer {
    /// Begins to watch the session of `link`; the first effects connect.
    pub fn new(link: Link, mut entropy: Entropy, now: Now) -> Self {
        let connection = Connection::new(entropy.fork(), now);
        let mut viewer = Self {
            link,
            entropy,
            connection,
            stage: Stage::Apart,
            channel: Channel(0),
            challenge: ViewerChallenge([0; 16]),
            credit: Credit::default(),
            effects: VecDeque::new(),
            now,
            over: None,
            epoch: None,
            accepted: None,
            filled: false,
            old_deadline: None,
            was_live: false,
            lost_at: None,
            not_found: None,
            attempts: 0,
            away_since: None,
            heard: now.mono,
            sharer_heard: (now.wall, now.mono),
            resync_sent: None,
            resync_due: false,
            input: None,
            broken: None,
            wants_typing: false,
            refused: false,
            lost: None,
            paste: None,
            title: None,
            window: None,
            viewers: 0,
            viewers_revision: 0,
            notice: None,
        };
        viewer.finish();
        viewer
    }

    /// Takes one event; the effects to run, in order.
    pub fn update(&mut self, now: Now, event: Event) -> Vec<Effect> {
        self.now = now;
        match event {
            Event::Connected => self.handle_connected(),
            Event::Packet(packet) => self.handle_packet(&packet),
            Event::Disconnected { code } => self.handle_disconnected(code),
            Event::Parsed { ticket } => self.credit.parsed(ticket),
            Event::Timeout => self.handle_timeout(),
            Event::Wake => self.wake(),
            Event::StartTyping => self.start_typing(),
            Event::StopTyping => self.wants_typing = false,
            Event::GoOn => self.lost = None,
            Event::Keys(bytes) => self.type_keys(&bytes),
            Event::Paste { text, bracketed } => self.type_paste(&text, bracketed),
            Event::AnswerPaste { typed } => self.answer_paste(typed),
            Event::Title(title) => self.set_title(&title),
            Event::NoticeSeen => self.notice = None,
            Event::Retry => self.retry(),
        }
        self.finish();
        self.effects.drain(..).collect()
    }

    /// The effects of the construction: the first connect.
    pub fn start(&mut self) -> Vec<Effect> {
        self.effects.drain(..).collect()
    }

    /// The next deadline, and why; at it, the owner gives [`Event::Timeout`].
    pub fn poll_timeout(&self) -> Option<(Moment, &'static str)> {
        if self.over.is_some() {
            let proof = self.proof_deadline().filter(|at| *at > self.now.mono);
            return proof.map(|at| (at, "unconfirmed"));
        }
        let joined = self.stage == Stage::Joined;
        let reply = match self.stage {
            Stage::Greeting { since } | Stage::Joining { since } => Some(since.after(REPLY_MS)),
            Stage::Asking { at } => Some(at),
            Stage::Apart | Stage::Joined => None,
        };
        let silence = (joined && self.away_since.is_none()).then(|| self.heard.after(SILENCE_MS));
        let stale = joined.then(|| self.sharer_heard.1.after(BEAT_GOOD_FOR_MS));
        let unacknowledged = self.input.as_ref().filter(|_| joined).and_then(InputConnection::oldest);
        let resync = self.resync_sent.filter(|_| self.resync_due).map(|sent| sent.after(RESYNC_EVERY_MS));
        // What only changes the view is not asked for twice.
        let later = |at: &Moment| *at > self.now.mono;
        [
            self.connection.poll_timeout(),
            reply.map(|at| (at, "reply")),
            silence.map(|at| (at, "silence")),
            unacknowledged.map(|sent| (sent.after(BEAT_GOOD_FOR_MS), "unacknowledged input")),
            resync.map(|at| (at, "resync")),
            stale.filter(later).map(|at| (at, "stale")),
            self.proof_deadline().filter(later).map(|at| (at, "unconfirmed")),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// The link that watches this session; for a link that types, once its key box is open.
    pub fn watch_link(&self) -> Option<Link> {
        let opened = &self.epoch.as_ref()?.opened;
        let secret = opened.input.as_ref().map_or(&self.link.secret, |input| &input.watch);
        Some(Link { secret: secret.clone(), ..self.link.clone() })
    }

    /// The session's id and where it is.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// What to show now.
    pub fn view(&self) -> View {
        let state = self.state();
        let shown = self.shown(&state);
        View {
            shown,
            typing: self.typing(&state),
            state,
            // Nothing unsigned stands for long, in words neither.
            title: self.title.clone().filter(|_| shown != Shown::Hidden),
            viewers: self.viewers,
            window: self.window,
            right: self.epoch.as_ref().map(|epoch| epoch.opened.right()),
            paste: self.paste.as_ref().map(|(question, _)| question.clone()),
            notice: self.notice,
            attempts: self.attempts,
        }
    }

    fn state(&self) -> State {
        if let Some(over) = &self.over {
            return over.clone();
        }
        if self.stage != Stage::Joined {
            if let Some(seeking) = self.seeking() {
                return seeking;
            }
            return match self.lost_at {
                Some(since) => State::Reconnecting { since },
                None if self.filled => State::CatchingUp,
                None => State::Connecting,
            };
        }
        if let Some(since) = self.away_since {
            return State::SharerAway { since };
        }
        let (wall, mono) = self.sharer_heard;
        if self.now.mono >= mono.after(BEAT_GOOD_FOR_MS) {
            return State::Stale { since: wall };
        }
        match &self.epoch {
            Some(epoch) if epoch.caught_up() && epoch.answered() => State::Live,
            _ => State::CatchingUp,
        }
    }

    /// While a relay answers that there is no such session, and this page goes on asking.
    fn seeking(&self) -> Option<State> {
        let first = self.not_found?;
        let left_ms = first.mono.after(ASK_FOR_MS).since(self.now.mono);
        let left_s = (!self.was_live).then(|| left_ms.div_ceil(1_000));
        Some(State::Seeking { since: self.lost_at.unwrap_or(first.wall), left_s })
    }

    fn proof_deadline(&self) -> Option<Moment> {
        let present = self.epoch.as_ref().and_then(Epoch::proof_deadline);
        self.old_deadline.into_iter().chain(present).min()
    }

    fn shown(&self, state: &State) -> Shown {
        if !self.filled || matches!(state, State::Diverged(_)) {
            return Shown::Nothing;
        }
        match self.proof_deadline() {
            Some(at)
                if self.now.mono >= at
                    && matches!(state, State::Reconnecting { .. } | State::Seeking { .. }) =>
            {
                Shown::Unconfirmed
            }
            Some(at) if self.now.mono >= at => Shown::Hidden,
            _ => Shown::Screen,
        }
    }

    fn typing(&self, state: &State) -> Typing {
        let may = self.epoch.as_ref().is_some_and(|epoch| epoch.opened.right() == Right::Type);
        if let Some(lost) = &self.lost {
            return Typing::Lost(lost.clone());
        }
        if !may || self.refused || state.is_final() {
            return Typing::Never;
        }
        if !self.wants_typing {
            return Typing::Offered;
        }
        if self.ready_to_type() { Typing::On } else { Typing::Paused }
    }

    fn ready_to_type(&self) -> bool {
        self.wants_typing
            && self.stage == Stage::Joined
            && self.over.is_none()
            && self.lost.is_none()
            && self.broken.is_none()
            && self.input.as_ref().is_some_and(InputConnection::is_open)
            && self.epoch.as_ref().is_some_and(|epoch| epoch.seen().is_some())
    }

    fn send(&mut self, message: &ViewerToRelay) {
        self.effects.push_back(Effect::Send(Packet::Text(encode(message))));
    }

    fn send_frame(&mut self, frame: &Frame) {
        self.effects.push_back(Effect::Send(Packet::Binary(frame.encode())));
    }

    /// After every call: sends what became due, and remembers what the new state means.
    fn finish(&mut self) {
        self.run_steps();
        self.credit.settle();
        self.send_input();
        if self.stage != Stage::Apart
            && let Some(consumed) = self.credit.grant()
        {
            self.send_frame(&Frame::Credit { consumed });
        }
        if self.over.is_none() && self.connection.poll_connect(self.now) {
            self.effects.push_back(Effect::Connect { url: self.socket_url() });
        }
        self.was_live |= self.state() == State::Live;
    }

    fn socket_url(&self) -> String {
        let base = self.link.base.strip_prefix("http").unwrap_or(&self.link.base);
        format!("ws{base}{SOCKET_PATH}")
    }

    // --- the connection -----------------------------------------------------------------------------------------

    fn handle_connected(&mut self) {
        if self.over.is_some() {
            return;
        }
        self.connection.handle_connected(self.now);
        self.credit.restart();
        self.channel = Channel(0);
        self.heard = self.now.mono;
        self.stage = Stage::Greeting { since: self.now.mono };
    }

    fn handle_disconnected(&mut self, code: Option<u16>) {
        if self.over.is_some() {
            return;
        }
        self.leave_stage();
        self.connection.handle_disconnected(self.now, code);
        self.attempts = self.attempts.saturating_add(1);
        if matches!(self.connection.stage(), crate::connection::Stage::Stopped(_)) {
            let version = code == Some(CloseCode::VersionMismatch.code());
            self.fail(if version { Failure::Version(0) } else { Failure::Refused });
        }
    }

    /// Gives the socket up and makes another one.
    fn reconnect(&mut self, at_least_ms: u64) {
        self.effects.push_back(Effect::Close);
        self.leave_stage();
        self.attempts = self.attempts.saturating_add(1);
        self.connection.retry(self.now, at_least_ms);
    }

    fn leave_stage(&mut self) {
        if self.stage == Stage::Joined || (self.lost_at.is_none() && self.filled) {
            self.lost_at = Some(self.now.wall);
        }
        if let Some(reason) = self.epoch.as_ref().and_then(Epoch::end_reason) {
            // The last event was seen; there is nothing to come back for.
            self.end(State::Ended(reason));
        }
        self.stage = Stage::Apart;
        self.away_since = None;
        self.break_input();
    }

    fn handle_timeout(&mut self) {
        if self.over.is_some() {
            return;
        }
        let now = self.now.mono;
        if self.connection.handle_timeout(self.now) {
            self.attempts = self.attempts.saturating_add(1);
            self.effects.push_back(Effect::Close);
        }
        match self.stage {
            Stage::Greeting { since } | Stage::Joining { since } if now >= since.after(REPLY_MS) => {
                self.reconnect(0);
            }
            Stage::Asking { at } if now >= at => self.join(),
            Stage::Joined if self.away_since.is_none() && now >= self.heard.after(SILENCE_MS) => {
                self.reconnect(0);
            }
            Stage::Apart
            | Stage::Greeting { .. }
            | Stage::Joining { .. }
            | Stage::Asking { .. }
            | Stage::Joined => {}
        }
        // Held back for so long it is not typed any more: the sharer says what it took.
        let oldest = self.input.as_ref().and_then(InputConnection::oldest);
        if oldest.is_some_and(|sent| now >= sent.after(BEAT_GOOD_FOR_MS)) {
            self.rejoin();
        }
        if self.resync_due && self.resync_sent.is_some_and(|sent| now >= sent.after(RESYNC_EVERY_MS)) {
            self.resync();
        }
    }

    /// The person looks again, or the network is back.
    fn wake(&mut self) {
        if self.over.is_some() {
            return;
        }
        self.connection.hurry(self.now);
        if let Stage::Asking { at } = &mut self.stage {
            *at = (*at).min(self.now.mono.after(ASK_AGAIN_MS));
        }
        if self.stage != Stage::Apart && self.now.mono.since(self.heard) > SILENCE_ON_WAKE_MS {
            self.reconnect(0);
            self.connection.hurry(self.now);
        }
    }

    /// Begins again after an end that need not be one.
    fn retry(&mut self) {
        match &self.over {
            None => self.connection.hurry(self.now),
            Some(State::Ended(_)) => {}
            Some(over) => {
                // Not to be had at the moment is no reason to give up sooner than before.
                let was_live = self.was_live && matches!(over, State::ClosedByRelay(Closed::SharerAway));
                let effects = std::mem::take(&mut self.effects);
                let fresh = Self::new(self.link.clone(), self.entropy.fork(), self.now);
                let (accepted, next) = (self.accepted, std::mem::take(&mut self.credit));
                let filled = self.filled;
                *self = fresh;
                self.was_live = was_live;
                self.accepted = accepted;
                self.credit = next;
                self.credit.restart();
                let started = std::mem::replace(&mut self.effects, effects);
                if filled {
                    self.effects.push_back(Effect::Wipe);
                }
                self.effects.extend(started);
            }
        }
    }

    /// The session is over for this viewer.
    fn end(&mut self, state: State) {
        if self.over.is_some() {
            return;
        }
        self.break_input();
        // A program that ended takes nothing more; what it did not take is no loss worth a question.
        if let Some(mut broken) = self.broken.take()
            && !matches!(state, State::Ended(_))
        {
            self.lost = broken.lost(None);
        }
        self.wants_typing = false;
        self.paste = None;
        self.over = Some(state);
        self.stage = Stage::Apart;
        self.connection.stop(None);
        self.effects.push_back(Effect::Close);
    }

    fn fail(&mut self, failure: Failure) {
        self.end(State::Failed(failure));
    }

    fn diverge(&mut self, how: Divergence) {
        self.wipe();
        self.end(State::Diverged(how));
    }

    fn wipe(&mut self) {
        self.filled = false;
        self.title = None;
        self.old_deadline = None;
        self.effects.push_back(Effect::Wipe);
    }

    // --- joining ------------------------------------------------------------------------------------------------

    fn join(&mut self) {
        self.break_input();
        self.channel = Channel(self.channel.0.saturating_add(1));
        self.challenge = ViewerChallenge(self.entropy.array());
        let input = InputConnection::new(AgreementKey::generate(&mut self.entropy));
        let resume = self
            .epoch
            .as_ref()
            .and_then(|epoch| Some(Resume { epoch: epoch.header.epoch, number: epoch.resume()? }));
        let payload = JoinPayload {
            protocol: PROTOCOL_VERSION,
            session_id: self.link.session,
            token: self.link.secret.token(self.link.session),
            challenge: self.challenge,
            resume,
            agreement: Some(input.public()),
            previous: self.broken.as_ref().map(InputConnection::public),
        };
        self.input = Some(input);
        self.stage = Stage::Joining { since: self.now.mono };
        self.send(&ViewerToRelay::Join { channel: self.channel, payload: Box::new(payload) });
    }

    /// Leaves the room and enters it again, for a new input connection.
    fn rejoin(&mut self) {
        if self.stage == Stage::Joined {
            self.send(&ViewerToRelay::Leave { channel: self.channel });
            self.join();
        }
    }

    fn joined(&mut self, header: &Signed, resumed: bool) {
        if !self.take_header(header) {
            return;
        }
        self.stage = Stage::Joined;
        self.lost_at = None;
        self.not_found = None;
        self.attempts = 0;
        self.sharer_heard = (self.now.wall, self.now.mono);
        self.resync_due = false;
        self.resync_sent = None;
        self.viewers_revision = 0;
        if let Some(epoch) = &mut self.epoch {
            epoch.joined(resumed);
        }
    }

    /// Takes a header; false if it did not lead to keys.
    fn take_header(&mut self, signed: &Signed) -> bool {
        let header = match Header::verify(signed, self.link.session) {
            Ok(header) => header,
            Err(HeaderError::Version(version)) => {
                self.fail(Failure::Version(version));
                return false;
            }
            Err(HeaderError::Malformed | HeaderError::NotTheOwners) => {
                self.diverge(Divergence::Header);
                return false;
            }
        };
        let rank = (header.epoch, header.revision);
        if self.accepted.is_some_and(|accepted| rank < accepted) {
            // Signed once, and no longer true: nothing that follows it may be shown.
            self.notice = Some("The relay offered an older state of the session. Asking again.");
            self.reconnect(crate::connection::backoff::LATER_MS);
            return false;
        }
        let opened = match header.open_box(&self.link.secret) {
            Ok(opened) => opened,
            Err(BoxError::None | BoxError::Sealed) => {
                self.fail(Failure::WrongKey);
                return false;
            }
        };
        self.accepted = Some(rank);
        let first = self.epoch.is_none();
        match &mut self.epoch {
            Some(epoch) if epoch.header.epoch == header.epoch => epoch.revise(header, opened),
            _ => {
                self.old_deadline = self.proof_deadline();
                self.epoch = Some(Epoch::new(header, opened));
            }
        }
        let types = self.epoch.as_ref().is_some_and(|epoch| epoch.opened.right() == Right::Type);
        if first
            && types
            && let Some(watch) = self.watch_link()
        {
            self.effects.push_back(Effect::KeepSecret { watch });
        }
        true
    }

    fn refused(&mut self, reason: &Refusal) {
        match reason {
            Refusal::NotFound { retry } => {
                let since = self.not_found.get_or_insert(self.now).mono;
                let young = *retry && self.now.mono.since(since) < ASK_FOR_MS;
                if !young && !self.was_live {
                    return self.fail(Failure::NotFound);
                }
                if !young && let Some(mut broken) = self.broken.take() {
                    // Nobody may ever say what became of it.
                    self.lost = self.lost.take().or_else(|| broken.lost(None));
                }
                let wait = if young { ASK_AGAIN_MS } else { ASK_RARELY_MS };
                let jitter = self.entropy.u64() % (wait / 4);
                self.attempts = self.attempts.saturating_add(1);
                self.stage = Stage::Asking { at: self.now.mono.after(wait + jitter) };
            }
            Refusal::RateLimited { retry_after_ms } => {
                self.notice = Some("The relay asks this page to wait a little.");
                self.reconnect((*retry_after_ms).max(1_000));
            }
            Refusal::VersionMismatch { speaks } => self.fail(Failure::Version(*speaks)),
            Refusal::SessionFull
            | Refusal::RelayFull
            | Refusal::Replaced
            | Refusal::BadClaim
            | Refusal::Unknown => self.fail(Failure::Refused),
        }
    }

    // --- what arrives -------------------------------------------------------------------------------------------

    fn handle_packet(&mut self, packet: &Packet) {
        if self.over.is_some() || self.stage == Stage::Apart {
            return;
        }
        self.heard = self.now.mono;
        match packet {
            Packet::Text(text) if matches!(self.stage, Stage::Greeting { .. }) => self.handle_greeting(text),
            Packet::Text(text) => match decode::<RelayToViewer>(text) {
                Ok(message) => self.handle_control(message),
                Err(ControlError::Unknown(_)) => {}
                Err(ControlError::Malformed) => self.reconnect(0),
            },
            Packet::Binary(bytes) => {
                self.credit.received(bytes.len() as u64);
                match Frame::decode(bytes) {
                    Ok(frame) => self.handle_frame(frame),
                    Err(_) => self.reconnect(0),
                }
            }
        }
    }

    fn handle_greeting(&mut self, text: &str) {
        match decode::<Greeting>(text) {
            Ok(Greeting::Hello(hello)) if hello.protocol == PROTOCOL_VERSION => self.join(),
            Ok(Greeting::Hello(hello)) => self.fail(Failure::Version(hello.protocol)),
            Err(ControlError::Unknown(_)) => {}
            Err(ControlError::Malformed) => self.reconnect(0),
        }
    }

    fn handle_control(&mut self, message: RelayToViewer) {
        let ours = self.channel;
        let joined = self.stage == Stage::Joined;
        match message {
            RelayToViewer::JoinedSuccessfully { channel, header, resumed, away_ms, viewers, .. }
                if channel == ours && matches!(self.stage, Stage::Joining { .. }) =>
            {
                self.joined(&header, resumed);
                self.viewers = viewers;
                self.set_away(away_ms);
            }
            RelayToViewer::FailedToJoin { channel, reason }
                if channel == ours && matches!(self.stage, Stage::Joining { .. }) =>
            {
                self.refused(&reason);
            }
            RelayToViewer::HeaderUpdated { channel, header } if channel == ours && joined => {
                let before = self.epoch.as_ref().map(|epoch| epoch.header.epoch);
                if self.take_header(&header) && before != self.epoch.as_ref().map(|epoch| epoch.header.epoch)
                {
                    // A new epoch has a new challenge to answer, and new keys for input.
                    self.rejoin();
                }
            }
            RelayToViewer::Answer { channel, answer } if channel == ours && joined => {
                self.handle_answer(&answer);
            }
            RelayToViewer::SharerPresence { channel, away_ms } if channel == ours => self.set_away(away_ms),
            RelayToViewer::ParticipantListUpdated { channel, revision, viewers, .. } if channel == ours => {
                if revision >= self.viewers_revision {
                    self.viewers_revision = revision;
                    self.viewers = viewers;
                }
            }
            RelayToViewer::Resyncing { channel } if channel == ours && joined => {
                if let Some(epoch) = &mut self.epoch {
                    epoch.lost();
                }
            }
            RelayToViewer::InputRefused { channel, reason } if channel == ours && joined => {
                self.input_refused(reason);
            }
            RelayToViewer::SessionEnded { channel, reason, end, .. } if channel == ours => {
                self.session_ended(&reason, end.as_ref());
            }
            // Another channel's, out of its turn, or nothing that concerns a viewer of one session.
            RelayToViewer::JoinedSuccessfully { .. }
            | RelayToViewer::FailedToJoin { .. }
            | RelayToViewer::HeaderUpdated { .. }
            | RelayToViewer::Answer { .. }
            | RelayToViewer::SharerPresence { .. }
            | RelayToViewer::ParticipantListUpdated { .. }
            | RelayToViewer::UpdateSourceTaskId { .. }
            | RelayToViewer::TasksUpdated { .. }
            | RelayToViewer::Resyncing { .. }
            | RelayToViewer::InputRefused { .. }
            | RelayToViewer::SessionEnded { .. } => {}
        }
    }

    fn set_away(&mut self, away_ms: Option<u64>) {
        self.away_since = away_ms.map(|ms| UnixMs(self.now.wall.0.saturating_sub(ms)));
        if self.away_since.is_none() {
            // Its first beat is due within 20 s.
            self.heard = self.now.mono;
        }
    }

    fn session_ended(&mut self, reason: &EndedBecause, end: Option<&Signed>) {
        let signed = end.and_then(|end| self.epoch.as_mut()?.handle_end(end));
        self.run_steps();
        let seen = self.epoch.as_ref().and_then(Epoch::end_reason);
        let state = match (signed.or(seen), reason) {
            (Some(why), _) => {
                self.send(&ViewerToRelay::EndSeen { channel: self.channel });
                State::Ended(why)
            }
            (None, EndedBecause::Revoked) => State::ClosedByRelay(Closed::Revoked),
            (None, EndedBecause::SharerAway) => State::ClosedByRelay(Closed::SharerAway),
            (None, EndedBecause::Sharer | EndedBecause::Relay | EndedBecause::Unknown) => {
                State::ClosedByRelay(Closed::Relay)
            }
        };
        self.end(state);
    }

    fn handle_frame(&mut self, frame: Frame) {
        if frame.channel() != Some(self.channel) || self.stage != Stage::Joined {
            return;
        }
        let now = self.now;
        let Some(epoch) = &mut self.epoch else { return };
        match frame {
            Frame::Event { event, .. } => epoch.handle_event(now, event),
            Frame::SnapshotManifest { id, number, manifest, .. } => {
                epoch.handle_manifest(id, number, &manifest);
            }
            Frame::SnapshotPart { id, part, index, body, .. } => {
                epoch.handle_part(now, id, part, index, body);
            }
            Frame::Attestation { number, beat, hash, cards, signature, .. } => {
                let point = crate::chain::ChainPoint { number, hash };
                epoch.handle_attestation(point, beat, cards, &signature);
            }
            Frame::Beat { number, body, .. } => {
                if epoch.handle_beat(number, &body) {
                    self.sharer_heard = (now.wall, now.mono);
                }
            }
            Frame::Taken { body, .. } => {
                if self.input.as_mut().is_some_and(|input| !input.taken(&body)) {
                    self.rejoin();
                }
            }
            // The relay's other directions; nothing a viewer is sent.
            Frame::Input { .. }
            | Frame::InputFrom { .. }
            | Frame::TakenFor { .. }
            | Frame::Acknowledged { .. }
            | Frame::Credit { .. } => {}
        }
    }

    /// Turns what the epoch found into effects.
    fn run_steps(&mut self) {
        while let Some(step) = self.epoch.as_mut().and_then(Epoch::poll) {
            if self.over.is_some() {
                continue;
            }
            match step {
                Step::Rebuild(window, bytes) => {
                    self.filled = true;
                    self.old_deadline = None;
                    self.resync_due = false;
                    self.window = Some(window);
                    let ticket = self.credit.ticket();
                    self.effects.push_back(Effect::Rebuild { ticket, window, bytes });
                }
                Step::Write(bytes) => {
                    let ticket = self.credit.ticket();
                    self.effects.push_back(Effect::Write { ticket, bytes });
                }
                Step::Resize(window) => {
                    self.window = Some(window);
                    self.effects.push_back(Effect::Resize(window));
                }
                Step::Title(title) => self.set_title(&title),
                // The owner's signature follows at once, or the relay's word; until then the event itself stands.
                Step::Ended(_) => self.send(&ViewerToRelay::EndSeen { channel: self.channel }),
                Step::Resync => self.resync(),
                Step::Diverged(how) => self.diverge(how),
            }
        }
    }

    fn resync(&mut self) {
        let soon = self.resync_sent.is_some_and(|sent| self.now.mono.since(sent) < RESYNC_EVERY_MS);
        self.resync_due = soon;
        if !soon && self.stage == Stage::Joined {
            self.resync_sent = Some(self.now.mono);
            self.send(&ViewerToRelay::Resync { channel: self.channel });
        }
    }

    fn set_title(&mut self, title: &str) {
        let title = epoch::readable(title);
        self.title = (!title.is_empty()).then_some(title);
    }

    // --- typing -------------------------------------------------------------------------------------------------

    fn handle_answer(&mut self, signed: &Signed) {
        let challenge = self.challenge;
        let Some(answer) = self.epoch.as_mut().and_then(|epoch| epoch.handle_answer(signed, challenge))
        else {
            return;
        };
        self.sharer_heard = (self.now.wall, self.now.mono);
        if let Some(mut broken) = self.broken.take() {
            self.lost = self.lost.take().or_else(|| broken.lost(answer.taken));
        }
        if !answer.input && self.input.as_ref().is_some_and(InputConnection::is_open) {
            // The sharer's own connection broke meanwhile: it takes nothing more with this key.
            return self.rejoin();
        }
        let (Some(epoch), Some(input)) = (&self.epoch, &mut self.input) else { return };
        let Some(grant) = epoch.opened.input.as_ref().filter(|_| answer.input && !input.is_open()) else {
            return;
        };
        let scope = epoch.scope();
        if let Some(sealer) = InputSealer::new(input.key(), epoch.header.agreement, &grant.secret, scope) {
            input.open(sealer);
        }
    }

    fn break_input(&mut self) {
        if let Some(mut input) = self.input.take()
            && input.lost(None).is_some()
            && self.broken.is_none()
        {
            self.broken = Some(input);
        }
    }

    fn input_refused(&mut self, reason: InputRefusal) {
        self.notice = Some(match reason {
            InputRefusal::Broken => "The sharer refused input that did not arrive as it was typed.",
            InputRefusal::Stale => "The sharer refused input that arrived too late.",
            InputRefusal::Full => "The program does not read its input; nothing more fits.",
            InputRefusal::NotAllowed => "The sharer does not take input from this link.",
            InputRefusal::Unknown => "The sharer refused the input.",
        });
        if reason == InputRefusal::NotAllowed {
            self.refused = true;
            self.break_input();
            if let Some(mut broken) = self.broken.take() {
                self.lost = broken.lost(None);
            }
            return;
        }
        self.rejoin();
    }

    fn start_typing(&mut self) {
        let may = self.epoch.as_ref().is_some_and(|epoch| epoch.opened.right() == Right::Type);
        self.wants_typing = may && !self.refused && self.over.is_none();
    }

    fn type_keys(&mut self, bytes: &[u8]) {
        if !self.wants_typing || bytes.is_empty() {
            return;
        }
        let taken = self.ready_to_type() && self.input.as_mut().is_some_and(|input| input.keys(bytes));
        if !taken {
            self.notice = Some("Keys are not sent at the moment.");
        }
    }

    fn type_paste(&mut self, text: &str, bracketed: bool) {
        if !self.wants_typing || text.is_empty() {
            return;
        }
        match paste::prepare(text, bracketed) {
            paste::Paste::Typed(bytes) => self.paste_bytes(&bytes),
            paste::Paste::Asked(question, bytes) => self.paste = Some((question, bytes)),
            paste::Paste::TooLong => self.notice = Some("Pastes of more than 1 MiB are not typed."),
        }
    }

    fn answer_paste(&mut self, typed: bool) {
        if let Some((_, bytes)) = self.paste.take().filter(|_| typed) {
            self.paste_bytes(&bytes);
        }
    }

    fn paste_bytes(&mut self, bytes: &[u8]) {
        let taken = self.ready_to_type() && self.input.as_mut().is_some_and(|input| input.paste(bytes));
        if !taken {
            self.notice = Some("The paste was not sent: keys go nowhere at the moment.");
        }
    }

    /// Seals and sends what was typed, as far as there is credit.
    fn send_input(&mut self) {
        if !self.ready_to_type() {
            return;
        }
        let (Some(epoch), channel) = (&self.epoch, self.channel) else { return };
        let Some(seen) = epoch.seen() else { return };
        let (now, view) = (self.now.mono, Seen { seen, beat: epoch.beat });
        while let Some(body) = self.input.as_mut().and_then(|input| input.next(now, &view)) {
            let consumed = self.credit.ride();
            self.send_frame(&Frame::Input {
                channel,
                seen: seen.number,
                beat: view.beat,
                consumed,
                body: body.into(),
            });
        }
    }

    /// Asks the sharer for a terminal of this size; it agrees only where nobody sits at the terminal.
    pub fn ask_size(&mut self, now: Now, size: WindowSize) -> Vec<Effect> {
        self.now = now;
        if self.ready_to_type()
            && let Some(input) = &mut self.input
        {
            // Refused when full: the wish is not worth more than keys.
            let _fits = input.push(Input::Size(size));
        }
        self.finish();
        self.effects.drain(..).collect()
    }
}
