//! What to share and how, checked.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::bail;
use shared::event::WindowSize;

use crate::cli::ShareArgs;
use crate::record::Limits;
use crate::relay;
use crate::ws::RelayUrl;

/// Where the relay is.
#[derive(Debug, Clone)]
pub enum RelayChoice {
    /// Inside this process.
    Embedded(Box<relay::Config>),
    /// Somewhere else.
    Foreign(RelayUrl),
}

/// Where events go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventsTo {
    /// Nowhere.
    Nowhere,
    /// To stdout.
    Stdout,
    /// To a file.
    File(PathBuf),
}

/// The size of a terminal that nobody sits at, until somebody types.
pub const HEADLESS: WindowSize = WindowSize { cols: 120, rows: 40 };

/// A checked command line of `sharer [-- COMMAND]`.
#[allow(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
#[derive(Debug, Clone)]
pub struct Config {
    /// The command; empty for `$SHELL`.
    pub command: Vec<OsString>,
    /// The relay.
    pub relay: RelayChoice,
    /// The title, if not the command.
    pub title: Option<String>,
    /// No link may type.
    pub read_only: bool,
    /// Lines of scrollback in the model.
    pub scrollback: usize,
    /// The size without a terminal; `None` with one.
    pub headless: Option<WindowSize>,
    /// Whether that size stays, whatever viewers have room for.
    pub fixed_size: bool,
    /// Compress output.
    pub compress: bool,
    /// Share it apart from a session around it.
    pub no_child: bool,
    /// Share nothing yet.
    pub private: bool,
    /// Stay until the last task has ended, instead of ending them with the program.
    pub keep_children: bool,
    /// Where events go.
    pub events: EventsTo,
    /// Show a QR code.
    pub qr: bool,
    /// Open the read link.
    pub open: bool,
    /// Print no links.
    pub quiet: bool,
    /// Say at the end how many watched.
    pub show_viewers: bool,
    /// For how long the relay is to keep it when it has ended; `None`: not at all.
    pub keep: Option<Duration>,
    /// How much is recorded; `None`: nothing.
    pub record: Option<Limits>,
}

impl Config {
    /// Checks what the command line says.
    pub fn from_args(args: ShareArgs) -> anyhow::Result<Self> {
        let relay = match args.relay {
            Some(url) => RelayChoice::Foreign(url),
            None => RelayChoice::Embedded(Box::new(relay::Config {
                listen: args.listen,
                public_url: args.public_url,
                allow_insecure: args.allow_insecure,
                ..relay::Config::default()
            })),
        };
        let events = match args.events {
            None => EventsTo::Nowhere,
            Some(path) if path.as_os_str() != "-" => EventsTo::File(path),
            Some(_) if args.headless => EventsTo::Stdout,
            Some(_) => bail!("--events - needs --headless: stdout belongs to the program"),
        };
        Ok(Self {
            command: args.command,
            relay,
            title: args.title,
            read_only: args.read_only,
            scrollback: usize::try_from(args.scrollback).unwrap_or(usize::MAX),
            headless: args.headless.then(|| args.size.unwrap_or(HEADLESS)),
            fixed_size: args.size.is_some(),
            compress: !args.no_compress,
            no_child: args.no_child,
            private: args.private,
            keep_children: args.keep_children,
            events,
            qr: args.qr,
            open: args.open,
            quiet: args.quiet,
            show_viewers: args.show_viewers,
            keep: args.keep.filter(|keep| !keep.is_zero()),
            record: args.record.limits(),
        })
    }
}
