//! A driver without a network: its tasks run on, and who watches gets all that they printed once it is back, or the newest
//! of it when that is more than a driver keeps.

use e2e::harness::{LONG, until};
use e2e::proxy::Faults;
use shared::viewer::State;

use super::cells::FAR;
use super::family::{Family, Kind, Right};
use super::watch::{By, Watch};

/// Has a child do this while its driver is cut off; the rebuilds that it cost who watched.
async fn prints_alone(what: &str) -> (Family, Watch, u64) {
    let family = Family::with_child(Kind::LocalRemote).await;
    let (own, typing) =
        (family.child_link(FAR, Right::Watch).await, family.child_link(FAR, Right::Type).await);
    let mut watch = Watch::open(&family, &own, By::Child);
    watch.exact(&family, FAR).await;
    let mut typist = Watch::open(&family, &typing, By::Child);
    typist.ends(FAR, what).await;
    watch.sees(FAR, "far-waits").await;
    let before = watch.viewer.rebuilds;
    let way = family.childs_way();
    way.set(Faults { refuse: true, ..Faults::default() });
    way.cut();
    watch
        .viewer
        .until("the driver to be away", |viewer| matches!(viewer.state(), State::SharerAway { .. }))
        .await;
    std::fs::write(family.child_home().path().join("go"), "").unwrap();
    let printed =
        async || if family.printed(FAR).ends_with(b"far-poured\r\n") { Ok(()) } else { Err("it prints") };
    until("the task to go on alone", LONG, printed).await;
    assert!(!watch.shows("far-poured"), "the control: nothing of it arrives");
    way.heal();
    watch.exact(&family, FAR).await;
    let rebuilds = watch.viewer.rebuilds - before;
    (family, watch, rebuilds)
}

#[tokio::test]
async fn a_driver_without_network_keeps_its_tasks_running_and_their_output_complete() {
    let (_family, watch, rebuilds) = Box::pin(prints_alone("later 5000")).await;
    assert_eq!(rebuilds, 0, "it went on where it was");
    // More than a screen and its scrollback hold: each line came, once and in its order.
    let lines: Vec<String> = (1..=5_000).map(|line| format!("far-line-{line}\r\n")).collect();
    assert!(watch.shows(&lines.concat()), "every line");
}

#[tokio::test]
async fn a_driver_without_network_that_prints_more_than_it_keeps_says_what_it_skipped() {
    // A megabyte is kept.
    let (family, mut watch, rebuilds) = Box::pin(prints_alone("noise 1600000")).await;
    assert!(rebuilds > 0, "begun anew, from a snapshot of what is there now");
    let printed = family.printed(FAR);
    let text = String::from_utf8_lossy(&printed);
    let lines: Vec<&str> = text.lines().skip_while(|line| *line != "far-waits").skip(1).collect();
    assert!(lines.len() > 10_000 && !watch.shows(lines[lines.len() / 2]), "what was left out is not there");
    assert!(watch.shows(lines[lines.len() - 2]), "the newest is");
    // And it is live: what comes now arrives.
    let mut typist = Watch::open(&family, &family.child_link(FAR, Right::Type).await, By::Child);
    typist.types(FAR, "afterwards").await;
    watch.exact(&family, FAR).await;
    assert!(watch.shows("far:afterwards"));
}
