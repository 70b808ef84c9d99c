//! What this user has relays keep: for each session the key that lists and removes it, in a directory of the user's alone.

use std::time::Duration;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};
use shared::entropy::Entropy;
use shared::id::{SessionId, short};
use shared::keys::keeper::{Keep, KeeperKey};
use shared::time::in_words;

use crate::clock;
use crate::driver::state::{directory, read, write};

/// Where they are.
const FOLDER: &str = "kept";
/// Sessions that are remembered; the oldest make room.
const MOST: usize = 1_024;
/// What runs on another machine is kept for so long when it has ended, unless something else is said.
pub const USUAL: Duration = Duration::from_hours(7 * 24);

/// A session that is kept, or will be.
#[derive(Clone, Serialize, Deserialize)]
pub struct Record {
    key: String,
    /// Base of its relay.
    pub relay: String,
    /// What it is called.
    pub title: String,
    /// Its id, once it has one.
    #[serde(default)]
    pub session: Option<SessionId>,
    for_ms: u64,
    /// When it was begun, in milliseconds since 1970.
    since: u64,
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("session", &self.session).finish_non_exhaustive()
    }
}

/// Draws and writes the key for one more session, before anybody is asked to keep it.
pub fn begin(relay: &str, title: &str, keep: Duration, entropy: &mut Entropy) -> anyhow::Result<Record> {
    let mut known = all()?;
    known.sort_by_key(|record| record.since);
    for oldest in known.iter().take((known.len() + 1).saturating_sub(MOST)) {
        oldest.forget();
    }
    let key = KeeperKey::generate(entropy);
    let record = Record {
        key: key.to_base64().to_string(),
        relay: relay.to_owned(),
        title: title.to_owned(),
        session: None,
        for_ms: u64::try_from(keep.as_millis()).unwrap_or(u64::MAX),
        since: clock::now().wall.0,
    };
    record.save()?;
    Ok(record)
}

/// All that are remembered, the newest first.
pub fn all() -> anyhow::Result<Vec<Record>> {
    let mut found: Vec<Record> = Vec::new();
    for entry in std::fs::read_dir(directory(FOLDER)?)? {
        let path = entry?.path();
        // What another process is writing is no record yet, and what it has forgotten meanwhile is none any more.
        let Some(bytes) = read(&path).ok().filter(|_| path.extension().is_none()) else { continue };
        // One that another version wrote is left alone.
        found.extend(serde_json::from_slice::<Record>(&bytes).ok().filter(|record| record.key().is_some()));
    }
    found.sort_by_key(|record| std::cmp::Reverse(record.since));
    Ok(found)
}

impl Record {
    /// The key.
    pub fn key(&self) -> Option<KeeperKey> {
        KeeperKey::from_base64(&self.key)
    }

    /// What its owner is to say to the relay.
    pub fn keep(&self) -> Option<Keep> {
        Some(Keep { for_ms: self.for_ms, keeper: self.key()?.public() })
    }

    /// Its session is known.
    pub fn is_of(&mut self, session: SessionId) {
        if self.session.replace(session) != Some(session)
            && let Err(error) = self.save()
        {
            tracing::warn!(%error, "a kept session cannot be remembered");
        }
    }

    fn save(&self) -> anyhow::Result<()> {
        let path = self.path()?;
        write(&path, &serde_json::to_vec(self)?).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Nothing of it is kept any more.
    pub fn forget(&self) {
        if let Ok(path) = self.path() {
            // It may be gone already.
            drop(std::fs::remove_file(path));
        }
    }

    fn path(&self) -> anyhow::Result<std::path::PathBuf> {
        let key = self.key().context("a keeper's key is 32 bytes")?;
        Ok(directory(FOLDER)?.join(key.public().session_id().to_string()))
    }

    /// What people call it: the beginning of its id.
    pub fn short(&self) -> String {
        self.session.map(|session| short(&session.to_string())).unwrap_or_default()
    }

    /// What is kept, for how long and how to remove it, at a relay that keeps anything for so long at most.
    pub fn words(&self, keep_ms: u64) -> String {
        if keep_ms == 0 {
            return format!(
                "not kept when it has ended: {} has no archive (`sharer relay --data-dir`)",
                self.relay
            );
        }
        let span = in_words(self.for_ms.min(keep_ms));
        let (relay, short) = (&self.relay, self.short());
        format!(
            "kept for {span} when it has ended, sealed, at {relay}: last screen with scrollback, transcript, tasks; \
             `sharer rm {short}` removes it"
        )
    }
}
