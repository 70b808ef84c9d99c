//! Names for the ids of agents: a directory that resolves, and opens nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::task::{MAX_TASKS, Name, is_good_id};
use crate::id::TaskId;

/// What an id without a name is called: "agent 3f2a…". Never another's name.
pub fn fallback(id: &TaskId) -> String {
    let start: String = id.0.chars().filter(char::is_ascii_alphanumeric).take(4).collect();
    if start.is_empty() { "unknown agent".into() } else { format!("agent {start}…") }
}

/// Id → name, and nothing else: what a child's own stream says of the agents that its transcript mentions. At most
/// [`MAX_TASKS`] names; beyond, ids keep their fallback.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "BTreeMap<TaskId, Name>", into = "BTreeMap<TaskId, Name>")]
pub struct Names(BTreeMap<TaskId, Name>);

impl Names {
    /// Learns, or changes, a name. `false`: nothing changed, or nothing more fits.
    pub fn learn(&mut self, id: &TaskId, name: &Name) -> bool {
        let fits = self.0.len() < MAX_TASKS || self.0.contains_key(id);
        if !fits || !is_good_id(id) || name.trim().is_empty() || self.0.get(id) == Some(name) {
            return false;
        }
        self.0.insert(id.clone(), name.clone());
        true
    }

    /// What people call the agent.
    pub fn name(&self, id: &TaskId) -> String {
        self.0.get(id).map_or_else(|| fallback(id), ToString::to_string)
    }

    /// Every id that has a name.
    pub fn iter(&self) -> impl Iterator<Item = (&TaskId, &Name)> {
        self.0.iter()
    }
}

impl From<BTreeMap<TaskId, Name>> for Names {
    fn from(read: BTreeMap<TaskId, Name>) -> Self {
        let mut names = Self::default();
        for (id, name) in &read {
            names.learn(id, name);
        }
        names
    }
}

impl From<Names> for BTreeMap<TaskId, Name> {
    fn from(names: Names) -> Self {
        names.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orchestration::task::Task;
    use crate::orchestration::tree::Tree;
    use crate::time::UnixMs;
    use proptest::prelude::*;

    fn id(n: u8) -> TaskId {
        TaskId(format!("{n}f2a-77"))
    }

    proptest! {
        #[test]
        fn a_name_is_the_newest_given_to_that_id_or_the_fallback(
            given in proptest::collection::vec((0u8..4, 0u64..3, "[a-c]{0,3}"), 0..16),
        ) {
            let (mut tree, mut names) = (Tree::default(), Names::default());
            for (n, revision, name) in &given {
                let mut task = Task::new(id(*n), None, name, UnixMs(0));
                task.revision = *revision;
                tree.merge(task);
            }
            for task in tree.iter() {
                names.learn(&task.id, &task.name);
            }
            for n in 0..6 {
                let newest = given.iter().filter(|g| g.0 == n).map(|g| g.1).max();
                let mut allowed: Vec<String> =
                    given.iter().filter(|g| g.0 == n && Some(g.1) == newest).map(|g| g.2.clone()).collect();
                if allowed.is_empty() || allowed.contains(&String::new()) {
                    allowed.push(fallback(&id(n)));
                }
                prop_assert!(allowed.contains(&tree.name(&id(n))));
                // In a child's body as in its parent's.
                prop_assert_eq!(names.name(&id(n)), tree.name(&id(n)));
            }
        }
    }

    #[test]
    fn unknown_ids_have_one_fallback() {
        assert_eq!(fallback(&TaskId("3f2a9c00-1".into())), "agent 3f2a…");
        assert_eq!(fallback(&TaskId("\u{202e}<b>é".into())), "agent b…");
        assert_eq!(fallback(&TaskId("é".into())), "unknown agent");
        assert_eq!(Names::default().name(&id(3)), "agent 3f2a…");
    }

    #[test]
    fn a_directory_is_bounded_and_holds_names_only() {
        let read: BTreeMap<String, String> = (0..2_000).map(|n| (n.to_string(), "n".repeat(9_999))).collect();
        let names: Names = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!(names.iter().count(), MAX_TASKS);
        assert!(names.iter().all(|(_, name)| name.len() == 256));
        let back: Names = serde_json::from_str(&serde_json::to_string(&names).unwrap()).unwrap();
        assert_eq!(back, names);
    }
}
