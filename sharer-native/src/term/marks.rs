//! What a program says beside its output: where commands begin and end (OSC 133), its directory (OSC 7), and that it
//! wants attention (BEL, OSC 9, 99 and 777).
//!
//! Read from the bytes in the order in which they are shared, not from the model, which lags: a mark stands exactly
//! between two bytes. Any split of the bytes gives the same marks. Bounds: [`LONGEST`] bytes of one sequence are kept;
//! how many marks are told is the machine's affair.

use memchr::memchr2;
use percent_encoding::percent_decode;
use shared::command::{MAX_DIRECTORY, Mark};

/// The longest sequence that is read, in bytes: a directory with every byte written as three, and the host.
const LONGEST: usize = 3 * MAX_DIRECTORY + 512;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Something about a command.
    Command(Mark),
    /// Somebody should look.
    Attention,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Escape,
    /// In an OSC that may say something.
    Kept,
    /// In an OSC that says nothing to us.
    Passed,
    /// In a DCS, SOS, PM or APC: a BEL in it rings nothing.
    Ignored,
}

/// Reads a program's output.
#[derive(Debug)]
pub struct Marks {
    state: State,
    text: Vec<u8>,
    host: String,
}

impl Marks {
    /// For programs on the computer of this name: a directory of another one is none here.
    pub fn new(host: &str) -> Self {
        Self { state: State::Ground, text: Vec::new(), host: host.to_ascii_lowercase() }
    }

    /// For programs on this computer.
    pub fn here() -> Self {
        Self::new(&rustix::system::uname().nodename().to_string_lossy())
    }

    /// Reads the next bytes; `say` gets each mark with the number of bytes before it.
    pub fn scan(&mut self, bytes: &[u8], mut say: impl FnMut(usize, Said)) {
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            if self.state == State::Ground {
                let Some(found) = memchr2(ESC, BEL, rest) else { return };
                at += found + 1;
                if rest.get(found) == Some(&BEL) {
                    say(at, Said::Attention);
                } else {
                    self.state = State::Escape;
                }
            } else if let Some(&byte) = rest.first() {
                at += 1;
                self.byte(byte, &mut |said| say(at, said));
            }
        }
    }

    fn byte(&mut self, byte: u8, say: &mut impl FnMut(Said)) {
        match (self.state, byte) {
            (State::Kept, ESC | BEL) => {
                if let Some(said) = self.read() {
                    say(said);
                }
                self.leave(byte);
            }
            (State::Passed, ESC | BEL) | (State::Ignored, ESC) | (_, CAN | SUB) => self.leave(byte),
            (State::Kept, _) => {
                self.text.push(byte);
                if self.text.len() > LONGEST || !may_say(&self.text) {
                    self.text = Vec::new();
                    self.state = State::Passed;
                }
            }
            (State::Escape, b']') => self.state = State::Kept,
            (State::Escape, b'P' | b'X' | b'^' | b'_') => self.state = State::Ignored,
            (State::Escape, ESC) | (State::Passed | State::Ignored, _) => {}
            (State::Escape, BEL) => {
                say(Said::Attention);
                self.state = State::Ground;
            }
            (State::Escape | State::Ground, _) => self.state = State::Ground,
        }
    }

    fn leave(&mut self, by: u8) {
        self.text.clear();
        self.text.shrink_to(256);
        self.state = if by == ESC { State::Escape } else { State::Ground };
    }

    fn read(&self) -> Option<Said> {
        let text = std::str::from_utf8(&self.text).ok()?;
        let (kind, rest) = text.split_once(';')?;
        match kind {
            "133" => command(rest).map(Said::Command),
            "7" => self.directory(rest).map(|directory| Said::Command(Mark::Directory(directory))),
            // ConEmu's progress has the same number, and a digit behind it.
            "9" => (!rest.starts_with("4;")).then_some(Said::Attention),
            "777" => rest.starts_with("notify;").then_some(Said::Attention),
            "99" => Some(Said::Attention),
            _ => None,
        }
    }

    /// A path of this computer, from `file://host/path`.
    fn directory(&self, url: &str) -> Option<String> {
        let (host, path) = url.strip_prefix("file://")?.split_once('/')?;
        let here = host.is_empty() || host.eq_ignore_ascii_case("localhost");
        if !here && host.to_ascii_lowercase() != self.host {
            return None;
        }
        let path = percent_decode(path.as_bytes()).decode_utf8().ok()?;
        Some(format!("/{path}"))
    }
}

/// Whether an OSC that begins like this may say something.
fn may_say(text: &[u8]) -> bool {
    let kind = text.split(|byte| *byte == b';').next().unwrap_or_default();
    let whole = kind.len() < text.len();
    ["7", "9", "99", "133", "777"]
        .iter()
        .any(|known| if whole { known.as_bytes() == kind } else { known.as_bytes().starts_with(kind) })
}

fn command(text: &str) -> Option<Mark> {
    let mut parts = text.split(';');
    match parts.next()? {
        "A" => Some(Mark::Prompt),
        "C" => Some(Mark::Started),
        "D" => Some(Mark::Finished(parts.next().and_then(|status| status.parse().ok()))),
        // B and what others add: nothing that we tell.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(bytes: &[u8]) -> Vec<(usize, Said)> {
        let mut all = Vec::new();
        Marks::new("Box").scan(bytes, |at, said| all.push((at, said)));
        all
    }

    fn what(bytes: &[u8]) -> Vec<Said> {
        said(bytes).into_iter().map(|(_, said)| said).collect()
    }

    fn directory(path: &str) -> Vec<Said> {
        vec![Said::Command(Mark::Directory(path.to_owned()))]
    }

    #[test]
    fn commands_are_marked_between_two_bytes() {
        let bytes = b"\x1b]133;A\x07$ \x1b]133;B\x07ls\r\n\x1b]133;C;x=1\x1b\\out\x1b]133;D;2\x07";
        let marks = said(bytes);
        let kinds: Vec<_> = marks.iter().map(|(_, said)| said.clone()).collect();
        let all = [Mark::Prompt, Mark::Started, Mark::Finished(Some(2))].map(Said::Command);
        assert_eq!(kinds, all);
        assert_eq!(&bytes[marks[1].0..marks[1].0 + 4], b"\\out");
        assert_eq!(what(b"\x1b]133;D\x07"), [Said::Command(Mark::Finished(None))]);
        assert_eq!(what(b"\x1b]133;D;no;x\x07"), [Said::Command(Mark::Finished(None))]);
        assert_eq!(what(b"\x1b]133;D;-99999999999999\x07"), [Said::Command(Mark::Finished(None))]);
        assert!(what(b"\x1b]133\x07\x1b]133;\x07\x1b]133;Z\x07\x1b]1337;C\x07\x1b]133;C\x18").is_empty());
    }

    #[test]
    fn a_directory_is_of_this_computer() {
        assert_eq!(what(b"\x1b]7;file:///tmp/a%20b%C3%A9\x07"), directory("/tmp/a b\u{e9}"));
        assert_eq!(what(b"\x1b]7;file://bOX/tmp\x1b\\"), directory("/tmp"));
        assert_eq!(what(b"\x1b]7;file://LOCALHOST/\x07"), directory("/"));
        for no in [&b"file://elsewhere/tmp"[..], b"http://box/", b"file://box", b"/tmp", b"file:///%ff", b""]
        {
            assert!(what(&[b"\x1b]7;", no, b"\x07"].concat()).is_empty(), "{no:?}");
        }
    }

    #[test]
    fn attention_is_asked_for_in_four_ways_and_not_by_others() {
        for yes in [&b"\x07"[..], b"\x1b]9;done\x07", b"\x1b]777;notify;a;b\x07", b"\x1b]99;i=1;hello\x1b\\"]
        {
            assert_eq!(what(yes), [Said::Attention], "{yes:?}");
        }
        for no in
            [&b"\x1b]9;4;1;50\x07"[..], b"\x1b]2;title\x07", b"\x1bPq\x07\x1b\\", b"\x1b]777;x\x07", b"a\r\n"]
        {
            assert!(what(no).is_empty(), "{no:?}");
        }
    }

    #[test]
    fn endless_and_huge_sequences_cost_nothing() {
        let mut marks = Marks::new("box");
        for start in [&b"\x1b]133;C;"[..], b"\x1b]7;file:///", b"\x1b]52;c;", b"\x1bP", b"\x1b]9999999999"] {
            marks.scan(b"\x18", |_, _| {});
            marks.scan(start, |_, _| {});
            for _ in 0..1_000 {
                marks.scan(&[b'a'; 4096], |_, said| panic!("{said:?}"));
                assert!(marks.text.capacity() <= 4 * LONGEST);
            }
            // It ends, and the next one is read.
            let mut all = Vec::new();
            marks.scan(b"\x1b\\\x1b]133;A\x07", |_, said| all.push(said));
            assert_eq!(all, [Said::Command(Mark::Prompt)], "{start:?}");
        }
    }

    proptest! {
        #[test]
        fn any_split_gives_the_same(
            pieces in proptest::collection::vec(
                prop_oneof![
                    Just(b"\x1b]133;C\x07".to_vec()), Just(b"\x1b]133;D;1\x1b\\".to_vec()), Just(b"\x07".to_vec()),
                    Just(b"\x1b]7;file:///a\x07".to_vec()), Just(b"\x1bP".to_vec()), Just(b"\x1b".to_vec()),
                    proptest::collection::vec(any::<u8>(), 0..6),
                ], 0..12),
            cut in 1usize..9,
        ) {
            let bytes = pieces.concat();
            let whole = said(&bytes);
            let mut marks = Marks::new("box");
            let mut parts = Vec::new();
            for (index, part) in bytes.chunks(cut).enumerate() {
                marks.scan(part, |at, said| parts.push((index * cut + at, said)));
            }
            prop_assert_eq!(parts, whole);
        }
    }
}
