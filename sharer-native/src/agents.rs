//! What is known of agent programs: how they are called, and where they read instructions.

pub mod guide;
pub mod hint;
pub mod install;
pub mod transcripts;

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::process::Pid;

/// What runs agents that are scripts.
const INTERPRETERS: [&str; 7] = ["node", "bun", "deno", "python", "python3", "sh", "bash"];
/// As much of a command line is read, in bytes.
const LONGEST_COMMAND: u64 = 4_096;

/// An agent program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agent {
    /// The name of its program.
    pub program: &'static str,
    /// What people call it.
    pub name: &'static str,
    /// Its instruction files: in a project, and below the user's home.
    pub instructions: Option<(&'static str, &'static str)>,
}

const fn agent(program: &'static str, name: &'static str) -> Agent {
    Agent { program, name, instructions: None }
}

/// Every agent that is recognised by its program's name. Recognition gives a session its task and its name, and
/// changes nothing else (ORCHESTRATION 2).
pub const AGENTS: [Agent; 14] = [
    Agent { instructions: Some(("CLAUDE.md", ".claude/CLAUDE.md")), ..agent("claude", "Claude Code") },
    Agent { instructions: Some(("AGENTS.md", ".codex/AGENTS.md")), ..agent("codex", "Codex") },
    Agent { instructions: Some(("GEMINI.md", ".gemini/GEMINI.md")), ..agent("gemini", "Gemini") },
    Agent {
        instructions: Some(("AGENTS.md", ".config/opencode/AGENTS.md")),
        ..agent("opencode", "OpenCode")
    },
    agent("aider", "Aider"),
    agent("amp", "Amp"),
    agent("auggie", "Auggie"),
    agent("copilot", "Copilot"),
    agent("crush", "Crush"),
    agent("cursor-agent", "Cursor"),
    agent("droid", "Droid"),
    agent("goose", "Goose"),
    agent("kimi", "Kimi"),
    agent("qwen", "Qwen"),
];

impl Agent {
    /// The agent whose program has this path or name.
    pub fn of(program: &Path) -> Option<Self> {
        let name = program.file_name()?;
        AGENTS.into_iter().find(|agent| name == agent.program)
    }

    /// The agent that runs as this process: by the program it was started as, or by the script that an interpreter runs.
    /// `None` too where the system does not say.
    pub fn of_process(pid: Pid) -> Option<Self> {
        let mut line = Vec::new();
        let file = File::open(format!("/proc/{}/cmdline", pid.as_raw_pid())).ok()?;
        file.take(LONGEST_COMMAND).read_to_end(&mut line).ok()?;
        Self::of_command(&line)
    }

    /// The same by its arguments, each ended by a zero byte.
    fn of_command(line: &[u8]) -> Option<Self> {
        let mut words = line.split(|byte| *byte == 0).map(|word| Path::new(OsStr::from_bytes(word)));
        let program = words.next()?;
        let interpreted = INTERPRETERS.iter().any(|name| program.file_name() == Some(OsStr::new(name)));
        let script = words.next().filter(|_| interpreted);
        Self::of(program).or_else(|| script.and_then(Self::of))
    }

    /// Its instruction file for this project, or for this user everywhere.
    pub fn instruction_file(&self, user: bool) -> Option<PathBuf> {
        let (project, everywhere) = self.instructions?;
        if user {
            Some(Path::new(&std::env::var_os("HOME")?).join(everywhere))
        } else {
            Some(PathBuf::from(project))
        }
    }
}

/// An agent that somebody started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Which.
    pub agent: Agent,
    /// What it calls its session, if its command line says so: a UUID.
    pub session: Option<String>,
}

impl Started {
    /// The agent that this program is, with what it was started with.
    pub fn by<'a>(program: &Path, arguments: impl IntoIterator<Item = &'a OsStr>) -> Option<Self> {
        let words = arguments.into_iter().filter_map(OsStr::to_str);
        Some(Self { agent: Agent::of(program)?, session: session(words).map(str::to_owned) })
    }
}

/// The session that is to be, or that is gone on with.
fn session<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const SAY: [&str; 4] = ["--session-id", "--resume", "-r", "resume"];
    let is_uuid = |word: &&str| {
        let groups: Vec<usize> = word.split('-').map(str::len).collect();
        groups == [8, 4, 4, 4, 12] && word.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
    };
    let said = words.find_map(|word| match word.split_once('=') {
        Some((option, value)) if SAY.contains(&option) => Some(Some(value)),
        _ => SAY.contains(&word).then_some(None),
    })?;
    said.or_else(|| words.next()).filter(is_uuid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_says_which_session_it_is() {
        let id = "11111111-aaaa-4bbb-8ccc-000000000001";
        let said = |line: &str| {
            let mut words = line.split(' ').map(OsStr::new);
            Started::by(Path::new(words.next().unwrap()), words).unwrap().session
        };
        for line in [
            format!("claude --session-id {id} -p hello"),
            format!("/usr/bin/claude --resume={id}"),
            format!("codex resume {id}"),
        ] {
            assert_eq!(said(&line).as_deref(), Some(id), "{line}");
        }
        for line in
            ["claude --resume", "claude --resume x", "claude -r ../../etc", "codex resume --last", "codex"]
        {
            assert_eq!(said(line), None, "{line}");
        }
    }

    #[test]
    fn agents_are_known_by_their_programs() {
        let name = |path: &str| Agent::of(Path::new(path)).map(|agent| agent.name);
        assert_eq!(name("/usr/local/bin/claude"), Some("Claude Code"));
        assert_eq!(name("codex"), Some("Codex"));
        let runs = |line: &[u8]| Agent::of_command(line).map(|agent| agent.name);
        assert_eq!(runs(b"claude\0--resume\0"), Some("Claude Code"));
        assert_eq!(runs(b"/usr/bin/node\0/usr/local/bin/codex\0"), Some("Codex"));
        for other in [b"vim\0claude\0".as_slice(), b"bash\0-c\0claude\0", b"node\0", b"\0claude\0", b""] {
            assert_eq!(runs(other), None);
        }
        for other in ["bash", "/bin/sh", "claude-not", "", "/"] {
            assert_eq!(name(other), None, "{other}");
        }
    }
}
