//! What every measurement needs: a home, a log, sharers that pour it when told to.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::corpus;
use super::screen::{after, picture};
use crate::harness::{LONG, Relay, Sandbox, Sharer, until};
use crate::viewer::{Screen, Viewer};

/// Printed behind the log, so that its end is known from a stream and from a rebuilt screen alike.
pub const MARK: &[u8] = b"END-OF-LOG";

/// How long a viewer waits for the rest of a snapshot that nothing announces.
const SETTLE: Duration = Duration::from_millis(700);

/// A home and a log in it.
#[derive(Debug)]
pub struct Scene {
    /// The home of everything started.
    pub sandbox: Sandbox,
    /// What [`Self::pouring`] prints.
    pub log: Vec<u8>,
    path: PathBuf,
}

impl Scene {
    /// With a log of about `size` bytes.
    ///
    /// # Panics
    /// When the home takes no files.
    pub fn new(size: usize) -> Self {
        let sandbox = Sandbox::new();
        let log = [&corpus::log(size)[..], MARK].concat();
        let path = sandbox.path().join("log");
        std::fs::write(&path, &log).expect("a home takes files");
        Self { sandbox, log, path }
    }

    /// Where the log is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The shell command that waits for a key and then prints the log.
    pub fn pouring(&self) -> String {
        format!("stty raw -echo; head -c1 >/dev/null; cat {}; exec sleep 10000", self.path.display())
    }

    /// The shell command that prints the log at once.
    pub fn printing(&self) -> String {
        format!("stty raw -echo; cat {}; exec sleep 10000", self.path.display())
    }

    /// The shell command that prints the log after [`Self::go`], and writes down when it began and ended.
    pub fn waiting(&self) -> String {
        format!(
            "stty raw -echo; while [ ! -e go ]; do sleep 0.02; done; date +%s%N >times; cat {}; date +%s%N >>times; \
             exec sleep 10000",
            self.path.display()
        )
    }

    /// Lets [`Self::waiting`] begin.
    ///
    /// # Panics
    /// When the home takes no files.
    pub fn go(&self) {
        std::fs::write(self.sandbox.path().join("go"), "").expect("a home takes files");
    }

    /// When [`Self::waiting`] began and ended, since 1970.
    ///
    /// # Panics
    /// When it does not end.
    pub async fn times(&self) -> (Duration, Duration) {
        let path = self.sandbox.path().join("times");
        let look = async || {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let times: Vec<u64> = text.lines().filter_map(|line| line.parse().ok()).collect();
            match times[..] {
                [start, end] => Ok((Duration::from_nanos(start), Duration::from_nanos(end))),
                _ => Err(text),
            }
        };
        until("the program to end its log", LONG, look).await
    }

    /// The shell command that prints the log again and again, until Ctrl-C; then it says `word`.
    pub fn endless(&self, word: &str) -> String {
        let log = self.path.display();
        format!(
            "stty -echo -opost; trap 'printf {word}; exec sleep 10000' INT; head -n1 >/dev/null; \
             while :; do cat {log}; done"
        )
    }

    /// Shares a shell command at `relay`, or at the embedded one.
    pub async fn share(&self, relay: Option<&str>, program: &str) -> Sharer {
        let mut arguments = vec!["--size", "120x40"];
        arguments.extend(relay.map(|url| ["--relay", url]).into_iter().flatten());
        arguments.extend(["--", "/bin/sh", "-c", program]);
        Sharer::share(&self.sandbox, arguments).await
    }

    /// A relay by itself.
    pub async fn relay(&self) -> Relay {
        Relay::start(&self.sandbox, std::iter::empty::<&str>()).await
    }

    /// The screen a viewer must end with.
    pub fn screen(&self) -> Vec<u8> {
        picture(&mut after(&self.log))
    }
}

/// A viewer that is live and has all there is, before anything else happens.
pub async fn settled<S: Screen>(link: &str, screen: S) -> Viewer<S> {
    let mut viewer = Viewer::new(link, None, screen);
    viewer.live().await;
    viewer.idle(SETTLE).await;
    viewer
}
