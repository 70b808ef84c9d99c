//! asciicast v3, by its published rules (<https://docs.asciinema.org/manual/asciicast/v3>): a header, then one event a
//! line, each with the seconds since the one before; lines that begin with `#` are comments.

use serde::Serialize;
use serde_json::Value;

use crate::event::{MAX_OUTPUT, WindowSize};

/// The longest line that is read, in bytes: [`MAX_OUTPUT`] as JSON, where a byte takes six at most, with room for what is
/// around it and for writers that put more into a line.
pub const MAX_CAST_LINE: usize = 1024 * 1024;
/// The longest text of a header or a marker that is written, in bytes.
const MAX_TEXT: usize = 4096;
/// The longest pause between two events that is believed, in microseconds: ten years.
const LONGEST_PAUSE: u64 = 10 * 366 * 86_400 * 1_000_000;

/// What a recording says of itself first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Header {
    /// The terminal's size at the start.
    pub size: Option<WindowSize>,
    /// What the terminal was to programs (`TERM`).
    pub term: Option<String>,
    /// When it began, in seconds since 1970.
    pub timestamp: Option<u64>,
    /// What people call it.
    pub title: Option<String>,
    /// What ran.
    pub command: Option<String>,
    /// Pauses longer than this, in milliseconds, are to be played as this long.
    pub idle_limit: Option<u64>,
}

impl Header {
    /// The size at the start, as one that a terminal can have; 80 × 24 where none was said.
    pub fn window(&self) -> WindowSize {
        self.size.unwrap_or(WindowSize { cols: 80, rows: 24 }).clamped()
    }
}

/// What happened in a terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// The program wrote this (`o`).
    Output(String),
    /// Somebody typed this (`i`). Never written here; others' recordings may have it.
    Input(String),
    /// A place with a name (`m`).
    Marker(String),
    /// The terminal has another size (`r`).
    Resize(WindowSize),
    /// The program ended with this status (`x`).
    Exit(i32),
}

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Milliseconds since the start.
    pub at: u64,
    /// What.
    pub kind: Kind,
}

/// Writes lines behind one another into a buffer. Pauses are counted in whole milliseconds from the start, so rounding
/// does not add up.
#[derive(Debug, Clone, Default)]
pub struct CastWriter {
    last: u64,
    /// The beginning of a character whose rest has not been written, at most three bytes.
    carried: Vec<u8>,
}

impl CastWriter {
    /// Writes the header.
    pub fn begin(header: &Header, out: &mut Vec<u8>) -> Self {
        #[derive(Serialize)]
        struct Term<'a> {
            cols: u16,
            rows: u16,
            #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
            kind: Option<&'a str>,
        }
        #[derive(Serialize)]
        struct First<'a> {
            version: u8,
            term: Term<'a>,
            #[serde(skip_serializing_if = "Option::is_none")]
            timestamp: Option<u64>,
            #[serde(skip_serializing_if = "Option::is_none")]
            command: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            title: Option<&'a str>,
        }
        let WindowSize { cols, rows } = header.window();
        let first = First {
            version: 3,
            term: Term { cols, rows, kind: header.term.as_deref().map(short) },
            timestamp: header.timestamp,
            command: header.command.as_deref().map(short),
            title: header.title.as_deref().map(short),
        };
        out.extend(serde_json::to_vec(&first).unwrap_or_default());
        out.push(b'\n');
        Self::default()
    }

    /// The program wrote `bytes` at `at` milliseconds. A character that is cut waits for its rest; what is no UTF-8 is
    /// written as U+FFFD, as terminals show it.
    pub fn output(&mut self, at: u64, bytes: &[u8], out: &mut Vec<u8>) {
        let joined;
        let mut rest = bytes;
        if !self.carried.is_empty() {
            joined = [std::mem::take(&mut self.carried).as_slice(), bytes].concat();
            rest = &joined;
        }
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(MAX_OUTPUT));
            let began = out.len();
            self.event(at, "o", out);
            let text = out.len();
            let left = put_lossy(line, out);
            // What is cut at the end of this line is whole at the beginning of the next one.
            let left_len = left.len();
            if out.len() == text {
                out.truncate(began);
            } else {
                self.last = self.last.max(at);
                out.extend_from_slice(b"\"]\n");
            }
            if after.is_empty() {
                self.carried = left.to_vec();
                return;
            }
            rest = rest.get(line.len() - left_len..).unwrap_or_default();
        }
    }

    /// The terminal has another size.
    pub fn resize(&mut self, at: u64, size: WindowSize, out: &mut Vec<u8>) {
        self.line(at, "r", &format!("{}x{}", size.cols, size.rows), out);
    }

    /// A place that people may want to find.
    pub fn marker(&mut self, at: u64, label: &str, out: &mut Vec<u8>) {
        self.line(at, "m", short(label), out);
    }

    /// The program ended with this status, as shells count it. Of a character whose rest never came, the replacement
    /// character is written before.
    pub fn exit(&mut self, at: u64, status: i32, out: &mut Vec<u8>) {
        if !std::mem::take(&mut self.carried).is_empty() {
            self.line(at, "o", "\u{fffd}", out);
        }
        self.line(at, "x", &status.to_string(), out);
    }

    /// A line that players pass over.
    pub fn comment(text: &str, out: &mut Vec<u8>) {
        let text: String = short(text).chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        out.extend_from_slice(b"# ");
        out.extend_from_slice(text.as_bytes());
        out.push(b'\n');
    }

    fn line(&mut self, at: u64, code: &str, text: &str, out: &mut Vec<u8>) {
        self.event(at, code, out);
        self.last = self.last.max(at);
        put_escaped(text, out);
        out.extend_from_slice(b"\"]\n");
    }

    /// The beginning of an event's line, up to its text.
    fn event(&self, at: u64, code: &str, out: &mut Vec<u8>) {
        let pause = at.saturating_sub(self.last);
        let head = format!("[{}.{:03}, \"{code}\", \"", pause / 1000, pause % 1000);
        out.extend_from_slice(head.as_bytes());
    }
}

/// As much of a text as is written.
fn short(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT)).unwrap_or_default()
}

/// Writes bytes as the inside of a JSON string; returns the beginning of a character that is cut at their end.
fn put_lossy<'a>(bytes: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(text) => {
                put_escaped(text, out);
                return &[];
            }
            Err(error) => {
                let (valid, after) = rest.split_at(error.valid_up_to());
                put_escaped(std::str::from_utf8(valid).unwrap_or_default(), out);
                let Some(wrong) = error.error_len() else { return after };
                out.extend_from_slice("\u{fffd}".as_bytes());
                rest = after.get(wrong..).unwrap_or_default();
            }
        }
    }
}

/// Where the first byte stands that is escaped. Eight bytes at a time: a program that floods is recorded while it does.
fn next_escaped(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = u64::from_ne_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_ne_bytes([0x80; 8]);
    // The lowest bit that is set stands in the first byte that is below `n`; bits above it may say anything.
    let below = |word: u64, n: u8| word.wrapping_sub(ONES * u64::from(n)) & !word & HIGH;
    let is = |word: u64, byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    let (words, rest) = bytes.as_chunks::<8>();
    for (word, at) in words.iter().zip((0..).step_by(8)) {
        let word = u64::from_le_bytes(*word);
        let found = below(word, 0x20) | is(word, b'"') | is(word, b'\\') | is(word, 0x7f);
        if found != 0 {
            return Some(at + usize::try_from(found.trailing_zeros() / 8).unwrap_or(0));
        }
    }
    let escaped = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\' || *byte == 0x7f;
    rest.iter().position(escaped).map(|at| words.len() * 8 + at)
}

fn put_escaped(text: &str, out: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    while let Some(at) = next_escaped(rest) {
        let (plain, from) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, after)) = from.split_first() else { return };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x1b => out.extend_from_slice(b"\\u001b"),
            byte => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
        rest = after;
    }
    out.extend_from_slice(rest);
}

/// A line is nothing of asciicast v3.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CastError {
    /// It is longer than [`MAX_CAST_LINE`].
    #[error("a line of more than {MAX_CAST_LINE} bytes")]
    TooLong,
    /// The first line is no header.
    #[error("no asciicast: the first line is no header")]
    NoHeader,
    /// It is of a version that is not read here.
    #[error(
        "asciicast of version {0}: only version 3 is read (asciinema 3 makes one: asciinema convert OLD NEW)"
    )]
    Version(u64),
    /// It is no event.
    #[error("a line that is no event")]
    NoEvent,
}

/// What a line holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CastLine {
    /// The header: the first line.
    Header(Header),
    /// Something that happened.
    Event(Event),
    /// A comment, an empty line, or an event of a kind that is not known.
    Nothing,
}

/// Reads lines one by one. After an error the next line may be read: whoever reads a file passes over a last line that is
/// torn, and over what a broken disk made of others.
#[derive(Debug, Clone, Default)]
pub struct CastReader {
    begun: bool,
    /// Microseconds since the start.
    at: u64,
}

impl CastReader {
    /// A reader of version 3, before its header.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the next line, with its end or without.
    pub fn line(&mut self, line: &[u8]) -> Result<CastLine, CastError> {
        let line = line.trim_ascii_end();
        if line.len() > MAX_CAST_LINE {
            return Err(CastError::TooLong);
        }
        if !self.begun {
            let header = header(line)?;
            self.begun = true;
            return Ok(CastLine::Header(header));
        }
        if line.is_empty() || line.starts_with(b"#") {
            return Ok(CastLine::Nothing);
        }
        let fields: [Value; 3] = match serde_json::from_slice(line) {
            Ok(Value::Array(fields)) => fields.try_into().ok(),
            _ => None,
        }
        .ok_or(CastError::NoEvent)?;
        let [pause, Value::String(code), Value::String(text)] = fields else {
            return Err(CastError::NoEvent);
        };
        let kind = match code.as_str() {
            "o" => Some(Kind::Output(text)),
            "i" => Some(Kind::Input(text)),
            "m" => Some(Kind::Marker(text)),
            "r" => Some(Kind::Resize(size(&text).ok_or(CastError::NoEvent)?)),
            "x" => Some(Kind::Exit(text.trim().parse().map_err(|_not_a_number| CastError::NoEvent)?)),
            _ => None,
        };
        self.at = self.at.saturating_add(micros(&pause).ok_or(CastError::NoEvent)?);
        let event = |kind| CastLine::Event(Event { at: self.at / 1000, kind });
        Ok(kind.map_or(CastLine::Nothing, event))
    }
}

/// A pause in microseconds; one that is none (negative, not a number) is refused, one that is absurd is cut.
fn micros(pause: &Value) -> Option<u64> {
    let seconds = pause.as_f64().filter(|seconds| seconds.is_finite() && *seconds >= 0.0)?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it is cut to what is believed"
    )]
    let micros = (seconds * 1e6).round() as u64;
    Some(micros.min(LONGEST_PAUSE))
}

fn size(text: &str) -> Option<WindowSize> {
    let (cols, rows) = text.split_once('x')?;
    Some(WindowSize { cols: cols.parse().ok()?, rows: rows.parse().ok()? }.clamped())
}

fn header(line: &[u8]) -> Result<Header, CastError> {
    let Ok(Value::Object(fields)) = serde_json::from_slice(line) else { return Err(CastError::NoHeader) };
    let version = fields.get("version").and_then(Value::as_u64).ok_or(CastError::NoHeader)?;
    if version != 3 {
        return Err(CastError::Version(version));
    }
    let term = fields.get("term").and_then(Value::as_object);
    let side = |name| {
        let side = term.and_then(|term| term.get(name)).and_then(Value::as_u64);
        side.map(|side| u16::try_from(side).unwrap_or(u16::MAX))
    };
    let text = |value: Option<&Value>| value.and_then(Value::as_str).map(str::to_owned);
    let (cols, rows) = (side("cols").ok_or(CastError::NoHeader)?, side("rows").ok_or(CastError::NoHeader)?);
    Ok(Header {
        size: Some(WindowSize { cols, rows }.clamped()),
        term: text(term.and_then(|term| term.get("type"))),
        timestamp: fields.get("timestamp").and_then(Value::as_u64),
        title: text(fields.get("title")),
        command: text(fields.get("command")),
        idle_limit: fields.get("idle_time_limit").and_then(micros).map(|micros| micros / 1000),
    })
}
