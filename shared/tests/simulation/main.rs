//! The whole system on a virtual network and clock: every machine, every fault, and the laws of DESIGN 10.
//!
//! A case is a seed, printed when it fails: `SIMULATION_SEED=… cargo test -p shared --test simulation` runs it
//! alone, `PROPTEST_CASES` says how many run (256 by default).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::type_complexity,
    clippy::cast_possible_wrap,
    clippy::manual_assert,
    reason = "a test panics where something is not as it must be, and prints what happened"
)]

mod cards;
mod faults;
mod forged;
mod groups;
mod hostile;
mod laws;
mod network;
mod random;
mod scenarios;
mod screen;
mod world;

/// What the laws are about here: `sharer-native` says them once more of the real terminal model.
pub(crate) type Terminal = screen::ByteLog;
/// Histories of one run.
pub(crate) const CASES: u64 = 256;
