//! A backup as a listing tells it.

use jiff::Timestamp;
use lifeboat_core::keys::KeyId;
use lifeboat_core::store::layout::BackupPath;
use lifeboat_core::{BackupId, Name};
use serde::Serialize;

/// One backup, or what is left of one.
#[derive(Clone, Debug, Serialize)]
pub struct ListedBackup {
    /// The database's name in the store.
    pub database: Name,
    /// Class.
    pub class: Name,
    /// Id.
    pub id: BackupId,
    /// Whether it could be restored.
    #[serde(flatten)]
    pub state: BackupState,
    /// When it was started.
    pub started: Timestamp,
    /// The moment whose state it holds, where the manifest tells.
    pub snapshot: Option<Timestamp>,
    /// Whether its manifest says that it is encrypted.
    pub encrypted: bool,
    /// The keys that open it, as the names of its wraps tell.
    pub keys: Vec<KeyId>,
    /// Bytes it takes in the store.
    pub stored_bytes: u64,
    /// Objects it has in the store.
    pub objects: usize,
}

impl ListedBackup {
    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> BackupPath {
        BackupPath { class: self.class.clone(), database: self.database.clone(), id: self.id.clone() }
    }
}

/// Whether a backup could be restored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", content = "reason", rename_all = "kebab-case")]
pub enum BackupState {
    /// Every object is there with its length.
    Available,
    /// It cannot be restored: why.
    Damaged(String),
    /// Older than its class is kept, and objects are gone.
    Expired,
    /// Without a manifest, young enough to be running, and of no run that is known to have ended.
    InFlight,
    /// Without a manifest, and its run has ended, or it is old enough to be given up.
    Orphan,
}
