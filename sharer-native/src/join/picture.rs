//! How the screen is laid out: pills, terminal or transcript, what there is to say, and how things are.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Paragraph, Widget as _, Wrap};
use shared::conversation::Transcript;
use shared::event::WindowSize;
use shared::keys::grant::Right;
use shared::time::UnixMs;
use shared::viewer::{Shown, State, Typing, View};
use unicode_width::UnicodeWidthStr as _;

use super::find::Seam;
use super::looks::{Looks, Placed};
use super::{bar, cells, talk};
use crate::term::Terminal;

/// A screen as wide as this has room for a transcript beside the terminal.
const WIDE: u16 = 160;
const HELP: &str = "\
← → Tab       the pill before, the next one      Alt+1 … 9   a pill by its place
Home End      the first pill, the last           Ctrl+Alt+[ ]  also while typing
i, Enter      type (where the link allows)       Ctrl-]      stop typing; leave
↑ ↓ PgUp PgDn look at what has scrolled off      t           transcript
/  n N        find text; older, newer            [ ]         the command before, behind
o             order: as started, or what needs a person first (Ctrl+Alt+PgUp PgDn while typing)
p             pin the selected pill              r           try again
m             the mouse: pills and wheel, and the program's while typing; or your terminal's own
              (with Shift it selects text in most terminals)
q             leave; the session goes on         ?           this page";

/// Whether the picture changes with time alone: it counts seconds.
pub(super) fn ticks(view: &View) -> bool {
    view.state.since().is_some() || matches!(view.state, State::Seeking { .. })
}

/// Everything that is drawn.
#[derive(Debug)]
pub(super) struct Picture<'a> {
    pub(super) view: &'a View,
    pub(super) terminal: Option<&'a Terminal>,
    pub(super) transcript: Option<&'a Transcript>,
    pub(super) now: UnixMs,
}

impl Picture<'_> {
    /// Draws all of it; says where the cursor is, if one is shown.
    pub(super) fn draw(&self, buffer: &mut Buffer, looks: &mut Looks) -> Option<Position> {
        let message = self.message(looks);
        let mut middle = buffer.area;
        let top = take_top(&mut middle, u16::from(self.view.bar.is_some()));
        let bottom = take_bottom(&mut middle, 1);
        // A sentence above the last line comes and goes, and is no reason for another size.
        let rows = middle.height.max(1);
        let lines = message.as_ref().map_or(0, |text| {
            let width = usize::from(buffer.area.width.max(1));
            u16::try_from(text.width().div_ceil(width)).unwrap_or(1).clamp(1, 4)
        });
        let below = take_bottom(&mut middle, lines);
        looks.height = middle.height;
        looks.pills.clear();
        if let Some(bar) = &self.view.bar {
            let (line, places) = bar::line(bar, usize::from(top.width));
            line.render(top, buffer);
            looks.pills = places;
        }
        let (cols, mut cursor) = self.draw_middle(buffer, middle, looks);
        looks.room = cols.map(|cols| WindowSize { cols, rows });
        if let Some(message) = message {
            let style = Style::new().fg(Color::Yellow);
            Paragraph::new(message).style(style).wrap(Wrap { trim: true }).render(below, buffer);
        }
        self.status(looks, usize::from(bottom.width)).render(bottom, buffer);
        if looks.help {
            Clear.render(middle, buffer);
            Paragraph::new(HELP).wrap(Wrap { trim: false }).render(middle, buffer);
            cursor = None;
        }
        cursor
    }

    /// Draws terminal and transcript; the columns that there are for a terminal, where one is shown, and its cursor.
    fn draw_middle(
        &self,
        buffer: &mut Buffer,
        area: Rect,
        looks: &mut Looks,
    ) -> (Option<u16>, Option<Position>) {
        let transcript =
            self.transcript.filter(|_| self.view.transcript.is_shown(looks.transcript, area.width >= WIDE));
        let (left, right) = match transcript {
            Some(_) if area.width >= WIDE => {
                let width = area.width * 2 / 5;
                let right = Rect { x: area.right() - width, width, ..area };
                // A blank column between the two.
                (Some(Rect { width: area.width - width - 1, ..area }), Some(right))
            }
            Some(_) => (None, Some(area)),
            None => (Some(area), None),
        };
        (looks.talks, looks.placed) = (right.is_some(), None);
        let cursor = left.and_then(|area| self.draw_terminal(buffer, area, looks, right.is_none()));
        if let (Some(area), Some(transcript)) = (right, transcript) {
            let height = usize::from(area.height);
            looks.talk_columns = usize::from(area.width);
            let all = talk::lines(transcript, usize::from(area.width), height + looks.back);
            looks.back = looks.back.min(all.len().saturating_sub(height));
            let upto = all.len() - looks.back;
            let from = upto.saturating_sub(height);
            let (shown, seams): (Vec<_>, Vec<_>) =
                all.get(from..upto).unwrap_or_default().iter().cloned().unzip();
            Paragraph::new(shown).render(area, buffer);
            if let Some(find) = &looks.find {
                find.mark(area, &seams, buffer);
            }
        }
        (left.map(|area| area.width), cursor)
    }

    /// Draws the terminal, and says where its cursor is, if it is to be shown.
    fn draw_terminal(
        &self,
        buffer: &mut Buffer,
        area: Rect,
        looks: &mut Looks,
        scrolls: bool,
    ) -> Option<Position> {
        let visible = matches!(self.view.shown, Shown::Screen | Shown::Unconfirmed);
        let Some(terminal) = self.terminal.filter(|_| visible) else {
            let words = self.view.state.word();
            let middle = Rect { y: area.y + area.height / 2, height: area.height.min(1), ..area };
            Line::from(words).centered().dim().render(middle, buffer);
            return None;
        };
        let back = if scrolls { looks.stay(terminal.history()) } else { 0 };
        let (cursor, corner) = cells::draw(terminal, back, area, buffer);
        looks.placed = (back == 0).then_some(Placed { area, corner });
        if let Some(find) = &looks.find {
            let cols = terminal.size().cols;
            let seam = |row| {
                let goes_on = corner.0 == 0 && cols <= area.width && terminal.goes_on(usize::from(row), back);
                if goes_on { Seam::Within } else { Seam::End }
            };
            let seams: Vec<Seam> = (corner.1..corner.1 + area.height).map(seam).collect();
            let drawn = Rect { width: cols.min(area.width), ..area };
            find.mark(drawn, &seams, buffer);
        }
        cursor.filter(|_| matches!(self.view.typing, Typing::On))
    }

    /// Something the person should read.
    fn message(&self, looks: &Looks) -> Option<String> {
        if let Some(question) = &self.view.paste {
            let text = &question.excerpt;
            return Some(format!("Paste {} lines? y types them, n does not.  {text}", question.lines));
        }
        if let Typing::Lost(lost) = &self.view.typing {
            let sure = if lost.certain { "was not taken" } else { "may be lost" };
            return Some(format!("What you typed {sure}: {}  (Enter goes on typing)", lost.excerpt));
        }
        // One broken connection is mended before anybody reads a sentence about it.
        let soon = matches!(self.view.state, State::Reconnecting { .. }) && self.view.attempts <= 1;
        let away = self.view.sentence().filter(|_| !soon);
        away.or_else(|| self.view.notice.map(str::to_owned)).or_else(|| looks.said.clone())
    }

    fn status(&self, looks: &Looks, columns: usize) -> Line<'static> {
        if let Some(find) = &looks.find {
            return Line::from(format!(" {}", find.says())).bold();
        }
        let State::Live = &self.view.state else { return self.standing(looks, columns, Color::Yellow) };
        self.standing(looks, columns, Color::Green)
    }

    fn standing(&self, looks: &Looks, columns: usize, colour: Color) -> Line<'static> {
        let since =
            self.view.state.since().map(|since| format!(" {}", age(self.now.0.saturating_sub(since.0))));
        let mut left = vec![
            Span::styled(" ● ", Style::new().fg(colour)),
            Span::raw(format!("{}{}", self.view.state.word(), since.unwrap_or_default())).bold(),
        ];
        if self.view.shown == Shown::Unconfirmed {
            left.push(Span::raw(" · not confirmed by the sharer").yellow());
        }
        if looks.back > 0 {
            left.push(Span::raw(format!(" · {} lines back", looks.back)).cyan());
        }
        let title = self.view.title.as_deref().unwrap_or("Shared terminal");
        let viewers =
            if self.view.viewers > 0 { format!("{} watching", self.view.viewers) } else { String::new() };
        let hint = match (&self.view.typing, self.view.right) {
            (Typing::On, _) => "TYPING  Ctrl-] stops",
            (Typing::Paused, _) => "PAUSED  Ctrl-] stops",
            (Typing::Offered, Some(Right::Type)) => "i types  t transcript  ? help  q leaves",
            (Typing::Offered | Typing::Never | Typing::Lost(_), _) => "t transcript  ? help  q leaves",
        };
        let right = [viewers.as_str(), hint]
            .into_iter()
            .filter(|text| !text.is_empty())
            .collect::<Vec<_>>()
            .join(" · ");
        let used: usize = left.iter().map(|span| span.content.width()).sum();
        let room = columns.saturating_sub(used + right.width() + 5);
        if room > 3 {
            left.push(Span::raw(format!(" · {}", bar::cut(title, room.saturating_sub(3)))));
        }
        let used: usize = left.iter().map(|span| span.content.width()).sum();
        let gap = columns.saturating_sub(used + right.width() + 1);
        if gap > 0 {
            left.push(Span::raw(" ".repeat(gap)));
            let typing = matches!(self.view.typing, Typing::On);
            left.push(if typing { Span::raw(right).bold() } else { Span::raw(right).dim() });
        }
        Line::from(left)
    }
}

/// Takes rows off the top of what is left.
fn take_top(rest: &mut Rect, rows: u16) -> Rect {
    let taken = Rect { height: rows.min(rest.height), ..*rest };
    (rest.y, rest.height) = (rest.y + taken.height, rest.height - taken.height);
    taken
}

/// Takes rows off the bottom of what is left.
fn take_bottom(rest: &mut Rect, rows: u16) -> Rect {
    let height = rows.min(rest.height);
    rest.height -= height;
    Rect { y: rest.bottom(), height, ..*rest }
}

/// A time in short.
fn age(ms: u64) -> String {
    let seconds = ms / 1_000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3_600),
    }
}
