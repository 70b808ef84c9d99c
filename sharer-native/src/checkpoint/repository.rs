//! A repository: its common directory, which all worktrees share, and the worktree one is in.

use std::path::{Path, PathBuf};

use gix::actor::Signature;
use gix::bstr::ByteSlice as _;
use shared::checkpoint::id::CheckpointId;
use shared::checkpoint::settings::Settings;
use shared::checkpoint::trailer;

use super::{Error, words};

/// The largest settings file that is read, in bytes.
const MAX_SETTINGS: u64 = 1024 * 1024;

/// See the module.
pub struct Repository {
    /// Objects and refs, opened by the common directory.
    pub(super) store: gix::Repository,
    /// HEAD is that of the worktree one is in.
    here: gix::Repository,
}

impl core::fmt::Debug for Repository {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Repository").field("common", &self.common()).finish_non_exhaustive()
    }
}

/// A commit that a checkpoint may belong to.
#[derive(Debug, Clone)]
pub struct Commit {
    /// Its name.
    pub id: gix::ObjectId,
    /// Its message; `None` if that is not UTF-8, so that it could not be written again as it is.
    pub message: Option<String>,
    /// What can be read of it in any case: trailers are ASCII.
    read: String,
}

impl Commit {
    /// The checkpoint that its trailer names.
    pub fn checkpoint(&self) -> Option<CheckpointId> {
        trailer::checkpoint(&self.read)
    }

    /// As much of its name as people read.
    pub fn short(&self) -> String {
        self.id.to_hex_with_len(10).to_string()
    }

    /// The first line of its message.
    pub fn subject(&self) -> &str {
        self.read.lines().next().unwrap_or_default()
    }
}

impl Repository {
    /// The repository that `dir` is in, or that the environment names as for git.
    pub fn open(dir: &Path) -> Result<Self, Error> {
        let here = gix::discover_with_environment_overrides(dir).map_err(|error| refusal(dir, &error))?;
        let common = here.common_dir().to_owned();
        let store = gix::open(&common).map_err(|error| refusal(&common, &error))?;
        if store.object_hash() != gix::hash::Kind::Sha1 {
            return Err(Error::Unsupported(SHA256));
        }
        Ok(Self { store, here })
    }

    /// What all worktrees share: refs, objects, settings.
    pub fn common(&self) -> PathBuf {
        let dir = self.store.common_dir();
        dir.canonicalize().unwrap_or_else(|_| dir.to_owned())
    }

    /// The worktree one is in; `None` in a bare repository.
    pub fn worktree(&self) -> Option<&Path> {
        self.here.workdir()
    }

    /// Whether a merge, rebase, revert or the like is in progress.
    pub(super) fn is_merging(&self) -> bool {
        self.here.state().is_some()
    }

    /// The branch that HEAD is on; `None` if it is on none.
    pub fn branch(&self) -> Option<String> {
        let name = self.here.head_name().ok().flatten()?;
        Some(name.shorten().to_str().ok()?.to_owned())
    }

    /// HEAD's commit.
    pub fn head(&self) -> Result<Commit, Error> {
        let id = self.here.head_id().map_err(|_unborn| Error::NoCommit)?.detach();
        self.commit(id).ok_or(Error::NoCommit)
    }

    /// The commit that git would call so.
    pub fn resolve(&self, rev: &str) -> Result<Commit, Error> {
        let found = self.here.rev_parse_single(rev).ok();
        let object = found.and_then(|id| id.object().ok());
        let commit = object.and_then(|object| object.peel_to_kind(gix::objs::Kind::Commit).ok());
        commit
            .and_then(|commit| self.commit(commit.id))
            .ok_or_else(|| Error::NoSuchCommit(rev.chars().take(100).collect()))
    }

    fn commit(&self, id: gix::ObjectId) -> Option<Commit> {
        let commit = self.store.find_commit(id).ok()?;
        let encoding = commit.decode().ok()?.encoding.is_some();
        let raw = commit.message_raw().ok()?;
        let message = raw.to_str().ok().filter(|_| !encoding).map(str::to_owned);
        Some(Commit { id, message, read: raw.to_str_lossy().into_owned() })
    }

    /// What the worktree's settings say of checkpoints.
    pub fn settings(&self) -> Settings {
        let file = |name: &str| {
            let path = self.worktree()?.join(".entire").join(name);
            let size = path.metadata().ok()?.len();
            // One that is too large is one that cannot be read.
            if size > MAX_SETTINGS {
                Some(b"?".to_vec())
            } else {
                Some(std::fs::read(path).unwrap_or_else(|_| b"?".to_vec()))
            }
        };
        let (shared, local) = (file("settings.json"), file("settings.local.json"));
        Settings::read(shared.as_deref(), local.as_deref())
    }

    /// Who writes, and when: as git would have it.
    pub(super) fn author(&self) -> Signature {
        signature(self.store.author().and_then(Result::ok))
    }

    /// The same of who commits.
    pub(super) fn committer(&self) -> Signature {
        signature(self.store.committer().and_then(Result::ok))
    }

    /// The time of what is written: `GIT_COMMITTER_DATE`, or else now. RFC 3339 in UTC.
    pub fn now(&self) -> String {
        rfc3339(self.committer().time.seconds)
    }
}

const SHA256: &str = "objects with names of SHA-256";

fn refusal(dir: &Path, error: &gix::Error) -> Error {
    let why = words(error);
    // What it is for gix to meet one depends on its features; the file says it in any case.
    let config = [dir.join("config"), dir.join(".git/config")]
        .into_iter()
        .find_map(|path| std::fs::read_to_string(path).ok());
    let config: String = config.unwrap_or_default().to_lowercase().split_whitespace().collect();
    if config.contains("objectformat=sha256") {
        return Error::Unsupported(SHA256);
    }
    if config.contains("refstorage=reftable") {
        return Error::Unsupported("refs in tables (reftable)");
    }
    let is_one =
        |dir: &Path| dir.join(".git").exists() || (dir.join("HEAD").exists() && dir.join("objects").exists());
    if std::env::var_os("GIT_DIR").is_none() && !dir.ancestors().any(is_one) {
        return Error::NotHere;
    }
    Error::NoRepository(why)
}

/// Somebody whose name is not known is written as upstream does.
fn signature(found: Option<gix::actor::SignatureRef<'_>>) -> Signature {
    let known = found.and_then(|found| found.to_owned().ok());
    known.unwrap_or_else(|| Signature {
        name: "Unknown".into(),
        email: "unknown@local".into(),
        time: gix::date::Time::now_local_or_utc(),
    })
}

/// A time as records have it.
pub fn rfc3339(seconds: i64) -> String {
    let days = seconds.div_euclid(86_400);
    let of_day = seconds.rem_euclid(86_400);
    // Days since 0000-03-01, by the 400 years after which the calendar repeats (Howard Hinnant's `civil_from_days`).
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hours, minutes, seconds) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_records_have_them() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (1_767_323_100, "2026-01-02T03:05:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }
}
