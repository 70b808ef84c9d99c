//! A pane: one session as it is watched through the link, joined or not.

use std::sync::Arc;

use super::epoch::{Divergence, Epoch};
use super::keyboard::Keyboard;
use super::talk::Talk;
use super::text::title_of;
use super::update::Effect;
use super::uplink::{REPLY_MS, Uplink};
use super::view::{Failure, State};
use crate::chain::{BEAT_GOOD_FOR_MS, VOUCHED_FOR_MS, ViewerChallenge};
use crate::command::{Commands, Told};
use crate::event::WindowSize;
use crate::id::{Channel, TaskId};
use crate::keys::epoch::EpochId;
use crate::keys::grant::{GrantSecret, Right};
use crate::link::Link;
use crate::time::{Moment, Now, UnixMs};
use crate::wire::viewer::ViewerToRelay;

/// Snapshots are asked for at most this often, in milliseconds.
pub(super) const RESYNC_EVERY_MS: u64 = 1_000;
/// What the sharer says is there, and does not come for this long, in milliseconds, is asked for. A relay that lost
/// everything waits with us for events that nobody sends again.
const STUCK_MS: u64 = 5_000;
/// The transcript of a session that has ended is waited for so long, in milliseconds.
const LINGER_MS: u64 = 60_000;
/// Whoever looks again does not wait longer than this for a session that was not found, in milliseconds.
const ASK_ON_WAKE_MS: u64 = 1_000;

/// Names a pane, and the terminal that belongs to it: counted from the link's own, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PaneId(pub u32);

impl PaneId {
    /// The pane of the link's own session, which is always there.
    pub const OWN: Self = Self(0);
}

/// Where a pane is in the relay's eyes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Not in the room; it asks to be let in as soon as there is a connection.
    Out,
    /// Asked to be let in.
    Joining { since: Moment },
    /// Not let in; asks again.
    Asking { at: Moment },
    /// In the room.
    Joined,
}

/// One session, watched and perhaps typed into.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "independent facts, each set and read by itself")]
pub(super) struct Pane {
    pub(super) id: PaneId,
    pub(super) link: Link,
    pub(super) stage: Stage,
    pub(super) channel: Channel,
    pub(super) challenge: ViewerChallenge,
    /// Whose session it is, if it is a child's.
    pub(super) task: Option<TaskId>,
    pub(super) over: Option<State>,
    /// When it was over.
    pub(super) over_since: UnixMs,
    pub(super) epoch: Option<Epoch>,
    /// The newest header that was accepted; none older ever is.
    pub(super) accepted: Option<(EpochId, u32)>,
    /// Whether the terminal holds anything.
    pub(super) filled: bool,
    /// Until when the screen of an epoch that is over may stand unsigned.
    pub(super) old_deadline: Option<Moment>,
    pub(super) was_live: bool,
    pub(super) lost_at: Option<UnixMs>,
    /// The relay answers that there is no such session, since then.
    pub(super) not_found: Option<Now>,
    pub(super) away_since: Option<UnixMs>,
    /// When the sharer itself was last heard, by beat or answer: for people, and for deadlines.
    pub(super) sharer_heard: (UnixMs, Moment),
    /// When the owner's signature was seen last under something new. Beats are only sealed: a reader could make them.
    pub(super) owner_heard: Moment,
    pub(super) resync_sent: Option<Moment>,
    pub(super) resync_due: bool,
    /// When something of what is shown arrived last.
    pub(super) progress: Moment,
    pub(super) keyboard: Keyboard,
    pub(super) talk: Talk,
    pub(super) commands: Arc<Commands>,
    pub(super) title: Option<String>,
    pub(super) window: Option<WindowSize>,
    pub(super) viewers: u32,
    pub(super) viewers_revision: u64,
    pub(super) notice: Option<&'static str>,
    /// For how long the relay keeps the session that has ended, in milliseconds, as it said then.
    pub(super) kept_ms: Option<u64>,
}

impl Pane {
    /// The session of `link`, not joined yet.
    pub(super) fn new(id: PaneId, link: Link, now: Now) -> Self {
        Self {
            id,
            link,
            stage: Stage::Out,
            channel: Channel(0),
            challenge: ViewerChallenge([0; 16]),
            task: None,
            over: None,
            over_since: now.wall,
            epoch: None,
            accepted: None,
            filled: false,
            old_deadline: None,
            was_live: false,
            lost_at: None,
            not_found: None,
            away_since: None,
            sharer_heard: (now.wall, now.mono),
            owner_heard: now.mono,
            resync_sent: None,
            resync_due: false,
            progress: now.mono,
            keyboard: Keyboard::default(),
            talk: Talk::default(),
            commands: Arc::default(),
            title: None,
            window: None,
            viewers: 0,
            viewers_revision: 0,
            notice: None,
            kept_ms: None,
        }
    }

    /// What the link allows, once that is known.
    pub(super) fn right(&self) -> Option<Right> {
        self.epoch.as_ref().map(|epoch| epoch.opened.right())
    }

    /// Whether it still has to do with the relay.
    pub(super) fn is_active(&self) -> bool {
        self.over.is_none()
    }

    /// Whether its session has ended and its transcript is still on its way.
    pub(super) fn lingers(&self) -> bool {
        self.over.is_some() && self.stage == Stage::Joined
    }

    /// Whether a healthy relay has a beat for it every 20 s.
    pub(super) fn expects_beats(&self) -> bool {
        self.is_active() && self.stage == Stage::Joined && self.away_since.is_none()
    }

    /// The connection broke.
    pub(super) fn broke(&mut self, uplink: &mut Uplink) {
        if self.over.is_some() {
            self.stage = Stage::Out;
            return;
        }
        if self.stage == Stage::Joined || (self.lost_at.is_none() && self.filled) {
            self.lost_at = Some(uplink.now().wall);
        }
        if let Some(reason) = self.epoch.as_ref().and_then(Epoch::end_reason) {
            // The last event was seen; there is nothing to come back for.
            self.end(uplink, State::Ended(reason));
        }
        self.stage = Stage::Out;
        self.away_since = None;
        self.keyboard.disconnect();
        self.talk.interrupt();
    }

    /// The person looks again, or the network is back.
    pub(super) fn wake(&mut self, now: Now) {
        if let Stage::Asking { at } = &mut self.stage {
            *at = (*at).min(now.mono.after(ASK_ON_WAKE_MS));
        }
    }

    /// The next deadline, and why.
    pub(super) fn poll_timeout(&self, now: Now) -> Option<(Moment, &'static str)> {
        // What only changes the view is not asked for twice.
        let later = |at: &Moment| *at > now.mono;
        let proof = self.proof_deadline().filter(later).map(|at| (at, "unconfirmed"));
        if self.over.is_some() {
            let transcript = self.talk.poll_timeout().filter(|_| self.lingers()).map(|at| (at, "transcript"));
            return proof.into_iter().chain(transcript).min();
        }
        let joined = self.stage == Stage::Joined;
        let reply = match self.stage {
            Stage::Joining { since } => Some(since.after(REPLY_MS)),
            Stage::Asking { at } => Some(at),
            Stage::Out | Stage::Joined => None,
        };
        let stale = joined.then(|| self.sharer_heard.1.after(BEAT_GOOD_FOR_MS));
        let unacknowledged = self.keyboard.oldest().filter(|_| joined);
        let resync = self.resync_sent.filter(|_| self.resync_due).map(|sent| sent.after(RESYNC_EVERY_MS));
        [
            reply.map(|at| (at, "reply")),
            unacknowledged.map(|sent| (sent.after(BEAT_GOOD_FOR_MS), "unacknowledged input")),
            resync.map(|at| (at, "resync")),
            stale.filter(later).map(|at| (at, "stale")),
            self.expects_beats().then(|| (self.owner_heard.after(VOUCHED_FOR_MS), "no signature")),
            self.stuck_deadline().map(|at| (at, "stuck")),
            self.talk.poll_timeout().filter(|_| joined).map(|at| (at, "transcript")),
            proof,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// When it is behind what the sharer says for so long that something must be wrong.
    fn stuck_deadline(&self) -> Option<Moment> {
        let behind = self.epoch.as_ref().is_some_and(Epoch::is_behind);
        (behind && self.expects_beats()).then(|| self.progress.after(STUCK_MS))
    }

    /// Does what is due.
    pub(super) fn handle_timeout(&mut self, uplink: &mut Uplink) {
        if self.over.is_some() {
            return;
        }
        let now = uplink.now().mono;
        match self.stage {
            Stage::Joining { since } if now >= since.after(REPLY_MS) => uplink.reconnect(),
            Stage::Asking { at } if now >= at => self.join(uplink),
            Stage::Out | Stage::Joining { .. } | Stage::Asking { .. } | Stage::Joined => {}
        }
        // Held back for so long it is not typed any more: the sharer says what it took.
        if self.keyboard.oldest().is_some_and(|sent| now >= sent.after(BEAT_GOOD_FOR_MS)) {
            self.rejoin(uplink);
        }
        if self.expects_beats() && now >= self.owner_heard.after(VOUCHED_FOR_MS) {
            self.rejoin(uplink);
        }
        if self.stuck_deadline().is_some_and(|at| now >= at) {
            self.progress = now;
            if !uplink.is_parsing() {
                self.resync(uplink);
            }
        }
        if self.resync_due && self.resync_sent.is_some_and(|sent| now >= sent.after(RESYNC_EVERY_MS)) {
            self.resync(uplink);
        }
    }

    /// After every call: sends what became due, and remembers what the new state means.
    pub(super) fn settle(&mut self, uplink: &mut Uplink) {
        self.run_steps(uplink);
        if self.over.is_none() && self.stage == Stage::Out && uplink.is_open() {
            self.join(uplink);
        }
        self.send_input(uplink);
        if self.stage == Stage::Joined
            && let Some((page, most)) = self.talk.poll_fetch(uplink.now())
        {
            uplink.send(&ViewerToRelay::FetchTranscript { channel: self.channel, page, most });
        }
        let patience = self.over_since.0.saturating_add(LINGER_MS);
        if self.lingers() && (!self.talk.waits() || uplink.now().wall.0 > patience) {
            self.leave(uplink);
        }
        self.was_live |= self.state(uplink.now()) == State::Live;
    }

    pub(super) fn resync(&mut self, uplink: &mut Uplink) {
        let now = uplink.now().mono;
        let soon = self.resync_sent.is_some_and(|sent| now.since(sent) < RESYNC_EVERY_MS);
        self.resync_due = soon;
        if !soon && self.stage == Stage::Joined {
            self.resync_sent = Some(now);
            uplink.send(&ViewerToRelay::Resync { channel: self.channel });
        }
    }

    /// Leaves out what is on its way: a snapshot shows what became of a key sooner than a slow terminal gets there.
    pub(super) fn skip(&mut self, uplink: &mut Uplink) {
        let now = uplink.now().mono;
        let soon = self.resync_sent.is_some_and(|sent| now.since(sent) < RESYNC_EVERY_MS);
        if let Some(epoch) = self.epoch.as_mut().filter(|epoch| !soon && epoch.is_shown()) {
            epoch.lost();
            uplink.effect(Effect::Skip { pane: self.id });
            self.resync(uplink);
        }
    }

    pub(super) fn set_title(&mut self, title: &str) {
        self.title = title_of(title);
    }

    /// A command began or ended; where it began, the terminal is marked, if it stands there.
    pub(super) fn command(&mut self, uplink: &mut Uplink, told: Told, there: bool) {
        if let (Told::Started { number, .. }, true) = (&told, there) {
            uplink.effect(Effect::Mark { pane: self.id, command: *number });
        }
        Arc::make_mut(&mut self.commands).tell(told);
    }

    // --- ends ---------------------------------------------------------------------------------------------------

    /// The session is over for this viewer.
    pub(super) fn end(&mut self, uplink: &mut Uplink, state: State) {
        if self.over.is_some() {
            return;
        }
        // A program that ended takes nothing more; what it did not take is no loss worth a question.
        self.keyboard.close(!matches!(state, State::Ended(_)));
        self.over = Some(state);
        self.over_since = uplink.now().wall;
        let last = matches!(
            self.over,
            Some(State::Ended(_) | State::ClosedByRelay(super::view::Closed::SharerAway))
        );
        let lingers = last && self.stage == Stage::Joined;
        if !lingers || !self.talk.waits() {
            self.leave(uplink);
        }
    }

    /// Leaves the room.
    pub(super) fn leave(&mut self, uplink: &mut Uplink) {
        if matches!(self.stage, Stage::Joined | Stage::Joining { .. }) && uplink.is_open() {
            uplink.send(&ViewerToRelay::Leave { channel: self.channel });
        }
        self.stage = Stage::Out;
    }

    pub(super) fn fail(&mut self, uplink: &mut Uplink, failure: Failure) {
        self.end(uplink, State::Failed(failure));
    }

    pub(super) fn diverge(&mut self, uplink: &mut Uplink, how: Divergence) {
        self.wipe(uplink);
        self.end(uplink, State::Diverged(how));
    }

    fn wipe(&mut self, uplink: &mut Uplink) {
        self.filled = false;
        self.title = None;
        self.talk = Talk::default();
        self.commands = Arc::default();
        self.old_deadline = None;
        uplink.effect(Effect::Wipe { pane: self.id });
    }

    /// Begins again after an end that need not be one.
    pub(super) fn retry(&mut self, uplink: &mut Uplink) {
        match &self.over {
            None => self.wake(uplink.now()),
            Some(State::Ended(_)) => return,
            Some(over) => {
                // Not to be had at the moment is no reason to give up sooner than before.
                let was_live =
                    self.was_live && matches!(over, State::ClosedByRelay(super::view::Closed::SharerAway));
                if self.filled {
                    self.wipe(uplink);
                }
                let fresh = Self::new(self.id, self.link.clone(), uplink.now());
                *self = Self { accepted: self.accepted, task: self.task.take(), was_live, ..fresh };
            }
        }
        uplink.start();
    }

    /// Its card holds another grant now. What the old one did not open any more is asked for again.
    pub(super) fn rekey(&mut self, uplink: &mut Uplink, secret: &GrantSecret) {
        if self.link.secret == *secret {
            return;
        }
        self.link.secret = secret.clone();
        match &self.over {
            None if matches!(self.stage, Stage::Asking { .. }) => self.stage = Stage::Out,
            Some(State::Failed(_) | State::ClosedByRelay(_)) => self.retry(uplink),
            Some(_) | None => {}
        }
    }
}
