use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use shared::conversation::{Block, Change, Message, Role, What};
use shared::event::WindowSize;
use shared::id::TaskId;
use shared::orchestration::status::TaskState;
use shared::orchestration::task::Task;
use shared::recording::{CastWriter, Entry, Exit, Header, Line, Session};
use shared::replay::{Ask, Piece, Player};
use shared::time::{Now, UnixMs};
use shared::viewer::{Control, Effect, Event, PaneId, Selection, Shown, Status};

use super::cutting::{Cutting, cut};
use super::footage::{Footage, Kept};
use super::lab::develop;
use crate::term::Terminal;

const SIZE: WindowSize = WindowSize { cols: 40, rows: 10 };
const START: u64 = 1_700_000_000_000;

/// What a terminal was told: bytes, or a size.
#[derive(Debug, Clone)]
enum Step {
    Bytes(Vec<u8>),
    Size(WindowSize),
}

fn session(task: &str, parent: Option<&str>, start: u64, end: u64) -> Session {
    let root = TaskId("root".into());
    let mut session = Session::new(TaskId(task.into()), root, UnixMs(START + start), SIZE);
    session.parent = parent.map(|parent| TaskId(parent.into()));
    session.name = task.into();
    session.ended = Some(UnixMs(START + end));
    session.exit = Some(Exit { code: Some(0), signal: None });
    session
}

fn footage(session: Session, steps: &[(u64, Step)], lines: &[Line]) -> Footage {
    let mut cast = Vec::new();
    let mut writer = CastWriter::begin(&Header { size: Some(session.size), ..Header::default() }, &mut cast);
    for (at, step) in steps {
        match step {
            Step::Bytes(bytes) => writer.output(*at, bytes, &mut cast),
            Step::Size(size) => writer.resize(*at, *size, &mut cast),
        }
    }
    let mut transcript = Vec::new();
    for line in lines {
        line.write(&mut transcript);
    }
    Footage { session, cast: Kept::Here(cast.into()), transcript: Kept::Here(transcript.into()) }
}

fn change(at: u64, revision: u64, text: &str) -> Line {
    let block = Block::Message(Message { role: Role::Agent, text: text.into(), continues: false });
    Line {
        at,
        entry: Entry::Change(Change { revision, what: What::Set(u32::try_from(revision).unwrap(), block) }),
    }
}

/// A player with the terminal model for its terminal.
struct Seat {
    parts: BTreeMap<String, Bytes>,
    player: Player,
    terminal: Terminal,
    now: u64,
}

impl Seat {
    fn new(cutting: &Cutting) -> Self {
        let mut parts = BTreeMap::new();
        parts.insert(Ask::Film.name(), cutting.film.encode().into());
        for (reel, one) in cutting.footage.iter().enumerate() {
            if let Some(talk) = &cutting.talks[reel] {
                parts.insert(Ask::Talk(reel).name(), talk.clone().into());
            }
            let mut place = 0;
            if let Some((one, offset)) = one {
                develop(one, *offset, |piece| {
                    parts.insert(Ask::Piece(reel, place).name(), piece.into());
                    place += 1;
                    Ok(())
                })
                .unwrap();
                let cuts = cutting.film.reels[reel].cuts.len();
                assert!(place == cuts || cuts == 0, "both passes cut at the same places");
            }
        }
        let mut player = Player::new(Now::default(), false);
        let effects = player.start();
        let mut seat = Self { parts, player, terminal: Terminal::new(SIZE, 100), now: 0 };
        seat.run(effects);
        seat
    }

    fn give(&mut self, event: Event) {
        let effects = self.player.update(Now::new(self.now, 0), event);
        self.run(effects);
    }

    fn control(&mut self, control: Control) {
        self.give(Event::Control(control));
    }

    fn run(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Fetch(ask) => {
                    let bytes = self.parts.get(&ask.name()).map(|bytes| bytes.to_vec());
                    self.give(Event::Fetched { ask, bytes });
                }
                Effect::Rebuild { ticket, window, bytes, .. } => {
                    self.terminal = Terminal::new(window, 100);
                    self.terminal.rebuild(&bytes);
                    self.give(Event::Parsed { pane: PaneId::OWN, ticket });
                }
                Effect::Write { ticket, bytes, .. } => {
                    self.terminal.feed(&bytes);
                    self.give(Event::Parsed { pane: PaneId::OWN, ticket });
                }
                Effect::Resize { window, .. } => self.terminal.resize(window),
                Effect::Mark { .. } => {}
                other @ (Effect::Connect { .. }
                | Effect::Close
                | Effect::Send(_)
                | Effect::Skip { .. }
                | Effect::Wipe { .. }
                | Effect::Drop { .. }
                | Effect::KeepSecret { .. }) => panic!("{other:?}"),
            }
        }
    }
}

fn out(text: &str) -> Step {
    Step::Bytes(text.as_bytes().to_vec())
}

#[test]
fn a_film_has_every_session_on_one_clock() {
    let mut child =
        Task::new(TaskId("child".into()), Some(TaskId("root".into())), "builder", UnixMs(START + 900));
    child.session = Some(shared::id::SessionId([7; 16]));
    let mut far =
        Task::new(TaskId("far".into()), Some(TaskId("root".into())), "elsewhere", UnixMs(START + 950));
    let mut lines = vec![change(100, 1, "hello")];
    let mut tell = |at: u64, task: &Task| lines.push(Line { at, entry: Entry::Task(Box::new(task.clone())) });
    tell(900, &child);
    tell(950, &far);
    child.enter(TaskState::Running, "", UnixMs(START + 1_000));
    tell(1_000, &child);
    child.enter(TaskState::Blocked, "a question", UnixMs(START + 1_500));
    tell(1_500, &child);
    far.enter(TaskState::Error, "no such machine", UnixMs(START + 1_600));
    tell(1_600, &far);
    let root = footage(
        session("root", None, 0, 9_000),
        &[
            (10, out("\x1b]133;A\x07$ ls\r\n\x1b]133;C\x07a b\r\n")),
            (400, out("\x1b]133;D;3\x07$ ")),
            (5_000, Step::Size(WindowSize { cols: 50, rows: 12 })),
        ],
        &lines,
    );
    let one = footage(
        session("child", Some("root"), 1_000, 4_000),
        &[(200, out("from the child"))],
        &[change(10, 1, "mine")],
    );
    let cutting = cut(vec![root, one]).unwrap();
    assert_eq!((cutting.film.began, cutting.film.length), (UnixMs(START), 9_000));
    let mut seat = Seat::new(&cutting);
    let jumps = seat.player.view().timeline.unwrap().jumps;
    assert_eq!(jumps.iter().map(|jump| (jump.at, jump.failed)).collect::<Vec<_>>(), [(10, true)]);
    let pills = |seat: &Seat| {
        let bar = seat.player.view().bar.unwrap();
        bar.pills.iter().map(|pill| (pill.name.clone(), pill.status)).collect::<Vec<_>>()
    };
    seat.control(Control::Seek(1_550));
    let expected = [("root", Status::Blocked), ("builder", Status::Blocked), ("elsewhere", Status::Starting)];
    assert_eq!(pills(&seat), expected.map(|(name, status)| (name.to_owned(), status)));
    assert_eq!(seat.terminal.text().trim_end(), "$ ls\na b\n$");
    seat.give(Event::Select(Selection::Child(TaskId("child".into()))));
    assert_eq!(seat.terminal.text().trim_end(), "from the child");
    assert_eq!(seat.player.view().transcript.blocks, 1);
    seat.give(Event::Select(Selection::Child(TaskId("far".into()))));
    assert_eq!(seat.player.view().shown, Shown::Nothing);
    seat.control(Control::Seek(9_000));
    assert_eq!(
        seat.player.view().state.sentence().unwrap(),
        "There is nothing to see of this agent: no such machine"
    );
    seat.give(Event::Select(Selection::Own));
    assert_eq!(seat.terminal.size(), WindowSize { cols: 50, rows: 12 });
    assert_eq!(pills(&seat)[1].1, Status::Done, "the end that nobody told is the recording's");
}

#[test]
fn a_long_transcript_is_folded_and_says_the_same() {
    let text = "x".repeat(20_000);
    let lines: Vec<Line> =
        (1..=1_200).map(|revision| change(revision, revision, &format!("{revision} {text}"))).collect();
    let cutting = cut(vec![footage(session("root", None, 0, 2_000), &[(1, out("x"))], &lines)]).unwrap();
    let talk = Piece::decode(cutting.talks[0].as_ref().unwrap()).unwrap();
    assert!(talk.events.iter().zip(1..).all(|((_, event), number)| matches!(event,
        shared::event::Event::Note(shared::event::Note::Agent(change)) if change.revision == number)));
    let mut seat = Seat::new(&cutting);
    seat.control(Control::Seek(2_000));
    assert_eq!(seat.player.transcript().len(), 1_200);
    let (_, _, Block::Message(last)) = seat.player.transcript().blocks().last().unwrap() else { panic!() };
    assert!(last.text.starts_with("1200 "));
}

#[test]
fn broken_files_are_played_as_far_as_they_go() {
    let deep = vec![b'{'; 3_000_000];
    let broken: [&[u8]; 4] = [b"", b"\xff\xfe\n{}\n", b"[1]\n[2]", &deep];
    for bytes in broken {
        let kept = || Kept::Here(Bytes::copy_from_slice(bytes));
        let one = Footage { session: session("root", None, 0, 10), cast: kept(), transcript: kept() };
        let cutting = cut(vec![one]).unwrap();
        let seat = Seat::new(&cutting);
        assert_eq!(seat.player.view().shown, Shown::Screen, "an empty one");
    }
    let mut good = Vec::new();
    CastWriter::begin(&Header::default(), &mut good).output(5, b"good", &mut good);
    good.extend_from_slice(b"[0.1, \"o\", \"torn");
    let one = Footage {
        session: session("root", None, 0, 10),
        cast: Kept::Here(good.into()),
        transcript: Kept::Nothing,
    };
    let mut seat = Seat::new(&cut(vec![one]).unwrap());
    seat.control(Control::Seek(10));
    assert_eq!(seat.terminal.text().trim_end(), "good");
}

fn step() -> impl Strategy<Value = Step> {
    let piece = prop_oneof![
        "[a-z ]{0,60}".prop_map(String::into_bytes),
        "\\PC{0,10}".prop_map(String::into_bytes),
        Just(b"\r\n\n\n\n".to_vec()),
        Just(b"\x1b[31m\x1b[2;3H\x1b[K".to_vec()),
        Just(b"\x1b[?1049h".to_vec()),
        Just(b"\x1b[?1049l".to_vec()),
        Just(b"\x1b[2J\x1b[H".to_vec()),
        Just(b"\x1b]133;C\x07".to_vec()),
        Just(b"\x1b]133;D;1\x07".to_vec()),
        Just(b"\x1b[3;8r\x1b[8;1H\n\x1b[r".to_vec()),
        Just(b"\x1b[".to_vec()),
        // Enough for pieces.
        (1usize..4_000).prop_map(|count| "line of text\r\n".repeat(count).into_bytes()),
    ];
    prop_oneof![
        8 => vec(piece, 0..6).prop_map(|pieces| Step::Bytes(pieces.concat())),
        1 => (2u16..90, 2u16..30).prop_map(|(cols, rows)| Step::Size(WindowSize { cols, rows })),
    ]
}

/// A dump but for where commands were typed: who plays straight here marks none.
fn without_marks(dump: &[u8]) -> String {
    let text = String::from_utf8_lossy(dump);
    let mut parts = text.split("\x1b]133;C;n=");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| {
        all + part.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches('\x07')
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// The screen after any history of going about is the screen of playing straight to that moment.
    #[test]
    fn the_screen_of_a_moment_is_that_of_playing_straight_to_it(
        steps in vec((0u64..2_000, step()), 1..30),
        seeks in vec((0u64..40_000, any::<bool>()), 1..8),
    ) {
        let mut at = 0;
        let steps: Vec<(u64, Step)> = steps.into_iter().map(|(pause, step)| { at += pause; (at, step) }).collect();
        let one = footage(session("root", None, 0, at), &steps, &[]);
        let events = { let mut all = Vec::new(); one.events(|at, event| all.push((at, event))).unwrap(); all };
        let cutting = cut(vec![one]).unwrap();
        let mut seat = Seat::new(&cutting);
        for (to, plays) in seeks {
            if plays {
                seat.control(Control::Play(true));
                seat.now += to / 10;
                seat.give(Event::Timeout);
            } else {
                seat.control(Control::Seek(to));
            }
            let here = seat.player.view().timeline.unwrap().at;
            let mut straight = Terminal::new(SIZE, 100);
            for (_, event) in events.iter().filter(|(at, _)| *at <= here) {
                match event {
                    shared::event::Event::Output(bytes) => straight.feed(bytes),
                    shared::event::Event::Note(shared::event::Note::Resize(size)) => straight.resize(*size),
                    shared::event::Event::Note(_) | shared::event::Event::Unknown => {}
                }
            }
            prop_assert_eq!(seat.terminal.text(), straight.text());
            let (seen, wanted) = (seat.terminal.screen(), straight.screen());
            prop_assert_eq!(without_marks(&seen), without_marks(&wanted));
        }
    }
}
