//! Where somebody is in something that is over, and what they can do about it: plain values. A live session has none.

use std::sync::Arc;

/// How fast a film may play, in hundredths of its own time.
pub const SPEEDS: [u64; 7] = [50, 100, 150, 200, 400, 800, 1_600];
/// What the arrow keys go, in milliseconds of film.
const STEP_MS: i64 = 5_000;
/// With Shift.
const LONG_STEP_MS: i64 = 30_000;

/// A place in a film worth going to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Jump {
    /// When, in milliseconds of film.
    pub at: u64,
    /// The command that began there ended badly.
    pub failed: bool,
}

/// Where a film is, as of the session that is looked at. Times are milliseconds of film.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Timeline {
    /// The moment that is shown.
    pub at: u64,
    /// How long the film is.
    pub length: u64,
    /// It plays, or will as soon as it can.
    pub playing: bool,
    /// It waits for a piece.
    pub waits: bool,
    /// How fast it plays, one of [`SPEEDS`].
    pub speed: u64,
    /// Time in which nothing happens is left out.
    pub skips: bool,
    /// Where commands begin, the earliest first.
    pub jumps: Arc<Vec<Jump>>,
    /// When nothing happens: from, until.
    pub idle: Arc<Vec<(u64, u64)>>,
}

impl Timeline {
    /// The moment, for people.
    pub fn at_words(&self) -> String {
        clock(self.at)
    }

    /// The length, for people.
    pub fn length_words(&self) -> String {
        clock(self.length)
    }

    /// Both, for people.
    pub fn words(&self) -> String {
        format!("{} of {}", self.at_words(), self.length_words())
    }

    /// Where the command before this moment begins, or the one behind it. Who has just gone to one, and goes back, wants
    /// the one before that.
    pub fn command(&self, back: bool) -> Option<u64> {
        let here = self.at;
        if back {
            self.jumps.iter().rev().map(|jump| jump.at).find(|at| at.saturating_add(500) < here)
        } else {
            self.jumps.iter().map(|jump| jump.at).find(|at| *at > here)
        }
    }

    /// Where a moment stands on a line of this many units.
    pub fn place(&self, at: u64, units: u64) -> u64 {
        at.min(self.length).saturating_mul(units) / self.length.max(1)
    }

    /// What a key asks for: the keys of video players, and of asciinema's.
    pub fn key(&self, key: &str, shift: bool) -> Option<Control> {
        let step = if shift { LONG_STEP_MS } else { STEP_MS };
        Some(match key {
            " " | "k" => Control::Play(!self.playing),
            "ArrowLeft" => Control::By(-step),
            "ArrowRight" => Control::By(step),
            "," | "<" => Control::Faster(false),
            "." | ">" => Control::Faster(true),
            "[" => Control::Command { back: true },
            "]" => Control::Command { back: false },
            "i" => Control::Skip(!self.skips),
            _ => {
                let tenth = key.parse::<u64>().ok().filter(|_| key.len() == 1)?;
                Control::Seek(self.length.saturating_mul(tenth) / 10)
            }
        })
    }
}

/// What somebody can do with a film.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Play, or stop playing; at its end it plays from its beginning.
    Play(bool),
    /// To this moment, in milliseconds of film.
    Seek(u64),
    /// So many milliseconds on, or back.
    By(i64),
    /// To where the next command begins, or the one before.
    Command {
        /// The one before.
        back: bool,
    },
    /// The next speed, or the one before.
    Faster(bool),
    /// The next speed, behind the last the first.
    NextSpeed,
    /// Leave out time in which nothing happens, or do not.
    Skip(bool),
}

/// A part of a film, which its player asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The film's head.
    Film,
    /// A piece, by its reel's place and its own.
    Piece(usize, usize),
    /// The changes of a reel's transcript, as a piece without a keyframe.
    Talk(usize),
}

impl Ask {
    /// Its name: where it is served, and what it is called in a file.
    pub fn name(self) -> String {
        match self {
            Self::Film => "film".to_owned(),
            Self::Piece(reel, piece) => format!("{reel}-{piece}"),
            Self::Talk(reel) => format!("{reel}-talk"),
        }
    }

    /// What has that name.
    pub fn parse(name: &str) -> Option<Self> {
        if name == "film" {
            return Some(Self::Film);
        }
        let (reel, piece) = name.split_once('-')?;
        let number = |text: &str| text.parse().ok();
        let reel = number(reel)?;
        if piece == "talk" { Some(Self::Talk(reel)) } else { Some(Self::Piece(reel, number(piece)?)) }
    }
}

/// A speed, for people.
pub fn speed_word(speed: u64) -> String {
    match (speed / 100, speed % 100) {
        (0, _) => "½×".to_owned(),
        (whole, 0) => format!("{whole}×"),
        (whole, _) => format!("{whole}½×"),
    }
}

/// A span as players write it: `0:07`, `2:00:00`.
pub fn clock(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours == 0 { format!("{minutes}:{seconds:02}") } else { format!("{hours}:{minutes:02}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_words_are_those_of_players() {
        let jumps = [100, 5_000, 5_400, 9_000].map(|at| Jump { at, failed: false }).to_vec();
        let line = Timeline {
            at: 5_400,
            length: 7_200_000,
            speed: 150,
            jumps: Arc::new(jumps),
            ..Timeline::default()
        };
        assert_eq!(line.key(" ", false), Some(Control::Play(true)));
        assert_eq!(line.key("ArrowLeft", true), Some(Control::By(-30_000)));
        assert_eq!(line.key("5", false), Some(Control::Seek(3_600_000)));
        assert_eq!((line.key("x", false), line.key("55", false)), (None, None));
        assert_eq!((line.command(true), line.command(false)), (Some(100), Some(9_000)));
        assert_eq!(
            (line.at_words(), line.length_words(), speed_word(line.speed)),
            ("0:05".into(), "2:00:00".into(), "1½×".into())
        );
        assert_eq!(SPEEDS.map(speed_word), ["½×", "1×", "1½×", "2×", "4×", "8×", "16×"]);
        assert_eq!((line.place(3_600_000, 1_000), Timeline::default().place(5, 1_000)), (500, 0));
    }
}
