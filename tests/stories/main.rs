//! The stories: one file each, one binary for all, because linking costs more than running.
//! Those that need a browser are in modules named `browser_…`; nextest.toml bounds how many run at once.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "test code: a panic with a message is how a test fails"
)]

mod acp;
mod alone;
mod attach;
mod attach_asks;
mod attach_recorded;
mod attach_v2;
mod browser_commands;
mod browser_control;
mod browser_controls;
mod browser_errors;
mod browser_hello;
mod browser_input;
mod browser_kept;
mod browser_look;
mod browser_matrix;
mod browser_open;
mod browser_pills;
mod browser_programs;
mod browser_read;
mod browser_reconnect;
mod browser_replay;
mod browser_revoke;
mod browser_size;
mod browser_standing;
mod browser_terminal;
mod browser_tls;
mod browser_transcript;
mod browser_write;
mod checkpoint_replay;
mod checkpoints_read;
mod cuts;
mod demo;
mod golden_store;
mod guards;
mod join;
mod kept;
mod lifecycle;
mod marks;
mod matrix;
mod options;
mod proxy;
mod reach;
mod record;
mod relay_options;
mod remote;
mod revoke;
mod scripts;
mod seat;
mod secrets;
mod tidy;
