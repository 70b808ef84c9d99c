//! The control socket: how `sharer`'s commands reach a running `sharer` of the same user.
//!
//! One JSON line there, one back ([`request`]). Who asks is known by a token, one per task; without one it is the
//! owner, if the process runs in none of the terminals that are hosted here ([`caller`]). The directory is 0700,
//! each socket 0600, and processes of other users are turned away. Limits: [`server`].

pub mod ask;
pub mod caller;
pub mod nested;
pub mod request;
pub mod server;

use std::fs::{DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

/// Where the socket of the session around a program is.
pub const SOCKET_VARIABLE: &str = "SHARER_SOCKET";
/// What a program inside a session shows to say which task it belongs to.
pub const TOKEN_VARIABLE: &str = "SHARER_CONTROL_TOKEN";

/// The longest request, in bytes: a command with its whole environment.
const LONGEST_REQUEST: u64 = 1024 * 1024;
/// The longest reply, in bytes: 512 tasks.
const LONGEST_REPLY: u64 = 4 * 1024 * 1024;
/// The answering side waits so long for the other's bytes: a computer may be so busy that who has knocked comes to speak
/// only seconds later.
const PATIENCE: Duration = Duration::from_secs(20);

/// The directory of all control sockets of this user, made if it is not there.
pub fn directory() -> io::Result<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let dir = match (set("XDG_RUNTIME_DIR"), set("XDG_STATE_HOME"), set("HOME")) {
        (Some(run), _, _) => run.join("sharer"),
        (None, Some(state), _) => state.join("sharer/run"),
        (None, None, Some(home)) => home.join(".local/state/sharer/run"),
        (None, None, None) => return Err(io::Error::new(io::ErrorKind::NotFound, "HOME is not set")),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
    // Fails if it is somebody else's.
    std::fs::set_permissions(&dir, Permissions::from_mode(0o700))?;
    Ok(dir)
}

/// All sockets of this user; those nobody listens on are removed.
pub fn sockets() -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory()?)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "sock") {
            match UnixStream::connect(&path) {
                Ok(_) => found.push(path),
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                    drop(std::fs::remove_file(&path));
                }
                Err(_) => {}
            }
        }
    }
    found.sort();
    Ok(found)
}
