//! `sharer replay`: something that is over, in a browser, from this computer alone.

use std::path::Path;

use anyhow::{Context as _, bail};

use super::print;
use crate::checkpoint::Repository;
use crate::record::place;
use crate::relay::film::Screening;
use crate::relay::has_viewer;
use crate::replay::cutting;
use crate::replay::footage::Footage;
use crate::replay::lab::Lab;
use crate::replay::shelf;
use crate::share::browser;
use crate::{clock, shutdown};

/// Serves a film of `what` on this computer until it is told to end.
pub fn replay(what: &str, browses: bool) -> anyhow::Result<()> {
    // A kept session comes from its relay, as a live one does.
    if what == "-" || is_link(what) {
        return super::open::open(what, browses);
    }
    if !has_viewer() {
        bail!("this sharer was built without its viewer: build it with ./scripts/build");
    }
    let film = cutting::cut(find(what)?).context("the recording cannot be read")?;
    let mut entropy = clock::entropy()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let screening = Screening::open(&mut entropy).await?;
        let here = screening.link();
        print("The recording is played on this computer, and leaves it nowhere. Ctrl-C ends it.\n")?;
        // What is printed in a shared terminal, its viewers see.
        let seen = std::env::var_os("SHARER_SESSION").is_some();
        if !seen {
            print(&format!("  {here}\n"))?;
        }
        let lab = Lab::open(film);
        let page = if browses || seen { browser::open(&here) } else { None };
        tokio::select! {
            () = screening.serve(move |ask| lab.clone().get(ask)) => {}
            told = shutdown::asked() => told?,
        }
        drop(page);
        Ok(())
    });
    runtime.shutdown_background();
    served
}

fn is_link(what: &str) -> bool {
    what.contains("/s/") && what.contains('#')
}

/// The sessions that `what` names: first the one itself, then those below it.
///
/// # Errors
/// When nothing has that name, or what has it cannot be read.
pub fn find(what: &str) -> anyhow::Result<Vec<Footage>> {
    if is_link(what) {
        // A link is a key: it is not said again.
        bail!("a link is opened with `sharer open` or `sharer join`; what it shows is at its relay");
    }
    let path = Path::new(what);
    if path.is_dir() {
        let found = shelf::recorded(path);
        if found.is_empty() {
            bail!("{what} holds no recording");
        }
        return Ok(found);
    }
    if path.is_file() {
        let one = Footage::of_cast(path).with_context(|| format!("{what} cannot be played"))?;
        return Ok(vec![one]);
    }
    if let Some(found) = place::called(what, &std::env::current_dir()?)? {
        return Ok(shelf::recorded(&found.dir));
    }
    let looks_like_a_file = what.contains('/') || path.extension().is_some();
    if looks_like_a_file && matches!(path.try_exists(), Ok(false)) && !what.starts_with("refs/") {
        // Branches have such names, too.
        let known = Repository::open(&std::env::current_dir()?).is_ok_and(|repo| repo.find(what).is_ok());
        anyhow::ensure!(known, "there is no file {what}, and nothing recorded or kept is called so");
    }
    let Ok(repo) = Repository::open(&std::env::current_dir()?) else {
        bail!(
            "nothing recorded is called {what}: `sharer ls --recorded` lists what there is, and commits and checkpoints \
             are found inside their repository"
        );
    };
    let id = repo.find(what).with_context(|| format!("nothing recorded is called {what}"))?;
    let checkpoint = repo.checkpoint(&id)?;
    let found = shelf::kept(&repo, &checkpoint)?;
    if found.is_empty() {
        bail!("there is nothing to play in checkpoint {}", checkpoint.id);
    }
    Ok(found)
}
