//! Tasks that run under drivers: asked for here, started and shared there, listed here.

use shared::driver::{AskerEffect, Granted, Report, Start, Told};
use shared::id::TaskId;
use shared::orchestration::status::TaskState;
use shared::orchestration::task::{Task, new_id};
use tokio::sync::oneshot;

use super::super::bell::Place;
use super::super::reached::Reached;
use super::super::tasks::TaskError;
use super::Host;
use crate::clock;
use crate::control::request::{On, Reply, Spawn, Word};
use crate::driver::ask::name_of;
use crate::exit;
use crate::keeping::{self, Record};
use crate::pty::{Ended, command_line};

/// Somebody who waits to hear whether a task began.
#[derive(Debug)]
pub(super) struct Starting {
    place: Place,
    answer: oneshot::Sender<Reply>,
    notices: Vec<String>,
    /// What the relay is to keep of it.
    record: Option<Record>,
}

impl Host {
    /// Asks a driver for a task. The answer goes out when the driver has said whether it began.
    pub(super) fn spawn_elsewhere(&mut self, by: Place, spawn: Spawn, answer: oneshot::Sender<Reply>) {
        match self.ask_for(by, spawn) {
            Ok((place, notices, record)) => {
                self.starting.push(Starting { place, answer, notices, record });
            }
            // Whoever asked may be gone.
            Err(why) => drop(answer.send(Reply::Refused(why))),
        }
    }

    fn ask_for(&mut self, by: Place, spawn: Spawn) -> Result<(Place, Vec<String>, Option<Record>), String> {
        let words = |error: TaskError| error.to_string();
        let On { driver, dir, environment } = spawn.on.ok_or("no driver is named")?;
        let text = |word| if let Word::Text(text) = word { Some(text) } else { None };
        let command = spawn.command.into_iter().map(text).collect::<Option<Vec<String>>>();
        let command = command.ok_or("a command for another machine is text")?;
        let place = self.room().map_err(words)?;
        let parent =
            self.tasks.get(by).filter(|task| task.is_alive()).ok_or(TaskError::Over).map_err(words)?;
        if parent.value.parent.is_some() {
            return Err(
                "a child's own children are not shared: only its parent starts tasks on drivers".to_owned()
            );
        }
        let parent = parent.value.id.clone();
        let line = self.lines.ask(&driver, &mut self.entropy)?;
        let (here, there) = (self.reached.as_ref(), line.machine.base());
        let other = here.filter(|here| here.base != there && here.url.base() != there);
        let apart = |here: &Reached| {
            format!(
                "the task is shared at {there} and this session at {}: viewers open both only if that is one relay",
                here.base
            )
        };
        let notices = other.map(apart).into_iter().collect();
        let id = new_id(&mut self.entropy);
        let name = spawn.name.unwrap_or_else(|| name_of(&command));
        let mut value = Task::new(id.clone(), Some(parent.clone()), &name, clock::now().wall);
        value.command = command_line(&command).as_str().into();
        value.prompt = spawn.prompt.as_deref().unwrap_or_default().into();
        value.directory = dir.as_deref().unwrap_or_default().into();
        value.driver = Some(driver.as_str().into());
        self.tasks.add_elsewhere(place, by, clock::token(&mut self.entropy), value);
        let value = self.tasks.get(place).ok_or(TaskError::Over).map_err(words)?.value.clone();
        let name = value.name.clone();
        self.machine.host_elsewhere(clock::now(), value, self.read_only);
        let (revision, reach) = self.machine.granted(&id);
        // With a session here that is kept at that relay it is kept, and removed. Else by itself; without a place for its key
        // nobody could remove it.
        let base = line.machine.base();
        let own = self.keep.as_ref().filter(|own| own.relay == base).and_then(Record::keep);
        let record = match own {
            Some(_) => None,
            None => keeping::begin(base, &name, keeping::USUAL, &mut self.entropy).ok(),
        };
        let start = Start {
            task: id,
            parent: Some(parent),
            name,
            prompt: spawn.prompt,
            command,
            directory: dir,
            environment,
            read_only: self.read_only,
            granted: Granted::new(revision, reach),
            keep: own.or_else(|| record.as_ref().and_then(Record::keep)),
        };
        line.machine.start(clock::now(), start);
        Ok((place, notices, record))
    }

    /// A driver tells something.
    pub(super) fn take_told(&mut self, driver: &str, told: AskerEffect) {
        match told {
            AskerEffect::Report(report) => self.take_report(*report),
            AskerEffect::Told(task, told) => self.was_told(driver, &task, told),
            AskerEffect::Failed(task, why) => {
                let trouble = self.lines.of(&task).and_then(|line| line.trouble().map(str::to_owned));
                let trouble = trouble.map_or_else(String::new, |trouble| format!(": {trouble}"));
                self.fail(&task, &format!("{driver}: {why}{trouble}"));
            }
            AskerEffect::Connect | AskerEffect::Close(_) | AskerEffect::Found | AskerEffect::Missing(_) => {}
        }
    }

    fn fail(&mut self, task: &TaskId, why: &str) {
        let Some(known) = self.machine.task(task) else { return };
        let mut task = known.clone();
        task.enter(TaskState::Error, why, clock::now().wall);
        self.take_report(Report { task, exit: None, granted: 0, told: Told::default() });
    }

    fn take_report(&mut self, report: Report) {
        let Report { task, exit: ended, .. } = report;
        let Some(place) = self.tasks.with_id(&task.id) else { return };
        let ended = task.state.is_final().then(|| match ended {
            Some(ended) => Ended { code: ended.code, signal: ended.signal },
            // It never ran, or nobody knows.
            None => Ended { code: Some(exit::FAILED.into()), signal: None },
        });
        self.tasks.told(place, &task, ended);
        self.machine.handle_elsewhere(clock::now(), task);
        self.answer_starting();
        self.answer_waiting();
    }

    /// Answers those whose tasks have begun, or will not.
    fn answer_starting(&mut self) {
        for starting in std::mem::take(&mut self.starting) {
            let Starting { place, answer, mut notices, mut record } = starting;
            let id = self.tasks.get(place).map(|task| task.value.id.clone());
            let line = id.as_ref().and_then(|id| self.lines.of(id));
            let keep_ms = line.map_or(0, |line| line.machine.keep_ms());
            let task = id.and_then(|id| self.machine.task(&id));
            let Some((task, row)) = task.zip(self.row(place)) else { continue };
            if let Some(session) = task.session {
                if let Some(record) = &mut record {
                    record.is_of(session);
                    notices.push(record.words(keep_ms));
                    if keep_ms == 0 {
                        record.forget();
                    }
                }
                drop(answer.send(Reply::Spawned { task: Box::new(row), notices }));
            } else if task.state.is_final() {
                if let Some(record) = &record {
                    record.forget();
                }
                let why = task.reason.to_string();
                let ended = self.tasks.get(place).and_then(|task| task.ended);
                let status = ended.map_or(exit::FAILED, Ended::status);
                drop(answer.send(Reply::NotStarted { why, status }));
            } else if !answer.is_closed() || record.is_some() {
                // Even if nobody waits any more: of what is kept the key must know its session.
                self.starting.push(Starting { place, answer, notices, record });
            }
        }
    }

    /// What the links here open of a task elsewhere changed.
    pub(super) fn tell_reach(&mut self, task: &TaskId) {
        let (revision, reach) = self.machine.granted(task);
        if let Some(line) = self.lines.of(task) {
            line.machine.reach(clock::now(), task, Granted::new(revision, reach));
        }
    }

    /// Has a task elsewhere ended; `false`: it runs here.
    pub(super) fn kill_elsewhere(&mut self, place: Place) -> bool {
        let Some(task) = self.tasks.get(place).filter(|task| task.is_elsewhere()) else { return false };
        let id = task.value.id.clone();
        if let Some(line) = self.lines.of(&id) {
            line.machine.kill(clock::now(), &id);
        }
        true
    }
}
