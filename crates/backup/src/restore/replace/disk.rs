//! Whether the server's disk has room for a second database. Postgres does not tell what is free: only where the server runs on
//! this very machine can it be known.

use std::path::{Path, PathBuf};

use lifeboat_core::Result;
use lifeboat_core::index::Index;
use serde::{Deserialize, Serialize};

use super::live::Ours;
use crate::postgres::{DirectSession, Endpoint, quote_literal, rows};

/// What a restored database takes, and what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// What it takes, with the write-ahead log of its restore where that lies on the same disk.
    pub needed_bytes: u64,
    /// What is free now; unknown where the server runs elsewhere, or the role may not know its folders.
    pub free_bytes: Option<u64>,
    /// What becomes free when what killed runs left is dropped, before anything else.
    pub freed_bytes: u64,
}

impl Disk {
    /// Whether it is known to be too small.
    pub(super) fn is_too_small(self) -> bool {
        self.free_bytes.is_some_and(|free| free + self.freed_bytes < self.needed_bytes)
    }
}

#[derive(Deserialize)]
struct Places {
    data_directory: Option<PathBuf>,
    /// Of the tablespace; empty where that is the data directory.
    location: PathBuf,
    wal_bytes: u64,
}

/// Looks at the disk on which the database `name` lies, and on which `leftovers` may lie too.
pub(super) async fn look(session: &mut DirectSession, name: &str, index: &Index, leftovers: &[Ours]) -> Result<Disk> {
    let found: Option<Places> = rows(session, &PLACES.replace("%NAME%", &quote_literal(name))).await?.pop();
    let bytes = index.source.as_ref().map_or(index.script_bytes * INDEXES, |source| source.size_bytes);
    let bytes = bytes + bytes / MARGIN;
    // What has no marker may be somebody's, and stay.
    let freed = leftovers.iter().filter(|left| left.is_beside && left.marker.is_some());
    let freed_bytes = freed.filter_map(|left| left.size_bytes).sum();
    let Some(places) = found else { return Ok(Disk { needed_bytes: bytes, free_bytes: None, freed_bytes }) };
    let with_log = places.location.as_os_str().is_empty();
    let needed_bytes = if with_log { bytes + places.wal_bytes } else { bytes };
    let folder = places.data_directory.as_ref().map(|data| data.join(&places.location));
    let free_bytes = folder.filter(|_| is_here(session)).and_then(|folder| free(&folder));
    Ok(Disk { needed_bytes, free_bytes, freed_bytes })
}

/// Whether the process at the other end is one of this machine: then it calls itself what a process of Postgres does that serves us.
fn is_here(session: &DirectSession) -> bool {
    let host = &session.settings().hosts[0];
    let is_near = matches!(host.endpoint, Endpoint::Socket(_)) || is_loopback(&host.endpoint);
    let title = std::fs::read(format!("/proc/{}/cmdline", session.server().pid)).unwrap_or_default();
    let title = String::from_utf8_lossy(&title);
    is_near && title.starts_with("postgres") && title.contains(&session.settings().user)
}

fn is_loopback(endpoint: &Endpoint) -> bool {
    let Endpoint::Name(name) = endpoint else { return false };
    name == "localhost" || name.parse().is_ok_and(|address: std::net::IpAddr| address.is_loopback())
}

/// The folder itself need not be readable, only those above it.
fn free(folder: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(folder).ok()?;
    Some(found.f_bavail * found.f_frsize)
}

/// A dump without its index tells only its text.
const INDEXES: u64 = 2;
/// One part in so many more than at the source.
const MARGIN: u64 = 10;

const PLACES: &str = "
SELECT (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS data_directory,
       pg_tablespace_location(d.dattablespace) AS location,
       (SELECT setting::bigint * 1048576 FROM pg_settings WHERE name = 'max_wal_size') AS wal_bytes
FROM pg_database d
WHERE d.datname = %NAME%";

#[cfg(test)]
mod tests {
    use super::Disk;

    #[test]
    fn what_killed_runs_left_makes_room() {
        let disk = |free_bytes, freed_bytes| Disk { needed_bytes: 10, free_bytes, freed_bytes };
        assert!(disk(Some(4), 5).is_too_small());
        assert!(!disk(Some(4), 6).is_too_small());
        assert!(!disk(None, 0).is_too_small(), "it is not known");
    }
}
