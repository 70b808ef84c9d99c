//! One program that this process hosts: PTY, terminal model, output and typing, until it has ended.
//!
//! The model stays when the program has ended, for those who look later; the PTY goes.

use std::ffi::OsString;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use shared::command::Mark;
use shared::event::WindowSize;
use shared::sharer::ModelInput;
use tokio::time::Instant;

use super::bell::Bell;
use super::model::{Model, News};
use super::output::Output;
use super::remote::{Remote, ToRemote};
use super::typist::{Typed, Typist};
use crate::pty::{self, Ended, Program, Pty, StartError, Typing};
use crate::term::marks::{Marks, Said};

/// How to host a program.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hosting {
    /// The PTY's size.
    pub(super) window: WindowSize,
    /// Lines of scrollback in the model; `None`: nobody will ever look, and there is no model.
    pub(super) scrollback: Option<usize>,
    /// Whether output goes to the user's own terminal, which then answers queries too.
    pub(super) local: bool,
}

/// What a program has for the session since it was last looked at.
#[derive(Debug)]
pub(super) struct Found {
    /// Output, at most what the model has room for.
    pub(super) output: Bytes,
    /// The size of a nested program's terminal, if that changed.
    pub(super) resized: Option<WindowSize>,
    /// What its shell marked in there, each behind so many bytes.
    pub(super) marks: Vec<(usize, Mark)>,
    /// Whether somebody should look.
    pub(super) rings: bool,
    /// What the model tells.
    pub(super) news: News,
    /// Bytes of viewers' input that the PTY took.
    pub(super) typed: usize,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Hosted {
    pid: Pid,
    window: WindowSize,
    /// What the program has called its window.
    title: String,
    terminal: Option<(Option<Pty>, Typist)>,
    /// A nested `sharer` has PTY and program.
    remote: Option<Remote>,
    model: Option<Model>,
    output: Output,
    marks: Marks,
    bell: Bell,
    ended: Option<Ended>,
    wrote_at: Instant,
    /// Nothing more comes out of the PTY, or is waited for.
    closed: bool,
    kill_at: Option<Instant>,
    /// Whether what it leaves behind is killed too.
    whole: bool,
    told: bool,
}

impl Hosted {
    /// Starts `program` with `environment` added to what it has.
    pub(super) fn start(
        program: &Program,
        environment: &[(&str, OsString)],
        hosting: Hosting,
        bell: Bell,
    ) -> Result<Self, StartError> {
        let Hosting { window, scrollback, local } = hosting;
        let system = |error: std::io::Error| StartError::System(error.to_string());
        let pty = Pty::start(program, window, environment)?;
        let output = Output::start(pty.output()?, local, bell.clone()).map_err(system)?;
        let model = scrollback.map(|lines| Model::start(window, lines, !local, bell.clone()));
        let typist = Typist::new(pty.typing(), bell.clone());
        Ok(Self {
            pid: pty.pid(),
            window,
            title: String::new(),
            model: model.transpose().map_err(system)?,
            output,
            marks: Marks::here(),
            terminal: Some((Some(pty), typist)),
            remote: None,
            bell,
            ended: None,
            wrote_at: Instant::now(),
            closed: false,
            kill_at: None,
            whole: false,
            told: false,
        })
    }

    /// Takes a program in at the other end of `stream`, in the terminal of the process `pid`, which answers queries.
    pub(super) fn nested(
        stream: UnixStream,
        pid: Pid,
        window: WindowSize,
        scrollback: Option<usize>,
        bell: Bell,
    ) -> std::io::Result<Self> {
        let remote = Remote::default();
        let typist = Typist::new(Typing::through(Box::new(ToRemote(stream.try_clone()?))), bell.clone());
        let output = Output::start(Box::new(remote.output(stream, bell.clone())), false, bell.clone())?;
        let model = scrollback.map(|lines| Model::start(window, lines, false, bell.clone()));
        Ok(Self {
            pid,
            window,
            title: String::new(),
            model: model.transpose()?,
            output,
            marks: Marks::here(),
            terminal: Some((None, typist)),
            remote: Some(remote),
            bell,
            ended: None,
            wrote_at: Instant::now(),
            closed: false,
            kill_at: None,
            whole: false,
            told: false,
        })
    }

    /// The program's process id; of a nested one, its `sharer`'s.
    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    /// Its PTY, until it has ended.
    pub(super) fn pty(&self) -> Option<&Pty> {
        self.terminal.as_ref().and_then(|(pty, _)| pty.as_ref())
    }

    /// The size of its PTY.
    pub(super) fn window(&self) -> WindowSize {
        self.window
    }

    /// What the program has called its window; empty if it has not.
    pub(super) fn title(&self) -> &str {
        &self.title
    }

    /// The process in the foreground of its terminal.
    pub(super) fn foreground(&self) -> Option<Pid> {
        self.pty()?.foreground()
    }

    /// The path of its terminal.
    pub(super) fn tty_name(&self) -> Option<PathBuf> {
        self.pty()?.tty_name()
    }

    /// Takes what there is, after its bell rang. Output stays while the model is far behind; it rings when it is not.
    pub(super) fn look(&mut self) -> Found {
        self.bell.answer();
        let news = self.model.as_ref().map(Model::news).unwrap_or_default();
        if let Some(title) = &news.title {
            self.title.clone_from(title);
        }
        let mut output = Bytes::new();
        if !self.closed && self.model.as_ref().is_none_or(Model::has_room) {
            (output, self.closed) = self.output.take();
        }
        if !output.is_empty() {
            self.wrote_at = Instant::now();
        }
        let (mut marks, mut rings) = (Vec::new(), false);
        self.marks.scan(&output, |at, said| match said {
            Said::Command(mark) => marks.push((at, mark)),
            Said::Attention => rings = true,
        });
        let typed = self.terminal.as_ref().map_or(0, |(_, typist)| typist.typed());
        let resized = self.remote.as_ref().and_then(Remote::resized);
        if let Some(window) = resized {
            self.window = window;
        }
        // Its end rings; no signal comes.
        if let Some(ended) = self.remote.as_ref().and_then(Remote::ended) {
            self.handle_end(ended);
        }
        Found { output, resized, marks, rings, news, typed }
    }

    /// About what the lines of its model take that have scrolled off, in bytes.
    pub(super) fn history(&self) -> usize {
        self.model.as_ref().map_or(0, Model::history)
    }

    /// Has its model let them go.
    pub(super) fn trim(&self) {
        if let Some(model) = &self.model {
            model.trim();
        }
    }

    /// When it wrote last.
    pub(super) fn wrote_at(&self) -> Instant {
        self.wrote_at
    }

    /// Feeds its model.
    pub(super) fn feed(&self, input: ModelInput) {
        if let Some(model) = &self.model {
            model.feed(input);
        }
    }

    /// Whether its program takes what is pasted between brackets, as far as the model has read.
    pub(super) fn wants_paste(&self) -> bool {
        self.model.as_ref().is_some_and(Model::wants_paste)
    }

    /// Types what a viewer composed.
    pub(super) fn type_input(&mut self, bytes: Vec<u8>) -> Typed {
        match &mut self.terminal {
            Some((_, typist)) => typist.type_input(bytes),
            None => Typed::Now(bytes.len()),
        }
    }

    /// Types what is not a viewer's; `false` if too much waits already because the program does not read.
    pub(super) fn type_reply(&mut self, bytes: Vec<u8>) -> bool {
        self.terminal.as_mut().is_none_or(|(_, typist)| typist.type_reply(bytes))
    }

    /// Gives the PTY a new size.
    pub(super) fn resize(&mut self, window: WindowSize) {
        self.window = window;
        if let Some(pty) = self.pty() {
            pty.resize(window);
        }
    }

    /// Whether the program is a process of this one's.
    pub(super) fn is_here(&self) -> bool {
        self.remote.is_none()
    }

    /// The program has ended; what is left of it is told by [`Hosted::is_over`].
    pub(super) fn handle_end(&mut self, ended: Ended) {
        if self.ended.is_none() {
            self.ended = Some(ended);
            self.output.ended();
            if std::mem::take(&mut self.whole) && self.remote.is_none() {
                pty::signal_session(self.pid, Signal::KILL);
            }
            self.kill_at = None;
        }
    }

    /// Whether the program runs.
    pub(super) fn is_alive(&self) -> bool {
        self.ended.is_none()
    }

    /// Whether everything that will ever come of it has been told.
    pub(super) fn is_done(&self) -> bool {
        self.told
    }

    /// When nothing more of its last output is waited for.
    fn settle_at(&self) -> Option<Instant> {
        // Asked for every program whenever something happens: of most, nothing has to be looked up.
        if self.ended.is_none() || self.told || self.closed {
            return None;
        }
        self.output.until().map(Instant::from_std)
    }

    /// Says once how the program ended, when its last output was taken too.
    pub(super) fn is_over(&mut self) -> Option<Ended> {
        let ended = self.ended.filter(|_| !self.told)?;
        if self.settle_at().is_some_and(|at| at > Instant::now()) {
            return None;
        }
        (self.told, self.closed, self.terminal) = (true, true, None);
        Some(ended)
    }

    /// Tells the program that its terminal is gone, and kills it if it has not ended after `patience`.
    pub(super) fn hang_up(&mut self, patience: Duration) {
        self.output.hurry();
        if self.ended.is_none() {
            match &self.remote {
                None => pty::hang_up(self.pid),
                Some(_) => self.tell_nested(Signal::HUP),
            }
            self.kill_at = self.kill_at.or(Some(Instant::now() + patience));
        }
    }

    /// The same; and nothing that it started in its terminal outlives it.
    pub(super) fn hang_up_whole(&mut self, patience: Duration) {
        self.whole = true;
        self.hang_up(patience);
    }

    /// When to call [`Hosted::handle_timeout`] and [`Hosted::is_over`].
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.kill_at.into_iter().chain(self.settle_at()).min()
    }

    /// Kills what did not end in time.
    pub(super) fn handle_timeout(&mut self) {
        if self.kill_at.take_if(|at| *at <= Instant::now()).is_some() {
            match &self.remote {
                // Its program loses its terminal with it.
                Some(_) => self.tell_nested(Signal::KILL),
                None if self.whole => pty::signal_session(self.pid, Signal::KILL),
                None => pty::signal(self.pid, Signal::KILL),
            }
        }
    }

    /// Signals a nested `sharer`, which shares its process group with others.
    fn tell_nested(&self, signal: Signal) {
        for signal in [signal, Signal::CONT] {
            // It may have ended by itself.
            let _ignored = kill_process(self.pid, signal);
        }
    }
}
