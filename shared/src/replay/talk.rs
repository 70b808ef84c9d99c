//! A transcript at a moment of film.

use super::piece::Timed;
use crate::conversation::Transcript;
use crate::event::{Event, Note};
use crate::viewer::TranscriptView;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Talk {
    changes: Vec<Timed>,
    /// How many of them are in the transcript.
    heard: usize,
    transcript: Transcript,
    /// How often it began anew.
    anew: u32,
}

impl Talk {
    pub(super) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// Another session's, at its beginning.
    pub(super) fn load(&mut self, changes: Vec<Timed>) {
        self.changes = changes;
        self.begin();
    }

    fn begin(&mut self) {
        self.transcript = Transcript::default();
        self.heard = 0;
        self.anew += 1;
    }

    /// Brings it to a moment.
    pub(super) fn at(&mut self, at: u64) {
        let until = self.changes.partition_point(|(when, _)| *when <= at);
        if until < self.heard {
            self.begin();
        }
        for (_, event) in self.changes.get(self.heard..until).unwrap_or_default() {
            if let Event::Note(Note::Agent(change)) = event {
                self.transcript.apply(change.clone());
            }
        }
        self.heard = until;
    }

    pub(super) fn view(&self) -> TranscriptView {
        TranscriptView {
            anew: self.anew,
            seen: self.transcript.seen(),
            blocks: self.transcript.len(),
            spoken: self.transcript.is_spoken(),
            loading: false,
        }
    }
}
