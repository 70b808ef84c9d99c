//! `sharer guide --install`: the guide in an agent's instruction file, between two marks.
//!
//! Everything outside the marks stays as it is, byte for byte; installing again replaces what is between them.

use super::guide::GUIDE;

const BEGIN: &str = "<!-- sharer guide: begin (sharer guide --install … --remove takes it out) -->";
const END: &str = "<!-- sharer guide: end -->";
/// Marks are found by their beginnings, so that a later version may say more in them.
const BEGIN_MARK: &str = "<!-- sharer guide: begin";

/// Why a file is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InstallError {
    /// One of the two marks is missing, or they stand in the wrong order, or several times.
    #[error("the marks of the guide in this file are damaged: mend or delete them by hand")]
    Damaged,
}

/// The text with the guide in it.
pub fn with_guide(text: &str) -> Result<String, InstallError> {
    let block = format!("{BEGIN}\n{GUIDE}{END}\n");
    let Some((before, after)) = around(text)? else {
        let gap = match text {
            "" => "",
            text if text.ends_with("\n\n") => "",
            text if text.ends_with('\n') => "\n",
            _ => "\n\n",
        };
        return Ok(format!("{text}{gap}{block}"));
    };
    Ok(format!("{before}{block}{after}"))
}

/// The text without the guide in it.
pub fn without_guide(text: &str) -> Result<String, InstallError> {
    let Some((before, after)) = around(text)? else { return Ok(text.to_owned()) };
    // The empty line that was put before it goes too.
    let before =
        if after.is_empty() { before.strip_suffix('\n').filter(|kept| kept.ends_with('\n')) } else { None }
            .unwrap_or(before);
    Ok(format!("{before}{after}"))
}

/// What stands before and after the guide, if it is there.
fn around(text: &str) -> Result<Option<(&str, &str)>, InstallError> {
    let begins = text.matches(BEGIN_MARK).count();
    let ends = text.matches(END).count();
    if (begins, ends) == (0, 0) {
        return Ok(None);
    }
    if (begins, ends) != (1, 1) {
        return Err(InstallError::Damaged);
    }
    let (before, rest) = text.split_once(BEGIN_MARK).ok_or(InstallError::Damaged)?;
    let (_, after) = rest.split_once(END).ok_or(InstallError::Damaged)?;
    Ok(Some((before, after.strip_prefix('\n').unwrap_or(after))))
}

/// What changes, line by line, with a little of what stands around it.
pub fn change(before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (old.get(same..).unwrap_or_default(), new.get(same..).unwrap_or_default());
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let mut out = String::new();
    let mut say = |sign: char, lines: &[&str]| {
        for line in lines {
            out.extend([sign, ' ']);
            out.push_str(line);
            out.push('\n');
        }
    };
    say(' ', old.get(same.saturating_sub(2)..same).unwrap_or_default());
    say('-', old_rest.get(..old_rest.len() - tail).unwrap_or_default());
    say('+', new_rest.get(..new_rest.len() - tail).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_goes_in_once_and_comes_out_again(text in "[a-c\n]{0,40}") {
            let with = with_guide(&text).unwrap();
            prop_assert_eq!(with_guide(&with).unwrap(), with.as_str(), "idempotent");
            prop_assert!(with.starts_with(&text), "what was there stays");
            let without = without_guide(&with).unwrap();
            prop_assert_eq!(without.trim_end_matches('\n'), text.trim_end_matches('\n'));
            prop_assert_eq!(without_guide(&text).unwrap(), text);
        }
    }

    #[test]
    fn an_older_guide_is_replaced_where_it_stands() {
        let old = format!("# Mine\n\n{BEGIN_MARK} of an older one -->\nold text\n{END}\n\nMore of mine\n");
        let new = with_guide(&old).unwrap();
        assert!(new.starts_with("# Mine\n\n<!--") && new.ends_with("\n\nMore of mine\n"), "{new}");
        assert!(!new.contains("old text") && new.contains("sharer spawn"));
        assert_eq!(without_guide(&new).unwrap(), "# Mine\n\n\nMore of mine\n");
        let said = change(&old, &new);
        assert!(
            said.contains("- old text\n")
                && said.contains("+ ## Running tasks")
                && !said.contains("- # Mine"),
            "{said}"
        );
    }

    #[test]
    fn damaged_marks_are_left_alone() {
        for damaged in
            [BEGIN.to_owned(), END.to_owned(), format!("{END}{BEGIN}"), format!("{BEGIN}{BEGIN}{END}")]
        {
            assert_eq!(with_guide(&damaged), Err(InstallError::Damaged), "{damaged}");
            assert_eq!(without_guide(&damaged), Err(InstallError::Damaged));
        }
    }
}
