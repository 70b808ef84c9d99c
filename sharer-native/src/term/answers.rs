//! Answers to a program's queries, in xterm.js's words.

use std::fmt;
use std::io::Write;

/// A program that asks and never reads gets no more than this: some hundred answers.
const MOST: usize = 16 * 1024;

/// The answers nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Answers {
    bytes: Vec<u8>,
}

impl Answers {
    /// Adds an answer, whole or not at all.
    pub(super) fn push(&mut self, answer: fmt::Arguments<'_>) {
        let before = self.bytes.len();
        if self.bytes.write_fmt(answer).is_err() || self.bytes.len() > MOST {
            self.bytes.truncate(before);
        }
    }

    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }
}
