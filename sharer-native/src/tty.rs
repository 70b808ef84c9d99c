//! The user's own terminal: raw while a program is shared, restored whatever happens.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write as _};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{OptionalActions, Termios, isatty, tcgetattr, tcgetwinsize, tcsetattr, ttyname};
use shared::event::WindowSize;
use tokio::net::unix::pipe;

use crate::term::shown::Shown;

/// How the terminal was before; `None` while it is as it was.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);
/// What the program has switched on in it.
static SHOWN: Mutex<Option<Shown>> = Mutex::new(None);
/// Held by whoever writes to it, and never by whoever must not wait: a terminal can be stopped for hours.
static WRITING: Mutex<()> = Mutex::new(());
/// What waits to be said to it beside the program's output: the newest of each kind.
static ASIDES: Mutex<BTreeMap<Aside, String>> = Mutex::new(BTreeMap::new());
/// Whether its title is ours; the terminal keeps the one it had.
static TITLED: Mutex<bool> = Mutex::new(false);

/// A terminal that takes nothing for so long is restored without being told to calm down.
const STOPPED: Duration = Duration::from_millis(200);

/// What can be said beside the program's output without touching its screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Aside {
    Clipboard,
    Title,
}

/// Whether stdin and stdout are terminals.
pub fn is_there() -> bool {
    isatty(stdin()) && isatty(stdout())
}

/// The terminal's size.
pub fn size() -> Option<WindowSize> {
    let size = tcgetwinsize(stdout()).ok()?;
    (size.ws_col > 0 && size.ws_row > 0).then_some(WindowSize { cols: size.ws_col, rows: size.ws_row })
}

/// Hands over what is typed as it comes, until the terminal is gone or `heard` wants no more. The thread ends with the
/// process: nothing wakes it.
pub fn keys(mut heard: impl FnMut(&[u8]) -> bool + Send + 'static) {
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        loop {
            match rustix::io::read(stdin(), &mut chunk) {
                Ok(0) => return,
                Ok(read) => {
                    if !heard(chunk.get(..read).unwrap_or_default()) {
                        return;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    });
}

/// What is typed, for an event loop: no thread stands between a key and who waits for it.
#[derive(Debug)]
pub struct Keys(pipe::Receiver);

impl Keys {
    /// Of the terminal at stdin.
    pub fn new() -> io::Result<Self> {
        // Opened once more: to be non-blocking is a property that all share who inherited stdin. By its own name, as an event
        // loop on macOS does not take `/dev/tty`; but that opens to who may not open the device.
        let flags = OFlags::RDONLY | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let own = ttyname(stdin(), Vec::new()).and_then(|name| open(name, flags, Mode::empty()));
        let tty = own.or_else(|_not_ours| open(c"/dev/tty", flags, Mode::empty()))?;
        // What the event loop has for files that can be waited for.
        pipe::Receiver::from_file_unchecked(tty.into()).map(Self)
    }

    /// What was typed next; `None` when the terminal is gone. Nothing is lost when this is dropped before it is ready.
    pub async fn next(&mut self) -> Option<Vec<u8>> {
        let mut chunk = [0; 4096];
        loop {
            self.0.readable().await.ok()?;
            match self.0.try_read(&mut chunk) {
                Ok(read @ 1..) => return chunk.get(..read).map(<[u8]>::to_vec),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Ok(0) | Err(_) => return None,
            }
        }
    }
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
                restore();
                before(panic);
            }));
        });
        make_raw()?;
        Ok(Self(()))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// For those who may run while the very same thread holds the lock, as a panic's hook does.
fn lock_soon<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    let began = Instant::now();
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) if began.elapsed() >= STOPPED => return None,
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(1)),
        }
    }
}

fn make_raw() -> rustix::io::Result<()> {
    let mut before = lock(&BEFORE);
    let current = tcgetattr(stdin())?;
    let mut raw = current.clone();
    raw.make_raw();
    tcsetattr(stdin(), OptionalActions::Now, &raw)?;
    before.get_or_insert(current);
    Ok(())
}

/// Shows what the program has written; returns when the terminal has taken it.
pub fn show(bytes: &[u8]) -> io::Result<()> {
    let shown = {
        let _writing = lock(&WRITING);
        lock(&SHOWN).get_or_insert_default().feed(bytes);
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush())
    };
    speak();
    shown
}

/// Puts a text into the terminal's clipboard (OSC 52), as soon as the program is not in the middle of a sequence.
pub fn copy(text: &str) {
    let text = data_encoding::BASE64.encode(text.as_bytes());
    aside(Aside::Clipboard, format!("\x1b]52;c;{text}\x1b\\"));
}

/// Gives the terminal's window a title. The one it had comes back with the terminal.
pub fn entitle(title: &str) {
    let title: String = title.chars().filter(|c| !c.is_control()).collect();
    // XTPUSHTITLE, once; terminals without it ignore it.
    let keep = if std::mem::replace(&mut *lock(&TITLED), true) { "" } else { "\x1b[22;2t" };
    aside(Aside::Title, format!("{keep}\x1b]2;{title}\x1b\\"));
}

fn aside(kind: Aside, text: String) {
    lock(&ASIDES).insert(kind, text);
    speak();
}

/// Says what waits, unless the terminal is busy: then whoever keeps it busy does so afterwards.
fn speak() {
    while !lock(&ASIDES).is_empty() {
        let _writing = match WRITING.try_lock() {
            Ok(writing) => writing,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let at_rest = lock(&SHOWN).as_ref().is_none_or(Shown::is_at_rest);
        if !at_rest || !takes_bytes(Duration::ZERO) {
            return;
        }
        let asides = std::mem::take(&mut *lock(&ASIDES));
        for text in asides.into_values() {
            write_now(text.as_bytes());
        }
    }
}

/// Whether the terminal takes bytes in time: one that is stopped by Ctrl-S does not.
fn takes_bytes(patience: Duration) -> bool {
    let out = stdout();
    let mut fds = [PollFd::new(&out, PollFlags::OUT)];
    let patience = Timespec { tv_sec: 0, tv_nsec: i64::from(patience.subsec_nanos()) };
    poll(&mut fds, Some(&patience)).is_ok_and(|ready| ready > 0)
}

fn write_now(mut bytes: &[u8]) {
    while !bytes.is_empty() {
        match rustix::io::write(stdout(), bytes) {
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(rustix::io::Errno::INTR) => {}
            // The terminal is gone: there is nobody to tell.
            Err(_) => return,
        }
    }
}

/// Puts the terminal back, and turns off what the program has left on.
pub fn restore() {
    let Some(before) = lock(&BEFORE).take() else { return };
    let _writing = lock_soon(&WRITING);
    let mut calm = lock_soon(&SHOWN).and_then(|shown| Some(shown.as_ref()?.calm())).unwrap_or_default();
    if std::mem::take(&mut *lock(&TITLED)) {
        calm.extend_from_slice(b"\x1b[23;2t");
    }
    lock(&ASIDES).clear();
    if !calm.is_empty() && takes_bytes(STOPPED) {
        write_now(&calm);
    }
    // There is nobody to tell if this fails: the terminal is gone.
    let _ignored = tcsetattr(stdin(), OptionalActions::Now, &before);
}

/// Stops this process as Ctrl-Z does, with the terminal as it was; makes it raw again afterwards, and switches on what
/// the program had, which has to draw again.
pub fn suspend() -> rustix::io::Result<()> {
    restore();
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP)?;
    make_raw()?;
    let again = lock(&SHOWN).as_ref().map(Shown::again).unwrap_or_default();
    if takes_bytes(STOPPED) {
        write_now(&again);
    }
    Ok(())
}
