//! Remote agents natively: what is kept of drivers on a disk, the socket around [`shared::driver`]'s machines, and the
//! command line. Programs are started where all programs are, in `share`, which is given a [`serve::Driving`].

pub mod args;
pub mod ask;
pub mod line;
pub mod place;
pub mod serve;
pub mod state;
