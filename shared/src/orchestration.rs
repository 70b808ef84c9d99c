//! Agents' work as values: tasks, their states, the tree they form and the names they go by (ORCHESTRATION).
//!
//! Everything here is a whole value with a revision. Merging is idempotent and order-free, so it does not matter
//! which way, how often or how late a value travels.

pub mod cascade;
pub mod names;
pub mod status;
pub mod task;
pub mod text;
pub mod tree;
