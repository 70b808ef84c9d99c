//! Half a minute without a network, or without the computer: everybody comes back by themselves and misses nothing.
//!
//! The only story that waits for time to pass, because time is what it is about: all its cases wait side by side.

use std::time::Duration;

use e2e::harness::{Recording, Relay, Sandbox, Sharer};
use e2e::load::screen::{Tape, after, picture};
use e2e::proxy::{Faults, Proxy};
use e2e::viewer::Viewer;
use rustix::process::Signal;
use shared::viewer::{Event, State};

/// How long the fault lasts.
const HALF_A_MINUTE: Duration = Duration::from_secs(30);
/// Longer than any pause between two attempts to connect.
const BACK: Duration = Duration::from_mins(2);

/// Lines that come until a file says stop, and an answer to each line that is typed.
const PROGRAM: &str = r#"stty -echo
( i=0; while [ ! -e stop ]; do i=$((i+1)); echo "line $i"; sleep 0.25; done; echo the-last-line ) &
while read line; do echo "got:$line:"; done"#;

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// Nothing: the control.
    None,
    /// The sharer's connection is closed and no other opens.
    SharerCut,
    /// The sharer's packets are lost, and nobody is told.
    SharerSilent,
    /// The viewer's connection is closed and no other opens.
    ViewerCut,
    /// The viewer's packets are lost, and nobody is told.
    ViewerSilent,
    /// The sharer's computer sleeps.
    SharerStopped,
    /// The relay's computer sleeps.
    RelayStopped,
}

/// The number of the last whole line in a text.
fn last_line(text: &str) -> u64 {
    let numbers = text.lines().filter_map(|line| line.trim().strip_prefix("line ")?.parse().ok());
    numbers.max().unwrap_or(0)
}

fn recorded(recording: &Recording) -> u64 {
    last_line(&String::from_utf8_lossy(&recording.bytes()))
}

fn seen(viewer: &Viewer<Tape>) -> u64 {
    last_line(&viewer.screen.draw().text())
}

/// Types a word that is answered. One that broke meanwhile and was told may be lost: then another. None comes twice.
async fn types(viewer: &mut Viewer<Tape>, recording: &Recording, what: &str, fault: Fault) {
    let mut words = Vec::new();
    loop {
        let word = format!("{what}-{}", words.len());
        let got = format!("got:{word}:");
        viewer.keys(format!("{word}\r").as_bytes()).await;
        words.push(got.clone());
        let answered = |viewer: &Viewer<Tape>| viewer.screen.draw().text().contains(&got);
        viewer
            .until(&format!("{fault:?}: {got} or word that it may be lost"), |viewer| {
                answered(viewer) || viewer.may_have_lost()
            })
            .await;
        if answered(viewer) {
            break;
        }
        assert!(words.len() < 4, "{fault:?}: {what} is lost again and again");
        starts_typing(viewer, fault).await;
    }
    let bytes = String::from_utf8_lossy(&recording.bytes()).into_owned();
    for got in words {
        assert!(bytes.matches(&got).count() <= 1, "{fault:?}: typed twice: {got}");
    }
}

/// Goes on, where keys may have been lost, and types.
async fn starts_typing(viewer: &mut Viewer<Tape>, fault: Fault) {
    viewer.until(&format!("{fault:?}: the session to be live"), |viewer| viewer.state() == State::Live).await;
    viewer.act(Event::GoOn).await;
    viewer.act(Event::StartTyping).await;
    viewer.until(&format!("{fault:?}: typing to go on"), Viewer::types).await;
}

/// One session that has the fault, half a minute long, under output.
async fn session(fault: Fault) {
    let sandbox = Sandbox::new();
    let relay = Relay::start(&sandbox, [""; 0]).await;
    let (at_sharer, at_viewer) = (Proxy::to(relay.address()).await, Proxy::to(relay.address()).await);
    let recording = Recording::program(&sandbox, PROGRAM);
    let sharer = Sharer::share(&sandbox, recording.shared(&["--relay", &at_sharer.url()])).await;
    let mut viewer = Viewer::new(&sharer.write_link(), Some(at_viewer.address()), Tape::keeping());
    viewer.patience(BACK);
    viewer.typing().await;
    types(&mut viewer, &recording, "before", fault).await;
    viewer.until("output", |viewer| seen(viewer) > 0).await;

    let refused = Faults { refuse: true, ..Faults::default() };
    match fault {
        Fault::None => {}
        Fault::SharerCut => {
            at_sharer.set(refused);
            at_sharer.cut();
        }
        Fault::ViewerCut => {
            at_viewer.set(refused);
            at_viewer.cut();
        }
        Fault::SharerSilent => at_sharer.set(Faults::silence()),
        Fault::ViewerSilent => at_viewer.set(Faults::silence()),
        Fault::SharerStopped => sharer.process.signal(Signal::STOP),
        Fault::RelayStopped => relay.signal(Signal::STOP),
    }
    let before = recorded(&recording);
    viewer.idle(HALF_A_MINUTE).await;
    let (during, there) = (recorded(&recording), seen(&viewer));
    if fault == Fault::None {
        assert!(there > before + 20, "the control: output goes on, from {before} to {there}");
        assert_eq!(viewer.state(), State::Live);
    } else {
        // What was on the way when it broke may have arrived.
        assert!(
            there < before + 20,
            "{fault:?} was not felt: line {there} of {during}, {before} at the beginning"
        );
    }
    if fault != Fault::SharerStopped {
        assert!(
            during > before + 20,
            "{fault:?}: the program goes on as if alone, from {before} to {during}"
        );
    }

    at_sharer.heal();
    at_viewer.heal();
    sharer.process.signal(Signal::CONT);
    relay.signal(Signal::CONT);
    viewer.until(&format!("{fault:?}: output to go on"), |viewer| seen(viewer) > during).await;
    std::fs::write(sandbox.path().join("stop"), "").unwrap();
    viewer
        .until(&format!("{fault:?}: the last line"), |viewer| {
            viewer.screen.draw().text().contains("the-last-line")
        })
        .await;
    starts_typing(&mut viewer, fault).await;
    types(&mut viewer, &recording, "after", fault).await;

    let expected = picture(&mut after(&recording.bytes()));
    viewer.until(&format!("{fault:?}: the exact screen"), |viewer| same(viewer, &expected)).await;
    // Who comes now sees the same.
    let mut late = Viewer::new(&sharer.read_link(), None, Tape::keeping());
    late.live().await;
    late.until("the exact screen, late", |viewer| same(viewer, &expected)).await;
}

fn same(viewer: &Viewer<Tape>, expected: &[u8]) -> bool {
    picture(&mut viewer.screen.draw()) == expected
}

#[tokio::test]
async fn half_a_minute_without_network_or_awake_costs_nothing_but_the_wait() {
    tokio::join!(
        session(Fault::None),
        session(Fault::SharerCut),
        session(Fault::SharerSilent),
        session(Fault::ViewerCut),
        session(Fault::ViewerSilent),
        session(Fault::SharerStopped),
        session(Fault::RelayStopped),
    );
}
