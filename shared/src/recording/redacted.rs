//! A recording without secrets, before it leaves the machine: those too of which several lines have a part each.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::transcript::{Entry, Line};
use crate::checkpoint::redact::{self, Parts, Redacted};
use crate::conversation::{Between, Block, Change, Message, Role, What};

/// As many blocks are known by whose they are: what goes on is one of the newest.
const MOST_BLOCKS: usize = 1_024;

/// Which file lines are of, and what counts as one text there.
#[derive(Debug)]
enum Kind {
    /// What the terminal was shown.
    Cast,
    /// What a block says.
    Blocks,
    /// What one side says, whatever comes between its blocks; and whose blocks are.
    Sides(BTreeMap<u32, u32>),
}

/// Takes a file's lines and gives them back clean, in order, some later than they came.
#[derive(Debug)]
pub struct RedactedLines {
    /// Lines go through one after the other: a word may begin where a block does, and may not.
    stages: Vec<(Kind, Parts<Vec<u8>>)>,
}

impl RedactedLines {
    /// Of a `terminal.cast`.
    pub fn of_cast() -> Self {
        Self { stages: vec![(Kind::Cast, Parts::of_terminal())] }
    }

    /// Of a `transcript.jsonl`.
    pub fn of_transcript() -> Self {
        let kinds = [Kind::Sides(BTreeMap::new()), Kind::Blocks];
        Self { stages: kinds.map(|kind| (kind, Parts::of_text())).into() }
    }

    /// Takes the next line, with its end; what is clean by now.
    pub fn line(&mut self, line: &[u8]) -> Vec<Redacted> {
        self.pass(vec![line.to_vec()], false)
    }

    /// There are no more: the rest.
    pub fn finish(&mut self) -> Vec<Redacted> {
        self.pass(Vec::new(), true)
    }

    fn pass(&mut self, mut lines: Vec<Vec<u8>>, is_end: bool) -> Vec<Redacted> {
        for (kind, parts) in &mut self.stages {
            let mut ready = Vec::new();
            for line in lines {
                let (cost, said) = (line.len(), said(kind, &line));
                ready.extend(parts.push(line, cost, said));
            }
            if is_end {
                ready.extend(parts.finish());
            }
            let ready = ready.into_iter();
            let clean = |(line, text): (Vec<u8>, Option<String>)| {
                text.and_then(|text| saying(kind, &line, text)).unwrap_or(line)
            };
            lines = ready.map(clean).collect();
        }
        lines.iter().map(|line| redact::line(line)).collect()
    }
}

/// What a line says that others may go on with, and the number of that text.
fn said(kind: &mut Kind, line: &[u8]) -> Option<(u32, String)> {
    if matches!(kind, Kind::Cast) {
        let (_, code, text): (IgnoredAny, Cow<'_, str>, String) = serde_json::from_slice(line).ok()?;
        return match &*code {
            "o" => Some((0, text)),
            "i" => Some((1, text)),
            _ => None,
        };
    }
    let mut line = Line::parse(line)?;
    let side = side(&line.entry);
    let (at, text) = text_of(&mut line.entry)?;
    let Kind::Sides(sides) = kind else { return Some((at, std::mem::take(text))) };
    let side = match side {
        Some(side) => {
            sides.insert(at, side);
            if sides.len() > MOST_BLOCKS {
                sides.pop_first();
            }
            side
        }
        None => *sides.get(&at)?,
    };
    Some((side, std::mem::take(text)))
}

/// Whose a whole block is.
fn side(entry: &Entry) -> Option<u32> {
    let Entry::Change(Change { what: What::Set(_, block), .. }) = entry else { return None };
    if let Block::Message(Message { role, .. }) = block {
        return Some(match role {
            Role::User => 0,
            Role::Agent => 1,
            Role::Thought => 2,
        });
    }
    matches!(block, Block::Between(_)).then_some(3)
}

/// The line with another text.
fn saying(kind: &Kind, line: &[u8], new: String) -> Option<Vec<u8>> {
    if matches!(kind, Kind::Cast) {
        let (pause, code, _): (&RawValue, &RawValue, IgnoredAny) = serde_json::from_slice(line).ok()?;
        let text = serde_json::to_string(&new).ok()?;
        return Some(format!("[{}, {}, {text}]\n", pause.get(), code.get()).into_bytes());
    }
    let (mut line, mut out) = (Line::parse(line)?, Vec::new());
    *text_of(&mut line.entry)?.1 = new;
    line.write(&mut out);
    Some(out)
}

/// The words that a change has for a block, and the block's number.
fn text_of(entry: &mut Entry) -> Option<(u32, &mut String)> {
    let Entry::Change(Change { what, .. }) = entry else { return None };
    match what {
        What::Append(at, text)
        | What::Set(at, Block::Message(Message { text, .. }) | Block::Between(Between { text, .. })) => {
            Some((*at, text))
        }
        What::Set(..) | What::Tool(..) | What::Name(..) | What::Forget(_) | What::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{CastLine, CastReader, CastWriter, Event, Header, Kind as Happened};
    use super::*;
    use crate::event::WindowSize;

    /// As published formats go; none was ever given out.
    const SECRET: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";

    fn through(mut lines: RedactedLines, file: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for line in file.split_inclusive(|byte| *byte == b'\n') {
            out.extend(lines.line(line).into_iter().flat_map(Redacted::into_bytes));
        }
        out.extend(lines.finish().into_iter().flat_map(Redacted::into_bytes));
        out
    }

    #[test]
    fn a_secret_that_was_typed_is_not_in_the_cast_and_all_else_is_as_it_was() {
        let mut file = Vec::new();
        let header = Header { title: Some(format!("KEY: {SECRET}")), ..Header::default() };
        let mut cast = CastWriter::begin(&header, &mut file);
        cast.output(5, b"\x1b[1m$\x1b[0m \"hello\\\r\n", &mut file);
        let plain = file.len();
        for (at, letter) in (10..).zip(SECRET.bytes()) {
            cast.output(at, &[letter], &mut file);
            cast.resize(at, WindowSize { cols: 80, rows: 24 }, &mut file);
        }
        cast.marker(90, &format!("use {SECRET}"), &mut file);
        cast.exit(100, 3, &mut file);
        let clean = through(RedactedLines::of_cast(), &file);
        let text = String::from_utf8(clean.clone()).unwrap();
        let first = file.iter().position(|byte| *byte == b'\n').unwrap();
        assert!(text.contains("KEY: REDACTED") && text.contains("use REDACTED") && !text.contains("ghp_"));
        assert!(
            text.contains(std::str::from_utf8(&file[first..plain]).unwrap()),
            "a clean line keeps its bytes"
        );
        let mut reader = CastReader::new();
        let events = clean.split_inclusive(|byte| *byte == b'\n').map(|line| reader.line(line).unwrap());
        let events: Vec<Event> = events
            .filter_map(|line| if let CastLine::Event(event) = line { Some(event) } else { None })
            .collect();
        assert_eq!(events.len(), 1 + 2 * SECRET.len() + 2);
        assert_eq!(events.last(), Some(&Event { at: 100, kind: Happened::Exit(3) }));
        let shown = events.iter().filter_map(|event| {
            if let Happened::Output(text) = &event.kind { Some(text.as_str()) } else { None }
        });
        assert_eq!(
            shown.collect::<String>(),
            format!("\x1b[1m$\x1b[0m \"hello\\\r\nREDACTED{}", "*".repeat(SECRET.len() - 8))
        );
    }

    #[test]
    fn a_secret_that_an_agent_said_in_pieces_is_not_in_the_transcript() {
        let message = |text: &str| {
            Block::Message(Message { role: Role::Agent, text: text.to_owned(), continues: false })
        };
        let (one, rest) = SECRET.split_at(7);
        let (two, three) = rest.split_at(13);
        let cover = format!("REDACTED{}", "*".repeat(SECRET.len() - 8));
        let between = |number| {
            What::Set(number, Block::Between(Between { from: None, to: None, text: "between".to_owned() }))
        };
        // One block goes on, another one begins with it, and one side goes on in the next of its blocks.
        let whole = [
            What::Set(3, message(&format!("it is {one}"))),
            What::Append(3, two.to_owned()),
            between(4),
            What::Append(3, format!("{three} and that is it")),
        ];
        let word = [
            What::Set(3, message("word")),
            between(4),
            What::Set(5, message(one)),
            What::Append(5, rest.to_owned()),
        ];
        let parted = [What::Set(3, message(one)), between(4), What::Set(5, message(rest))];
        for (changes, expected) in [
            (
                whole.to_vec(),
                format!("it is {}between{} and that is it", cover.split_at(20).0, cover.split_at(20).1),
            ),
            (word.to_vec(), format!("REDAbetweenCTED{}", "*".repeat(SECRET.len() - 4))),
            (parted.to_vec(), format!("{}between{}", cover.split_at(7).0, cover.split_at(7).1)),
        ] {
            let mut file = b"torn \x00 ghp_\n".to_vec();
            for (revision, what) in (1..).zip(changes) {
                Line { at: revision, entry: Entry::Change(Change { revision, what }) }.write(&mut file);
            }
            let clean = through(RedactedLines::of_transcript(), &file);
            assert!(clean.starts_with(b"torn \x00 ghp_\n"));
            let lines = clean.split_inclusive(|byte| *byte == b'\n').skip(1);
            assert_eq!(lines.map(said_in).collect::<String>(), expected);
        }
    }

    fn said_in(line: &[u8]) -> String {
        said(&mut Kind::Blocks, line).map(|(_, text)| text).unwrap_or_default()
    }
}
