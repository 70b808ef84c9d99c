//! The asker: gets tasks started on one driver, says who may see them, and hears how they stand.
//!
//! Orders are said again until a report shows that they were taken; a start is not said to another boot of the driver,
//! so a task runs once or not at all. While nothing is to be said there is no timer: reports come by themselves, and
//! the relay says when the driver comes and goes.

use std::collections::{BTreeMap, VecDeque};

use super::asked::{Asked, Failure, GIVE_UP_MS, Stage, Text};
use super::contact::Contact;
use super::machine::BEAT_MS;
use super::order::{Granted, Order, Start};
use super::report::Report;
use super::sealing::{Answer, Keys, KnockChallenge, Telling, is_refusal, knock};
use super::uplink::{Came, Uplink};
use crate::encoding::Blob;
use crate::entropy::Entropy;
use crate::id::TaskId;
use crate::keys::epoch::{AgreementKey, AgreementPublic, EpochId};
use crate::time::{Moment, Now};
use crate::wire::close::CloseCode;
use crate::wire::driver::{AskerToRelay, RelayToAsker};
use crate::wire::{ControlError, Packet, decode, encode};

/// What was not answered is said again after this long, in milliseconds.
const AGAIN_MS: u64 = 3_000;
/// A beat is used for further orders for so long, in milliseconds: less than [`BEAT_MS`], by far more than the way takes.
const FRESH_MS: u64 = 15_000;

/// Texts that wait for one task; more are not taken.
const MOST_TEXTS: usize = 16;

/// What the owner does for the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskerEffect {
    /// Connect to the driver's relay; answer with `handle_connected` or `handle_disconnected`.
    Connect,
    /// Drop the socket, or the attempt.
    Close(CloseCode),
    /// The driver is there, and has answered.
    Found,
    /// A task stands like this now.
    Report(Box<Report>),
    /// A task is not started, or what ran is gone.
    Failed(TaskId, Failure),
    /// The oldest text that was to be typed into a task was; or why not.
    Told(TaskId, Result<(), Failure>),
    /// Asking in vain, for who asks nothing of a task.
    Missing(Failure),
}

/// The driver's boot that answered last, and the newest beat of it.
struct Boot {
    id: EpochId,
    keys: Keys,
    beat: u64,
    beat_at: Moment,
    heard: u64,
}

/// See the module.
pub struct Asker {
    contact: Contact,
    entropy: Entropy,
    agreement: AgreementKey,
    uplink: Uplink,
    /// Somebody wants to know whether it is there.
    seeking: Option<Moment>,
    tasks: BTreeMap<TaskId, Asked>,
    boot: Option<Boot>,
    /// The knock that is not answered yet.
    knock: Option<(KnockChallenge, Vec<u8>)>,
    here: Option<bool>,
    /// The number of the newest knock or order; of all boots, so that none is used twice.
    number: u64,
    again: Option<Moment>,
    effects: VecDeque<AskerEffect>,
}

impl Asker {
    /// Asks nothing yet, and does not connect.
    pub fn new(contact: Contact, mut entropy: Entropy, now: Now) -> Self {
        Self {
            agreement: AgreementKey::generate(&mut entropy),
            uplink: Uplink::new(entropy.fork(), now),
            contact,
            entropy,
            seeking: None,
            tasks: BTreeMap::new(),
            boot: None,
            knock: None,
            here: None,
            number: 0,
            again: None,
            effects: VecDeque::new(),
        }
    }

    /// Base of the relay where the driver is asked, and where its tasks are shared.
    pub fn base(&self) -> &str {
        &self.contact.base
    }

    /// For how long the relay keeps what has ended at most, in milliseconds; 0: not at all, or it never greeted.
    pub fn keep_ms(&self) -> u64 {
        self.uplink.keep_ms
    }

    /// Wants to know whether the driver is there: [`AskerEffect::Found`] or [`AskerEffect::Missing`].
    pub fn seek(&mut self, now: Now) {
        self.seeking = Some(now.mono);
        self.act(now);
    }

    /// Has a task started. Its id is fresh.
    pub fn start(&mut self, now: Now, start: Start) {
        let id = start.task.clone();
        if !start.is_good() || Order::Start(Box::new(start.clone())).encode().is_none() {
            self.effects.push_back(AskerEffect::Failed(id, Failure::TooLong));
            return;
        }
        let asked = Asked {
            start,
            stage: Stage::New,
            begun: now.mono,
            kill: false,
            texts: VecDeque::new(),
            told: 0,
            unsaid: true,
            newest: None,
        };
        self.tasks.entry(id).or_insert(asked);
        self.act(now);
    }

    /// What the links here open of a task from now on.
    pub fn reach(&mut self, now: Now, task: &TaskId, granted: Granted) {
        if let Some(asked) = self.tasks.get_mut(task)
            && granted.revision > asked.start.granted.revision
        {
            (asked.start.granted, asked.unsaid) = (granted, true);
            self.act(now);
        }
    }

    /// Has a text typed into a task, behind those before: once, or not at all; [`AskerEffect::Told`] says which. Refused at
    /// once where it cannot be.
    pub fn tell(&mut self, now: Now, task: &TaskId, text: String) -> Result<(), Failure> {
        let asked = self.tasks.get_mut(task).filter(|asked| !asked.is_given_up() && !asked.is_over());
        let asked = asked.ok_or(Failure::Gone)?;
        if asked.texts.len() >= MOST_TEXTS {
            return Err(Failure::NotReading);
        }
        let number = asked.told + 1;
        let order = Order::Tell { task: task.clone(), number, text: text.clone() };
        order.encode().ok_or(Failure::TooLong)?;
        asked.told = number;
        asked.texts.push_back(Text { number, words: text, since: now.mono, said: false });
        asked.unsaid |= asked.texts.len() == 1;
        self.act(now);
        Ok(())
    }

    /// Has a task ended.
    pub fn kill(&mut self, now: Now, task: &TaskId) {
        if let Some(asked) = self.tasks.get_mut(task) {
            (asked.kill, asked.unsaid) = (true, true);
            self.act(now);
        }
    }

    /// Whether something that was ordered is not known to have been taken.
    pub fn has_orders(&self) -> bool {
        self.tasks.values().any(|asked| !asked.orders().is_empty())
    }

    /// Whether it was asked for this task.
    pub fn knows(&self, task: &TaskId) -> bool {
        self.tasks.contains_key(task)
    }

    /// Whether there is anything to say or to hear.
    pub fn is_wanted(&self) -> bool {
        self.seeking.is_some() || self.tasks.values().any(|asked| !asked.rests())
    }

    fn public(&self) -> AgreementPublic {
        self.agreement.public()
    }
}

/// The connection.
impl Asker {
    /// The socket is open; `host` is the authority that was dialled.
    pub fn handle_connected(&mut self, now: Now, host: &str) {
        self.uplink.handle_connected(now, host);
    }

    /// The socket closed, or could not be opened.
    pub fn handle_disconnected(&mut self, now: Now, code: Option<u16>) {
        self.uplink.handle_disconnected(now, code);
        self.go_away();
        self.act(now);
    }

    /// A message came.
    pub fn handle_packet(&mut self, now: Now, packet: &Packet) {
        match self.uplink.read(packet) {
            Ok(Came::Hello(_)) => self.say_knock(now),
            Ok(Came::Message(text)) => match decode(&text) {
                Ok(message) => self.handle_message(now, message),
                Err(ControlError::Unknown(_)) => {}
                Err(ControlError::Malformed) => self.close(now, CloseCode::ProtocolError),
            },
            Ok(Came::Nothing) => {}
            Err(code) => self.close(now, code),
        }
        self.act(now);
    }

    /// The next message for the socket.
    pub fn poll_transmit(&mut self) -> Option<Packet> {
        self.uplink.next()
    }

    /// The next effect.
    pub fn poll_effect(&mut self) -> Option<AskerEffect> {
        self.effects.pop_front()
    }

    /// When to call [`Asker::handle_timeout`], and why.
    pub fn poll_timeout(&self) -> Option<(Moment, &'static str)> {
        let wanted = self.is_wanted() || self.uplink.is_busy();
        let uplink = self.uplink.poll_timeout().filter(|_| wanted);
        let again = self.again.map(|at| (at, "ask again"));
        let starts = self.tasks.values().filter_map(Asked::given_up_at);
        let texts =
            self.tasks.values().filter_map(|asked| Some(asked.texts.front()?.since.after(GIVE_UP_MS)));
        let seeking = self.seeking.map(|since| since.after(GIVE_UP_MS));
        let give_up = starts.chain(texts).chain(seeking).min().map(|at| (at, "give up"));
        uplink.into_iter().chain(again).chain(give_up).min()
    }

    /// A deadline passed, or just time.
    pub fn handle_timeout(&mut self, now: Now) {
        if self.uplink.handle_timeout(now) {
            self.effects.push_back(AskerEffect::Close(CloseCode::TimedOut));
            self.go_away();
        }
        if self.again.take_if(|at| *at <= now.mono).is_some() && self.uplink.is_greeted() {
            self.say_knock(now);
        }
        self.give_up(now);
        self.act(now);
    }

    fn close(&mut self, now: Now, code: CloseCode) {
        self.effects.push_back(AskerEffect::Close(code));
        self.uplink.close(now, code);
        self.go_away();
    }

    fn go_away(&mut self) {
        (self.knock, self.here, self.again) = (None, None, None);
    }

    /// Does what has become possible.
    fn act(&mut self, now: Now) {
        let wanted = self.is_wanted();
        if wanted && self.uplink.poll_connect(now) {
            self.effects.push_back(AskerEffect::Connect);
        } else if !wanted && self.uplink.is_busy() {
            self.close(now, CloseCode::GoingAway);
        }
        if self.uplink.is_greeted() && self.knock.is_none() && self.here != Some(false) && self.has_orders() {
            let fresh = self.boot.as_ref().is_some_and(|boot| now.mono.since(boot.beat_at) < FRESH_MS);
            match self.again {
                // What is under way is waited for, unless there is more by now.
                Some(_) if !self.has_unsaid() => {}
                _ if fresh && self.here == Some(true) => self.say_orders(now, false),
                _ => self.say_knock(now),
            }
        }
    }

    /// Whether there is an order that was never said.
    fn has_unsaid(&self) -> bool {
        self.tasks.values().any(|asked| asked.unsaid && !asked.orders().is_empty())
    }

    fn say_knock(&mut self, now: Now) {
        let challenge: KnockChallenge = self.entropy.array();
        let Contact { id, secret, .. } = &self.contact;
        self.number += 1;
        let fresh = (&challenge, self.number);
        let sealed = knock(*id, secret, self.agreement.public(), fresh, &mut self.entropy);
        self.say(super::sealing::Asking::Knock(&sealed).encode());
        self.knock = Some((challenge, sealed));
        self.again = Some(now.mono.after(AGAIN_MS));
    }

    fn say(&mut self, body: Vec<u8>) {
        self.uplink.say(encode(&AskerToRelay::AskDriver { driver: self.contact.id, body: Blob(body) }));
    }

    /// Says what is not known to have been taken, to the boot that answered last: everything, or what was never said.
    fn say_orders(&mut self, now: Now, everything: bool) {
        let Some(boot) = &self.boot else { return };
        let mut bodies = Vec::new();
        for asked in self.tasks.values_mut().filter(|asked| everything || asked.unsaid) {
            asked.unsaid = false;
            for order in asked.orders() {
                let Some(plain) = order.encode().map(zeroize::Zeroizing::new) else { continue };
                self.number += 1;
                bodies.push(boot.keys.seal_order(self.number, boot.beat, &plain, &mut self.entropy));
                match order {
                    Order::Start(_) => {
                        asked.stage = Stage::Said(boot.id, boot.beat_at.after(BEAT_MS + AGAIN_MS));
                    }
                    Order::Tell { .. } => {
                        if let Some(first) = asked.texts.front_mut() {
                            first.said = true;
                        }
                    }
                    Order::Reach { .. } | Order::Kill { .. } => {}
                }
            }
        }
        if everything {
            self.again = None;
        }
        if !bodies.is_empty() {
            self.again.get_or_insert(now.mono.after(AGAIN_MS));
        }
        for body in bodies {
            self.say(body);
        }
    }
}

/// What is told.
impl Asker {
    fn handle_message(&mut self, now: Now, message: RelayToAsker) {
        let (RelayToAsker::DriverTold { driver, .. }
        | RelayToAsker::DriverPresence { driver, .. }
        | RelayToAsker::DriverBusy { driver, .. }) = &message;
        if *driver != self.contact.id {
            return;
        }
        match message {
            RelayToAsker::DriverTold { body, .. } => match Telling::decode(&body.0) {
                Some(Telling::Answer(answer)) => self.answered(now, &answer),
                Some(Telling::Refusal(public, signature)) => {
                    let knock = self.knock.as_ref();
                    let ours = knock
                        .is_some_and(|(_, knock)| is_refusal(self.contact.id, public, &signature, knock));
                    if ours {
                        self.fail_all(Failure::WrongKey);
                    }
                }
                Some(Telling::Report { number, sealed }) => self.reported(number, sealed),
                None => {}
            },
            RelayToAsker::DriverPresence { here, .. } => {
                // Also if it never went: this may be another boot, and to any it is a new line.
                if here {
                    self.say_knock(now);
                } else {
                    (self.knock, self.again) = (None, None);
                    if self.seeking.take().is_some() {
                        self.effects.push_back(AskerEffect::Missing(Failure::Away));
                    }
                }
                self.here = Some(here);
            }
            RelayToAsker::DriverBusy { retry_after_ms, .. } => {
                self.knock = None;
                self.again = Some(now.mono.after(retry_after_ms.clamp(AGAIN_MS, 60_000)));
            }
        }
    }

    fn answered(&mut self, now: Now, answer: &Answer) {
        let (id, asker) = (self.contact.id, self.public());
        let genuine = |(challenge, _): &(KnockChallenge, _)| answer.verify(id, asker, challenge);
        if !self.knock.as_ref().is_some_and(genuine) {
            return;
        }
        (self.knock, self.here) = (None, Some(true));
        if let Some(boot) = self.boot.as_mut().filter(|boot| boot.id == answer.boot) {
            (boot.beat, boot.beat_at) = (answer.beat, now.mono);
        } else {
            let pair = (&self.agreement, answer.agreement);
            let Some(keys) = Keys::new(pair, &self.contact.secret, (id, answer.boot, asker)) else { return };
            let (id, beat, beat_at) = (answer.boot, answer.beat, now.mono);
            self.boot = Some(Boot { id, keys, beat, beat_at, heard: 0 });
            self.leave_other_boots(answer.boot);
        }
        for asked in self.tasks.values_mut() {
            if let Stage::Unsure(_, until) = &mut asked.stage {
                // It hears now that it is to end this, and says so if it ever began.
                until.get_or_insert(now.mono.after(GIVE_UP_MS));
            }
        }
        if self.seeking.take().is_some() {
            self.effects.push_back(AskerEffect::Found);
        }
        self.say_orders(now, true);
    }

    /// What another boot had is gone, and what was said to it is not said again.
    fn leave_other_boots(&mut self, boot: EpochId) {
        for (id, asked) in &mut self.tasks {
            let why = match asked.stage {
                Stage::Said(before, _) if before != boot => Failure::Restarted,
                Stage::Taken(before) | Stage::Unsure(before, _) if before != boot => Failure::Gone,
                Stage::New | Stage::Said(..) | Stage::Taken(_) | Stage::Unsure(..) | Stage::Lost => continue,
            };
            let told = asked.is_given_up() || asked.is_over();
            asked.stage = Stage::Lost;
            asked.drop_texts(id, why, &mut self.effects);
            if !told {
                self.effects.push_back(AskerEffect::Failed(id.clone(), why));
            }
        }
    }

    fn reported(&mut self, number: u64, sealed: &[u8]) {
        let Some(boot) = self.boot.as_mut().filter(|boot| number > boot.heard) else { return };
        let Some(plain) = boot.keys.open_report(number, sealed) else { return };
        boot.heard = number;
        let Some(report) = Report::decode(&plain) else { return };
        let Some(asked) = self.tasks.get_mut(&report.task.id) else { return };
        if asked.is_given_up() {
            // It was given up, and yet began: it is being ended.
            if asked.newest.as_ref().is_none_or(|known| report.is_newer_than(known)) {
                asked.newest = Some(report);
            }
            return;
        }
        if !matches!(asked.stage, Stage::Taken(_)) {
            asked.stage = Stage::Taken(boot.id);
            // Texts were held back until now.
            asked.unsaid |= !asked.texts.is_empty();
        }
        if asked.newest.as_ref().is_none_or(|known| report.is_newer_than(known)) {
            asked.newest = Some(report.clone());
            let told = report.told;
            let id = report.task.id.clone();
            self.effects.push_back(AskerEffect::Report(Box::new(report)));
            if asked.texts.pop_front_if(|first| first.number == told.number).is_some() {
                let typed = if told.typed { Ok(()) } else { Err(Failure::NotReading) };
                self.effects.push_back(AskerEffect::Told(id.clone(), typed));
                asked.unsaid |= !asked.texts.is_empty();
            }
            if asked.is_over() {
                asked.drop_texts(&id, Failure::NotReading, &mut self.effects);
            }
        }
        // A knock that was lost is still said again: without an answer nothing more could be ordered.
        if !self.has_orders() && self.knock.is_none() {
            self.again = None;
        }
    }

    fn give_up(&mut self, now: Now) {
        let why = match self.here {
            _ if !self.uplink.is_greeted() => Failure::NoRelay,
            Some(false) => Failure::Away,
            Some(true) | None => Failure::Silent,
        };
        for (id, asked) in &mut self.tasks {
            if asked.given_up_at().is_some_and(|at| at <= now.mono)
                && let Some(why) = asked.give_up(why)
            {
                asked.drop_texts(id, why, &mut self.effects);
                self.effects.push_back(AskerEffect::Failed(id.clone(), why));
            }
            // What waits for somebody who is not there is old when they come.
            while let Some(text) = asked.texts.pop_front_if(|first| first.since.after(GIVE_UP_MS) <= now.mono)
            {
                let why = if text.said { Failure::Untold } else { why };
                self.effects.push_back(AskerEffect::Told(id.clone(), Err(why)));
            }
        }
        if self.seeking.take_if(|since| since.after(GIVE_UP_MS) <= now.mono).is_some() {
            self.effects.push_back(AskerEffect::Missing(why));
        }
    }

    /// Everything that has not begun does not begin.
    fn fail_all(&mut self, why: Failure) {
        (self.knock, self.again) = (None, None);
        for (id, asked) in &mut self.tasks {
            if matches!(asked.stage, Stage::Unsure(..)) {
                // It ended with the driver that had the other key.
                asked.stage = Stage::Lost;
            } else if matches!(asked.stage, Stage::New | Stage::Said(..)) {
                asked.stage = Stage::Lost;
                asked.drop_texts(id, why, &mut self.effects);
                self.effects.push_back(AskerEffect::Failed(id.clone(), why));
            }
        }
        if self.seeking.take().is_some() {
            self.effects.push_back(AskerEffect::Missing(why));
        }
    }
}

impl core::fmt::Debug for Asker {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Asker")
            .field("contact", &self.contact)
            .field("tasks", &self.tasks.len())
            .finish_non_exhaustive()
    }
}
