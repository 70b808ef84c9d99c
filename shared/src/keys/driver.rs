//! A driver's keys: who it is, and the secret that lets somebody start work on it (ORCHESTRATION 9).

use core::fmt;

use zeroize::Zeroizing;

use super::owner::{OwnerKey, OwnerPublic};
use crate::encoding::fixed_bytes;
use crate::entropy::Entropy;
use crate::id::DriverId;

fixed_bytes! {
    /// Who holds it may start work on the driver. It salts every key between an asker and the driver.
    secret DriverSecret, 32
}

/// All that a driver keeps: an Ed25519 pair, which names it and signs for it, and its secret.
pub struct DriverKey {
    seed: Zeroizing<[u8; 32]>,
    owner: OwnerKey,
    secret: DriverSecret,
}

impl DriverKey {
    /// How many bytes [`DriverKey::to_bytes`] gives.
    pub const LEN: usize = 64;

    /// Draws a new driver.
    pub fn generate(entropy: &mut Entropy) -> Self {
        Self::new(entropy.array(), entropy.array())
    }

    fn new(seed: [u8; 32], secret: [u8; 32]) -> Self {
        let seed = Zeroizing::new(seed);
        Self { owner: OwnerKey::from_seed(&seed), seed, secret: DriverSecret(secret) }
    }

    /// What the driver keeps in its state directory: the seed of its pair, then its secret.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new([&self.seed[..], &self.secret.0].concat())
    }

    /// Reads what was kept; `None` if it is of another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (seed, secret) = bytes.split_first_chunk::<32>()?;
        Some(Self::new(*seed, secret.try_into().ok()?))
    }

    /// Who the driver is.
    pub fn id(&self) -> DriverId {
        self.owner.public().driver_id()
    }

    /// Its public key, which is what the id is a hash of.
    pub fn public(&self) -> OwnerPublic {
        self.owner.public()
    }

    /// What it signs with.
    pub fn owner(&self) -> &OwnerKey {
        &self.owner
    }

    /// What askers need besides its id.
    pub fn secret(&self) -> &DriverSecret {
        &self.secret
    }
}

impl fmt::Debug for DriverKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DriverKey({})", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_kept_whole_and_prints_no_secret() {
        let key = DriverKey::generate(&mut Entropy::from_seed([3; 32]));
        let kept = key.to_bytes();
        let read = DriverKey::from_bytes(&kept).unwrap();
        assert_eq!((read.id(), read.secret()), (key.id(), key.secret()));
        assert!(DriverKey::from_bytes(&kept[1..]).is_none());
        assert!(!format!("{key:?} {:?}", key.secret()).contains(&key.secret().to_base64()));
        assert_eq!(key.id().to_string().parse(), Ok(key.id()));
        assert_ne!(key.id().0, key.public().session_id().0, "no session has a driver's id");
    }
}
