//! Protocol, keys, orchestration models and every decision of `sharer`, for native and wasm.
//!
//! Nothing here opens a socket, reads a clock, starts a thread or draws its own randomness: time
//! ([`time::Now`]) and entropy ([`entropy::Entropy`]) are arguments, so that every machine can be run
//! by a test on a virtual network. Files are layered; imports point down only:
//!
//! ```text
//!  6  replay                            films, in the viewer's words
//!  5  sharer   relay   viewer   driver  machines
//!  4  connection
//!  3  wire     card    pages    snapshot    seal    chain    input    recording
//!  2  event    orchestration    keys    link
//!  1  conversation   command   id   checkpoint
//!  0  markdown   time   entropy   encoding   platform
//! ```
//!
//! # The contract of a machine
//!
//! Every machine (`sharer`, `relay`, `viewer`, `driver`, `connection`) has four kinds of methods:
//! *getters* (`&self`); `handle_*(now, input)`, which never fail (a peer's bad frame becomes a close
//! code); *commands* of its owner; and `poll_transmit`, `poll_effect`, `poll_timeout`, drained in that
//! order after every call. `poll_timeout` takes `&self` and returns the deadline and a static word for
//! its reason; at the deadline the owner calls `handle_timeout(now)`.

pub mod card;
pub mod chain;
#[cfg(feature = "checkpoint")]
pub mod checkpoint;
pub mod command;
pub mod connection;
pub mod conversation;
pub mod driver;
pub mod encoding;
pub mod entropy;
pub mod event;
pub mod id;
pub mod input;
pub mod keys;
pub mod link;
pub mod markdown;
pub mod orchestration;
pub mod ordered;
pub mod pages;
pub mod platform;
pub mod recording;
pub mod relay;
pub mod replay;
pub mod seal;
pub mod sharer;
pub mod snapshot;
pub mod time;
pub mod viewer;
pub mod wire;
