//! Runs the viewer machine: gives it what happens, runs what it asks for, and keeps its time.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use gloo_timers::callback::Timeout;
use leptos::prelude::{Set as _, WriteSignal};
use shared::conversation::Transcript;
use shared::entropy::Entropy;
use shared::link::Link;
use shared::replay::{Player, Source};
use shared::time::Moment;
use shared::viewer::{Effect, Event, PaneId, Selection, View, Viewer};

use super::clock::Clock;
use super::film;
use super::page::{self, Opened};
use super::screens::Screens;
use super::socket::{Heard, Socket};
use crate::xterm::Screen;

/// A view follows another after this many milliseconds, a frame, at the earliest: with many children each of many
/// packets changes it.
const FRAME_MS: u64 = 16;

/// The machine with everything it drives.
pub(crate) struct Runner {
    source: RefCell<Source>,
    /// Opens a film where it is served.
    token: String,
    clock: Clock,
    screens: Rc<Screens>,
    socket: RefCell<Option<Socket>>,
    /// Tells a socket's reports from those of the ones before it.
    serial: Cell<u64>,
    timer: RefCell<Option<(Moment, Timeout)>>,
    /// What happened while something else was being handled.
    waiting: RefCell<VecDeque<Event>>,
    shown: RefCell<Option<View>>,
    /// When that was, and what shows the next one.
    shown_at: Cell<Moment>,
    showing: RefCell<Option<Timeout>>,
    view: WriteSignal<Option<View>>,
    watch: WriteSignal<Option<String>>,
    /// Where the relay is, if not where the page comes from.
    relay: Option<String>,
    /// What the address bar shows.
    address: RefCell<Option<String>>,
}

impl Runner {
    /// Begins to watch; `None` if the browser has no randomness.
    pub(crate) fn start(
        opened: Opened,
        screens: Rc<Screens>,
        view: WriteSignal<Option<View>>,
        watch: WriteSignal<Option<String>>,
    ) -> Option<Rc<Self>> {
        let clock = Clock::new();
        let mut source = match &opened {
            Opened::Session { link, .. } => {
                let entropy = Entropy::from_seed(page::seed()?);
                Source::Live(Viewer::new(link.clone(), entropy, clock.now()))
            }
            Opened::Film { .. } => Source::Film(Player::new(clock.now(), page::may_move())),
        };
        let effects = source.start();
        let (token, child) = match opened {
            Opened::Session { child, .. } => (String::new(), child),
            Opened::Film { token } => (token, None),
        };
        let runner = Rc::new(Self {
            source: RefCell::new(source),
            token,
            clock,
            screens,
            socket: RefCell::new(None),
            serial: Cell::new(0),
            timer: RefCell::new(None),
            waiting: RefCell::new(VecDeque::new()),
            shown: RefCell::new(None),
            shown_at: Cell::new(Moment(0)),
            showing: RefCell::new(None),
            view,
            watch,
            relay: page::relay(),
            address: RefCell::new(None),
        });
        runner.run(effects);
        runner.settle();
        if let Some(child) = child {
            runner.give(Event::Select(Selection::Child(child)));
        }
        Some(runner)
    }

    /// Tells the machine what happened.
    pub(crate) fn give(self: &Rc<Self>, event: Event) {
        self.waiting.borrow_mut().push_back(event);
        // Inside an effect, the outer call goes on with it.
        while let Ok(mut source) = self.source.try_borrow_mut() {
            let Some(next) = self.waiting.borrow_mut().pop_front() else { break };
            let effects = source.update(self.clock.now(), next);
            drop(source);
            self.run(effects);
            self.settle();
        }
    }

    /// Lets somebody read the selected session's transcript.
    pub(crate) fn transcript(&self, read: &mut dyn FnMut(&Transcript)) {
        // Inside an effect there is a later moment to read it.
        if let Ok(source) = self.source.try_borrow()
            && let Some(transcript) = source.transcript()
        {
            read(transcript);
        }
    }

    fn run(self: &Rc<Self>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Connect { url } => self.connect(&url),
                Effect::Close => drop(self.socket.borrow_mut().take()),
                Effect::Send(packet) => {
                    let sent = self.socket.borrow_mut().as_mut().is_none_or(|socket| socket.send(packet));
                    if !sent {
                        drop(self.socket.borrow_mut().take());
                        self.waiting.borrow_mut().push_back(Event::Disconnected { code: None });
                    }
                }
                Effect::Rebuild { pane, ticket, window, bytes } => {
                    self.on_screen(pane, |screen| screen.rebuild(ticket, window, &bytes));
                }
                Effect::Write { pane, ticket, bytes } => {
                    self.on_screen(pane, |screen| screen.write(ticket, &bytes));
                }
                Effect::Resize { pane, window } => self.on_screen(pane, |screen| screen.resize(window)),
                Effect::Mark { pane, command } => self.on_screen(pane, |screen| screen.mark(command)),
                Effect::Skip { pane } => self.on_screen(pane, Screen::skip),
                Effect::Wipe { pane } => self.on_screen(pane, Screen::wipe),
                Effect::Drop { pane } => self.screens.drop_pane(pane),
                Effect::KeepSecret { watch } => {
                    if let Some(link) = self.source.borrow().link() {
                        page::keep_secret(link, &watch);
                    }
                }
                Effect::Fetch(ask) => {
                    let runner = Rc::downgrade(self);
                    film::get(ask, self.token.clone(), move |bytes| {
                        if let Some(runner) = runner.upgrade() {
                            runner.give(Event::Fetched { ask, bytes });
                        }
                    });
                }
            }
        }
    }

    fn on_screen(&self, pane: PaneId, act: impl FnOnce(&Screen)) {
        if let Some(screen) = self.screens.of(pane) {
            act(&screen);
        }
    }

    fn connect(self: &Rc<Self>, url: &str) {
        let serial = self.serial.get() + 1;
        self.serial.set(serial);
        let runner = Rc::downgrade(self);
        let greeted = Cell::new(false);
        let socket = Socket::open(url, move |heard| {
            let Some(runner) = runner.upgrade().filter(|runner| runner.serial.get() == serial) else {
                return;
            };
            match heard {
                Heard::Packet(packet) => {
                    // The relay speaks first: its first message says that the socket is open.
                    if !greeted.replace(true) {
                        runner.give(Event::Connected);
                    }
                    runner.give(Event::Packet(packet));
                }
                Heard::Closed(code) => runner.give(Event::Disconnected { code }),
            }
        });
        if socket.is_none() {
            self.waiting.borrow_mut().push_back(Event::Disconnected { code: None });
        }
        self.socket.replace(socket);
    }

    /// Has the new view shown, and waits for the next deadline.
    fn settle(self: &Rc<Self>) {
        let next = self.shown_at.get().after(FRAME_MS);
        let wait = next.since(self.clock.now().mono);
        if wait == 0 || self.shown.borrow().is_none() {
            self.show();
        } else if self.showing.borrow().is_none() {
            let runner = Rc::downgrade(self);
            let due = move || {
                if let Some(runner) = runner.upgrade() {
                    runner.show();
                }
            };
            self.showing.replace(Some(Timeout::new(u32::try_from(wait).unwrap_or(u32::MAX >> 1), due)));
        }
        self.wait();
    }

    /// Shows the view, if it is another.
    fn show(&self) {
        drop(self.showing.borrow_mut().take());
        self.shown_at.set(self.clock.now().mono);
        let (view, watch, address) = {
            let source = self.source.borrow();
            (source.view(), source.watch_link(), source.address())
        };
        if let Some(address) = address.filter(|address| self.address.borrow().as_ref() != Some(address)) {
            page::show_address(&address);
            self.address.replace(Some(address));
        }
        if self.shown.borrow().as_ref() != Some(&view) {
            let before = self.shown.replace(Some(view.clone()));
            self.screens.show(view.pane);
            let same = |before: View| before.pane == view.pane && before.commands == view.commands;
            if !before.is_some_and(same)
                && let Some(screen) = self.screens.shown()
            {
                screen.set_commands(&view.commands);
            }
            let relay = self.relay.clone();
            self.watch.set(watch.map(|link| Link { base: relay.unwrap_or(link.base), ..link }.to_string()));
            self.view.set(Some(view));
        }
    }

    /// Waits for the next deadline.
    fn wait(self: &Rc<Self>) {
        let at = self.source.borrow().poll_timeout().map(|(at, _)| at);
        if self.timer.borrow().as_ref().map(|(armed, _)| *armed) == at {
            return;
        }
        let timer = at.map(|at| {
            // A browser's timers count in 32 bits; nothing here waits that long.
            let wait = u32::try_from(at.since(self.clock.now().mono)).unwrap_or(u32::MAX >> 1);
            let runner = Rc::downgrade(self);
            let due = move || {
                if let Some(runner) = runner.upgrade() {
                    drop(runner.timer.borrow_mut().take());
                    runner.give(Event::Timeout);
                }
            };
            (at, Timeout::new(wait.saturating_add(1), due))
        });
        self.timer.replace(timer);
    }
}

impl core::fmt::Debug for Runner {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Runner")
    }
}
