//! zstd in pure Rust; a viewer sends little, and never compresses.

use std::io::Read as _;

/// A viewer compresses nothing.
pub fn compress(_plain: &[u8]) -> Option<Vec<u8>> {
    None
}

/// Decompresses one frame of exactly `size` bytes.
pub fn decompress(packed: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(packed).ok()?;
    let mut plain = Vec::with_capacity(size);
    decoder.by_ref().take(size as u64 + 1).read_to_end(&mut plain).ok()?;
    (plain.len() == size).then_some(plain)
}
