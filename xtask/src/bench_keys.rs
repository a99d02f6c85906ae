//! What encryption and the rotation of keys cost: sealing beside OpenSSL, rewraps of many backups.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use lifeboat_core::codec::sealed::{Opener, Sealer};
use lifeboat_core::keys::{KeyKind, Keyring};
use lifeboat_core::store;
use lifeboat_tests::{Identity, Seaweed, made};

/// How much to measure.
#[derive(Args)]
pub(crate) struct Options {
    /// How many backups are rewrapped; a tenth of them too, to see what memory does
    #[arg(long, default_value_t = 10_000)]
    backups: usize,
    /// Measure sealing and opening only
    #[arg(long)]
    only_sealing: bool,
}

/// Measures, and prints a report.
pub(crate) fn bench(options: &Options) -> io::Result<()> {
    sealing()?;
    if options.only_sealing {
        return Ok(());
    }
    let lifeboat = build()?;
    let place = tempfile::Builder::new().prefix("lifeboat-bench-keys-").tempdir()?;
    println!("\n| store | job | backups | time | backups/s | peak memory |\n|---|---|---|---|---|---|");
    for count in [options.backups.div_ceil(10), options.backups] {
        let folder = Scene::in_folder(place.path(), count, &lifeboat)?;
        folder.measure()?;
        std::fs::remove_dir_all(&folder.place)?;
        Scene::in_seaweed(place.path(), count, &lifeboat)?.measure()?;
    }
    Ok(())
}

/// A store of backups under the key `old`, and a keyring whose primary key is `new`.
struct Scene {
    place: PathBuf,
    name: &'static str,
    url: String,
    settings: BTreeMap<String, String>,
    count: usize,
    lifeboat: PathBuf,
}

impl Scene {
    fn in_folder(place: &Path, count: usize, lifeboat: &Path) -> io::Result<Self> {
        let place = place.join(format!("files-{count}"));
        let url = format!("file://{}/store", place.display());
        Self::filled(place, "file://", url, BTreeMap::new(), count, lifeboat)
    }

    fn in_seaweed(place: &Path, count: usize, lifeboat: &Path) -> io::Result<Self> {
        let (server, place) = (Seaweed::shared(), place.join(format!("seaweed-{count}")));
        let settings = server.environment(Identity::Admin).into_iter();
        let settings = settings.map(|(name, value)| (name.to_owned(), value)).collect();
        let url = server.bucket("bench").url("prod");
        Self::filled(place, "SeaweedFS", url, settings, count, lifeboat)
    }

    fn filled(
        place: PathBuf,
        name: &'static str,
        url: String,
        settings: BTreeMap<String, String>,
        count: usize,
        lifeboat: &Path,
    ) -> io::Result<Self> {
        std::fs::create_dir_all(&place)?;
        let scene = Self { place, name, url, settings, count, lifeboat: lifeboat.to_owned() };
        scene.fill().map_err(|error| io::Error::other(error.chain()))?;
        Ok(scene)
    }

    fn fill(&self) -> lifeboat_core::Result<()> {
        let ring = Keyring::edit(&self.keyring(), |ring| {
            ring.add(&"old".parse()?, KeyKind::Aes256, true, jiff::Timestamp::UNIX_EPOCH)?;
            let old = ring.seal_keys(&[])?;
            ring.add(&"new".parse()?, KeyKind::Aes256, true, jiff::Timestamp::UNIX_EPOCH)?;
            Ok(old)
        })?;
        let store = store::create(&self.url.parse()?, &self.settings)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime =
            runtime.map_err(|error| lifeboat_core::Error::new(lifeboat_core::Kind::Failure, error.to_string()))?;
        runtime.block_on(made::backups(&store, self.count, &made::SMALLEST, Some(&ring)))
    }

    fn keyring(&self) -> PathBuf {
        self.place.join("keyring.toml")
    }

    fn measure(&self) -> io::Result<()> {
        for line in ["rewrap", "rewrap", "verify", "retire --from old --yes"] {
            let mut command = Command::new(&self.lifeboat);
            command.args(["rotate", "backups"]).args(line.split(' ')).args(["--quiet", "--store", &self.url]);
            command.arg("--keyring").arg(format!("file:{}", self.keyring().display()));
            command.env_clear().env("HOME", &self.place).envs(&self.settings).stdout(Stdio::null());
            let (seconds, peak_bytes) = watch(&mut command)?;
            let mib = peak_bytes >> 20;
            let rate = self.count as f64 / seconds;
            println!("| {} | {line} | {} | {seconds:.1} s | {rate:.0} | {mib} MiB |", self.name, self.count);
        }
        Ok(())
    }
}

/// Seconds and peak memory of a program. Not by `wait4`: that counts what this process had resident when it forked.
pub(crate) fn watch(command: &mut Command) -> io::Result<(f64, u64)> {
    let began = Instant::now();
    let mut child = command.spawn()?;
    let status = format!("/proc/{}/status", child.id());
    let mut peak_bytes = 0;
    loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        let kib = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default();
        // Before it becomes the program, a child is this process.
        if began.elapsed() > Duration::from_millis(20) {
            peak_bytes = peak_bytes.max(kib * 1024);
        }
        if let Some(ended) = child.try_wait()? {
            let ok = ended.success();
            let failed = || io::Error::other(format!("{command:?} ended with {ended}"));
            return if ok { Ok((began.elapsed().as_secs_f64(), peak_bytes)) } else { Err(failed()) };
        }
        std::thread::sleep(Duration::from_millis(3));
    }
}

/// Seals and opens on one core, beside OpenSSL's own measure of the same cipher.
fn sealing() -> io::Result<()> {
    let openssl = openssl_bytes_per_second()?;
    let (seal, open) = (best(seal_once), best(open_once));
    println!("openssl speed -evp aes-256-gcm -bytes 16384: {:.0} MB/s", openssl / 1e6);
    for (what, rate) in [("seal", seal), ("open", open)] {
        println!("{what}: {:.0} MB/s, {:.2} of it", rate / 1e6, rate / openssl);
    }
    Ok(())
}

fn best(run: impl Fn() -> Duration) -> f64 {
    let shortest = (0..5).map(|_| run()).min().unwrap_or(Duration::MAX);
    MESSAGE_BYTES as f64 / shortest.as_secs_f64()
}

fn seal_once() -> Duration {
    let block = vec![7; BLOCK_BYTES];
    let mut stored = Vec::with_capacity(2 * BLOCK_BYTES);
    let began = Instant::now();
    let mut sealer = Sealer::new(&[1; 32], b"bench", [2; 24]);
    for _ in 0..MESSAGE_BYTES / BLOCK_BYTES {
        sealer.push(&block, &mut stored);
        stored.clear();
    }
    sealer.finish(&mut stored);
    began.elapsed()
}

fn open_once() -> Duration {
    let block = vec![7; BLOCK_BYTES];
    let (mut stored, mut sealer) = (Vec::new(), Sealer::new(&[1; 32], b"bench", [2; 24]));
    (0..MESSAGE_BYTES / BLOCK_BYTES).for_each(|_| sealer.push(&block, &mut stored));
    let header = sealer.finish(&mut stored);
    let mut opened = Vec::with_capacity(2 * BLOCK_BYTES);
    let began = Instant::now();
    let mut opener = Opener::new(&[1; 32], b"bench", &header).expect("sealed above");
    for part in stored.chunks(BLOCK_BYTES) {
        opened.clear();
        opener.push(part, &mut opened).expect("sealed above");
    }
    opener.finish(&mut opened).expect("sealed above");
    began.elapsed()
}

/// The last word of its last line is the rate, in thousands of bytes, followed by a `k`.
fn openssl_bytes_per_second() -> io::Result<f64> {
    let speed = ["speed", "-evp", "aes-256-gcm", "-bytes", "16384", "-seconds", "1"];
    let output = Command::new("openssl").args(speed).stderr(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = text.split_whitespace().next_back().and_then(|word| word.strip_suffix('k')?.parse::<f64>().ok());
    rate.map(|thousands| thousands * 1e3).ok_or_else(|| io::Error::other("read what openssl speed says"))
}

/// Builds `lifeboat` as this program was built.
fn build() -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "lifeboat", "--bin", "lifeboat"]);
    if !cfg!(debug_assertions) {
        command.arg("--release");
    }
    if !command.status()?.success() {
        return Err(io::Error::other("building lifeboat failed"));
    }
    Ok(std::env::current_exe()?.with_file_name("lifeboat"))
}

const MESSAGE_BYTES: usize = 256 << 20;
const BLOCK_BYTES: usize = 64 << 10;
