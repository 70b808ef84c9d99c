//! `sharer revoke`: the link stops at once, the others go on.

use std::time::Instant;

use e2e::harness::{Browser, LONG, Recording, Sandbox, Sharer, sharer_bin};

const ENTER: char = '\u{E007}';

#[tokio::test]
async fn a_revoked_write_link_stops_and_the_reader_goes_on() {
    let sandbox = Sandbox::new();
    let recording = Recording::bash(&sandbox, "");
    let mut sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
    let (writer, reader) = tokio::join!(Browser::start(), Browser::sized(900, 600));
    writer.open(&sharer.write_link()).await;
    reader.open(&sharer.read_link()).await;
    writer.status("live").await;
    reader.status("live").await;
    writer.press("Type here").await;
    writer.type_text(&format!("echo mine-$((6*7)){ENTER}")).await;
    reader.mirrors(&recording, "mine-42").await;
    writer.mirrors(&recording, "mine-42").await;

    let mut command = sandbox.command(sharer_bin());
    let done = command.args(["revoke", "write"]).output().await.unwrap();
    let began = Instant::now();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let links = sharer.next_event("new links", |event| event["event"] == "links").await;
    assert_ne!(links["links"]["write"].as_str().unwrap(), sharer.write_link());
    assert_eq!(links["links"]["read"].as_str().unwrap(), sharer.read_link());

    writer.status("closed by the relay").await;
    let took = began.elapsed();
    // The promise is one second; a loaded machine gets more, and the story does not depend on it.
    assert!(took < LONG, "the page of the revoked link said so after {took:?}");
    writer.type_text(&format!("echo no-more{ENTER}")).await;
    recording.feed("after the revocation\r\n");
    reader.mirrors(&recording, "after the revocation").await;
    reader.status("live").await;
    assert!(!recording.has("no-more"), "nothing is typed through a revoked link");
    let go_on =
        "[...document.querySelectorAll('button')].find((button) => button.innerText === 'Go on')?.click()";
    writer.run(go_on).await;
    writer.says("it reports that the link was revoked").await;
    writer.screenshot("revoked").await;

    // The new link types.
    let other = Browser::start().await;
    other.open(links["links"]["write"].as_str().unwrap()).await;
    other.status("live").await;
    other.press("Type here").await;
    other.type_text(&format!("echo new-$((5*5)){ENTER}")).await;
    other.mirrors(&recording, "new-25").await;
    reader.mirrors(&recording, "new-25").await;
    reader.close().await;
    other.close().await;
}
