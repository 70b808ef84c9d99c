//! What is seen of a text: a terminal's has escape sequences beside its words, and in the middle of them.

/// How a text is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) enum View {
    /// As it is.
    Plain,
    /// Escape sequences stand between words, and what is in titles and links is text.
    Apart,
    /// Those that move nothing are not there: colours come in the middle of words.
    Joined,
}

impl View {
    /// What is seen, and of each byte where it stands.
    pub(super) fn of(self, text: &[u8]) -> (Vec<u8>, Vec<Option<usize>>) {
        let (mut seen, mut from) = (Vec::with_capacity(text.len()), Vec::with_capacity(text.len()));
        let mut at = 0;
        while let Some(byte) = text.get(at) {
            let length = if *byte == 0x1b { self.sequence(text.get(at..).unwrap_or_default()) } else { None };
            match length {
                None => {
                    seen.push(*byte);
                    from.push(Some(at));
                    at += 1;
                }
                Some((length, is_gap)) => {
                    if is_gap {
                        seen.push(b' ');
                        from.push(None);
                    }
                    at += length;
                }
            }
        }
        (seen, from)
    }

    /// How long the sequence is that `text` begins with, and whether it parts words.
    fn sequence(self, text: &[u8]) -> Option<(usize, bool)> {
        let is_joined = match self {
            Self::Plain => return None,
            Self::Apart => false,
            Self::Joined => true,
        };
        let behind = text.get(2..).unwrap_or_default();
        Some(match text.get(1) {
            None => (1, !is_joined),
            Some(b'[') => {
                let parameters = behind.iter().take_while(|byte| matches!(byte, 0x20..=0x3f)).count();
                let last = behind.get(parameters);
                let stays = matches!(last, Some(b'm' | b'K' | b'J' | b'h' | b'l'));
                (2 + parameters + usize::from(last.is_some()), !(is_joined && stays))
            }
            Some(b']' | b'P' | b'_' | b'^' | b'X') if is_joined => {
                let end = behind.iter().position(|byte| matches!(byte, 0x07 | 0x1b | b'\r' | b'\n'));
                let end = end.unwrap_or(behind.len());
                // The bell belongs to it; an escape begins the next one, which ends this.
                (2 + end + usize::from(behind.get(end) == Some(&0x07)), false)
            }
            Some(0x20..=0x2f) => {
                let more = behind.iter().take_while(|byte| matches!(byte, 0x20..=0x2f)).count();
                (2 + more + usize::from(behind.get(more).is_some()), !is_joined)
            }
            Some(_) => (2, !is_joined),
        })
    }
}
