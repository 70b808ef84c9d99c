//! The system's clocks and randomness, for the machines.

use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use shared::entropy::Entropy;
use shared::time::Now;

/// A steady clock that counts while the computer sleeps.
#[cfg(target_os = "linux")]
const STEADY: ClockId = ClockId::Boottime;
#[cfg(not(target_os = "linux"))]
const STEADY: ClockId = ClockId::Monotonic;

/// Reads both clocks.
pub fn now() -> Now {
    let steady = clock_gettime(STEADY);
    let ms = u64::try_from(steady.tv_sec).unwrap_or(0) * 1000
        + u64::try_from(steady.tv_nsec).unwrap_or(0) / 1_000_000;
    let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Now::new(ms, u64::try_from(wall.as_millis()).unwrap_or(u64::MAX))
}

/// Draws a fresh stream of randomness from the system.
pub fn entropy() -> Result<Entropy, getrandom::Error> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    Ok(Entropy::from_seed(seed))
}

/// Draws a token of 128 bits.
pub fn token(entropy: &mut Entropy) -> String {
    data_encoding::BASE64URL_NOPAD.encode(&entropy.array::<16>())
}

/// A time as agents and checkpoints write it, in milliseconds since 1970; `None` if it is none, or older.
pub fn milliseconds(text: &str) -> Option<u64> {
    let time: jiff::Timestamp = text.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}
