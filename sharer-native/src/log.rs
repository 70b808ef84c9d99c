//! Logs go to a file or nowhere: the terminal belongs to the shared program.

use std::io;
use std::path::Path;
use std::sync::Mutex;

use tracing::Level;

use crate::events::private_file;

/// Begins to log into a file only its owner can read. `SHARER_LOG` is `error`, `warn`, `info`, `debug` or `trace`.
pub fn begin(path: &Path) -> io::Result<()> {
    let file = private_file(path, false)?;
    let level = std::env::var("SHARER_LOG").ok().and_then(|level| level.parse().ok()).unwrap_or(Level::INFO);
    tracing_subscriber::fmt().with_max_level(level).with_ansi(false).with_writer(Mutex::new(file)).init();
    Ok(())
}
