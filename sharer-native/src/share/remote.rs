//! A program whose PTY is in another process: a nested `sharer`'s, at the other end of a control connection.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};

use shared::event::WindowSize;

use super::bell::Bell;
use crate::control::nested::Frame;
use crate::pty::Ended;

/// The most that one frame of what is typed holds, in bytes.
const TYPED: usize = 16 * 1024;

/// What it said besides output; latest values.
#[derive(Debug, Default)]
struct Said {
    resized: Option<WindowSize>,
    ended: Option<Ended>,
    gone: bool,
}

/// What a nested program says of itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Remote(Arc<Mutex<Said>>);

impl Remote {
    /// Its terminal's size, if that changed since the last call.
    pub(super) fn resized(&self) -> Option<WindowSize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).resized.take()
    }

    /// How it ended, if it has; a connection that broke says no more than that.
    pub(super) fn ended(&self) -> Option<Ended> {
        let said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        said.ended.or_else(|| said.gone.then_some(Ended { code: None, signal: None }))
    }

    /// Its output, to be read like a PTY's; `bell` rings for what else it says.
    pub(super) fn output(&self, stream: UnixStream, bell: Bell) -> impl Read + Send + use<> {
        Output { stream, said: Arc::clone(&self.0), rest: Vec::new(), bell }
    }
}

struct Output {
    stream: UnixStream,
    said: Arc<Mutex<Said>>,
    rest: Vec<u8>,
    bell: Bell,
}

impl Drop for Output {
    fn drop(&mut self) {
        self.said.lock().unwrap_or_else(PoisonError::into_inner).gone = true;
    }
}

impl Read for Output {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            let said = || self.said.lock().unwrap_or_else(PoisonError::into_inner);
            match Frame::read(&mut self.stream)? {
                Some(Frame::Output(bytes)) => self.rest = bytes,
                Some(Frame::Resized(window)) => {
                    said().resized = Some(window);
                    // Its program may have nothing to say to that.
                    self.bell.ring();
                }
                Some(Frame::Ended(ended)) => said().ended = Some(ended),
                Some(Frame::Typed(_)) | None => return Ok(0),
            }
        }
        let length = self.rest.len().min(out.len());
        for (to, from) in out.iter_mut().zip(self.rest.drain(..length)) {
            *to = from;
        }
        Ok(length)
    }
}

/// What is typed, on its way.
pub(super) struct ToRemote(pub(super) UnixStream);

impl Write for ToRemote {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let part = bytes.get(..TYPED).unwrap_or(bytes);
        Frame::Typed(part.to_vec()).write(&mut self.0)?;
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
