//! What the lines may take that have scrolled off in all terminals together.

use super::super::hosted::Hosted;
use super::{FIRST, Host};

/// Beyond so many bytes, children let go of theirs, those first that wrote nothing for longest.
const MOST: usize = 256 * 1024 * 1024;

impl Host {
    /// Has children let go until the rest is within bounds. The first program's lines stay: its owner chose how many.
    pub(super) fn trim_histories(&mut self) {
        let mut held: usize = self.hosted.values().map(Hosted::history).sum();
        while held > MOST {
            let children =
                self.hosted.iter().filter(|(place, hosted)| **place != FIRST && hosted.history() > 0);
            let Some((_, quietest)) = children.min_by_key(|(_, hosted)| hosted.wrote_at()) else { return };
            held -= quietest.history();
            quietest.trim();
        }
    }
}
