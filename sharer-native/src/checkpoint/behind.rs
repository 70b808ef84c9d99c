//! What v2 lacks, noted beside the repository: written before v2 is, gone once it is whole (CHECKPOINTS 39).

use std::io;
use std::path::PathBuf;

use shared::checkpoint::id::CheckpointId;

use super::Repository;
use super::v2::Failure;

impl Repository {
    fn notes(&self) -> PathBuf {
        self.common().join("sharer-checkpoints-behind")
    }

    /// Notes that v2 lacks something of this checkpoint.
    pub(super) fn note_behind(&self, id: &CheckpointId, failure: &Failure) -> io::Result<()> {
        std::fs::create_dir_all(self.notes())?;
        let why =
            serde_json::json!({"ref": failure.reference, "stage": failure.stage, "reason": failure.why});
        std::fs::write(self.notes().join(id.as_str()), format!("{why}\n"))
    }

    /// Whether it was noted.
    pub(super) fn is_behind(&self, id: &CheckpointId) -> bool {
        self.notes().join(id.as_str()).exists()
    }

    /// Forgets that it does.
    pub fn forget_behind(&self, id: &CheckpointId) {
        // It was not noted, mostly.
        drop(std::fs::remove_file(self.notes().join(id.as_str())));
    }

    /// The checkpoints of which v2 lacks something, as far as it was noted.
    pub fn behind(&self) -> Vec<CheckpointId> {
        let Ok(folder) = std::fs::read_dir(self.notes()) else { return Vec::new() };
        let mut ids: Vec<_> =
            folder.flatten().filter_map(|entry| CheckpointId::parse(entry.file_name().to_str()?)).collect();
        ids.sort_unstable();
        ids
    }
}
