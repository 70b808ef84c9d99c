//! One program's recording while it runs: lines are made, counted and written behind one another.
//!
//! Files are opened for each piece, so that hundreds of programs hold none open and one that was removed is found out. A
//! write that fails leaves nothing of itself: the file is cut back to its last whole line before the next try.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use shared::command::{Mark, Shell, Told};
use shared::conversation::{Conversation, Update};
use shared::event::WindowSize;
use shared::id::TaskId;
use shared::orchestration::task::Task;
use shared::recording::{
    CAST, CastWriter, Cut, Entry, Exit, Header, Line, Missing, Session, TRANSCRIPT, Why,
};
use shared::time::{Moment, UnixMs};

use super::Limits;
use super::place::write_session;
use super::queue::Lost;

/// A disk that could not be written is tried again after this long.
const AGAIN: Duration = Duration::from_secs(1);
/// What is said of an end may take so much more than the limit, in bytes.
const LAST: u64 = 4 * 1024;
/// Held free on the disk for how it ended: what is said then takes a block of each file, and of a fresh `session.json`.
const RESERVE: [u8; 16 * 1024] = [0; 16 * 1024];
/// What a file's lines keep of memory between two writes, in bytes.
const AT_REST: usize = 4 * 1024;
/// A transcript may take the terminal's part of this.
const QUARTER: u64 = 4;

/// One of the files, and what is to be written behind it.
#[derive(Debug)]
struct Track {
    path: PathBuf,
    /// Its whole lines, in bytes.
    size: u64,
    most: u64,
    out: Vec<u8>,
    /// What `out` holds: bytes of output, or lines.
    held: u64,
    /// What was left out since the last line that was kept, and why.
    hole: Option<(u64, Why)>,
    /// Nothing more is written, but how it ended.
    stopped: Option<Why>,
    failed: Option<Instant>,
}

impl Track {
    /// Makes the file.
    fn new(path: PathBuf, most: u64) -> io::Result<Self> {
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let track =
            Self { path, size: 0, most, out: Vec::new(), held: 0, hole: None, stopped: None, failed: None };
        Ok(track)
    }

    /// Why nothing can be added now.
    fn shut(&self) -> Option<Why> {
        let failed = self.failed.is_some_and(|at| at.elapsed() < AGAIN).then_some(Why::Disk);
        self.stopped.or(failed)
    }

    fn is_over(&self) -> bool {
        self.size.saturating_add(self.out.len() as u64) > self.most
    }

    /// Writes what waits.
    fn write(&mut self) -> io::Result<()> {
        if self.out.is_empty() {
            return Ok(());
        }
        let mut file = OpenOptions::new().append(true).open(&self.path)?;
        if let Err(error) = file.write_all(&self.out) {
            // What there is of it would be no line, and takes room that the end needs.
            file.set_len(self.size)?;
            return Err(error);
        }
        self.size += self.out.len() as u64;
        self.out.clear();
        self.out.shrink_to(AT_REST);
        (self.held, self.failed) = (0, None);
        Ok(())
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Tape {
    dir: PathBuf,
    session: Session,
    cast: CastWriter,
    /// The size that the terminal has for who reads so far.
    told: WindowSize,
    /// Both as of the last line that is in the file.
    kept: (CastWriter, WindowSize),
    conversation: Conversation,
    shell: Shell,
    /// The size that the terminal has.
    size: WindowSize,
    /// The newest rows that may be in no file yet.
    rows: BTreeMap<TaskId, Task>,
    terminal: Track,
    transcript: Track,
    /// `session.json` is older than `session`.
    changed: bool,
}

impl Tape {
    /// Makes the files of a program that begins, in its own directory.
    pub(super) fn begin(dir: &Path, session: Session, limits: Limits) -> io::Result<Self> {
        write_session(dir, &session)?;
        let mut terminal = Track::new(dir.join(CAST), limits.each)?;
        let transcript = Track::new(dir.join(TRANSCRIPT), limits.each / QUARTER)?;
        let term = std::env::var("TERM").ok().filter(|term| !term.is_empty() && term != "dumb");
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let header = Header {
            size: Some(session.size),
            term: Some(term.unwrap_or_else(|| "xterm-256color".to_owned())),
            timestamp: Some(session.started.0 / 1_000),
            title: text(&session.name),
            command: text(&session.command),
            idle_limit: None,
        };
        let cast = CastWriter::begin(&header, &mut terminal.out);
        // Without it, nothing that follows is a recording.
        terminal.write()?;
        let reserve = dir.join("reserve");
        let mut room = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&reserve)?;
        room.write_all(&RESERVE)?;
        Ok(Self {
            dir: dir.to_owned(),
            kept: (cast.clone(), session.size),
            cast,
            told: session.size,
            size: session.size,
            rows: BTreeMap::new(),
            session,
            conversation: Conversation::default(),
            shell: Shell::new(Moment(0)),
            terminal,
            transcript,
            changed: false,
        })
    }

    /// The program wrote.
    pub(super) fn output(&mut self, at: u64, bytes: &[u8]) {
        let count = bytes.len() as u64;
        if let Some(why) = self.terminal.shut() {
            return self.leave_out(Missing::Terminal, at, count, why);
        }
        self.end_hole(at);
        let (before, cast) = (self.terminal.out.len(), self.cast.clone());
        self.cast.output(at, bytes, &mut self.terminal.out);
        self.terminal.held += count;
        if self.terminal.is_over() {
            self.terminal.out.truncate(before);
            self.terminal.held -= count;
            self.cast = cast;
            self.stop_terminal(at, Why::Size);
            self.leave_out(Missing::Terminal, at, count, Why::Size);
        }
    }

    /// Its terminal has this size.
    pub(super) fn resize(&mut self, at: u64, size: WindowSize) {
        self.size = size;
        if self.terminal.shut().is_none() {
            self.end_hole(at);
            self.tell_size(at);
            if self.terminal.is_over() {
                self.stop_terminal(at, Why::Size);
            }
        }
    }

    fn tell_size(&mut self, at: u64) {
        if self.told != self.size {
            self.cast.resize(at, self.size, &mut self.terminal.out);
            self.told = self.size;
        }
    }

    /// Its shell marked something of a command.
    pub(super) fn mark(&mut self, at: u64, mark: Mark) {
        for told in self.shell.mark(Moment(at), mark) {
            if let (Told::Started { number, .. }, None) = (&told, self.terminal.shut()) {
                self.end_hole(at);
                self.cast.marker(at, &format!("command {number}"), &mut self.terminal.out);
            }
            self.line(at, Entry::Command(told));
        }
    }

    /// Something happened in its conversation.
    pub(super) fn said(&mut self, at: u64, update: Update) {
        for change in self.conversation.update(update) {
            self.line(at, Entry::Change(change));
        }
    }

    /// What is said of it, or of a task below it.
    pub(super) fn task(&mut self, at: u64, task: Task) {
        if task.id == self.session.task {
            let (name, session) = (task.name.to_string(), task.session.or(self.session.session));
            self.changed |= (&name, session) != (&self.session.name, self.session.session);
            (self.session.name, self.session.session) = (name, session);
        }
        self.rows.insert(task.id.clone(), task.clone());
        self.line(at, Entry::Task(Box::new(task)));
    }

    /// This agent runs in it.
    pub(super) fn agent(&mut self, program: String) {
        self.changed |= self.session.agent.as_ref() != Some(&program);
        self.session.agent = Some(program);
    }

    /// Some of it came faster than it could be written.
    pub(super) fn lost(&mut self, lost: Lost) {
        let Lost { at, bytes, lines, size, tasks } = lost;
        for (what, count) in [(Missing::Terminal, bytes), (Missing::Transcript, lines)] {
            if count > 0 {
                self.leave_out(what, at, count, Why::Slow);
            }
        }
        if let Some((at, size)) = size {
            self.resize(at, size);
        }
        for (at, task) in tasks.into_values() {
            self.task(at, *task);
        }
    }

    /// Nothing more of it is written: all recordings have the size that they may have together.
    pub(super) fn stop(&mut self) {
        (self.terminal.most, self.transcript.most) = (0, 0);
    }

    /// It is about to end: the last rows of tasks that could not be written are, if they can be now.
    pub(super) fn catch_up(&mut self, at: u64) {
        if self.transcript.shut().is_none() {
            self.end_gap(at);
        }
    }

    /// It has ended; what it wrote last was written before.
    pub(super) fn end(&mut self, at: u64, exit: Exit, status: u8) {
        // How it ended is said whatever it has, and whatever the disk has not.
        drop(std::fs::remove_file(self.dir.join("reserve")));
        self.end_hole(at);
        self.cast.exit(at, status.into(), &mut self.terminal.out);
        Line { at, entry: Entry::End(exit.clone()) }.write(&mut self.transcript.out);
        self.session.ended = Some(UnixMs(self.session.started.0.saturating_add(at)));
        self.session.exit = Some(exit);
        self.changed = true;
    }

    /// How much waits to be written, in bytes.
    pub(super) fn waiting(&self) -> usize {
        self.terminal.out.len() + self.transcript.out.len()
    }

    /// Writes what waits; returns how much, in bytes. What cannot be written is left out.
    pub(super) fn flush(&mut self, at: u64) -> io::Result<u64> {
        if self.terminal.stopped == Some(Why::Removed) {
            (self.terminal.out, self.transcript.out) = (Vec::new(), Vec::new());
            self.rows.clear();
            return Ok(0);
        }
        let waited = self.waiting() as u64;
        let terminal = self.terminal.write();
        match &terminal {
            Ok(()) => self.kept = (self.cast.clone(), self.told),
            Err(error) => self.fail(Missing::Terminal, at, error),
        }
        let transcript = self.transcript.write();
        match &transcript {
            Ok(()) if self.transcript.hole.is_none() => self.rows.clear(),
            Ok(()) => {}
            Err(error) => self.fail(Missing::Transcript, at, error),
        }
        if self.changed {
            write_session(&self.dir, &self.session)?;
            self.changed = false;
        }
        terminal.and(transcript).map(|()| waited)
    }

    fn fail(&mut self, what: Missing, at: u64, error: &io::Error) {
        let removed = error.kind() == io::ErrorKind::NotFound;
        let why = if removed { Why::Removed } else { Why::Disk };
        let track = if what == Missing::Terminal {
            (self.cast, self.told) = self.kept.clone();
            &mut self.terminal
        } else {
            &mut self.transcript
        };
        track.failed = Some(Instant::now());
        track.out = Vec::new();
        let held = std::mem::take(&mut track.held);
        if removed {
            track.stopped = Some(why);
        }
        self.leave_out(what, at, held, why);
    }

    /// Counts what is not written.
    fn leave_out(&mut self, what: Missing, at: u64, count: u64, why: Why) {
        let track = if what == Missing::Terminal { &mut self.terminal } else { &mut self.transcript };
        if track.stopped.is_none() {
            let so_far = track.hole.map_or(0, |(count, _)| count);
            track.hole = Some((so_far.saturating_add(count), why));
        }
        let cuts = self.session.cuts.len();
        self.session.cut(Cut { at, what, count, why });
        // How much it was in the end, the end says.
        self.changed |= self.session.cuts.len() > cuts;
    }

    /// Says where output was left out; what stood there may have ended in the middle of a sequence.
    fn end_hole(&mut self, at: u64) {
        if let Some((count, why)) = self.terminal.hole.take() {
            let words = format!("{count} bytes were left out here: {}", why.words());
            CastWriter::comment(&words, &mut self.terminal.out);
            self.cast.marker(at, &words, &mut self.terminal.out);
            self.cast.output(at, b"\x18", &mut self.terminal.out);
            self.tell_size(at);
        }
    }

    /// Says where lines were left out, and how the tasks are that they may have been about.
    fn end_gap(&mut self, at: u64) {
        let Some((count, why)) = self.transcript.hole.take() else { return };
        let cut = Entry::Cut(Cut { at, what: Missing::Transcript, count, why });
        Line { at, entry: cut }.write(&mut self.transcript.out);
        for task in self.rows.values() {
            let before = self.transcript.out.len();
            Line { at, entry: Entry::Task(Box::new(task.clone())) }.write(&mut self.transcript.out);
            if self.transcript.is_over() {
                self.transcript.out.truncate(before);
                return;
            }
        }
    }

    fn stop_terminal(&mut self, at: u64, why: Why) {
        let words = format!("the recording stops here: {}", why.words());
        CastWriter::comment(&words, &mut self.terminal.out);
        self.cast.marker(at, &words, &mut self.terminal.out);
        self.terminal.stopped = Some(why);
        self.terminal.most = self.terminal.most.saturating_add(LAST);
    }

    fn line(&mut self, at: u64, entry: Entry) {
        if let Some(why) = self.transcript.shut() {
            return self.leave_out(Missing::Transcript, at, 1, why);
        }
        self.end_gap(at);
        let before = self.transcript.out.len();
        Line { at, entry }.write(&mut self.transcript.out);
        self.transcript.held += 1;
        if self.transcript.is_over() {
            self.transcript.out.truncate(before);
            self.transcript.held -= 1;
            let cut = Cut { at, what: Missing::Transcript, count: 1, why: Why::Size };
            Line { at, entry: Entry::Cut(cut) }.write(&mut self.transcript.out);
            self.transcript.stopped = Some(Why::Size);
            self.leave_out(Missing::Transcript, at, 1, Why::Size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: WindowSize = WindowSize { cols: 80, rows: 24 };

    fn begun() -> (tempfile::TempDir, Tape) {
        let dir = tempfile::tempdir().unwrap();
        let id = TaskId("root".to_owned());
        let session = Session::new(id.clone(), id, UnixMs(0), FIRST);
        let tape = Tape::begin(dir.path(), session, Limits::default()).unwrap();
        (dir, tape)
    }

    /// A disk that cannot be written, as long as `meanwhile` lasts; and it is time to try again.
    fn full(tape: &mut Tape, meanwhile: impl FnOnce(&mut Tape)) {
        let paths = [tape.terminal.path.clone(), tape.transcript.path.clone()];
        for path in &paths {
            std::fs::rename(path, path.with_extension("kept")).unwrap();
            std::fs::create_dir(path).unwrap();
        }
        meanwhile(tape);
        for path in &paths {
            std::fs::remove_dir(path).unwrap();
            std::fs::rename(path.with_extension("kept"), path).unwrap();
        }
        let failed = [tape.terminal.failed.take(), tape.transcript.failed.take()];
        assert!(failed.iter().any(Option::is_some), "it was tried");
    }

    /// The kinds of the terminal's events and what each says.
    fn events(dir: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(dir.join(CAST)).unwrap();
        let events = text.lines().skip(1).filter(|line| line.starts_with('['));
        events
            .map(|line| line.split_once(", ").unwrap_or_default().1.trim_end_matches(']').to_owned())
            .collect()
    }

    #[test]
    fn a_size_that_came_while_the_disk_was_full_is_told_behind_the_gap() {
        // Written before it was known that it cannot be, or left out as it was known.
        for known in [false, true] {
            let (dir, mut tape) = begun();
            let wide = WindowSize { cols: 120, rows: 40 };
            full(&mut tape, |tape| {
                tape.output(1, b"lost");
                if known {
                    tape.flush(1).unwrap_err();
                }
                tape.resize(2, wide);
                if !known {
                    tape.flush(2).unwrap_err();
                }
            });
            tape.output(3, b"kept");
            tape.flush(3).unwrap();
            tape.resize(4, wide);
            tape.flush(4).unwrap();
            let events = events(dir.path());
            let kinds: Vec<&str> = events.iter().map(|event| event.get(..3).unwrap_or_default()).collect();
            assert_eq!(kinds, ["\"m\"", "\"o\"", "\"r\"", "\"o\""], "{events:?}");
            assert_eq!(events[2], "\"r\", \"120x40\"");
        }
    }

    #[test]
    fn the_newest_size_of_what_was_too_fast_is_told() {
        let (dir, mut tape) = begun();
        let size = Some((2, WindowSize { cols: 100, rows: 50 }));
        tape.lost(Lost { at: 1, bytes: 7, size, ..Lost::default() });
        tape.flush(3).unwrap();
        let events = events(dir.path());
        assert_eq!(events.last().unwrap(), "\"r\", \"100x50\"", "{events:?}");
    }

    #[test]
    fn how_a_task_is_stands_behind_every_gap() {
        for ends in [false, true] {
            let (dir, mut tape) = begun();
            let task = |id: &str, name: &str| Task::new(TaskId(id.to_owned()), None, name, UnixMs(0));
            tape.task(0, task("0", "told"));
            tape.flush(0).unwrap();
            full(&mut tape, |tape| {
                tape.task(1, task("1", "old"));
                tape.flush(1).unwrap_err();
                tape.task(2, task("1", "one"));
                tape.task(2, task("2", "two"));
            });
            if ends {
                tape.catch_up(3);
                tape.flush(3).unwrap();
                tape.end(3, Exit::default(), 0);
            } else {
                tape.mark(3, Mark::Prompt);
                tape.said(3, Update::Mode("plan".to_owned()));
            }
            tape.flush(3).unwrap();
            let text = std::fs::read_to_string(dir.path().join(TRANSCRIPT)).unwrap();
            let lines: Vec<&str> = text.lines().collect();
            assert!(lines.len() >= 5, "{text}");
            assert!(lines[0].contains("told") && lines[1].contains("cut"), "{text}");
            assert!(lines[2].contains("one") && lines[3].contains("two"), "{text}");
            assert_eq!(text.matches("told").count(), 1, "what is in the file is not said again: {text}");
        }
    }
}
