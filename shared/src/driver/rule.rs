//! What a driver lets be started on its machine. It says where tasks begin; it is no wall around what they do then.

use std::path::{Path, PathBuf};

use super::order::Start;

/// How a driver is limited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Tasks that run at once, at most.
    pub most_tasks: usize,
    /// The only commands, word by word as an asker says them; empty: any. What a word stands for is settled when the
    /// driver starts, not by what an asker's directory or environment would make of it.
    pub commands: Vec<String>,
    /// The only directories, and what is below them, without symbolic links; empty: any.
    pub directories: Vec<PathBuf>,
}

/// Why a task is not started, for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// As many as may run do.
    #[error("the driver runs as many tasks as it may ({0}); try again when one has ended")]
    Full(usize),
    /// The command is none of those allowed.
    #[error("the driver does not allow this command")]
    Command,
    /// With a list of commands, an environment could make another one of them.
    #[error("the driver allows certain commands only, and takes nothing for their environment")]
    Environment,
    /// The directory is in none of those allowed.
    #[error("the driver does not allow this directory")]
    Directory,
}

impl Rule {
    /// Judges what can be judged without looking at the machine, with so many tasks running.
    pub fn judge(&self, start: &Start, running: usize) -> Result<(), Denied> {
        if running >= self.most_tasks {
            return Err(Denied::Full(self.most_tasks));
        }
        if self.commands.is_empty() {
            return Ok(());
        }
        let first = start.command.first();
        if !self.commands.iter().any(|known| Some(known) == first) {
            return Err(Denied::Command);
        }
        if start.environment.is_empty() { Ok(()) } else { Err(Denied::Environment) }
    }

    /// Judges a directory, given as the system knows it: absolute, without symbolic links, `.` and `..`.
    pub fn judge_directory(&self, canonical: &Path) -> Result<(), Denied> {
        let inside =
            self.directories.is_empty() || self.directories.iter().any(|dir| canonical.starts_with(dir));
        if inside { Ok(()) } else { Err(Denied::Directory) }
    }
}
