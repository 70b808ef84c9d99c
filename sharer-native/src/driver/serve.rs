//! What makes a process a driver.

use std::io::Write as _;

use anyhow::bail;
use shared::driver::{Contact, Driver};

use super::args::DriveArgs;
use super::line::Line;
use super::place::Place;
use super::state;
use crate::clock;
use crate::commands::plain;
use crate::config::{Config, EventsTo, HEADLESS, RelayChoice};
use crate::teller::Teller;

/// A driver that is about to be asked.
#[derive(Debug)]
pub struct Driving {
    /// Its machine, and the socket to where it is asked.
    pub line: Line<Driver>,
    /// Where it starts tasks.
    pub allowed: Place,
    /// What its person reads.
    pub says: Teller,
    /// What its person was told of its relay since it could be asked.
    pub trouble: Option<String>,
    /// No other process is this driver as long as this is kept.
    _own: std::fs::File,
}

impl Driving {
    /// Tells why the relay cannot be reached, each reason once.
    pub fn tell_trouble(&mut self) {
        if let Some(trouble) = self.line.trouble().filter(|why| self.trouble.as_deref() != Some(*why)) {
            let trouble = trouble.to_owned();
            self.say(&format!("{trouble}; it is tried again"));
            self.trouble = Some(trouble);
        }
    }

    /// Says something to its person, who may not read it.
    pub fn say(&self, words: &str) {
        self.says.tell(format!("sharer driver: {}\n", plain(words)));
    }
}

/// Settles what the command line says; prints the driver's key when there is a new one.
pub fn prepare(args: &DriveArgs) -> anyhow::Result<(Config, Driving)> {
    let (Some(relay), Some(name)) = (&args.relay, &args.name) else { bail!("--relay and --name are needed") };
    let allowed = Place::new(args)?;
    let mut entropy = clock::entropy().map_err(|error| anyhow::anyhow!("no randomness: {error}"))?;
    let is_shown = std::env::var_os("SHARER_SESSION").is_some();
    let own = state::own(name, args.new_key, is_shown, &mut entropy)?;
    if own.fresh {
        let contact =
            Contact { base: relay.base().to_owned(), id: own.key.id(), secret: own.key.secret().clone() };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{contact}")?;
        out.flush()?;
    }
    let machine = Driver::new(own.key, allowed.rule().clone(), entropy, clock::now());
    let config = Config {
        command: Vec::new(),
        relay: RelayChoice::Foreign(relay.clone()),
        title: Some(name.clone()),
        read_only: false,
        scrollback: 1_000,
        headless: Some(HEADLESS),
        fixed_size: false,
        compress: true,
        no_child: true,
        private: true,
        keep_children: false,
        events: EventsTo::Nowhere,
        qr: false,
        open: false,
        quiet: true,
        show_viewers: false,
        keep: None,
        record: args.record.limits(),
    };
    let line = Line::new(machine, relay.clone());
    Ok((
        config,
        Driving { line, allowed, says: Teller::to(std::io::stderr()), trouble: None, _own: own.lock },
    ))
}
