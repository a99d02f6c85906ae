//! Carries a restore out: definitions, rows, what stands on rows, the database's own properties, its name.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use lifeboat_core::index::{Content, Range};
use lifeboat_core::monitor::Counter;
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Result, counted};

use super::preflight::Preflight;
use super::rows::Loader;
use super::sql::{Header, SqlRunner};
use super::target::{Target, or_discard};
use super::{MissingRoles, RestoreOptions, RestoreSummary, roles};
use crate::archive::Archive;
use crate::leader::property_statements;
use crate::postgres::{ConnectionSettings, DirectSession, Session, sqlstate_of};

pub(super) async fn apply(
    store: &Store,
    archive: &Archive,
    wanted: &ConnectionSettings,
    options: &RestoreOptions,
    preflight: &Preflight,
    job: &Job,
) -> Result<RestoreSummary> {
    let clock = Instant::now();
    job.expect(Counter::SqlBytes, archive.index.script_bytes);
    job.expect(Counter::Rows, archive.index.rows());
    let header = Header::read(store, archive, job).await?;
    let target = Target::prepare(archive, wanted, options, preflight, job).await?;
    let filling = fill(store, archive, &target, options, preflight, &header, job);
    let passwords_to_set = or_discard(&target, job, filling).await?;
    Ok(RestoreSummary {
        backup: archive.path.to_string(),
        target: wanted.display(),
        tables: archive.index.relations.len(),
        rows: archive.index.rows(),
        sql_bytes: archive.index.script_bytes,
        seconds: clock.elapsed().as_secs_f64(),
        passwords_to_set,
        warnings: archive.index.warnings.clone(),
    })
}

async fn fill(
    store: &Store,
    archive: &Archive,
    target: &Target,
    options: &RestoreOptions,
    preflight: &Preflight,
    header: &Header,
    job: &Job,
) -> Result<Vec<String>> {
    let mut session = target.connect("restore", job).await?;
    let missing = &preflight.missing_roles;
    let creating = roles::create(store, archive, missing, options.roles, &mut session, job);
    let created = job.run(Box::pin(creating)).await?;
    let filled = fill_with(session, store, archive, target, options, header, job).await;
    if filled.is_err() {
        created.tell_what_stays(job);
    }
    filled.map(|()| created.passwords_to_set)
}

async fn fill_with(
    session: DirectSession,
    store: &Store,
    archive: &Archive,
    target: &Target,
    options: &RestoreOptions,
    header: &Header,
    job: &Job,
) -> Result<()> {
    let encoding = header.encoding.clone().unwrap_or_else(|| "UTF8".to_owned());
    let skip_owners = options.roles == MissingRoles::Skip;
    let loader =
        Loader { store, archive, target, header, encoding: &encoding, job, filled: Mutex::new(BTreeSet::new()) };
    let mut sql = SqlRunner { store, archive, job, session, encoding: encoding.clone(), skip_owners };
    let filled = run_script(archive, &loader, &mut sql, options.jobs, job).await;
    if let Err(error) = filled {
        end(sql.session, job).await;
        return Err(if target.is_created() { error } else { empty(&loader, error).await });
    }
    if target.is_created() {
        job.run(Box::pin(set_properties(&mut sql.session, target, archive, skip_owners, job))).await?;
    }
    sql.session.close().await;
    target.publish(job).await
}

/// Ends the session, and the statement that a cancelled run left at work in it: it would hold its locks to its end.
async fn end(session: DirectSession, job: &Job) {
    if job.cancel.is_cancelled() {
        match tokio::time::timeout(CANCEL_WITHIN, session.cancel()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => job.warn(&format!("could not cancel the last statement: {}", error.chain())),
            Err(_) => job.warn("could not cancel the last statement: the server does not answer"),
        }
    }
    // A statement that the server does not give up keeps the session; dropping it is enough for us.
    let _ = tokio::time::timeout(CANCEL_WITHIN, session.close()).await;
}

/// Empties what was filled in a database that was there before; `error` then says how to go on.
async fn empty(loader: &Loader<'_>, error: Error) -> Error {
    loader.job.step("empty the tables that were filled");
    if let Err(error) = loader.empty_filled().await {
        loader.job.warn(&format!("could not empty the tables that were filled: {}", error.chain()));
    }
    let hint = error.help().map_or_else(|| DEFINITIONS_STAY.to_owned(), |help| format!("{help}; {DEFINITIONS_STAY}"));
    error.hint(hint)
}

async fn run_script(
    archive: &Archive,
    loader: &Loader<'_>,
    sql: &mut SqlRunner<'_>,
    jobs: usize,
    job: &Job,
) -> Result<()> {
    let (before, after) = split_at_rows(archive);
    job.step("restore definitions");
    for range in before {
        sql.run(range).await?;
    }
    let (rows, tables) = (archive.index.rows(), archive.index.relations.len() as u64);
    job.step(&format!("load {} of {}", counted(rows, "row"), counted(tables, "table")));
    loader.load(jobs).await?;
    job.step("restore indexes, constraints and what else stands on rows");
    for range in after {
        sql.run(range).await?;
    }
    job.step("analyze");
    job.run(sql.session.execute("ANALYZE")).await
}

/// The ranges of SQL before the first rows, and those after. What stands between rows (values of sequences, large
/// objects, comments) needs definitions only, so it may come after all of them.
fn split_at_rows(archive: &Archive) -> (Vec<&Range>, Vec<&Range>) {
    let ranges = &archive.index.ranges;
    let first_rows = ranges.iter().position(|range| matches!(range.content, Content::Rows(_))).unwrap_or(ranges.len());
    let (before, after) = ranges.split_at(first_rows);
    let after = after.iter().filter(|range| matches!(range.content, Content::Sql { .. }));
    (before.iter().collect(), after.collect())
}

async fn set_properties(
    session: &mut DirectSession,
    target: &Target,
    archive: &Archive,
    skip_owners: bool,
    job: &Job,
) -> Result<()> {
    for statement in property_statements(&target.settings.dbname, &archive.index.database) {
        let owner = crate::script::changes_owner_or_privileges(statement.as_bytes());
        let of_a_role = statement.starts_with("ALTER ROLE ");
        if !(skip_owners && (owner || of_a_role)) {
            set_property(session, &statement, job).await?;
        }
    }
    Ok(())
}

/// A label whose provider the server has not loaded means nothing there: it is told and left out.
async fn set_property(session: &mut DirectSession, statement: &str, job: &Job) -> Result<()> {
    match session.execute(statement).await {
        Err(error) if statement.starts_with("SECURITY LABEL ") && sqlstate_of(&error) == Some(NO_SUCH_PROVIDER) => {
            job.warn(&format!("left out a security label of the database: {}", error.chain()));
            Ok(())
        }
        other => other.map_err(|error| error.while_doing("set the properties of the database")),
    }
}

/// `invalid_parameter_value`.
const NO_SUCH_PROVIDER: &str = "22023";
const CANCEL_WITHIN: Duration = Duration::from_secs(5);
const DEFINITIONS_STAY: &str = "definitions stay in the database: before the next try drop it and create it again, or \
                                restore with --create";
