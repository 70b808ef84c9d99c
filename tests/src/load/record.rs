//! What recording costs while a program floods.

use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::machine::{cpu, cpu_since};
use super::sample::median;
use super::scene::{MARK, Scene};
use crate::harness::{LONG, Sharer, until};

/// Looks at a process that has nothing to do find it so, this often in a row.
const RESTS: u32 = 10;
/// What such a process uses between two looks, at most.
const REST: Duration = Duration::from_micros(500);
/// As much of a file's end is looked at, in bytes.
const END: i64 = 4_096;

/// What pairs of runs said.
#[derive(Debug, Clone)]
pub struct Cost {
    /// The sharer's processor time with recording over that without, less one: the median of pairs.
    pub share: f64,
    /// Recordings that do not hold all of the output: what is cut costs less.
    pub cut: usize,
    /// Seconds of processor time without recording, the median.
    pub without: f64,
    /// And with.
    pub with: f64,
}

fn shelf(scene: &Scene) -> PathBuf {
    scene.sandbox.path().join(".local/state/sharer/recordings")
}

/// Whether the recording there holds the log's end.
fn holds_the_end(shelf: &Path) -> bool {
    let below = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten();
    let mut casts =
        below(shelf).flat_map(|root| below(&root.path())).map(|task| task.path().join("terminal.cast"));
    casts.any(|path| {
        let Ok(mut file) = std::fs::File::open(path) else { return false };
        let mut end = Vec::new();
        // A file that is shorter is read whole.
        drop(file.seek(SeekFrom::End(-END)));
        file.read_to_end(&mut end).is_ok_and(|_| end.windows(MARK.len()).any(|part| part == MARK))
    })
}

/// The sharer's processor time for one flood.
async fn one(scene: &Scene, recorded: bool) -> (Duration, bool) {
    for left in ["go", "times"] {
        drop(std::fs::remove_file(scene.sandbox.path().join(left)));
    }
    let (switch, program) = (if recorded { "--record-max=1G" } else { "--no-record" }, scene.waiting());
    let arguments = ["--size", "120x40", switch, "--", "/bin/sh", "-c", &program];
    let sharer = Sharer::share(&scene.sandbox, arguments).await;
    let pid = sharer.process.pid();
    let before = cpu(pid);
    scene.go();
    scene.times().await;
    // Model and recording may be behind the program.
    let (mut last, mut rested) = (before, 0);
    until("the sharer to rest", LONG, || {
        let now = cpu(pid);
        let rests = now.saturating_sub(std::mem::replace(&mut last, now)) < REST;
        rested = if rests { rested + 1 } else { 0 };
        let done = rested >= RESTS;
        async move { if done { Ok(()) } else { Err(now) } }
    })
    .await;
    let used = cpu_since(pid, before);
    let whole = holds_the_end(&shelf(scene)) == recorded;
    drop(sharer);
    drop(std::fs::remove_dir_all(shelf(scene)));
    (used, whole)
}

/// Floods `pairs` times with recording and without, in turn, and each first every other time.
///
/// # Panics
/// When a flood does not end.
pub async fn measure(scene: &Scene, pairs: usize) -> Cost {
    let (mut shares, mut with, mut without, mut cut) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for pair in 0..pairs {
        let mut times = [0.0; 2];
        for turn in 0..2 {
            let recorded = (pair + turn) % 2 == 0;
            let (used, whole) = one(scene, recorded).await;
            times[usize::from(recorded)] = used.as_secs_f64();
            cut += usize::from(!whole);
        }
        shares.push(times[1] / times[0] - 1.0);
        without.push(times[0]);
        with.push(times[1]);
    }
    Cost { share: median(&shares), cut, without: median(&without), with: median(&with) }
}
