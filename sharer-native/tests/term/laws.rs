//! The model against itself.

use proptest::prelude::*;
use shared::event::WindowSize;
use sharer_native::term::Terminal;

use crate::grammar;
use crate::streams::{self, Dice, SIZE};

/// Lines of scrollback in these tests: few, so that small streams fill it.
const SCROLLBACK: usize = 60;
const SMALL: WindowSize = WindowSize { cols: 30, rows: 8 };

fn terminal(size: WindowSize, bytes: &[u8]) -> Terminal {
    let mut terminal = Terminal::new(size, SCROLLBACK);
    terminal.feed(bytes);
    terminal
}

/// What a dump says, readable.
fn readable(dump: &[u8]) -> String {
    String::from_utf8_lossy(dump).replace('\x1b', "\n␛")
}

/// A terminal restored from a dump has the same dump, and still has after reading `rest`.
fn check_restores(size: WindowSize, before: &[u8], rest: &[u8]) -> Result<(), TestCaseError> {
    let mut original = terminal(size, before);
    let dump = original.full();
    let mut restored = terminal(size, &dump);
    prop_assert_eq!(readable(&restored.full()), readable(&dump));
    prop_assert!(restored.take_replies().is_empty(), "a dump asks for an answer");
    original.feed(rest);
    restored.feed(rest);
    prop_assert_eq!(readable(&restored.full()), readable(&original.full()), "later");
    prop_assert_eq!(restored.title().unwrap_or_default(), original.title().unwrap_or_default());
    Ok(())
}

fn check_split(size: WindowSize, bytes: &[u8], dice: &mut Dice) -> Result<(), TestCaseError> {
    let mut pieces = Terminal::new(size, SCROLLBACK);
    let mut rest = bytes;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((1 + dice.below(9)).min(rest.len()));
        pieces.feed(piece);
        rest = after;
    }
    let mut whole = terminal(size, bytes);
    prop_assert_eq!(readable(&pieces.full()), readable(&whole.full()));
    prop_assert_eq!(pieces.take_replies(), whole.take_replies());
    prop_assert_eq!(pieces.take_bell(), whole.take_bell());
    Ok(())
}

proptest! {
    #[test]
    fn any_split_gives_the_same_terminal(bytes in grammar::stream(0..60), seed: u64) {
        check_split(SMALL, &bytes.0, &mut Dice(seed))?;
    }

    #[test]
    fn any_split_of_random_bytes_gives_the_same_terminal(bytes in grammar::random(0..300), seed: u64) {
        check_split(SMALL, &bytes.0, &mut Dice(seed))?;
    }

    #[test]
    fn a_dump_restores_the_terminal(bytes in grammar::stream(0..60), cut: prop::sample::Index) {
        let (before, rest) = bytes.0.split_at(cut.index(bytes.0.len() + 1));
        check_restores(SMALL, before, rest)?;
    }

    /// No bytes, sizes and resizes make the model panic.
    #[test]
    fn nothing_panics(
        steps in prop::collection::vec((prop_oneof![grammar::random(0..80), grammar::stream(0..8)], any::<Option<(u8, u8)>>()), 0..16)
    ) {
        let mut terminal = Terminal::new(SMALL, SCROLLBACK);
        for (bytes, size) in steps {
            terminal.feed(&bytes.0);
            if let Some((cols, rows)) = size {
                terminal.resize(WindowSize { cols: u16::from(cols) / 4, rows: u16::from(rows) / 8 });
            }
            terminal.screen();
            terminal.full();
        }
    }

    /// After a resize the dump still says all.
    #[test]
    fn a_dump_restores_a_resized_terminal(bytes in grammar::stream(0..40), cols in 2..60_u16, rows in 2..20_u16) {
        let mut original = terminal(SMALL, &bytes.0);
        let size = WindowSize { cols, rows };
        original.resize(size);
        let dump = original.full();
        prop_assert_eq!(readable(&terminal(size, &dump).full()), readable(&dump));
    }
}

#[test]
fn recordings_split_anywhere() {
    for name in streams::NAMES {
        check_split(SIZE, &streams::stream(name), &mut Dice(7)).unwrap();
    }
}

#[test]
fn recordings_restore_anywhere() {
    let mut dice = Dice(11);
    for name in streams::NAMES {
        let bytes = streams::stream(name);
        for _ in 0..8 {
            let (before, rest) = bytes.split_at(dice.below(bytes.len()));
            let rest = rest.get(..4096).unwrap_or(rest);
            check_restores(SIZE, before, rest)
                .unwrap_or_else(|e| panic!("{name} cut at {}: {e}", before.len()));
        }
    }
}
