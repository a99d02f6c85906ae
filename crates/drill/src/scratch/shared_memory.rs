//! What a server that was killed leaves outside its folder: a few bytes of System V shared memory, which keep two servers off
//! one folder. Its dynamic shared memory lies in the folder; that of `initdb` goes with its [`super::processes`].

use std::path::Path;
use std::time::{Duration, Instant};

/// Removes the segment of the server whose data this is. Its processes have ended; the kernel lets go a moment later.
pub(super) fn remove(data: &Path) {
    let pid_file = std::fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let began = Instant::now();
    while let Some(segment) = find(&pid_file, &std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default()) {
        if !segment.is_attached {
            return remove_segment(segment.id);
        }
        if began.elapsed() > LET_GO_WITHIN {
            return;
        }
        std::thread::sleep(POLL);
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Segment {
    id: i32,
    is_attached: bool,
}

/// The segment that the pid file names, if it is there and was made by the same process. Numbers are given out again: all of
/// that together tells it from another one.
fn find(pid_file: &str, segments: &str) -> Option<Segment> {
    let lines: Vec<_> = pid_file.lines().collect();
    // While initdb works it is negative.
    let pid = lines.first()?.trim().trim_start_matches('-');
    let mut named = lines.get(6)?.split_whitespace();
    let (key, id) = (named.next()?, named.next()?);
    let mut segments = segments.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let segment = segments.find(|fields| {
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        (as_key(field(KEY)), field(ID), field(CREATOR)) == (as_key(key), id, pid)
    })?;
    Some(Segment { id: id.parse().ok()?, is_attached: segment.get(ATTACHED) != Some(&"0") })
}

/// One prints it signed, the other does not.
fn as_key(text: &str) -> Option<u32> {
    text.parse::<i64>().ok().and_then(|key| u32::try_from(key & 0xffff_ffff).ok())
}

#[expect(unsafe_code, reason = "System V shared memory has no safe interface")]
fn remove_segment(id: i32) {
    // SAFETY: removing a segment takes no buffer; whoever may not do it gets an error, and then it stays.
    unsafe { libc::shmctl(id, libc::IPC_RMID, std::ptr::null_mut()) };
}

const KEY: usize = 0;
const ID: usize = 1;
const CREATOR: usize = 4;
const ATTACHED: usize = 6;
const LET_GO_WITHIN: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use super::{Segment, find};

    const HEAD: &str = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid\n";

    fn pid_file(pid: &str) -> String {
        format!("{pid}\n/d/data\n1795000000\n5432\n/d/run\n\n  7340033         9\nready\n")
    }

    fn segments(id: &str, creator: &str, attached: &str) -> String {
        format!("{HEAD}   7340033 {id}  600   56 {creator} 77 {attached} 101 104 101 104 1 0 1 4096 0\n")
    }

    #[test]
    fn the_segment_of_a_killed_server_is_found() {
        let free = Some(Segment { id: 9, is_attached: false });
        assert_eq!(find(&pid_file("4711"), &segments("9", "4711", "0")), free);
        assert_eq!(find(&pid_file("-4711"), &segments("9", "4711", "0")), free);
        let attached = find(&pid_file("4711"), &segments("9", "4711", "1"));
        assert_eq!(attached, Some(Segment { id: 9, is_attached: true }));
    }

    #[test]
    fn one_of_another_process_is_not() {
        for (id, creator) in [("9", "4712"), ("8", "4711")] {
            assert_eq!(find(&pid_file("4711"), &segments(id, creator, "0")), None);
        }
        assert_eq!(find("", &segments("9", "4711", "0")), None);
        assert_eq!(find("4711\n", &segments("9", "4711", "0")), None);
    }
}
