//! A grammar of what programs could write, far wilder than what they do.
//!
//! Left out, each because xterm.js behaves in a way of its own that no screen of a program depends on:
//! * mode 45 (reverse wrap), SGR 53 (overline), DECSCA, DECIC/DECDC, SL/SR, national character sets, C1 controls
//!   as U+0080 to U+009F: the engine has none of them, and only old test programs use them;
//! * DECRC while line drawing is on: xterm.js restores the set in use but not what SI and SO would bring back;
//! * a combining mark right behind a control: xterm.js gives it a cell of no width;
//! * numbers in SGR 38:2 with colons and without a colour space, which xterm.js reads shifted.

use proptest::prelude::*;
use proptest::sample::select;

/// One thing a program writes.
pub(crate) fn piece() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => "[ -~]{1,30}".prop_map(String::into_bytes),
        3 => "[中文字端末“”—é😀│─]{1,8}".prop_map(String::into_bytes),
        2 => select(vec!["e\u{301}", "n\u{303}", "中\u{301}", "👩\u{200d}👧", "❤\u{fe0f}"]).prop_map(owned),
        4 => select(vec!["\r\n", "\r", "\n", "\x08", "\t", "\x07", "\x0b"]).prop_map(owned),
        6 => (param(), param()).prop_map(|(row, col)| format!("\x1b[{row};{col}H").into_bytes()),
        4 => (param(), select(final_bytes("ABCDEFGd`aeIZ"))).prop_map(csi),
        4 => (param(), select(final_bytes("@PXLMSTb"))).prop_map(csi),
        4 => (0..4_u16, select(final_bytes("JK"))).prop_map(csi),
        6 => sgr(),
        2 => select(vec!["\x1bD", "\x1bE", "\x1bM", "\x1bH", "\x1b[g", "\x1b[3g", "\x1b#8"]).prop_map(owned),
        2 => select(vec!["\x1b7", "\x1b8", "\x1b[s", "\x1b[u", "\x1b[?1048h", "\x1b[?1048l"]).prop_map(owned),
        2 => (0..50_u16, 0..50_u16).prop_map(|(top, bottom)| format!("\x1b[{top};{bottom}r").into_bytes()),
        3 => (select(modes()), any::<bool>()).prop_map(|(mode, on)| format!("\x1b[?{mode}{}", set(on)).into_bytes()),
        1 => (select(vec![4, 20]), any::<bool>()).prop_map(|(mode, on)| format!("\x1b[{mode}{}", set(on)).into_bytes()),
        1 => select(vec!["\x1b(0lqk~x\x1b(B", "\x1b)0\x0emqj\x0f", "\x1b(0\x0e\x0fa\x1b(B", "\x1b*0\x1b+B"]).prop_map(owned),
        1 => select(vec!["\x1b=", "\x1b>", "\x1b[!p", "\x1bc", "\x1b[3 q", "\x1b[0 q", "\x1b[6 q"]).prop_map(owned),
        1 => select(vec!["\x1b[>1u", "\x1b[<u", "\x1b[=3;2u", "\x1b[>4;1m", "\x1b[22;0t", "\x1b[23;0t"]).prop_map(owned),
        1 => select(vec!["\x1b[c", "\x1b[>c", "\x1b[6n", "\x1b[?2026$p", "\x1b]11;?\x07", "\x1bP$qm\x1b\\"]).prop_map(owned),
        2 => osc(),
        1 => "[ -~]{0,20}".prop_map(|text| format!("\x1b_{text}\x1b\\\x1bPq{text}\x1b\\").into_bytes()),
    ]
}

/// Bytes that a failing test prints readably.
#[derive(Clone)]
pub(crate) struct Bytes(pub(crate) Vec<u8>);

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

/// Many things one behind the other.
pub(crate) fn stream(pieces: std::ops::Range<usize>) -> impl Strategy<Value = Bytes> {
    prop::collection::vec(piece(), pieces).prop_map(|pieces| Bytes(pieces.concat()))
}

/// Any bytes, with many of those that begin or end something.
pub(crate) fn random(len: std::ops::Range<usize>) -> impl Strategy<Value = Bytes> {
    let telling = select(b"\x1b[]PX;:?!0123456789hlmHJKr\x07\x18\xc2\xe2\x80\xf0".to_vec());
    prop::collection::vec(prop_oneof![3 => any::<u8>(), 1 => telling], len).prop_map(Bytes)
}

fn owned(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn final_bytes(bytes: &str) -> Vec<char> {
    bytes.chars().collect()
}

fn csi((param, last): (u16, char)) -> Vec<u8> {
    format!("\x1b[{param}{last}").into_bytes()
}

fn set(on: bool) -> char {
    if on { 'h' } else { 'l' }
}

fn param() -> impl Strategy<Value = u16> {
    prop_oneof![6 => 0..12_u16, 3 => 0..130_u16, 1 => Just(9999)]
}

fn modes() -> Vec<u16> {
    vec![
        1, 6, 7, 7, 12, 25, 47, 1000, 1002, 1003, 9, 1004, 1006, 1016, 1047, 1049, 1049, 2004, 2026, 66, 3, 5,
    ]
}

fn sgr() -> impl Strategy<Value = Vec<u8>> {
    let simple = (0..108_u16)
        .prop_filter("left out", |n| ![38, 48, 58, 53, 55].contains(n))
        .prop_map(|n| n.to_string());
    let one = prop_oneof![
        6 => simple,
        1 => Just(String::from("0")),
        1 => (0..6_u16).prop_map(|n| format!("4:{n}")),
        2 => (select(vec![38, 48, 58]), any::<u8>()).prop_map(|(which, n)| format!("{which};5;{n}")),
        2 => (select(vec![38, 48, 58]), any::<[u8; 3]>()).prop_map(|(which, [r, g, b])| format!("{which};2;{r};{g};{b}")),
    ];
    prop::collection::vec(one, 0..4).prop_map(|params| format!("\x1b[{}m", params.join(";")).into_bytes())
}

fn osc() -> impl Strategy<Value = Vec<u8>> {
    let command = prop_oneof![
        "[ -~é]{0,20}".prop_map(|title| format!("2;{title}")),
        (0..3_u8).prop_map(|n| format!("8;;https://example.org/{n}")),
        (0..3_u8).prop_map(|n| format!("8;id={n};https://example.org/")),
        Just(String::from("8;;")),
        any::<u8>().prop_map(|n| format!("4;{n};rgb:12/34/{n:02x}")),
        Just(String::from("10;#123456")),
        Just(String::from("104")),
        Just(String::from("52;c;aGVsbG8=")),
        Just(String::from("133;A")),
    ];
    (command, select(vec!["\x07", "\x1b\\"]))
        .prop_map(|(command, end)| format!("\x1b]{command}{end}").into_bytes())
}
