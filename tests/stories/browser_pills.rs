//! The pill bar in the browser: agents that are started really, by `sharer spawn` in the shared shell.

use std::time::Duration;

use e2e::harness::{Browser, Recording, Sandbox, Sharer};
use serde_json::json;

const ENTER: char = '\u{E007}';

/// The pill of that name, as an expression in the page.
fn pill(name: &str) -> String {
    format!(
        "[...document.querySelectorAll('[role=tab]')].find((pill) => pill.querySelector('.name').textContent === {})",
        json!(name)
    )
}

/// Presses it.
async fn select(browser: &Browser, name: &str) {
    browser.until(&format!("the pill {name}"), &format!("Boolean({})", pill(name))).await;
    browser.run(&format!("{}.click()", pill(name))).await;
    browser.until("it to be selected", &format!("{}.ariaSelected === 'true'", pill(name))).await;
}

/// Waits until the terminal that is seen has this text.
async fn sees(browser: &Browser, text: &str) {
    browser.cell(text).await;
}

#[tokio::test]
async fn pills_appear_for_who_came_before_the_first_spawn() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "");
    let sharer = Sharer::share(&sandbox, recording.shared(&["--title", "An orchestrator"])).await;
    let (writer, reader) = tokio::join!(Browser::start(), Browser::sized(1024, 700));
    writer.open(&sharer.write_link()).await;
    reader.open(&sharer.read_link()).await;
    writer.status("live").await;
    reader.status("live").await;
    reader.run("window.__same = true").await;
    assert_eq!(
        reader.run("return document.querySelector('.pills')").await,
        json!(null),
        "no bar without a child"
    );

    writer.press("Type here").await;
    let spawn = |name: &str, command: &str| format!("sharer spawn --name {name} -- sh -c '{command}'{ENTER}");
    writer.type_text(&spawn("tests", "echo child-says-$((40+2)); exec sleep 600")).await;
    for browser in [&writer, &reader] {
        browser.until("the child's pill", &format!("Boolean({})", pill("tests"))).await;
    }
    let count = "return document.querySelector('.pills .count').innerText";
    assert_eq!(reader.run(count).await, "1 agent");
    // A later one joins the open bar; one that fails says so.
    writer.type_text(&spawn("lint", "echo going-wrong; exit 3")).await;
    reader.until("the failed one", &format!("{}?.dataset.state === 'error'", pill("lint"))).await;
    let names =
        "return [...document.querySelectorAll('[role=tab] .name')].slice(1).map((name) => name.textContent)";
    assert_eq!(reader.run(names).await, json!(["tests", "lint"]), "in the order they were started");
    assert_eq!(reader.run(count).await, "2 agents");
    assert_eq!(reader.run("return window.__same").await, true, "nobody loaded the page again");
    reader.screenshot("pills").await;

    // A child's own terminal, in the same page.
    let before = reader.run("return location.href").await;
    select(&reader, "tests").await;
    sees(&reader, "child-says-42").await;
    // The address leads to the child too, through the same link: still the parent's, and still the same page.
    let after = reader.run("return location.href").await;
    assert!(after.as_str().unwrap().starts_with(before.as_str().unwrap()), "{after}");
    assert_eq!(reader.run("return window.__same").await, true);
    assert_eq!(reader.client.windows().await.unwrap().len(), 1);
    reader.screenshot("pills-child").await;
    // The other's choice is its own.
    writer
        .until("the writer's own choice", "document.querySelector('[role=tab]').ariaSelected === 'true'")
        .await;
    // And back.
    reader.run("document.querySelector('[role=tab]').click()").await;
    reader.until("the orchestrator", "document.querySelector('[role=tab]').ariaSelected === 'true'").await;
    sees(&reader, "sharer spawn").await;
    reader.close().await;
    writer.close().await;
}

/// What the pills are called, the orchestrator's first.
const NAMES: &str = "[...document.querySelectorAll('[role=tab] .name')].map((name) => name.textContent)";

/// Whether nothing can be pinned, and whether what is looked at is.
const PIN: &str = "const pin = document.querySelector('[aria-label=\"Pin this agent\"]'); return [pin.disabled, pin.ariaPressed]";

/// What is painted black in the terminal that is seen, in a light page: a line of it would show at its lower edge.
const BLACK: &str = "return [...document.querySelectorAll('.screen:not([hidden]) *')] \
    .filter((one) => getComputedStyle(one).backgroundColor === 'rgb(0, 0, 0)' && one.checkVisibility()).map((one) => one.className)";

/// Children of every fate.
const FATES: &str = r#"
sharer spawn --name works -- sh -c 'echo at work; exec sleep 600' > /dev/null
sharer spawn --name waits -- sh -c 'sharer state waiting --reason "for the tests"; exec sleep 600' > /dev/null
sharer spawn --name ends --wait -- sh -c 'echo all well' > /dev/null
sharer spawn --name fails --wait -- sh -c 'echo went wrong; exit 3' > /dev/null
sharer spawn --name stops -- sleep 600 > /dev/null; sharer kill stops
sharer spawn --name asks --prompt 'Choose a branch and merge it' -- sh -c 'sharer state blocked --reason "Which branch?"; exec sleep 600' > /dev/null
"#;

/// The pills' states, by name.
async fn stands(browser: &Browser, name: &str, state: &str) {
    browser
        .until(
            &format!("{name} to be {state}"),
            &format!("{}?.dataset.state === {}", pill(name), json!(state)),
        )
        .await;
}

#[tokio::test]
async fn every_state_of_a_child_has_its_look_and_its_words() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, FATES);
    let sharer = Sharer::share(&sandbox, recording.shared(&["--title", "Release 1.4"])).await;
    let link = sharer.read_link();
    let browser = Browser::watching(&link).await;
    let all = [
        ("works", "running", "running"),
        ("waits", "waiting", "waiting"),
        ("ends", "done", "done"),
        ("fails", "error", "failed"),
        ("stops", "cancelled", "cancelled"),
        ("asks", "blocked", "needs a person"),
    ];
    for (name, state, words) in all {
        stands(&browser, name, state).await;
        let says = format!("{}.ariaLabel.startsWith({})", pill(name), json!(format!("{name}, {words}")));
        browser.until(&format!("the words {words:?}"), &says).await;
    }
    // Each its own glyph and colour.
    let looks = "[...document.querySelectorAll('[role=tab]')].slice(1).map((pill) => \
         [pill.querySelector('.badge path').getAttribute('d'), getComputedStyle(pill.querySelector('.badge')).color])";
    let [glyphs, colours] = [0, 1].map(|at| format!("new Set(({looks}).map((look) => look[{at}])).size"));
    assert_eq!(browser.run(&format!("return [{glyphs}, {colours}]")).await, json!([6, 6]));
    // The orchestrator stands as its children do: one of them needs a person.
    let lead = "document.querySelector('[role=tab]')";
    browser.until("the orchestrator's badge", &format!("{lead}.dataset.state === 'blocked'")).await;
    let started = json!(["Orchestrator", "works", "waits", "ends", "fails", "stops", "asks"]);
    assert_eq!(browser.run(&format!("return {NAMES}")).await, started);

    // The card, under the pointer.
    let place = browser
        .run(&format!(
            "const box = {}.getBoundingClientRect(); return [box.x + 20, box.y + 12]",
            pill("asks")
        ))
        .await;
    browser
        .cdp("Input.dispatchMouseEvent", json!({"type": "mouseMoved", "x": place[0], "y": place[1]}))
        .await;
    browser.shown(".about").await;
    for text in ["Which branch?", "Choose a branch and merge it", "needs a person since"] {
        browser.says(text).await;
    }
    browser.screenshot("pills-card").await;
    browser.cdp("Input.dispatchMouseEvent", json!({"type": "mouseMoved", "x": 600, "y": 600})).await;
    browser.until("the card to go", "!document.querySelector('.about')").await;

    // What needs attention first, and back.
    browser.press("Needs attention first").await;
    let urgent = json!(["Orchestrator", "asks", "fails", "works", "waits", "ends", "stops"]);
    browser
        .until("another order", &format!("JSON.stringify({NAMES}) === {}", json!(urgent.to_string())))
        .await;
    browser.prefer("dark").await;
    browser.screenshot("pills-attention-dark").await;
    // What is pinned is before all of it, and in the stable order where it was.
    assert_eq!(browser.run(PIN).await, json!([true, "false"]), "there is nothing to pin");
    select(&browser, "stops").await;
    browser.press("Pin this agent").await;
    let pinned = json!(["Orchestrator", "stops", "asks", "fails", "works", "waits", "ends"]);
    browser.until("it in front", &format!("JSON.stringify({NAMES}) === {}", json!(pinned.to_string()))).await;
    let says = format!("{}.ariaLabel.endsWith(', pinned')", pill("stops"));
    browser.until("the word for it", &says).await;
    assert_eq!(browser.run(PIN).await, json!([false, "true"]));
    browser.screenshot("pills-pinned-dark").await;
    browser.press("Needs attention first").await;
    browser
        .until("the stable order", &format!("JSON.stringify({NAMES}) === {}", json!(started.to_string())))
        .await;
    browser.press("Pin this agent").await;
    browser.until("it to be as the others", &format!("!({says})")).await;
    browser.run(&format!("{lead}.click()")).await;

    // By keyboard: arrows move the focus, Enter chooses, chords go round from anywhere.
    browser.run(&format!("{lead}.focus()")).await;
    browser.type_text("\u{E014}\u{E014}").await;
    browser
        .until("the focus on the second child", &format!("document.activeElement === {}", pill("waits")))
        .await;
    browser.shown(".about").await;
    browser.type_text("\u{E010}").await;
    browser.until("the focus at the end", &format!("document.activeElement === {}", pill("asks"))).await;
    browser.type_text("\u{E011}\u{E014}\u{E007}").await;
    browser.until("the first child", &format!("{}.ariaSelected === 'true'", pill("works"))).await;
    sees(&browser, "at work").await;
    browser.chord('\u{E00A}', '5').await;
    browser.until("the fourth child", &format!("{}.ariaSelected === 'true'", pill("fails"))).await;
    // What ended keeps what it said.
    sees(&browser, "went wrong").await;
    browser.screenshot("pills-failed-dark").await;
    browser.close().await;

    let phone = Browser::phone().await;
    phone.live(&link).await;
    stands(&phone, "asks", "blocked").await;
    let small = "[...document.querySelectorAll('[role=tab]')].filter((pill) => pill.getBoundingClientRect().height < 44).length";
    assert_eq!(phone.run(&format!("return {small}")).await, 0, "thumb-sized");
    select(&phone, "asks").await;
    let sight = format!(
        "(() => {{ const box = {}.getBoundingClientRect(); return box.left >= 0 && box.right <= innerWidth; }})()",
        pill("asks")
    );
    phone.until("what is selected to be in sight", &sight).await;
    assert_eq!(phone.run(BLACK).await, json!([]));
    let paint = "document.querySelector('.screen:not([hidden]) .xterm-viewport').style.setProperty('background', '#000', 'important')";
    phone.run(paint).await;
    assert_eq!(phone.run(BLACK).await, json!(["xterm-viewport"]), "the control");
    phone.run("document.querySelector('.screen:not([hidden]) .xterm-viewport').style.removeProperty('background')").await;
    phone.screenshot("pills-phone").await;
    phone.close().await;
}

#[tokio::test]
async fn a_childs_link_shows_the_child_and_nothing_else() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, FATES);
    let sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let link = sharer.read_link();
    let (browser, other) = tokio::join!(Browser::watching(&link), Browser::start());
    select(&browser, "works").await;
    sees(&browser, "at work").await;
    // The address leads back to the child, and stays the parent's.
    let bar = "document.querySelectorAll('[role=tab]').length";
    browser.until("the child in the address", "location.href.length > 0").await;
    browser.reload().await;
    browser.until("the child again", &format!("{}?.ariaSelected === 'true'", pill("works"))).await;
    sees(&browser, "at work").await;
    browser.until("all pills", &format!("{bar} === 7")).await;
    // What one hands on is the child's link.
    browser.press("Link and QR code").await;
    browser.shown("input.link").await;
    let link = browser.run("return document.querySelector('input.link').value").await;
    let link = link.as_str().unwrap();
    assert!(!link.contains(&sharer.session_id()), "it names the child's session");
    other.live(link).await;
    sees(&other, "at work").await;
    assert_eq!(other.run(&format!("return {bar}")).await, 0, "no bar, no parent, no siblings");
    for name in ["waits", "asks", "Orchestrator"] {
        assert_eq!(
            other.run(&format!("return document.body.innerText.includes({})", json!(name))).await,
            false,
            "{name}"
        );
    }
    other.screenshot("pills-childs-link").await;
    browser.close().await;
    other.close().await;
}

#[tokio::test]
async fn two_hundred_children_come_through_one_socket() {
    let sandbox = Sandbox::new();
    let many = "for n in $(seq 200); do sharer spawn --name agent-$n -- sh -c \"echo I am $n; exec sleep 600\" > /dev/null; done";
    let recording = Recording::bash(&sandbox, many);
    let sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let browser = Browser::start().await;
    let count = "window.__sockets = 0; window.WebSocket = class extends WebSocket { constructor(...all) { super(...all); window.__sockets += 1; } }";
    browser.cdp("Page.addScriptToEvaluateOnNewDocument", json!({"source": count})).await;
    browser.live(&sharer.read_link()).await;
    let all = "document.querySelectorAll('[role=tab]').length === 201";
    browser.until_within("all pills", Duration::from_mins(3), all).await;
    browser.says("200 agents").await;
    browser.screenshot("pills-many").await;
    for name in ["agent-200", "agent-1", "agent-117"] {
        select(&browser, name).await;
        sees(&browser, &format!("I am {}", name.trim_start_matches("agent-"))).await;
        let inside = format!(
            "(() => {{ const [pill, list] = [{}, document.querySelector('[role=tablist]')].map((one) => one.getBoundingClientRect()); \
             return pill.left >= list.left && pill.right <= list.right + 1; }})()",
            pill(name)
        );
        browser.until("it to be in sight", &inside).await;
    }
    assert_eq!(browser.run("return window.__sockets").await, 1);
    browser.screenshot("pills-many-selected").await;
    browser.close().await;
}
