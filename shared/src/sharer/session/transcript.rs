//! The session's transcript: each change is an event, and those who were not there are given pages.

use std::collections::VecDeque;

use super::{Room, Session};
use crate::conversation::{Change, Conversation, Transcript, Update};
use crate::event::{Event, Note};
use crate::sharer::step::Step;
use crate::wire::frame::Frame;

/// Pages beyond this many, and twice what the blocks need, hold mostly what is out of date: a new chain begins.
const SPARE_PAGES: u32 = 16;
/// About what a complete page holds, in bytes.
const PAGE: usize = 32 * 1024;

/// The transcript, and what of it is on the way to the relay. Bound: a transcript's own, twice.
#[derive(Default)]
pub(super) struct Talk {
    conversation: Conversation,
    /// The newest change that the relay's pages hold, or those that are on the way.
    told: u64,
    outgoing: VecDeque<Frame>,
}

impl Talk {
    pub(super) fn new(conversation: Conversation) -> Self {
        Self { conversation, ..Self::default() }
    }

    /// The newest change.
    pub(super) fn revision(&self) -> u64 {
        self.conversation.transcript().revision()
    }

    /// What is on the way is lost.
    pub(super) fn forget(&mut self) {
        self.told = 0;
        self.outgoing.clear();
    }

    pub(super) fn next_len(&self) -> Option<usize> {
        self.outgoing.front().map(|frame| frame.split().1.len())
    }

    pub(super) fn next_frame(&mut self) -> Option<Frame> {
        self.outgoing.pop_front()
    }
}

impl Session {
    /// Something happened in the session's conversation.
    pub(in crate::sharer) fn say(&mut self, update: Update, step: &mut Step) {
        if self.ending.is_none() {
            let changes = self.talk.conversation.update(update);
            self.share_changes(changes, step);
        }
    }

    /// The conversation so far, which goes on elsewhere.
    pub(in crate::sharer) fn take_conversation(&mut self) -> Conversation {
        std::mem::take(&mut self.talk.conversation)
    }

    pub(in crate::sharer) fn transcript(&self) -> &Transcript {
        self.talk.conversation.transcript()
    }

    fn share_changes(&mut self, changes: Vec<Change>, step: &mut Step) {
        for change in changes {
            self.seal_pending(step);
            if self.buffer.is_full() {
                // Left out like output; the snapshot after the `Skipped` says how far the transcript is.
                self.buffer.drop_output(0);
            } else {
                self.seal(&Event::Note(Note::Agent(change)), step);
            }
        }
    }

    /// The relay holds these pages: generation and newest.
    pub(super) fn pages_held(&mut self, held: Option<(u64, u32)>) {
        self.talk.forget();
        let (generation, complete) = self.epoch.pages.complete();
        let good = held.is_some_and(|(kept, newest)| kept == generation && newest >= complete);
        if !good {
            self.epoch.pages.restart();
        }
    }

    /// Queues the pages that the relay does not have, as of now; the newest change in them.
    pub(super) fn tell_transcript(&mut self) -> u64 {
        let revision = self.talk.revision();
        let Room::Open(channel) = self.room else { return revision };
        if revision == self.talk.told {
            return revision;
        }
        let needed = u32::try_from(self.talk.conversation.cost() / PAGE).unwrap_or(u32::MAX);
        if self.epoch.pages.complete().1 > 2 * needed + SPARE_PAGES {
            self.epoch.pages.restart();
        }
        let pages = self.talk.conversation.pages(self.epoch.pages.covered());
        let sealed = self.epoch.pages.seal(&self.owner.key, &pages, self.compress, &mut self.entropy);
        if let Some((pages, head)) = sealed {
            let frame = |page| Frame::TranscriptPage { channel, page };
            self.talk.outgoing.extend(pages.into_iter().map(frame));
            self.talk.outgoing.push_back(Frame::TranscriptHead { channel, head });
        }
        self.talk.told = revision;
        revision
    }
}
