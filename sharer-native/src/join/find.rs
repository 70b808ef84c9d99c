//! Finding text in what is looked at, whatever the case, and wherever it was wrapped.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use unicode_width::UnicodeWidthStr as _;

/// The longest text that is looked for, in characters.
const LONGEST: usize = 200;

/// What is between a row and the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Seam {
    /// The text ends here.
    #[default]
    End,
    /// It goes on there.
    Within,
    /// It goes on there, and a blank was left out.
    Blank,
}

/// A row of a text that was wrapped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) text: String,
    pub(super) seam: Seam,
}

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

    /// Goes to the next row in which it begins, towards the past or back; the row's place.
    pub(super) fn step(&mut self, rows: &[Row], older: bool) -> Option<usize> {
        self.writing = false;
        let needle = folded(&self.text);
        if needle.is_empty() {
            return None;
        }
        let has = places(&needle, rows);
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

    /// Marks it where it is drawn; what is between the rows is said for each, where anything is.
    pub(super) fn mark(&self, area: Rect, seams: &[Seam], buffer: &mut Buffer) {
        let needle: Vec<char> = self.text.chars().map(fold).collect();
        if needle.is_empty() {
            return;
        }
        // What is read in one go, each character with its place.
        let mut read: Vec<(char, Option<Rect>)> = Vec::new();
        for (row, y) in (area.top()..area.bottom()).enumerate() {
            let mut x = area.left();
            while x < area.right() {
                let symbol = buffer.cell((x, y)).map_or(" ", Cell::symbol);
                let width = u16::try_from(symbol.width()).unwrap_or(1).clamp(1, area.right() - x);
                let first = symbol.chars().next().unwrap_or(' ');
                read.push((fold(first), Some(Rect { x, y, width, height: 1 })));
                x += width;
            }
            match seams.get(row).copied().unwrap_or_default() {
                Seam::Within => {}
                Seam::Blank => {
                    while read.pop_if(|(last, _)| *last == ' ').is_some() {}
                    read.push((' ', None));
                }
                Seam::End => mark(&needle, &std::mem::take(&mut read), buffer),
            }
        }
        mark(&needle, &read, buffer);
    }
}

fn mark(needle: &[char], read: &[(char, Option<Rect>)], buffer: &mut Buffer) {
    let style = Style::new().fg(Color::Black).bg(Color::Yellow);
    let is_here = |part: &[(char, Option<Rect>)]| part.iter().map(|(c, _)| c).eq(needle);
    for part in read.windows(needle.len()).filter(|part| is_here(part)) {
        for place in part.iter().filter_map(|(_, place)| *place) {
            buffer.set_style(place, style);
        }
    }
}

/// The rows in which a text begins, each once.
fn places(needle: &str, rows: &[Row]) -> Vec<usize> {
    let mut found: Vec<usize> = Vec::new();
    let mut look = |text: &str, begins: &[(usize, usize)]| {
        for (at, _) in text.match_indices(needle) {
            let row = begins.iter().rev().find(|(from, _)| *from <= at).map(|(_, place)| *place);
            if row.is_some() && found.last().copied() != row {
                found.extend(row);
            }
        }
    };
    // A text of several rows, and where in it each begins.
    let (mut text, mut begins) = (String::new(), Vec::new());
    for (place, row) in rows.iter().enumerate() {
        begins.push((text.len(), place));
        text.extend(row.text.chars().map(fold));
        match row.seam {
            Seam::Within => {}
            Seam::Blank => text.push(' '),
            Seam::End => {
                look(&text, &begins);
                text.clear();
                begins.clear();
            }
        }
    }
    look(&text, &begins);
    found
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

    fn row(text: &str, seam: Seam) -> Row {
        Row { text: text.to_owned(), seam }
    }

    fn find(text: &str) -> Find {
        let mut find = Find::ask();
        text.chars().for_each(|c| find.write(c));
        find
    }

    #[test]
    fn what_was_wrapped_is_found_in_the_row_where_it_begins_and_marked_in_both() {
        let rows = [
            row("one nee", Seam::Within),
            row("dle", Seam::End),
            row("nee", Seam::End),
            row("dle two", Seam::Blank),
            row("words", Seam::End),
            row("a needle and a needle", Seam::End),
        ];
        let mut needle = find("NEEDLE");
        assert_eq!([needle.step(&rows, true), needle.step(&rows, true)], [Some(5), Some(0)]);
        assert!(needle.says().contains("2 of 2 lines"), "a row once: {}", needle.says());
        assert_eq!(find("two words").step(&rows, true), Some(3), "a blank was left out");
        assert_eq!(find("twowords").step(&rows, true), None);

        let area = Rect::new(0, 0, 7, 5);
        let mut buffer = Buffer::empty(area);
        for (y, row) in (0..).zip(&rows[..5]) {
            buffer.set_string(0, y, &row.text, Style::new());
        }
        let seams: Vec<Seam> = rows.iter().map(|row| row.seam).collect();
        needle.mark(area, &seams, &mut buffer);
        find("two words").mark(area, &seams, &mut buffer);
        let mut marked = Vec::new();
        for y in 0..5 {
            marked.push((0..7).filter(|x| buffer[(*x, y)].bg == Color::Yellow).collect::<Vec<u16>>());
        }
        let none: Vec<u16> = Vec::new();
        assert_eq!(marked, [vec![4, 5, 6], vec![0, 1, 2], none, vec![4, 5, 6], vec![0, 1, 2, 3, 4]]);
    }

    #[test]
    fn the_newest_line_is_found_first_and_after_the_last_the_first_again() {
        let lines =
            ["Error one", "fine", "an ERROR two", "fine", "error three"].map(|text| row(text, Seam::End));
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
        find.mark(area, &[], &mut buffer);
        let marked: Vec<u16> = (0..13).filter(|x| buffer[(*x, 0)].bg == Color::Yellow).collect();
        assert_eq!(marked, [1, 2, 4, 5, 7, 8]);
    }
}
