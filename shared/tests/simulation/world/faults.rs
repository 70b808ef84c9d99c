//! What breaks, and heals.

use super::{Job, World};
use crate::network::End;
use crate::screen::Screen;

impl<S: Screen> World<S> {
    /// Breaks a socket after `keep` more packets each way.
    pub(crate) fn cut(&mut self, end: End, keep: usize, unnoticed: u64) -> bool {
        let ms = self.ms;
        let Some(id) = self.peer(end).socket else { return false };
        if self.network.cut(id, ms, keep, unnoticed) {
            self.faults.note("cut between packets");
        }
        true
    }

    /// Kills the relay with everything it knew; a new one starts after `down` ms.
    pub(crate) fn kill_relay(&mut self, down: u64, keep: usize) {
        if self.relay.take().is_some() {
            self.network.die(self.ms, keep);
            self.relay_frozen_until = 0;
            self.later(down, Job::RelayUp);
        }
    }

    /// All faults end.
    pub(crate) fn heal(&mut self) {
        let ms = self.ms;
        let ends = (0..self.sharers.len()).map(End::Sharer).chain((0..self.viewers.len()).map(End::Viewer));
        for end in ends.collect::<Vec<_>>() {
            let peer = self.peer(end);
            peer.offline_until = peer.offline_until.min(ms);
            peer.frozen_until = peer.frozen_until.min(ms);
        }
        self.relay_frozen_until = self.relay_frozen_until.min(ms);
        for viewer in &mut self.viewers {
            viewer.stuck_until = 0;
            viewer.parse_delay = 2;
        }
        for program in &mut self.programs {
            program.model_delay = 1;
        }
    }
}
