//! The demo's server: a throwaway cluster such as a drill restores into, and what `psql` prints from it.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use jiff::Timestamp;
use lifeboat_core::{DrillId, Error, Job, Kind, Result, ResultExt};
use lifeboat_drill::scratch::installation::{Installation, installed};
use lifeboat_drill::scratch::{Cluster, ClusterOptions, Needs};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use super::folder::Folder;

/// A running server. [`Throwaway::stop`] ends it and says what stayed; dropping it ends it as well.
pub(super) struct Throwaway {
    cluster: Cluster,
    /// Dropped after the cluster in it.
    folder: Folder,
}

impl Throwaway {
    /// Makes a cluster with the tools in `bin` and starts it.
    ///
    /// # Errors
    /// [`Kind::Tool`] with the server's own words when it does not come up.
    pub(super) async fn start(tools: Installation, job: &Job) -> Result<Self> {
        let folder = Folder::make()?;
        let (dir, bin_dirs) = (folder.path().to_owned(), vec![tools.bin]);
        let options = ClusterOptions { dir, major: Some(tools.major), bin_dirs, ..ClusterOptions::default() };
        let drill = DrillId::generate(Timestamp::now())?;
        let cluster = Cluster::start(&options, &Needs::default(), &drill, job).await?;
        Ok(Self { cluster, folder })
    }

    /// The folder of the server's tools.
    pub(super) fn bin(&self) -> &Path {
        &self.cluster.installation().bin
    }

    /// Where other clusters of the demo can be made.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// How to connect to one of its databases.
    pub(super) fn dsn(&self, database: &str) -> String {
        let user = &self.cluster.settings().user;
        format!("host={} user={user} dbname={database}", self.cluster.socket_folder().display())
    }

    /// What `psql` prints when it runs this script.
    ///
    /// # Errors
    /// [`Kind::Database`] with the server's own words.
    pub(super) async fn psql(&self, database: &str, script: &str) -> Result<Vec<u8>> {
        // Nothing of the operator's own connection settings.
        let mut child = Command::new(self.cluster.installation().tool("psql"))
            .env_clear()
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(self.dsn(database))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .current_dir("/")
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
        printed(output.kind_of(Kind::Tool, || "run psql".to_owned())?)
    }

    /// Ends the server and removes its folder.
    pub(super) async fn stop(self, job: &Job) {
        if let Err(error) = self.cluster.close().await {
            job.warn(&error.chain());
        }
    }
}

/// The newest server of this machine that has its client tools beside it: packaged, or on the search path.
///
/// # Errors
/// [`Kind::Tool`] when there is none.
pub(super) async fn find_tools(search_path: &str) -> Result<Installation> {
    let is_complete = |found: &Installation| ["psql", "pg_dump"].iter().all(|tool| found.tool(tool).is_file());
    if let Some(packaged) = installed(&[]).await.into_iter().rfind(is_complete) {
        return Ok(packaged);
    }
    let folders: Vec<PathBuf> = std::env::split_paths(search_path).collect();
    installed(&folders).await.into_iter().rfind(is_complete).ok_or_else(|| {
        Error::new(Kind::Tool, "find Postgres on this machine: initdb, postgres, psql and pg_dump")
            .hint("install it: apt-get install postgresql")
    })
}

fn printed(output: Output) -> Result<Vec<u8>> {
    if output.status.success() {
        return Ok(output.stdout);
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let doing = format!("run SQL on the demo's server: {}: {}", output.status, words.trim());
    Err(Error::new(Kind::Database, doing))
}
