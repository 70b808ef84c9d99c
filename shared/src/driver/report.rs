//! What a driver tells of a task: a whole value, of which the newest counts.

use serde::{Deserialize, Serialize};

use crate::encoding::from_json;
use crate::orchestration::task::Task;
use crate::orchestration::text::Text;

/// A report in JSON is never longer, in bytes: a task, and what stands around it.
pub(super) const MAX_REPORT: usize = 8 * 1024;

/// How a task stands on its driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The task; its revision is the driver's, its session is there as soon as there is one.
    pub task: Task,
    /// How its program ended, if it ran and has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Exit>,
    /// The revision of the newest grants that were taken.
    #[serde(default)]
    pub granted: u64,
    /// What became of the newest text that was to be typed.
    #[serde(default)]
    pub told: Told,
}

/// What became of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Told {
    /// Its number; 0: there was none.
    pub number: u64,
    /// It was typed; else the program reads nothing, or has ended.
    pub typed: bool,
}

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Exit {
    /// Its exit code, if it exited by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// The signal that killed it, by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// The signal's name, for people.
    #[serde(default)]
    pub word: Text<16>,
}

impl Report {
    /// Writes it.
    pub fn encode(&self) -> Vec<u8> {
        // Serialising plain structs with string keys cannot fail.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Reads one.
    pub fn decode(json: &[u8]) -> Option<Self> {
        if json.len() > MAX_REPORT {
            return None;
        }
        from_json(json).filter(|report: &Self| report.task.is_good())
    }

    /// Whether it says more than `known`: a higher revision, or of one revision an end before anything else. So no order
    /// of arrival makes a difference, and nothing stale opens again what is over.
    pub fn is_newer_than(&self, known: &Self) -> bool {
        fn rank(report: &Report) -> (u64, bool, u64, Told, &Task, &Option<Exit>) {
            let Report { task, exit, granted, told } = report;
            (task.revision, task.state.is_final(), *granted, *told, task, exit)
        }
        rank(self) > rank(known)
    }
}
