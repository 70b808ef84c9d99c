//! Whole-system stories: the real binary, a real browser, real sockets.
//!
//! `harness` starts and watches the programs, `proxy` breaks the network between them. The stories are in
//! `stories/`, one file each.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "test code: a panic with a message is how a test fails"
)]

pub mod harness;
pub mod load;
pub mod proxy;
pub mod viewer;
