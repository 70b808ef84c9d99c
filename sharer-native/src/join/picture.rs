//! How the screen is laid out: pills, terminal or transcript, what there is to say, and how things are.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Color, Style, Stylize as _};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget as _, Wrap};
use shared::conversation::Transcript;
use shared::event::WindowSize;
use shared::keys::grant::Right;
use shared::time::UnixMs;
use shared::viewer::{Shown, State, Typing, View};
use unicode_width::UnicodeWidthStr as _;

use super::find::Seam;
use super::looks::{Looks, Placed};
use super::{bar, cells, help, talk};
use crate::term::Terminal;

/// A screen as wide as this has room for a transcript beside the terminal.
const WIDE: u16 = 160;

/// Begins the last line.
const SIGN: &str = " ● ";

/// How much is to be seen of the page of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Page {
    Whole,
    Scrolls,
}

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
        let mut page = None;
        if let Some(first) = &mut looks.help {
            page = Some(if help::draw(first, middle, buffer) { Page::Whole } else { Page::Scrolls });
            cursor = None;
        }
        self.status(looks, page, usize::from(bottom.width)).render(bottom, buffer);
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

    fn status(&self, looks: &Looks, page: Option<Page>, columns: usize) -> Line<'static> {
        if let Some(find) = &looks.find {
            return Line::from(format!(" {}", find.says())).bold();
        }
        let State::Live = &self.view.state else { return self.standing(looks, page, columns, Color::Yellow) };
        self.standing(looks, page, columns, Color::Green)
    }

    /// How things are, and on the right what the person can do: as much of that as there is room for, and always whether
    /// they type, or else how they leave.
    fn standing(&self, looks: &Looks, page: Option<Page>, columns: usize, colour: Color) -> Line<'static> {
        let hints = self.hints(page);
        let since =
            self.view.state.since().map(|since| format!(" {}", age(self.now.0.saturating_sub(since.0))));
        let state = format!("{}{}", self.view.state.word(), since.unwrap_or_default());
        let mut more = Vec::new();
        if self.view.shown == Shown::Unconfirmed {
            more.push(Span::raw(" · not confirmed by the sharer").yellow());
        }
        if looks.back > 0 {
            more.push(Span::raw(format!(" · {} lines back", looks.back)).cyan());
        }
        // A blank before what is on the right, and one behind it.
        let room = |right: &str| columns.saturating_sub(right.width() + 2);
        let told = SIGN.width() + state.width() + width(&more);
        let viewers = (self.view.viewers > 0).then(|| format!("{} watching", self.view.viewers));
        let longest = hints.first().copied().unwrap_or_default();
        let with_viewers = viewers.map(|viewers| format!("{viewers} · {longest}"));
        let fits = |right: &String| told <= room(right);
        let all = with_viewers.into_iter().chain(hints.iter().map(|hint| (*hint).to_owned()));
        let right = all.into_iter().find(fits);
        let right = right.unwrap_or_else(|| hints.last().copied().unwrap_or_default().to_owned());
        let room = room(&right);
        let mut left = vec![
            Span::styled(SIGN, Style::new().fg(colour)),
            Span::raw(bar::cut(&state, room.saturating_sub(SIGN.width()))).bold(),
        ];
        for span in more {
            if width(&left) + span.content.width() <= room {
                left.push(span);
            }
        }
        let title = self.view.title.as_deref().unwrap_or("Shared terminal");
        let for_title = room.saturating_sub(width(&left) + 3);
        if for_title > 3 {
            left.push(Span::raw(format!(" · {}", bar::cut(title, for_title - 3))));
        }
        let gap = columns.saturating_sub(width(&left) + right.width() + 1);
        left.push(Span::raw(" ".repeat(gap)));
        let typing = matches!(self.view.typing, Typing::On);
        left.push(if typing { Span::raw(right).bold() } else { Span::raw(right).dim() });
        Line::from(left)
    }

    /// What the person can do, in fewer and fewer words.
    fn hints(&self, page: Option<Page>) -> &'static [&'static str] {
        match (page, &self.view.typing, self.view.right) {
            (Some(Page::Whole), _, _) => &["q closes this page", "q closes"],
            (Some(Page::Scrolls), _, _) => {
                &["↑ ↓ PgUp PgDn scroll  q closes this page", "↑ ↓ scroll  q closes", "q closes"]
            }
            (None, Typing::On, _) => &["TYPING  Ctrl-] stops", "TYPING  Ctrl-]", "TYPING"],
            (None, Typing::Paused, _) => &["PAUSED  Ctrl-] stops", "PAUSED  Ctrl-]", "PAUSED"],
            (None, Typing::Offered, Some(Right::Type)) => &[
                "i types  t transcript  ? help  q leaves",
                "i types  ? help  q leaves",
                "? help  q leaves",
                "q leaves",
            ],
            (None, Typing::Offered | Typing::Never | Typing::Lost(_), _) => {
                &["t transcript  ? help  q leaves", "? help  q leaves", "q leaves"]
            }
        }
    }
}

/// Columns of what is drawn.
fn width(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|span| span.content.width()).sum()
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

#[cfg(test)]
mod tests {
    use shared::id::SessionId;
    use shared::keys::grant::GrantSecret;
    use shared::link::Link;
    use shared::viewer::Viewer;

    use super::*;
    use crate::clock;

    fn view(typing: Typing) -> View {
        let base = "http://relay.test".to_owned();
        let link = Link { base, session: SessionId([1; 16]), secret: GrantSecret([1; 16]) };
        let view = Viewer::new(link, clock::entropy().unwrap(), clock::now()).view();
        View { state: State::Live, right: Some(Right::Type), viewers: 12, typing, ..view }
    }

    fn looking(back: isize) -> Looks {
        let mut looks = Looks::default();
        looks.scroll(back);
        looks
    }

    /// The last line of a picture.
    fn last(view: &View, looks: &mut Looks, cols: u16) -> String {
        let mut buffer = Buffer::empty(Rect::new(0, 0, cols, 10));
        let picture = Picture { view, terminal: None, transcript: None, now: UnixMs(0) };
        picture.draw(&mut buffer, looks);
        (0..cols).map(|x| buffer[(x, 9)].symbol()).collect()
    }

    #[test]
    fn the_last_line_says_in_every_width_whether_one_types_and_how_to_leave() {
        let words = [(Typing::On, "TYPING"), (Typing::Paused, "PAUSED"), (Typing::Offered, "q leaves")];
        for (typing, word) in words {
            let mut view = view(typing);
            for cols in 12..200 {
                for back in [0_isize, 12_345] {
                    let line = last(&view, &mut looking(back), cols);
                    assert!(line.contains(word), "{cols}: {line:?}");
                }
            }
            // Where there is no room for how things are, that is cut.
            view.state = State::SharerAway { since: UnixMs(0) };
            let line = last(&view, &mut Looks::default(), 20);
            assert!(line.contains('…') && line.contains(word), "{line:?}");
        }
        let offered = view(Typing::Offered);
        let line = |cols| last(&offered, &mut Looks::default(), cols).trim_end().to_owned();
        assert_eq!(line(40), " ● Live       i types  ? help  q leaves");
        assert!(line(55).contains("i types  t transcript") && !line(55).contains("watching"));
        assert!(line(100).contains("12 watching · i types  t transcript") && line(100).contains("Shared te"));
        // How many lines one looks back is told before anything else that can be left out.
        let back = last(&offered, &mut looking(7), 40);
        assert!(back.contains("7 lines back") && back.contains("q leaves"), "{back:?}");
    }

    #[test]
    fn the_page_of_keys_is_scrolled_to_its_end_and_back() {
        let view = view(Typing::Offered);
        let mut looks = Looks::default();
        looks.toggle_help();
        assert!(last(&view, &mut looks, 40).contains("↑ ↓ scroll  q closes"));
        looks.scroll(-looks.page());
        last(&view, &mut looks, 40);
        assert_eq!((looks.help, looks.back), (Some(8), 0), "a screen but a line on, and nothing else");
        looks.scroll(-1_000);
        last(&view, &mut looks, 40);
        let end = looks.help;
        assert!(end < Some(100), "no further than its end");
        looks.scroll(1);
        last(&view, &mut looks, 40);
        assert_eq!(looks.help.map(|first| first + 1), end, "back at once");
        looks.scroll(1_000);
        last(&view, &mut looks, 40);
        assert_eq!(looks.help, Some(0));
        assert!(looks.close() && looks.help.is_none());
    }
}
