//! Options of `sharer driver` and `sharer run`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::record::args::RecordArgs;
use crate::relay;
use crate::relay::args::parse_duration;
use crate::ws::RelayUrl;

const AFTER_HELP: &str = "\
On the machine that is to run things:
  sharer driver --relay https://relay.example --name box     prints its driver key
Where you work:
  sharer driver add box 'https://relay.example/d/…#…'        the key, from there
  sharer run --on box -- claude                              prints a link
  sharer spawn --on box -- make test                         inside a shared session

Whoever has the key can start programs there as the user who runs it, within --allow-dir and --allow-command. These say
where tasks begin; they are no wall around what a program does then.";

/// `sharer driver`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true, after_help = AFTER_HELP)]
pub struct DriverArgs {
    /// What it does besides running tasks.
    #[command(subcommand)]
    pub other: Option<DriverOther>,
    /// How it runs tasks.
    #[command(flatten)]
    pub run: DriveArgs,
}

/// Options of a driver that runs tasks.
#[derive(Debug, Args)]
pub struct DriveArgs {
    /// The relay where it is asked, and where its tasks are shared
    #[arg(long, value_name = "URL", env = "SHARER_RELAY", required = true, value_parser = relay::args::parse_relay)]
    pub relay: Option<RelayUrl>,
    /// What it is called, here and in its state directory
    #[arg(long, value_name = "NAME", required = true)]
    pub name: Option<String>,
    /// Tasks that run at once, at most
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub max_tasks: u16,
    /// Start tasks in this directory or below only, and there if an asker names none; may be given again
    #[arg(long, value_name = "DIR")]
    pub allow_dir: Vec<PathBuf>,
    /// Start this command only, named by just this word, with any arguments; may be given again
    #[arg(long, value_name = "COMMAND")]
    pub allow_command: Vec<String>,
    /// Make its key useless and print another
    #[arg(long)]
    pub new_key: bool,
    /// Whether its tasks are recorded.
    #[command(flatten)]
    pub record: RecordArgs,
    /// Write a log (`SHARER_LOG=debug` for more)
    #[arg(long, value_name = "PATH", env = "SHARER_LOG_FILE")]
    pub log_file: Option<PathBuf>,
}

/// What there is to do about drivers elsewhere.
#[derive(Debug, Subcommand)]
pub enum DriverOther {
    /// Remember a driver, to start work on it
    Add {
        /// What you call it
        name: String,
        /// Its key, as `sharer driver` printed it there; - reads it from stdin
        key: String,
    },
    /// List the drivers you know, and whether they are there
    Ls,
    /// Forget a driver
    Rm {
        /// What you call it
        name: String,
    },
}

/// `sharer run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The driver
    #[arg(long, value_name = "DRIVER", required = true)]
    pub on: String,
    /// What people call it [default: the program's name]
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// What it is asked to do: given to the command in `SHARER_PROMPT`
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// The directory there [default: where the driver says]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<String>,
    /// Add a variable to the environment there, of which nothing of yours is part; may be given again
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_variable)]
    pub env: Vec<(String, String)>,
    /// Make no link that can type
    #[arg(long)]
    pub read_only: bool,
    /// How long the relay keeps it when it has ended; 0: not at all
    #[arg(long, value_name = "DURATION", default_value = "7d", value_parser = parse_duration)]
    pub keep: Duration,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// A variable for a task on another machine.
pub fn parse_variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("a variable looks like NAME=value")?;
    if name.starts_with("SHARER_") {
        return Err("SHARER_… is what sharer itself says there".to_owned());
    }
    Ok((name.to_owned(), value.to_owned()))
}
