//! Where recordings lie: directories of this user's alone, each root's locked by the process that records it.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};
use shared::id::{TaskId, short};
use shared::recording::{Held, MAX_SESSION, SESSION, Session, folder, to_remove};
use shared::time::UnixMs;

use crate::driver::state::directory;

/// The directory of all of them, below the state directory.
const FOLDER: &str = "recordings";
/// In a root's directory: held by the process that records there.
const LOCK: &str = "lock";
/// Roots that are kept at most, however little they take.
const MOST_ROOTS: usize = 2_000;
/// Who looks whether a root is recorded holds its lock for a moment.
const TRIES: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// Where all recordings of this user are; made if it is not there.
pub fn shelf() -> io::Result<PathBuf> {
    directory(FOLDER)
}

/// A root's directory while something is recorded in it.
#[derive(Debug)]
pub(super) struct Root {
    pub(super) dir: PathBuf,
    /// Held as long as this is.
    _lock: File,
}

impl Root {
    /// Makes the directory, or takes it again after all in it had ended.
    pub(super) fn open(shelf: &Path, root: &TaskId) -> io::Result<Self> {
        let dir = shelf.join(folder(root));
        DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
        let path = dir.join(LOCK);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path)?;
        let mut tries = 0;
        while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            tries += 1;
            if tries == TRIES {
                return Err(error.into());
            }
            std::thread::sleep(BETWEEN_TRIES);
        }
        // Somebody may have made room in between.
        if std::fs::metadata(&path)?.ino() != lock.metadata()?.ino() {
            return Err(io::ErrorKind::NotFound.into());
        }
        Ok(Self { dir, _lock: lock })
    }
}

/// Takes a root's directory in which no process records: nobody begins to while this is held.
fn idle(root: &Path) -> Option<File> {
    let lock = File::open(root.join(LOCK)).ok()?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).ok()?;
    Some(lock)
}

/// Whether a process records in a root's directory. Those who only look are in nobody's way.
fn runs(root: &Path) -> bool {
    let lock = File::open(root.join(LOCK));
    lock.is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockShared).is_err())
}

/// Writes `session.json` whole, or leaves the one that is there.
pub(super) fn write_session(dir: &Path, session: &Session) -> io::Result<()> {
    let fresh = dir.join("session.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(&session.to_json())?;
    std::fs::rename(&fresh, dir.join(SESSION))
}

/// Makes a task's directory, empty.
pub(super) fn task_dir(root: &Root, task: &TaskId) -> io::Result<PathBuf> {
    let dir = root.dir.join(folder(task));
    DirBuilder::new().mode(0o700).create(&dir)?;
    Ok(dir)
}

/// What a directory's files take, and when one was written last.
fn weigh(dir: &Path) -> (u64, UnixMs) {
    let (mut bytes, mut newest) = (0u64, UnixMs(0));
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(about) = entry.metadata() else { continue };
        if about.is_dir() {
            let (below, then) = weigh(&entry.path());
            (bytes, newest) = (bytes.saturating_add(below), newest.max(then));
            continue;
        }
        bytes = bytes.saturating_add(about.len());
        let written = about.modified().ok().and_then(|then| then.duration_since(UNIX_EPOCH).ok());
        let written = written.and_then(|since| u64::try_from(since.as_millis()).ok());
        newest = newest.max(UnixMs(written.unwrap_or(0)));
    }
    (bytes, newest)
}

/// Removes the oldest that ended until all take at most `most` bytes; what they take then.
pub(super) fn make_room(shelf: &Path, most: u64) -> io::Result<u64> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(shelf)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
        let (bytes, newest) = weigh(&path);
        all.push(Held { name, bytes, newest, running: runs(&path) });
    }
    let mut left = all.iter().fold(0u64, |sum, held| sum.saturating_add(held.bytes));
    for held in to_remove(&all, most, MOST_ROOTS) {
        let path = shelf.join(&held.name);
        // It may have been taken again since.
        let Some(_lock) = idle(&path) else { continue };
        if std::fs::remove_dir_all(&path).is_ok() {
            tracing::info!(bytes = held.bytes, "an old recording made room");
            left = left.saturating_sub(held.bytes);
        }
    }
    Ok(left)
}

/// A recording as it lies there.
#[derive(Debug, Clone)]
pub struct Recording {
    /// Its directory.
    pub dir: PathBuf,
    /// What it is of.
    pub session: Session,
    /// What it takes, in bytes.
    pub bytes: u64,
    /// Whether it is being recorded.
    pub running: bool,
}

impl Recording {
    /// Whether it is the task that nobody on this machine started.
    pub fn is_root(&self) -> bool {
        self.session.task == self.session.root
    }

    /// As much of its id as lists show, and people type.
    pub fn short(&self) -> String {
        short(&self.session.task.0)
    }

    /// Whether its program was begun in this directory or below it.
    pub fn is_below(&self, directory: &Path) -> bool {
        Path::new(&self.session.directory).starts_with(directory)
    }

    fn read(dir: PathBuf, root_runs: bool) -> Option<Self> {
        let mut json = Vec::new();
        let file = File::open(dir.join(SESSION)).ok()?;
        file.take(MAX_SESSION as u64 + 1).read_to_end(&mut json).ok()?;
        let session = Session::parse(&json)?;
        let (bytes, _) = weigh(&dir);
        let running = root_runs && session.ended.is_none();
        Some(Self { dir, session, bytes, running })
    }

    /// Whether people who write `id` mean it: its task's id or its session's, or a beginning of one.
    fn is(&self, id: &str) -> bool {
        let session = self.session.session.map(|session| session.to_string());
        self.session.task.0.starts_with(id) || session.is_some_and(|session| session.starts_with(id))
    }
}

/// All recordings, roots with the newest first, each followed by those below it in the order in which they began. What is
/// no recording is passed over.
pub fn all() -> anyhow::Result<Vec<Recording>> {
    let shelf = shelf().context("cannot look for recordings")?;
    let mut groups = Vec::new();
    for entry in std::fs::read_dir(shelf).context("cannot look for recordings")? {
        let root = entry?.path();
        let runs = runs(&root);
        let dirs = std::fs::read_dir(&root).into_iter().flatten().flatten();
        let mut group: Vec<Recording> =
            dirs.filter_map(|entry| Recording::read(entry.path(), runs)).collect();
        group.sort_by_key(|recording| (!recording.is_root(), recording.session.started));
        groups.extend(group.first().map(|first| first.session.started).map(|began| (began, group)));
    }
    groups.sort_by_key(|(began, _)| std::cmp::Reverse(*began));
    Ok(groups.into_iter().flat_map(|(_, group)| group).collect())
}

/// The recordings that an id means: at most one, or the reason why not.
pub fn find(id: &str) -> anyhow::Result<Option<Recording>> {
    let mut meant: Vec<Recording> =
        all()?.into_iter().filter(|known| !id.is_empty() && known.is(id)).collect();
    if let Some(exact) = meant.iter().position(|known| known.session.task.0 == id) {
        return Ok(Some(meant.swap_remove(exact)));
    }
    if meant.len() > 1 {
        bail!("several recordings have an id that begins so: name one by more of it");
    }
    Ok(meant.pop())
}

/// The recordings of tasks whose id begins so; one that is whole means one.
pub fn begins_so(id: &str) -> anyhow::Result<Vec<Recording>> {
    let mut meant = all()?;
    meant.retain(|known| !id.is_empty() && known.session.task.0.starts_with(id));
    if meant.iter().any(|known| known.session.task.0 == id) {
        meant.retain(|known| known.session.task.0 == id);
    }
    Ok(meant)
}

/// The recording that a person means: one of this name, of `directory` or below it before others; else the one of which
/// this begins the id.
pub fn called(text: &str, directory: &Path) -> anyhow::Result<Option<Recording>> {
    match named(text, directory)? {
        None => find(text),
        found => Ok(found),
    }
}

/// The recording of this name, one of `directory` or below it before others.
pub fn named(text: &str, directory: &Path) -> anyhow::Result<Option<Recording>> {
    let mut named = all()?;
    named.retain(|recording| recording.session.name == text);
    if named.iter().any(|recording| recording.is_below(directory)) {
        named.retain(|recording| recording.is_below(directory));
    }
    if named.len() > 1 {
        let ids: Vec<String> = named.iter().map(Recording::short).collect();
        bail!("several recordings have that name: name one by its id ({})", ids.join(", "));
    }
    Ok(named.pop())
}

/// Those of the tasks below one, whatever their depth, in the order in which they began.
pub fn below(of: &Recording) -> anyhow::Result<Vec<Recording>> {
    let group: Vec<Recording> =
        all()?.into_iter().filter(|other| other.session.root == of.session.root).collect();
    let mut known = vec![of.session.task.clone()];
    let mut found: Vec<Recording> = Vec::new();
    // A child began after its parent, so one pass finds all.
    for other in group {
        let parent = other.session.parent.as_ref();
        if parent.is_some_and(|parent| known.contains(parent)) && !known.contains(&other.session.task) {
            known.push(other.session.task.clone());
            found.push(other);
        }
    }
    Ok(found)
}

/// Removes a recording, and with a root all below it.
pub fn remove(recording: &Recording) -> anyhow::Result<()> {
    let root = recording.dir.parent().context("a recording lies in its root's directory")?;
    let lock = idle(root);
    if recording.running || (recording.is_root() && lock.is_none()) {
        bail!("it is being recorded: end it first");
    }
    let what = if recording.is_root() { root } else { recording.dir.as_path() };
    std::fs::remove_dir_all(what).with_context(|| format!("cannot remove {}", what.display()))
}
