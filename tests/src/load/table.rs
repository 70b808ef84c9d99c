//! Rows of the table, and the page they are printed on.

use std::fmt::Write as _;

/// What a figure is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// At most this; a count of bytes, messages or mistakes, the same on every machine.
    Count(f64),
    /// At most this; a time, which a busy machine stretches.
    Time(f64),
    /// At least this; a speed, which a busy machine lowers.
    Speed(f64),
}

/// One figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What was measured.
    pub what: String,
    /// The median.
    pub value: f64,
    /// Its unit, as printed.
    pub unit: String,
    /// What it must reach.
    pub bound: Bound,
    /// What else a reader should know.
    pub note: String,
}

impl Row {
    /// A figure.
    pub fn new(what: impl Into<String>, value: f64, unit: impl Into<String>, bound: Bound) -> Self {
        Self { what: what.into(), value, unit: unit.into(), bound, note: String::new() }
    }

    /// Adds a note.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Whether it reaches its bound.
    pub fn reached(&self) -> bool {
        self.within(1.0)
    }

    /// Whether it holds as a guard: counts exactly, times and speeds with this slack.
    pub fn guards(&self, slack: f64) -> bool {
        self.within(slack)
    }

    fn within(&self, slack: f64) -> bool {
        match self.bound {
            Bound::Count(most) => self.value <= most,
            Bound::Time(most) => self.value <= most * slack,
            Bound::Speed(least) => self.value >= least / slack,
        }
    }

    /// The row in Markdown.
    pub fn line(&self) -> String {
        let (sign, bound) = match self.bound {
            Bound::Count(most) | Bound::Time(most) => ("≤", most),
            Bound::Speed(least) => ("≥", least),
        };
        let verdict = if self.reached() { "reached" } else { "**not reached**" };
        let (value, unit) = (number(self.value), &self.unit);
        format!(
            "| {} | {value} {unit} | {sign} {} {unit} | {verdict} | {} |",
            self.what,
            number(bound),
            self.note
        )
    }
}

/// Three digits that mean something.
fn number(value: f64) -> String {
    let size = value.abs();
    let digits = if size >= 100.0 || size == 0.0 {
        0
    } else if size >= 10.0 {
        1
    } else if size >= 1.0 {
        2
    } else {
        3
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// The table of some rows.
pub fn table(rows: &[Row]) -> String {
    let mut out = String::from("| what | figure | must reach | | how |\n| --- | --- | --- | --- | --- |\n");
    for row in rows {
        writeln!(out, "{}", row.line()).expect("memory takes writes");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_says_whether_it_is_reached_and_a_guard_forgives_time_only() {
        let time = Row::new("echo", 2.0, "ms", Bound::Time(1.0));
        assert!(!time.reached() && time.guards(3.0));
        let speed = Row::new("flood", 40.0, "MB/s", Bound::Speed(100.0));
        assert!(!speed.reached() && speed.guards(3.0));
        let count = Row::new("bytes", 33.0, "B", Bound::Count(32.0));
        assert!(!count.reached() && !count.guards(3.0));
        assert_eq!(count.line(), "| bytes | 33 B | ≤ 32 B | **not reached** |  |");
    }
}
