//! `sharer tell`: a text is typed into a task, here or where its driver is.

use shared::driver::Failure;
use shared::id::TaskId;
use tokio::sync::oneshot;

use super::super::bell::Place;
use super::super::hosted::Hosted;
use super::super::tasks::TaskError;
use super::Host;
use crate::clock;
use crate::control::request::Reply;

/// The most that a task is told at once, in bytes.
const LONGEST: usize = 256 * 1024;

/// A text on its way to a driver, and who waits to hear what becomes of it.
#[derive(Debug)]
pub(super) struct Telling {
    task: TaskId,
    from: Option<TaskId>,
    text: String,
    answer: oneshot::Sender<Reply>,
}

impl Host {
    /// Types a text and Enter into a task below `by`; `from` is who says it, if that is a task. The answer goes out once it
    /// is typed.
    pub(super) fn tell(
        &mut self,
        by: Place,
        from: Option<Place>,
        (task, text): (&str, String),
        answer: oneshot::Sender<Reply>,
    ) {
        let reply = match self.tasks.find(by, task) {
            Ok(place) if self.tasks.get(place).is_some_and(|task| task.is_elsewhere() && task.is_alive()) => {
                match self.tell_elsewhere(place, &text) {
                    Ok(task) => {
                        let from = self.id_of(from);
                        return self.telling.push(Telling { task, from, text, answer });
                    }
                    Err(error) => Reply::Refused(error.to_string()),
                }
            }
            Ok(place) => match self.type_text(place, &text) {
                Ok(()) => {
                    if let (from, Some(to)) = (self.id_of(from), self.id_of(Some(place))) {
                        self.machine.handle_told(clock::now(), from.as_ref(), &to, &text);
                    }
                    Reply::Done
                }
                Err(error) => Reply::Refused(error.to_string()),
            },
            Err(error) => Reply::Refused(error.to_string()),
        };
        // Whoever asked may be gone.
        drop(answer.send(reply));
    }

    fn id_of(&self, place: Option<Place>) -> Option<TaskId> {
        self.tasks.get(place?).map(|task| task.value.id.clone())
    }

    fn tell_elsewhere(&mut self, place: Place, text: &str) -> Result<TaskId, TaskError> {
        let task = self.id_of(Some(place)).ok_or(TaskError::Over)?;
        let line = self.lines.of(&task).ok_or(TaskError::Over)?;
        match line.machine.tell(clock::now(), &task, text.to_owned()) {
            Ok(()) => Ok(task),
            Err(Failure::TooLong) => Err(TaskError::TooLongElsewhere),
            Err(Failure::NotReading) => Err(TaskError::NotReading),
            Err(_) => Err(TaskError::Over),
        }
    }

    /// A driver says what became of the oldest text for a task.
    pub(super) fn was_told(&mut self, driver: &str, task: &TaskId, told: Result<(), Failure>) {
        let Some(at) = self.telling.iter().position(|telling| telling.task == *task) else { return };
        let Telling { task, from, text, answer } = self.telling.remove(at);
        let reply = match told {
            Ok(()) => {
                self.machine.handle_told(clock::now(), from.as_ref(), &task, &text);
                Reply::Done
            }
            Err(why) => Reply::Refused(format!("{driver}: {why}")),
        };
        drop(answer.send(reply));
    }

    /// In a driver: types what an asker's session tells a task of it.
    pub(super) fn take_telling(&mut self, task: &TaskId, text: &str) {
        let place = self.tasks.with_id(task);
        let typed = place.map(|place| self.type_text(place, text)) == Some(Ok(()));
        if typed {
            let parent = self.machine.task(task).and_then(|task| task.parent.clone());
            self.machine.handle_told(clock::now(), parent.as_ref(), task, text);
        }
        if let Some(driving) = &mut self.lines.driver {
            driving.line.machine.told(task, typed);
        }
    }

    fn type_text(&mut self, place: Place, text: &str) -> Result<(), TaskError> {
        let hosted = self.hosted.get_mut(&place).filter(|hosted| hosted.is_alive()).ok_or(TaskError::Over)?;
        if text.len() > LONGEST {
            return Err(TaskError::TooLong);
        }
        if hosted.type_reply(keys(hosted, text)) { Ok(()) } else { Err(TaskError::NotReading) }
    }
}

/// What a text types is its own characters: no key, no end of a paste.
fn keys(hosted: &Hosted, text: &str) -> Vec<u8> {
    let keys: String = text
        .replace("\r\n", "\n")
        .chars()
        .filter_map(|c| match c {
            '\n' => Some('\r'),
            '\t' => Some(c),
            _ => (!c.is_control()).then_some(c),
        })
        .collect();
    let keys = keys.trim_end_matches('\r');
    let typed =
        if hosted.wants_paste() { format!("\x1b[200~{keys}\x1b[201~\r") } else { format!("{keys}\r") };
    typed.into_bytes()
}
