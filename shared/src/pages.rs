//! A transcript's pages under seal: each sealed once, chained to the one before, and the owner's word on the newest.
//!
//! What is complete stays as it is; the newest page is replaced until it is complete. One signature over the newest
//! vouches for all: each page travels with the hash of the one before it, and its own hash covers that. So pages are
//! fetched newest first and checked one by one. A *generation* is one such chain; the sealer begins another when the
//! relay forgot the pages or most of what they hold is out of date.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::conversation::{MAX_PAGE, Page};
use crate::encoding::{fixed_bytes, from_json};
use crate::entropy::Entropy;
use crate::event::{pack, unpack};
use crate::keys::epoch::{ContentKey, EpochId, Scope, Subkey};
use crate::keys::owner::{OwnerKey, OwnerPublic, Purpose, Signed};
use crate::keys::{LABEL, hash};
use crate::seal::{open_random, seal_random};

/// The most pages of a generation: the sealer begins another before.
pub const MAX_PAGES: u32 = 512;
/// What a sealed page takes at most beyond its plain size, in bytes.
pub const PAGE_OVERHEAD: usize = 128;

fixed_bytes! {
    /// Hash of a sealed page and, through it, of all before it.
    public PageHash, 32
}

impl PageHash {
    /// What comes before the first page.
    pub const NONE: Self = Self([0; 32]);
}

/// The owner's word on a transcript, as signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The epoch whose key opens the pages.
    pub epoch: EpochId,
    /// Which chain of pages.
    pub generation: u64,
    /// The newest change that the pages hold.
    pub revision: u64,
    /// Index of the newest page; pages count from 1.
    pub newest: u32,
    /// Hash of the newest page.
    pub hash: PageHash,
}

impl Head {
    /// The head, if `owner` signed it.
    pub fn verify(signed: &Signed, owner: &OwnerPublic) -> Option<Self> {
        let head: Self = from_json(signed.verify(owner, Purpose::Transcript)?)?;
        (1..=MAX_PAGES).contains(&head.newest).then_some(head)
    }
}

/// A page as it is stored and sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedPage {
    /// Its chain.
    pub generation: u64,
    /// Its place in the chain, from 1.
    pub index: u32,
    /// Hash of the page before it.
    pub previous: PageHash,
    /// The sealed body.
    pub body: Bytes,
}

impl SealedPage {
    /// Its hash.
    pub fn hash(&self) -> PageHash {
        let parts: [&[u8]; 4] =
            [&self.previous.0, &self.generation.to_be_bytes(), &self.index.to_be_bytes(), &self.body];
        PageHash(hash("transcript page", &parts))
    }

    /// Whether its numbers and size are within bounds.
    pub fn is_bounded(&self) -> bool {
        (1..=MAX_PAGES).contains(&self.index) && self.body.len() <= MAX_PAGE + PAGE_OVERHEAD
    }
}

fn page_data(scope: Scope, generation: u64, index: u32, previous: PageHash) -> Vec<u8> {
    [
        LABEL.as_bytes(),
        b"transcript down\0",
        &scope.to_bytes(),
        &generation.to_be_bytes(),
        &index.to_be_bytes(),
        &previous.0,
    ]
    .concat()
}

/// Makes an epoch's pages.
pub struct PageSealer {
    key: [u8; 32],
    scope: Scope,
    generation: u64,
    /// Complete pages of the generation, the hash of the last, and the newest change in them.
    complete: u32,
    last: PageHash,
    covered: u64,
}

impl core::fmt::Debug for PageSealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "PageSealer({}.{})", self.generation, self.complete)
    }
}

impl PageSealer {
    /// For an epoch.
    pub fn new(content: &ContentKey, scope: Scope) -> Self {
        let key = content.subkey(scope, Subkey::Transcript);
        Self { key, scope, generation: 1, complete: 0, last: PageHash::NONE, covered: 0 }
    }

    /// Begins another chain: nothing that was sealed counts any more.
    pub fn restart(&mut self) {
        self.generation += 1;
        (self.complete, self.last, self.covered) = (0, PageHash::NONE, 0);
    }

    /// Generation, and how many of its pages are complete.
    pub fn complete(&self) -> (u64, u32) {
        (self.generation, self.complete)
    }

    /// The newest change in complete pages: what follows it is to be sealed.
    pub fn covered(&self) -> u64 {
        self.covered
    }

    /// Seals what changed since [`PageSealer::covered`]: all pages but the last are complete. The owner's word on them
    /// goes behind them. `None` if there is nothing.
    pub fn seal(
        &mut self,
        owner: &OwnerKey,
        pages: &[Page],
        compress: bool,
        entropy: &mut Entropy,
    ) -> Option<(Vec<SealedPage>, Signed)> {
        let (newest, complete) = pages.split_last()?;
        let mut sealed = Vec::with_capacity(pages.len());
        for page in complete {
            let page_sealed = self.seal_one(page, compress, entropy);
            self.complete += 1;
            self.last = page_sealed.hash();
            self.covered = page.revision;
            sealed.push(page_sealed);
        }
        let last = self.seal_one(newest, compress, entropy);
        let head = Head {
            epoch: self.scope.epoch,
            generation: self.generation,
            revision: newest.revision,
            newest: last.index,
            hash: last.hash(),
        };
        sealed.push(last);
        let signed = owner.signed(Purpose::Transcript, serde_json::to_vec(&head).unwrap_or_default());
        Some((sealed, signed))
    }

    fn seal_one(&self, page: &Page, compress: bool, entropy: &mut Entropy) -> SealedPage {
        let (generation, index, previous) = (self.generation, self.complete + 1, self.last);
        let aad = page_data(self.scope, generation, index, previous);
        let body = seal_random(&self.key, &aad, &pack(&page.encode(), compress), entropy);
        SealedPage { generation, index, previous, body: body.into() }
    }
}

/// Checks and opens a generation's pages, newest first.
#[derive(Debug, Clone)]
pub struct PageReader {
    generation: u64,
    index: u32,
    expected: PageHash,
}

impl PageReader {
    /// Begins at the newest page.
    pub fn new(head: &Head) -> Self {
        Self { generation: head.generation, index: head.newest, expected: head.hash }
    }

    /// Index of the page that comes next; 0 behind the first.
    pub fn next_index(&self) -> u32 {
        self.index
    }

    /// Whether this is the page that comes next.
    pub fn expects(&self, page: &SealedPage) -> bool {
        (page.generation, page.index) == (self.generation, self.index)
    }

    /// Opens the page that comes next; `None` if it is not what the owner signed.
    pub fn open(&mut self, page: &SealedPage, content: &ContentKey, scope: Scope) -> Option<Page> {
        if !self.expects(page) || page.hash() != self.expected {
            return None;
        }
        let key = content.subkey(scope, Subkey::Transcript);
        let aad = page_data(scope, page.generation, page.index, page.previous);
        let plain = unpack(&open_random(&key, &aad, &page.body)?, MAX_PAGE)?;
        let opened = Page::decode(&plain)?;
        self.index -= 1;
        self.expected = page.previous;
        Some(opened)
    }
}

#[cfg(test)]
mod tests;
