//! The state of a task, and what an orchestrator's badge shows of its children's.

use core::fmt;

use serde::{Deserialize, Serialize};

use crate::encoding::Extensible;

/// Where a task is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// A state of a later version: neither final nor anything else.
    #[default]
    Unknown,
    /// It was asked for and does not run yet.
    Starting,
    /// It works.
    Running,
    /// It waits for something that comes by itself.
    Waiting,
    /// It needs a person.
    Blocked,
    /// It ended well. Final.
    Done,
    /// It ended badly, or never began; the reason says how. Final.
    Error,
    /// It was stopped. Final.
    Cancelled,
}

impl Extensible for TaskState {
    const UNKNOWN: Self = Self::Unknown;
}

impl TaskState {
    /// Every state of this version.
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::Running,
        Self::Waiting,
        Self::Blocked,
        Self::Done,
        Self::Error,
        Self::Cancelled,
    ];

    /// The word for it, on the wire, on the command line and in events.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
            Self::Done => "done",
            Self::Error => "error",
            Self::Cancelled => "cancelled",
        }
    }

    /// The state with that word; `None` for a word of a later version.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Whether the task is over: only a newer revision says otherwise.
    pub fn is_final(self) -> bool {
        match self {
            Self::Done | Self::Error | Self::Cancelled => true,
            Self::Unknown | Self::Starting | Self::Running | Self::Waiting | Self::Blocked => false,
        }
    }

    /// How much it counts for an orchestrator's badge: what needs a person before what works, what works before
    /// what waits, and all that goes on before what is over.
    fn weight(self) -> u8 {
        match self {
            Self::Blocked => 6,
            Self::Running | Self::Starting => 5,
            Self::Waiting => 4,
            Self::Unknown => 3,
            Self::Error => 2,
            Self::Cancelled | Self::Done => 0,
        }
    }

    /// What the badge of an orchestrator shows: blocked if anybody is, else running if anybody runs, and so on; it
    /// is never over while a child goes on. When all is over it is its own state, or error if it is done and a
    /// child failed.
    #[must_use]
    pub fn with_children(self, children: impl IntoIterator<Item = Self>) -> Self {
        let heaviest = children.into_iter().max_by_key(|state| state.weight()).unwrap_or(self);
        if self.is_final() && heaviest.is_final() {
            let failed = (self, heaviest) == (Self::Done, Self::Error);
            return if failed { Self::Error } else { self };
        }
        if heaviest.weight() <= self.weight() {
            return self;
        }
        // A child that starts is work that goes on.
        if heaviest == Self::Starting { Self::Running } else { heaviest }
    }
}

impl fmt::Display for TaskState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use TaskState::{Blocked, Cancelled, Done, Error, Running, Starting, Unknown, Waiting};
    use proptest::prelude::*;

    fn state() -> impl Strategy<Value = TaskState> {
        proptest::sample::select(TaskState::ALL.to_vec())
    }

    #[test]
    fn words_read_back_and_later_ones_are_unknown() {
        for state in TaskState::ALL {
            assert_eq!(TaskState::from_word(state.word()), Some(state));
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
        }
        assert_eq!(TaskState::from_word("dreaming"), None);
    }

    #[test]
    fn a_badge_says_what_needs_a_person_then_what_works() {
        for (own, children, badge) in [
            (Running, &[][..], Running),
            (Running, &[Done, Error], Running),
            (Waiting, &[Running, Done], Running),
            (Running, &[Running, Blocked, Error], Blocked),
            (Blocked, &[Running], Blocked),
            (Done, &[Running, Error], Running),
            (Done, &[Starting], Running),
            (Cancelled, &[Waiting], Waiting),
            (Done, &[Done, Unknown], Unknown),
            (Done, &[Done, Error], Error),
            (Done, &[Done, Cancelled], Done),
            (Cancelled, &[Error, Done], Cancelled),
            (Error, &[Done], Error),
        ] {
            assert_eq!(own.with_children(children.iter().copied()), badge, "{own} with {children:?}");
        }
    }

    proptest! {
        #[test]
        fn a_parent_is_never_over_while_a_child_goes_on(own in state(), children in proptest::collection::vec(state(), 0..8)) {
            let badge = own.with_children(children.iter().copied());
            let mut all = children.iter().copied().chain([own]);
            prop_assert_eq!(badge.is_final(), all.clone().all(TaskState::is_final));
            prop_assert_eq!(badge == Blocked, all.any(|state| state == Blocked));
            let mut turned = children.clone();
            turned.reverse();
            prop_assert_eq!(badge, own.with_children(turned));
        }
    }
}
