//! One session: what is shown, when it counts as live, and how it ends.

use bytes::Bytes;
use proptest::prelude::*;

use super::*;
use crate::chain::End;
use crate::command::Told;
use crate::event::{EndReason, EventKind};
use crate::input::{Input, InputOpener, View as Seen};
use crate::keys::epoch::Opened;
use crate::keys::grant::GrantSecret;
use crate::wire::close::EndedBecause;
use crate::wire::viewer::Resume;

#[test]
fn live_means_screen_answer_and_reached() {
    let mut sharer = Sharer::new(1);
    let first = sharer.output("lost in the snapshot");
    let mut page = Page::open(&sharer, 0);
    assert_eq!((page.connects, page.viewer.view().state), (1, State::Connecting));
    page.greet();
    page.joined(&sharer, false);
    assert_eq!(page.viewer.view().state, State::CatchingUp);
    // Before its snapshot an event waits.
    let snapshot = sharer.snapshot("\x1bcA", Some("\x1bcH A"));
    let next = sharer.output("B");
    page.event(next);
    assert_eq!(page.text(), "");
    page.snapshot(&snapshot, Part::Screen);
    assert_eq!(page.text(), "\x1bcAB");
    assert_eq!(page.viewer.view().state, State::CatchingUp, "not before the answer");
    page.answer(&sharer);
    assert_eq!(page.viewer.view().state, State::Live);
    // The scrollback comes behind, in one write with what happened since.
    page.snapshot(&snapshot, Part::Full);
    assert_eq!(page.text(), "\x1bcH AB");
    drop(first);
    // A doubled event changes nothing, a gap asks for a snapshot.
    let doubled = sharer.output("C");
    page.event(doubled.clone());
    page.event(doubled);
    assert_eq!(page.text(), "\x1bcH ABC");
    drop(sharer.output("D"));
    let gap = sharer.output("E");
    page.event(gap);
    assert_eq!(page.text(), "\x1bcH ABC");
    assert!(
        page.sent.iter().any(|p| *p == Packet::Text(encode(&ViewerToRelay::Resync { channel: Channel(1) })))
    );
    let snapshot = sharer.snapshot("\x1bcABCDE", None);
    page.snapshot(&snapshot, Part::Screen);
    assert_eq!((page.text(), page.viewer.view().state), ("\x1bcABCDE".into(), State::Live));
}

#[test]
fn a_command_is_marked_where_the_terminal_stands() {
    let mut sharer = Sharer::new(1);
    let mut page = live(&mut sharer, 0);
    let before = page.text().len();
    let started = |number| Told::Started { number, directory: Some("/src".into()) };
    let events = [
        sharer.output("$ make\r\n"),
        sharer.note(Note::Command(started(1))),
        sharer.output("made"),
        sharer.note(Note::Command(Told::Finished { number: 1, exit: Some(0), ms: 1_500 })),
        sharer.note(Note::Skipped { bytes: 9 }),
        sharer.note(Note::Command(started(2))),
    ];
    for event in events {
        page.event(event);
    }
    assert_eq!(page.marks, [(PaneId::OWN, 1, before + "$ make\r\n".len())], "none where output is missing");
    let says = |page: &Page| -> Vec<String> {
        page.viewer.view().commands.iter().map(crate::command::Command::says).collect()
    };
    assert_eq!(says(&page), ["done in 1.5 s", "running"]);
    page.pass(10_000);
    assert_eq!(page.viewer.view().shown, Shown::Hidden);
    assert!(says(&page).is_empty(), "what is not confirmed is not told in words either");
}

#[test]
fn who_comes_late_learns_the_newest_commands_from_the_snapshot() {
    let mut owner = crate::command::Commands::default();
    let started = |number| Told::Started { number, directory: None };
    owner.tell(started(1));
    owner.tell(Told::Finished { number: 1, exit: Some(2), ms: 30 });
    owner.tell(started(2));
    let mut sharer = Sharer::new(1);
    let mut page = live(&mut sharer, 0);
    let known = |page: &Page| -> Vec<(u64, String)> {
        page.viewer.view().commands.iter().map(|command| (command.number, command.says())).collect()
    };
    assert!(known(&page).is_empty());
    // Behind a new size a snapshot is wanted.
    let resized = sharer.note(Note::Resize(WindowSize { cols: 80, rows: 24 }));
    page.event(resized);
    let recalled = String::from_utf8(owner.recalled(owner.newest())).unwrap();
    let snapshot = sharer.snapshot("\x1bc$", Some(&format!("{recalled}\x1bcold\r\n$")));
    // Behind the snapshot, but before it has arrived: output, and a command in its middle.
    for event in [sharer.output(" make\r\n"), sharer.note(Note::Command(started(3))), sharer.output("made")] {
        page.event(event);
    }
    page.snapshot(&snapshot, Part::Screen);
    page.snapshot(&snapshot, Part::Full);
    assert_eq!(page.text(), format!("{recalled}\x1bcold\r\n$ make\r\nmade"));
    let place = page.text().len() - "made".len();
    assert_eq!(page.marks.last(), Some(&(PaneId::OWN, 3, place)), "it is placed again where it began");
    let says = |number, says: &str| (number, says.to_owned());
    assert_eq!(known(&page), [says(1, "status 2 after 30 ms"), says(2, "ended unseen"), says(3, "running")]);
}

#[test]
fn nothing_unsigned_stands_longer_than_five_seconds() {
    let mut sharer = Sharer::new(2);
    let mut page = live(&mut sharer, 0);
    page.pass(10_000);
    assert_eq!(page.viewer.view().shown, Shown::Screen, "what the snapshot covers stands");
    let event = sharer.output("x");
    page.event(event);
    page.pass(4_999);
    assert_eq!(page.viewer.view().shown, Shown::Screen);
    page.pass(1);
    assert_eq!(page.viewer.view().shown, Shown::Hidden);
    // A forged word changes nothing; the owner's shows it again.
    let other = Sharer::new(3);
    let Frame::Attestation { signature, .. } = other.attest(sharer.events.point()) else { panic!() };
    let ChainPoint { number, hash } = sharer.events.point();
    page.frame(&Frame::Attestation { channel: Channel(1), number, beat: 1, hash, cards: [0; 32], signature });
    assert_eq!(page.viewer.view().shown, Shown::Hidden);
    let word = sharer.attest(sharer.events.point());
    page.frame(&word);
    assert_eq!(page.viewer.view().shown, Shown::Screen);
}

#[test]
fn another_chain_than_the_signed_one_is_wiped() {
    let mut sharer = Sharer::new(4);
    let mut page = live(&mut sharer, 0);
    // A reader who has the content key, and the relay, put words into the sharer's mouth.
    let opened = sharer.header.open_box(&sharer.grants[0].secret).unwrap();
    let Opened { content, .. } = opened;
    let mut forger = EventSealer::new(&content, sharer.scope());
    let (kind, plain) = Happening::Output(b"forged".to_vec()).encode(false);
    page.event(forger.seal(kind, &plain));
    assert!(page.text().contains("forged"), "the control: it opens, and is shown for a moment");
    drop(sharer.output("true"));
    let word = sharer.attest(sharer.events.point());
    page.frame(&word);
    let view = page.viewer.view();
    assert_eq!((view.state, view.shown), (State::Diverged(Divergence::Chain), Shown::Nothing));
    assert_eq!(page.text(), "");
}

#[test]
fn flipped_events_and_foreign_headers_stop_the_view() {
    let mut sharer = Sharer::new(5);
    let mut page = live(&mut sharer, 0);
    let mut event = sharer.output("x");
    let mut body = event.body.to_vec();
    body[0] ^= 1;
    event.body = Bytes::from(body);
    page.event(event);
    assert_eq!(page.viewer.view().state, State::Diverged(Divergence::Seal));

    let mut page = Page::open(&sharer, 0);
    page.greet();
    let mut foreign = Sharer::new(6);
    page.joined(&foreign, false);
    assert_eq!(page.viewer.view().state, State::Diverged(Divergence::Header));
    page.give(Event::Retry);
    assert_eq!(page.connects, 2);
    drop(foreign.output(""));

    // The right header under a link with another secret.
    let mut link = sharer.link(0);
    link.secret = GrantSecret([0; 16]);
    let viewer = Viewer::new(link, Entropy::from_seed([1; 32]), Now::new(1_000, 1_000));
    let mut page = Page { viewer, ..Page::open(&sharer, 0) };
    page.greet();
    page.joined(&sharer, false);
    assert_eq!(page.viewer.view().state, State::Failed(Failure::WrongKey));
}

#[test]
fn old_headers_are_not_accepted_again() {
    let mut sharer = Sharer::new(7);
    let old = sharer.header.clone();
    sharer.header.revision = 2;
    let mut page = live(&mut sharer, 0);
    page.control(&RelayToViewer::HeaderUpdated { channel: Channel(1), header: old.sign(&sharer.owner) });
    assert!(matches!(page.viewer.view().state, State::Reconnecting { .. }));
}

#[test]
fn skipped_output_waits_for_its_snapshot() {
    let mut sharer = Sharer::new(8);
    let mut page = live(&mut sharer, 0);
    let early = sharer.snapshot("\x1bcearly", None);
    let skipped = sharer.note(Note::Skipped { bytes: 9 });
    page.event(skipped);
    let behind = sharer.output("behind");
    page.event(behind);
    assert_eq!(page.viewer.view().state, State::CatchingUp);
    page.snapshot(&early, Part::Screen);
    assert_eq!(page.text(), "\x1bcscreen ", "a snapshot from before does not show what was left out");
    let late = sharer.snapshot("\x1bclate", None);
    page.snapshot(&late, Part::Screen);
    assert_eq!((page.text(), page.viewer.view().state), ("\x1bclate".into(), State::Live));
}

#[test]
fn beats_that_stop_make_the_view_stale() {
    let mut sharer = Sharer::new(9);
    let mut page = live(&mut sharer, 0);
    page.pass(40_000);
    assert_eq!(page.viewer.view().state, State::Live);
    let beat = sharer.beat(2);
    page.frame(&beat);
    page.pass(44_999);
    assert_eq!(page.viewer.view().state, State::Live);
    page.frame(&beat);
    page.pass(1);
    assert!(matches!(page.viewer.view().state, State::Stale { .. }), "a replayed beat is no news");
    // Silence as long as no healthy relay keeps ends the connection.
    page.pass(80_000);
    assert!(page.connects > 1);
}

#[test]
fn a_break_resumes_where_it_was() {
    let mut sharer = Sharer::new(10);
    let mut page = live(&mut sharer, 0);
    let event = sharer.output("1");
    page.event(event);
    page.give(Event::Disconnected { code: Some(1006) });
    assert!(matches!(page.viewer.view().state, State::Reconnecting { .. }));
    page.pass(1_000);
    assert_eq!(page.connects, 2);
    page.greet();
    let resume = page.last_join().resume;
    assert_eq!(resume, Some(Resume { epoch: sharer.header.epoch, number: 1, history: 0 }));
    let event = sharer.output("2");
    page.joined(&sharer, true);
    page.event(event);
    page.answer(&sharer);
    assert_eq!((page.text(), page.viewer.view().state), ("\x1bcscreen 12".into(), State::Live));
}

#[test]
fn a_relay_that_forgot_is_asked_for_a_minute() {
    let sharer = Sharer::new(11);
    let mut page = Page::open(&sharer, 0);
    page.greet();
    for round in 0..200 {
        page.not_found(true);
        if round == 0 {
            let state = page.viewer.view().state;
            assert_eq!(state, State::Seeking { since: UnixMs(1_000), left_s: Some(60) });
            assert!(state.sentence().unwrap().ends_with("trying for 60 s more."), "told at once");
        }
        page.pass(1_300);
        if page.viewer.view().state.is_final() {
            break;
        }
    }
    assert_eq!(page.viewer.view().state, State::Failed(Failure::NotFound));
    assert!((60_000..65_000).contains(&(page.now - 1_000)));
    // Without the word "retry" there is nothing to wait for.
    let mut page = Page::open(&sharer, 0);
    page.greet();
    page.not_found(false);
    assert_eq!(page.viewer.view().state, State::Failed(Failure::NotFound));
}

#[test]
fn a_page_that_was_live_asks_without_limit() {
    let mut sharer = Sharer::new(23);
    let mut page = live(&mut sharer, 0);
    page.give(Event::Disconnected { code: Some(1006) });
    page.pass(1_000);
    page.greet();
    let joins = |page: &Page| {
        page.sent.iter().filter(|p| matches!(p, Packet::Text(t) if t.starts_with("{\"Join"))).count()
    };
    for round in 0..200 {
        let (before, asked) = (joins(&page), page.now);
        page.not_found(round % 2 == 0);
        assert_eq!(page.viewer.view().state, State::Seeking { since: UnixMs(1_000), left_s: None });
        assert!(page.text().contains("screen"), "what was seen stays");
        while joins(&page) == before {
            page.pass(100);
        }
        assert!((1_000..=12_600).contains(&(page.now - asked)));
    }
    assert!(page.now > 1_000_000);
    page.joined(&sharer, true);
    page.answer(&sharer);
    assert_eq!(page.viewer.view().state, State::Live);
}

#[test]
fn how_far_there_is_to_go_the_sharer_says() {
    let mut sharer = Sharer::new(24);
    let mut page = Page::open(&sharer, 0);
    page.greet();
    page.joined_at(&sharer, false, u64::MAX);
    let snapshot = sharer.snapshot("\x1bcA", None);
    page.snapshot(&snapshot, Part::Screen);
    assert_eq!(page.viewer.view().state, State::CatchingUp);
    page.answer(&sharer);
    assert_eq!(page.viewer.view().state, State::Live);
    // The control: the sharer's own word holds.
    drop(sharer.output("withheld"));
    let word = sharer.attest(sharer.events.point());
    page.frame(&word);
    assert_eq!(page.viewer.view().state, State::CatchingUp);
}

#[test]
fn credit_is_granted_for_what_the_terminal_parsed() {
    let mut sharer = Sharer::new(12);
    let mut page = live(&mut sharer, 0);
    page.auto_parse = false;
    let noise: String =
        (0..40_000u32).map(|n| char::from(b'!' + u8::try_from(n * n % 89).unwrap())).collect();
    let (kind, plain) = Happening::Output(noise.into_bytes()).encode(false);
    let event = sharer.events.seal(kind, &plain);
    let size = Frame::Event { channel: Channel(1), event: event.clone() }.encode().len() as u64;
    let credits = |page: &Page| {
        let credit = |packet: &Packet| match packet {
            Packet::Binary(bytes) => match Frame::decode(bytes) {
                Ok(Frame::Credit { consumed }) => Some(consumed),
                _ => None,
            },
            Packet::Text(_) => None,
        };
        page.sent.iter().filter_map(credit).next_back()
    };
    page.event(event);
    assert_eq!(credits(&page), None);
    page.give(Event::Parsed { pane: PaneId::OWN, ticket: u64::MAX });
    assert!(credits(&page).is_some_and(|consumed| consumed >= size));
}

/// The sharer's end of a page's input connection.
fn opener(sharer: &Sharer, page: &Page) -> InputOpener {
    let viewer = page.last_join().agreement.unwrap();
    InputOpener::new(&sharer.agreement, viewer, &sharer.input.secret, sharer.scope()).unwrap()
}

#[test]
fn keys_go_once_and_what_may_be_lost_is_told() {
    let mut sharer = Sharer::new(13);
    let mut page = live(&mut sharer, 1);
    page.keys(b"early");
    assert!(page.inputs().is_empty(), "not before the person said so");
    page.give(Event::StartTyping);
    assert_eq!(page.viewer.view().typing, Typing::On);
    page.keys(b"ls\r");
    let mut opener = opener(&sharer, &page);
    let Some(Frame::Input { seen, beat, body, .. }) = page.inputs().pop() else { panic!("nothing typed") };
    assert_eq!((seen, beat), (0, 1));
    let view = Seen { seen: ChainPoint::start(sharer.scope()), beat: 1 };
    assert_eq!(opener.open(&view, &body), Some(Input::Keys(b"ls\r".to_vec())));
    page.frame(&Frame::Taken { channel: Channel(1), body: opener.seal_taken().into() });
    page.keys(b"rm x\r");
    page.give(Event::Disconnected { code: None });
    assert_eq!(page.viewer.view().typing, Typing::Paused);
    page.keys(b"into the void");
    page.pass(1_000);
    page.greet();
    assert!(page.last_join().previous.is_some());
    page.joined(&sharer, true);
    page.answer(&sharer);
    let before = page.inputs().len();
    let Typing::Lost(lost) = page.viewer.view().typing else { panic!("{:?}", page.viewer.view().typing) };
    assert_eq!((lost.excerpt.as_str(), lost.bytes, lost.certain), ("rm x⏎", 5, false));
    page.keys(b"more");
    assert_eq!(page.inputs().len(), before, "nothing is typed until the person goes on");
    page.give(Event::GoOn);
    page.keys(b"y");
    assert_eq!(page.inputs().len(), before + 1);
}

#[test]
fn who_types_says_once_what_fits_and_again_on_another_connection() {
    let mut sharer = Sharer::new(43);
    let mut page = live(&mut sharer, 1);
    let size = |cols| WindowSize { cols, rows: 30 };
    page.give(Event::Fits(Some(size(100))));
    assert!(page.inputs().is_empty(), "who watches has no wish");
    page.give(Event::StartTyping);
    page.keys(b"k");
    for cols in [100, 90, 90] {
        page.give(Event::Fits(Some(size(cols))));
    }
    page.give(Event::Fits(None));
    let view = Seen { seen: ChainPoint::start(sharer.scope()), beat: 1 };
    let said = |page: &Page, sharer: &Sharer, from: usize| -> Vec<Input> {
        let mut opener = opener(sharer, page);
        let bodies = page.inputs().split_off(from).into_iter();
        let bodies =
            bodies.filter_map(|frame| if let Frame::Input { body, .. } = frame { Some(body) } else { None });
        bodies.map(|body| opener.open(&view, &body).unwrap()).collect()
    };
    let keys = Input::Keys(b"k".to_vec());
    assert_eq!(said(&page, &sharer, 0), [Input::Size(size(100)), keys, Input::Size(size(90))]);
    // The sharer has forgotten it with the connection.
    page.give(Event::Fits(Some(size(90))));
    let before = page.inputs().len();
    page.give(Event::Disconnected { code: None });
    page.pass(1_000);
    page.greet();
    page.joined(&sharer, true);
    page.answer(&sharer);
    page.give(Event::GoOn);
    assert_eq!(said(&page, &sharer, before), [Input::Size(size(90))]);
}

#[test]
fn a_key_that_stops_a_flood_leaves_out_the_rest_of_it() {
    let mut sharer = Sharer::new(33);
    let mut page = live(&mut sharer, 1);
    page.give(Event::StartTyping);
    let asks = |page: &Page| {
        let resync = encode(&ViewerToRelay::Resync { channel: Channel(1) });
        page.sent.iter().filter(|packet| **packet == Packet::Text(resync.clone())).count()
    };
    page.keys(b"\x03");
    assert_eq!(asks(&page), 0, "nothing pours");
    for _ in 0..2 {
        let (kind, plain) = Happening::Output(vec![b'x'; 60_000]).encode(false);
        let event = sharer.events.seal(kind, &plain);
        page.event(event);
    }
    page.keys(b"q");
    assert_eq!(asks(&page), 0, "a key that stops nothing");
    let shown = page.text().len();
    page.keys(b"\x03");
    assert_eq!((page.inputs().len(), asks(&page)), (3, 1));
    assert_eq!(page.skipped, [PaneId::OWN], "what waits to be drawn is left out too");
    let last = |what: &dyn Fn(&Packet) -> bool| page.sent.iter().rposition(what).unwrap();
    let input = last(
        &|packet| matches!(packet, Packet::Binary(bytes) if matches!(Frame::decode(bytes), Ok(Frame::Input { .. }))),
    );
    assert!(input < last(&|packet| matches!(packet, Packet::Text(_))), "the key goes first");
    let event = sharer.output("left out");
    page.event(event);
    assert_eq!(page.text().len(), shown);
    let end = sharer.snapshot("stopped", None);
    page.snapshot(&end, Part::Screen);
    assert_eq!(page.text(), "stopped");
}

#[test]
fn a_watch_link_never_types() {
    let mut sharer = Sharer::new(14);
    let mut page = live(&mut sharer, 0);
    page.give(Event::StartTyping);
    page.keys(b"x");
    page.give(Event::Paste { pane: PaneId::OWN, text: "x".into(), bracketed: true });
    assert_eq!(page.viewer.view().typing, Typing::Never);
    assert!(page.inputs().is_empty());
}

#[test]
fn a_paste_is_bounded_by_credit_and_goes_whole() {
    let mut sharer = Sharer::new(15);
    let mut page = live(&mut sharer, 1);
    page.give(Event::StartTyping);
    page.give(Event::Paste { pane: PaneId::OWN, text: "p".repeat(200_000), bracketed: false });
    let first = page.inputs().len();
    assert!((3..=4).contains(&first), "64 KiB of credit: {first}");
    let mut opener = opener(&sharer, &page);
    let view = Seen { seen: ChainPoint::start(sharer.scope()), beat: 1 };
    let (mut pasted, mut next) = (0, 0);
    while pasted < 200_000 {
        for frame in page.inputs().split_off(next) {
            let Frame::Input { body, .. } = frame else { continue };
            let Some(Input::Paste { total: 200_000, part }) = opener.open(&view, &body) else { panic!() };
            pasted += part.len();
            next += 1;
        }
        page.frame(&Frame::Taken { channel: Channel(1), body: opener.seal_taken().into() });
    }
    assert_eq!(pasted, 200_000);
    page.give(Event::Paste { pane: PaneId::OWN, text: "a\nb".into(), bracketed: false });
    assert!(page.viewer.view().paste.is_some());
    let before = page.inputs().len();
    page.give(Event::AnswerPaste { typed: false });
    assert_eq!(page.inputs().len(), before);
}

#[test]
fn ends_are_told_apart() {
    let mut sharer = Sharer::new(16);
    let mut page = live(&mut sharer, 0);
    let reason = EndReason::Exited { code: Some(3), signal: None };
    let last = sharer.note(Note::Ended(reason.clone()));
    page.event(last);
    let word = sharer.attest(sharer.events.point());
    page.frame(&word);
    let end = End { epoch: sharer.header.epoch, point: sharer.events.point(), reason: reason.clone() };
    let message = RelayToViewer::SessionEnded {
        channel: Channel(1),
        reason: EndedBecause::Sharer,
        end: Some(end.sign(&sharer.owner)),
        final_number: 1,
        kept_ms: None,
    };
    page.control(&message);
    assert_eq!(page.viewer.view().state, State::Ended(reason));
    assert_eq!((page.text().as_str(), page.viewer.view().shown), ("\x1bcscreen ", Shown::Screen));

    let mut page = live(&mut Sharer::new(17), 0);
    page.control(&message);
    assert_eq!(page.viewer.view().state, State::ClosedByRelay(Closed::Relay), "somebody else's end");
}

#[test]
fn a_forged_snapshot_shows_nothing() {
    let mut sharer = Sharer::new(18);
    let mut page = Page::open(&sharer, 0);
    page.greet();
    page.joined(&sharer, false);
    let mut snapshot = sharer.snapshot("\x1bcA", None);
    let mut body = snapshot.screen[0].to_vec();
    body[30] ^= 1;
    snapshot.screen[0] = body.into();
    page.snapshot(&snapshot, Part::Screen);
    assert_eq!((page.text(), page.viewer.view().shown), (String::new(), Shown::Nothing));
    let good = sharer.snapshot("\x1bcA", None);
    page.snapshot(&good, Part::Screen);
    assert_eq!(page.text(), "\x1bcA");
}

proptest! {
    /// Any packets at any time: no panic, and nothing stands unsigned for more than five seconds.
    #[test]
    fn any_packets_are_survived(
        packets in proptest::collection::vec((0u8..14, proptest::collection::vec(any::<u8>(), 0..90), 0u64..3_000), 0..40)
    ) {
        let mut sharer = Sharer::new(20);
        let mut page = live(&mut sharer, 1);
        page.give(Event::StartTyping);
        for (kind, bytes, wait) in packets {
            let frame = [&[kind, 1][..], &bytes].concat();
            page.give(Event::Packet(Packet::Binary(frame.into())));
            page.give(Event::Packet(Packet::Text(String::from_utf8_lossy(&bytes).into_owned())));
            page.keys(&bytes);
            page.pass(wait);
            if !page.viewer.uplink.is_open() {
                page.greet();
            }
        }
    }

    /// Whatever a relay drops, doubles, or swaps: what is shown is a run of the sharer's own output.
    #[test]
    fn a_relay_can_only_withhold(order in proptest::collection::vec(0usize..24, 0..60), snapshot_at in 0usize..24) {
        let mut sharer = Sharer::new(21);
        let mut page = live(&mut sharer, 0);
        let mut whole = String::from("\x1bcscreen ");
        let mut events = Vec::new();
        let mut snapshot = None;
        for n in 0..24 {
            if n == snapshot_at {
                snapshot = Some(sharer.snapshot(&whole, None));
            }
            let text = format!("<{n}>");
            whole.push_str(&text);
            events.push(sharer.output(&text));
        }
        for n in order {
            if n == snapshot_at {
                page.snapshot(snapshot.as_ref().unwrap(), Part::Screen);
            }
            page.event(events[n].clone());
            prop_assert!(whole.starts_with(&page.text()), "{:?}", page.text());
        }
        // The control: an honest snapshot brings all of it.
        let last = sharer.snapshot(&whole, None);
        page.event(events[23].clone());
        page.snapshot(&last, Part::Screen);
        let seen = page.viewer.panes.own().epoch.as_ref().unwrap().seen().map(|point| point.number);
        prop_assert!(seen == Some(24) && page.text() == whole, "{seen:?} {:?}", page.text());
    }
}

#[test]
fn kinds_of_events_are_bound_by_the_seal() {
    let mut sharer = Sharer::new(22);
    let mut page = live(&mut sharer, 0);
    let mut event = sharer.output("x");
    event.kind = EventKind::Note;
    page.event(event);
    assert_eq!(page.viewer.view().state, State::Diverged(Divergence::Seal));
    drop(sharer.content.clone());
}
