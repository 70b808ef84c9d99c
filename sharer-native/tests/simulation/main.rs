//! The simulation of `shared` with the real terminal model as the sharer's, and as each viewer's terminal (DESIGN 10).
//!
//! What is seen between two moments of quiet is compared in `shared` only, where a terminal is a log of its bytes.

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
    dead_code,
    reason = "a test panics where something is not as it must be, and prints what happened; part of it is not used here"
)]

#[path = "../../../shared/tests/simulation/faults.rs"]
mod faults;
#[path = "../../../shared/tests/simulation/laws.rs"]
mod laws;
mod model;
#[path = "../../../shared/tests/simulation/network.rs"]
mod network;
#[path = "../../../shared/tests/simulation/random.rs"]
mod random;
#[path = "../../../shared/tests/simulation/screen.rs"]
mod screen;
#[path = "../../../shared/tests/simulation/world.rs"]
mod world;

use screen::Screen as _;

#[test]
fn the_laws_see_one_byte_that_is_missing() {
    let window = shared::event::WindowSize { cols: 80, rows: 24 };
    let (mut whole, mut less) = (Terminal::fresh(window), Terminal::fresh(window));
    let mut output = Terminal::output(&mut random::Random::new(1), 40_000);
    // The primary screen is the one with a history.
    output.extend_from_slice(b"\x1b[?1049l\x1b[r\x1b[24H");
    whole.feed(&output);
    less.feed(&output);
    assert_eq!((whole.state(), whole.history()), (less.state(), less.history()));
    whole.feed(b"x");
    assert_ne!(whole.state(), less.state());
    whole.feed(&b"\r\n".repeat(30));
    less.feed(&b"\r\n".repeat(30));
    assert_eq!(whole.state(), less.state(), "it scrolled off");
    assert_ne!(whole.history(), less.history());
}

/// What the laws are about here.
pub(crate) type Terminal = model::Model;
/// Histories of one run.
pub(crate) const CASES: u64 = 64;
