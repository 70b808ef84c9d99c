//! What the relay is to keep of the first program, and what people are told of it.

use std::time::Duration;

use shared::time::in_words;
use shared::wire::sharer::NotKept;

use super::super::banner;
use super::Host;
use crate::config::RelayChoice;
use crate::keeping;

impl Host {
    /// The person wants it to be kept.
    pub(super) fn keep_first(&mut self, keep: Duration) -> anyhow::Result<()> {
        match &self.relay {
            RelayChoice::Foreign(relay) => {
                let (base, title) = (relay.base().to_owned(), self.title.clone());
                self.keep = Some(keeping::begin(&base, &title, keep, &mut self.entropy)?);
            }
            RelayChoice::Embedded(_) => {
                banner::show(
                    "sharer: not kept: the relay inside sharer ends with it; --keep needs --relay URL\n",
                );
            }
        }
        Ok(())
    }

    /// Says before the program starts what will be kept, for how long and how to remove it.
    pub(super) fn say_keeping(&self) {
        if let (Some(record), Some(keep_ms), false) = (&self.keep, self.machine.keep_ms(), self.quiet) {
            banner::show(&format!("sharer: {}\n", record.words(keep_ms)));
        }
    }

    /// Says at the end whether it is.
    pub(super) fn say_kept(&self) {
        let Some(record) = &self.keep else { return };
        let said = match self.kept {
            Some(Ok(for_ms)) => {
                let (span, short) = (in_words(for_ms), record.short());
                format!("kept for {span}: the links show how it ended; `sharer rm {short}` removes it")
            }
            Some(Err(why)) => format!("not kept: {}", why.words()),
            None => "not kept: the relay did not say that it is".to_owned(),
        };
        if !matches!(self.kept, Some(Ok(_) | Err(NotKept::Failed))) {
            record.forget();
        }
        banner::show(&format!("sharer: {said}\n"));
    }
}
