//! What a program has written to its terminal, byte by byte, to compare screens with.

use std::path::{Path, PathBuf};

use super::process::Sandbox;
use super::wait::{LONG, until};
use super::{Browser, Screen};

/// The sharer's size without `--size`.
const SIZE: (u16, u16) = (120, 40);
/// The sharer's scrollback without `--scrollback`.
const SCROLLBACK: u32 = 1000;

/// A program under `script`, which keeps every byte on its way to the terminal, and a *feed*: what is appended to it
/// appears in the terminal at once, as if the program had written it.
#[derive(Debug)]
pub struct Recording {
    bytes: PathBuf,
    feed: PathBuf,
    program: String,
    size: (u16, u16),
}

impl Recording {
    /// An interactive bash that first runs `start`, then prompts; it shows the feed.
    pub fn bash(sandbox: &Sandbox, start: &str) -> Self {
        let recording = Self::program(sandbox, "");
        let rc = recording.bytes.with_extension("rc");
        let feed = recording.feed.display();
        // In a subshell, so that bash does not tell of a job.
        let text = format!("HISTFILE=\nPS1='$ '\n{start}\n(tail -n +1 -f '{feed}' &)\n");
        std::fs::write(&rc, text).expect("the sandbox takes files");
        Self { program: format!("exec bash --noprofile --rcfile '{}' -i", rc.display()), ..recording }
    }

    /// A command line of the shell; nothing shows the feed.
    pub fn program(sandbox: &Sandbox, program: &str) -> Self {
        let bytes = sandbox.path().join("recorded");
        let feed = sandbox.path().join("feed");
        std::fs::write(&feed, "").expect("the sandbox takes files");
        Self { bytes, feed, program: program.to_owned(), size: SIZE }
    }

    /// The same in a terminal of this size; `sharer` must be told with `--size`.
    #[must_use]
    pub fn sized(self, cols: u16, rows: u16) -> Self {
        Self { size: (cols, rows), ..self }
    }

    /// The command to share, behind `options`.
    pub fn shared(&self, options: &[&str]) -> Vec<String> {
        let mut all: Vec<String> = options.iter().map(|&text| text.to_owned()).collect();
        if self.size != SIZE {
            all.extend(["--size".to_owned(), format!("{}x{}", self.size.0, self.size.1)]);
        }
        all.extend(["--", "script", "-qefc"].map(str::to_owned));
        all.extend([self.program.clone(), path(&self.bytes)]);
        all
    }

    /// Makes the terminal show this text.
    pub fn feed(&self, text: &str) {
        use std::io::Write as _;
        let file = std::fs::OpenOptions::new().append(true).open(&self.feed);
        file.and_then(|mut file| file.write_all(text.as_bytes())).expect("the feed takes text");
    }

    /// Every byte written to the terminal so far, without the lines that `script` adds to its file.
    pub fn bytes(&self) -> Vec<u8> {
        recorded(&self.bytes)
    }

    /// Whether the terminal was given this text.
    pub fn has(&self, text: &str) -> bool {
        find(&self.bytes(), text.as_bytes()).is_some()
    }

    /// Waits until the terminal was given this text.
    pub async fn wrote(&self, text: &str) {
        let look = async || if self.has(text) { Ok(()) } else { Err(self.tail()) };
        until(&format!("the program to write {text:?}"), LONG, look).await;
    }

    /// The screen of an independent terminal that saw everything up to now.
    pub async fn screen(&self) -> Screen {
        Screen::reference(self.size.0, self.size.1, SCROLLBACK, &self.bytes()).await
    }

    fn tail(&self) -> String {
        let bytes = self.bytes();
        String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(400)..]).into_owned()
    }
}

/// What `script` has kept in its file so far, without the lines that it adds.
pub fn recorded(file: &Path) -> Vec<u8> {
    let all = std::fs::read(file).unwrap_or_default();
    let start = all.iter().position(|&byte| byte == b'\n').map_or(all.len(), |at| at + 1);
    let end = find(&all, b"\nScript done on ").filter(|end| *end >= start).unwrap_or(all.len());
    all[start..end].to_vec()
}

impl Browser {
    /// Waits until the program has written `text` and the page shows exactly what an independent terminal shows that saw
    /// every byte, scrollback included.
    pub async fn mirrors(&self, recording: &Recording, text: &str) {
        recording.wrote(text).await;
        let look = async || {
            // A program goes on writing: each look compares with what was written until then.
            let Some(shown) = Screen::shown(self).await else {
                return Err("no terminal in the page".to_owned());
            };
            let expected = recording.screen().await;
            shown.difference(&expected).map_or(Ok(()), Err)
        };
        until("the page to show what the program wrote", LONG, look).await;
    }
}

fn path(path: &Path) -> String {
    path.to_str().expect("the sandbox's path is text").to_owned()
}

fn find(all: &[u8], part: &[u8]) -> Option<usize> {
    all.windows(part.len()).position(|window| window == part)
}
