//! Sessions kept with a git commit: ids, files and records of the checkpoint formats v1 and v2, and what an attach changes.
//!
//! The formats are those of Entire's CLI (`entireio/cli`, public), `docs/checkpoints.md` says which parts. Nothing here
//! knows git: [`layout`] names files in a tree, [`record`] keeps a stranger's JSON as it came, [`plan`] says which
//! files change, and the shell that holds objects and refs does it.

pub mod agent;
pub mod chunks;
pub mod compact;
pub mod id;
pub mod layout;
pub mod metadata;
pub mod plan;
pub mod record;
pub mod redact;
pub mod settings;
pub mod trailer;
pub mod whose;
