//! What every theme stands on: databases, stores with little patience, and what must hold after any end.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use lifeboat_backup::archive::{BackupState, ListOptions, ListedBackup, VerifySummary};
use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_backup::{BackupOptions, BackupSummary, Reach, RestoreOptions, RestoreSummary, Source};
use lifeboat_core::keys::OpenKeys;
use lifeboat_core::monitor::Silent;
use lifeboat_core::store::{RetryPolicy, Store, UploadOptions};
use lifeboat_core::{Job, Result};
use lifeboat_tests::{Bucket, Database, Identity, Lifeboat, Major, Postgres, Seaweed};
use object_store::aws::{AmazonS3Builder, S3ConditionalPut};
use object_store::memory::InMemory;
use object_store::path::Path as Key;
use object_store::{BackoffConfig, ObjectStoreExt as _, PutPayload, RetryConfig};
use tokio_util::sync::CancellationToken;

/// Objects by name.
pub(crate) type Objects = BTreeMap<String, Vec<u8>>;

/// A job nobody listens to.
pub(crate) fn job() -> Job {
    Job::new(Arc::new(Silent), CancellationToken::new())
}

/// A database whose script has several ranges, one of them of several members, and two ranges of equal length.
pub(crate) fn several_tables(prefix: &str) -> Database<'static> {
    let database = Postgres::shared(Major::V15).database(prefix);
    database.psql(
        "CREATE TABLE wide AS SELECT g AS id, repeat(md5(g::text), 40) AS text FROM generate_series(1, 5000) g;
         CREATE TABLE twin_a AS SELECT g AS id, 'left' AS side FROM generate_series(1, 300) g;
         CREATE TABLE twin_b AS SELECT g AS id, 'tfel' AS side FROM generate_series(1, 300) g;
         CREATE TABLE empty (x int);
         ALTER TABLE wide ADD PRIMARY KEY (id);
         CREATE INDEX ON twin_a (side);
         CREATE VIEW both_sides AS SELECT * FROM twin_a UNION ALL SELECT * FROM twin_b",
    );
    database.psql(&format!("COMMENT ON DATABASE {} IS 'of {prefix}'", database.name));
    database
}

/// A table of rows that cannot be compressed.
pub(crate) fn add_blobs(database: &Database<'_>, mib: u32) {
    database.psql(&format!(
        "CREATE TABLE blobs (id int, blob bytea);
         ALTER TABLE blobs ALTER blob SET STORAGE EXTERNAL;
         INSERT INTO blobs SELECT g, b FROM generate_series(1, {}) g,
             (SELECT string_agg(sha512(i::text::bytea), '') AS b FROM generate_series(1, 2048) i) s",
        mib * 8
    ));
}

/// The database as what is backed up, under the name `shop`.
pub(crate) fn source(database: &Database<'_>) -> Source {
    source_with_tools(database, None)
}

/// The same, with client tools from this folder.
pub(crate) fn source_with_tools(database: &Database<'_>, tools_dir: Option<&Path>) -> Source {
    let settings = Box::new(settings(&database.socket_dsn()));
    let reach = Reach::Direct { settings, tools_dir: tools_dir.map(Path::to_owned) };
    Source::new("shop".parse().unwrap(), reach)
}

/// Connection settings from a string alone.
pub(crate) fn settings(dsn: &str) -> ConnectionSettings {
    ConnectionSettings::parse(dsn, &|_: &str| None).unwrap()
}

/// Options with the smallest parts that S3 takes, so that a small backup has objects of several.
pub(crate) fn options(state: &Path) -> BackupOptions {
    let upload = UploadOptions { part_bytes: 5 << 20, ..UploadOptions::default() };
    BackupOptions { upload, ..BackupOptions::new(state) }
}

/// A backup in this process.
pub(crate) async fn back_up(database: &Database<'_>, store: &Store, state: &Path) -> Result<BackupSummary> {
    lifeboat_backup::backup(&source(database), store, &options(state), Arc::new(Silent)).await
}

/// A verify in this process.
pub(crate) async fn verify(store: &Store, reference: &str) -> Result<VerifySummary> {
    let reference = reference.parse().unwrap();
    lifeboat_backup::verify(store, &OpenKeys::default(), &reference, CancellationToken::new(), Arc::new(Silent)).await
}

/// A restore in this process, into a database it creates on the shared server.
pub(crate) async fn restore(store: &Store, reference: &str, name: &str) -> Result<RestoreSummary> {
    let target = settings(&Postgres::shared(Major::V15).socket_dsn(name));
    let options = RestoreOptions { create: true, ..RestoreOptions::default() };
    lifeboat_backup::restore(store, &reference.parse().unwrap(), &target, &options, Arc::new(Silent)).await
}

/// Everything in the store, as `lifeboat list` tells it.
pub(crate) async fn list(store: &Store) -> Vec<ListedBackup> {
    lifeboat_backup::list(store, &ListOptions::default(), Arc::new(Silent)).await.unwrap()
}

/// Names of the backups that claim to be whole; each is proven here.
pub(crate) async fn proven_backups(store: &Store) -> Vec<String> {
    let mut names = Vec::new();
    for backup in list(store).await {
        if backup.state == BackupState::Available {
            let name = format!("{}/{}", backup.database, backup.id);
            verify(store, &name).await.unwrap_or_else(|error| panic!("available and not whole: {error:?}"));
            names.push(name);
        } else {
            assert!(
                matches!(backup.state, BackupState::InFlight | BackupState::Orphan),
                "{} is {:?}: neither a backup nor an unfinished one",
                backup.id,
                backup.state
            );
        }
    }
    names
}

/// A store in memory that holds these objects.
pub(crate) async fn in_memory(objects: &Objects) -> Store {
    let memory = Arc::new(InMemory::new());
    for (name, bytes) in objects {
        memory.put(&Key::from(name.as_str()), PutPayload::from(bytes.clone())).await.unwrap();
    }
    Store::new(memory.clone(), memory, "", "memory").with_retry(hasty())
}

/// What a store holds.
pub(crate) async fn objects_of(store: &Store) -> Objects {
    let mut objects = Objects::new();
    for listed in store.list(&job(), "backups").await.unwrap() {
        let bytes = store.get(&job(), &listed.name).await.unwrap();
        objects.insert(listed.name, bytes.to_vec());
    }
    objects
}

/// Patience for tests.
pub(crate) fn hasty() -> RetryPolicy {
    let millis = Duration::from_millis;
    RetryPolicy { first_wait: millis(20), longest_wait: millis(100), give_up_after: millis(300), first_contact: false }
}

/// The bucket at `endpoint`, through a client as the product opens one, but with short waits.
pub(crate) fn hasty_store(endpoint: &str, bucket: &Bucket, prefix: &str, identity: Identity) -> Store {
    let backoff =
        BackoffConfig { init_backoff: Duration::from_millis(5), max_backoff: Duration::from_millis(20), base: 2.0 };
    let s3 = AmazonS3Builder::new()
        .with_endpoint(endpoint)
        .with_allow_http(true)
        .with_region("us-east-1")
        .with_bucket_name(&bucket.name)
        .with_access_key_id(identity.access_key())
        .with_secret_access_key(identity.secret_key())
        .with_conditional_put(S3ConditionalPut::Disabled)
        .with_disable_tagging(true)
        .with_retry(RetryConfig { backoff, max_retries: 2, retry_timeout: Duration::from_secs(5) })
        .build()
        .unwrap();
    let s3 = Arc::new(s3);
    Store::new(s3.clone(), s3, prefix, bucket.url(prefix)).with_retry(hasty())
}

/// `lifeboat COMMAND --store BUCKET/PREFIX` as the key that may do everything.
pub(crate) fn lifeboat(command: &str, bucket: &Bucket, prefix: &str) -> Lifeboat {
    let environment = Seaweed::shared().environment(Identity::Admin);
    Lifeboat::new().envs(environment).args([command, "--store", &bucket.url(prefix)])
}

/// `lifeboat backup` of this database.
pub(crate) fn backup_command(database: &Database<'_>, bucket: &Bucket, prefix: &str) -> Lifeboat {
    of(lifeboat("backup", bucket, prefix), database)
}

/// The arguments that name a database.
pub(crate) fn of(command: Lifeboat, database: &Database<'_>) -> Lifeboat {
    command.args(["--name", "shop", "--database-url", "env:DSN"]).env("DSN", database.socket_dsn())
}
