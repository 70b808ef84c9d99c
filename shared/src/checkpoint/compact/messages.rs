//! Claude Code, Cursor and Factory's Droid: lines around messages of Anthropic's shape. Droid puts one more envelope
//! around them.

use serde_json::value::RawValue;

use super::facts::Gathering;
use super::json::{Object, list, raw, text};
use super::sink::{Answer, Block, Saying, Sink, user_text};
use super::tags::strip;
use crate::checkpoint::metadata::TokenUsage;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Messages {
    /// What the assistant says, while it may go on.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    saying: Saying,
    /// Its tools have answered: what is said from now on is another line.
    is_answered: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Assistant,
}

impl Kind {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "user" | "human" => Some(Self::User),
            "assistant" => Some(Self::Assistant),
            _ => None,
        }
    }
}

/// What a person's message has.
#[derive(Default)]
struct Asked {
    text: String,
    images: Vec<String>,
    /// What tools said, by the id of their use.
    answers: Vec<(String, Answer)>,
}

impl Messages {
    pub(super) fn line(&mut self, line: &Object<'_>, sink: &mut Sink, facts: &mut Gathering) {
        if !facts.knows_session() {
            facts.session(&line.text("sessionId"));
            facts.directory(&line.text("cwd"));
        }
        let word = line.text("type");
        if word == "session_start" {
            facts.session(&line.text("id"));
        }
        let message = line.object("message");
        let ts = line.get("timestamp").and_then(|ts| raw(ts.get()));
        if word == "message" {
            let Some(message) = message else { return };
            match Kind::parse(&message.text("role")) {
                Some(Kind::User) => self.user(&Object::default(), Some(&message), ts.as_deref(), sink, facts),
                Some(Kind::Assistant) => {
                    let own = message.text("id");
                    let id = if own.is_empty() { line.text("id") } else { own };
                    self.assistant(id, Some(&message), ts, sink, facts);
                }
                None => {}
            }
            return;
        }
        match Kind::parse(&if word.is_empty() { line.text("role") } else { word }) {
            Some(Kind::User) => self.user(line, message.as_ref(), ts.as_deref(), sink, facts),
            Some(Kind::Assistant) => {
                let id = message.as_ref().map(|message| message.text("id")).unwrap_or_default();
                self.assistant(id, message.as_ref(), ts, sink, facts);
            }
            None => {}
        }
    }

    pub(super) fn flush(&mut self, sink: &mut Sink) {
        if let Some(open) = self.open.take() {
            sink.assistant(&open.saying);
        }
    }

    /// How many bytes are open.
    #[cfg(test)]
    pub(super) fn size(&self) -> u64 {
        self.open.as_ref().map_or(0, |open| open.saying.size())
    }

    fn assistant(
        &mut self,
        id: String,
        message: Option<&Object<'_>>,
        ts: Option<String>,
        sink: &mut Sink,
        facts: &mut Gathering,
    ) {
        let mut tokens = (0, 0);
        if let Some(message) = message {
            let model = message.text("model");
            if model != "<synthetic>" {
                facts.model(&model);
            }
            if let Some(usage) = message.object("usage") {
                tokens = (usage.number("input_tokens"), usage.number("output_tokens"));
                facts.message(
                    &id,
                    TokenUsage {
                        input_tokens: tokens.0,
                        cache_creation_tokens: usage.number("cache_creation_input_tokens"),
                        cache_read_tokens: usage.number("cache_read_input_tokens"),
                        output_tokens: tokens.1,
                        api_call_count: 1,
                    },
                );
            }
        }
        if self.open.as_ref().is_some_and(|open| open.is_answered || open.saying.id != id) {
            self.flush(sink);
        }
        let open = self
            .open
            .get_or_insert_with(|| Open { saying: Saying::new(None, id, (0, 0)), is_answered: false });
        open.saying.ts = ts;
        open.saying.tokens.0 = if tokens.0 > 0 { tokens.0 } else { open.saying.tokens.0 };
        open.saying.tokens.1 = if tokens.1 > 0 { tokens.1 } else { open.saying.tokens.1 };
        open.saying.extend(message.and_then(|message| message.get("content")).map(said).unwrap_or_default());
        if open.saying.is_too_large() {
            self.flush(sink);
        }
    }

    fn user(
        &mut self,
        line: &Object<'_>,
        message: Option<&Object<'_>>,
        ts: Option<&str>,
        sink: &mut Sink,
        facts: &mut Gathering,
    ) {
        let mut asked = message.and_then(|message| message.get("content")).map(asked).unwrap_or_default();
        if let Some(result) = line.object("toolUseResult") {
            enrich(&mut asked.answers, &result);
            if let [(id, _)] = asked.answers.as_slice() {
                facts.subagent(id, &result.text("agentId"));
            }
        }
        for (id, answer) in &asked.answers {
            if let Some(agent) = agent_id(&answer.output) {
                facts.subagent(id, agent);
            }
        }
        if !["isMeta", "isSidechain", "isCompactSummary"].into_iter().any(|key| line.flag(key)) {
            facts.prompt(&asked.text);
        }
        let is_answer = !asked.answers.is_empty();
        if let Some(open) = self.open.as_mut().filter(|_| is_answer) {
            open.is_answered = true;
            for (id, answer) in &asked.answers {
                open.saying.answer(id, answer);
            }
        }
        let says_nothing = asked.text.is_empty() && asked.images.is_empty();
        let is_too_large = self.open.as_ref().is_some_and(|open| open.saying.is_too_large());
        if is_too_large || !(is_answer && says_nothing) {
            self.flush(sink);
        }
        if is_answer && says_nothing {
            return;
        }
        let mut content = Vec::new();
        if !asked.text.is_empty() || asked.images.is_empty() {
            content.push(user_text(&line.text("promptId"), &asked.text));
        }
        content.append(&mut asked.images);
        sink.user(ts, &content);
    }
}

/// What an assistant's message has, without what it thought.
fn said(content: &RawValue) -> Vec<Block> {
    if let Some(text) = text(content) {
        return if text.is_empty() { Vec::new() } else { vec![Block::text(&text)] };
    }
    let blocks = list(content).unwrap_or_default();
    let blocks = blocks.into_iter().filter_map(|block| Object::parse(block.get()));
    blocks
        .filter_map(|block| match block.text("type").as_str() {
            "thinking" | "redacted_thinking" => None,
            "tool_use" => {
                let keys = ["id", "name", "input"];
                Some(keys.into_iter().fold(Block::tool(), |tool, key| tool.with_raw(key, block.get(key))))
            }
            _ => Block::whole(block),
        })
        .collect()
}

fn asked(content: &RawValue) -> Asked {
    if let Some(text) = text(content) {
        return Asked { text: strip(&text), ..Asked::default() };
    }
    let mut asked = Asked::default();
    for part in list(content).unwrap_or_default() {
        let Some(block) = Object::parse(part.get()) else { continue };
        match block.text("type").as_str() {
            "tool_result" => {
                let answer = Answer {
                    output: block.text("content"),
                    failed: block.flag("is_error"),
                    ..Answer::default()
                };
                asked.answers.push((block.text("tool_use_id"), answer));
            }
            "image" => asked.images.extend(raw(part.get())),
            "text" => {
                let own = strip(&block.text("text"));
                if !own.is_empty() {
                    if !asked.text.is_empty() {
                        asked.text.push_str("\n\n");
                    }
                    asked.text.push_str(&own);
                }
            }
            _ => {}
        }
    }
    asked
}

/// What Claude Code says beside a tool's answer: it is about one tool.
fn enrich(answers: &mut Vec<(String, Answer)>, result: &Object<'_>) {
    let stdout = result.text("stdout");
    if answers.is_empty() && !stdout.is_empty() {
        answers.push((String::new(), Answer::default()));
    }
    let [(_, answer)] = answers.as_mut_slice() else { return };
    if !stdout.is_empty() {
        answer.output = stdout;
    }
    if let Some(file) = result.object("file") {
        let path = file.text("filePath");
        if !path.is_empty() {
            answer.file = Some((path, file.number("numLines")));
        }
    }
    let path = result.text("filePath");
    if !path.is_empty() {
        answer.file = Some((path, 0));
    }
    answer.matches = result.number("numFiles");
}

/// The subagent that a tool's answer names.
fn agent_id(output: &str) -> Option<&str> {
    let (_, rest) = output.split_once("agentId: ")?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    rest.get(..end).filter(|id| !id.is_empty())
}
