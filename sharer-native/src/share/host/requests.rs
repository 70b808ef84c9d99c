//! Requests over the control socket: who may ask what, and the answers.

use shared::conversation::Update;
use shared::keys::grant::Right;
use tokio::sync::oneshot;

use super::super::bell::Place;
use super::super::hosted::Hosted;
use super::super::tasks::TaskError;
use super::standing::Standing;
use super::{FIRST, Host};
use crate::clock;
use crate::control::caller::runs_below;
use crate::control::request::{Reply, Request, Status};
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
        let Asked { call, pid, answer } = asked;
        let reply = match (self.caller(call.token.as_deref(), pid), call.request) {
            (Err(why), _) => Reply::Refused(why),
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

    fn caller(&mut self, token: Option<&str>, pid: Option<i32>) -> Result<Caller, String> {
        if let Some(token) = token {
            let place = self.tasks.with_token(token);
            let place = place.ok_or("that token is of no task of this session")?;
            self.tasks.count(place, clock::now().mono.0).map_err(|error| error.to_string())?;
            return Ok(Caller::Task(place));
        }
        let programs: Vec<i32> = self.hosted.values().map(|hosted| hosted.pid().as_raw_pid()).collect();
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
            Request::Revoke { read, write } => self.revoke(read, write),
            Request::Copy => self.copy(),
            // The owner has no directory and environment of a task's to start one in, and is none.
            Request::Spawn(_) | Request::State { .. } | Request::Emit { .. } => {
                Reply::Refused("only a program inside the session can do this".to_owned())
            }
            request @ (Request::Wait { .. }
            | Request::Task { .. }
            | Request::Tasks
            | Request::Tell { .. }
            | Request::Kill { .. }) => self.task_asks(FIRST, request),
        }
    }

    fn task_asks(&mut self, by: Place, request: Request) -> Reply {
        let now = clock::now();
        let done = |done: Result<(), TaskError>| match done {
            Ok(()) => Reply::Done,
            Err(error) => Reply::Refused(error.to_string()),
        };
        match request {
            Request::Spawn(spawn) => self.spawn(by, *spawn),
            Request::Tasks => {
                Reply::Tasks(self.tasks.below(by).into_iter().filter_map(|at| self.row(at)).collect())
            }
            Request::Task { task } => match self.tasks.find(by, &task).map(|place| self.tasks.row(place)) {
                Ok(Some(row)) => Reply::Task(Box::new(row)),
                Ok(None) => Reply::Refused(TaskError::Over.to_string()),
                Err(error) => Reply::Refused(error.to_string()),
            },
            Request::Tell { task, text } => done(self.tell(by, &task, &text)),
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
            Request::Status | Request::Revoke { .. } | Request::Copy | Request::Wait { .. } => {
                Reply::Refused("only you can do this, from a terminal that is not shared".to_owned())
            }
        }
    }

    /// Adds to a task's transcript.
    fn emit(&mut self, by: Place, updates: Vec<Update>) -> Reply {
        let Some(session) = self.tasks.get(by).and_then(|task| task.session) else {
            return Reply::Refused("this task is not shared, and so has no transcript".to_owned());
        };
        for update in updates {
            self.machine.say(clock::now(), session, update);
        }
        Reply::Done
    }

    fn status(&self) -> Reply {
        let session = self.tasks.get(FIRST).and_then(|task| task.session);
        let (Some(LinkTexts { read, write }), Some(session)) = (self.links_of(FIRST), session) else {
            return Reply::Refused("the session has no link".to_owned());
        };
        let (viewers, executors) = self.machine.viewers(session).unwrap_or_default();
        let Standing { state, reason } = self.standing();
        Reply::Status(Box::new(Status {
            task_id: self.task.0.clone(),
            session_id: session.to_string(),
            title: self.title.clone(),
            pid: std::process::id(),
            connection: state.to_owned(),
            trouble: reason,
            viewers,
            executors,
            tty: self.hosted.get(&FIRST).and_then(Hosted::tty_name),
            read,
            write,
            tasks: self.tasks.all().filter_map(|(place, _)| self.row(place)).collect(),
        }))
    }

    fn revoke(&mut self, read: bool, write: bool) -> Reply {
        let chosen = [(read, Right::Watch), (write, Right::Type)];
        let rights: Vec<Right> = chosen.into_iter().filter_map(|(on, right)| on.then_some(right)).collect();
        let session = self.tasks.get(FIRST).and_then(|task| task.session);
        let revoked = session.is_some_and(|session| self.machine.revoke(clock::now(), session, &rights));
        if !rights.is_empty() && !revoked {
            return Reply::Refused("the session has no link that can type".to_owned());
        }
        self.status()
    }

    /// Puts the read link into the clipboard of the user's own terminal.
    fn copy(&self) -> Reply {
        let Some(LinkTexts { read, .. }) = self.links_of(FIRST) else {
            return Reply::Refused("the session has no link".to_owned());
        };
        if self.headless {
            return Reply::Refused("there is no terminal of yours: ask from another one".to_owned());
        }
        tty::copy(&read);
        Reply::Copied
    }
}
