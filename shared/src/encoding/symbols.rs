//! RFC 4648 without padding: bytes as symbols of 5 or 6 bits. Ours because it has to be exact — one text for every
//! bytes, one bytes for every text — and small: it is a part of the page.

/// An alphabet.
#[derive(Debug)]
pub(crate) struct Alphabet {
    /// Of one symbol.
    bits: u32,
    symbols: &'static [u8],
    value: fn(u8) -> Option<u8>,
}

/// Base32 in lower case: survives URLs, double clicks and being read aloud.
pub(crate) const BASE32: Alphabet =
    Alphabet { bits: 5, symbols: b"abcdefghijklmnopqrstuvwxyz234567", value: base32_value };

/// Base64 for URLs.
pub(crate) const BASE64URL: Alphabet = Alphabet {
    bits: 6,
    symbols: b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
    value: base64url_value,
};

fn base32_value(symbol: u8) -> Option<u8> {
    match symbol {
        b'a'..=b'z' => Some(symbol - b'a'),
        b'2'..=b'7' => Some(symbol - b'2' + 26),
        _ => None,
    }
}

fn base64url_value(symbol: u8) -> Option<u8> {
    match symbol {
        b'A'..=b'Z' => Some(symbol - b'A'),
        b'a'..=b'z' => Some(symbol - b'a' + 26),
        b'0'..=b'9' => Some(symbol - b'0' + 52),
        b'-' => Some(62),
        b'_' => Some(63),
        _ => None,
    }
}

impl Alphabet {
    pub(crate) fn encode(&self, bytes: &[u8]) -> String {
        let mut text = String::with_capacity((bytes.len() * 8).div_ceil(self.bits as usize));
        // At most 7 + 8 bits are held.
        let (mut held, mut count) = (0u32, 0);
        let mut push = |value: u32| {
            let symbol = self.symbols.get(value as usize % self.symbols.len());
            text.push(symbol.copied().map_or('?', char::from));
        };
        for &byte in bytes {
            held = (held << 8) | u32::from(byte);
            count += 8;
            while count >= self.bits {
                count -= self.bits;
                push(held >> count);
            }
        }
        if count > 0 {
            push(held << (self.bits - count));
        }
        text
    }

    /// `None` for foreign symbols, for a symbol too many, and for bits that belong to no byte and are not zero.
    pub(crate) fn decode(&self, text: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(text.len() * self.bits as usize / 8);
        let (mut held, mut count) = (0u32, 0);
        for symbol in text.bytes() {
            held = (held << self.bits) | u32::from((self.value)(symbol)?);
            count += self.bits;
            if count >= 8 {
                count -= 8;
                let [.., byte] = (held >> count).to_be_bytes();
                bytes.push(byte);
                held &= (1 << count) - 1;
            }
        }
        (count < self.bits && held == 0).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// RFC 4648, section 10.
    #[test]
    fn known_texts_read_and_write() {
        for (plain, base32, base64) in [
            ("", "", ""),
            ("f", "my", "Zg"),
            ("fo", "mzxq", "Zm8"),
            ("foo", "mzxw6", "Zm9v"),
            ("foob", "mzxw6yq", "Zm9vYg"),
            ("fooba", "mzxw6ytb", "Zm9vYmE"),
            ("foobar", "mzxw6ytboi", "Zm9vYmFy"),
        ] {
            for (alphabet, text) in [(BASE32, base32), (BASE64URL, base64)] {
                assert_eq!(alphabet.encode(plain.as_bytes()), text);
                assert_eq!(alphabet.decode(text).as_deref(), Some(plain.as_bytes()), "{text}");
            }
        }
        assert_eq!(BASE64URL.encode(&[0xfb, 0xff]), "-_8");
        for bad in ["A", "Zh", "Zm9", "Zg==", "Zm8=", "+/8", "Zg\n", " Zg", "Zé"] {
            assert_eq!(BASE64URL.decode(bad), None, "{bad}");
        }
        for bad in ["m", "mz", "mzx", "mzxw6y", "MY", "m1", "my======"] {
            assert_eq!(BASE32.decode(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn bytes_read_back(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            for alphabet in [BASE32, BASE64URL] {
                prop_assert_eq!(alphabet.decode(&alphabet.encode(&bytes)), Some(bytes.clone()));
            }
        }

        #[test]
        fn a_text_has_one_spelling(text in "[a-zA-Z0-9_=-]{0,24}") {
            for alphabet in [BASE32, BASE64URL] {
                if let Some(bytes) = alphabet.decode(&text) {
                    prop_assert_eq!(alphabet.encode(&bytes), text.clone());
                }
            }
        }
    }
}
