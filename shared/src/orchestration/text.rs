//! Text of somebody else's choosing, cut to a size.

use core::fmt;
use core::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize};

/// Stands at the end of what was cut.
const CUT: char = '…';

/// At most `MAX` bytes of text, counted as they stand in JSON; longer text is cut at a character's end and ends in
/// "…". One line: control characters become spaces. Everything else, markup and bidi controls included, is text
/// and stays; whoever shows it isolates it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Text<const MAX: usize>(String);

/// What a character takes in JSON, in bytes.
pub(crate) fn cost(character: char) -> usize {
    match character {
        '"' | '\\' => 2,
        _ => character.len_utf8(),
    }
}

impl<const MAX: usize> Text<MAX> {
    /// Takes as much of `text` as fits.
    pub fn new(text: &str) -> Self {
        let mut out = String::new();
        let (mut size, mut room_for_cut) = (0, 0);
        for character in text.chars() {
            let character = if character.is_control() { ' ' } else { character };
            size += cost(character);
            if size > MAX {
                out.truncate(room_for_cut);
                out.push(CUT);
                break;
            }
            out.push(character);
            if size + CUT.len_utf8() <= MAX {
                room_for_cut = out.len();
            }
        }
        Self(out)
    }
}

impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> From<&str> for Text<MAX> {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(&<std::borrow::Cow<'de, str>>::deserialize(deserializer)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_fits_and_what_fits_stays(text in any::<String>()) {
            let cut = Text::<24>::new(&text);
            let json = serde_json::to_string(&cut).unwrap();
            prop_assert!(json.len() <= 24 + 2, "{json}");
            prop_assert!(!cut.chars().any(char::is_control));
            prop_assert_eq!(&Text::<24>::new(&cut), &cut);
            prop_assert_eq!(&serde_json::from_str::<Text<24>>(&json).unwrap(), &cut);
            let whole: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
            let kept = cut.strip_suffix('…').unwrap_or(&cut);
            prop_assert!(whole.starts_with(kept));
        }
    }

    #[test]
    fn long_names_are_cut_at_a_characters_end() {
        assert_eq!(&*Text::<9>::new("123456789"), "123456789");
        assert_eq!(&*Text::<9>::new("1234567890"), "123456…");
        assert_eq!(&*Text::<9>::new("ééééé"), "ééé…");
        assert_eq!(&*Text::<9>::new("😀😀😀"), "😀…");
        assert_eq!(Text::<256>::new(&"x".repeat(10_000)).len(), 256);
    }

    #[test]
    fn markup_and_bidi_controls_are_text_and_control_characters_are_not() {
        let name = "<b onclick=x>\u{202e}evil\u{2066}</b>";
        assert_eq!(&*Text::<256>::new(name), name);
        assert_eq!(&*Text::<256>::new("a\x1b[2J\r\nb\u{9b}c\u{7f}"), "a [2J  b c ");
    }
}
