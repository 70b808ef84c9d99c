//! Private keys in PEM, and as terminals, lists of lines and JSON in JSON show them.

use super::secrets::{Secret, position};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
const DASHES: &[u8] = b"-----";
/// The longest label between the dashes that is read, in bytes: "ENCRYPTED PRIVATE KEY" has 21.
const LABEL: usize = 64;
/// How far a key without an end reaches at most, in bytes: one of RSA with 16384 bits has 13 KB.
const LONGEST: usize = 16 * 1024;
/// A run of letters this long, in bytes, is of a key wherever it stands in its line; PEM has 64 in one, words are shorter.
const RUN: usize = 32;
/// What lines before the key itself begin with (RFC 1421, RFC 9580).
const HEADERS: &[&[u8]] =
    &[b"Proc-Type:", b"DEK-Info:", b"Version:", b"Comment:", b"Hash:", b"Charset:", b"MessageID:"];

/// Adds the private keys of `text`.
///
/// One whose end is missing goes on as long as its lines may be of a key: that text only mentions how keys begin costs the
/// words `BEGIN … PRIVATE KEY`, and no more.
pub(super) fn find(text: &[u8], found: &mut Vec<Secret>) {
    let mut next = position(text, BEGIN, 0);
    let mut end = None;
    while let Some(begin) = next {
        let label = text.get(begin + BEGIN.len()..).unwrap_or_default();
        let is_label = |byte: &&u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || **byte == b' ';
        let length = label.iter().take(LABEL).take_while(is_label).count();
        let label = label.get(..length).unwrap_or_default().trim_ascii_end();
        let behind = begin + BEGIN.len() + label.len();
        next = position(text, BEGIN, behind);
        if position(label, b"PRIVATE KEY", 0).is_none() {
            continue;
        }
        if end.is_none_or(|end| end < behind) {
            end = Some(position(text, END, behind).unwrap_or(text.len()));
        }
        let (end, is_open) = match end {
            // Another key's end is not this one's.
            Some(end) if end < next.unwrap_or(text.len()) => closed(text, end),
            _ => body(text, behind, text.len().min(begin + LONGEST)),
        };
        found.push(Secret { place: begin..end, is_open });
    }
}

/// Where the line ends that ends a key, and whether more text might make it longer.
fn closed(text: &[u8], end: usize) -> (usize, bool) {
    let behind = end + END.len();
    let rest = text.get(behind..text.len().min(behind + LABEL)).unwrap_or_default();
    match position(rest, DASHES, 0) {
        Some(dashes) => (behind + dashes + DASHES.len(), false),
        None => (behind, rest.len() < LABEL),
    }
}

/// Where the lines end that may be of a key, from behind its label to `limit`; and whether more text might be of it.
fn body(text: &[u8], behind: usize, limit: usize) -> (usize, bool) {
    let dashes = text.get(behind..).is_some_and(|rest| rest.starts_with(DASHES));
    let mut end = behind + if dashes { DASHES.len() } else { 0 };
    let mut at = end;
    let (mut has_lines, mut is_after_run, mut is_numbered) = (false, false, false);
    loop {
        let (start, lines) = gap(text, at);
        let Some(start) = start else { return (end, false) };
        if start >= limit {
            return (end, limit == text.len());
        }
        // Blank lines are before a key, not in it.
        if has_lines && lines > 1 {
            return (end, false);
        }
        let rest = text.get(start..limit).unwrap_or_default();
        if !has_lines && HEADERS.iter().any(|name| rest.starts_with(name) || name.starts_with(rest)) {
            at = start + rest.iter().take_while(|byte| !matches!(byte, b'\r' | b'\n' | b'\\')).count();
            end = at;
            continue;
        }
        let length = rest.iter().take_while(|byte| is_base64(**byte)).count();
        at = start + length;
        let is_first = lines > 0 || is_numbered;
        is_numbered = false;
        if length >= RUN
            || (is_after_run && lines == 0)
            || (is_first && (at == limit || is_last_of_line(text, at)))
        {
            (end, has_lines, is_after_run) = (at, true, length >= RUN);
        } else if is_first && length <= 6 && rest.iter().take(length).all(u8::is_ascii_digit) {
            is_numbered = true;
        } else {
            // Its line may be longer than what came.
            return (end, at == text.len());
        }
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

/// Where the next letters of a key may be, and how many lines end before; no place behind what stands beside no key's
/// lines. Frames, blanks, quotes and commas do; prompts and code do not.
fn gap(text: &[u8], mut at: usize) -> (Option<usize>, usize) {
    let (mut lines, mut returns) = (0, 0);
    while let Some(byte) = text.get(at).copied().filter(|byte| !is_base64(*byte)) {
        let rest = text.get(at..).unwrap_or_default();
        if b"$#%~@{}();".contains(&byte) || rest.starts_with(DASHES) {
            return (None, lines.max(returns.min(1)));
        }
        let escaped = if byte == b'\\' { rest.get(1).copied() } else { None };
        lines += usize::from(byte == b'\n' || escaped == Some(b'n'));
        // A bell ends a title.
        returns += usize::from(byte < 0x20 && byte != b'\t');
        at += if matches!(escaped, Some(b'n' | b'r' | b't')) { 2 } else { 1 };
    }
    (Some(at), lines.max(returns.min(1)))
}

/// Whether no more letters follow in this line.
fn is_last_of_line(text: &[u8], at: usize) -> bool {
    let (next, lines) = gap(text, at);
    lines > 0 || next.is_none_or(|next| next == text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the key of `text` ends, and whether it may go on.
    fn end(text: &str) -> (&str, bool) {
        let mut found = Vec::new();
        find(text.as_bytes(), &mut found);
        assert_eq!(found.len(), 1, "{text}");
        (text.get(found[0].place.end..).unwrap(), found[0].is_open)
    }

    #[test]
    fn a_key_without_an_end_ends_with_its_lines() {
        let (line, short) = ("MIIEpAIBAAKCAQEA0123".repeat(3), "abc/+=");
        for prose in
            ["` begins one.\nAnd so on", "\" src/a.rs\r\nsrc/a.rs:3: x", "-----\n\nIt is a key.", " key of"]
        {
            assert_eq!(
                end(&format!("-----BEGIN RSA PRIVATE KEY{prose}")),
                (prose.trim_start_matches("-----"), false)
            );
        }
        for ends in ["\n", "\r\n", "\\n", "\r\r\n", "\\r\\n", " │\r\n│ ", "\",\n  \"", "\n> ", "\n 12→"]
        {
            for head in ["", "Proc-Type: 4,ENCRYPTED|DEK-Info: AES-128-CBC,2A0F||", "|"] {
                let head = head.replace('|', ends);
                let key =
                    format!("-----BEGIN RSA PRIVATE KEY-----{ends}{head}{line}{ends}{line}{ends}{short}");
                assert_eq!(end(&key), ("", true));
                for behind in [format!("{ends}and so on"), "\r\n$ ls".to_owned(), "\"}".to_owned()] {
                    assert_eq!(end(&format!("{key}{behind}")), (&*behind, false), "{key}");
                }
                for cut in 32..key.len() {
                    assert!(!key.is_char_boundary(cut) || end(key.split_at(cut).0).1, "{cut} {key}");
                }
            }
        }
        // As programs show it that place each line by itself.
        let placed = format!("-----BEGIN PRIVATE KEY----- {line} {line} {short} and so on");
        assert_eq!(end(&placed), (" and so on", false));
    }

    #[test]
    fn a_key_is_no_longer_than_keys_are_and_has_its_own_end() {
        let line = "MIIEpAIBAAKCAQEA0123".repeat(3) + "\n";
        let (begin, last) = ("-----BEGIN PRIVATE KEY-----\n", "-----END PRIVATE KEY-----");
        let long = begin.to_owned() + &line.repeat(1_000);
        assert_eq!(end(&long), (long.split_at(LONGEST).1, false));
        assert_eq!(end(&format!("{begin}no key {last} b")), (" b", false));
        assert!(end(&format!("{begin}no key {}", last.split_at(12).0)).1);
        let other = "a word\n-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n";
        assert_eq!(end(&format!("{begin}{other}")), (&*format!("\n{other}"), false));
    }
}
