//! Backs up one database: dump, account for everything, commit.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use lifeboat_core::catalog::Catalog;
use lifeboat_core::index::{Index, LargeObjects, Tools};
use lifeboat_core::manifest::{Manifest, Method, StoredObject};
use lifeboat_core::store::layout::{self, BackupPath};
use lifeboat_core::store::{Journal, Store};
use lifeboat_core::{BackupId, Error, FORMAT, Job, Kind, Result, RunId, TOOL};

use super::attachments::Destination;
use super::dump::{Dump, Dumped, How};
use super::open::{Opened, end_remote_sessions, open};
use super::plan::no_tables;
use super::warned::Warned;
use super::{BackupOptions, BackupSummary};
use crate::indexed::IndexedScript;
use crate::leader::{Bounds, Facts, Leader, ROW_SETTINGS, account_for, database_sql};
use crate::parallel::{Choice, LeaderView};
use crate::source::Source;
use crate::tools::Toolbox;
use lifeboat_core::sealing::Sealing;

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
    let Opened { mut leader, tools, choice, view, _lock } = job.run(Box::pin(open(source, options, job))).await?;
    let destination = destination(backup, store, options, job).await?;

    let (catalog, unread) = match &mut leader {
        Some(leader) => {
            let (catalog, unread) = job.run(leader.catalog()).await?;
            (Some(catalog), unread)
        }
        None => (None, None),
    };
    let (heard, warned) = Warned::keep(job);
    let (method, how) = how(choice, view, job);
    let bounds = Bounds { yield_to_ddl: options.yield_to_ddl, snapshot_max_age: options.snapshot_max_age };
    let dump =
        Dump { destination: &destination, tools: &tools, lock_timeout: options.lock_timeout, bounds, job: &heard };
    let dumped = Box::pin(dump.run(journal, leader.as_mut(), how)).await;
    if dumped.is_err() {
        end_remote_sessions(source, job).await;
    }
    let Dumped { script, mut attachments, mut warnings } = dumped?;
    warnings.extend(warned.take());
    warnings.extend(unread.inspect(|warning| job.warn(warning)));
    warnings.extend(no_tables(script.relations.len()).inspect(|warning| job.warn(warning)));
    warnings
        .extend(options.seal.as_ref().and_then(|keys| keys.single_wrap_warning()).inspect(|warning| job.warn(warning)));
    let stored = script.objects.iter().map(|(name, object)| destination.stored(destination.stored_name(name), object));
    let stored: Vec<_> = stored.collect();
    let index = index(leader.as_ref(), &tools, script, warnings)?;
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
        method,
        compression: options.compression,
        started,
        snapshot,
        finished: options.clock.now(),
        reencrypted_from: None,
        imported: None,
        script: stored,
        attachments,
    };
    commit(&destination, options, job, &manifest).await?;
    Ok(summary(manifest, index, snapshot, options, clock))
}

/// The method, and what it works with. A leader's view is there wherever `parallel` was chosen.
fn how(choice: Choice, view: Option<Box<LeaderView>>, job: &Job) -> (Method, How) {
    match (choice, view) {
        (Choice::Parallel(workers), Some(leader)) => (Method::Parallel, How::Parallel { workers, leader }),
        (Choice::Stream(Some(reason)), _) => {
            job.step(&format!("use the method stream: {reason}"));
            (Method::Stream, How::Stream)
        }
        _ => (Method::Stream, How::Stream),
    }
}

/// With encryption on, the wraps of the backup's data key are stored first.
pub(super) async fn destination(
    backup: BackupPath,
    store: &Store,
    options: &BackupOptions,
    job: &Job,
) -> Result<Destination> {
    let sealing = match &options.seal {
        Some(keys) => {
            let place = |name: &str| backup.object(name);
            let sealing = job.run(Sealing::begin(keys, backup.id.as_str(), store, job, place)).await?;
            Some(Arc::new(sealing))
        }
        None => None,
    };
    let (upload, chunk_bytes, compression) = (options.upload.clone(), options.chunk_bytes, options.compression);
    Ok(Destination { store: store.clone(), backup, upload, chunk_bytes, compression, sealing })
}

fn index(leader: Option<&Leader>, tools: &Toolbox, script: IndexedScript, warnings: Vec<String>) -> Result<Index> {
    check_large_objects(leader.map(|leader| &leader.facts), &script)?;
    let mut relations = script.relations;
    let skipped = match leader {
        Some(leader) => account_for(&leader.relations, &mut relations)?,
        None => Vec::new(),
    };
    let properties = leader.map(|leader| leader.properties.clone()).unwrap_or_default();
    Ok(Index {
        format: FORMAT,
        source: leader.map(|leader| leader.facts.source(&leader.snapshot)),
        dumped_from: None,
        tools: Tools { pg_dump: tools.version.clone(), prefix: tools.prefix().map(ToOwned::to_owned) },
        settings: ROW_SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        database: properties.database,
        roles: properties.roles,
        extensions: properties.extensions,
        sequences: script.sequences,
        large_objects: LargeObjects { count: script.large_objects },
        relations,
        inserts: false,
        skipped,
        script_bytes: script.ranges.iter().map(|range| range.bytes.sql_bytes).sum(),
        ranges: script.ranges,
        warnings,
    })
}

fn check_large_objects(facts: Option<&Facts>, script: &IndexedScript) -> Result<()> {
    match facts {
        Some(facts) if facts.large_objects != script.large_objects => Err(Error::new(
            Kind::Integrity,
            format!("account for {} large objects: the dump has {}", facts.large_objects, script.large_objects),
        )),
        _ => Ok(()),
    }
}

pub(super) async fn describe(
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

pub(super) async fn commit(
    destination: &Destination,
    options: &BackupOptions,
    job: &Job,
    manifest: &Manifest,
) -> Result<()> {
    job.step("commit the manifest");
    let name = destination.backup.object(layout::MANIFEST);
    let key = destination.sealing.as_ref().map(|sealing| sealing.key());
    let signer = options.seal.as_ref().and_then(|keys| keys.signer.as_deref());
    destination.store.put(job, &name, manifest.to_bytes(key, signer).into()).await
}

pub(super) fn summary(
    manifest: Manifest,
    index: Index,
    snapshot: Timestamp,
    options: &BackupOptions,
    clock: Instant,
) -> BackupSummary {
    let wraps = options.seal.iter().flat_map(|keys| &keys.wraps);
    let mut keys: Vec<_> = wraps.map(|wrap| wrap.id().clone()).collect();
    keys.sort();
    BackupSummary {
        database: manifest.database.clone(),
        id: manifest.id.clone(),
        class: manifest.class.clone(),
        method: manifest.method,
        snapshot,
        tables: index.relations.len(),
        rows: index.rows(),
        sql_bytes: index.script_bytes,
        stored_bytes: manifest.stored_bytes(),
        seconds: clock.elapsed().as_secs_f64(),
        keys,
        warnings: index.warnings,
        manifest,
    }
}
