//! `sharer guide`: prints the guide for agents, or puts it into an agent's instruction file.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::print;
use crate::agents::AGENTS;
use crate::agents::guide::GUIDE;
use crate::agents::install::{change, with_guide, without_guide};
use crate::cli::GuideArgs;

/// An instruction file longer than this is not ours to change, in bytes.
const LONGEST_FILE: u64 = 4 * 1024 * 1024;

/// `sharer guide`.
pub fn guide(args: &GuideArgs) -> anyhow::Result<()> {
    let Some(name) = &args.install else { return print(GUIDE) };
    let agent = AGENTS.iter().find(|agent| agent.program == name.program());
    let path = agent.and_then(|agent| agent.instruction_file(args.user)).context("HOME is not set")?;
    let before = read(&path)?;
    let after = if args.remove { without_guide(&before) } else { with_guide(&before) };
    let after = after.with_context(|| path.display().to_string())?;
    if after == before {
        let is = if args.remove { "is not" } else { "is already" };
        return print(&format!("The guide {is} in {}.\n", path.display()));
    }
    print(&format!("{}\n{}", path.display(), change(&before, &after)))?;
    if !args.yes {
        if !(std::io::stdin().is_terminal() && std::io::stdout().is_terminal()) {
            bail!("nothing was changed: there is no terminal to ask at; --yes does it without asking");
        }
        if !agrees(args.remove)? {
            return print("Nothing was changed.\n");
        }
    }
    let nothing_left = args.remove && after.trim().is_empty();
    if nothing_left {
        std::fs::remove_file(&path)
    } else {
        path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, &after))
    }
    .with_context(|| format!("cannot write {}", path.display()))?;
    if nothing_left && args.user {
        tidy(&path);
    }
    print(if args.remove { "Removed.\n" } else { "Written.\n" })
}

/// Takes away the directories around a file below the user's home that hold nothing any more.
fn tidy(path: &Path) {
    let Some(home) = std::env::var_os("HOME").map(PathBuf::from) else { return };
    let around = path.ancestors().skip(1).take_while(|dir| dir.starts_with(&home) && **dir != home);
    // The first that holds something is not removed, and ends it.
    for dir in around {
        if std::fs::remove_dir(dir).is_err() {
            return;
        }
    }
}

fn read(path: &Path) -> anyhow::Result<String> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Ok(about) if about.len() > LONGEST_FILE => bail!("{} is too long", path.display()),
        _ => {}
    }
    std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn agrees(removing: bool) -> anyhow::Result<bool> {
    print(if removing { "Remove this? [y/N] " } else { "Write this? [y/N] " })?;
    std::io::stdout().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
