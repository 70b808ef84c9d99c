//! Secrets by the name they are given: `DB_PASSWORD=…`, `api_key: "…"`, `curl -u ada:…`.
//!
//! A name says less than a token's format does, so a value counts only if it looks like one that a person or a machine made
//! up, and not like code: a transcript is full of variables that are called `token`.

use core::ops::Range;

/// What names of secrets have in them, in small letters.
const NAMES: [&[u8]; 10] = [
    b"secret",
    b"token",
    b"apikey",
    b"api_key",
    b"api-key",
    b"access_key",
    b"accesskey",
    b"private_key",
    b"credential",
    b"client_key",
];
/// What names of passwords have in them: people make them up, so they are shorter, and words.
const PASSWORDS: [&[u8]; 2] = [b"passw", b"passphrase"];
/// The longest name, in bytes.
const LONGEST_NAME: usize = 64;
/// A value has so many bytes at least …
const LEAST: usize = 8;
/// … a password so many, …
const LEAST_PASSWORD: usize = 6;
/// … and no more than these.
const MOST: usize = 200;

/// What a name says of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Secret,
    Password,
}

/// What this name says of its value, if anything.
pub(super) fn named(name: &[u8]) -> Option<Named> {
    let name = name.to_ascii_lowercase();
    let has = |part: &&[u8]| name.windows(part.len()).any(|window| window == *part);
    if PASSWORDS.iter().any(has) {
        return Some(Named::Password);
    }
    NAMES.iter().any(has).then_some(Named::Secret)
}

/// Whether a value of this name is one. In quotes a password may be words.
pub(super) fn is_value(named: Named, value: &[u8], quoted: bool) -> bool {
    let least = if named == Named::Password { LEAST_PASSWORD } else { LEAST };
    let has = |is: fn(&u8) -> bool| value.iter().any(is);
    // What begins so stands for something else: a variable, a placeholder, what was covered already.
    let is_reference = value
        .first()
        .is_none_or(|first| matches!(first, b'$' | b'<' | b'{' | b'[' | b'*' | b'%' | b'&' | b'@'));
    let is_made_up = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
    (least..=MOST).contains(&value.len())
        && !is_reference
        && !has(u8::is_ascii_whitespace)
        && (is_made_up || (quoted && named == Named::Password))
}

/// Adds what is given such a name in a text.
pub(super) fn find(text: &[u8], found: &mut Vec<Range<usize>>) {
    for (at, byte) in text.iter().enumerate() {
        if matches!(byte, b'=' | b':') {
            found.extend(value_at(text, at));
        }
    }
}

/// The secret behind the sign at `at`.
fn value_at(text: &[u8], at: usize) -> Option<Range<usize>> {
    let (before, behind) = (text.get(..at)?, text.get(at + 1..)?);
    let sign = *text.get(at)?;
    let named = match name_before(before).and_then(named) {
        Some(named) => named,
        None if sign == b':' && is_user(before) => Named::Password,
        None => return None,
    };
    // Comparisons and paths of code assign nothing.
    let is_code = matches!(behind.first(), Some(b'=' | b':')) && sign != b':'
        || behind.first() == Some(&b':')
        || before.last().is_some_and(|byte| matches!(byte, b'!' | b'<' | b'>' | b'=' | b':' | b'+'));
    if is_code {
        return None;
    }
    let arrow = usize::from(matches!(behind.first(), Some(b'=' | b'>')));
    let blanks = count(behind.get(arrow..)?, |byte| byte == b' ');
    let escapes = count(behind.get(arrow + blanks..)?, |byte| byte == b'\\');
    let quote = behind.get(arrow + blanks + escapes).filter(|byte| is_quote(**byte));
    let from = arrow + blanks + quote.map_or(0, |_| escapes + 1);
    let rest = behind.get(from..)?;
    let length = match quote {
        Some(quote) => count(rest, |byte| byte != *quote && byte != b'\\' && byte != b'\n'),
        None => count(rest, |byte| byte.is_ascii_graphic() && !is_end(byte)),
    };
    // Bare words behind a blank are code, but for what settings call a password.
    let is_bare = quote.is_none() && blanks > 0 && (sign != b':' || named != Named::Password);
    let is_call = rest.get(length) == Some(&b'(');
    let is_one = !is_bare && !is_call && is_value(named, rest.get(..length)?, quote.is_some());
    is_one.then(|| at + 1 + from..at + 1 + from + length)
}

/// The name that ends a text, in quotes or without, and blanks behind it or none.
fn name_before(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii_end();
    let text = match text.split_last() {
        Some((last, rest)) if is_quote(*last) => {
            let escapes = rest.iter().rev().take_while(|byte| **byte == b'\\').count();
            rest.get(..rest.len() - escapes)?
        }
        _ => text,
    };
    let is_part = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let length = text.iter().rev().take(LONGEST_NAME).take_while(is_part).count();
    text.get(text.len() - length..)
}

/// Whether a text ends with the user that curl and its like are given before a colon.
fn is_user(text: &[u8]) -> bool {
    let tail = text.get(text.len().saturating_sub(LONGEST_NAME)..).unwrap_or_default();
    let user = tail.iter().rev().take_while(|byte| byte.is_ascii_graphic() && !is_quote(**byte)).count();
    let mut words = tail.get(..tail.len() - user).unwrap_or_default();
    words = words.strip_suffix(b"\"").or_else(|| words.strip_suffix(b"'")).unwrap_or(words).trim_ascii_end();
    user > 0 && (words.ends_with(b" -u") || words.ends_with(b" --user"))
}

fn count(text: &[u8], is: impl Fn(u8) -> bool) -> usize {
    text.iter().take(MOST + 1).take_while(|byte| is(**byte)).count()
}

fn is_quote(byte: u8) -> bool {
    matches!(byte, b'"' | b'\'' | b'`')
}

/// What ends a value that is in no quotes.
fn is_end(byte: u8) -> bool {
    is_quote(byte)
        || matches!(
            byte,
            b'\\' | b',' | b';' | b'(' | b')' | b'{' | b'}' | b'[' | b']' | b'<' | b'>' | b'|' | b'&'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let mut places = Vec::new();
        find(text.as_bytes(), &mut places);
        places.into_iter().map(|place| text.get(place).unwrap()).collect()
    }

    #[test]
    fn what_is_called_a_secret_and_looks_like_one_is_found() {
        for (text, secret) in [
            ("password=hunter2", "hunter2"),
            ("export DB_PASSWORD=Tr0ub4dor-3xyz", "Tr0ub4dor-3xyz"),
            ("password: hunter2", "hunter2"),
            ("password: \"correct-horse-battery\"", "correct-horse-battery"),
            ("{\\\"password\\\": \\\"correct-horse\\\"}", "correct-horse"),
            ("'api_key' => 'abcd1234efgh'", "abcd1234efgh"),
            ("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCY"),
            ("let client_secret = \"abcd1234efgh\";", "abcd1234efgh"),
            ("https://a.test/?token=abc12345&x=1", "abc12345"),
            ("curl -u admin:hunter2secret https://a.test", "hunter2secret"),
            ("curl --user 'admin:hunter2secret'", "hunter2secret"),
            ("PASSWD='with & sign'", ""),
        ] {
            let expected: Vec<&str> = Some(secret).filter(|secret| !secret.is_empty()).into_iter().collect();
            assert_eq!(found(text), expected, "{text}");
        }
    }

    #[test]
    fn code_settings_and_counts_are_none() {
        for text in [
            "let token = self.next_token8();",
            "let token = base64url128;",
            "token: String32,",
            "fn token(&self) -> Token",
            "assert_eq!(token, other)",
            "if token == expected128x {",
            "Token::Number12345",
            "\"max_tokens\": 409600",
            "input_tokens=12345678",
            "password=$DB_PASSWORD1",
            "password=\"${PASSWORD_1}\"",
            "password: <your-password-1>",
            "secrets: inherit",
            "password = getpass2()",
            "docker run -u 1000:1000 x",
            "the password: it is a word",
            "https://a.test:8080/x",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }
}
