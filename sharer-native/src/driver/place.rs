//! Where a driver starts tasks: its rule, and what has to be asked of the system for it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use shared::driver::{Rule, Start};

use super::args::DriveArgs;
use crate::pty::{Program, StartError, Surroundings};

/// What the driver's own session says in its environment, and no task of it inherits.
const OURS: &str = "SHARER_";

/// See the module.
#[derive(Debug, Clone)]
pub struct Place {
    rule: Rule,
    /// What the allowed words stand for.
    commands: BTreeMap<String, PathBuf>,
    /// Where a task runs that names no directory.
    home: PathBuf,
}

impl Place {
    /// Settles what the command line allows.
    pub fn new(args: &DriveArgs) -> anyhow::Result<Self> {
        let canonical = |dir: &PathBuf| {
            let found = dir.canonicalize().with_context(|| format!("--allow-dir {}", dir.display()))?;
            anyhow::ensure!(found.is_dir(), "--allow-dir {} is no directory", dir.display());
            Ok(found)
        };
        let directories = args.allow_dir.iter().map(canonical).collect::<anyhow::Result<Vec<_>>>()?;
        let found = |word: &String| {
            let program = Program::find(&[word.into()]).with_context(|| format!("--allow-command {word}"))?;
            Ok((word.clone(), program.path().to_owned()))
        };
        let commands = args.allow_command.iter().map(found).collect::<anyhow::Result<BTreeMap<_, _>>>()?;
        let home = match directories.first() {
            Some(first) => first.clone(),
            None => std::env::current_dir().context("the driver has no directory")?,
        };
        let words = commands.keys().cloned().collect();
        let rule = Rule { most_tasks: args.max_tasks.into(), commands: words, directories };
        Ok(Self { rule, commands, home })
    }

    /// What can be judged without the system.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }

    /// The directory of a task, as the system knows it, if it may begin there.
    pub fn directory(&self, asked: Option<&str>) -> Result<PathBuf, String> {
        let asked = self.home.join(asked.unwrap_or("."));
        let found = asked.canonicalize().ok().filter(|dir| dir.is_dir());
        let judged = self.rule.judge_directory(found.as_deref().unwrap_or_else(|| Path::new("/")));
        // Where nothing may be, nobody learns what there is.
        judged.map_err(|denied| denied.to_string())?;
        found.ok_or_else(|| "there is no such directory on the driver".to_owned())
    }

    /// The program of a task that the rule lets be started.
    pub fn program(&self, start: &Start) -> Result<Program, NotStarted> {
        let dir = self.directory(start.directory.as_deref())?;
        let mut command: Vec<OsString> = start.command.iter().map(OsString::from).collect();
        if let Some(first) = command.first_mut()
            && let Some(path) = first.to_str().and_then(|word| self.commands.get(word))
        {
            *first = path.into();
        }
        let own = std::env::vars_os().filter(|(name, _)| !name.to_string_lossy().starts_with(OURS));
        let mut environment: Vec<(OsString, OsString)> = own.collect();
        for (name, value) in &start.environment {
            environment.retain(|(known, _)| known != name.as_str());
            environment.push((name.into(), value.into()));
        }
        let around = Surroundings { dir: Some(dir), environment: Some(environment) };
        Ok(Program::find_in(&command, around)?)
    }
}

/// Why a task is not started.
#[derive(Debug)]
pub struct NotStarted {
    /// For people.
    pub why: String,
    /// What a shell would end with, if it is the command that is wrong.
    pub status: Option<u8>,
}

impl From<String> for NotStarted {
    fn from(why: String) -> Self {
        Self { why, status: None }
    }
}

impl From<StartError> for NotStarted {
    fn from(error: StartError) -> Self {
        Self { why: error.to_string(), status: Some(error.status()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::args::RecordArgs;

    #[test]
    fn no_way_leads_out_of_an_allowed_directory() {
        let root = tempfile::Builder::new().prefix("sharer-").tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        for dir in ["in", "in/below", "inside-out", "out"] {
            std::fs::create_dir(path(dir)).unwrap();
        }
        std::os::unix::fs::symlink(path("out"), path("in/link")).unwrap();
        std::os::unix::fs::symlink("below", path("in/good")).unwrap();
        let args = DriveArgs {
            relay: None,
            name: None,
            max_tasks: 1,
            allow_dir: vec![path("in")],
            allow_command: Vec::new(),
            new_key: false,
            record: RecordArgs { no_record: true, record_max: 0, record_total: 0 },
            log_file: None,
        };
        let place = Place::new(&args).unwrap();
        let inside = path("in").canonicalize().unwrap();
        for good in
            [None, Some("."), Some("below"), Some("good"), Some("below/../below"), path("in").to_str()]
        {
            let found = place.directory(good).unwrap();
            assert!(found.starts_with(&inside), "{good:?}");
        }
        for bad in [
            "..",
            "link",
            "link/..",
            "below/../..",
            "/",
            "../inside-out",
            "../in/../out",
            path("out").to_str().unwrap(),
        ] {
            let why = place.directory(Some(bad)).unwrap_err();
            assert_eq!(why, "the driver does not allow this directory", "{bad}");
        }
        let missing = place.directory(Some("missing")).unwrap_err();
        assert_eq!(missing, "the driver does not allow this directory", "as where nothing may be");
    }
}
