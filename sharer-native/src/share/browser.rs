//! `--open`: the read link in a browser.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::banner;
use crate::control;
use crate::events::private_file;

/// A file that leads a browser to a link: arguments can be seen by other users, it cannot. Gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Page(PathBuf);

impl Drop for Page {
    fn drop(&mut self) {
        // The browser has long read it, or never will.
        drop(std::fs::remove_file(&self.0));
    }
}

/// Opens the read link.
pub(crate) fn open(link: &str) -> Option<Page> {
    let attempt = || -> std::io::Result<Page> {
        let page = Page(control::directory()?.join(format!("{}-open.html", std::process::id())));
        write!(
            private_file(&page.0, true)?,
            "<!doctype html><meta name=referrer content=no-referrer><meta http-equiv=refresh content=\"0;url={link}\">"
        )?;
        let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
        let null = Stdio::null;
        Command::new(opener).arg(&page.0).stdin(null()).stdout(null()).stderr(null()).spawn()?;
        Ok(page)
    };
    attempt().map_err(|error| banner::show(&format!("sharer: cannot open a browser: {error}\n"))).ok()
}
