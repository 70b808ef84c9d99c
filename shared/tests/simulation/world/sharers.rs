//! What the owners' machines do, and their programs.

use bytes::Bytes;
use shared::id::SessionId;
use shared::keys::grant::Right;
use shared::sharer::{self, ModelDump, ModelInput, Sharer};
use shared::time::Now;

use super::{INPUT_GOOD_FOR, Job, Program, World};
use crate::network::{End, Way};
use crate::screen::Screen;

impl<S: Screen> World<S> {
    pub(crate) fn drain_sharer(&mut self, index: usize) {
        loop {
            let mut idle = true;
            while let Some(packet) = self.sharers[index].machine.poll_transmit() {
                idle = false;
                if let Some(id) = self.sharers[index].peer.socket {
                    self.send(id, Way::Up, packet);
                }
            }
            while let Some(effect) = self.sharers[index].machine.poll_effect() {
                idle = false;
                self.run_sharer_effect(index, effect);
            }
            if idle {
                return;
            }
        }
    }

    pub(super) fn run_sharer_effect(&mut self, index: usize, effect: sharer::Effect) {
        match effect {
            sharer::Effect::Connect => self.connect(End::Sharer(index)),
            sharer::Effect::Close(_) => self.drop_socket(End::Sharer(index)),
            sharer::Effect::Model(id, input) => {
                let index = self.program(index, id);
                let program = &mut self.programs[index];
                match &input {
                    ModelInput::Output(bytes) => program.truth.feed(bytes),
                    ModelInput::Resize(window) => program.truth.resize(*window),
                    ModelInput::Mark(_) if !S::EXACT => {}
                    ModelInput::Mark(_) => {
                        program.boundaries.insert(program.truth.state());
                    }
                    ModelInput::Snapshot { .. } | ModelInput::Command(_) | ModelInput::Forget => {}
                }
                program.model_queue.push_back(input);
                if program.model_queue.len() == 1 {
                    let delay = program.model_delay;
                    self.later(delay, Job::Model(index));
                }
            }
            sharer::Effect::Type(id, bytes) => {
                let index = self.program(index, id);
                self.typed(index, &bytes);
            }
            sharer::Effect::Connection(state) => self.sharers[index].state = state,
            sharer::Effect::Room(id, room) => {
                let index = self.program(index, id);
                self.programs[index].room = room;
            }
            sharer::Effect::Ended(id) => {
                let index = self.program(index, id);
                self.programs[index].ended = true;
            }
            sharer::Effect::Resize(..)
            | sharer::Effect::Viewers { .. }
            | sharer::Effect::LinksChanged(_)
            | sharer::Effect::Reach(_)
            | sharer::Effect::Said(..)
            | sharer::Effect::Kept(..)
            | sharer::Effect::Opened { .. }
            | sharer::Effect::Task(_) => {}
        }
    }

    pub(super) fn drop_socket(&mut self, end: End) {
        let ms = self.ms;
        let peer = self.peer(end);
        peer.attempt += 1;
        if let Some(id) = peer.socket.take() {
            self.network.close(id, Way::Up, None, ms);
        }
    }

    pub(super) fn step_model(&mut self, index: usize) {
        while let Some(input) = self.programs[index].model_queue.pop_front() {
            let model = &mut self.programs[index].model;
            match input {
                ModelInput::Output(bytes) => model.feed(&bytes),
                ModelInput::Resize(window) => model.resize(window),
                ModelInput::Command(_) | ModelInput::Forget => {}
                ModelInput::Mark(mark) => {
                    self.machine_of(index, |machine, now, id| machine.handle_model_passed(now, id, mark));
                }
                ModelInput::Snapshot { mark, full } => {
                    let dump = ModelDump {
                        mark,
                        window: model.window(),
                        screen: model.dump(false),
                        full: full.then(|| model.dump(true)),
                    };
                    self.machine_of(index, |machine, now, id| machine.handle_dump(now, id, &dump));
                }
            }
        }
        self.drain_sharer(self.programs[index].sharer);
    }

    /// Law 8, as the PTY sees it.
    pub(super) fn typed(&mut self, index: usize, bytes: &[u8]) {
        let ms = self.ms;
        let write = self.link_of(index, Right::Type);
        let found = self.viewers.iter_mut().find_map(|viewer| {
            let at = viewer.pressed.iter().position(|pressed| pressed.bytes == bytes)?;
            Some((viewer, at))
        });
        let Some((viewer, at)) = found else {
            panic!("typed {:?}, which nobody pressed", String::from_utf8_lossy(bytes))
        };
        assert_eq!(viewer.link, write, "typed by a link that may not type");
        assert!(viewer.pressed[at..].iter().all(|pressed| !pressed.typed), "typed twice, or out of order");
        let age = ms - viewer.pressed[at].at;
        assert!(age <= INPUT_GOOD_FOR, "typed {age} ms after it was pressed");
        viewer.pressed[at].typed = true;
        self.faults.note(if bytes.len() > 100 { "paste typed" } else { "keys typed" });
        self.programs[index].typed.extend_from_slice(bytes);
        self.later(1, Job::Typed(index, bytes.len()));
    }

    /// A program writes.
    pub(crate) fn output(&mut self, program: usize, bytes: &[u8]) {
        let output = Bytes::copy_from_slice(bytes);
        self.with_program(program, |machine, now, id| machine.handle_output(now, id, &output));
    }

    pub(super) fn machine_of<T>(
        &mut self,
        program: usize,
        f: impl FnOnce(&mut Sharer, Now, SessionId) -> T,
    ) -> T {
        let Program { sharer, id, .. } = self.programs[program];
        let now = self.now_of(End::Sharer(sharer));
        f(&mut self.sharers[sharer].machine, now, id)
    }

    /// Does something with a program's session.
    pub(crate) fn with_program<T>(
        &mut self,
        program: usize,
        f: impl FnOnce(&mut Sharer, Now, SessionId) -> T,
    ) -> T {
        let out = self.machine_of(program, f);
        self.drain_sharer(self.programs[program].sharer);
        out
    }
}
