//! zstd in pure Rust; a viewer sends little, and never compresses.

use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// A viewer compresses nothing.
pub fn compress(_plain: &[u8]) -> Option<Vec<u8>> {
    None
}

/// Decompresses one frame of exactly `size` bytes.
pub fn decompress(mut packed: &[u8], size: usize) -> Option<Vec<u8>> {
    let mut decoder = FrameDecoder::new();
    decoder.init(&mut packed).ok()?;
    // Stops at the first block that goes beyond, whatever window the frame asks for.
    let finished = decoder.decode_blocks(&mut packed, BlockDecodingStrategy::UptoBytes(size + 1)).ok()?;
    decoder.collect().filter(|plain| finished && plain.len() == size)
}
