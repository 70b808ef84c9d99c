//! Command lines of `sharer attach` and `sharer checkpoints`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// Options of `sharer attach`.
#[allow(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
#[derive(Debug, Args)]
pub struct AttachArgs {
    /// Which session: the id or name under which it was recorded, or its agent's own id for it [default:
    /// with --transcript the file's name, else the newest one of this repository]
    #[arg(value_name = "SESSION")]
    pub session: Option<String>,
    /// The commit it belongs to
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    pub commit: String,
    /// The agent: claude-code, gemini, codex, cursor, opencode, copilot-cli, factoryai-droid [default: as the transcript looks]
    #[arg(long, short, value_name = "NAME")]
    pub agent: Option<String>,
    /// The session's transcript, where it is not found by itself; - reads it from stdin
    #[arg(long, value_name = "FILE|-")]
    pub transcript: Option<PathBuf>,
    /// Amend the commit without asking, one on a remote branch too
    #[arg(long, short)]
    pub force: bool,
    /// Fail if the second store (v2) is switched on and cannot be written
    #[arg(long)]
    pub strict_v2: bool,
    /// Print what was done as JSON
    #[arg(long)]
    pub json: bool,
    /// Write a log
    #[arg(long, value_name = "PATH", env = "SHARER_LOG_FILE")]
    pub log_file: Option<PathBuf>,
}

/// `sharer checkpoints`.
#[derive(Debug, Subcommand)]
pub enum CheckpointsCommand {
    /// List the checkpoints of this repository
    Ls {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Show a checkpoint's sessions, or one of their transcripts
    Show {
        /// Its id, the beginning of one, or a commit that names it
        #[arg(value_name = "ID|COMMIT")]
        id: String,
        /// Only this session [default with --raw, --compact and --cast: the last]
        #[arg(long, value_name = "N")]
        session: Option<usize>,
        /// The transcript as its agent wrote it
        #[arg(long, conflicts_with_all = ["compact", "cast", "json"])]
        raw: bool,
        /// The transcript without what nobody reads
        #[arg(long, conflicts_with_all = ["cast", "json"])]
        compact: bool,
        /// The recording of its terminal, in asciicast v3
        #[arg(long, conflicts_with = "json")]
        cast: bool,
        /// The records, as JSON
        #[arg(long)]
        json: bool,
    },
    /// Read everything and check it by its hashes; 1 is the exit status if something is wrong
    Verify {
        /// Only this one
        #[arg(value_name = "ID|COMMIT")]
        id: Option<String>,
    },
    /// Bring what the second store (v2) lacks over from the first
    Sync,
}
