//! The matrix's core (rows 1, 3, 5 and 7) under faults. The killed relay and the minute offline are variations of every
//! row; here is what else networks, machines and clocks do. After quiet everybody sees exactly what is, no known child is
//! lost, no share outlives its stop, and nothing typed came twice.

use std::time::{Duration, Instant};

use e2e::proxy::messages::Messages;
use e2e::proxy::{Faults, Path, Proxy};
use rustix::process::Signal;
use shared::event::EndReason;
use shared::viewer::{Event, State, Status};

use super::cells::{Cell, FAR, settled};
use super::family::{Family, Kind, Right};
use super::watch::{By, Watch, refused};
use super::{ROWS, Row, side_by_side};

/// So many messages have come to harm before the network is well again.
const HURT: u64 = 30;
/// The same where every one costs the machine its connection.
const HURT_UP: u64 = 5;
/// A fault that is not felt by then is none.
const FELT: Duration = Duration::from_secs(45);
/// Between two words of somebody who types on, whatever happens.
const PAUSE: Duration = Duration::from_millis(100);

async fn core(fault: fn(Row) -> Cell) {
    let rows = ROWS.into_iter().filter(|row| row.by == By::Parent);
    side_by_side(rows.map(|row| (format!("row {}", row.number), fault(row)))).await;
}

/// A family, and two who came over a network that can be broken: one watches, one types.
struct Scene {
    family: Family,
    way: Proxy,
    watch: Watch,
    typist: Watch,
    /// Words that were typed whatever happened.
    count: usize,
}

impl Scene {
    async fn new(row: Row) -> Self {
        let family = Family::with_child(row.kind).await;
        let way = Proxy::to(family.relay.address()).await;
        let open = |right| Watch::over(&way, &family.parent_link(right), By::Parent);
        let (mut watch, mut typist) = (open(Right::Watch), open(Right::Type));
        watch.exact(&family, FAR).await;
        typist.types(FAR, "before").await;
        Self { family, way, watch, typist, count: 0 }
    }

    /// The same happens to every way to the relay.
    fn set(&self, faults: Faults) {
        for way in self.family.ways.iter().chain([&self.way]) {
            way.set(faults);
        }
    }

    /// Both go on, and one types, until it is `enough`.
    async fn type_on(&mut self, enough: impl Fn(&Self) -> bool) {
        let limit = Instant::now() + FELT;
        while !enough(self) {
            let state = self.typist.viewer.state();
            assert!(Instant::now() < limit, "the fault is not felt; the viewer is {state:?}");
            if self.typist.viewer.types() {
                self.count += 1;
                let word = format!("on-{}.", self.count);
                self.typist.viewer.keys(format!("{word}\r").as_bytes()).await;
                self.typist.words.push(format!("far:{word}"));
            } else if self.typist.viewer.state() == State::Live {
                self.typist.viewer.act(Event::GoOn).await;
                self.typist.viewer.act(Event::StartTyping).await;
            }
            tokio::join!(self.typist.viewer.idle(PAUSE), self.watch.viewer.idle(PAUSE));
        }
    }

    /// The network is well, and everything as it should be.
    async fn settles(mut self) {
        self.set(Faults::default());
        self.typist.types(FAR, "after").await;
        settled(&mut self.family, vec![self.watch, self.typist]).await;
    }
}

/// Between relay and viewers in both directions, and from the relay to machines.
async fn garbled(row: Row) {
    let mut scene = Box::pin(Scene::new(row)).await;
    scene.way.set(Faults::garbled());
    let hurt = |scene: &Scene| scene.way.hurt() > HURT;
    scene.type_on(hurt).await;
    scene.set(Faults::default());
    scene.typist.types(FAR, "between").await;
    let messages = Messages { lost: 0, ..Messages::all() };
    let down = Faults { down: Path { messages, ..Path::default() }, ..Faults::default() };
    for way in &scene.family.ways {
        way.set(down);
    }
    scene.type_on(|scene| scene.family.ways.iter().map(Proxy::hurt).sum::<u64>() > HURT).await;
    Box::pin(scene.settles()).await;
}

#[tokio::test]
async fn messages_that_are_doubled_and_reordered_harm_nothing_that_lasts() {
    core(|row| Box::pin(garbled(row))).await;
}

/// From machines to the relay, as on no TCP connection: the relay notices, and has the machine come back.
async fn garbled_up(row: Row, messages: Messages) {
    let mut scene = Box::pin(Scene::new(row)).await;
    let up = Faults { up: Path { messages, ..Path::default() }, ..Faults::default() };
    for way in &scene.family.ways {
        way.set(up);
    }
    scene.type_on(|scene| scene.family.ways.iter().map(Proxy::hurt).sum::<u64>() > HURT_UP).await;
    Box::pin(scene.settles()).await;
}

#[tokio::test]
async fn messages_that_come_twice_or_late_to_the_relay_harm_nothing_that_lasts() {
    let late = Messages { late: 4, ..Messages::default() };
    let doubled = Messages { doubled: 4, ..Messages::default() };
    let rows = ROWS.into_iter().filter(|row| row.by == By::Parent);
    let cells = rows.flat_map(|row| [late, doubled].map(|messages| (row, messages)));
    side_by_side(cells.map(|(row, messages)| -> (String, Cell) {
        (format!("row {}, {messages:?}", row.number), Box::pin(garbled_up(row, messages)))
    }))
    .await;
}

/// Packets are lost in one direction, first from the relay's peers, then to them, and nobody is told.
async fn one_way(row: Row) {
    let mut scene = Box::pin(Scene::new(row)).await;
    let silent = Path { silent: true, ..Path::default() };
    for faults in [Faults { up: silent, ..Faults::default() }, Faults { down: silent, ..Faults::default() }] {
        scene.set(faults);
        // What is typed now stays without an answer.
        let typed = scene.typist.words.len();
        scene.type_on(|scene| scene.typist.words.len() > typed + 5 || !scene.typist.viewer.types()).await;
        let last = scene.typist.words.last().cloned().unwrap_or_default();
        assert!(!scene.watch.shows(&last), "the control: {last} does not arrive");
        scene.set(Faults::default());
        let count = scene.count;
        scene.typist.types(FAR, &format!("between-{count}")).await;
    }
    Box::pin(scene.settles()).await;
}

#[tokio::test]
async fn packets_lost_in_one_direction_harm_nothing_that_lasts() {
    core(|row| Box::pin(one_way(row))).await;
}

/// Machines sleep for longer than anybody waits for a word, and the relay comes back with a clock of another day.
async fn clocks(row: Row) {
    let mut scene = Box::pin(Scene::new(row)).await;
    let asleep = Duration::from_secs(6);
    let signal = |scene: &Scene, signal| {
        for driver in &scene.family.drivers {
            driver.process.signal(signal);
        }
        if let Some(sharer) = &scene.family.sharer {
            sharer.process.signal(signal);
        }
    };
    signal(&scene, Signal::STOP);
    let until = Instant::now() + asleep;
    scene.type_on(|_| Instant::now() > until).await;
    signal(&scene, Signal::CONT);
    scene.typist.types(FAR, "awake").await;
    for days in [10, 0] {
        scene.family.restart_relay_days_ahead(days).await;
        scene.typist.types(FAR, &format!("days-{days}")).await;
    }
    Box::pin(scene.settles()).await;
}

#[tokio::test]
async fn machines_that_slept_and_clocks_that_jumped_harm_nothing_that_lasts() {
    core(|row| Box::pin(clocks(row))).await;
}

/// What ran on a driver that is killed is gone, once another boot says so; before, nobody says that it ended.
async fn driver_killed(row: Row) {
    let mut scene = Box::pin(Scene::new(row)).await;
    let Some(mut driver) = scene.family.drivers.pop() else { return Box::pin(scene.settles()).await };
    let (watch, own) = (&mut scene.watch, scene.typist.viewer.watch_link().unwrap());
    driver.kill().await;
    watch
        .viewer
        .until("the sharer to be away", |viewer| matches!(viewer.state(), State::SharerAway { .. }))
        .await;
    let status = watch.pill(FAR).unwrap().status;
    assert!(!matches!(status, Status::Cancelled | Status::Error | Status::Done), "{status:?}");
    assert!(watch.shows("far-says-42"), "what was seen stays");
    driver.restart().await;
    scene.family.drivers.push(driver);
    if row.kind == Kind::RemoteLocal {
        // The parent is gone, too: another one is, under links of its own.
        let old = scene.family.parent_link(Right::Watch);
        scene.family.again().await;
        scene.family.spawn("next").await;
        let mut watch = Watch::open(&scene.family, &old, By::Parent);
        let away = |state: State| matches!(state, State::SharerAway { .. } | State::Seeking { .. });
        watch.viewer.until("nobody behind the old link", |viewer| away(viewer.state())).await;
        return settled(&mut scene.family, Vec::new()).await;
    }
    watch.select_own().await;
    let pill = watch.stands(FAR, |pill| pill.status == Status::Error).await;
    let reason = pill.details.unwrap().reason;
    assert!(reason.contains("what ran on it is gone"), "{reason}");
    scene.family.spawn("next").await;
    watch.exact(&scene.family, "next").await;
    assert_eq!(watch.names(), scene.family.children, "no known child is lost");
    scene.family.unshare().await;
    let over = State::Ended(EndReason::Unshared);
    watch.select_own().await;
    watch.viewer.until("the end", |viewer| viewer.state() == over).await;
    refused(&scene.family, &scene.family.parent_link(Right::Watch), By::Parent).await;
    let mut gone = Watch::open(&scene.family, &own, By::Child);
    gone.viewer.until("an answer", |viewer| viewer.state() != State::Connecting).await;
    assert_ne!(gone.viewer.state(), State::Live);
}

#[tokio::test]
async fn a_driver_that_is_killed_and_restarted_leaves_nothing_that_lies() {
    core(|row| Box::pin(driver_killed(row))).await;
}
