//! Replay: recordings made into films ([`shared::replay`]), served to a browser on this computer or put into a file.
//!
//! A recording is read twice, line by line: first for the film's head ([`cutting`]), which is there at once however long
//! it is; then, behind it and in the order in which somebody looks, for the pieces ([`lab`]), whose keyframes come from
//! the terminal model. Both passes cut at the same places, because they are the same code on the same bytes.

pub mod cutting;
pub mod footage;
pub mod html;
pub mod lab;
pub mod shelf;

#[cfg(test)]
mod tests;
