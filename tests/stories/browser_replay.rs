//! `sharer replay`: something that is over, in the viewer, at any moment of its time.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use e2e::harness::http::{ask, get, status};
use e2e::harness::process::Process;
use e2e::harness::replay::link;
use e2e::harness::{Browser, Sandbox, Screen, sharer_bin};
use serde_json::json;
use shared::conversation::{Block, Change, Message, Role, What};
use shared::event::WindowSize;
use shared::id::TaskId;
use shared::orchestration::status::TaskState;
use shared::orchestration::task::Task;
use shared::recording::{CAST, CastWriter, Entry, Exit, Header, Line, SESSION, Session, TRANSCRIPT};
use shared::time::UnixMs;

const START: u64 = 1_700_000_000_000;
const MINUTE: u64 = 60_000;

/// What a terminal of the film was told, and when.
type Output<'a> = [(u64, &'a str)];

const LEAD: &Output<'_> = &[
    (500, "\x1b]133;A\x07\x1b[1;32m~/project\x1b[0m $ "),
    (2_000, "cargo build\r\n\x1b]133;C\x07"),
    (2_400, "   \x1b[1;32mCompiling\x1b[0m parser v0.3.0\r\n"),
    (
        9_000,
        "    \x1b[1;32mFinished\x1b[0m in 6.8s\r\n\x1b]133;D;0\x07\x1b]133;A\x07\x1b[1;32m~/project\x1b[0m $ ",
    ),
    (60_000, "cargo test\r\n\x1b]133;C\x07"),
    (
        61_000,
        "test reads_nothing ... \x1b[31mFAILED\x1b[0m\r\n\x1b]133;D;101\x07\x1b]133;A\x07\x1b[1;32m~/project\x1b[0m $ ",
    ),
    (150_000, "cargo test\r\n\x1b]133;C\x07"),
    (
        152_000,
        "test reads_nothing ... \x1b[32mok\x1b[0m\r\n\x1b]133;D;0\x07\x1b]133;A\x07\x1b[1;32m~/project\x1b[0m $ ",
    ),
];
const TESTS: &Output<'_> =
    &[(1_000, "reading the tests\r\n"), (40_000, "\x1b[33mwriting\x1b[0m tests/empty.rs\r\n")];
const FIX: &Output<'_> = &[(1_000, "looking at src/parser.rs\r\n"), (20_000, "\x1b[7mdone\x1b[0m")];

/// The bytes that a terminal had been told at that time.
fn told(output: &Output<'_>, at: u64) -> Vec<u8> {
    output.iter().filter(|(when, _)| *when <= at).flat_map(|(_, text)| text.bytes()).collect()
}

fn task(id: &str, name: &str, start: u64) -> Task {
    let mut task = Task::new(TaskId(id.into()), Some(TaskId("lead".into())), name, UnixMs(START + start));
    task.prompt = "Make the parser read an empty file.".into();
    task.directory = "~/project".into();
    task
}

fn says(at: u64, revision: u64, role: Role, text: &str) -> Line {
    let block = Block::Message(Message { role, text: text.into(), continues: false });
    Line {
        at,
        entry: Entry::Change(Change { revision, what: What::Set(u32::try_from(revision).unwrap(), block) }),
    }
}

/// Writes a recording as the recorder does.
fn record(
    folder: &Path,
    id: &str,
    name: &str,
    (start, end): (u64, u64),
    output: &Output<'_>,
    lines: &[Line],
) -> PathBuf {
    let folder = folder.join(id);
    std::fs::create_dir_all(&folder).unwrap();
    let size = WindowSize { cols: 80, rows: 24 };
    let mut session = Session::new(TaskId(id.into()), TaskId("lead".into()), UnixMs(START + start), size);
    session.name = name.into();
    session.command = name.into();
    session.parent = (id != "lead").then(|| TaskId("lead".into()));
    session.ended = Some(UnixMs(START + end));
    session.exit = Some(Exit { code: Some(0), signal: None });
    std::fs::write(folder.join(SESSION), session.to_json()).unwrap();
    let mut cast = Vec::new();
    let mut writer = CastWriter::begin(&Header { size: Some(size), ..Header::default() }, &mut cast);
    for (at, text) in output {
        writer.output(*at, text.as_bytes(), &mut cast);
    }
    std::fs::write(folder.join(CAST), cast).unwrap();
    let mut transcript = Vec::new();
    for line in lines {
        line.write(&mut transcript);
    }
    std::fs::write(folder.join(TRANSCRIPT), transcript).unwrap();
    folder
}

/// An orchestrator with two children, three minutes long.
fn film(sandbox: &Sandbox) -> PathBuf {
    let folder = sandbox.path().join("recordings/lead");
    let mut lines = vec![
        says(1_000, 1, Role::User, "Make the parser read an empty file."),
        says(
            12_000,
            2,
            Role::Agent,
            "I will have **two agents** look: one writes the test, one mends the parser.",
        ),
    ];
    for (id, name, start, end) in
        [("tests", "write the test", 20_000, 80_000), ("fix", "mend the parser", 70_000, 140_000)]
    {
        let mut task = task(id, name, start);
        let mut tell =
            |at: u64, task: &Task| lines.push(Line { at, entry: Entry::Task(Box::new(task.clone())) });
        tell(start, &task);
        task.enter(TaskState::Running, "", UnixMs(START + start));
        tell(start, &task);
        task.enter(TaskState::Done, "", UnixMs(START + end));
        tell(end, &task);
    }
    lines.push(says(153_000, 3, Role::Agent, "Both are done, and `cargo test` passes."));
    lines.sort_by_key(|line| line.at);
    record(
        &folder,
        "tests",
        "write the test",
        (20_000, 80_000),
        TESTS,
        &[says(500, 1, Role::Agent, "There is no test for it yet.")],
    );
    record(&folder, "fix", "mend the parser", (70_000, 140_000), FIX, &[]);
    record(&folder, "lead", "lead", (0, 3 * MINUTE), LEAD, &lines)
}

/// Starts `sharer replay`, and gives the link that it prints.
async fn replay(sandbox: &Sandbox, what: &Path) -> (Process, String) {
    let mut command = sandbox.command(sharer_bin());
    command.args(["replay", "--no-browser"]).arg(what);
    link(sandbox, command).await
}

/// Opens a film that stands at its beginning.
async fn still(browser: &Browser, link: &str) {
    let features = json!({"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]});
    browser.cdp("Emulation.setEmulatedMedia", features).await;
    browser.open(link).await;
    browser.status("recorded").await;
}

async fn seek(browser: &Browser, at: u64) {
    let script = format!(
        "const line = document.querySelector('.track input'); line.value = {at}; line.dispatchEvent(new Event('input', {{ bubbles: true }}))"
    );
    browser.run(&script).await;
}

async fn shows(browser: &Browser, output: &Output<'_>, at: u64) {
    browser.shows(&Screen::reference(80, 24, 1000, &told(output, at)).await).await;
}

async fn pill(browser: &Browser, task: &str) {
    browser.run(&format!("document.querySelector('[role=tab][data-task=\"{task}\"]').click()")).await;
}

#[tokio::test]
async fn a_recording_is_played_gone_about_in_and_looked_at_from_every_pill() {
    let sandbox = Sandbox::new();
    let (_replay, link) = replay(&sandbox, &film(&sandbox)).await;
    let mut browser = Browser::start().await;
    still(&browser, &link).await;
    browser.until("all pills", "document.querySelectorAll('[role=tab]').length === 3").await;
    shows(&browser, LEAD, 0).await;
    // Anywhere, in any order, it is the screen of that moment.
    for at in [2_400, 179_000, 0, 9_000, 61_500, 60_999] {
        seek(&browser, at).await;
        shows(&browser, LEAD, at).await;
    }
    seek(&browser, 0).await;
    browser.press("Later command").await;
    shows(&browser, LEAD, 2_000).await;
    browser.press("Later command").await;
    browser.until("the moment", "document.querySelector('.replay .moment').textContent === '1:00'").await;
    shows(&browser, LEAD, 60_000).await;
    browser.run("document.activeElement.blur()").await;
    browser.type_text("]").await;
    shows(&browser, LEAD, 150_000).await;
    browser.type_text("[").await;
    shows(&browser, LEAD, 60_000).await;
    assert_eq!(
        browser.run("return document.querySelectorAll('.blocks > *').length").await,
        json!(2),
        "what was said by then"
    );
    // It plays, and stands where it is stopped.
    browser.press("Play").await;
    browser.until("it goes on", "Number(document.querySelector('.track input').value) > 60500").await;
    browser.press("Pause").await;
    let at =
        browser.run("return Number(document.querySelector('.track input').value)").await.as_f64().unwrap();
    assert!((60_500.0..100_000.0).contains(&at), "{at}");
    // The clock is everybody's; each pill has its own terminal and says how it stood then.
    seek(&browser, 75_000).await;
    pill(&browser, "tests").await;
    shows(&browser, TESTS, 75_000 - 20_000).await;
    browser.says("There is no test for it yet.").await;
    let states = "[...document.querySelectorAll('[role=tab]')].map((pill) => pill.dataset.state).join()";
    browser.until("how they stood", &format!("{states} === 'running,running,running'")).await;
    pill(&browser, "fix").await;
    shows(&browser, FIX, 5_000).await;
    seek(&browser, 30_000).await;
    browser.says("This agent has not been started yet.").await;
    seek(&browser, 3 * MINUTE).await;
    shows(&browser, FIX, MINUTE).await;
    pill(&browser, "").await;
    shows(&browser, LEAD, 3 * MINUTE).await;
    browser.says("Both are done").await;
    browser.until("how they ended", &format!("{states} === 'done,done,done'")).await;
    // Without time in which nothing happens three minutes are short; at its end it stops.
    browser.press("Skip idle").await;
    browser.press("Play").await;
    browser.until("its end", "document.querySelector('.replay .play').ariaLabel === 'Play' && document.querySelector('.replay .moment').textContent === '3:00'").await;
    shows(&browser, LEAD, 3 * MINUTE).await;
    assert_eq!(browser.complaints().await, [""; 0]);
    browser.close().await;
}

#[tokio::test]
async fn nobody_but_who_has_the_link_gets_anything_of_a_recording() {
    let sandbox = Sandbox::new();
    let (_replay, link) = replay(&sandbox, &film(&sandbox)).await;
    let (base, token) = link.split_once("/r/#").unwrap();
    let here: SocketAddr = base.strip_prefix("http://").unwrap().parse().unwrap();
    let host = here.to_string();
    let bearer = format!("Bearer {token}");
    for name in ["film", "0-0", "1-0", "0-talk"] {
        let path = format!("/film/{name}");
        let good = ask(here, &path, &[("Host", &host), ("Authorization", &bearer)]).await;
        assert_eq!(status(&good), "200", "the control");
        assert!(good.to_ascii_lowercase().contains("cache-control: no-store"), "{good}");
        for (headers, refused) in [
            (vec![("Host", host.as_str())], "403"),
            (vec![("Host", &host), ("Authorization", "Bearer ")], "403"),
            (vec![("Host", &host), ("Authorization", &bearer), ("Origin", "http://evil.example")], "403"),
            (vec![("Host", "evil.example"), ("Authorization", &bearer)], "421"),
        ] {
            let answer = ask(here, &path, &headers).await;
            assert_eq!(status(&answer), refused, "{headers:?}");
            assert!(answer.len() < 1_500, "it says no more than that");
        }
    }
    for name in ["0-7", "9-0", "2-talk", "x", "../film", ""] {
        let answer =
            ask(here, &format!("/film/{name}"), &[("Host", &host), ("Authorization", &bearer)]).await;
        assert_eq!(status(&answer), "404", "{name}");
    }
    assert_eq!(status(&get(here, "/").await), "404");
    let page = get(here, "/r/").await.to_ascii_lowercase();
    for header in [
        "content-security-policy: default-src 'none'",
        "referrer-policy: no-referrer",
        "cross-origin-resource-policy: same-origin",
        "x-content-type-options: nosniff",
    ] {
        assert!(page.contains(header), "{header}");
    }
    assert!(!page.contains(&token.to_ascii_lowercase()));
}

#[tokio::test]
async fn a_replay_looks_right_large_and_small_by_day_and_by_night() {
    let sandbox = Sandbox::new();
    let (_replay, link) = replay(&sandbox, &film(&sandbox)).await;
    let browser = Browser::start().await;
    still(&browser, &link).await;
    seek(&browser, 100_000).await;
    shows(&browser, LEAD, 100_000).await;
    browser.screenshot("replay").await;
    browser.prefer("dark").await;
    browser.screenshot("replay-dark").await;
    browser.close().await;
    let phone = Browser::phone().await;
    still(&phone, &link).await;
    seek(&phone, 100_000).await;
    shows(&phone, LEAD, 100_000).await;
    phone.screenshot("replay-phone").await;
    // Nothing is cut off, and thumbs find every control.
    let small = "[...document.querySelectorAll('.replay button')].filter((one) => { const box = one.getBoundingClientRect(); return box.right > innerWidth || box.bottom > innerHeight || box.height < 39 || box.width < 39; }).map((one) => one.outerHTML)";
    assert_eq!(phone.run(&format!("return {small}")).await, json!([]));
    phone.prefer("dark").await;
    phone.screenshot("replay-phone-dark").await;
    phone.close().await;
}
