//! What a film is made of: sessions as they were recorded, from wherever they were kept.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use shared::command::Shell;
use shared::event::{Event, Note};
use shared::id::TaskId;
use shared::recording::{
    CAST, CastError, CastLine, CastReader, Header, Kind, MAX_CAST_LINE, MAX_SESSION, SESSION, Session,
    TRANSCRIPT,
};
use shared::time::{Moment, UnixMs};

use crate::term::marks::{Marks, Said};

/// The most that is read of a transcript, in bytes.
const MAX_TRANSCRIPT: u64 = 256 << 20;

/// One session.
#[derive(Debug, Clone)]
pub struct Footage {
    /// What it was.
    pub session: Session,
    /// Its terminal's recording: asciicast v3.
    pub cast: Kept,
    /// Its transcript: lines of [`shared::recording::Line`].
    pub transcript: Kept,
}

/// Bytes that somebody keeps.
#[derive(Debug, Clone)]
pub enum Kept {
    /// Nobody does.
    Nothing,
    /// In memory.
    Here(Bytes),
    /// A file's first bytes: what is written behind them meanwhile is not looked at.
    File(PathBuf, u64),
}

impl Kept {
    /// A file as it is now; nothing if it cannot be read.
    pub(super) fn file(path: PathBuf, most: u64) -> Self {
        match path.metadata() {
            Ok(about) if about.is_file() => Self::File(path, about.len().min(most)),
            _ => Self::Nothing,
        }
    }

    /// Reads it line by line, each without what is beyond `longest` bytes.
    pub fn lines(&self, longest: usize, mut see: impl FnMut(&[u8])) -> io::Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Here(bytes) => {
                bytes.split(|byte| *byte == b'\n').for_each(see);
                Ok(())
            }
            Self::File(path, size) => {
                let mut reader = BufReader::with_capacity(64 * 1024, File::open(path)?.take(*size));
                let mut line = Vec::new();
                loop {
                    line.clear();
                    if reader.by_ref().take(longest as u64 + 1).read_until(b'\n', &mut line)? == 0 {
                        return Ok(());
                    }
                    see(&line);
                    if line.last() != Some(&b'\n') && line.len() > longest {
                        // The rest of a line that nobody writes.
                        skip_line(&mut reader)?;
                    }
                }
            }
        }
    }
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let (found, used) = {
            let buffer = reader.fill_buf()?;
            let end = memchr::memchr(b'\n', buffer);
            (end.is_some() || buffer.is_empty(), end.map_or(buffer.len(), |end| end + 1))
        };
        reader.consume(used);
        if found {
            return Ok(());
        }
    }
}

impl Footage {
    /// From a recording's directory; `None` if it holds none.
    pub fn of_recording(folder: &Path) -> Option<Self> {
        let mut json = Vec::new();
        let path = folder.join(SESSION);
        // A pipe would be waited for.
        path.metadata().ok().filter(std::fs::Metadata::is_file)?;
        File::open(path).ok()?.take(MAX_SESSION as u64 + 1).read_to_end(&mut json).ok()?;
        Some(Self {
            session: Session::parse(&json)?,
            cast: Kept::file(folder.join(CAST), u64::MAX),
            transcript: Kept::file(folder.join(TRANSCRIPT), MAX_TRANSCRIPT),
        })
    }

    /// From anybody's asciicast.
    pub fn of_cast(path: &Path) -> Result<Self, CastError> {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Self::of_bare(Kept::file(path.to_owned(), u64::MAX), &name)
    }

    /// From an asciicast that nobody says anything of.
    pub fn of_bare(cast: Kept, name: &str) -> Result<Self, CastError> {
        let mut header: Option<Result<Header, CastError>> = None;
        let mut reader = CastReader::new();
        let read = cast.lines(MAX_CAST_LINE, |line| {
            header.get_or_insert_with(|| match reader.line(line) {
                Ok(CastLine::Header(header)) => Ok(header),
                Ok(_) => Err(CastError::NoHeader),
                Err(error) => Err(error),
            });
        });
        let header = header.filter(|_| read.is_ok()).unwrap_or(Err(CastError::NoHeader))?;
        let task = TaskId(name.to_owned());
        let started = UnixMs(header.timestamp.unwrap_or_default().saturating_mul(1_000));
        let mut session = Session::new(task.clone(), task, started, header.window());
        session.name = header.title.clone().unwrap_or_else(|| name.to_owned());
        session.command = header.command.clone().unwrap_or_default();
        Ok(Self { session, cast, transcript: Kept::Nothing })
    }

    /// Everything that its terminal was told, in order, with milliseconds since its start: output, sizes, and commands
    /// beginning and ending exactly between the bytes where the shell said so.
    pub fn events(&self, mut see: impl FnMut(u64, Event)) -> io::Result<()> {
        let mut reader = CastReader::new();
        let mut marks = Marks::here();
        let mut shell = Shell::new(Moment(0));
        self.cast.lines(MAX_CAST_LINE, |line| {
            // A line that is torn or broken is passed over; those behind it are read.
            let Ok(CastLine::Event(event)) = reader.line(line) else { return };
            match event.kind {
                Kind::Output(text) => {
                    let mut told = Vec::new();
                    marks.scan(text.as_bytes(), |at, said| {
                        if let Said::Command(mark) = said {
                            told.extend(
                                shell.mark(Moment(event.at), mark).into_iter().map(|told| (at, told)),
                            );
                        }
                    });
                    let mut bytes = text.into_bytes();
                    let mut before = 0;
                    for (at, told) in told {
                        let rest = bytes.split_off((at - before).min(bytes.len()));
                        let first = std::mem::replace(&mut bytes, rest);
                        before = at;
                        if !first.is_empty() {
                            see(event.at, Event::Output(first));
                        }
                        see(event.at, Event::Note(Note::Command(told)));
                    }
                    if !bytes.is_empty() {
                        see(event.at, Event::Output(bytes));
                    }
                }
                Kind::Resize(size) => see(event.at, Event::Note(Note::Resize(size))),
                Kind::Input(_) | Kind::Marker(_) | Kind::Exit(_) => {}
            }
        })
    }
}
