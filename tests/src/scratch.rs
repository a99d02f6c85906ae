//! Where tests keep what they make: one folder per checkout under the system's temporary directory, and one for servers.
//!
//! Not under `target/`: Postgres runs as another user when the tests run as root, and a checkout in root's home is closed
//! to that user. Not a random folder per process either: installations and cluster templates are made once and reused.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// The folder of this checkout and user; created, and open to every user for reading.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let uid = rustix::process::getuid().as_raw();
        let checkout = fnv1a(workspace().to_string_lossy().as_bytes());
        let root = std::env::temp_dir().join(format!("lifeboat-tests-{uid}-{checkout:08x}"));
        create_open(&root);
        root
    })
}

/// The folder of servers, which lasts no longer than they do: in memory, where a machine has much of it, else [`root`].
///
/// A database is three hundred files, and a run makes and drops thousands of databases. On a disk the kernel spends more on
/// those files than the servers on all their queries: ext4 without a journal passes over every inode that was freed in
/// the last minutes when it looks for one. Programs stay on the disk: memory may be mounted so that nothing in it can be run.
pub fn of_servers() -> &'static Path {
    static PLACE: OnceLock<PathBuf> = OnceLock::new();
    PLACE.get_or_init(|| {
        let memory = Path::new("/dev/shm");
        // What is free changes from test to test, and all must find the same place.
        let size = rustix::fs::statvfs(memory).map_or(0, |found| found.f_blocks * found.f_frsize);
        // What is built for release is a benchmark, in which a commit is one on the disk.
        if size < MUCH_MEMORY || memory_there_is() < MUCH_MEMORY + TO_COMPILE || !cfg!(debug_assertions) {
            return root().to_owned();
        }
        let place = memory.join(root().file_name().expect("it was joined"));
        create_open(&place);
        place
    })
}

/// What two servers of Postgres may keep of their logs, and SeaweedFS of all that it was ever sent, stays below it.
const MUCH_MEMORY: u64 = 12 << 30;
/// What programs need beside it.
const TO_COMPILE: u64 = 4 << 30;

/// A container may be mounted the folder of a machine of whose memory it has a part.
fn memory_there_is() -> u64 {
    let system = rustix::system::sysinfo();
    let all = system.totalram as u64 * u64::from(system.mem_unit);
    let limit = fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse().ok());
    limit.map_or(all, |limit: u64| limit.min(all))
}

/// The root of the repository.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in a folder of the workspace").to_owned()
}

/// Creates `dir` so that every user can enter and read it, whatever the umask.
pub fn create_open(dir: &Path) {
    fs::create_dir_all(dir).unwrap_or_else(|error| panic!("create {}: {error}", dir.display()));
    fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Runs `make` under a lock of this name and returns what it returns: one process at a time.
pub fn exclusively<T>(name: &str, make: impl FnOnce() -> T) -> T {
    let lock = File::create(root().join(format!("{name}.lock"))).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();
    make()
}

/// Makes the folder `name` once: `make` fills a temporary folder, which takes its name only when `make` returned.
pub fn once(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let done = root().join(name);
    exclusively(name, || {
        if !done.exists() {
            let draft = root().join(format!("{name}.draft"));
            let _ = fs::remove_dir_all(&draft);
            create_open(&draft);
            make(&draft);
            fs::rename(&draft, &done).unwrap();
        }
    });
    done
}

/// A number that no other test of this machine draws.
pub fn unique() -> u64 {
    let mut hasher = RandomState::new().build_hasher();
    hasher.write_u32(std::process::id());
    hasher.finish()
}

/// A name that nothing has, such as a database: `prefix`, and what tells it from all others.
pub fn unused_name(prefix: &str) -> String {
    format!("{prefix}_{:010x}", unique() >> 24)
}

/// A port of 127.0.0.1 nobody listens on.
///
/// Taken from below the range the kernel gives to outgoing connections, so that none of those takes it before the server
/// does. Another test may still draw the same one: who starts a server tries again with other ports.
pub fn free_port() -> u16 {
    (0..1000)
        .map(|_| 12_000 + u16::try_from(unique() % 20_000).expect("below 20,000"))
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port in 12000..32000")
}

/// As many of them, no two the same.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let mut ports = BTreeSet::new();
    while ports.len() < N {
        ports.insert(free_port());
    }
    ports.into_iter().collect::<Vec<_>>().try_into().expect("as many were drawn")
}

/// FNV-1a, 32 bits: a stable short name for a path, unlike the standard library's hashers.
pub fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}
