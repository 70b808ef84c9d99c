//! `sharer spawn`, `wait`, `ps`, `tell`, `kill` and `state`, inside a shared session.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use shared::id::{SHORT, SessionId, short};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::waiting::Waiting;
use super::{OTHER_VERSION, allowed, complain, plain, print};
use crate::cli::{SpawnArgs, TaskState};
use crate::control::request::{Call, On, Reply, Request, Row, Spawn, Word};
use crate::control::{SOCKET_VARIABLE, TOKEN_VARIABLE, ask};
use crate::tty;

/// The way to the session around this process.
pub struct Session {
    socket: PathBuf,
    token: String,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("socket", &self.socket).finish_non_exhaustive()
    }
}

impl Session {
    /// Finds the session that this process runs in.
    pub fn around() -> anyhow::Result<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        match (set(SOCKET_VARIABLE), set(TOKEN_VARIABLE).and_then(|token| token.into_string().ok())) {
            (Some(socket), Some(token)) => Ok(Self { socket: socket.into(), token }),
            _ => bail!("not inside a shared session: start one with `sharer -- COMMAND`"),
        }
    }

    /// Asks, and gives every answer but a refusal.
    pub fn ask(&self, request: Request) -> anyhow::Result<Reply> {
        let call = Call { token: Some(self.token.clone()), request };
        ask::call(&self.socket, &call).map_err(|error| self.explain(error)).and_then(allowed)
    }

    /// Why the session did not answer, for people.
    fn explain(&self, error: io::Error) -> anyhow::Error {
        let is = |kind| error.kind() == kind;
        if is(io::ErrorKind::PermissionDenied) {
            let socket = self.socket.display();
            anyhow::anyhow!(
                "the session's control socket {socket} may not be used here: a sandbox around this must allow it"
            )
        } else if is(io::ErrorKind::NotFound) || is(io::ErrorKind::ConnectionRefused) {
            anyhow::anyhow!("the session that this belongs to is over")
        } else if is(io::ErrorKind::InvalidInput) {
            anyhow::anyhow!(error)
        } else {
            anyhow::Error::new(error).context("the session does not answer")
        }
    }

    /// Starts a task.
    pub fn spawn(&self, spawn: Spawn) -> anyhow::Result<Spawned> {
        let reply = self.ask(Request::Spawn(Box::new(spawn)))?;
        if let Reply::NotStarted { why, status } = reply {
            return Ok(Spawned::NotStarted { why, status });
        }
        let Reply::Spawned { task, notices } = reply else { bail!(OTHER_VERSION) };
        Ok(Spawned::Task { row: task, notices })
    }

    /// Waits for a task's end: its row and its exit status.
    pub fn wait(&self, task: &str) -> anyhow::Result<(Row, u8)> {
        let reply = self.ask(Request::Wait { task: task.to_owned() })?;
        let Reply::Ended { task, status } = reply else { bail!(OTHER_VERSION) };
        Ok((*task, status))
    }

    /// The same for so long: a task that runs on is given as it is.
    pub fn wait_within(&self, task: &str, patience: Duration) -> anyhow::Result<Row> {
        let request = Request::Wait { task: task.to_owned() };
        let call = Call { token: Some(self.token.clone()), request };
        match ask::call_within(&self.socket, &call, patience) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                let Reply::Task(row) = self.ask(Request::Task { task: task.to_owned() })? else {
                    bail!(OTHER_VERSION)
                };
                Ok(*row)
            }
            Err(error) => Err(self.explain(error)),
            Ok(reply) => {
                let Reply::Ended { task, .. } = allowed(reply)? else { bail!(OTHER_VERSION) };
                Ok(*task)
            }
        }
    }

    /// Whether the terminal of this task is that session.
    pub fn shows(&self, session: &SessionId) -> anyhow::Result<bool> {
        let Reply::Shows(shows) = self.ask(Request::Shows { session: session.to_string() })? else {
            bail!(OTHER_VERSION)
        };
        Ok(shows)
    }

    /// All tasks below this one.
    pub fn tasks(&self) -> anyhow::Result<Vec<Row>> {
        let Reply::Tasks(rows) = self.ask(Request::Tasks)? else { bail!(OTHER_VERSION) };
        Ok(rows)
    }

    /// Something that has no answer but that it is done.
    pub fn order(&self, request: Request) -> anyhow::Result<()> {
        let Reply::Done = self.ask(request)? else { bail!(OTHER_VERSION) };
        Ok(())
    }
}

/// What became of a command that was to be a task.
#[derive(Debug)]
pub enum Spawned {
    /// It runs.
    Task {
        /// The task.
        row: Box<Row>,
        /// What is to be known of it, for people: a sentence each.
        notices: Vec<String>,
    },
    /// It does not start.
    NotStarted {
        /// Why, for people.
        why: String,
        /// The exit status a shell would show.
        status: u8,
    },
}

/// A task with this process's directory and environment.
pub fn spawn_here(
    name: Option<String>,
    prompt: Option<String>,
    command: &[OsString],
) -> anyhow::Result<Spawn> {
    let words = |word: &OsString| Word::from(word.as_os_str());
    let environment = std::env::vars_os().map(|(name, value)| (words(&name), words(&value)));
    Ok(Spawn {
        name,
        prompt,
        told: false,
        command: command.iter().map(words).collect(),
        dir: std::env::current_dir().context("this directory is gone")?,
        environment: environment.collect(),
        on: None,
    })
}

/// `sharer spawn`.
pub fn spawn(args: SpawnArgs) -> anyhow::Result<u8> {
    let session = Session::around()?;
    let on = args.on.map(|driver| On { driver, dir: args.dir, environment: args.env });
    let mut spawn = spawn_here(args.name, args.prompt, &args.command)?;
    if on.is_some() {
        // What is here means nothing there.
        spawn.environment.clear();
    }
    let waiting = on.as_ref().map(|on| Waiting::says(format!("waiting for {} to answer", on.driver)));
    let spawned = session.spawn(Spawn { on, ..spawn })?;
    drop(waiting);
    let (row, notices) = match spawned {
        Spawned::Task { row, notices } => (row, notices),
        Spawned::NotStarted { why, status } => {
            complain(&why);
            return Ok(status);
        }
    };
    for notice in &notices {
        complain(notice);
    }
    if !args.wait {
        print(&if args.json { json(&row)? } else { format!("{}\n", row.task_id) })?;
        return Ok(0);
    }
    if !args.json {
        print(&format!("{}\n", row.task_id))?;
    }
    let (row, status) = session.wait(&row.task_id)?;
    print(&if args.json { json(&row)? } else { ended(&row) })?;
    Ok(status)
}

/// `sharer wait`. The status of the only task, or the first that is not 0.
pub fn wait(tasks: &[String], as_json: bool) -> anyhow::Result<u8> {
    let session = Session::around()?;
    let all = || -> anyhow::Result<Vec<String>> {
        Ok(session.tasks()?.into_iter().map(|row| row.task_id).collect())
    };
    let tasks = if tasks.is_empty() { all()? } else { tasks.to_vec() };
    let mut first = 0;
    for task in &tasks {
        let (row, status) = session.wait(task)?;
        print(&if as_json { json(&row)? } else { ended(&row) })?;
        first = if first == 0 { status } else { first };
    }
    Ok(first)
}

/// `sharer ps`.
pub fn ps(tree: bool, as_json: bool) -> anyhow::Result<()> {
    let session = Session::around()?;
    let own = std::env::var("SHARER_TASK_ID").unwrap_or_default();
    let rows = session.tasks()?;
    let shown: Vec<&Row> = rows.iter().filter(|row| tree || row.parent.as_deref() == Some(&own)).collect();
    if as_json {
        return print(&json(&shown)?);
    }
    let width = if io::stdout().is_terminal() { tty::size().map(|size| size.cols.into()) } else { None };
    print(&table(&shown, &own, width)?)
}

/// `sharer tell`.
pub fn tell(task: String, text: String) -> anyhow::Result<()> {
    let session = Session::around()?;
    let text = if text == "-" {
        let mut read = String::new();
        // One byte more than may be told, so that too much is seen.
        io::stdin().lock().take(256 * 1024 + 1).read_to_string(&mut read).context("stdin holds no text")?;
        read
    } else {
        text
    };
    session.order(Request::Tell { task, text })
}

/// `sharer kill`.
pub fn kill(task: String) -> anyhow::Result<()> {
    Session::around()?.order(Request::Kill { task })
}

/// `sharer state`.
pub fn state(state: TaskState, reason: Option<String>) -> anyhow::Result<()> {
    Session::around()?.order(Request::State { state: state.word().to_owned(), reason })
}

fn json(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(serde_json::to_string(value)? + "\n")
}

fn ended(row: &Row) -> String {
    let reason = row.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    plain(&format!("{}: {}{reason}", row.name, row.state)) + "\n"
}

/// The least that is shown of a command, in cells; a terminal narrower than the rest and this wraps.
const LEAST_COMMAND: usize = 12;
/// A name has a third of the terminal, and at least so many cells: one long one would leave no room for the rest.
const LEAST_NAME: usize = 16;

/// Tasks below `own`, children under their parents, in lines of at most `cells` if that is said.
fn table(rows: &[&Row], own: &str, cells: Option<usize>) -> anyhow::Result<String> {
    if rows.is_empty() {
        return Ok("No tasks. Start one with `sharer spawn -- COMMAND`.\n".to_owned());
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now = u64::try_from(now).unwrap_or(u64::MAX);
    let mut lines = Vec::new();
    below(rows, own, 0, &mut lines);
    let names = lines.iter().map(|(depth, row)| depth * 2 + plain(&row.name).width());
    let most = cells.map_or(usize::MAX, |cells| (cells / 3).max(LEAST_NAME));
    let width = names.max().unwrap_or(0).clamp(4, most);
    let room = cells.map(|cells| cells.saturating_sub(SHORT + width + 9 + 6 + 4 * 2).max(LEAST_COMMAND));
    let mut out = format!("{:SHORT$}  {:width$}  {:9}  {:>6}  COMMAND\n", "ID", "NAME", "STATE", "SINCE");
    for (depth, row) in lines {
        let id = short(&row.task_id);
        let name = cut(&format!("{:indent$}{}", "", plain(&row.name), indent = depth * 2), width);
        let gap = width.saturating_sub(name.width());
        let since = duration(now.saturating_sub(row.since));
        let reason = row.reason.as_ref().map(|reason| format!("  ({reason})")).unwrap_or_default();
        let place = row.driver.as_ref().map(|driver| format!("on {driver}: ")).unwrap_or_default();
        let said = plain(&format!("{place}{}{reason}", row.command));
        let said = room.map_or_else(|| said.clone(), |room| cut(&said, room));
        writeln!(out, "{id:SHORT$}  {name}{:gap$}  {:9}  {since:>6}  {said}", "", row.state)?;
    }
    Ok(out)
}

/// A text in at most so many cells; one that was longer ends with an ellipsis.
fn cut(text: &str, cells: usize) -> String {
    if text.width() <= cells {
        return text.to_owned();
    }
    let mut used = 1;
    let fits = |c: &char| {
        used += c.width().unwrap_or(0);
        used <= cells
    };
    text.chars().take_while(fits).chain(['…']).collect()
}

/// No tree is deeper: each level is a task, and there are 512.
const DEEPEST: usize = 512;

fn below<'a>(rows: &[&'a Row], parent: &str, depth: usize, lines: &mut Vec<(usize, &'a Row)>) {
    for row in rows.iter().filter(|row| row.parent.as_deref() == Some(parent)) {
        lines.push((depth, row));
        if depth < DEEPEST {
            below(rows, &row.task_id, depth + 1, lines);
        }
    }
}

fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        _ => format!("{}h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: &str, parent: &str, name: &str) -> Row {
        Row {
            task_id: id.into(),
            parent: Some(parent.into()),
            name: name.into(),
            state: "running".into(),
            reason: (name == "b").then(|| "why".into()),
            since: 0,
            command: format!("cmd {name}"),
            shared: false,
            pid: None,
            code: None,
            signal: None,
            driver: (name == "c").then(|| "box".into()),
            read: None,
            write: None,
        }
    }

    #[test]
    fn a_table_is_a_tree() {
        let (a, b, c) = (row("11111111-x", "own", "a"), row("2", "own", "b"), row("3", "11111111-x", "c"));
        let text = table(&[&a, &b, &c], "own", None).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("11111111  a "), "{text}");
        assert!(lines[2].contains("  c") && lines[2].contains("on box: cmd c"), "below its parent: {text}");
        assert!(lines[3].ends_with("cmd b  (why)"), "{text}");
        assert_eq!(plain("a\u{202e}b\x1b[31m\n"), "ab[31m");
        assert!(table(&[], "own", None).unwrap().contains("sharer spawn"));
    }

    #[test]
    fn a_table_is_as_wide_as_the_terminal() {
        let mut wide = row("1", "own", "測試");
        wide.command = format!("make {}", "目標 ".repeat(40));
        let narrow = Row { since: u64::MAX, ..row("2", "own", "b") };
        wide.since = narrow.since;
        let rows = [&wide, &narrow];
        for cells in [60, 61, 80] {
            let text = table(&rows, "own", Some(cells)).unwrap();
            let widths: Vec<usize> = text.lines().map(unicode_width::UnicodeWidthStr::width).collect();
            assert!(
                widths.iter().all(|width| *width <= cells) && widths[1] >= cells - 1,
                "{widths:?} {text}"
            );
            assert!(text.lines().nth(1).unwrap().ends_with('…') && text.contains("cmd b  (why)"), "{text}");
            let at = |line: usize| {
                let (before, _) = text.lines().nth(line).unwrap().split_once("running").unwrap();
                before.width()
            };
            assert_eq!(at(1), at(2), "wide names are as wide as they are: {text}");
        }
        assert!(
            table(&rows, "own", None).unwrap().contains(wide.command.trim()),
            "nothing is cut for a pipe"
        );
    }

    #[test]
    fn one_long_name_leaves_room_for_the_rest() {
        let long = "n".repeat(300);
        let new = |id, name| Row { since: u64::MAX, ..row(id, "own", name) };
        let (long, other) = (new("1", &long), new("2", "b"));
        let rows = [&long, &other];
        for (cells, name) in [(90, 30), (60, 20), (40, 16)] {
            let text = table(&rows, "own", Some(cells)).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            assert!(lines[1].contains(&format!(" {}…  running", "n".repeat(name - 1))), "{text}");
            assert!(lines[2].contains(" b ") && lines[2].contains("cmd b"), "{text}");
            let widest = lines.iter().map(|line| line.width()).max().unwrap();
            assert!(widest <= cells.max(SHORT + name + 9 + 6 + 4 * 2 + LEAST_COMMAND), "{text}");
        }
        assert!(table(&rows, "own", None).unwrap().contains(&long.name), "nothing is cut for a pipe");
    }

    #[test]
    fn times_are_short() {
        assert_eq!([999, 61_000, 7_200_000].map(duration), ["0s", "1m", "2h"]);
    }
}
