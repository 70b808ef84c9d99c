//! The relay's archive: objects of kept sessions in a directory, or wherever `object_store` keeps things.
//!
//! What an object means and who may have it is decided in [`shared::relay`]; here it is written, read, listed and removed.
//! In a directory it is written under another name, brought to the disk and renamed, so that a session is kept whole or
//! not at all whenever the relay, or the computer, dies. What is wrong is told on stderr and counted in `/metrics`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path as Place;
use object_store::{ObjectStore, ObjectStoreExt as _};
use rustix::fs::{FlockOperation, flock};
use shared::id::SessionId;
use shared::relay::{Damage, Frozen, KeptHead, LoadError, USUAL_HEAD, decode_head, head_len};
use tokio::task::spawn_blocking;

use super::ServeError;

/// The folder of kept sessions.
const FOLDER: &str = "kept";
/// What `object_store` puts into the names of files that are not whole yet.
const UNFINISHED: char = '#';

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Archive {
    store: Arc<dyn ObjectStore>,
    folder: Place,
    /// Its directory, if it has one.
    dir: Option<PathBuf>,
    /// No other relay writes there as long as this is kept.
    _own: Option<Arc<File>>,
}

/// An object that was found.
pub(super) struct Found {
    pub(super) bytes: u64,
    pub(super) head: Option<KeptHead>,
}

/// Tells whoever runs the relay.
pub(super) fn report(what: &str) {
    tracing::error!("{what}");
    // There is nobody to tell if this fails.
    drop(writeln!(std::io::stderr(), "sharer relay: {what}"));
}

impl Archive {
    /// A directory, which is made, or a URL of another place that this binary was built for.
    pub(super) fn open(place: &str) -> Result<Self, ServeError> {
        let wrong = |error: &dyn std::fmt::Display| ServeError::Archive {
            place: place.to_owned(),
            reason: error.to_string(),
        };
        if let Some((scheme, _)) = place.split_once("://") {
            back_end(scheme).map_err(|reason| wrong(&reason))?;
            let url = place.parse().map_err(|error| wrong(&error))?;
            // What is not text is no option of a store's.
            let options = std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
            let (store, folder) =
                object_store::parse_url_opts(&url, options).map_err(|error| wrong(&error))?;
            let folder = folder.join(FOLDER);
            return Ok(Self { store: store.into(), folder, dir: None, _own: None });
        }
        let dir = Path::new(place);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir.join(FOLDER))
            .map_err(|error| wrong(&error))?;
        let lock =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(dir.join("lock"));
        let lock = lock.map_err(|error| wrong(&error))?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)
            .map_err(|_taken| wrong(&"another relay keeps sessions there"))?;
        sweep(&dir.join(FOLDER)).map_err(|error| wrong(&error))?;
        let store = LocalFileSystem::new_with_prefix(dir).map_err(|error| wrong(&error))?;
        let store = Arc::new(store.with_fsync(true));
        Ok(Self {
            store,
            folder: Place::from(FOLDER),
            dir: Some(dir.join(FOLDER)),
            _own: Some(Arc::new(lock)),
        })
    }

    /// An id has letters and digits only: no name leads out of the folder.
    fn place(&self, session: SessionId) -> Place {
        self.folder.clone().join(session.to_string())
    }

    /// What is there, with what is said at its beginning if it is whole.
    pub(super) async fn found(&self) -> Result<Vec<Found>, object_store::Error> {
        let mut listed = self.store.list(Some(&self.folder));
        let mut found = Vec::new();
        while let Some(object) = listed.next().await {
            let object = object?;
            let name = object.location.filename().unwrap_or_default();
            let session: Option<SessionId> = name.parse().ok();
            // One name for each session, and nothing else is ours.
            let Some(session) = session.filter(|session| session.to_string() == name) else { continue };
            let head = match self.head(session, &object.location, object.size).await {
                Ok(head) => Some(head),
                Err(why) => {
                    report(&format!("the kept session {session} is damaged and not shown: {why}"));
                    None
                }
            };
            found.push(Found { bytes: object.size, head });
        }
        Ok(found)
    }

    async fn head(&self, session: SessionId, place: &Place, size: u64) -> Result<KeptHead, String> {
        let read = async |len: usize| {
            let end = (len as u64).min(size);
            self.store.get_range(place, 0..end).await.map_err(|error| error.to_string())
        };
        let mut beginning = read(USUAL_HEAD).await?;
        if let Some(len) = head_len(&beginning).filter(|len| *len > beginning.len()) {
            beginning = read(len).await?;
        }
        decode_head(session, &beginning, size).map_err(|damage| damage.to_string())
    }

    /// Writes an object; how large it is.
    pub(super) async fn store(&self, frozen: Frozen) -> Option<u64> {
        let session = frozen.session();
        let encoded = spawn_blocking(move || frozen.encode()).await;
        let bytes = encoded.ok()?;
        let size = bytes.len() as u64;
        match self.store.put(&self.place(session), bytes.into()).await {
            Ok(_) => Some(size),
            Err(error) => {
                report(&format!("the session {session} could not be kept: {error}"));
                // What was written of it takes room that others need.
                if let Some(dir) = &self.dir {
                    let _best_effort = sweep(dir);
                }
                None
            }
        }
    }

    /// Reads one.
    pub(super) async fn load(&self, session: SessionId) -> Result<Frozen, LoadError> {
        let read = async { self.store.get(&self.place(session)).await?.bytes().await };
        let bytes = match read.await {
            Ok(bytes) => bytes,
            Err(error) => {
                report(&format!("the kept session {session} cannot be read: {error}"));
                let gone = matches!(error, object_store::Error::NotFound { .. });
                return Err(if gone { LoadError::Damaged } else { LoadError::Unreadable });
            }
        };
        let decoded = spawn_blocking(move || Frozen::decode(session, &bytes)).await;
        decoded.unwrap_or(Err(Damage::Altered)).map_err(|damage| {
            report(&format!("the kept session {session} is damaged and not shown: {damage}"));
            LoadError::Damaged
        })
    }

    /// Removes one; whether it is gone.
    pub(super) async fn remove(&self, session: SessionId) -> bool {
        match self.store.delete(&self.place(session)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => true,
            Err(error) => {
                report(&format!("the kept session {session} could not be removed: {error}"));
                false
            }
        }
    }
}

/// Whether this binary was built for the stores of this scheme; if not, what to do.
fn back_end(scheme: &str) -> Result<(), String> {
    let (feature, built) = match scheme {
        "s3" | "s3a" => ("aws", cfg!(feature = "aws")),
        "gs" => ("gcp", cfg!(feature = "gcp")),
        "az" | "adl" | "azure" | "abfs" | "abfss" => ("azure", cfg!(feature = "azure")),
        "http" | "https" => ("http", cfg!(feature = "http")),
        "file" => return Err("for a directory, give its path".to_owned()),
        _ => return Err("a directory, or a URL that begins with s3://, gs://, az:// or https://".to_owned()),
    };
    if built {
        return Ok(());
    }
    Err(format!(
        "this binary keeps sessions in directories only: for {scheme}:// build it with \
         `cargo build --release -p sharer-native --features {feature}`"
    ))
}

/// Removes what was not finished when a relay died.
fn sweep(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().contains(UNFINISHED) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_store_that_this_binary_was_not_built_for_it_is_said_which_feature_is_missing() {
        let refused = |place: &str| Archive::open(place).unwrap_err().to_string();
        for (scheme, feature, built) in [
            ("s3", "aws", cfg!(feature = "aws")),
            ("gs", "gcp", cfg!(feature = "gcp")),
            ("az", "azure", cfg!(feature = "azure")),
            ("https", "http", cfg!(feature = "http")),
        ] {
            let place = format!("{scheme}://somewhere/in/it");
            if built {
                // With the store's own complaint, if it has one; nothing is asked of the network.
                assert!(Archive::open(&place).is_ok() || !refused(&place).contains("--features"), "{scheme}");
            } else {
                assert!(refused(&place).contains(&format!("--features {feature}")), "{}", refused(&place));
            }
        }
        assert!(refused("file:///tmp/x").contains("give its path"));
        assert!(refused("memory://").contains("s3://"));
    }

    #[test]
    fn every_id_is_a_name_in_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let archive = Archive::open(dir.path().to_str().unwrap()).unwrap();
        for byte in 0..=u8::MAX {
            let place = archive.place(SessionId([byte; 16]));
            let name = place.filename().unwrap();
            assert_eq!(place.as_ref(), format!("{FOLDER}/{name}"));
            assert!(name.len() == 26 && name.chars().all(|c| c.is_ascii_alphanumeric()), "{name}");
        }
        for bad in ["../../etc/passwd", "..", "", "a/b", "%2e%2e", &"a".repeat(27), &"A".repeat(26)] {
            assert!(bad.parse::<SessionId>().is_err(), "{bad}");
        }
    }
}
