//! Finding text in what is looked at: a line at a time, whatever the case.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

/// The longest text that is looked for, in characters.
const LONGEST: usize = 200;

/// What is looked for, and where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Find {
    text: String,
    /// The person still writes it.
    pub(super) writing: bool,
    /// The place of the line that was found.
    at: Option<usize>,
    /// Which one it is from the newest, of how many.
    found: Option<(usize, usize)>,
}

impl Find {
    /// Begins to ask for a text.
    pub(super) fn ask() -> Self {
        Self { writing: true, ..Self::default() }
    }

    /// A character of the text, or the way back from one.
    pub(super) fn write(&mut self, c: char) {
        match c {
            '\x08' | '\x7f' => drop(self.text.pop()),
            '\x15' => self.text.clear(),
            c if c.is_control() => return,
            c if self.text.chars().count() < LONGEST => self.text.push(c),
            _ => return,
        }
        (self.at, self.found) = (None, None);
    }

    /// Goes to the next line that has it, towards the past or back; the line's place.
    pub(super) fn step(&mut self, lines: &[String], older: bool) -> Option<usize> {
        self.writing = false;
        let needle = folded(&self.text);
        if needle.is_empty() {
            return None;
        }
        let has: Vec<usize> = (0..lines.len())
            .filter(|place| lines.get(*place).is_some_and(|line| folded(line).contains(&needle)))
            .collect();
        let next = match self.at {
            None => has.last(),
            // Beyond the last one the first comes again.
            Some(at) if older => has.iter().rev().find(|place| **place < at).or(has.last()),
            Some(at) => has.iter().find(|place| **place > at).or(has.first()),
        };
        self.at = next.copied();
        let rank = has.iter().position(|place| Some(*place) == self.at);
        self.found = Some((rank.map_or(0, |rank| has.len() - rank), has.len()));
        self.at
    }

    /// The line about it.
    pub(super) fn says(&self) -> String {
        let Self { text, .. } = self;
        match self.found {
            _ if self.writing => format!("Find: {text}▏  Enter finds · Esc closes"),
            Some((which, all @ 1..)) => {
                format!("{text}: {which} of {all} lines  n older · N newer · / another · Esc closes")
            }
            Some(_) | None => format!("{text}: not found  / another · Esc closes"),
        }
    }

    /// Marks it where it is drawn.
    pub(super) fn mark(&self, area: Rect, buffer: &mut Buffer) {
        let needle: Vec<char> = self.text.chars().map(fold).collect();
        if needle.is_empty() {
            return;
        }
        let style = Style::new().fg(Color::Black).bg(Color::Yellow);
        for y in area.top()..area.bottom() {
            let cell =
                |x: u16| buffer.cell((x, y)).and_then(|cell| cell.symbol().chars().next()).unwrap_or(' ');
            let row: Vec<char> = (area.left()..area.right()).map(cell).map(fold).collect();
            let found: Vec<usize> = (0..row.len())
                .filter(|from| row.get(*from..).is_some_and(|rest| rest.starts_with(&needle)))
                .collect();
            for from in found {
                let from = area.left().saturating_add(u16::try_from(from).unwrap_or(u16::MAX));
                let width = u16::try_from(needle.len()).unwrap_or(u16::MAX);
                let place =
                    Rect { x: from, y, width: width.min(area.right().saturating_sub(from)), height: 1 };
                buffer.set_style(place, style);
            }
        }
    }
}

fn fold(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

fn folded(text: &str) -> String {
    text.chars().map(fold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_line_is_found_first_and_after_the_last_the_first_again() {
        let lines = ["Error one", "fine", "an ERROR two", "fine", "error three"].map(str::to_owned);
        let mut find = Find::ask();
        for c in "erxr\x7f\x7fror\x1b".chars() {
            find.write(c);
        }
        assert!(find.says().starts_with("Find: error▏"), "{}", find.says());
        let found: Vec<_> = (0..4).map(|_| find.step(&lines, true)).collect();
        assert_eq!(found, [Some(4), Some(2), Some(0), Some(4)]);
        assert_eq!(find.step(&lines, false), Some(0), "and the other way");
        assert!(find.says().contains("3 of 3 lines"), "{}", find.says());
        find.write('s');
        assert_eq!(find.step(&lines, true), None);
        assert!(find.says().contains("errors: not found"));
        assert_eq!(Find::ask().step(&lines, true), None, "nothing is nowhere");
        let mut long = Find::ask();
        (0..1_000).for_each(|_| long.write('x'));
        assert_eq!(long.text.len(), LONGEST);
    }

    #[test]
    fn every_match_in_sight_is_marked_and_nothing_beside_it() {
        let area = Rect::new(1, 0, 12, 2);
        let mut buffer = Buffer::empty(Rect::new(0, 0, 13, 2));
        buffer.set_string(0, 0, "xÄx äx.ÄX", Style::new());
        let mut find = Find::ask();
        "äx".chars().for_each(|c| find.write(c));
        find.mark(area, &mut buffer);
        let marked: Vec<u16> = (0..13).filter(|x| buffer[(*x, 0)].bg == Color::Yellow).collect();
        assert_eq!(marked, [1, 2, 4, 5, 7, 8]);
    }
}
