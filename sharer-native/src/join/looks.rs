//! What the person chose to look at, theirs alone; and where things are in the last picture, for the mouse.

use std::ops::Range;

use ratatui::layout::Rect;
use shared::event::WindowSize;
use shared::viewer::Selection;

use super::find::Find;

/// Where the terminal's own screen is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) area: Rect,
    /// The column and row of the terminal that stand first there.
    pub(super) corner: (u16, u16),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Looks {
    /// The page of keys, from this line on.
    pub(super) help: Option<usize>,
    pub(super) transcript: Option<bool>,
    /// Lines before now.
    pub(super) back: usize,
    /// Lines that had scrolled off in the last picture.
    history: usize,
    /// Something to say, until the next key.
    pub(super) said: Option<String>,
    pub(super) find: Option<Find>,
    /// The command that is looked at.
    pub(super) command: Option<u64>,
    /// The mouse is left to the person's terminal.
    pub(super) no_mouse: bool,
    /// Room for a terminal in the last picture.
    pub(super) room: Option<WindowSize>,
    /// Lines of the last picture, for scrolling by screens.
    pub(super) height: u16,
    /// It is the transcript that scrolls.
    pub(super) talks: bool,
    /// Its columns.
    pub(super) talk_columns: usize,
    /// Columns of the pills.
    pub(super) pills: Vec<(Range<u16>, Selection)>,
    pub(super) placed: Option<Placed>,
}

impl Looks {
    /// Whether something stands over the terminal that the next key is for.
    pub(super) fn is_covered(&self) -> bool {
        self.help.is_some() || self.find.is_some()
    }

    /// Whether [`Looks::follow`] changes anything.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.back > 0 || self.said.is_some() || self.command.is_some()
    }

    /// Goes to the newest lines.
    pub(super) fn follow(&mut self) {
        (self.back, self.said, self.command) = (0, None, None);
    }

    pub(super) fn toggle_help(&mut self) {
        self.help = if self.help.is_some() { None } else { Some(0) };
    }

    pub(super) fn toggle_transcript(&mut self) {
        self.transcript = Some(!self.transcript.unwrap_or_default());
        self.find = None;
        self.follow();
    }

    /// Closes what is open; whether anything was.
    pub(super) fn close(&mut self) -> bool {
        // The place that was found stays.
        if self.find.take().is_some() {
            return true;
        }
        let scrolled = self.back > 0;
        self.follow();
        self.help.take().is_some() || self.transcript.replace(false) == Some(true) || scrolled
    }

    /// Towards the past, or the beginning of the page of keys while that is open.
    pub(super) fn scroll(&mut self, lines: isize) {
        match &mut self.help {
            // Its lines are counted from the first.
            Some(first) => *first = first.saturating_add_signed(-lines),
            None => self.back = self.back.saturating_add_signed(lines),
        }
    }

    /// Brings the line in this place of `all` into sight, where so many rows are shown of them at once.
    pub(super) fn look_at(&mut self, place: usize, all: usize, rows: usize) {
        let first = all.saturating_sub(rows);
        let third = usize::from(self.height) / 3;
        self.back = (first + third).saturating_sub(place).min(first);
    }

    /// Lines before now with so many scrolled off: who looks at what was before goes on doing so while there is more.
    pub(super) fn stay(&mut self, history: usize) -> usize {
        let more = history.saturating_sub(std::mem::replace(&mut self.history, history));
        if self.back > 0 {
            self.back = self.back.saturating_add(more);
        }
        self.back = self.back.min(history);
        self.back
    }

    /// The terminal was begun anew with so many scrolled off: they stand before what is looked at, not behind it.
    pub(super) fn begin_anew(&mut self, history: usize) {
        self.history = history;
    }

    pub(super) fn say(&mut self, what: &str) {
        self.said = Some(what.to_owned());
    }

    /// Room for a terminal, where one is shown.
    pub(super) fn room(&self) -> Option<WindowSize> {
        self.room
    }

    /// Lines of a screen.
    pub(super) fn page(&self) -> isize {
        isize::try_from(self.height.saturating_sub(1).max(1)).unwrap_or(1)
    }

    /// The pill in this column of the bar.
    pub(super) fn pill_at(&self, column: u16) -> Option<Selection> {
        self.pills.iter().find(|(place, _)| place.contains(&column)).map(|(_, selects)| selects.clone())
    }

    /// Column and row of the terminal at this place of the screen.
    pub(super) fn cell_at(&self, (x, y): (u16, u16)) -> Option<(u16, u16)> {
        let Placed { area, corner } = self.placed.filter(|placed| placed.area.contains((x, y).into()))?;
        Some((x - area.x + corner.0, y - area.y + corner.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_looks_back_stays_there_and_a_place_comes_into_sight() {
        let mut looks = Looks { height: 10, ..Looks::default() };
        assert_eq!(looks.stay(100), 0);
        looks.scroll(5);
        assert_eq!((looks.stay(100), looks.stay(130)), (5, 35), "thirty lines came");
        looks.scroll(-1_000);
        assert_eq!(looks.stay(140), 0, "the newest again");
        // What was loaded of the past moves nobody into it.
        looks.scroll(3);
        looks.begin_anew(900);
        assert_eq!((looks.stay(900), looks.stay(901)), (3, 4));
        // Of 150 lines with a screen of ten the fiftieth is a third down.
        looks.look_at(50, 150, 10);
        assert_eq!(looks.back, 93);
        looks.look_at(149, 150, 10);
        assert_eq!(looks.back, 0);
        looks.look_at(0, 150, 10);
        assert_eq!(looks.back, 140);
    }

    #[test]
    fn the_mouse_is_over_a_pill_or_a_cell() {
        let pills = vec![(1..8, Selection::Own)];
        let placed = Some(Placed { area: Rect::new(0, 1, 40, 10), corner: (3, 5) });
        let looks = Looks { pills, placed, ..Looks::default() };
        assert_eq!((looks.pill_at(7), looks.pill_at(8)), (Some(Selection::Own), None));
        assert_eq!(
            (looks.cell_at((2, 1)), looks.cell_at((2, 0)), looks.cell_at((40, 1))),
            (Some((5, 5)), None, None)
        );
    }
}
