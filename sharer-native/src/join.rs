//! `sharer join`: a link in a terminal.
//!
//! `shared::viewer` decides, as it does in a browser; this gives it socket, clock and keys, feeds a terminal model for each
//! session that is open, and draws what is selected: the pill bar as one row, the terminal, a line that says how things
//! are. Nothing here opens, checks or judges anything.
//!
//! [`keyboard`] reads what the person types, [`hands`] says what it means; [`picture`] lays out the screen, [`looks`] is what
//! the person chose to look at; [`bar`], [`cells`], [`talk`] and [`help`] draw the parts, [`canvas`] knows what changed.

mod bar;
mod canvas;
mod cells;
mod find;
mod hands;
mod help;
mod keyboard;
mod looks;
mod mouse;
mod picture;
mod talk;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use anyhow::{Context as _, bail};
use shared::event::WindowSize;
use shared::id::TaskId;
use shared::link::Link;
use shared::viewer::{Effect, Event, PaneId, Selection, State, Typing, Viewer};
use shared::wire::Packet;
use shared::wire::close::CloseCode;
use tokio::time::{Instant, sleep_until};

use self::canvas::Canvas;
use self::keyboard::{Dress, Keyboard};
use self::looks::Looks;
use crate::shutdown::{self, Told};
use crate::term::Terminal;
use crate::term::cells::MouseReports;
use crate::uplink::{Change, Uplink};
use crate::ws::RelayUrl;
use crate::{clock, exit, tty};

/// Lines that have scrolled off and can be looked at, of each session.
const SCROLLBACK: usize = 5_000;
/// Pictures are this far apart: more often than people see.
const FRAME: Duration = Duration::from_millis(16);
/// After a rest, so many may follow each other at once: an echo is not kept waiting for the picture before it.
const AT_ONCE: u32 = 4;
/// The longest sleep: a relay's silence is noticed, and the runtime's clock stands still while the computer sleeps.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// A terminal that does not know how large it is.
const NO_SIZE: WindowSize = WindowSize { cols: 80, rows: 24 };
/// The alternate screen, cleared, and pastes between brackets.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[2J\x1b[?2004h";

/// Shows `link` until the person leaves; `child` is selected first, `own` never, as this runs in its terminal. Returns the exit
/// status.
pub fn run(link: Link, child: Option<TaskId>, own: Option<TaskId>) -> anyhow::Result<u8> {
    if !tty::is_there() {
        bail!("`sharer join` needs a terminal to draw on; in a script, watch the link in a browser");
    }
    let relay = RelayUrl::parse(&link.base).context("the link names no relay that can be dialled")?;
    let entropy = clock::entropy().map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let viewer = Viewer::new(link, entropy, clock::now());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let left = runtime.block_on(Join::new(viewer, relay, own).run(child));
    runtime.shutdown_background();
    left
}

/// Why it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    /// The person left.
    Person,
    /// A signal said so.
    Signal(i32),
}

/// See the module.
struct Join {
    viewer: Viewer,
    uplink: Uplink,
    /// What is to be sent.
    outgoing: VecDeque<Packet>,
    /// What happened while effects ran.
    waiting: VecDeque<Event>,
    panes: BTreeMap<PaneId, Terminal>,
    /// Titles that the machine knows.
    titles: BTreeMap<PaneId, String>,
    keyboard: Keyboard,
    looks: Looks,
    /// The task in whose terminal this runs.
    own: Option<TaskId>,
    /// How the person's terminal is set.
    dress: Dress,
    /// Room for a terminal, as the machine knows it.
    fits: Option<WindowSize>,
    /// When the next picture is due, if all are as far apart as they should be.
    next: Instant,
    dirty: bool,
}

impl Join {
    fn new(viewer: Viewer, relay: RelayUrl, own: Option<TaskId>) -> Self {
        let mut uplink = Uplink::default();
        uplink.dial(relay);
        Self {
            viewer,
            uplink,
            outgoing: VecDeque::new(),
            waiting: VecDeque::new(),
            panes: BTreeMap::new(),
            titles: BTreeMap::new(),
            keyboard: Keyboard::default(),
            looks: Looks::default(),
            own,
            dress: Dress::default(),
            fits: None,
            next: Instant::now(),
            dirty: true,
        }
    }

    async fn run(mut self, child: Option<TaskId>) -> anyhow::Result<u8> {
        let mut signals = shutdown::listen()?;
        let mut keys = tty::Keys::new().context("what is typed in this terminal cannot be read")?;
        let raw = tty::Raw::enter().context("this terminal cannot be made raw")?;
        tty::show(ENTER)?;
        let mut canvas = Canvas::default();
        let effects = self.viewer.start();
        self.perform(effects);
        if let Some(child) = child {
            self.happened(Event::Select(Selection::Child(child)));
        }
        let left = loop {
            self.tell_titles();
            // What was typed leaves before anything is drawn.
            let outgoing = &mut self.outgoing;
            let sent = self.uplink.send(|| outgoing.pop_front()).await;
            self.changed(sent);
            let late = self.picture_is_late_by();
            if late >= Some(FRAME) {
                self.draw(&mut canvas)?;
            }
            let wake = self.wake_at();
            let (uplink, outgoing) = (&mut self.uplink, &mut self.outgoing);
            let change = tokio::select! {
                // A picture is drawn when nothing is left that would change it, and at last when it is a frame late.
                biased;
                Some(told) = signals.recv() => match told {
                    Told::End(signal) => break Left::Signal(signal),
                    Told::Resized => {
                        self.dirty = true;
                        None
                    }
                    Told::Stop => {
                        tty::suspend().context("this terminal cannot be made raw again")?;
                        canvas.forget();
                        self.happened(Event::Wake);
                        None
                    }
                },
                typed = keys.next() => match typed {
                    Some(bytes) => match self.typed(&bytes) {
                        Some(left) => break left,
                        None => None,
                    },
                    None => break Left::Person,
                },
                change = uplink.step(|| outgoing.pop_front()) => Some(change),
                () = std::future::ready(()), if late.is_some_and(|late| late < FRAME) => {
                    self.draw(&mut canvas)?;
                    None
                }
                () = sleep_until(wake) => {
                    if self.uplink.check() { None } else { Some(Change::Closed(None)) }
                }
            };
            if let Some(change) = change {
                self.changed(change);
            }
            if self.viewer.poll_timeout().is_some_and(|(at, _)| at <= clock::now().mono) {
                self.happened(Event::Timeout);
            }
        };
        drop(raw);
        self.uplink.finish().await;
        Ok(self.goodbye(left))
    }

    /// When there is something to do without anybody's doing anything.
    fn wake_at(&self) -> Instant {
        let now = Instant::now();
        let due = self.viewer.poll_timeout().map(|(at, _)| {
            // A millisecond later than sooner: before its time nothing happens.
            now + Duration::from_millis(at.since(clock::now().mono).saturating_add(1))
        });
        let frame = self.dirty.then(|| self.may_draw_at());
        let second = picture::ticks(&self.viewer.view()).then(|| now + Duration::from_secs(1));
        let soonest = due.into_iter().chain(frame).chain(second).min();
        soonest.map_or(now + LONGEST_SLEEP, |at| at.min(now + LONGEST_SLEEP))
    }

    fn changed(&mut self, change: Change) {
        match change {
            Change::Sent => {}
            Change::Connected => self.happened(Event::Connected),
            Change::Got(packet) => self.happened(Event::Packet(packet)),
            Change::Closed(code) => self.happened(Event::Disconnected { code }),
        }
    }

    fn happened(&mut self, event: Event) {
        // A key that was typed is seen by its echo.
        let before = matches!(event, Event::Keys { .. }).then(|| self.viewer.view());
        self.waiting.push_back(event);
        while let Some(event) = self.waiting.pop_front() {
            let effects = self.viewer.update(clock::now(), event);
            self.perform(effects);
        }
        self.dirty |= before.is_none_or(|before| before != self.viewer.view());
    }

    /// When the next picture may be drawn.
    fn may_draw_at(&self) -> Instant {
        self.next.checked_sub(FRAME * (AT_ONCE - 1)).unwrap_or(self.next)
    }

    /// For how long the next picture could have been drawn already, if there is one and it may be.
    fn picture_is_late_by(&self) -> Option<Duration> {
        Instant::now().checked_duration_since(self.may_draw_at()).filter(|_| self.dirty)
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Connect { .. } => {
                    self.outgoing.clear();
                    self.uplink.connect();
                }
                Effect::Close => {
                    self.outgoing.clear();
                    self.uplink.close(CloseCode::GoingAway);
                }
                Effect::Send(packet) => self.outgoing.push_back(packet),
                Effect::Rebuild { pane, ticket, window, bytes } => {
                    let mut terminal = Terminal::new(window, SCROLLBACK);
                    terminal.rebuild(&bytes);
                    if self.viewer.view().pane == Some(pane) {
                        self.looks.begin_anew(terminal.history());
                    }
                    self.panes.insert(pane, terminal);
                    self.feed(pane, ticket, b"");
                }
                Effect::Write { pane, ticket, bytes } => self.feed(pane, ticket, &bytes),
                Effect::Resize { pane, window } => {
                    if let Some(terminal) = self.panes.get_mut(&pane) {
                        terminal.resize(window);
                    }
                }
                Effect::Wipe { pane } | Effect::Drop { pane } => {
                    self.panes.remove(&pane);
                    self.titles.remove(&pane);
                }
                Effect::Mark { pane, command } => {
                    if let Some(terminal) = self.panes.get_mut(&pane) {
                        terminal.command(command);
                    }
                }
                // There is no address bar, and nothing ever waits to be parsed.
                Effect::KeepSecret { .. } | Effect::Skip { .. } | Effect::Fetch(_) => {}
            }
        }
    }

    fn feed(&mut self, pane: PaneId, ticket: u64, bytes: &[u8]) {
        if let Some(terminal) = self.panes.get_mut(&pane) {
            terminal.feed(bytes);
            // No viewer answers a program, or rings for it.
            drop(terminal.take_replies());
            terminal.take_bell();
        }
        self.waiting.push_back(Event::Parsed { pane, ticket });
    }

    /// Titles that programs have set since.
    fn tell_titles(&mut self) {
        let news: Vec<(PaneId, String)> = self
            .panes
            .iter()
            .filter_map(|(pane, terminal)| Some((*pane, terminal.title()?.to_owned())))
            .filter(|(pane, title)| self.titles.get(pane) != Some(title))
            .collect();
        for (pane, title) in news {
            self.titles.insert(pane, title.clone());
            self.happened(Event::Title { pane, title });
        }
    }

    /// Says how much room there is for a terminal, if that changed.
    fn tell_room(&mut self) {
        let room = self.looks.room();
        if self.fits != room {
            self.fits = room;
            self.happened(Event::Fits(room));
        }
    }

    fn draw(&mut self, canvas: &mut Canvas) -> anyhow::Result<()> {
        (self.dirty, self.next) = (false, self.next.max(Instant::now()) + FRAME);
        let view = self.viewer.view();
        let terminal = view.pane.and_then(|pane| self.panes.get(&pane));
        let typed = terminal.filter(|_| matches!(view.typing, Typing::On));
        let wanted = typed.and_then(Terminal::mouse_modes).map_or(MouseReports::Drags, |modes| modes.reports);
        let dress = Dress {
            keys: typed.map(Terminal::key_modes).unwrap_or_default(),
            cursor: typed.map_or(0, Terminal::cursor_shape),
            mouse: (!self.looks.no_mouse).then_some(wanted),
        };
        if dress != self.dress {
            self.dress = dress;
            tty::show(keyboard::switch(dress).as_bytes())?;
        }
        let picture = picture::Picture {
            view: &view,
            terminal,
            transcript: self.viewer.transcript(),
            now: clock::now().wall,
        };
        let looks = &mut self.looks;
        let size = tty::size().unwrap_or(NO_SIZE);
        let bytes = canvas.draw(size, |buffer| picture.draw(buffer, looks))?;
        if !bytes.is_empty() {
            tty::show(&bytes)?;
        }
        // Only now it is known how much room there is.
        self.tell_room();
        Ok(())
    }

    /// Says on the person's own screen how it ended, where that is no matter of course.
    fn goodbye(&self, left: Left) -> u8 {
        let view = self.viewer.view();
        let state = &view.state;
        let failed = matches!(state, State::Failed(_) | State::Diverged(_));
        if let Some(sentence) = view.sentence().filter(|_| state.is_final()) {
            // There is nobody to tell if this fails.
            drop(io::Write::write_all(&mut io::stderr(), format!("sharer: {sentence}\n").as_bytes()));
        }
        match left {
            Left::Signal(signal) => u8::try_from(128 + signal).unwrap_or(exit::FAILED),
            Left::Person if failed => exit::FAILED,
            Left::Person => 0,
        }
    }
}
