//! The parts of the binary `sharer`, as a library so that tests and benches reach them.

pub mod relay;
pub mod term;
