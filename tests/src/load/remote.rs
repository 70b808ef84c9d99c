//! Tasks on other machines and links in a terminal: how soon they are there, and what a driver costs.

use std::io::{Read, Write as _};
use std::process::Output;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use futures_util::future::join_all;
use shared::viewer::{ChildSession, State};
use sharer_native::term::Terminal;

use super::children::Family;
use super::echo::{self, Where};
use super::machine::{cpu, cpu_since, memory, resident, wakes};
use super::page_children::{PILLS, milliseconds};
use super::sample::Samples;
use super::scene::Scene;
use super::screen::{Drawn, picture};
use super::view::with_scripts;
use crate::harness::driver::sharer;
use crate::harness::{Driver, LONG, Relay, Seat, Sharer};
use crate::viewer::Viewer;

/// What is left of [`Seat`]'s terminal for a session: its last row says how things are.
const SIZE: &str = "100x29";
/// A key that nothing but its echo puts on the screen.
const KEY: &str = "#";
/// Between two keys: somebody who types fast. `sharer join` draws when it has to, and not more often than people see.
const PAUSE: Duration = Duration::from_millis(20);
/// `sharer spawn` that run at once.
const AT_ONCE: usize = 10;

/// Makes a driver known to the parent's owner.
async fn known(scene: &Scene, driver: &Driver) {
    let added = sharer(&scene.sandbox, &["driver", "add", "far", &driver.key]).await;
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
}

/// From the launch of `sharer spawn --on` to the pill in an open page, `count` times.
///
/// # Panics
/// When a pill does not come.
pub async fn pills(scene: &Scene, count: usize) -> Samples {
    let mut family = Family::start(scene).await;
    let driver = Driver::start(&family.relay, ["--max-tasks", &count.to_string()]).await;
    known(scene, &driver).await;
    let browser = with_scripts(&[PILLS]).await;
    browser.live(&family.sharer.read_link()).await;
    let mut samples = Samples::default();
    for at in 1..=count {
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        family.spawn_with(&["--on", "far"], "exec sleep 10000").await;
        let name = format!("child-{at}");
        browser.until("the pill", &format!("'{name}' in window.__pills")).await;
        let seen = browser.run("return window.__pills").await;
        samples.push(milliseconds(&seen[&name]).saturating_sub(begun));
    }
    browser.close().await;
    samples
}

/// From the launch of `sharer join` to the session's screen in its terminal, `times`.
///
/// # Panics
/// When the screen does not come.
pub async fn joins(scene: &Scene, times: usize) -> Samples {
    let relay = scene.relay().await;
    let program = scene.printing();
    let arguments = ["--relay", &relay.url(), "--size", SIZE, "--", "/bin/sh", "-c", &program];
    let shared = Sharer::share(&scene.sandbox, arguments).await;
    let mut viewer = Viewer::new(&shared.read_link(), None, Drawn::default());
    viewer.live().await;
    let mark = String::from_utf8_lossy(super::scene::MARK).into_owned();
    viewer.until("the log's end", |viewer| viewer.screen.0.text().contains(&mark)).await;
    viewer.idle(Duration::from_secs(2)).await;
    let expected: Vec<String> = viewer.screen.0.lines().collect();
    let expected = &expected[expected.len().saturating_sub(29)..];
    let mut samples = Samples::default();
    for _ in 0..times {
        let start = Instant::now();
        let seat = Seat::sharer(&scene.sandbox, &["join", &shared.read_link()]);
        let mut terminal = Terminal::new(crate::harness::seat::SIZE, 0);
        let mut read = 0;
        while !terminal.lines().take(29).eq(expected.iter().cloned()) {
            assert!(start.elapsed() < LONG, "not the screen: {}", terminal.text());
            let more = seat.more(read);
            read += more.len();
            terminal.feed(&more);
        }
        samples.push(start.elapsed());
    }
    samples
}

/// Times from a keystroke to its echo.
#[derive(Debug, Clone)]
pub struct Echoes {
    /// At a viewer without a terminal.
    pub bare: Samples,
    /// At `sharer join`, in a terminal.
    pub joined: Samples,
    /// Of `cat` in a terminal: what passing two bytes through one costs.
    pub terminal: Samples,
}

/// Types into a terminal and waits until it is given the same.
fn typed(keys: usize, mut write: impl FnMut(&[u8]), read: &mut impl Read) -> Samples {
    let mut samples = Samples::default();
    for _ in 0..keys {
        std::thread::sleep(PAUSE);
        let start = Instant::now();
        write(KEY.as_bytes());
        until_given(read, KEY);
        samples.push(start.elapsed());
    }
    samples
}

/// Reads until there is this, in the very thread that wants it.
fn until_given(read: &mut impl Read, text: &str) {
    let (mut seen, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    while !seen.windows(text.len()).any(|window| window == text.as_bytes()) {
        let more = read.read(&mut chunk).expect("a terminal that is given something");
        assert!(more > 0, "not {text:?}: {}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&chunk[..more]);
    }
}

/// Times `keys` echoes of each kind, all typed equally fast.
///
/// # Panics
/// When an echo does not come.
pub async fn echoes(scene: &Scene, keys: usize) -> Echoes {
    let bare = echo::measure(scene, Where::Standalone, keys, PAUSE).await;
    let relay = scene.relay().await;
    let program = "stty raw -echo; echo ready; exec cat";
    let arguments = ["--relay", &relay.url(), "--size", SIZE, "--", "/bin/sh", "-c", program];
    let shared = Sharer::share(&scene.sandbox, arguments).await;
    let pty = Seat::terminal_of(&scene.sandbox, &["join", &shared.write_link()]);
    let (mut output, typing) = (pty.output().expect("a PTY has output"), pty.typing());
    let write = |bytes: &[u8]| typing.write(bytes).expect("a terminal takes keys");
    until_given(&mut output, "i types");
    write(b"i");
    until_given(&mut output, "TYPING");
    let joined = typed(keys, write, &mut output);
    let _gone = rustix::process::kill_process(pty.pid(), rustix::process::Signal::KILL);
    let alone = super::pty::Pty::run("echo ready; exec cat");
    let (mut output, mut input) = (alone.reader(), alone.writer());
    until_given(&mut output, "ready");
    let terminal = typed(keys, |bytes| input.write_all(bytes).expect("a terminal takes keys"), &mut output);
    Echoes { bare, joined, terminal }
}

/// From the dial to the end and the whole last screen of sessions that a relay has kept over its restart.
///
/// # Panics
/// When one is not kept, or another screen is shown.
pub async fn kept(scene: &Scene, times: usize) -> Samples {
    let archive = scene.sandbox.path().join("archive");
    let mut relay =
        Relay::start(&scene.sandbox, [std::ffi::OsStr::new("--data-dir"), archive.as_os_str()]).await;
    let program = format!("stty raw -echo; cat {}", scene.path().display());
    let mut links = Vec::new();
    for _ in 0..times {
        let arguments =
            ["--relay", &relay.url(), "--keep", "1d", "--size", "120x40", "--", "/bin/sh", "-c", &program];
        let mut shared = Sharer::share(&scene.sandbox, arguments).await;
        links.push(shared.read_link());
        shared.exit().await;
    }
    relay.kill().await;
    relay.restart(&scene.sandbox).await;
    let expected = scene.screen();
    let mut samples = Samples::default();
    for link in links {
        let start = Instant::now();
        let mut viewer = Viewer::new(&link, None, Drawn::default());
        viewer.until("its end", |viewer| matches!(viewer.state(), State::Ended(_))).await;
        samples.push(start.elapsed());
        assert!(picture(&mut viewer.screen.0) == expected, "the last screen");
    }
    samples
}

/// What a driver costs that nobody asks for anything.
#[derive(Debug, Clone, Copy)]
pub struct Idle {
    /// Memory, code included, in bytes.
    pub resident: u64,
    /// Memory of its own, in bytes.
    pub own: u64,
    /// How often one of its threads was woken, for a minute.
    pub wakes: f64,
    /// Its processor time, as a part of one core.
    pub cpu: f64,
}

/// Looks at a driver for so long.
///
/// # Panics
/// When it does not start.
pub async fn idle(scene: &Scene, rest: Duration) -> Idle {
    let relay = scene.relay().await;
    let driver = Driver::start(&relay, [""; 0]).await;
    let pid = driver.process.pid();
    // What starting needs is over.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (used, woken, start) = (cpu(pid), wakes(pid), Instant::now());
    tokio::time::sleep(rest).await;
    let took = start.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a count far below 2^52")]
    let woken = wakes(pid).saturating_sub(woken) as f64;
    Idle {
        resident: resident(pid),
        own: memory(pid),
        wakes: woken * 60.0 / took,
        cpu: cpu_since(pid, used).as_secs_f64() / took,
    }
}

/// Many tasks on one driver.
#[derive(Debug, Clone, Copy)]
pub struct Many {
    /// Those that an open viewer does not see running.
    pub missing: usize,
    /// From the first launch to the last pill with its session.
    pub took: Duration,
    /// The driver's own memory for each, in bytes.
    pub each: u64,
}

/// Starts `count` tasks on one driver, some at once, and has all of them run at the same time.
///
/// # Panics
/// When one does not start.
pub async fn many(scene: &Scene, count: usize) -> Many {
    let mut family = Family::start(scene).await;
    let driver = Driver::start(&family.relay, ["--max-tasks", &count.to_string()]).await;
    known(scene, &driver).await;
    let before = memory(driver.process.pid());
    let start = Instant::now();
    let mut left = count;
    while left > 0 {
        let some = left.min(AT_ONCE);
        let commands: Vec<_> =
            (0..some).map(|_| family.command(&["--on", "far"], "exec sleep 10000")).collect();
        let started =
            join_all(commands.into_iter().map(|mut command| async move { command.output().await })).await;
        for output in started {
            let Output { status, stderr, .. } = output.expect("it is built");
            assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
        }
        left -= some;
    }
    let running = |bar: &shared::viewer::Bar| {
        bar.pills.iter().filter(|pill| pill.session == Some(ChildSession::Live)).count()
    };
    let all = |viewer: &Viewer<super::screen::Tape>| viewer.bar().is_some_and(|bar| running(&bar) >= count);
    family.viewer.until("every pill with its session", all).await;
    let took = start.elapsed();
    let seen = family.viewer.bar().map_or(0, |bar| running(&bar));
    let held = memory(driver.process.pid()).saturating_sub(before);
    Many { missing: count.saturating_sub(seen), took, each: held / count as u64 }
}
