//! `Entire-Checkpoint: ID` at the end of a commit's message, where git itself sees it.
//!
//! The rule is git's (`git interpret-trailers`, gitrailer documentation): the last paragraph, if it is not the first, and
//! either all of its lines are trailers, or one is of git's own and at least a quarter are. Lines of comment count for
//! nothing; an indented line goes on with the one above.

use super::id::CheckpointId;

/// The key.
pub const KEY: &str = "Entire-Checkpoint";

/// Below this line git reads nothing of a message.
const SCISSORS: &str = "# ------------------------ >8 ------------------------\n";

/// What git itself writes: such a line makes a paragraph of mixed lines a block of trailers.
const OF_GIT: [&str; 2] = ["Signed-off-by: ", "(cherry picked from commit "];

/// The checkpoint that a commit's message names: the last valid one in its trailers.
pub fn checkpoint(message: &str) -> Option<CheckpointId> {
    let named = trailers(message).into_iter().rev().filter(|(key, _)| key.eq_ignore_ascii_case(KEY));
    named.into_iter().find_map(|(_, value)| CheckpointId::parse(&value))
}

/// The message with the trailer behind its others; `None` where git would not see it, as behind an empty message.
pub fn with_checkpoint(message: &str, id: &CheckpointId) -> Option<String> {
    let before = trailers(message);
    let body = message.trim_end_matches(is_space);
    if body.is_empty() {
        return None;
    }
    let candidates = ["\n", "\n\n"].map(|gap| format!("{body}{gap}{KEY}: {id}\n"));
    candidates.into_iter().find(|candidate| {
        let after = trailers(candidate);
        after
            .split_last()
            .is_some_and(|((key, value), rest)| key == KEY && value == id.as_str() && rest == before)
    })
}

/// All trailers of a message, keys and values, unfolded.
pub fn trailers(message: &str) -> Vec<(String, String)> {
    // Git ends the last line before it reads.
    let ended = if message.ends_with('\n') { message.to_owned() } else { format!("{message}\n") };
    let message = ended.get(..end(&ended)).unwrap_or_default();
    let mut found: Vec<(String, String)> = Vec::new();
    let mut goes_on = false;
    for line in lines(message.get(start(message)..).unwrap_or_default()) {
        if let Some((_, value)) = found.last_mut().filter(|_| goes_on && line.starts_with(is_space)) {
            value.push_str(line);
            continue;
        }
        // Behind any other line, a comment too, an indented one is nothing.
        goes_on = false;
        if let Some(at) = separator(line).filter(|_| !is_comment(line)) {
            let (key, value) = line.split_at(at);
            found.push((key.trim_end().to_owned(), value.get(1..).unwrap_or_default().to_owned()));
            goes_on = true;
        }
    }
    for (_, value) in &mut found {
        let mut lines = value.split('\n');
        let first = lines.next().unwrap_or_default().to_owned();
        // Git leaves a carriage return where it joins lines.
        let joined =
            lines.fold(first, |joined, line| format!("{joined} {}", line.trim_start_matches(is_space)));
        joined.trim_matches(is_space).clone_into(value);
    }
    found
}

fn lines(text: &str) -> impl DoubleEndedIterator<Item = &str> {
    text.split_inclusive('\n')
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

fn is_comment(line: &str) -> bool {
    line.starts_with('#')
}

fn is_blank(line: &str) -> bool {
    line.chars().all(is_space)
}

/// Where a line's key ends.
fn separator(line: &str) -> Option<usize> {
    let mut spaces = false;
    for (at, c) in line.char_indices() {
        match c {
            ':' => return (at > 0).then_some(at),
            ' ' | '\t' if at > 0 => spaces = true,
            '-' | 'a'..='z' | 'A'..='Z' | '0'..='9' if !spaces => {}
            _ => return None,
        }
    }
    None
}

/// Where what git leaves out at a message's end begins: comments, blank lines, an old list of conflicts, all below a line
/// with scissors.
fn end(message: &str) -> usize {
    let below = if message.starts_with(SCISSORS) {
        0
    } else {
        message.find(&format!("\n{SCISSORS}")).map_or(message.len(), |at| at + 1)
    };
    let (mut at, mut cut, mut conflicts) = (0, None, false);
    for line in lines(message.get(..below).unwrap_or_default()) {
        if is_comment(line) || line == "\n" {
            cut = cut.or(Some(at));
        } else if line == "Conflicts:\n" {
            conflicts = true;
            cut = cut.or(Some(at));
        } else if !(conflicts && line.starts_with('\t')) {
            (cut, conflicts) = (None, false);
        }
        at += line.len();
    }
    cut.unwrap_or(below)
}

/// Where the trailers begin: at the message's end if there are none.
fn start(message: &str) -> usize {
    let mut title = 0;
    for line in lines(message) {
        if !is_comment(line) && is_blank(line) {
            break;
        }
        title += line.len();
    }
    let (mut known, mut trailers, mut others, mut indented) = (false, 0, 0, 0);
    let (mut seen, mut at) = (false, message.len());
    for line in lines(message.get(title..).unwrap_or_default()).rev() {
        let below = at;
        at -= line.len();
        if is_comment(line) {
            others += std::mem::take(&mut indented);
        } else if is_blank(line) {
            if !seen {
                continue;
            }
            others += indented;
            let is_block = (known && trailers * 3 >= others) || (trailers > 0 && others == 0);
            return if is_block { below } else { message.len() };
        } else {
            seen = true;
            if OF_GIT.iter().any(|prefix| line.starts_with(prefix)) {
                (known, indented) = (true, 0);
                trailers += 1;
            } else if !line.starts_with(is_space) && separator(line).is_some() {
                indented = 0;
                trailers += 1;
            } else if line.starts_with(is_space) {
                indented += 1;
            } else {
                others += 1 + std::mem::take(&mut indented);
            }
        }
    }
    message.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> CheckpointId {
        CheckpointId::parse("7c1e0b9a42d5").unwrap()
    }

    #[test]
    fn the_last_valid_one_in_the_block_counts() {
        let message = "subject\n\nbody says Entire-Checkpoint: aaaaaaaaaaaa\n\nEntire-Checkpoint: 111111111111\nentire-checkpoint: 222222222222\nEntire-Checkpoint: not one\n";
        assert_eq!(checkpoint(message), CheckpointId::parse("222222222222"));
        for none in
            ["", "Entire-Checkpoint: 111111111111\n", "s\n\nEntire-Checkpoint: 111111111111\nand text\n"]
        {
            assert_eq!(checkpoint(none), None, "{none:?}");
        }
    }

    #[test]
    fn it_stands_behind_the_others_or_in_a_paragraph_of_its_own() {
        for (message, expected) in [
            ("subject", "subject\n\nEntire-Checkpoint: 7c1e0b9a42d5\n"),
            ("subject\n\nbody\n", "subject\n\nbody\n\nEntire-Checkpoint: 7c1e0b9a42d5\n"),
            ("s\n\nb\n\nA: b\n", "s\n\nb\n\nA: b\nEntire-Checkpoint: 7c1e0b9a42d5\n"),
            ("s\n\nnote: x\nmore text\n", "s\n\nnote: x\nmore text\n\nEntire-Checkpoint: 7c1e0b9a42d5\n"),
            ("s\n\n  Looks-Like: one\n", "s\n\n  Looks-Like: one\n\nEntire-Checkpoint: 7c1e0b9a42d5\n"),
        ] {
            assert_eq!(with_checkpoint(message, &id()).as_deref(), Some(expected), "{message:?}");
            assert_eq!(checkpoint(expected), Some(id()));
        }
        assert_eq!(with_checkpoint("", &id()), None, "it would be the title");
    }
}
