//! What the owner does for the machine.

use super::ModelInput;
use crate::conversation::Update;
use crate::event::WindowSize;
use crate::id::{SessionId, TaskId};
use crate::orchestration::task::Task;
use crate::wire::close::CloseCode;
use crate::wire::sharer::NotKept;

/// The connection to the relay, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// Nothing is shared: there is none.
    Idle,
    /// On the way, for the first time or again.
    Connecting,
    /// It stands, and the relay has said of every session what it does with it.
    Connected,
    /// It broke or was refused; the next attempt comes by itself.
    Waiting,
    /// The relay will not have this sharer (another protocol version).
    Refused,
}

/// A session's room at the relay, for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomState {
    /// Not open yet, or not again.
    Pending,
    /// Viewers can join.
    Open,
    /// The relay refuses it for now; it is asked again by itself.
    Refused,
    /// Another sharer took the session over; this one does not come back.
    Replaced,
}

/// What the owner does for the machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Connect to the relay; answer with `handle_connected` or `handle_disconnected`.
    Connect,
    /// Drop the socket, or the attempt; no answer is needed.
    Close(CloseCode),
    /// The connection's state changed.
    Connection(ConnectionState),
    /// A room's state changed.
    Room(SessionId, RoomState),
    /// A hosted program is shared from here on: its output, sizes and exit go to this session, and its terminal
    /// model answers for it.
    Opened {
        /// The program's task.
        task: TaskId,
        /// Its session.
        session: SessionId,
    },
    /// What is said of a hosted program's task changed.
    Task(Box<Task>),
    /// Something happened in the conversation of a program here, shared or not: for who listens
    /// ([`super::Sharer::listen`]).
    Said(TaskId, Box<Update>),
    /// What the links here open of a task that runs under a driver changed: ask [`super::Sharer::granted`].
    Reach(TaskId),
    /// For the session's terminal model.
    Model(SessionId, ModelInput),
    /// Write to the session's PTY; report with [`super::Sharer::handle_typed`].
    Type(SessionId, Vec<u8>),
    /// Who types has room for a terminal of this size: the owner gives it to a PTY that nobody sits at, and to no other.
    Resize(SessionId, WindowSize),
    /// Who watches a session changed.
    Viewers {
        /// The session.
        session: SessionId,
        /// All.
        count: u32,
        /// Those whose link may type.
        executors: u32,
    },
    /// The relay has put the ended session into its archive, for so many milliseconds, or has not.
    Kept(SessionId, Result<u64, NotKept>),
    /// The links changed: ask [`super::Sharer::links`].
    LinksChanged(SessionId),
    /// The session is over and everything about it was handed out: flush, and [`super::Sharer::forget`] it.
    Ended(SessionId),
}
