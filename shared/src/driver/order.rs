//! What an asker wants of a driver.

use serde::{Deserialize, Serialize};

use crate::card::Reach;
use crate::encoding::from_json;
use crate::id::TaskId;
use crate::keys::grant::GrantSecret;
use crate::keys::keeper::Keep;
use crate::orchestration::task::{Name, is_good_id};
use crate::wire::driver::MAX_ORDER;

/// One order. Each is a whole value: taken twice, it is as if it was taken once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Starts a task, unless there is one of that id.
    Start(Box<Start>),
    /// What the asker's links open of a task from now on.
    Reach {
        /// Which.
        task: TaskId,
        /// All of it.
        granted: Granted,
    },
    /// Types a text into a task, once.
    Tell {
        /// Which.
        task: TaskId,
        /// Counts the texts for this task.
        number: u64,
        /// What.
        text: String,
    },
    /// Ends a task.
    Kill {
        /// Which.
        task: TaskId,
    },
}

/// A task to start.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Its id, drawn by the asker.
    pub task: TaskId,
    /// The task that starts it; `None`: it is an orchestrator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<TaskId>,
    /// What people call it.
    #[serde(default)]
    pub name: Name,
    /// What it is asked to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Where it runs; `None`: where the driver says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// What is added to the driver's environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub environment: Vec<(String, String)>,
    /// Whether no link may type.
    #[serde(default)]
    pub read_only: bool,
    /// What the asker's links open of it.
    #[serde(default)]
    pub granted: Granted,
    /// Whether the relay is to keep it when it has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<Keep>,
}

impl core::fmt::Debug for Start {
    /// Without command, prompt and environment: they may hold secrets.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Start")
            .field("task", &self.task)
            .field("parent", &self.parent)
            .finish_non_exhaustive()
    }
}

/// The grants that an asker made of a remote task's session, as a whole value.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Granted {
    /// Of two values the higher one counts.
    pub revision: u64,
    /// To watch; `None`: the asker's links open nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<GrantSecret>,
    /// To type, only beside one to watch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typing: Option<GrantSecret>,
}

impl Granted {
    /// In this revision, what is reached.
    pub fn new(revision: u64, reach: Option<Reach>) -> Self {
        let (watch, typing) = reach.map_or((None, None), |reach| (Some(reach.watch), reach.typing));
        Self { revision, watch, typing }
    }

    /// What is reached.
    pub fn reach(&self) -> Option<Reach> {
        Some(Reach { watch: self.watch.clone()?, typing: self.typing.clone() })
    }
}

impl Order {
    /// Writes it; `None`: it is longer than an order may be.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let json = serde_json::to_vec(self).unwrap_or_default();
        (json.len() <= MAX_ORDER).then_some(json)
    }

    /// Reads one. Everything in it is as it should be, or it is none.
    pub fn decode(json: &[u8]) -> Option<Self> {
        if json.len() > MAX_ORDER {
            return None;
        }
        from_json(json).filter(Self::is_good)
    }

    fn is_good(&self) -> bool {
        match self {
            Self::Start(start) => start.is_good(),
            Self::Reach { task, .. } | Self::Tell { task, .. } | Self::Kill { task } => is_good_id(task),
        }
    }
}

impl Start {
    /// Whether ids, words and names are such that a system takes them. What `sharer` itself says in the environment,
    /// nobody else does.
    pub fn is_good(&self) -> bool {
        let word = |word: &String| !word.contains('\0');
        let variable = |(name, value): &(String, String)| {
            let ours = name.starts_with("SHARER_");
            !name.is_empty() && !name.contains(['=', '\0']) && word(value) && !ours
        };
        is_good_id(&self.task)
            && self.parent.as_ref().is_none_or(is_good_id)
            && self.command.first().is_some_and(|first| !first.is_empty())
            && self.command.iter().chain(&self.prompt).chain(&self.directory).all(word)
            && self.environment.iter().all(variable)
    }
}
