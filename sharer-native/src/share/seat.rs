//! The user's own terminal, which belongs to the first program: its keyboard.

use crate::pty::Pty;

/// The user's keyboard, straight into the PTY.
pub(super) fn keyboard(pty: &Pty) {
    let typing = pty.typing();
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        loop {
            match rustix::io::read(rustix::stdio::stdin(), &mut chunk) {
                Ok(0) => return,
                Ok(read) => {
                    if typing.write(chunk.get(..read).unwrap_or_default()).is_err() {
                        return;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    });
}
