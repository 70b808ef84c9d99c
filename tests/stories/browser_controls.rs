//! Whatever can be pressed does something, and a link means the same wherever it is opened.

use e2e::harness::{Browser, Sandbox, Seat, Sharer};
use serde_json::{Value, json};

/// A parent with a command behind it, something said, and a child that has a child of its own.
const FAMILY: &str = r#"
printf '\033]133;A\033\\$ \033]133;B\033\\true\n\033]133;C\033\\\033]133;D;0\033\\'
echo '{"sessionUpdate":"agent_message_chunk","content":{"type":"text","text":"words of the parent"}}' | sharer emit
sharer spawn --name child -- sh -c 'sharer spawn --name grandchild -- sleep 600 >/dev/null; echo child-says-$((40+2)); exec sleep 600' >/dev/null
echo parent-says-$((40+2)); exec sleep 600"#;

/// Watches what changes outside terminals, whose cursors blink by themselves.
const WATCH: &str = r"
  window.__changed = false;
  window.__watch?.disconnect();
  window.__watch = new MutationObserver((all) => {
    const counts = (node) => !(node.nodeType === 1 ? node : node.parentElement)?.closest('.xterm');
    if (all.some((one) => counts(one.target))) window.__changed = true;
  });
  window.__watch.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  window.__focus = document.activeElement;
";

/// Buttons that can be pressed now, by what they are called. The whole screen is given to nobody but a person.
const BUTTONS: &str = r"
  const name = (one) => one.getAttribute('aria-label') || one.innerText.trim();
  const buttons = [...document.querySelectorAll('button, [role=tab]')]
    .filter((one) => one.checkVisibility() && !one.disabled && one.ariaDisabled !== 'true' && one.ariaSelected !== 'true' && !/full ?screen|whole screen/i.test(name(one)));
";

/// The pill of that name.
fn pill(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('[role=tab]')].find((pill) => pill.querySelector('.name').textContent === {})",
        json!(name)
    )
}

async fn family(sandbox: &Sandbox) -> Sharer {
    Sharer::share(sandbox, ["--title", "lead", "--", "sh", "-c", FAMILY]).await
}

/// Presses a button; whether anything came of it.
async fn answers(browser: &Browser, name: &str) -> bool {
    let press = format!(
        "{WATCH} {BUTTONS} buttons.find((one) => name(one) === {}).click();
         return new Promise((done) => {{
           const until = performance.now() + 5000;
           const look = () => {{
             const answered = window.__changed || document.activeElement !== window.__focus;
             if (answered || performance.now() > until) done(answered); else requestAnimationFrame(look);
           }};
           look();
         }})",
        json!(name)
    );
    browser.run(&press).await == json!(true)
}

#[tokio::test]
async fn whatever_can_be_pressed_does_something() {
    let sandbox = Sandbox::new();
    let sharer = family(&sandbox).await;
    let browser = Browser::watching(&sharer.write_link()).await;
    browser.until("the child's pill", &format!("Boolean({})", pill("child"))).await;
    browser.cell("parent-says-42").await;
    // The control: one that does nothing is found out.
    browser
        .run("const dead = document.createElement('button'); dead.textContent = 'dead'; document.body.append(dead)")
        .await;
    assert!(!answers(&browser, "dead").await);
    browser
        .run("[...document.querySelectorAll('button')].find((one) => one.innerText === 'dead').remove()")
        .await;

    let mut pressed: Vec<String> = Vec::new();
    loop {
        let names = browser.run(&format!("{BUTTONS} return buttons.map(name)")).await;
        let names = names.as_array().cloned().unwrap_or_default();
        let new =
            names.iter().filter_map(Value::as_str).find(|name| !pressed.iter().any(|done| done == name));
        let Some(name) = new else { break };
        assert!(!name.is_empty(), "a button without a name");
        assert!(answers(&browser, name).await, "{name} does nothing");
        pressed.push(name.to_owned());
    }
    assert!(pressed.len() >= 8, "the scan is broken: {pressed:?}");
    browser.close().await;
}

#[tokio::test]
async fn a_link_goes_from_the_page_to_a_terminal_and_back_with_its_session_and_its_scope() {
    let sandbox = Sandbox::new();
    let sharer = family(&sandbox).await;
    let browser = Browser::watching(&sharer.read_link()).await;
    browser.until("the child's pill", &format!("Boolean({})", pill("child"))).await;
    browser.run(&format!("{}.click()", pill("child"))).await;
    browser.cell("child-says-42").await;
    // The page's address: the parent's link, at the child.
    let address = browser.run("return location.href").await;
    browser.press("Link and QR code").await;
    browser.shown("input.link").await;
    let own = browser.run("return document.querySelector('input.link').value").await;
    let (address, own) = (address.as_str().unwrap(), own.as_str().unwrap());

    let seat = Seat::sharer(&sandbox, &["join", address]);
    seat.got("child-says-42").await;
    seat.got("Orchestrator").await;
    seat.types("q");
    assert_eq!(seat.ended().await.code, Some(0));
    let seat = Seat::sharer(&sandbox, &["join", own]);
    seat.got("child-says-42").await;
    assert!(!seat.has("Orchestrator") && !seat.has("lead"), "{}", seat.screen());
    seat.types("q");
    assert_eq!(seat.ended().await.code, Some(0));

    // And back, in a page that knows nothing of either.
    let other = Browser::watching(address).await;
    other.until("the child", &format!("{}?.ariaSelected === 'true'", pill("child"))).await;
    other.cell("child-says-42").await;
    other.live(own).await;
    other.cell("child-says-42").await;
    assert_eq!(other.run("return document.querySelectorAll('[role=tab]').length").await, 0);
    browser.close().await;
    other.close().await;
}

#[tokio::test]
async fn what_a_child_orchestrates_is_plain_content_in_it() {
    let sandbox = Sandbox::new();
    let sharer = family(&sandbox).await;
    let browser = Browser::watching(&sharer.read_link()).await;
    browser.until("the child's pill", &format!("Boolean({})", pill("child"))).await;
    browser.run(&format!("{}.click()", pill("child"))).await;
    browser.cell("child-says-42").await;
    browser
        .until(
            "what it started, in its transcript",
            "document.querySelector('.blocks')?.textContent.includes('grandchild')",
        )
        .await;
    let bars = "return [document.querySelectorAll('[role=tablist]').length, \
        [...document.querySelectorAll('[role=tab] .name')].map((name) => name.textContent)]";
    assert_eq!(
        browser.run(bars).await,
        json!([1, ["Orchestrator", "child"]]),
        "one bar, of the parent's children"
    );
    browser.close().await;
}
