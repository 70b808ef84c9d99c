//! The pill bar in the browser: agents that are started really, by `sharer spawn` in the shared shell.

use std::time::Duration;

use e2e::harness::{Browser, Recording, Sandbox, Sharer};
use serde_json::json;

const ENTER: char = '\u{E007}';
/// A pill is due within a second; three times that on a busy machine.
const SOON: Duration = Duration::from_secs(3);

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
        browser.until_within("the child's pill", SOON, &format!("Boolean({})", pill("tests"))).await;
    }
    // A later one joins the open bar; one that fails says so.
    writer.type_text(&spawn("lint", "echo going-wrong; exit 3")).await;
    reader
        .until_within("the failed one", SOON, &format!("{}?.dataset.state === 'error'", pill("lint")))
        .await;
    let names =
        "return [...document.querySelectorAll('[role=tab] .name')].slice(1).map((name) => name.textContent)";
    assert_eq!(reader.run(names).await, json!(["tests", "lint"]), "in the order they were started");
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
