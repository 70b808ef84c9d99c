//! The model against xterm.js, which is what people see.
//!
//! A terminal that joins with a dump must be the same as one that has read every byte: at the cut, and after more
//! bytes have come. `tests/oracle/oracle.js` compares them; `npm ci` there installs xterm.js.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use shared::event::WindowSize;
use sharer_native::term::Terminal;

use crate::grammar;
use crate::streams::{self, Dice, SIZE};

/// What xterm.js keeps by default, and so does the model.
const SCROLLBACK: usize = 1000;
/// Bytes after the cut until terminals are compared again.
const THEN: usize = 4096;

/// Reads a number from the environment.
fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |value| value.parse().expect("a number"))
}

/// Cuts of each stream; `ORACLE_CUTS=300` for a thorough run.
fn cuts() -> usize {
    usize::try_from(setting("ORACLE_CUTS", 30)).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/oracle")
}

/// Asks the oracle and gives the differences it has found, for each question.
fn ask(questions: &[Value]) -> Vec<Vec<Value>> {
    let installed = directory().join("node_modules/@xterm/headless").exists();
    assert!(
        installed,
        "xterm.js is missing: please run `npm ci --prefix sharer-native/tests/oracle`, or scripts/test"
    );
    let mut node = Command::new("node")
        .arg(directory().join("oracle.js"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node is installed");
    node.stdin.take().unwrap().write_all(json!(questions).to_string().as_bytes()).unwrap();
    let output = node.wait_with_output().unwrap();
    assert!(output.status.success(), "the oracle has failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Puts a question about a stream, cut at random bytes.
fn question(stream: &[u8], cuts: usize, then: usize, size: WindowSize, dice: &mut Dice) -> Value {
    let mut at: Vec<_> = (0..cuts).map(|_| dice.below(stream.len() + 1)).collect();
    at.sort_unstable();
    let mut terminal = Terminal::new(size, SCROLLBACK);
    let mut read = 0;
    let cuts: Vec<_> = at
        .into_iter()
        .map(|at| {
            terminal.feed(stream.get(read..at).unwrap());
            read = at;
            json!({
                "at": at,
                "screen": hex(&terminal.screen()),
                "full": hex(&terminal.full()),
                "text": hex(terminal.text().as_bytes()),
            })
        })
        .collect();
    json!({ "cols": size.cols, "rows": size.rows, "stream": hex(stream), "cuts": cuts, "then": then })
}

fn check(name: &str) {
    let seed = setting("ORACLE_SEED", 42);
    let stream = streams::stream(name);
    let differences = ask(&[question(&stream, cuts(), THEN, SIZE, &mut Dice(seed))]).concat();
    let first = differences.first().map(|first| format!("{first:#}")).unwrap_or_default();
    assert!(
        differences.is_empty(),
        "{name}: {} differences in {} cuts (ORACLE_SEED={seed}); the first: {first}",
        differences.len(),
        cuts(),
    );
}

/// One test for each stream, so that they run side by side.
#[test]
fn bash() {
    check("bash");
}

#[test]
fn htop() {
    check("htop");
}

#[test]
fn less() {
    check("less");
}

#[test]
fn mc() {
    check("mc");
}

#[test]
fn tmux() {
    check("tmux");
}

#[test]
fn vim() {
    check("vim");
}

#[test]
fn plain() {
    check("plain");
}

#[test]
fn coloured() {
    check("coloured");
}

#[test]
fn cjk() {
    check("cjk");
}

#[test]
fn emoji() {
    check("emoji");
}

/// A generator that is the same every time.
fn runner(seed: u64) -> TestRunner {
    let seed = [seed.to_le_bytes(); 4].concat();
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &seed))
}

/// How many of the streams come out the same, of a hundred.
fn score(name: &str, strategy: impl Strategy<Value = grammar::Bytes>, seed: u64, floor: usize) {
    let mut runner = runner(seed);
    let count = usize::try_from(setting("ORACLE_STREAMS", 200)).unwrap();
    let mut dice = Dice(seed);
    let streams: Vec<_> = (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    let questions: Vec<_> = streams
        .iter()
        .map(|stream| question(&stream.0, 1, 200, WindowSize { cols: 40, rows: 12 }, &mut dice))
        .collect();
    let answers = ask(&questions);
    if std::env::var("ORACLE_SHOW").is_ok() {
        for (stream, answer) in streams.iter().zip(&answers) {
            if let Some(first) = answer.first() {
                eprintln!("{name}: {first} in {stream:?}");
            }
        }
    }
    let same = answers.iter().filter(|answer| answer.is_empty()).count();
    eprintln!("{name}: {same} of {count} are the same in xterm.js");
    assert!(same * 100 >= floor * count, "{name}: {same} of {count}, the floor is {floor} %");
}

#[test]
fn short_wild_streams() {
    score("short wild streams", grammar::stream(1..12), 1, 97);
}

#[test]
fn long_wild_streams() {
    score("long wild streams", grammar::stream(40..80), 2, 85);
}

#[test]
fn random_bytes() {
    score("random bytes", grammar::random(1..300), 3, 90);
}

/// After a resize a dump shows in an xterm.js of the new size what the model believes.
#[test]
fn resized() {
    let mut dice = Dice(setting("ORACLE_SEED", 42));
    let mut checks = Vec::new();
    for name in streams::NAMES {
        let stream = streams::stream(name);
        let mut terminal = Terminal::new(SIZE, SCROLLBACK);
        for piece in stream.chunks(stream.len() / 4) {
            terminal.feed(piece);
            let size = WindowSize {
                cols: u16::try_from(2 + dice.below(200)).unwrap(),
                rows: u16::try_from(2 + dice.below(70)).unwrap(),
            };
            terminal.resize(size);
            let (dump, text) = (hex(&terminal.full()), hex(terminal.text().as_bytes()));
            checks.push(json!({ "cols": size.cols, "rows": size.rows, "full": dump, "text": text }));
        }
    }
    let differences = ask(&checks).concat();
    assert!(differences.is_empty(), "{} differences; the first: {:#}", differences.len(), differences[0]);
}

/// The oracle sees it when a dump is wrong.
#[test]
fn a_wrong_dump_is_found_out() {
    let stream = streams::stream("vim");
    let right = question(&stream, 4, THEN, SIZE, &mut Dice(5));
    assert_eq!(ask(std::slice::from_ref(&right)), [[]; 1] as [[Value; 0]; 1]);
    let wrong = [
        ("a letter", "\x1b[1;1Hw"),
        ("a colour", "\x1b[38;5;99m~"),
        ("a mode", "\x1b[?45h"),
        ("the cursor", "\x1b[7;7H"),
        ("a query", "\x1b[6n"),
    ];
    for (what, wrong) in wrong {
        let mut question = right.clone();
        let dump = question["cuts"][1]["screen"].as_str().unwrap().to_owned();
        question["cuts"][1]["screen"] = json!(dump + &hex(wrong.as_bytes()));
        assert!(!ask(&[question]).concat().is_empty(), "{what} was not found out");
    }
}
