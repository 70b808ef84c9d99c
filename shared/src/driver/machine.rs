//! The driver: takes orders from those who hold its key, and reports to them. Its owner starts programs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::order::{Granted, Order, Start};
use super::report::{Exit, Report, Told};
use super::rule::Rule;
use super::sealing::{Answer, Asking, Keys, Telling, open_knock, refuse};
use super::uplink::{Came, Uplink};
use crate::encoding::Blob;
use crate::entropy::Entropy;
use crate::id::{LineId, TaskId};
use crate::keys::driver::DriverKey;
use crate::keys::epoch::{AgreementKey, AgreementPublic, EpochId, PROTOCOL_VERSION};
use crate::keys::owner::{Challenge, Claim, Signature};
use crate::orchestration::status::TaskState;
use crate::orchestration::task::Task;
use crate::time::{Moment, Now};
use crate::wire::close::{CloseCode, Refusal};
use crate::wire::driver::{DriverToRelay, RelayToDriver};
use crate::wire::source::SourceKind;
use crate::wire::{ControlError, Packet, decode, encode};

/// An order is good for so long after the beat that it names, in milliseconds, as input is (DESIGN 3).
pub(super) const BEAT_MS: u64 = 45_000;
/// Askers that are remembered. Full: the one that is gone longest, for whom nothing runs, makes room; else the knock is not
/// heard.
const MOST_ASKERS: usize = 256;
/// Tasks that are remembered, those that are over included. Full: the one that was over first makes room.
const MOST_TASKS: usize = 512;
/// What is over is remembered for so long, in milliseconds: longer than anybody asks for its start again.
const REMEMBERED_MS: u64 = 600_000;

/// What the owner does for the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DriverEffect {
    /// Connect to the relay; answer with `handle_connected` or `handle_disconnected`.
    Connect,
    /// Drop the socket, or the attempt.
    Close(CloseCode),
    /// The driver can be asked from now on.
    Registered,
    /// The relay does not take it; `Replaced`: another process with this key took its place, for good.
    Refused(Refusal),
    /// Start this, and report how it stands.
    Start(Box<Start>),
    /// What the asker's links open of a task, from now on.
    Reach(TaskId, Granted),
    /// Type a text into a task, and say what became of it with [`Driver::told`].
    Tell(TaskId, String),
    /// End a task.
    Kill(TaskId),
}

/// Somebody who asks. Numbers outlive connections, so nothing is taken twice.
struct Known {
    keys: Keys,
    line: Option<LineId>,
    beat: u64,
    beat_at: Moment,
    /// The highest number of a knock or an order that was taken.
    taken: u64,
    /// Tasks of which the newest report has not been told.
    news: BTreeSet<TaskId>,
}

struct Record {
    asker: AgreementPublic,
    report: Report,
    over: Option<Moment>,
}

/// See the module. One value is one boot: what it started ends with it.
pub struct Driver {
    key: DriverKey,
    rule: Rule,
    entropy: Entropy,
    boot: EpochId,
    agreement: AgreementKey,
    uplink: Uplink,
    claims: u64,
    beats: u64,
    /// The number of the newest report, of all of this boot: an asker may be forgotten and come back with the same key.
    told: u64,
    askers: BTreeMap<AgreementPublic, Known>,
    lines: BTreeMap<LineId, AgreementPublic>,
    tasks: BTreeMap<TaskId, Record>,
    effects: VecDeque<DriverEffect>,
}

impl Driver {
    /// A driver that has just started and connects at once.
    pub fn new(key: DriverKey, rule: Rule, mut entropy: Entropy, now: Now) -> Self {
        let mut driver = Self {
            boot: EpochId::next(None, now.wall, &mut entropy),
            agreement: AgreementKey::generate(&mut entropy),
            uplink: Uplink::new(entropy.fork(), now),
            key,
            rule,
            entropy,
            claims: 0,
            beats: 0,
            told: 0,
            askers: BTreeMap::new(),
            lines: BTreeMap::new(),
            tasks: BTreeMap::new(),
            effects: VecDeque::new(),
        };
        driver.advance(now);
        driver
    }

    /// What is allowed.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// Tasks that run, or are about to.
    pub fn running(&self) -> usize {
        self.tasks.values().filter(|record| record.over.is_none()).count()
    }

    /// A task stands like this now. The task's revision is its owner's; `exit` once its program has ended.
    pub fn report(&mut self, now: Now, task: Task, exit: Option<Exit>) {
        let id = task.id.clone();
        let Some(record) = self.tasks.get_mut(&id) else { return };
        let Report { granted, told, .. } = record.report;
        let report = Report { task, exit, granted, told };
        if report.is_newer_than(&record.report) {
            record.over = record.over.or(report.task.state.is_final().then_some(now.mono));
            record.report = report;
            self.is_news(&id);
        }
    }

    /// Whether the newest text for a task was typed.
    pub fn told(&mut self, task: &TaskId, typed: bool) {
        if let Some(record) = self.tasks.get_mut(task) {
            record.report.told.typed = typed;
            self.is_news(task);
        }
    }

    /// A task could not be started; `status` is what a shell would end with, if it is the command that is wrong.
    pub fn report_failure(&mut self, now: Now, task: &TaskId, reason: &str, status: Option<u8>) {
        let Some(record) = self.tasks.get(task) else { return };
        let mut failed = record.report.task.clone();
        failed.enter(TaskState::Error, reason, now.wall);
        let exit = status.map(|status| Exit { code: Some(status.into()), signal: None, word: "".into() });
        self.report(now, failed, exit);
    }

    fn is_news(&mut self, task: &TaskId) {
        let Some(record) = self.tasks.get(task) else { return };
        if let Some(asker) = self.askers.get_mut(&record.asker) {
            asker.news.insert(task.clone());
        }
    }
}

/// The connection.
impl Driver {
    /// The socket is open; `host` is the authority that was dialled.
    pub fn handle_connected(&mut self, now: Now, host: &str) {
        self.uplink.handle_connected(now, host);
    }

    /// The socket closed, or could not be opened.
    pub fn handle_disconnected(&mut self, now: Now, code: Option<u16>) {
        self.uplink.handle_disconnected(now, code);
        self.go_away();
        self.advance(now);
    }

    /// A message came.
    pub fn handle_packet(&mut self, now: Now, packet: &Packet) {
        match self.uplink.read(packet) {
            Ok(Came::Hello(challenge)) => self.register(&challenge),
            Ok(Came::Message(text)) => match decode(&text) {
                Ok(message) => self.handle_message(now, message),
                Err(ControlError::Unknown(_)) => {}
                Err(ControlError::Malformed) => self.close(now, CloseCode::ProtocolError),
            },
            Ok(Came::Nothing) => {}
            Err(code) => self.close(now, code),
        }
        self.advance(now);
    }

    /// The next message for the socket.
    pub fn poll_transmit(&mut self) -> Option<Packet> {
        if self.uplink.has_room() && self.uplink.is_greeted() {
            self.tell_one();
        }
        self.uplink.next()
    }

    /// The next effect.
    pub fn poll_effect(&mut self) -> Option<DriverEffect> {
        self.effects.pop_front()
    }

    /// When to call [`Driver::handle_timeout`], and why.
    pub fn poll_timeout(&self) -> Option<(Moment, &'static str)> {
        self.uplink.poll_timeout()
    }

    /// A deadline passed, or just time.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.uplink.handle_timeout(now) {
            self.effects.push_back(DriverEffect::Close(CloseCode::TimedOut));
            self.go_away();
        }
        self.advance(now);
    }

    fn advance(&mut self, now: Now) {
        if self.uplink.poll_connect(now) {
            self.effects.push_back(DriverEffect::Connect);
        }
    }

    fn close(&mut self, now: Now, code: CloseCode) {
        self.effects.push_back(DriverEffect::Close(code));
        self.uplink.close(now, code);
        self.go_away();
    }

    fn go_away(&mut self) {
        self.lines.clear();
        for asker in self.askers.values_mut() {
            asker.line = None;
        }
    }

    fn register(&mut self, challenge: &Challenge) {
        self.claims += 1;
        let host = self.uplink.host.clone();
        let claim = Claim::sign_driver(self.key.owner(), self.boot, self.claims, challenge, &host);
        let (driver, protocol) = (self.key.id(), PROTOCOL_VERSION);
        self.uplink.say(encode(&DriverToRelay::RegisterDriver { protocol, driver, claim }));
    }

    fn handle_message(&mut self, now: Now, message: RelayToDriver) {
        match message {
            RelayToDriver::DriverRegistered { .. } => self.effects.push_back(DriverEffect::Registered),
            RelayToDriver::DriverRefused { reason, .. } => {
                let code = match reason {
                    Refusal::Replaced => CloseCode::Replaced,
                    Refusal::VersionMismatch { .. } => CloseCode::VersionMismatch,
                    Refusal::NotFound { .. }
                    | Refusal::SessionFull
                    | Refusal::RelayFull
                    | Refusal::RateLimited { .. }
                    | Refusal::BadClaim
                    | Refusal::Unknown => CloseCode::RateLimited,
                };
                self.effects.push_back(DriverEffect::Refused(reason));
                self.close(now, code);
            }
            RelayToDriver::DriverAsked { line, body } => match Asking::decode(&body.0) {
                Some(Asking::Knock(sealed)) => self.knocked(now, line, sealed),
                Some(Asking::Order { number, beat, sealed }) => {
                    self.ordered(now, line, (number, beat), sealed);
                }
                None => {}
            },
            RelayToDriver::AskerLeft { line } => {
                if let Some(known) = self.lines.remove(&line).and_then(|asker| self.askers.get_mut(&asker))
                    && known.line == Some(line)
                {
                    known.line = None;
                }
            }
        }
    }

    /// Seals the newest report that somebody waits for.
    fn tell_one(&mut self) {
        for known in self.askers.values_mut() {
            let Some(line) = known.line else { continue };
            while let Some(task) = known.news.pop_first() {
                let Some(record) = self.tasks.get(&task) else { continue };
                self.told += 1;
                let sealed = known.keys.seal_report(self.told, &record.report.encode(), &mut self.entropy);
                return self.uplink.say(encode(&DriverToRelay::TellAsker { line, body: Blob(sealed) }));
            }
        }
    }
}

/// What is asked.
impl Driver {
    fn knocked(&mut self, now: Now, line: LineId, sealed: &[u8]) {
        let (id, secret) = (self.key.id(), self.key.secret());
        let Some((asker, challenge, number)) = open_knock(id, secret, sealed) else {
            let body = Blob(refuse(&self.key, sealed));
            return self.uplink.say(encode(&DriverToRelay::TellAsker { line, body }));
        };
        if !self.askers.contains_key(&asker) {
            let keys = Keys::new((&self.agreement, asker), secret, (id, self.boot, asker));
            let Some(keys) = keys.filter(|_| self.has_room_for_an_asker(now)) else { return };
            let (beat_at, news) = (now.mono, BTreeSet::new());
            self.askers.insert(asker, Known { keys, line: None, beat: 0, beat_at, taken: 0, news });
        }
        // One that was kept moves nobody's line.
        let Some(known) = self.askers.get_mut(&asker).filter(|known| number > known.taken) else { return };
        self.beats += 1;
        known.taken = number;
        (known.beat, known.beat_at) = (self.beats, now.mono);
        known.line.replace(line).map(|before| self.lines.remove(&before));
        self.lines.insert(line, asker);
        // Whatever was told may have been lost with a connection.
        let own = self.tasks.iter().filter(|(_, record)| record.asker == asker);
        known.news = own.map(|(task, _)| task.clone()).collect();
        let answer = Answer {
            public: self.key.public(),
            boot: self.boot,
            agreement: self.agreement.public(),
            beat: self.beats,
            signature: Signature([0; 64]),
        };
        let body = Blob(Telling::Answer(answer.sign(&self.key, asker, &challenge)).encode());
        self.uplink.say(encode(&DriverToRelay::TellAsker { line, body }));
    }

    /// Forgets somebody if there are many. Nothing that such a one ever sealed is good any more: its beat is too old.
    fn has_room_for_an_asker(&mut self, now: Now) -> bool {
        if self.askers.len() >= MOST_ASKERS {
            let busy: BTreeSet<AgreementPublic> = self
                .tasks
                .values()
                .filter(|record| record.over.is_none())
                .map(|record| record.asker)
                .collect();
            let old = |known: &Known| known.line.is_none() && now.mono.since(known.beat_at) > BEAT_MS;
            let gone = self.askers.iter().filter(|(asker, known)| old(known) && !busy.contains(asker));
            let longest = gone.min_by_key(|(_, known)| known.beat_at);
            let Some(gone) = longest.map(|(asker, _)| *asker) else { return false };
            self.askers.remove(&gone);
        }
        true
    }

    fn ordered(&mut self, now: Now, line: LineId, (number, beat): (u64, u64), sealed: &[u8]) {
        let Some(asker) = self.lines.get(&line).copied() else { return };
        let Some(known) = self.askers.get_mut(&asker) else { return };
        let fresh = beat == known.beat && now.mono.since(known.beat_at) <= BEAT_MS && number > known.taken;
        if !fresh {
            return;
        }
        let Some(plain) = known.keys.open_order(number, beat, sealed) else { return };
        known.taken = number;
        let own = |task: &TaskId| self.tasks.get(task).is_some_and(|record| record.asker == asker);
        match Order::decode(&plain) {
            Some(Order::Start(start)) => self.start(now, asker, start),
            Some(Order::Reach { task, granted }) if own(&task) => self.reach(&task, granted),
            Some(Order::Kill { task }) if own(&task) => self.effects.push_back(DriverEffect::Kill(task)),
            Some(Order::Tell { task, number, text }) if own(&task) => self.tell(task, number, text),
            Some(Order::Reach { .. } | Order::Tell { .. } | Order::Kill { .. }) | None => {}
        }
    }

    fn start(&mut self, now: Now, asker: AgreementPublic, start: Box<Start>) {
        let id = start.task.clone();
        if let Some(known) = self.tasks.get(&id) {
            // Asked again, as the answer was lost. Of somebody else's task nobody else hears.
            if known.asker == asker {
                self.reach(&id, start.granted);
            }
            return;
        }
        if !self.has_room_for_a_task(now) {
            return;
        }
        let mut task = Task::new(id.clone(), start.parent.clone(), &start.name, now.wall);
        (task.revision, task.kind) = (0, SourceKind::AmbientAgent);
        let judged = self.rule.judge(&start, self.running());
        if let Err(denied) = &judged {
            task.enter(TaskState::Error, &denied.to_string(), now.wall);
        }
        let (granted, over) = (start.granted.revision, judged.is_err().then_some(now.mono));
        let report = Report { task, exit: None, granted, told: Told::default() };
        self.tasks.insert(id.clone(), Record { asker, report, over });
        // That it was taken, or why not.
        self.is_news(&id);
        if judged.is_ok() {
            self.effects.push_back(DriverEffect::Start(start));
        }
    }

    fn has_room_for_a_task(&mut self, now: Now) -> bool {
        if self.tasks.len() >= MOST_TASKS {
            let over = |(id, record): (&TaskId, &Record)| Some((record.over?, id.clone()));
            let oldest = self.tasks.iter().filter_map(over).min();
            let Some((_, id)) = oldest.filter(|(at, _)| now.mono.since(*at) > REMEMBERED_MS) else {
                return false;
            };
            self.tasks.remove(&id);
        }
        true
    }

    /// The asker says one text at a time, and again until it heard what became of it.
    fn tell(&mut self, task: TaskId, number: u64, text: String) {
        let Some(record) = self.tasks.get_mut(&task) else { return };
        if number > record.report.told.number {
            record.report.told = Told { number, typed: false };
            self.effects.push_back(DriverEffect::Tell(task, text));
        } else {
            self.is_news(&task);
        }
    }

    fn reach(&mut self, task: &TaskId, granted: Granted) {
        let Some(record) = self.tasks.get_mut(task) else { return };
        if granted.revision > record.report.granted {
            record.report.granted = granted.revision;
            self.effects.push_back(DriverEffect::Reach(task.clone(), granted));
        }
        self.is_news(task);
    }
}

impl core::fmt::Debug for Driver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Driver")
            .field("key", &self.key)
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}
