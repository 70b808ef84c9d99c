//! The shared program and its PTY.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use filedescriptor::{FileDescriptor, POLLOUT, pollfd};
use portable_pty::{CommandBuilder, MasterPty, PtySize, native_pty_system};
use rustix::process::{
    Pid, Signal, WaitOptions, kill_process, kill_process_group, test_kill_process, wait, waitpid,
};
use shared::event::WindowSize;

use crate::exit;

/// Why a program does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// There is no such program.
    #[error("{0}: command not found")]
    NotFound(String),
    /// It is there and cannot be executed.
    #[error("{0}: cannot be executed")]
    NotExecutable(String),
    /// The system gives no PTY, or no process.
    #[error("cannot start the program in a terminal: {0}")]
    System(String),
}

/// Where a command is looked for and runs: its directory and its whole environment.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The directory; `None`: this process's.
    pub dir: Option<PathBuf>,
    /// The environment; `None`: this process's.
    pub environment: Option<Vec<(OsString, OsString)>>,
}

impl Surroundings {
    fn variable(&self, name: &str) -> Option<OsString> {
        match &self.environment {
            Some(all) => all.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()),
            None => std::env::var_os(name),
        }
    }
}

/// The longest command that is shown, in characters; a longer one ends with an ellipsis.
pub const LONGEST_TITLE: usize = 80;

/// A program that can be started: its absolute path, all arguments, and what is around it.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    around: Surroundings,
}

impl Program {
    /// Finds `command`'s first word the way a shell does; an empty command is `$SHELL`.
    pub fn find(command: &[OsString]) -> Result<Self, StartError> {
        Self::find_in(command, Surroundings::default())
    }

    /// The same, as a shell with these surroundings does.
    pub fn find_in(command: &[OsString], around: Surroundings) -> Result<Self, StartError> {
        let shell = || around.variable("SHELL").filter(|shell| !shell.is_empty());
        let (name, arguments) = match command.split_first() {
            Some((name, arguments)) => (name.clone(), arguments.to_vec()),
            None => (shell().unwrap_or_else(|| "/bin/sh".into()), Vec::new()),
        };
        let shown = name.to_string_lossy().into_owned();
        let given = Path::new(&name);
        let candidates: Vec<PathBuf> = if given.components().count() > 1 || given.is_absolute() {
            vec![given.to_path_buf()]
        } else {
            let path = around.variable("PATH").unwrap_or_default();
            std::env::split_paths(&path).map(|dir| dir.join(given)).collect()
        };
        let mut seen = false;
        for candidate in candidates {
            let candidate = around.dir.as_ref().map_or_else(|| candidate.clone(), |dir| dir.join(&candidate));
            let Ok(about) = candidate.metadata() else { continue };
            seen = true;
            if about.is_file() && rustix::fs::access(&candidate, rustix::fs::Access::EXEC_OK).is_ok() {
                let path = std::path::absolute(&candidate).unwrap_or(candidate);
                return Ok(Self { path, arguments, around });
            }
        }
        Err(if seen { StartError::NotExecutable(shown) } else { StartError::NotFound(shown) })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it is started with.
    pub fn arguments(&self) -> impl Iterator<Item = &OsStr> {
        self.arguments.iter().map(OsString::as_os_str)
    }

    /// The program's own name.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Name and arguments, as one typed them.
    pub fn command(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        command_line(std::iter::once(name).chain(self.arguments()).map(OsStr::to_string_lossy))
    }

    /// The command as a title: shortened to [`LONGEST_TITLE`].
    pub fn title(&self) -> String {
        // A script of several lines is a line here.
        let whole = self.command().split_whitespace().collect::<Vec<_>>().join(" ");
        match whole.char_indices().nth(LONGEST_TITLE) {
            None => whole,
            Some(_) => whole.chars().take(LONGEST_TITLE - 1).chain(['…']).collect(),
        }
    }
}

impl StartError {
    /// What a shell would end with.
    pub fn status(&self) -> u8 {
        match self {
            Self::NotFound(_) => exit::NOT_FOUND,
            Self::NotExecutable(_) | Self::System(_) => exit::NOT_EXECUTABLE,
        }
    }
}

/// The words of a command as one typed them: quoted where they would be read as several, or as none. Only for people: what a
/// shell makes of other signs is left as it is.
pub fn command_line<W: AsRef<str>>(words: impl IntoIterator<Item = W>) -> String {
    let ambiguous = |word: &str| {
        word.is_empty() || word.contains(|sign: char| sign.is_whitespace() || "'\"".contains(sign))
    };
    let quoted = |word: W| match word.as_ref() {
        word if ambiguous(word) => shell_words::quote(word).into_owned(),
        word => word.to_owned(),
    };
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code, if it exited by itself.
    pub code: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
}

impl Ended {
    /// The exit status a shell would show: the code, or 128 + signal.
    pub fn status(self) -> u8 {
        let status = self.code.or(self.signal.map(|signal| 128 + signal)).unwrap_or(255);
        u8::try_from(status & 0xff).unwrap_or(255)
    }

    /// The signal's name, such as `SIGTERM`.
    pub fn signal_name(self) -> Option<String> {
        let signal = self.signal?;
        let name = match signal {
            1 => "SIGHUP",
            2 => "SIGINT",
            3 => "SIGQUIT",
            4 => "SIGILL",
            6 => "SIGABRT",
            8 => "SIGFPE",
            9 => "SIGKILL",
            11 => "SIGSEGV",
            13 => "SIGPIPE",
            14 => "SIGALRM",
            15 => "SIGTERM",
            _ => return Some(format!("signal {signal}")),
        };
        Some(name.to_owned())
    }
}

/// A PTY that takes anything at all takes this much, in bytes: its buffer is kept in pages.
const TAKEN_AT_ONCE: usize = 256;

/// Writes into the PTY; shared by those who type.
#[derive(Clone)]
pub struct Typing(Arc<Mutex<Writer>>);

struct Writer {
    write: Box<dyn Write + Send>,
    /// To ask whether a write would wait.
    ask: Option<FileDescriptor>,
}

impl std::fmt::Debug for Typing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Typing")
    }
}

impl Typing {
    /// Types into something that is no PTY of this process.
    pub fn through(write: Box<dyn Write + Send>) -> Self {
        Self(Arc::new(Mutex::new(Writer { write, ask: None })))
    }

    /// Writes all of it, as fast as the program reads.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut writer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        writer.write.write_all(bytes)?;
        writer.write.flush()
    }

    /// Writes all of it if that needs no waiting; otherwise nothing, and says `false`.
    pub fn write_now(&self, bytes: &[u8]) -> bool {
        let Ok(mut writer) = self.0.try_lock() else { return false };
        let free = bytes.len() <= TAKEN_AT_ONCE && writer.ask.as_ref().is_some_and(takes_bytes);
        free && writer.write.write_all(bytes).is_ok()
    }
}

fn takes_bytes(pty: &FileDescriptor) -> bool {
    let mut ask = [pollfd { fd: pty.as_raw_fd(), events: POLLOUT, revents: 0 }];
    filedescriptor::poll(&mut ask, Some(Duration::ZERO)).is_ok()
        && ask.iter().all(|asked| asked.revents == POLLOUT)
}

/// A running program in its PTY.
pub struct Pty {
    master: Box<dyn MasterPty + Send>,
    pid: Pid,
    typing: Typing,
}

impl std::fmt::Debug for Pty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pty").field("pid", &self.pid).finish_non_exhaustive()
    }
}

fn pty_size(size: WindowSize) -> PtySize {
    PtySize { rows: size.rows, cols: size.cols, pixel_width: 0, pixel_height: 0 }
}

impl Pty {
    /// Starts `program` in a new PTY. `environment` is added to what it has.
    pub fn start(
        program: &Program,
        size: WindowSize,
        environment: &[(&str, OsString)],
    ) -> Result<Self, StartError> {
        let system = |error: anyhow::Error| StartError::System(format!("{error:#}"));
        let pair = native_pty_system().openpty(pty_size(size)).map_err(system)?;
        let mut command = CommandBuilder::new(&program.path);
        command.args(&program.arguments);
        if let Some(dir) = program.around.dir.clone().or_else(|| std::env::current_dir().ok()) {
            command.cwd(dir);
        }
        if let Some(all) = &program.around.environment {
            command.env_clear();
            for (name, value) in all {
                command.env(name, value);
            }
        }
        for (name, value) in environment {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).map_err(system)?;
        let pid = child.process_id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let pid = pid.ok_or_else(|| StartError::System("no process id".to_owned()))?;
        let ask = pair.master.as_raw_fd().and_then(|fd| FileDescriptor::dup(&fd).ok());
        let writer = Writer { write: pair.master.take_writer().map_err(system)?, ask };
        let typing = Typing(Arc::new(Mutex::new(writer)));
        Ok(Self { master: pair.master, pid, typing })
    }

    /// What the program writes.
    pub fn output(&self) -> Result<Box<dyn Read + Send>, StartError> {
        self.master.try_clone_reader().map_err(|error| StartError::System(format!("{error:#}")))
    }

    /// The way to type.
    pub fn typing(&self) -> Typing {
        self.typing.clone()
    }

    /// The leader of the process group in its foreground.
    pub fn foreground(&self) -> Option<Pid> {
        self.master.process_group_leader().and_then(Pid::from_raw)
    }

    /// The path of the program's terminal.
    pub fn tty_name(&self) -> Option<PathBuf> {
        self.master.tty_name()
    }

    /// Gives the PTY a new size; the program is told.
    pub fn resize(&self, size: WindowSize) {
        if let Err(error) = self.master.resize(pty_size(size)) {
            tracing::warn!(%error, "the PTY takes no size");
        }
    }

    /// The program's process id.
    pub fn pid(&self) -> Pid {
        self.pid
    }
}

/// Tells a program and everything in its group that its terminal is gone.
pub fn hang_up(pid: Pid) {
    signal(pid, Signal::HUP);
    signal(pid, Signal::CONT);
}

/// Sends a signal to a program and everything in its group.
pub fn signal(pid: Pid, signal: Signal) {
    // It may have ended by itself.
    let _ignored = kill_process_group(pid, signal);
}

/// What the system's list of processes says of one; systems without such a list say nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinship {
    /// Its parent.
    pub parent: i32,
    /// Its process group.
    pub group: i32,
    /// Its terminal session.
    pub session: i32,
}

impl Kinship {
    /// Reads it.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Its name may hold anything, brackets too.
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut numbers = rest.split(' ').skip(1).map(str::parse);
        let mut next = || numbers.next()?.ok();
        Some(Self { parent: next()?, group: next()?, session: next()? })
    }
}

/// Sends a signal to every process in the terminal session that `leader` leads, or led.
pub fn signal_session(leader: Pid, signal: Signal) {
    // They may have ended by themselves.
    let _ignored = kill_process_group(leader, signal);
    // Its other groups.
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    let leader = leader.as_raw_pid();
    for process in processes.flatten() {
        let pid = process.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(pid) = pid
            && Kinship::of(pid).is_some_and(|kin| kin.session == leader && kin.group != leader)
            && let Some(pid) = Pid::from_raw(pid)
        {
            let _ignored = kill_process(pid, signal);
        }
    }
}

/// Whether a process is there and has not ended.
pub fn is_alive(pid: Pid) -> bool {
    // One that has ended and that nobody waited for answers too; it is no trouble to anybody.
    test_kill_process(pid).is_ok()
}

/// Makes this process the parent of all below it that lose theirs (Linux; elsewhere they go to init): what was started
/// in a hosted terminal is told by its ancestors, and two forks do not take it out of there.
pub fn adopt_orphans() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_child_subreaper(Some(rustix::process::getpid())) {
        tracing::warn!(%error, "a daemon that was started inside is not told from its owner");
    }
}

/// One more child of this process that has ended, and how; each is told once, whoever started it.
pub fn next_ended() -> Option<(Pid, Ended)> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if status.exited() || status.signaled() => {
                return Some((
                    pid,
                    Ended { code: status.exit_status(), signal: status.terminating_signal() },
                ));
            }
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

/// How the process with this id, a child of this one, has ended, if it has. Says so once.
pub fn ended(pid: Pid) -> Option<Ended> {
    loop {
        match waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(Some((_, status))) if status.exited() || status.signaled() => {
                return Some(Ended { code: status.exit_status(), signal: status.terminating_signal() });
            }
            Ok(None) => return None,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Some(Ended { code: None, signal: None }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_programs_as_a_shell_does() {
        assert_eq!(Program::find(&["/bin/sh".into(), "-c".into()]).unwrap().title(), "sh -c");
        let words = ["sh", "-c", "echo \"a  b\"\nexit 3", "", "--size=a*", "it's"].map(OsString::from);
        assert!(Program::find(&words).unwrap().command().starts_with("sh -c 'echo \"a  b\"\nexit 3' "));
        assert_eq!(
            Program::find(&words).unwrap().title(),
            r#"sh -c 'echo "a b" exit 3' '' --size=a* 'it'\''s'"#
        );
        let long = Program::find(&["sh".into(), "x".repeat(76).into()]).unwrap().title();
        assert!(long.ends_with("xx") && long.chars().count() < LONGEST_TITLE, "{long}");
        let long = Program::find(&["sh".into(), "é".repeat(78).into()]).unwrap().title();
        assert!(long.ends_with("é…") && long.chars().count() == LONGEST_TITLE, "{long}");
        assert!(matches!(Program::find(&["no-such-program".into()]), Err(StartError::NotFound(_))));
        assert!(matches!(Program::find(&["/etc/passwd".into()]), Err(StartError::NotExecutable(_))));
        assert!(matches!(Program::find(&["/".into()]), Err(StartError::NotExecutable(_))));
    }

    #[test]
    fn ends_are_statuses_as_a_shell_shows_them() {
        assert_eq!(Ended { code: Some(3), signal: None }.status(), 3);
        let killed = Ended { code: None, signal: Some(9) };
        assert_eq!((killed.status(), killed.signal_name().as_deref()), (137, Some("SIGKILL")));
    }
}
