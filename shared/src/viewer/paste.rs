//! Pastes: made safe for a terminal, and asked about where they would run by themselves.

use crate::input::MAX_PASTE;

/// Text that waits for the person's word, because every line of it would run at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasteQuestion {
    /// How many lines.
    pub lines: usize,
    /// Its beginning.
    pub excerpt: String,
}

/// What becomes of a paste.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Paste {
    /// These bytes are typed.
    Typed(Vec<u8>),
    /// The person is asked first; these bytes are typed if they agree.
    Asked(PasteQuestion, Vec<u8>),
    /// Longer than what is ever typed.
    TooLong,
}

/// The most characters of a paste shown in the question.
const MAX_EXCERPT: usize = 400;

/// Prepares pasted text as a terminal gets it: line ends become returns, and nothing in the text can end the
/// brackets around it or pass for a key.
pub(super) fn prepare(text: &str, bracketed: bool) -> Paste {
    if text.len() > MAX_PASTE {
        return Paste::TooLong;
    }
    let unified = text.replace("\r\n", "\n").replace('\r', "\n");
    let clean: String = unified
        .chars()
        .filter(|&c| c == '\n' || c == '\t' || !c.is_control())
        .map(|c| if c == '\n' { '\r' } else { c })
        .collect();
    let bytes = if bracketed { format!("\x1b[200~{clean}\x1b[201~") } else { clean.clone() }.into_bytes();
    if bytes.len() > MAX_PASTE {
        return Paste::TooLong;
    }
    if bracketed || !clean.contains('\r') {
        return Paste::Typed(bytes);
    }
    let lines = clean.trim_end_matches('\r').matches('\r').count() + 1;
    let excerpt = unified.chars().filter(|&c| c == '\n' || !c.is_control()).take(MAX_EXCERPT).collect();
    Paste::Asked(PasteQuestion { lines, excerpt }, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_paste_cannot_end_its_own_brackets() {
        assert_eq!(prepare("a\x1b[201~b\n", true), Paste::Typed(b"\x1b[200~a[201~b\r\x1b[201~".to_vec()));
    }

    #[test]
    fn lines_without_brackets_are_asked_about() {
        assert_eq!(prepare("one", false), Paste::Typed(b"one".to_vec()));
        let Paste::Asked(question, bytes) = prepare("one\r\ntwo\n", false) else { panic!("not asked") };
        assert_eq!((question.lines, &bytes[..]), (2, &b"one\rtwo\r"[..]));
        assert_eq!(prepare(&"x".repeat(MAX_PASTE + 1), true), Paste::TooLong);
    }
}
