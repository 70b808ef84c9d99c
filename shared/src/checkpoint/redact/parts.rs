//! Secrets in a text that comes in parts: a terminal echoes what is typed letter by letter, an agent's words come a few at a
//! time, and neither part has a secret that the whole has.
//!
//! Parts are held back until what follows can no longer belong to a secret that they begin. What is found is covered
//! letter by letter, so that everything in a terminal stays where it was.

use std::collections::{BTreeMap, VecDeque};

use super::view::View;
use super::{MARK, secrets};

/// So many bytes of lines are held back: the longest secret that is found in parts, typed letter by letter with an escape
/// sequence for each, is a long token.
const HELD: usize = 64 * 1024;
/// They are looked at when there are so many: each is looked at about once.
const MOST: usize = 4 * HELD;

/// See the module. `T` is what a part is of.
#[derive(Debug)]
pub struct Parts<T> {
    is_terminal: bool,
    held: VecDeque<Part<T>>,
    bytes: usize,
}

#[derive(Debug)]
struct Part<T> {
    of: T,
    cost: usize,
    said: Option<(u32, String)>,
    is_changed: bool,
}

impl<T> Parts<T> {
    /// Parts of what a program wrote to its terminal: escape sequences are no part of a secret.
    pub fn of_terminal() -> Self {
        Self { is_terminal: true, held: VecDeque::new(), bytes: 0 }
    }

    /// Parts of plain texts.
    pub fn of_text() -> Self {
        Self { is_terminal: false, held: VecDeque::new(), bytes: 0 }
    }

    /// Takes the next part, which counts as `cost` bytes; of parts that say something, those with the same number are one
    /// text. Returns what nothing that comes can change any more, each with its text if that is another now.
    pub fn push(&mut self, of: T, cost: usize, said: Option<(u32, String)>) -> Vec<(T, Option<String>)> {
        self.held.push_back(Part { of, cost, said, is_changed: false });
        self.bytes = self.bytes.saturating_add(cost);
        if self.bytes < MOST { Vec::new() } else { self.settle(HELD) }
    }

    /// Nothing comes any more: the rest.
    pub fn finish(&mut self) -> Vec<(T, Option<String>)> {
        self.settle(0)
    }

    /// Covers what is found, and gives back all but the last `keep` bytes.
    fn settle(&mut self, keep: usize) -> Vec<(T, Option<String>)> {
        let (mut ready, mut left) = (0, self.bytes);
        for part in &self.held {
            if keep > 0 && left - part.cost < keep {
                break;
            }
            left -= part.cost;
            ready += 1;
        }
        let mut texts: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (at, part) in self.held.iter().enumerate() {
            if let Some((number, _)) = &part.said {
                texts.entry(*number).or_default().push(at);
            }
        }
        for places in texts.into_values() {
            self.cover(&places, ready, keep == 0);
        }
        self.bytes = left;
        let ready = self.held.drain(..ready);
        ready.map(|part| (part.of, part.said.filter(|_| part.is_changed).map(|(_, text)| text))).collect()
    }

    /// Covers the secrets of one text, of which the parts at `places` are held; those before `ready` go.
    fn cover(&mut self, places: &[usize], ready: usize, is_last: bool) {
        let (mut whole, mut ends, mut going) = (Vec::new(), Vec::new(), 0);
        for at in places {
            let text =
                self.held.get(*at).and_then(|part| part.said.as_ref()).map(|(_, text)| text.as_bytes());
            whole.extend_from_slice(text.unwrap_or_default());
            ends.push(whole.len());
            if *at < ready {
                going = whole.len();
            }
        }
        let mut covered: BTreeMap<usize, Option<u8>> = BTreeMap::new();
        let views: &[View] = if self.is_terminal { &[View::Joined, View::Apart] } else { &[View::Plain] };
        let mut found: Vec<(Vec<usize>, bool)> = Vec::new();
        for view in views {
            let seen = view.of(&whole);
            for secret in secrets::find(&seen.text) {
                found.push((seen.places(secret.place), secret.is_open && !is_last));
            }
        }
        let first = |places: &[usize]| places.first().copied().unwrap_or(usize::MAX);
        let waits = |(places, is_open): &(Vec<usize>, bool)| *is_open && first(places) >= going;
        let waiting = found.iter().filter(|one| waits(one)).map(|(places, _)| first(places)).min();
        for (places, _) in &found {
            // Another view may see its front only; covered, the rest would be found no more.
            let is_front = waiting.is_some_and(|waiting| places.last().is_none_or(|last| *last >= waiting));
            if !(is_front && first(places) >= going) {
                mask(&whole, places, &mut covered);
            }
        }
        if covered.is_empty() {
            return;
        }
        let mut begin = 0;
        for (at, end) in places.iter().zip(ends) {
            if covered.range(begin..end).next().is_some()
                && let Some(part) = self.held.get_mut(*at)
                && let Some((_, text)) = &mut part.said
            {
                let bytes = (begin..end).filter_map(|at| match covered.get(&at) {
                    Some(instead) => *instead,
                    None => whole.get(at).copied(),
                });
                *text = String::from_utf8_lossy(&bytes.collect::<Vec<u8>>()).into_owned();
                part.is_changed = true;
            }
            begin = end;
        }
    }
}

/// Puts the mark and stars in the place of these bytes: one for each character. What ends a line, a title or a word for the
/// terminal stays.
fn mask(whole: &[u8], bytes: &[usize], covered: &mut BTreeMap<usize, Option<u8>>) {
    let at = |index: &usize| whole.get(*index).copied().unwrap_or_default();
    let is_letter = |byte: u8| !matches!(byte, 0..0x20 | 0x7f..=0xbf);
    let letters = bytes.iter().filter(|index| is_letter(at(index))).count();
    let mark = if letters < MARK.len() { "" } else { MARK };
    let mut marks = mark.bytes();
    for index in bytes {
        match at(index) {
            0..0x20 | 0x7f => {}
            0x80..=0xbf => drop(covered.entry(*index).or_insert(None)),
            _ => {
                let instead = marks.next().unwrap_or(b'*');
                covered.entry(*index).or_insert(Some(instead));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As published formats go; none was ever given out.
    const SECRET: &str = "ghp_0123456789abcdefghijABCDEFGHIJ012345";
    const COVER: &str = "REDACTED********************************";

    /// A key that nothing ends.
    const PEM: &str = "-----BEGIN PRIVATE KEY-----\nabc";

    fn told(parts: &mut Parts<usize>, texts: &[&str]) -> Vec<String> {
        let mut out: Vec<(usize, Option<String>)> = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            out.extend(parts.push(at, text.len() + 20, Some((0, (*text).to_owned()))));
        }
        out.extend(parts.finish());
        assert!(out.iter().map(|(at, _)| *at).eq(0..texts.len()), "in order, each once");
        out.into_iter().map(|(at, text)| text.unwrap_or_else(|| texts[at].to_owned())).collect()
    }

    fn shown(texts: &[&str]) -> String {
        told(&mut Parts::of_terminal(), texts).concat()
    }

    #[test]
    fn what_is_typed_letter_by_letter_is_covered_and_nothing_moves() {
        let letters: Vec<String> = format!("a: {SECRET}; b").chars().map(String::from).collect();
        let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
        assert_eq!(shown(&letters), format!("a: {COVER}; b"));
        assert_eq!(told(&mut Parts::of_text(), &letters).concat(), format!("a: {COVER}; b"));
        assert_eq!(shown(&["nothing ", "of that"]), "nothing of that");
    }

    #[test]
    fn escape_sequences_neither_hide_a_secret_nor_are_lost() {
        for (shown_so, expected) in [
            (format!("\x1b[32m{SECRET}\x1b[0m"), format!("\x1b[32m{COVER}\x1b[0m")),
            (format!("\x1b[4C{SECRET}\x1b[K"), format!("\x1b[4C{COVER}\x1b[K")),
            (SECRET.replacen('0', "\x1b[1m0\x1b[K", 1), format!("REDA\x1b[1mC\x1b[K{}", COVER.split_at(5).1)),
            (format!("\x1b]0;{SECRET}\x07 x"), format!("\x1b]0;{COVER}\x07 x")),
            (
                format!("\x1b]8;;https://a.test/{SECRET}\x1b\\x"),
                format!("\x1b]8;;https://a.test/{COVER}\x1b\\x"),
            ),
        ] {
            assert_eq!(shown(&[&shown_so]), expected);
            let (one, other) = shown_so.split_at(20);
            assert_eq!(shown(&[one, other]), expected, "in two parts");
        }
        // Words that a program sets apart by moving the cursor are no word.
        let words = "The\x1b[1CQuick9\x1b[1CBrown_Fox7\x1b[1CJumps-Over\x1b[1CLazy=Dogs3\x1b[1CZyX+Wv";
        assert_eq!(shown(&[words]), words);
    }

    #[test]
    fn what_is_typed_over_the_right_margin_is_covered() {
        // As bash 5.2 and zsh 5.9 write it in 40 columns.
        for (typed, covered) in [
            (
                "$ echo Bearer ghp_0123456789abcdefghijAB \rCDEFGHIJ012345\r\n",
                "$ echo Bearer REDACTED****************** \r**************\r\n",
            ),
            (
                "$ echo 0123456789abcdefg AKIAIOSFODNN7EX \rAMPLE\r\n",
                "$ echo 0123456789abcdefg REDACTED******* \r*****\r\n",
            ),
            (
                "$ psql -h 0123456789 postgres://ada:pass \r@db.test\r\n",
                "$ psql -h 0123456789 postgres://ada:**** \r@db.test\r\n",
            ),
            ("$ psql -h postgres://ada:pa \rss@db.test\r\n", "$ psql -h postgres://ada:** \r**@db.test\r\n"),
            (
                "echo Bearer ghp_0123456789abcdefghijABCD \r\x1b[KE\rEFGHIJ012345\x1b[?2004l\r\r\n",
                "echo Bearer REDACTED******************** \r\x1b[K*\r************\x1b[?2004l\r\r\n",
            ),
            (
                "echo 0123456789abcdefg AKIAIOSFODNN7EXAM \r\x1b[KP\rPLE\x1b[?2004l\r\r\n",
                "echo 0123456789abcdefg REDACTED********* \r\x1b[K*\r***\x1b[?2004l\r\r\n",
            ),
        ] {
            let letters: Vec<String> = typed.chars().map(String::from).collect();
            let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
            assert_eq!(shown(&letters), covered);
            for cut in 0..typed.len() {
                // So much is held that each part is looked at when it comes.
                let (mut parts, (one, other)) = (Parts::of_terminal(), typed.split_at(cut));
                let mut out = parts.push("", MOST, None);
                out.extend(parts.push(one, 1, Some((0, one.to_owned()))));
                out.extend(parts.push(other, 1, Some((0, other.to_owned()))));
                assert!(out.is_empty(), "nothing is far enough behind");
                let out = parts.finish().into_iter().map(|(was, is)| is.unwrap_or_else(|| was.to_owned()));
                assert_eq!(out.collect::<String>(), covered, "cut at {cut}");
            }
        }
        // Lines that are written over each other stay, and so do those with blanks at their end.
        let clean =
            "Fetching 10 % \rFetching 20 % \ra_QRS-0123  \rb_Unpacking=456 \r\nc_Build+789xyz \r\r\nd_";
        assert_eq!(shown(&[clean]), clean);
    }

    #[test]
    fn what_is_corrected_while_it_is_typed_is_covered() {
        // As bash 5.2, a terminal's own line, and fish 3.6 write it.
        let fish = "\rroot@vm /tmp > \x1b[K\r\x1b[15Ce\r\x1b[16C\x08e\r\x1b[16C2freefrag \r\x1b[16Cc\x1b[K\r\x1b[17Cho \r\x1b[17C \r\x1b[18C".to_owned();
        let each = |shown: fn((char, usize)) -> String| {
            SECRET.chars().zip(19..).map(shown).collect::<Vec<_>>().concat()
        };
        let letters = each(|(c, at)| format!("{c}\r\x1b[{at}C"));
        let rest = SECRET.replace("ghp_01234", "");
        for typed in [
            format!("$ T: ghp_012346\x08\x1b[K{rest}\r\n"),
            format!("T: ghp_012346\x08 \x08{rest}\r\n"),
            format!("$ ghp_01{rest}\x08\x08\x08\x08\x08\x08{}", "\x1b[C".repeat(6))
                .replace("ghp_01", "ghp_01234"),
            format!("{fish}{letters}\r\n"),
            "$ ".to_owned() + &each(|(c, _)| format!("x\x08{c}")),
            format!("$ \x1b[1mgh\x1b[0mp_01234{rest}{}bye", "\x08\x1b[K".repeat(SECRET.len())),
        ] {
            let pieces: Vec<String> = typed.chars().map(String::from).collect();
            let covered = shown(&pieces.iter().map(String::as_str).collect::<Vec<_>>());
            for part in ["ghp", "0123", "ABCD", "2345"] {
                let seen = View::Joined.of(covered.as_bytes()).text;
                assert!(!String::from_utf8_lossy(&seen).contains(part), "{covered:?}");
            }
            assert_eq!(covered.len(), typed.len(), "nothing moves");
        }
        let clean = "N\x08NA\x08AM\x08ME\x08E |\x08/\x08-\x08\\ 10%\x08\x08\x0820% \r\x1b[99C\x08x";
        assert_eq!(shown(&[clean]), clean);
        let long = "a\x08b".repeat(100_000) + &"\x08 \x08".repeat(100_000);
        assert!(View::Joined.of(long.as_bytes()).text.len() <= 3 * long.len());
    }

    #[test]
    fn keys_keep_their_lines_and_short_ones_have_no_mark() {
        let key = "-----BEGIN PRIVATE KEY-----\r\nabc\r\n-----END PRIVATE KEY-----";
        let covered = shown(&["x ", key.split_at(40).0, key.split_at(40).1, "\r\ny"]);
        assert!(covered.starts_with("x REDACTED") && covered.ends_with("*\r\ny"), "{covered:?}");
        assert!(!covered.contains("abc") && covered.contains("*\r\n***\r\n*"), "{covered:?}");
        assert_eq!(shown(&["postgres://ada:pä", "s@db.test"]), "postgres://ada:***@db.test");
    }

    #[test]
    fn what_only_mentions_how_keys_begin_costs_no_more() {
        let grep = "$ grep \"-----BEGIN RSA PRIVATE KEY\" -r .\r\n./a.rs:3: x\r\n";
        let behind = "all is well here\r\n".repeat(4_000);
        let mut texts = vec![grep];
        texts.extend(behind.split_inclusive('\n'));
        let covered = format!("REDACTED{}", "*".repeat("-----BEGIN RSA PRIVATE KEY".len() - 8));
        let expected = format!("$ grep \"{covered}\" -r .\r\n./a.rs:3: x\r\n{behind}");
        assert!(shown(&texts) == expected && told(&mut Parts::of_text(), &texts).concat() == expected);
    }

    #[test]
    fn control_characters_stay_where_they_are() {
        let title = format!("\x1b]0;postgres://ada:p\tx{SECRET}\x08\x7f@db \x1b]0;{PEM}\x07$ ls");
        let covered = shown(&[&title]);
        assert!(!covered.contains("abc") && !covered.contains("0123"), "{covered:?}");
        let control = |text: &str| text.chars().filter(|c| c.is_control()).collect::<String>();
        assert_eq!(control(&covered), control(&title));
        assert!(covered.ends_with("\x07$ ls"), "{covered:?}");
    }

    #[test]
    fn a_key_said_in_parts_waits_for_its_lines() {
        let lines = "MIIEpAIBAAKCAQEA0123\r\n";
        for (one, other) in
            [("-----BEGIN PRIVATE KEY-----\r\n", lines), ("-----BEGIN PRIVATE KEY-----\r\nMIIE\r\n", lines)]
        {
            let mut parts = Parts::of_terminal();
            assert!(parts.push((), MOST, None).is_empty());
            assert!(parts.push((), 1, Some((0, one.to_owned()))).is_empty());
            assert!(parts.push((), 1, Some((0, other.to_owned()))).is_empty());
            let texts: Vec<_> = parts.finish().into_iter().filter_map(|((), text)| text).collect();
            assert!(!texts.concat().contains("AKC") && texts[1].ends_with("*\r\n"), "{texts:?}");
        }
    }

    #[test]
    fn texts_with_other_numbers_are_other_texts() {
        let mut parts = Parts::of_text();
        let ((one, other), cover) = (SECRET.split_at(9), COVER.split_at(9));
        for (number, text) in [(1, one), (2, "between"), (1, other)] {
            assert!(parts.push((), 1, Some((number, text.to_owned()))).is_empty());
        }
        assert!(parts.push((), 1, None).is_empty());
        let texts: Vec<_> = parts.finish().into_iter().map(|((), text)| text).collect();
        assert_eq!(texts, [Some(cover.0.to_owned()), None, Some(cover.1.to_owned()), None]);
    }

    #[test]
    fn little_is_held_back_and_what_is_at_the_edge_is_found() {
        let mut parts = Parts::of_terminal();
        let line = "all is well here\r\n".repeat(40);
        let (mut given, mut back, mut out) = (0, 0, String::new());
        for round in 0..4_000 {
            let text = if round % 7 == 3 {
                SECRET.split_at(20).0
            } else if round % 7 == 4 {
                SECRET.split_at(20).1
            } else {
                &line
            };
            given += text.len();
            for (text, instead) in parts.push(text, text.len(), Some((0, text.to_owned()))) {
                back += text.len();
                out.push_str(instead.as_deref().unwrap_or(text));
            }
            assert!(given - back <= MOST + line.len(), "{given} {back}");
        }
        out.extend(
            parts.finish().into_iter().map(|(text, instead)| instead.unwrap_or_else(|| text.to_owned())),
        );
        assert!(!out.contains("ghp_") && !out.contains("ABCDEFGHIJ"), "all of it is covered");
        assert_eq!((out.len(), out.matches(COVER).count()), (given, 4_000 / 7));
    }

    proptest! {
        #[test]
        fn however_it_is_cut_the_secret_is_gone(before in "[ -~\u{8}\u{1b}\r\n\u{e4}]{0,30}", after in "[ ;x\u{8}\u{1b}\r\n]{0,8}", cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..9)) {
            let text = format!("{before} {SECRET} {after}");
            let mut places: Vec<usize> = cuts.iter().map(|cut| text.floor_char_boundary(cut.index(text.len()))).collect();
            places.extend([0, text.len()]);
            places.sort_unstable();
            let parts: Vec<&str> = places.windows(2).filter_map(|pair| text.get(pair[0]..pair[1])).collect();
            let out = shown(&parts);
            prop_assert!(!out.contains(SECRET), "{:?}", out);
            prop_assert_eq!(out.chars().count(), text.chars().count(), "nothing moves");
        }
    }
}
