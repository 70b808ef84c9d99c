//! What is shared because a parent is (ORCHESTRATION 3): the rule, and nothing that it would have to remember.
//!
//! It reads what *is* — whether the parent's share stands now, and how the child stands — and says what is to be done
//! about that one child. Whoever asks it again after every change needs no list of what was started when: sharing,
//! stopping, starting, ending, losing and finding a relay in any order lead to the same state.

/// How a child's session is shared at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Share {
    /// Not at all.
    #[default]
    Private,
    /// Because its parent is.
    Cascaded,
    /// On its own, whatever its parent does.
    Own,
}

/// How a direct child stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Child {
    /// How its session is shared.
    pub share: Share,
    /// Whether its session has grants made for this parent.
    pub reached: bool,
    /// Whether it runs: what has ended is not shared for the first time.
    pub runs: bool,
    /// Whether its owner stopped sharing it while its parent is shared.
    pub withheld: bool,
}

/// What is to be done about a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// It stands as it should.
    Nothing,
    /// Share it, with grants for the parent.
    Open,
    /// Make grants for the parent.
    Reach,
    /// Remove the grants for the parent, and what they opened.
    Leave,
    /// Stop sharing it, together with all others of the group.
    End,
}

/// The rule. `parent_shared`: whether the parent's share stands now, pending or open.
pub fn act(parent_shared: bool, child: Child) -> Act {
    match (parent_shared, child.share) {
        (true, Share::Private) if child.runs && !child.withheld => Act::Open,
        (true, Share::Cascaded | Share::Own) if !child.reached && !child.withheld => Act::Reach,
        (false, Share::Cascaded) => Act::End,
        (false, Share::Own) if child.reached => Act::Leave,
        (true | false, Share::Private | Share::Cascaded | Share::Own) => Act::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What an act does to a child, in a world where everything succeeds.
    fn done(child: Child, act: Act) -> Child {
        match act {
            Act::Nothing => child,
            Act::Open => Child { share: Share::Cascaded, reached: true, ..child },
            Act::Reach => Child { reached: true, ..child },
            Act::Leave => Child { reached: false, ..child },
            Act::End => Child { share: Share::Private, reached: false, ..child },
        }
    }

    fn child() -> impl Strategy<Value = Child> {
        let share = proptest::sample::select(vec![Share::Private, Share::Cascaded, Share::Own]);
        (share, any::<bool>(), any::<bool>(), any::<bool>()).prop_map(|(share, reached, runs, withheld)| {
            Child { share, reached: reached && share != Share::Private, runs, withheld }
        })
    }

    proptest! {
        /// One act is enough, and then the state is the one that the page promises.
        #[test]
        fn one_act_settles_it(child in child(), parent: bool) {
            let after = done(child, act(parent, child));
            prop_assert_eq!(act(parent, after), Act::Nothing);
            if parent {
                let wanted = child.runs && !child.withheld;
                prop_assert!(!wanted || (after.share != Share::Private && after.reached));
            } else {
                prop_assert!(after.share != Share::Cascaded && !after.reached);
            }
            // What is shared on its own goes on; what is private of its own accord stays private.
            prop_assert!((child.share != Share::Own) || after.share == Share::Own);
            prop_assert!(!child.withheld || after.share != Share::Cascaded || child.share == Share::Cascaded);
        }

        /// Laws 9 and 10: whatever happened before, only what is now counts.
        #[test]
        fn only_the_present_counts(start in child(), parents in proptest::collection::vec(any::<bool>(), 1..12)) {
            let mut child = start;
            for parent in &parents {
                child = done(child, act(*parent, child));
            }
            if parents.last() == Some(&false) {
                prop_assert!(child.share != Share::Cascaded && !child.reached);
            } else if child.runs && !child.withheld {
                prop_assert!(child.share != Share::Private && child.reached);
            }
        }
    }
}
