//! The Agent Client Protocol: what editors and agents say to each other, in our model and back.
//!
//! [`translate`] knows the protocol's types, [`tap`] what messages that pass mean for the transcripts of their
//! sessions; [`proxy`] stands between the two; [`table`] decides in which session what it reads belongs, [`parcel`]
//! makes requests of it, and [`seats`] brings it there. Strangers' JSON is bounded, and kept as it came where it is not known.

mod parcel;
pub mod proxy;
pub mod seats;
mod table;
pub mod tap;
pub mod translate;
