//! The relay is killed, the network breaks: everybody comes back by themselves under the same links.

use std::time::Duration;

use e2e::harness::{Browser, Recording, Relay, Sandbox, Sharer};
use e2e::proxy::{Faults, Proxy};

const ENTER: char = '\u{E007}';

/// Longer than any pause between two attempts to connect.
const BACK: Duration = Duration::from_mins(2);

/// Everything a console may not say, where a broken network is part of the story.
async fn nothing_but_the_network(browser: &mut Browser) {
    let mut complaints = browser.complaints().await;
    complaints.retain(|line| !line.contains("WebSocket") && !line.contains("ERR_"));
    assert!(complaints.is_empty(), "{complaints:#?}");
}

async fn back(browser: &Browser) {
    let live = "document.querySelector('[role=status]')?.innerText.trim() === 'Live'";
    browser.until_within("the page to be live again", BACK, live).await;
}

#[tokio::test]
async fn a_killed_relay_comes_back_with_everybody() {
    let sandbox = Sandbox::new();
    let mut relay = Relay::start(&sandbox, [""; 0]).await;
    let recording = Recording::bash(&sandbox, "");
    let sharer = Sharer::share(&sandbox, recording.shared(&["--relay", &relay.url()])).await;
    let (mut writer, mut reader) = tokio::join!(Browser::start(), Browser::sized(900, 600));
    writer.open(&sharer.write_link()).await;
    reader.open(&sharer.read_link()).await;
    writer.status("live").await;
    reader.status("live").await;
    writer.press("Type here").await;
    writer.type_text(&format!("echo before-$((1+1)){ENTER}")).await;
    writer.mirrors(&recording, "before-2").await;

    relay.kill().await;
    writer.status("reconnecting").await;
    reader.status("reconnecting").await;
    // The program goes on meanwhile, as if alone.
    recording.feed(&"written while the relay was away\r\n".repeat(100));
    recording.feed("the last of it\r\n");
    recording.wrote("the last of it").await;
    reader.screenshot("reconnecting").await;
    relay.restart(&sandbox).await;
    back(&writer).await;
    back(&reader).await;
    writer.mirrors(&recording, "the last of it").await;
    reader.mirrors(&recording, "the last of it").await;

    // Typing goes on, each key once.
    let goes_on = "[...document.querySelectorAll('button')].some((b) => ['Stop typing', 'Type here'].includes(b.innerText))";
    writer.until("typing to be possible again", goes_on).await;
    if writer.run("return document.body.innerText.includes('Type here')").await == true {
        writer.press("Type here").await;
    }
    writer.run("document.querySelector('.xterm-helper-textarea').focus()").await;
    writer.type_text(&format!("echo again-$((2+2)){ENTER}")).await;
    writer.mirrors(&recording, "again-4").await;
    reader.mirrors(&recording, "again-4").await;
    nothing_but_the_network(&mut writer).await;
    nothing_but_the_network(&mut reader).await;
}

#[tokio::test]
async fn a_viewer_whose_network_is_cut_catches_up() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "");
    let sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let link = sharer.read_link();
    let address = link.strip_prefix("http://").and_then(|rest| rest.split('/').next()).unwrap();
    let proxy = Proxy::to(address.parse().unwrap()).await;
    let mut browser = Browser::watching(&link.replacen(&format!("http://{address}"), &proxy.url(), 1)).await;
    recording.feed("before the cut\r\n");
    browser.mirrors(&recording, "before the cut").await;

    proxy.set(Faults { refuse: true, ..Faults::default() });
    proxy.cut();
    browser.status("reconnecting").await;
    browser.says("The connection to the relay is gone").await;
    recording.feed(&"\x1b[36mwritten during the cut\x1b[0m\r\n".repeat(60));
    recording.feed("the last of it\r\n");
    recording.wrote("the last of it").await;
    let connections = proxy.connections();
    proxy.heal();
    back(&browser).await;
    assert!(proxy.connections() > connections, "it came back through the proxy");
    browser.mirrors(&recording, "the last of it").await;

    // A cut that heals at once, in the middle of output.
    recording.feed(&"flowing\r\n".repeat(500));
    proxy.cut();
    recording.feed("after the second cut\r\n");
    browser.mirrors(&recording, "after the second cut").await;
    back(&browser).await;
    nothing_but_the_network(&mut browser).await;
}
