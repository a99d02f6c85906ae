//! What a server that was killed leaves outside its folder: a few bytes of System V shared memory, which keep two servers off
//! one folder.

use std::path::Path;

/// Removes the segment of the server whose data this is, if nobody uses it any more.
pub(super) fn remove(data: &Path) {
    let pid_file = std::fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let segments = std::fs::read_to_string("/proc/sysvipc/shm").unwrap_or_default();
    if let Some(id) = abandoned(&pid_file, &segments) {
        remove_segment(id);
    }
}

/// The segment that the pid file names, if it is there, was made by the same process, and nobody is attached. Numbers are
/// given out again: all of that together tells it from another one.
fn abandoned(pid_file: &str, segments: &str) -> Option<i32> {
    let lines: Vec<_> = pid_file.lines().collect();
    // While initdb works it is negative.
    let pid = lines.first()?.trim().trim_start_matches('-');
    let mut named = lines.get(6)?.split_whitespace();
    let (key, id) = (named.next()?, named.next()?);
    let is_it = |line: &&str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let field = |at: usize| fields.get(at).copied().unwrap_or_default();
        (as_key(field(KEY)), field(ID), field(CREATOR), field(ATTACHED)) == (as_key(key), id, pid, "0")
    };
    segments.lines().find(is_it)?;
    id.parse().ok()
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

#[cfg(test)]
mod tests {
    use super::abandoned;

    const HEAD: &str = "       key      shmid perms                  size  cpid  lpid nattch   uid   gid\n";

    fn pid_file(pid: &str) -> String {
        format!("{pid}\n/d/data\n1795000000\n5432\n/d/run\n\n  7340033         9\nready\n")
    }

    fn segments(id: &str, creator: &str, attached: &str) -> String {
        format!("{HEAD}   7340033 {id}  600   56 {creator} 77 {attached} 101 104 101 104 1 0 1 4096 0\n")
    }

    #[test]
    fn the_segment_of_a_killed_server_is_found() {
        assert_eq!(abandoned(&pid_file("4711"), &segments("9", "4711", "0")), Some(9));
        assert_eq!(abandoned(&pid_file("-4711"), &segments("9", "4711", "0")), Some(9));
    }

    #[test]
    fn one_of_another_process_or_in_use_is_not() {
        for (id, creator, attached) in [("9", "4711", "1"), ("9", "4712", "0"), ("8", "4711", "0")] {
            assert_eq!(abandoned(&pid_file("4711"), &segments(id, creator, attached)), None);
        }
        assert_eq!(abandoned("", &segments("9", "4711", "0")), None);
        assert_eq!(abandoned("4711\n", &segments("9", "4711", "0")), None);
    }
}
