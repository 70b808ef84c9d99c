//! Names that become paths: checked before they are used as one.

use core::fmt;

/// The longest name of a session or task, in bytes: file systems take 255, and suffixes follow.
const MAX_NAME: usize = 200;

/// A checkpoint's id: 12 lowercase hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CheckpointId(String);

impl CheckpointId {
    /// The id, if `text` is one.
    pub fn parse(text: &str) -> Option<Self> {
        let good = text.len() == 12 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        good.then(|| Self(text.to_owned()))
    }

    /// One from randomness.
    pub fn from_bytes(bytes: [u8; 6]) -> Self {
        let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        Self(digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect())
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its folder in a tree, such as `7c/1e0b9a42d5`.
    pub fn folder(&self) -> String {
        let (shard, rest) = self.0.split_at(2);
        format!("{shard}/{rest}")
    }

    /// The id whose folder these two names are.
    pub fn from_folder(shard: &str, rest: &str) -> Option<Self> {
        (shard.len() == 2).then(|| Self::parse(&format!("{shard}{rest}"))).flatten()
    }
}

impl fmt::Display for CheckpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name that is safe as a file's: letters, digits, `_` and `-`. Sessions, tool uses and agents have such.
///
/// Stricter than upstream, which takes any session id without slashes; theirs become file names too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The name, if `text` is one of 1 to 200 bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        ((1..=MAX_NAME).contains(&text.len()) && text.bytes().all(good)).then(|| Self(text.to_owned()))
    }

    /// Its letters.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_twelve_lowercase_digits_and_make_two_folders() {
        let id = CheckpointId::parse("7c1e0b9a42d5").unwrap();
        assert_eq!(id.folder(), "7c/1e0b9a42d5");
        assert_eq!(CheckpointId::from_folder("7c", "1e0b9a42d5"), Some(id.clone()));
        assert_eq!(CheckpointId::from_bytes([0x7c, 0x1e, 0x0b, 0x9a, 0x42, 0xd5]), id);
        for wrong in [
            "",
            "7c1e0b9a42d",
            "7c1e0b9a42d55",
            "7C1E0B9A42D5",
            "7c1e0b9a42dg",
            "../../../../x",
            "7c/1e0b9a42d",
        ] {
            assert_eq!(CheckpointId::parse(wrong), None, "{wrong}");
        }
        for (shard, rest) in [("7c1", "e0b9a42d5"), ("", "7c1e0b9a42d5"), ("ü", "1e0b9a42d5")] {
            assert_eq!(CheckpointId::from_folder(shard, rest), None, "{shard}/{rest}");
        }
    }

    #[test]
    fn names_are_safe_as_those_of_files() {
        assert!(Name::parse("11111111-aaaa-4bbb-8ccc-000000000001").is_some());
        let long = "a".repeat(201);
        for wrong in ["", ".", "..", "a b", "a/b", "a\\b", "a\0b", "ä", "-rf\n", &long] {
            assert_eq!(Name::parse(wrong), None, "{wrong:?}");
        }
    }
}
