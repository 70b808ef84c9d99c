//! Copilot: lines of events.

use super::facts::Gathering;
use super::json::{Object, raw, string};
use super::sink::{Answer, Block, Saying, Sink, user_text};
use super::tags::{strip, without};
use crate::checkpoint::metadata::TokenUsage;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Copilot {
    /// What the assistant says, while its tools may answer.
    open: Option<Saying>,
    /// The session was told to use a model: what tools say of theirs does not count.
    has_model: bool,
    /// The session's sum was told.
    has_sum: bool,
}

impl Copilot {
    pub(super) fn line(&mut self, line: &Object<'_>, sink: &mut Sink, facts: &mut Gathering) {
        let Some(event) = line.object("data") else { return };
        let ts = line.get("timestamp").filter(|ts| ts.get().starts_with('"')).and_then(|ts| raw(ts.get()));
        match line.text("type").as_str() {
            "session.start" => {
                facts.session(&event.text("sessionId"));
                facts.directory(
                    &event.object("context").map(|context| context.text("cwd")).unwrap_or_default(),
                );
            }
            "session.model_change" => {
                facts.model_now(&event.text("newModel"));
                self.has_model = true;
            }
            "session.shutdown" => self.sum(&event, facts),
            "user.message" => {
                self.flush(sink);
                let text = asked(&event);
                if !text.is_empty() {
                    facts.prompt(&text);
                    sink.user(ts.as_deref(), &[user_text("", &text)]);
                }
            }
            "assistant.message" => {
                self.flush(sink);
                self.say(&event, ts, facts);
            }
            "tool.execution_complete" => self.answer(&event, facts),
            _ => {}
        }
    }

    pub(super) fn flush(&mut self, sink: &mut Sink) {
        if let Some(saying) = self.open.take() {
            sink.assistant(&saying);
        }
    }

    fn say(&mut self, event: &Object<'_>, ts: Option<String>, facts: &mut Gathering) {
        let written = event.number("outputTokens");
        if !self.has_sum && written > 0 {
            facts.add(TokenUsage { output_tokens: written, api_call_count: 1, ..TokenUsage::default() });
        }
        let mut saying = Saying::new(ts, event.text("messageId"), (0, written));
        // Some messages have nothing to show but what led to them.
        let text = Some(event.text("content")).filter(|text| !text.is_empty());
        let text = text.unwrap_or_else(|| event.text("reasoningText"));
        if !text.is_empty() {
            saying.extend([Block::text(&text)]);
        }
        saying.extend(event.objects("toolRequests").into_iter().map(|request| {
            let tool = Block::tool().with("name", string(&request.text("name")));
            let id = request.text("toolCallId");
            let tool = if id.is_empty() { tool } else { tool.with("id", string(&id)) };
            tool.with_raw("input", request.get("arguments"))
        }));
        self.open = Some(saying);
    }

    fn answer(&mut self, event: &Object<'_>, facts: &mut Gathering) {
        if !self.has_model {
            facts.model_now(&event.text("model"));
        }
        let id = event.text("toolCallId");
        let result = event.object("result").unwrap_or_default();
        let short = result.text("content");
        let output = if short.is_empty() { result.text("detailedContent") } else { short };
        if let Some(open) = self.open.as_mut().filter(|open| !id.is_empty() && !open.is_too_large()) {
            open.answer(&id, &Answer { output, failed: !event.flag("success"), ..Answer::default() });
        }
    }

    /// What all models used, said when the session ends.
    fn sum(&mut self, event: &Object<'_>, facts: &mut Gathering) {
        let Some(models) = event.object("modelMetrics") else { return };
        let each = models.parts().filter_map(|(_, model)| {
            let model = Object::parse(model.get())?;
            let usage = model.object("usage").unwrap_or_default();
            Some(TokenUsage {
                input_tokens: usage.number("inputTokens"),
                cache_creation_tokens: usage.number("cacheWriteTokens"),
                cache_read_tokens: usage.number("cacheReadTokens"),
                output_tokens: usage.number("outputTokens"),
                api_call_count: model.object("requests").map_or(0, |requests| requests.number("count")),
            })
        });
        if let Some(sum) = each.reduce(|sum, usage| sum + usage) {
            facts.usage(sum);
            self.has_sum = true;
        }
    }
}

/// What the person typed: some sessions have it only with what was put around it.
fn asked(event: &Object<'_>) -> String {
    let own = event.text("content");
    if !own.is_empty() {
        return strip(&own);
    }
    let around = event.text("transformedContent");
    let text = without(&around, "<current_datetime>", "</current_datetime>");
    strip(&without(&text, "<reminder>", "</reminder>"))
}
