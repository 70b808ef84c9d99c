//! Cards: what a parent's owner says about one child, sealed for who holds the parent's link (DESIGN 3).
//!
//! A card's body holds the [`Task`] and a *watch* grant made for this parent, under the parent's content key; a
//! second one holds a *type* grant made for this parent, under its input secret. Both are signed together by the
//! parent's owner. Everything names session, epoch, task and revision, so no card stands for another, for another
//! session's or for an older self; and attestations carry the [`CardSet`]'s digest, so that holding one back shows.

mod reader;
mod set;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use self::reader::CardReader;
pub use self::set::CardSet;
use crate::encoding::{Blob, fixed_bytes, from_json};
use crate::entropy::Entropy;
use crate::id::TaskId;
use crate::keys::epoch::{ContentKey, InputSecret, Scope, Subkey};
use crate::keys::grant::GrantSecret;
use crate::keys::owner::{OwnerKey, OwnerPublic, Purpose, Signature};
use crate::keys::{LABEL, hash};
use crate::orchestration::task::Task;
use crate::seal::{open_random, seal_random};

/// The largest card, in bytes of its sealed bodies and signature.
pub const MAX_CARD: usize = 4_096;

fixed_bytes! {
    /// Digest over one card's place and sealed bodies: what its owner signs.
    public CardDigest, 32
}

/// What a parent's link opens of a child: grants of the child's session that were made for this parent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reach {
    /// For everybody who holds a link of the parent's.
    pub watch: GrantSecret,
    /// For those who may type.
    #[serde(skip)]
    pub typing: Option<GrantSecret>,
}

/// A card, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// What the owner says of the child.
    pub task: Task,
    /// What opens its session; `None` while it has none, and when it is not reached any more.
    pub reach: Option<Reach>,
}

/// A card as it travels and is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedCard {
    /// Task and watch grant, under the content key: 24 bytes of nonce, then the sealed JSON.
    pub body: Blob,
    /// The type grant, under the input secret: 24 bytes of nonce, then the 16 sealed bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typing: Option<Blob>,
    /// The owner's, over the card's digest.
    pub signature: Signature,
}

/// Why a card was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CardError {
    /// It is larger than any card, or one more than there can be.
    #[error("a card is too large")]
    TooLarge,
    /// The owner did not sign it for this place.
    #[error("a card is not signed by the session's owner")]
    NotTheOwners,
    /// The session's keys do not open it.
    #[error("a card does not open")]
    Sealed,
    /// What is inside is not what its owner's program writes.
    #[error("a card is malformed")]
    Malformed,
}

/// Where a card belongs.
#[derive(Debug, Clone, Copy)]
struct Place<'a> {
    scope: Scope,
    task: &'a TaskId,
    revision: u64,
}

impl Place<'_> {
    fn data(self, kind: &[u8]) -> Vec<u8> {
        let revision = self.revision.to_be_bytes();
        [LABEL.as_bytes(), kind, &self.scope.to_bytes(), &revision, self.task.0.as_bytes()].concat()
    }

    fn digest(self, card: &SealedCard) -> CardDigest {
        let task = self.task.0.as_bytes();
        let typing = card.typing.as_ref().map_or(&[][..], |typing| &typing.0);
        let [task_len, body_len] = [task.len(), card.body.0.len()].map(|len| (len as u64).to_be_bytes());
        CardDigest(hash(
            "card",
            &[
                &self.scope.to_bytes(),
                &self.revision.to_be_bytes(),
                &task_len,
                task,
                &body_len,
                &card.body.0,
                typing,
            ],
        ))
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(flatten)]
    task: &'a Task,
    #[serde(flatten)]
    reach: Watch,
}

#[derive(Serialize, Deserialize)]
struct Watch {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    watch: Option<GrantSecret>,
}

const BODY: &[u8] = b"card down\0";
const TYPING: &[u8] = b"card input down\0";

impl SealedCard {
    /// Its size, as [`MAX_CARD`] counts.
    pub fn size(&self) -> usize {
        let typing = self.typing.as_ref().map_or(0, |typing| typing.0.len());
        self.body.0.len() + typing + Signature::LEN
    }
}

/// Seals an epoch's cards, each revision of a task once, and knows the digest of all.
pub struct CardSealer {
    key: [u8; 32],
    input_key: [u8; 32],
    scope: Scope,
    set: CardSet,
}

impl CardSealer {
    /// For an epoch; cards of an earlier one are sealed anew.
    pub fn new(content: &ContentKey, input: &InputSecret, scope: Scope) -> Self {
        Self {
            key: content.subkey(scope, Subkey::Card),
            input_key: input.card_key(scope),
            scope,
            set: CardSet::default(),
        }
    }

    /// Seals and signs the card of a task in its present revision, which becomes part of the digest. `None`: a card
    /// of this revision, or a newer one, was sealed in this epoch; or there are too many.
    pub fn seal(&mut self, owner: &OwnerKey, card: &Card, entropy: &mut Entropy) -> Option<SealedCard> {
        let Card { task, reach } = card;
        if !task.is_good() || !self.set.accepts(&task.id, task.revision) {
            return None;
        }
        let place = Place { scope: self.scope, task: &task.id, revision: task.revision };
        let reached = Watch { watch: reach.as_ref().map(|reach| reach.watch.clone()) };
        let body = Body { task, reach: reached };
        // Serialising plain structs with string keys cannot fail.
        let plain = zeroize::Zeroizing::new(serde_json::to_vec(&body).unwrap_or_default());
        let body = Blob(seal_random(&self.key, &place.data(BODY), &plain, entropy));
        let typing = reach.as_ref().and_then(|reach| reach.typing.as_ref());
        let typing =
            typing.map(|grant| Blob(seal_random(&self.input_key, &place.data(TYPING), &grant.0, entropy)));
        let mut sealed = SealedCard { body, typing, signature: Signature([0; 64]) };
        let digest = place.digest(&sealed);
        sealed.signature = owner.sign(Purpose::Card, &digest.0);
        self.set.insert(&task.id, task.revision, digest);
        Some(sealed)
    }

    /// The digest for attestations: over all cards sealed so far; zero while there are none.
    pub fn digest(&self) -> [u8; 32] {
        self.set.digest()
    }
}

impl core::fmt::Debug for CardSealer {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CardSealer").field("set", &self.set).finish_non_exhaustive()
    }
}

/// Opens cards of one epoch.
struct CardOpener {
    key: [u8; 32],
    input_key: Option<[u8; 32]>,
    scope: Scope,
    owner: OwnerPublic,
}

impl CardOpener {
    fn open(&self, place: Place<'_>, sealed: &SealedCard) -> Result<(Card, CardDigest), CardError> {
        if sealed.size() > MAX_CARD {
            return Err(CardError::TooLarge);
        }
        let digest = place.digest(sealed);
        if self.owner.session_id() != self.scope.session
            || !self.owner.verify(Purpose::Card, &digest.0, &sealed.signature)
        {
            return Err(CardError::NotTheOwners);
        }
        let open = |key: &[u8; 32], kind: &[u8], body: &Blob| {
            let plain = open_random(key, &place.data(kind), &body.0).ok_or(CardError::Sealed)?;
            Ok(zeroize::Zeroizing::new(plain))
        };
        let plain = open(&self.key, BODY, &sealed.body)?;
        // Each takes its fields of the body and leaves the other's.
        let (task, watch): (Task, Watch) =
            from_json(&plain).zip(from_json(&plain)).ok_or(CardError::Malformed)?;
        if (&task.id, task.revision) != (place.task, place.revision) || !task.is_good() {
            return Err(CardError::Malformed);
        }
        let typing = match (&self.input_key, &sealed.typing) {
            (Some(key), Some(typing)) => {
                let plain = open(key, TYPING, typing)?;
                Some(GrantSecret(plain.as_slice().try_into().ok().ok_or(CardError::Malformed)?))
            }
            _ => None,
        };
        let reach = watch.watch.map(|watch| Reach { watch, typing });
        Ok((Card { task, reach }, digest))
    }
}
