//! Where conversations are shared: a session for the agent, and a child's for each subagent.
//!
//! Each is an ordinary session of `sharer` whose program is a *seat*: a process that hands its way to the control socket
//! to the proxy, and ends when the proxy does. So links, children, states and ends are what they are for any program.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::{Deserialize, Serialize};
use shared::conversation::{AgentId, Update};

use super::tap::{Doing, Meaning};
use crate::control::request::{Call, Reply, Request, Spawn, Word};
use crate::control::{SOCKET_VARIABLE, TOKEN_VARIABLE, ask, directory};

/// Updates that wait for a conversation's session; beyond, the transcript says that some are missing.
const MOST_PENDING: usize = 4_096;
/// Conversations of one agent; those beyond are not shared.
const MOST_SEATS: usize = 64;
/// A session that does not begin within this time is not waited for at the end.
const BEGIN_WITHIN: Duration = Duration::from_secs(5);
/// Updates that go in one request.
const AT_ONCE: usize = 64;

/// A seat's way to its session.
#[derive(Serialize, Deserialize)]
struct Way {
    name: String,
    socket: PathBuf,
    token: String,
}

/// A conversation, and its session once it has begun.
#[derive(Default)]
struct Seat {
    way: Option<(Way, UnixStream)>,
    pending: Vec<Update>,
    state: Option<&'static str>,
    lost: bool,
}

/// See the module.
pub(super) struct Seats {
    path: PathBuf,
    arrivals: Receiver<(Way, UnixStream)>,
    share: Option<Child>,
    title: String,
    held: BTreeMap<String, Seat>,
    /// ACP's id of the conversation that has the session itself.
    first: Option<String>,
    /// What the conversations' agents are called.
    names: BTreeMap<String, String>,
    opened: Instant,
}

impl Drop for Seats {
    fn drop(&mut self) {
        // It may have been removed by hand.
        drop(std::fs::remove_file(&self.path));
    }
}

impl Seats {
    /// Begins the session: as a child of the one around this process, or one of its own. Calls `begun` whenever one has
    /// begun: [`Seats::flush`] then shares what waits for it.
    pub(super) fn open(title: &str, begun: impl Fn() + Send + 'static) -> anyhow::Result<Self> {
        let path = directory()?.join(format!("acp-{}.seat", std::process::id()));
        // Left by a process of the same number.
        drop(std::fs::remove_file(&path));
        let listener = UnixListener::bind(&path).context("no place for its sessions")?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        let (arrive, arrivals) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let Some(way) = read_way(&stream) else { continue };
                if arrive.send((way, stream)).is_err() {
                    return;
                }
                begun();
            }
        });
        let mut seats = Self {
            path,
            arrivals,
            share: None,
            title: title.to_owned(),
            held: BTreeMap::new(),
            first: None,
            names: BTreeMap::new(),
            opened: Instant::now(),
        };
        seats.begin()?;
        Ok(seats)
    }

    fn begin(&mut self) -> anyhow::Result<()> {
        let own = std::env::current_exe()?;
        if let (Some(socket), Some(token)) =
            (std::env::var_os(SOCKET_VARIABLE), std::env::var(TOKEN_VARIABLE).ok())
        {
            return self.spawn(Path::new(&socket), &token, &self.title, "");
        }
        let share = Command::new(&own)
            .args(["--headless", "--quiet", "--title", &self.title, "--"])
            .arg(&own)
            .args([OsStr::new("acp-seat"), self.path.as_os_str(), OsStr::new("")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot share it")?;
        self.share = Some(share);
        Ok(())
    }

    /// Starts a seat as a task.
    fn spawn(&self, socket: &Path, token: &str, name: &str, seat: &str) -> anyhow::Result<()> {
        let own = std::env::current_exe()?;
        let word = |word: &OsStr| Word::from(word);
        let command = [own.as_os_str(), OsStr::new("acp-seat"), self.path.as_os_str(), OsStr::new(seat)];
        let spawn = Spawn {
            name: Some(name.to_owned()),
            prompt: None,
            told: true,
            on: None,
            command: command.into_iter().map(word).collect(),
            dir: std::env::current_dir()?,
            environment: std::env::vars_os().map(|(name, value)| (word(&name), word(&value))).collect(),
        };
        let call = Call { token: Some(token.to_owned()), request: Request::Spawn(Box::new(spawn)) };
        match ask::call(socket, &call)? {
            Reply::Spawned { .. } => Ok(()),
            Reply::NotStarted { why, .. } | Reply::Refused(why) => bail!(why),
            Reply::Status(_)
            | Reply::Copied
            | Reply::Shared { .. }
            | Reply::Nested { .. }
            | Reply::Ended { .. }
            | Reply::Task(_)
            | Reply::Tasks(_)
            | Reply::Done => {
                bail!("the session is of another version")
            }
        }
    }

    /// Whether enough waits to be shared.
    pub(super) fn is_full(&self) -> bool {
        self.held.values().any(|seat| seat.pending.len() >= AT_ONCE)
    }

    /// Something passed.
    pub(super) fn take(&mut self, meaning: Meaning) {
        match meaning {
            Meaning::Session { session } => drop(self.seat(&session)),
            Meaning::Update { session, update } => {
                if let Some(seat) = self.seat(&session) {
                    if seat.pending.len() < MOST_PENDING {
                        seat.pending.push(update);
                    } else {
                        seat.lost = true;
                    }
                }
            }
            Meaning::Doing { session, what } => {
                let state = match what {
                    Doing::Running => "running",
                    Doing::Waiting => "waiting",
                    Doing::Blocked => "blocked",
                };
                self.says(&session, state);
            }
            Meaning::Child { parent, session, title, state } => {
                let new = !self.held.contains_key(&session);
                if let Some(title) = title {
                    self.call(&session, &title);
                }
                // One level: what a subagent starts is in its transcript only.
                if new && self.first.as_ref() == Some(&parent) {
                    self.child(&session);
                }
                let state = match state.as_deref() {
                    Some("running") => "running",
                    Some("requires_action") => "blocked",
                    Some("idle") => "waiting",
                    _ => return,
                };
                self.says(&session, state);
            }
        }
    }

    /// Some of what passed was not read.
    pub(super) fn lost(&mut self) {
        for seat in self.held.values_mut() {
            seat.lost = true;
        }
    }

    fn says(&mut self, session: &str, state: &'static str) {
        if let Some(seat) = self.held.get_mut(session) {
            seat.state = Some(state);
        }
    }

    /// The agent of a conversation is called this; everybody's transcript may mention it.
    fn call(&mut self, session: &str, name: &str) {
        let Some(id) = AgentId::new(session) else { return };
        if self.names.insert(session.to_owned(), name.to_owned()).as_deref() != Some(name) {
            for seat in self.held.values_mut() {
                seat.pending.push(Update::Name { id: id.clone(), name: name.to_owned() });
            }
        }
    }

    /// The seat of a conversation. The first one has the session; others that nobody started are its children too.
    fn seat(&mut self, session: &str) -> Option<&mut Seat> {
        if !self.held.contains_key(session) {
            if self.first.as_deref().unwrap_or_default().is_empty() {
                // Its program may have been there before anybody spoke.
                let seat = self.held.remove("").unwrap_or_default();
                self.first = Some(session.to_owned());
                self.held.insert(session.to_owned(), seat);
                let title = self.title.clone();
                self.call(session, &title);
            } else {
                self.child(session);
            }
        }
        self.held.get_mut(session)
    }

    fn child(&mut self, session: &str) {
        if self.held.len() >= MOST_SEATS {
            return;
        }
        let known = self
            .names
            .iter()
            .filter_map(|(id, name)| Some(Update::Name { id: AgentId::new(id)?, name: name.clone() }));
        let seat = Seat { pending: known.collect(), ..Seat::default() };
        self.held.insert(session.to_owned(), seat);
        self.begin_child(session);
    }

    /// Starts a child's session, if the agent's own has begun; else it begins with that.
    fn begin_child(&self, session: &str) {
        let first = self.first.as_ref().and_then(|first| self.held.get(first)?.way.as_ref());
        let Some((way, _)) = first else { return };
        let name = self.names.get(session).cloned().unwrap_or_else(|| "agent".to_owned());
        if let Err(error) = self.spawn(&way.socket, &way.token, &name, session) {
            tracing::warn!(%error, "a subagent is not shared");
        }
    }

    fn arrived(&mut self, way: Way, stream: UnixStream) {
        let is_first = way.name.is_empty();
        let session = if is_first { self.first.clone().unwrap_or_default() } else { way.name.clone() };
        if is_first && self.first.is_none() {
            self.first = Some(session.clone());
        }
        self.held.entry(session.clone()).or_default().way = Some((way, stream));
        if is_first {
            let others: Vec<String> = self.held.keys().filter(|other| **other != session).cloned().collect();
            for other in others {
                self.begin_child(&other);
            }
        }
    }

    /// Shares what waits.
    pub(super) fn flush(&mut self) {
        while let Ok((way, stream)) = self.arrivals.try_recv() {
            self.arrived(way, stream);
        }
        for seat in self.held.values_mut() {
            let Some((way, _)) = &seat.way else { continue };
            if std::mem::take(&mut seat.lost) {
                let title = "Some of what was said here was not recorded.".to_owned();
                seat.pending.push(Update::Notice {
                    severity: "warning".to_owned(),
                    title,
                    description: None,
                });
            }
            let tell = |request| {
                let call = Call { token: Some(way.token.clone()), request };
                if !matches!(ask::call(&way.socket, &call), Ok(Reply::Done)) {
                    tracing::warn!("the session did not take an update");
                }
            };
            let mut pending = std::mem::take(&mut seat.pending).into_iter().peekable();
            while pending.peek().is_some() {
                tell(Request::Emit { updates: pending.by_ref().take(AT_ONCE).collect() });
            }
            if let Some(state) = seat.state.take() {
                tell(Request::State { state: state.to_owned(), reason: None });
            }
        }
    }

    /// Shares what is left, and ends the sessions.
    pub(super) fn close(mut self) {
        let begins = |seat: &Seat| seat.way.is_none() && !seat.pending.is_empty();
        while self.held.values().any(begins) {
            let left = BEGIN_WITHIN.saturating_sub(self.opened.elapsed());
            let Ok((way, stream)) = self.arrivals.recv_timeout(left) else { break };
            self.arrived(way, stream);
            self.flush();
        }
        self.flush();
        self.held.clear();
        let Some(mut share) = self.share.take() else { return };
        let (ending, ended) = channel::<()>();
        std::thread::spawn(move || {
            drop(share.wait());
            drop(ending);
        });
        // It says its last words to the relay within a second; nobody waits for it longer than this.
        let _late = ended.recv_timeout(BEGIN_WITHIN);
    }
}

fn read_way(stream: &UnixStream) -> Option<Way> {
    stream.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    let mut line = String::new();
    BufReader::new(stream.take(16 * 1024)).read_line(&mut line).ok()?;
    serde_json::from_str(&line).ok()
}

/// `sharer acp-seat PATH NAME`, the program of such a session: says how to reach it, and ends when the proxy does.
pub fn sit(path: &Path, name: &str) -> anyhow::Result<()> {
    let socket = std::env::var_os(SOCKET_VARIABLE).context("there is no session around this")?;
    let token = std::env::var(TOKEN_VARIABLE).context("there is no session around this")?;
    let mut stream = UnixStream::connect(path).context("the proxy is gone")?;
    let way = Way { name: name.to_owned(), socket: socket.into(), token };
    writeln!(stream, "{}", serde_json::to_string(&way)?)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "This is a conversation without a terminal: it is in the transcript.")?;
    let mut end = [0; 1];
    // Nothing is ever said to a seat: the stream ends.
    drop(stream.read(&mut end));
    Ok(())
}
