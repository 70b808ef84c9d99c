//! `--events`: what happens, as one JSON object a line. A reader that is slow misses some, and holds nobody.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use serde::Serialize;

use crate::teller::Teller;

/// A session's links, as text.
#[derive(Clone, Serialize)]
pub struct LinkTexts {
    /// Only watches.
    pub read: String,
    /// May type.
    pub write: Option<String>,
}

impl std::fmt::Debug for LinkTexts {
    /// Without the links.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LinkTexts").finish_non_exhaustive()
    }
}

/// One line. Fields and kinds may be added; none is taken away.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Line {
    /// The session is there; the first line unless it begins private.
    Shared {
        /// The session's id.
        session_id: String,
        /// Its title.
        title: String,
        /// Its links.
        links: LinkTexts,
    },
    /// It is shared no more; another `shared` follows if it is again.
    Unshared {},
    /// The links changed: the old ones are useless.
    Links {
        /// The new ones.
        links: LinkTexts,
    },
    /// How many watch.
    Viewers {
        /// All.
        count: u32,
        /// Those who may type.
        executors: u32,
    },
    /// The connection to the relay changed.
    Connection {
        /// `connecting`, `connected`, `waiting`, `replaced` or `refused`.
        state: &'static str,
        /// While `waiting`: why, for people.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// A task started or changed.
    Task {
        /// Its id.
        task_id: String,
        /// The task that started it.
        parent: Option<String>,
        /// Its name.
        name: String,
        /// `running`, `waiting`, `blocked`, `done`, `error` or `cancelled`.
        state: String,
        /// Why, for people.
        reason: Option<String>,
        /// Its session's links, if it is shared.
        links: Option<LinkTexts>,
    },
    /// The program ended; the last line.
    Exited {
        /// Its exit code.
        code: Option<i32>,
        /// The signal that killed it.
        signal: Option<String>,
    },
}

/// Where they go.
#[derive(Debug)]
pub struct Events(Option<Teller>);

impl Events {
    /// Writes nothing.
    pub fn none() -> Self {
        Self(None)
    }

    /// Writes to stdout.
    pub fn to_stdout() -> Self {
        Self(Some(Teller::to(io::stdout())))
    }

    /// Writes to a file only its owner can read, made or emptied now.
    pub fn to_file(path: &Path) -> io::Result<Self> {
        let file = private_file(path, true)?;
        Ok(Self(Some(Teller::to(file))))
    }

    /// Writes one line.
    pub fn write(&self, line: &Line) {
        let Some(teller) = &self.0 else { return };
        let mut text = serde_json::to_string(line).unwrap_or_default();
        text.push('\n');
        teller.tell(text);
    }

    /// Waits until everything is written, but not long.
    pub fn finish(self) {
        if let Some(teller) = self.0 {
            teller.finish();
        }
    }
}

/// Opens a file that only its owner can read, whatever it was before.
pub fn private_file(path: &Path, empty: bool) -> io::Result<File> {
    let file =
        OpenOptions::new().create(true).write(true).truncate(empty).append(!empty).mode(0o600).open(path)?;
    if file.metadata()?.is_file() {
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    }
    Ok(file)
}
