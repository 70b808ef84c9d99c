//! `Entire-Checkpoint` in commit messages, as git itself sees it (CHECKPOINTS 42).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test panics when it fails"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;
use shared::checkpoint::id::CheckpointId;
use shared::checkpoint::trailer::{KEY, checkpoint, trailers, with_checkpoint};

/// What git finds in a commit's message.
fn git(message: &str) -> Vec<String> {
    let mut command = Command::new("git");
    command.args(["interpret-trailers", "--parse", "--no-divider"]);
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(message.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    text.split_terminator('\n').map(|line| line.trim_end().to_owned()).collect()
}

fn ours(message: &str) -> Vec<String> {
    let found = trailers(message).into_iter();
    found.map(|(key, value)| format!("{key}: {value}").trim_end().to_owned()).collect()
}

fn id() -> CheckpointId {
    CheckpointId::parse("7c1e0b9a42d5").unwrap()
}

/// What holds of every message.
fn holds(message: &str) -> Result<(), TestCaseError> {
    let before = git(message);
    prop_assert_eq!(&ours(message), &before, "{:?}", message);
    if let Some(after) = with_checkpoint(message, &id()) {
        let mut expected = before;
        expected.push(format!("{KEY}: {}", id()));
        prop_assert_eq!(git(&after), expected, "{:?}", &after);
        prop_assert_eq!(checkpoint(&after), Some(id()));
        prop_assert!(after.starts_with(message.trim_end_matches([' ', '\t', '\r', '\n'])));
    } else {
        // It is not put where a paragraph of its own would be seen.
        let body = message.trim_end();
        let seen = !body.is_empty() && git(&format!("{body}\n\n{KEY}: {}\n", id())).len() == before.len() + 1;
        prop_assert!(!seen, "{:?}", message);
    }
    Ok(())
}

/// A line of a message: ordinary ones, and all that git treats in a way of its own.
fn line() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "",
        "",
        " ",
        "\t",
        "subject",
        "text of a body, with a colon: here",
        "Key: value",
        "Key:value",
        "Key : value",
        "Other-Key: a b",
        "  Key: indented",
        "\tEntire-Checkpoint: 111111111111",
        "  going on",
        "Entire-Checkpoint: 111111111111",
        "entire-checkpoint: 222222222222",
        "Entire-Checkpoint:",
        "Entire-Checkpoint: not one",
        "> Entire-Checkpoint: 333333333333",
        "Signed-off-by: Ada <ada@example.test>",
        "signed-off-by: Ada <ada@example.test>",
        "(cherry picked from commit 0123456789012345678901234567890123456789)",
        "# a comment",
        "#Key: commented",
        " # no comment",
        "Conflicts:",
        "\tsrc/a.rs",
        "---",
        "--- a/file",
        ": no key",
        "Two words: no trailer",
        "https://example.test/x",
        "Schlüssel: kein",
        "# ------------------------ >8 ------------------------",
    ]);
    prop_oneof![9 => known.prop_map(str::to_owned), 1 => "[ -~]{0,16}"]
}

proptest! {
    // Each case asks git three times.
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn git_sees_what_is_read_and_what_is_added(
        lines in prop::collection::vec(line(), 0..9),
        crlf in prop::bool::weighted(0.2),
        end in prop::sample::select(vec!["", "\n", "\n\n", "\n \n"]),
    ) {
        let newline = if crlf { "\r\n" } else { "\n" };
        holds(&(lines.join(newline) + end))?;
    }
}

#[test]
fn the_shapes_that_hid_a_trailer_from_git() {
    for message in [
        "subject\n\n  Looks-Like: a trailer\n",
        "subject\n\nbody\n\nA: b\n  goes on\n",
        "subject\n\nbody\n\n  A: b\nC: d\n",
        "subject\n\nbody\n\nA: b\n# a comment\n",
        "subject\n\n# a comment\n\nA: b\n",
        "subject\r\n\r\nbody\r\n\r\nA: b\r\n",
        "subject\r\n\r\nA: b\r\n  goes on\r\n",
        "subject\n\nA: b\n# a comment\n  goes on nothing\nC: d\n",
        "subject\n\nbody\n\nConflicts:\n\tsrc/a.rs\n",
        "subject\n\nbody\n---\nA: b\n",
        "subject\n\ntext\nSigned-off-by: Ada <ada@example.test>\n",
        "subject: looks like one\n",
        "subject\n\nEntire-Checkpoint: 111111111111\n",
    ] {
        holds(message).unwrap();
        assert!(with_checkpoint(message, &id()).is_some(), "{message:?}");
    }
}

#[test]
fn where_git_reads_nothing_nothing_is_put() {
    let scissors = "# ------------------------ >8 ------------------------\n";
    let old = "subject\n\nA: b\n\nConflicts:".to_owned();
    for message in [scissors.to_owned(), format!("subject\n\nA: b\n{scissors}C: d\n"), old] {
        holds(&message).unwrap();
        assert_eq!(with_checkpoint(&message, &id()), None, "{message:?}");
    }
}
