//! Git repositories of tests, made and looked at with git itself.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::process::Command;

use super::{Sandbox, sharer_bin};

/// The branch of checkpoints.
pub const V1: &str = "refs/heads/entire/checkpoints/v1";
/// v2's records and compact transcripts.
pub const MAIN: &str = "refs/entire/checkpoints/v2/main";
/// v2's raw transcripts.
pub const FULL: &str = "refs/entire/checkpoints/v2/full/current";

/// A repository in a sandbox.
#[derive(Debug)]
pub struct Repo<'a> {
    sandbox: &'a Sandbox,
    /// Its worktree, or the repository if it is bare.
    pub dir: PathBuf,
}

impl<'a> Repo<'a> {
    /// One with a commit.
    pub async fn new(sandbox: &'a Sandbox, name: &str) -> Self {
        let repo = Self::empty(sandbox, name, &[]).await;
        repo.put("a.txt", "one\n");
        repo.git(&["add", "a.txt"]).await;
        repo.git(&["commit", "-qm", "Begin"]).await;
        repo
    }

    /// One without a commit.
    pub async fn empty(sandbox: &'a Sandbox, name: &str, more: &[&str]) -> Self {
        let dir = sandbox.path().join(name);
        std::fs::create_dir(&dir).expect("the sandbox takes folders");
        let repo = Self { sandbox, dir };
        repo.git(&[&["init", "-q", "-b", "main"], more].concat()).await;
        repo.git(&["config", "user.name", "Ada Example"]).await;
        repo.git(&["config", "user.email", "ada@example.test"]).await;
        repo
    }

    /// One that is there.
    pub fn at(sandbox: &'a Sandbox, dir: PathBuf) -> Self {
        Self { sandbox, dir }
    }

    /// A clone of this one, made with more arguments.
    pub async fn cloned(&self, name: &str, more: &[&str]) -> Self {
        let dir = self.sandbox.path().join(name);
        let from = format!("file://{}", self.dir.display());
        let to = dir.to_str().expect("a path in UTF-8").to_owned();
        self.git(&[&["clone", "-q"], more, &[&from, &to]].concat()).await;
        let repo = Self { sandbox: self.sandbox, dir };
        repo.git(&["config", "user.name", "Bob Example"]).await;
        repo.git(&["config", "user.email", "bob@example.test"]).await;
        repo
    }

    /// A program in this repository, with nobody to ask.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = self.sandbox.command(program);
        command
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .kill_on_drop(true);
        command
    }

    /// Runs git, which must succeed; what it said, without the last line's end.
    pub async fn git(&self, arguments: &[&str]) -> String {
        let output = self.try_git(arguments).await;
        assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end_matches('\n').to_owned()
    }

    /// Runs git.
    pub async fn try_git(&self, arguments: &[&str]) -> Output {
        self.command("git").args(arguments).output().await.expect("git runs")
    }

    /// Runs git with something to read; what it said.
    pub fn git_reads(&self, arguments: &[&str], input: &[u8]) -> String {
        let mut command = self.command("git");
        let command = command.as_std_mut().args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("git runs");
        child.stdin.take().expect("a pipe").write_all(input).expect("git reads");
        let output = child.wait_with_output().expect("git ends");
        assert!(output.status.success(), "git {arguments:?}");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// Runs `sharer` here.
    pub async fn sharer(&self, arguments: &[&str]) -> Output {
        self.command(sharer_bin()).args(arguments).output().await.expect("sharer runs")
    }

    /// Runs `sharer attach --json`, which must succeed.
    pub async fn attach(&self, arguments: &[&str]) -> Value {
        let output = self.sharer(&[&["attach", "--json"], arguments].concat()).await;
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "attach {arguments:?}: {why}");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {why}"))
    }

    /// Attaches a session that asks for `words`, amending without a question.
    pub async fn session(&self, name: &str, words: &str) -> Value {
        let path = self.transcript(name, words);
        self.attach(&[name, "--transcript", path.to_str().expect("UTF-8"), "--force"]).await
    }

    /// A file in the worktree.
    pub fn put(&self, name: &str, text: &str) {
        let path = self.dir.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders can be made");
        std::fs::write(path, text).expect("the sandbox takes files");
    }

    /// A transcript outside of the repository.
    pub fn transcript(&self, name: &str, words: &str) -> PathBuf {
        let path = self.sandbox.path().join(format!("{name}.jsonl"));
        std::fs::write(&path, transcript(words)).expect("the sandbox takes files");
        path
    }

    /// Switches v2 on or off.
    pub fn switch_v2(&self, on: bool) {
        self.put(".entire/settings.json", &format!(r#"{{"strategy_options":{{"checkpoints_v2":{on}}}}}"#));
    }

    /// All files of a ref's tree with their objects; none if there is no such ref.
    pub async fn tree(&self, name: &str) -> BTreeMap<String, String> {
        if self.tip(name).await.is_none() {
            return BTreeMap::new();
        }
        let listed = self.git(&["ls-tree", "-r", "-z", name]).await;
        let files = listed.split('\0').filter(|line| !line.is_empty()).map(|line| {
            let (kind, path) = line.split_once('\t').expect("git's own form");
            (path.to_owned(), kind.rsplit(' ').next().expect("an object").to_owned())
        });
        files.collect()
    }

    /// Where a ref is.
    pub async fn tip(&self, name: &str) -> Option<String> {
        let output = self.try_git(&["rev-parse", "--verify", "-q", name]).await;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// What a file of a ref holds.
    pub async fn file(&self, name: &str, path: &str) -> String {
        self.git(&["cat-file", "blob", &format!("{name}:{path}")]).await
    }

    /// A commit with these files more (or, with `None`, less) on a ref, made by git's plumbing.
    pub async fn plumb(&self, name: &str, files: &[(&str, Option<&str>)]) {
        let index = self.sandbox.path().join("plumbing-index");
        let index = index.to_str().expect("UTF-8");
        drop(std::fs::remove_file(index));
        let tip = self.tip(name).await;
        let git = async |arguments: &[&str]| {
            let output = self.command("git").args(arguments).env("GIT_INDEX_FILE", index).output().await;
            let output = output.expect("git runs");
            assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).trim().to_owned()
        };
        if let Some(tip) = &tip {
            git(&["read-tree", tip]).await;
        }
        for (path, text) in files {
            match text {
                None => drop(git(&["rm", "-q", "--cached", "-r", path]).await),
                Some(text) => {
                    let object = self.git_reads(&["hash-object", "-w", "--stdin"], text.as_bytes());
                    git(&["update-index", "--add", "--cacheinfo", &format!("100644,{object},{path}")]).await;
                }
            }
        }
        let tree = git(&["write-tree"]).await;
        let mut commit = vec!["commit-tree", tree.as_str(), "-m", "Made by hand"];
        if let Some(tip) = &tip {
            commit.extend(["-p", tip.as_str()]);
        }
        let commit = git(&commit).await;
        git(&["update-ref", name, &commit]).await;
    }

    /// Whether git finds nothing wrong.
    pub async fn is_sound(&self) {
        let output = self.try_git(&["fsck", "--full", "--strict", "--no-dangling"]).await;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        assert!(output.status.success() && said.trim().is_empty(), "{said}");
    }

    /// What of a repository no attach may touch: the worktree, the index, and every ref that is not its own.
    pub async fn untouched(&self) -> (Vec<u8>, String, String) {
        let git_dir = self.git(&["rev-parse", "--absolute-git-dir"]).await;
        let index = std::fs::read(Path::new(&git_dir).join("index")).unwrap_or_default();
        let refs = self.git(&["for-each-ref"]).await;
        let refs = refs.lines().filter(|line| !line.contains("/entire/")).collect::<Vec<_>>().join("\n");
        let status = self.git(&["--no-optional-locks", "status", "--porcelain=v2"]).await;
        (index, refs, status)
    }
}

/// A transcript of Claude Code: somebody asks for `words`.
pub fn transcript(words: &str) -> String {
    format!(
        "{{\"type\":\"user\",\"timestamp\":\"2026-01-02T03:04:05Z\",\"message\":{{\"role\":\"user\",\"content\":\"{words}\"}}}}\n\
         {{\"type\":\"assistant\",\"timestamp\":\"2026-01-02T03:04:09Z\",\"message\":{{\"id\":\"msg_1\",\"role\":\"assistant\",\"model\":\"demo-model\",\"content\":[{{\"type\":\"text\",\"text\":\"Done.\"}}],\"usage\":{{\"input_tokens\":10,\"output_tokens\":5}}}}}}\n"
    )
}

/// As published formats go; none was ever given out.
pub const SECRET: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

/// The checkpoint that an attach says it wrote to.
pub fn id_of(attached: &Value) -> String {
    attached["checkpoint_id"].as_str().expect("an id").to_owned()
}

/// A checkpoint's folder in a tree.
pub fn folder(id: &str) -> String {
    let (shard, rest) = id.split_at(2);
    format!("{shard}/{rest}")
}
