//! A room's transcript: sealed pages as the sharer made them, and the owner's word on the newest.

use bytes::Bytes;

use crate::id::Channel;
use crate::keys::owner::Signed;
use crate::pages::{Head, MAX_PAGES, PageHash, SealedPage};
use crate::wire::frame::Frame;

/// The most bytes of pages kept for a session; a sharer that has more is not kept.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Pages 1 to the newest of one generation. They arrive before the head that covers them, and count from then on.
#[derive(Debug, Default)]
pub(super) struct Pages {
    head: Option<(Signed, u32)>,
    generation: u64,
    kept: Vec<(PageHash, Bytes)>,
    staged: Vec<SealedPage>,
    held: u64,
}

impl Pages {
    /// A page arrives.
    pub(super) fn page(&mut self, page: SealedPage) {
        let bytes: usize = self.staged.iter().map(|page| page.body.len()).sum();
        if page.is_bounded() && bytes + page.body.len() <= MAX_BYTES {
            self.held += page.body.len() as u64;
            self.staged.push(page);
        }
    }

    /// Bytes of all of it.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// The owner's word on all of them arrives. Without a page that it covers, nothing counts.
    pub(super) fn head(&mut self, signed: Signed, head: &Head) {
        let mut newest = None;
        for page in std::mem::take(&mut self.staged) {
            if page.generation != self.generation {
                self.kept.clear();
                self.generation = page.generation;
            }
            let at = page.index as usize - 1;
            if at <= self.kept.len() {
                newest = Some((page.generation, page.index, page.hash()));
                self.kept.truncate(at);
                self.kept.push((page.previous, page.body));
            }
        }
        let bytes: usize = self.kept.iter().map(|(_, body)| body.len()).sum();
        if newest == Some((head.generation, head.newest, head.hash)) && bytes <= MAX_BYTES {
            self.held = (bytes + signed.body.0.len()) as u64;
            self.head = Some((signed, head.newest));
        } else {
            *self = Self::default();
        }
    }

    /// The connection broke: what was not covered yet is sent again.
    pub(super) fn interrupt(&mut self) {
        let staged: usize = self.staged.drain(..).map(|page| page.body.len()).sum();
        self.held = self.held.saturating_sub(staged as u64);
    }

    /// Generation, and how many pages are kept of it.
    pub(super) fn whole(&self) -> Option<(u64, u32)> {
        let (_, newest) = self.head.as_ref()?;
        Some((self.generation, *newest))
    }

    /// Everything that counts, as its sharer said it.
    pub(super) fn frames(&self, channel: Channel) -> impl Iterator<Item = Frame> {
        let head = self.head.as_ref();
        let pages = (1..=head.map_or(0, |(_, newest)| *newest)).filter_map(move |at| self.frame(channel, at));
        pages.chain(head.map(|(head, _)| Frame::TranscriptHead { channel, head: head.clone() }))
    }

    fn frame(&self, channel: Channel, index: u32) -> Option<Frame> {
        let (previous, body) = self.kept.get(index.checked_sub(1)? as usize)?.clone();
        let page = SealedPage { generation: self.generation, index, previous, body };
        Some(Frame::TranscriptPage { channel, page })
    }
}

/// What a viewer asked for and was not given yet.
#[derive(Debug, Default)]
pub(super) struct PagesDue {
    head: bool,
    /// The next page for it.
    next: u32,
    /// How many more, that one included.
    left: u32,
    /// What went last was a page: something else is next, so that a transcript does not keep the screen waiting.
    pub(super) went_last: bool,
}

impl PagesDue {
    /// A viewer asks for `most` pages from `page` on towards older ones; from the newest, with its head, if `page` is 0.
    pub(super) fn fetch(&mut self, page: u32, most: u32) {
        self.head = page == 0;
        self.next = page;
        self.left = most.min(MAX_PAGES);
    }

    /// Whether something was asked for that was not there yet, or is still to go.
    pub(super) fn waits(&self) -> bool {
        self.head || self.left > 0
    }

    /// The frame that is due.
    pub(super) fn frame(&self, channel: Channel, pages: &Pages) -> Option<Frame> {
        if self.head {
            let (signed, _) = pages.head.as_ref()?;
            return Some(Frame::TranscriptHead { channel, head: signed.clone() });
        }
        if self.left == 0 { None } else { pages.frame(channel, self.next) }
    }

    /// That frame was sent.
    pub(super) fn sent(&mut self, pages: &Pages) {
        self.went_last = true;
        if std::mem::take(&mut self.head) {
            self.next = pages.head.as_ref().map_or(0, |(_, newest)| *newest);
        } else {
            self.next = self.next.saturating_sub(1);
            self.left = self.left.saturating_sub(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoding::Blob;
    use crate::keys::epoch::EpochId;
    use crate::keys::owner::Signature;
    use crate::time::UnixMs;

    fn page(index: u32, previous: PageHash, text: &'static str) -> SealedPage {
        SealedPage { generation: 3, index, previous, body: Bytes::from_static(text.as_bytes()) }
    }

    fn head(page: &SealedPage) -> (Signed, Head) {
        let (generation, newest, hash) = (page.generation, page.index, page.hash());
        let epoch = EpochId { start: UnixMs(1), random: 2 };
        let head = Head { epoch, generation, revision: 9, newest, hash };
        (Signed { signature: Signature([0; 64]), body: Blob(Vec::new()) }, head)
    }

    fn fetched(pages: &Pages, page: u32, most: u32) -> Vec<u32> {
        let mut due = PagesDue::default();
        due.fetch(page, most);
        let mut indices = Vec::new();
        while let Some(frame) = due.frame(Channel(1), pages) {
            due.sent(pages);
            indices.push(if let Frame::TranscriptPage { page, .. } = frame { page.index } else { 0 });
        }
        assert!(due.waits() == (page == 0 && pages.head.is_none()) || indices.last() == Some(&1));
        indices
    }

    #[test]
    fn pages_count_once_their_head_came_and_are_given_newest_first() {
        let mut pages = Pages::default();
        let first = page(1, PageHash::NONE, "one");
        let second = page(2, first.hash(), "two");
        pages.page(first.clone());
        pages.page(second.clone());
        assert_eq!((pages.whole(), fetched(&pages, 0, 1)), (None, vec![]));
        let (signed, said) = head(&second);
        pages.head(signed, &said);
        assert_eq!(pages.whole(), Some((3, 2)));
        assert_eq!(fetched(&pages, 0, 1), [0, 2]);
        assert_eq!(fetched(&pages, 2, 8), [2, 1]);

        // The newest is complete now, and another follows.
        let whole = page(2, first.hash(), "two, whole");
        let third = page(3, whole.hash(), "three");
        pages.page(whole);
        pages.page(third.clone());
        let (signed, said) = head(&third);
        pages.head(signed, &said);
        assert_eq!(fetched(&pages, 3, 2), [3, 2]);

        // A head for something else than what came: nothing is kept, and the sharer says it all again.
        pages.page(page(4, third.hash(), "four"));
        let (signed, said) = head(&third);
        pages.head(signed, &said);
        assert_eq!(pages.whole(), None);
    }

    #[test]
    fn what_is_too_much_is_not_kept() {
        let mut pages = Pages::default();
        let big = Bytes::from(vec![0; 64 * 1024]);
        for index in 1..400 {
            pages.page(SealedPage { generation: 1, index, previous: PageHash::NONE, body: big.clone() });
        }
        assert!(pages.staged.len() * big.len() <= MAX_BYTES);
        pages.interrupt();
        assert!(pages.staged.is_empty());
    }
}
