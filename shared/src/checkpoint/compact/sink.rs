//! Where compact lines go, and what they are made of.

use std::collections::BTreeMap;

use super::super::chunks::MAX_CHUNK;
use super::Head;
use super::json::{Object, object, raw, string};
use serde_json::value::RawValue;

/// Takes lines, and writes them unless it only counts.
#[derive(Debug)]
pub(super) struct Sink {
    /// What each line begins with; `None` if it only counts.
    head: Option<String>,
    out: String,
    lines: u64,
    is_over: bool,
}

/// What an assistant's line says beside its blocks.
#[derive(Debug, Clone, Default)]
pub(super) struct Saying {
    /// When, as JSON.
    pub(super) ts: Option<String>,
    /// The message's id.
    pub(super) id: String,
    /// Tokens read and written.
    pub(super) tokens: (u64, u64),
    /// What was said.
    pub(super) blocks: Vec<Block>,
    /// How many bytes its blocks have.
    size: u64,
    /// Where the last use of a tool is, by its id as JSON.
    tools: BTreeMap<String, usize>,
    /// Where the last use of any tool is.
    last_tool: Option<usize>,
}

/// A block: its parts as JSON, by key.
#[derive(Debug, Clone, Default)]
pub(super) struct Block(BTreeMap<String, String>);

/// What a tool said, as compact lines tell it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) output: String,
    pub(super) failed: bool,
    /// A file that was read or changed, and how many of its lines, if it says.
    pub(super) file: Option<(String, u64)>,
    pub(super) matches: u64,
}

impl Answer {
    /// As JSON.
    pub(super) fn json(&self) -> String {
        let (output, matches) = (string(&self.output), self.matches.to_string());
        let file = self.file.as_ref().map(|(path, lines)| {
            let (path, count) = (string(path), lines.to_string());
            object(
                [("filePath", path.as_str())]
                    .into_iter()
                    .chain((*lines > 0).then_some(("numLines", count.as_str()))),
            )
        });
        let status = if self.failed { "\"error\"" } else { "\"success\"" };
        let parts = [("output", output.as_str()), ("status", status)].into_iter();
        let parts = parts.chain(file.as_deref().map(|file| ("file", file)));
        object(parts.chain((self.matches > 0).then_some(("matchCount", matches.as_str()))))
    }
}

impl Block {
    /// Text.
    pub(super) fn text(said: &str) -> Self {
        Self::default().with("type", "\"text\"".to_owned()).with("text", string(said))
    }

    /// A tool's use, without a name yet.
    pub(super) fn tool() -> Self {
        Self::default().with("type", "\"tool_use\"".to_owned())
    }

    /// One with a part that is JSON as Go writes it.
    pub(super) fn with(mut self, key: &str, json: String) -> Self {
        self.0.insert(key.to_owned(), json);
        self
    }

    /// One with a part as it stands in a transcript, if it is there and not too deep.
    pub(super) fn with_raw(self, key: &str, part: Option<&RawValue>) -> Self {
        match part.and_then(|part| raw(part.get())) {
            Some(json) => self.with(key, json),
            None => self,
        }
    }

    /// One as it stands in a transcript; `None` if it is too deep.
    pub(super) fn whole(block: Object<'_>) -> Option<Self> {
        block.parts().map(|(key, part)| Some((key, raw(part.get())?))).collect::<Option<_>>().map(Self)
    }

    /// Whether it is a tool's use that waits for what the tool says.
    pub(super) fn waits(&self) -> bool {
        self.is_tool() && !self.0.contains_key("result")
    }

    /// Whether it is a tool's use.
    pub(super) fn is_tool(&self) -> bool {
        self.0.get("type").is_some_and(|kind| kind == "\"tool_use\"")
    }

    fn size(&self) -> u64 {
        self.0
            .iter()
            .map(|(key, json)| key.len() + json.len() + 4)
            .sum::<usize>()
            .try_into()
            .unwrap_or(u64::MAX)
    }

    fn json(&self) -> String {
        object(self.0.iter().map(|(key, json)| (key.as_str(), json.as_str())))
    }
}

impl Saying {
    /// One without blocks.
    pub(super) fn new(ts: Option<String>, id: String, tokens: (u64, u64)) -> Self {
        Self { ts, id, tokens, ..Self::default() }
    }

    /// Goes on with more blocks.
    pub(super) fn extend(&mut self, blocks: impl IntoIterator<Item = Block>) {
        for block in blocks {
            self.size = self.size.saturating_add(block.size());
            if block.is_tool() {
                self.last_tool = Some(self.blocks.len());
                self.tools.extend(block.0.get("id").map(|id| (id.clone(), self.blocks.len())));
            }
            self.blocks.push(block);
        }
    }

    /// Gives what a tool said to its use, or to the last of any if it does not say which; dropped if there is none.
    pub(super) fn answer(&mut self, id: &str, answer: &Answer) {
        let at = if id.is_empty() { self.last_tool } else { self.tools.get(&string(id)).copied() };
        if let Some(Block(parts)) = at.and_then(|at| self.blocks.get_mut(at)) {
            let json = answer.json();
            self.size = self.size.saturating_add(json.len() as u64);
            parts.insert("result".to_owned(), json);
        }
    }

    #[cfg(test)]
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Whether no line could hold it.
    pub(super) fn is_too_large(&self) -> bool {
        self.size > MAX_CHUNK
    }
}

impl Sink {
    pub(super) fn new(head: &Head) -> Self {
        let head = format!(
            "{{\"v\":1,\"agent\":{},\"cli_version\":{},",
            string(&head.agent),
            string(&head.cli_version)
        );
        Self { head: Some(head), out: String::new(), lines: 0, is_over: false }
    }

    /// One that only counts.
    pub(super) fn counting() -> Self {
        Self { head: None, out: String::new(), lines: 0, is_over: false }
    }

    /// Lines so far.
    pub(super) fn lines(&self) -> u64 {
        self.lines
    }

    /// What was written, unless it is nothing or too large.
    pub(super) fn finish(self) -> Option<Vec<u8>> {
        (!self.out.is_empty() && !self.is_over).then(|| self.out.into_bytes())
    }

    /// What a person said: blocks as JSON.
    pub(super) fn user(&mut self, ts: Option<&str>, content: &[String]) {
        self.put("user", ts, "", (0, 0), || content.join(","));
    }

    /// What the assistant said; nothing if it said nothing.
    pub(super) fn assistant(&mut self, saying: &Saying) {
        if !saying.blocks.is_empty() {
            let content = || saying.blocks.iter().map(Block::json).collect::<Vec<_>>().join(",");
            self.put("assistant", saying.ts.as_deref(), &saying.id, saying.tokens, content);
        }
    }

    fn put(
        &mut self,
        kind: &str,
        ts: Option<&str>,
        id: &str,
        tokens: (u64, u64),
        content: impl Fn() -> String,
    ) {
        use core::fmt::Write as _;
        self.lines += 1;
        let Some(head) = self.head.as_ref().filter(|_| !self.is_over) else { return };
        let out = &mut self.out;
        out.push_str(head);
        // Writing into a string does not fail.
        let _infallible = write!(out, "\"type\":\"{kind}\",");
        if let Some(ts) = ts {
            let _infallible = write!(out, "\"ts\":{ts},");
        }
        if !id.is_empty() {
            let _infallible = write!(out, "\"id\":{},", string(id));
        }
        for (key, count) in [("input_tokens", tokens.0), ("output_tokens", tokens.1)] {
            if count > 0 {
                let _infallible = write!(out, "\"{key}\":{count},");
            }
        }
        let _infallible = writeln!(out, "\"content\":[{}]}}", content());
        if out.len() as u64 > MAX_CHUNK {
            self.is_over = true;
            self.out = String::new();
        }
    }
}

/// A block of what a person said.
pub(super) fn user_text(id: &str, text: &str) -> String {
    let (id, text) = (string(id), string(text));
    object((id != "\"\"").then_some(("id", id.as_str())).into_iter().chain([("text", text.as_str())]))
}
