//! What a viewer makes of the cards that a relay gives it.

use std::collections::VecDeque;

use super::{Card, CardError, CardOpener, CardSet, Place, SealedCard};
use crate::id::TaskId;
use crate::keys::epoch::{Opened, Scope, Subkey};
use crate::keys::owner::OwnerPublic;
use crate::time::Moment;

/// The digests of earlier states that an attestation may still name: cards and attestations travel apart, so one that
/// names a state we have passed is late, and no sign of anything.
const MAX_PASSED: usize = 256;

/// Reads an epoch's cards, and finds out whether some are held back.
///
/// Each card is authentic by itself. That none is missing and none is old is known only when the owner attests the
/// digest of exactly the cards that are here: until then, [`Self::doubted_since`].
pub struct CardReader {
    opener: CardOpener,
    set: CardSet,
    passed: VecDeque<[u8; 32]>,
    wanted: Option<([u8; 32], Moment)>,
}

impl CardReader {
    /// For who holds keys of an epoch.
    pub fn new(opened: &Opened, scope: Scope, owner: OwnerPublic) -> Self {
        let opener = CardOpener {
            key: opened.content.subkey(scope, Subkey::Card),
            input_key: opened.input.as_ref().map(|input| input.secret.card_key(scope)),
            scope,
            owner,
        };
        Self { opener, set: CardSet::default(), passed: VecDeque::new(), wanted: None }
    }

    /// Opens a card that came for `task` in `revision`. `None`: this or a newer one is here already. When a message's
    /// cards are all read, call [`Self::settle`].
    pub fn read(
        &mut self,
        task: &TaskId,
        revision: u64,
        sealed: &SealedCard,
    ) -> Result<Option<Card>, CardError> {
        let place = Place { scope: self.opener.scope, task, revision };
        if self.set.knows(task, revision) {
            return Ok(None);
        }
        if !self.set.accepts(task, revision) {
            return Err(CardError::TooLarge);
        }
        let (card, digest) = self.opener.open(place, sealed)?;
        self.set.insert(task, revision, digest);
        Ok(Some(card))
    }

    /// Cards were read: what was in doubt may be cleared.
    pub fn settle(&mut self) {
        let digest = self.set.digest();
        if self.passed.back() != Some(&digest) {
            if self.passed.len() >= MAX_PASSED {
                self.passed.pop_front();
            }
            self.passed.push_back(digest);
        }
        self.wanted = self.wanted.filter(|(wanted, _)| *wanted != digest);
    }

    /// The digest of the cards that are here.
    pub fn digest(&self) -> [u8; 32] {
        self.set.digest()
    }

    /// The owner attested this digest, by a verified attestation no older than the last.
    pub fn attested(&mut self, now: Moment, digest: [u8; 32]) {
        if digest == self.set.digest() {
            self.wanted = None;
        } else if digest != [0; 32] && !self.passed.contains(&digest) {
            let since = self.wanted.map_or(now, |(_, since)| since);
            self.wanted = Some((digest, since));
        }
    }

    /// Since when the owner vouches for other cards than those that are here. Cards and attestations travel apart, so
    /// a moment's doubt is no sign; more than 5 s is one: some cards are held back, or the way is stuck.
    pub fn doubted_since(&self) -> Option<Moment> {
        self.wanted.map(|(_, since)| since)
    }
}

impl core::fmt::Debug for CardReader {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CardReader").field("set", &self.set).finish_non_exhaustive()
    }
}
