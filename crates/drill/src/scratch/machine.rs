//! How much of this machine a throwaway cluster may take: its settings are for a database that may be lost, and nothing else.

use std::path::Path;

use lifeboat_core::{Error, Kind, Result, ResultExt};

/// What this machine has to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    /// Memory that others do not use.
    pub(super) memory_bytes: u64,
    /// Processors.
    pub(super) cores: u64,
    /// Disk space where the cluster will be.
    pub(super) free_bytes: u64,
}

impl Machine {
    /// This one; the disk is that of `folder`.
    ///
    /// # Errors
    /// [`Kind::Failure`] when the folder cannot be asked.
    pub(super) fn of(folder: &Path) -> Result<Self> {
        let doing = || format!("ask how much disk space {} has", folder.display());
        let disk = rustix::fs::statvfs(folder).kind_of(Kind::Failure, doing)?;
        let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let available = available_bytes(&read("/proc/meminfo")).unwrap_or(MEMORY_UNKNOWN);
        let limit = |group: &str| read(&format!("/sys/fs/cgroup{group}/memory.max")).trim().parse().unwrap_or(u64::MAX);
        // Within a container, and within a unit of systemd.
        let limit = limit("").min(limit(own_group(&read("/proc/self/cgroup"))));
        Ok(Self { memory_bytes: available.min(limit), cores, free_bytes: disk.f_bavail.saturating_mul(disk.f_frsize) })
    }

    /// As if it had no more memory than this.
    pub(super) fn with_at_most(self, memory_bytes: Option<u64>) -> Self {
        Self { memory_bytes: memory_bytes.map_or(self.memory_bytes, |most| most.min(self.memory_bytes)), ..self }
    }

    /// Refuses a database that the disk does not hold, its log and what indexes are sorted in included.
    ///
    /// # Errors
    /// [`Kind::Failure`] with both numbers.
    pub(super) fn refuse_too_large(&self, database_bytes: u64, folder: &Path) -> Result<()> {
        let needed = needed_bytes(database_bytes);
        if needed <= self.free_bytes {
            return Ok(());
        }
        let (needed, free) = (mib(needed), mib(self.free_bytes));
        let doing = format!("restore into {}: that takes {needed} MiB, and {free} MiB are free", folder.display());
        Err(Error::new(Kind::Failure, doing).hint("free disk space, or name a folder on a larger disk"))
    }

    /// The settings of a cluster for one database of this size, in the order in which they are written.
    pub(super) fn settings(&self, database_bytes: u64) -> Vec<(&'static str, String)> {
        let cores = self.cores.clamp(1, 16);
        let (memory, wal) = (mib(self.memory_bytes), mib(wal_bytes(database_bytes)).max(2 * WAL_SEGMENT_MIB));
        let mut settings = Vec::from(LASTING_SETTINGS.map(|(name, value)| (name, value.to_owned())));
        let mut add = |name, value: String| settings.push((name, value));
        add("shared_buffers", format!("{}MB", (memory / 8).clamp(16, 4096)));
        // Each of a few sessions builds an index at once; its workers share what it has.
        add("maintenance_work_mem", format!("{}MB", (memory / (4 * cores)).clamp(16, 2048)));
        add("max_wal_size", format!("{wal}MB"));
        add("max_worker_processes", (2 * cores + 4).to_string());
        add("max_parallel_workers", (2 * cores).to_string());
        add("max_parallel_maintenance_workers", cores.to_string());
        settings
    }
}

/// What a database of this size takes in a cluster of its own.
pub(super) fn needed_bytes(database_bytes: u64) -> u64 {
    database_bytes
        .saturating_add(database_bytes / 10)
        .saturating_add(wal_bytes(database_bytes))
        .saturating_add(CLUSTER_BYTES)
}

/// The log of a restore is about as large as its rows; past the limit a checkpoint lets go of the older part.
fn wal_bytes(database_bytes: u64) -> u64 {
    database_bytes.clamp(WAL_MIN_BYTES, WAL_MAX_BYTES)
}

fn available_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// The control group of a process, by version 2 of the interface.
fn own_group(text: &str) -> &str {
    text.lines().find_map(|line| line.strip_prefix("0::")).map_or("", |path| path.trim_end_matches('/'))
}

fn mib(bytes: u64) -> u64 {
    bytes >> 20
}

/// A database that may be lost waits for no disk, and nobody follows it. Subscriptions that came with a backup never connect.
const LASTING_SETTINGS: [(&str, &str); 17] = [
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
    ("wal_init_zero", "off"),
    ("checkpoint_timeout", "1h"),
    ("autovacuum", "off"),
    ("max_logical_replication_workers", "0"),
    // Where the library is loaded: jobs that came with a backup never begin.
    ("cron.launch_active_jobs", "off"),
    ("max_connections", "100"),
    ("max_locks_per_transaction", "1024"),
    // In the folder, and gone with it, even after kill -9.
    ("dynamic_shared_memory_type", "mmap"),
    // The compiler needs memory that is written and then run, which the service's sandbox refuses, and a crash would be the end.
    ("jit", "off"),
    ("log_checkpoints", "off"),
    ("log_min_messages", "error"),
    ("log_min_error_statement", "panic"),
];
const MEMORY_UNKNOWN: u64 = 1 << 30;
const CLUSTER_BYTES: u64 = 128 << 20;
const WAL_SEGMENT_MIB: u64 = 16;
const WAL_MIN_BYTES: u64 = 64 << 20;
const WAL_MAX_BYTES: u64 = 8 << 30;

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{Machine, available_bytes, needed_bytes};

    const GIB: u64 = 1 << 30;

    fn machine(free_bytes: u64) -> Machine {
        Machine { memory_bytes: 16 * GIB, cores: 2, free_bytes }
    }

    fn setting(machine: Machine, database_bytes: u64, name: &str) -> String {
        let settings = machine.settings(database_bytes);
        settings.into_iter().find(|(known, _)| *known == name).unwrap().1
    }

    #[test]
    fn a_database_needs_its_size_a_tenth_more_and_its_log() {
        assert_eq!(needed_bytes(0), (64 + 128) << 20);
        assert_eq!(needed_bytes(10 * GIB), 11 * GIB + 8 * GIB + (128 << 20));
        assert_eq!(needed_bytes(u64::MAX), u64::MAX);
    }

    #[test]
    fn a_disk_that_is_too_small_is_refused_with_both_numbers() {
        assert!(machine(GIB).refuse_too_large(GIB / 4, Path::new("/d")).is_ok());
        let error = machine(GIB).refuse_too_large(GIB, Path::new("/d")).unwrap_err();
        assert_eq!(error.to_string(), "restore into /d: that takes 2278 MiB, and 1024 MiB are free");
    }

    #[test]
    fn settings_follow_the_machine_and_the_database() {
        let machine = machine(100 * GIB);
        assert_eq!(setting(machine, GIB, "shared_buffers"), "2048MB");
        assert_eq!(setting(machine, GIB, "maintenance_work_mem"), "2048MB");
        assert_eq!(setting(machine, GIB, "max_wal_size"), "1024MB");
        assert_eq!(setting(machine, 0, "max_wal_size"), "64MB");
        let limited = machine.with_at_most(Some(GIB));
        assert_eq!(setting(limited, GIB, "shared_buffers"), "128MB");
        assert_eq!(limited.with_at_most(Some(64 * GIB)), limited);
        let small = Machine { memory_bytes: 64 << 20, cores: 64, free_bytes: GIB };
        assert_eq!(setting(small, 100 * GIB, "shared_buffers"), "16MB");
        assert_eq!(setting(small, 100 * GIB, "max_wal_size"), "8192MB");
        assert_eq!(setting(small, 0, "max_parallel_maintenance_workers"), "16");
    }

    #[test]
    fn available_memory_is_read_as_the_kernel_prints_it() {
        assert_eq!(available_bytes("MemTotal: 3 kB\nMemAvailable:   22480712 kB\nX: 1 kB\n"), Some(22_480_712 * 1024));
        assert_eq!(available_bytes(""), None);
    }
}
