//! What went wrong, and how often.

use std::collections::BTreeMap;

/// Everything that must have happened in a run; one in which any never did proves nothing.
pub(crate) const ALL: [&str; 32] = [
    "one more session",
    "output",
    "flood",
    "skipped",
    "resize",
    "title",
    "keys typed",
    "paste typed",
    "input lost and told",
    "input refused",
    "join",
    "leave",
    "resumed",
    "revoke watch",
    "revoke type",
    "exit",
    "cut at the sharer",
    "cut at a viewer",
    "cut between packets",
    "half-open sharer",
    "half-open viewer",
    "offline sharer",
    "offline viewer",
    "amnesia, sharer first",
    "amnesia, viewers first",
    "suspended sharer",
    "suspended viewer",
    "suspended relay",
    "clock jump",
    "slow viewer",
    "reorder across connections",
    "resync",
];

/// Counts of faults and of what they led to.
#[derive(Default)]
pub(crate) struct Faults(BTreeMap<&'static str, u64>);

impl Faults {
    pub(crate) fn note(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    pub(crate) fn count(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }

    /// One line each.
    pub(crate) fn report(&self) -> String {
        let lines: Vec<String> = ALL.iter().map(|what| format!("{:>8}  {what}", self.count(what))).collect();
        lines.join("\n")
    }

    pub(crate) fn missing(&self) -> Vec<&'static str> {
        ALL.into_iter().filter(|what| self.count(what) == 0).collect()
    }
}
