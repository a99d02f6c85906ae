//! What was measured on: processor, memory, versions. No host name, no paths.

use crate::bench::servers::Servers;
use std::{cmp::Reverse, env, fs, path::PathBuf, thread};

/// One line per fact, for the report.
pub(crate) fn describe(servers: &Servers) -> Vec<String> {
    let mut facts = vec![
        format!("{} cores of {}", cores(), field("/proc/cpuinfo", "model name")),
        format!("{} of memory, {}", memory(), os_name()),
        format!("kernel {}", read("/proc/sys/kernel/osrelease").split('-').next().unwrap_or_default().trim()),
    ];
    let versions = TOOLS.iter().filter_map(|(program, argument)| version(servers, program, argument));
    facts.push(versions.collect::<Vec<_>>().join(", "));
    facts.push("Postgres with its default settings but for `shared_buffers = 256MB`".to_owned());
    facts.push("store: SeaweedFS on loopback, sharing the cores with Postgres and the pipeline".to_owned());
    facts
}

/// How many cores there are to keep busy.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The directory of the server's binaries: `LIFEBOAT_BENCH_PG_BIN`, Debian's Postgres 15, else its newest.
pub(crate) fn postgres_bin() -> Option<PathBuf> {
    if let Some(dir) = env::var_os("LIFEBOAT_BENCH_PG_BIN") {
        return Some(dir.into());
    }
    let installed = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let mut majors: Vec<u32> = installed.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    majors.sort_by_key(|major| (*major != 15, Reverse(*major)));
    Some(PathBuf::from(format!("/usr/lib/postgresql/{}/bin", majors.first()?)))
}

fn version(servers: &Servers, program: &str, argument: &str) -> Option<String> {
    let output = servers.command(program).arg(argument).output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    let line = String::from_utf8_lossy(&text).lines().next()?.to_owned();
    let number = line.split([' ', '/', ',']).map(|word| word.trim_start_matches('v')).find(|word| is_version(word))?;
    Some(format!("{program} {number}"))
}

fn is_version(word: &str) -> bool {
    word.contains('.') && word.starts_with(|c: char| c.is_ascii_digit())
}

fn memory() -> String {
    let kib: u64 = field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
    format!("{} GiB", (kib + 524_288) / 1_048_576)
}

fn os_name() -> String {
    let release = read("/etc/os-release");
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("unknown system").trim_matches('"').to_owned()
}

fn field(file: &str, name: &str) -> String {
    let text = read(file);
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    value.unwrap_or("unknown").trim().to_owned()
}

fn read(file: &str) -> String {
    fs::read_to_string(file).unwrap_or_default()
}

const TOOLS: [(&str, &str); 8] = [
    ("lifeboat", "--version"),
    ("pg_dump", "--version"),
    ("weed", "version"),
    ("aws", "--version"),
    ("rclone", "version"),
    ("gzip", "--version"),
    ("pigz", "--version"),
    ("zstd", "--version"),
];
