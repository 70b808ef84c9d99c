//! Text of somebody else's choosing, made fit to stand in a page: one line, no tricks with its direction, not endless.

/// The longest title shown, in characters.
pub(super) const MAX_TITLE: usize = 200;
/// The longest name of an agent shown, in characters.
pub(super) const MAX_NAME: usize = 80;

/// Reads a text as people do: no control characters, nothing invisible, nothing that turns the text around it, and at
/// most `max` characters.
pub(super) fn readable(text: &str, max: usize) -> String {
    let visible = text.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| !is_trick(*c));
    visible.take(max).collect::<String>().trim().to_owned()
}

/// A title fit to be shown; `None` if nothing is left of it.
pub(crate) fn title_of(title: &str) -> Option<String> {
    let title = readable(title, MAX_TITLE);
    (!title.is_empty()).then_some(title)
}

/// Characters that turn the direction of the text around them, or that nobody sees, by which one name could pass for
/// another.
fn is_trick(c: char) -> bool {
    matches!(
        c,
        '\u{61c}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_has_no_tricks_in_it() {
        assert_eq!(readable("  a\u{202e}b\u{2066}c\u{1b}[2J\u{200b}\n ", 20), "abc [2J");
        assert_eq!(readable("<b>👩‍🚀</b>", 20), "<b>👩‍🚀</b>", "markup is text, and emoji stay whole");
        assert_eq!(readable(&"é".repeat(10_000), MAX_NAME).chars().count(), MAX_NAME);
        assert_eq!(readable("\u{200b}\u{feff} ", 20), "");
    }
}
