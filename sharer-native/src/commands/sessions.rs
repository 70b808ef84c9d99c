//! `sharer status`, `revoke` and `link`: short visits to a running `sharer`.

use std::io::IsTerminal as _;

use anyhow::{Context as _, bail};
use rustix::stdio::{stderr, stdin, stdout};

use super::tasks::Session;
use super::{OTHER_VERSION, allowed, print};
use crate::cli::Which;
use crate::control::ask::ask;
use crate::control::request::{Reply, Request, Status};
use crate::control::sockets;

/// Sessions do not answer what runs inside them.
const OWNER_ONLY: &str = "only you can do this, from a terminal that is not shared";

struct Found {
    socket: std::path::PathBuf,
    status: Status,
}

fn all() -> anyhow::Result<Vec<Found>> {
    let mut found = Vec::new();
    for socket in sockets().context("cannot look for shared sessions")? {
        // One that ends this very moment is none.
        if let Ok(Reply::Status(status)) = ask(&socket, Request::Status) {
            found.push(Found { socket, status: *status });
        }
    }
    Ok(found)
}

fn one(session: Option<&str>) -> anyhow::Result<(Found, bool)> {
    let mut found = all()?;
    let inside = is_inside(&found);
    found.retain(|found| session.is_none_or(|id| found.status.session_id.starts_with(id)));
    let own = std::env::var("SHARER_SESSION").ok();
    if found.len() > 1
        && let Some(own) = own
    {
        found.retain(|found| found.status.task_id == own);
    }
    match (found.len(), found.pop()) {
        (1, Some(found)) => Ok((found, inside)),
        (0, _) if Session::around().is_ok() => bail!(OWNER_ONLY),
        (0, _) => bail!("nothing is shared{}", if session.is_some() { " under that id" } else { "" }),
        _ => bail!("several sessions are shared: name one with --session ID (`sharer status` lists them)"),
    }
}

/// Whether what this process prints can be seen by viewers.
fn is_inside(found: &[Found]) -> bool {
    let ttys: Vec<_> = [
        rustix::termios::ttyname(stdin(), []),
        rustix::termios::ttyname(stdout(), []),
        rustix::termios::ttyname(stderr(), []),
    ]
    .into_iter()
    .flatten()
    .collect();
    let is_shared = |status: &Status| {
        let tty = status.tty.as_ref().map(|tty| tty.as_os_str().as_encoded_bytes());
        ttys.iter().any(|own| Some(own.to_bytes()) == tty)
    };
    std::env::var_os("SHARER_SESSION").is_some() || found.iter().any(|found| is_shared(&found.status))
}

fn links(status: &Status) -> String {
    let write = status.write.as_ref().map(|write| format!("  {write}  can type\n")).unwrap_or_default();
    format!("  {}  watch\n{write}", status.read)
}

/// `sharer status`.
pub fn status(json: bool, secrets: bool) -> anyhow::Result<()> {
    let found = all()?;
    let inside = is_inside(&found);
    if found.is_empty() && Session::around().is_ok() {
        bail!(OWNER_ONLY);
    }
    if json {
        if secrets && (inside || std::io::stdout().is_terminal()) {
            bail!("--secrets is for a stdout that is no terminal");
        }
        let statuses = found.iter().map(|found| {
            let mut value = serde_json::to_value(&found.status)?;
            if let (false, Some(fields)) = (secrets, value.as_object_mut()) {
                fields.remove("read");
                fields.remove("write");
            }
            Ok(value)
        });
        let statuses: Vec<_> = statuses.collect::<Result<_, serde_json::Error>>()?;
        return print(&format!("{}\n", serde_json::to_string(&statuses)?));
    }
    if found.is_empty() {
        return print("Nothing is shared.\n");
    }
    for Found { status, .. } in &found {
        let Status { title, session_id, pid, connection, trouble, viewers, executors, .. } = status;
        let trouble = trouble.as_ref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
        print(&format!(
            "{title}\n  session {session_id}, process {pid}, {connection}{trouble}\n  {viewers} watching, {executors} of them can type\n"
        ))?;
        print(if inside { "  Links are shown in another terminal only: this one is shared.\n" } else { "" })?;
        print(&if inside { String::new() } else { links(status) })?;
    }
    Ok(())
}

/// `sharer link`.
pub fn link(session: Option<&str>) -> anyhow::Result<()> {
    let copied = match Session::around() {
        Ok(around) if session.is_none() => around.ask(Request::Copy)?,
        _ => {
            let (found, inside) = one(session)?;
            if !inside {
                return print(&links(&found.status));
            }
            allowed(ask(&found.socket, Request::Copy)?)?
        }
    };
    if copied != Reply::Copied {
        bail!(OTHER_VERSION);
    }
    print("The watching link was sent to your terminal's clipboard.\n")
}

/// `sharer revoke`.
pub fn revoke(which: Which, session: Option<&str>) -> anyhow::Result<()> {
    let (found, inside) = one(session)?;
    let request = Request::Revoke { read: which != Which::Write, write: which != Which::Read };
    let Reply::Status(status) = allowed(ask(&found.socket, request)?)? else { bail!(OTHER_VERSION) };
    print("Revoked: the old link opens nothing any more. The links are now:\n")?;
    print(&if inside { "  shown by `sharer link` in another terminal\n".to_owned() } else { links(&status) })
}
