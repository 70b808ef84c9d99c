//! The program `git`, for what needs its hooks, its keys or its network.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// As much of what it says is read.
const MAX_SAID: u64 = 64 * 1024;

/// How it ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) ok: bool,
    /// What it wrote to stdout.
    pub(super) said: String,
    /// The last line that it complained with.
    pub(super) why: String,
}

/// Runs it in `dir` with these arguments, gives it `input`, and ends it when `limit` is over.
pub(super) fn git(dir: &Path, arguments: &[&str], input: &str, limit: Duration) -> std::io::Result<Ended> {
    let mut command = Command::new("git");
    command.arg("-C").arg(dir).args(arguments).env("LC_ALL", "C").env("GIT_TERMINAL_PROMPT", "0");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let said = scope.spawn(|| read(stdout));
        let why = scope.spawn(|| read(stderr));
        scope.spawn(|| {
            if let Some(mut stdin) = stdin {
                // One that does not listen has ended, which its status tells.
                drop(stdin.write_all(input.as_bytes()));
            }
        });
        let until = Instant::now() + limit;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if Instant::now() > until {
                child.kill()?;
                child.wait()?;
                break None;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let why = why.join().unwrap_or_default();
        let line = why.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let why =
            if status.is_none() { format!("it took longer than {} s", limit.as_secs()) } else { plain(line) };
        Ok(Ended {
            ok: status.is_some_and(|status| status.success()),
            said: said.join().unwrap_or_default(),
            why,
        })
    })
}

fn plain(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}

/// Reads a pipe to its end; what is beyond the bound is dropped.
fn read(pipe: Option<impl std::io::Read>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut bytes = Vec::new();
    // What was read until then is what it said.
    drop(pipe.by_ref().take(MAX_SAID).read_to_end(&mut bytes));
    drop(std::io::copy(&mut pipe, &mut std::io::sink()));
    String::from_utf8_lossy(&bytes).into_owned()
}
