//! Text of strangers: bounded, and free of characters that do more than be read.

/// The longest name, in characters.
const LONGEST_NAME: usize = 80;

/// Whether a character changes the direction or the look of others, or shows nothing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// A name as one line: no control, bidi or invisible characters, runs of blanks as one, at most 80 characters.
pub fn name_text(name: &str) -> String {
    let shown = name.chars().map(|c| if c.is_control() { ' ' } else { c }).filter(|c| !is_invisible(*c));
    let mut text = String::new();
    let mut count = 0;
    for c in shown {
        if c == ' ' && (text.is_empty() || text.ends_with(' ')) {
            continue;
        }
        if count == LONGEST_NAME {
            text.push('…');
            break;
        }
        text.push(c);
        count += 1;
    }
    text.truncate(text.trim_end().len());
    text
}

/// Text of several lines without control characters but newline and tab; terminal colours and the like are left out.
pub fn plain_text(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_sequence(&mut chars),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\r' => out.push('\n'),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

/// After ESC: a control sequence to its final byte, a string to its end, or one character. One that is unfinished
/// ends with the line.
fn skip_sequence(chars: &mut core::iter::Peekable<core::str::Chars<'_>>) {
    match chars.peek() {
        Some('[') => {
            chars.next();
            while let Some(c) = chars.next_if(|c| *c != '\n') {
                if ('\u{40}'..='\u{7e}').contains(&c) {
                    break;
                }
            }
        }
        Some(']' | 'P' | '_' | '^' | 'X') => {
            while let Some(c) = chars.next_if(|c| *c != '\n') {
                if c == '\u{7}' || (c == '\u{1b}' && chars.next_if_eq(&'\\').is_some()) {
                    break;
                }
            }
        }
        Some('\n') | None => {}
        Some(_) => {
            chars.next();
        }
    }
}

/// How many bytes `text` takes inside JSON, without the quotes.
pub(super) fn json_len(text: &str) -> usize {
    let escaped = |byte: u8| match byte {
        b'"' | b'\\' | b'\n' | b'\t' | b'\r' | 8 | 12 => 2,
        0..0x20 => 6,
        _ => 1,
    };
    text.bytes().map(escaped).sum()
}

/// Splits `text` where its front takes at most `room` bytes inside JSON, between characters.
pub(super) fn split_json(text: &str, room: usize) -> (&str, &str) {
    let mut used = 0;
    let mut buffer = [0; 4];
    for (at, c) in text.char_indices() {
        used += json_len(c.encode_utf8(&mut buffer));
        if used > room {
            return text.split_at_checked(at).unwrap_or((text, ""));
        }
    }
    (text, "")
}

/// Keeps the front of `text` that fits into `room` bytes of JSON, and says how much is missing.
pub(super) fn cut_end(text: &mut String, room: usize) {
    if json_len(text) <= room {
        return;
    }
    let (front, rest) = split_json(text, room.saturating_sub(48));
    *text = format!("{front}\n… {} more bytes are not kept", rest.len());
}

/// Keeps the end of `text` that fits into `room` bytes of JSON, and says how much is missing.
pub(super) fn cut_front(text: &mut String, room: usize) {
    let excess = json_len(text).saturating_sub(room);
    if excess == 0 {
        return;
    }
    let (front, rest) = split_json(text, excess + 48);
    *text = format!("… {} bytes before are not kept\n{rest}", front.len());
}
