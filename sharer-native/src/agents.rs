//! What is known of agent programs: how they are called, and where they read instructions.

pub mod guide;
pub mod hint;
pub mod install;

use std::path::{Path, PathBuf};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_known_by_their_programs() {
        let name = |path: &str| Agent::of(Path::new(path)).map(|agent| agent.name);
        assert_eq!(name("/usr/local/bin/claude"), Some("Claude Code"));
        assert_eq!(name("codex"), Some("Codex"));
        for other in ["bash", "/bin/sh", "claude-not", "", "/"] {
            assert_eq!(name(other), None, "{other}");
        }
    }
}
