//! Which of two backups is the newer one.

use jiff::Timestamp;
use lifeboat_core::BackupId;
use lifeboat_core::manifest::Manifest;
use lifeboat_core::store::layout::BackupPath;

/// What backups are ordered by, oldest first: the second in the id, then what the manifest says, for ids of one second
/// differ by chance alone. One whose manifest does not tell is the newest of its second, so that nobody takes another one
/// for the latest unawares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Age {
    second: Timestamp,
    is_unknown: bool,
    times: [Timestamp; 3],
    id: BackupId,
    path: BackupPath,
}

impl Age {
    pub(super) fn of(manifest: &Manifest) -> Self {
        let times = [manifest.started, manifest.snapshot, manifest.finished];
        Self { is_unknown: false, times, ..Self::unknown(&manifest.path()) }
    }

    pub(super) fn unknown(path: &BackupPath) -> Self {
        let (second, id) = (path.id.start(), path.id.clone());
        Self { second, is_unknown: true, times: [second; 3], id, path: path.clone() }
    }
}
