//! The control socket: how `sharer status`, `revoke` and `link` reach a running `sharer` of the same user.
//!
//! One JSON line there, one back. The directory is 0700 and each socket 0600; nothing else guards it.

use std::fs::{DirBuilder, Permissions};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};

/// The longest request, in bytes.
const LONGEST_REQUEST: u64 = 4 * 1024;
/// The longest reply, in bytes.
const LONGEST_REPLY: u64 = 64 * 1024;
/// Neither side waits longer for the other.
const PATIENCE: Duration = Duration::from_secs(2);
/// Requests that wait for the session; others wait in the socket.
const MOST_WAITING: usize = 8;

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Everything about the session.
    Status,
    /// Make a link useless.
    Revoke {
        /// The link that watches.
        read: bool,
        /// The link that can type.
        write: bool,
    },
    /// Put the read link into the clipboard of the user's own terminal.
    Copy,
}

/// Everything about a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Its id.
    pub session_id: String,
    /// Its title.
    pub title: String,
    /// The process that shares it.
    pub pid: u32,
    /// The connection to the relay, in a word.
    pub connection: String,
    /// How many watch.
    pub viewers: u32,
    /// How many of them may type.
    pub executors: u32,
    /// The program's terminal.
    pub tty: Option<PathBuf>,
    /// The link that watches.
    pub read: String,
    /// The link that can type.
    pub write: Option<String>,
}

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// To `Status`, and to `Revoke` with the new links.
    Status(Box<Status>),
    /// To `Copy`.
    Copied,
    /// It cannot be done; why, for people.
    Refused(String),
}

/// A request and the way back.
pub type Asked = (Request, oneshot::Sender<Reply>);

/// The directory of all control sockets of this user, made if it is not there.
pub fn directory() -> io::Result<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let dir = match (set("XDG_RUNTIME_DIR"), set("XDG_STATE_HOME"), set("HOME")) {
        (Some(run), _, _) => run.join("sharer"),
        (None, Some(state), _) => state.join("sharer/run"),
        (None, None, Some(home)) => home.join(".local/state/sharer/run"),
        (None, None, None) => return Err(io::Error::new(io::ErrorKind::NotFound, "HOME is not set")),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
    // Fails if it is somebody else's.
    std::fs::set_permissions(&dir, Permissions::from_mode(0o700))?;
    Ok(dir)
}

/// A running `sharer`'s socket; removed when this is dropped.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been removed by hand.
        drop(std::fs::remove_file(&self.path));
    }
}

impl Server {
    /// Listens, on the current runtime.
    pub fn start(session: &str) -> io::Result<(Self, mpsc::Receiver<Asked>)> {
        let short = session.get(..8).unwrap_or(session);
        let path = directory()?.join(format!("{}-{short}.sock", std::process::id()));
        let listener = UnixListener::bind(&path)?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        let (asks, asked) = mpsc::channel(MOST_WAITING);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // One at a time: a peer that is slow is given up after a moment.
                drop(tokio::time::timeout(PATIENCE, serve(stream, &asks)).await);
            }
        });
        Ok((Self { path }, asked))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

async fn serve(stream: tokio::net::UnixStream, asks: &mpsc::Sender<Asked>) -> Option<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    tokio::io::BufReader::new(read.take(LONGEST_REQUEST)).read_line(&mut line).await.ok()?;
    let request = serde_json::from_str(&line).ok()?;
    let (answer, answered) = oneshot::channel();
    asks.send((request, answer)).await.ok()?;
    let mut reply = serde_json::to_vec(&answered.await.ok()?).ok()?;
    reply.push(b'\n');
    write.write_all(&reply).await.ok()
}

/// All sockets of this user; those nobody listens on are removed.
pub fn sockets() -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory()?)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sock") {
            match UnixStream::connect(&path) {
                Ok(_) => found.push(path),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    drop(std::fs::remove_file(&path));
                }
                Err(_) => {}
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Asks one running `sharer`.
pub fn ask(path: &Path, request: &Request) -> io::Result<Reply> {
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_vec(request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut reply = String::new();
    BufReader::new(stream.take(LONGEST_REPLY)).read_line(&mut reply)?;
    Ok(serde_json::from_str(&reply)?)
}
