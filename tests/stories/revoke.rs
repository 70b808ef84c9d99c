//! A revoked link stops at once, in the middle of output and typing; the others go on. The promised second is guarded on
//! a machine that is not busy (`guards`), and holds on a virtual clock.

use std::time::{Duration, Instant};

use e2e::harness::{Log, Recording, SHORT, Sandbox, Sharer, sharer_bin};
use e2e::viewer::Viewer;
use shared::viewer::{Closed, State};

/// Lines without end, and an answer to each line that is typed.
const PROGRAM: &str = r#"stty -echo
( i=0; while :; do i=$((i+1)); echo "line $i"; sleep 0.02; done ) &
while read line; do echo "got:$line:"; done"#;

async fn types(viewer: &mut Viewer<Log>, word: &str) {
    viewer.keys(format!("{word}\r").as_bytes()).await;
}

/// Revokes one of the links, and says how long after that its viewer was out.
async fn revoked(sandbox: &Sandbox, which: &str, out: &mut Viewer<Log>, other: &mut Viewer<Log>) -> Duration {
    let command = async {
        let output = sandbox.command(sharer_bin()).args(["revoke", which]).output().await.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Instant::now()
    };
    let stopped = async {
        out.until("the end for it", |viewer| viewer.state().is_final()).await;
        Instant::now()
    };
    let (done, stopped, ()) = tokio::join!(command, stopped, other.idle(Duration::from_millis(500)));
    assert_eq!(out.state(), State::ClosedByRelay(Closed::Revoked));
    stopped.saturating_duration_since(done)
}

#[tokio::test]
async fn a_revoked_link_stops_and_the_others_go_on() {
    Box::pin(stops_within(SHORT)).await;
}

/// Plays it with each of the links, which must be out so soon.
pub(crate) async fn stops_within(limit: Duration) {
    for which in ["write", "read"] {
        let sandbox = Sandbox::new();
        let recording = Recording::program(&sandbox, PROGRAM);
        let sharer = Sharer::share(&sandbox, recording.shared(&[])).await;
        let mut writer = Viewer::new(&sharer.write_link(), None, Log::default());
        let mut reader = Viewer::new(&sharer.read_link(), None, Log::default());
        writer.typing().await;
        reader.live().await;
        types(&mut writer, "before").await;
        writer.until("its own words", |viewer| viewer.screen.has("got:before:")).await;
        reader.until("the same", |viewer| viewer.screen.has("got:before:")).await;
        let (out, other) =
            if which == "write" { (&mut writer, &mut reader) } else { (&mut reader, &mut writer) };
        let took = revoked(&sandbox, which, out, other).await;
        assert!(took < limit, "{which}: it took {took:?}");
        let seen = out.screen.bytes.len();
        types(out, "after").await;
        let drawn = other.drawn;
        other.until("output to go on", |viewer| viewer.drawn > drawn + 1_000).await;
        other.live().await;
        assert_eq!(out.screen.bytes.len(), seen, "nothing more is seen");
        if which == "read" {
            types(other, "still").await;
            other.until("typing to go on", |viewer| viewer.screen.has("got:still:")).await;
        }
        assert!(!recording.has("got:after:"), "nothing more is typed");
    }
}
