//! Restores a backup into a database, through the index.
//!
//! Invariants: nothing is written before the target passed every check; a COPY is committed only when its bytes, our
//! count of its rows and the server's agree with the index; a statement runs only after its whole range was proven; a
//! database that this run creates bears its final name only when everything is in it.

mod analyze;
mod appeared;
mod apply;
mod copy_in;
mod crew;
mod extensions;
mod foreign;
mod in_force;
mod inert;
mod jobs;
mod maintenance;
mod naming;
mod pieces;
mod preflight;
mod proving;
mod psql_words;
mod replace;
mod roles;
mod rows;
mod schedule;
mod script;
mod sections;
mod select;
mod settings;
mod sql;
mod stand_in;
mod standing;
mod subscriptions;
mod target;
mod trusted;
mod worker;

use std::sync::Arc;

use lifeboat_core::index::DatabaseProperties;
use lifeboat_core::keys::OpenKeys;
use lifeboat_core::monitor::Monitor;
use lifeboat_core::store::{BLOCK_BYTES, Store};
use lifeboat_core::{Error, Job, Kind, Result};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::archive::{Archive, BackupRef, find, or_instead};
use crate::postgres::sqlstate::INSUFFICIENT_PRIVILEGE;
use crate::postgres::{ConnectionSettings, Retry, sqlstate_of};
pub use foreign::{plan_file, restore_file};
pub use maintenance::{connect_beside, drop_database};
use preflight::Preflight;
pub use preflight::user_objects;
pub use replace::{
    Connected, Disk, KeptDatabase, Pins, ReplaceOptions, ReplacePlan, ReplaceSummary, SafetyBackup, UndoOptions,
    UndoPlan, UndoSummary, is_safety, plan_replace, plan_undo, replace, undo_replace,
};
use select::Part;
pub use select::{LeftOut, SchemaName, Selection, TableName};
pub use sql::row_encoding;
pub use stand_in::StandIn;
pub use subscriptions::drop_subscriptions;
pub use target::locale_options;

/// How a backup is restored.
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// Create the database; without it the database must be there and be empty.
    pub create: bool,
    /// Sessions that load rows and build indexes at once.
    pub jobs: usize,
    /// What to do about roles that the target does not have.
    pub roles: MissingRoles,
    /// Leave out what would reach out of the database or act in it by itself: user mappings, and the rows of materialized views
    /// that cannot be had without them. Background workers of TimescaleDB are ended before rows are loaded. For drills.
    pub inert: bool,
    /// The target's server goes when the restore is over: nothing that it is left with, such as roles, is anybody's concern. For
    /// drills.
    pub server_goes: bool,
    /// Which part of the backup is restored; by default all of it.
    pub select: Selection,
    /// The created database is to take another one's place: it gets that one's properties instead of the source's, and the name it
    /// is given from the beginning, for that is not the one it is to have. What [`replace()`] does.
    pub stand_in: Option<StandIn>,
    /// What messages and results call the backup, where it is a file.
    pub called: Option<String>,
    /// When a failed connection is tried again.
    pub connect_retry: Retry,
    /// What opens encrypted backups, and what is demanded of any.
    pub keys: OpenKeys,
    /// Ends the restore early.
    pub cancel: CancellationToken,
}

impl RestoreOptions {
    fn called(&self, archive: &Archive) -> String {
        self.called.clone().unwrap_or_else(|| archive.path.to_string())
    }

    /// What belongs to the database itself and not to what is in it.
    fn properties<'a>(&'a self, archive: &'a Archive) -> &'a DatabaseProperties {
        self.stand_in.as_ref().map_or(&archive.index.database, |stand_in| &stand_in.properties)
    }
}

impl Default for RestoreOptions {
    fn default() -> Self {
        Self {
            create: false,
            jobs: 2,
            roles: MissingRoles::default(),
            inert: false,
            server_goes: false,
            select: Selection::default(),
            stand_in: None,
            called: None,
            connect_retry: Retry::default(),
            keys: OpenKeys::default(),
            cancel: CancellationToken::new(),
        }
    }
}

/// What to do about roles that own something in the backup and are missing at the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum MissingRoles {
    /// Refuse to restore, and list them.
    #[default]
    Refuse,
    /// Create them as they were, without passwords.
    Create,
    /// Create them without the right to log in.
    Stub,
    /// Restore without owners and privileges.
    Skip,
}

/// What a restore would do.
#[derive(Clone, Debug, Serialize)]
pub struct RestorePlan {
    /// The backup.
    pub backup: String,
    /// Where it would go.
    pub target: String,
    /// Whether the database would be created.
    pub creates: bool,
    /// Version of the target server.
    pub server_version_num: u32,
    /// Tables.
    pub tables: usize,
    /// Rows.
    pub rows: u64,
    /// Bytes that would be fetched.
    pub fetched_bytes: u64,
    /// SQL bytes that would be run.
    pub sql_bytes: u64,
    /// What the database took at the source, indexes included.
    pub database_bytes: Option<u64>,
    /// Roles that would be created.
    pub roles: Vec<String>,
    /// Most memory the restore will take.
    pub memory_bytes: u64,
    /// What of the selected tables would be left out.
    pub left_out: Vec<LeftOut>,
    /// Why it would be refused; empty when it would run.
    pub refusals: Vec<String>,
    /// What to do about each.
    pub hints: Vec<String>,
}

/// What was restored.
#[derive(Clone, Debug, Serialize)]
pub struct RestoreSummary {
    /// The backup.
    pub backup: String,
    /// Where it went.
    pub target: String,
    /// Tables.
    pub tables: usize,
    /// Rows, each proven before it was committed.
    pub rows: u64,
    /// SQL bytes run.
    pub sql_bytes: u64,
    /// Seconds from start to the final name.
    pub seconds: f64,
    /// Roles that can log in and came back without a password: an ALTER ROLE line for each.
    pub passwords_to_set: Vec<String>,
    /// What of the selected tables was left out.
    pub left_out: Vec<LeftOut>,
    /// What the selected tables need and was there already; it was taken as it is.
    pub used: Vec<String>,
    /// Tables and views that were made, without rows, because what was selected needs them.
    pub without_rows: Vec<String>,
    /// What the operator should know.
    pub warnings: Vec<String>,
}

/// Finds out what a restore would do, and changes nothing.
///
/// # Errors
/// Those of finding the backup and of connecting; what would be refused is in the plan.
pub async fn plan(
    store: &Store,
    reference: &BackupRef,
    target: &ConnectionSettings,
    options: &RestoreOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<RestorePlan> {
    let job = Job::new(monitor, options.cancel.clone());
    let archive = find(store, &options.keys, &job, reference).await?;
    let part = job.run(Box::pin(selected(store, &archive, target, options, &job))).await?;
    let preflight = job.run(preflight::check(store, &archive, target, options, part.as_ref(), &job)).await?;
    Ok(describe(&archive, target, options, part.as_ref(), preflight))
}

/// Restores the backup that `reference` names into `target`.
///
/// # Errors
/// [`Kind::Policy`] with every reason when the target is not fit for it; [`Kind::Integrity`] when the backup is damaged.
/// A database that this call created is dropped then; in one that was there, the tables it filled are emptied.
pub async fn restore(
    store: &Store,
    reference: &BackupRef,
    target: &ConnectionSettings,
    options: &RestoreOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<RestoreSummary> {
    let job = Job::new(monitor, options.cancel.clone());
    let archive = find(store, &options.keys, &job, reference).await?;
    job.step(&format!("check {}", target.display()));
    let part = job.run(Box::pin(selected(store, &archive, target, options, &job))).await?;
    let preflight = job.run(preflight::check(store, &archive, target, options, part.as_ref(), &job)).await?;
    if !preflight.refusals.is_empty() {
        return Err(refuse(&options.called(&archive), target, &preflight));
    }
    let applied = match part {
        Some(part) if !options.create => {
            Box::pin(select::apply(store, &archive, target, options, &preflight, &part, &job)).await
        }
        part => Box::pin(apply::apply(store, &archive, target, options, &preflight, part.as_ref(), &job)).await,
    };
    or_instead(store, &job, &archive.path, applied).await
}

/// What the options select; `None` for all of it.
async fn selected(
    store: &Store,
    archive: &Archive,
    target: &ConnectionSettings,
    options: &RestoreOptions,
    job: &Job,
) -> Result<Option<Part>> {
    let selection = &options.select;
    if *selection == Selection::default() {
        return Ok(None);
    }
    if selection.data_only && options.create {
        return Err(Error::new(Kind::Usage, "load rows alone into a database that is to be created"));
    }
    // Names in another encoding than UTF-8 are converted by the server.
    let mut session = preflight::connect_to(target, options, job).await?;
    let part = Part::of(store, archive, selection, &mut session, job).await?;
    session.close().await;
    match part.hypertables(&archive.index) {
        names if names.is_empty() => Ok(Some(part)),
        names => Err(extensions::is_hypertable(&names)),
    }
}

fn describe(
    archive: &Archive,
    target: &ConnectionSettings,
    options: &RestoreOptions,
    part: Option<&Part>,
    preflight: Preflight,
) -> RestorePlan {
    let index = &archive.index;
    let whole = || archive.manifest.script.iter().map(|object| object.length).sum();
    RestorePlan {
        backup: options.called(archive),
        target: target.display(),
        creates: options.create,
        server_version_num: preflight.server_version_num,
        tables: part.map_or(index.relations.len(), Part::tables_count),
        rows: part.map_or_else(|| index.rows(), |part| part.rows(index)),
        fetched_bytes: part.map_or_else(whole, |part| part.fetched_bytes(archive)),
        sql_bytes: part.map_or(index.script_bytes, |part| part.sql_bytes(index)),
        database_bytes: index.source.as_ref().filter(|_| part.is_none()).map(|source| source.size_bytes),
        roles: preflight.roles_to_create(options.roles),
        memory_bytes: memory_bytes(archive, part, options),
        left_out: part.map_or_else(Vec::new, |part| part.left_out.clone()),
        refusals: preflight.refusals,
        hints: preflight.hints,
    }
}

fn refuse(called: &str, target: &ConnectionSettings, preflight: &Preflight) -> Error {
    let doing = format!("restore {called} into {}: {}", target.display(), preflight.refusals.join("; "));
    Error::new(Kind::Policy, doing).hint(preflight.hints.join("; "))
}

/// What a role lacks in a restore is never the right to read.
fn with_rights_hint(error: Error) -> Error {
    if sqlstate_of(&error) == Some(INSUFFICIENT_PRIVILEGE) { error.hint(RIGHTS) } else { error }
}

const RIGHTS: &str = "grant the role that restores membership in the role that the message or the statement names, or what \
                      else it lacks; or connect as a superuser, or leave owners out with --roles skip";

/// Each session reads a few blocks ahead; a row passes through twice. Statements that stand on rows wait in memory.
fn memory_bytes(archive: &Archive, part: Option<&Part>, options: &RestoreOptions) -> u64 {
    let whole = || sections::Sections::of(&archive.index).on_rows.sql_bytes();
    let waiting = part.map_or_else(whole, Part::memory_bytes);
    (options.jobs as u64 + 1) * 4 * BLOCK_BYTES + waiting + PROGRAM_BYTES
}

const PROGRAM_BYTES: u64 = 32 << 20;
