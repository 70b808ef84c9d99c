//! Streams of bytes as programs write them: recordings, and generated text.

use std::fmt::Write as _;
use std::path::Path;

/// The size all streams are made for.
pub(crate) const SIZE: shared::event::WindowSize = shared::event::WindowSize { cols: 120, rows: 40 };

/// The names of all streams, for [`stream`].
pub(crate) const NAMES: [&str; 10] =
    ["bash", "htop", "less", "mc", "tmux", "vim", "plain", "coloured", "cjk", "emoji"];

/// Bytes of a generated stream.
const GENERATED: usize = 24 * 1024;

/// Gives a stream by its name: a recording, or one that is generated, the same every time.
pub(crate) fn stream(name: &str) -> Vec<u8> {
    let mut dice = Dice(0x5eed);
    let line: fn(&mut Dice, &mut String) = match name {
        "plain" => plain,
        "coloured" => coloured,
        "cjk" => cjk,
        "emoji" => emoji,
        recording => {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings").join(recording);
            return std::fs::read(path.with_extension("rec")).expect("the recording is in the repository");
        }
    };
    let mut text = String::new();
    while text.len() < GENERATED {
        line(&mut dice, &mut text);
        text.push_str("\r\n");
    }
    text.into_bytes()
}

/// A small generator of random numbers (`SplitMix64`), the same on every machine.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from.get(self.below(from.len())).unwrap_or(&"")
    }
}

const WORDS: [&str; 12] =
    ["the", "relay", "orders", "and", "copies", "sealed", "frames;", "it", "can", "neither", "read", "nor"];

fn plain(dice: &mut Dice, text: &mut String) {
    // Up to some 200 columns, so that many lines wrap.
    for _ in 0..dice.below(32) {
        text.push_str(dice.pick(&WORDS));
        text.push_str(dice.pick(&[" ", " ", " ", "\t"]));
    }
}

fn coloured(dice: &mut Dice, text: &mut String) {
    match dice.below(5) {
        0 => {
            for _ in 0..dice.below(8) {
                let style =
                    dice.pick(&["0", "01;34", "01;32", "40;33;01", "30;42", "37;41", "4:3;58:2::255:0:0"]);
                write!(text, "\x1b[0m\x1b[{style}m{}\x1b[0m  ", dice.pick(&WORDS)).unwrap();
            }
        }
        1 => {
            for n in 0..dice.below(60) {
                let (a, b) = (dice.below(256), dice.below(256));
                write!(text, "\x1b[38;5;{a}m{}\x1b[48;2;{b};{n};{a}m ", dice.pick(&WORDS)).unwrap();
            }
            text.push_str("\x1b[m");
        }
        2 => write!(text, "\x1b[7m{:<width$}\x1b[27m", "a bar", width = dice.below(130)).unwrap(),
        3 => {
            let word = dice.pick(&WORDS);
            write!(text, "\x1b[44m\x1b[K\x1b[1;4;9m{word}\x1b[22;24;29m rest\x1b[49m").unwrap();
        }
        _ => {
            for code in [1, 2, 3, 4, 5, 7, 8, 9, 21] {
                write!(text, "\x1b[{code}m{}\x1b[0m ", dice.pick(&WORDS)).unwrap();
            }
        }
    }
}

fn cjk(dice: &mut Dice, text: &mut String) {
    for _ in 0..dice.below(60) {
        text.push_str(dice.pick(&[
            "端末",
            "共有する",
            "。",
            "、",
            "“引用”",
            "한국어",
            "中文字",
            "e\u{301}",
            "n\u{303}a",
            "नमस्ते",
            "— ",
            "x",
            " ",
            "ﬁ",
            "Ａ",
        ]));
    }
}

fn emoji(dice: &mut Dice, text: &mut String) {
    for _ in 0..dice.below(50) {
        text.push_str(dice.pick(&[
            "😀",
            "👩\u{200d}👩\u{200d}👧",
            "🇨🇭",
            "❤\u{fe0f}",
            "👍🏽",
            "✔",
            "⚠\u{fe0f} ",
            "🏳\u{fe0f}\u{200d}🌈",
            "a",
            " ",
            "│",
            "🔥",
        ]));
    }
}
