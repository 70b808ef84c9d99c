//! What is kept of drivers, in a directory of the user's alone: a driver's own key, and the keys of drivers it may ask.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};
use shared::driver::Contact;
use shared::entropy::Entropy;
use shared::keys::driver::DriverKey;

/// The most that is read of a file, in bytes.
const LARGEST: u64 = 4_096;

/// A directory of this user's, made if it is not there.
pub(crate) fn directory(which: &str) -> io::Result<PathBuf> {
    let set = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let state = set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
    let state = state.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "HOME is not set"))?;
    let dir = state.join("sharer").join(which);
    DirBuilder::new().recursive(true).mode(0o700).create(&dir)?;
    std::fs::set_permissions(&dir, Permissions::from_mode(0o700))?;
    Ok(dir)
}

/// Whether a name can stand for a driver: it becomes a file's.
fn checked(name: &str) -> anyhow::Result<&str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(plain) {
        bail!("a driver's name is 1 to 64 letters, digits, -, _ and ., not {name:?}");
    }
    Ok(name)
}

pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Writes a file that only its owner can read, whole or not at all.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    drop(std::fs::remove_file(&fresh));
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&fresh, path)
}

/// A driver's own key, for as long as this process is that driver.
#[derive(Debug)]
pub struct Own {
    /// The key.
    pub key: DriverKey,
    /// Whether it was made just now.
    pub fresh: bool,
    /// Held as long as this process is that driver.
    pub lock: File,
}

/// Takes the place of the driver of that name on this machine, with its key, or a new one.
/// `is_shown`: what is printed here, others see.
pub fn own(name: &str, new_key: bool, is_shown: bool, entropy: &mut Entropy) -> anyhow::Result<Own> {
    let dir = directory("driver").context("there is no place to keep the driver's key")?;
    let path = dir.join(format!("{}.key", checked(name)?));
    let lock = path.with_extension("lock");
    let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(lock)?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!("a driver called {name:?} runs here already");
    }
    let kept = match read(&path) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    };
    if let Some(bytes) = kept.filter(|_| !new_key) {
        let key = DriverKey::from_bytes(&bytes)
            .with_context(|| format!("{} is no driver's key (--new-key makes another)", path.display()))?;
        return Ok(Own { key, fresh: false, lock });
    }
    if is_shown {
        bail!("this terminal is shared and would show the driver's key: start it in another one");
    }
    let key = DriverKey::generate(entropy);
    write(&path, &key.to_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Own { key, fresh: true, lock })
}

/// Remembers a driver under a name.
pub fn add(name: &str, contact: &Contact) -> anyhow::Result<()> {
    let path = directory("drivers")?.join(checked(name)?);
    match known(name) {
        Ok(before) if before == *contact => return Ok(()),
        // Another driver, or the same one with another key: which of them is meant, only a person knows.
        Ok(_) => bail!("another driver is called {name:?} already: `sharer driver rm {name}` forgets it"),
        Err(_) => {}
    }
    write(&path, contact.to_string().as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

/// Forgets the driver of this name.
pub fn remove(name: &str) -> anyhow::Result<()> {
    let path = directory("drivers")?.join(checked(name)?);
    match std::fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => bail!("there is no driver called {name:?}"),
        done => done.context("the driver's key cannot be removed"),
    }
}

/// The driver that goes by a name.
pub fn known(name: &str) -> anyhow::Result<Contact> {
    let path = directory("drivers")?.join(checked(name)?);
    let text = match read(&path) {
        Ok(bytes) => String::from_utf8(bytes).context("a driver's key is text")?,
        Err(_) => bail!("there is no driver called {name:?}: `sharer driver add {name} KEY` makes it known"),
    };
    Ok(Contact::parse(&text)?)
}

/// All that are known, by name.
pub fn all() -> anyhow::Result<Vec<(String, Contact)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory("drivers")?)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if let Ok(contact) = known(&name) {
            found.push((name, contact));
        }
    }
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_file_of_its_own_directory() {
        for good in ["box", "a-1_b.c", "X"] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".hidden", "a/b", "../a", "a b", "ü", &"x".repeat(65)] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }
}
