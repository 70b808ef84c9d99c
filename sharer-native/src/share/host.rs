//! The one task that owns the machine: bells, socket, signals, requests and time come in, effects go out.

mod children;
mod requests;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

use anyhow::Context as _;
use shared::entropy::Entropy;
use shared::event::WindowSize;
use shared::id::{SessionId, TaskId};
use shared::orchestration::task::{Task, new_id};
use shared::sharer::{ConnectionState, Effect, RoomState, SessionConfig, Sharer};
use shared::wire::source::SessionSource;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use self::requests::Waiting;
use super::bell::{Bells, Place};
use super::hosted::{Found, Hosted, Hosting};
use super::orphans::Orphans;
use super::tasks::Tasks;
use super::typist::Typed;
use super::uplink::{Change, Uplink};
use super::{banner, browser, seat};
use crate::clock;
use crate::config::Config;
use crate::control::server::{Asked, Server};
use crate::events::{Events, Line, LinkTexts};
use crate::exit;
use crate::pty::{self, Ended, Program};
use crate::shutdown::{self, Told};
use crate::tty;
use crate::ws::RelayUrl;

/// A program that does not end when it is told to is killed after this long.
const HANG_UP: Duration = Duration::from_secs(2);
/// The longest sleep: the runtime's clock stands still while the computer sleeps, the machine's does not.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// The program that was started first: the user's own terminal belongs to it.
const FIRST: Place = Place(0);

/// See the module.
#[allow(clippy::struct_excessive_bools, reason = "switches of the command line, and whether it is over")]
pub(super) struct Host {
    machine: Sharer,
    /// The first program's.
    session: SessionId,
    uplink: Uplink,
    bells: Bells,
    hosted: BTreeMap<Place, Hosted>,
    tasks: Tasks,
    waiting: Vec<Waiting>,
    orphans: Orphans,
    entropy: Entropy,
    server: Option<Server>,
    raw: Option<tty::Raw>,
    keep_children: bool,
    title: String,
    base: String,
    quiet: bool,
    show_viewers: bool,
    most_viewers: u32,
    /// What the program has called its window.
    program_title: String,
    headless: bool,
    program: Program,
    hosting: Hosting,
    events: Option<Events>,
    /// What leads the browser to the link, while it may be needed.
    page: Option<browser::Page>,
    told_to_end: Option<i32>,
    /// How the first program ended.
    ended: Option<Ended>,
    ending: bool,
    finished: bool,
}

impl Host {
    /// Draws keys and prints the links; starts nothing.
    pub(super) fn new(
        config: &Config,
        program: &Program,
        events: Events,
        relay: RelayUrl,
        base: String,
    ) -> anyhow::Result<Self> {
        let title = config.title.clone().unwrap_or_else(|| program.title());
        let window = config.headless.or_else(tty::size).unwrap_or(WindowSize { cols: 80, rows: 24 });
        let machine_config = SessionConfig {
            title: title.clone(),
            read_only: config.read_only,
            compress: config.compress,
            window: crate::term::clamped(window),
            source: SessionSource::default(),
        };
        let mut entropy = clock::entropy().map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
        let mut machine = Sharer::new(entropy.fork(), clock::now());
        let session = machine.open(clock::now(), machine_config);
        let headless = config.headless.is_some();
        let mut host = Self {
            machine,
            session,
            uplink: Uplink::new(relay),
            bells: Bells::default(),
            hosted: BTreeMap::new(),
            tasks: Tasks::default(),
            waiting: Vec::new(),
            orphans: Orphans::default(),
            entropy,
            server: None,
            raw: None,
            keep_children: config.keep_children,
            title,
            base,
            quiet: config.quiet,
            show_viewers: config.show_viewers,
            most_viewers: 0,
            program_title: String::new(),
            headless,
            program: program.clone(),
            hosting: Hosting { window, scrollback: Some(config.scrollback), local: !headless },
            events: Some(events),
            page: None,
            told_to_end: None,
            ended: None,
            ending: false,
            finished: false,
        };
        let links = host.links()?;
        host.event(&Line::Shared {
            session_id: host.session.to_string(),
            title: host.title.clone(),
            links: links.clone(),
        });
        if !config.quiet {
            let colour = banner::colour();
            banner::show(&banner::before(&host.title, &links, &host.base, config.qr, colour));
        }
        if config.open {
            host.page = browser::open(&links.read);
        }
        Ok(host)
    }

    /// Runs until the program has ended; returns the exit status.
    pub(super) async fn run(mut self) -> anyhow::Result<u8> {
        let signals = shutdown::listen()?;
        let asked = match Server::start(&self.session.to_string()) {
            Ok((server, asked)) => {
                self.server = Some(server);
                asked
            }
            Err(error) => {
                tracing::warn!(%error, "no control socket: no other command will find this session");
                mpsc::channel(1).1
            }
        };
        let (id, token) = (new_id(&mut self.entropy), clock::token(&mut self.entropy));
        let environment = self.environment(&id, &token);
        let first = match Hosted::start(&self.program, &environment, self.hosting, self.bells.bell(FIRST)) {
            Ok(hosted) => hosted,
            Err(error) => {
                banner::show(&format!("sharer: {error}\n"));
                return Ok(exit::NOT_EXECUTABLE);
            }
        };
        let mut value = Task::new(id, None, &self.title, clock::now().wall);
        value.command = self.program.title().as_str().into();
        self.tasks.add(FIRST, None, token, value);
        self.tasks.runs_as(FIRST, u32::try_from(first.pid().as_raw_pid()).ok());
        self.raw = if self.headless { None } else { Some(tty::Raw::enter()?) };
        if let (false, Some(pty)) = (self.headless, first.pty()) {
            seat::keyboard(pty);
        }
        self.hosted.insert(FIRST, first);
        tracing::info!("started");
        self.watch(signals, asked).await?;
        (self.raw, self.server) = (None, None);
        let ended = match (self.told_to_end, self.ended) {
            (Some(signal), _) => Ended { code: None, signal: Some(signal) },
            (None, ended) => ended.unwrap_or(Ended { code: None, signal: None }),
        };
        if !self.quiet {
            let most = self.show_viewers.then_some(self.most_viewers);
            banner::show(&banner::after(&self.title, &self.links()?, most, banner::colour()));
            if let Some(trouble) = self.uplink.trouble() {
                banner::show(&format!("sharer: at the end nobody could watch: {trouble}\n"));
            }
        }
        self.event(&Line::Exited { code: ended.code, signal: ended.signal_name() });
        if let Some(events) = self.events.take() {
            events.finish();
        }
        tracing::info!("ended");
        Ok(ended.status())
    }

    /// Runs until programs and session have ended.
    async fn watch(
        &mut self,
        mut signals: mpsc::Receiver<Told>,
        mut asked: mpsc::Receiver<Asked>,
    ) -> anyhow::Result<()> {
        let mut exits = signal(SignalKind::child()).context("cannot learn when programs end")?;
        // One may have ended before anybody listened.
        self.reap();
        loop {
            self.finish_programs();
            self.end_when_done();
            // What a viewer waits for leaves before the model's thread is woken for the same bytes.
            let machine = &mut self.machine;
            let change = self.uplink.send(|| machine.poll_transmit()).await;
            self.take_change(change);
            self.run_effects();
            if self.finished {
                break;
            }
            let wake = self.wake_in();
            let (machine, uplink) = (&mut self.machine, &mut self.uplink);
            tokio::select! {
                change = uplink.step(|| machine.poll_transmit()) => self.take_change(change),
                () = self.bells.rung() => self.look(),
                Some(()) = exits.recv() => self.reap(),
                Some(told) = signals.recv() => self.take_signal(told),
                Some(asked) = asked.recv() => self.take_request(asked),
                () = sleep(wake) => {
                    if !self.uplink.check() {
                        self.take_change(Change::Closed(None));
                    }
                    self.machine.handle_timeout(clock::now());
                    self.hosted.values_mut().for_each(Hosted::handle_timeout);
                }
            }
        }
        self.uplink.finish().await;
        Ok(())
    }

    fn wake_in(&self) -> Duration {
        let now = clock::now().mono;
        let machine = self.machine.poll_timeout().map(|(at, _)| Duration::from_millis(at.since(now)));
        let programs = self.hosted.values().filter_map(Hosted::deadline);
        let programs = programs.min().map(|at| at.saturating_duration_since(Instant::now()));
        machine.into_iter().chain(programs).min().unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)
    }

    fn first(&mut self) -> Option<&mut Hosted> {
        self.hosted.get_mut(&FIRST)
    }
}

/// From programs, socket and signals.
impl Host {
    fn look(&mut self) {
        for place in self.bells.take() {
            let Some(hosted) = self.hosted.get_mut(&place) else { continue };
            let Found { output, news, typed } = hosted.look();
            let now = clock::now();
            if place != FIRST {
                hosted.type_reply(news.replies);
                self.take_unshared(place, output);
                continue;
            }
            if !output.is_empty() {
                self.machine.handle_output(now, self.session, &output);
            }
            if typed > 0 {
                self.machine.handle_typed(now, self.session, typed);
            }
            if let Some(mark) = news.passed {
                self.machine.handle_model_passed(now, self.session, mark);
            }
            for dump in &news.dumps {
                self.machine.handle_dump(now, self.session, dump);
            }
            hosted.type_reply(news.replies);
            if let Some(title) = news.title {
                self.machine.handle_title(now, self.session, &title);
                self.program_title = title;
                self.entitle();
            }
        }
    }

    fn reap(&mut self) {
        self.hosted.values_mut().for_each(Hosted::reap);
    }

    /// Ends the session once the first program and everything below it has ended.
    fn end_when_done(&mut self) {
        if let (Some(ended), false, 0) = (self.ended, self.ending, self.children_alive()) {
            self.ending = true;
            self.machine.handle_exit(clock::now(), self.session, ended.code, ended.signal_name());
        }
    }

    fn take_change(&mut self, change: Change) {
        let now = clock::now();
        match change {
            Change::Sent => {}
            Change::Connected => self.machine.handle_connected(now, self.uplink.host()),
            Change::Got(packet) => self.machine.handle_packet(now, &packet),
            Change::Closed(code) => {
                tracing::info!(code, "the relay's connection closed");
                self.machine.handle_disconnected(now, code);
            }
        }
    }

    fn take_signal(&mut self, told: Told) {
        match told {
            Told::Resized => self.resize(),
            Told::Stop => self.suspend(),
            Told::End(signal) => {
                self.told_to_end = Some(signal);
                for (place, hosted) in &mut self.hosted {
                    if *place == FIRST {
                        hosted.hang_up(HANG_UP);
                    } else {
                        hosted.hang_up_whole(HANG_UP);
                    }
                }
            }
        }
    }

    fn resize(&mut self) {
        if let (false, Some(size), Some(first)) = (self.headless, tty::size(), self.first()) {
            first.resize(size);
            self.machine.handle_resize(clock::now(), self.session, crate::term::clamped(size));
        }
    }

    /// Stops as by Ctrl-Z; viewers see that the session is stale meanwhile.
    fn suspend(&mut self) {
        if self.headless {
            let _ignored =
                rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
        } else if let Err(error) = tty::suspend() {
            tracing::warn!(%error, "the terminal could not be made raw again");
        }
        // The terminal may have another size, and the program has to draw itself again.
        self.resize();
        self.entitle();
        if let Some(first) = self.first() {
            pty::signal(first.pid(), rustix::process::Signal::WINCH);
        }
    }
}

/// What leaves.
impl Host {
    fn run_effects(&mut self) {
        while let Some(effect) = self.machine.poll_effect() {
            match effect {
                Effect::Connect => self.uplink.connect(),
                Effect::Close(code) => self.uplink.close(code),
                Effect::Model(_, input) => {
                    if let Some(hosted) = self.hosted.get(&FIRST) {
                        hosted.feed(input);
                    }
                }
                Effect::Type(session, bytes) => {
                    let typed = self.hosted.get_mut(&FIRST).map(|hosted| hosted.type_input(bytes));
                    if let Some(Typed::Now(bytes)) = typed {
                        self.machine.handle_typed(clock::now(), session, bytes);
                    }
                }
                Effect::Viewers { count, executors, .. } => {
                    self.most_viewers = self.most_viewers.max(count);
                    tracing::info!(count, executors, "viewers");
                    self.event(&Line::Viewers { count, executors });
                    self.entitle();
                }
                Effect::Connection(state) => {
                    tracing::info!(state = word(state), "connection");
                    let reason = self.uplink.trouble().filter(|_| state == ConnectionState::Waiting);
                    self.event(&Line::Connection { state: word(state), reason: reason.map(str::to_owned) });
                }
                Effect::Room(_, RoomState::Replaced) => {
                    self.event(&Line::Connection { state: "replaced", reason: None });
                }
                Effect::Room(..) | Effect::Opened { .. } | Effect::Task(_) => {}
                Effect::LinksChanged(_) => {
                    if let Ok(links) = self.links() {
                        self.event(&Line::Links { links });
                    }
                }
                Effect::Ended(_) => self.finished = true,
            }
        }
    }

    fn links(&self) -> anyhow::Result<LinkTexts> {
        let links = self.machine.links(self.session, &self.base).context("the session has no link")?;
        Ok(LinkTexts { read: links.read.to_string(), write: links.write.map(|link| link.to_string()) })
    }

    /// Tells in the window's title how many watch, if the person wants to know, once somebody has.
    fn entitle(&self) {
        if self.show_viewers && !self.headless && self.most_viewers > 0 {
            let title = if self.program_title.is_empty() { &self.title } else { &self.program_title };
            match self.machine.viewers(self.session).unwrap_or_default().0 {
                0 => tty::entitle(title),
                count => tty::entitle(&format!("{count} watching: {title}")),
            }
        }
    }

    fn event(&self, line: &Line) {
        if let Some(events) = &self.events {
            events.write(line);
        }
    }

    /// What the first program finds besides what this process has.
    fn environment(&self, id: &TaskId, token: &str) -> Vec<(&'static str, OsString)> {
        let mut environment = self.secrets(id, token);
        if let Ok(own) = std::env::current_exe() {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let dir = own.parent().map(std::path::Path::to_path_buf);
            let known = std::env::split_paths(&path).any(|known| Some(&known) == dir.as_ref());
            if let (Some(dir), false) = (dir, known)
                && let Ok(path) = std::env::join_paths(std::env::split_paths(&path).chain([dir]))
            {
                environment.push(("PATH", path));
            }
        }
        if self.headless && std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb") {
            environment.push(("TERM", "xterm-256color".into()));
        }
        environment
    }
}

fn word(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Idle => "idle",
        ConnectionState::Connecting => "connecting",
        ConnectionState::Connected => "connected",
        ConnectionState::Waiting => "waiting",
        ConnectionState::Refused => "refused",
    }
}
