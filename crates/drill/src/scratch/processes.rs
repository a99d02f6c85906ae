//! The processes that belong to a drill: found by what only they have, so that whoever cleans up ends no other.

use std::path::Path;
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
    let began = Instant::now();
    // One may start another between the look and the signal.
    while !signal_all(folder, Signal::KILL) && began.elapsed() < KILLED_WITHIN {
        std::thread::sleep(POLL);
    }
}

/// Waits until no process is left, at most so long.
fn wait_for_none(folder: &Path, patience: Duration) {
    let began = Instant::now();
    while !find(folder).is_empty() && began.elapsed() < patience {
        std::thread::sleep(POLL);
    }
}

/// Whether there was none.
fn signal_all(folder: &Path, signal: Signal) -> bool {
    let found = find(folder);
    for pid in &found {
        // One that has ended meanwhile is what we want.
        let _ = kill_process(*pid, signal);
    }
    found.is_empty()
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

const POLL: Duration = Duration::from_millis(10);
const KILLED_WITHIN: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::{MARK, end_all, find};

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
