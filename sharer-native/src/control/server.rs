//! The answering side: reads one request a connection and hands it to the task that owns everything.
//!
//! Bounds: [`MOST_CONNECTIONS`] at once, one more is told so; a request of at most 1 MiB within 20 s; [`MOST_WAITING`]
//! requests wait for the task, others in their sockets. How often a task may ask is counted where it is answered.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use super::request::{Call, Reply, Request};
use super::{LONGEST_REQUEST, PATIENCE, directory};

/// Each task that waits for another holds one; there are at most 256 tasks alive.
const MOST_CONNECTIONS: usize = 1024;
/// Requests that wait for the session; others wait in the socket.
const MOST_WAITING: usize = 8;

/// Who finds no descriptor left looks again after this.
const FULL: Duration = Duration::from_millis(100);

/// A request and the way back.
#[derive(Debug)]
pub struct Asked {
    /// The line.
    pub call: Call,
    /// The process that asks, as the system says.
    pub pid: Option<i32>,
    /// The way back; closed once whoever asked is gone.
    pub answer: oneshot::Sender<Reply>,
    /// With [`Request::Nest`]: the connection. Whoever takes it says the answer there too, before anything else.
    pub stream: Option<std::os::unix::net::UnixStream>,
}

/// A running `sharer`'s socket; removed when this is dropped.
#[derive(Debug)]
pub struct Server {
    path: PathBuf,
    /// Until it is served.
    listener: Option<std::os::unix::net::UnixListener>,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have been removed by hand.
        drop(std::fs::remove_file(&self.path));
    }
}

impl Server {
    /// Whoever asks from now on waits until the socket is served.
    pub fn listen(session: &str) -> io::Result<Self> {
        let short = session.get(..8).unwrap_or(session);
        let path = directory()?.join(format!("{}-{short}.sock", std::process::id()));
        // A socket that does not listen yet is taken for one whose process is gone, and is removed.
        let new = path.with_extension("new");
        let listener = std::os::unix::net::UnixListener::bind(&new)?;
        std::fs::set_permissions(&new, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        std::fs::rename(&new, &path)?;
        Ok(Self { path, listener: Some(listener) })
    }

    /// Serves it once, on the current runtime.
    pub fn serve(&mut self) -> io::Result<mpsc::Receiver<Asked>> {
        let listener = self.listener.take().ok_or(io::ErrorKind::AlreadyExists)?;
        let listener = UnixListener::from_std(listener)?;
        let (asks, asked) = mpsc::channel(MOST_WAITING);
        let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
        let own = rustix::process::getuid().as_raw();
        tokio::spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        // The directory keeps others out already.
                        let Some(peer) = stream.peer_cred().ok().filter(|peer| peer.uid() == own) else {
                            continue;
                        };
                        let asks = asks.clone();
                        let place = Arc::clone(&places).try_acquire_owned().ok();
                        tokio::spawn(async move {
                            match place {
                                Some(_place) => answer(stream, peer.pid(), &asks).await,
                                None => refuse(stream).await,
                            }
                        });
                    }
                    // Out of descriptors, say: those who hold them will go.
                    Err(_) => tokio::time::sleep(FULL).await,
                }
            }
        });
        Ok(asked)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

async fn answer(stream: UnixStream, pid: Option<i32>, asks: &mpsc::Sender<Asked>) -> Option<()> {
    let (read, write) = stream.into_split();
    let mut read = tokio::io::BufReader::new(read.take(LONGEST_REQUEST));
    let mut line = String::new();
    timeout(PATIENCE, read.read_line(&mut line)).await.ok()?.ok()?;
    let Ok(call) = serde_json::from_str::<Call>(&line) else {
        let why = if line.ends_with('\n') { "the running sharer is of another version" } else { "too long" };
        return say(write, &Reply::Refused(why.to_owned())).await;
    };
    drop(line);
    let (answer, answered) = oneshot::channel();
    if matches!(call.request, Request::Nest(_)) {
        let stream = read.into_inner().into_inner().reunite(write).ok()?.into_std().ok()?;
        stream.set_nonblocking(false).ok()?;
        let theirs = stream.try_clone().ok();
        asks.send(Asked { call, pid, answer, stream: theirs }).await.ok()?;
        // Whoever was let in has its answer.
        let reply = answered.await.ok()?;
        stream.set_nonblocking(true).ok()?;
        let (_read, write) = UnixStream::from_std(stream).ok()?.into_split();
        return say(write, &reply).await;
    }
    asks.send(Asked { call, pid, answer, stream: None }).await.ok()?;
    let mut rest = [0; 16];
    let reply = tokio::select! {
        reply = answered => reply.ok()?,
        // Nothing may follow: whoever asked is gone, or not ours.
        _ = read.read(&mut rest) => return None,
    };
    say(write, &reply).await
}

async fn refuse(stream: UnixStream) -> Option<()> {
    let (_read, write) = stream.into_split();
    say(write, &Reply::Refused("too many commands of sharer wait for an answer".to_owned())).await
}

async fn say(mut write: tokio::net::unix::OwnedWriteHalf, reply: &Reply) -> Option<()> {
    let mut line = serde_json::to_vec(reply).ok()?;
    line.push(b'\n');
    timeout(PATIENCE, write.write_all(&line)).await.ok()?.ok()
}
