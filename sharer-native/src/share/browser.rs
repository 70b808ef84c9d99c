//! `--open`: the read link in a browser.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::banner;
use crate::control;

/// Opens the read link. It travels in a private file: arguments can be seen by other users.
pub(super) fn open(link: &str) {
    let attempt = || -> std::io::Result<()> {
        let path = control::directory()?.join(format!("{}-open.html", std::process::id()));
        let mut page = crate::events::private_file(&path, true)?;
        write!(
            page,
            "<!doctype html><meta name=referrer content=no-referrer><meta http-equiv=refresh content=\"0;url={link}\">"
        )?;
        let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        let null = Stdio::null;
        let mut child =
            Command::new(opener).arg(&path).stdin(null()).stdout(null()).stderr(null()).spawn()?;
        std::thread::spawn(move || {
            drop(child.wait());
            std::thread::sleep(Duration::from_secs(10));
            drop(std::fs::remove_file(path));
        });
        Ok(())
    };
    if let Err(error) = attempt() {
        banner::show(&format!("sharer: cannot open a browser: {error}\n"));
    }
}
