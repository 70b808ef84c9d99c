//! `sharer attach`: how long it takes, and what it holds meanwhile.
//!
//! What repositories have before is written by git itself.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use shared::checkpoint::redact;

use super::corpus;
use super::machine;
use super::sample::rate;
use crate::harness::{Sandbox, sharer_bin};

const V1: &str = "refs/heads/entire/checkpoints/v1";
const MAIN: &str = "refs/entire/checkpoints/v2/main";

/// A repository with a commit, in a home of its own.
#[derive(Debug)]
pub struct Repo {
    sandbox: Sandbox,
    dir: PathBuf,
}

/// What one attach, or a number of them at once, took.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// From launch to exit, of all.
    pub time: Duration,
    /// The most memory that the first held, in bytes, code included.
    pub peak: u64,
}

impl Repo {
    /// One whose store has so many checkpoints of one session each.
    ///
    /// # Panics
    /// When git fails.
    pub fn new(checkpoints: usize) -> Self {
        let sandbox = Sandbox::new();
        let dir = sandbox.path().join("repository");
        std::fs::create_dir(&dir).expect("a home takes folders");
        let repo = Self { sandbox, dir };
        repo.git(&["init", "-q", "-b", "main"], b"");
        repo.git(&["config", "user.name", "Ada Example"], b"");
        repo.git(&["config", "user.email", "ada@example.test"], b"");
        repo.git(&["commit", "-q", "--allow-empty", "-m", "Begin"], b"");
        if checkpoints > 0 {
            let store: String = (0..checkpoints).map(commit).collect();
            repo.git(&["fast-import", "--quiet"], store.as_bytes());
        }
        repo
    }

    /// One whose commit names a checkpoint with so many sessions, in v1 alone, each with a transcript of `size` bytes.
    ///
    /// # Panics
    /// When one is not attached.
    pub fn with_sessions(count: usize, size: usize) -> Self {
        let repo = Self::new(0);
        let mut names: Vec<_> =
            (0..count).map(|number| repo.transcript(&format!("session-{number}"), size)).collect();
        let last = names.pop().expect("a session");
        let mut first = repo.attaching(&last);
        first.arg("--force");
        run(vec![first]);
        for name in names {
            repo.attach(&[name]);
        }
        repo
    }

    /// Switches the second store on.
    ///
    /// # Panics
    /// When the repository takes no files.
    pub fn with_v2(&self) {
        let settings = "{\"strategy_options\": {\"checkpoints_v2\": true}}\n";
        std::fs::create_dir_all(self.dir.join(".entire")).expect("a folder");
        std::fs::write(self.dir.join(".entire/settings.json"), settings).expect("a file");
    }

    /// Leaves a transcript beside the repository.
    ///
    /// # Panics
    /// When there is no room.
    pub fn transcript(&self, name: &str, size: usize) -> PathBuf {
        let path = self.sandbox.path().join(format!("{name}.jsonl"));
        std::fs::write(&path, transcript(size, name.len() as u64)).expect("a home takes files");
        path
    }

    /// Attaches these transcripts, each by a process of its own, all at once.
    ///
    /// # Panics
    /// When one is not attached.
    pub fn attach(&self, transcripts: &[PathBuf]) -> Cost {
        run(transcripts.iter().map(|path| self.attaching(path)).collect())
    }

    fn attaching(&self, path: &Path) -> Command {
        let mut command = self.command(sharer_bin());
        let name = path.file_stem().expect("a name");
        command.arg("attach").arg(name).args(["--agent", "claude-code", "--transcript"]).arg(path);
        command
    }

    /// Brings over what the second store lacks.
    ///
    /// # Panics
    /// When it cannot.
    pub fn sync(&self) -> Cost {
        let mut command = self.command(sharer_bin());
        command.args(["checkpoints", "sync"]);
        run(vec![command])
    }

    /// How many sessions the first and the second store have.
    pub fn sessions(&self) -> (usize, usize) {
        let count = |reference: &str| {
            let mut command = self.command("git");
            let listed =
                command.args(["ls-tree", "-r", "--name-only", reference]).output().expect("git runs");
            let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
            listed
                .lines()
                .filter(|path| path.ends_with("metadata.json") && path.matches('/').count() == 3)
                .count()
        };
        (count(V1), count(MAIN))
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.dir).env("HOME", self.sandbox.path()).env("GIT_CONFIG_NOSYSTEM", "1");
        command.env("XDG_CONFIG_HOME", self.sandbox.path()).stdin(Stdio::null());
        command
    }

    fn git(&self, arguments: &[&str], input: &[u8]) {
        let mut command = self.command("git");
        let mut child = command.args(arguments).stdin(Stdio::piped()).spawn().expect("git runs");
        child.stdin.take().expect("a pipe").write_all(input).expect("git reads");
        assert!(child.wait().expect("git ends").success(), "git {arguments:?}");
    }
}

/// Megabytes a second that redaction looks through, with one core.
///
/// # Panics
/// When it takes something out: there is nothing secret in it.
pub fn redaction(size: usize) -> f64 {
    let transcript = transcript(size, 1);
    let start = Instant::now();
    let mut clean = 0;
    for line in transcript.split_inclusive(|byte| *byte == b'\n') {
        clean += redact::line(line).bytes().len();
    }
    let took = start.elapsed();
    assert_eq!(clean, transcript.len(), "nothing of it is a secret");
    rate(transcript.len(), took)
}

/// Runs processes at once, to their ends.
fn run(commands: Vec<Command>) -> Cost {
    let start = Instant::now();
    let mut children: Vec<_> = commands
        .into_iter()
        .map(|mut command| {
            command.stdout(Stdio::null()).stderr(Stdio::piped());
            command.spawn().expect("sharer runs")
        })
        .collect();
    let mut peak = 0;
    let first = children.first_mut().expect("a process");
    // What a process held most only grows, and is gone with it.
    while first.try_wait().expect("a child of ours").is_none() {
        peak = machine::peak_if_there(first.id()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(1));
    }
    for child in children {
        let output = child.wait_with_output().expect("a child of ours");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    Cost { time: start.elapsed(), peak }
}

/// The commit of a checkpoint of one session, as `git fast-import` reads it.
fn commit(number: usize) -> String {
    // Spread over the 256 folders.
    let id = format!("{:012x}", (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a) & 0xffff_ffff_ffff);
    let (shard, rest) = id.split_at(2);
    let session = format!(
        r#"{{
  "cli_version": "0.5.6",
  "checkpoint_id": "{id}",
  "session_id": "session-{number}",
  "strategy": "manual-commit",
  "created_at": "2026-01-02T03:05:00Z",
  "checkpoints_count": 1,
  "files_touched": null,
  "agent": "Claude Code",
  "model": "demo-model"
}}
"#
    );
    let root = format!(
        r#"{{
  "cli_version": "0.5.6",
  "checkpoint_id": "{id}",
  "strategy": "manual-commit",
  "checkpoints_count": 1,
  "files_touched": null,
  "sessions": [
    {{
      "metadata": "/{shard}/{rest}/0/metadata.json",
      "transcript": "/{shard}/{rest}/0/full.jsonl",
      "prompt": "/{shard}/{rest}/0/prompt.txt"
    }}
  ]
}}
"#
    );
    let transcript = String::from_utf8_lossy(&transcript(2_000, number as u64)).into_owned();
    let message = format!("Checkpoint: {id}\n");
    let head = format!(
        "commit {V1}\ncommitter Ada Example <ada@example.test> {} +0000\ndata {}\n{message}\n",
        1_767_323_100 + number,
        message.len()
    );
    let files = [
        ("metadata.json", root),
        ("0/metadata.json", session),
        ("0/full.jsonl", transcript),
        ("0/prompt.txt", "work".to_owned()),
    ];
    let files = files.map(|(name, content)| {
        format!("M 100644 inline {shard}/{rest}/{name}\ndata {}\n{content}\n", content.len())
    });
    head + &files.concat() + "\n"
}

/// A transcript as Claude Code writes them, of about this size and the same in every run: questions, answers, and what
/// tools read.
fn transcript(size: usize, seed: u64) -> Vec<u8> {
    let text = corpus::log(size + 4_096);
    let text = String::from_utf8_lossy(&text);
    let mut out = Vec::with_capacity(size + 4_096);
    let mut at = usize::try_from(seed % 997).unwrap_or_default();
    for turn in 0.. {
        if out.len() >= size {
            break;
        }
        let mut said = |length: usize| {
            let from = text.ceil_char_boundary(at.min(text.len()));
            let to = text.ceil_char_boundary((at + length).min(text.len()));
            at = if to == text.len() { 0 } else { to };
            text.get(from..to).unwrap_or_default()
        };
        let lines = [
            serde_json::json!({"type": "user", "timestamp": "2026-01-02T03:04:05Z", "uuid": format!("u-{seed}-{turn}"),
                "message": {"role": "user", "content": said(200)}}),
            serde_json::json!({"type": "assistant", "timestamp": "2026-01-02T03:04:06Z", "message": {"id": format!("m-{seed}-{turn}"),
                "role": "assistant", "model": "demo-model", "usage": {"input_tokens": 10, "output_tokens": 5},
                "content": [{"type": "text", "text": said(600)},
                    {"type": "tool_use", "id": format!("t-{turn}"), "name": "Read", "input": {"file_path": "/work/demo/src/main.rs"}}]}}),
            serde_json::json!({"type": "user", "timestamp": "2026-01-02T03:04:07Z", "message": {"role": "user",
                "content": [{"type": "tool_result", "tool_use_id": format!("t-{turn}"), "content": said(5_000)}]}}),
        ];
        for line in lines {
            out.extend_from_slice(line.to_string().as_bytes());
            out.push(b'\n');
        }
    }
    out
}
