//! `sharer status`, `ls`, `link`, `share`, `unshare` and `revoke`: short visits to a running `sharer`.

use std::io::{ErrorKind, IsTerminal as _};

use anyhow::{Context as _, bail};
use rustix::stdio::{stderr, stdin, stdout};
use shared::id::short;

use super::tasks::Session;
use super::{OTHER_VERSION, allowed, complain, plain, print};
use crate::cli::Which;
use crate::control::ask::ask;
use crate::control::request::{Reply, Request, Row, Status};
use crate::control::sockets;

/// Sessions do not answer what runs inside them.
const OWNER_ONLY: &str = "only you can do this, from a terminal that sharer does not run in";

struct Found {
    socket: std::path::PathBuf,
    status: Status,
}

impl Found {
    /// Whether its first program is called so: by a beginning of its task's id or of its session's.
    fn is(&self, id: &str) -> bool {
        let Status { task_id, session_id, .. } = &self.status;
        task_id.starts_with(id) || session_id.as_deref().is_some_and(|known| known.starts_with(id))
    }

    /// The tasks below the first that are called so.
    fn tasks(&self, id: &str) -> impl Iterator<Item = &Row> {
        let below = self.status.tasks.iter().filter(|task| task.parent.is_some());
        below.filter(move |task| task.task_id.starts_with(id))
    }
}

/// A running `sharer`, and the task in it that is meant; `None`: the first.
struct Chosen {
    found: Found,
    task: Option<String>,
    /// Whether what this process prints can be seen by viewers.
    inside: bool,
}

fn all() -> anyhow::Result<Vec<Found>> {
    let mut found = Vec::new();
    for socket in sockets().context("cannot look for shared sessions")? {
        match ask(&socket, Request::Status) {
            Ok(Reply::Status(status)) => found.push(Found { socket, status: *status }),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                let process = socket.file_stem().unwrap_or_default().to_string_lossy();
                let process = process.split('-').next().unwrap_or_default();
                complain(&format!("process {process} does not answer (is it stopped?) and is left out"));
            }
            // One that ends this very moment is none.
            Ok(_) | Err(_) => {}
        }
    }
    Ok(found)
}

fn one(session: Option<&str>) -> anyhow::Result<Chosen> {
    let mut found = all()?;
    let inside = is_inside(&found);
    let own = std::env::var("SHARER_SESSION").ok();
    if let Some(own) = own.filter(|_| session.is_none() && found.len() > 1) {
        found.retain(|found| found.status.task_id == own);
    }
    let mut chosen = Vec::new();
    for found in found {
        let task = match session {
            Some(id) if !found.is(id) => {
                let mut tasks = found.tasks(id).map(|task| task.task_id.clone());
                let (Some(task), more) = (tasks.next(), tasks.next()) else { continue };
                if more.is_some() {
                    bail!("several tasks have an id that begins so: name one by more of it");
                }
                Some(task)
            }
            Some(_) | None => None,
        };
        chosen.push(Chosen { found, task, inside });
    }
    match (chosen.len(), chosen.pop()) {
        (1, Some(chosen)) => Ok(chosen),
        (0, _) if Session::around().is_ok() => bail!(OWNER_ONLY),
        (0, _) if session.is_some() => bail!("nothing runs under that id (`sharer ls` lists what does)"),
        (0, _) => bail!("nothing runs under sharer: start something with `sharer -- COMMAND`"),
        _ => bail!("several programs run: name one with --session ID (`sharer ls` lists them)"),
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

fn links(read: Option<&str>, write: Option<&str>) -> String {
    let read = read.map(|read| format!("  {read}  watch\n"));
    read.unwrap_or_default() + &write.map(|write| format!("  {write}  can type\n")).unwrap_or_default()
}

/// The links of a task, or of the first one.
fn links_of(status: &Status, task: Option<&str>) -> String {
    match task {
        None => links(status.read.as_deref(), status.write.as_deref()),
        Some(id) => status
            .tasks
            .iter()
            .find(|task| task.task_id == id)
            .map_or_else(String::new, |task| links(task.read.as_deref(), task.write.as_deref())),
    }
}

/// What becomes of links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    Shown,
    /// Viewers would see them.
    Kept,
    /// Whatever reads this may keep it, and nobody said that it may have them.
    LeftOut,
}

impl Links {
    /// Links are secrets: they go to a terminal, or where it was said that they may go.
    fn of(inside: bool, secrets: bool) -> Self {
        match (inside, secrets || std::io::stdout().is_terminal()) {
            (true, _) => Self::Kept,
            (false, true) => Self::Shown,
            (false, false) => Self::LeftOut,
        }
    }

    /// A line for people where there are none.
    fn hidden(self) -> &'static str {
        match self {
            Self::Shown => "",
            Self::Kept => "  Links are shown in another terminal only: this one is shared.\n",
            Self::LeftOut => {
                "  Links are left out, because this goes to no terminal: `sharer status --secrets`.\n"
            }
        }
    }
}

/// A status as JSON, with its links or without.
fn json(status: &Status, secrets: bool) -> serde_json::Result<serde_json::Value> {
    let without = |task: &Row| Row { read: None, write: None, ..task.clone() };
    let mut status = status.clone();
    let has_links = status.tasks.iter().any(|task| task.read.is_some());
    if !secrets {
        (status.read, status.write) = (None, None);
        status.tasks = status.tasks.iter().map(without).collect();
    }
    let mut value = serde_json::to_value(&status)?;
    if let (false, Some(fields)) = (secrets, value.as_object_mut()) {
        fields.remove("read");
        fields.remove("write");
        if has_links {
            fields.insert("left_out".to_owned(), "links: sharer status --json --secrets".into());
        }
    }
    Ok(value)
}

/// Something that is shared on this computer and can be joined.
pub(super) struct Offer {
    found: Found,
    /// The link that opens most.
    pub(super) link: String,
}

impl Offer {
    /// Whether it is called so: by a beginning of an id of its own.
    pub(super) fn is(&self, id: &str) -> bool {
        !id.is_empty() && self.found.is(id)
    }

    /// A line that tells it from others of the same title, as `sharer ls` does.
    pub(super) fn says(&self) -> String {
        let Status { task_id, title, pid, .. } = &self.found.status;
        format!("{}  {}  (process {pid})", short(task_id), plain(title))
    }
}

/// What is shared on this computer and is not this terminal itself.
pub(super) fn to_join() -> anyhow::Result<Vec<Offer>> {
    let own = std::env::var("SHARER_SESSION").ok();
    let others = all()?.into_iter().filter(|found| own.as_ref() != Some(&found.status.task_id));
    let offer = |found: Found| {
        let Status { read, write, .. } = &found.status;
        Some(Offer { link: write.clone().or_else(|| read.clone())?, found })
    };
    Ok(others.filter_map(offer).collect())
}

/// `sharer status`.
pub fn status(as_json: bool, secrets: bool) -> anyhow::Result<()> {
    let found = all()?;
    let inside = is_inside(&found);
    if found.is_empty() && Session::around().is_ok() {
        bail!(OWNER_ONLY);
    }
    if secrets && inside {
        bail!("--secrets is for a terminal that is not shared");
    }
    let links = Links::of(inside, secrets);
    if as_json {
        let statuses = found.iter().map(|found| json(&found.status, links == Links::Shown));
        let statuses: Vec<_> = statuses.collect::<Result<_, serde_json::Error>>()?;
        return print(&format!("{}\n", serde_json::to_string(&statuses)?));
    }
    let is_shared = |found: &&Found| found.status.tasks.iter().any(|task| task.read.is_some());
    if !found.iter().any(|found| is_shared(&found)) {
        let private = if found.is_empty() { "" } else { " `sharer ls` lists what runs private." };
        return print(&format!("Nothing is shared.{private}\n"));
    }
    found.iter().filter(is_shared).try_for_each(|found| print(&described(&found.status, links)))
}

/// A shared program, for people.
fn described(status: &Status, shown: Links) -> String {
    let Status { title, pid, connection, trouble, viewers, executors, sharing, .. } = status;
    let trouble = trouble.as_ref().map(|trouble| format!(": {trouble}")).unwrap_or_default();
    let links = |task| if shown == Links::Shown { links_of(status, task) } else { String::new() };
    let not_recorded = status.not_recorded.as_ref().map(|why| format!("  {}\n", plain(why)));
    let hidden = not_recorded.unwrap_or_default() + shown.hidden();
    if let Some(session_id) = &status.session_id {
        let pending = if sharing == "shared" { "" } else { " (share pending)" };
        return format!(
            "{title}\n  session {session_id}, process {pid}, {connection}{trouble}{pending}\n  {viewers} watching, {executors} of them can type\n{hidden}{}",
            links(None)
        );
    }
    let alone = status.tasks.iter().filter(|task| task.read.is_some()).map(|task| {
        format!("  {}  {}\n{}", short(&task.task_id), plain(&task.name), links(Some(task.task_id.as_str())))
    });
    let head =
        format!("{title}\n  private, process {pid}, {connection}{trouble}; shared on their own:\n{hidden}");
    head + &alone.collect::<String>()
}

/// `sharer ls`.
pub fn ls(as_json: bool) -> anyhow::Result<()> {
    let found = all()?;
    if found.is_empty() && Session::around().is_ok() {
        bail!(OWNER_ONLY);
    }
    if as_json {
        let all = found.iter().map(|found| json(&found.status, false));
        let all: Vec<_> = all.collect::<Result<_, serde_json::Error>>()?;
        return print(&(serde_json::to_string(&all)? + "\n"));
    }
    if found.is_empty() {
        return print("Nothing runs under sharer.\n");
    }
    for Found { status, .. } in &found {
        let Status { task_id, title, pid, sharing, tasks, .. } = status;
        print(&format!("{}  {}  (process {pid}, {sharing})\n", short(task_id), plain(title)))?;
        let parent = Some(task_id.as_str());
        for task in tasks.iter().filter(|task| task.parent.as_deref() == parent) {
            let own = if task.shared && status.session_id.is_none() { ", shared on its own" } else { "" };
            let why = task.reason.as_ref().map(|why| format!(" ({})", plain(why))).unwrap_or_default();
            print(&format!("  {}  {}: {}{why}{own}\n", short(&task.task_id), plain(&task.name), task.state))?;
        }
    }
    Ok(())
}

/// `sharer share`.
pub fn share(from_start: bool, session: Option<&str>) -> anyhow::Result<()> {
    if let (Ok(around), None) = (Session::around(), session) {
        let Reply::Shared { copied } = around.ask(Request::Share { task: None, from_start })? else {
            bail!(OTHER_VERSION);
        };
        return print(if copied {
            "Shared. The watching link was sent to your terminal's clipboard.\n"
        } else {
            "Shared. `sharer link` in another terminal shows the links.\n"
        });
    }
    let Chosen { found, task, inside } = one(session)?;
    let request = Request::Share { task: task.clone(), from_start };
    let Reply::Status(status) = allowed(ask(&found.socket, request)?)? else { bail!(OTHER_VERSION) };
    let pending = if status.connection == "connected" { "" } else { ", as soon as the relay is there" };
    print(&format!("Shared{pending}.\n"))?;
    print(&if inside {
        "  `sharer link` in another terminal shows the links\n".to_owned()
    } else {
        links_of(&status, task.as_deref())
    })
}

/// `sharer unshare`.
pub fn unshare(session: Option<&str>) -> anyhow::Result<()> {
    if let (Ok(around), None) = (Session::around(), session) {
        around.order(Request::Unshare { task: None })?;
    } else {
        let Chosen { found, task, .. } = one(session)?;
        let reply = allowed(ask(&found.socket, Request::Unshare { task })?)?;
        let Reply::Status(_) = reply else { bail!(OTHER_VERSION) };
    }
    print("No longer shared. The program runs on.\n")
}

/// `sharer link`.
pub fn link(session: Option<&str>) -> anyhow::Result<()> {
    let copied = match Session::around() {
        Ok(around) if session.is_none() => around.ask(Request::Copy)?,
        _ => {
            let Chosen { found, task, inside } = one(session)?;
            if !inside {
                let links = links_of(&found.status, task.as_deref());
                if links.is_empty() {
                    bail!("it is private: `sharer share` shares it");
                }
                return print(&links);
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
    let Chosen { found, task, inside } = one(session)?;
    let (read, write) = (which != Which::Write, which != Which::Read);
    let request = Request::Revoke { task: task.clone(), read, write };
    let Reply::Status(status) = allowed(ask(&found.socket, request)?)? else { bail!(OTHER_VERSION) };
    print("Revoked: the old link opens nothing any more. The links are now:\n")?;
    print(&if inside {
        "  shown by `sharer link` in another terminal\n".to_owned()
    } else {
        links_of(&status, task.as_deref())
    })?;
    match task {
        None => Ok(()),
        Some(task) => print(&format!(
            "The links of who started it, here or from elsewhere, still reach it: `sharer unshare --session {}` ends that.\n",
            short(&task)
        )),
    }
}
