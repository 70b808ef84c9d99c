//! Files that others left: looked at without following links.

use std::fs::{File, read_dir};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::{Mode, OFlags};

/// The largest transcript that is read, in bytes.
pub const MAX_TRANSCRIPT: u64 = 1024 * 1024 * 1024;
/// As many entries of a directory are looked at.
const MAX_ENTRIES: usize = 16_384;
/// As many directories are looked into for one name.
const MAX_DIRECTORIES: usize = 4_096;

/// A file is not read.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It cannot be opened; a link is not followed.
    #[error("it cannot be opened: {0}")]
    Unopened(#[from] io::Error),
    /// A directory, a pipe, a device.
    #[error("it is no plain file")]
    NoFile,
    /// Larger than [`MAX_TRANSCRIPT`].
    #[error("it is larger than {} MiB", MAX_TRANSCRIPT / 1024 / 1024)]
    TooLarge,
}

/// Opens a plain file of at most [`MAX_TRANSCRIPT`] bytes. It may grow while it is read: whoever reads stops there.
///
/// # Errors
/// For anything else: links are not followed, and a pipe is not waited for.
pub fn open(path: &Path) -> Result<File, Refused> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(io::Error::from)?);
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Refused::NoFile);
    }
    if metadata.len() > MAX_TRANSCRIPT {
        return Err(Refused::TooLarge);
    }
    Ok(file)
}

/// What an entry of a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
}

/// The entries of this kind, links left out, with names that are text.
pub(super) fn entries(directory: &Path, kind: Kind) -> impl Iterator<Item = (String, PathBuf)> + use<> {
    let all = read_dir(directory).into_iter().flatten().take(MAX_ENTRIES).filter_map(Result::ok);
    all.filter_map(move |entry| {
        let is = entry.file_type().ok()?;
        let fits = match kind {
            Kind::File => is.is_file(),
            Kind::Directory => is.is_dir(),
        };
        Some((entry.file_name().into_string().ok()?, entry.path())).filter(|_| fits)
    })
}

/// The plain files with such a name, in a directory and `depth` below it.
pub(super) fn search(directory: &Path, depth: usize, is_it: &dyn Fn(&str) -> bool) -> Vec<PathBuf> {
    let (mut found, mut next, mut seen) = (Vec::new(), vec![(directory.to_owned(), depth)], 0);
    while let Some((directory, depth)) = next.pop() {
        seen += 1;
        if seen > MAX_DIRECTORIES {
            break;
        }
        found.extend(entries(&directory, Kind::File).filter(|(name, _)| is_it(name)).map(|(_, path)| path));
        if depth > 0 {
            next.extend(entries(&directory, Kind::Directory).map(|(_, path)| (path, depth - 1)));
        }
    }
    found
}

/// When a plain file last changed; `None` for anything else, a link and one in a linked directory too.
pub(super) fn modified(path: &Path) -> Option<SystemTime> {
    let is_real = |path: &Path| path.symlink_metadata().ok().filter(|metadata| !metadata.is_symlink());
    is_real(path.parent()?)?;
    is_real(path).filter(std::fs::Metadata::is_file)?.modified().ok()
}

/// Whether this is a plain file.
pub(super) fn is_plain(path: &Path) -> bool {
    modified(path).is_some()
}

/// Whether it belongs to who runs this: in a directory for temporary files others may have left it.
pub(super) fn is_own(path: &Path) -> bool {
    let own = rustix::process::geteuid().as_raw();
    let is_own = |path: &Path| path.symlink_metadata().is_ok_and(|metadata| metadata.uid() == own);
    is_own(path) && path.parent().is_some_and(is_own)
}
