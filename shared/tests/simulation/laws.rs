//! Laws 3, 5, 6, 8 and 11 over random histories; the world itself watches 5, 8, 11 and that nothing is seen that
//! never was.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use shared::event::{Event as Opened, Note, WindowSize};
use shared::keys::epoch::Header;
use shared::keys::grant::Right;
use shared::seal::EventOpener;
use shared::viewer::{Event, Failure, State};
use shared::wire::Packet;
use shared::wire::frame::Frame;
use shared::wire::numbering::Numbering;
use shared::wire::sharer::SharerToRelay;

use crate::faults::Faults;
use crate::network::{End, Way};
use crate::screen::Screen as _;
use crate::world::{Stepping, World, brief};
use crate::{CASES, Terminal};

/// Actions of one history.
const ACTIONS: usize = 24;

fn cases(default: u64) -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse().ok());
    match number("SIMULATION_SEED") {
        Some(seed) => vec![seed],
        None => (0..number("PROPTEST_CASES").unwrap_or(256).min(default)).collect(),
    }
}

/// Runs every case, and fails with the seeds of those that failed. Says whether the run was a full one.
pub(crate) fn each_case(default: u64, mut case: impl FnMut(u64)) -> bool {
    let cases = cases(default);
    let mut failed = cases.clone();
    failed.retain(|&seed| {
        let result = catch_unwind(AssertUnwindSafe(|| case(seed)));
        if result.is_err() {
            eprintln!("that was SIMULATION_SEED={seed}");
        }
        result.is_err()
    });
    assert!(failed.is_empty(), "failed: SIMULATION_SEED={failed:?}");
    cases.len() as u64 == default
}

/// Runs one random history to its quiet end, and says what happened in it.
fn history(seed: u64, stepping: Stepping, trace: bool) -> World<Terminal> {
    let mut world = World::<Terminal>::new(seed, stepping);
    if trace {
        world.trace = Some(Vec::new());
    }
    // Half of the histories have several sessions behind one connection.
    for _ in 0..if seed % 4 < 2 { 0 } else { 2 } {
        world.open(0);
        world.faults.note("one more session");
    }
    for (program, right) in [(0, Right::Type), (world.programs.len() - 1, Right::Watch)] {
        let link = world.link_of(program, right);
        world.add_viewer(link);
    }
    let mut tokens = 0u64;
    for _ in 0..ACTIONS {
        act(&mut world, &mut tokens);
        let wait = match world.random.below(4) {
            0 => 0,
            1 => world.random.below(30),
            2 => world.random.below(1_000),
            _ => world.random.below(12_000),
        };
        world.run(wait);
    }
    settle(&mut world);
    world.faults_of_network();
    world
}

impl World<Terminal> {
    fn faults_of_network(&mut self) {
        for _ in 0..self.network.reorders {
            self.faults.note("reorder across connections");
        }
    }

    fn somebody(&mut self) -> Option<usize> {
        let present: Vec<usize> =
            (0..self.viewers.len()).filter(|&index| !self.viewers[index].gone).collect();
        (!present.is_empty()).then(|| present[self.random.index(present.len())])
    }
}

fn act(world: &mut World<Terminal>, tokens: &mut u64) {
    let Some(viewer) = world.somebody() else { return };
    let sharer = End::Sharer(0);
    let program = match world.programs.len() {
        1 => 0,
        several => world.random.index(several),
    };
    match world.random.below(46) {
        0..=9 => {
            let len = world.random.within(1, 3_000) as usize;
            let text = Terminal::output(&mut world.random, len);
            world.output(program, &text);
            world.faults.note("output");
        }
        10 => {
            if world.random.percent(40) {
                let chunk = Terminal::output(&mut world.random, 64 * 1024);
                for _ in 0..world.random.within(4, 26) {
                    world.output(program, &chunk);
                    if world.random.percent(20) {
                        let wait = world.random.below(5);
                        world.run(wait);
                    }
                }
                world.faults.note("flood");
            }
        }
        11 | 12 => {
            let window = WindowSize {
                cols: world.random.within(20, 200) as u16,
                rows: world.random.within(5, 60) as u16,
            };
            world.with_program(program, |machine, now, id| machine.handle_resize(now, id, window));
            world.faults.note("resize");
        }
        13 => {
            let title = format!("title {}", world.random.next());
            world.with_program(program, |machine, now, id| machine.handle_title(now, id, &title));
            world.faults.note("title");
        }
        14..=21 => {
            for _ in 0..world.random.within(1, 6) {
                *tokens += 1;
                let keys = format!("<{viewer}:{tokens}>");
                if !world.press(viewer, keys.as_bytes()) {
                    break;
                }
                if world.random.percent(50) {
                    let wait = world.random.below(100);
                    world.run(wait);
                }
            }
        }
        22 => {
            *tokens += 1;
            let paste =
                format!("<{viewer}:{tokens}>{}", "p".repeat(world.random.within(200, 60_000) as usize));
            world.press(viewer, paste.as_bytes());
        }
        23 | 24 => {
            if world.viewers.iter().filter(|viewer| !viewer.gone).count() < 4 {
                let right = if world.random.percent(60) { Right::Type } else { Right::Watch };
                let link = world.link_of(program, right);
                world.add_viewer(link);
                world.faults.note("join");
            }
        }
        25 => {
            if world.viewers.iter().filter(|viewer| !viewer.gone).count() > 2 {
                if let Some(id) = world.viewers[viewer].peer.socket.take() {
                    world.network.close(id, Way::Up, None, world.ms);
                }
                world.viewers[viewer].gone = true;
                world.faults.note("leave");
            }
        }
        26 => {
            let watch = world.random.percent(50);
            let right = if watch { Right::Watch } else { Right::Type };
            world.with_program(program, |machine, now, id| machine.revoke(now, id, &[right]));
            world.faults.note(if watch { "revoke watch" } else { "revoke type" });
        }
        27 | 28 => {
            let keep = world.random.below(4) as usize;
            if world.cut(sharer, keep, 0) {
                world.faults.note("cut at the sharer");
            }
        }
        29 | 30 => {
            let keep = world.random.below(4) as usize;
            if world.cut(End::Viewer(viewer), keep, 0) {
                world.faults.note("cut at a viewer");
            }
        }
        31 => {
            if world.cut(sharer, 0, 60_000) {
                world.faults.note("half-open sharer");
            }
        }
        32 => {
            if world.cut(End::Viewer(viewer), 0, 60_000) {
                world.faults.note("half-open viewer");
            }
        }
        33 | 34 => {
            let (end, what) = if world.random.percent(50) {
                (sharer, "offline sharer")
            } else {
                (End::Viewer(viewer), "offline viewer")
            };
            let until = world.ms + world.random.below(40_000);
            world.peer(end).offline_until = until;
            world.cut(end, 0, 0);
            world.faults.note(what);
        }
        35 | 36 => {
            let (down, keep) = (world.random.below(5_000), world.random.below(3) as usize);
            let until = world.ms + down + 3_000;
            if world.random.percent(50) {
                for index in 0..world.viewers.len() {
                    world.viewers[index].peer.offline_until = until;
                }
                world.faults.note("amnesia, sharer first");
            } else {
                world.peer(sharer).offline_until = until;
                world.faults.note("amnesia, viewers first");
            }
            world.kill_relay(down, keep);
        }
        37 => {
            let until = world.ms + world.random.below(90_000);
            world.peer(sharer).frozen_until = until;
            world.faults.note("suspended sharer");
        }
        38 => {
            let until = world.ms + world.random.below(90_000);
            world.peer(End::Viewer(viewer)).frozen_until = until;
            world.faults.note("suspended viewer");
        }
        39 => {
            world.relay_frozen_until = world.ms + world.random.below(60_000);
            world.faults.note("suspended relay");
        }
        40 | 41 => {
            let off = world.random.below(7_200_000) as i64 - 3_600_000;
            let end = if world.random.percent(50) { sharer } else { End::Viewer(viewer) };
            world.peer(end).clock_off = off;
            world.faults.note("clock jump");
        }
        42 | 43 => {
            world.viewers[viewer].stuck_until = world.ms + world.random.below(25_000);
            world.viewers[viewer].parse_delay = world.random.below(300);
            world.faults.note("slow viewer");
        }
        44 => {
            world.programs[program].model_delay = world.random.below(500);
        }
        _ => {
            if world.viewers[viewer].peer.frozen_until <= world.ms {
                world.update(viewer, Event::Wake);
            }
        }
    }
}

/// All faults end; after quiet everybody is exact, or gone for a reason.
fn settle(world: &mut World<Terminal>) {
    world.heal();
    world.run(200_000);
    for index in 0..world.viewers.len() {
        // A page that was never live gives up after a minute; the person tries again.
        if world.view(index).state == State::Failed(Failure::NotFound) {
            let revoked = ![Right::Watch, Right::Type]
                .iter()
                .any(|right| world.link_of(world.program_of(index), *right) == world.viewers[index].link);
            assert!(revoked || !world.viewers[index].was_live, "viewer {index} was live and gave up");
            world.update(index, Event::Retry);
        }
    }
    world.run(20_000);
    let links_of = |world: &World<Terminal>, viewer: usize| {
        [Right::Watch, Right::Type].map(|right| world.link_of(world.program_of(viewer), right))
    };
    for index in 0..world.viewers.len() {
        if world.viewers[index].gone {
            continue;
        }
        if links_of(world, index).contains(&world.viewers[index].link) {
            world.assert_exact(index);
        } else {
            let state = world.view(index).state;
            // A relay does not tell a link that was revoked meanwhile from a session that is not back yet.
            let seeks = matches!(state, State::Seeking { left_s: None, .. });
            assert!(state.is_final() || seeks, "viewer {index} holds a revoked link: {state:?}");
        }
        let unanswered = world.viewers[index].pressed.iter().find(|pressed| !pressed.typed && !pressed.told);
        if let Some(pressed) = unanswered {
            panic!("viewer {index} was not told of {:?} at {}", pressed.bytes, pressed.at);
        }
    }
    // Whoever may type still can.
    for index in 0..world.viewers.len() {
        let viewer = &world.viewers[index];
        if !viewer.gone && viewer.link == links_of(world, index)[1] {
            assert!(world.press(index, b"still here"), "{:?}", world.view(index));
            world.run(1_000);
            let last = world.viewers[index].pressed.last().unwrap();
            assert!(last.typed, "viewer {index} cannot type: {:?}", world.view(index));
            world.viewers[index].pressed.clear();
        }
    }
    // The end.
    if world.random.percent(60) {
        let live: Vec<usize> = (0..world.viewers.len())
            .filter(|&index| !world.viewers[index].gone && world.view(index).state == State::Live)
            .collect();
        for program in 0..world.programs.len() {
            world.output(program, b"the last line\r\n");
            world.with_program(program, |machine, now, id| machine.handle_exit(now, id, Some(0), None));
        }
        world.run(5_000);
        assert!(world.programs.iter().all(|program| program.ended));
        for index in live {
            let state = world.view(index).state;
            assert!(matches!(state, State::Ended(_)), "viewer {index}: {state:?}");
            world.assert_same_screen(index);
        }
        world.faults.note("exit");
    }
}

#[test]
fn every_history_ends_exact() {
    let mut faults = Faults::default();
    let full = each_case(CASES, |seed| {
        let mut world = history(seed, Stepping::Own, true);
        world.note_skips();
        faults.add(&world.faults);
    });
    println!("{}", faults.report());
    assert!(!full || faults.missing().is_empty(), "never happened: {:?}", faults.missing());
}

/// Law 6.
#[test]
fn stepped_by_its_own_timeout_or_every_ten_ms_is_the_same() {
    each_case(CASES / 16, |seed| {
        let seed = seed + 10_000;
        let own = history(seed, Stepping::Own, true).trace.unwrap();
        let every = history(seed, Stepping::Every10, true).trace.unwrap();
        if let Some(at) = own.iter().zip(&every).position(|(one, other)| one != other) {
            let line = |trace: &[(u64, End, Way, Packet)]| {
                let (at_ms, end, way, packet) = &trace[at];
                brief(*at_ms, *end, *way, packet)
            };
            panic!("differ:\n{}\n{}", line(&own), line(&every));
        }
        assert_eq!(own.len(), every.len());
    });
}

impl World<Terminal> {
    /// Counts the `Skipped` events among everything the sharer sent, opened with the links that viewers held.
    fn note_skips(&mut self) {
        let mut openers = BTreeMap::new();
        let mut numbering = Numbering::default();
        for (_, end, way, packet) in self.trace.take().unwrap_or_default() {
            if (end, way) != (End::Sharer(0), Way::Up) {
                continue;
            }
            match packet {
                Packet::Text(text) => {
                    let (channel, session, header) = match shared::wire::decode(&text) {
                        Ok(SharerToRelay::Initialize { channel, payload }) => {
                            // It may be the first of another connection.
                            numbering.close(channel);
                            (channel, Some(payload.session_id), payload.header)
                        }
                        Ok(SharerToRelay::UpdateHeader { channel, header, .. }) => (channel, None, header),
                        _ => continue,
                    };
                    let mut ids = session.into_iter().chain(self.programs.iter().map(|program| program.id));
                    let header = ids.find_map(|id| Header::verify(&header, id).ok()).unwrap();
                    let opened = self.viewers.iter().find_map(|v| header.open_box(&v.link.secret).ok());
                    openers.insert(
                        channel,
                        opened.map(|opened| EventOpener::new(&opened.content, header.scope())),
                    );
                }
                Packet::Binary(bytes) => {
                    let frame = Frame::decode(&bytes).and_then(|frame| numbering.put_back(frame));
                    let Ok(Frame::Event { channel, event }) = frame else { continue };
                    let Some(Some(opener)) = openers.get(&channel) else { continue };
                    let plain = opener.open(event.number, event.kind, &event.body).unwrap();
                    if let Some(Opened::Note(Note::Skipped { .. })) = Opened::decode(event.kind, &plain) {
                        self.faults.note("skipped");
                    }
                }
            }
        }
    }
}
