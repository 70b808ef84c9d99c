//! What goes into a viewer, and what comes out.

use crate::event::WindowSize;
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
    /// The terminal has parsed everything up to this write.
    Parsed {
        /// The ticket of the write.
        ticket: u64,
    },
    /// The deadline of [`super::Viewer::poll_timeout`] passed.
    Timeout,
    /// The person looks again, or the network is back.
    Wake,
    /// The person wants to type.
    StartTyping,
    /// The person does not want to type any more.
    StopTyping,
    /// The person saw what may be lost, and goes on.
    GoOn,
    /// The person pressed keys: bytes as a terminal sends them.
    Keys(Vec<u8>),
    /// The person pasted text.
    Paste {
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
    /// The program set a title through the terminal.
    Title(String),
    /// The person saw the notice.
    NoticeSeen,
    /// The person wants to try again.
    Retry,
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
    /// Begin the terminal anew at this size with these bytes, which start with a reset, in one write.
    Rebuild {
        /// To be given back when it is parsed.
        ticket: u64,
        /// The terminal's size.
        window: WindowSize,
        /// What to write.
        bytes: Vec<u8>,
    },
    /// Write to the terminal.
    Write {
        /// To be given back when it is parsed.
        ticket: u64,
        /// What to write; whole characters.
        bytes: Vec<u8>,
    },
    /// Give the terminal another size, behind everything written before.
    Resize(WindowSize),
    /// Empty the terminal, its scrollback included: what it holds must not be seen.
    Wipe,
    /// The link types: keep its secret out of sight, and show this link instead.
    KeepSecret {
        /// Watches the same session.
        watch: Link,
    },
}
