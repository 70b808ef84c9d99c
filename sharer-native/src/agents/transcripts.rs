//! Where agents keep their own transcripts, and how a session's is found there (CHECKPOINTS 4.3).
//!
//! Below these directories anything may lie: names become paths only when they are checked, links and what is no plain
//! file are passed over, and no more is read than what tells whose a session is.

mod files;
#[cfg(test)]
mod tests;

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};
use shared::checkpoint::agent::Agent;
use shared::checkpoint::compact::{Facts, Subagent, read};
use shared::checkpoint::id::Name;
use shared::checkpoint::whose::Transcript;

use self::files::{Kind, entries, search};
pub use self::files::{MAX_TRANSCRIPT, Refused, open};

/// As much of a transcript of lines is read to know whose it is, in bytes: Codex begins with its instructions.
const HEAD: u64 = 256 * 1024;
/// As much of one that is an object.
const OBJECT: u64 = 50 * 1024 * 1024;
/// As many of an agent's newest transcripts are looked into.
const MAX_LOOKED_AT: usize = 256;
/// Agents file sessions by project, some by date; deeper there is nothing of theirs.
const DEPTH: usize = 3;

/// Where agents keep what is theirs.
#[derive(Debug, Clone)]
pub struct Places {
    /// The user's home.
    pub home: PathBuf,
    /// Claude Code's directory, if it is not `~/.claude`.
    pub claude: Option<PathBuf>,
    /// Codex's directory, if it is not `~/.codex`.
    pub codex: Option<PathBuf>,
    /// For temporary files.
    pub temporary: PathBuf,
}

/// A session's transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Whose.
    pub agent: Agent,
    /// The session's id, as the agent names it.
    pub session_id: Name,
    /// The file; to be opened with [`open`], as it may be another by then.
    pub path: PathBuf,
    /// When it last changed.
    pub modified: SystemTime,
    /// What was asked first; empty if that was not looked for, or its beginning does not tell.
    pub asked: String,
}

impl Transcript for Found {
    fn path(&self) -> &Path {
        &self.path
    }

    fn asked(&self) -> &str {
        &self.asked
    }
}

/// A file that may be a transcript.
#[derive(Debug, Clone)]
struct Candidate {
    agent: Agent,
    path: PathBuf,
    modified: SystemTime,
}

impl Places {
    /// Those of the user that runs this; `None` without a home.
    pub fn of_user() -> Option<Self> {
        let path = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        Some(Self {
            home: path("HOME")?,
            claude: path("CLAUDE_CONFIG_DIR"),
            codex: path("CODEX_HOME"),
            temporary: std::env::temp_dir(),
        })
    }

    /// The session of this id, of this agent or else of any, in this directory or else in any.
    pub fn session(&self, directory: &Path, id: &Name, agent: Option<Agent>) -> Option<Found> {
        let agents = agent.map_or(Agent::ALL.to_vec(), |agent| vec![agent]);
        agents.into_iter().find_map(|agent| self.of_agent(agent, directory, id))
    }

    /// The sessions in this directory and below it, the newest first; those of one agent, or of all.
    pub fn sessions<'a>(
        &'a self,
        directory: &'a Path,
        agent: Option<Agent>,
    ) -> impl Iterator<Item = Found> + use<'a> {
        let agents = agent.map_or(Agent::ALL.to_vec(), |agent| vec![agent]);
        let mut all: Vec<_> =
            agents.into_iter().flat_map(|agent| self.candidates(agent, directory)).collect();
        all.sort_by_key(|candidate| std::cmp::Reverse(candidate.modified));
        all.into_iter().filter_map(move |candidate| {
            let facts = look(candidate.agent, &candidate.path);
            let is_here = facts.directory.as_ref().is_none_or(|own| Path::new(own).starts_with(directory));
            let session_id = candidate.id(&facts).filter(|_| is_here)?;
            Some(Found {
                agent: candidate.agent,
                session_id,
                path: candidate.path,
                modified: candidate.modified,
                asked: facts.prompts.into_iter().next().unwrap_or_default(),
            })
        })
    }

    /// The transcripts of a session's subagents that are still there.
    pub fn subagents(&self, of: &Found, started: &[Subagent]) -> Vec<(Subagent, PathBuf)> {
        let find = |subagent: &Subagent| {
            let id = &subagent.agent_id;
            if of.agent == Agent::Codex {
                return self.rollout(id);
            }
            let (beside, name) = (of.path.parent()?, format!("agent-{id}.jsonl"));
            let own = beside.join(of.session_id.as_str()).join("subagents").join(&name);
            [own, beside.join(name)].into_iter().find(|path| files::is_plain(path))
        };
        started.iter().filter_map(|subagent| Some((subagent.clone(), find(subagent)?))).collect()
    }

    /// The model that a transcript does not tell: Droid keeps it beside.
    pub fn model(&self, of: &Found) -> Option<String> {
        if of.agent != Agent::Droid {
            return None;
        }
        let mut settings = Vec::new();
        open(&of.path.with_extension("settings.json")).ok()?.take(HEAD).read_to_end(&mut settings).ok()?;
        let settings: serde_json::Value = serde_json::from_slice(&settings).ok()?;
        let model = settings.get("model")?.as_str()?;
        Some(model.strip_prefix("custom:").unwrap_or(model).to_owned())
    }

    fn of_agent(&self, agent: Agent, directory: &Path, id: &Name) -> Option<Found> {
        let found = |path: PathBuf| {
            let modified = files::modified(&path)?;
            Some(Found { agent, session_id: id.clone(), path, modified, asked: String::new() })
        };
        match agent {
            Agent::Codex => found(self.rollout(id)?),
            Agent::Copilot => found(self.copilot().join(id.as_str()).join("events.jsonl")),
            Agent::OpenCode => {
                let path = self.project(agent, directory).join(format!("{id}.json"));
                found(path).filter(|found| files::is_own(&found.path))
            }
            Agent::Gemini => {
                // Eight characters name a file, and others may have the same.
                let short = id.as_str().get(..8).unwrap_or(id.as_str());
                let mut named = self.in_project(agent, directory, &|name| is_gemini(name, short));
                if named.is_empty() {
                    named = search(&self.base(agent), DEPTH, &|name| is_gemini(name, short));
                }
                named.sort();
                let is_it = |path: &PathBuf| look(agent, path).session_id.as_deref() == Some(id.as_str());
                found(named.into_iter().rev().find(is_it)?)
            }
            Agent::ClaudeCode | Agent::Cursor | Agent::Droid => {
                let name = format!("{id}.jsonl");
                let project = self.project(agent, directory);
                let near = [project.join(id.as_str()).join(&name), project.join(&name)];
                let near = near.into_iter().find_map(found);
                near.or_else(|| {
                    let is_it = |own: &str| own == name;
                    found(search(&self.base(agent), DEPTH, &is_it).into_iter().next()?)
                })
            }
        }
    }

    /// What may be transcripts of sessions in this directory, the newest of them.
    fn candidates(&self, agent: Agent, directory: &Path) -> Vec<Candidate> {
        let is_lines = |name: &str| is_a(name, "jsonl") && !name.starts_with("agent-");
        let paths = match agent {
            Agent::Codex => self.rollouts(&|name| name.starts_with("rollout-") && is_lines(name)),
            Agent::Copilot => search(&self.copilot(), 1, &|name| name == "events.jsonl"),
            Agent::Gemini => self.in_project(agent, directory, &|name| is_gemini(name, "")),
            Agent::OpenCode => {
                let mut own = self.in_project(agent, directory, &|name| is_a(name, "json"));
                own.retain(|path| files::is_own(path));
                own
            }
            Agent::ClaudeCode | Agent::Cursor | Agent::Droid => self.in_project(agent, directory, &is_lines),
        };
        let mut candidates: Vec<_> = paths
            .into_iter()
            .filter_map(|path| Some(Candidate { agent, modified: files::modified(&path)?, path }))
            .collect();
        candidates.sort_by_key(|candidate| std::cmp::Reverse(candidate.modified));
        candidates.truncate(MAX_LOOKED_AT);
        candidates
    }

    /// The files with such a name in a project's directory, and in those of directories below it.
    fn in_project(&self, agent: Agent, directory: &Path, is_it: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
        // Cursor has a directory for each session, and for none.
        let depth = usize::from(agent == Agent::Cursor);
        let mut found = search(&self.project(agent, directory), depth, is_it);
        if matches!(agent, Agent::ClaudeCode | Agent::Droid) {
            // A directory below has a longer name, and so has a neighbour: its transcripts tell.
            let own = format!("{}-", sanitised(directory));
            let below =
                entries(&self.base(agent), Kind::Directory).filter(|(name, _)| name.starts_with(&own));
            found.extend(below.flat_map(|(_, path)| search(&path, 0, is_it)));
        }
        found
    }

    /// What an agent keeps of all projects.
    fn base(&self, agent: Agent) -> PathBuf {
        let home = &self.home;
        match agent {
            Agent::ClaudeCode => self.claude.clone().unwrap_or_else(|| home.join(".claude")).join("projects"),
            Agent::Gemini => home.join(".gemini/tmp"),
            Agent::Codex => self.codex.clone().unwrap_or_else(|| home.join(".codex")),
            Agent::Cursor => home.join(".cursor/projects"),
            Agent::OpenCode => self.temporary.join("entire-opencode"),
            Agent::Copilot => home.join(".copilot/session-state"),
            Agent::Droid => home.join(".factory/sessions"),
        }
    }

    /// What an agent keeps of one project.
    fn project(&self, agent: Agent, directory: &Path) -> PathBuf {
        let base = self.base(agent);
        match agent {
            Agent::ClaudeCode | Agent::OpenCode | Agent::Droid => base.join(sanitised(directory)),
            Agent::Cursor => {
                base.join(sanitised(directory).trim_start_matches('-')).join("agent-transcripts")
            }
            Agent::Gemini => {
                use std::os::unix::ffi::OsStrExt as _;
                let digest = Sha256::digest(directory.as_os_str().as_bytes());
                base.join(data_encoding::HEXLOWER.encode(&digest)).join("chats")
            }
            Agent::Codex | Agent::Copilot => base,
        }
    }

    fn copilot(&self) -> PathBuf {
        self.base(Agent::Copilot)
    }

    /// Codex's transcripts with such a name: by year, month and day.
    fn rollouts(&self, is_it: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
        let base = self.base(Agent::Codex);
        ["sessions", "archived_sessions"]
            .iter()
            .flat_map(|name| search(&base.join(name), DEPTH, is_it))
            .collect()
    }

    /// The transcript of a session of Codex: of several, as when one was restored, that with the last name.
    fn rollout(&self, id: &Name) -> Option<PathBuf> {
        let end = format!("-{id}.jsonl");
        let mut found = self.rollouts(&|name| name.starts_with("rollout-") && name.ends_with(&end));
        found.sort();
        found.pop()
    }
}

impl Candidate {
    /// The session's id: the name of its file or directory, or what it says.
    fn id(&self, facts: &Facts) -> Option<Name> {
        let stem = self.path.file_stem()?.to_str()?;
        match self.agent {
            Agent::ClaudeCode | Agent::Cursor | Agent::Droid | Agent::OpenCode => Name::parse(stem),
            Agent::Copilot => Name::parse(self.path.parent()?.file_name()?.to_str()?),
            Agent::Codex => {
                let own = Name::parse(facts.session_id.as_ref()?)?;
                stem.ends_with(&format!("-{own}")).then_some(own)
            }
            Agent::Gemini => Name::parse(facts.session_id.as_ref()?),
        }
    }
}

/// What a transcript says of itself at its beginning.
fn look(agent: Agent, path: &Path) -> Facts {
    let most = if agent.writes_an_object() { OBJECT } else { HEAD };
    let mut head = Vec::new();
    let whole = open(path).ok().and_then(|file| file.take(most).read_to_end(&mut head).ok());
    whole.map(|_| read(agent, None, 0, &head).facts).unwrap_or_default()
}

/// A path as a name: every character that is no letter or digit of ASCII is a dash.
fn sanitised(path: &Path) -> String {
    let dash = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    path.to_string_lossy().chars().map(dash).collect()
}

fn is_a(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|own| own == extension)
}

fn is_gemini(name: &str, short: &str) -> bool {
    name.starts_with("session-") && name.ends_with(&format!("{short}.json"))
}
