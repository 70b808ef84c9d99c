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

struct Found {
    socket: std::path::PathBuf,
    status: Status,
}

impl Found {
    /// Whether it is called so: by a beginning of its ids, or the whole id of a task in it.
    fn is(&self, id: &str) -> bool {
        let Status { task_id, session_id, tasks, .. } = &self.status;
        let begins = |known: &str| known.starts_with(id);
        begins(task_id)
            || session_id.as_deref().is_some_and(begins)
            || tasks.iter().any(|task| task.task_id == id)
    }
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
    found.retain(|found| session.is_none_or(|id| found.is(id)));
    let own = std::env::var("SHARER_SESSION").ok();
    if found.len() > 1
        && let Some(own) = own
    {
        found.retain(|found| found.is(&own));
    }
    match (found.len(), found.pop()) {
        (1, Some(found)) => Ok((found, inside)),
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
    let read = status.read.as_ref().map(|read| format!("  {read}  watch\n")).unwrap_or_default();
    read + &write
}

/// `sharer status`.
pub fn status(json: bool, secrets: bool) -> anyhow::Result<()> {
    let found = all()?;
    let inside = is_inside(&found);
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
    if found.iter().all(|found| found.status.session_id.is_none()) {
        let private = if found.is_empty() { "" } else { " `sharer ls` lists what runs private." };
        return print(&format!("Nothing is shared.{private}\n"));
    }
    for Found { status, .. } in &found {
        let Status { title, pid, connection, viewers, executors, .. } = status;
        let Some(session_id) = &status.session_id else { continue };
        let pending = if status.sharing == "shared" { "" } else { " (share pending)" };
        print(&format!(
            "{title}\n  session {session_id}, process {pid}, {connection}{pending}\n  {viewers} watching, {executors} of them can type\n"
        ))?;
        print(if inside { "  Links are shown in another terminal only: this one is shared.\n" } else { "" })?;
        print(&if inside { String::new() } else { links(status) })?;
    }
    Ok(())
}

/// `sharer link`.
pub fn link(session: Option<&str>) -> anyhow::Result<()> {
    let (found, inside) = one(session)?;
    if !inside {
        return print(&links(&found.status));
    }
    if allowed(ask(&found.socket, Request::Copy)?)? != Reply::Copied {
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

/// `sharer share`.
pub fn share(from_start: bool, session: Option<&str>) -> anyhow::Result<()> {
    let request = Request::Share { from_start };
    if let (Ok(around), None) = (Session::around(), session) {
        if around.ask(request)? != Reply::Copied {
            bail!(OTHER_VERSION);
        }
        return print("Shared. The watching link was sent to your terminal's clipboard.\n");
    }
    let (found, inside) = one(session)?;
    let Reply::Status(status) = allowed(ask(&found.socket, request)?)? else { bail!(OTHER_VERSION) };
    let pending = if status.sharing == "shared" { "" } else { ", as soon as the relay is there" };
    print(&format!("Shared{pending}.\n"))?;
    print(&if inside {
        "  `sharer link` in another terminal shows the links\n".to_owned()
    } else {
        links(&status)
    })
}

/// `sharer unshare`.
pub fn unshare(session: Option<&str>) -> anyhow::Result<()> {
    let (found, _) = one(session)?;
    let Reply::Status(_) = allowed(ask(&found.socket, Request::Unshare)?)? else { bail!(OTHER_VERSION) };
    print("No longer shared. The program runs on.\n")
}

/// `sharer ls`.
pub fn ls(json: bool) -> anyhow::Result<()> {
    let found = all()?;
    if json {
        let all = found.into_iter().map(|found| Status { read: None, write: None, ..found.status });
        return print(&(serde_json::to_string(&all.collect::<Vec<_>>())? + "\n"));
    }
    if found.is_empty() {
        return print("Nothing runs under sharer.\n");
    }
    for Found { status, .. } in &found {
        let Status { task_id, title, pid, sharing, tasks, .. } = status;
        let short = task_id.get(..8).unwrap_or(task_id);
        print(&format!("{short}  {title}  (process {pid}, {sharing})\n"))?;
        for task in tasks.iter().filter(|task| task.parent.is_some()) {
            print(&format!("  {}: {}\n", task.name, task.state))?;
        }
    }
    Ok(())
}
