//! The relay that is used: its address, and the relay itself when it runs inside this process.

use anyhow::Context as _;

use super::embedded::Embedded;
use crate::config::RelayChoice;
use crate::ws::RelayUrl;

/// See the module. Dropped, the relay inside this process stops.
#[derive(Debug)]
pub(super) struct Reached {
    _embedded: Option<Embedded>,
    /// Where this process reaches it.
    pub(super) url: RelayUrl,
    /// Base of the links.
    pub(super) base: String,
}

impl Reached {
    /// Starts the relay if it is to run here. What is private does this when it is shared, and not before.
    pub(super) fn new(choice: &RelayChoice) -> anyhow::Result<Self> {
        let (embedded, url, base) = match choice {
            RelayChoice::Embedded(relay) => {
                let embedded = Embedded::start(relay.as_ref().clone())?;
                let url =
                    RelayUrl::parse(&embedded.local_url).context("the embedded relay has no address")?;
                let base = embedded.base_url.clone();
                (Some(embedded), url, base)
            }
            RelayChoice::Foreign(url) => (None, url.clone(), url.base().to_owned()),
        };
        Ok(Self { _embedded: embedded, url, base })
    }
}
