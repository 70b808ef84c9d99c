//! What the page is made of. Components draw signals and report presses; they decide nothing.

pub(crate) mod banner;
pub(crate) mod card;
pub(crate) mod commands;
pub(crate) mod find;
pub(crate) mod icon;
pub(crate) mod key_row;
pub(crate) mod pill;
pub(crate) mod pill_bar;
pub(crate) mod replay;
pub(crate) mod settings;
pub(crate) mod share;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod terminal;
pub(crate) mod toolbar;
pub(crate) mod transcript;
pub(crate) mod type_here;

use leptos::prelude::*;
use shared::viewer::{Event, View};

use crate::components::key_row::Modifiers;
use crate::preferences::Settings;
use crate::xterm::Looked;

/// What can be open beside the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Panel {
    /// Nothing.
    #[default]
    None,
    /// The link and its QR code.
    Share,
    /// Settings.
    Settings,
    /// Finding text in the terminal.
    Find,
    /// Going from command to command.
    Commands,
}

/// The page's own state: everything that is no word about the session.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Page {
    pub(crate) panel: Panel,
    /// A sentence that goes by itself.
    pub(crate) said: Option<String>,
    /// The person read that typing runs on the other's machine.
    pub(crate) typing_explained: bool,
    /// Text that the program wants to put on the clipboard.
    pub(crate) clipboard: Option<String>,
    pub(crate) clipboard_allowed: bool,
    pub(crate) clipboard_refused: bool,
    /// A link whose target the person should see before it opens.
    pub(crate) link: Option<String>,
    /// The target under the pointer.
    pub(crate) hover: String,
    /// Which match of how many.
    pub(crate) found: Option<(String, String)>,
    /// The command that is looked at.
    pub(crate) command: Option<Looked>,
    /// Whether the transcript is open; `None`: as it fits.
    pub(crate) transcript: Option<bool>,
    /// Grows when the keyboard should leave the terminal.
    pub(crate) focus_toolbar: u32,
}

/// What a person can ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Something for the machine.
    Give(Event),
    StartTyping,
    StopTyping,
    /// A key of the key row.
    Key(&'static str),
    PasteButton,
    Keyboard,
    CopyLink,
    AllowClipboard,
    RefuseClipboard,
    FullScreen,
    /// Opens the transcript, or closes it.
    Transcript,
    /// Opens a panel, or closes it if it is open.
    Show(Panel),
    /// Closes whatever is open.
    Close,
    Find {
        text: String,
        back: bool,
    },
    /// To the command before the one that is looked at, or behind it.
    Step {
        back: bool,
    },
}

/// What every component may see and ask for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Face {
    pub(crate) view: Signal<Option<View>>,
    pub(crate) watch_link: Signal<Option<String>>,
    pub(crate) settings: RwSignal<Settings>,
    pub(crate) page: RwSignal<Page>,
    pub(crate) modifiers: RwSignal<Modifiers>,
    pub(crate) act: UnsyncCallback<Action>,
}

impl Face {
    /// The session's face, inside its page.
    pub(crate) fn here() -> Self {
        expect_context::<Self>()
    }

    /// Something of the view, once there is one.
    pub(crate) fn of<T: Default>(self, read: impl FnOnce(&View) -> T) -> T {
        self.view.with(|view| view.as_ref().map(read).unwrap_or_default())
    }

    pub(crate) fn act(self, action: Action) {
        self.act.run(action);
    }
}
