//! The command line, and the exit codes.
//!
//! | code | means |
//! | --- | --- |
//! | the program's | `sharer -- COMMAND` ends as COMMAND ended; 128 + n if signal n killed it |
//! | 2 | the command line is wrong, or there is no terminal and no `--headless` |
//! | 125 | `sharer` itself failed |
//! | 126 | COMMAND was found but cannot be executed |
//! | 127 | COMMAND was not found |
//!
//! `spawn`, and `run` and `spawn` with `--on`, end with 0 once the task runs, with 126 or 127 if its command does not start,
//! and with 125 if nobody could be asked to start it; `spawn --wait` and `wait` end as the task ended; `checkpoints verify`
//! ends with 1 if something is wrong; `wait` for several ends as the first one that did not end well. `emit` ends with 1 if
//! a line was no `session/update`.

mod man;
mod reading;

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use shared::event::WindowSize;

pub use self::man::man;
use crate::checkpoint::args::{AttachArgs, CheckpointsCommand};
use crate::driver::args::{DriverArgs, RunArgs};
use crate::record::args::RecordArgs;
use crate::record::export::Format;
use crate::relay::{self, RelayArgs, args};
use crate::ws::RelayUrl;

const AFTER_HELP: &str = "\
Examples:
  sharer                         share your shell
  sharer -- claude               share a program; arguments follow it
  sharer --read-only -- htop     make no link that can type
  sharer --headless -- make      run without a terminal of your own
  sharer --private -- claude     share it later: `sharer share`, `sharer unshare`
  sharer status                  links and viewers, from another terminal
Inside a shared session:
  id=$(sharer spawn --name tests -- make test)    start a task; viewers see it beside yours
  sharer wait $id                                 its exit status becomes this one's

Whoever has the first link can watch. Whoever has the second can type, as you, on this computer.
Exit status: that of COMMAND; 2 wrong use, 125 sharer failed, 126 not executable, 127 not found.
`wait`, `spawn --wait`: that of the task. `emit`: 1 if a line was no session/update.";

/// Share a terminal with a link, end-to-end sealed.
#[derive(Debug, Parser)]
#[command(name = "sharer", disable_version_flag = true, after_help = AFTER_HELP)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Cli {
    /// What to share, and how.
    #[command(flatten)]
    pub share: ShareArgs,
    /// Something else than sharing.
    #[command(subcommand)]
    pub other: Option<Other>,
}

/// Options of `sharer [-- COMMAND]`.
#[allow(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
#[derive(Debug, Args)]
pub struct ShareArgs {
    /// Use this relay instead of the embedded one
    #[arg(long, value_name = "URL", env = "SHARER_RELAY", value_parser = args::parse_relay)]
    pub relay: Option<RelayUrl>,
    /// Address of the embedded relay [default: 127.0.0.1:4777, or else a free port]
    #[arg(long, value_name = "ADDR", env = "SHARER_LISTEN", value_parser = args::parse_listen)]
    pub listen: Option<SocketAddr>,
    /// Base of the embedded relay's links, if a proxy or tunnel stands in front
    #[arg(long, value_name = "URL", env = "SHARER_PUBLIC_URL", value_parser = args::parse_base)]
    pub public_url: Option<String>,
    /// Let the embedded relay listen beyond this computer without TLS
    #[arg(long)]
    pub allow_insecure: bool,
    /// Title that viewers see [default: the command]
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,
    /// Make no link that can type
    #[arg(long)]
    pub read_only: bool,
    /// Lines of scrollback that late viewers get
    #[arg(long, value_name = "LINES", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(0..=100_000))]
    pub scrollback: u32,
    /// Run without a terminal of your own: only viewers see what it prints, and type
    #[arg(long)]
    pub headless: bool,
    /// Size of the terminal, with --headless, whatever viewers have room for [default: 120x40, then that of who types]
    #[arg(long, value_name = "COLSxROWS", value_parser = parse_size, requires = "headless")]
    pub size: Option<WindowSize>,
    /// Share nothing yet: nothing leaves this computer until `sharer share`
    #[arg(long, conflicts_with_all = ["qr", "open"])]
    pub private: bool,
    /// Inside a shared session: share it apart, not as a task of that session
    #[arg(long)]
    pub no_child: bool,
    /// Let tasks run on when the program ends; sharer stays until the last has ended
    #[arg(long)]
    pub keep_children: bool,
    /// Do not compress
    #[arg(long)]
    pub no_compress: bool,
    /// Write what happens, links included, as one JSON object a line (- is stdout, with --headless only)
    #[arg(long, value_name = "PATH|-")]
    pub events: Option<PathBuf>,
    /// Show the watching link as a QR code too
    #[arg(long)]
    pub qr: bool,
    /// Open the watching link in a browser
    #[arg(long)]
    pub open: bool,
    /// Print no links; `sharer link` does, from another terminal
    #[arg(long, short)]
    pub quiet: bool,
    /// Show in the window's title how many watch, and say at the end how many did
    #[arg(long)]
    pub show_viewers: bool,
    /// Have the relay keep it for so long when it has ended, such as 12h or 7d: last screen with scrollback, transcript, tasks,
    /// all sealed; needs --relay, and `--data-dir` there
    #[arg(long, value_name = "DURATION", value_parser = args::parse_duration)]
    pub keep: Option<Duration>,
    /// Whether it is recorded.
    #[command(flatten)]
    pub record: RecordArgs,
    /// Write a log (`SHARER_LOG=debug` for more); it never holds links or what is on the screen
    #[arg(long, value_name = "PATH", env = "SHARER_LOG_FILE")]
    pub log_file: Option<PathBuf>,
    /// Print the version
    #[arg(long, short = 'V')]
    pub version: bool,
    /// The program to share [default: $SHELL]
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
    /// Options that were typed and that a task of the session around this has no part in, as they are typed.
    #[arg(skip)]
    pub apart: Vec<String>,
}

/// Everything `sharer` does besides sharing.
#[derive(Debug, Subcommand)]
pub enum Other {
    /// Run a relay alone
    Relay(Box<RelayArgs>),
    /// Run tasks on this machine for who has its key; or remember and list such machines
    Driver(Box<DriverArgs>),
    /// Start a program on another machine and print its link
    Run(Box<RunArgs>),
    /// Show your shared sessions: links, viewers, who can type
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// With links, also where stdout is no terminal
        #[arg(long)]
        secrets: bool,
    },
    /// Share what runs private, from what is on its screen on
    Share {
        /// With the lines that have scrolled off already
        #[arg(long)]
        from_start: bool,
        /// What, if several programs run: an id from `sharer ls`; a task's id shares that task alone
        #[arg(long, value_name = "ID")]
        session: Option<String>,
    },
    /// Stop sharing: the program runs on, the links open nothing any more
    Unshare {
        /// What, if several programs run: an id from `sharer ls`
        #[arg(long, value_name = "ID")]
        session: Option<String>,
    },
    /// List what runs under sharer, shared or not, with its tasks
    Ls {
        /// As JSON
        #[arg(long)]
        json: bool,
        /// What you have relays keep of sessions that have ended, instead
        #[arg(long, conflicts_with = "recorded")]
        kept: bool,
        /// What was recorded on this computer, instead
        #[arg(long)]
        recorded: bool,
    },
    /// Remove a session from its relay's archive, with the tasks below it, and of one that runs, have nothing kept; or remove
    /// a recording, with those of the tasks below it
    Rm {
        /// Which: an id, or a beginning of one, from `sharer ls --kept` or `sharer ls --recorded`; or a recording's name
        #[arg(value_name = "ID")]
        id: String,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Write a recording into one file: to play, to read, or to hand on
    Export(ExportArgs),
    /// Make a link useless at once; a new one takes its place
    Revoke {
        /// Which link
        which: Which,
        /// What, if several programs run: an id from `sharer ls`
        #[arg(long, value_name = "ID")]
        session: Option<String>,
    },
    /// Show a session's links; inside a shared terminal, copy the watching one to your clipboard
    Link {
        /// What, if several programs run: an id from `sharer ls`
        #[arg(long, value_name = "ID")]
        session: Option<String>,
    },
    /// Watch a link in this terminal, and type where it allows; ? lists the keys
    Join {
        /// The link; - reads it from stdin [default: one of the sessions on this computer]
        #[arg(value_name = "LINK")]
        link: Option<String>,
    },
    /// Open a link in a browser with the page from this program, for who does not trust the relay with it
    Open {
        /// The link; - reads it from stdin
        #[arg(value_name = "LINK")]
        link: String,
        /// Only print where it is
        #[arg(long)]
        no_browser: bool,
    },
    /// Keep a session with a commit: its transcript, without secrets, as a checkpoint that the commit's message names
    Attach(Box<AttachArgs>),
    /// What is kept with the commits of this repository
    #[command(subcommand)]
    Checkpoints(CheckpointsCommand),
    /// Play something that is over in a browser: on this computer, without any relay
    Replay {
        /// A checkpoint or a commit of this repository; a recording, by its id, its name or its directory; an asciicast; or the
        /// link of a kept session
        #[arg(value_name = "WHAT")]
        what: String,
        /// Only print where it is
        #[arg(long)]
        no_browser: bool,
    },
    /// Inside a shared session: start a task and print its id
    Spawn(SpawnArgs),
    /// Inside a shared session: wait until tasks have ended; the exit status is the task's, of several that of the first,
    /// in the order given, that did not end well
    Wait {
        /// Ids, beginnings of ids, or names [default: all tasks]
        #[arg(value_name = "TASK")]
        tasks: Vec<String>,
        /// As JSON, one object a line
        #[arg(long)]
        json: bool,
    },
    /// Inside a shared session: list the tasks that were started here
    Ps {
        /// With the tasks that those have started
        #[arg(long)]
        tree: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Inside a shared session: type a text and Enter into a task
    Tell {
        /// Id, beginning of an id, or name
        task: String,
        /// The text; - reads it from stdin
        #[arg(allow_hyphen_values = true)]
        text: String,
    },
    /// Inside a shared session: end a task, if need be by force after 5 s; `sharer wait` tells when it has
    Kill {
        /// Id, beginning of an id, or name
        task: String,
    },
    /// Inside a task: say how it is getting on
    State {
        /// One of these
        state: TaskState,
        /// Why, for people
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Inside a session: add to its transcript what the Agent Client Protocol calls `session/update`, one a line from
    /// stdin, such as `{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"hello"}}`; 1 is the exit status
    /// if a line was none
    Emit,
    /// Print what an agent needs to know, or put it into an agent's instruction file
    Guide(GuideArgs),
    /// Inside a shared session: the commands of a task as tools for an agent (MCP on stdin and stdout)
    Mcp,
    /// Stand between an editor and its agent (the Agent Client Protocol on stdio), and share what passes; `sharer link`
    /// shows the links
    Acp {
        /// The agent
        #[arg(last = true, required = true, value_name = "AGENT")]
        command: Vec<OsString>,
    },
    /// Hold a conversation's session (sharer starts this itself)
    #[command(hide = true)]
    AcpSeat {
        /// Where its proxy is
        path: PathBuf,
        /// Which conversation
        name: String,
    },
    /// Watch over a sharer's children (sharer starts this itself)
    #[command(hide = true)]
    Orphans,
    /// Print completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
}

/// Options of `sharer export`.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Which: an id, a beginning of one, or a name, from `sharer ls --recorded`; for .html also what `sharer replay` takes
    #[arg(value_name = "ID")]
    pub id: String,
    /// The file; - is stdout
    #[arg(long, short, value_name = "PATH|-")]
    pub output: PathBuf,
    /// What to write [default: what the file's name ends in]
    #[arg(long, value_name = "FORMAT")]
    pub format: Option<Format>,
}

/// Options of `sharer spawn`.
#[derive(Debug, Args)]
pub struct SpawnArgs {
    /// What people call it [default: the program's name]; a number is added to a name that is in use
    #[arg(long, value_name = "TEXT")]
    pub name: Option<String>,
    /// What it is asked to do: shown to people, and given to the command in `SHARER_PROMPT`
    #[arg(long, value_name = "TEXT")]
    pub prompt: Option<String>,
    /// Run it on another machine: a driver that `sharer driver add` made known
    #[arg(long, value_name = "DRIVER")]
    pub on: Option<String>,
    /// The directory there [default: where the driver says]
    #[arg(long, value_name = "DIR", requires = "on")]
    pub dir: Option<String>,
    /// Add a variable to the environment there, of which nothing of yours is part; may be given again
    #[arg(long, value_name = "NAME=VALUE", requires = "on", value_parser = crate::driver::args::parse_variable)]
    pub env: Vec<(String, String)>,
    /// Wait until it has ended; the exit status is its own
    #[arg(long)]
    pub wait: bool,
    /// Print the task as JSON
    #[arg(long)]
    pub json: bool,
    /// The program and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// Options of `sharer guide`.
#[allow(clippy::struct_excessive_bools, reason = "each is a switch on the command line")]
#[derive(Debug, Args)]
pub struct GuideArgs {
    /// Put the guide into this agent's instruction file, between marks; shows the change and asks
    #[arg(long, value_name = "AGENT")]
    pub install: Option<Instructed>,
    /// The file for this project [default]
    #[arg(long, requires = "install", conflicts_with = "user")]
    pub project: bool,
    /// The file for all your projects
    #[arg(long, requires = "install")]
    pub user: bool,
    /// Take the guide out again
    #[arg(long, requires = "install")]
    pub remove: bool,
    /// Do not ask; needed where there is no terminal to ask at
    #[arg(long, short, requires = "install")]
    pub yes: bool,
}

/// An agent with an instruction file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Instructed {
    /// CLAUDE.md
    Claude,
    /// AGENTS.md
    Codex,
    /// GEMINI.md
    Gemini,
    /// AGENTS.md
    Opencode,
}

impl Instructed {
    /// The name of its program.
    pub fn program(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Opencode => "opencode",
        }
    }
}

/// How a task is getting on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TaskState {
    /// It works
    Running,
    /// It waits for something that comes by itself
    Waiting,
    /// It waits for a person
    Blocked,
}

impl TaskState {
    /// The state in a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Waiting => "waiting",
            Self::Blocked => "blocked",
        }
    }
}

/// Which link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Which {
    /// The one that watches
    Read,
    /// The one that can type
    Write,
    /// Both
    All,
}

/// Reads `COLSxROWS`.
fn parse_size(text: &str) -> Result<WindowSize, String> {
    let read = || {
        let (cols, rows) = text.split_once(['x', 'X'])?;
        Some(WindowSize { cols: cols.parse().ok()?, rows: rows.parse().ok()? })
    };
    read()
        .filter(|size| crate::term::clamped(*size) == *size)
        .ok_or_else(|| "a size looks like 120x40, from 2x2 to 1000x500".to_owned())
}

/// What somebody wrote who meant to share a program and left out the dashes: `sharer htop`.
pub fn meant_command(arguments: &[OsString]) -> Option<String> {
    let first = arguments.get(1)?.to_str()?;
    let is_other = first.starts_with('-') || first == "help" || has_command(first);
    (!is_other && Cli::try_parse_from(arguments).is_err()).then(|| first.to_owned())
}

/// What `--version` prints.
pub fn version() -> String {
    version_of(relay::has_viewer())
}

/// What a binary with or without a viewer prints; `scripts/build` reads it.
pub fn version_of(has_viewer: bool) -> String {
    let viewer = if has_viewer { "" } else { "\nThis binary has no viewer inside: its links open no page." };
    format!("sharer {}{viewer}", env!("CARGO_PKG_VERSION"))
}

/// The completions for a shell.
pub fn completions(shell: clap_complete::Shell) -> Vec<u8> {
    let mut out = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sharer", &mut out);
    out
}

/// Whether there is a subcommand of this name.
pub fn has_command(name: &str) -> bool {
    Cli::command().find_subcommand(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
        let cli = Cli::try_parse_from(["sharer", "--read-only", "--", "ls", "-l", "--all"]).unwrap();
        assert_eq!(cli.share.command, ["ls", "-l", "--all"]);
        assert!(Cli::try_parse_from(["sharer", "--size", "80x24"]).is_err(), "only with --headless");
        assert!(Cli::try_parse_from(["sharer", "--headless", "--size", "1x1"]).is_err());
        assert!(Cli::try_parse_from(["sharer", "--headless"]).unwrap().share.command.is_empty());
        assert!(matches!(
            Cli::try_parse_from(["sharer", "revoke", "write"]).unwrap().other,
            Some(Other::Revoke { which: Which::Write, .. })
        ));
        let spawn = Cli::try_parse_from(["sharer", "spawn", "--name", "a", "--", "ls", "--wait"]).unwrap();
        assert!(matches!(spawn.other, Some(Other::Spawn(SpawnArgs { wait: false, .. }))));
        assert!(Cli::try_parse_from(["sharer", "spawn"]).is_err());
        assert!(Cli::try_parse_from(["sharer", "state", "done"]).is_err(), "only the process ends a task");
        assert!(Cli::try_parse_from(["sharer", "tell", "a", "-"]).is_ok());
        let meant = |words: &[&str]| meant_command(&words.iter().map(OsString::from).collect::<Vec<_>>());
        assert_eq!(meant(&["sharer", "htop", "-d", "5"]).as_deref(), Some("htop"));
        for other in
            [&["sharer"][..], &["sharer", "--", "htop"], &["sharer", "spawn"], &["sharer", "--nosuch"]]
        {
            assert_eq!(meant(other), None, "{other:?}");
        }
        assert!(Cli::try_parse_from(["sharer", "tell", "a", "--help me"]).is_ok());
    }
}
