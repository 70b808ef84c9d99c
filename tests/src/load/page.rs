//! A run's parts, kept in files, and the page they are printed on.
//!
//! The whole run takes longer than a machine can be had alone at a time, so parts are measured one by one, each beside
//! a floor of its own, and the page is put together afterwards.

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

use super::floor;
use super::table::{Bound, Row, table};

/// One part of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its word.
    pub name: String,
    /// The floor beside it: echo in µs, and MB/s.
    pub floor: (f64, f64),
    /// How many processes wanted a core when it began.
    pub busy: f64,
    /// When, `YYYY-MM-DD`.
    pub date: String,
    /// Where: cores, processor, kernel.
    pub machine: String,
    /// What was measured.
    pub rows: Vec<Row>,
}

impl Part {
    /// Whether its figures are worth something: counts always are, the others beside a floor that is reached.
    pub fn holds(&self) -> bool {
        let (echo, rate) = self.floor;
        let counts = self.rows.iter().all(|row| matches!(row.bound, Bound::Count(_)));
        counts || (echo <= floor::ECHO.as_secs_f64() * 1e6 && rate >= floor::RATE)
    }

    /// Leaves it in a directory, in place of an earlier one of that name.
    ///
    /// # Panics
    /// When the directory takes no files.
    pub fn keep(&self, dir: &Path) {
        let rows = self.rows.iter().map(|row| {
            let (bound, limit) = match row.bound {
                Bound::Count(most) => ("count", most),
                Bound::Time(most) => ("time", most),
                Bound::Speed(least) => ("speed", least),
            };
            json!({"what": row.what, "value": row.value, "unit": row.unit, "bound": bound, "limit": limit, "note": row.note})
        });
        let text = json!({
            "name": self.name, "echo": self.floor.0, "rate": self.floor.1, "busy": self.busy, "date": self.date,
            "machine": self.machine, "rows": rows.collect::<Vec<_>>(),
        });
        std::fs::create_dir_all(dir).expect("a directory");
        std::fs::write(dir.join(format!("{}.json", self.name)), format!("{text:#}\n"))
            .expect("a directory takes files");
    }

    /// The part of that name in a directory, if it was measured.
    ///
    /// # Panics
    /// When the file is not one that [`Self::keep`] wrote.
    pub fn kept(dir: &Path, name: &str) -> Option<Self> {
        let text = std::fs::read_to_string(dir.join(format!("{name}.json"))).ok()?;
        let value: Value = serde_json::from_str(&text).expect("a part in JSON");
        let number = |value: &Value| value.as_f64().expect("a number");
        let string = |value: &Value| value.as_str().expect("a text").to_owned();
        let row = |row: &Value| {
            let limit = number(&row["limit"]);
            let bound = match row["bound"].as_str() {
                Some("count") => Bound::Count(limit),
                Some("time") => Bound::Time(limit),
                Some("speed") => Bound::Speed(limit),
                other => panic!("no bound is called {other:?}"),
            };
            Row::new(string(&row["what"]), number(&row["value"]), string(&row["unit"]), bound)
                .note(string(&row["note"]))
        };
        Some(Self {
            name: string(&value["name"]),
            floor: (number(&value["echo"]), number(&value["rate"])),
            busy: value["busy"].as_f64().unwrap_or(f64::NAN),
            date: string(&value["date"]),
            machine: string(&value["machine"]),
            rows: value["rows"].as_array().expect("rows").iter().map(row).collect(),
        })
    }
}

/// The page of some parts; `why` says for a row that is not reached what the profile says.
pub fn page(parts: &[Part], why: &str) -> String {
    let rows: Vec<Row> = parts.iter().flat_map(|part| part.rows.clone()).collect();
    let reached = rows.iter().filter(|row| row.reached()).count();
    let void =
        parts.iter().filter(|part| !part.holds()).flat_map(|part| &part.rows).filter(|row| row.reached());
    let void = void.count();
    let first = parts.first();
    let (date, machine) = first.map_or(("?", "?"), |part| (&part.date, &part.machine));
    let mut out = format!(
        "# Performance\n\n\
         Printed by the load program (`cargo run --release -p e2e --bin load`, after `./scripts/build`) on {date}, {machine}. \
         Everything is on loopback and shares these cores: the program, the sharer, the relay and all viewers. Figures are \
         medians unless they say otherwise. **{reached} of {} rows are reached**, {void} of them in \
         parts that are void and show nothing; what is missed is explained below.\n\n\
         The *floor* pumps the same bytes from a PTY through two WebSocket hops and back, with nothing sealed, modelled \
         or decided. It is taken beside every part, and where it is over {:.0} µs or under {:.0} MB/s a part \
         with times or speeds is void: the machine was not idle, or is not fast enough for such figures.\n",
        rows.len(),
        floor::ECHO.as_secs_f64() * 1e6,
        floor::RATE,
    );
    let mut put = |text: String| writeln!(out, "{text}").expect("memory takes writes");
    for part in parts {
        let (echo, rate) = part.floor;
        let void = if part.holds() { "" } else { ": **void, the floor was not reached**" };
        put(format!("\n## {}\n", part.name));
        let later = if part.date == *date { String::new() } else { format!(" Taken on {}.", part.date) };
        put(format!(
            "Floor: {echo:.0} µs, {rate:.0} MB/s{void}. Load when it began: {:.1}.{later}\n",
            part.busy
        ));
        put(table(&part.rows));
    }
    if !why.is_empty() {
        put(format!("\n{}", why.trim_end()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_and_void_ones_say_so() {
        let dir = tempfile::tempdir().unwrap();
        let part = Part {
            name: "echo".into(),
            floor: (100.0, 150.0),
            busy: 0.5,
            date: "2026-01-01".into(),
            machine: "2 cores".into(),
            rows: vec![
                Row::new("echo", 1.2, "× floor", Bound::Time(1.5)).note("p95"),
                Row::new("speed", 50.0, "MB/s", Bound::Speed(60.0)),
            ],
        };
        part.keep(dir.path());
        assert_eq!(Part::kept(dir.path(), "echo"), Some(part.clone()));
        assert_eq!(Part::kept(dir.path(), "pour"), None);
        assert!(part.holds());
        let slow = Part { floor: (251.0, 150.0), ..part.clone() };
        let text = page(&[part, slow], "## Why\n");
        assert!(text.contains("2 of 4 rows are reached"), "{text}");
        assert_eq!(text.matches("**void").count(), 1, "{text}");
    }
}
