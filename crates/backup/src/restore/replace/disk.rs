//! Whether the server's disk has room for a second database. Postgres does not tell what is free: only where the server runs on
//! this very machine can it be known.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use lifeboat_core::Result;
use lifeboat_core::index::Index;
use lifeboat_core::store::Store;
use serde::{Deserialize, Serialize};

use super::live::Ours;
use crate::postgres::{DirectSession, Endpoint, quote_literal, rows};

/// What a replacement takes, and what there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Disk {
    /// What it takes: the restored database, and what lies on the same disk of the write-ahead log of its restore and of the safety
    /// backup.
    pub needed_bytes: u64,
    /// The share of the safety backup: as much as the database, which is more than it becomes.
    pub safety_bytes: u64,
    /// What is free now; unknown where the server runs elsewhere, or the role may not know its folders.
    pub free_bytes: Option<u64>,
    /// What becomes free when what killed runs left is dropped, before anything else.
    pub freed_bytes: u64,
    /// Why the server keeps its write-ahead log, that of the restore too, instead of using it again.
    pub log_kept: Option<String>,
    /// Where it is, as far as it can be looked at.
    #[serde(skip)]
    pub(super) folder: Option<PathBuf>,
}

impl Disk {
    /// Whether it is known to be too small.
    pub(super) fn is_too_small(&self) -> bool {
        self.free_bytes.is_some_and(|free| free + self.freed_bytes < self.needed_bytes)
    }

    /// What is free, and what is still needed, when the safety backup is there: hours may have gone by.
    pub(super) fn without_room_now(&self) -> Option<(u64, u64)> {
        let free = free(self.folder.as_deref()?)?;
        let needed = self.needed_bytes.saturating_sub(self.safety_bytes);
        (free < needed).then_some((free, needed))
    }
}

/// What is to lie on the disk.
pub(super) struct Demand<'a> {
    /// The database whose place is taken.
    pub(super) name: &'a str,
    pub(super) index: &'a Index,
    /// What is dropped before anything else.
    pub(super) leftovers: &'a [Ours],
    /// The store that takes a safety backup of so many bytes at most.
    pub(super) safety: Option<(&'a Store, u64)>,
}

#[derive(Deserialize)]
struct Places {
    data_directory: Option<PathBuf>,
    /// Of the tablespace; empty where that is the data directory.
    location: PathBuf,
    wal_bytes: u64,
    /// Replication slots that nobody reads from, and how much they may keep; all there is without a limit.
    idle_slots: Vec<String>,
    slots_keep_bytes: Option<u64>,
    /// Whether the last attempt to archive a piece of the log failed.
    archiver_fails: bool,
    /// Whether it is to archive the log, and is not told how.
    archives_nowhere: bool,
}

impl Places {
    /// How much of the log of a restore of so many bytes is kept, and why.
    fn kept(&self, bytes: u64) -> (u64, Option<String>) {
        if self.archiver_fails {
            return (bytes, Some("its archive_command fails (pg_stat_archiver)".to_owned()));
        }
        if self.archives_nowhere {
            return (bytes, Some("archive_mode is on and archive_command empty".to_owned()));
        }
        if self.idle_slots.is_empty() {
            return (0, None);
        }
        let why = format!("of the replication slots {}, which nobody reads from", self.idle_slots.join(", "));
        (self.slots_keep_bytes.map_or(bytes, |keep| keep.min(bytes)), Some(why))
    }
}

/// Looks at the disk on which the database lies.
pub(super) async fn look(session: &mut DirectSession, demand: &Demand<'_>) -> Result<Disk> {
    let found: Option<Places> = rows(session, &PLACES.replace("%NAME%", &quote_literal(demand.name))).await?.pop();
    let bytes = demand.index.source.as_ref().map_or(demand.index.script_bytes * INDEXES, |source| source.size_bytes);
    let bytes = bytes + bytes / MARGIN;
    // What has no marker may be somebody's, and stay.
    let freed = demand.leftovers.iter().filter(|left| left.is_beside && left.marker.is_some());
    let mut disk = Disk {
        needed_bytes: bytes,
        safety_bytes: 0,
        free_bytes: None,
        freed_bytes: freed.filter_map(|left| left.size_bytes).sum(),
        log_kept: None,
        folder: None,
    };
    let Some(places) = found else { return Ok(disk) };
    let (kept_bytes, log_kept) = places.kept(bytes);
    disk.log_kept = log_kept;
    if places.location.as_os_str().is_empty() {
        disk.needed_bytes += places.wal_bytes + kept_bytes;
    }
    disk.folder = places.data_directory.map(|data| data.join(&places.location)).filter(|_| is_here(session));
    disk.free_bytes = disk.folder.as_deref().and_then(free);
    if let (Some(folder), Some((store, bytes))) = (&disk.folder, demand.safety)
        && store.folder().is_some_and(|store| is_same_disk(&store, folder))
    {
        disk.safety_bytes = bytes;
        disk.needed_bytes += bytes;
    }
    Ok(disk)
}

/// Whether two folders lie on one file system; the first one may be still to be made.
fn is_same_disk(to_be: &Path, folder: &Path) -> bool {
    let device = |path: &Path| path.metadata().ok().map(|metadata| metadata.dev());
    let there = to_be.ancestors().find_map(device);
    there.is_some() && there == device(folder)
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
       (SELECT setting::bigint * 1048576 FROM pg_settings WHERE name = 'max_wal_size') AS wal_bytes,
       -- From 13 on a slot can be given up. One that never reserved any log keeps none.
       coalesce((SELECT json_agg(s.slot_name ORDER BY s.slot_name) FROM pg_replication_slots s
                  WHERE NOT s.active AND NOT s.temporary AND s.restart_lsn IS NOT NULL
                    AND coalesce(to_jsonb(s) ->> 'wal_status', '') <> 'lost'),
                '[]') AS idle_slots,
       (SELECT nullif(setting::bigint, -1) * 1048576 FROM pg_settings WHERE name = 'max_slot_wal_keep_size') AS slots_keep_bytes,
       coalesce((SELECT last_failed_time > coalesce(last_archived_time, '-infinity') FROM pg_stat_archiver), false)
           AND current_setting('archive_mode') <> 'off' AS archiver_fails,
       -- Before 15 there is no archive_library.
       current_setting('archive_mode') <> 'off' AND current_setting('archive_command') = ''
           AND coalesce(current_setting('archive_library', true), '') = '' AS archives_nowhere
FROM pg_database d
WHERE d.datname = %NAME%";

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Disk, Places, is_same_disk};

    #[test]
    fn what_killed_runs_left_makes_room() {
        let disk = |free_bytes, freed_bytes| Disk {
            needed_bytes: 10,
            safety_bytes: 0,
            free_bytes,
            freed_bytes,
            log_kept: None,
            folder: None,
        };
        assert!(disk(Some(4), 5).is_too_small());
        assert!(!disk(Some(4), 6).is_too_small());
        assert!(!disk(None, 0).is_too_small(), "it is not known");
    }

    #[test]
    fn the_log_of_a_restore_stays_where_somebody_keeps_it() {
        let places = |slots: &[&str], slots_keep_bytes, archiver_fails| Places {
            data_directory: None,
            location: "".into(),
            wal_bytes: 0,
            idle_slots: slots.iter().map(|slot| (*slot).to_owned()).collect(),
            slots_keep_bytes,
            archiver_fails,
            archives_nowhere: false,
        };
        assert_eq!(places(&[], None, false).kept(10), (0, None));
        assert_eq!(places(&["gone"], None, false).kept(10).0, 10);
        assert_eq!(places(&["gone"], Some(4), false).kept(10).0, 4);
        assert_eq!(places(&["gone"], Some(4), true).kept(10).0, 10);
        let nowhere = Places { archives_nowhere: true, ..places(&["gone"], Some(4), false) };
        assert_eq!(nowhere.kept(10), (10, Some("archive_mode is on and archive_command empty".to_owned())));
        assert!(places(&["gone"], None, false).kept(10).1.unwrap().contains("gone"));
    }

    #[test]
    fn a_folder_that_is_still_to_be_made_lies_where_the_one_above_it_does() {
        let folder = tempfile::tempdir().unwrap();
        assert!(is_same_disk(&folder.path().join("prod/backups"), folder.path()));
        assert!(!is_same_disk(Path::new("/proc/1"), folder.path()));
    }
}
