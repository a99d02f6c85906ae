//! Restores a file that Lifeboat did not write.
//!
//! Invariant: nothing is restored of a file that is damaged anywhere. It is read whole first, and lies, sealed, in a folder of its
//! own; what is restored from there is proven once more, as of any backup.

use std::sync::Arc;

use lifeboat_core::monitor::Monitor;
use lifeboat_core::{Error, Job, Result};

use super::{RestoreOptions, RestorePlan, RestoreSummary, plan, preflight, restore, trusted};
use crate::backup::{Spooled, spool};
use crate::foreign::{ForeignFile, ForeignOptions};
use crate::postgres::ConnectionSettings;

/// Finds out what restoring a file would do, and changes nothing; the file is read whole for it.
///
/// # Errors
/// Those of reading the file ([`crate::import()`]) and of connecting; what would be refused is in the plan.
pub async fn plan_file(
    file: ForeignFile,
    target: &ConnectionSettings,
    options: &RestoreOptions,
    foreign: &ForeignOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<RestorePlan> {
    let (name, spooled) = spooled(file, target, options, foreign, &monitor).await?;
    let options = RestoreOptions { keys: spooled.keys.clone(), ..options.clone() };
    let planned = plan(&spooled.store, &spooled.reference, target, &options, monitor).await;
    planned.map(|plan| RestorePlan { backup: name.clone(), ..plan }).map_err(|error| of_file(&name, error))
}

/// Restores a file into `target`: as a backup is restored, or by psql where the script is trusted.
///
/// # Errors
/// Those of reading the file, before which nothing is done ([`crate::import()`]), and those of [`restore()`].
pub async fn restore_file(
    file: ForeignFile,
    target: &ConnectionSettings,
    options: &RestoreOptions,
    foreign: &ForeignOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<RestoreSummary> {
    let (name, spooled) = spooled(file, target, options, foreign, &monitor).await?;
    let options = RestoreOptions { keys: spooled.keys.clone(), ..options.clone() };
    let restored = if foreign.trust {
        Box::pin(trusted::run(&spooled, target, &options, foreign, monitor)).await
    } else {
        Box::pin(restore(&spooled.store, &spooled.reference, target, &options, monitor)).await
    };
    restored.map(|summary| RestoreSummary { backup: name.clone(), ..summary }).map_err(|error| of_file(&name, error))
}

/// The server is asked first: a file may take an hour to read.
async fn spooled(
    file: ForeignFile,
    target: &ConnectionSettings,
    options: &RestoreOptions,
    foreign: &ForeignOptions,
    monitor: &Arc<dyn Monitor>,
) -> Result<(String, Spooled)> {
    let job = Job::new(Arc::clone(monitor), options.cancel.clone());
    let name = file.name();
    job.step(&format!("connect to {}", target.display()));
    job.run(preflight::connect_to(target, options, &job)).await?.close().await;
    let spooled = Box::pin(spool(file, foreign, &job)).await?;
    Ok((name, spooled))
}

fn of_file(name: &str, error: Error) -> Error {
    error.while_doing(format!("restore {name}"))
}
