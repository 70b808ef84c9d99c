//! What a terminal is to the simulation.

use std::collections::VecDeque;

use shared::event::WindowSize;

use crate::random::Random;

/// A terminal, as far as the protocol's laws go: it is fed, resized, dumped and compared.
pub(crate) trait Screen: Sized {
    /// Whether two that saw the same are the same at every moment: a terminal that was made from a dump wraps lines in
    /// another way when its size changes, until it gets the next.
    const EXACT: bool;
    /// About so many bytes that a program may write, in whole sequences.
    fn output(random: &mut Random, len: usize) -> Vec<u8>;
    /// An empty terminal.
    fn fresh(window: WindowSize) -> Self;
    /// Writes to it.
    fn feed(&mut self, bytes: &[u8]);
    /// Changes its size.
    fn resize(&mut self, window: WindowSize);
    /// Bytes that bring a fresh terminal of the same size to the screen, or to history and screen.
    fn dump(&self, history: bool) -> Vec<u8>;
    /// A value that differs when screens differ.
    fn state(&self) -> u64;
    /// What scrolled off, as far as it is kept.
    fn history(&self) -> Vec<u8>;
    /// Its size.
    fn window(&self) -> WindowSize;
}

const SCREEN: usize = 128;
const HISTORY: usize = 2_048;
const DUMP: &[u8] = b"\x1bcDUMP";

/// A log of bytes: its state is a hash over every byte and every size since the reset, so that two are equal only
/// if they saw the same; its history is the newest bytes.
pub(crate) struct ByteLog {
    window: WindowSize,
    state: u64,
    newest: VecDeque<u8>,
}

impl ByteLog {
    fn mix(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.state = (self.state ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3);
        }
    }
}

impl Screen for ByteLog {
    const EXACT: bool = true;

    fn output(random: &mut Random, len: usize) -> Vec<u8> {
        random.text(len)
    }

    fn fresh(window: WindowSize) -> Self {
        Self { window, state: 0xCBF2_9CE4_8422_2325, newest: VecDeque::new() }
    }

    fn feed(&mut self, bytes: &[u8]) {
        let bytes = match bytes.strip_prefix(DUMP).and_then(|rest| rest.split_first_chunk::<10>()) {
            Some((head, rest)) => {
                let (state, len) = head.split_first_chunk::<8>().unwrap();
                let len = usize::from(u16::from_be_bytes(len.try_into().unwrap()));
                self.state = u64::from_be_bytes(*state);
                self.newest = rest[..len].iter().copied().collect();
                &rest[len..]
            }
            None => bytes,
        };
        self.mix(bytes);
        let keep = bytes.len().min(HISTORY);
        self.newest.extend(&bytes[bytes.len() - keep..]);
        let surplus = self.newest.len().saturating_sub(HISTORY);
        self.newest.drain(..surplus);
    }

    fn resize(&mut self, window: WindowSize) {
        if window != self.window {
            self.window = window;
            self.mix(&window.cols.to_be_bytes());
            self.mix(&window.rows.to_be_bytes());
        }
    }

    fn dump(&self, history: bool) -> Vec<u8> {
        let keep = if history { HISTORY } else { SCREEN };
        let skip = self.newest.len().saturating_sub(keep);
        let kept: Vec<u8> = self.newest.iter().skip(skip).copied().collect();
        let len = u16::try_from(kept.len()).unwrap();
        [DUMP, &self.state.to_be_bytes(), &len.to_be_bytes(), &kept].concat()
    }

    fn state(&self) -> u64 {
        self.state
    }

    fn history(&self) -> Vec<u8> {
        self.newest.iter().copied().collect()
    }

    fn window(&self) -> WindowSize {
        self.window
    }
}

#[test]
fn a_dump_brings_a_fresh_log_to_the_same_state() {
    let window = WindowSize { cols: 80, rows: 24 };
    let mut log = ByteLog::fresh(window);
    log.feed(&[b'x'; 5_000]);
    log.feed(b"tail");
    for history in [false, true] {
        let mut other = ByteLog::fresh(window);
        other.feed(&[log.dump(history), b"more".to_vec()].concat());
        let mut whole = ByteLog::fresh(window);
        whole.feed(&log.dump(true));
        whole.feed(b"more");
        assert_eq!(other.state(), whole.state());
        assert_eq!(other.history() == whole.history(), history);
    }
}

impl ByteLog {
    /// The newest bytes as text.
    pub(crate) fn dump_text(&self) -> String {
        String::from_utf8_lossy(&self.history()).into_owned()
    }
}
