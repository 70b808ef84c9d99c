//! Which recordings make room for others.

use crate::time::UnixMs;

/// All recordings of one root, as they lie on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The name of their directory.
    pub name: String,
    /// What they take, in bytes.
    pub bytes: u64,
    /// When they were written last.
    pub newest: UnixMs,
    /// Whether something of them is being recorded.
    pub running: bool,
}

/// Which of them are to be removed so that all together take at most `most` bytes and are at most `count`: those that have
/// ended, the oldest first. What is being recorded stays, whatever it takes.
pub fn to_remove(all: &[Held], most: u64, count: usize) -> Vec<&Held> {
    let mut bytes = all.iter().fold(0u64, |sum, held| sum.saturating_add(held.bytes));
    let mut left = all.len();
    let mut ended: Vec<&Held> = all.iter().filter(|held| !held.running).collect();
    ended.sort_by(|a, b| (a.newest, &a.name).cmp(&(b.newest, &b.name)));
    ended.retain(|held| {
        let goes = bytes > most || left > count;
        if goes {
            bytes = bytes.saturating_sub(held.bytes);
            left -= 1;
        }
        goes
    });
    ended
}
