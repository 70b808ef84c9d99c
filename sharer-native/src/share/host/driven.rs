//! In a driver: what askers elsewhere order is started, shared and reported.

use shared::driver::{DriverEffect, Exit, Start};
use shared::id::{TaskId, short};
use shared::orchestration::task::Task;
use shared::sharer::{Begin, SessionConfig};
use shared::wire::close::Refusal;
use shared::wire::source::SessionSource;

use super::super::bell::Place;
use super::super::hosted::{Hosted, Hosting};
use super::super::tasks::TaskError;
use super::{FIRST, HANG_UP, Host};
use crate::agents::Started;
use crate::clock;
use crate::config::HEADLESS;
use crate::driver::place::NotStarted;
use crate::driver::serve::Driving;
use crate::pty::Ended;

impl Host {
    /// This process is a driver from now on, and runs nothing of its own.
    pub(in crate::share) fn drive(&mut self, driving: Driving) {
        self.lines.driver = Some(driving);
    }

    /// Does what was ordered, and takes what drivers tell.
    pub(super) fn take_lines(&mut self) {
        while let Some(order) = self.lines.order() {
            self.take_order(order);
        }
        while let Some((driver, told)) = self.lines.told() {
            self.take_told(&driver, told);
        }
        if let Some(driving) = &mut self.lines.driver {
            driving.tell_trouble();
        }
    }

    fn take_order(&mut self, order: DriverEffect) {
        match order {
            DriverEffect::Start(start) => {
                let (task, name) = (start.task.clone(), start.name.clone());
                if let Err(NotStarted { why, status }) = self.start(*start)
                    && let Some(driving) = &mut self.lines.driver
                {
                    tracing::info!("a task could not be started");
                    driving.say(&format!("{name} was not started: {why}"));
                    driving.line.machine.report_failure(clock::now(), &task, &why, status);
                }
            }
            DriverEffect::Reach(task, granted) => self.machine.let_in(clock::now(), &task, granted.reach()),
            DriverEffect::Tell(task, text) => self.take_telling(&task, &text),
            DriverEffect::Kill(task) => self.kill_task(&task),
            DriverEffect::Registered => {
                tracing::info!("registered");
                if let Some(driving) = &mut self.lines.driver {
                    driving.trouble = None;
                    driving.say(&format!("{} can be asked", self.title));
                }
            }
            DriverEffect::Refused(Refusal::Replaced) => {
                if let Some(driving) = &self.lines.driver {
                    driving.say("another process with this driver's key took its place");
                }
                self.leave_drive(rustix::process::Signal::TERM.as_raw());
                for hosted in self.hosted.values_mut() {
                    hosted.hang_up_whole(HANG_UP);
                }
            }
            DriverEffect::Refused(reason) => {
                tracing::warn!(?reason, "the relay refuses the driver");
            }
            DriverEffect::Connect | DriverEffect::Close(_) => {}
        }
    }

    /// Starts a task for an asker, and shares it from its first byte.
    fn start(&mut self, start: Start) -> Result<(), NotStarted> {
        let words = |error: &dyn std::fmt::Display| error.to_string();
        let Some(driving) = &self.lines.driver else { return Ok(()) };
        let program = driving.allowed.program(&start)?;
        let dir = driving.allowed.directory(start.directory.as_deref())?;
        let place = self.room().map_err(|error| words(&error))?;
        let token = clock::token(&mut self.entropy);
        let mut environment = self.secrets(&start.task, &token);
        environment.extend(self.surroundings());
        if let Some(parent) = &start.parent {
            environment.push(("SHARER_PARENT_TASK_ID", (&parent.0).into()));
        }
        if let Some(prompt) = &start.prompt {
            environment.push(("SHARER_PROMPT", prompt.into()));
        }
        let hosting = Hosting { window: HEADLESS, ..self.hosting };
        let hosted = Hosted::start(&program, &environment, hosting, self.bells.bell(place));
        let hosted = hosted?;
        self.orphans.watch(hosted.pid());
        let mut value = Task::new(start.task.clone(), start.parent, &start.name, clock::now().wall);
        value.command = program.command().as_str().into();
        value.prompt = start.prompt.as_deref().unwrap_or_default().into();
        value.directory = dir.to_string_lossy().as_ref().into();
        self.tasks.add(place, Some(FIRST), token, value);
        self.tasks.runs_as(place, u32::try_from(hosted.pid().as_raw_pid()).ok());
        self.hosted.insert(place, hosted);
        self.record(place, Started::by(program.path(), program.arguments()));
        let Some(task) = self.tasks.get(place) else { return Ok(()) };
        let config = SessionConfig {
            title: task.value.name.to_string(),
            read_only: start.read_only,
            compress: self.compress,
            window: HEADLESS,
            source: SessionSource::default(),
            announced: false,
            keep: start.keep,
        };
        self.machine.host_for_others(clock::now(), task.value.clone(), config);
        self.share(place, Begin::Fresh).map_err(|error| format!("{error:#}"))?;
        self.machine.let_in(clock::now(), &start.task, start.granted.reach());
        // Its session is known before its first byte.
        self.run_effects();
        self.say_task(place, &format!("started: {}", program.title()));
        // It may have ended already, before its place was known.
        self.reap();
        Ok(())
    }

    /// Where the next task goes, if one more may start. A driver runs for long: what was over first makes room there.
    pub(super) fn room(&mut self) -> Result<Place, TaskError> {
        let over = if self.lines.is_driver() { self.tasks.in_the_way(FIRST) } else { Vec::new() };
        for place in over {
            let is_done = self.hosted.get(&place).is_none_or(Hosted::is_done);
            let id = self.tasks.get(place).map(|task| task.value.id.clone());
            if is_done && id.is_some_and(|id| self.machine.forget_program(&id)) {
                self.hosted.remove(&place);
                self.tasks.forget(place);
                break;
            }
        }
        self.tasks.room()
    }

    /// In a driver: tells its person about a task.
    pub(super) fn say_task(&self, place: Place, what: &str) {
        if let (Some(driving), Some(task)) = (&self.lines.driver, self.tasks.get(place)) {
            driving.say(&format!("{} ({}) {what}", task.value.name, short(&task.value.id.0)));
        }
    }

    /// In a driver: tells its person how a task ended.
    pub(super) fn say_end(&self, place: Place) {
        if let Some(row) = self.row(place).filter(|_| self.lines.is_driver()) {
            let why = row.reason.map(|why| format!(" ({why})")).unwrap_or_default();
            self.say_task(place, &(row.state + &why));
        }
    }

    fn kill_task(&mut self, task: &TaskId) {
        let place = self.tasks.with_id(task);
        if let Some(place) = place.filter(|place| self.tasks.kill(*place).is_ok())
            && let Some(hosted) = self.hosted.get_mut(&place)
        {
            hosted.hang_up_whole(HANG_UP);
        }
    }

    /// Tells who asked for a task what it is now; of others nobody asks.
    pub(super) fn report(&mut self, place: Place) {
        let (Some(driving), Some(task)) = (&mut self.lines.driver, self.tasks.get(place)) else { return };
        let Some(value) = self.machine.task(&task.value.id) else { return };
        driving.line.machine.report(clock::now(), value.clone(), task.ended.map(exit));
    }

    /// A driver that is told to end ends once its tasks have.
    pub(super) fn leave_drive(&mut self, signal: i32) {
        if self.lines.is_driver() && self.ended.is_none() {
            self.ended = Some(Ended { code: None, signal: Some(signal) });
        }
    }
}

fn exit(ended: Ended) -> Exit {
    let word = ended.signal_name().unwrap_or_default().as_str().into();
    Exit { code: ended.code, signal: ended.signal, word }
}
