//! Commands that a shell marks in what it writes (OSC 133 and OSC 7): told by the owner, kept by a viewer.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::encoding::from_json;
use crate::time::Moment;

/// The longest directory that is told, in bytes: Linux knows no longer path. A longer one is left out, not cut.
pub const MAX_DIRECTORY: usize = 4096;
/// Commands that a program may mark in one go; more are not told.
const BURST: u64 = 64;
/// And one more in this time, in milliseconds: a loop that marks without end costs viewers little.
const ONE_MORE_MS: u64 = 100;
/// Commands that a viewer keeps; the oldest goes first. A scrollback of 1,000 lines holds fewer.
pub const MAX_KEPT: usize = 512;
/// Commands that an owner keeps, and that a snapshot tells of: the newest.
pub const MAX_RECALLED: usize = 64;
/// What a snapshot tells of commands begins like this, in front of everything else: to a terminal a sequence without
/// meaning, behind CAN, which ends what that was in the middle of.
const RECALLED: &[u8] = b"\x18\x1b]133;commands;";

/// What a shell marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mark {
    /// It asks for a command (`133;A`).
    Prompt,
    /// A command begins to run (`133;C`).
    Started,
    /// It has ended (`133;D`), with the exit status if that was said.
    Finished(Option<i32>),
    /// It is in this directory (OSC 7).
    Directory(String),
}

/// What an owner tells of a command, as one event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Told {
    /// It began here: behind all output before this event.
    Started {
        /// Counted from 1 over the whole session.
        number: u64,
        /// Where it runs, if the shell said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        directory: Option<String>,
    },
    /// It has ended.
    Finished {
        /// Which.
        number: u64,
        /// Its exit status, if the shell said so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        exit: Option<i32>,
        /// How long it ran, in milliseconds.
        ms: u64,
    },
}

impl Told {
    /// Which command it is about.
    pub fn number(&self) -> u64 {
        match self {
            Self::Started { number, .. } | Self::Finished { number, .. } => *number,
        }
    }
}

/// The owner's side: which command runs, and where.
#[derive(Debug)]
pub struct Shell {
    count: u64,
    running: Option<(u64, Moment)>,
    directory: Option<String>,
    left: u64,
    since: Moment,
}

impl Shell {
    /// A shell that has marked nothing yet.
    pub fn new(now: Moment) -> Self {
        Self { count: 0, running: None, directory: None, left: BURST, since: now }
    }

    /// What a mark tells, in order: nothing, or an end, or a beginning, or both.
    pub fn mark(&mut self, now: Moment, mark: Mark) -> Vec<Told> {
        match mark {
            // A shell that says no `D` has a prompt again.
            Mark::Prompt => self.finish(now, None).into_iter().collect(),
            Mark::Finished(exit) => self.finish(now, exit).into_iter().collect(),
            Mark::Started => {
                let ended = self.finish(now, None);
                ended.into_iter().chain(self.start(now)).collect()
            }
            Mark::Directory(directory) => {
                let good = directory.len() <= MAX_DIRECTORY && !directory.chars().any(char::is_control);
                self.directory = good.then_some(directory);
                Vec::new()
            }
        }
    }

    fn start(&mut self, now: Moment) -> Option<Told> {
        let more = now.since(self.since) / ONE_MORE_MS;
        self.since = self.since.after(more * ONE_MORE_MS);
        self.left = self.left.saturating_add(more).min(BURST).checked_sub(1)?;
        self.count += 1;
        self.running = Some((self.count, now));
        Some(Told::Started { number: self.count, directory: self.directory.clone() })
    }

    fn finish(&mut self, now: Moment, exit: Option<i32>) -> Option<Told> {
        let (number, began) = self.running.take()?;
        Some(Told::Finished { number, exit, ms: now.since(began) })
    }
}

/// How a command is getting on, as far as a viewer knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It runs.
    Running,
    /// It has ended.
    Finished {
        /// Its exit status, if the shell said so.
        exit: Option<i32>,
        /// How long it ran, in milliseconds.
        ms: u64,
    },
    /// It has ended while this viewer was not there.
    Missed,
}

/// A command as a viewer keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its number in the session.
    pub number: u64,
    /// Where it runs: a program's text.
    pub directory: Option<String>,
    /// How it is getting on.
    pub progress: Progress,
}

impl Command {
    /// What tells of it whoever was not there.
    fn told(&self) -> impl Iterator<Item = Told> {
        let Self { number, directory, progress } = self.clone();
        let finished = match progress {
            Progress::Finished { exit, ms } => Some(Told::Finished { number, exit, ms }),
            Progress::Running | Progress::Missed => None,
        };
        std::iter::once(Told::Started { number, directory }).chain(finished)
    }

    /// How it is getting on, as a word for what draws it.
    pub fn kind(&self) -> &'static str {
        match self.progress {
            Progress::Running => "running",
            Progress::Finished { exit: Some(0), .. } => "done",
            Progress::Finished { exit: Some(_), .. } => "error",
            Progress::Finished { exit: None, .. } | Progress::Missed => "ended",
        }
    }

    /// How it is getting on, for people.
    pub fn says(&self) -> String {
        match self.progress {
            Progress::Running => "running".to_owned(),
            Progress::Missed => "ended unseen".to_owned(),
            Progress::Finished { exit, ms } => match exit {
                None => format!("ended after {}", duration(ms)),
                Some(0) => format!("done in {}", duration(ms)),
                Some(status) => format!("status {status} after {}", duration(ms)),
            },
        }
    }
}

fn duration(ms: u64) -> String {
    match ms {
        0..1_000 => format!("{ms} ms"),
        1_000..60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        60_000..3_600_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// The commands that a viewer has seen begin, the oldest first; at most [`MAX_KEPT`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commands(VecDeque<Command>);

impl Commands {
    /// Forgets the command of this number and all after it.
    pub fn forget_from(&mut self, number: u64) {
        self.0.retain(|command| command.number < number);
    }

    /// Takes in what was told. What comes twice, or ends what is not known, changes nothing.
    pub fn tell(&mut self, told: Told) {
        match told {
            Told::Started { number, directory } => {
                if self.0.back().is_some_and(|last| last.number >= number) {
                    return;
                }
                // One runs at a time: the end of the one before was missed.
                if let Some(last) = self.0.back_mut().filter(|last| last.progress == Progress::Running) {
                    last.progress = Progress::Missed;
                }
                if self.0.len() >= MAX_KEPT {
                    self.0.pop_front();
                }
                let directory = directory.filter(|directory| directory.len() <= MAX_DIRECTORY);
                self.0.push_back(Command { number, directory, progress: Progress::Running });
            }
            Told::Finished { number, exit, ms } => {
                let command = self.0.iter_mut().rev().find(|command| command.number == number);
                if let Some(command) = command.filter(|command| command.progress == Progress::Running) {
                    command.progress = Progress::Finished { exit, ms };
                }
            }
        }
    }

    /// Forgets all but the newest.
    pub fn keep(&mut self, newest: usize) {
        self.0.drain(..self.0.len().saturating_sub(newest));
    }

    /// The number of the newest; 0: there is none.
    pub fn newest(&self) -> u64 {
        self.0.back().map_or(0, |command| command.number)
    }

    /// What a snapshot in which `newest` is the newest tells of them, to be put in front of it.
    pub fn recalled(&self, newest: u64) -> Vec<u8> {
        let known = self.0.iter().filter(|command| command.number <= newest);
        let skipped = known.clone().count().saturating_sub(MAX_RECALLED);
        let told: Vec<Told> = known.skip(skipped).flat_map(Command::told).collect();
        if told.is_empty() {
            return Vec::new();
        }
        let json = serde_json::to_vec(&told).unwrap_or_default();
        [RECALLED, &json, b"\x07"].concat()
    }

    /// What a snapshot tells of commands.
    pub fn recall(dump: &[u8]) -> Option<Self> {
        let rest = dump.strip_prefix(RECALLED)?;
        let end = rest.iter().position(|byte| *byte == 0x07)?;
        let told: Vec<Told> = from_json(rest.get(..end)?)?;
        let mut commands = Self::default();
        for told in told {
            commands.tell(told);
        }
        Some(commands)
    }

    /// Takes in what a snapshot told: of the commands between its first and its last there are no others. An end that
    /// is known stays: it was told behind the snapshot.
    pub fn know(&mut self, recalled: Self) {
        let (Some(first), Some(last)) = (recalled.0.front(), recalled.0.back()) else { return };
        let between = first.number..=last.number;
        self.0.retain(|command| !between.contains(&command.number) || recalled.get(command.number).is_some());
        for command in recalled.0 {
            match self.find(command.number) {
                Err(at) => self.0.insert(at, command),
                Ok(at) => {
                    let known = self.0.get_mut(at);
                    if let Some(known) =
                        known.filter(|known| !matches!(known.progress, Progress::Finished { .. }))
                    {
                        *known = command;
                    }
                }
            }
        }
        // One runs at a time.
        let newest = self.newest();
        for command in self.0.iter_mut().filter(|command| command.number < newest) {
            if command.progress == Progress::Running {
                command.progress = Progress::Missed;
            }
        }
        self.keep(MAX_KEPT);
    }

    /// All of them.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Command> {
        self.0.iter()
    }

    /// One of them.
    pub fn get(&self, number: u64) -> Option<&Command> {
        self.0.get(self.find(number).ok()?)
    }

    fn find(&self, number: u64) -> Result<usize, usize> {
        self.0.binary_search_by_key(&number, |command| command.number)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Moment {
        Moment(ms)
    }

    #[test]
    fn a_command_has_directory_status_and_duration() {
        let mut shell = Shell::new(at(0));
        let mut seen = Commands::default();
        let marks = [
            (0, Mark::Finished(Some(0))),
            (0, Mark::Directory("/src".into())),
            (0, Mark::Prompt),
            (10, Mark::Started),
            (250, Mark::Finished(Some(2))),
            (250, Mark::Prompt),
            (300, Mark::Started),
            // No `D`.
            (400, Mark::Prompt),
            (500, Mark::Started),
        ];
        for (ms, mark) in marks {
            shell.mark(at(ms), mark).into_iter().for_each(|told| seen.tell(told));
        }
        let all: Vec<_> = seen.iter().cloned().collect();
        let command = |number, progress| Command { number, directory: Some("/src".into()), progress };
        let ended = |exit, ms| Progress::Finished { exit, ms };
        assert_eq!(
            all,
            [command(1, ended(Some(2), 240)), command(2, ended(None, 100)), command(3, Progress::Running)]
        );
        let says: Vec<String> = all.iter().map(Command::says).collect();
        assert_eq!(says, ["status 2 after 240 ms", "ended after 100 ms", "running"]);
        assert_eq!(["59.9 s", "1 min 5 s", "2 h 1 min"], [59_999, 65_000, 7_260_000].map(duration));
        assert_eq!((seen.newest(), seen.get(2), seen.get(4)), (3, all.get(1), None));
        // The same again, and what ends nothing, change nothing.
        let before = seen.clone();
        seen.tell(Told::Started { number: 2, directory: None });
        seen.tell(Told::Finished { number: 1, exit: Some(9), ms: 1 });
        seen.tell(Told::Finished { number: 77, exit: None, ms: 1 });
        assert_eq!(seen, before);
        seen.tell(Told::Started { number: 9, directory: None });
        assert_eq!(seen.iter().nth(2).map(|command| command.progress), Some(Progress::Missed));
    }

    #[test]
    fn a_snapshot_recalls_commands_and_takes_back_no_end() {
        let started = |number| Told::Started { number, directory: Some("/src".into()) };
        let finished = |number| Told::Finished { number, exit: Some(1), ms: number };
        let mut owner = Commands::default();
        assert_eq!(owner.recalled(9), b"");
        for number in 1..=100 {
            owner.tell(started(number));
            if number != 98 {
                owner.tell(finished(number));
            }
        }
        let recalled = owner.recalled(99);
        let dump = [recalled.as_slice(), b"\x18\x1bcscreen"].concat();
        let seen = Commands::recall(&dump).unwrap();
        assert!(seen.iter().map(|command| command.number).eq(36..=99));
        assert_eq!(seen.get(99), owner.get(99));
        assert_eq!(seen.get(98).map(|command| command.progress), Some(Progress::Missed));
        // Whoever came late knows the same; who was there keeps what is older, newer, or ended since.
        let mut late = Commands::default();
        late.know(seen.clone());
        assert_eq!(late, seen);
        let mut present = Commands::default();
        for told in [started(2), finished(2), started(40), started(98), finished(98), started(100)] {
            present.tell(told);
        }
        present.know(seen);
        assert_eq!(present.iter().count(), 66);
        assert_eq!(present.get(98).unwrap().progress, Progress::Finished { exit: Some(1), ms: 98 });
        assert_eq!((present.newest(), present.get(2).is_some()), (100, true));
        // Anything else tells of none.
        for other in [&b""[..], b"\x18\x1bc", b"\x18\x1b]133;commands;[", b"\x18\x1b]133;commands;{}\x07"] {
            assert_eq!(Commands::recall(other), None);
        }
    }

    #[test]
    fn marks_without_end_are_told_seldom_and_kept_in_bounds() {
        let mut shell = Shell::new(at(0));
        let mut seen = Commands::default();
        let mut told = 0;
        for round in 0..100_000 {
            for said in shell.mark(at(round / 100), Mark::Started) {
                told += 1;
                seen.tell(said);
            }
        }
        assert!(told <= 2 * (64 + 10), "{told} in a second");
        let mut slow = Shell::new(at(0));
        for round in 0..2_000 {
            slow.mark(at(round * 100), Mark::Started).into_iter().for_each(|told| seen.tell(told));
        }
        assert_eq!(seen.iter().count(), MAX_KEPT);
        assert!(slow.mark(at(1 << 40), Mark::Directory("/a\x1b[31m".into())).is_empty());
        let Some(Told::Started { directory, .. }) = slow.mark(at(1 << 40), Mark::Started).pop() else {
            panic!("not told")
        };
        assert_eq!(directory, None, "no control characters");
    }
}
