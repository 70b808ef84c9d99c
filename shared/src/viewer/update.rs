//! What goes into a viewer, and what comes out.

use super::pane::PaneId;
use super::pills::{Order, Selection};
use super::timeline::{Ask, Control};
use crate::event::WindowSize;
use crate::id::TaskId;
use crate::link::Link;
use crate::wire::Packet;

/// What happens to a viewer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The socket is open.
    Connected,
    /// A message arrived on it.
    Packet(Packet),
    /// It closed, or did not open; with its close code, if it had one.
    Disconnected {
        /// The WebSocket close code.
        code: Option<u16>,
    },
    /// A terminal has parsed everything up to this write.
    Parsed {
        /// Whose terminal.
        pane: PaneId,
        /// The ticket of the write.
        ticket: u64,
    },
    /// The deadline of [`super::Viewer::poll_timeout`] passed.
    Timeout,
    /// The person looks again, or the network is back.
    Wake,
    /// The person wants to look at something else, or at a child that is not known yet as soon as it is.
    Select(Selection),
    /// The person wants the pills in another order.
    Order(Order),
    /// The person wants a child's pill in front, or not any more.
    Pin {
        /// Which.
        task: TaskId,
        /// In front.
        pinned: bool,
    },
    /// The person wants to type into what is selected.
    StartTyping,
    /// The person does not want to type there any more.
    StopTyping,
    /// The person saw what may be lost there, and goes on.
    GoOn,
    /// The person pressed keys in a terminal; they go nowhere if it is not the selected one.
    Keys {
        /// Whose terminal.
        pane: PaneId,
        /// Bytes as a terminal sends them.
        bytes: Vec<u8>,
    },
    /// The person pasted text into a terminal; it goes nowhere if that is not the selected one.
    Paste {
        /// Whose terminal.
        pane: PaneId,
        /// The text.
        text: String,
        /// Whether the program asked for pastes in brackets.
        bracketed: bool,
    },
    /// The person answered whether the paste is typed.
    AnswerPaste {
        /// It is.
        typed: bool,
    },
    /// A program set a title through its terminal.
    Title {
        /// Whose terminal.
        pane: PaneId,
        /// The title.
        title: String,
    },
    /// A terminal of this size fits the person's screen; `None`: none is asked for.
    Fits(Option<WindowSize>),
    /// The person saw the notice.
    NoticeSeen,
    /// The person wants to try again what is selected.
    Retry,
    /// The person goes about in a film.
    Control(Control),
    /// A film's player has what it asked for, or will not get it.
    Fetched {
        /// What it asked for.
        ask: Ask,
        /// It, as it is served.
        bytes: Option<Vec<u8>>,
    },
}

/// What a viewer's owner does, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Open a socket, in place of any other.
    Connect {
        /// Its address; without secrets.
        url: String,
    },
    /// Close the socket; nothing more is heard of it.
    Close,
    /// Send a message.
    Send(Packet),
    /// Begin a terminal anew at this size with these bytes, which start with a reset, in one write.
    Rebuild {
        /// Whose terminal; it is made if it is not there.
        pane: PaneId,
        /// To be given back when it is parsed.
        ticket: u64,
        /// The terminal's size.
        window: WindowSize,
        /// What to write.
        bytes: Vec<u8>,
    },
    /// Write to a terminal.
    Write {
        /// Whose terminal.
        pane: PaneId,
        /// To be given back when it is parsed.
        ticket: u64,
        /// What to write; whole characters.
        bytes: Vec<u8>,
    },
    /// Give a terminal another size, behind everything written before.
    Resize {
        /// Whose terminal.
        pane: PaneId,
        /// The size.
        window: WindowSize,
    },
    /// Remember where a terminal stands behind everything written before: a command begins there.
    Mark {
        /// Whose terminal.
        pane: PaneId,
        /// The command's number.
        command: u64,
    },
    /// Leave out what a terminal has not parsed yet, as far as that is easy, and give back its tickets: a snapshot takes
    /// its place, and the relay may wait for the credit.
    Skip {
        /// Whose terminal.
        pane: PaneId,
    },
    /// Empty a terminal, its scrollback included: what it holds must not be seen.
    Wipe {
        /// Whose terminal.
        pane: PaneId,
    },
    /// A terminal is not needed any more; nothing more comes for it.
    Drop {
        /// Whose terminal.
        pane: PaneId,
    },
    /// Get a part of a film, and give it back.
    Fetch(Ask),
    /// The link types: keep its secret out of sight, and show this link instead.
    KeepSecret {
        /// Watches the same session.
        watch: Link,
    },
}
