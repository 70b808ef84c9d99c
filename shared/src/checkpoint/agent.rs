//! The agents whose transcripts checkpoints hold: how they are called, and how their transcripts are known.

use super::compact::json::Object;

/// An agent whose transcripts can be read (CHECKPOINTS 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Agent {
    /// Claude Code.
    ClaudeCode,
    /// Gemini CLI.
    Gemini,
    /// Codex.
    Codex,
    /// Cursor.
    Cursor,
    /// `OpenCode`.
    OpenCode,
    /// Copilot CLI.
    Copilot,
    /// Factory AI Droid.
    Droid,
}

impl Agent {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ClaudeCode,
        Self::Gemini,
        Self::Codex,
        Self::Cursor,
        Self::OpenCode,
        Self::Copilot,
        Self::Droid,
    ];

    /// Its name at the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::Gemini => "gemini",
            Self::Codex => "codex",
            Self::Cursor => "cursor",
            Self::OpenCode => "opencode",
            Self::Copilot => "copilot-cli",
            Self::Droid => "factoryai-droid",
        }
    }

    /// Its name in records, which readers look it up by.
    pub fn display(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::Gemini => "Gemini CLI",
            Self::Codex => "Codex",
            Self::Cursor => "Cursor",
            Self::OpenCode => "OpenCode",
            Self::Copilot => "Copilot CLI",
            Self::Droid => "Factory AI Droid",
        }
    }

    /// The agent of this name: at the command line, in a record, or that of its program.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|agent| agent.name() == name || agent.display() == name).or(match name {
            "claude" => Some(Self::ClaudeCode),
            "gemini-cli" | "Gemini" => Some(Self::Gemini),
            "cursor-agent" => Some(Self::Cursor),
            "copilot" | "Copilot" => Some(Self::Copilot),
            "droid" | "Droid" => Some(Self::Droid),
            _ => None,
        })
    }

    /// Whether its transcript is one JSON object instead of lines.
    pub fn writes_an_object(self) -> bool {
        matches!(self, Self::Gemini | Self::OpenCode)
    }

    /// Whose transcript this looks like; of one that is long, what it begins with is enough.
    ///
    /// Cursor's lines are like Claude Code's, but for those that have no `type`.
    pub fn detect(transcript: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(transcript);
        let found = text.lines().take(MAX_LINES).find_map(|line| Self::of_line(&Object::parse(line)?));
        found.or_else(|| Self::of_object(&text))
    }

    fn of_line(line: &Object<'_>) -> Option<Self> {
        match (line.text("type").as_str(), line.text("role").as_str()) {
            ("session_meta" | "response_item" | "event_msg" | "turn_context", _) => Some(Self::Codex),
            ("session.start" | "user.message" | "assistant.message" | "tool.execution_complete", _) => {
                Some(Self::Copilot)
            }
            ("message", _) if line.object("message").is_some() => Some(Self::Droid),
            ("user" | "human" | "assistant", _) if line.get("message").is_some() => Some(Self::ClaudeCode),
            ("", "user" | "assistant") if line.get("message").is_some() => Some(Self::Cursor),
            _ if line.get("messages").is_none() => None,
            _ if line.get("info").is_some() => Some(Self::OpenCode),
            _ => line.get("sessionId").map(|_| Self::Gemini),
        }
    }

    /// An object over many lines, whose end may be missing: before its messages it says what it is.
    fn of_object(text: &str) -> Option<Self> {
        let has = |text: &str, key: &str| {
            let quoted = format!("\"{key}\"");
            text.split(&quoted).skip(1).any(|after| after.trim_start().starts_with(':'))
        };
        let before = text.trim_start().strip_prefix('{')?.split_once("\"messages\"")?.0;
        if has(before, "info") {
            return Some(Self::OpenCode);
        }
        has(before, "sessionId").then_some(Self::Gemini)
    }
}

/// As many lines are looked at to know an agent by: sessions begin with some that say nothing of it.
const MAX_LINES: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_known_by_all_their_names() {
        for agent in Agent::ALL {
            assert_eq!(Agent::parse(agent.name()), Some(agent));
            assert_eq!(Agent::parse(agent.display()), Some(agent));
        }
        assert_eq!(Agent::parse("gemini-cli"), Some(Agent::Gemini));
        assert_eq!(Agent::parse("claude"), Some(Agent::ClaudeCode));
        for unknown in ["", "aider", "Claude", "CLAUDE CODE"] {
            assert_eq!(Agent::parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_transcript_shows_whose_it_is() {
        for (transcript, agent) in [
            ("{\"type\":\"summary\"}\n{\"type\":\"user\",\"message\":{}}\n", Some(Agent::ClaudeCode)),
            ("{\"role\":\"user\",\"message\":{}}", Some(Agent::Cursor)),
            ("{\"type\":\"session_meta\",\"payload\":{}}", Some(Agent::Codex)),
            ("torn\n{\"type\":\"session.start\",\"data\":{}}", Some(Agent::Copilot)),
            (
                "{\"type\":\"session_start\"}\n{\"type\":\"message\",\"message\":{\"role\":\"user\"}}",
                Some(Agent::Droid),
            ),
            ("{\"sessionId\":\"a\",\"messages\":[]}", Some(Agent::Gemini)),
            ("{\n  \"sessionId\": \"a\",\n  \"messages\": [\n", Some(Agent::Gemini)),
            ("{\n  \"info\": {},\n  \"messages\": []\n}\n", Some(Agent::OpenCode)),
            ("plain text", None),
            ("", None),
            ("\u{0}\u{0}", None),
        ] {
            assert_eq!(Agent::detect(transcript.as_bytes()), agent, "{transcript}");
        }
        assert_eq!(Agent::detect(b"\xff\xfe{\0"), None);
    }
}
