//! A throwaway cluster: a server of its own in a private folder, a socket and no port, gone when the drill is.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_backup::restore::locale_options;
use lifeboat_core::index::Source;
use lifeboat_core::{DrillId, Error, Job, Kind, Result, ResultExt};
use rustix::process::{Pid, Signal, kill_process};

use super::account::Account;
use super::installation::{Installation, choose, installed};
use super::lease::{End, Lease, private_file};
use super::machine::Machine;
use super::needs::Needs;
use super::processes::MARK;
use super::spawner::Spawner;
use crate::report::ScratchFacts;

/// How a throwaway cluster is made.
#[derive(Clone, Debug, Default)]
pub struct ClusterOptions {
    /// Where its folder is made. A server that root starts runs as another account: that one must be able to pass.
    pub dir: PathBuf,
    /// The major version to restore into; without it the backup's, else the next newer one that is installed.
    pub major: Option<u32>,
    /// Folders of servers' programs, looked at before those where packages put them.
    pub bin_dirs: Vec<PathBuf>,
    /// Settings of the server besides ours, such as libraries that extensions want loaded at its start.
    pub settings: Vec<(String, String)>,
    /// What its memory is reckoned by, instead of all that is free.
    pub memory_bytes: Option<u64>,
}

/// A running throwaway cluster. Dropping it ends the server and removes the folder, as [`Cluster::close`] does; after
/// `kill -9` the server ends by itself, and [`super::gc`] removes the folder.
#[derive(Debug)]
pub struct Cluster {
    child: Option<Child>,
    /// Dropped after the child is ended: it would end it, too.
    spawner: Spawner,
    lease: Option<Lease>,
    account: Account,
    installation: Installation,
    settings: ConnectionSettings,
}

impl Cluster {
    /// Finds the server that `needs` and `options` ask for, makes a cluster and starts it.
    ///
    /// # Errors
    /// [`Kind::Tool`] when no such server is installed or it does not come up, with its own words; [`Kind::Failure`] when
    /// the disk is too small; [`Kind::Config`] when the folder cannot be used.
    pub async fn start(options: &ClusterOptions, needs: &Needs, drill: &DrillId, job: &Job) -> Result<Self> {
        let found = installed(&options.bin_dirs).await;
        let installation = choose(&found, needs.major(), options.major)?;
        let dir = std::path::absolute(&options.dir).kind_of(Kind::Config, || "find the folder for clusters".into())?;
        let machine = Machine::of(existing(&dir))?.with_at_most(options.memory_bytes);
        machine.refuse_too_large(needs.database_bytes, &dir)?;
        job.step(&format!("start a throwaway PostgreSQL {}", installation.major));
        let mut cluster = Self::reserve(installation, &dir, drill)?;
        let initialised = cluster.initialise(needs.source.as_ref()).await;
        initialised.map_err(|error| cluster.barred(error))?;
        cluster.configure(&machine.settings(needs.database_bytes), &options.settings)?;
        cluster.launch().await?;
        Ok(cluster)
    }

    /// The server's programs.
    #[must_use]
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// How to connect as its superuser to the database that is always there.
    #[must_use]
    pub fn settings(&self) -> &ConnectionSettings {
        &self.settings
    }

    /// The folder of its socket.
    #[must_use]
    pub fn socket_folder(&self) -> PathBuf {
        self.lease.as_ref().map_or_else(PathBuf::new, Lease::socket_folder)
    }

    /// What a report says of it.
    #[must_use]
    pub fn facts(&self, needs: &Needs) -> ScratchFacts {
        let mut notes = vec!["settings are not durable: a server that keeps its data is slower".to_owned()];
        if let Some(source) = needs.major().filter(|source| *source != self.installation.major) {
            notes.push(format!("the backup is of PostgreSQL {source}: this was an upgrade, too"));
        }
        ScratchFacts { kind: "cluster".to_owned(), server_version: self.installation.version.clone(), notes }
    }

    /// Ends the server and removes its folder.
    ///
    /// # Errors
    /// [`Kind::Failure`] with what stays.
    pub async fn close(mut self) -> Result<()> {
        let ended = tokio::task::spawn_blocking(move || self.end()).await;
        ended.kind_of(Kind::Failure, || "end a throwaway Postgres".into())?
    }

    fn reserve(installation: Installation, dir: &Path, drill: &DrillId) -> Result<Self> {
        let (account, spawner) = (Account::for_postgres()?, Spawner::new()?);
        let lease = Lease::take(dir, drill, End::Kill)?;
        let settings = connection(&lease.socket_folder())?;
        let (data, socket) = (lease.folder().join(DATA), lease.socket_folder());
        let cluster = Self { child: None, spawner, lease: Some(lease), account, installation, settings };
        // From here on dropping it cleans up.
        account.private_folder(&data)?;
        account.private_folder(&socket)?;
        Ok(cluster)
    }

    /// The folder of everything that belongs to it.
    pub(super) fn lease_folder(&self) -> Option<&Path> {
        self.lease.as_ref().map(Lease::folder)
    }

    fn folder(&self) -> &Path {
        self.lease_folder().unwrap_or(Path::new(""))
    }

    async fn initialise(&mut self, source: Option<&Source>) -> Result<()> {
        let mut initdb = self.account.command(&self.installation.tool("initdb"));
        initdb.arg("-D").arg(self.folder().join(DATA)).args(["-U", SUPERUSER, "-A", "trust", "--no-sync"]);
        initdb.args(locale_arguments(source, self.installation.major));
        if self.installation.major >= 16 {
            // In the folder, and gone with it; what an older one has made elsewhere is found by its processes.
            initdb.args(["-c", "dynamic_shared_memory_type=mmap"]);
        }
        if self.installation.major >= 18 {
            initdb.arg("--no-data-checksums");
        }
        let status = self.run(initdb, Signal::KILL)?.ended(START_LIMIT).await?;
        if status.is_some_and(|status| status.success()) {
            return Ok(());
        }
        Err(not_initialised(source, &self.said()))
    }

    /// The folder of a home is often closed to other accounts, and root's always.
    fn barred(&self, error: Error) -> Error {
        let data = self.folder().join(DATA);
        let Some(at) = self.account.barred_at(&data) else { return error };
        let doing = format!("make a throwaway cluster in {}: Postgres may not pass {}", data.display(), at.display());
        Error::new(Kind::Config, doing).hint("name a folder that the account it runs as can reach").caused_by(error)
    }

    /// Everything that may be known to others stays out of the arguments; what keeps others away stands in them, where
    /// nothing in the database can change it.
    fn configure(&self, ours: &[(&'static str, String)], theirs: &[(String, String)]) -> Result<()> {
        let ours = ours.iter().map(|(name, value)| (*name, value.as_str()));
        let theirs = theirs.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let lines: String =
            ours.chain(theirs).map(|(name, value)| format!("{name} = '{}'\n", value.replace('\'', "''"))).collect();
        let doing = || "configure a throwaway Postgres".to_owned();
        let file = OpenOptions::new().append(true).open(self.folder().join(DATA).join("postgresql.conf"));
        file.kind_of(Kind::Failure, doing)?.write_all(lines.as_bytes()).kind_of(Kind::Failure, doing)
    }

    async fn launch(&mut self) -> Result<()> {
        let mut postgres = self.account.command(&self.installation.tool("postgres"));
        postgres.arg("-D").arg(self.folder().join(DATA)).arg("-k").arg(self.socket_folder()).args(["-p", PORT]);
        for setting in ["listen_addresses=", "unix_socket_permissions=0700", "logging_collector=off"] {
            postgres.args(["-c", setting]);
        }
        self.run(postgres, Signal::QUIT)?;
        let began = Instant::now();
        while !self.is_ready() {
            if let Some(status) = self.ended(Duration::ZERO).await? {
                return Err(Error::new(Kind::Tool, format!("start a throwaway Postgres: {status}: {}", self.said())));
            }
            if began.elapsed() > START_LIMIT {
                return Err(Error::new(Kind::Tool, "start a throwaway Postgres: it does not get ready"));
            }
            tokio::time::sleep(POLL).await;
        }
        self.let_it_die_first();
        Ok(())
    }

    fn run(&mut self, mut command: std::process::Command, signal: Signal) -> Result<&mut Self> {
        let doing = || "make a log for a throwaway Postgres".to_owned();
        // It may quote rows.
        let log = private_file(&self.folder().join(LOG)).kind_of(Kind::Failure, doing)?;
        command.env(MARK, self.folder()).current_dir(self.folder().join(DATA)).stderr(log);
        self.child = Some(self.spawner.spawn(command, signal)?);
        Ok(self)
    }

    /// How the child ended; `None` when it has not within this time.
    async fn ended(&mut self, within: Duration) -> Result<Option<ExitStatus>> {
        let Some(child) = &mut self.child else { return Ok(None) };
        let began = Instant::now();
        loop {
            let ended = child.try_wait().kind_of(Kind::Failure, || "wait for a throwaway Postgres".into())?;
            if ended.is_some() || began.elapsed() >= within {
                return Ok(ended);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// The server writes its state into the eighth line of its pid file, for `pg_ctl`.
    fn is_ready(&self) -> bool {
        let lines = std::fs::read_to_string(self.folder().join(DATA).join("postmaster.pid")).unwrap_or_default();
        lines.lines().nth(7).is_some_and(|status| status.trim() == "ready")
    }

    /// Where memory runs out, the drill is what the machine can do without.
    fn let_it_die_first(&self) {
        if let Some(child) = &self.child {
            // A container may not allow it: then the kernel chooses as it always does.
            let _ = std::fs::write(format!("/proc/{}/oom_score_adj", child.id()), "800");
        }
    }

    /// The end of what the child wrote.
    fn said(&self) -> String {
        let log = std::fs::read(self.folder().join(LOG)).unwrap_or_default();
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        lines[lines.len().saturating_sub(LINES_KEPT)..].join("; ")
    }

    fn end(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            stop(&mut child);
        }
        self.lease.take().map_or(Ok(()), Lease::remove)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            tracing::warn!(error = %error.chain(), "a throwaway cluster was left to the next drill");
        }
    }
}

/// Ends the child and takes its exit status. Nothing in its folder is worth a checkpoint.
fn stop(child: &mut Child) {
    if matches!(child.try_wait(), Ok(None)) {
        let _ = kill_process(Pid::from_child(child), Signal::QUIT);
        let began = Instant::now();
        while matches!(child.try_wait(), Ok(None)) && began.elapsed() < STOP_LIMIT {
            std::thread::sleep(POLL);
        }
        let _ = child.kill();
    }
    let _ = child.wait();
}

/// The encoding and the locale of the source, so that a machine that lacks them is told from a backup that does not restore.
fn locale_arguments(source: Option<&Source>, major: u32) -> Vec<String> {
    let mut arguments = vec!["--locale=C".to_owned()];
    let Some(source) = source else {
        arguments.push("--encoding=UTF8".into());
        return arguments;
    };
    let argument = |(option, value): (&str, &str)| format!("--{}={value}", option.to_lowercase().replace('_', "-"));
    arguments.extend(locale_options(source, major * 10_000).into_iter().map(argument));
    arguments
}

fn not_initialised(source: Option<&Source>, said: &str) -> Error {
    let error = Error::new(Kind::Tool, format!("make a throwaway cluster: {said}"));
    match source.filter(|_| said.contains("locale") || said.contains("encoding")) {
        Some(source) => error.hint(format!(
            "the database was made with {} and {}: install that locale on this machine",
            source.encoding, source.collate
        )),
        None => error,
    }
}

fn connection(socket: &Path) -> Result<ConnectionSettings> {
    let socket = socket.to_string_lossy().replace('\\', "\\\\").replace('\'', "\\'");
    ConnectionSettings::parse(&format!("host='{socket}' port={PORT} user={SUPERUSER} dbname=postgres"), &|_| None)
}

/// The folder, or the nearest one above it that is there.
fn existing(folder: &Path) -> &Path {
    folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("/"))
}

/// The folder of the data within the drill's.
const DATA: &str = "data";
const LOG: &str = "server.log";
const SUPERUSER: &str = "postgres";
const PORT: &str = "5432";
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);
const LINES_KEPT: usize = 5;

#[cfg(test)]
pub(super) mod tests {
    use jiff::Timestamp;
    use lifeboat_core::index::Source;

    use super::{locale_arguments, not_initialised};

    pub(in crate::scratch) fn source(provider: &str, locale: Option<&str>) -> Source {
        Source {
            system_identifier: None,
            server_version: "18.0".into(),
            server_version_num: 180_000,
            database: "shop".into(),
            encoding: "UTF8".into(),
            locale_provider: provider.into(),
            collate: "de_DE.UTF-8".into(),
            ctype: "de_DE.UTF-8".into(),
            locale: locale.map(str::to_owned),
            icu_rules: Some("&V << 'w'".into()),
            collation_version: None,
            size_bytes: 0,
            lsn: "0/0".into(),
            standby: false,
            snapshot: String::new(),
            snapshot_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn a_cluster_has_the_locale_of_the_source_as_far_as_its_version_knows_it() {
        let arguments = |provider, locale, major| locale_arguments(Some(&source(provider, locale)), major).join(" ");
        let libc = "--locale=C --encoding=UTF8 --lc-collate=de_DE.UTF-8 --lc-ctype=de_DE.UTF-8";
        assert_eq!(arguments("libc", None, 14), libc);
        assert_eq!(arguments("libc", None, 15), format!("{libc} --locale-provider=libc"));
        let icu = format!("{libc} --locale-provider=icu --icu-locale=und");
        assert_eq!(arguments("icu", Some("und"), 15), icu);
        assert_eq!(arguments("icu", Some("und"), 18), format!("{icu} --icu-rules=&V << 'w'"));
        let builtin = format!("{libc} --locale-provider=builtin --builtin-locale=C.UTF-8");
        assert_eq!(arguments("builtin", Some("C.UTF-8"), 18), builtin);
        assert_eq!(locale_arguments(None, 18).join(" "), "--locale=C --encoding=UTF8");
    }

    #[test]
    fn a_missing_locale_is_named() {
        let error = not_initialised(Some(&source("libc", None)), "initdb: error: invalid locale name \"de_DE.UTF-8\"");
        assert!(error.help().unwrap().contains("UTF8 and de_DE.UTF-8"));
        assert!(not_initialised(None, "no space left on device").help().is_none());
    }
}
