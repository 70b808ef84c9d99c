//! All tasks that somebody knows of, merged from values that come in any order (law 7).
//!
//! Of two values of a task the one with the higher revision counts, whatever it says; of one revision a final state
//! counts before another, so that no order of arrival makes a difference. Nothing is ever taken out: absence says
//! nothing, and a task that was removed says so itself.

use super::names::fallback;
use super::status::TaskState;
use super::task::{MAX_TASKS, Task};
use crate::id::TaskId;
use crate::ordered::Ordered;

/// What a value changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merged {
    /// The task was not known.
    Added,
    /// It was known otherwise.
    Changed,
    /// The value is known, or older than what is.
    Known,
    /// The task is one more than [`MAX_TASKS`], or its ids are of no acceptable size: it is left out.
    Refused,
}

/// Known tasks. A graph of parents and children; the pill bar shows one level of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    tasks: Ordered<TaskId, Task>,
}

impl Tree {
    /// Takes in a value. Full: tasks that are known are still updated, others are refused.
    pub fn merge(&mut self, task: Task) -> Merged {
        if !task.is_good() {
            return Merged::Refused;
        }
        let full = self.tasks.len() >= MAX_TASKS;
        match self.tasks.get_mut(&task.id) {
            Some(known) if precedence(&task) > precedence(known) => {
                *known = task;
                Merged::Changed
            }
            Some(_) => Merged::Known,
            None if full => Merged::Refused,
            None => {
                self.tasks.insert(task.id.clone(), task);
                Merged::Added
            }
        }
    }

    /// The task with that id.
    pub fn get(&self, id: &TaskId) -> Option<&Task> {
        self.tasks.get(id)
    }

    /// Every task, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Task> {
        self.tasks.values()
    }

    /// How many tasks are known.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether none is known.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The direct children of a task in the order in which they were asked for.
    pub fn children(&self, parent: &TaskId) -> Vec<&Task> {
        let mut children: Vec<&Task> = self.direct(parent).collect();
        children.sort_by(|a, b| (a.started, &a.id).cmp(&(b.started, &b.id)));
        children
    }

    /// Whether a task has direct children: that, and nothing else, makes an orchestrator.
    pub fn is_orchestrator(&self, id: &TaskId) -> bool {
        self.direct(id).next().is_some()
    }

    /// What the badge of the task shows that is itself in state `own`.
    pub fn badge(&self, id: &TaskId, own: TaskState) -> TaskState {
        own.with_children(self.direct(id).filter(|child| !child.removed).map(|child| child.state))
    }

    /// What people call a task; see [`fallback`] for one that is not known or has no name.
    pub fn name(&self, id: &TaskId) -> String {
        match self.get(id) {
            Some(task) if !task.name.trim().is_empty() => task.name.to_string(),
            _ => fallback(id),
        }
    }

    fn direct(&self, parent: &TaskId) -> impl Iterator<Item = &Task> {
        self.tasks.values().filter(move |task| task.parent.as_ref() == Some(parent) && task.id != *parent)
    }
}

/// Of two values the greater counts. The whole value is in it, so that no two differ and are equal.
fn precedence(task: &Task) -> (u64, bool, &Task) {
    (task.revision, task.state.is_final(), task)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::UnixMs;
    use proptest::prelude::*;

    fn id(n: usize) -> TaskId {
        TaskId(format!("{n}"))
    }

    /// Values of few tasks with few revisions, so that they meet.
    fn value() -> impl Strategy<Value = Task> {
        let state = proptest::sample::select(TaskState::ALL.to_vec());
        (0usize..5, proptest::option::of(0usize..3), 0u64..4, state, "[ab]{0,2}", any::<bool>()).prop_map(
            |(task, parent, revision, state, name, removed)| {
                let mut task = Task::new(id(task), parent.map(id), &name, UnixMs(revision));
                (task.revision, task.state, task.removed) = (revision, state, removed);
                task
            },
        )
    }

    fn tree<'a>(values: impl IntoIterator<Item = &'a Task>) -> Tree {
        let mut tree = Tree::default();
        for value in values {
            tree.merge(value.clone());
        }
        tree
    }

    fn with_order() -> impl Strategy<Value = (Vec<Task>, Vec<Task>)> {
        proptest::collection::vec(value(), 0..24)
            .prop_flat_map(|values| (Just(values.clone()), Just(values).prop_shuffle()))
    }

    proptest! {
        #[test]
        fn merging_is_idempotent_and_order_free((values, shuffled) in with_order(), again in 0usize..24) {
            let merged = tree(&values);
            prop_assert_eq!(&tree(&shuffled), &merged);
            prop_assert_eq!(&tree(values.iter().chain(&values).chain(values.get(again))), &merged);
            // Two that know different parts tell each other what they know.
            let (left, right) = values.split_at(again.min(values.len()));
            let both = tree(tree(left).iter().chain(tree(right).iter()));
            prop_assert_eq!(&both, &merged);
        }

        #[test]
        fn no_known_child_disappears_and_no_final_state_goes_back(values in proptest::collection::vec(value(), 0..24)) {
            let mut tree = Tree::default();
            for value in values {
                let before = tree.clone();
                tree.merge(value);
                for known in before.iter() {
                    let now = tree.get(&known.id).unwrap();
                    prop_assert!(now.revision >= known.revision);
                    let went_back = known.state.is_final() && !now.state.is_final();
                    prop_assert!(!went_back || now.revision > known.revision);
                }
            }
        }

        #[test]
        fn each_child_has_one_row_tied_to_its_parent(values in proptest::collection::vec(value(), 0..24)) {
            let tree = tree(&values);
            for task in tree.iter() {
                let rows = (0..5).flat_map(|n| tree.children(&id(n))).filter(|row| row.id == task.id);
                let parents: Vec<_> = rows.map(|row| row.parent.clone()).collect();
                let tied = task.parent.as_ref().filter(|parent| **parent != task.id);
                prop_assert_eq!(parents, tied.map(|parent| vec![Some(parent.clone())]).unwrap_or_default());
            }
            for n in 0..5 {
                let has_child = values.iter().any(|v| tree.get(&v.id).is_some_and(|t| t.parent == Some(id(n)) && t.id != id(n)));
                prop_assert_eq!(tree.is_orchestrator(&id(n)), has_child);
            }
        }
    }

    #[test]
    fn a_task_is_an_orchestrator_with_its_first_child() {
        let mut tree = Tree::default();
        // The child is known before its parent.
        assert!(!tree.is_orchestrator(&id(0)));
        assert_eq!(tree.merge(Task::new(id(1), Some(id(0)), "child", UnixMs(2))), Merged::Added);
        assert!(tree.is_orchestrator(&id(0)) && !tree.is_orchestrator(&id(1)));
        tree.merge(Task::new(id(0), None, "parent", UnixMs(1)));
        // A grandchild makes an orchestrator of the child and is no child of the parent's.
        tree.merge(Task::new(id(2), Some(id(1)), "grandchild", UnixMs(3)));
        assert!(tree.is_orchestrator(&id(1)));
        assert_eq!(tree.children(&id(0)).len(), 1);
        // Removed, it stays.
        let mut removed = tree.get(&id(1)).unwrap().clone();
        (removed.removed, removed.revision) = (true, 2);
        assert_eq!(tree.merge(removed.clone()), Merged::Changed);
        assert_eq!(tree.merge(removed), Merged::Known);
        assert!(tree.is_orchestrator(&id(0)));
        assert_eq!(
            tree.badge(&id(0), TaskState::Done),
            TaskState::Done,
            "what is not reached does not count"
        );
    }

    #[test]
    fn children_stand_in_the_order_of_their_start() {
        let start = [(3, 30), (1, 10), (4, 10), (2, 20)];
        let values = start.map(|(n, at)| Task::new(id(n), Some(id(0)), "", UnixMs(at)));
        let order: Vec<_> = tree(&values).children(&id(0)).iter().map(|task| task.id.0.clone()).collect();
        assert_eq!(order, ["1", "4", "2", "3"]);
    }

    #[test]
    fn a_full_tree_updates_what_it_knows_and_refuses_more() {
        let mut tree = Tree::default();
        for n in 0..MAX_TASKS {
            assert_eq!(tree.merge(Task::new(id(n), None, "", UnixMs(1))), Merged::Added);
        }
        assert_eq!(tree.merge(Task::new(id(MAX_TASKS), None, "", UnixMs(1))), Merged::Refused);
        let mut known = Task::new(id(7), None, "newer", UnixMs(1));
        known.revision = 2;
        assert_eq!(tree.merge(known), Merged::Changed);
        assert_eq!((tree.len(), tree.name(&id(7))), (MAX_TASKS, "newer".into()));
        assert_eq!(tree.merge(Task::new(TaskId("x".repeat(129)), None, "", UnixMs(1))), Merged::Refused);
    }
}
