//! The stories: one file each, one binary for all, because linking costs more than running.
//! Those that need a browser are in modules named `browser_…`; nextest.toml bounds how many run at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: a panic with a message is how a test fails"
)]

mod browser_control;
mod browser_hello;
mod guards;
mod proxy;
mod tidy;
