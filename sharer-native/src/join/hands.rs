//! What the person's keys and mouse mean.

use shared::viewer::{Event, Selection, State, Typing, View};

use super::find::{Find, Row, Seam};
use super::keyboard::{Key, Pasted};
use super::mouse::Mouse;
use super::{Join, Left, talk};
use crate::term::Terminal;

/// Lines that a step of the wheel scrolls.
const WHEEL: isize = 3;

impl Join {
    /// Something was typed; why this ends, if it does.
    pub(super) fn typed(&mut self, bytes: &[u8]) -> Option<Left> {
        self.keyboard.push(bytes);
        loop {
            let view = self.viewer.view();
            let typing = matches!(view.typing, Typing::On | Typing::Paused) && !self.looks.is_covered();
            let Some(key) = self.keyboard.next(typing && view.paste.is_none()) else { break };
            // What asks a question takes the next key.
            if view.paste.is_some() {
                self.dirty = true;
                self.answer(&key);
                continue;
            }
            if let Key::Mouse(mouse) = key {
                self.dirty = true;
                self.point(mouse, &view);
                continue;
            }
            if self.looks.find.as_ref().is_some_and(|find| find.writing) {
                self.dirty = true;
                self.write_find(&key);
                continue;
            }
            if typing {
                self.type_key(key, &view);
                continue;
            }
            self.dirty = true;
            if let Some(left) = self.command(&key, &view) {
                return Some(left);
            }
        }
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
        // What is typed is seen by its echo, unless this looks elsewhere.
        self.dirty |= self.looks.is_elsewhere()
            || matches!(key, Key::Out | Key::Next(_) | Key::Step { .. } | Key::Paste(_));
        match key {
            Key::Out => self.happened(Event::StopTyping),
            Key::Next(steps) if view.bar.is_some() => self.go(steps, view),
            Key::Step { back } => self.step(back, view),
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
            | Key::Mouse(_)
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
        self.looks.said = None;
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
                Typing::Offered => {
                    self.looks.follow();
                    self.happened(Event::StartTyping);
                }
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
            Key::Char('/') => self.looks.find = Some(Find::ask()),
            Key::Char(which @ ('n' | 'N')) => self.find(*which == 'n', view),
            Key::Char(which @ ('[' | ']')) => self.step(*which == '[', view),
            Key::Step { back } => self.step(*back, view),
            Key::Char('m') => {
                self.looks.no_mouse = !self.looks.no_mouse;
                let whose = if self.looks.no_mouse {
                    "The mouse is your terminal's again; m takes it back."
                } else {
                    "The mouse is for pills, the wheel, and the program."
                };
                self.looks.say(whose);
            }
            Key::Next(steps) => self.go(*steps, view),
            Key::Place(place) => self.go_to(*place, view),
            Key::Last => self.go_to(view.bar.as_ref().map_or(0, |bar| bar.children()), view),
            Key::Scroll(lines) => self.looks.scroll(*lines),
            Key::Page(pages) => self.looks.scroll(pages * page),
            Key::Paste(_) | Key::Mouse(_) | Key::Char(_) | Key::Other(_) => {}
        }
        if view.notice.is_some() {
            self.happened(Event::NoticeSeen);
        }
        None
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
            if self.own.as_ref().is_some_and(|own| next == Selection::Child(own.clone())) {
                return self
                    .looks
                    .say("This terminal is that session: it would show itself in itself, without end.");
            }
            self.looks.follow();
            self.happened(Event::Select(next));
        }
    }

    /// The mouse: over the bar it is for pills, over a program that asked for it while one types it is the program's, else
    /// its wheel scrolls.
    fn point(&mut self, mouse: Mouse, view: &View) {
        let over_bar = view.bar.is_some() && mouse.at.1 == 0;
        if over_bar {
            if let Some(steps) = mouse.wheel() {
                self.go(-steps, view);
            } else if mouse.is_press() {
                let pill = self.looks.pill_at(mouse.at.0);
                self.select(pill);
            }
            return;
        }
        let typing = view.typing == Typing::On && !self.looks.is_covered();
        if let (true, Some(pane), Some(at)) = (typing, view.pane, self.looks.cell_at(mouse.at))
            && let Some(modes) = self.panes.get(&pane).and_then(Terminal::mouse_modes)
        {
            let bytes = mouse.told(modes, at);
            if !bytes.is_empty() {
                self.happened(Event::Keys { pane, bytes });
            }
            return;
        }
        if let Some(steps) = mouse.wheel() {
            self.looks.scroll(steps * WHEEL);
        }
    }

    /// A key for the text that is looked for.
    fn write_find(&mut self, key: &Key) {
        let Some(find) = &mut self.looks.find else { return };
        match key {
            Key::Char('\r' | '\n') => {
                let view = self.viewer.view();
                self.find(true, &view);
            }
            Key::Char(c) => find.write(*c),
            Key::Paste(Pasted { text }) => {
                text.lines().next().unwrap_or_default().chars().for_each(|c| find.write(c));
            }
            Key::Escape | Key::Out => self.looks.find = None,
            Key::Next(_)
            | Key::Place(_)
            | Key::Last
            | Key::Scroll(_)
            | Key::Page(_)
            | Key::Step { .. }
            | Key::Mouse(_)
            | Key::Other(_) => {}
        }
    }

    /// To the next line that has the text.
    fn find(&mut self, older: bool, view: &View) {
        if self.looks.find.is_none() {
            return;
        }
        let (all, rows) = self.rows(view);
        let place = self.looks.find.as_mut().and_then(|find| find.step(&all, older));
        if let Some(place) = place {
            self.looks.look_at(place, all.len(), rows);
        }
    }

    /// The rows of what scrolls, and how many are shown at once.
    fn rows(&self, view: &View) -> (Vec<Row>, usize) {
        let height = usize::from(self.looks.height);
        if let (true, Some(transcript)) = (self.looks.talks, self.viewer.transcript()) {
            let columns = self.looks.talk_columns;
            let lines = talk::lines(transcript, columns, usize::MAX);
            let rows = lines.into_iter().map(|(line, seam)| Row { text: line.to_string(), seam });
            return (rows.collect(), height);
        }
        let terminal = view.pane.and_then(|pane| self.panes.get(&pane));
        terminal.map_or((Vec::new(), height), |terminal| {
            let row = |(text, goes_on)| Row { text, seam: if goes_on { Seam::Within } else { Seam::End } };
            (terminal.written().map(row).collect(), terminal.size().rows.into())
        })
    }

    /// To the command before the one that is looked at, or behind it.
    fn step(&mut self, back: bool, view: &View) {
        let Some(terminal) = view.pane.and_then(|pane| self.panes.get(&pane)) else { return };
        let (all, rows) = (terminal.lines().count(), usize::from(terminal.size().rows));
        let known: Vec<(u64, usize)> = terminal
            .commands()
            .into_iter()
            .filter(|(number, _)| view.commands.get(*number).is_some())
            .collect();
        // From the one that is looked at; else from what is in sight.
        let in_sight = all.saturating_sub(self.looks.back);
        let from = known.iter().find(|(number, _)| Some(*number) == self.looks.command);
        let from = from.map_or(if back { in_sight } else { in_sight.saturating_sub(1) }, |(_, place)| *place);
        let next = if back {
            known.iter().rev().find(|(_, place)| *place < from)
        } else {
            known.iter().find(|(_, place)| *place > from)
        };
        let Some((number, place)) = next.copied() else {
            let none = if known.is_empty() {
                "There are no commands here: the shell does not mark them."
            } else {
                "There is none further."
            };
            self.looks.say(none);
            if !back {
                self.looks.follow();
            }
            return;
        };
        let line = terminal.lines().nth(place).unwrap_or_default();
        let says = view.commands.get(number).map(shared::command::Command::says).unwrap_or_default();
        self.looks.look_at(place, all, rows);
        self.looks.command = Some(number);
        self.looks.say(&format!("{}  {says}", line.trim()));
    }
}
