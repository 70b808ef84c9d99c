//! Shares one program: PTY, terminal, model and socket around [`shared::sharer::Sharer`].
//!
//! One task owns the machine. Threads move bytes that may block: the PTY's output, what is typed, the user's
//! keyboard, the model, events. The network never holds the program; only the model does, when it is far behind.

mod banner;
mod embedded;
mod model;
mod output;
mod typist;

use std::ffi::OsString;
use std::future::{pending, poll_fn};
use std::io::Write as _;
use std::time::Duration;

use anyhow::Context as _;
use shared::event::WindowSize;
use shared::keys::grant::Right;
use shared::sharer::{ConnectionState, Effect, Sharer, SharerConfig};
use shared::wire::close::CloseCode;
use shared::wire::source::SessionSource;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use self::embedded::Embedded;
use self::model::Model;
use self::output::Output;
use self::typist::Typist;
use crate::clock;
use crate::config::{Config, EventsTo, RelayChoice};
use crate::control::{self, Asked, Reply, Request, Status};
use crate::events::{Events, Line, LinkTexts};
use crate::exit;
use crate::pty::{Ended, Program, Pty, StartError};
use crate::shutdown::{self, Told};
use crate::tty;
use crate::ws::{RelayUrl, Socket, Step, connect};

/// Output that is still on its way after the program ended is waited for this long.
const LAST_OUTPUT: Duration = Duration::from_millis(200);
/// A program that does not end when it is told to is killed after this long.
const HANG_UP: Duration = Duration::from_secs(2);
/// The longest sleep: the runtime's clock stands still while the computer sleeps, the machine's does not.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// Packets that are still to be sent at the end are waited for this long.
const LAST_PACKETS: Duration = Duration::from_millis(300);

/// Shares what `config` says until the program ends; returns the exit status.
pub fn run(config: &Config) -> anyhow::Result<u8> {
    let program = match Program::find(&config.command) {
        Ok(program) => program,
        Err(error) => {
            banner::show(&format!("sharer: {error}\n"));
            return Ok(match error {
                StartError::NotFound(_) => exit::NOT_FOUND,
                StartError::NotExecutable(_) | StartError::System(_) => exit::NOT_EXECUTABLE,
            });
        }
    };
    if config.headless.is_none() && !tty::is_there() {
        banner::show("sharer: there is no terminal to share: run it in one, or add --headless\n");
        return Ok(exit::USAGE);
    }
    let events = match &config.events {
        EventsTo::Nowhere => Events::none(),
        EventsTo::Stdout => Events::to_stdout(),
        EventsTo::File(path) => {
            Events::to_file(path).with_context(|| format!("cannot write events into {}", path.display()))?
        }
    };
    let (embedded, relay, base) = match &config.relay {
        RelayChoice::Embedded(relay) => {
            let embedded = Embedded::start(relay.as_ref().clone())?;
            let url = RelayUrl::parse(&embedded.local_url).context("the embedded relay has no address")?;
            let base = embedded.base_url.clone();
            (Some(embedded), url, base)
        }
        RelayChoice::Foreign(url) => (None, url.clone(), url.base().to_owned()),
    };
    let base = config.public_url.clone().unwrap_or(base);

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(Share::start(config, &program, events, relay, base)?.run());
    runtime.shutdown_background();
    drop(embedded);
    status
}

/// A shared program.
#[allow(clippy::struct_excessive_bools, reason = "switches of the command line, and whether it is over")]
struct Share {
    machine: Sharer,
    title: String,
    base: String,
    relay: RelayUrl,
    quiet: bool,
    show_viewers: bool,
    most_viewers: u32,
    headless: bool,
    program: Program,
    window: WindowSize,
    scrollback: usize,
    events: Option<Events>,
    socket: Option<Socket>,
    connecting: Option<JoinHandle<Option<Socket>>>,
    finished: bool,
}

/// What runs beside the machine once the program does.
struct Beside {
    pty: Pty,
    model: Model,
    output: Output,
    typist: Typist,
}

impl Share {
    fn start(
        config: &Config,
        program: &Program,
        events: Events,
        relay: RelayUrl,
        base: String,
    ) -> anyhow::Result<Self> {
        let title = config.title.clone().unwrap_or_else(|| program.title());
        let window = config.headless.or_else(tty::size).unwrap_or(WindowSize { cols: 80, rows: 24 });
        let machine_config = SharerConfig {
            title: title.clone(),
            read_only: config.read_only,
            compress: config.compress,
            window: crate::term::clamped(window),
            source: SessionSource::default(),
        };
        let entropy = clock::entropy().map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
        let machine = Sharer::new(machine_config, entropy, clock::now());
        let share = Self {
            machine,
            title,
            base,
            relay,
            quiet: config.quiet,
            show_viewers: config.show_viewers,
            most_viewers: 0,
            headless: config.headless.is_some(),
            program: program.clone(),
            window,
            scrollback: config.scrollback,
            events: Some(events),
            socket: None,
            connecting: None,
            finished: false,
        };
        let links = share.links()?;
        share.event(&Line::Shared {
            session_id: share.machine.session_id().to_string(),
            title: share.title.clone(),
            links: links.clone(),
        });
        if !config.quiet {
            let colour = banner::colour();
            banner::show(&banner::before(&share.title, &links, &share.base, config.qr, colour));
        }
        if config.open {
            open(&links.read);
        }
        Ok(share)
    }

    fn links(&self) -> anyhow::Result<LinkTexts> {
        let links = self.machine.links(&self.base).context("the session has no link")?;
        Ok(LinkTexts { read: links.read.to_string(), write: links.write.map(|link| link.to_string()) })
    }

    fn event(&self, line: &Line) {
        if let Some(events) = &self.events {
            events.write(line);
        }
    }

    fn environment(&self, socket: Option<&control::Server>) -> Vec<(&'static str, OsString)> {
        let mut environment = vec![("SHARER_SESSION", self.machine.session_id().to_string().into())];
        if let Some(server) = socket {
            environment.push(("SHARER_SOCKET", server.path().as_os_str().to_owned()));
        }
        if let Ok(own) = std::env::current_exe() {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let dir = own.parent().map(std::path::Path::to_path_buf);
            let known = std::env::split_paths(&path).any(|known| Some(&known) == dir.as_ref());
            if let (Some(dir), false) = (dir, known)
                && let Ok(path) = std::env::join_paths(std::env::split_paths(&path).chain([dir]))
            {
                environment.push(("PATH", path));
            }
            environment.push(("SHARER_BIN", own.into_os_string()));
        }
        if self.headless && std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb") {
            environment.push(("TERM", "xterm-256color".into()));
        }
        environment
    }

    async fn run(mut self) -> anyhow::Result<u8> {
        let mut signals = shutdown::listen()?;
        let (server, asked) = match control::Server::start(&self.machine.session_id().to_string()) {
            Ok((server, asked)) => (Some(server), asked),
            Err(error) => {
                tracing::warn!(%error, "no control socket: status, revoke and link will not find this session");
                (None, mpsc::channel(1).1)
            }
        };
        let pty = match Pty::start(&self.program, self.window, &self.environment(server.as_ref())) {
            Ok(pty) => pty,
            Err(error) => {
                banner::show(&format!("sharer: {error}\n"));
                return Ok(exit::NOT_EXECUTABLE);
            }
        };
        let raw = if self.headless { None } else { Some(tty::Raw::enter()?) };
        let beside = Beside {
            model: Model::start(self.window, self.scrollback, self.headless),
            output: Output::start(pty.output()?, !self.headless),
            typist: Typist::start(pty.typing()),
            pty,
        };
        if !self.headless {
            keyboard(&beside.pty);
        }
        tracing::info!("started");
        let ended = self.watch(&beside, &mut signals, asked).await;
        drop(raw);
        drop(server);
        if !self.quiet {
            let most = self.show_viewers.then_some(self.most_viewers);
            banner::show(&banner::after(&self.title, &self.links()?, most, banner::colour()));
        }
        self.event(&Line::Exited { code: ended.code, signal: ended.signal_name() });
        if let Some(events) = self.events.take() {
            events.finish();
        }
        tracing::info!("ended");
        Ok(ended.status())
    }

    /// Runs until program and session have ended.
    async fn watch(
        &mut self,
        beside: &Beside,
        signals: &mut mpsc::Receiver<Told>,
        mut asked: mpsc::Receiver<Asked>,
    ) -> Ended {
        let mut exits = Some(exit_of(&beside.pty));
        let mut ended: Option<Ended> = None;
        let mut told_to_end: Option<i32> = None;
        // When the program is killed; when its last output is not waited for any longer.
        let (mut kill_at, mut settle_at): (Option<Instant>, Option<Instant>) = (None, None);
        let mut closed = false;
        loop {
            self.run_effects(beside);
            if self.finished {
                break;
            }
            let wake = self.wake_at([kill_at, settle_at]);
            let (machine, socket) = (&mut self.machine, &mut self.socket);
            let step = async {
                match socket {
                    Some(socket) => poll_fn(|cx| socket.poll(cx, || machine.poll_transmit())).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                step = step => self.take_step(step),
                () = beside.output.ready(), if !closed && beside.model.has_room() => {
                    let (output, is_closed) = beside.output.take();
                    closed = is_closed;
                    if !output.is_empty() {
                        self.machine.handle_output(clock::now(), &output);
                    }
                }
                () = beside.model.told() => self.take_news(beside),
                () = beside.typist.told() => self.machine.handle_typed(clock::now(), beside.typist.typed()),
                connected = join(&mut self.connecting) => self.take_socket(connected),
                end = exited(&mut exits) => {
                    ended = Some(end);
                    settle_at = Some(Instant::now() + LAST_OUTPUT);
                }
                Some(told) = signals.recv() => match told {
                    Told::Resized => self.resize(beside),
                    Told::Stop => self.suspend(beside),
                    Told::End(signal) => {
                        told_to_end = Some(signal);
                        beside.pty.hang_up();
                        kill_at = kill_at.or(Some(Instant::now() + HANG_UP));
                    }
                },
                Some((request, answer)) = asked.recv() => {
                    let reply = self.reply(beside, &request);
                    // Whoever asked may be gone.
                    drop(answer.send(reply));
                }
                () = sleep(wake) => {
                    if self.socket.as_mut().is_some_and(|socket| !socket.check()) {
                        self.take_step(Step::Closed(None));
                    }
                    self.machine.handle_timeout(clock::now());
                }
            }
            if kill_at.is_some_and(|at| at <= Instant::now()) {
                kill_at = None;
                let _ignored =
                    rustix::process::kill_process_group(beside.pty.pid(), rustix::process::Signal::KILL);
            }
            if let Some(end) = ended
                && (closed || settle_at.is_some_and(|at| at <= Instant::now()))
            {
                settle_at = None;
                closed = true;
                self.machine.handle_exit(clock::now(), end.code, end.signal_name());
            }
        }
        if let Some(mut socket) = self.socket.take() {
            drop(timeout(LAST_PACKETS, socket.flush()).await);
            socket.close(CloseCode::GoingAway).await;
        }
        let ended = ended.unwrap_or(Ended { code: None, signal: None });
        match told_to_end {
            Some(signal) => Ended { code: None, signal: Some(signal) },
            None => ended,
        }
    }

    fn wake_at(&self, others: [Option<Instant>; 2]) -> Duration {
        let now = clock::now().mono;
        let machine = self.machine.poll_timeout().map(|(at, _)| Duration::from_millis(at.since(now)));
        let others = others.into_iter().flatten().map(|at| at.saturating_duration_since(Instant::now()));
        machine.into_iter().chain(others).min().unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)
    }

    fn take_step(&mut self, step: Step) {
        match step {
            Step::Sent => {}
            Step::Got(packet) => self.machine.handle_packet(clock::now(), &packet),
            Step::Closed(code) => {
                self.socket = None;
                tracing::info!(code, "the relay's connection closed");
                self.machine.handle_disconnected(clock::now(), code);
            }
        }
    }

    fn take_socket(&mut self, socket: Option<Socket>) {
        self.connecting = None;
        match socket {
            Some(socket) => {
                self.socket = Some(socket);
                self.machine.handle_connected(clock::now(), self.relay.host());
            }
            None => self.machine.handle_disconnected(clock::now(), None),
        }
    }

    fn take_news(&mut self, beside: &Beside) {
        let news = beside.model.news();
        let now = clock::now();
        if let Some(mark) = news.passed {
            self.machine.handle_model_passed(now, mark);
        }
        for dump in &news.dumps {
            self.machine.handle_dump(now, dump);
        }
        if let Some(title) = &news.title {
            self.machine.handle_title(now, title);
        }
        if !news.replies.is_empty() {
            beside.typist.type_reply(news.replies);
        }
    }

    fn run_effects(&mut self, beside: &Beside) {
        while let Some(effect) = self.machine.poll_effect() {
            match effect {
                Effect::Connect => {
                    let relay = self.relay.clone();
                    self.connecting = Some(tokio::spawn(async move {
                        let socket = connect(&relay).await;
                        socket.map_err(|error| tracing::info!(%error, "the relay cannot be reached")).ok()
                    }));
                }
                Effect::Close(code) => {
                    if let Some(attempt) = self.connecting.take() {
                        attempt.abort();
                    }
                    if let Some(socket) = self.socket.take() {
                        tokio::spawn(socket.close(code));
                    }
                }
                Effect::Model(input) => beside.model.feed(input),
                Effect::Type(bytes) => beside.typist.type_input(bytes),
                Effect::Viewers { count, executors } => {
                    self.most_viewers = self.most_viewers.max(count);
                    tracing::info!(count, executors, "viewers");
                    self.event(&Line::Viewers { count, executors });
                }
                Effect::Connection(state) => {
                    tracing::info!(state = word(state), "connection");
                    self.event(&Line::Connection { state: word(state) });
                }
                Effect::LinksChanged => {
                    if let Ok(links) = self.links() {
                        self.event(&Line::Links { links });
                    }
                }
                Effect::Ended => self.finished = true,
            }
        }
    }

    fn resize(&mut self, beside: &Beside) {
        if self.headless {
            return;
        }
        if let Some(size) = tty::size() {
            beside.pty.resize(size);
            self.machine.handle_resize(clock::now(), crate::term::clamped(size));
        }
    }

    /// Stops as by Ctrl-Z; viewers see that the session is stale meanwhile.
    fn suspend(&mut self, beside: &Beside) {
        if self.headless {
            let _ignored =
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
        } else if let Err(error) = tty::suspend() {
            tracing::warn!(%error, "the terminal could not be made raw again");
        }
        // The terminal may have another size, and the program has to draw itself again.
        self.resize(beside);
        let _ignored = rustix::process::kill_process_group(beside.pty.pid(), rustix::process::Signal::WINCH);
    }

    fn reply(&mut self, beside: &Beside, request: &Request) -> Reply {
        match request {
            Request::Status => {}
            Request::Revoke { read: true, write: true } => self.machine.revoke_all(clock::now()),
            Request::Revoke { read, write } => {
                let right = if *write { Right::Type } else { Right::Watch };
                if (*read || *write) && !self.machine.revoke(clock::now(), right) {
                    return Reply::Refused("the session has no link that can type".to_owned());
                }
            }
            Request::Copy => return self.copy(),
        }
        let Ok(LinkTexts { read, write }) = self.links() else {
            return Reply::Refused("the session has no link".to_owned());
        };
        let (viewers, executors) = self.machine.viewers();
        Reply::Status(Box::new(Status {
            session_id: self.machine.session_id().to_string(),
            title: self.title.clone(),
            pid: std::process::id(),
            connection: word(self.machine.state()).to_owned(),
            viewers,
            executors,
            tty: beside.pty.tty_name(),
            read,
            write,
        }))
    }

    /// Puts the read link into the clipboard of the user's own terminal, which viewers do not see.
    fn copy(&self) -> Reply {
        let Ok(LinkTexts { read, .. }) = self.links() else {
            return Reply::Refused("the session has no link".to_owned());
        };
        if self.headless {
            return Reply::Refused("there is no terminal of yours: ask from another one".to_owned());
        }
        let text = data_encoding::BASE64.encode(read.as_bytes());
        let mut out = std::io::stdout().lock();
        match write!(out, "\x1b]52;c;{text}\x1b\\").and_then(|()| out.flush()) {
            Ok(()) => Reply::Copied,
            Err(_) => Reply::Refused("your terminal is gone".to_owned()),
        }
    }
}

fn word(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Connecting => "connecting",
        ConnectionState::Connected => "connected",
        ConnectionState::Waiting => "waiting",
        ConnectionState::Replaced => "replaced",
        ConnectionState::Refused => "refused",
    }
}

/// The user's keyboard, straight into the PTY.
fn keyboard(pty: &Pty) {
    let typing = pty.typing();
    std::thread::spawn(move || {
        let mut chunk = [0; 4096];
        loop {
            match rustix::io::read(rustix::stdio::stdin(), &mut chunk) {
                Ok(0) => return,
                Ok(read) => {
                    if typing.write(chunk.get(..read).unwrap_or_default()).is_err() {
                        return;
                    }
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    });
}

fn exit_of(pty: &Pty) -> oneshot::Receiver<Ended> {
    let (tell, told) = oneshot::channel();
    let pid = pty.pid();
    std::thread::spawn(move || {
        // Nobody listens any more once the session is over.
        let _ignored = tell.send(crate::pty::wait(pid));
    });
    told
}

async fn exited(exits: &mut Option<oneshot::Receiver<Ended>>) -> Ended {
    let ended = match exits {
        Some(exits) => exits.await.unwrap_or(Ended { code: None, signal: None }),
        None => pending().await,
    };
    *exits = None;
    ended
}

async fn join(connecting: &mut Option<JoinHandle<Option<Socket>>>) -> Option<Socket> {
    match connecting {
        Some(attempt) => attempt.await.ok().flatten(),
        None => pending().await,
    }
}

/// Opens the read link in a browser. It travels in a private file: arguments can be seen by other users.
fn open(link: &str) {
    let attempt = || -> std::io::Result<()> {
        let path = control::directory()?.join(format!("{}-open.html", std::process::id()));
        let mut page = crate::events::private_file(&path, true)?;
        write!(
            page,
            "<!doctype html><meta name=referrer content=no-referrer><meta http-equiv=refresh content=\"0;url={link}\">"
        )?;
        let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        let null = std::process::Stdio::null;
        let mut child = std::process::Command::new(opener)
            .arg(&path)
            .stdin(null())
            .stdout(null())
            .stderr(null())
            .spawn()?;
        std::thread::spawn(move || {
            drop(child.wait());
            std::thread::sleep(Duration::from_secs(10));
            drop(std::fs::remove_file(path));
        });
        Ok(())
    };
    if let Err(error) = attempt() {
        banner::show(&format!("sharer: cannot open a browser: {error}\n"));
    }
}
