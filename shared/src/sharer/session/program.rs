//! What comes from the PTY and the terminal model.

use bytes::Bytes;

use super::{Session, title_text};
use crate::command;
use crate::event::{Event, Note, WindowSize};
use crate::sharer::buffer::split_whole;
use crate::sharer::step::Step;
use crate::sharer::{Effect, Mark, ModelDump, ModelInput};
use crate::snapshot::Dump;

/// A resize is followed by a snapshot when sizes were quiet for this long, in milliseconds (DESIGN 5).
const RESIZE_QUIET_MS: u64 = 200;

impl Session {
    /// The program wrote; `output` ends at the end of a character.
    pub(in crate::sharer) fn handle_output(&mut self, output: &Bytes, step: &mut Step) {
        if self.ending.is_some() {
            return;
        }
        let mut rest: &[u8] = output;
        while !rest.is_empty() {
            if self.buffer.is_full() {
                // The mark of what is kept lies before what is dropped.
                self.seal_pending(step);
                self.buffer.drop_output(rest.len());
                self.model(ModelInput::Output(output.slice_ref(rest)), step);
                break;
            }
            let (head, tail) = split_whole(rest, self.buffer.room());
            if head.is_empty() {
                self.seal_pending(step);
                continue;
            }
            self.buffer.gather(head);
            self.model(ModelInput::Output(output.slice_ref(head)), step);
            rest = tail;
        }
    }

    /// The PTY has a new size.
    pub(in crate::sharer) fn handle_resize(&mut self, window: WindowSize, step: &mut Step) {
        if self.ending.is_some() || window == self.window {
            return;
        }
        self.window = window;
        self.seal_pending(step);
        self.model(ModelInput::Resize(window), step);
        if self.buffer.is_full() {
            // Sizes are left out like output; the newest is said before `Skipped`.
            self.buffer.drop_output(0);
            self.resized = true;
        } else {
            self.seal_size(step);
        }
        self.resize_quiet = Some(step.mono().after(RESIZE_QUIET_MS));
    }

    /// Passes on the size that who types would like, if its time has come.
    pub(super) fn grant_size(&mut self, step: &mut Step) {
        if let Some(size) = self.sizes.granted(step.mono())
            && size != self.window
            && self.ending.is_none()
        {
            step.effect(Effect::Resize(self.id, size));
        }
    }

    /// The program set the terminal's title.
    pub(in crate::sharer) fn handle_title(&mut self, title: &str, step: &mut Step) {
        let title = title_text(title);
        // What cannot be kept is not worth a place: the title is in the output and in every dump.
        if self.ending.is_some() || title == self.title || self.buffer.is_full() {
            return;
        }
        self.title = title;
        self.seal_pending(step);
        self.seal(&Event::Note(Note::Title(self.title.clone())), step);
    }

    /// A shell marked something of a command.
    pub(in crate::sharer) fn handle_command(&mut self, mark: command::Mark, step: &mut Step) {
        let told = self.shell.mark(step.mono(), mark);
        // What cannot be kept is not worth a place: where output is left out, no command can be found again.
        if self.ending.is_some() || self.buffer.is_full() {
            return;
        }
        for told in told {
            self.seal_pending(step);
            if let command::Told::Started { number, .. } = &told {
                self.model(ModelInput::Command(*number), step);
            }
            self.commands.tell(told.clone());
            self.commands.keep(command::MAX_RECALLED);
            self.seal(&Event::Note(Note::Command(told)), step);
        }
    }

    /// The PTY took bytes of what was typed.
    pub(in crate::sharer) fn handle_typed(&mut self, bytes: usize) {
        self.inputs.typed(bytes);
    }

    /// The model has passed a mark.
    pub(in crate::sharer) fn handle_model_passed(&mut self, mark: Mark) {
        if mark.epoch == self.epoch.id() {
            self.buffer.pass(mark.number);
        }
    }

    /// The model dumped.
    pub(in crate::sharer) fn handle_dump(&mut self, dump: &ModelDump) {
        let Some(request) = self.snapshots.answered(dump.mark, dump.full.is_some()) else { return };
        let Some(channel) = self.room.channel() else { return };
        if request.mark.epoch != self.epoch.id() {
            return;
        }
        let full = dump.full.as_ref().filter(|_| request.full);
        let full = full.map(|full| [self.commands.recalled(request.commands).as_slice(), full].concat());
        let plain = Dump {
            point: request.point,
            window: dump.window,
            transcript: request.transcript,
            resized: request.resized,
            screen: &dump.screen,
            full: full.as_deref(),
        };
        let sealed = self.epoch.snapshots.seal(&self.owner.key, plain, self.compress, &mut self.entropy);
        self.snapshots.send(channel, sealed);
    }
}
