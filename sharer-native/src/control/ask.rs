//! The asking side.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::request::{Call, Reply, Request};
use super::{LONGEST_REPLY, LONGEST_REQUEST};

/// One of several sessions may be stopped, or this computer may be busy.
const SHORT_PATIENCE: Duration = Duration::from_secs(5);
/// A session asked by one of its own tasks is there; on a busy computer its answer may take a while.
const LONG_PATIENCE: Duration = Duration::from_secs(30);

/// Asks one of several running `sharer`s as its owner; one that is stopped does not hold the others up.
pub fn ask(path: &Path, request: Request) -> io::Result<Reply> {
    answer(path, &Call { token: None, request }, Some(SHORT_PATIENCE))
}

/// Asks the running `sharer` around a task; [`Request::Wait`] takes as long as it takes.
pub fn call(path: &Path, call: &Call) -> io::Result<Reply> {
    let waits = matches!(call.request, Request::Wait { .. });
    answer(path, call, (!waits).then_some(LONG_PATIENCE))
}

/// The same within a time of the caller's; `WouldBlock` when it is up.
pub fn call_within(path: &Path, call: &Call, patience: Duration) -> io::Result<Reply> {
    // A socket knows no patience of nothing.
    answer(path, call, Some(patience.max(Duration::from_millis(1))))
}

/// Asks and keeps the connection, for what follows the answer.
pub fn open(path: &Path, call: &Call) -> io::Result<(Reply, UnixStream)> {
    let mut stream = say(path, call, Some(LONG_PATIENCE))?;
    let mut reply = Vec::new();
    // Not a byte more than the answer: what follows is another's.
    let mut byte = [0];
    while reply.last() != Some(&b'\n') && (reply.len() as u64) < LONGEST_REPLY {
        stream.read_exact(&mut byte)?;
        reply.extend_from_slice(&byte);
    }
    stream.set_read_timeout(None)?;
    stream.set_write_timeout(None)?;
    Ok((serde_json::from_slice(&reply)?, stream))
}

fn answer(path: &Path, call: &Call, patience: Option<Duration>) -> io::Result<Reply> {
    let stream = say(path, call, patience)?;
    let mut reply = String::new();
    BufReader::new(stream.take(LONGEST_REPLY)).read_line(&mut reply)?;
    if reply.is_empty() {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the running sharer does not answer"));
    }
    Ok(serde_json::from_str(&reply)?)
}

fn say(path: &Path, call: &Call, patience: Option<Duration>) -> io::Result<UnixStream> {
    let mut line = serde_json::to_vec(call)?;
    line.push(b'\n');
    if line.len() as u64 > LONGEST_REQUEST {
        let why = "the command, its environment or the text is too long (1 MiB in all)";
        return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
    }
    let mut stream = UnixStream::connect(path)?;
    stream.set_read_timeout(patience)?;
    stream.set_write_timeout(Some(LONG_PATIENCE))?;
    stream.write_all(&line)?;
    Ok(stream)
}
