//! `lifeboat backup`.

use std::num::NonZeroUsize;
use std::sync::Arc;

use lifeboat_backup::backup::{BackupPlan, plan};
use lifeboat_backup::postgres::Retry;
use lifeboat_backup::{BackupOptions, BackupSummary, Source, backup_all};
use lifeboat_core::manifest::Method;
use lifeboat_core::store::{Store, UploadOptions};
use lifeboat_core::{Error, Kind, Name, Result};
use serde_json::json;

use super::{Context, list, source};
use crate::cli::BackupArgs;
use crate::config::Config;
use crate::exit::Exit;
use crate::output::table::{Align, facts, render};
use crate::output::{Outcome, units};

/// Backs up the selected databases, one after another.
///
/// # Errors
/// The first database's error, when none was backed up.
pub(super) async fn run(args: &BackupArgs, context: &Context) -> Result<Outcome> {
    let config = context.config(args.flags(&context.global))?;
    let databases = source::selected(&config, &args.databases)?;
    let store = config.store.create(&context.environment).await?;
    let seal = config.encryption.seal_keys(&context.environment).await?.map(Arc::new);
    if let Some(warning) = config.encryption.untrusted_warning(seal.as_deref()) {
        context.job().warn(warning);
    }
    let options = BackupOptions { seal, ..options(&config, &store, context) };
    let mut sources = Vec::new();
    for database in databases {
        sources.push((database.name.value.clone(), source::source(database, &context.environment).await));
    }
    if args.dry_run {
        return dry_run(sources, &store, &options, context).await;
    }
    let summary = Box::pin(backup_all(sources, &store, &options, context.monitor.clone())).await?;
    conclude(summary.results, context)
}

/// How backups are taken, as the configuration says.
pub(super) fn options(config: &Config, store: &Store, context: &Context) -> BackupOptions {
    let stall_timeout = config.stall_timeout();
    let config = &config.backup;
    BackupOptions {
        class: config.class.value.clone(),
        method: config.method.value,
        compression: config.compression.value,
        jobs: config.jobs.as_ref().and_then(|jobs| NonZeroUsize::try_from(jobs.value).ok()),
        upload: UploadOptions {
            parts_in_flight: config.parts_in_flight.value.get() as usize,
            ..UploadOptions::of(store)
        },
        lock_timeout: config.lock_timeout.value,
        stall_timeout,
        yield_to_ddl: config.yield_to_ddl.value,
        snapshot_max_age: config.snapshot_max_age.value,
        connect_retry: Retry::default(),
        runtime_dir: config.runtime_dir.value.clone(),
        cancel: context.cancel.clone(),
        ..BackupOptions::new(config.state_dir.value.clone())
    }
}

async fn dry_run(
    databases: Vec<(Name, Result<Source>)>,
    store: &Store,
    options: &BackupOptions,
    context: &Context,
) -> Result<Outcome> {
    let mut results = Vec::new();
    for (name, source) in databases {
        let planned = match source {
            Ok(source) => plan(&source, store, options, &context.job()).await,
            Err(error) => Err(error),
        };
        let planned = planned.map_err(|error| error.while_doing(format!("plan the backup of {name}")));
        results.push((name, planned));
    }
    let Ended { done, failed, exit } = Ended::of(results, context)?;
    let text: Vec<_> = done.iter().map(plan_text).collect();
    let note = "\nNothing was changed: this was a dry run.\n";
    let json = json!({"dry_run": true, "plans": done, "failed": failed});
    Ok(Outcome { text: text.join("\n") + note, json, exit })
}

fn plan_text(plan: &BackupPlan) -> String {
    let unknown = || "unknown".to_owned();
    facts(&[
        ("database", format!("{} ({})", plan.database, plan.reached)),
        ("store", plan.store.clone()),
        ("method", method_text(plan)),
        ("tool", plan.pg_dump.clone()),
        ("tables", plan.tables.map_or_else(unknown, |tables| units::count(tables as u64))),
        (
            "size",
            plan.database_bytes
                .map_or_else(unknown, |bytes| format!("{} on the server, indexes included", units::size(bytes))),
        ),
        ("memory", format!("{} at most", units::size(plan.memory_bytes))),
    ])
}

fn method_text(plan: &BackupPlan) -> String {
    match (plan.method, &plan.method_reason) {
        (Method::Parallel, _) if plan.workers == 1 => "parallel, over 1 connection".to_owned(),
        (Method::Parallel, _) => format!("parallel, over {} connections", plan.workers),
        (Method::Stream, None) => "stream".to_owned(),
        (Method::Stream, Some(reason)) => format!("stream: {reason}"),
    }
}

fn conclude(results: Vec<(Name, Result<BackupSummary>)>, context: &Context) -> Result<Outcome> {
    let Ended { done, failed, exit } = Ended::of(results, context)?;
    Ok(Outcome { text: summary_text(&done), json: json!({"backups": done, "failed": failed}), exit })
}

/// What became of several databases.
struct Ended<T> {
    done: Vec<T>,
    failed: Vec<serde_json::Value>,
    exit: Exit,
}

impl<T> Ended<T> {
    /// One failure among several databases is exit code 3, and each failure is told; one among one is its own.
    fn of(results: Vec<(Name, Result<T>)>, context: &Context) -> Result<Self> {
        let total = results.len();
        let mut done = Vec::new();
        let mut failed = Vec::new();
        for (name, result) in results {
            match result {
                Ok(summary) => done.push(summary),
                Err(error) => failed.push((name, error)),
            }
        }
        let cancelled = failed.iter().position(|(_, error)| error.kind() == Kind::Cancelled);
        if let Some(at) = cancelled.or_else(|| (total == 1 && done.is_empty()).then_some(0)) {
            return Err(failed.swap_remove(at).1);
        }
        for (_, error) in &failed {
            context.console.line(crate::output::error_text(error, context.style.stderr_colour).trim_end());
        }
        let exit = match failed.first() {
            None => Exit::Success,
            Some(_) if !done.is_empty() => Exit::Failed(Kind::Partial),
            Some((_, error)) => Exit::Failed(error.kind()),
        };
        Ok(Self { done, failed: failed.iter().map(|(name, error)| error_json(name, error)).collect(), exit })
    }
}

fn error_json(name: &Name, error: &Error) -> serde_json::Value {
    let exit = Exit::Failed(error.kind());
    json!({
        "database": name,
        "exit_code": exit.code(),
        "exit_kind": exit.name(),
        "error": error.chain(),
        "hint": error.help(),
    })
}

/// A line for each backup.
pub(super) fn summary_text(done: &[BackupSummary]) -> String {
    if done.is_empty() {
        return String::new();
    }
    let head = [
        ("BACKUP", Align::Left),
        ("CLASS", Align::Left),
        ("TABLES", Align::Right),
        ("ROWS", Align::Right),
        ("SQL", Align::Right),
        ("STORED", Align::Right),
        ("KEYS", Align::Left),
        ("TIME", Align::Right),
    ];
    let row = |summary: &BackupSummary| {
        vec![
            format!("{}/{}", summary.database, summary.id),
            summary.class.to_string(),
            units::count(summary.tables as u64),
            units::count(summary.rows),
            units::size(summary.sql_bytes),
            units::size(summary.stored_bytes),
            list::keys(&summary.keys),
            units::duration(std::time::Duration::from_secs_f64(summary.seconds.max(0.0))),
        ]
    };
    render(&head, &done.iter().map(row).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use lifeboat_backup::BackupSummary;
    use lifeboat_core::manifest::Manifest;
    use serde_json::json;

    use super::summary_text;

    fn summary(keys: &[&str]) -> BackupSummary {
        let id = "20261121T021700Z-7f3a9c";
        let at = "2026-11-21T02:17:00Z";
        let manifest: Manifest = serde_json::from_value(json!({
            "format": 1, "tool": "lifeboat 0.1.0", "id": id, "run": id, "database": "shop", "class": "daily",
            "method": "stream", "compression": "gzip", "script": [], "attachments": [],
            "started": at, "snapshot": at, "finished": at,
        }))
        .unwrap();
        BackupSummary {
            database: manifest.database.clone(),
            id: manifest.id.clone(),
            class: manifest.class.clone(),
            method: manifest.method,
            snapshot: manifest.snapshot,
            tables: 4,
            rows: 40_500,
            sql_bytes: 1 << 20,
            stored_bytes: 1 << 18,
            seconds: 1.5,
            keys: keys.iter().map(|key| key.parse().unwrap()).collect(),
            warnings: Vec::new(),
            manifest,
        }
    }

    #[test]
    fn a_backup_says_which_keys_open_it() {
        let expected = "\
BACKUP                        CLASS  TABLES    ROWS       SQL   STORED  KEYS           TIME
shop/20261121T021700Z-7f3a9c  daily       4  40,500  1.00 MiB  256 KiB  2026-11 ring  1.5 s
shop/20261121T021700Z-7f3a9c  daily       4  40,500  1.00 MiB  256 KiB  -             1.5 s
";
        assert_eq!(summary_text(&[summary(&["2026-11", "ring"]), summary(&[])]), expected);
    }
}
