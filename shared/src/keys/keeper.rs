//! Keeping sessions when they have ended: the owner's word on it, and the key that may remove them again.
//!
//! An owner's key never leaves its process, and that ends with the session. So the owner names another key, the *keeper*'s,
//! whose holder may list and remove what is kept under it, and nothing else: it opens nothing.

use core::fmt;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::owner::{Challenge, OwnerKey, OwnerPublic, Purpose, Signature, Signed};
use crate::encoding::from_json;
use crate::entropy::Entropy;

/// The owner's word that its session is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// For how long when it has ended, in milliseconds; relays may keep it for less.
    pub for_ms: u64,
    /// Who may remove it.
    pub keeper: OwnerPublic,
}

impl Keep {
    /// Signs it.
    pub fn sign(&self, key: &OwnerKey) -> Signed {
        // Serialising plain structs with string keys cannot fail.
        key.signed(Purpose::Keep, serde_json::to_vec(self).unwrap_or_default())
    }

    /// The word, if `owner` signed it.
    pub fn verify(signed: &Signed, owner: &OwnerPublic) -> Option<Self> {
        from_json(signed.verify(owner, Purpose::Keep)?)
    }
}

/// The private half of a keeper's key.
pub struct KeeperKey {
    seed: Zeroizing<[u8; 32]>,
    pair: OwnerKey,
}

impl KeeperKey {
    /// Draws a new one.
    pub fn generate(entropy: &mut Entropy) -> Self {
        Self::from_seed(entropy.array())
    }

    fn from_seed(seed: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        Self { pair: OwnerKey::from_seed(&seed), seed }
    }

    /// Reads what [`Self::to_base64`] wrote.
    pub fn from_base64(text: &str) -> Option<Self> {
        crate::encoding::array_from_base64(text).map(Self::from_seed)
    }

    /// What is kept in the user's state directory.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(crate::encoding::to_base64(&self.seed[..]))
    }

    /// The public half.
    pub fn public(&self) -> OwnerPublic {
        self.pair.public()
    }

    /// Signs what is asked of the relay that sent `challenge` and was dialled as `host`: good on one connection only.
    pub fn sign(&self, remove: bool, challenge: &Challenge, host: &str) -> Signature {
        self.pair.sign(Purpose::Keeper, &asked(remove, challenge, host))
    }
}

/// Whether `keeper` asked this of the relay that sent `challenge` and is reached as `host`.
pub fn is_asked(
    keeper: &OwnerPublic,
    remove: bool,
    challenge: &Challenge,
    host: &str,
    signature: &Signature,
) -> bool {
    keeper.verify(Purpose::Keeper, &asked(remove, challenge, host), signature)
}

fn asked(remove: bool, challenge: &Challenge, host: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(40 + host.len());
    out.push(u8::from(remove));
    out.extend_from_slice(&challenge.0);
    out.extend_from_slice(host.as_bytes());
    out
}

impl fmt::Debug for KeeperKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeeperKey({:?})", self.public())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keeper_signs_for_one_connection_and_prints_no_secret() {
        let mut entropy = Entropy::from_seed([4; 32]);
        let key = KeeperKey::generate(&mut entropy);
        let read = KeeperKey::from_base64(&key.to_base64()).unwrap();
        assert_eq!(read.public(), key.public());
        assert!(!format!("{key:?}").contains(key.to_base64().as_str()));
        let (here, there) = (Challenge([1; 32]), Challenge([2; 32]));
        let signature = key.sign(true, &here, "h:1");
        let good = |remove, challenge, host| is_asked(&key.public(), remove, challenge, host, &signature);
        assert!(good(true, &here, "h:1"));
        assert!(!good(false, &here, "h:1") && !good(true, &there, "h:1") && !good(true, &here, "h:2"));
        let owner = OwnerKey::generate(&mut entropy);
        let keep = Keep { for_ms: 7, keeper: key.public() };
        assert_eq!(Keep::verify(&keep.sign(&owner), &owner.public()), Some(keep));
        assert_eq!(Keep::verify(&keep.sign(&owner), &key.public()), None, "only its owner says so");
    }
}
