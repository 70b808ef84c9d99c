//! Short visits to a running `sharer`: from the user's own terminal ([`sessions`]) and from inside ([`tasks`]).

pub mod attach;
pub mod checkpoints;
pub mod emit;
pub mod guide;
pub mod join;
pub mod kept;
pub mod open;
pub mod recorded;
pub mod replay;
pub mod sessions;
pub mod tasks;
pub mod waiting;

use std::io::Write as _;

use crate::control::request::Reply;

/// What is said when a reply makes no sense.
const OTHER_VERSION: &str = "the running sharer is of another version";

/// The reply, unless it is that it cannot be done.
fn allowed(reply: Reply) -> anyhow::Result<Reply> {
    if let Reply::Refused(why) = reply {
        anyhow::bail!(why);
    }
    Ok(reply)
}

fn print(text: &str) -> anyhow::Result<()> {
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// What the person should know, and what does not keep the rest from being done.
pub(crate) fn complain(what: &str) {
    // Nobody may be there to read it.
    drop(writeln!(std::io::stderr(), "sharer: {}", plain(what)));
}

/// A text without control characters, and those that turn what stands around them.
pub fn plain(text: &str) -> String {
    let turns =
        |c: char| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().filter(|c| !c.is_control() && !turns(*c)).collect()
}
