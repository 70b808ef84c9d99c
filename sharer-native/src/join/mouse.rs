//! The mouse, as the person's terminal reports it (SGR, mode 1006), and as a program wants to hear of it.

use crate::term::cells::{MouseModes, MouseReports};

/// How a report begins.
pub(super) const BEGINS: &[u8] = b"\x1b[<";
/// No report is longer, in bytes.
const LONGEST: usize = 24;
const WHEEL: u16 = 64;
const MOTION: u16 = 32;

/// Something that the mouse did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mouse {
    /// Button, motion, wheel and modifiers, as reports have them.
    code: u16,
    released: bool,
    /// Column and row of the screen, from 0.
    pub(super) at: (u16, u16),
}

/// What stands where a report may.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// A report, and its length.
    Whole(Mouse, usize),
    /// The beginning of one.
    Cut,
    /// Something else.
    No,
}

/// Reads a report.
pub(super) fn read(bytes: &[u8]) -> Read {
    let Some(body) = bytes.strip_prefix(BEGINS) else { return Read::No };
    let Some(end) = body.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b';')) else {
        return if bytes.len() < LONGEST { Read::Cut } else { Read::No };
    };
    let released = match body.get(end) {
        Some(b'M') => false,
        Some(b'm') => true,
        _ => return Read::No,
    };
    let text = body.get(..end).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default();
    let mut numbers = text.split(';').map(|number| number.parse::<u16>().ok());
    let mut next = || numbers.next().flatten();
    let (Some(code), Some(x @ 1..), Some(y @ 1..)) = (next(), next(), next()) else { return Read::No };
    Read::Whole(Mouse { code, released, at: (x - 1, y - 1) }, BEGINS.len() + end + 1)
}

impl Mouse {
    /// Whether the first button was pressed.
    pub(super) fn is_press(self) -> bool {
        !self.released && self.code & (WHEEL | MOTION | 128 | 3) == 0
    }

    /// Steps of the wheel, towards the past.
    pub(super) fn wheel(self) -> Option<isize> {
        let turned = self.code & (WHEEL | 128) == WHEEL && self.code & 2 == 0;
        turned.then_some(if self.code & 1 == 0 { 1 } else { -1 })
    }

    /// What a program hears of it that wants so much, at this place of its own screen; nothing if it does not want that.
    pub(super) fn told(self, modes: MouseModes, (column, row): (u16, u16)) -> Vec<u8> {
        let moved = self.code & MOTION != 0;
        let held = self.code & 3 != 3;
        let wanted = match modes.reports {
            MouseReports::Presses => !moved && !self.released,
            MouseReports::Clicks => !moved,
            MouseReports::Drags => !moved || held,
            MouseReports::Motion => true,
        };
        if !wanted {
            return Vec::new();
        }
        let Self { code, released, .. } = self;
        let (x, y) = (column.saturating_add(1), row.saturating_add(1));
        if modes.sgr {
            let end = if released { 'm' } else { 'M' };
            return format!("\x1b[<{code};{x};{y}{end}").into_bytes();
        }
        // Which button was let go of has no word there, and no place beyond the 223rd.
        let code = if released { code | 3 } else { code };
        let byte = |value: u16| u8::try_from(value + 32).ok();
        match (byte(code), byte(x), byte(y)) {
            (Some(code), Some(x), Some(y)) => vec![0x1b, b'[', b'M', code, x, y],
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::MouseReports::{Clicks, Drags, Motion, Presses};
    use super::*;

    fn mouse(report: &str) -> Mouse {
        match read(report.as_bytes()) {
            Read::Whole(mouse, len) => {
                assert_eq!(len, report.len());
                mouse
            }
            other @ (Read::Cut | Read::No) => panic!("{report:?}: {other:?}"),
        }
    }

    #[test]
    fn reports_are_read_whole_or_waited_for() {
        let press = mouse("\x1b[<0;12;3M");
        assert_eq!((press.at, press.is_press(), press.wheel()), ((11, 2), true, None));
        assert_eq!(mouse("\x1b[<64;1;1M").wheel(), Some(1));
        assert_eq!(mouse("\x1b[<65;1;1M").wheel(), Some(-1));
        for other in ["\x1b[<0;1;1m", "\x1b[<32;1;1M", "\x1b[<2;1;1M", "\x1b[<66;1;1M"] {
            let other = mouse(other);
            assert!(!other.is_press() && other.wheel().is_none(), "{other:?}");
        }
        for cut in ["\x1b[<", "\x1b[<0", "\x1b[<0;12;3"] {
            assert_eq!(read(cut.as_bytes()), Read::Cut, "{cut:?}");
        }
        let endless = format!("\x1b[<{}", "1".repeat(40));
        for no in
            ["", "\x1b[", "x", "\x1b[<0;0;1M", "\x1b[<0;1M", "\x1b[<99999;1;1M", "\x1b[<1u", endless.as_str()]
        {
            assert_eq!(read(no.as_bytes()), Read::No, "{no:?}");
        }
    }

    #[test]
    fn a_program_hears_what_it_asked_for_in_its_own_words() {
        let told = |report, reports, sgr, at| mouse(report).told(MouseModes { reports, sgr }, at);
        assert_eq!(told("\x1b[<0;9;9M", Clicks, true, (4, 1)), b"\x1b[<0;5;2M");
        assert_eq!(told("\x1b[<0;9;9m", Clicks, true, (4, 1)), b"\x1b[<0;5;2m");
        assert_eq!(told("\x1b[<0;9;9M", Clicks, false, (4, 1)), b"\x1b[M\x20\x25\x22");
        assert_eq!(told("\x1b[<0;9;9m", Clicks, false, (4, 1)), b"\x1b[M\x23\x25\x22");
        let nothing: [u8; 0] = [];
        assert_eq!(told("\x1b[<0;9;9m", Presses, true, (4, 1)), nothing);
        assert_eq!(told("\x1b[<32;9;9M", Clicks, true, (4, 1)), nothing);
        assert_eq!(told("\x1b[<32;9;9M", Drags, true, (4, 1)), b"\x1b[<32;5;2M");
        assert_eq!(told("\x1b[<35;9;9M", Drags, true, (4, 1)), nothing);
        assert_eq!(told("\x1b[<35;9;9M", Motion, true, (4, 1)), b"\x1b[<35;5;2M");
        assert_eq!(told("\x1b[<0;9;9M", Clicks, false, (300, 1)), nothing, "there is no word for it");
    }
}
