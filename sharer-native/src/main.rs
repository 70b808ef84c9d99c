//! The binary `sharer`.
fn main() {}
