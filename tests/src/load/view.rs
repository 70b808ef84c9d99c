//! The page in headless Chromium: how soon it shows a session, and how it bears a flood.

use std::time::Duration;

use serde_json::{Value, json};

use super::sample::Samples;
use super::scene::Scene;
use super::screen::{SCROLLBACK, WINDOW};
use crate::harness::{Browser, Screen};

/// Notes long tasks from the page's first moment.
pub(super) const TASKS: &str = r"
window.__tasks = [];
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.__tasks.push([task.startTime, task.duration]);
}).observe({ type: 'longtask', buffered: true });
";

/// Notes when the last rows first read as they should.
const LOOK: &str = r"
const look = () => {
  const terminal = document.querySelector('.xterm')?.parentElement.__term;
  const buffer = terminal?.buffer.active;
  const text = buffer && Array.from({ length: terminal.rows }, (_, y) =>
    buffer.getLine(buffer.baseY + y).translateToString(true)).join('').trimEnd();
  if (text?.endsWith(EXPECTED)) {
    window.__seen = { after: performance.now(), at: Date.now() };
  } else {
    setTimeout(look, 5);
  }
};
look();
";

/// A browser whose pages run this before anything else.
pub(super) async fn with_scripts(scripts: &[&str]) -> Browser {
    let browser = Browser::start().await;
    for source in scripts {
        browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": source })).await;
    }
    browser
}

async fn watched(expected: &str) -> Browser {
    with_scripts(&[TASKS, &LOOK.replace("EXPECTED", &json!(expected).to_string())]).await
}

/// Tasks over 50 ms.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tasks {
    /// The longest, in milliseconds; 0 if there was none.
    pub(super) longest: f64,
    /// How many.
    pub(super) count: usize,
}

/// The page's long tasks since that moment of its clock.
pub(super) async fn longest(browser: &Browser, since: f64) -> Tasks {
    let tasks = browser.run("return window.__tasks").await;
    let tasks = tasks.as_array().expect("a list of tasks").iter();
    let tasks: Vec<f64> =
        tasks.filter(|task| millis(&task[0]) >= since).map(|task| millis(&task[1])).collect();
    Tasks { longest: tasks.iter().copied().fold(0.0, f64::max), count: tasks.len() }
}

/// The page's whole screen is what an independent terminal shows.
async fn must_show(browser: &Browser, log: &[u8]) {
    let scrollback = u32::try_from(SCROLLBACK).unwrap_or(u32::MAX);
    browser.shows(&Screen::reference(WINDOW.cols, WINDOW.rows, scrollback, log).await).await;
}

/// The end of a log as the screen's text shows it, wherever lines wrap.
fn last_words(log: &[u8]) -> String {
    let text = String::from_utf8_lossy(log);
    let last = text.rsplit("took=").next().unwrap_or_default();
    last.replace("\r\n", "")
}

pub(super) fn millis(value: &Value) -> f64 {
    value.as_f64().expect("a time in milliseconds")
}

/// From the navigation to the exact screen, `times`.
///
/// # Panics
/// When it does not come.
pub async fn opens(times: usize) -> Samples {
    let scene = Scene::new(200_000);
    let sharer = scene.share(None, &scene.printing()).await;
    let browser = watched(&last_words(&scene.log)).await;
    let mut samples = Samples::default();
    // The first one fills Chromium's caches, as the first page of a day does; it counts like the others.
    for _ in 0..times {
        browser.open(&sharer.read_link()).await;
        let after = browser.until("the screen", "window.__seen?.after").await;
        must_show(&browser, &scene.log).await;
        samples.push(Duration::from_secs_f64(millis(&after) / 1e3));
    }
    browser.close().await;
    samples
}

/// What a page that loads everything anew gets, in bytes as they travel.
///
/// # Panics
/// When Chromium does not tell.
pub async fn weight() -> u64 {
    let scene = Scene::new(1_000);
    let sharer = scene.share(None, &scene.printing()).await;
    let browser = Browser::start().await;
    browser.open(&sharer.read_link()).await;
    browser.status("live").await;
    let bytes = browser
        .run(
            "return [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')]
               .reduce((sum, entry) => sum + entry.encodedBodySize, 0)",
        )
        .await;
    browser.close().await;
    bytes.as_u64().expect("a number of bytes")
}

/// How a page bears a flood.
#[derive(Debug, Clone, Copy)]
pub struct Flood {
    /// Its longest task, in milliseconds; 0 if none was over 50.
    pub longest: f64,
    /// Its tasks over 50 ms.
    pub long: usize,
    /// How long the program wrote.
    pub took: Duration,
    /// From the program's last byte to the exact final screen.
    pub late: Duration,
}

/// Pours a log of `size` bytes into a page.
///
/// # Panics
/// When the final screen does not come.
pub async fn flood(size: usize) -> Flood {
    let scene = Scene::new(size);
    let sharer = scene.share(None, &scene.waiting()).await;
    let browser = watched(&last_words(&scene.log)).await;
    browser.open(&sharer.read_link()).await;
    browser.status("live").await;
    let begin = browser.run("return performance.now()").await;
    scene.go();
    let seen = browser.until_within("the end of the log", Duration::from_mins(2), "window.__seen").await;
    let (start, end) = scene.times().await;
    must_show(&browser, &scene.log).await;
    let tasks = longest(&browser, millis(&begin)).await;
    browser.close().await;
    let at = Duration::from_secs_f64(millis(&seen["at"]) / 1e3);
    Flood {
        longest: tasks.longest,
        long: tasks.count,
        took: end.saturating_sub(start),
        late: at.saturating_sub(end),
    }
}
