//! Kept sessions in a browser: the page says what it shows, and shows all of it.

use e2e::harness::{Browser, Log, Relay, Sandbox, Sharer};
use e2e::viewer::Viewer;

use crate::kept::{PROGRAM, keeping_relay, lived};

/// Whether the terminal in sight has this, in its scrollback too.
fn holds(text: &str) -> String {
    format!(
        "(() => {{
           const buffer = [...document.querySelectorAll('.screen')].find((one) => one.checkVisibility())?.__term?.buffer.active;
           return Boolean(buffer) && Array.from({{ length: buffer.length }}, (_, y) =>
             buffer.getLine(y).translateToString(true)).includes('{text}');
         }})()"
    )
}

#[tokio::test]
async fn a_kept_session_is_opened_by_its_link() {
    let sandbox = Sandbox::new();
    let mut relay = keeping_relay(&sandbox).await;
    let (sharer, _) = lived(&sandbox, &relay.url(), "3d", PROGRAM).await;
    relay.kill().await;
    relay.restart(&sandbox).await;
    let browser = Browser::start().await;
    browser.open(&sharer.write_link()).await;
    browser.says("The program has finished with status 3. This is its last screen.").await;
    browser.says("The relay keeps it for 3 days more.").await;
    browser.cell("shown-42").await;
    browser.until("scrollback", &holds("line-7")).await;
    browser
        .until("the transcript", "document.querySelector('.blocks')?.textContent.includes('said-at-the-end')")
        .await;
    assert_eq!(
        browser.run("return document.body.innerText.includes('Type here')").await,
        false,
        "it takes no keys"
    );
    browser.screenshot("kept").await;
    browser.close().await;
}

#[tokio::test]
async fn a_kept_session_whose_sharer_was_lost_says_so() {
    let sandbox = Sandbox::new();
    let archive = sandbox.path().join("archive");
    let mut relay =
        Relay::start(&sandbox, ["--away-keep", "1s", "--data-dir", archive.to_str().unwrap()]).await;
    let arguments =
        ["--relay", &relay.url(), "--keep", "3d", "--", "sh", "-c", "echo seen-$((40+2)); exec cat"];
    let mut sharer = Sharer::share(&sandbox, arguments).await;
    let browser = Browser::watching(&sharer.read_link()).await;
    browser.cell("seen-42").await;
    Viewer::new(&sharer.read_link(), None, Log::default())
        .signed("all of it", |viewer| viewer.screen.has("seen-42"))
        .await;
    sharer.process.kill().await;
    browser.says("the sharer did not come back").await;
    relay.kill().await;
    relay.restart(&sandbox).await;
    browser.open(&sharer.read_link()).await;
    browser.says("This is the last that arrived of it. The relay keeps it for 3 days more.").await;
    browser.cell("seen-42").await;
    browser.close().await;
}
