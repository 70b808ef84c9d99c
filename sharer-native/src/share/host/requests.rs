//! Requests over the control socket: who may ask what, and the answers.

use shared::conversation::Update;
use shared::keys::grant::Right;
use shared::sharer::{Begin, RoomState};
use tokio::sync::oneshot;

use super::super::bell::Place;
use super::super::hosted::Hosted;
use super::super::tasks::TaskError;
use super::standing::Standing;
use super::{FIRST, Host};
use crate::clock;
use crate::control::caller::runs_below;
use crate::control::request::{Reply, Request, Row, Status};
use crate::control::server::Asked;
use crate::events::LinkTexts;
use crate::tty;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// The user, from a terminal that is not hosted here.
    Owner,
    /// A task, by its token.
    Task(Place),
}

impl Caller {
    /// The task below which it may act: the owner acts as the first one.
    fn place(self) -> Place {
        match self {
            Self::Owner => FIRST,
            Self::Task(place) => place,
        }
    }
}

/// Somebody who waits for a task's end.
#[derive(Debug)]
pub(super) struct Waiting {
    place: Place,
    answer: oneshot::Sender<Reply>,
}

impl Host {
    /// Answers a request, now or when it can be.
    pub(super) fn take_request(&mut self, asked: Asked) {
        let Asked { call, pid, answer, stream } = asked;
        let reply = match (self.caller(call.token.as_deref(), pid, &call.request), call.request) {
            (Err(why), _) => Reply::Refused(why),
            (Ok(Caller::Task(place)), Request::Nest(nest)) => {
                let Some(stream) = stream else { return };
                match self.nest(place, &nest, pid, stream) {
                    Ok(()) => return,
                    Err(why) => Reply::Refused(why),
                }
            }
            (Ok(Caller::Task(place)), Request::Spawn(spawn)) if spawn.on.is_some() => {
                return self.spawn_elsewhere(place, *spawn, answer);
            }
            (Ok(caller), Request::Tell { task, text }) => {
                let from = if let Caller::Task(place) = caller { Some(place) } else { None };
                return self.tell(caller.place(), from, (&task, text), answer);
            }
            (Ok(caller), Request::Wait { task }) => match self.tasks.find(caller.place(), &task) {
                Ok(place) => {
                    self.waiting.push(Waiting { place, answer });
                    self.answer_waiting();
                    return;
                }
                Err(error) => Reply::Refused(error.to_string()),
            },
            (Ok(Caller::Owner), request) => self.owner_asks(request),
            (Ok(Caller::Task(place)), request) => self.task_asks(place, request),
        };
        // Whoever asked may be gone.
        drop(answer.send(reply));
    }

    /// Answers those who wait for tasks that have ended, and forgets those who do not wait any more.
    pub(super) fn answer_waiting(&mut self) {
        for waiting in std::mem::take(&mut self.waiting) {
            let over = self.hosted.get(&waiting.place).is_none_or(Hosted::is_done);
            let ended = self.tasks.get(waiting.place).and_then(|task| task.ended).filter(|_| over);
            match (ended, self.row(waiting.place)) {
                (Some(ended), Some(row)) => {
                    let reply = Reply::Ended { task: Box::new(row), status: ended.status() };
                    drop(waiting.answer.send(reply));
                }
                _ if waiting.answer.is_closed() => {}
                _ => self.waiting.push(waiting),
            }
        }
    }

    fn caller(&mut self, token: Option<&str>, pid: Option<i32>, request: &Request) -> Result<Caller, String> {
        if let Some(token) = token {
            let place = self.tasks.with_token(token);
            let place = place.ok_or("that token is of no task of this session")?;
            // A conversation is as long as it is: its requests hold many updates when they have to wait, it is bounded by
            // itself, and whoever writes it is not told to come back later.
            if !matches!(request, Request::Emit { .. }) {
                self.tasks.count(place, clock::now().mono.0).map_err(|error| error.to_string())?;
            }
            return Ok(Caller::Task(place));
        }
        let programs = self.hosted.values().map(|hosted| hosted.pid().as_raw_pid());
        let programs: Vec<i32> = programs.chain([rustix::process::getpid().as_raw_pid()]).collect();
        match pid {
            Some(pid) if runs_below(pid, &programs) => {
                Err("inside a shared session this needs SHARER_CONTROL_TOKEN, which is not set".to_owned())
            }
            Some(_) | None => Ok(Caller::Owner),
        }
    }

    fn owner_asks(&mut self, request: Request) -> Reply {
        match request {
            Request::Status => self.status(),
            // The owner sits somewhere else.
            Request::Shows { .. } => Reply::Shows(false),
            Request::Revoke { task, read, write } => {
                self.placed(task.as_deref()).map_or_else(refused, |place| self.revoke(place, read, write))
            }
            Request::Copy => self.copy(),
            Request::Share { task, from_start } => match self.begin_sharing(task.as_deref(), from_start) {
                Ok(()) => self.status(),
                Err(why) => Reply::Refused(why),
            },
            Request::Unshare { task } => {
                let place = self.placed(task.as_deref());
                place
                    .map_or_else(refused, |place| if self.unshare(place) { self.status() } else { private() })
            }
            // The owner has no directory and environment of a task's to start one in, and is none.
            Request::Spawn(_) | Request::Nest(_) | Request::State { .. } | Request::Emit { .. } => {
                Reply::Refused("only a program inside the session can do this".to_owned())
            }
            request @ (Request::Wait { .. }
            | Request::Tell { .. }
            | Request::Task { .. }
            | Request::Tasks
            | Request::Kill { .. }) => self.task_asks(FIRST, request),
        }
    }

    fn task_asks(&mut self, by: Place, request: Request) -> Reply {
        let now = clock::now();
        match request {
            Request::Spawn(spawn) => self.spawn(by, *spawn),
            Request::Shows { session } => {
                let own = self.tasks.get(by).and_then(|task| task.session);
                Reply::Shows(own.is_some_and(|own| own.to_string() == session))
            }
            Request::Tasks => {
                Reply::Tasks(self.tasks.below(by).into_iter().filter_map(|at| self.row(at)).collect())
            }
            Request::Task { task } => match self.tasks.find(by, &task).map(|place| self.tasks.row(place)) {
                Ok(Some(row)) => Reply::Task(Box::new(row)),
                Ok(None) => Reply::Refused(TaskError::Over.to_string()),
                Err(error) => Reply::Refused(error.to_string()),
            },
            Request::Kill { task } => done(self.kill(by, &task)),
            Request::Emit { updates } => self.emit(by, updates),
            Request::State { state, reason } => {
                let said = self.tasks.say(by, &state, reason.as_deref().unwrap_or_default(), now.wall);
                if said.is_ok() {
                    self.task_changed(by);
                }
                done(said)
            }
            // In the user's own shell this puts the link where only the user sees it.
            Request::Copy if by == FIRST => self.copy(),
            Request::Share { task, from_start } if by == FIRST => {
                match self.begin_sharing(task.as_deref(), from_start) {
                    Ok(()) => Reply::Shared { copied: task.is_none() && self.copy() == Reply::Copied },
                    Err(why) => Reply::Refused(why),
                }
            }
            Request::Unshare { task } if by == FIRST => {
                let place = self.placed(task.as_deref());
                place.map_or_else(refused, |place| if self.unshare(place) { Reply::Done } else { private() })
            }
            Request::Status
            | Request::Revoke { .. }
            | Request::Copy
            | Request::Share { .. }
            | Request::Unshare { .. }
            | Request::Nest(_)
            | Request::Tell { .. }
            | Request::Wait { .. } => {
                Reply::Refused("only you can do this, from a terminal that sharer does not run in".to_owned())
            }
        }
    }

    /// Adds to a task's transcript.
    fn emit(&mut self, by: Place, updates: Vec<Update>) -> Reply {
        let Some(task) = self.tasks.get(by).map(|task| task.value.id.clone()) else {
            return Reply::Refused(TaskError::Over.to_string());
        };
        for update in updates {
            self.machine.say_in(clock::now(), &task, update);
        }
        Reply::Done
    }

    /// The task that the owner names: the first one, or a child of it.
    fn placed(&self, task: Option<&str>) -> Result<Place, TaskError> {
        let Some(word) = task.filter(|word| !self.task.0.starts_with(word)) else { return Ok(FIRST) };
        let place = self.tasks.find(FIRST, word)?;
        let is_child = self.tasks.get(place).is_some_and(|task| task.parent == Some(FIRST));
        if is_child { Ok(place) } else { Err(TaskError::Grandchild) }
    }

    fn begin_sharing(&mut self, task: Option<&str>, from_start: bool) -> Result<(), String> {
        let place = self.placed(task).map_err(|error| error.to_string())?;
        let begin = if from_start { Begin::History } else { Begin::Screen };
        self.share(place, begin).map_err(|error| format!("{error:#}"))
    }

    fn status(&self) -> Reply {
        let session = self.machine.session_of(&self.task);
        let (viewers, executors) =
            session.and_then(|session| self.machine.viewers(session)).unwrap_or_default();
        let sharing = match session.and_then(|session| self.machine.room(session)) {
            None => "private",
            Some(RoomState::Open) => "shared",
            Some(RoomState::Pending | RoomState::Refused | RoomState::Replaced) => "share pending",
        };
        let Standing { state, reason } = self.standing();
        let links = |place| {
            let links: Option<LinkTexts> = self.links_of(place);
            links.map_or((None, None), |links| (Some(links.read), links.write))
        };
        let (read, write) = links(FIRST);
        let tasks = self.tasks.all().filter_map(|(place, _)| {
            let (read, write) = links(place);
            Some(Row { read, write, ..self.row(place)? })
        });
        Reply::Status(Box::new(Status {
            task_id: self.task.0.clone(),
            session_id: session.map(|session| session.to_string()),
            sharing: sharing.to_owned(),
            title: self.title.clone(),
            pid: std::process::id(),
            connection: state.to_owned(),
            trouble: reason,
            not_recorded: self.recorder.trouble(),
            viewers,
            executors,
            tty: self.hosted.get(&FIRST).and_then(Hosted::tty_name),
            read,
            write,
            tasks: tasks.collect(),
        }))
    }

    fn revoke(&mut self, place: Place, read: bool, write: bool) -> Reply {
        let Some(session) = self.tasks.get(place).and_then(|task| task.session) else { return private() };
        let chosen = [(read, Right::Watch), (write, Right::Type)];
        let rights: Vec<Right> = chosen.into_iter().filter_map(|(on, right)| on.then_some(right)).collect();
        if !rights.is_empty() && !self.machine.revoke(clock::now(), session, &rights) {
            return Reply::Refused("the session has no link that can type".to_owned());
        }
        self.status()
    }

    /// Puts the read link into the clipboard of the user's own terminal.
    fn copy(&self) -> Reply {
        let Some(LinkTexts { read, .. }) = self.links_of(FIRST) else { return private() };
        if self.headless {
            return Reply::Refused("there is no terminal of yours: ask from another one".to_owned());
        }
        tty::copy(&read);
        Reply::Copied
    }
}

#[allow(clippy::needless_pass_by_value, reason = "stands where an error is mapped")]
fn refused(error: TaskError) -> Reply {
    Reply::Refused(error.to_string())
}

fn done(done: Result<(), TaskError>) -> Reply {
    done.map_or_else(refused, |()| Reply::Done)
}

fn private() -> Reply {
    Reply::Refused("it is private: `sharer share` shares it".to_owned())
}
