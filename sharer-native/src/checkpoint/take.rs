//! A transcript on its way into the store: line by line without its secrets, hashed, in pieces. Never whole in memory.

use std::io::{BufRead, Read};

use sha2::{Digest as _, Sha256};
use shared::checkpoint::agent::Agent;
use shared::checkpoint::chunks::{Cutter, LineTooLong, MAX_CHUNK, Place};
use shared::checkpoint::plan::Object;
use shared::checkpoint::redact::{self, Redacted};
use shared::recording::RedactedLines;

use super::objects::named;
use super::{Error, Repository};

/// A transcript that is stored: nothing knows its objects yet.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Its pieces.
    pub pieces: Vec<Object>,
    /// SHA-256 of the whole, as its file has it.
    pub hash: String,
    /// In bytes, of the whole.
    pub length: u64,
}

/// Takes a transcript: `from` is read to its end, `see` is told each line without its secrets, or all at once what is one
/// JSON value over several lines.
///
/// # Errors
/// When it is empty, or a line is longer than a piece may be: then there may be objects that nothing knows.
pub fn take(
    repo: &Repository,
    from: &mut dyn BufRead,
    agent: Option<Agent>,
    see: &mut dyn FnMut(&[u8]),
) -> Result<Taken, Error> {
    let mut taking = Taking::new(repo, agent);
    let first = line(from, 1)?;
    // A value over several lines begins with one that is none.
    let begins = first.trim_ascii_start().first().is_some_and(|byte| matches!(byte, b'{' | b'['));
    if begins && serde_json::from_slice::<serde::de::IgnoredAny>(&first).is_err() {
        let mut whole = first;
        let most = MAX_CHUNK - u64::try_from(whole.len()).unwrap_or(MAX_CHUNK).min(MAX_CHUNK);
        Read::take(&mut *from, most + 1).read_to_end(&mut whole).map_err(Error::file("the transcript"))?;
        let is_one = serde_json::from_slice::<serde::de::IgnoredAny>(&whole).is_ok();
        if is_one && whole.len() as u64 <= MAX_CHUNK {
            let clean = redact::transcript(&whole);
            see(clean.bytes());
            taking.piece(clean.bytes());
            return taking.end();
        }
        if whole.len() as u64 > MAX_CHUNK && looks_like_one(&whole) {
            return Err(Error::OneTooLarge);
        }
        // Lines after all, of which the first is torn.
        let mut rest = whole.as_slice().chain(from);
        taking.lines(&mut rest, 1, see)?;
        return taking.end();
    }
    taking.line(&first, 1, see)?;
    drop(first);
    taking.lines(from, 2, see)?;
    taking.end()
}

/// Takes a file of a recording to its end, or to where it is written by now. `see` is told each line without its secrets.
///
/// # Errors
/// As for [`take`].
pub fn recorded(
    repo: &Repository,
    from: &mut dyn BufRead,
    mut lines: RedactedLines,
    see: &mut dyn FnMut(&[u8]),
) -> Result<Taken, Error> {
    let mut taking = Taking::new(repo, None);
    for number in 1.. {
        let line = line(from, number)?;
        // One without an end is torn, or being written.
        let is_last = !line.ends_with(b"\n");
        for clean in if is_last { lines.finish() } else { lines.line(&line) } {
            see(clean.bytes());
            taking.clean(&clean, number)?;
        }
        if is_last {
            break;
        }
    }
    taking.end()
}

/// Whether no line of its beginning stands for itself.
fn looks_like_one(bytes: &[u8]) -> bool {
    let lines = bytes.split(|byte| *byte == b'\n').skip(1).take(100);
    !lines
        .into_iter()
        .any(|line| line.starts_with(b"{") && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok())
}

/// One line with its end; no longer than a piece may be.
fn line(from: &mut dyn BufRead, number: u64) -> Result<Vec<u8>, Error> {
    let mut line = Vec::new();
    from.take(MAX_CHUNK + 2).read_until(b'\n', &mut line).map_err(Error::file("the transcript"))?;
    if line.len() as u64 > MAX_CHUNK + 1 { Err(LineTooLong { line: number }.into()) } else { Ok(line) }
}

struct Taking<'a> {
    repo: &'a Repository,
    agent: Option<Agent>,
    cutter: Cutter,
    piece: Vec<u8>,
    pieces: Vec<Object>,
    hasher: Sha256,
    length: u64,
}

impl<'a> Taking<'a> {
    fn new(repo: &'a Repository, agent: Option<Agent>) -> Self {
        let hasher = Sha256::new();
        Self {
            repo,
            agent,
            cutter: Cutter::default(),
            piece: Vec::new(),
            pieces: Vec::new(),
            hasher,
            length: 0,
        }
    }

    fn lines(&mut self, from: &mut dyn BufRead, first: u64, see: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        for number in first.. {
            let line = line(from, number)?;
            if line.is_empty() {
                break;
            }
            self.line(&line, number, see)?;
        }
        Ok(())
    }

    fn line(&mut self, line: &[u8], number: u64, see: &mut dyn FnMut(&[u8])) -> Result<(), Error> {
        if line.is_empty() {
            return Ok(());
        }
        let clean = redact::line(&redact::sanitised(self.agent, line));
        see(clean.bytes());
        self.clean(&clean, number)
    }

    fn clean(&mut self, clean: &Redacted, number: u64) -> Result<(), Error> {
        let bytes = clean.bytes();
        let place = self.cutter.line(bytes.len() as u64, bytes.ends_with(b"\n"));
        match place.map_err(|_long| LineTooLong { line: number })? {
            Place::Here => {}
            Place::Next => {
                self.piece.pop();
                self.store()?;
            }
        }
        self.piece.extend_from_slice(bytes);
        self.count(bytes);
        Ok(())
    }

    /// All of it in one piece.
    fn piece(&mut self, bytes: &[u8]) {
        self.count(bytes);
        self.piece = bytes.to_vec();
    }

    fn count(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.length = self.length.saturating_add(bytes.len() as u64);
    }

    fn store(&mut self) -> Result<(), Error> {
        self.pieces.push(named(self.repo.write(&self.piece)?));
        self.piece.clear();
        Ok(())
    }

    fn end(mut self) -> Result<Taken, Error> {
        if self.length == 0 {
            return Err(Error::Empty);
        }
        self.store()?;
        let hash = format!("sha256:{}", data_encoding::HEXLOWER.encode(&self.hasher.finalize()));
        Ok(Taken { pieces: self.pieces, hash, length: self.length })
    }
}
