//! Codex: lines with a payload; a message's tools are items of their own behind it.

use serde_json::value::RawValue;

use super::facts::Gathering;
use super::json::{Object, raw, string};
use super::sink::{Answer, Block, Saying, Sink, user_text};
use super::tags::{is_injected, strip};
use crate::checkpoint::metadata::TokenUsage;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Codex {
    /// What the assistant says, while tools follow.
    open: Option<Saying>,
    /// Tokens that were told before anything was said.
    tokens: (u64, u64),
}

/// Whether a line is one of those that a start marker counts.
pub(super) fn is_item(line: &Object<'_>) -> bool {
    line.text("type") == "response_item"
}

impl Codex {
    pub(super) fn line(&mut self, line: &Object<'_>, sink: &mut Sink, facts: &mut Gathering) {
        let Some(payload) = line.object("payload") else { return };
        match line.text("type").as_str() {
            "session_meta" => {
                facts.session(&payload.text("id"));
                facts.directory(&payload.text("cwd"));
            }
            "turn_context" => facts.model(&payload.text("model")),
            "event_msg" if payload.text("type") == "token_count" => self.count(&payload, facts),
            "response_item" => {
                let ts =
                    line.get("timestamp").filter(|ts| ts.get().starts_with('"')).and_then(|ts| raw(ts.get()));
                self.item(&payload, ts, sink, facts);
            }
            _ => {}
        }
    }

    pub(super) fn flush(&mut self, sink: &mut Sink) {
        if let Some(saying) = self.open.take() {
            sink.assistant(&saying);
        }
    }

    fn count(&mut self, payload: &Object<'_>, facts: &mut Gathering) {
        let tokens = (payload.number("input_tokens"), payload.number("output_tokens"));
        *self.open.as_mut().map_or(&mut self.tokens, |open| &mut open.tokens) = tokens;
        // What the session used since it began; what came from a cache is counted as input, too.
        let Some(total) = payload.object("info").and_then(|told| told.object("total_token_usage")) else {
            return;
        };
        let cached = total.number("cached_input_tokens");
        facts.usage(TokenUsage {
            input_tokens: total.number("input_tokens").saturating_sub(cached),
            cache_creation_tokens: 0,
            cache_read_tokens: cached,
            output_tokens: total.number("output_tokens"),
            api_call_count: facts.requests() + 1,
        });
    }

    fn item(&mut self, payload: &Object<'_>, ts: Option<String>, sink: &mut Sink, facts: &mut Gathering) {
        match (payload.text("type").as_str(), payload.text("role").as_str()) {
            ("message", "user") => {
                self.flush(sink);
                let said = |text: String| (!is_injected(&text)).then(|| strip(&text));
                let own = texts(payload, "input_text").filter_map(said).filter(|text| !text.is_empty());
                let text = own.collect::<Vec<_>>().join("\n\n");
                if !text.is_empty() {
                    facts.prompt(&text);
                    sink.user(ts.as_deref(), &[user_text("", &text)]);
                }
            }
            ("message", "assistant") => {
                self.flush(sink);
                let text = texts(payload, "output_text").collect::<Vec<_>>().join("\n\n");
                if !text.is_empty() {
                    self.say(ts, Block::text(&text), sink);
                }
            }
            ("function_call", _) => {
                let arguments = RawValue::from_string(payload.text("arguments")).ok();
                self.call(ts, tool(payload).with_raw("input", arguments.as_deref()), sink);
            }
            ("custom_tool_call", _) => {
                let input = payload.text("input");
                let tool = tool(payload);
                let tool = if input.is_empty() {
                    tool
                } else {
                    tool.with("input", super::json::object([("input", string(&input).as_str())]))
                };
                self.call(ts, tool, sink);
            }
            ("function_call_output" | "custom_tool_call_output", _) => {
                let id = payload.text("call_id");
                let output = match payload.object("output") {
                    Some(object) if payload.text("type") == "custom_tool_call_output" => object.text("text"),
                    _ => payload.text("output"),
                };
                if let Some(agent) = Object::parse(&output) {
                    facts.subagent(&agent.text("agent_id"), &agent.text("agent_id"));
                }
                if let Some(open) = &mut self.open {
                    open.answer(&id, &Answer { output, ..Answer::default() });
                }
            }
            // What it thought, and searches: calls behind it belong to no message.
            _ => self.flush(sink),
        }
        if self.open.as_ref().is_some_and(Saying::is_too_large) {
            self.flush(sink);
        }
    }

    /// A call of a tool: on the line of the message before it, or of calls that were made together with it.
    fn call(&mut self, ts: Option<String>, tool: Block, sink: &mut Sink) {
        let goes_on = self.open.as_ref().is_some_and(|open| {
            open.blocks.first().is_some_and(|first| !first.is_tool())
                || open.blocks.last().is_some_and(Block::waits)
        });
        if let Some(open) = self.open.as_mut().filter(|_| goes_on) {
            open.extend([tool]);
        } else {
            self.flush(sink);
            self.say(ts, tool, sink);
        }
    }

    fn say(&mut self, ts: Option<String>, block: Block, sink: &mut Sink) {
        self.flush(sink);
        let mut saying = Saying::new(ts, String::new(), core::mem::take(&mut self.tokens));
        saying.extend([block]);
        self.open = Some(saying);
    }
}

/// A call's block without its input.
fn tool(payload: &Object<'_>) -> Block {
    let tool = Block::tool().with("name", string(&payload.text("name")));
    let id = payload.text("call_id");
    if id.is_empty() { tool } else { tool.with("id", string(&id)) }
}

/// The texts of a message that are of this kind.
fn texts(payload: &Object<'_>, kind: &str) -> impl Iterator<Item = String> {
    let blocks = payload.objects("content").into_iter().filter(move |block| block.text("type") == kind);
    blocks.map(|block| block.text("text")).filter(|text| !text.is_empty())
}
