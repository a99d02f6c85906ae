//! The processes that belong to a drill: found by what only they have, so that whoever cleans up ends no other.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Set in everything that a drill starts, to the drill's folder. Descendants inherit it.
pub(crate) const MARK: &str = "LIFEBOAT_SCRATCH";

/// Ends every process of this drill's folder; `ask` first, with time to end by itself, where that is given.
pub(super) fn end_all(folder: &Path, ask: Option<(Signal, Duration)>) {
    if let Some((signal, patience)) = ask {
        signal_all(folder, signal);
        until_none(folder, patience, |_| ());
    }
    // One may start another between the look and the signal.
    until_none(folder, KILLED_WITHIN, |pid| kill(pid, folder));
}

/// Looks at all processes until none is the folder's, at most so long, and does something to those that are.
fn until_none(folder: &Path, patience: Duration, act: impl Fn(Pid)) {
    let began = Instant::now();
    let mut none_since = None;
    while began.elapsed() < patience {
        let found = find(folder);
        found.ours.iter().for_each(|pid| act(*pid));
        let since = *none_since.get_or_insert_with(Instant::now);
        if !found.ours.is_empty() {
            none_since = None;
        } else if !found.is_unclear || since.elapsed() > CLEAR_WITHIN {
            return;
        }
        std::thread::sleep(POLL);
    }
}

/// Kills a process and removes the dynamic shared memory that it holds: what `initdb` starts makes it outside the folder, and whoever
/// is killed leaves it. Whoever kills it instead of us finds it as it was.
fn kill(pid: Pid, folder: &Path) {
    // Others were killed since it was looked at, and its number may have been given out again.
    if whose(pid.as_raw_nonzero().get(), folder, &mut buffer()) != Whose::Ours {
        return;
    }
    // It makes no more while we look. One that has ended meanwhile is what we want, as is a segment that its server has removed.
    stop(pid);
    for segment in segments(pid) {
        let _ = std::fs::remove_file(segment);
    }
    let _ = kill_process(pid, Signal::KILL);
}

/// Stops a process, and waits until it stands: what it asked of the kernel comes to its end first.
fn stop(pid: Pid) {
    let began = Instant::now();
    let _ = kill_process(pid, Signal::STOP);
    while is_at_work(pid.as_raw_nonzero().get().cast_unsigned()) && began.elapsed() < STOPPED_WITHIN {
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// The dynamic shared memory of Postgres that a process has mapped, or opened to map it.
fn segments(pid: Pid) -> Vec<PathBuf> {
    let process = PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero()));
    let maps = std::fs::read_to_string(process.join("maps")).unwrap_or_default();
    let opened = std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    let opened = opened.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let opened = opened.filter_map(|path| shared_segment(path.to_str()?));
    shared_segments(&maps).chain(opened).collect()
}

/// The dynamic shared memory of Postgres among what a process has mapped.
fn shared_segments(maps: &str) -> impl Iterator<Item = PathBuf> {
    maps.lines().filter_map(shared_segment)
}

/// The one that a line ends with.
fn shared_segment(line: &str) -> Option<PathBuf> {
    let number = &line[line.find(SEGMENT)? + SEGMENT.len()..];
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| PathBuf::from(format!("{SEGMENT}{number}")))
}

/// Whether there is a process of this number that is more than a corpse which nobody has buried yet.
pub(super) fn is_running(pid: u32) -> bool {
    state(pid).is_some_and(|state| !"ZX".contains(state))
}

/// Whether it runs, and is not stopped.
fn is_at_work(pid: u32) -> bool {
    state(pid).is_some_and(|state| !"ZXTt".contains(state))
}

fn state(pid: u32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it may hold anything.
    stat.rsplit_once(')').and_then(|(_, rest)| rest.trim_start().chars().next())
}

fn signal_all(folder: &Path, signal: Signal) {
    for pid in find(folder).ours {
        // One that has ended meanwhile is what we want.
        let _ = kill_process(pid, signal);
    }
}

/// What a look at all processes has found.
struct Found {
    ours: Vec<Pid>,
    /// Whether one has the memory of another program already, and neither its arguments nor its environment yet. What comes of it is to
    /// be seen in a moment, and by then it may be alone: who had started it is ended.
    is_unclear: bool,
}

fn find(folder: &Path) -> Found {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let own = std::process::id().cast_signed();
    let mut found = Found { ours: Vec::new(), is_unclear: false };
    let mut buffer = buffer();
    for pid in numbers.filter(|pid| *pid != own) {
        match whose(pid, folder, &mut buffer) {
            Whose::Ours => found.ours.extend(Pid::from_raw(pid)),
            Whose::Unclear => found.is_unclear = true,
            Whose::Others => {}
        }
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Ours,
    Others,
    Unclear,
}

/// Postgres overwrites its environment with its title; the folder it works in stays.
fn whose(pid: i32, folder: &Path, buffer: &mut [u8]) -> Whose {
    let mark = [MARK.as_bytes(), b"=", folder.as_os_str().as_encoded_bytes()].concat();
    let Some(bytes) = environment_bytes(pid, buffer) else { return Whose::Unclear };
    let is_marked = buffer[..bytes].split(|byte| *byte == 0).any(|entry| entry == mark);
    if is_marked || is_server_in(pid, folder) { Whose::Ours } else { Whose::Others }
}

/// So many bytes of the buffer are a process's environment: none of one that we may not look at. `None`: it is not there yet.
fn environment_bytes(pid: i32, buffer: &mut [u8]) -> Option<usize> {
    for _ in 0..READ_TIMES {
        match read_at_once(pid, "environ", buffer) {
            Ok(0) => {}
            read => return Some(read.unwrap_or_default()),
        }
        if read_at_once(pid, "cmdline", buffer).unwrap_or_default() == 0 {
            // Threads of the kernel have no program, and corpses have none any more.
            let has_program = std::fs::read_link(format!("/proc/{pid}/exe")).is_ok();
            return (!has_program).then_some(0);
        }
        // It has its arguments a moment before its environment.
        std::thread::sleep(Duration::from_millis(1));
    }
    Some(0)
}

/// By a single call: between two the process may become another program, and then the rest of the first one reads as nothing.
fn read_at_once(pid: i32, name: &str, buffer: &mut [u8]) -> std::io::Result<usize> {
    File::open(format!("/proc/{pid}/{name}")).and_then(|mut file| file.read(buffer))
}

/// Room for the largest environment there can be.
fn buffer() -> Vec<u8> {
    vec![0; ENVIRONMENT_BYTES_MAX]
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
/// A program that hides its arguments and environment for good is none of ours.
const CLEAR_WITHIN: Duration = Duration::from_secs(2);
/// What the kernel takes of arguments and environment at most.
const ENVIRONMENT_BYTES_MAX: usize = 6 << 20;
/// How often a program that has arguments is asked for its environment.
const READ_TIMES: u32 = 5;
const STOPPED_WITHIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;
    use std::time::Instant;

    use super::{KILLED_WITHIN, MARK, end_all, find, is_running, shared_segments};

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
        let folder = &Path::new("/x/drill-1").join(std::process::id().to_string());
        let mut ours = Command::new("sh");
        ours.args(["-c", "sleep 60 & sleep 60"]).env_clear().env(MARK, folder);
        let mut ours = ours.spawn().unwrap();
        let mut other = Command::new("sleep").arg("60").env(MARK, format!("{}0", folder.display())).spawn().unwrap();
        while find(folder).ours.len() < 3 {}
        end_all(folder, None);
        assert!(!ours.wait().unwrap().success());
        assert!(find(folder).ours.is_empty());
        assert!(other.try_wait().unwrap().is_none(), "another drill's process was ended");
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn what_is_just_becoming_another_program_is_ended_too() {
        let folder = &Path::new("/x/drill-2").join(std::process::id().to_string());
        // It has its own text as its name, and becomes itself again.
        let again = "exec sh -c \"$0\" \"$0\"";
        for round in 0..100 {
            let mut restless = Command::new("sh").args(["-c", again, again]).env(MARK, folder).spawn().unwrap();
            end_all(folder, None);
            let began = Instant::now();
            while restless.try_wait().unwrap().is_none() && began.elapsed() < KILLED_WITHIN {}
            if began.elapsed() >= KILLED_WITHIN {
                restless.kill().unwrap();
                panic!("not found in round {round}");
            }
        }
    }
}
