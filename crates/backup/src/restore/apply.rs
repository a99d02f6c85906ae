//! Carries a restore out: definitions, rows, what stands on rows, the database's own properties, its name.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Instant;

use lifeboat_core::index::{Content, Range};
use lifeboat_core::monitor::Counter;
use lifeboat_core::store::Store;
use lifeboat_core::{Job, Result};

use super::preflight::Preflight;
use super::rows::Loader;
use super::sql::{Header, SqlRunner};
use super::target::{Target, or_discard};
use super::{MissingRoles, RestoreOptions, RestoreSummary, roles};
use crate::archive::Archive;
use crate::leader::property_statements;
use crate::postgres::{ConnectionSettings, DirectSession, Session};

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
    let passwords = roles::create(store, archive, missing, options.roles, &mut session, job).await?;
    let encoding = header.encoding.clone().unwrap_or_else(|| "UTF8".to_owned());
    let skip_owners = options.roles == MissingRoles::Skip;
    let loader =
        Loader { store, archive, target, header, encoding: &encoding, job, filled: Mutex::new(BTreeSet::new()) };
    let mut sql = SqlRunner { store, archive, job, session, encoding: encoding.clone(), skip_owners };
    let filled = run_script(archive, &loader, &mut sql, options.jobs, job).await;
    if let Err(error) = filled {
        if !target.is_created() {
            job.step("empty the tables that were filled");
            if let Err(error) = loader.empty_filled().await {
                job.warn(&format!("could not empty the tables that were filled: {}", error.chain()));
            }
        }
        return Err(error);
    }
    if target.is_created() {
        set_properties(&mut sql.session, target, archive, skip_owners).await?;
    }
    sql.session.close().await;
    target.publish(job).await?;
    Ok(passwords)
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
    job.step(&format!("load {} rows of {} tables", archive.index.rows(), archive.index.relations.len()));
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
) -> Result<()> {
    for statement in property_statements(&target.settings.dbname, &archive.index.database) {
        let owner = crate::script::changes_owner_or_privileges(statement.as_bytes());
        let of_a_role = statement.starts_with("ALTER ROLE ");
        if !(skip_owners && (owner || of_a_role)) {
            session
                .execute(&statement)
                .await
                .map_err(|error| error.while_doing("set the properties of the database"))?;
        }
    }
    Ok(())
}
