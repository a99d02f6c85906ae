//! A throwaway Postgres: a cluster in a private folder, a socket and no port, gone when the demo is.

use std::fs::{File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use lifeboat_core::{Error, Kind, Result, ResultExt};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use super::account::Account;

/// A running server. [`Throwaway::stop`] ends it in order; dropping it kills it.
pub(super) struct Throwaway {
    child: Child,
    bin: PathBuf,
    folder: TempDir,
}

impl Throwaway {
    /// Makes a cluster with the tools in `bin` and starts it.
    ///
    /// # Errors
    /// [`Kind::Tool`] with the server's own words when it does not come up.
    pub(super) async fn start(bin: PathBuf) -> Result<Self> {
        let account = Account::for_postgres()?;
        let folder = private_folder(account)?;
        let data = folder.path().join("data");
        let mut initdb = account.command(&bin.join("initdb"));
        initdb.arg("-D").arg(&data).args(["-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        succeed(initdb.stdin(Stdio::null()).output().await, "initdb")?;
        let child = spawn(account, &bin, folder.path())?;
        let mut server = Self { child, bin, folder };
        server.wait_until_ready().await?;
        Ok(server)
    }

    /// The folder of the server's tools.
    pub(super) fn bin(&self) -> &Path {
        &self.bin
    }

    /// How to connect to one of its databases.
    pub(super) fn dsn(&self, database: &str) -> String {
        format!("host={} user={USER} dbname={database}", self.folder.path().display())
    }

    /// What `psql` prints when it runs this script.
    ///
    /// # Errors
    /// [`Kind::Database`] with the server's own words.
    pub(super) async fn psql(&self, database: &str, script: &str) -> Result<Vec<u8>> {
        let mut child = clean(&self.bin.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", database, "-h"])
            .arg(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .kind_of(Kind::Tool, || "run psql".to_owned())?;
        let input = child.stdin.take();
        // Both at once: psql may print before it has read everything.
        let feed = async {
            if let Some(mut input) = input {
                // A psql that gave up says why on its own stderr.
                let _ = input.write_all(script.as_bytes()).await;
            }
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        succeed(output, "psql")
            .map_err(|error| Error::new(Kind::Database, "run SQL on the demo's server").caused_by(error))
    }

    /// Ends the server and removes its folder.
    pub(super) async fn stop(mut self) {
        if let Some(pid) = self.child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
            let _ = kill_process(pid, Signal::INT);
        }
        if tokio::time::timeout(STOP_TIMEOUT, self.child.wait()).await.is_err() {
            let _ = self.child.kill().await;
        }
    }

    async fn wait_until_ready(&mut self) -> Result<()> {
        for _ in 0..START_POLLS {
            if let Ok(Some(status)) = self.child.try_wait() {
                let log = std::fs::read_to_string(self.folder.path().join(LOG)).unwrap_or_default();
                return Err(Error::new(Kind::Tool, format!("start a throwaway Postgres: {status}: {}", log.trim())));
            }
            if self.psql("postgres", "SELECT 1").await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(START_POLL).await;
        }
        Err(Error::new(Kind::Tool, "start a throwaway Postgres: it does not answer"))
    }
}

/// The newest server tools of this machine: in Debian's folders, else on the search path.
///
/// # Errors
/// [`Kind::Tool`] when there are none.
pub(super) fn find_tools(search_path: &str) -> Result<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = std::fs::read_dir(DEBIAN)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, bin)| is_complete(bin))
        .collect();
    found.sort();
    let on_path = || std::env::split_paths(search_path).find(|bin| is_complete(bin));
    found.pop().map(|(_, bin)| bin).or_else(on_path).ok_or_else(|| {
        Error::new(Kind::Tool, "find Postgres on this machine: initdb, postgres, psql and pg_dump")
            .hint("install it: apt-get install postgresql")
    })
}

fn is_complete(bin: &Path) -> bool {
    ["initdb", "postgres", "psql", "pg_dump"].iter().all(|tool| bin.join(tool).is_file())
}

fn private_folder(account: Account) -> Result<TempDir> {
    let doing = || "make a folder for a throwaway Postgres".to_owned();
    let folder = tempfile::Builder::new().prefix("lifeboat-demo-").tempdir().kind_of(Kind::Failure, doing)?;
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).kind_of(Kind::Failure, doing)?;
    if let Some((uid, gid)) = account.ids() {
        chown(folder.path(), Some(uid), Some(gid)).kind_of(Kind::Failure, doing)?;
    }
    Ok(folder)
}

fn spawn(account: Account, bin: &Path, folder: &Path) -> Result<Child> {
    let doing = || "start a throwaway Postgres".to_owned();
    let log = File::create(folder.join(LOG)).kind_of(Kind::Failure, doing)?;
    let mut command = account.command(&bin.join("postgres"));
    command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder);
    for setting in
        ["listen_addresses=", "fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=30"]
    {
        command.args(["-c", setting]);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).kill_on_drop(true);
    end_with_us(&mut command);
    command.spawn().kind_of(Kind::Tool, doing)
}

#[expect(unsafe_code, reason = "the child's parent-death signal can be set only between fork and exec")]
fn end_with_us(command: &mut Command) {
    // SAFETY: the closure makes one system call, allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(|| Ok(set_parent_process_death_signal(Some(Signal::INT))?));
    }
}

/// A command that inherits no connection settings of the operator's.
pub(super) fn clean(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C").current_dir("/");
    command
}

fn succeed(output: std::io::Result<Output>, tool: &str) -> Result<Vec<u8>> {
    let output = output.kind_of(Kind::Tool, || format!("run {tool}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(Error::new(Kind::Tool, format!("run {tool}: {}: {}", output.status, words.trim())))
}

const DEBIAN: &str = "/usr/lib/postgresql";
const USER: &str = "postgres";
const LOG: &str = "server.log";
const START_POLLS: usize = 150;
const START_POLL: Duration = Duration::from_millis(200);
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
