//! A small process beside this one that ends the children if this one dies without ending them, by `kill -9` say.
//!
//! It reads the process ids to watch over from a pipe that only this process holds open. A hung-up terminal alone
//! would leave every child that ignores SIGHUP.

use std::io::{self, BufRead as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::pty::{is_alive, signal_session};

/// Children that lost their sharer have this long to end by themselves.
const PATIENCE: Duration = Duration::from_millis(500);
/// More ids than tasks can be alive.
const MOST: usize = 1024;

/// The way to the process, which starts with the first child.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    pipe: Option<ChildStdin>,
    failed: bool,
}

impl Orphans {
    /// From now on this child ends with this process.
    pub(super) fn watch(&mut self, pid: Pid) {
        if self.pipe.is_none() && !self.failed {
            match start() {
                Ok(pipe) => self.pipe = Some(pipe),
                Err(error) => {
                    self.failed = true;
                    tracing::warn!(%error, "children that ignore SIGHUP will outlive a crash");
                }
            }
        }
        self.say('+', pid);
    }

    /// This child has ended.
    pub(super) fn forget(&mut self, pid: Pid) {
        self.say('-', pid);
    }

    fn say(&mut self, sign: char, pid: Pid) {
        if let Some(pipe) = &mut self.pipe
            && writeln!(pipe, "{sign}{}", pid.as_raw_pid()).is_err()
        {
            (self.pipe, self.failed) = (None, true);
        }
    }
}

fn start() -> io::Result<ChildStdin> {
    // A group of its own: what the user's terminal tells this process's group is not meant for it.
    let mut child = Command::new(own())
        .arg("orphans")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()?;
    child.stdin.take().ok_or_else(|| io::Error::other("no pipe"))
}

/// This very program, also when its file was replaced meanwhile.
fn own() -> std::path::PathBuf {
    let running = std::path::Path::new("/proc/self/exe");
    if running.exists() { running.to_path_buf() } else { std::env::current_exe().unwrap_or_default() }
}

/// What the process beside does: watches until its input ends, then ends what is left.
pub fn watch() -> io::Result<()> {
    let mut left: Vec<Pid> = Vec::new();
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let Some((sign, pid)) = line.split_at_checked(1) else { continue };
        let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) else { continue };
        left.retain(|known| *known != pid);
        if sign == "+" && left.len() < MOST {
            left.push(pid);
        }
    }
    for pid in &left {
        signal_session(*pid, Signal::HUP);
        signal_session(*pid, Signal::CONT);
    }
    let began = Instant::now();
    while began.elapsed() < PATIENCE && left.iter().any(|pid| is_alive(*pid)) {
        std::thread::sleep(Duration::from_millis(10));
    }
    for pid in &left {
        signal_session(*pid, Signal::KILL);
    }
    Ok(())
}
