//! Which of the transcripts that agents keep is that of a recorded program. Nobody says it, so it is inferred.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::time::UnixMs;

/// An agent writes the last of its transcript so long after its program ended at most, in milliseconds.
const LATE: u64 = 10_000;
/// A program may have run for a moment when its recording began, and file systems' clocks lag behind: milliseconds.
const EARLY: u64 = 2_000;
/// A recording says its beginning and its length in whole milliseconds, and both are cut.
const CUT: u64 = 2;

/// From when to when a recorded program ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// When it began.
    pub began: UnixMs,
    /// When it ended; now, if it runs.
    pub ended: UnixMs,
}

impl Span {
    /// Whether a transcript that changed last at this time may be the program's.
    pub fn holds(&self, modified: UnixMs) -> bool {
        self.began_before(modified) && modified.0 <= self.ended.0.saturating_add(LATE)
    }

    /// Whether what changed last at this time may have changed while it ran, or later.
    pub fn began_before(&self, modified: UnixMs) -> bool {
        modified.0.saturating_add(EARLY) >= self.began.0
    }

    /// Whether it ended no earlier than this was changed.
    pub fn ended_after(&self, modified: UnixMs) -> bool {
        self.ended.0.saturating_add(CUT) > modified.0
    }
}

/// A transcript that an agent keeps.
pub trait Transcript: Clone {
    /// The file.
    fn path(&self) -> &Path;
    /// What was asked first, or the beginning of that; empty if that is not known.
    fn asked(&self) -> &str;
}

/// What may be a recorded program's.
#[derive(Debug, Clone)]
pub enum Claim<T> {
    /// The session that its command line named.
    Named(T),
    /// Any of these, which changed while it ran, if it was started to do this.
    Any {
        /// What it was asked to do, or the beginning of that; may be empty.
        prompt: String,
        /// Those of its agent in its directory.
        during: Vec<T>,
    },
}

/// What an agent keeps of a recorded program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose<T> {
    /// This.
    Found(T),
    /// One of these.
    Unclear(Vec<T>),
    /// Nothing.
    Nobodys,
}

/// Of each of these programs the session that it named; else the one that was asked what the program was to do; else the
/// only one that is no other's.
pub fn assign<T: Transcript>(claims: Vec<Claim<T>>) -> Vec<Whose<T>> {
    let mut taken: BTreeSet<PathBuf> = BTreeSet::new();
    let mut all: Vec<(String, Whose<T>)> = claims
        .into_iter()
        .map(|claim| match claim {
            Claim::Named(own) if taken.insert(own.path().to_owned()) => (String::new(), Whose::Found(own)),
            // Whoever went on with it later has no other.
            Claim::Named(_) => (String::new(), Whose::Nobodys),
            Claim::Any { prompt, during } => (prompt, Whose::Unclear(during)),
        })
        .collect();
    // Each that is found leaves less for the others.
    while let Some(own) = [true, false].into_iter().find_map(|asked| find(&mut all, &taken, asked)) {
        taken.insert(own);
    }
    for (_, whose) in &mut all {
        if matches!(whose, Whose::Unclear(left) if left.is_empty()) {
            *whose = Whose::Nobodys;
        }
    }
    all.into_iter().map(|(_, whose)| whose).collect()
}

/// Gives the first program for which only one is left that one: of those that were asked the right thing, or of all.
fn find<T: Transcript>(
    all: &mut [(String, Whose<T>)],
    taken: &BTreeSet<PathBuf>,
    asked: bool,
) -> Option<PathBuf> {
    for (prompt, whose) in all {
        let Whose::Unclear(left) = whose else { continue };
        left.retain(|one| !taken.contains(one.path()));
        let mut good = left.iter().filter(|one| !asked || is_asked(prompt, one.asked()));
        if let (Some(only), None) = (good.next(), good.next()) {
            let (path, only) = (only.path().to_owned(), only.clone());
            *whose = Whose::Found(only);
            return Some(path);
        }
    }
    None
}

/// Whether the first thing that was asked is what the program was started for. Both may be cut.
fn is_asked(prompt: &str, asked: &str) -> bool {
    let prompt = prompt.trim().trim_end_matches('…');
    !prompt.is_empty() && (asked.contains(prompt) || (!asked.is_empty() && prompt.starts_with(asked.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq)]
    struct One(&'static str, &'static str);

    impl Transcript for One {
        fn path(&self) -> &Path {
            Path::new(self.0)
        }

        fn asked(&self) -> &str {
            self.1
        }
    }

    const A: One = One("a", "Please sweep the far side");
    const B: One = One("b", "Please sweep the near side");
    const C: One = One("c", "lead them");

    fn any(prompt: &str, during: &[One]) -> Claim<One> {
        Claim::Any { prompt: prompt.to_owned(), during: during.to_vec() }
    }

    #[test]
    fn what_was_asked_tells_them_apart_and_what_is_left_is_the_others() {
        let all = [A, B, C];
        let claims = vec![any("", &all), any("sweep the near side", &all), any("sweep the far …", &all)];
        assert_eq!(assign(claims), [Whose::Found(C), Whose::Found(B), Whose::Found(A)]);
        // A beginning of the prompt is all that is known of what was asked.
        let cut = One("d", "sweep the");
        let claims = vec![any("sweep the far side", &[cut.clone(), C]), any("", &[C])];
        assert_eq!(assign(claims), [Whose::Found(cut), Whose::Found(C)]);
    }

    #[test]
    fn what_a_command_line_named_is_no_others() {
        let claims = vec![any("", &[A, C]), Claim::Named(A)];
        assert_eq!(assign(claims), [Whose::Found(C), Whose::Found(A)]);
        assert_eq!(assign(vec![Claim::Named(A), Claim::Named(A)]), [Whose::Found(A), Whose::Nobodys]);
        // Also if it was asked what the other was started for.
        let claims = vec![any("sweep the far side", &[A]), Claim::Named(A)];
        assert_eq!(assign(claims), [Whose::Nobodys, Whose::Found(A)]);
    }

    #[test]
    fn of_several_that_may_be_it_none_is_taken() {
        assert_eq!(assign(vec![any("", &[A, B])]), [Whose::Unclear(vec![A, B])]);
        let twice = One("e", A.1);
        let claims = vec![any("sweep the far side", &[A, twice.clone(), C]), any("", &[C])];
        assert_eq!(assign(claims), [Whose::Unclear(vec![A, twice]), Whose::Found(C)]);
        assert_eq!(assign(vec![any("", &[])]), [Whose::<One>::Nobodys]);
    }

    #[test]
    fn a_span_takes_in_what_is_written_at_its_ends() {
        let span = Span { began: UnixMs(100_000), ended: UnixMs(200_000) };
        for (modified, holds, before, after) in [
            (97_999, false, false, true),
            (98_000, true, true, true),
            (200_001, true, true, true),
            (200_002, true, true, false),
            (210_000, true, true, false),
            (210_001, false, true, false),
            (u64::MAX, false, true, false),
        ] {
            let at = UnixMs(modified);
            let said = (span.holds(at), span.began_before(at), span.ended_after(at));
            assert_eq!(said, (holds, before, after), "{modified}");
        }
    }
}
