use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::command::Told;
use crate::conversation::{Change, What};
use crate::event::WindowSize;
use crate::id::SessionId;
use crate::orchestration::task::Task;
use crate::time::UnixMs;

const SIZE: WindowSize = WindowSize { cols: 80, rows: 24 };

fn id(text: &str) -> TaskId {
    TaskId(text.to_owned())
}

fn header() -> Header {
    Header {
        size: Some(SIZE),
        term: Some("xterm-256color".into()),
        timestamp: Some(1_700_000_000),
        title: Some("a \"title\"".into()),
        command: Some("make test".into()),
        idle_limit: None,
    }
}

/// All that a file's good lines hold, and how many were none.
fn read(file: &[u8]) -> (Option<Header>, Vec<Event>, usize) {
    let (mut reader, mut header, mut events, mut bad) = (CastReader::new(), None, Vec::new(), 0);
    for line in file.split_inclusive(|byte| *byte == b'\n') {
        match reader.line(line) {
            Ok(CastLine::Header(read)) => header = Some(read),
            Ok(CastLine::Event(event)) => events.push(event),
            Ok(CastLine::Nothing) => {}
            Err(_) => bad += 1,
        }
    }
    (header, events, bad)
}

/// The output of all events, joined.
fn shown(events: &[Event]) -> String {
    let output = events.iter().filter_map(|event| match &event.kind {
        Kind::Output(text) => Some(text.as_str()),
        Kind::Input(_) | Kind::Marker(_) | Kind::Resize(_) | Kind::Exit(_) => None,
    });
    output.collect()
}

#[test]
fn a_cast_is_what_the_format_says() {
    let mut out = Vec::new();
    let mut writer = CastWriter::begin(&header(), &mut out);
    writer.output(248, b"\x1b[1mHello\x07 \"\\\"\r\n\t\x7f", &mut out);
    CastWriter::comment("two\nlines", &mut out);
    writer.marker(1_249, "here", &mut out);
    writer.resize(1_249, WindowSize { cols: 90, rows: 30 }, &mut out);
    writer.exit(3_000, 130, &mut out);
    let text = String::from_utf8(out).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines,
        [
            r#"{"version":3,"term":{"cols":80,"rows":24,"type":"xterm-256color"},"timestamp":1700000000,"command":"make test","title":"a \"title\""}"#,
            r#"[0.248, "o", "\u001b[1mHello\u0007 \"\\\"\r\n\t\u007f"]"#,
            "# two lines",
            r#"[1.001, "m", "here"]"#,
            r#"[0.000, "r", "90x30"]"#,
            r#"[1.751, "x", "130"]"#,
        ]
    );
}

#[test]
fn the_format_s_own_example_is_read() {
    let file = br#"{"version": 3, "term": {"cols": 80, "rows": 24, "type": "xterm-256color", "theme": {"fg": "x"}}, "timestamp": 1504467315, "title": "Demo", "env": {"SHELL": "/bin/zsh"}, "idle_time_limit": 2.5}
# event stream follows the header
[0.248, "o", "\u001b[1;31mHello\n"]

[1.001, "i", "x"]
[3.500, "m", ""]
[1, "z", "of a later version"]
[2.050, "r", "90x30"]
[0.887, "x", "0"]
[0.1, "o", "to"#;
    let (header, events, bad) = read(file);
    let header = header.unwrap();
    assert_eq!((header.window(), header.idle_limit), (SIZE, Some(2_500)));
    assert_eq!(bad, 1, "the torn last line");
    let at: Vec<u64> = events.iter().map(|event| event.at).collect();
    assert_eq!(at, [248, 1_249, 4_749, 7_799, 8_686]);
    assert_eq!(events[1].kind, Kind::Input("x".into()));
    assert_eq!(events[3].kind, Kind::Resize(WindowSize { cols: 90, rows: 30 }));
    assert_eq!(events[4].kind, Kind::Exit(0));
}

#[test]
fn pauses_do_not_drift() {
    let (mut out, mut reader) = (Vec::new(), CastReader::new());
    let mut writer = CastWriter::begin(&header(), &mut out);
    for at in (0..10_000).map(|step| step * 333) {
        writer.output(at, b"x", &mut out);
    }
    let mut last = 0;
    for line in out.split_inclusive(|byte| *byte == b'\n') {
        if let Ok(CastLine::Event(event)) = reader.line(line) {
            last = event.at;
        }
    }
    assert_eq!(last, 9_999 * 333);
}

#[test]
fn what_is_no_cast_is_refused_by_its_name() {
    let first = |line: &[u8]| CastReader::new().line(line).unwrap_err();
    assert_eq!(first(br#"{"version": 2, "width": 80, "height": 24}"#), CastError::Version(2));
    for none in [&b""[..], b"[]", b"{}", b"\0", br#"{"version":3}"#, br#"{"version":3,"term":{"cols":80}}"#] {
        assert_eq!(first(none), CastError::NoHeader);
    }
    assert_eq!(first(&vec![b'{'; MAX_CAST_LINE + 1]), CastError::TooLong);
    assert_eq!(first(&vec![b'['; MAX_CAST_LINE]), CastError::NoHeader, "deep JSON");
    let mut reader = CastReader::new();
    reader.line(br#"{"version":3,"term":{"cols":80,"rows":24}}"#).unwrap();
    for none in
        [&b"[1]"[..], br#"[-1,"o",""]"#, br#"["1","o",""]"#, br#"[1,"r","80"]"#, br#"[1,"x","bad"]"#, b"{}"]
    {
        assert_eq!(reader.line(none), Err(CastError::NoEvent));
    }
    let far = reader.line(br#"[1e300,"o","x"]"#).unwrap();
    assert!(matches!(far, CastLine::Event(Event { at, .. }) if at < 400_000_000_000), "{far:?}");
    let huge = reader.line(br#"[0,"r","65535x1"]"#).unwrap();
    assert!(
        matches!(huge, CastLine::Event(Event { kind: Kind::Resize(size), .. }) if size == size.clamped())
    );
}

#[test]
fn a_task_s_directory_leads_nowhere_else() {
    assert_eq!(folder(&id("0a1b-2c3d")), "0a1b-2c3d");
    for bad in ["", ".", "..", "../x", "a/b", "-rf", "_x", "ü", "a b", &"x".repeat(65)] {
        let name = folder(&id(bad));
        assert!(name.starts_with('_') && name.len() == 33, "{bad} {name}");
        assert!(name.bytes().all(|byte| byte == b'_' || byte.is_ascii_hexdigit()));
    }
    assert_ne!(folder(&id("../a")), folder(&id("../b")));
}

#[test]
fn a_session_reads_back_and_misses_nothing_of_a_later_version() {
    let mut session = Session::new(id("task"), id("root"), UnixMs(5), SIZE);
    assert_eq!(Session::parse(&session.to_json()), Some(session.clone()));
    session.parent = Some(id("root"));
    session.session = Some(SessionId([7; 16]));
    session.agent = Some("claude".into());
    session.agent_session = Some("abc".into());
    session.ended = Some(UnixMs(9));
    session.exit = Some(Exit { code: Some(-1), signal: Some("KILL".into()) });
    session.cut(Cut { at: 1, what: Missing::Terminal, count: 2, why: Why::Size });
    assert_eq!(Session::parse(&session.to_json()), Some(session));
    let later = br#"{"version":2,"task_id":"t","root_task_id":"t","started":1,"size":{"cols":9999,"rows":0},
        "colour":"red","cuts":[{"at":1,"what":"smell","count":1,"why":"moon"}]}"#;
    let read = Session::parse(later).unwrap();
    assert_eq!(read.size, read.size.clamped());
    assert_eq!((read.cuts[0].what, read.cuts[0].why), (Missing::Unknown, Why::Unknown));
    let no_id = br#"{"version":1,"task_id":"","root_task_id":"t","started":1,"size":{"cols":9,"rows":9}}"#;
    assert_eq!(Session::parse(no_id), None);
    assert_eq!(Session::parse(&vec![b' '; MAX_SESSION + 1]), None);
}

#[test]
fn cuts_are_counted_and_bounded() {
    let mut session = Session::new(id("t"), id("t"), UnixMs(5), SIZE);
    for at in 0..1_000 {
        session.cut(Cut { at, what: Missing::Terminal, count: 1, why: Why::Size });
        session.cut(Cut { at, what: Missing::Transcript, count: 1, why: Why::Size });
    }
    assert_eq!(session.cuts.len(), 2, "what is left out for good is one cut");
    assert_eq!(session.cuts[0], Cut { at: 0, what: Missing::Terminal, count: 1_000, why: Why::Size });
    for at in 0..1_000 {
        session.cut(Cut { at, what: Missing::Terminal, count: 1, why: Why::Slow });
    }
    assert_eq!(session.cuts.len(), MAX_CUTS);
    assert_eq!(session.cuts.iter().map(|cut| cut.count).sum::<u64>(), 3_000, "each is counted");
}

#[test]
fn the_oldest_that_ended_makes_room_and_what_runs_stays() {
    let held = |name: &str, bytes, newest, running| Held {
        name: name.to_owned(),
        bytes,
        newest: UnixMs(newest),
        running,
    };
    let all = [held("c", 10, 3, false), held("a", 10, 1, true), held("b", 10, 2, false)];
    let names = |most| to_remove(&all, most, 9).iter().map(|held| held.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(30), [""; 0]);
    assert_eq!(names(29), ["b"]);
    assert_eq!(names(19), ["b", "c"]);
    assert_eq!(names(0), ["b", "c"], "what runs stays");
    assert_eq!(to_remove(&[held("x", u64::MAX, 1, false), held("y", 9, 2, true)], 10, 9).len(), 1);
    assert_eq!(to_remove(&all, u64::MAX, 2).len(), 1, "and so many at most");
}

#[test]
fn lines_read_back_and_unknown_ones_are_passed_over() {
    let mut task = Task::new(id("t"), Some(id("p")), "tests", UnixMs(5));
    task.command = "make".into();
    let entries = [
        Entry::Change(Change { revision: 1, what: What::Append(3, "more \u{1b}".into()) }),
        Entry::Command(Told::Started { number: 1, directory: Some("/tmp".into()) }),
        Entry::Command(Told::Finished { number: 1, exit: Some(-3), ms: 7 }),
        Entry::Task(Box::new(task)),
        Entry::Cut(Cut { at: 3, what: Missing::Transcript, count: 9, why: Why::Disk }),
        Entry::End(Exit { code: None, signal: Some("TERM".into()) }),
    ];
    for entry in entries {
        let (line, mut out) = (Line { at: 17, entry }, Vec::new());
        line.write(&mut out);
        assert_eq!(out.split(|byte| *byte == b'\n').count(), 2, "one line");
        assert_eq!(Line::parse(&out), Some(line));
        for cut in 0..out.len() - 2 {
            assert_eq!(Line::parse(&out[..cut]), None, "torn at {cut}");
        }
    }
    for none in [
        &b"{}"[..],
        br#"{"at":1}"#,
        br#"{"at":1,"dream":{}}"#,
        br#"{"at":-1,"end":{}}"#,
        br#"{"at":1,"task":{"task_id":"","revision":1}}"#,
        br#"{"at":1,"end":[]}"#,
    ] {
        assert_eq!(Line::parse(none), None);
    }
    assert!(Line::parse(br#"{"at":1,"end":{"code":0},"later":[1]}"#).is_some());
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        vec(any::<u8>(), 0..6),
        "[a-z\"\\\\\r\n\t]{0,8}".prop_map(String::into_bytes),
        "\\PC{0,4}".prop_map(String::into_bytes),
        Just(b"\x1b[31m\x00\x07\x9b".to_vec()),
    ];
    vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    /// However output is cut into pieces, the cast shows what a terminal would: all of it, what is no UTF-8 replaced.
    #[test]
    fn output_reads_back_however_it_was_cut(bytes in bytes(), cuts in vec(0usize..64, 0..6), pauses in vec(0u64..100_000, 8)) {
        let mut out = Vec::new();
        let mut writer = CastWriter::begin(&header(), &mut out);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.sort_unstable();
        let (mut from, mut at, mut last) = (0, 0, 0);
        for (to, pause) in cuts.into_iter().chain([bytes.len()]).zip(pauses) {
            at += pause;
            let before = out.len();
            writer.output(at, &bytes[from..to], &mut out);
            if out.len() > before {
                last = at;
            }
            from = to;
        }
        writer.exit(at, 0, &mut out);
        let (head, events, bad) = read(&out);
        prop_assert_eq!((head, bad), (Some(header()), 0));
        prop_assert_eq!(shown(&events), String::from_utf8_lossy(&bytes));
        prop_assert_eq!(events.last().map(|event| (event.at, event.kind.clone())), Some((at.max(last), Kind::Exit(0))));
        for line in out.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            prop_assert!(serde_json::from_slice::<Value>(line).is_ok(), "each line is JSON by itself");
            prop_assert!(line.iter().all(|byte| *byte >= 0x20 && *byte != 0x7f), "no control byte");
        }
    }

    /// A file that was cut anywhere reads as far as its whole lines go.
    #[test]
    fn a_torn_cast_reads_up_to_its_last_line(bytes in bytes(), cut in 0usize..4_096) {
        let mut out = Vec::new();
        let mut writer = CastWriter::begin(&header(), &mut out);
        for (at, byte) in (0u64..).zip(&bytes) {
            writer.output(at, &[*byte], &mut out);
        }
        let torn = &out[..cut.min(out.len())];
        let (_, events, bad) = read(torn);
        let (_, all, _) = read(&out);
        prop_assert!(bad <= 1);
        prop_assert_eq!(&events[..], &all[..events.len()]);
        prop_assert!(events.len() + 2 >= torn.split(|byte| *byte == b'\n').count().saturating_sub(1));
    }

    /// No file makes a reader fail otherwise than by saying so.
    #[test]
    fn readers_take_any_bytes(file in vec(any::<u8>(), 0..512), json in "[\\[\\]{}\",:0-9a-z\\\\ -]{0,80}") {
        let begun = br#"{"version":3,"term":{"cols":1,"rows":1}}"#;
        for line in [file.as_slice(), json.as_bytes()] {
            let mut reader = CastReader::new();
            drop(reader.line(line));
            drop(reader.line(begun));
            drop(reader.line(line));
            drop(Line::parse(line));
            drop(Session::parse(line));
            let name = folder(&id(&String::from_utf8_lossy(line)));
            prop_assert!(!name.is_empty() && !name.contains(['/', '.']) && name.len() <= 64);
        }
    }
}
