//! `sharer join`: finds the link that is meant.

use std::io::{BufRead as _, Read as _, Write as _};

use anyhow::{Context as _, bail};
use rustix::fs::{Mode, OFlags};
use rustix::stdio::{dup2_stdin, stdout};
use rustix::termios::ttyname;
use shared::id::TaskId;
use shared::link::Link;

use super::print;
use super::sessions::{self, Offer};
use super::tasks::Session;
use crate::{join, tty};

/// The longest line that is read as a link, in bytes.
const LONGEST: u64 = 4_096;

/// Shows a link's session in this terminal; without one, a session of this computer.
pub fn join(link: Option<&str>) -> anyhow::Result<u8> {
    let (link, child) = match link {
        Some("-") => from_stdin()?,
        Some(text) => Link::parse_deep(text)?,
        None => chosen()?,
    };
    let around = Session::around();
    let shows = around.as_ref().is_ok_and(|around| around.shows(&link.session).unwrap_or(false));
    let own = std::env::var("SHARER_TASK_ID").ok().filter(|_| around.is_ok()).map(TaskId);
    if shows || (child.is_some() && child == own) {
        bail!(
            "this terminal is that session: it would show itself in itself, without end. Join it from a terminal that is not \
             shared (where this one is not, unset SHARER_SOCKET)"
        );
    }
    join::run(link, child, own)
}

/// A link on a line; keys come from the terminal afterwards.
fn from_stdin() -> anyhow::Result<(Link, Option<TaskId>)> {
    let link = Link::parse_deep(&line()?)?;
    // By its own name: an event loop on macOS does not take `/dev/tty`.
    let name = ttyname(stdout(), Vec::new()).unwrap_or_else(|_no_terminal| c"/dev/tty".to_owned());
    let terminal = rustix::fs::open(name, OFlags::RDONLY | OFlags::NOCTTY, Mode::empty())
        .context("there is no terminal to type in")?;
    dup2_stdin(terminal)?;
    Ok(link)
}

/// A line from stdin, bounded.
pub(super) fn line() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().take(LONGEST).read_line(&mut line)?;
    Ok(line)
}

/// What the person chooses of what runs here.
fn chosen() -> anyhow::Result<(Link, Option<TaskId>)> {
    let shared = sessions::to_join()?;
    let first = shared.first().context(
        "nothing that can be joined is shared on this computer: give a link, or share something with `sharer -- COMMAND`",
    )?;
    if shared.len() == 1 {
        return Ok(Link::parse_deep(&first.link)?);
    }
    if !tty::is_there() {
        bail!("several sessions are shared on this computer: give a link (`sharer status` shows them)");
    }
    for (number, offer) in (1..).zip(&shared) {
        let number: usize = number;
        print(&format!("{number:>3}  {}\n", offer.says()))?;
    }
    print("Which one (its number or its id)? ")?;
    std::io::stdout().flush()?;
    Ok(Link::parse_deep(&meant(&shared, line()?.trim())?.link)?)
}

/// The one that the answer names: its place from 1, or a beginning of its id.
fn meant<'a>(shared: &'a [Offer], answer: &str) -> anyhow::Result<&'a Offer> {
    let place = answer.parse().ok().and_then(|number: usize| number.checked_sub(1));
    if let Some(offer) = place.and_then(|place| shared.get(place)) {
        return Ok(offer);
    }
    let mut named = shared.iter().filter(|offer| offer.is(answer));
    match (named.next(), named.next()) {
        (Some(offer), None) => Ok(offer),
        (Some(_), Some(_)) => bail!("several have an id that begins so: name one by more of it"),
        (None, _) => bail!("that is none of them"),
    }
}
