//! The user's own terminal: raw while a program is shared, restored whatever happens.

use std::io::Write as _;
use std::sync::{Mutex, PoisonError};

use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr};
use shared::event::WindowSize;

/// How the terminal was before; `None` while it is as it was.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// What a program that was killed may have left on: mouse, paste brackets, hidden cursor, colours.
const CALM: &[u8] = b"\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1006l\x1b[?1004l\x1b[?2004l\x1b[?25h\x1b[0m";

/// Whether stdin and stdout are terminals.
pub fn is_there() -> bool {
    isatty(stdin()) && isatty(stdout())
}

/// The terminal's size.
pub fn size() -> Option<WindowSize> {
    let size = tcgetwinsize(stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some(WindowSize { cols: size.ws_col, rows: size.ws_row })
}

/// The terminal is raw while this lives.
#[derive(Debug)]
pub struct Raw(());

impl Raw {
    /// Makes the terminal raw. From now on a panic restores it too.
    pub fn enter() -> rustix::io::Result<Self> {
        static HOOK: std::sync::Once = std::sync::Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore(true);
                before(panic);
            }));
        });
        make_raw()?;
        Ok(Self(()))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore(false);
    }
}

fn make_raw() -> rustix::io::Result<()> {
    let mut before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner);
    let current = tcgetattr(stdin())?;
    let mut raw = current.clone();
    raw.make_raw();
    tcsetattr(stdin(), OptionalActions::Now, &raw)?;
    before.get_or_insert(current);
    Ok(())
}

/// Puts the terminal back; `calm` also turns off what a program that was killed may have left on.
pub fn restore(calm: bool) {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(before) = before else { return };
    if calm {
        let mut out = std::io::stdout().lock();
        drop(out.write_all(CALM).and_then(|()| out.flush()));
    }
    // There is nobody to tell if this fails: the terminal is gone.
    let _ignored = tcsetattr(stdin(), OptionalActions::Now, &before);
}

/// Stops this process as Ctrl-Z does, with the terminal as it was, and makes it raw again afterwards.
pub fn suspend() -> rustix::io::Result<()> {
    restore(true);
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?;
    make_raw()
}
