//! The user's own terminal, which belongs to the first program: its keyboard.

use crate::pty::Pty;
use crate::tty;

/// The user's keyboard, straight into the PTY.
pub(super) fn keyboard(pty: &Pty) {
    let typing = pty.typing();
    tty::keys(move |bytes| typing.write(bytes).is_ok());
}
