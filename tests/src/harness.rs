//! What every story needs: programs that end with the test, a browser, and waiting for conditions.

use std::path::PathBuf;

pub mod browser;
pub mod driver;
pub mod http;
pub mod log;
pub mod memory;
pub mod process;
pub mod recording;
pub mod replay;
pub mod repo;
pub mod screen;
pub mod seat;
pub mod server;
pub mod tls;
pub mod wait;

pub use browser::Browser;
pub use driver::Driver;
pub use log::Log;
pub use memory::{found_in_memory, holds};
pub use process::Sandbox;
pub use recording::Recording;
pub use repo::Repo;
pub use screen::Screen;
pub use seat::Seat;
pub use server::{Relay, Sharer};
pub use wait::{LONG, SHORT, until};

/// The repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_owned()
}

/// The `sharer` under test: `SHARER_BIN_UNDER_TEST`, or what `scripts/build` leaves.
pub fn sharer_bin() -> PathBuf {
    let path = std::env::var_os("SHARER_BIN_UNDER_TEST").map_or_else(
        || {
            let target =
                std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
            target.join("release/sharer")
        },
        PathBuf::from,
    );
    assert!(path.is_file(), "{} is missing: run ./scripts/build first", path.display());
    path
}

/// Where a test leaves what a person should look at, as `test-output/{name}`.
pub fn output(name: &str) -> PathBuf {
    let dir = root().join("test-output");
    std::fs::create_dir_all(&dir).expect("test-output/ can be made");
    dir.join(name)
}
