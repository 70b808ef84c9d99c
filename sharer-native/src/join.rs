//! `sharer join`: a link in a terminal.
//!
//! `shared::viewer` decides, as it does in a browser; this gives it socket, clock and keys, feeds a terminal model for each
//! session that is open, and draws what is selected: the pill bar as one row, the terminal, a line that says how things
//! are. Nothing here opens, checks or judges anything.
//!
//! [`keyboard`] reads what the person types, [`picture`] lays out the screen; [`bar`], [`cells`] and [`talk`] draw its
//! parts.

mod bar;
mod cells;
mod keyboard;
mod picture;
mod talk;

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::time::Duration;

use anyhow::{Context as _, bail};
use ratatui::backend::CrosstermBackend;
use shared::event::WindowSize;
use shared::id::TaskId;
use shared::link::Link;
use shared::viewer::{Effect, Event, PaneId, Selection, State, Typing, View, Viewer};
use shared::wire::Packet;
use shared::wire::close::CloseCode;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use self::keyboard::{Key, Keyboard, Pasted};
use self::picture::Looks;
use crate::shutdown::{self, Told};
use crate::term::Terminal;
use crate::term::cells::KeyModes;
use crate::uplink::{Change, Uplink};
use crate::ws::RelayUrl;
use crate::{clock, exit, tty};

/// Lines that have scrolled off and can be looked at, of each session.
const SCROLLBACK: usize = 5_000;
/// Pictures are this far apart at least: more than people see.
const FRAME: Duration = Duration::from_millis(16);
/// The longest sleep: a relay's silence is noticed, and the runtime's clock stands still while the computer sleeps.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);
/// The alternate screen, cleared, and pastes between brackets.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[2J\x1b[?2004h";

/// Shows `link` until the person leaves; `child` is selected first. Returns the exit status.
pub fn run(link: Link, child: Option<TaskId>) -> anyhow::Result<u8> {
    if !tty::is_there() {
        bail!("`sharer join` needs a terminal to draw on; in a script, watch the link in a browser");
    }
    let relay = RelayUrl::parse(&link.base).context("the link names no relay that can be dialled")?;
    let entropy = clock::entropy().map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let viewer = Viewer::new(link, entropy, clock::now());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let left = runtime.block_on(Join::new(viewer, relay).run(child));
    runtime.shutdown_background();
    left
}

/// Bytes for the person's terminal, by the one way that knows how to put it back.
#[derive(Debug, Default)]
struct Out(Vec<u8>);

impl io::Write for Out {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let bytes = std::mem::take(&mut self.0);
        if bytes.is_empty() { Ok(()) } else { tty::show(&bytes) }
    }
}

type Canvas = ratatui::Terminal<CrosstermBackend<Out>>;

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
    modes: KeyModes,
    /// Room for a terminal, as the machine knows it.
    fits: Option<WindowSize>,
    drawn: Instant,
    dirty: bool,
}

impl Join {
    fn new(viewer: Viewer, relay: RelayUrl) -> Self {
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
            modes: KeyModes::default(),
            fits: None,
            drawn: Instant::now(),
            dirty: true,
        }
    }

    async fn run(mut self, child: Option<TaskId>) -> anyhow::Result<u8> {
        let mut signals = shutdown::listen()?;
        let mut keys = read_keys();
        let raw = tty::Raw::enter().context("this terminal cannot be made raw")?;
        tty::show(ENTER)?;
        let mut canvas = Canvas::new(CrosstermBackend::new(Out::default()))?;
        let effects = self.viewer.start();
        self.perform(effects);
        if let Some(child) = child {
            self.happened(Event::Select(Selection::Child(child)));
        }
        let left = loop {
            self.tell_titles();
            self.draw_in_time(&mut canvas)?;
            let wake = self.wake_at();
            let (uplink, outgoing) = (&mut self.uplink, &mut self.outgoing);
            let change = tokio::select! {
                change = uplink.step(|| outgoing.pop_front()) => Some(change),
                typed = keys.recv() => match typed {
                    Some(bytes) => match self.typed(&bytes) {
                        Some(left) => break left,
                        None => None,
                    },
                    None => break Left::Person,
                },
                Some(told) = signals.recv() => match told {
                    Told::End(signal) => break Left::Signal(signal),
                    Told::Resized => {
                        self.dirty = true;
                        None
                    }
                    Told::Stop => {
                        tty::suspend().context("this terminal cannot be made raw again")?;
                        canvas.clear()?;
                        self.happened(Event::Wake);
                        None
                    }
                },
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
        drop(canvas);
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
        let frame = self.dirty.then(|| self.drawn + FRAME);
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
        self.waiting.push_back(event);
        while let Some(event) = self.waiting.pop_front() {
            let effects = self.viewer.update(clock::now(), event);
            self.perform(effects);
        }
        self.dirty = true;
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
                    self.panes.insert(pane, Terminal::new(window, SCROLLBACK));
                    self.feed(pane, ticket, &bytes);
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
                // There is no address bar, commands are not stepped through here, and nothing ever waits to be parsed.
                Effect::Mark { .. } | Effect::KeepSecret { .. } | Effect::Skip { .. } => {}
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

    /// Something was typed; why this ends, if it does.
    fn typed(&mut self, bytes: &[u8]) -> Option<Left> {
        self.keyboard.push(bytes);
        loop {
            let view = self.viewer.view();
            let typing = matches!(view.typing, Typing::On | Typing::Paused) && !self.looks.is_covered();
            let Some(key) = self.keyboard.next(typing && view.paste.is_none()) else { break };
            // What asks a question takes the next key.
            if view.paste.is_some() {
                self.answer(&key);
                continue;
            }
            if typing {
                self.type_key(key, &view);
            } else if let Some(left) = self.command(&key, &view) {
                return Some(left);
            }
        }
        self.dirty = true;
        None
    }

    /// A key for the question whether a paste is typed.
    fn answer(&mut self, key: &Key) {
        if let Key::Char('y' | 'Y') = key {
            self.happened(Event::AnswerPaste { typed: true });
        } else if let Key::Char('n' | 'N' | 'q') | Key::Escape | Key::Out = key {
            self.happened(Event::AnswerPaste { typed: false });
        }
    }

    /// A key while typing: all but the way out are the program's.
    fn type_key(&mut self, key: Key, view: &View) {
        let Some(pane) = view.pane else { return };
        match key {
            Key::Out => self.happened(Event::StopTyping),
            Key::Next(steps) if view.bar.is_some() => self.go(steps, view),
            Key::Paste(Pasted { text }) => {
                let bracketed = self.panes.get(&pane).is_some_and(Terminal::wants_paste);
                self.happened(Event::Paste { pane, text, bracketed });
            }
            key @ (Key::Escape
            | Key::Char(_)
            | Key::Next(_)
            | Key::Place(_)
            | Key::Last
            | Key::Scroll(_)
            | Key::Page(_)
            | Key::Other(_)) => {
                let bytes = key.into_bytes();
                if !bytes.is_empty() {
                    self.looks.follow();
                    self.happened(Event::Keys { pane, bytes });
                }
            }
        }
    }

    /// A key while watching.
    fn command(&mut self, key: &Key, view: &View) -> Option<Left> {
        let page = self.looks.page();
        match key {
            Key::Out | Key::Char('q' | '\x03') => {
                if self.looks.close() {
                    return None;
                }
                return Some(Left::Person);
            }
            Key::Escape => drop(self.looks.close()),
            Key::Char('?') => self.looks.toggle_help(),
            Key::Char('t') => self.looks.toggle_transcript(),
            Key::Char('i' | '\r') => match view.typing {
                Typing::Lost(_) => self.happened(Event::GoOn),
                Typing::Offered => self.happened(Event::StartTyping),
                Typing::Never => self.looks.say("This link only watches."),
                Typing::On | Typing::Paused => {}
            },
            Key::Char('r') if view.state.is_final() || matches!(view.state, State::Child(_)) => {
                self.happened(Event::Retry);
            }
            Key::Char('o') => {
                if let Some(bar) = &view.bar {
                    self.happened(Event::Order(bar.order.other()));
                }
            }
            Key::Char('p') => self.pin(view),
            Key::Next(steps) => self.go(*steps, view),
            Key::Place(place) => self.go_to(*place, view),
            Key::Last => self.go_to(view.bar.as_ref().map_or(0, |bar| bar.children()), view),
            Key::Scroll(lines) => self.looks.scroll(*lines),
            Key::Page(pages) => self.looks.scroll(pages * page),
            Key::Paste(_) | Key::Char(_) | Key::Other(_) => {}
        }
        if view.notice.is_some() {
            self.happened(Event::NoticeSeen);
        }
        None
    }

    /// Says how much room there is for a terminal, if that changed.
    fn tell_room(&mut self) {
        let room = self.looks.room();
        if self.fits != room {
            self.fits = room;
            self.happened(Event::Fits(room));
        }
    }

    fn pin(&mut self, view: &View) {
        let selected = view.bar.as_ref().and_then(|bar| bar.pills.iter().find(|pill| pill.selected));
        if let Some(pill) = selected
            && let Selection::Child(task) = &pill.selects
        {
            self.happened(Event::Pin { task: task.clone(), pinned: !pill.pinned });
        }
    }

    fn go(&mut self, steps: isize, view: &View) {
        let next = view.bar.as_ref().and_then(|bar| bar.next(steps)).cloned();
        self.select(next);
    }

    fn go_to(&mut self, place: usize, view: &View) {
        let next = view.bar.as_ref().and_then(|bar| bar.nth(place)).cloned();
        self.select(next);
    }

    fn select(&mut self, next: Option<Selection>) {
        if let Some(next) = next {
            self.looks.follow();
            self.happened(Event::Select(next));
        }
    }

    fn draw_in_time(&mut self, canvas: &mut Canvas) -> anyhow::Result<()> {
        if !self.dirty || self.drawn.elapsed() < FRAME {
            return Ok(());
        }
        (self.dirty, self.drawn) = (false, Instant::now());
        let view = self.viewer.view();
        let terminal = view.pane.and_then(|pane| self.panes.get(&pane));
        let typing = matches!(view.typing, Typing::On);
        let modes = terminal.filter(|_| typing).map(Terminal::key_modes).unwrap_or_default();
        if modes != self.modes {
            self.modes = modes;
            tty::show(keyboard::switch(modes).as_bytes())?;
        }
        let picture = picture::Picture {
            view: &view,
            terminal,
            transcript: self.viewer.transcript(),
            now: clock::now().wall,
        };
        let looks = &mut self.looks;
        // Drawn as one, where the terminal knows how (mode 2026).
        tty::show(b"\x1b[?2026h")?;
        canvas.draw(|frame| picture.draw(frame, looks))?;
        tty::show(b"\x1b[?2026l")?;
        // Only now it is known how much room there is.
        self.tell_room();
        Ok(())
    }

    /// Says on the person's own screen how it ended, where that is no matter of course.
    fn goodbye(&self, left: Left) -> u8 {
        let state = self.viewer.view().state;
        let failed = matches!(state, State::Failed(_) | State::Diverged(_));
        if let Some(sentence) = state.sentence().filter(|_| state.is_final()) {
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

/// What is typed, as it comes.
fn read_keys() -> mpsc::Receiver<Vec<u8>> {
    let (tell, told) = mpsc::channel(64);
    tty::keys(move |bytes| tell.blocking_send(bytes.to_vec()).is_ok());
    told
}
