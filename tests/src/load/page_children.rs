//! The page in headless Chromium beside many children, and on a long conversation.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use super::children::Family;
use super::machine::{NICE, yields};
use super::sample::Samples;
use super::scene::Scene;
use super::view::{TASKS, longest, millis, with_scripts};
use crate::harness::{Browser, Sandbox, Sharer};

/// How many of the children pour, once they are let.
const POURING: usize = 20;

/// Notes when each pill first stood in the page, by name.
pub(super) const PILLS: &str = r"
window.__pills = {};
new MutationObserver(() => {
  for (const name of document.querySelectorAll('[role=tab] .name')) window.__pills[name.textContent] ??= Date.now();
}).observe(document, { childList: true, subtree: true, characterData: true });
";

/// Presses a pill; the milliseconds until the frame behind the one in which its whole screen is there and live.
const SWITCH: &str = r"
const frame = () => new Promise(requestAnimationFrame);
const pill = [...document.querySelectorAll('[role=tab]')].find((one) => one.querySelector('.name').textContent === NAME);
const start = performance.now();
const there = () => {
  const terminal = [...document.querySelectorAll('.screen')].find((one) => one.checkVisibility())?.__term;
  const buffer = terminal?.buffer.active;
  const text = buffer && Array.from({ length: terminal.rows }, (_, y) =>
    buffer.getLine(buffer.baseY + y).translateToString(true)).join('').trimEnd();
  return text === TEXT && document.querySelector('[role=status]').textContent === 'Live';
};
pill.click();
return (async () => {
  while (!there() && performance.now() - start < 20000) await frame();
  await frame();
  return performance.now() - start;
})();
";

/// Scrolls something there and back; the milliseconds between frames.
const SCROLL: &str = r"
const frame = () => new Promise(requestAnimationFrame);
const moved = document.querySelector(MOVED);
return (async () => {
  const frames = [];
  let before = await frame();
  for (let n = 0; n < 120; n += 1) {
    const step = n < 60 ? -80 : 80;
    moved.scrollBy({ left: -step, top: step, behavior: 'instant' });
    const now = await frame();
    frames.push(now - before);
    before = now;
  }
  return frames;
})();
";

pub(super) fn milliseconds(value: &Value) -> Duration {
    Duration::from_secs_f64(millis(value).max(0.0) / 1e3)
}

async fn scrolled(browser: &Browser, what: &str) -> Samples {
    let frames = browser.run(&SCROLL.replace("MOVED", &json!(what).to_string())).await;
    let mut samples = Samples::default();
    for frame in frames.as_array().expect("a list of frames") {
        samples.push(milliseconds(frame));
    }
    samples
}

async fn switched(browser: &Browser, name: &str, text: &str) -> Duration {
    let script = SWITCH.replace("NAME", &json!(name).to_string()).replace("TEXT", &json!(text).to_string());
    milliseconds(&browser.run(&script).await)
}

async fn now(browser: &Browser) -> f64 {
    millis(&browser.run("return performance.now()").await)
}

/// What a page beside children does.
#[derive(Debug)]
pub struct Pills {
    /// From the return of a spawn to the pill in the open page.
    pub late: Samples,
    /// The longest task while all of them came, in milliseconds.
    pub coming: f64,
    /// Frames while the bar scrolls.
    pub frames: Samples,
    /// From a pill to the exact screen of a child that nobody looked at before.
    pub joined: Samples,
    /// The same for one that was looked at not long ago.
    pub kept: Samples,
    /// The longest task while 20 children pour, some of them joined, in milliseconds.
    pub pouring: f64,
}

/// Opens a page, starts `count` children, goes to some of them, and lets some pour for `time`.
///
/// # Panics
/// When one of them does not come.
pub async fn pills(scene: &Scene, count: usize, time: Duration) -> Pills {
    let gate = scene.sandbox.path().join("gate");
    assert!(Command::new("mkfifo").arg(&gate).status().is_ok_and(|made| made.success()), "a pipe");
    let mut family = Family::start(scene).await;
    let browser = with_scripts(&[TASKS, PILLS]).await;
    browser.live(&family.sharer.read_link()).await;
    let began = now(&browser).await;
    let mut returned = Vec::new();
    for at in 1..=count {
        let mut program = format!("printf 'I am {at}'; ");
        if at <= POURING {
            // Until the gate was open.
            let (gate, log) = (gate.display(), scene.path().display());
            write!(program, "cat {gate} >/dev/null; while :; do nice -n {NICE} cat {log}; done")
                .expect("memory takes writes");
        } else {
            program.push_str("exec sleep 10000");
        }
        family.spawn(&program).await;
        returned.push(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    }
    let all = format!("document.querySelectorAll('[role=tab]').length === {}", count + 1);
    browser.until_within("every pill", Duration::from_mins(2), &all).await;
    let coming = longest(&browser, began).await.longest;
    let seen = browser.run("return window.__pills").await;
    let mut late = Samples::default();
    for (at, returned) in returned.into_iter().enumerate() {
        late.push(milliseconds(&seen[format!("child-{}", at + 1)]).saturating_sub(returned));
    }
    let frames = scrolled(&browser, "[role=tablist]").await;
    let (mut joined, mut kept) = (Samples::default(), Samples::default());
    let go = async |at: usize| switched(&browser, &format!("child-{at}"), &format!("I am {at}")).await;
    for at in 0..12 {
        joined.push(go(count - at).await);
    }
    for at in 0..20 {
        kept.push(go(count - 11 + at % 4).await);
    }
    // Some that pour are joined, as if their reader came by.
    for at in 1..=5 {
        go(at).await;
    }
    browser.run("document.querySelector('[role=tab]').click()").await;
    // A reader has a computer of its own.
    for pid in [family.sharer.process.pid(), family.relay.process.pid()] {
        yields(pid);
    }
    let began = now(&browser).await;
    drop(std::fs::OpenOptions::new().write(true).open(&gate).expect("children wait for it"));
    browser.run(&format!("return new Promise((done) => setTimeout(done, {}))", time.as_millis())).await;
    let pouring = longest(&browser, began).await.longest;
    browser.close().await;
    Pills { late, coming, frames, joined, kept, pouring }
}

/// What a page on a long conversation does.
#[derive(Debug)]
pub struct Talked {
    /// From the first update to the last one in the open page.
    pub took: Duration,
    /// The longest task in that time, in milliseconds.
    pub longest: f64,
    /// From opening a page to the newest in it.
    pub opened: Duration,
    /// Frames while the conversation scrolls.
    pub frames: Samples,
}

/// Lets a program say `count` things in a conversation.
///
/// # Panics
/// When the last does not come.
pub async fn talk(count: usize) -> Talked {
    let sandbox = Sandbox::new();
    let path = sandbox.path().join("updates");
    let say = |kind: &str, text: String| {
        json!({"sessionUpdate": kind, "content": {"type": "text", "text": text}}).to_string() + "\n"
    };
    let script = r#"touch updates; tail -n +1 -f updates | "$SHARER_BIN" emit"#;
    let sharer = Sharer::share(&sandbox, ["--", "/bin/sh", "-c", script]).await;
    let last = format!("answer {}", count / 2);
    let said =
        format!("window.__said = document.querySelector('.blocks')?.textContent.includes({})", json!(last));
    let browser = with_scripts(&[TASKS]).await;
    browser.live(&sharer.read_link()).await;
    let began = now(&browser).await;
    let mut updates = String::new();
    for at in 1..=count / 2 {
        updates.push_str(&say("user_message_chunk", format!("question {at}")));
        updates.push_str(&say("agent_message_chunk", format!("**answer** {at}\n\nanswer {at}")));
    }
    let start = std::time::Instant::now();
    std::fs::write(&path, updates).expect("a home takes files");
    browser.until_within("the last answer", Duration::from_mins(2), &said).await;
    let took = start.elapsed();
    let longest = longest(&browser, began).await.longest;
    browser.close().await;
    let browser = with_scripts(&[TASKS]).await;
    let start = std::time::Instant::now();
    browser.open(&sharer.read_link()).await;
    browser.until("the newest", &said).await;
    let opened = start.elapsed();
    let frames = scrolled(&browser, ".scroller").await;
    browser.close().await;
    Talked { took, longest, opened, frames }
}
