//! What a secret looks like: published formats of tokens, keys in PEM, passwords in addresses, the secret part of a shared
//! session's link, and words that look like drawn at random.

use core::ops::Range;

use super::{assigned, cut, key};

/// A word this long, in bytes, is measured …
pub(super) const LONG: usize = 10;
/// … and is a secret if one of its bytes says more than this, in bits (upstream's bound).
const RANDOM: f64 = 4.5;

/// Which bytes a token has behind its prefix.
#[derive(Clone, Copy)]
enum Letters {
    Hex,
    Upper,
    Word,
    /// Also `-`.
    Dashed,
    /// Also `-` and `.`.
    Dotted,
}

impl Letters {
    fn has(self, byte: u8) -> bool {
        match self {
            Self::Hex => byte.is_ascii_hexdigit(),
            Self::Upper => byte.is_ascii_uppercase() || byte.is_ascii_digit(),
            Self::Word => byte.is_ascii_alphanumeric() || byte == b'_',
            Self::Dashed => Self::Word.has(byte) || byte == b'-',
            Self::Dotted => Self::Dashed.has(byte) || byte == b'.',
        }
    }
}

/// Prefix, letters behind it, and how many there are at least. Sources: the issuers' own documentation.
const TOKENS: &[(&str, Letters, usize)] = &[
    ("AIza", Letters::Dashed, 35),
    ("AKIA", Letters::Upper, 16),
    ("ASIA", Letters::Upper, 16),
    ("GOCSPX-", Letters::Dashed, 28),
    ("SG.", Letters::Dotted, 60),
    ("SK", Letters::Hex, 32),
    ("dckr_pat_", Letters::Dashed, 20),
    ("dop_v1_", Letters::Hex, 64),
    ("eyJ", Letters::Dotted, 30),
    ("github_pat_", Letters::Word, 36),
    ("gho_", Letters::Word, 36),
    ("ghp_", Letters::Word, 36),
    ("ghr_", Letters::Word, 36),
    ("ghs_", Letters::Word, 36),
    ("ghu_", Letters::Word, 36),
    ("glpat-", Letters::Dashed, 20),
    ("hf_", Letters::Word, 30),
    ("npm_", Letters::Word, 36),
    ("pypi-", Letters::Dashed, 50),
    ("rk_live_", Letters::Word, 16),
    ("rk_test_", Letters::Word, 16),
    ("shpat_", Letters::Hex, 32),
    ("sk-", Letters::Dashed, 20),
    ("sk_live_", Letters::Word, 16),
    ("sk_test_", Letters::Word, 16),
    ("xapp-", Letters::Dashed, 20),
    ("xoxa-", Letters::Dashed, 10),
    ("xoxb-", Letters::Dashed, 10),
    ("xoxp-", Letters::Dashed, 10),
    ("xoxr-", Letters::Dashed, 10),
    ("xoxs-", Letters::Dashed, 10),
    ("ya29.", Letters::Dotted, 20),
];

/// A secret in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Secret {
    pub(super) place: Range<usize>,
    /// More text might make it longer.
    pub(super) is_open: bool,
}

/// Where the secrets of a text are, in order, apart from each other.
pub(super) fn find(text: &[u8]) -> Vec<Secret> {
    let mut found = Vec::new();
    random_words(text, &mut found);
    tokens(text, &mut found);
    in_addresses(text, &mut found);
    assigned::find(text, &mut found);
    cut::find(text, &mut found);
    let with_end = |place: Range<usize>| Secret { is_open: place.end == text.len(), place };
    let mut found: Vec<Secret> = found.into_iter().map(with_end).collect();
    key::find(text, &mut found);
    found.sort_unstable_by_key(|secret| secret.place.start);
    found.dedup_by(|later, earlier| {
        let touches = later.place.start <= earlier.place.end;
        if touches {
            earlier.place.end = earlier.place.end.max(later.place.end);
            earlier.is_open |= later.is_open;
        }
        touches
    });
    found
}

/// Upstream's letters of a word that may be random.
pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'_' | b'=' | b'-')
}

fn random_words(text: &[u8], found: &mut Vec<Range<usize>>) {
    let mut start = None;
    for (at, byte) in text.iter().copied().chain([b' ']).enumerate() {
        if is_word(byte) {
            start = start.or(Some(at));
        } else if let Some(start) = start.take()
            && at - start >= LONG
            && text.get(start..at).is_some_and(is_random)
        {
            found.push(start..at);
        }
    }
}

/// Whether a byte of this word says more than [`RANDOM`] bits: Shannon's entropy of its letters.
fn is_random(word: &[u8]) -> bool {
    // No more can be said by so few letters.
    if word.len() < 23 {
        return false;
    }
    let mut counts = [0_u32; 256];
    for byte in word {
        if let Some(count) = counts.get_mut(usize::from(*byte)) {
            *count += 1;
        }
    }
    let length = f64::from(u32::try_from(word.len()).unwrap_or(u32::MAX));
    let bits = counts.into_iter().filter(|count| *count > 0).map(|count| {
        let share = f64::from(count) / length;
        -share * share.log2()
    });
    bits.sum::<f64>() > RANDOM
}

/// Fewer letters behind a token's prefix say nothing of it, and may be a word's.
const FEW: usize = 4;

/// Where the token begins that goes on to the end of `text`, whether it is whole or not.
pub(super) fn unfinished_token(text: &[u8]) -> Option<usize> {
    let is_part = |byte: &u8| Letters::Dotted.has(*byte);
    let from = text.iter().rposition(|byte| !is_part(byte)).map_or(0, |before| before + 1);
    let word = text.get(from..).unwrap_or_default();
    let begins = |at: &usize| {
        at.checked_sub(1).and_then(|before| word.get(before)).is_none_or(|byte| matches!(byte, b'-' | b'.'))
            && TOKENS.iter().any(|(prefix, letters, _)| {
                let behind = word.get(*at..).unwrap_or_default().strip_prefix(prefix.as_bytes());
                behind
                    .is_some_and(|behind| behind.len() >= FEW && behind.iter().all(|byte| letters.has(*byte)))
            })
    };
    (0..word.len()).find(begins).map(|at| from + at)
}

/// Where the password of an address begins whose end is not there.
pub(super) fn unfinished_password(text: &[u8]) -> Option<usize> {
    let word = text.iter().rposition(u8::is_ascii_whitespace).map_or(0, |before| before + 1);
    let from = position(text, b"://", word)? + 3;
    let from = position(text, b":", from)? + 1;
    let password = text.get(from..).unwrap_or_default();
    // It may be a port, or no longer what is before the path.
    let is_password = password.iter().any(|byte| !byte.is_ascii_digit());
    let is_over =
        text.get(word..)?.iter().rposition(|byte| matches!(byte, b'@' | b'/' | b'"' | b'\'' | b'`'));
    (is_password && is_over.is_none_or(|over| word + over < from)).then_some(from)
}

fn tokens(text: &[u8], found: &mut Vec<Range<usize>>) {
    let mut inside = false;
    let mut until = 0;
    for (at, byte) in text.iter().enumerate() {
        let begins = !inside && at >= until;
        inside = byte.is_ascii_alphanumeric() || *byte == b'_';
        // Most words begin like no token.
        if !begins
            || !matches!(
                byte,
                b'A' | b'G' | b'S' | b'd' | b'e' | b'g' | b'h' | b'n' | b'p' | b'r' | b's' | b'x' | b'y'
            )
        {
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        for (prefix, letters, least) in TOKENS {
            let Some(behind) = rest.strip_prefix(prefix.as_bytes()) else { continue };
            let length = behind.iter().take_while(|byte| letters.has(**byte)).count();
            if length >= *least {
                until = at + prefix.len() + length;
                found.push(at..until);
                break;
            }
        }
    }
}

/// `scheme://user:PASSWORD@host`, and what stands behind the `#` of a shared session's link.
fn in_addresses(text: &[u8], found: &mut Vec<Range<usize>>) {
    let (mut from, mut end) = (0, 0);
    while let Some(at) = position(text, b"://", from) {
        from = at + 3;
        let rest = text.get(from..).unwrap_or_default();
        let is_part = |byte: &u8| {
            !byte.is_ascii_whitespace() && !matches!(byte, b'"' | b'\'' | b'<' | b'>' | b'`' | b')')
        };
        let length = rest.iter().take_while(|byte| is_part(byte) && **byte != b'/').count();
        let authority = rest.get(..length).unwrap_or_default();
        let colon = authority.iter().position(|byte| *byte == b':');
        let sign = authority.iter().rposition(|byte| *byte == b'@');
        if let (Some(colon), Some(sign)) = (colon, sign)
            && colon + 1 < sign
        {
            found.push(from + colon + 1..from + sign);
        }
        // Addresses inside one have the same end, and are not read to it again.
        if from < end {
            continue;
        }
        end = from + rest.iter().take_while(|byte| is_part(byte)).count();
        let address = text.get(from..end).unwrap_or_default();
        if let Some(hash) = address.iter().position(|byte| *byte == b'#')
            && from + hash + 1 < end
            && position(address.get(..hash).unwrap_or_default(), b"/s/", 0).is_some()
        {
            found.push(from + hash + 1..end);
        }
    }
}

/// Where `part` next stands in `text`.
pub(super) fn position(text: &[u8], part: &[u8], from: usize) -> Option<usize> {
    let first = *part.first()?;
    let mut at = from;
    loop {
        at += text.get(at..)?.iter().position(|byte| *byte == first)?;
        if text.get(at..)?.starts_with(part) {
            return Some(at);
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        find(text.as_bytes()).into_iter().map(|secret| text.get(secret.place).unwrap()).collect()
    }

    #[test]
    fn tokens_of_published_formats_are_found_whole_beside_anything() {
        for (prefix, letters, least) in TOKENS {
            let letter = match letters {
                Letters::Hex => 'a',
                Letters::Upper => 'B',
                Letters::Word | Letters::Dashed | Letters::Dotted => 'c',
            };
            let token: String = prefix.chars().chain(std::iter::repeat_n(letter, *least)).collect();
            for text in [token.clone(), format!("k={token};"), format!("({token})"), format!("\"{token}\",x")]
            {
                assert_eq!(found(&text), [&token], "{text}");
            }
            let short: String = token.chars().take(prefix.len() + least - 1).collect();
            assert!(found(&short).is_empty(), "{short}");
        }
    }

    #[test]
    fn what_looks_random_is_found_and_hashes_ids_and_words_are_not() {
        let random = "q8Zr3VbX1cN7mK0pLs9TfYhWdUaEjG2i";
        assert_eq!(found(&format!("token {random}.")), [random]);
        for plain in [
            "11111111-aaaa-4bbb-8ccc-000000000001",
            "2331d483d36181b070c326099e993cd8c131be33ad0b6adc0d3537b9464eb9c0",
            "the_quick_brown_fox_jumps_over_it",
            "/home/user/src/project/target/debug",
            "----------------------------------",
        ] {
            assert!(found(plain).is_empty(), "{plain}");
        }
    }

    #[test]
    fn keys_passwords_and_secrets_of_links_are_found() {
        let key = "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----";
        assert_eq!(found(&format!("a {key} b")), [key]);
        assert_eq!(found("x -----BEGIN PRIVATE KEY-----\nabc"), ["-----BEGIN PRIVATE KEY-----\nabc"]);
        assert!(found("-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----").is_empty());
        assert_eq!(found("postgres://ada:pa:ss@db.test/x"), ["pa:ss"]);
        assert_eq!(found("<https://relay.test/s/abc#kSecret>"), ["kSecret"]);
        assert!(found("https://relay.test/page#heading http://host:80/a@b").is_empty());
        assert_eq!(found("https://a.test/?to=https://relay.test/s/abc#k://x:y@z"), ["k://x:y@z"]);
    }

    #[test]
    fn what_looks_like_many_secrets_takes_no_longer_than_its_length() {
        for part in ["://", "://a:", "-----BEGIN PRIVATE KEY", "-----END ", "sk-", "a@", "#/s/"] {
            assert!(find(part.repeat(1_000_000 / part.len()).as_bytes()).len() < 1_000_000);
        }
    }
}
