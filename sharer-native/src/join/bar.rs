//! The pill bar as one row.

use std::ops::Range;

use ratatui::style::{Color, Modifier, Style, Stylize as _};
use ratatui::text::{Line, Span};
use shared::viewer::{Bar, Pill, Selection, Standing, Status};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// Columns of a name at most.
const NAME: usize = 16;

/// Each state's sign and colour; its word is shown for the one that is selected.
fn badge(status: Status) -> (&'static str, Color) {
    match status {
        Status::Starting => ("…", Color::Gray),
        Status::Running => ("●", Color::Blue),
        Status::Waiting => ("◌", Color::Gray),
        Status::Blocked => ("▲", Color::Yellow),
        Status::Done => ("✓", Color::Green),
        Status::Error => ("✗", Color::Red),
        Status::Cancelled => ("■", Color::Gray),
        Status::Unreachable => ("⊘", Color::DarkGray),
        Status::Unknown => ("?", Color::Gray),
    }
}

/// Cuts a text to so many columns, with an ellipsis.
pub(super) fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let width = c.width().unwrap_or(0);
        if used + width + 1 > columns {
            break;
        }
        used += width;
        out.push(c);
    }
    out.push('…');
    out
}

fn pill(pill: &Pill, place: usize) -> Vec<Span<'static>> {
    let (sign, colour) = badge(pill.status);
    let base = if pill.selected { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
    let greyed = if pill.status == Status::Unreachable { base.fg(Color::DarkGray) } else { base };
    let front = if pill.selects == Selection::Own { "◆ ".to_owned() } else { String::new() };
    let digit = if place < 9 { format!("{} ", place + 1) } else { String::new() };
    let mut spans = vec![
        Span::styled(" ", base),
        Span::styled(digit, base.add_modifier(Modifier::DIM)),
        Span::styled(front, base),
        Span::styled(cut(&pill.name, NAME), if pill.selected { greyed.bold() } else { greyed }),
        Span::styled(format!(" {sign}"), base.fg(colour)),
    ];
    if pill.selected {
        spans.push(Span::styled(format!(" {}", pill.status.word()), base));
    }
    let marks = [(pill.attention, " ◉"), (pill.pinned, " ⚲"), (pill.driver.is_some(), " ⇅")];
    spans.extend(marks.into_iter().filter(|(on, _)| *on).map(|(_, mark)| Span::styled(mark, base)));
    spans.push(Span::styled(" ", base));
    spans
}

/// The bar in so many columns, scrolled so that the selected pill is in sight; and the columns of each pill that is.
pub(super) fn line(bar: &Bar, columns: usize) -> (Line<'static>, Vec<(Range<u16>, Selection)>) {
    let count = format!(" {} ", bar.children());
    let stale = match bar.standing {
        Standing::Present => "",
        Standing::Stale { .. } => " stale ",
        Standing::ParentAway { .. } => " parent away ",
        Standing::Over => " ended ",
    };
    let room = columns.saturating_sub(count.width() + stale.width() + 2);
    let pills: Vec<Vec<Span<'static>>> =
        bar.pills.iter().enumerate().map(|(place, one)| pill(one, place)).collect();
    let width = |spans: &[Span<'static>]| spans.iter().map(|span| span.content.width()).sum::<usize>() + 1;
    let selected = bar.pills.iter().position(|pill| pill.selected).unwrap_or(0);
    // From the selected one to the left while there is room, then to the right.
    let mut first = selected;
    let mut used = pills.get(selected).map_or(0, |spans| width(spans));
    let mut last = selected;
    loop {
        let left = first.checked_sub(1).and_then(|at| pills.get(at)).map(|spans| width(spans));
        let right = pills.get(last + 1).map(|spans| width(spans));
        match (left, right) {
            (Some(width), _) if used + width <= room => (first, used) = (first - 1, used + width),
            (_, Some(width)) if used + width <= room => (last, used) = (last + 1, used + width),
            _ => break,
        }
    }
    let more = |is: bool, sign: &'static str| Span::raw(if is { sign } else { " " }).dim();
    let mut spans = vec![more(first > 0, "‹")];
    let (mut places, mut column) = (Vec::new(), 1);
    for (one, pill) in pills.iter().zip(&bar.pills).skip(first).take(last - first + 1) {
        let end = column + width(one) - 1;
        let place = |at: usize| u16::try_from(at).unwrap_or(u16::MAX);
        places.push((place(column)..place(end), pill.selects.clone()));
        column = end + 1;
        spans.extend(one.iter().cloned());
        spans.push(Span::raw(" "));
    }
    spans.push(more(last + 1 < pills.len(), "›"));
    spans.push(Span::raw(count).dim());
    spans.push(Span::raw(stale).yellow());
    (Line::from(spans), places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_by_columns() {
        assert_eq!(cut("short", 16), "short");
        assert_eq!(cut("exactly sixteen!", 16), "exactly sixteen!");
        assert_eq!(cut("more than sixteen", 16), "more than sixte…");
        assert_eq!(cut("漢字漢字", 5), "漢字…");
    }
}
