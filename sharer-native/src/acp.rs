//! The Agent Client Protocol: what editors and agents say to each other, in our model and back.
//!
//! [`translate`] knows the protocol's types, [`tap`] what messages that pass mean for the transcripts of their
//! sessions; [`proxy`] stands between the two, and [`seats`] shares what it reads. Strangers' JSON is bounded, and kept
//! as it came where it is not known.

pub mod proxy;
pub mod seats;
pub mod tap;
pub mod translate;
