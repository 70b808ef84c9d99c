//! Measures the table "Speed and size" and prints it: `load [--quick] [WORD]…` measures the parts named by a word, or
//! all of them; `load > docs/performance.md` writes the page.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a program that prints a page, or a panic"
)]

use std::time::Instant;

use e2e::load::floor::Floor;
use e2e::load::machine;
use e2e::load::rows::{self, Size};
use e2e::load::table::{Row, table};

const PARTS: [&str; 9] = ["echo", "pour", "crowd", "stuck", "stop", "late", "traffic", "idle", "presence"];

fn main() {
    let (flags, words): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word.starts_with("--"));
    let size = if flags.iter().any(|flag| flag == "--quick") { Size::Quick } else { Size::Whole };
    let parts: Vec<&str> = if words.is_empty() {
        PARTS.into_iter().chain(["start"]).collect()
    } else {
        words.iter().map(String::as_str).collect()
    };
    let busy = machine::busy();
    let (floor, mut all) = rows::floor(size);
    for row in &all {
        eprintln!("{}", row.line());
    }
    // One thread measures, so that the machine's cores are for what is measured.
    let event_loop =
        tokio::runtime::Builder::new_current_thread().enable_all().build().expect("an event loop");
    for part in parts {
        let start = Instant::now();
        let measured = event_loop.block_on(measure(part, size, &floor));
        for row in &measured {
            eprintln!("{}", row.line());
        }
        eprintln!("({part}: {:.1} s)", start.elapsed().as_secs_f64());
        all.extend(measured);
    }
    print!("{}", page(&floor, &all, busy));
}

async fn measure(part: &str, size: Size, floor: &Floor) -> Vec<Row> {
    match part {
        "floor" => Vec::new(),
        "echo" => rows::echoes(size, floor).await,
        "pour" => rows::poured(size).await,
        "crowd" => rows::crowded(size).await,
        "stuck" => rows::stucks(size).await,
        "stop" => rows::stopped(size).await,
        "late" => rows::joined(size).await,
        "traffic" => rows::trickled(size).await,
        "idle" => rows::idled(size).await,
        "presence" => rows::counted(size).await,
        "start" => rows::started(size).await,
        other => panic!("no part is called {other}; there are {PARTS:?} and start"),
    }
}

fn page(floor: &Floor, rows: &[Row], busy: f64) -> String {
    let reached = rows.iter().filter(|row| row.reached()).count();
    let void = if floor.holds() {
        String::new()
    } else {
        "\n**The table is void: the floor itself was not reached, so other programs had the machine's cores.**\n".to_owned()
    };
    format!(
        "# Performance\n\n\
         Printed by `cargo run --release -p e2e --bin load` (after `./scripts/build`) on {}, {}; {busy:.1} processes \
         wanted a core when it began. Everything is on loopback and shares these cores: the program, the sharer, the \
         relay and all viewers. Figures are medians unless they say otherwise.\n{void}\n\
         The floor pumps the same bytes from a PTY through two WebSocket hops and back, with nothing sealed, modelled \
         or decided. {reached} of {} rows are reached.\n\n{}",
        machine::date(),
        machine::description(),
        rows.len(),
        table(rows),
    )
}
