//! Each row of the matrix (`matrix`) in a real browser: a parent's link and a child's, wherever the two run.

use e2e::harness::Browser;
use serde_json::json;

use crate::matrix::family::{Family, Kind, Right};
use crate::matrix::watch::{By, Watch, refused};

const FAR: &str = "[...document.querySelectorAll('[role=tab]')].find((pill) => pill.querySelector('.name').textContent === 'far')";

/// Opens a parent's link before its first child, goes to the child, opens the child's own link and types; then the parent's
/// share stops, and the child goes on where it is shared apart.
async fn in_a_page(kind: Kind) {
    let mut family = Family::shared(kind).await;
    let browser = Browser::watching(&family.parent_link(Right::Watch).to_string()).await;
    browser.cell("top-says-42").await;
    browser.run("window.__same = true").await;
    assert_eq!(browser.run("return document.querySelector('[role=tab]')").await, json!(null), "no bar yet");
    family.spawn("far").await;
    browser.until("the pill", &format!("Boolean({FAR})")).await;
    let apart = kind.shares_children_apart();
    let marked = browser.run(&format!("return {FAR}.querySelector('.far').checkVisibility()")).await;
    assert_eq!(marked, json!(apart), "what runs elsewhere is marked");
    browser.run(&format!("{FAR}.click()")).await;
    browser.cell("far-says-42").await;
    assert_eq!(browser.run("return window.__same").await, true, "the same page");
    assert_eq!(browser.client.windows().await.unwrap().len(), 1, "and no other");

    let own = family.child_link("far", Right::Type).await.to_string();
    browser.live(&own).await;
    browser.cell("far-says-42").await;
    let up = "return [document.querySelector('[role=tab]'), document.body.innerText.includes('top')]";
    assert_eq!(browser.run(up).await, json!([null, false]), "no bar, no way up");
    browser.press("Type here").await;
    browser.type_text("hello\u{E007}").await;
    browser.cell("far:hello").await;

    family.unshare().await;
    if apart {
        let mut typist = Watch::open(&family, &family.child_link("far", Right::Type).await, By::Child);
        typist.types("far", "still").await;
        browser.cell("far:still").await;
    } else {
        browser.says("The owner has stopped sharing").await;
    }
    let stopped = family.parent_link(Right::Watch);
    refused(&family, &stopped, By::Parent).await;
    browser.open(&stopped.to_string()).await;
    browser.says("The owner has stopped sharing").await;
    let seen = browser.run("return document.body.innerText").await;
    assert!(!seen.to_string().contains("top-says"), "who comes late is shown nothing: {seen}");
    browser.close().await;
}

#[tokio::test]
async fn rows_1_and_2_local_children_of_a_local_parent() {
    in_a_page(Kind::LocalLocal).await;
}

#[tokio::test]
async fn rows_3_and_4_remote_children_of_a_local_parent() {
    in_a_page(Kind::LocalRemote).await;
}

#[tokio::test]
async fn rows_5_and_6_children_on_the_driver_of_their_parent() {
    in_a_page(Kind::RemoteLocal).await;
}

#[tokio::test]
async fn rows_7_and_8_children_on_another_driver_than_their_parent() {
    in_a_page(Kind::RemoteRemote).await;
}
