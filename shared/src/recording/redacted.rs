//! A recording without secrets, before it leaves the machine: those too of which several lines have a part each.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::transcript::{Entry, Line};
use crate::checkpoint::redact::{self, Parts, Redacted};
use crate::conversation::{Between, Block, Change, Message, Role, ToolContent, What};

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
        let is_cast = matches!(self.stages.first(), Some((Kind::Cast, _)));
        let whole = |line: Vec<u8>| if is_cast { line } else { without_cut_words(&line).unwrap_or(line) };
        lines.into_iter().map(|line| redact::line(&whole(line))).collect()
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

/// The line of a tool call without the words of a secret of which it has a part only; `None` if it has none.
///
/// A later version has all that a tool said again, so that what it says while it runs may lack its last word. What is said
/// once stays as it is.
fn without_cut_words(line: &[u8]) -> Option<Vec<u8>> {
    const TOOL: &[u8] = b"\"Tool\"";
    if !line.windows(TOOL.len()).any(|part| part == TOOL) {
        return None;
    }
    let (mut line, mut is_changed) = (Line::parse(line)?, false);
    let Entry::Change(Change { what: What::Tool(_, call) | What::Set(_, Block::Tool(call)), .. }) =
        &mut line.entry
    else {
        return None;
    };
    let mut take = |text: &mut String, goes_on: bool| {
        if let Some(clean) = redact::cut_words(text, goes_on) {
            (*text, is_changed) = (clean, true);
        }
    };
    let runs = !matches!(call.status.as_deref(), Some("completed" | "failed"));
    for text in call.title.iter_mut().chain(&mut call.more) {
        take(text, false);
    }
    for content in call.content.iter_mut().flatten() {
        match content {
            ToolContent::Text(text) => take(text, runs),
            ToolContent::Diff { old, new, .. } => {
                for text in old.iter_mut().chain([new]) {
                    take(text, false);
                }
            }
            ToolContent::Terminal { output, exit, .. } => take(output, exit.is_none()),
            ToolContent::Attachment(_) => {}
        }
    }
    let mut out = Vec::new();
    line.write(&mut out);
    is_changed.then_some(out)
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

    #[test]
    fn a_tool_that_said_a_part_of_a_secret_is_heard_without_it() {
        use crate::conversation::{Content, Conversation, ToolCall, Update};

        let mut conversation = Conversation::default();
        let content = vec![ToolContent::Terminal {
            id: "t".to_owned(),
            command: String::new(),
            output: String::new(),
            exit: None,
        }];
        let call = ToolCall { content: Some(content), ..ToolCall::default() };
        let mut changes = conversation.update(Update::ToolCall { id: "c".to_owned(), call });
        // An editor polls: what is recorded is all that the terminal said so far, cut anywhere.
        let said = format!("$ env\nTOKEN: {SECRET}\nPORT=80\nIn shared/src/recording/redacted.rs: v2_of_it");
        for end in 1..=said.len() {
            let output = said.get(..end).map(str::to_owned);
            let exit = (end == said.len()).then(|| "0".to_owned());
            changes.extend(conversation.update(Update::Terminal {
                id: "t".to_owned(),
                command: None,
                output,
                exit,
            }));
        }
        // And text, which is whole once the call is.
        for (text, status) in [(SECRET.split_at(20).0, None), ("Edited some_Thing_2", Some("completed"))] {
            let content = Some(vec![ToolContent::Text(text.to_owned())]);
            let call = ToolCall { content, status: status.map(str::to_owned), ..ToolCall::default() };
            changes.extend(conversation.update(Update::ToolCall { id: "d".to_owned(), call }));
        }
        let message = Content::Text("done".to_owned());
        changes.extend(conversation.update(Update::Chunk {
            role: Role::Agent,
            message: None,
            content: message,
        }));
        let mut file = Vec::new();
        for change in &changes {
            Line { at: change.revision, entry: Entry::Change(change.clone()) }.write(&mut file);
        }
        let clean = through(RedactedLines::of_transcript(), &file);
        assert!(!String::from_utf8_lossy(&clean).contains("ghp_01234"));
        let mut transcript = crate::conversation::Transcript::default();
        let mut versions = 0;
        for line in clean.split_inclusive(|byte| *byte == b'\n') {
            let Some(Line { entry: Entry::Change(change), .. }) = Line::parse(line) else {
                panic!("no change")
            };
            transcript.apply(change);
            versions += 1;
        }
        assert_eq!(versions, changes.len(), "all versions are there");
        let words: Vec<String> = transcript.blocks().map(|(_, _, block)| block.words()).collect();
        let last = said.replace(SECRET, "REDACTED");
        assert_eq!(
            words,
            [format!("\n\n{last}\n"), "\nEdited some_Thing_2\n".to_owned(), "done\n".to_owned()]
        );
    }

    fn said_in(line: &[u8]) -> String {
        said(&mut Kind::Blocks, line).map(|(_, text)| text).unwrap_or_default()
    }
}
