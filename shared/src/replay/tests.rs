use std::fmt::Write as _;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::command::Told;
use crate::conversation::{Block, Change, Message, Role, What};
use crate::event::{Event as Happened, Note, WindowSize};
use crate::id::TaskId;
use crate::orchestration::status::TaskState;
use crate::orchestration::task::Task;
use crate::time::{Now, UnixMs};
use crate::viewer::{Control, Effect, Event, Selection, Shown, State, Status, View, speed_word};

const SIZE: WindowSize = WindowSize { cols: 80, rows: 24 };

/// A terminal that shows everything it was ever told.
fn shows(log: &mut String, event: &Happened) {
    match event {
        Happened::Output(bytes) => log.push_str(&String::from_utf8_lossy(bytes)),
        Happened::Note(Note::Resize(size)) => write!(log, "<{}x{}>", size.cols, size.rows).unwrap(),
        Happened::Note(Note::Command(Told::Started { number, .. })) => write!(log, "<{number}>").unwrap(),
        Happened::Note(_) | Happened::Unknown => {}
    }
}

/// A film and its pieces, as a server has them.
struct Shelf {
    film: Film,
    pieces: Vec<Vec<Vec<u8>>>,
    talks: Vec<Vec<u8>>,
}

impl Shelf {
    fn new(reels: Vec<(u64, u64, Vec<Timed>)>) -> Self {
        let mut shelf = Self {
            film: Film { began: UnixMs(1_000_000), length: 0, reels: Vec::new() },
            pieces: Vec::new(),
            talks: Vec::new(),
        };
        for (number, (start, end, events)) in reels.into_iter().enumerate() {
            let mut cutter = Cutter::new(start, SIZE);
            let mut said = Vec::new();
            let mut cuts = Vec::new();
            for (at, event) in events {
                if matches!(event, Happened::Note(Note::Agent(_))) {
                    cutter.stirs(at);
                    said.push((at, event));
                } else {
                    cuts.extend(cutter.push(at, event));
                }
            }
            let Done { cut, starts, commands, idle } = cutter.finish(end);
            cuts.push(cut);
            assert_eq!(cuts.iter().map(|cut| cut.at).collect::<Vec<_>>(), starts);
            let mut task =
                Task::new(TaskId(number.to_string()), None, &format!("task {number}"), UnixMs(start));
            let mut cards = vec![(start, task.clone())];
            task.enter(TaskState::Running, "", UnixMs(start));
            cards.push((start, task.clone()));
            task.enter(TaskState::Done, "", UnixMs(end));
            cards.push((end, task));
            shelf.film.length = shelf.film.length.max(end);
            let talk = Piece { window: SIZE, key: Vec::new(), events: said };
            shelf.film.reels.push(Reel {
                cards,
                cuts: starts,
                commands,
                idle,
                talks: !talk.events.is_empty(),
                cut: false,
            });
            shelf.talks.push(talk.encode());
            let mut log = String::new();
            let mut pieces = Vec::new();
            for cut in cuts {
                pieces.push(
                    Piece { window: cut.window, key: log.clone().into_bytes(), events: cut.events.clone() }
                        .encode(),
                );
                cut.events.iter().for_each(|(_, event)| shows(&mut log, event));
            }
            shelf.pieces.push(pieces);
        }
        shelf
    }

    fn get(&self, ask: Ask) -> Option<Vec<u8>> {
        assert_eq!(Ask::parse(&ask.name()), Some(ask));
        match ask {
            Ask::Film => Some(self.film.encode()),
            Ask::Piece(reel, piece) => self.pieces.get(reel)?.get(piece).cloned(),
            Ask::Talk(reel) => self.talks.get(reel).cloned(),
        }
    }
}

/// A player with a terminal and a server.
struct Seat<'a> {
    shelf: &'a Shelf,
    player: Player,
    now: u64,
    log: String,
    /// What the server has not answered yet.
    asked: Vec<Ask>,
    /// Bytes of the largest answer to one event.
    most: usize,
}

impl<'a> Seat<'a> {
    fn new(shelf: &'a Shelf) -> Self {
        let mut player = Player::new(Now::new(0, 0), false);
        let effects = player.start();
        let mut seat = Self { shelf, player, now: 0, log: String::new(), asked: Vec::new(), most: 0 };
        seat.run(effects);
        seat.answer();
        seat
    }

    fn run(&mut self, effects: Vec<Effect>) {
        let mut bytes_written = 0;
        let mut parsed = None;
        for effect in effects {
            match effect {
                Effect::Fetch(ask) => self.asked.push(ask),
                Effect::Rebuild { ticket, bytes, .. } => {
                    self.log = String::from_utf8(bytes).unwrap();
                    parsed = Some(ticket);
                }
                Effect::Write { ticket, bytes, .. } => {
                    bytes_written += bytes.len();
                    shows(&mut self.log, &Happened::Output(bytes));
                    parsed = Some(ticket);
                }
                Effect::Resize { window, .. } => shows(&mut self.log, &Happened::Note(Note::Resize(window))),
                Effect::Mark { command, .. } => {
                    shows(
                        &mut self.log,
                        &Happened::Note(Note::Command(Told::Started { number: command, directory: None })),
                    );
                }
                other @ (Effect::Connect { .. }
                | Effect::Close
                | Effect::Send(_)
                | Effect::Skip { .. }
                | Effect::Wipe { .. }
                | Effect::Drop { .. }
                | Effect::KeepSecret { .. }) => panic!("a film has no {other:?}"),
            }
        }
        self.most = self.most.max(bytes_written);
        if let Some(ticket) = parsed {
            self.give(Event::Parsed { pane: crate::viewer::PaneId::OWN, ticket });
        }
    }

    fn give(&mut self, event: Event) {
        let effects = self.player.update(Now::new(self.now, 0), event);
        self.run(effects);
    }

    fn answer(&mut self) {
        while !self.asked.is_empty() {
            let ask = self.asked.remove(0);
            let bytes = self.shelf.get(ask);
            self.give(Event::Fetched { ask, bytes });
        }
    }

    fn control(&mut self, control: Control) {
        self.give(Event::Control(control));
        self.answer();
    }

    /// Lets time pass, as the machine asks for it.
    fn wait(&mut self, ms: u64) {
        let until = self.now + ms;
        while self.now < until {
            let next = self.player.poll_timeout().map_or(until, |(at, _)| at.0.max(self.now + 1));
            self.now = next.min(until);
            self.give(Event::Timeout);
            self.answer();
        }
    }

    fn view(&self) -> View {
        self.player.view()
    }

    fn at(&self) -> u64 {
        self.view().timeline.unwrap().at
    }

    /// What the selected reel shows at this moment when it is played straight.
    fn straight(&self, reel: usize) -> String {
        let mut log = String::new();
        for piece in &self.shelf.pieces[reel] {
            let piece = Piece::decode(piece).unwrap();
            piece
                .events
                .iter()
                .filter(|(at, _)| *at <= self.at())
                .for_each(|(_, event)| shows(&mut log, event));
        }
        log
    }
}

fn out(text: &str) -> Happened {
    Happened::Output(text.as_bytes().to_vec())
}

fn started(number: u64) -> Happened {
    Happened::Note(Note::Command(Told::Started { number, directory: None }))
}

fn finished(number: u64, exit: i32) -> Happened {
    Happened::Note(Note::Command(Told::Finished { number, exit: Some(exit), ms: 1 }))
}

fn said(revision: u64, text: &str) -> Happened {
    let at = u32::try_from(revision).unwrap();
    let message = Message { role: Role::Agent, text: text.to_owned(), continues: false };
    Happened::Note(Note::Agent(Change { revision, what: What::Set(at, Block::Message(message)) }))
}

fn two() -> Shelf {
    let own = vec![
        (100, out("one ")),
        (200, started(1)),
        (200, said(1, "hello")),
        (300, out("two ")),
        (30_000, finished(1, 2)),
        (30_000, started(2)),
        (30_100, out("three ")),
        (59_000, said(2, "bye")),
    ];
    let child = vec![
        (20_000, out("child ")),
        (40_000, Happened::Note(Note::Resize(WindowSize { cols: 90, rows: 30 }))),
    ];
    Shelf::new(vec![(0, 60_000, own), (20_000, 50_000, child)])
}

#[test]
fn a_film_plays_pauses_and_ends() {
    let shelf = two();
    let mut seat = Seat::new(&shelf);
    assert_eq!((seat.view().state, seat.view().shown), (State::Recorded, Shown::Screen));
    assert_eq!(seat.player.poll_timeout(), None, "who stands still needs no clock");
    seat.control(Control::Play(true));
    seat.wait(250);
    assert_eq!((seat.log.as_str(), seat.at()), ("one <1>", 250));
    seat.control(Control::Play(false));
    seat.wait(10_000);
    assert_eq!(seat.at(), 250);
    seat.control(Control::Play(true));
    seat.control(Control::Faster(true));
    seat.control(Control::Faster(true));
    assert_eq!(speed_word(seat.view().timeline.unwrap().speed), "2×");
    seat.wait(1_000);
    assert_eq!((seat.at(), seat.log.as_str()), (2_250, "one <1>two "));
    seat.wait(40_000);
    let line = seat.view().timeline.unwrap();
    assert_eq!((line.at, line.playing), (60_000, false));
    assert_eq!(seat.log, "one <1>two <2>three ");
    assert_eq!(seat.view().transcript.blocks, 2);
    assert_eq!(seat.player.poll_timeout(), None);
    seat.control(Control::Play(true));
    assert_eq!(seat.at(), 0, "from the beginning");
    assert_eq!(
        (seat.log.as_str(), seat.view().transcript.blocks, seat.view().commands.is_empty()),
        ("", 0, true)
    );
}

#[test]
fn time_in_which_nothing_happens_is_left_out() {
    let shelf = two();
    let mut seat = Seat::new(&shelf);
    seat.control(Control::Skip(true));
    seat.control(Control::Play(true));
    // Until a second after the last output, then on where the next command begins.
    seat.wait(1_400);
    assert_eq!(seat.at(), 30_100);
    assert_eq!(seat.log, "one <1>two <2>three ");
    seat.wait(2_100);
    assert_eq!(seat.at(), 60_000);
    assert!(seat.now < 5_000);
    let idle = seat.view().timeline.unwrap().idle;
    assert_eq!(*idle, [(1_300, 30_000), (31_100, 59_000)]);
}

#[test]
fn commands_are_gone_to_and_known_as_of_the_moment() {
    let shelf = two();
    let mut seat = Seat::new(&shelf);
    seat.control(Control::Command { back: false });
    assert_eq!((seat.at(), seat.log.as_str()), (200, "one <1>"));
    assert_eq!(seat.view().commands.get(1).unwrap().says(), "running");
    seat.control(Control::Command { back: false });
    assert_eq!((seat.at(), seat.log.as_str()), (30_000, "one <1>two <2>"));
    assert_eq!(seat.view().commands.get(1).unwrap().says(), "status 2 after 1 ms");
    seat.control(Control::Command { back: false });
    assert_eq!(seat.at(), 30_000, "there is none");
    let jumps = seat.view().timeline.unwrap().jumps;
    assert_eq!(
        jumps.iter().map(|jump| (jump.at, jump.failed)).collect::<Vec<_>>(),
        [(200, true), (30_000, false)]
    );
    seat.control(Control::Command { back: true });
    assert_eq!((seat.at(), seat.log.as_str()), (200, "one <1>"));
    assert_eq!(seat.view().transcript.blocks, 1);
}

#[test]
fn pills_are_all_there_and_stand_as_they_did() {
    let shelf = two();
    let mut seat = Seat::new(&shelf);
    let pills =
        |seat: &Seat<'_>| seat.view().bar.unwrap().pills.iter().map(|pill| pill.status).collect::<Vec<_>>();
    seat.control(Control::Seek(10_000));
    assert_eq!(pills(&seat), [Status::Running, Status::Starting]);
    seat.give(Event::Select(Selection::Child(TaskId("1".into()))));
    seat.answer();
    assert_eq!(seat.view().state.word(), "Not started");
    assert_eq!((seat.view().shown, seat.at()), (Shown::Nothing, 10_000), "the clock is everybody's");
    seat.control(Control::Seek(45_000));
    assert_eq!(
        (seat.log.as_str(), seat.view().window),
        ("child <90x30>", Some(WindowSize { cols: 90, rows: 30 }))
    );
    assert_eq!(seat.view().title.as_deref(), Some("task 1"));
    assert_eq!(seat.view().transcript.blocks, 0, "what was said elsewhere stays there");
    seat.control(Control::Seek(55_000));
    assert_eq!(
        (seat.log.as_str(), seat.view().shown),
        ("child <90x30>", Shown::Screen),
        "its last screen stays"
    );
    assert_eq!(pills(&seat), [Status::Running, Status::Done]);
    seat.give(Event::Select(Selection::Own));
    seat.answer();
    assert_eq!((seat.log.as_str(), seat.view().transcript.blocks), ("one <1>two <2>three ", 1));
}

#[test]
fn what_does_not_come_is_said_and_asked_for_again() {
    let shelf = two();
    let mut player = Player::new(Now::new(0, 0), false);
    assert_eq!(player.start(), [Effect::Fetch(Ask::Film)]);
    let lost = |ask| Event::Fetched { ask, bytes: None };
    assert_eq!(player.update(Now::default(), lost(Ask::Film)), []);
    assert!(player.view().state.is_final());
    assert_eq!(player.update(Now::default(), Event::Retry), [Effect::Fetch(Ask::Film)]);
    let film = Event::Fetched { ask: Ask::Film, bytes: shelf.get(Ask::Film) };
    let asked = player.update(Now::default(), film);
    assert_eq!(asked, [Effect::Fetch(Ask::Talk(0)), Effect::Fetch(Ask::Piece(0, 0))]);
    // Nobody is asked again and again for what does not come, whatever else happens; when the person goes on, once.
    assert_eq!(player.update(Now::default(), lost(Ask::Piece(0, 0))), []);
    assert!(player.view().notice.is_some());
    assert_eq!(player.update(Now::new(5_000, 5_000), Event::Timeout), []);
    for again in [Control::Seek(300), Control::Play(true)] {
        let asked = player.update(Now::new(6_000, 6_000), Event::Control(again));
        assert!(asked.contains(&Effect::Fetch(Ask::Piece(0, 0))), "{asked:?}");
        assert_eq!(player.update(Now::new(7_000, 7_000), lost(Ask::Piece(0, 0))), []);
    }
}

#[test]
fn hostile_sizes_make_few_keyframes_and_little_work() {
    let size = |cols, rows| Happened::Note(Note::Resize(WindowSize { cols, rows }));
    // Keyframes of the largest terminal weigh megabytes: what lies between two does, too.
    let mut cutter = Cutter::new(0, WindowSize { cols: 1_000, rows: 500 });
    let cuts = (0..100_000).filter(|at| cutter.push(*at, out("a")).is_some()).count();
    assert!((1..=3).contains(&cuts), "{cuts}");
    // Each size is work for a terminal, so that few are in one piece.
    let mut cutter = Cutter::new(0, SIZE);
    let mut pieces = Vec::new();
    for at in 0..4_000 {
        pieces.extend(cutter.push(at, if at % 2 == 0 { size(1_000, 500) } else { size(2, 2) }));
    }
    assert!(pieces.len() > 20 && pieces.iter().all(|cut| cut.events.len() < 150), "{}", pieces.len());
}

#[test]
fn a_head_that_is_too_large_leaves_out_what_was_last() {
    let mut film = two().film;
    let words = |number: u64| Told::Started { number, directory: Some("y".repeat(4_000)) };
    for reel in &mut film.reels {
        reel.commands = (0..6_000).map(|number| (number, words(number))).collect();
    }
    assert_eq!(Film::decode(&film.encode()), None, "the control");
    film.fit();
    let read = Film::decode(&film.encode()).unwrap();
    assert!(read.reels.iter().all(|reel| reel.commands.len() > 1_000 && !reel.cards.is_empty()));
}

proptest! {
    #[test]
    fn pieces_read_back_and_any_bytes_do_no_harm(at in 0u64..1 << 40, text in ".{0,300}", bytes in vec(any::<u8>(), 0..200)) {
        let piece = Piece { window: SIZE, key: text.clone().into_bytes(), events: vec![(at, out(&text)), (at, started(3)), (at + 1, said(1, &text))] };
        prop_assert_eq!(Piece::decode(&piece.encode()), Some(piece));
        drop(Piece::decode(&bytes));
        drop(Film::decode(&bytes));
        prop_assert_eq!(Ask::parse(&String::from_utf8_lossy(&bytes)), None);
    }

    /// The screen at a moment is the same after any history of going about, playing and looking elsewhere.
    #[test]
    fn a_moment_is_what_it_is_however_one_came_there(
        events in vec((0u64..3_000, 0usize..4, 0usize..60_000), 1..40),
        steps in vec((0u8..7, 0u64..70_000), 1..30),
    ) {
        let mut at = 0;
        let mut number = 0;
        let mut reel = Vec::new();
        for (pause, kind, size) in events {
            at += pause;
            reel.push((at, match kind {
                0 => Happened::Note(Note::Resize(WindowSize { cols: 20 + u16::try_from(size % 90).unwrap(), rows: 24 })),
                1 => { number += 1; started(number) }
                2 => said(u64::try_from(reel.len()).unwrap() + 1_000, "x"),
                _ => out(&format!("[{at}]").repeat(size / 8)),
            }));
        }
        let mut revision = 0;
        for (_, event) in &mut reel {
            if let Happened::Note(Note::Agent(_)) = event {
                revision += 1;
                *event = said(revision, "x");
            }
        }
        let child = vec![(at / 2, out("child"))];
        let shelf = Shelf::new(vec![(0, at + 10, reel.clone()), (at / 2, at, child)]);
        let mut seat = Seat::new(&shelf);
        for (step, number) in steps {
            match step {
                0 => seat.control(Control::Seek(number)),
                1 => seat.control(Control::Play(number % 2 == 0)),
                2 => seat.wait(number / 8),
                3 => seat.control(Control::Command { back: number % 2 == 0 }),
                4 => {
                    let child = if number % 2 == 0 { Selection::Own } else { Selection::Child(TaskId("1".into())) };
                    seat.give(Event::Select(child));
                    seat.answer();
                }
                5 => seat.control(Control::Faster(number % 2 == 0)),
                _ => seat.control(Control::Skip(number % 2 == 0)),
            }
            let own = seat.view().bar.unwrap().pills[0].selected;
            if own {
                prop_assert_eq!(&seat.log, &seat.straight(0));
                let heard = reel.iter().filter(|(when, event)| *when <= seat.at() && matches!(event, Happened::Note(Note::Agent(_)))).count();
                prop_assert_eq!(seat.view().transcript.blocks, heard);
            } else if seat.view().shown == Shown::Screen {
                prop_assert_eq!(&seat.log, &seat.straight(1));
            }
        }
        // Whatever was asked, no more than a few pieces were written for it.
        prop_assert!(seat.most < 2 * 1024 * 1024, "{}", seat.most);
    }
}
