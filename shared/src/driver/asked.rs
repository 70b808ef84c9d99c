//! One task that an asker wants started: how far that has come, what is still to be said of it, and why nothing came of it.

use std::collections::VecDeque;

use super::asker::AskerEffect;
use super::order::{Order, Start};
use super::report::Report;
use crate::id::TaskId;
use crate::keys::epoch::EpochId;
use crate::time::Moment;

/// A start that could not be said to the driver within this time is given up, in milliseconds.
pub(super) const GIVE_UP_MS: u64 = 15_000;

/// Why something came of nothing, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// There is no way to the relay.
    #[error("the relay of the driver cannot be reached")]
    NoRelay,
    /// The relay knows no such driver now.
    #[error("the driver is not at its relay: is `sharer driver` running there, with the key that you have?")]
    Away,
    /// It does not answer.
    #[error("the driver does not answer")]
    Silent,
    /// What was said to it may have come, and nothing came back.
    #[error("the driver has not said whether the task began: it may run there")]
    Unsure,
    /// It was asked with another secret than its own.
    #[error(
        "the driver does not accept this key: it has another one by now, which `sharer driver` printed there"
    )]
    WrongKey,
    /// It restarted before it said whether the task began.
    #[error("the driver restarted before it said whether the task began")]
    Restarted,
    /// It restarted, and its tasks ended with it.
    #[error("the driver was restarted: what ran on it is gone")]
    Gone,
    /// It did not say in time whether a text was typed.
    #[error("the driver has not said whether it was told: it may be, or not")]
    Untold,
    /// The task's program did not take a text.
    #[error("the task does not read what it is told, or has ended")]
    NotReading,
    /// The order is longer than any may be.
    #[error("the command, the prompt and what is added to the environment are too long together (128 KiB)")]
    TooLong,
}

/// How far a start has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Never said.
    New,
    /// Said to this boot, which may still take it until then.
    Said(EpochId, Moment),
    /// This boot has it.
    Taken(EpochId),
    /// Given up, and this boot may have begun it: it is to be ended there. Once the boot has answered, it says so until then.
    Unsure(EpochId, Option<Moment>),
    /// Given up, or gone.
    Lost,
}

/// A text to be typed, and when somebody wanted that.
pub(super) struct Text {
    pub(super) number: u64,
    pub(super) words: String,
    pub(super) since: Moment,
    pub(super) said: bool,
}

/// A task that was asked for, and how far that has come.
pub(super) struct Asked {
    pub(super) start: Start,
    pub(super) stage: Stage,
    pub(super) begun: Moment,
    /// Order to end it, until it has.
    pub(super) kill: bool,
    /// Texts to be typed, the oldest first, with the number of the first one: only that one is said.
    pub(super) texts: VecDeque<Text>,
    /// Texts that there were.
    pub(super) told: u64,
    /// Something of it was never said.
    pub(super) unsaid: bool,
    pub(super) newest: Option<Report>,
}

impl Asked {
    pub(super) fn is_over(&self) -> bool {
        self.newest.as_ref().is_some_and(|report| report.task.state.is_final())
    }

    /// What is to be said now.
    pub(super) fn orders(&self) -> Vec<Order> {
        let task = || self.start.task.clone();
        let mut orders = Vec::new();
        match self.stage {
            Stage::New | Stage::Said(..) => orders.push(Order::Start(Box::new(self.start.clone()))),
            Stage::Taken(_) => {
                let granted = &self.start.granted;
                if self.newest.as_ref().is_some_and(|report| report.granted < granted.revision) {
                    orders.push(Order::Reach { task: task(), granted: granted.clone() });
                }
            }
            Stage::Unsure(..) | Stage::Lost => {}
        }
        if let (Some(first), false, Stage::Taken(_)) = (self.texts.front(), self.is_over(), self.stage) {
            orders.push(Order::Tell { task: task(), number: first.number, text: first.words.clone() });
        }
        let known = match self.stage {
            Stage::New | Stage::Said(..) | Stage::Taken(_) => self.kill && self.newest.is_some(),
            Stage::Unsure(..) => true,
            Stage::Lost => false,
        };
        if known && !self.is_over() {
            orders.push(Order::Kill { task: task() });
        }
        orders
    }

    /// Nothing more is typed into it.
    pub(super) fn drop_texts(&mut self, id: &TaskId, why: Failure, effects: &mut VecDeque<AskerEffect>) {
        effects.extend(self.texts.drain(..).map(|_| AskerEffect::Told(id.clone(), Err(why))));
    }

    /// When a start that the driver has not said a word about is given up; and one that was, for good.
    pub(super) fn given_up_at(&self) -> Option<Moment> {
        match self.stage {
            Stage::New => Some(self.begun.after(GIVE_UP_MS)),
            // Before that it might still begin.
            Stage::Said(_, until) => Some(until),
            // What has begun is ended, however long that takes.
            Stage::Unsure(_, until) => until.filter(|_| self.newest.is_none()),
            Stage::Taken(_) | Stage::Lost => None,
        }
    }

    /// Gives up what nothing was heard of; what to tell of it, with this reason where nothing better is known.
    pub(super) fn give_up(&mut self, why: Failure) -> Option<Failure> {
        let (stage, failure) = match self.stage {
            Stage::Said(boot, _) => (Stage::Unsure(boot, None), Some(Failure::Unsure)),
            Stage::New => (Stage::Lost, Some(why)),
            // That was told before.
            Stage::Unsure(..) => (Stage::Lost, None),
            Stage::Taken(_) | Stage::Lost => return None,
        };
        (self.stage, self.unsaid) = (stage, true);
        failure
    }

    /// Whether it was told to have come to nothing.
    pub(super) fn is_given_up(&self) -> bool {
        matches!(self.stage, Stage::Unsure(..) | Stage::Lost)
    }

    /// Whether there is nothing to say and nothing to hear.
    pub(super) fn rests(&self) -> bool {
        self.orders().is_empty() && (self.stage == Stage::Lost || self.is_over())
    }
}
