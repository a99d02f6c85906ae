//! The processes that belong to a drill: found by what only they have, so that whoever cleans up ends no other.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Set in everything that a drill starts, to the drill's folder. Descendants inherit it.
pub(crate) const MARK: &str = "LIFEBOAT_SCRATCH";

/// Ends every process of this drill's folder; `ask` first, with time to end by itself, where that is given.
pub(super) fn end_all(folder: &Path, ask: Option<(Signal, Duration)>) {
    if let Some((signal, patience)) = ask {
        signal_all(folder, signal);
        wait_for_none(folder, patience);
    }
    let (began, mut segments) = (Instant::now(), BTreeSet::new());
    // One may start another between the look and the signal.
    while !kill_all(folder, &mut segments) && began.elapsed() < KILLED_WITHIN {
        std::thread::sleep(POLL);
    }
    for segment in segments {
        // One that its server has removed meanwhile is what we want.
        let _ = std::fs::remove_file(segment);
    }
}

/// Kills every process; whether there was none. `segments` are those of dynamic shared memory that they held: what `initdb` starts
/// makes them outside the folder, and whoever is killed leaves them.
fn kill_all(folder: &Path, segments: &mut BTreeSet<PathBuf>) -> bool {
    let found = find(folder);
    for pid in &found {
        // It makes no more while we look.
        let _ = kill_process(*pid, Signal::STOP);
        let maps = std::fs::read_to_string(format!("/proc/{}/maps", pid.as_raw_nonzero())).unwrap_or_default();
        segments.extend(shared_segments(&maps));
        let _ = kill_process(*pid, Signal::KILL);
    }
    found.is_empty()
}

/// The dynamic shared memory of Postgres among what a process has mapped.
fn shared_segments(maps: &str) -> impl Iterator<Item = PathBuf> {
    maps.lines().filter_map(|line| {
        let number = &line[line.find(SEGMENT)? + SEGMENT.len()..];
        let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| PathBuf::from(format!("{SEGMENT}{number}")))
    })
}

/// Whether there is a process of this number that is more than a corpse which nobody has buried yet.
pub(super) fn is_running(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name before it may hold anything.
    let state = stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next());
    state.is_some_and(|state| !"ZX".contains(state))
}

/// Waits until no process is left, at most so long.
fn wait_for_none(folder: &Path, patience: Duration) {
    let began = Instant::now();
    while !find(folder).is_empty() && began.elapsed() < patience {
        std::thread::sleep(POLL);
    }
}

fn signal_all(folder: &Path, signal: Signal) {
    for pid in find(folder) {
        // One that has ended meanwhile is what we want.
        let _ = kill_process(pid, signal);
    }
}

fn find(folder: &Path) -> Vec<Pid> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let own = std::process::id().cast_signed();
    numbers.filter(|pid| *pid != own && belongs(*pid, folder)).filter_map(Pid::from_raw).collect()
}

/// Postgres overwrites its environment with its title; the folder it works in stays.
fn belongs(pid: i32, folder: &Path) -> bool {
    let mark = [MARK.as_bytes(), b"=", folder.as_os_str().as_encoded_bytes()].concat();
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|entry| entry == mark) || is_server_in(pid, folder)
}

fn is_server_in(pid: i32, folder: &Path) -> bool {
    let link = |name: &str| std::fs::read_link(format!("/proc/{pid}/{name}")).ok();
    let Some(program) = link("exe") else { return false };
    // What was upgraded since the start is called `postgres (deleted)`.
    let is_server = program.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"postgres"));
    is_server && link("cwd").is_some_and(|cwd| cwd.starts_with(folder))
}

const SEGMENT: &str = "/dev/shm/PostgreSQL.";
const POLL: Duration = Duration::from_millis(10);
const KILLED_WITHIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::{MARK, end_all, find, is_running, shared_segments};

    #[test]
    fn a_corpse_does_not_run() {
        let mut child = Command::new("true").spawn().unwrap();
        while is_running(child.id()) {}
        assert!(Path::new("/proc").join(child.id().to_string()).exists(), "nobody has waited for it");
        child.wait().unwrap();
        assert!(is_running(std::process::id()) && !is_running(0));
    }

    #[test]
    fn shared_memory_of_postgres_is_told_from_other_mappings() {
        let maps = "\
            7f1c-7f1d rw-s 00000000 00:18 42 /dev/shm/PostgreSQL.4144550260\n\
            7f1e-7f1f rw-s 00000000 00:18 43 /dev/shm/PostgreSQL.17 (deleted)\n\
            7f2e-7f2f rw-s 00000000 00:18 44 /dev/shm/PostgreSQL.x/../y\n\
            7f3e-7f3f r-xp 00000000 00:18 45 /usr/lib/postgresql/15/bin/postgres\n\
            7f4e-7f4f rw-p 00000000 00:00 0\n";
        assert_eq!(shared_segments(maps).collect::<Vec<_>>(), [Path::new("/dev/shm/PostgreSQL.4144550260")]);
    }

    #[test]
    fn what_bears_the_mark_is_ended_with_its_children_and_nothing_else_is() {
        let mut ours = Command::new("sh");
        ours.args(["-c", "sleep 60 & sleep 60"]).env_clear().env(MARK, "/x/drill-1");
        let mut ours = ours.spawn().unwrap();
        let mut other = Command::new("sleep").arg("60").env(MARK, "/x/drill-10").spawn().unwrap();
        let folder = Path::new("/x/drill-1");
        while find(folder).len() < 3 {}
        end_all(folder, None);
        assert!(!ours.wait().unwrap().success());
        assert!(find(folder).is_empty());
        assert!(other.try_wait().unwrap().is_none(), "another drill's process was ended");
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
