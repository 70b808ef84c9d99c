//! What each variation is, and what every row must show in it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use e2e::harness::{SHORT, until};
use e2e::proxy::{Faults, Proxy};
use shared::event::EndReason;
use shared::link::Link;
use shared::viewer::{ChildSession, Closed, State, Status};

use super::Row;
use super::family::{Family, Right, TOP, has};
use super::watch::{By, Watch, refused};

/// When things happen, and what happens meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Variation {
    /// The link is opened while the relay does not have the session yet.
    ViewerBefore,
    /// Everything is there when the link is opened.
    ViewerAfter,
    /// The child runs when the share begins; where a parent is shared from its start, before anything else that it does.
    ChildBefore,
    /// The child is started while somebody watches.
    ChildAfter,
    /// The child ends well.
    Finished,
    /// The child ends badly.
    Failed,
    /// The parent's share is stopped.
    ParentStopped,
    /// The relay is killed, and another one knows nothing.
    RelayRestarted,
    /// The viewer's packets are lost for a minute.
    ViewerOffline,
}

/// Those that wait for nothing but programs.
pub(crate) const SOON: [Variation; 8] = [
    Variation::ViewerBefore,
    Variation::ViewerAfter,
    Variation::ChildBefore,
    Variation::ChildAfter,
    Variation::Finished,
    Variation::Failed,
    Variation::ParentStopped,
    Variation::RelayRestarted,
];

/// The child that every cell has.
pub(crate) const FAR: &str = "far";

impl Row {
    /// The link that this row is about.
    pub(crate) async fn link(self, family: &Family, right: Right) -> Link {
        match self.by {
            By::Parent => family.parent_link(right),
            By::Child => family.child_link(FAR, right).await,
        }
    }

    /// Opens it.
    pub(crate) async fn open(self, family: &Family, right: Right) -> Watch {
        Watch::open(family, &self.link(family, right).await, self.by)
    }
}

/// A cell being played.
pub(crate) type Cell = Pin<Box<dyn Future<Output = ()>>>;

/// Plays one cell.
pub(crate) fn cell(row: Row, variation: Variation) -> Cell {
    match variation {
        Variation::ViewerBefore => Box::pin(viewer_before(row)),
        Variation::ViewerAfter => Box::pin(viewer_after(row)),
        Variation::ChildBefore => Box::pin(child_before(row)),
        Variation::ChildAfter => Box::pin(child_after(row)),
        Variation::Finished => Box::pin(over(row, "end", 0)),
        Variation::Failed => Box::pin(over(row, "fail", 3)),
        Variation::ParentStopped => Box::pin(parent_stopped(row)),
        Variation::RelayRestarted => Box::pin(relay_restarted(row)),
        Variation::ViewerOffline => Box::pin(viewer_offline(row)),
    }
}

async fn viewer_before(row: Row) {
    let mut family = Family::with_child(row.kind).await;
    let link = row.link(&family, Right::Watch).await;
    family.cut_off();
    family.restart_relay().await;
    let mut early = Watch::open(&family, &link, row.by);
    let seeks = |state: State| matches!(state, State::Seeking { .. });
    early.viewer.until("nothing to be there", |viewer| seeks(viewer.state())).await;
    family.mend();
    early.exact(&family, FAR).await;
    if row.by == By::Parent {
        family.spawn("near").await;
        early.exact(&family, "near").await;
        assert_eq!(early.names(), family.children);
    }
}

async fn viewer_after(row: Row) {
    let family = Family::with_child(row.kind).await;
    let mut typist = row.open(&family, Right::Type).await;
    typist.types(FAR, "hello").await;
    let mut late = row.open(&family, Right::Watch).await;
    late.exact(&family, FAR).await;
    assert!(late.shows("far:hello"), "the control: the screen is not empty");
    late.viewer.act(shared::viewer::Event::StartTyping).await;
    assert!(!late.viewer.types(), "no more than its link may");
}

async fn child_before(row: Row) {
    let mut family = Family::new(row.kind).await;
    if row.kind.is_local() {
        family.start(&["--private"]).await;
        family.spawn(FAR).await;
        let apart = family.kind.shares_children_apart();
        if apart && row.by == By::Child {
            row.open(&family, Right::Watch).await.exact(&family, FAR).await;
        }
        assert_eq!(family.is_shared(FAR).await, apart, "nothing is shared before, but what a driver runs");
        family.share().await;
    } else {
        family.spawn_first(FAR);
        family.start(&[]).await;
    }
    let mut watch = row.open(&family, Right::Watch).await;
    watch.sees(FAR, "far-says-42").await;
    watch.exact(&family, FAR).await;
    if row.by == By::Parent {
        assert_eq!(watch.names(), [FAR]);
    }
}

async fn child_after(row: Row) {
    let mut family = Family::shared(row.kind).await;
    let mut watch = match row.by {
        By::Parent => {
            let mut watch = row.open(&family, Right::Watch).await;
            watch.viewer.live().await;
            assert!(watch.viewer.bar().is_none(), "no bar without a child");
            family.spawn(FAR).await;
            watch
        }
        By::Child => {
            family.spawn(FAR).await;
            row.open(&family, Right::Watch).await
        }
    };
    watch.sees(FAR, "far-says-42").await;
    watch.exact(&family, FAR).await;
    if row.by == By::Parent {
        let pill = watch.pill(FAR).unwrap();
        assert_eq!((pill.status, pill.driver.is_some()), (Status::Running, row.kind.shares_children_apart()));
        // The parent stays itself.
        watch.select_own().await;
        watch.viewer.live().await;
        assert!(watch.viewer.screen.has("top-says-42") && !watch.viewer.screen.has("far-says"));
    }
}

/// A child that ends: whoever was there and whoever comes later see how, and all that it showed.
async fn over(row: Row, word: &str, code: u8) {
    let family = Family::with_child(row.kind).await;
    let mut early = row.open(&family, Right::Watch).await;
    early.exact(&family, FAR).await;
    let mut typist = row.open(&family, Right::Type).await;
    typist.types(FAR, "before").await;
    typist.ends(FAR, word).await;
    let exited = State::Ended(EndReason::Exited { code: Some(code.into()), signal: None });
    let late = row.open(&family, Right::Watch).await;
    for mut watch in [early, late] {
        if row.by == By::Parent {
            watch.select_own().await;
            let status = if code == 0 { Status::Done } else { Status::Error };
            let pill = watch.stands(FAR, |pill| pill.status == status).await;
            let reason = pill.details.unwrap().reason;
            assert_eq!(reason.contains("exit status 3"), code == 3, "{reason}");
        }
        watch.exactly(&family, FAR, exited.clone()).await;
        assert!(watch.shows("far:before"));
    }
    if code != 0 && row.by == By::Parent && row.kind.shares_children_apart() {
        never_started(row, &family).await;
    }
}

/// A child that its driver could not start.
async fn never_started(row: Row, family: &Family) {
    let said = family.asks(&family.spawning("bad").replace("-- sh", "-- no-such-command")).await;
    assert!(said.ends_with("status:127\n"), "{said}");
    let mut watch = row.open(family, Right::Watch).await;
    let pill = watch.stands("bad", |pill| pill.status == Status::Error).await;
    assert!(pill.details.unwrap().reason.contains("command not found"));
    watch.select("bad").await;
    assert!(
        matches!(watch.viewer.state(), State::Child(ChildSession::Failed { .. })),
        "{:?}",
        watch.viewer.state()
    );
}

/// What is shared because of its parent ends with it; what is shared apart goes on, out of the parent's reach.
async fn parent_stopped(row: Row) {
    let mut family = Family::with_child(row.kind).await;
    let mut watch = row.open(&family, Right::Watch).await;
    watch.exact(&family, FAR).await;
    let link = watch.viewer.watch_link().unwrap();
    let mut through = Watch::open(&family, &link, By::Child);
    through.exact(&family, FAR).await;
    let goes_on = row.kind.shares_children_apart();
    let own = family.child_link(FAR, Right::Type).await;
    family.unshare().await;
    if goes_on {
        if row.by == By::Parent {
            let revoked = State::ClosedByRelay(Closed::Revoked);
            through.viewer.until("no way in", |viewer| viewer.state() == revoked).await;
            refused(&family, &link, By::Child).await;
        }
        let mut typist = Watch::open(&family, &own, By::Child);
        typist.types(FAR, "afterwards").await;
        let others_see = row.by == By::Child;
        if others_see {
            watch.exact(&family, FAR).await;
        }
        assert_eq!((watch.shows("afterwards"), through.shows("afterwards")), (others_see, false));
    } else {
        through.viewer.until("the end", |viewer| viewer.state().is_final()).await;
        refused(&family, &link, By::Child).await;
        // The program itself runs on, and nobody sees what it does.
        let told = family.asks(r#""$SHARER_BIN" tell far afterwards"#).await;
        assert!(told.ends_with("status:0\n"), "{told}");
        until("what it does afterwards", SHORT, async || {
            let printed = family.printed(FAR);
            if has(&printed, b"far:afterwards") { Ok(()) } else { Err(printed) }
        })
        .await;
        refused(&family, &own, By::Child).await;
    }
    if row.by == By::Parent {
        watch.select_own().await;
        watch.viewer.until("the parent's end", |viewer| viewer.state().is_final()).await;
        refused(&family, &family.parent_link(Right::Watch), By::Parent).await;
    }
    // What is started afterwards is not shared with it.
    family.spawn("later").await;
    if goes_on {
        let later = family.child_link("later", Right::Watch).await;
        Watch::open(&family, &later, By::Child).exact(&family, "later").await;
    } else {
        assert!(!family.is_shared("later").await);
    }
    assert!(has(&family.printed(TOP), b"top-says-42"));
}

async fn relay_restarted(row: Row) {
    let mut family = Family::with_child(row.kind).await;
    let (mut watch, mut typist) =
        (row.open(&family, Right::Watch).await, row.open(&family, Right::Type).await);
    watch.exact(&family, FAR).await;
    typist.types(FAR, "before").await;
    family.restart_relay().await;
    typist.types(FAR, "after").await;
    settled(&mut family, vec![watch, typist]).await;
}

/// A minute: the one long wait of the matrix, for all rows side by side.
const OFFLINE: Duration = Duration::from_mins(1);

async fn viewer_offline(row: Row) {
    let mut family = Family::with_child(row.kind).await;
    let way = Proxy::to(family.relay.address()).await;
    let link = row.link(&family, Right::Watch).await;
    let (mut away, mut typist) = (Watch::over(&way, &link, row.by), row.open(&family, Right::Type).await);
    away.exact(&family, FAR).await;
    let pills = away.names();
    way.set(Faults::silence());
    typist.types(FAR, "meanwhile").await;
    typist.begins(FAR).await;
    typist.viewer.keys(b"pour 300\r").await;
    if row.by == By::Parent {
        family.spawn("near").await;
    }
    tokio::join!(away.viewer.idle(OFFLINE), typist.viewer.idle(OFFLINE));
    assert_ne!(away.viewer.state(), State::Live, "the control: it is felt");
    assert!(!away.shows("meanwhile") && away.names() == pills, "what is known stays, and nothing else comes");
    way.heal();
    settled(&mut family, vec![away, typist]).await;
}

/// After quiet: everybody sees exactly what was printed, every child is known, once; nothing typed came twice; who comes now
/// sees the same by either link; and when the parent's share stops, nothing of it is left.
pub(crate) async fn settled(family: &mut Family, viewers: Vec<Watch>) {
    let typed: Vec<String> = viewers.iter().flat_map(|watch| watch.words.clone()).collect();
    let parent = Watch::open(family, &family.parent_link(Right::Watch), By::Parent);
    let mut all = viewers;
    all.push(parent);
    for name in family.children.clone() {
        let own = family.child_link(&name, Right::Watch).await;
        Watch::open(family, &own, By::Child).exact(family, &name).await;
        for watch in all.iter_mut().filter(|watch| watch.by == By::Parent || name == FAR) {
            watch.exact(family, &name).await;
        }
    }
    for watch in all.iter().filter(|watch| watch.by == By::Parent) {
        assert_eq!(watch.names(), family.children, "every child, once, in order");
    }
    let printed = String::from_utf8_lossy(&family.printed(FAR)).into_owned();
    for word in &typed {
        assert!(printed.matches(word.as_str()).count() <= 1, "typed twice: {word}");
    }
    // What is looked at by the parent's link now; how it is told depends on whether it goes on without it.
    let last = family.children.last().cloned().unwrap_or_default();
    let own = family.child_link(&last, Right::Watch).await;
    let through = all.last().and_then(|watch| watch.viewer.watch_link()).unwrap();
    family.unshare().await;
    refused(family, &family.parent_link(Right::Watch), By::Parent).await;
    refused(family, &through, By::Child).await;
    if family.kind.shares_children_apart() {
        Watch::open(family, &own, By::Child).exact(family, &last).await;
    } else {
        refused(family, &own, By::Child).await;
    }
}
