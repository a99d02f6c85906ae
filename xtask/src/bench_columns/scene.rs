//! A server of its own and a table of encrypted values, new for every measurement.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::SinkExt as _;
use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_core::monitor::Silent;
use lifeboat_core::{Error, Job, Kind, Result};
use lifeboat_rotate::Keyring;
use lifeboat_rotate::columns::KeyFormat;
use lifeboat_rotate::sweep::{self, KeyPair, KeySource, SweepOptions, Target};
use lifeboat_tests::servers::postgres::Options;
use lifeboat_tests::{Major, Postgres};
use tokio_postgres::{Client, NoTls};
use tokio_util::sync::CancellationToken;

use super::timed;
use crate::bench_keys::watch;

/// A server and the values of a table.
pub(crate) struct Scene {
    server: Postgres,
    pub(crate) client: Client,
    pub(crate) rows: u64,
}

const OLD: &str = "the old secret of the application";
const NEW: &str = "the new secret of the application";

impl Scene {
    /// Fills the table `source`, of which every measurement gets a copy.
    pub(crate) async fn start(rows: u64) -> Result<Self> {
        let settings = [
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("full_page_writes", "on"),
            ("wal_level", "replica"),
            ("autovacuum", "on"),
            ("shared_buffers", "1GB"),
            ("max_wal_size", "8GB"),
        ];
        let settings = settings.map(|(name, value)| (name, value.to_owned())).to_vec();
        let server = Postgres::start(Major::V18, &Options { settings, ..Options::default() });
        let client = connected(&server.dsn("postgres")).await?;
        let scene = Self { server, client, rows };
        scene.sql("CREATE TABLE source (id bigint, name text, value text)").await?;
        scene.fill().await?;
        Ok(scene)
    }

    async fn fill(&self) -> Result<()> {
        let copied = self.client.copy_in("COPY source FROM stdin").await.map_err(failed)?;
        let mut sink = std::pin::pin!(copied);
        let keyring = keyring_old()?;
        for first in (0..self.rows).step_by(10_000) {
            let mut text = String::new();
            for id in first..(first + 10_000).min(self.rows) {
                let value = keyring.encrypt(format!("postgresql://app:{id:032}@db/app").as_bytes(), b"")?;
                text.push_str(&format!("{id}\tDATABASE_URL_{id}\t{}\n", value.text().unwrap_or_default()));
            }
            sink.send(Bytes::from(text)).await.map_err(failed)?;
        }
        sink.finish().await.map_err(failed)?;
        Ok(())
    }

    pub(crate) fn dsn(&self) -> String {
        self.server.dsn("postgres")
    }

    pub(crate) async fn sql(&self, sql: &str) -> Result<()> {
        self.client.batch_execute(sql).await.map_err(failed)
    }

    /// The table as the application has it.
    pub(crate) async fn fresh(&self) -> Result<()> {
        self.sql(
            "DROP TABLE IF EXISTS secrets; DROP SCHEMA IF EXISTS lifeboat_rotate CASCADE;
             CREATE TABLE secrets (id bigint PRIMARY KEY, name text NOT NULL, value text NOT NULL,
                 updated_at timestamptz NOT NULL DEFAULT now());
             INSERT INTO secrets (id, name, value) SELECT id, name, value FROM source ORDER BY id",
        )
        .await?;
        self.sql("VACUUM (ANALYZE) secrets").await?;
        self.sql("CHECKPOINT").await
    }

    /// One statement that writes every value.
    pub(crate) async fn bare(&self) -> Result<Duration> {
        self.fresh().await?;
        Ok(timed(self.sql("UPDATE secrets SET value = reverse(value)")).await?.0)
    }

    /// A whole run: the sweep, and the pass that finds nothing more to write.
    pub(crate) async fn run(&self, options: &SweepOptions) -> Result<Duration> {
        self.fresh().await?;
        let settings = self.settings()?;
        let (time, summary) = timed(sweep::run(&settings, &[target()?], options, &job())).await?;
        let counts = summary.targets[0].counts;
        if summary.is_clean() && counts.rotated == self.rows {
            return Ok(time);
        }
        Err(Error::new(Kind::Failure, format!("rotate all {} rows: {counts:?}", self.rows)))
    }

    pub(crate) async fn verify(&self, options: &SweepOptions) -> Result<(Duration, bool)> {
        let settings = self.settings()?;
        let (time, verification) = timed(sweep::verify(&settings, &[target()?], options, &job())).await?;
        Ok((time, verification.passed()))
    }

    pub(crate) fn settings(&self) -> Result<ConnectionSettings> {
        ConnectionSettings::parse(&self.dsn(), &|_| None)
    }

    /// What a program that does nothing else has resident at most.
    pub(crate) async fn memory(&self) -> Result<()> {
        let program = std::env::current_exe().map_err(failed)?.with_file_name("rotate-columns");
        self.fresh().await?;
        let mut command = Command::new(program);
        command.args([&self.dsn(), "online", OLD, NEW, "adaptive"]);
        let (seconds, peak_bytes) = tokio::task::block_in_place(|| watch(&mut command)).map_err(failed)?;
        println!("| peak memory of a run | {} | {seconds:.1} s | {} MiB |", self.rows, peak_bytes >> 20);
        Ok(())
    }
}

pub(crate) async fn connected(dsn: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(dsn, NoTls).await.map_err(failed)?;
    tokio::spawn(connection);
    Ok(client)
}

fn source(secret: &str) -> KeySource {
    KeySource { secret: secret.to_owned().into(), format: KeyFormat::Sha256, id: None }
}

pub(crate) fn target() -> Result<Target> {
    Ok(Target {
        table: "secrets".parse()?,
        column: Some("value".to_owned()),
        layout: "base64(iv tag ct)".parse()?,
        key_columns: None,
        aad: "".parse()?,
        keys: Arc::new(KeyPair { old: source(OLD), new: source(NEW) }),
    })
}

pub(crate) fn keyring_old() -> Result<Keyring> {
    Keyring::new("base64(iv tag ct)".parse()?, source(OLD).derive()?)
}

pub(crate) fn keyring_both() -> Result<Keyring> {
    target()?.keyring()
}

pub(crate) fn keyring_new() -> Result<Keyring> {
    target()?.keyring_new()
}

pub(crate) fn job() -> Job {
    Job::new(Arc::new(Silent), CancellationToken::new())
}

pub(crate) fn failed(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new(Kind::Failure, "measure").caused_by(error)
}
