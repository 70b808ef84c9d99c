//! Tasks: the real binary, its control socket, and programs that start others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

mod agents;
mod cascade;
mod children;
mod control;
mod nested;
mod private;
mod sharing;
mod watching;
