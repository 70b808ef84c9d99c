//! Tasks below the first: started, told, ended.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::process::Pid;
use shared::event::WindowSize;
use shared::id::TaskId;
use shared::orchestration::task::{Name, Task, new_id};

use super::super::banner;
use super::super::bell::Place;
use super::super::hosted::{Hosted, Hosting};
use super::super::tasks::TaskError;
use super::{FIRST, Host};
use crate::agents::Started;
use crate::clock;
use crate::control::request::{Nest, Reply, Spawn, Word};
use crate::control::{SOCKET_VARIABLE, TOKEN_VARIABLE};
use crate::pty::{Ended, Program, StartError, Surroundings};
use crate::record::args::{OFF, SWITCH};

/// Children whose parent has ended, or that are killed, have this long to end by themselves (ORCHESTRATION 2).
const PATIENCE: Duration = Duration::from_secs(5);

impl Host {
    /// Starts a task below another.
    pub(super) fn spawn(&mut self, by: Place, spawn: Spawn) -> Reply {
        match self.try_spawn(by, spawn) {
            Ok(reply) => reply,
            Err(Refused::Task(error)) => Reply::Refused(error.to_string()),
            Err(Refused::Start(error)) => {
                Reply::NotStarted { status: error.status(), why: error.to_string() }
            }
        }
    }

    fn try_spawn(&mut self, by: Place, spawn: Spawn) -> Result<Reply, Refused> {
        let place = self.room()?;
        let parent = self.tasks.get(by).filter(|task| task.is_alive()).ok_or(TaskError::Over)?;
        let (parent_id, is_child) = (parent.value.id.clone(), parent.value.parent.is_none());
        let command: Vec<OsString> = spawn.command.into_iter().map(OsString::from).collect();
        let is_recorded = !spawn.environment.iter().any(|(name, value)| {
            *name == Word::from(OsStr::new(SWITCH)) && *value == Word::from(OsStr::new(OFF))
        });
        let dir = spawn.dir.to_string_lossy().into_owned();
        let around = Surroundings {
            dir: Some(spawn.dir),
            environment: Some(
                spawn.environment.into_iter().map(|(name, value)| (name.into(), value.into())).collect(),
            ),
        };
        let program = Program::find_in(&command, around)?;
        let (id, token) = (new_id(&mut self.entropy), clock::token(&mut self.entropy));
        let mut environment = self.secrets(&id, &token);
        environment.push(("SHARER_PARENT_TASK_ID", (&parent_id.0).into()));
        if let Some(prompt) = &spawn.prompt {
            environment.push(("SHARER_PROMPT", prompt.into()));
        }
        let hosting = Hosting {
            window: self.hosted.get(&by).map_or(self.hosting.window, Hosted::window),
            // A grandchild is not shared, so nobody looks.
            scrollback: self.hosting.scrollback.filter(|_| is_child),
            local: false,
        };
        let hosted = Hosted::start(&program, &environment, hosting, self.bells.bell(place))?;
        self.orphans.watch(hosted.pid());
        let started = Started::by(program.path(), program.arguments());
        let asked = spawn.name.as_deref().map(|name| Name::new(name.trim())).filter(|name| !name.is_empty());
        let called = started.as_ref().map(|started| started.agent.name.to_owned());
        let name = spawn.name.or(called).unwrap_or_else(|| program.name());
        let mut value = Task::new(id, Some(parent_id), &name, clock::now().wall);
        value.command = program.command().as_str().into();
        value.prompt = spawn.prompt.as_deref().unwrap_or_default().into();
        value.directory = dir.as_str().into();
        self.tasks.add(place, Some(by), token, value);
        self.begin(place, hosted, self.read_only, !spawn.told, is_recorded, started);
        // It may have ended already, before its place was known.
        self.reap();
        let task = self.row(place).ok_or(TaskError::Over)?;
        let renamed = asked.filter(|asked| **asked != *task.name);
        let renamed = renamed.map(|asked| format!("{asked:?} is taken: this task is called {:?}", task.name));
        Ok(Reply::Spawned {
            task: Box::new(task),
            notices: renamed.into_iter().chain(notice(is_child)).collect(),
        })
    }

    /// A task's program runs, which may be a known agent.
    fn begin(
        &mut self,
        place: Place,
        hosted: Hosted,
        read_only: bool,
        announced: bool,
        recorded: bool,
        started: Option<Started>,
    ) {
        self.tasks.runs_as(place, u32::try_from(hosted.pid().as_raw_pid()).ok());
        self.hosted.insert(place, hosted);
        if recorded {
            self.record(place, started);
        }
        self.enter(place, read_only, announced);
        // Its session, if it has one, is known before its first byte.
        self.run_effects();
    }

    /// Takes a program in a nested `sharer` as a task below another. `stream` gets the answer, unless it is an error.
    pub(super) fn nest(
        &mut self,
        by: Place,
        nest: &Nest,
        pid: Option<i32>,
        mut stream: UnixStream,
    ) -> Result<(), String> {
        let words = |error: TaskError| error.to_string();
        let system = |error: std::io::Error| error.to_string();
        let place = self.room().map_err(words)?;
        let pid = pid.and_then(Pid::from_raw).ok_or("this system does not say who asks")?;
        let parent =
            self.tasks.get(by).filter(|task| task.is_alive()).ok_or(TaskError::Over).map_err(words)?;
        let (parent_id, is_child) = (parent.value.id.clone(), parent.value.parent.is_none());
        let (id, token) = (new_id(&mut self.entropy), clock::token(&mut self.entropy));
        let mut environment = self.secrets(&id, &token);
        environment.push(("SHARER_PARENT_TASK_ID", (&parent_id.0).into()));
        let environment =
            environment.into_iter().map(|(name, value)| (name.to_owned(), Word::from(value.as_os_str())));
        let window = crate::term::clamped(WindowSize { cols: nest.cols, rows: nest.rows });
        let scrollback = self.hosting.scrollback.filter(|_| is_child);
        let bell = self.bells.bell(place);
        let answered = stream.try_clone().map_err(system)?;
        let mut value = Task::new(id, Some(parent_id), &nest.name, clock::now().wall);
        value.command = nest.command.as_str().into();
        value.directory = nest.dir.to_string_lossy().as_ref().into();
        self.tasks.add(place, Some(by), token, value);
        let task = Box::new(self.tasks.row(place).ok_or(TaskError::Over).map_err(words)?);
        let reply = Reply::Nested { task, notice: notice(is_child), environment: environment.collect() };
        let mut line = serde_json::to_vec(&reply).map_err(|error| error.to_string())?;
        line.push(b'\n');
        // A few hundred bytes into an empty socket: this waits for nobody.
        drop(stream.write_all(&line));
        match Hosted::nested(answered, pid, window, scrollback, bell) {
            Ok(hosted) => {
                let words = shell_words::split(&nest.command).unwrap_or_default();
                let mut words = words.iter().map(OsStr::new);
                let started = Started::by(Path::new(words.next().unwrap_or_default()), words);
                let read_only = self.read_only || nest.read_only;
                self.begin(place, hosted, read_only, true, !nest.no_record, started);
            }
            Err(error) => {
                tracing::warn!(%error, "a nested program cannot be followed");
                self.tasks.end(place, Ended { code: None, signal: None }, clock::now().wall);
            }
        }
        Ok(())
    }

    /// What a task finds in its environment to reach this process.
    pub(super) fn secrets(&self, id: &TaskId, token: &str) -> Vec<(&'static str, OsString)> {
        let mut all: Vec<(&'static str, OsString)> =
            vec![("SHARER_TASK_ID", (&id.0).into()), ("SHARER_SESSION", (&self.task.0).into())];
        if let Some(server) = &self.server {
            all.push((SOCKET_VARIABLE, server.path().as_os_str().to_owned()));
            all.push((TOKEN_VARIABLE, token.into()));
        }
        if let Ok(own) = std::env::current_exe() {
            all.push(("SHARER_BIN", own.into_os_string()));
        }
        all
    }

    /// Ends a task.
    pub(super) fn kill(&mut self, by: Place, task: &str) -> Result<(), TaskError> {
        let place = self.tasks.find(by, task)?;
        self.tasks.kill(place)?;
        if self.kill_elsewhere(place) {
            return Ok(());
        }
        if let Some(hosted) = self.hosted.get_mut(&place) {
            hosted.hang_up_whole(PATIENCE);
        }
        Ok(())
    }

    /// Records which programs have ended since the last call, and ends what is below them.
    pub(super) fn finish_programs(&mut self) {
        let mut over = Vec::new();
        for (place, hosted) in &mut self.hosted {
            if let Some(ended) = hosted.is_over() {
                over.push((*place, ended, hosted.pid()));
            }
        }
        if over.is_empty() {
            return;
        }
        for (place, ended, pid) in over {
            if place == FIRST {
                self.ended = Some(ended);
                // The user's terminal is the user's again, whatever is still to be waited for.
                self.raw = None;
                self.say_who_stays();
            } else {
                self.orphans.forget(pid);
            }
            self.tasks.end(place, ended, clock::now().wall);
            self.task_changed(place);
            self.record_end(place, ended);
            if place != FIRST {
                self.say_exit(place);
                self.say_end(place);
            }
            if !(self.keep_children && place == FIRST) {
                self.hang_up_below(place);
            }
        }
        self.answer_waiting();
    }

    /// Says on the user's own terminal why this process does not end with its program.
    fn say_who_stays(&self) {
        let left = self.children_alive();
        if self.keep_children && left > 0 && !self.quiet {
            let tasks = if left == 1 { "1 task runs".to_owned() } else { format!("{left} tasks run") };
            banner::show(&format!(
                "sharer: the program has ended and {tasks} on; sharer stays until the last ends\n"
            ));
        }
    }

    fn hang_up_below(&mut self, place: Place) {
        for below in self.tasks.below(place) {
            if let Some(hosted) = self.hosted.get_mut(&below) {
                hosted.hang_up_whole(PATIENCE);
            }
        }
    }

    /// How many tasks besides the first run.
    pub(super) fn children_alive(&self) -> usize {
        self.hosted.iter().filter(|(place, hosted)| **place != FIRST && !hosted.is_done()).count()
    }
}

/// What somebody who starts a task is told.
fn notice(is_child: bool) -> Option<String> {
    let said = "a child's own children run and are listed by `sharer ps --tree`, but are not shared";
    (!is_child).then(|| said.to_owned())
}

/// Why nothing was started.
enum Refused {
    Task(TaskError),
    Start(StartError),
}

impl From<TaskError> for Refused {
    fn from(error: TaskError) -> Self {
        Self::Task(error)
    }
}

impl From<StartError> for Refused {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}
