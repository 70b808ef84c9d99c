//! Gemini: one object with messages.

use serde_json::value::RawValue;

use super::facts::Gathering;
use super::json::{Object, list, raw, string, text};
use super::sink::{Answer, Block, Saying, Sink, user_text};
use super::tags::strip;
use crate::checkpoint::metadata::TokenUsage;

/// What the session says of itself.
pub(super) fn session(session: &Object<'_>, facts: &mut Gathering) {
    facts.session(&session.text("sessionId"));
}

/// A message.
pub(super) fn message(message: &Object<'_>, sink: &mut Sink, facts: &mut Gathering) {
    let ts = message.get("timestamp").filter(|ts| ts.get().starts_with('"')).and_then(|ts| raw(ts.get()));
    let said = message.get("content").map(words).unwrap_or_default();
    match message.text("type").as_str() {
        "user" => {
            let text = strip(&said);
            if !text.is_empty() {
                facts.prompt(&text);
                sink.user(ts.as_deref(), &[user_text("", &text)]);
            }
        }
        "gemini" => {
            facts.model(&message.text("model"));
            let mut saying = Saying::new(ts, message.text("id"), (0, 0));
            if let Some(tokens) = message.object("tokens") {
                saying.tokens = (tokens.number("input"), tokens.number("output"));
                facts.add(TokenUsage {
                    input_tokens: saying.tokens.0,
                    cache_creation_tokens: 0,
                    cache_read_tokens: tokens.number("cached"),
                    output_tokens: saying.tokens.1,
                    api_call_count: 1,
                });
            }
            if !said.is_empty() {
                saying.extend([Block::text(&said)]);
            }
            saying.extend(message.objects("toolCalls").iter().map(tool));
            sink.assistant(&saying);
        }
        _ => {}
    }
}

/// A call of a tool, with what it said.
fn tool(call: &Object<'_>) -> Block {
    let said =
        call.objects("result").first().and_then(|part| part.object("functionResponse")?.object("response"));
    let status = call.text("status");
    let answer = Answer {
        output: said.map(|said| said.text("output")).unwrap_or_default(),
        failed: !(status.is_empty() || status == "success"),
        ..Answer::default()
    };
    let tool = Block::tool().with("id", string(&call.text("id"))).with("name", string(&call.text("name")));
    tool.with_raw("input", call.get("args")).with("result", answer.json())
}

/// Text, or the texts of a list's parts.
fn words(content: &RawValue) -> String {
    text(content).unwrap_or_else(|| {
        let parts = list(content).unwrap_or_default();
        parts.into_iter().filter_map(|part| Some(Object::parse(part.get())?.text("text"))).collect()
    })
}
