//! What all rooms of a relay may hold together, so that nobody fills its memory with sessions that are each within bounds.
//!
//! Half of the budget is set aside: [`RESERVED`] bytes for each session, so that a session that was let in always has its
//! screen and usual scrollback; a session for which nothing could be set aside is refused. What a room holds beyond comes
//! from the other half, first come, first served. When that is used up, a room that takes in more gives up something of its
//! own ([`super::room::Room::shed`]): whoever takes pays, and a room within its reserve notices nothing.

/// Set aside for each session, in bytes: what a late viewer at 120×40 with 1,000 lines is given, at most (issue 1).
pub(super) const RESERVED: u64 = 48 * 1024;

/// See the module.
#[derive(Debug)]
pub(super) struct Budget {
    half: u64,
    held: u64,
    /// What rooms hold beyond their reserves.
    beyond: u64,
}

impl Budget {
    /// For so many bytes.
    pub(super) fn new(most: u64) -> Self {
        Self { half: most / 2, held: 0, beyond: 0 }
    }

    /// Whether there is a reserve for one more than so many rooms.
    pub(super) fn admits(&self, rooms: usize) -> bool {
        (rooms as u64).saturating_add(1).saturating_mul(RESERVED) <= self.half
    }

    /// A room that held `before` bytes holds `after`.
    pub(super) fn count(&mut self, before: u64, after: u64) {
        self.held = self.held.saturating_sub(before).saturating_add(after);
        let beyond = |held: u64| held.saturating_sub(RESERVED);
        self.beyond = self.beyond.saturating_sub(beyond(before)).saturating_add(beyond(after));
    }

    /// What all rooms hold, in bytes.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Whether a room with so many bytes has to give something up.
    pub(super) fn is_over(&self, held: u64) -> bool {
        self.beyond > self.half && held > RESERVED
    }
}
