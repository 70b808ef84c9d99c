//! The two machines, and a network between them.

use std::collections::BTreeSet;

use super::{HOST, contact, hello, key, rule, start};
use crate::driver::*;
use crate::encoding::Blob;
use crate::entropy::Entropy;
use crate::id::{LineId, SessionId, TaskId};
use crate::keys::owner::Challenge;
use crate::orchestration::status::TaskState;
use crate::orchestration::task::Task;
use crate::time::Now;
use crate::wire::driver::{AskerToRelay, DriverToRelay, RelayToAsker, RelayToDriver};
use crate::wire::{Packet, decode, encode};

/// Asker, driver, all that was ever on the way between them, and what came of it.
pub(super) struct World {
    pub(super) now: Now,
    pub(super) seed: u8,
    pub(super) driver: Driver,
    pub(super) asker: Asker,
    pub(super) line: u64,
    pub(super) up: Vec<Vec<u8>>,
    pub(super) down: Vec<Vec<u8>>,
    pub(super) started: Vec<TaskId>,
    pub(super) running: BTreeSet<TaskId>,
    pub(super) reached: Vec<u64>,
    pub(super) killed: usize,
    pub(super) typed: Vec<String>,
    pub(super) told: Vec<Result<(), Failure>>,
    pub(super) registered: bool,
    pub(super) heard: Vec<Report>,
    pub(super) failed: Vec<(TaskId, Failure)>,
    pub(super) missing: Vec<Failure>,
    pub(super) found: usize,
}

impl World {
    pub(super) fn new(driver_seed: u8, contact: Contact) -> Self {
        let now = Now::new(1_000, 1_000_000);
        let mut world = Self {
            now,
            seed: 100,
            driver: Driver::new(key(driver_seed), rule(), Entropy::from_seed([driver_seed + 50; 32]), now),
            asker: Asker::new(contact, Entropy::from_seed([77; 32]), now),
            line: 1,
            up: Vec::new(),
            down: Vec::new(),
            started: Vec::new(),
            running: BTreeSet::new(),
            reached: Vec::new(),
            killed: 0,
            typed: Vec::new(),
            told: Vec::new(),
            registered: false,
            heard: Vec::new(),
            failed: Vec::new(),
            missing: Vec::new(),
            found: 0,
        };
        world.run();
        world
    }

    pub(super) fn good() -> Self {
        Self::new(1, contact(&key(1)))
    }

    /// Runs effects, and collects what leaves.
    pub(super) fn run(&mut self) {
        loop {
            let mut quiet = true;
            while let Some(effect) = self.driver.poll_effect() {
                quiet = false;
                match effect {
                    DriverEffect::Connect => {
                        self.driver.handle_connected(self.now, HOST);
                        self.driver.handle_packet(self.now, &hello());
                    }
                    DriverEffect::Start(start) => {
                        self.running.insert(start.task.clone());
                        self.started.push(start.task.clone());
                    }
                    DriverEffect::Reach(_, granted) => self.reached.push(granted.revision),
                    DriverEffect::Kill(task) => {
                        self.killed += 1;
                        self.running.remove(&task);
                        let mut task = Task::new(task, None, "", self.now.wall);
                        (task.revision, task.state) = (99, TaskState::Cancelled);
                        self.driver.report(self.now, task, None);
                    }
                    DriverEffect::Tell(task, text) => {
                        let typed = text != "unread";
                        self.typed.push(text);
                        self.driver.told(&task, typed);
                    }
                    DriverEffect::Registered => self.registered = true,
                    DriverEffect::Close(_) | DriverEffect::Refused(_) => {}
                }
            }
            while let Some(effect) = self.asker.poll_effect() {
                quiet = false;
                match effect {
                    AskerEffect::Connect => {
                        self.asker.handle_connected(self.now, HOST);
                        self.asker.handle_packet(self.now, &hello());
                    }
                    AskerEffect::Report(report) => self.heard.push(*report),
                    AskerEffect::Told(_, told) => self.told.push(told),
                    AskerEffect::Failed(task, why) => self.failed.push((task, why)),
                    AskerEffect::Missing(why) => self.missing.push(why),
                    AskerEffect::Found => self.found += 1,
                    AskerEffect::Close(_) => {}
                }
            }
            while let Some(Packet::Text(text)) = self.driver.poll_transmit() {
                quiet = false;
                match decode(&text).unwrap() {
                    DriverToRelay::RegisterDriver { driver, claim, .. } => {
                        assert!(claim.verify_driver(driver, &Challenge([9; 32]), HOST));
                        assert!(!claim.verify_driver(driver, &Challenge([9; 32]), "other.example"));
                        let registered = RelayToDriver::DriverRegistered { driver };
                        self.driver.handle_packet(self.now, &Packet::Text(encode(&registered)));
                    }
                    DriverToRelay::TellAsker { body, .. } => self.down.push(body.0),
                }
            }
            while let Some(Packet::Text(text)) = self.asker.poll_transmit() {
                quiet = false;
                let AskerToRelay::AskDriver { body, .. } = decode(&text).unwrap();
                self.up.push(body.0);
            }
            if quiet {
                return;
            }
        }
    }

    pub(super) fn give_driver(&mut self, body: Vec<u8>) {
        let asked = RelayToDriver::DriverAsked { line: LineId(self.line), body: Blob(body) };
        self.driver.handle_packet(self.now, &Packet::Text(encode(&asked)));
        self.run();
    }

    pub(super) fn give_asker(&mut self, body: Vec<u8>) {
        let driver = Self::asked();
        let told = RelayToAsker::DriverTold { driver, body: Blob(body) };
        self.asker.handle_packet(self.now, &Packet::Text(encode(&told)));
        self.run();
    }

    pub(super) fn asked() -> crate::id::DriverId {
        contact(&key(1)).id
    }

    pub(super) fn presence(&mut self, here: bool) {
        let presence = RelayToAsker::DriverPresence { driver: Self::asked(), here };
        self.asker.handle_packet(self.now, &Packet::Text(encode(&presence)));
        self.run();
    }

    /// Everything arrives, until nothing more leaves.
    pub(super) fn deliver(&mut self) {
        while !(self.up.is_empty() && self.down.is_empty()) {
            self.deliver_up();
            for body in std::mem::take(&mut self.down) {
                self.give_asker(body);
            }
        }
    }

    pub(super) fn wait(&mut self, ms: u64) {
        self.now = Now::new(self.now.mono.0 + ms, self.now.wall.0 + ms);
        self.driver.handle_timeout(self.now);
        self.asker.handle_timeout(self.now);
        self.run();
    }

    /// Another boot of the same driver.
    pub(super) fn restart(&mut self) {
        self.seed += 1;
        self.running.clear();
        self.driver = Driver::new(key(1), rule(), Entropy::from_seed([self.seed; 32]), self.now);
        self.line += 1;
        self.run();
    }

    /// What is on the way to the driver arrives.
    pub(super) fn deliver_up(&mut self) {
        for body in std::mem::take(&mut self.up) {
            self.give_driver(body);
        }
    }

    pub(super) fn tell(&mut self, text: &str) {
        self.asker.tell(self.now, &TaskId("a".into()), text.into()).unwrap();
        self.run();
    }

    pub(super) fn begin(&mut self, id: &str) {
        self.asker.start(self.now, start(id));
        self.run();
    }

    /// The driver's owner says how a task stands.
    pub(super) fn say(&mut self, id: &str, revision: u64, state: TaskState) {
        let mut task = Task::new(TaskId(id.into()), None, id, self.now.wall);
        (task.revision, task.state, task.session) = (revision, state, Some(SessionId([5; 16])));
        if state.is_final() {
            self.running.remove(&task.id);
        }
        let exit = state.is_final().then(|| Exit { code: Some(0), signal: None, word: "".into() });
        self.driver.report(self.now, task, exit);
        self.run();
    }

    pub(super) fn newest(&self) -> (u64, TaskState) {
        let task = &self.heard.last().unwrap().task;
        (task.revision, task.state)
    }
}
