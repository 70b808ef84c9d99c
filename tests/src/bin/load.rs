//! Measures the table "Speed and size": `load [--quick] [--keep DIR] [WORD]…` measures the parts named by a word, or all
//! of them, and prints them; `--keep` leaves them in DIR, and `load --page DIR` prints the page of what is there:
//! `load --page DIR > docs/performance.md`.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a program that prints a page, or a panic"
)]

use std::path::PathBuf;
use std::time::Instant;

use e2e::load::floor::Floor;
use e2e::load::machine;
use e2e::load::page::{Part, page};
use e2e::load::rows::{self, Size};
use e2e::load::table::Row;

/// In the table's order.
const PARTS: [&str; 19] = [
    "floor",
    "echo",
    "pour",
    "crowd",
    "stuck",
    "stop",
    "late",
    "typing",
    "rest",
    "idle",
    "presence",
    "start",
    "children",
    "remote",
    "record",
    "viewer",
    "page-children",
    "attach",
    "replay",
];

/// What the profiles say about rows that are missed, written by a person.
const WHY: &str = include_str!("../load/why.md");

fn main() {
    let mut size = Size::Whole;
    let (mut keep, mut words) = (None, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut directory = || PathBuf::from(arguments.next().expect("a directory"));
        match argument.as_str() {
            "--quick" => size = Size::Quick,
            "--keep" => keep = Some(directory()),
            "--page" => {
                let dir = directory();
                let parts: Vec<Part> = PARTS.iter().filter_map(|name| Part::kept(&dir, name)).collect();
                return print!("{}", page(&parts, WHY));
            }
            _ => words.push(argument),
        }
    }
    if words.is_empty() {
        words = PARTS.map(str::to_owned).to_vec();
    }
    // One thread measures, so that the machine's cores are for what is measured.
    let event_loop =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
    let mut parts = Vec::new();
    for name in words {
        let start = Instant::now();
        let busy = machine::busy();
        let (floor, floors) = rows::floor(size);
        for row in &floors {
            eprintln!("{}", row.line());
        }
        let rows = if name == "floor" { floors } else { event_loop.block_on(measure(&name, size, &floor)) };
        for row in &rows {
            eprintln!("{}", row.line());
        }
        eprintln!("({name}: {:.1} s)", start.elapsed().as_secs_f64());
        let part = Part {
            name,
            floor: (floor.echo.median().as_secs_f64() * 1e6, floor.rate),
            busy,
            date: machine::date(),
            machine: machine::description(),
            rows,
        };
        match &keep {
            Some(dir) => part.keep(dir),
            None => parts.push(part),
        }
    }
    if keep.is_none() {
        print!("{}", page(&parts, ""));
    }
}

async fn measure(part: &str, size: Size, floor: &Floor) -> Vec<Row> {
    match part {
        "echo" => rows::echoes(size, floor).await,
        "pour" => rows::poured(size).await,
        "crowd" => rows::crowded(size).await,
        "stuck" => rows::stucks(size).await,
        "stop" => rows::stopped(size).await,
        "late" => rows::joined(size).await,
        "typing" => rows::typed(size).await,
        "rest" => rows::rested(size).await,
        "idle" => rows::idled(size).await,
        "presence" => rows::counted(size).await,
        "start" => rows::started(size).await,
        "children" => rows::led(size).await,
        "remote" => rows::far(size).await,
        "record" => rows::recorded(size).await,
        "viewer" => rows::viewed(size).await,
        "page-children" => rows::led_in_a_page(size).await,
        "attach" => rows::attached(size),
        "replay" => rows::replayed(size).await,
        other => panic!("no part is called {other}; there are {PARTS:?}"),
    }
}
