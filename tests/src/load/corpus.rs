//! The log that is poured through everything: coloured, of varied lines, the same on every machine.

use std::io::Write as _;
use std::path::{Path, PathBuf};

const LEVELS: [&str; 8] = [
    "\x1b[32m INFO\x1b[0m",
    "\x1b[32m INFO\x1b[0m",
    "\x1b[32m INFO\x1b[0m",
    "\x1b[32m INFO\x1b[0m",
    "\x1b[34mDEBUG\x1b[0m",
    "\x1b[34mDEBUG\x1b[0m",
    "\x1b[33m WARN\x1b[0m",
    "\x1b[1;31mERROR\x1b[0m",
];
const PLACES: [&str; 10] = [
    "http::router",
    "store::compact",
    "auth::session",
    "queue::worker",
    "db::pool",
    "cache::evict",
    "sync::replica",
    "mail::outgoing",
    "api::orders",
    "metrics::push",
];
const WORDS: [&str; 24] = [
    "request",
    "finished",
    "connection",
    "retry",
    "opened",
    "closed",
    "timeout",
    "while",
    "reading",
    "row",
    "index",
    "rebuilt",
    "segment",
    "flushed",
    "to",
    "disk",
    "after",
    "checksum",
    "matched",
    "for",
    "tenant",
    "token",
    "refreshed",
    "batch",
];

/// A stream of numbers that looks random and is the same in every run (xorshift).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % sides as u64).expect("below `sides`")
    }
}

/// At least `size` bytes of coloured log in whole lines that end with CR LF, as a raw PTY passes them on.
pub fn log(size: usize) -> Vec<u8> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut out = Vec::with_capacity(size + 256);
    let mut ms = 0_usize;
    while out.len() < size {
        ms += dice.roll(40);
        let (s, place, level) = (ms / 1000, PLACES[dice.roll(10)], LEVELS[dice.roll(8)]);
        write!(
            out,
            "\x1b[2m2026-03-14T{:02}:{:02}:{:02}.{:03}Z\x1b[0m {level} \x1b[36m{place}\x1b[0m:",
            s / 3600 % 24,
            s / 60 % 60,
            s % 60,
            ms % 1000,
        )
        .expect("memory takes writes");
        for _ in 0..3 + dice.roll(8) {
            write!(out, " {}", WORDS[dice.roll(24)]).expect("memory takes writes");
        }
        let (id, took) = (dice.roll(1 << 32), dice.roll(90_000));
        write!(out, " id=\x1b[35m{id:08x}\x1b[0m took={}.{:02}ms\r\n", took / 100, took % 100)
            .expect("memory takes writes");
    }
    out
}

/// Writes [`log`] to a file in `dir` for `cat`, and gives its path and length.
pub fn file(dir: &Path, size: usize) -> (PathBuf, usize) {
    let bytes = log(size);
    let path = dir.join(format!("log-{size}"));
    std::fs::write(&path, &bytes).expect("the directory takes files");
    (path, bytes.len())
}
