//! What agents and editors put around a person's words, taken off again (CHECKPOINTS 2.5).

use std::borrow::Cow;

/// Elements that go with what is in them.
const ELEMENTS: [&str; 6] = [
    "local-command-caveat",
    "system-reminder",
    "command-name",
    "command-message",
    "command-args",
    "local-command-stdout",
];

/// What a message begins with that Codex says in a person's name.
const INJECTED: [&str; 11] = [
    "# AGENTS.md",
    "<environment_context>",
    "<permissions",
    "<collaboration_mode>",
    "<skills_instructions>",
    "<apps_instructions>",
    "<plugins_instructions>",
    "<recommended_plugins>",
    "<user_action>",
    "<subagent_notification>",
    "<turn_aborted>",
];

/// A person's own words. Done once to each text: what is inside may look like a tag, too.
pub(super) fn strip(text: &str) -> String {
    let text = without(text, "<ide_", "</ide_");
    let mut text = Cow::Borrowed(without_timestamp(&text));
    for name in ELEMENTS {
        if text.contains(name) {
            text = Cow::Owned(without(&text, &format!("<{name}"), &format!("</{name}>")).into_owned());
        }
    }
    text.replace("<user_query>", "").replace("</user_query>", "").trim().to_owned()
}

/// Whether the agent says this in a person's name.
pub(super) fn is_injected(text: &str) -> bool {
    let text = text.trim();
    INJECTED.iter().any(|prefix| text.starts_with(prefix))
        || (text.starts_with("<INSTRUCTIONS>") && text.contains("AGENTS.md instructions"))
}

/// A text without elements: from what an opening tag begins with to the end of the next closing one. A closing tag that
/// does not end with `>` itself ends at the next.
pub(super) fn without<'a>(text: &'a str, open: &str, close: &str) -> Cow<'a, str> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, end)) = element(rest, open, close) {
        out.push_str(before);
        rest = end;
    }
    if rest.len() == text.len() {
        return Cow::Borrowed(text);
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// What is before an element, and what is behind it. An element without an end is none, and then none follows.
fn element<'a>(text: &'a str, open: &str, close: &str) -> Option<(&'a str, &'a str)> {
    let (before, inside) = text.split_once(open)?;
    let (_, inside) = inside.split_once('>')?;
    let (_, behind) = inside.split_once(close)?;
    let behind = if close.ends_with('>') { behind } else { behind.split_once('>')?.1 };
    Some((before, behind))
}

/// A text without the time that Cursor puts before it; elsewhere such an element is a person's.
fn without_timestamp(text: &str) -> &str {
    let cut = || {
        let rest = text.trim_start().strip_prefix("<timestamp")?;
        let (attributes, rest) = rest.split_once('>')?;
        if !(attributes.is_empty() || attributes.starts_with(char::is_whitespace)) {
            return None;
        }
        let (time, rest) = rest.split_once('<')?;
        let rest = rest.strip_prefix("/timestamp")?.trim_start().strip_prefix('>')?;
        (!time.contains('\n')).then_some(rest)
    };
    cut().unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_a_persons_goes_and_the_rest_stays() {
        for (text, own) in [
            (" plain ", "plain"),
            (
                "<ide_opened_file>a.rs\nb</ide_opened_file>fix <ide_selection x=\"1\">y</ide_selection>it",
                "fix it",
            ),
            ("<timestamp>Monday</timestamp>\n<user_query>\nhello\n</user_query>", "hello"),
            (" <timestamp zone=\"x\">1</timestamp >hello", "hello"),
            ("a <timestamp>kept</timestamp>", "a <timestamp>kept</timestamp>"),
            ("<timestamps>kept</timestamps>", "<timestamps>kept</timestamps>"),
            ("<user_query><timestamp>kept</timestamp></user_query>", "<timestamp>kept</timestamp>"),
            ("<system-reminder>a</system-reminder>b<system-reminder id=1>c</system-reminder>", "b"),
            (
                "<command-name>/x</command-name><command-message>m</command-message><command-args>z</command-args>",
                "",
            ),
            (
                "<local-command-caveat>c</local-command-caveat><local-command-stdout>o</local-command-stdout>",
                "",
            ),
            ("<system-reminder>never ends", "<system-reminder>never ends"),
            ("<ide_ never ends", "<ide_ never ends"),
            ("a < b > c </ide_", "a < b > c </ide_"),
        ] {
            assert_eq!(strip(text), own, "{text}");
        }
    }

    #[test]
    fn what_codex_says_in_a_persons_name_is_known_by_its_beginning_only() {
        assert!(is_injected("\n<environment_context>\n  <cwd>/x</cwd>"));
        assert!(is_injected("# AGENTS.md instructions for /x"));
        assert!(is_injected("<INSTRUCTIONS>\nAGENTS.md instructions"));
        assert!(!is_injected("why <environment_context>?"));
        assert!(!is_injected("<INSTRUCTIONS> mine"));
    }

    #[test]
    fn many_tags_without_an_end_take_no_longer_than_their_length() {
        let text = "<ide_a><system-reminder>".repeat(200_000);
        assert_eq!(strip(&text), text);
    }
}
