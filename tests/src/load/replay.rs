//! A recording of two hours in the page: how soon it opens, and how soon any moment of it is there.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use serde_json::Value;
use shared::event::WindowSize;
use shared::recording::{CastWriter, Header};

use super::sample::Samples;
use super::view::millis;
use crate::harness::{Browser, Sandbox, replay, sharer_bin};

/// Milliseconds of the film.
const TWO_HOURS: u64 = 2 * 3_600_000;
/// A whole screen is drawn this often, in milliseconds.
const EVERY: u64 = 500;

/// To a moment; the milliseconds until the screen of that moment is there.
const SEEK: &str = r"
const line = document.querySelector('.track input');
const row = () => {
  const terminal = document.querySelector('.screen')?.__term;
  const buffer = terminal?.buffer.active;
  return buffer?.getLine(buffer.baseY)?.translateToString(true);
};
const start = performance.now();
line.value = AT;
line.dispatchEvent(new Event('input', { bubbles: true }));
return (async () => {
  while (row() !== 'frame FRAME' && performance.now() - start < 30000) await new Promise((go) => setTimeout(go));
  return performance.now() - start;
})();
";

/// What going about in a long film takes.
#[derive(Debug)]
pub struct Long {
    /// Bytes of the recording.
    pub bytes: usize,
    /// From the command to its link.
    pub linked: Duration,
    /// From there to the film in the page.
    pub opened: Duration,
    /// To the film's end as soon as it is open.
    pub end: Duration,
    /// To any other moment then.
    pub seeks: Samples,
}

/// Two hours of a program that draws its screen anew, `lines` lines in each of its frames.
fn recording(lines: u64) -> Vec<u8> {
    let mut cast = Vec::new();
    let size = WindowSize { cols: 120, rows: 40 };
    let mut writer = CastWriter::begin(&Header { size: Some(size), ..Header::default() }, &mut cast);
    for frame in 0..TWO_HOURS / EVERY {
        let mut text = format!("\x1b[H\x1b[1mframe {frame}\x1b[0m\x1b[K\r\n");
        for line in 0..lines {
            let colour = 31 + (frame + line) % 7;
            let step = frame * 7 + line;
            write!(
                text,
                "\x1b[{colour}m{line:>4}\x1b[0m step {step} of the work that is being done here\x1b[K\r\n"
            )
            .expect("memory takes writes");
        }
        writer.output(frame * EVERY, text.as_bytes(), &mut cast);
    }
    cast
}

/// Opens a film and goes to `seeks` moments of it.
///
/// # Panics
/// When it does not open.
pub async fn long(lines: u64, seeks: u64) -> Long {
    let sandbox = Sandbox::new();
    let cast = recording(lines);
    let path = sandbox.path().join("long.cast");
    std::fs::write(&path, &cast).expect("a home takes files");
    let browser = Browser::start().await;
    let features = serde_json::json!({"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]});
    browser.cdp("Emulation.setEmulatedMedia", features).await;
    let start = Instant::now();
    let mut command = sandbox.command(sharer_bin());
    command.args(["replay", "--no-browser"]).arg(&path);
    let (_replay, link) = replay::link(&sandbox, command).await;
    let linked = start.elapsed();
    let start = Instant::now();
    browser.open(&link).await;
    browser.status("recorded").await;
    let opened = start.elapsed();
    let last = TWO_HOURS / EVERY - 1;
    let seek = async |frame: u64| {
        let script =
            SEEK.replace("AT", &(frame * EVERY + EVERY / 2).to_string()).replace("FRAME", &frame.to_string());
        let took: Value = browser.run(&script).await;
        Duration::from_secs_f64(millis(&took).max(0.0) / 1e3)
    };
    let end = seek(last).await;
    let mut samples = Samples::default();
    for step in 1..=seeks {
        // All over it, to and fro.
        samples.push(seek((step * 7_919) % last).await);
    }
    browser.close().await;
    Long { bytes: cast.len(), linked, opened, end, seeks: samples }
}
