//! Words that the end of a text cuts through: nothing else says of a part of a secret that it is one.

use core::ops::Range;

use super::MARK;
use super::secrets::{LONG, is_word, unfinished_password, unfinished_token};

/// What a text says that was cut to fit, before and behind the number of bytes that are missing.
const FRONT: (&str, &str) = ("… ", " bytes before are not kept\n");
const END: (&str, &str) = ("\n… ", " more bytes are not kept");

/// Takes the words out of `text` that may be of a secret and are there in part only; `None` if there are none.
///
/// Such a word is at a place where the text was cut to fit, or at its end if it `goes_on` in a later version of it, which
/// has the word whole. So this may guess: what has a token's prefix or a password's place, or looks like drawn at random.
pub fn cut_words(text: &str, goes_on: bool) -> Option<String> {
    let front = text.strip_prefix(FRONT.0).and_then(|rest| rest.split_once(FRONT.1));
    let begin = front.map_or(0, |(_, rest)| text.len() - rest.len());
    let kept = text.strip_suffix(END.1).and_then(|rest| rest.rsplit_once(END.0)).map(|(kept, _)| kept);
    let end = kept.map_or(text.len(), str::len).max(begin);
    let whole = text.get(begin..end)?.as_bytes();

    let word = whole.iter().take_while(|byte| is_word(**byte)).count();
    let is_front = begin > 0 && whole.get(..word).is_some_and(may_be_random);
    let from = begin + if is_front { word } else { 0 };
    let to = if goes_on || end < text.len() { begin + unfinished(whole).unwrap_or(whole.len()) } else { end };
    if from == begin && to == end {
        return None;
    }
    let mark = |is_cut: bool| if is_cut { MARK } else { "" };
    let (before, behind) = (text.get(..begin)?, text.get(end..)?);
    // One word may reach from end to end.
    let kept = text.get(from..to).unwrap_or_default();
    Some([before, mark(is_front), kept, mark(to < end && from < end), behind].concat())
}

/// Adds the last word of a text that was cut to fit a line, if it may be of a secret.
pub(super) fn find(text: &[u8], found: &mut Vec<Range<usize>>) {
    if let Some(whole) = text.strip_suffix("…".as_bytes())
        && let Some(from) = unfinished(whole)
    {
        found.push(from..whole.len());
    }
}

/// Where the last word begins, if it may be of a secret.
fn unfinished(text: &[u8]) -> Option<usize> {
    let word = text.iter().rposition(|byte| !is_word(*byte)).map_or(0, |before| before + 1);
    let random = text.get(word..).is_some_and(may_be_random).then_some(word);
    [unfinished_password(text), unfinished_token(text), random].into_iter().flatten().min()
}

/// Whether a word may be a part of one that was drawn at random. Words of people, hashes and UUIDs are none.
fn may_be_random(word: &[u8]) -> bool {
    let has = |is: fn(&u8) -> bool| word.iter().any(is);
    let is_mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
        || has(u8::is_ascii_lowercase) && word.iter().skip(1).any(u8::is_ascii_uppercase);
    word.len() >= LONG && is_mixed && !word.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_of_a_secret_at_a_cut_goes_and_words_stay() {
        for (text, expected) in [
            ("T: ghp_0123", "T: REDACTED"),
            ("key: AKIAIOSFODNN", "key: REDACTED"),
            ("x\nq8Zr3VbX1cN7m", "x\nREDACTED"),
            ("psql postgres://ada:pass", "psql postgres://ada:REDACTED"),
            ("x \"ghp_0123\n… 9 more bytes are not kept", "x \"REDACTED\n… 9 more bytes are not kept"),
            ("… 7 bytes before are not kept\nabcdefgh0123 x", "… 7 bytes before are not kept\nREDACTED x"),
            ("… 7 bytes before are not kept\nabcdefgh0123", "… 7 bytes before are not kept\nREDACTED"),
        ] {
            assert_eq!(cut_words(text, true).as_deref(), Some(expected));
            let is_marked = text.contains('…');
            assert_eq!(cut_words(text, false).as_deref(), is_marked.then_some(expected), "it goes on");
        }
        for text in [
            "",
            "T=ghp_0123 and",
            "T=ghp_0123\n",
            "all of the implementation",
            "http://localhost:8080",
            "https://ada:pw@a.test/a:b",
            "at 2331d483d36181b070c3",
            "11111111-aaaa-4bbb-8ccc-000000000001",
            "… 7 bytes before are not kept\nfrom here on",
            "x\n… 9 more bytes are not kept",
        ] {
            assert_eq!(cut_words(text, true), None, "{text}");
        }
    }
}
