//! `sharer open`: a link in a browser, with the page from this binary.

use anyhow::{Context as _, bail};
use shared::link::Link;

use super::print;
use crate::relay::door::Door;
use crate::relay::has_viewer;
use crate::share::browser;
use crate::shutdown;
use crate::ws::RelayUrl;

/// Serves the viewer for a link on this computer until it is told to end.
pub fn open(link: &str, browses: bool) -> anyhow::Result<()> {
    let text = if link == "-" { super::join::line()? } else { link.to_owned() };
    let (link, child) = Link::parse_deep(&text)?;
    if !has_viewer() {
        bail!(
            "this sharer was built without its viewer: build it with ./scripts/build, or use `sharer join`"
        );
    }
    let relay = RelayUrl::parse(&link.base).context("the link names no relay that can be dialled")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let served = runtime.block_on(async {
        let relay_host = relay.host().to_owned();
        let door = Door::open(relay).await?;
        let here = Link { base: door.base(), ..link }.deep(child.as_ref());
        print(&format!(
            "The page comes from this computer; {relay_host} passes sealed frames. Ctrl-C ends it.\n"
        ))?;
        // What is printed in a shared terminal, its viewers see.
        let seen = std::env::var_os("SHARER_SESSION").is_some();
        if !seen {
            print(&format!("  {here}\n"))?;
        }
        let page = if browses || seen { browser::open(&here) } else { None };
        tokio::select! {
            () = door.serve() => {}
            told = shutdown::asked() => told?,
        }
        drop(page);
        Ok(())
    });
    runtime.shutdown_background();
    served
}
