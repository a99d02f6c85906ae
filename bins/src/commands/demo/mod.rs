//! `lifeboat demo`: everything Lifeboat promises, shown on a throwaway server within a minute.

mod compare;
mod folder;
mod server;
mod summary;

use std::future::Future;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use lifeboat_backup::archive::verify;
use lifeboat_backup::{
    BackupOptions, BackupRef, BackupSummary, Reach, RestoreOptions, RestoreSummary, Source, backup, restore,
};
use lifeboat_core::keys::OpenKeys;
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Kind, Result, ResultExt};
use lifeboat_drill::check::{Assert, CheckOptions};
use lifeboat_drill::scratch::{ClusterOptions, ScratchOptions};
use lifeboat_drill::{DrillOptions, DrillReport, drill};
use secrecy::SecretString;
use serde_json::json;

pub(super) use self::folder::collect;
use self::server::Throwaway;
use self::summary::Findings;
use super::{Context, source};
use crate::config::{Environment, StoreConfig, env_vars};
use crate::exit::Exit;
use crate::output::Outcome;

/// Runs the demo; whatever happens, the server and its folder are gone afterwards. The backup stays in the store.
///
/// # Errors
/// [`Kind::Tool`] when Postgres is not installed; those of the steps.
pub(super) async fn run(context: &Context) -> Result<Outcome> {
    let job = context.job();
    for removed in collect().await.removed {
        job.warn(&format!("an earlier demo did not end: removed {removed}"));
    }
    let tools = server::find_tools(context.environment.var(env_vars::PATH).unwrap_or_default()).await?;
    let store = open_store(context).await?;
    let server = job.run(Box::pin(Throwaway::start(tools, &job))).await?;
    let ended = job.run(Box::pin(show(&server, &store, context))).await;
    server.stop(&job).await;
    let findings = ended?;
    let exit = if findings.is_equal() { Exit::from(findings.drill.verdict) } else { Exit::Failed(Kind::Integrity) };
    let json = json!({
        "store": findings.store,
        "backup": findings.backup,
        "verified": findings.verified,
        "compared": findings.compared,
        "equal": findings.is_equal(),
        "drill": findings.drill,
    });
    Ok(Outcome { text: findings.render(context.style.stdout_colour), json, exit })
}

/// The store of the command line, else the embedded one. A configured store is production's: the demo stays out of it.
async fn open_store(context: &Context) -> Result<Store> {
    let embedded;
    let address = match context.global.store.first() {
        Some(address) => address,
        None => {
            embedded = format!("file://{}", embedded_store(context)?.display());
            &embedded
        }
    };
    StoreConfig::at(address)?.create(&context.environment).await
}

fn embedded_store(context: &Context) -> Result<PathBuf> {
    let environment = &context.environment;
    let xdg = environment.var(env_vars::XDG_DATA_HOME).map(PathBuf::from);
    let home = || environment.var(env_vars::HOME).map(|home| PathBuf::from(home).join(".local/share"));
    let base = xdg.or_else(home).ok_or_else(|| {
        Error::new(Kind::Config, "find a folder for the demo's backups").hint("set HOME or give --store file:///folder")
    })?;
    Ok(base.join("lifeboat/demo"))
}

async fn show(server: &Throwaway, store: &Store, context: &Context) -> Result<Findings> {
    let job = context.job();
    let mut times = Vec::new();
    job.step("load a small shop");
    server.psql("postgres", &format!("CREATE DATABASE {ORIGINAL}")).await?;
    server.psql(ORIGINAL, SHOP).await?;
    let backup = timed("backup took", &mut times, back_up(server, store, context)).await?;
    let reference: BackupRef = format!("{}/{}", backup.database, backup.id).parse()?;
    let keys = OpenKeys::default();
    let proof = Box::pin(verify(store, &keys, &reference, context.cancel.clone(), context.monitor.clone()));
    let verified = timed("verify took", &mut times, proof).await?;
    timed("restore took", &mut times, restore_copy(server, store, &reference, context)).await?;
    job.step("compare every row");
    let compared = timed("compare took", &mut times, compare::compare(server, ORIGINAL, COPY)).await?;
    let drill = timed("drill took", &mut times, drill_it(server, store, &reference, context)).await?;
    Ok(Findings { store: store.address().to_owned(), backup, verified, compared, drill, times })
}

async fn back_up(server: &Throwaway, store: &Store, context: &Context) -> Result<BackupSummary> {
    let settings = source::settings(&SecretString::from(server.dsn(ORIGINAL)), &Environment::default())?;
    let reach = Reach::Direct { settings: Box::new(settings), tools_dir: Some(server.bin().to_owned()) };
    // All in the demo's folder: whoever collects a killed demo looks nowhere else.
    let state = tempfile::tempdir_in(server.folder())
        .kind_of(Kind::Failure, || "make a folder for the demo's state".to_owned())?;
    let options = BackupOptions {
        runtime_dir: server.folder().to_owned(),
        cancel: context.cancel.clone(),
        ..BackupOptions::new(state.path())
    };
    Box::pin(backup(&Source::new("demo".parse()?, reach), store, &options, context.monitor.clone())).await
}

async fn restore_copy(
    server: &Throwaway,
    store: &Store,
    reference: &BackupRef,
    context: &Context,
) -> Result<RestoreSummary> {
    let into = source::settings(&SecretString::from(server.dsn(COPY)), &Environment::default())?;
    let options = RestoreOptions { create: true, cancel: context.cancel.clone(), ..RestoreOptions::default() };
    Box::pin(restore(store, reference, &into, &options, context.monitor.clone())).await
}

/// The same proof as every month: in a cluster of its own, by what is in the store alone.
async fn drill_it(server: &Throwaway, store: &Store, reference: &BackupRef, context: &Context) -> Result<DrillReport> {
    let cluster = ClusterOptions {
        dir: server.folder().to_owned(),
        bin_dirs: vec![server.bin().to_owned()],
        ..ClusterOptions::default()
    };
    let assert = Assert {
        name: "orders have customers".to_owned(),
        sql: "SELECT count(*) FROM orders WHERE customer_id IS NULL".to_owned(),
        expect: "= 0".parse()?,
        timeout: Duration::from_secs(10),
    };
    let options = DrillOptions {
        checks: CheckOptions { asserts: vec![assert], ..CheckOptions::default() },
        cancel: context.cancel.clone(),
        ..DrillOptions::new(ScratchOptions::Cluster(cluster), "this machine")
    };
    Box::pin(drill(store, reference, &options, context.monitor.clone())).await
}

async fn timed<T>(
    step: &'static str,
    times: &mut Vec<(&'static str, Duration)>,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let begun = Instant::now();
    let done = work.await?;
    times.push((step, begun.elapsed()));
    Ok(done)
}

const SHOP: &str = include_str!("../../../../fixtures/sql/small.sql");
const ORIGINAL: &str = "shop";
const COPY: &str = "shop_restored";
