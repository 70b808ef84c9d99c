//! Where the page touches the browser: sockets, clocks, storage, address bar.

mod clock;
mod film;
pub(crate) mod page;
pub(crate) mod runner;
pub(crate) mod screens;
pub(crate) mod socket;
pub(crate) mod storage;
