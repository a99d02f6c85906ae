//! Backs up one database: plan what runs, dump, account for everything, commit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lifeboat_core::catalog::Catalog;
use lifeboat_core::codec::MEMBER_BYTES;
use lifeboat_core::index::{Index, LargeObjects, Tools};
use lifeboat_core::manifest::{Compression, Manifest, Method, StoredObject};
use lifeboat_core::monitor::Counter;
use lifeboat_core::store::layout::{self, BackupPath};
use lifeboat_core::store::{Journal, Store, UploadOptions, UploadedObject, Uploader, Writers};
use lifeboat_core::{BackupId, Error, FORMAT, Job, Kind, Name, Result, RunId, TOOL};
use serde::Serialize;

use super::attachments::Destination;
use super::names::Names;
use super::open::{Opened, end_remote_sessions, open};
use super::sealing::Sealing;
use super::warned::Warned;
use super::{BackupOptions, BackupSummary};
use crate::leader::{Facts, Leader, ROW_SETTINGS, account_for, database_sql};
use crate::source::Source;
use crate::stream::{self, HANDOFF_BYTES, Script};
use crate::tools::Toolbox;

/// What a backup would do.
#[derive(Clone, Debug, Serialize)]
pub struct BackupPlan {
    /// The database's name in the store.
    pub database: Name,
    /// Where it is reached.
    pub reached: String,
    /// The method.
    pub method: Method,
    /// What dumps it, as in `pg_dump (PostgreSQL) 15.18`.
    pub pg_dump: String,
    /// The server's version, where a leader could ask.
    pub server_version_num: Option<u32>,
    /// `pg_database_size`, indexes included.
    pub database_bytes: Option<u64>,
    /// Tables whose rows would be dumped.
    pub tables: Option<usize>,
    /// The store.
    pub store: String,
    /// Most memory the run will take beside `pg_dump`'s own: an upper bound.
    pub memory_bytes: u64,
}

/// Finds out what a backup of `source` would do, under the locks it would take, and changes nothing.
///
/// # Errors
/// Those of a backup before its first byte.
pub async fn plan(source: &Source, store: &Store, options: &BackupOptions, job: &Job) -> Result<BackupPlan> {
    let Opened { leader, tools, .. } = job.run(open(source, options, job)).await?;
    let leader = leader.as_ref();
    let tables = leader.map(|leader| leader.relations.iter().filter(|relation| relation.kind == "r").count());
    tables.and_then(no_tables).inspect(|warning| job.warn(warning));
    Ok(BackupPlan {
        database: source.name.clone(),
        reached: source.reach.display(),
        method: Method::Stream,
        pg_dump: tools.version.clone(),
        server_version_num: leader.map(|leader| leader.facts.server_version_num),
        database_bytes: leader.map(|leader| leader.facts.size_bytes),
        tables,
        store: store.address().to_owned(),
        memory_bytes: memory_bytes(&options.upload),
    })
}

/// A connection string that names no database leads to one that is there and empty.
fn no_tables(tables: usize) -> Option<String> {
    (tables == 0)
        .then(|| "the database has no tables with rows to dump: make sure that it is the one you mean".to_owned())
}

/// Most memory a run takes beside twice the longest row: parts in flight and the one being filled, for one object is written
/// at a time; what lies between the two threads of the stream; a member on its way through the compressor; and the program
/// itself.
#[must_use]
pub(super) fn memory_bytes(upload: &UploadOptions) -> u64 {
    let parts = (upload.parts_in_flight as u64 + 1) * upload.part_bytes as u64;
    parts + 3 * MEMBER_BYTES as u64 + HANDOFF_BYTES as u64 + PROGRAM_BYTES
}

const PROGRAM_BYTES: u64 = 32 << 20;

pub(super) async fn back_up(
    source: &Source,
    run: &RunId,
    store: &Store,
    journal: &Journal,
    options: &BackupOptions,
    job: &Job,
) -> Result<BackupSummary> {
    let clock = Instant::now();
    let started = options.clock.now();
    let id = BackupId::generate(started)?;
    let backup = BackupPath { class: options.class.clone(), database: source.name.clone(), id };
    let Opened { mut leader, tools, _lock } = job.run(open(source, options, job)).await?;
    let destination = destination(backup, store, options, job).await?;

    let (catalog, unread) = match &mut leader {
        Some(leader) => {
            let (catalog, unread) = job.run(leader.catalog()).await?;
            (Some(catalog), unread)
        }
        None => (None, None),
    };
    let (heard, warned) = Warned::keep(job);
    let dumped = dump(&destination, journal, &heard, leader.as_mut(), &tools).await;
    if dumped.is_err() {
        end_remote_sessions(source, job).await;
    }
    let Dumped { script, mut attachments, mut warnings } = dumped?;
    warnings.extend(warned.take());
    let names = job.run(Names::read(&script, leader.as_mut())).await?;
    warnings.extend(names.warning().map(ToOwned::to_owned).inspect(|warning| job.warn(warning)));
    warnings.extend(unread.inspect(|warning| job.warn(warning)));
    warnings.extend(no_tables(script.relations.len()).inspect(|warning| job.warn(warning)));
    warnings
        .extend(options.seal.as_ref().and_then(|keys| keys.single_wrap_warning()).inspect(|warning| job.warn(warning)));
    let stored = script.objects.iter().map(|(name, object)| destination.stored(destination.stored_name(name), object));
    let stored: Vec<_> = stored.collect();
    let index = index(leader.as_ref(), &tools, script, &names, warnings)?;
    let database_sql = leader.as_ref().map(|leader| database_sql(&leader.facts.database, &leader.properties.database));
    attachments.extend(describe(&destination, job, database_sql, catalog.as_ref(), &index).await?);

    let snapshot = leader.as_ref().map_or(started, |leader| leader.facts.snapshot_at);
    let manifest = Manifest {
        format: FORMAT,
        tool: TOOL.to_owned(),
        id: destination.backup.id.clone(),
        run: run.clone(),
        database: source.name.clone(),
        class: options.class.clone(),
        method: Method::Stream,
        compression: Compression::Gzip,
        started,
        snapshot,
        finished: options.clock.now(),
        reencrypted_from: None,
        script: stored,
        attachments,
    };
    commit(&destination, options, job, &manifest).await?;
    Ok(summary(manifest, index, snapshot, clock))
}

/// With encryption on, the wraps of the backup's data key are stored first.
async fn destination(backup: BackupPath, store: &Store, options: &BackupOptions, job: &Job) -> Result<Destination> {
    let sealing = match &options.seal {
        Some(keys) => {
            let place = |name: &str| backup.object(name);
            let sealing = job.run(Sealing::begin(keys, backup.id.as_str(), store, job, place)).await?;
            Some(Arc::new(sealing))
        }
        None => None,
    };
    let (upload, chunk_bytes) = (options.upload.clone(), options.chunk_bytes);
    Ok(Destination { store: store.clone(), backup, upload, chunk_bytes, sealing })
}

/// What `pg_dump` gave.
struct Dumped {
    script: Script,
    attachments: Vec<StoredObject>,
    warnings: Vec<String>,
}

/// Runs the tools and the uploader side by side, and ends both when either fails.
async fn dump(
    destination: &Destination,
    journal: &Journal,
    job: &Job,
    leader: Option<&mut Leader>,
    tools: &Toolbox,
) -> Result<Dumped> {
    let (uploader, writers) = Uploader::new(&destination.store, journal, &destination.upload);
    let snapshot = leader.as_ref().map(|leader| leader.snapshot.clone());
    if let Some(leader) = &leader {
        job.expect(Counter::SqlBytes, leader.facts.size_bytes);
    }
    let tools_run = run_tools(destination, job, snapshot.as_deref(), tools, writers);
    let kept = while_leading(job, leader, tools_run);
    let (uploaded, dumped) = tokio::join!(uploader.run(job), kept);
    let (uploaded, dumped) = first_error(uploaded, dumped)?;
    check_lengths(&uploaded, &dumped, destination)?;
    Ok(dumped)
}

/// The error that came first: the side that was ended because of it says only that it was cancelled.
fn first_error<A, B>(left: Result<A>, right: Result<B>) -> Result<(A, B)> {
    match (left, right) {
        (Ok(left), Ok(right)) => Ok((left, right)),
        (Err(left), Err(right)) if left.kind() == Kind::Cancelled => Err(right),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Every object was stored with the length that was written.
fn check_lengths(uploaded: &[UploadedObject], dumped: &Dumped, destination: &Destination) -> Result<()> {
    let script = dumped.script.objects.iter().map(|(name, object)| (destination.stored_name(name), object.length));
    let written = script.chain(dumped.attachments.iter().map(|object| (object.name.clone(), object.length)));
    for (name, length) in written {
        let name = destination.backup.object(&name);
        if !uploaded.iter().any(|object| object.name == name && object.length == length) {
            return Err(Error::new(Kind::Integrity, format!("store {name} whole")));
        }
    }
    Ok(())
}

async fn while_leading<T>(job: &Job, leader: Option<&mut Leader>, work: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(leader) = leader else { return work.await };
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            result = &mut work => return result,
            () = tokio::time::sleep(KEEP_ALIVE) => {}
        }
        // Not beside the work: an answer that nobody waited for would be taken for the next query's.
        if let Err(error) = job.run(leader.ping()).await {
            // The snapshot may be gone with the session: whatever is still running must not be committed.
            job.cancel.cancel();
            let _ = work.await;
            return Err(error);
        }
    }
}

/// Firewalls forget an idle connection.
const KEEP_ALIVE: Duration = Duration::from_secs(30);

async fn run_tools(
    destination: &Destination,
    job: &Job,
    snapshot: Option<&str>,
    tools: &Toolbox,
    writers: Writers,
) -> Result<Dumped> {
    let mut attachments = Vec::new();
    let mut warnings = Vec::new();
    if let Some(snapshot) = snapshot {
        job.step("dump the schema archive");
        let mut schema = tools.command("pg_dump", "schema");
        schema.args(["--format=custom", "--compress=0", "--section=pre-data", "--section=post-data"]);
        schema.arg(format!("--snapshot={snapshot}")).args(PG_DUMP_OPTIONS);
        attachments.push(destination.tool_output(job, schema, "pg_dump", layout::SCHEMA, &writers).await?);
    } else {
        warnings.push("no leader was possible: no schema archive, no catalog, no proof of completeness".to_owned());
    }
    job.step("dump the roles");
    let mut globals = tools.command("pg_dumpall", "globals");
    // Without a database of its own it would connect to `postgres`, where the role may have no business.
    globals.args(["--globals-only", "--no-role-passwords", "--encoding=UTF8"]);
    globals.arg(format!("--database={}", tools.database_argument()));
    attachments.push(destination.tool_output(job, globals, "pg_dumpall", layout::GLOBALS, &writers).await?);
    job.step("dump the rows");
    let mut pg_dump = tools.command("pg_dump", "dump");
    pg_dump.args(PG_DUMP_OPTIONS).args(snapshot.map(|snapshot| format!("--snapshot={snapshot}")));
    let objects = destination.objects(writers);
    let script = stream::dump(job, pg_dump, objects, &destination.upload, destination.chunk_bytes).await?;
    Ok(Dumped { script, attachments, warnings })
}

/// The leader holds every lock already; a minute is for DDL that queued up behind it. Quoted names survive the reserved
/// words of later versions, and psql's habit of taking an unquoted `begin` in CREATE FUNCTION for a block: it would
/// silently leave out the rest of the script.
const PG_DUMP_OPTIONS: &[&str] = &["--lock-wait-timeout=60s", "--quote-all-identifiers"];

fn index(
    leader: Option<&Leader>,
    tools: &Toolbox,
    script: Script,
    names: &Names,
    warnings: Vec<String>,
) -> Result<Index> {
    let mut relations: Vec<_> = script.relations.iter().map(|relation| names.relation(relation)).collect();
    let skipped = match leader {
        Some(leader) => account_for(&leader.relations, &mut relations)?,
        None => Vec::new(),
    };
    let properties = leader.map(|leader| leader.properties.clone()).unwrap_or_default();
    check_large_objects(leader.map(|leader| &leader.facts), &script)?;
    Ok(Index {
        format: FORMAT,
        source: leader.map(|leader| leader.facts.source(&leader.snapshot)),
        tools: Tools { pg_dump: tools.version.clone(), prefix: tools.prefix().map(ToOwned::to_owned) },
        settings: ROW_SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        database: properties.database,
        roles: properties.roles,
        extensions: properties.extensions,
        sequences: script.sequences.iter().map(|sequence| names.sequence(sequence)).collect(),
        large_objects: LargeObjects { count: script.large_objects },
        relations,
        skipped,
        script_bytes: script.ranges.iter().map(|range| range.bytes.sql_bytes).sum(),
        ranges: script.ranges,
        warnings,
    })
}

fn check_large_objects(facts: Option<&Facts>, script: &Script) -> Result<()> {
    match facts {
        Some(facts) if facts.large_objects != script.large_objects => Err(Error::new(
            Kind::Integrity,
            format!("account for {} large objects: the dump has {}", facts.large_objects, script.large_objects),
        )),
        _ => Ok(()),
    }
}

async fn describe(
    destination: &Destination,
    job: &Job,
    database_sql: Option<String>,
    catalog: Option<&Catalog>,
    index: &Index,
) -> Result<Vec<StoredObject>> {
    let mut stored = vec![destination.json(job, layout::INDEX, index).await?];
    if let Some(catalog) = catalog {
        stored.push(destination.json(job, layout::CATALOG, catalog).await?);
    }
    if let Some(sql) = database_sql {
        stored.push(destination.text(job, layout::DATABASE, sql.as_bytes()).await?);
    }
    Ok(stored)
}

async fn commit(destination: &Destination, options: &BackupOptions, job: &Job, manifest: &Manifest) -> Result<()> {
    job.step("commit the manifest");
    let name = destination.backup.object(layout::MANIFEST);
    let key = destination.sealing.as_ref().map(|sealing| sealing.key());
    let signer = options.seal.as_ref().and_then(|keys| keys.signer.as_deref());
    destination.store.put(job, &name, manifest.to_bytes(key, signer).into()).await
}

fn summary(manifest: Manifest, index: Index, snapshot: Timestamp, clock: Instant) -> BackupSummary {
    BackupSummary {
        database: manifest.database.clone(),
        id: manifest.id.clone(),
        class: manifest.class.clone(),
        snapshot,
        tables: index.relations.len(),
        rows: index.rows(),
        sql_bytes: index.script_bytes,
        stored_bytes: manifest.stored_bytes(),
        seconds: clock.elapsed().as_secs_f64(),
        warnings: index.warnings,
        manifest,
    }
}
