//! Whole characters: never a UTF-8 character cut in two.
//!
//! Both the engine's parser and xterm.js lose characters at such a cut, silently.

/// Gives the length of the longest beginning of `bytes` that does not end inside a UTF-8 character: all of it
/// but at most the last 3 bytes. Invalid bytes count as characters of their own.
#[must_use]
pub fn whole_chars(bytes: &[u8]) -> usize {
    let len = bytes.len();
    for held in 1..=len.min(3) {
        let Some(end) = bytes.get(len - held..) else { break };
        if end.first().is_some_and(|&b| b >= 0xc0) {
            let unfinished =
                std::str::from_utf8(end).is_err_and(|e| e.valid_up_to() == 0 && e.error_len().is_none());
            return if unfinished { len - held } else { len };
        }
    }
    len
}

/// Turns pieces of bytes into text the way a streaming `TextDecoder` does: invalid bytes become U+FFFD.
#[derive(Debug, Default)]
pub struct WholeChars {
    /// The beginning of a character whose other bytes have not come yet: at most 3 bytes.
    part: Vec<u8>,
}

impl WholeChars {
    /// Gives `each` the text that is complete with `bytes`, in order.
    pub fn push(&mut self, mut bytes: &[u8], mut each: impl FnMut(&str)) {
        while !self.part.is_empty() {
            let Some((&first, rest)) = bytes.split_first() else { return };
            self.part.push(first);
            bytes = rest;
            // The byte may end the old character, or break it off and begin another.
            let part = self.part.split_off(whole_chars(&self.part));
            text(&std::mem::replace(&mut self.part, part), &mut each);
        }
        let (whole, part) = bytes.split_at(whole_chars(bytes));
        text(whole, &mut each);
        self.part.extend_from_slice(part);
    }

    /// The bytes of the unfinished character.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        &self.part
    }
}

fn text(bytes: &[u8], each: &mut impl FnMut(&str)) {
    for chunk in bytes.utf8_chunks() {
        if !chunk.valid().is_empty() {
            each(chunk.valid());
        }
        if !chunk.invalid().is_empty() {
            each("\u{fffd}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_back_the_beginning_of_a_character_only() {
        for (bytes, whole) in [
            (&b""[..], 0),
            (b"abc", 3),
            ("aé".as_bytes(), 3),
            (b"a\xc3", 1),
            (b"a\xe2\x82", 1),
            (b"a\xf0\x9f\x98", 1),
            (b"a\xf0\x9f\x98\x80", 5),
            (b"\x80\x80\x80\x80", 4),
            (b"a\xe0\x80", 3), // no character begins like this
            (b"a\xff", 2),
        ] {
            assert_eq!(whole_chars(bytes), whole, "{bytes:02x?}");
        }
    }

    #[test]
    fn any_split_gives_the_text_of_a_lossy_decoder() {
        let bytes = b"a\xe2\x80\x9cb\xff\xe2\x82\xf0\x9f\x98\x80\xe0\x80c\xc3\xa9\xf0\x9f";
        for at in 0..=bytes.len() {
            let (left, right) = bytes.split_at(at);
            let mut whole = WholeChars::default();
            let mut got = String::new();
            whole.push(left, |text| got.push_str(text));
            whole.push(right, |text| got.push_str(text));
            assert_eq!(got, "a“b\u{fffd}\u{fffd}😀\u{fffd}\u{fffd}cé", "split at {at}");
            assert_eq!(whole.pending(), b"\xf0\x9f");
        }
    }
}
