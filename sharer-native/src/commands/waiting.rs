//! A word about what takes longer than people expect.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use super::complain;

/// So long nobody asks himself what it does.
const UNASKED: Duration = Duration::from_millis(1_500);

/// As long as this is there something is waited for.
#[derive(Debug)]
pub struct Waiting {
    _over: Sender<()>,
}

impl Waiting {
    /// Says so if it is still there after a moment.
    pub fn says(words: String) -> Self {
        let (over, waits) = channel();
        std::thread::spawn(move || {
            if waits.recv_timeout(UNASKED) == Err(RecvTimeoutError::Timeout) {
                complain(&words);
            }
        });
        Self { _over: over }
    }
}
