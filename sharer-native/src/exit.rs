//! Exit codes of `sharer` itself; [`crate::cli`] has the whole table.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

/// Wrong command line, or no terminal.
pub const USAGE: u8 = 2;
/// `sharer` itself failed.
pub const FAILED: u8 = 125;
/// Nobody reads what is printed any more: what a shell says of a program that SIGPIPE ended.
pub const BROKEN_PIPE: u8 = 141;
/// The command cannot be executed.
pub const NOT_EXECUTABLE: u8 = 126;
/// The command was not found.
pub const NOT_FOUND: u8 = 127;

/// Whether stdout is a pipe whose reader is gone. Other pipes and sockets break, too, and that is to be told.
pub fn nobody_reads() -> bool {
    let stdout = std::io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::OUT)];
    poll(&mut asked, Some(&Timespec::default())).is_ok()
        && asked.iter().any(|fd| fd.revents().contains(PollFlags::ERR))
}
