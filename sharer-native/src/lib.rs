//! The parts of the binary `sharer`, as a library so that tests and benches reach them.

pub mod acp;
pub mod agents;
pub mod checkpoint;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod control;
pub mod driver;
pub mod events;
pub mod exit;
pub mod join;
pub mod keeping;
mod last_output;
pub mod log;
pub mod mcp;
pub mod pty;
pub mod record;
pub mod relay;
pub mod replay;
pub mod share;
pub mod shutdown;
pub mod teller;
pub mod term;
pub mod tty;
mod uplink;
pub mod ws;
