//! Restores a file that Lifeboat did not write.
//!
//! Invariant: nothing is restored of a file that is damaged anywhere. It is read whole first, and lies, sealed, in a folder of its
//! own; what is restored from there is proven once more, as of any backup.

use std::sync::Arc;

use lifeboat_core::monitor::Monitor;
use lifeboat_core::{Job, Result};

use super::preflight::Preflight;
use super::{RestoreOptions, RestorePlan, RestoreSummary, plan, preflight, refuse, restore, trusted};
use crate::backup::spool;
use crate::foreign::{ForeignFile, ForeignOptions, Header};
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
    let job = Job::new(Arc::clone(&monitor), options.cancel.clone());
    let looked = look(target, options, &job).await?;
    // The plan has them too, once the file is read.
    looked.refusals.iter().for_each(|refusal| job.warn(&format!("it would be refused: {refusal}")));
    let options = RestoreOptions { called: Some(file.name()), ..options.clone() };
    let spooled = Box::pin(spool(file, foreign, &|_| Ok(()), &job)).await?;
    let options = RestoreOptions { keys: spooled.keys.clone(), ..options };
    if foreign.trust {
        return Box::pin(trusted::plan(&spooled, target, &options, &job)).await;
    }
    plan(&spooled.store, &spooled.reference, target, &options, monitor).await
}

/// Restores a file into `target`: as a backup is restored, or by psql where the script is trusted.
///
/// # Errors
/// [`Policy`](lifeboat_core::Kind::Policy) for a target that is not fit for it, told before the file is read as far as that is possible; those of reading
/// the file, before which nothing is done ([`crate::import()`]), and those of [`restore()`].
pub async fn restore_file(
    file: ForeignFile,
    target: &ConnectionSettings,
    options: &RestoreOptions,
    foreign: &ForeignOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<RestoreSummary> {
    let job = Job::new(Arc::clone(&monitor), options.cancel.clone());
    let name = file.name();
    let looked = look(target, options, &job).await?;
    let server = looked.server_version_num / MAJOR;
    if !looked.refusals.is_empty() {
        return Err(refuse(&name, target, &looked));
    }
    if foreign.trust {
        // Better missed now than behind the file's last byte.
        crate::tools::find(server, foreign.tools_dir.as_deref()).await?;
    }
    if options.create && !foreign.trust {
        job.warn(OF_THE_DATABASE);
    }
    let fits = |header: &Header| match preflight::version_refusal(header.server_major().unwrap_or(0), server) {
        Some((why, hint)) => {
            let looked = Preflight { refusals: vec![why], hints: vec![hint], ..looked.clone() };
            Err(refuse(&name, target, &looked))
        }
        None => Ok(()),
    };
    let spooled = Box::pin(spool(file, foreign, &fits, &job)).await?;
    let options = RestoreOptions { keys: spooled.keys.clone(), called: Some(name), ..options.clone() };
    if foreign.trust {
        Box::pin(trusted::run(&spooled, target, &options, foreign, monitor)).await
    } else {
        Box::pin(restore(&spooled.store, &spooled.reference, target, &options, monitor)).await
    }
}

/// The target comes first: a file may take an hour to read.
async fn look(target: &ConnectionSettings, options: &RestoreOptions, job: &Job) -> Result<Preflight> {
    job.step(&format!("check {}", target.display()));
    job.run(Box::pin(preflight::look(target, options, job))).await
}

const OF_THE_DATABASE: &str = "a dump tells neither settings nor privileges of the database itself (ALTER DATABASE, GRANT ON DATABASE): \
     the new one gets the server's own";
const MAJOR: u32 = 10_000;
