//! How the page says where it stands with relay and sharer: each state has a look of its own, and pills say since when
//! they are not the present.

use std::time::Duration;

use e2e::harness::{Browser, Recording, Relay, Sandbox, Sharer};
use e2e::proxy::{Faults, Proxy};
use rustix::process::Signal;
use serde_json::{Value, json};

/// Beats are good for 45 s; the rest is for a busy machine.
const BEATS: Duration = Duration::from_mins(2);

const CHILDREN: &str = r#"
sharer spawn --name works -- sh -c 'echo at work; exec sleep 600' > /dev/null
sharer spawn --name asks -- sh -c 'sharer state blocked --reason "Which branch?"; exec sleep 600' > /dev/null
"#;

/// The state in a word, how it looks, since when, what stands in the terminal's place, whether the terminal is dimmed,
/// what the bar says of itself, and all pills with their states.
const LOOK: &str = "const text = (where) => { const at = document.querySelector(where); return at?.checkVisibility() ? at.innerText : ''; }; \
  return {word: text('[role=status]'), look: document.querySelector('.status').dataset.look, since: text('.status .since'), \
    instead: text('.curtain h2'), dimmed: Boolean(document.querySelector('.frame.old')), standing: text('.pills .standing'), \
    pills: [...document.querySelectorAll('[role=tab]')].map((pill) => [pill.querySelector('.name').textContent, pill.dataset.state])}";

/// Waits for the word, and gives the look.
async fn stands(browser: &Browser, word: &str) -> Value {
    let says = format!("document.querySelector('[role=status]')?.innerText === {}", json!(word));
    browser.until_within(&format!("the word {word:?}"), BEATS, &says).await;
    browser.run(LOOK).await
}

fn is_time(text: &Value, before: &str) -> bool {
    let time = text.as_str().and_then(|text| text.strip_prefix(before)).unwrap_or_default();
    time.len() == 5 && time.split(':').all(|part| part.len() == 2 && part.chars().all(|c| c.is_ascii_digit()))
}

#[tokio::test]
async fn connecting_reconnecting_and_stale_have_looks_of_their_own_and_pills_say_since_when() {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let recording = Recording::bash(&sandbox, CHILDREN);
    let sharer = Sharer::share(&sandbox, recording.shared(&["--relay", &relay.url()])).await;
    let proxy = Proxy::to(relay.address()).await;
    let link = sharer.read_link().replacen(&relay.url(), &proxy.url(), 1);

    // The page is there, and the relay does not answer its socket.
    let browser = Browser::start().await;
    let hold = "const start = WebAssembly.instantiateStreaming; \
                WebAssembly.instantiateStreaming = async (...all) => { await new Promise((go) => { window.__go = go; }); return start(...all); }";
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({"source": hold})).await;
    browser.cdp("Page.navigate", json!({"url": link})).await;
    browser.until("the page to be fetched", "Boolean(window.__go)").await;
    proxy.set(Faults { half_open: true, ..Faults::default() });
    browser.run("window.__go()").await;
    let connecting = stands(&browser, "Connecting").await;
    assert_eq!((&connecting["look"], &connecting["instead"]), (&json!("busy"), &json!("Connecting")));
    assert_eq!((&connecting["since"], &connecting["pills"]), (&json!(""), &json!([])), "{connecting}");
    browser.says("Waiting for the relay at").await;
    browser.screenshot("standing-connecting").await;

    proxy.heal();
    proxy.cut();
    let blocked = "[...document.querySelectorAll('[role=tab]')].some((pill) => pill.dataset.state === 'blocked' && pill.dataset.task)";
    browser.until("the children", blocked).await;
    let live = stands(&browser, "Live").await;
    assert_eq!((&live["look"], &live["since"], &live["standing"]), (&json!("live"), &json!(""), &json!("")));
    assert_eq!(live["pills"].as_array().unwrap().len(), 3, "{live}");

    proxy.set(Faults { refuse: true, ..Faults::default() });
    proxy.cut();
    let reconnecting = stands(&browser, "Reconnecting").await;
    browser.screenshot("standing-reconnecting").await;
    proxy.heal();
    let again = stands(&browser, "Live").await;
    assert_eq!(again, live, "as if nothing had been");

    // The relay answers for itself, and no word of the sharer's comes any more.
    sharer.process.signal(Signal::STOP);
    let stale = stands(&browser, "Stale").await;
    browser.says("What you see may be old").await;
    browser.screenshot("standing-stale").await;
    sharer.process.signal(Signal::CONT);
    assert_eq!(stands(&browser, "Live").await, live);

    for old in [&reconnecting, &stale] {
        assert_eq!(old["look"], "waiting", "{old}");
        assert!(is_time(&old["since"], "since ") && is_time(&old["standing"], "as of "), "{old}");
        assert_eq!(old["pills"], live["pills"], "the last that is known stays, and says since when");
        assert_eq!((&old["instead"], &old["dimmed"]), (&json!(""), &json!(true)), "{old}");
    }
}
