//! Places for scratch databases, and what is left of them.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use lifeboat_backup::postgres::{ConnectionSettings, Retry};
use lifeboat_core::monitor::Silent;
use lifeboat_core::{DrillId, Job};
use lifeboat_drill::scratch::{ClusterOptions, Collected, CommandOptions, ScratchOptions, ServerOptions, gc};
use tokio_util::sync::CancellationToken;

/// A command that gives the database of `$DSN`, and lives until it is ended.
pub const SHELL_COMMAND: &[&str] = &["sh", "-c", "echo \"$DSN\"; while :; do sleep 1; done"];

/// A throwaway cluster of this major version, whose programs are in `bin`, in a folder of `dir`.
pub fn cluster(dir: &Path, bin: &Path, major: u32) -> ScratchOptions {
    let (dir, bin_dirs) = (dir.to_owned(), vec![bin.to_owned()]);
    ScratchOptions::Cluster(ClusterOptions { dir, major: Some(major), bin_dirs, ..ClusterOptions::default() })
}

/// A database on this server; that drills run is written down in `dir`.
pub fn server(dir: &Path, dsn: &str) -> ScratchOptions {
    let (dir, settings) = (dir.to_owned(), ConnectionSettings::parse(dsn, &|_| None).unwrap());
    ScratchOptions::Server(Box::new(ServerOptions { settings, retry: Retry::never(), dir, production: Vec::new() }))
}

/// What a command gives that finds these variables in its environment.
pub fn command(dir: &Path, command: &[&str], environment: &[(&str, &str)]) -> ScratchOptions {
    let path = [("PATH", "/usr/local/bin:/usr/bin:/bin")];
    let environment = path.iter().chain(environment).map(|(name, value)| (name.into(), value.into())).collect();
    let command = command.iter().map(|word| (*word).to_owned()).collect();
    ScratchOptions::Command(CommandOptions {
        dir: dir.to_owned(),
        command,
        environment,
        start_timeout: Duration::from_secs(10),
        production: Vec::new(),
    })
}

/// A job that nobody listens to.
pub fn job() -> Job {
    Job::new(Arc::new(Silent), CancellationToken::new())
}

/// An id that no other drill has.
pub fn drill() -> DrillId {
    DrillId::generate(jiff::Timestamp::now()).unwrap()
}

/// Collects what dead drills left in this place.
pub fn collect(options: &ScratchOptions) -> Collected {
    crate::run(gc(options, &job())).unwrap()
}

/// What there is of drills in and below this folder: files and folders, processes that work there or bear its mark, and
/// their shared memory.
pub fn left(dir: &Path) -> Vec<String> {
    let folders = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let mut left: Vec<_> = folders.map(|entry| entry.path().display().to_string()).collect();
    left.extend(processes(dir).iter().map(|(pid, what)| format!("{pid} {what}")));
    left
}

/// The processes of drills below this folder: number and command line.
pub fn processes(dir: &Path) -> Vec<(i32, String)> {
    let dir = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
    let mark = format!("LIFEBOAT_SCRATCH={}/", dir.display());
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let read = |path: PathBuf| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).replace('\0', " ");
    let of_drill = entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse::<i32>().ok()?;
        let works_there = std::fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(&dir));
        let ours = works_there || read(entry.path().join("environ")).contains(&mark);
        ours.then(|| (pid, read(entry.path().join("cmdline"))))
    });
    of_drill.collect()
}

/// Dynamic shared memory of servers that are gone: its first segments, which a server holds as long as it lives.
pub fn orphaned_dynamic_memory() -> Vec<String> {
    let segments = std::fs::read_dir("/dev/shm").into_iter().flatten().flatten().map(|entry| entry.path());
    let is_first = |path: &PathBuf| {
        let mut magic = [0; 4];
        let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic));
        read.is_ok() && u32::from_ne_bytes(magic) == CONTROL_MAGIC
    };
    let first: Vec<_> = segments.filter(is_first).map(|path| path.display().to_string()).collect();
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let maps: String = processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("maps")).ok()).collect();
    first.into_iter().filter(|path| !maps.contains(path.as_str())).collect()
}

/// Of Postgres: the beginning of the segment that lists the others.
const CONTROL_MAGIC: u32 = 0x9a50_3d32;

/// The segments of System V shared memory that nobody is attached to and whose maker is dead.
pub fn orphaned_segments() -> Vec<String> {
    let table = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let orphaned = table.lines().skip(1).filter(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        fields[6] == "0" && !Path::new(&format!("/proc/{}", fields[4])).exists()
    });
    orphaned.map(str::to_owned).collect()
}
