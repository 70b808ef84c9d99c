//! Options of what records.

use clap::Args;

use super::Limits;
use crate::relay::args::parse_size;

/// The variable that says whether anything is recorded …
pub const SWITCH: &str = "SHARER_RECORD";
/// … and what says that nothing is.
pub const OFF: &str = "off";

/// Whether to record, and how much.
#[derive(Debug, Clone, Args)]
pub struct RecordArgs {
    /// Record nothing on this computer (as does `SHARER_RECORD=off`); `sharer ls --recorded` lists what was
    #[arg(long)]
    pub no_record: bool,
    /// The most that one program's recording takes of the disk
    #[arg(long, value_name = "SIZE", env = "SHARER_RECORD_MAX", default_value = "256M", value_parser = parse_size)]
    pub record_max: u64,
    /// The most that all take together: beyond, the oldest that ended make room
    #[arg(long, value_name = "SIZE", env = "SHARER_RECORD_TOTAL", default_value = "2G", value_parser = parse_size)]
    pub record_total: u64,
}

impl RecordArgs {
    /// How much may be recorded; `None`: nothing.
    pub fn limits(&self) -> Option<Limits> {
        let off = self.no_record || std::env::var_os(SWITCH).is_some_and(|word| word == OFF);
        (!off).then_some(Limits { each: self.record_max, total: self.record_total })
    }
}
