//! Small drawings, one stroke wide.

use leptos::prelude::*;

/// The drawings there are, as paths on a 20×20 grid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Drawing {
    Eye,
    Find,
    /// Commands in the terminal.
    Prompt,
    Link,
    Qr,
    Full,
    Gear,
    Close,
    Up,
    Down,
    Keyboard,
    Paste,
    Talk,
    Play,
    Pause,
    /// The orchestrator: one above two.
    Lead,
    /// Runs on another machine.
    Far,
    /// Needs attention first.
    Order,
    /// In front of all others.
    Pin,
    Starting,
    Running,
    Waiting,
    Blocked,
    Error,
    Done,
    Cancelled,
    Unreachable,
    Unknown,
}

impl Drawing {
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Eye => {
                "M2 10s3-5.5 8-5.5S18 10 18 10s-3 5.5-8 5.5S2 10 2 10Z M10 12.25a2.25 2.25 0 1 0 0-4.5 2.25 2.25 0 0 0 0 4.5Z"
            }
            Self::Find => "M9 14.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11Z M13 13l4 4",
            Self::Prompt => "M4 5l5 5-5 5 M11 15.5h6",
            Self::Link => {
                "M8.5 11.5a3.2 3.2 0 0 0 4.6.2l2.7-2.7a3.25 3.25 0 0 0-4.6-4.6L9.9 5.7 M11.5 8.5a3.2 3.2 0 0 0-4.6-.2L4.2 11a3.25 3.25 0 0 0 4.6 4.6l1.3-1.3"
            }
            Self::Qr => {
                "M3 3h5v5H3Z M12 3h5v5h-5Z M3 12h5v5H3Z M12 12h2v2h-2Z M15.5 15.5H17V17 M17 12v1 M12 17h1"
            }
            Self::Full => "M3 7V3h4 M13 3h4v4 M17 13v4h-4 M7 17H3v-4",
            Self::Gear => {
                "M3 6h7 M14 6h3 M3 14h3 M10 14h7 M12 8a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z M8 16a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z"
            }
            Self::Close => "M5 5l10 10 M15 5L5 15",
            Self::Up => "M5 12l5-5 5 5",
            Self::Down => "M5 8l5 5 5-5",
            Self::Keyboard => "M2.5 5h15v10h-15Z M5.5 8h.01 M8.5 8h.01 M11.5 8h.01 M14.5 8h.01 M6.5 12h7",
            Self::Talk => "M3 4h14v9H9l-4 3.5V13H3Z M6 7.5h8 M6 10h5",
            Self::Play => "M6.5 4l9 6-9 6Z",
            Self::Pause => "M7 4.5v11 M13 4.5v11",
            Self::Paste => "M7 4H4.5v13h11V4H13 M7 3h6v3H7Z",
            Self::Lead => {
                "M10 7.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z M5 16.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z M15 16.5a2 2 0 1 0 0-4 2 2 0 0 0 0 4Z M9 7.3l-3 5.2 M11 7.3l3 5.2"
            }
            Self::Far => "M6 15.5a3.5 3.5 0 0 1-.4-7A4.8 4.8 0 0 1 15 9.3a3.1 3.1 0 0 1-.6 6.2Z",
            Self::Order => "M6 4v12 M3 13l3 3 3-3 M12 5h5 M12 10h4 M12 15h3",
            Self::Pin => "M7 3h6 M8 3v5l-2.5 4h9L12 8V3 M10 12v5",
            Self::Starting => "M10 3v3 M10 14v3 M3 10h3 M14 10h3",
            Self::Running => "M10 3a7 7 0 1 1-7 7",
            Self::Waiting => "M5 10h.01 M10 10h.01 M15 10h.01",
            Self::Blocked => "M10 3l8 14H2Z M10 8v4 M10 14.5h.01",
            Self::Error => "M5.5 5.5l9 9 M14.5 5.5l-9 9",
            Self::Done => "M4 10.5l4 4 8-9",
            Self::Cancelled => "M10 17a7 7 0 1 0 0-14 7 7 0 0 0 0 14Z M5 15L15 5",
            Self::Unreachable => {
                "M3 9a10 10 0 0 1 4-2.4 M17 9a10 10 0 0 0-6-2.9 M6 12.3a6 6 0 0 1 2.4-1.5 M10 15.5h.01 M3 3l14 14"
            }
            Self::Unknown => "M7 7.5a3 3 0 1 1 4 2.8c-.7.3-1 .8-1 1.7 M10 15h.01",
        }
    }
}

/// A drawing beside words, or instead of them where the button is named otherwise.
#[component]
pub(crate) fn Icon(drawing: Drawing) -> impl IntoView {
    view! {
        <svg class="icon" viewBox="0 0 20 20" aria-hidden="true" focusable="false">
            <path d=drawing.path()></path>
        </svg>
    }
}
