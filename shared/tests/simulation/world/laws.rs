//! What holds after quiet.

use shared::viewer::{Shown, State};

use super::World;
use crate::screen::Screen;

impl<S: Screen> World<S> {
    /// Law 3, after quiet: this viewer is live and shows exactly the sharer's terminal, history included.
    pub(crate) fn assert_exact(&self, index: usize) {
        let (viewer, program) = (&self.viewers[index], &self.programs[self.program_of(index)]);
        let view = viewer.machine.view();
        assert_eq!(view.state, State::Live, "viewer {index}: {view:?}");
        self.assert_same_screen(index);
        assert!(
            viewer.screen.history() == program.truth.history(),
            "viewer {index}: another history, {} of {} bytes",
            viewer.screen.history().len(),
            program.truth.history().len()
        );
    }

    pub(crate) fn assert_same_screen(&self, index: usize) {
        let (viewer, program) = (&self.viewers[index], &self.programs[self.program_of(index)]);
        assert_eq!(viewer.machine.view().shown, Shown::Screen);
        assert_eq!(viewer.screen.state(), program.truth.state(), "viewer {index}: another screen");
        assert_eq!(viewer.screen.window(), program.truth.window());
    }
}
