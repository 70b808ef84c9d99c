//! Owner keys, grants and epochs: who may see, type and speak for a session (DESIGN 3).

pub mod driver;
pub mod epoch;
pub mod grant;
pub mod keeper;
pub mod owner;

use hkdf::Hkdf;
use sha2::{Digest, Sha256};

/// Prefix of every label; contains the protocol version, so that keys of two versions never meet.
pub(crate) const LABEL: &str = "sharer/1 ";

/// Derives 32 bytes by HKDF-SHA-256 with a label of its own.
pub(crate) fn derive(salt: &[u8], secret: &[u8], label: &str, context: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    let expanded = Hkdf::<Sha256>::new(Some(salt), secret)
        .expand_multi_info(&[LABEL.as_bytes(), label.as_bytes(), b"\0", context], &mut out);
    // 32 bytes are far below HKDF's bound of 255 blocks.
    debug_assert!(expanded.is_ok());
    out
}

/// SHA-256 over a label and parts whose lengths are fixed or written before them.
pub(crate) fn hash(label: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(LABEL);
    hasher.update(label);
    hasher.update([0]);
    for part in parts {
        hasher.update(part);
    }
    hasher.finalize().into()
}
