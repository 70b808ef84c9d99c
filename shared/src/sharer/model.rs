//! What goes to a session's terminal model, and comes back.

use bytes::Bytes;

use crate::event::WindowSize;
use crate::keys::epoch::EpochId;

/// A place in the order of everything the model is given: all output up to this event of this epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// The epoch.
    pub epoch: EpochId,
    /// The event.
    pub number: u64,
}

/// What the terminal model gets, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelInput {
    /// Output.
    Output(Bytes),
    /// The command of this number begins here: the dumps say where.
    Command(u64),
    /// Forget what has scrolled off: it is not shared.
    Forget,
    /// A new size.
    Resize(WindowSize),
    /// Everything before it belongs to events up to here; the owner reports it with
    /// [`super::Sharer::handle_model_passed`].
    Mark(Mark),
    /// Dump now, and answer with [`super::Sharer::handle_dump`].
    Snapshot {
        /// The mark it stands at.
        mark: Mark,
        /// Whether history is wanted too.
        full: bool,
    },
}

impl ModelInput {
    /// A title, as a program would say it: the model's dumps say it too.
    pub fn title(title: &str) -> Self {
        let text: String = title.chars().filter(|c| !c.is_control()).collect();
        Self::Output(format!("\x1b]2;{text}\x1b\\").into())
    }
}

/// A dump of the terminal model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelDump {
    /// As in [`ModelInput::Snapshot`].
    pub mark: Mark,
    /// The terminal's size.
    pub window: WindowSize,
    /// Bytes that bring a fresh terminal to the screen.
    pub screen: Vec<u8>,
    /// Bytes that bring a fresh terminal to history and screen, if they were asked for.
    pub full: Option<Vec<u8>>,
}

/// Where in a program's life sharing begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// With the program: its terminal is empty.
    Fresh,
    /// At what is on the screen now; nothing of what has scrolled off.
    Screen,
    /// At what is on the screen and what has scrolled off.
    History,
}
