//! Shares programs: PTYs, models and one socket around [`shared::sharer::Sharer`].
//!
//! One task owns the machine ([`host`]). Threads move bytes that may block: a PTY's output, what is typed, the
//! user's keyboard, models, events. They ring ([`bell`]) when there is something. The network never holds a
//! program; only its model does, when it is far behind.

mod banner;
mod bell;
pub(crate) mod browser;
mod embedded;
mod host;
mod hosted;
mod model;
mod nested;
pub mod orphans;
mod output;
mod reached;
mod remote;
mod seat;
mod tasks;
mod typist;

use anyhow::Context as _;

use self::host::Host;
use crate::agents::hint;
use crate::config::{Config, EventsTo};
use crate::driver::serve::Driving;
use crate::events::Events;

use crate::exit;
use crate::pty::Program;
use crate::tty;

/// Shares what `config` says until the program ends; returns the exit status. `apart` are options that were typed and that a
/// task of the session around this has no part in.
pub fn run(config: &Config, apart: &[String]) -> anyhow::Result<u8> {
    let program = match Program::find(&config.command) {
        Ok(program) => program,
        Err(error) => {
            banner::show(&format!("sharer: {error}\n"));
            return Ok(error.status());
        }
    };
    if config.headless.is_none() && !tty::is_there() {
        banner::show("sharer: there is no terminal to share: run it in one, or add --headless\n");
        return Ok(exit::USAGE);
    }
    if let Some(status) = nested::run(config, &program, apart)? {
        return Ok(status);
    }
    let events = match &config.events {
        EventsTo::Nowhere => Events::none(),
        EventsTo::Stdout => Events::to_stdout(),
        EventsTo::File(path) => {
            Events::to_file(path).with_context(|| format!("cannot write events into {}", path.display()))?
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let host = Host::new(config, &program, events)?;
    if !config.quiet
        && let Some(hint) = hint::once(program.path())
    {
        banner::show(&hint);
    }
    let status = runtime.block_on(host.run());
    runtime.shutdown_background();
    status
}

/// Runs what askers elsewhere want, until this process is told to end.
pub fn drive(config: &Config, driver: Driving) -> anyhow::Result<u8> {
    // What the driver itself is known by; it runs nothing of its own.
    let own = std::env::current_exe().context("this program has no file")?;
    let program = Program::find(&[own.into_os_string()])?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut host = Host::new(config, &program, Events::none())?;
    host.drive(driver);
    let status = runtime.block_on(host.run());
    runtime.shutdown_background();
    status
}
