//! What viewers do, and the people in front of them.

use shared::viewer::{Effect, Event, PaneId, State, Typing};

use super::{Job, Pressed, WINDOW, World};
use crate::network::{End, Way};
use crate::screen::Screen;

impl<S: Screen> World<S> {
    pub(crate) fn update(&mut self, index: usize, event: Event) {
        let now = self.now_of(End::Viewer(index));
        let effects = self.viewers[index].machine.update(now, event);
        self.run_effects(index, effects);
        self.viewers[index].was_live |= self.view(index).state == State::Live;
        if matches!(self.view(index).typing, Typing::Lost(_)) {
            let mut news = false;
            for pressed in &mut self.viewers[index].pressed {
                news |= !pressed.told && !pressed.typed;
                pressed.told = true;
            }
            if news {
                self.faults.note("input lost and told");
            }
        }
        if !self.hostile && self.sees_what_never_was(index) {
            panic!("viewer {index} shows what never was, {:?}", self.view(index));
        }
    }

    pub(super) fn run_effects(&mut self, index: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Connect { .. } => self.connect(End::Viewer(index)),
                Effect::Close => self.drop_socket(End::Viewer(index)),
                Effect::Send(packet) => {
                    if let Some(id) = self.viewers[index].peer.socket {
                        self.send(id, Way::Up, packet);
                    }
                }
                Effect::Rebuild { ticket, window, bytes, .. } => {
                    let mut screen = S::fresh(window);
                    screen.feed(&bytes);
                    self.viewers[index].screen = screen;
                    self.viewers[index].rebuilds += 1;
                    self.parse(index, ticket);
                }
                Effect::Write { ticket, bytes, .. } => {
                    self.viewers[index].screen.feed(&bytes);
                    self.parse(index, ticket);
                }
                Effect::Resize { window, .. } => self.viewers[index].screen.resize(window),
                Effect::Wipe { .. } => self.viewers[index].screen = S::fresh(WINDOW),
                Effect::Mark { .. }
                | Effect::KeepSecret { .. }
                | Effect::Fetch(_)
                | Effect::Drop { .. }
                | Effect::Skip { .. } => {}
            }
        }
    }

    pub(super) fn parse(&mut self, index: usize, ticket: u64) {
        let delay = self.viewers[index].parse_delay;
        self.later(delay, Job::Parsed(index, ticket));
    }

    /// A person types, if this viewer's page lets them; says whether the keys were sealed.
    pub(crate) fn press(&mut self, index: usize, bytes: &[u8]) -> bool {
        if matches!(self.view(index).typing, Typing::Lost(_)) {
            self.update(index, Event::GoOn);
        }
        if self.view(index).typing == Typing::Offered {
            self.update(index, Event::StartTyping);
        }
        if self.view(index).typing != Typing::On {
            return false;
        }
        let at = self.ms;
        self.viewers[index].pressed.push(Pressed { at, bytes: bytes.to_vec(), typed: false, told: false });
        let event = if bytes.len() > 100 {
            let text = String::from_utf8(bytes.to_vec()).unwrap();
            Event::Paste { pane: PaneId::OWN, text, bracketed: false }
        } else {
            Event::Keys { pane: PaneId::OWN, bytes: bytes.to_vec() }
        };
        self.update(index, event);
        true
    }
}
