//! The program `git`, for what needs its hooks, its keys or its network.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// As much of what it says is read.
const MAX_SAID: u64 = 64 * 1024;
/// When it has ended, its last words are there; what a hook left behind may hold the pipe for ever.
const LAST_WORDS: Duration = Duration::from_secs(2);

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
    run(command, input, limit)
}

fn run(mut command: Command, input: &str, limit: Duration) -> std::io::Result<Ended> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // In the process group of this one: Ctrl-C is for it too, and a key's passphrase is asked for at the terminal, which a
    // background group must not read.
    let mut child = command.spawn()?;
    let (said, why) = (Said::of(child.stdout.take()), Said::of(child.stderr.take()));
    if let Some(mut stdin) = child.stdin.take() {
        let input = input.to_owned();
        // One that does not listen has ended, which its status tells.
        std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    }
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
    let until = Instant::now() + LAST_WORDS;
    let (said, why) = (said.by(until), why.by(until));
    let why =
        if status.is_none() { format!("it took longer than {} s", limit.as_secs()) } else { complaint(&why) };
    Ok(Ended { ok: status.is_some_and(|status| status.success()), said, why })
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

/// What came out of a pipe so far. The thread that reads it ends with all who hold the pipe.
struct Said {
    bytes: Arc<Mutex<Vec<u8>>>,
    /// Closes behind the last byte.
    all: Receiver<()>,
}

impl Said {
    /// Reads a pipe to its end; what is beyond the bound is dropped.
    fn of(pipe: Option<impl std::io::Read + Send + 'static>) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (ending, all) = channel::<()>();
        let theirs = Arc::clone(&bytes);
        std::thread::spawn(move || {
            let _ending = ending;
            let Some(mut pipe) = pipe else { return };
            let mut piece = [0; 4096];
            let mut left = MAX_SAID;
            while left > 0 {
                match pipe.by_ref().take(left).read(&mut piece) {
                    Ok(count @ 1..) => {
                        left -= count as u64;
                        let mut bytes = theirs.lock().unwrap_or_else(PoisonError::into_inner);
                        bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    // What was read until then is what it said.
                    Ok(0) | Err(_) => return,
                }
            }
            drop(std::io::copy(&mut pipe, &mut std::io::sink()));
        });
        Self { bytes, all }
    }

    /// What was said until all was, or until then.
    fn by(self, until: Instant) -> String {
        let _late = self.all.recv_timeout(until.saturating_duration_since(Instant::now()));
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::process::{Pid, Signal, kill_process};

    fn shell(script: &str, limit: Duration) -> Ended {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        run(command, "word\n", limit).unwrap()
    }

    /// Longer than any test may take.
    const LONG: Duration = Duration::from_mins(10);

    /// Ends what was left behind.
    fn end(pid: &str) {
        let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
        kill_process(pid, Signal::KILL).unwrap();
    }

    #[test]
    fn what_a_hook_leaves_behind_holds_nobody_up() {
        let began = Instant::now();
        let ended = shell("read it; sleep 400 & echo said $it; echo $! why >&2; exit 3", LONG);
        end(ended.why.strip_suffix(" why").unwrap());
        assert!(began.elapsed() < Duration::from_mins(2));
        assert_eq!((ended.ok, ended.said.as_str()), (false, "said word\n"));
    }

    #[test]
    fn beyond_the_limit_nobody_waits() {
        let began = Instant::now();
        let ended = shell("sleep 400 & echo $!; wait; echo never", Duration::from_secs(1));
        end(&ended.said);
        assert!(began.elapsed() < Duration::from_mins(2));
        assert_eq!((ended.ok, ended.why.as_str()), (false, "it took longer than 1 s"));
    }

    #[test]
    fn all_of_it_is_read_up_to_the_bound() {
        let ended = shell("head -c 1000000 /dev/zero | tr '\\0' x; echo why >&2", LONG);
        assert_eq!((ended.ok, ended.said.len() as u64, ended.why.as_str()), (true, MAX_SAID, "why"));
    }

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
