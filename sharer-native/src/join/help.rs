//! The page of keys: pairs side by side where there is room for them, else one below the other.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Clear, Paragraph, Widget as _};
use unicode_width::UnicodeWidthStr as _;

/// Keys, and what they do.
type Entry = (&'static str, &'static str);

/// How to leave comes first: it is in sight in the smallest window.
const PAIRS: [(Entry, Entry); 7] = [
    (("q", "leave; the session goes on"), ("?", "this page")),
    (("i, Enter", "type (where the link allows)"), ("Ctrl-]", "stop typing; leave")),
    (("← → Tab", "the pill before, the next one"), ("Alt+1 … 9", "a pill by its place")),
    (("Home End", "the first pill, the last"), ("Ctrl+Alt+[ ]", "also while typing")),
    (("↑ ↓ PgUp PgDn", "look at what has scrolled off"), ("t", "transcript")),
    (("/  n N", "find text; older, newer"), ("p", "pin the selected pill")),
    (("r", "try again"), ("", "")),
];
const SINGLE: [Entry; 3] = [
    ("[ ]", "the command before, behind (Ctrl+Alt+PgUp PgDn while typing)"),
    ("o", "order: as started, or what needs a person first"),
    (
        "m",
        "the mouse: pills and wheel, and the program's while typing; or your terminal's own (with Shift it selects text in \
         most terminals)",
    ),
];

/// Columns of keys, and of those on the right: the longest, and a blank.
const KEYS: usize = 14;
const RIGHT_KEYS: usize = 13;
/// Where the right ones begin.
const RIGHT: usize = 46;
/// All pairs fit side by side.
const BESIDE: usize = 80;
/// With fewer columns, words are below their keys.
const BELOW: usize = 30;

/// Draws as much of it as there is room for, from this line on, which is made one that there is; whether that is all.
pub(super) fn draw(first: &mut usize, area: Rect, buffer: &mut Buffer) -> bool {
    let all = lines(usize::from(area.width));
    let height = usize::from(area.height);
    *first = (*first).min(all.len().saturating_sub(height));
    let shown: Vec<_> = all.iter().skip(*first).take(height).map(|line| Line::raw(line.as_str())).collect();
    Clear.render(area, buffer);
    Paragraph::new(shown).render(area, buffer);
    all.len() <= height
}

fn lines(columns: usize) -> Vec<String> {
    let keys = if columns < BELOW { 2 } else { KEYS };
    let below = |entry| told(entry, keys, columns);
    let pairs = PAIRS.into_iter().flat_map(|(left, right)| {
        if columns < BESIDE {
            return [below(left), below(right)].concat();
        }
        let left = told(left, KEYS, RIGHT).concat();
        let right = told(right, RIGHT_KEYS, columns - RIGHT).concat();
        let gap = RIGHT.saturating_sub(left.width());
        vec![format!("{left}{:gap$}{right}", "")]
    });
    pairs.chain(SINGLE.into_iter().flat_map(below)).filter(|line| !line.is_empty()).collect()
}

/// One of them in lines of so many columns, its words behind so many for keys.
fn told((keys, words): Entry, indent: usize, columns: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = keys.to_owned();
    let mut is_new = true;
    if line.width() >= indent {
        lines.push(std::mem::take(&mut line));
    }
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        if !is_new && line.width() + 1 + word.width() > columns {
            lines.push(std::mem::take(&mut line));
            is_new = true;
        }
        let gap = if is_new { indent.saturating_sub(line.width()) } else { 1 };
        line.extend(std::iter::repeat_n(' ', gap));
        line.push_str(word);
        is_new = false;
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_told_in_every_width_and_nothing_is_wider() {
        for columns in 20..200 {
            let lines = lines(columns);
            assert!(lines.iter().all(|line| line.width() <= columns), "{columns}: {lines:#?}");
            let words: Vec<&str> = lines.iter().flat_map(|line| line.split_whitespace()).collect();
            let entries = PAIRS.iter().flat_map(|(left, right)| [left, right]).chain(&SINGLE);
            for (keys, does) in entries {
                let has = |text: &str| text.split_whitespace().all(|word| words.contains(&word));
                assert!(has(keys) && has(does), "{columns}: {keys} {lines:#?}");
            }
        }
        assert_eq!(lines(BESIDE)[0], "q             leave; the session goes on      ?            this page");
        let narrow = ["q             leave; the session goes on", "?             this page"];
        assert_eq!(lines(40)[..2], narrow);
        assert_eq!(lines(20)[..3], ["q leave; the session", "  goes on", "? this page"]);
    }
}
