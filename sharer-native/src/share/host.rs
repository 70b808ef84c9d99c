//! The one task that owns the machine: bells, socket, signals, requests and time come in, effects go out.

mod agent;
mod children;
mod driven;
mod elsewhere;
mod histories;
mod keeping;
mod lines;
mod recording;
mod requests;
mod sharing;
mod standing;
mod telling;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::time::Duration;

use anyhow::Context as _;
use shared::entropy::Entropy;
use shared::event::WindowSize;
use shared::id::{SessionId, TaskId};
use shared::orchestration::task::{Task, new_id};
use shared::sharer::{Begin, ModelInput, Sharer};
use shared::wire::sharer::NotKept;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use self::agent::Search;
use self::elsewhere::Starting;
use self::lines::Lines;
use self::requests::Waiting;
use self::standing::{Standing, TheyKnow};
use self::telling::Telling;
use super::bell::{Bells, Place};
use super::hosted::{Hosted, Hosting};
use super::orphans::Orphans;
use super::reached::Reached;
use super::tasks::Tasks;
use super::{banner, browser, seat};
use crate::agents::{Agent, Started};
use crate::clock;
use crate::config::{Config, RelayChoice};
use crate::control::server::{Asked, Server};
use crate::events::{Events, Line};
use crate::exit;
use crate::keeping::Record;
use crate::pty::{self, Ended, Program};
use crate::record::Recorder;
use crate::shutdown::{self, Told};
use crate::tty;
use crate::uplink::{Change, Uplink};

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
    /// The program of every session that the machine knows.
    places: BTreeMap<SessionId, Place>,
    /// The first program's task; it is what this process is known by.
    task: TaskId,
    read_only: bool,
    compress: bool,
    uplink: Uplink,
    /// What was told last of the connection.
    stood: Option<Standing>,
    they_know: TheyKnow,
    bells: Bells,
    hosted: BTreeMap<Place, Hosted>,
    /// What the first program's terminal model is to be given once there is one: its title, and who asked for a screen while
    /// a relay elsewhere was greeted. The machine asks for no second one before the first was given.
    early: Vec<ModelInput>,
    tasks: Tasks,
    waiting: Vec<Waiting>,
    /// To drivers that were asked from here; and, in a driver, to who asks it.
    lines: Lines,
    starting: Vec<Starting>,
    telling: Vec<Telling>,
    search: Search,
    recorder: Recorder,
    orphans: Orphans,
    entropy: Entropy,
    server: Option<Server>,
    raw: Option<tty::Raw>,
    keep_children: bool,
    title: String,
    /// Which relay is to be used …
    relay: RelayChoice,
    /// … and is, once something is shared.
    reached: Option<Reached>,
    quiet: bool,
    show_viewers: bool,
    most_viewers: u32,
    /// What the relay is to keep of the first program's session, and what it last said about that.
    keep: Option<Record>,
    kept: Option<Result<u64, NotKept>>,
    headless: bool,
    /// Viewers change no sizes.
    fixed_size: bool,
    program: Program,
    hosting: Hosting,
    events: Option<Events>,
    /// What leads the browser to the link, while it may be needed.
    page: Option<browser::Page>,
    told_to_end: Option<i32>,
    /// How the first program ended.
    ended: Option<Ended>,
    ending: bool,
}

fn no_socket(error: &io::Error) {
    tracing::warn!(%error, "no control socket: no other command will find this session");
}

impl Host {
    /// Draws keys, listens for other commands and prints the links, unless it is to be private; starts no program.
    pub(super) fn new(config: &Config, program: &Program, events: Events) -> anyhow::Result<Self> {
        let title = config.title.clone().unwrap_or_else(|| program.title());
        let window = config.headless.or_else(tty::size).unwrap_or(WindowSize { cols: 80, rows: 24 });
        let mut entropy = clock::entropy().map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
        let machine = Sharer::new(entropy.fork(), clock::now());
        let task = new_id(&mut entropy);
        let headless = config.headless.is_some();
        let mut host = Self {
            machine,
            places: BTreeMap::new(),
            task,
            read_only: config.read_only,
            compress: config.compress,
            uplink: Uplink::default(),
            stood: None,
            they_know: TheyKnow::default(),
            bells: Bells::default(),
            hosted: BTreeMap::new(),
            early: Vec::new(),
            tasks: Tasks::default(),
            waiting: Vec::new(),
            lines: Lines::default(),
            starting: Vec::new(),
            telling: Vec::new(),
            search: Search::Quiet(Instant::now()),
            recorder: Recorder::new(config.record),
            orphans: Orphans::default(),
            entropy,
            server: None,
            raw: None,
            keep_children: config.keep_children,
            title,
            relay: config.relay.clone(),
            reached: None,
            quiet: config.quiet,
            show_viewers: config.show_viewers,
            most_viewers: 0,
            keep: None,
            kept: None,
            headless,
            fixed_size: config.fixed_size,
            program: program.clone(),
            hosting: Hosting { window, scrollback: Some(config.scrollback), local: !headless },
            events: Some(events),
            page: None,
            told_to_end: None,
            ended: None,
            ending: false,
        };
        // Who reads the links finds the session.
        host.server = Server::listen(&host.task.0).inspect_err(no_socket).ok();
        if host.recorder.is_on() {
            host.machine.listen();
        }
        let token = clock::token(&mut host.entropy);
        let mut value = Task::new(host.task.clone(), None, &host.title, clock::now().wall);
        value.command = program.command().as_str().into();
        host.tasks.add(FIRST, None, token, value);
        if let Some(keep) = config.keep {
            host.keep_first(keep)?;
        }
        host.enter(FIRST, config.read_only, false);
        if let Some(agent) = Agent::of(program.path()) {
            host.recognise(agent);
        }
        if config.private {
            if !config.quiet {
                banner::show("sharer: private: nothing leaves this computer until `sharer share`\n");
            }
            return Ok(host);
        }
        host.share(FIRST, Begin::Fresh)?;
        let links = host.links_of(FIRST).context("the session has no link")?;
        // A terminal that is shared itself shows no secret.
        host.quiet |= std::env::var_os("SHARER_SESSION").is_some();
        if host.quiet && !config.quiet {
            banner::show(
                "sharer: sharing; `sharer link`, in a terminal that is not shared, shows the links\n",
            );
        }
        if !host.quiet {
            let base = host.reached.as_ref().map_or("", |reached| &reached.base);
            let whose =
                if host.is_relay_elsewhere() { banner::Relay::Elsewhere } else { banner::Relay::Embedded };
            banner::show(&banner::before(&host.title, &links, (whose, base), config.qr, banner::colour()));
        }
        if config.open {
            host.page = browser::open(&links.read);
        }
        Ok(host)
    }

    /// Runs until the program has ended; returns the exit status.
    pub(super) async fn run(mut self) -> anyhow::Result<u8> {
        let signals = shutdown::listen()?;
        pty::adopt_orphans();
        let asked = self.server.as_mut().and_then(|server| server.serve().inspect_err(no_socket).ok());
        let asked = asked.unwrap_or_else(|| mpsc::channel(1).1);
        if self.lines.is_driver() {
            self.watch(signals, asked).await?;
            self.recorder.finish();
            if let Some(driving) = self.lines.driver.take() {
                driving.says.finish();
            }
            return Ok(0);
        }
        self.greet().await;
        self.say_keeping();
        let environment = self.environment();
        let first = match Hosted::start(&self.program, &environment, self.hosting, self.bells.bell(FIRST)) {
            Ok(hosted) => hosted,
            Err(error) => {
                banner::show(&format!("sharer: {error}\n"));
                return Ok(exit::NOT_EXECUTABLE);
            }
        };
        self.tasks.runs_as(FIRST, u32::try_from(first.pid().as_raw_pid()).ok());
        self.raw = if self.headless { None } else { Some(tty::Raw::enter()?) };
        if let (false, Some(pty)) = (self.headless, first.pty()) {
            seat::keyboard(pty);
        }
        for input in std::mem::take(&mut self.early) {
            first.feed(input);
        }
        self.hosted.insert(FIRST, first);
        self.record(FIRST, Started::by(self.program.path(), self.program.arguments()));
        self.task_changed(FIRST);
        tracing::info!("started");
        self.watch(signals, asked).await?;
        (self.raw, self.server) = (None, None);
        self.recorder.finish();
        let links = self.links_of(FIRST);
        let ended = match (self.told_to_end, self.ended) {
            (Some(signal), _) => Ended { code: None, signal: Some(signal) },
            (None, ended) => ended.unwrap_or(Ended { code: None, signal: None }),
        };
        if let (false, Some(links)) = (self.quiet, links) {
            let most = self.show_viewers.then_some(self.most_viewers);
            banner::show(&banner::after(&self.title, &links, most, banner::colour()));
            self.say_kept();
            if let Some(trouble) = self.trouble() {
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
            self.seek_agent();
            self.take_lines();
            self.finish_programs();
            self.end_when_done();
            // What a viewer waits for leaves before the model's thread is woken for the same bytes.
            let machine = &mut self.machine;
            let change = self.uplink.send(|| machine.poll_transmit()).await;
            self.take_change(change);
            self.run_effects();
            self.recorder.ring();
            if self.ending && self.places.is_empty() {
                break;
            }
            let wake = self.wake_in();
            let (machine, uplink, lines) = (&mut self.machine, &mut self.uplink, &mut self.lines);
            tokio::select! {
                () = lines.step() => {}
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
        self.lines.finish().await;
        Ok(())
    }

    fn wake_in(&self) -> Duration {
        let now = clock::now().mono;
        let machine = self.machine.poll_timeout().map(|(at, _)| Duration::from_millis(at.since(now)));
        let programs = self.hosted.values().filter_map(Hosted::deadline).chain(self.search.deadline());
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
            let found = hosted.look();
            self.take_found(place, found);
        }
        self.trim_histories();
    }

    /// Learns which processes have ended. Those that are no hosted program were adopted, or helped, and are of no interest.
    fn reap(&mut self) {
        while let Some((pid, ended)) = pty::next_ended() {
            if let Some(hosted) =
                self.hosted.values_mut().find(|hosted| hosted.is_here() && hosted.pid() == pid)
            {
                hosted.handle_end(ended);
            }
        }
    }

    /// Ends the session once the first program and everything below it has ended.
    fn end_when_done(&mut self) {
        if let (Some(_), false, 0) = (self.ended, self.ending, self.children_alive()) {
            self.ending = true;
            if self.lines.is_driver() {
                self.machine.let_go(clock::now());
            }
            self.say_exit(FIRST);
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
                self.leave_drive(signal);
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
            self.take_size(size);
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

impl Host {
    fn event(&self, line: &Line) {
        if let Some(events) = &self.events {
            events.write(line);
        }
    }

    /// What the first program finds besides what this process has.
    fn environment(&self) -> Vec<(&'static str, OsString)> {
        let first = self.tasks.get(FIRST);
        let mut environment =
            first.map(|first| self.secrets(&first.value.id, &first.token)).unwrap_or_default();
        environment.extend(self.surroundings());
        environment
    }

    /// Where programs find this one, and what their terminal is, if that is not known already.
    fn surroundings(&self) -> Vec<(&'static str, OsString)> {
        let mut environment = Vec::new();
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
