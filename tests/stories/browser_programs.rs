//! Programs that use the whole screen, seen through a read link.

use e2e::harness::{Browser, LONG, Recording, Sandbox, Screen, Sharer, until};

#[tokio::test]
async fn vim_is_shown_exactly() {
    let sandbox = Sandbox::new();
    let lines: Vec<String> =
        (1..=200).map(|n| format!("fn line_{n}() -> u32 {{ /* 中文 */ {n} }}\n")).collect();
    std::fs::write(sandbox.path().join("lines.rs"), lines.concat()).unwrap();
    let start = "-u NONE -i NONE -n --cmd 'set nocp nu cul' -c 'syn on' -c 'set ft=rust bg=dark ruler hls' -c '/line_42'";
    let recording = Recording::program(&sandbox, &format!("exec vim {start} lines.rs"));
    let sharer = Sharer::share(&sandbox, recording.shared(&["--title", "vim lines.rs"])).await;
    let browser = Browser::watching(&sharer.write_link()).await;
    browser.mirrors(&recording, "line_42").await;
    browser.screenshot("vim").await;
    browser.press("Type here").await;
    browser.type_text("Gohere is the end").await;
    // Vim draws what changed, not words: the page says when all is there.
    let look = async || match Screen::shown(&browser).await {
        Some(screen) if screen.text().contains("here is the end") => Ok(()),
        seen => Err(seen.map(|screen| screen.text())),
    };
    until("the typed words", LONG, look).await;
    browser.mirrors(&recording, "line_42").await;
    // A late viewer, in the middle of inserting.
    let late = Browser::start().await;
    late.live(&sharer.read_link()).await;
    late.mirrors(&recording, "line_42").await;
    late.close().await;
    browser.close().await;
}

#[tokio::test]
async fn htop_is_shown_exactly() {
    let sandbox = Sandbox::new();
    // Ten seconds between two pictures: every look is at a screen at rest.
    let recording = Recording::program(&sandbox, "exec htop -d 100");
    let sharer = Sharer::share(&sandbox, recording.shared(&["--title", "htop"])).await;
    let browser = Browser::watching(&sharer.read_link()).await;
    browser.mirrors(&recording, "Load average").await;
    browser.screenshot("htop").await;
    browser.close().await;
}
