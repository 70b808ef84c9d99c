//! `OpenCode`: what its export writes, one object with messages of parts.

use super::facts::Gathering;
use super::json::{Object, string};
use super::sink::{Answer, Block, Saying, Sink, user_text};
use super::tags::strip;
use crate::checkpoint::metadata::TokenUsage;

/// What the session says of itself.
pub(super) fn session(session: &Object<'_>, facts: &mut Gathering) {
    let Some(about) = session.object("info") else { return };
    facts.session(&about.text("id"));
    facts.directory(&about.text("directory"));
}

/// A message.
pub(super) fn message(message: &Object<'_>, sink: &mut Sink, facts: &mut Gathering) {
    let Some(about) = message.object("info") else { return };
    let ts = about.object("time").and_then(|time| rfc_3339(time.number("created"))).map(|ts| string(&ts));
    let parts = message.objects("parts");
    match about.text("role").as_str() {
        "user" => {
            let texts = parts.iter().filter(|part| part.text("type") == "text");
            let own = texts.map(|part| (part.text("id"), strip(&part.text("text"))));
            let own: Vec<_> = own.filter(|(_, text)| !text.is_empty()).collect();
            if !own.is_empty() {
                let texts: Vec<_> = own.iter().map(|(_, text)| text.as_str()).collect();
                facts.prompt(&texts.join("\n\n"));
                let blocks: Vec<_> = own.iter().map(|(id, text)| user_text(id, text)).collect();
                sink.user(ts.as_deref(), &blocks);
            }
        }
        "assistant" => {
            facts.model(&about.text("modelID"));
            let mut saying = Saying::new(ts, about.text("id"), (0, 0));
            if let Some(tokens) = about.object("tokens") {
                saying.tokens = (tokens.number("input"), tokens.number("output"));
                let cache = tokens.object("cache").unwrap_or_default();
                facts.add(TokenUsage {
                    input_tokens: saying.tokens.0,
                    cache_creation_tokens: cache.number("write"),
                    cache_read_tokens: cache.number("read"),
                    output_tokens: saying.tokens.1,
                    api_call_count: 1,
                });
            }
            saying.extend(parts.iter().filter_map(|part| match part.text("type").as_str() {
                "text" => Some(Block::text(&part.text("text"))),
                "tool" => Some(tool(part)),
                _ => None,
            }));
            sink.assistant(&saying);
        }
        _ => {}
    }
}

/// A call of a tool, with what it said.
fn tool(part: &Object<'_>) -> Block {
    let tool = Block::tool().with_raw("id", part.get("callID")).with_raw("name", part.get("tool"));
    let Some(state) = part.object("state") else { return tool };
    let status = state.text("status");
    let answer = Answer {
        output: state.text("output"),
        failed: !(status.is_empty() || status == "completed"),
        ..Answer::default()
    };
    tool.with_raw("input", state.get("input")).with("result", answer.json())
}

/// A time as RFC 3339 in UTC, zeros at its end left out; `None` for 0 and for years of more than four digits.
fn rfc_3339(unix_ms: u64) -> Option<String> {
    let (days, in_day) = (unix_ms / 86_400_000, unix_ms % 86_400_000);
    // Howard Hinnant's civil_from_days, in eras of 400 years that begin in March.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    if unix_ms == 0 || year > 9_999 {
        return None;
    }
    let (hour, minute, second) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1_000 % 60);
    let fraction = format!(".{:03}", in_day % 1_000);
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_go_writes_them() {
        for (unix_ms, text) in [
            (0, None),
            (1, Some("1970-01-01T00:00:00.001Z")),
            (951_782_400_000, Some("2000-02-29T00:00:00Z")),
            (1_767_323_045_120, Some("2026-01-02T03:04:05.12Z")),
            (4_107_542_400_000, Some("2100-03-01T00:00:00Z")),
            (253_402_300_799_999, Some("9999-12-31T23:59:59.999Z")),
            (253_402_300_800_000, None),
            (u64::MAX, None),
        ] {
            assert_eq!(rfc_3339(unix_ms).as_deref(), text, "{unix_ms}");
        }
    }
}
