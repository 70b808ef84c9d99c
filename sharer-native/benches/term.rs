//! What the terminal model costs: megabytes per second it reads, and the time of a dump.
#![allow(missing_docs, clippy::unwrap_used, reason = "a bench is no interface and fails by panicking")]

use std::fmt::Write as _;

use divan::Bencher;
use divan::counter::BytesCount;
use shared::event::WindowSize;
use sharer_native::term::Terminal;

const SIZE: WindowSize = WindowSize { cols: 120, rows: 40 };
/// Output as it is read from a PTY.
const READ: usize = 64 * 1024;

fn main() {
    divan::main();
}

/// A log as build tools and agents write it: half of its lines coloured.
fn log(lines: usize) -> Vec<u8> {
    let mut log = String::new();
    for n in 0..lines {
        let (colour, level) = if n % 7 == 0 { (33, "WARN") } else { (32, "INFO") };
        if n % 2 == 0 {
            write!(log, "\x1b[2m12:{:02}:{:02}\x1b[0m \x1b[{colour}m{level}\x1b[0m ", n / 60 % 60, n % 60)
                .unwrap();
            write!(
                log,
                "\x1b[38;5;{}mrelay::room\x1b[0m: frame {n} of \x1b[1m{}\x1b[22m bytes\r\n",
                n % 256,
                n * 37
            )
            .unwrap();
        } else {
            write!(
                log,
                "   Compiling sharer v0.1.{n} (the quick brown fox jumps over {} lazy dogs)\r\n",
                n * 31
            )
            .unwrap();
        }
    }
    log.into_bytes()
}

fn plain(lines: usize) -> Vec<u8> {
    (0..lines)
        .fold(String::new(), |text, n| text + &"the relay orders frames ".repeat(n % 9) + "\r\n")
        .into_bytes()
}

fn unicode(lines: usize) -> Vec<u8> {
    (0..lines)
        .fold(String::new(), |text, n| text + &"端末を“共有”する 👩‍👧 né ".repeat(n % 6) + "\r\n")
        .into_bytes()
}

/// A program that draws whole screens: positions, colours, rests of lines.
fn screens(count: usize) -> Vec<u8> {
    let mut text = String::new();
    for n in 0..count {
        text.push_str("\x1b[?2026h\x1b[H");
        for row in 0..40 {
            write!(text, "\x1b[{};1H\x1b[3{}m{:>5}\x1b[39m", row + 1, row % 8, n * row).unwrap();
            write!(
                text,
                " \x1b[1m{}\x1b[22m \x1b[7m{:<20}\x1b[27m\x1b[K",
                "task ".repeat(row % 9),
                "running"
            )
            .unwrap();
        }
        text.push_str("\x1b[?2026l");
    }
    text.into_bytes()
}

#[divan::bench(args = ["log", "plain", "unicode", "screens"])]
fn feed(bencher: Bencher<'_, '_>, what: &str) {
    let bytes = match what {
        "log" => log(40_000),
        "plain" => plain(40_000),
        "unicode" => unicode(20_000),
        _ => screens(1_000),
    };
    bencher.counter(BytesCount::of_slice(&bytes)).bench_local(|| {
        let mut terminal = Terminal::new(SIZE, 1000);
        bytes.chunks(READ).for_each(|read| terminal.feed(read));
        terminal.take_bell()
    });
}

#[divan::bench]
fn screen(bencher: Bencher<'_, '_>) {
    let mut terminal = Terminal::new(SIZE, 1000);
    terminal.feed(&log(5_000));
    bencher.bench_local(|| terminal.screen());
}

#[divan::bench(args = [1_000, 10_000])]
fn full(bencher: Bencher<'_, '_>, scrollback_lines: usize) {
    let mut terminal = Terminal::new(SIZE, scrollback_lines);
    terminal.feed(&log(scrollback_lines + 100));
    bencher.bench_local(|| terminal.full());
}
