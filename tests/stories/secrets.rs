//! What a relay must not know is nowhere in it. The same search finds it where it belongs.

use e2e::harness::http::get;
use e2e::harness::{LONG, Log, Relay, Sandbox, Sharer, found_in_memory, holds, until};
use e2e::viewer::Viewer;
use shared::link::Link;

/// What is printed, typed and named; the shell makes the first, so that no argument holds it.
const PRINTED: &str = "canary-printed-7319";
const TYPED: &str = "canary-typed-4242";
const TITLE: &str = "canary-title-5150";

/// Everything that only the two ends may know.
fn needles(links: [&str; 2]) -> Vec<(&'static str, Vec<u8>)> {
    let link = |link: &str| Link::parse(link).unwrap();
    let text = |link: &str| link.rsplit_once('#').unwrap().1.as_bytes().to_vec();
    let [read, write] = links;
    vec![
        ("printed", PRINTED.into()),
        ("typed", TYPED.into()),
        ("title", TITLE.into()),
        ("read secret", link(read).secret.0.to_vec()),
        ("write secret", link(write).secret.0.to_vec()),
        ("read secret in the link", text(read)),
        ("write secret in the link", text(write)),
    ]
}

#[tokio::test]
async fn a_relay_holds_no_plaintext_and_no_secret() {
    let sandbox = Sandbox::new();
    let mut relay = Relay::start(&sandbox, [""; 0]).await;
    let log = sandbox.path().join("log");
    let script =
        "stty -echo; read go; echo can''ary-printed-7319; while read line; do echo \"got $line\"; done";
    let mut arguments: Vec<&str> = vec!["--relay"];
    let url = relay.url();
    arguments.extend([&url, "--title", TITLE, "--log-file", log.to_str().unwrap(), "--", "sh", "-c", script]);
    let mut sharer = Sharer::share(&sandbox, arguments).await;
    let (read, write) = (sharer.read_link(), sharer.write_link());
    let needles = needles([&read, &write]);

    // Printed, typed and echoed, in a snapshot, joined late, left again.
    let mut typist = Viewer::new(&write, None, Log::default());
    typist.typing().await;
    typist.keys(b"\r").await;
    typist.until("the output", |viewer| viewer.screen.has(PRINTED)).await;
    let held = found_in_memory(sharer.process.pid(), &needles);
    for needle in ["printed", "title", "read secret", "write secret"] {
        assert!(
            held.contains(&needle),
            "the control: {needle} is in the sharer's memory, which holds {held:?}"
        );
    }
    typist.keys(format!("{TYPED}\r").as_bytes()).await;
    typist.until("the echo", |viewer| viewer.screen.has(&format!("got {TYPED}"))).await;
    let held = found_in_memory(sharer.process.pid(), &needles);
    assert!(held.contains(&"typed"), "the control: the sharer's memory holds {held:?}");
    let mut late = Viewer::new(&read, None, Log::default());
    late.until("the same, from a snapshot", |viewer| viewer.screen.has(TYPED) && viewer.rebuilds > 0).await;
    late.live().await;
    sharer.viewers(2).await;
    late.until("the title", |viewer| viewer.screen.has(TITLE)).await;

    // The bytes: its text passes through buffers, which are used again.
    let id = ("session id", Link::parse(&read).unwrap().session.0.to_vec());
    let look = || found_in_memory(relay.process.pid(), &[&needles[..], std::slice::from_ref(&id)].concat());
    assert_eq!(look(), ["session id"], "the control is the id, which a relay knows");
    drop(late);
    sharer.viewers(1).await;
    assert_eq!(look(), ["session id"], "nor after a viewer has left");

    let metrics = get(relay.address(), "/metrics").await;
    assert!(metrics.contains("sharer_relay_viewers 1"), "{metrics}");
    assert!(!metrics.contains(&sharer.session_id()), "no id in a label: {metrics}");
    relay.signal(rustix::process::Signal::TERM);
    assert!(relay.process.exit().await.success());
    let said = relay.process.stderr();
    let log = until("the log to tell of viewers", LONG, async || {
        let log = std::fs::read_to_string(&log).unwrap_or_default();
        if log.contains("viewers") { Ok(log) } else { Err(log) }
    })
    .await;
    assert!(log.contains("TRACE") || log.contains("DEBUG") || log.contains("INFO"), "{log}");
    for (name, needle) in &needles {
        for (place, text) in [("metrics", &metrics), ("relay's errors", &said), ("sharer's log", &log)] {
            assert!(!holds(text.as_bytes(), needle), "{name} is in the {place}");
        }
    }
    let mode = std::fs::metadata(sandbox.path().join("log")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
}
