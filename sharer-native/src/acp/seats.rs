//! Where conversations are shared: a session for the agent, and a child's for each subagent.
//!
//! Each is an ordinary session of `sharer` whose program is a *seat*: a process that hands its way to the control socket
//! to the proxy, and ends when the proxy does. So links, children, states and ends are what they are for any program.

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

use super::parcel;
use super::table::{Begin, Due, Table};
use super::tap::Meaning;
use crate::control::request::{Call, Reply, Request, Spawn, Word};
use crate::control::{SOCKET_VARIABLE, TOKEN_VARIABLE, ask, directory};

/// A session that does not begin within this time is not waited for at the end.
const BEGIN_WITHIN: Duration = Duration::from_secs(5);
/// A seat that has knocked says who it is within this time; a computer may be busy.
const SPEAKS_WITHIN: Duration = Duration::from_secs(20);

/// A seat's way to its session.
#[derive(Serialize, Deserialize)]
struct Way {
    name: String,
    socket: PathBuf,
    token: String,
    /// Its program sits as long as this is open.
    #[serde(skip)]
    held: Option<UnixStream>,
}

/// See the module.
pub(super) struct Seats {
    path: PathBuf,
    arrivals: Receiver<Way>,
    share: Option<Child>,
    table: Table<Way>,
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
                let Some(mut way) = read_way(&stream) else { continue };
                way.held = Some(stream);
                if arrive.send(way).is_err() {
                    return;
                }
                begun();
            }
        });
        let mut seats =
            Self { path, arrivals, share: None, table: Table::new(title), opened: Instant::now() };
        seats.begin(title)?;
        Ok(seats)
    }

    fn begin(&mut self, title: &str) -> anyhow::Result<()> {
        let own = std::env::current_exe()?;
        if let (Some(socket), Some(token)) =
            (std::env::var_os(SOCKET_VARIABLE), std::env::var(TOKEN_VARIABLE).ok())
        {
            return self.spawn(Path::new(&socket), &token, title, "");
        }
        let share = Command::new(&own)
            .args(["--headless", "--quiet", "--title", title, "--"])
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
            | Reply::Shows(_)
            | Reply::Tasks(_)
            | Reply::Done => {
                bail!("the session is of another version")
            }
        }
    }

    /// Whether enough waits to be shared.
    pub(super) fn is_full(&self) -> bool {
        self.table.is_full()
    }

    /// Something passed.
    pub(super) fn take(&mut self, meaning: Meaning) {
        self.table.take(meaning);
        self.start();
    }

    /// Some of what passed was not read.
    pub(super) fn lost(&mut self) {
        self.table.lost();
    }

    /// Starts the children that can be.
    fn start(&mut self) {
        for Begin { session, name } in self.table.begins() {
            let Some(first) = self.table.first() else { return };
            if let Err(error) = self.spawn(&first.socket, &first.token, &name, &session) {
                tracing::warn!(%error, "a subagent is not shared");
            }
        }
    }

    fn arrived(&mut self, way: Way) {
        self.table.arrived(way.name.clone(), way);
        self.start();
    }

    /// Shares what waits.
    pub(super) fn flush(&mut self) {
        while let Ok(way) = self.arrivals.try_recv() {
            self.arrived(way);
        }
        for Due { way, updates, state, lost } in self.table.due() {
            let tell = |request| {
                let call = Call { token: Some(way.token.clone()), request };
                let told = matches!(ask::call(&way.socket, &call), Ok(Reply::Done));
                if !told {
                    tracing::warn!("the session did not take an update");
                }
                told
            };
            for updates in parcel::requests(updates) {
                *lost |= !tell(Request::Emit { updates });
            }
            if let Some(state) = state {
                // The next one is a whole value too.
                let _late = tell(Request::State { state: state.to_owned(), reason: None });
            }
        }
    }

    /// Shares what is left, and ends the sessions.
    pub(super) fn close(mut self) {
        while self.table.waits() {
            let left = BEGIN_WITHIN.saturating_sub(self.opened.elapsed());
            let Ok(way) = self.arrivals.recv_timeout(left) else { break };
            self.arrived(way);
            self.flush();
        }
        self.flush();
        self.table.clear();
        // A seat that arrives only now finds nobody, and ends.
        self.arrivals = channel().1;
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
    stream.set_read_timeout(Some(SPEAKS_WITHIN)).ok()?;
    let mut line = String::new();
    BufReader::new(stream.take(16 * 1024)).read_line(&mut line).ok()?;
    serde_json::from_str(&line).ok()
}

/// `sharer acp-seat PATH NAME`, the program of such a session: says how to reach it, and ends when the proxy does.
pub fn sit(path: &Path, name: &str) -> anyhow::Result<()> {
    let socket = std::env::var_os(SOCKET_VARIABLE).context("there is no session around this")?;
    let token = std::env::var(TOKEN_VARIABLE).context("there is no session around this")?;
    let mut stream = UnixStream::connect(path).context("the proxy is gone")?;
    let way = Way { name: name.to_owned(), socket: socket.into(), token, held: None };
    writeln!(stream, "{}", serde_json::to_string(&way)?)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "This is a conversation without a terminal: it is in the transcript.")?;
    let mut end = [0; 1];
    // Nothing is ever said to a seat: the stream ends.
    drop(stream.read(&mut end));
    Ok(())
}
