//! Shows what a backup holds, from its manifest and index alone.

use std::sync::Arc;

use lifeboat_core::index::Index;
use lifeboat_core::keys::OpenKeys;
use lifeboat_core::manifest::Manifest;
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::Store;
use lifeboat_core::{Job, Result};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::{BackupRef, find};

/// A backup's manifest and index.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    /// What it consists of.
    pub manifest: Manifest,
    /// What it holds.
    pub index: Index,
}

/// Reads the manifest and the index of a backup.
///
/// # Errors
/// Those of [`find`].
pub async fn show(
    store: &Store,
    keys: &OpenKeys,
    reference: &BackupRef,
    cancel: CancellationToken,
    monitor: Arc<dyn Monitor>,
) -> Result<Shown> {
    let archive = find(store, keys, &Job::new(monitor, cancel), reference).await?;
    Ok(Shown { manifest: archive.manifest, index: archive.index })
}
