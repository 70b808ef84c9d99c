//! One process's sessions behind one connection to a relay: from the bytes of PTYs to sealed frames, and sealed
//! input back.
//!
//! The owner opens sessions, feeds each its output, sizes and end, all of them packets and time, and runs the
//! effects. A terminal model stands beside each session: everything for it leaves as [`ModelInput`] in one order,
//! bytes and marks, so that a dump taken at a mark holds exactly the output up to that event's number and nothing
//! of a later one.
//!
//! Invariants: an event is numbered, sealed and kept in one step, and what is sent again are those bytes. A
//! dropped byte lies before a `Skipped`. Nothing a relay says makes this type anything but input composed with
//! the epoch's input secret, and nothing makes it end: a program runs on without a relay. What happens to one
//! session leaves the others alone. No step looks at all sessions but making, or losing, the connection.

mod buffer;
mod effect;
mod elsewhere;
mod epoch;
mod groups;
mod input;
mod lifecycle;
mod model;
mod owner;
mod packets;
mod programs;
mod session;
mod sizes;
mod snapshots;
mod step;
#[cfg(test)]
mod tests;
mod turns;
mod uplink;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use self::groups::Groups;
use self::programs::Programs;
use self::session::{SMALL, Session};
use self::step::Step;
use self::turns::Turns;
use self::uplink::{Opening, Uplink};
use crate::chain::ChainPoint;
use crate::conversation::{Conversation, Transcript, Update};
use crate::entropy::Entropy;
use crate::event::{EndReason, WindowSize};
use crate::id::{Channel, SessionId};
use crate::keys::grant::Right;
use crate::time::{Moment, Now};
use crate::wire::Packet;
use crate::wire::close::{CloseCode, Refusal};
use crate::wire::frame::Frame;

pub use self::effect::{ConnectionState, Effect, RoomState};
pub use self::model::{Begin, Mark, ModelDump, ModelInput};
pub use self::owner::Links;
pub use self::session::SessionConfig;

/// See the module.
pub struct Sharer {
    entropy: Entropy,
    uplink: Uplink,
    sessions: BTreeMap<SessionId, Session>,
    programs: Programs,
    groups: Groups,
    /// Messages between agents that went through this process: their ids in transcripts.
    told: u64,
    /// Whether somebody wants to hear what happens in conversations.
    listened: bool,
    /// Sessions whose share does not stand any more, and what stood on it may not yet know.
    fallen: BTreeSet<SessionId>,
    /// Sessions of which the relay has said whether it will have them, and their cards do not say so yet.
    refused: BTreeSet<SessionId>,
    turns: Turns,
    deadlines: BTreeSet<(Moment, SessionId)>,
    state: ConnectionState,
    step: Step,
}

impl core::fmt::Debug for Sharer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Sharer")
            .field("state", &self.state)
            .field("sessions", &self.sessions.len())
            .finish_non_exhaustive()
    }
}

/// Getters and commands.
impl Sharer {
    /// A process that shares nothing yet, and does not connect.
    pub fn new(mut entropy: Entropy, now: Now) -> Self {
        let uplink = Uplink::new(entropy.fork(), now);
        Self {
            entropy,
            uplink,
            sessions: BTreeMap::new(),
            programs: Programs::default(),
            groups: Groups::default(),
            told: 0,
            listened: false,
            fallen: BTreeSet::new(),
            refused: BTreeSet::new(),
            turns: Turns::default(),
            deadlines: BTreeSet::new(),
            state: ConnectionState::Idle,
            step: Step::new(now),
        }
    }

    /// Shares one more session, with keys of its own. It is announced as soon as there is a connection.
    pub fn open(&mut self, now: Now, config: SessionConfig) -> SessionId {
        self.begin(now);
        let (said, entropy) = (Conversation::default(), self.entropy.fork());
        let session = Session::new(config, Begin::Fresh, said, entropy, &mut self.step);
        let id = session.id();
        self.sessions.insert(id, session);
        self.settle(id);
        self.advance();
        id
    }

    /// Stops sharing a session; its program may run on. [`Effect::Ended`] follows.
    pub fn close(&mut self, now: Now, session: SessionId) {
        self.with(now, session, |session, step| session.end(EndReason::Unshared, false, step));
    }

    /// Forgets a session that has ended. Of one that has not, nobody hears anything more.
    pub fn forget(&mut self, now: Now, session: SessionId) {
        self.begin(now);
        self.remove(session);
        self.programs.forget(session);
        self.advance();
    }

    /// The links of a session at a relay whose pages are under `base`.
    pub fn links(&self, session: SessionId, base: &str) -> Option<Links> {
        self.sessions.get(&session)?.links(base)
    }

    /// Nobody keeps the sessions of what has ended any more: the process goes.
    pub fn let_go(&mut self, now: Now) {
        self.begin(now);
        self.each(Session::hurry_end);
        self.advance();
    }

    /// The connection's state.
    pub fn state(&self) -> ConnectionState {
        self.state
    }

    /// The state of a session's room.
    pub fn room(&self, session: SessionId) -> Option<RoomState> {
        self.sessions.get(&session).map(Session::room)
    }

    /// Why the relay refuses a session, from then on until it opens the room or the connection is another.
    pub fn refusal(&self, session: SessionId) -> Option<&Refusal> {
        self.sessions.get(&session)?.refusal()
    }

    /// How many watch a session, and how many of them may type.
    pub fn viewers(&self, session: SessionId) -> Option<(u32, u32)> {
        self.sessions.get(&session).map(Session::viewers)
    }

    /// Where a session's chain is.
    pub fn point(&self, session: SessionId) -> Option<ChainPoint> {
        self.sessions.get(&session).map(Session::point)
    }

    /// For how long the relay keeps what has ended at most, in milliseconds; 0: not at all. `None`: it has not greeted.
    pub fn keep_ms(&self) -> Option<u64> {
        self.uplink.keep_ms.filter(|_| self.uplink.is_greeted())
    }

    /// Removes the grants with these rights and everything they opened, and makes new ones in their place. Says
    /// whether there was one.
    pub fn revoke(&mut self, now: Now, session: SessionId, rights: &[Right]) -> bool {
        self.begin(now);
        let any = self.step_session(session, |session, step| session.revoke(rights, step)).unwrap_or(false);
        if any {
            self.renew_children(session);
        }
        self.advance();
        any
    }

    /// Adds a grant to type to a session that was read-only. Says whether there was none.
    pub fn allow_typing(&mut self, now: Now, session: SessionId) -> bool {
        self.begin(now);
        let any = self.step_session(session, Session::allow_typing).unwrap_or(false);
        if any {
            self.widen_children(session);
        }
        self.advance();
        any
    }

    /// Connects now if it waits to: the network is back, or the owner looks.
    pub fn hurry(&mut self, now: Now) {
        self.begin(now);
        self.uplink.hurry(now);
        self.advance();
    }
}

/// From PTYs and terminal models.
impl Sharer {
    /// The program wrote; `output` ends at the end of a character.
    pub fn handle_output(&mut self, now: Now, session: SessionId, output: &Bytes) {
        self.with(now, session, |session, step| session.handle_output(output, step));
    }

    /// The PTY has a new size.
    pub fn handle_resize(&mut self, now: Now, session: SessionId, window: WindowSize) {
        self.with(now, session, |session, step| session.handle_resize(window, step));
    }

    /// The program set the terminal's title.
    pub fn handle_title(&mut self, now: Now, session: SessionId, title: &str) {
        self.with(now, session, |session, step| session.handle_title(title, step));
    }

    /// The program's shell marked something of a command, behind all output that was given before.
    pub fn handle_command(&mut self, now: Now, session: SessionId, mark: crate::command::Mark) {
        self.with(now, session, |session, step| session.handle_command(mark, step));
    }

    /// The program exited.
    pub fn handle_exit(&mut self, now: Now, session: SessionId, code: Option<i32>, signal: Option<String>) {
        self.programs.exited(session);
        let in_company = self.is_in_company(session);
        let reason = EndReason::Exited { code, signal };
        self.with(now, session, |session, step| session.end(reason, in_company, step));
        if in_company && let Some(oldest) = self.programs.keep(session) {
            self.step_session(oldest, Session::hurry_end);
        }
        self.hurry_children(session);
        self.advance();
    }

    /// Something happened in the conversation of the session's agent.
    pub fn say(&mut self, now: Now, session: SessionId, update: Update) {
        self.with(now, session, |session, step| session.say(update, step));
    }

    /// The session's transcript.
    pub fn transcript(&self, session: SessionId) -> Option<&Transcript> {
        self.sessions.get(&session).map(Session::transcript)
    }

    /// The PTY took bytes of an [`Effect::Type`].
    pub fn handle_typed(&mut self, now: Now, session: SessionId, bytes: usize) {
        self.with(now, session, |session, _| session.handle_typed(bytes));
    }

    /// The model has passed a mark.
    pub fn handle_model_passed(&mut self, now: Now, session: SessionId, mark: Mark) {
        self.with(now, session, |session, _| session.handle_model_passed(mark));
    }

    /// The model dumped.
    pub fn handle_dump(&mut self, now: Now, session: SessionId, dump: &ModelDump) {
        self.with(now, session, |session, _| session.handle_dump(dump));
    }
}

/// What leaves.
impl Sharer {
    /// The next message for the socket.
    pub fn poll_transmit(&mut self) -> Option<Packet> {
        loop {
            if let Some(text) = self.step.next_control() {
                return Some(Packet::Text(text));
            }
            if let Some((id, Opening { channel, number, challenge })) = self.uplink.next_claim() {
                if let Some(session) = self.sessions.get_mut(&id) {
                    session.claim(channel, number, &challenge, &self.uplink.host, &mut self.step);
                    self.settle(id);
                }
                continue;
            }
            let Some((id, frame)) = self.next_frame() else {
                // Cards may have come instead.
                if self.step.has_control() {
                    continue;
                }
                return None;
            };
            let bytes = self.uplink.numbering.leave_out(frame).encode();
            self.uplink.count(bytes.len());
            self.turns.sent(id, bytes.len() as u64);
            self.settle(id);
            self.advance();
            return Some(Packet::Binary(bytes));
        }
    }

    /// The next effect.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.step.effects.pop_front()
    }

    /// When to call [`Sharer::handle_timeout`], and why.
    pub fn poll_timeout(&self) -> Option<(Moment, &'static str)> {
        let session = self.deadlines.first().map(|(at, id)| {
            let why = self.sessions.get(id).and_then(|session| session.poll_timeout(self.step.now));
            (*at, why.map_or("session", |(_, word)| word))
        });
        let groups = self.groups.next().filter(|_| self.uplink.is_greeted()).map(|at| (at, "end a group"));
        self.uplink.poll_timeout().into_iter().chain(session).chain(groups).min()
    }

    /// A deadline passed, or just time.
    pub fn handle_timeout(&mut self, now: Now) {
        self.begin(now);
        if self.uplink.handle_timeout(now) {
            self.step.effect(Effect::Close(CloseCode::TimedOut));
            self.go_away();
        }
        let due = self.deadlines.iter().take_while(|(at, _)| *at <= now.mono);
        for id in due.map(|(_, id)| *id).collect::<Vec<_>>() {
            self.step_session(id, Session::handle_timeout);
        }
        self.advance();
    }

    /// The next frame and whose it is: what is small first, then whose turn it is, as far as credit goes.
    fn next_frame(&mut self) -> Option<(SessionId, Frame)> {
        while let Some(id) = self.turns.next_small().filter(|_| self.uplink.has_room_for(SMALL)) {
            if let Some(session) = self.sessions.get_mut(&id) {
                // Before an attestation that names them.
                session.say_cards(&mut self.step);
                if self.step.has_control() {
                    return None;
                }
                if let Some(frame) = session.next_small(self.step.now) {
                    return Some((id, frame));
                }
            }
            self.turns.rest_small();
        }
        while let Some(id) = self.turns.next() {
            let session = self.sessions.get_mut(&id);
            match session.and_then(|session| Some((session.next_len()?, session))) {
                Some((len, _)) if !self.uplink.has_room_for(len) => return None,
                Some((_, session)) => {
                    if let Some(frame) = session.next_frame(&mut self.step) {
                        return Some((id, frame));
                    }
                    self.turns.rest(id);
                }
                None => self.turns.rest(id),
            }
        }
        None
    }
}

/// Inner steps.
impl Sharer {
    fn begin(&mut self, now: Now) {
        self.step.now = now;
        self.step.alone = self.uplink.is_alone();
        self.step.keep_ms = self.uplink.keep_ms;
    }

    /// A whole call about one session; `None` if there is no such session.
    fn with<T>(
        &mut self,
        now: Now,
        session: SessionId,
        act: impl FnOnce(&mut Session, &mut Step) -> T,
    ) -> Option<T> {
        self.begin(now);
        let out = self.step_session(session, act);
        self.advance();
        out
    }

    /// One session's step, for the session of a channel.
    fn on<T>(&mut self, channel: Channel, act: impl FnOnce(&mut Session, &mut Step) -> T) -> Option<T> {
        self.step_session(self.uplink.session(channel)?, act)
    }

    fn step_session<T>(
        &mut self,
        id: SessionId,
        act: impl FnOnce(&mut Session, &mut Step) -> T,
    ) -> Option<T> {
        let out = act(self.sessions.get_mut(&id)?, &mut self.step);
        self.settle(id);
        Some(out)
    }

    fn each(&mut self, act: impl Fn(&mut Session, &mut Step)) {
        for id in self.sessions.keys().copied().collect::<Vec<_>>() {
            self.step_session(id, &act);
        }
    }

    /// Notes what a session's step changed for the others: its turn, its deadline, its claim.
    fn settle(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        session.advance(&mut self.step);
        if session.has_small(self.step.now) {
            self.turns.wake_small(id);
        }
        if session.next_len().is_some() {
            self.turns.wake(id);
        }
        let deadline = session.poll_timeout(self.step.now).map(|(at, _)| at);
        let before = std::mem::replace(&mut session.known.deadline, deadline);
        if before != deadline {
            before.map(|at| self.deadlines.remove(&(at, id)));
            deadline.map(|at| self.deadlines.insert((at, id)));
        }
        let answered = session.has_ended() || session.room() != RoomState::Pending;
        self.uplink.note(id, session.needs_relay(), session.wants_room(), answered);
        let stands = session.is_shared();
        let stood = std::mem::replace(&mut session.known.shared, stands);
        if stood && !stands && self.programs.of(id).is_some() {
            self.fallen.insert(id);
        } else if self.programs.is_refusal_news(id, session.refusal()) {
            self.refused.insert(id);
        }
    }

    /// Takes a session out; nothing more of it leaves.
    fn remove(&mut self, session: SessionId) -> Option<Session> {
        let gone = self.sessions.remove(&session)?;
        self.uplink.forget(session);
        self.turns.forget(session);
        self.fallen.remove(&session);
        self.refused.remove(&session);
        gone.known.deadline.map(|at| self.deadlines.remove(&(at, session)));
        Some(gone)
    }

    /// Ends of groups, once there is a relay to hear of them.
    fn say_groups(&mut self) {
        self.uplink.wanted_by_groups = !self.groups.is_empty();
        if self.uplink.is_greeted() {
            for message in self.groups.due(self.step.now) {
                self.step.say(&message);
            }
        }
    }

    /// Does what has become possible for the connection.
    fn advance(&mut self) {
        let now = self.step.now;
        while let Some(session) = self.fallen.pop_first() {
            self.handle_fallen(session);
        }
        while let Some(session) = self.refused.pop_first() {
            self.tell_session(session);
        }
        self.say_groups();
        let no_use = self.uplink.is_of_no_use().then_some((CloseCode::GoingAway, 0));
        if let Some((code, at_least_ms)) = self.step.give_up.take().or(no_use) {
            self.step.effect(Effect::Close(code));
            self.uplink.close(now, code, at_least_ms);
            self.go_away();
        }
        if self.uplink.poll_connect(now) {
            self.step.effect(Effect::Connect);
        }
        let state = self.uplink.state();
        if std::mem::replace(&mut self.state, state) != state {
            self.step.effect(Effect::Connection(state));
        }
    }

    /// The connection is gone: another attempt begins at once if it may, and sessions leave their rooms.
    fn go_away(&mut self) {
        if self.uplink.poll_connect(self.step.now) {
            self.step.effect(Effect::Connect);
        }
        self.step.alone = self.uplink.is_alone();
        self.step.hush(None);
        self.turns.clear();
        self.each(Session::leave);
    }
}
