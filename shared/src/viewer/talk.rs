//! The transcript as a viewer gets it: changes among the events, and pages for what came before.

use super::view::TranscriptView;
use crate::conversation::{Change, Need, Transcript};
use crate::keys::epoch::{ContentKey, Scope};
use crate::pages::{Head, PageReader, SealedPage};
use crate::time::{Moment, Now};

/// Pages asked for at once, behind the newest.
const AT_ONCE: u32 = 8;
/// Pages that do not come are asked for again after so long, in milliseconds.
const ASK_AGAIN_MS: u64 = 2_000;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Talk {
    transcript: Transcript,
    /// How often it began anew.
    anew: u32,
    reader: Option<PageReader>,
    need: Option<Need>,
    /// How many pages of the last request are still to come, and when it went.
    asked: Option<(u32, Moment)>,
}

impl Talk {
    pub(super) fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// It in a few numbers.
    pub(super) fn view(&self) -> TranscriptView {
        TranscriptView {
            anew: self.anew,
            seen: self.transcript.seen(),
            blocks: self.transcript.len(),
            spoken: self.transcript.is_spoken(),
            loading: self.transcript.is_loading(),
        }
    }

    fn needs(&mut self, need: Need) {
        match need {
            // A gap while pages are on their way does not end the need for them.
            Need::Nothing if self.transcript.is_loading() => {}
            Need::Nothing => (self.need, self.reader, self.asked) = (None, None, None),
            Need::Newest => (self.need, self.reader) = (Some(need), None),
            Need::Older => self.need = Some(need),
        }
    }

    /// What is here is not to be believed: it is fetched again.
    pub(super) fn begin_anew(&mut self) {
        *self = Self { anew: self.anew + 1, ..Self::default() };
    }

    /// A change by an event.
    pub(super) fn change(&mut self, change: Change) {
        let need = self.transcript.apply(change);
        self.needs(need);
    }

    /// The transcript is at this change where the events go on.
    pub(super) fn stands_at(&mut self, revision: u64) {
        let need = self.transcript.begin_at(revision);
        self.needs(need);
    }

    /// The connection broke, or what was asked for does not come: everything is asked for anew.
    pub(super) fn interrupt(&mut self) {
        (self.asked, self.reader) = (None, None);
        self.need = self.need.map(|_| Need::Newest);
    }

    /// The owner's word on the pages that follow.
    pub(super) fn head(&mut self, head: &Head) {
        if self.need == Some(Need::Newest) {
            self.reader = Some(PageReader::new(head));
        }
    }

    /// A page. One that the owner did not sign is not taken, and asked for again.
    pub(super) fn page(&mut self, page: &SealedPage, content: &ContentKey, scope: Scope) {
        if let Some((left, _)) = &mut self.asked {
            *left = left.saturating_sub(1);
        }
        let Some(reader) = self.reader.as_mut().filter(|reader| reader.expects(page)) else { return };
        let Some(opened) = reader.open(page, content, scope) else {
            return self.needs(Need::Newest);
        };
        let need = self.transcript.load(opened);
        self.needs(need);
    }

    /// Whether something of it is still to come.
    pub(super) fn waits(&self) -> bool {
        self.need.is_some()
    }

    /// What to ask for now: from which page on, and how many.
    pub(super) fn poll_fetch(&mut self, now: Now) -> Option<(u32, u32)> {
        let need = self.need?;
        match self.asked {
            Some((_, at)) if now.mono >= at.after(ASK_AGAIN_MS) => self.interrupt(),
            Some((left, _)) if left > 0 || need == Need::Newest => return None,
            _ => {}
        }
        let next = self.reader.as_ref().map_or(0, PageReader::next_index);
        let most = if next == 0 { 1 } else { AT_ONCE.min(next) };
        self.asked = Some((most, now.mono));
        Some((next, most))
    }

    pub(super) fn poll_timeout(&self) -> Option<Moment> {
        self.need?;
        self.asked.map(|(_, at)| at.after(ASK_AGAIN_MS))
    }
}
