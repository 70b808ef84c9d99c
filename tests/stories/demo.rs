//! `./scripts/demo`: children of different fates, as a viewer sees them, and a clean end.

use e2e::harness::{Sandbox, Sharer, root};
use e2e::viewer::{Screen, Viewer};
use shared::event::WindowSize;
use shared::viewer::Status;

/// What the terminal was given since it was begun anew.
#[derive(Debug, Default)]
struct Written(Vec<u8>);

impl Screen for Written {
    fn rebuild(&mut self, _: WindowSize, bytes: &[u8]) {
        self.0 = bytes.to_vec();
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }
    fn resize(&mut self, _: WindowSize) {}
    fn wipe(&mut self) {
        self.0.clear();
    }
}

fn statuses(viewer: &Viewer<Written>) -> Vec<(String, Status)> {
    let bar = viewer.bar();
    bar.iter().flat_map(|bar| bar.pills.iter().skip(1)).map(|pill| (pill.name.clone(), pill.status)).collect()
}

#[tokio::test]
async fn the_demo_shows_children_of_different_fates_and_ends_clean() {
    let mut sandbox = Sandbox::new();
    // What the script starts inside the shared terminal, without building anything first.
    sandbox.set("SHARER_DEMO", "inside");
    let script = root().join("scripts/demo");
    let mut sharer = Sharer::share(&sandbox, ["--".as_ref(), script.as_os_str()]).await;
    let mut viewer = Viewer::new(&sharer.write_link(), None, Written::default());
    viewer.live().await;
    let fates = [
        ("early", Status::Done),
        ("quick", Status::Done),
        ("build", Status::Running),
        ("tests", Status::Error),
        ("migrate", Status::Blocked),
        ("reviewer", Status::Waiting),
        ("writer", Status::Running),
    ];
    let fates = fates.map(|(name, status)| (name.to_owned(), status));
    viewer.until("every fate", |viewer| statuses(viewer) == fates).await;
    let said = viewer.transcript().map(|transcript| {
        transcript.blocks().map(|(_, _, block)| block.words()).collect::<Vec<_>>().join("\n")
    });
    assert!(said.unwrap_or_default().contains("bar above"), "a newcomer is told what there is to see");

    let ready =
        |viewer: &Viewer<Written>| String::from_utf8_lossy(&viewer.screen.0).contains("A shell is yours now");
    viewer.until("the shell", ready).await;
    viewer.typing().await;
    viewer.keys(b"exit\r").await;
    assert_eq!(sharer.exit().await.code(), Some(0));
}
