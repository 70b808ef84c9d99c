//! Exit codes of `sharer` itself; [`crate::cli`] has the whole table.

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
