//! Processes that end with the test, in a home of their own.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::process::{Child, ChildStdout, Command};

use super::wait::{LONG, within};

/// A private home: nothing a test does reaches the person's own files, and tests do not meet each other.
#[derive(Debug)]
pub struct Sandbox {
    dir: TempDir,
    more: Vec<(&'static str, OsString)>,
}

impl Sandbox {
    /// Makes an empty home with the XDG directories in it.
    pub fn new() -> Self {
        // Short: the path of a Unix socket has at most 107 bytes.
        let dir = tempfile::Builder::new().prefix("sharer-").tempdir().expect("a temporary directory");
        for sub in ["run", "tmp", "bin"] {
            std::fs::create_dir(dir.path().join(sub)).expect("a fresh directory takes entries");
        }
        let run = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(dir.path().join("run"), run).expect("own files can be changed");
        Self { dir, more: Vec::new() }
    }

    /// The home directory.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// From now on, commands have this in their environment.
    pub fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.more.push((name, value.into()));
    }

    /// Puts a shell script in front of everything else in PATH.
    pub fn script(&self, name: &str, text: &str) {
        let path = self.path().join("bin").join(name);
        std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("the sandbox takes files");
        let run = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(path, run).expect("own files can be changed");
    }

    /// A command that knows nothing of the person's environment but PATH.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let home = self.path();
        let mut path = home.join("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", path)
            .env("HOME", home)
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_STATE_HOME", home.join(".local/state"))
            .env("XDG_DATA_HOME", home.join(".local/share"))
            .env("XDG_CACHE_HOME", home.join(".cache"))
            .env("XDG_RUNTIME_DIR", home.join("run"))
            .env("TMPDIR", home.join("tmp"))
            .env("LANG", "C.UTF-8")
            .env("TERM", "xterm-256color")
            .env("SHELL", "/bin/sh")
            // A fixed prompt and no start-up files: screens are compared to the cell.
            .env("PS1", "$ ")
            .env("RUST_BACKTRACE", "1")
            // For those that are told to keep a log.
            .env("SHARER_LOG", "trace")
            .envs(self.more.iter().map(|(name, value)| (name, value)))
            .current_dir(home);
        command
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Sandbox {
    /// Ends whatever still runs with this directory in its arguments: a browser's helpers outlive their driver.
    fn drop(&mut self) {
        let Ok(processes) = std::fs::read_dir("/proc") else { return };
        let needle = self.path().as_os_str().as_encoded_bytes();
        for entry in processes.flatten() {
            let Some(pid) =
                entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw)
            else {
                continue;
            };
            let arguments = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if arguments.windows(needle.len()).any(|part| part == needle) {
                // Gone already is as good.
                let _gone = kill_process(pid, Signal::KILL);
            }
        }
    }
}

/// A started program: killed when dropped, its standard error shown if the test fails.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command` with piped standard output; standard error goes to a file in the sandbox.
    pub fn start(name: &str, sandbox: &Sandbox, mut command: Command) -> (Self, ChildStdout) {
        let (file, stderr) = tempfile::Builder::new()
            .prefix(&format!("{name}-stderr-"))
            .tempfile_in(sandbox.path().join("tmp"))
            .and_then(|file| file.keep().map_err(|kept| kept.error))
            .expect("a file in the sandbox");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(file)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let stdout = child.stdout.take().expect("standard output is piped");
        (Self { name: name.to_owned(), child, stderr }, stdout)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("the process runs")
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).unwrap_or_else(|error| panic!("{}: {signal:?}: {error}", self.name));
    }

    /// Kills it with SIGKILL and waits until it is gone.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("an own child can be killed");
    }

    /// Waits for its end.
    pub async fn exit(&mut self) -> ExitStatus {
        let what = format!("{} to end", self.name);
        within(&what, LONG, self.child.wait()).await.expect("an own child can be waited for")
    }

    /// How it ended, if it has.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("an own child can be asked")
    }

    /// What it has written to standard error so far.
    pub fn stderr(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.stderr).unwrap_or_default()).into_owned()
    }

    /// Its resident memory in bytes, as the kernel counts it.
    pub fn memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a running process");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a process has memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number of kB") * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- standard error of {} ---\n{}", self.name, self.stderr());
        }
    }
}
