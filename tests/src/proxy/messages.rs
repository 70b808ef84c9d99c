//! Whole WebSocket messages in one direction of a connection: some are lost, some come twice, some come late.
//!
//! Bytes of anything else, and of a connection that has no such fault, pass as they come.

/// What happens to messages in one direction; each number is an "every how manyth", 0 for none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Messages {
    /// These are lost.
    pub lost: u64,
    /// These come twice.
    pub doubled: u64,
    /// These come behind the one that follows.
    pub late: u64,
}

impl Messages {
    /// All three, often, and never the same ones.
    pub fn all() -> Self {
        Self { lost: 7, doubled: 3, late: 5 }
    }

    fn none(self) -> bool {
        self == Self::default()
    }
}

/// More than any header of HTTP that is not an attack.
const MOST_HEADER: usize = 64 * 1024;

/// Where in its bytes a direction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// In the headers of a request or an answer that may become a WebSocket.
    Headers,
    /// In frames.
    Frames,
    /// In something else, for good.
    Other,
}

/// One direction of one connection.
#[derive(Debug)]
pub(super) struct Line {
    stage: Stage,
    /// What came of headers, or of a frame that is not whole.
    waiting: Vec<u8>,
    /// How many bytes of that have been passed on.
    passed: usize,
    /// A message that comes behind the next.
    late: Option<Vec<u8>>,
    /// Messages so far.
    count: u64,
    /// Messages that something was done to.
    pub(super) hurt: u64,
}

impl Line {
    pub(super) fn new() -> Self {
        Self { stage: Stage::Headers, waiting: Vec::new(), passed: 0, late: None, count: 0, hurt: 0 }
    }

    /// Takes bytes; what is to be passed on now.
    pub(super) fn pass(&mut self, bytes: &[u8], faults: Messages) -> Vec<u8> {
        let mut out = self.calm(faults);
        self.waiting.extend_from_slice(bytes);
        if self.stage == Stage::Headers {
            self.headers(&mut out);
        }
        if self.stage == Stage::Frames {
            while let Some(len) = length(&self.waiting).filter(|len| *len <= self.waiting.len()) {
                let frame: Vec<u8> = self.waiting.drain(..len).collect();
                let begun = std::mem::take(&mut self.passed);
                match frame.get(begun..) {
                    Some(rest) if begun > 0 => out.extend_from_slice(rest),
                    _ => self.frame(frame, faults, &mut out),
                }
            }
        }
        // What nothing is to be done to does not wait to be whole.
        if self.stage == Stage::Other || (faults.none() && self.stage == Stage::Frames) {
            out.extend_from_slice(self.waiting.get(self.passed..).unwrap_or_default());
            self.passed = self.waiting.len();
        }
        if self.stage == Stage::Other {
            self.waiting.clear();
            self.passed = 0;
        }
        out
    }

    /// What was to come behind another, if there is no such fault any more.
    pub(super) fn calm(&mut self, faults: Messages) -> Vec<u8> {
        if faults.none() { self.late.take().unwrap_or_default() } else { Vec::new() }
    }

    fn headers(&mut self, out: &mut Vec<u8>) {
        let end = self.waiting.windows(4).position(|part| part == b"\r\n\r\n").map(|at| at + 4);
        let is_http = [&b"GET "[..], b"HTTP/1.1 101 "].iter().any(|start| {
            let len = start.len().min(self.waiting.len());
            self.waiting.get(..len) == start.get(..len)
        });
        let upgrades =
            |head: &[u8]| String::from_utf8_lossy(head).to_ascii_lowercase().contains("upgrade: websocket");
        let whole = end.and_then(|end| self.waiting.get(..end));
        self.stage = match whole {
            _ if !is_http || self.waiting.len() > MOST_HEADER => Stage::Other,
            Some(head) if upgrades(head) => Stage::Frames,
            Some(_) => Stage::Other,
            None => Stage::Headers,
        };
        // Headers pass as they come; of frames the first byte is the first that waits.
        let of_headers =
            if self.stage == Stage::Frames { end.unwrap_or_default() } else { self.waiting.len() };
        out.extend_from_slice(self.waiting.get(self.passed..of_headers).unwrap_or_default());
        self.passed = of_headers;
        if self.stage == Stage::Frames {
            self.waiting.drain(..of_headers);
            self.passed = 0;
        }
    }

    fn frame(&mut self, frame: Vec<u8>, faults: Messages, out: &mut Vec<u8>) {
        // A message in one frame; pings, pongs, closes and parts of messages keep their place.
        let is_message = frame.first().is_some_and(|first| matches!(first, 0x81 | 0x82));
        if !is_message || faults.none() {
            out.extend_from_slice(&frame);
            return;
        }
        self.count += 1;
        let each = |nth: u64| nth != 0 && self.count.is_multiple_of(nth);
        let (lost, doubled, late) = (each(faults.lost), each(faults.doubled), each(faults.late));
        self.hurt += u64::from(lost || doubled || late);
        let before = self.late.take();
        if late && !lost {
            self.late = Some(frame);
        } else if !lost {
            out.extend_from_slice(&frame);
            if doubled {
                out.extend_from_slice(&frame);
            }
        }
        out.extend_from_slice(&before.unwrap_or_default());
    }
}

/// A frame's bytes, header included, once enough of it is there to tell.
fn length(bytes: &[u8]) -> Option<usize> {
    let second = *bytes.get(1)?;
    let mask = if second & 0x80 == 0 { 0 } else { 4 };
    let (header, body) = match second & 0x7f {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
        small => (2, usize::from(small)),
    };
    Some(header + mask + body)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nUpgrade: WebSocket\r\n\r\n";

    fn message(n: u8) -> Vec<u8> {
        vec![0x82, 1, n]
    }

    /// What comes of eight messages that arrive `step` bytes at a time.
    fn eight(faults: Messages, step: usize) -> Vec<u8> {
        let mut line = Line::new();
        let sent: Vec<u8> = HEAD.iter().copied().chain((1..=8).flat_map(message)).collect();
        let mut out: Vec<u8> = sent.chunks(step).flat_map(|piece| line.pass(piece, faults)).collect();
        out.extend(line.calm(Messages::default()));
        out.strip_prefix(HEAD).expect("the headers, whole").chunks(3).map(|message| message[2]).collect()
    }

    #[test]
    fn messages_are_lost_doubled_and_late_however_bytes_are_cut() {
        for step in [1, 2, 5, 1000] {
            assert_eq!(eight(Messages::default(), step), [1, 2, 3, 4, 5, 6, 7, 8]);
            assert_eq!(eight(Messages { lost: 3, ..Messages::default() }, step), [1, 2, 4, 5, 7, 8]);
            assert_eq!(
                eight(Messages { doubled: 4, ..Messages::default() }, step),
                [1, 2, 3, 4, 4, 5, 6, 7, 8, 8]
            );
            assert_eq!(eight(Messages { late: 4, ..Messages::default() }, step), [1, 2, 3, 5, 4, 6, 7, 8]);
        }
    }

    #[test]
    fn anything_else_passes_at_once_and_unchanged() {
        for text in
            [&b"hello"[..], b"GET /page HTTP/1.1\r\n\r\nand more", b"HTTP/1.1 200 OK\r\n\r\n\x82\x01a"]
        {
            let mut line = Line::new();
            let out: Vec<u8> = text.chunks(1).flat_map(|piece| line.pass(piece, Messages::all())).collect();
            assert_eq!(out, text);
        }
    }
}
