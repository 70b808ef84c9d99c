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
    /// What it complained with, in a line.
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
        let why = if status.is_none() {
            format!("it took longer than {} s", limit.as_secs())
        } else {
            complaint(&why)
        };
        Ok(Ended {
            ok: status.is_some_and(|status| status.success()),
            said: said.join().unwrap_or_default(),
            why,
        })
    })
}

/// As much of what it complained with is shown, in characters.
const MAX_WHY: usize = 300;

/// The reason in what it wrote to stderr: all of that if it is short, as a hook's is; else the line that git itself
/// calls one, since advice follows it; else the end.
fn complaint(stderr: &str) -> String {
    let lines: Vec<String> = stderr.lines().map(plain).filter(|line| !line.is_empty()).collect();
    let all = lines.join("; ");
    if all.chars().count() <= MAX_WHY {
        return all;
    }
    let reason = lines.iter().find(|line| line.starts_with("fatal: ") || line.starts_with("error: "));
    let reason = reason.or(lines.last()).map(String::as_str).unwrap_or_default();
    reason.chars().take(MAX_WHY).collect()
}

fn plain(line: &str) -> String {
    line.chars().filter(|c| !c.is_control()).collect::<String>().trim().to_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_is_its_reason_and_not_its_last_line() {
        let lock = "fatal: Unable to create '/repo/.git/index.lock': File exists.\n\nAnother git process seems to be running in \
                    this repository, e.g.\nan editor opened by 'git commit'. Please make sure all processes\nare terminated \
                    then try again. If it still fails, a git process\nmay have crashed in this repository earlier:\nremove \
                    the file manually to continue.\n";
        let hook = "lint: a.rs has a tab\n  \u{1b}[31mcommit refused\u{1b}[0m\n";
        let long = format!("{}the last\n", "one of many\n".repeat(100));
        for (stderr, why) in [
            (lock, "fatal: Unable to create '/repo/.git/index.lock': File exists."),
            (hook, "lint: a.rs has a tab; [31mcommit refused[0m"),
            (long.as_str(), "the last"),
            ("\n", ""),
        ] {
            assert_eq!(complaint(stderr), why);
        }
        assert_eq!(complaint(&"é".repeat(1_000)).chars().count(), MAX_WHY);
    }
}
