//! The terminal model's laws: any split of the bytes gives the same terminal, and a dump, fed to a fresh
//! terminal, gives the same terminal, cut at any byte.
//!
//! `laws` holds the model against itself, `oracle` holds it against xterm.js. Both use `grammar` and `streams`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "tests fail by panicking and print scores"
)]

mod grammar;
mod laws;
mod oracle;
mod streams;
