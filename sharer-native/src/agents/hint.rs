//! The line that a person reads the first time that they share an agent.
//!
//! An empty file a program remembers that it was read. Nothing is told to the agent (ORCHESTRATION 2).

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::Agent;

/// The line for a program that is an agent, once for each; `None` also where that cannot be remembered.
pub fn once(program: &Path) -> Option<String> {
    let agent = Agent::of(program)?;
    remember(&directory()?, agent).ok()?;
    Some(line(agent))
}

fn line(Agent { program, name, instructions }: Agent) -> String {
    let how = if instructions.is_some() {
        format!("`sharer guide --install {program}` tells it how")
    } else {
        "`sharer guide` prints what to tell it".to_owned()
    };
    format!("{name} can run tasks that viewers see beside it: {how}. (Said once.)\n")
}

fn directory() -> Option<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = set("XDG_STATE_HOME").or_else(|| set("HOME").map(|home| home.join(".local/state")))?;
    Some(state.join("sharer/hints"))
}

/// Fails if it was remembered before.
fn remember(dir: &Path, agent: Agent) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.join(agent.program));
    file.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_what_the_agent_has() {
        let said = |program: &str| line(Agent::of(Path::new(program)).unwrap());
        assert!(said("claude").contains("`sharer guide --install claude`"));
        assert!(said("aider").contains("`sharer guide`") && !said("aider").contains("--install"));
        assert!(super::super::AGENTS.into_iter().all(|agent| line(agent).lines().count() == 1));
    }
}
