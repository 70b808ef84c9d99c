//! One input connection: what a person typed, on its way to the sharer, once and in order.

use std::collections::VecDeque;

use crate::input::{Input, InputSealer, MAX_INPUT_FRAME, MAX_PASTE, View};
use crate::keys::epoch::{AgreementKey, AgreementPublic};
use crate::time::Moment;
use crate::wire::hello::{INPUT_COST, INPUT_CREDIT};

/// Room for keys behind the largest paste, in bytes. Keys beyond are not taken, and the person is told.
const MAX_QUEUED: usize = MAX_PASTE + 64 * 1024;
/// The most characters shown of what may be lost.
const MAX_EXCERPT: usize = 80;

/// Input that the sharer may not have got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LostInput {
    /// What it was, as a person would write it down; cut short.
    pub excerpt: String,
    /// Bytes in all.
    pub bytes: usize,
    /// The sharer said that it did not take them; otherwise nobody knows.
    pub certain: bool,
}

/// An input connection, from its key to its end.
#[derive(Debug)]
pub(super) struct InputConnection {
    key: AgreementKey,
    sealer: Option<InputSealer>,
    queue: VecDeque<Input>,
    queued: usize,
    /// Sent and not known to be taken, with the size of each frame and when it went.
    sent: VecDeque<(Input, u64, Moment)>,
    in_flight: u64,
    taken: u64,
}

fn size(input: &Input) -> usize {
    match input {
        Input::Keys(bytes) => bytes.len(),
        Input::Paste { part, .. } => part.len(),
        Input::Size(_) => 4,
    }
}

impl InputConnection {
    /// Begins an input connection with a key of its own.
    pub(super) fn new(key: AgreementKey) -> Self {
        Self {
            key,
            sealer: None,
            queue: VecDeque::new(),
            queued: 0,
            sent: VecDeque::new(),
            in_flight: 0,
            taken: 0,
        }
    }

    pub(super) fn key(&self) -> &AgreementKey {
        &self.key
    }

    pub(super) fn public(&self) -> AgreementPublic {
        self.key.public()
    }

    /// The sharer takes input: from now on frames can be sealed.
    pub(super) fn open(&mut self, sealer: InputSealer) {
        self.sealer = Some(sealer);
    }

    pub(super) fn is_open(&self) -> bool {
        self.sealer.is_some()
    }

    /// Queues input; false if nothing more fits.
    pub(super) fn push(&mut self, input: Input) -> bool {
        let bytes = size(&input);
        if self.sealer.is_none() || self.queued + bytes > MAX_QUEUED {
            return false;
        }
        self.queued += bytes;
        self.queue.push_back(input);
        true
    }

    /// Queues bytes in frames; false if they do not fit whole.
    pub(super) fn keys(&mut self, bytes: &[u8]) -> bool {
        if self.sealer.is_none() || self.queued + bytes.len() > MAX_QUEUED {
            return false;
        }
        bytes.chunks(MAX_INPUT_FRAME).all(|part| self.push(Input::Keys(part.to_vec())))
    }

    /// Queues a paste in parts; false if it is too long or does not fit whole.
    pub(super) fn paste(&mut self, bytes: &[u8]) -> bool {
        let Some(total) = u32::try_from(bytes.len()).ok().filter(|_| bytes.len() <= MAX_PASTE) else {
            return false;
        };
        if self.sealer.is_none() || self.queued + bytes.len() > MAX_QUEUED {
            return false;
        }
        // Kind and total are inside the frame as well.
        bytes.chunks(MAX_INPUT_FRAME - 8).all(|part| self.push(Input::Paste { total, part: part.to_vec() }))
    }

    /// Seals the next frame, if there is one and credit for it.
    pub(super) fn next(&mut self, now: Moment, view: &View) -> Option<Vec<u8>> {
        let bytes = size(self.queue.front()?) as u64 + INPUT_COST;
        if self.in_flight + bytes > INPUT_CREDIT {
            return None;
        }
        let sealer = self.sealer.as_mut()?;
        let input = self.queue.pop_front()?;
        self.queued -= size(&input);
        let sealed = sealer.seal(view, &input);
        self.in_flight += bytes;
        self.sent.push_back((input, bytes, now));
        Some(sealed)
    }

    /// When the oldest input was sent that is not known to be taken.
    pub(super) fn oldest(&self) -> Option<Moment> {
        self.sent.front().map(|(.., at)| *at)
    }

    /// The sharer acknowledged; false if it is no acknowledgement of this connection.
    pub(super) fn taken(&mut self, sealed: &[u8]) -> bool {
        let Some(taken) = self.sealer.as_mut().and_then(|sealer| sealer.open_taken(sealed)) else {
            return false;
        };
        self.forget(taken);
        true
    }

    fn forget(&mut self, taken: u64) {
        while self.taken < taken {
            let Some((_, bytes, _)) = self.sent.pop_front() else { break };
            self.taken += 1;
            self.in_flight -= bytes;
        }
    }

    /// What may be lost if this connection is over; `taken` as the sharer says on the next one, if it knows.
    pub(super) fn lost(&mut self, taken: Option<u64>) -> Option<LostInput> {
        self.forget(taken.unwrap_or(0));
        let left = || self.sent.iter().map(|(input, ..)| input).chain(&self.queue);
        let typed = |input: &Input| -> Vec<u8> {
            match input {
                Input::Keys(bytes) | Input::Paste { part: bytes, .. } => bytes.clone(),
                Input::Size(_) => Vec::new(),
            }
        };
        let bytes: usize = left().map(|input| typed(input).len()).sum();
        if bytes == 0 {
            return None;
        }
        let mut text = Vec::new();
        for input in left().take(MAX_EXCERPT) {
            text.extend(typed(input).into_iter().take(4 * MAX_EXCERPT));
        }
        Some(LostInput { excerpt: written_down(&text), bytes, certain: taken.is_some() })
    }
}

/// Typed bytes as a person would write them down.
fn written_down(bytes: &[u8]) -> String {
    let mut out = String::new();
    let text = String::from_utf8_lossy(bytes);
    for (count, c) in text.chars().enumerate() {
        if count == MAX_EXCERPT {
            out.push('…');
            break;
        }
        match c {
            '\r' | '\n' => out.push('⏎'),
            '\t' => out.push('⇥'),
            '\u{1b}' => out.push('␛'),
            '\u{7f}' => out.push('⌫'),
            c if u32::from(c) < 32 => {
                out.push('^');
                out.push(char::from_u32(u32::from(c) + 64).unwrap_or('?'));
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_bytes_are_written_down() {
        assert_eq!(written_down(b"ls\r\x03\x7f\t"), "ls⏎^C⌫⇥");
        assert_eq!(written_down("é".repeat(100).as_bytes()).chars().count(), MAX_EXCERPT + 1);
    }
}
