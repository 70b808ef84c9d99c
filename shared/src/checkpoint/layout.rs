//! Where things are: refs, and the files of a checkpoint in each of them.

use super::id::CheckpointId;

/// The store of record.
pub const V1: &str = "refs/heads/entire/checkpoints/v1";
/// Where readers look for it when there is no branch of its name.
pub const V1_REMOTE: &str = "refs/remotes/origin/entire/checkpoints/v1";
/// Records, prompts and compact transcripts of v2.
pub const V2_MAIN: &str = "refs/entire/checkpoints/v2/main";
/// Raw transcripts of v2, those of the present generation.
pub const V2_FULL: &str = "refs/entire/checkpoints/v2/full/current";
/// What the refs of archived generations begin with: 13 digits follow.
pub const V2_ARCHIVES: &str = "refs/entire/checkpoints/v2/full/";

/// The recording of a session's terminal, which upstream does not know: beside the raw transcript, in pieces like it.
pub const CAST: &str = "terminal.cast";
/// What was recorded, by whom and when it was started, how it ended (`shared::recording::Session`): ours too.
pub const MANIFEST: &str = "recording.json";
/// What was said and done, as it was recorded (`shared::recording::Line`): ours too.
pub const EVENTS: &str = "recording.jsonl";
/// All that a recording has, beside the raw transcript in v1 and in v2.
pub const RECORDED: [&str; 3] = [CAST, MANIFEST, EVENTS];

/// The raw transcript's name in the oldest checkpoints.
pub const LEGACY: &str = "full.log";

/// A checkpoint's own record, in any store.
pub const ROOT: &str = "metadata.json";

/// Which of the three trees a file is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Store {
    /// [`V1`].
    V1,
    /// [`V2_MAIN`].
    Main,
    /// [`V2_FULL`], and its archives.
    Full,
}

/// The files of a session in one store, below the checkpoint's folder.
impl Store {
    /// A session's record.
    pub fn record(slot: usize) -> String {
        format!("{slot}/metadata.json")
    }

    /// A session's prompts.
    pub fn prompt(slot: usize) -> String {
        format!("{slot}/prompt.txt")
    }

    /// The transcript that this store keeps: raw in `V1` and `Full`, compact in `Main`.
    pub fn transcript(self) -> &'static str {
        match self {
            Self::V1 => "full.jsonl",
            Self::Main => "transcript.jsonl",
            Self::Full => "raw_transcript",
        }
    }

    /// The file with that transcript's hash.
    pub fn hash(self) -> &'static str {
        match self {
            Self::V1 => "content_hash.txt",
            Self::Main => "transcript_hash.txt",
            Self::Full => "raw_transcript_hash.txt",
        }
    }

    /// Piece `index` of a session's transcript.
    pub fn piece(self, slot: usize, index: usize) -> String {
        format!("{slot}/{}", piece(self.transcript(), index))
    }
}

/// The name of a file's piece: the first one has the file's own.
pub fn piece(name: &str, index: usize) -> String {
    if index == 0 { name.to_owned() } else { format!("{name}.{index:03}") }
}

/// A path as a record has it: from the tree's root, with a slash before it.
pub fn pointer(id: &CheckpointId, file: &str) -> String {
    format!("/{}/{file}", id.folder())
}

/// The slot of a path below a checkpoint's folder, and what is behind it; `None` for what belongs to no session.
pub fn slot(path: &str) -> Option<(usize, &str)> {
    let (number, rest) = path.split_once('/')?;
    let plain =
        number == "0" || (!number.starts_with('0') && number.bytes().all(|byte| byte.is_ascii_digit()));
    Some((number.parse().ok().filter(|_| plain)?, rest))
}

/// The pieces of a transcript among a session's files, in order: the plain name first, then by number.
pub fn pieces<'a>(files: impl Iterator<Item = &'a str>, name: &str) -> Vec<&'a str> {
    let number = |file: &str| -> Option<u32> {
        match file.strip_prefix(name)? {
            "" => Some(0),
            suffix => suffix.strip_prefix('.')?.parse().ok().filter(|number| *number > 0),
        }
    };
    let mut found: Vec<_> = files.filter_map(|file| Some((number(file)?, file))).collect();
    found.sort_unstable();
    found.into_iter().map(|(_, file)| file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_plain_numbers_and_pieces_come_by_number() {
        assert_eq!(slot("0/full.jsonl"), Some((0, "full.jsonl")));
        assert_eq!(slot("12/tasks/x/task.json"), Some((12, "tasks/x/task.json")));
        for wrong in ["metadata.json", "tasks/x/y", "00/a", "-1/a", "+1/a", "99999999999999999999/a", "/a"] {
            assert_eq!(slot(wrong), None, "{wrong}");
        }
        let files = [
            "full.jsonl.010",
            "full.jsonl.x",
            "prompt.txt",
            "full.jsonl.002",
            "full.jsonl",
            "full.jsonl.000",
        ];
        let expected = ["full.jsonl", "full.jsonl.002", "full.jsonl.010"];
        assert_eq!(pieces(files.into_iter(), "full.jsonl"), expected);
        assert_eq!(Store::V1.piece(3, 12), "3/full.jsonl.012");
    }
}
