//! What a backup asks of the server that it is restored on.

use lifeboat_backup::archive::Archive;
use lifeboat_core::DrillId;
use lifeboat_core::index::Source;
use lifeboat_core::store::layout::GLOBALS;

/// What a backup needs, and what it must not meet.
#[derive(Clone, Debug, Default)]
pub struct Needs {
    /// The server and the database it was taken of, where a leader could ask.
    pub source: Option<Source>,
    /// What the restored database will take, with its indexes.
    pub database_bytes: u64,
    /// Whether the roles can be made as they were.
    pub has_roles: bool,
    /// The major version of the server as an imported dump tells it.
    pub told_major: Option<u32>,
}

impl Needs {
    /// Those of a backup.
    #[must_use]
    pub fn of(archive: &Archive) -> Self {
        let source = archive.index.source.clone();
        let measured = source.as_ref().map(|source| source.size_bytes);
        // Without a leader nobody asked the server: rows, as much again for indexes.
        let database_bytes = measured.unwrap_or_else(|| archive.index.script_bytes.saturating_mul(2));
        let has_roles = archive.manifest.attachment(GLOBALS).is_some();
        Self { source, database_bytes, has_roles, told_major: archive.index.server_major() }
    }

    /// The major version of the source, where it is known.
    #[must_use]
    pub fn major(&self) -> Option<u32> {
        self.source.as_ref().map(|source| source.server_version_num / 10_000).or(self.told_major)
    }

    /// The name that the database gets in a cluster of its own: the source's, for functions and programs that expect it.
    pub(super) fn own_name(&self, drill: &DrillId) -> String {
        let source = self.source.as_ref().map(|source| source.database.as_str());
        let free = source.filter(|name| !CLUSTER_HAS.contains(name));
        free.map_or_else(|| super::names::database(drill), str::to_owned)
    }
}

/// Databases that initdb makes.
const CLUSTER_HAS: [&str; 3] = ["postgres", "template0", "template1"];
