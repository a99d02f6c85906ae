//! Carries a restore out: definitions, rows, what stands on rows, the database's own properties, its name.

use std::sync::atomic::AtomicBool;
use std::time::Instant;

use futures_util::future::join_all;
use lifeboat_core::index::DatabaseProperties;
use lifeboat_core::monitor::Counter;
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Result};

use super::inert::Inert;
use super::preflight::Preflight;
use super::rows::Loader;
use super::script::Script;
use super::select::Part;
use super::sql::Sql;
use super::target::{Target, or_discard};
use super::worker::Worker;
use super::{MissingRoles, RestoreOptions, RestoreSummary, roles, script, with_rights_hint};
use crate::archive::Archive;
use crate::leader::property_statements;
use crate::postgres::{ConnectionSettings, DirectSession, Session, quote_ident, sqlstate_of};

pub(super) async fn apply(
    store: &Store,
    archive: &Archive,
    wanted: &ConnectionSettings,
    options: &RestoreOptions,
    preflight: &Preflight,
    part: Option<&Part>,
    job: &Job,
) -> Result<RestoreSummary> {
    let clock = Instant::now();
    let script = match part {
        Some(part) => part.script(&archive.index),
        None => Script::whole(store, archive, job).await?,
    };
    job.expect(Counter::SqlBytes, script.sql_bytes);
    job.expect(Counter::Rows, script.rows);
    let target = Target::prepare(archive, wanted, options, preflight, job).await?;
    let filling = fill(store, archive, &target, options, preflight, &script, job);
    let passwords_to_set = or_discard(&target, job, filling).await?;
    Ok(RestoreSummary {
        backup: options.called(archive),
        target: wanted.display(),
        tables: script.tables,
        rows: script.rows,
        sql_bytes: script.sql_bytes,
        seconds: clock.elapsed().as_secs_f64(),
        passwords_to_set,
        left_out: part.map_or_else(Vec::new, |part| part.left_out.clone()),
        used: Vec::new(),
        without_rows: part.map_or_else(Vec::new, Part::without_rows),
        warnings: archive.index.warnings.clone(),
    })
}

async fn fill(
    store: &Store,
    archive: &Archive,
    target: &Target,
    options: &RestoreOptions,
    preflight: &Preflight,
    script: &Script<'_>,
    job: &Job,
) -> Result<Vec<String>> {
    let mut worker = Worker::open(target, "restore", options.jobs, job).await?;
    let missing = &preflight.missing_roles;
    let creating = roles::create(store, archive, missing, options.roles, &mut worker.session, job);
    let created = job.run(Box::pin(creating)).await?;
    let filled = fill_with(worker, store, archive, target, options, script, job).await;
    if filled.is_err() && !options.server_goes {
        created.tell_what_stays(job);
    }
    filled.map(|()| created.passwords_to_set)
}

async fn fill_with(
    worker: Worker,
    store: &Store,
    archive: &Archive,
    target: &Target,
    options: &RestoreOptions,
    script: &Script<'_>,
    job: &Job,
) -> Result<()> {
    let skip_owners = options.roles == MissingRoles::Skip;
    let properties = options.properties(archive);
    // The roles of a database whose place it is to take are there.
    let is_stand_in = options.stand_in.is_some();
    let skip_roles = skip_owners && !is_stand_in;
    let mut loader = Loader::new(store, archive, target, script.header.encoding(), job);
    let inert = options.inert.then(Inert::default);
    let sql = Sql {
        store,
        archive,
        job,
        encoding: script.encoding.clone(),
        skip_owners,
        inert,
        told_of_the_servers: AtomicBool::default(),
    };
    let mut workers = vec![worker];
    if target.is_created() && !skip_roles {
        job.run(Box::pin(give_to_owner(&mut workers[0].session, target, properties))).await?;
    }
    // Dropped where it stands when the job is cancelled: what the sessions are at is ended then, by name.
    let running = script::run(script, &mut loader, &sql, &mut workers, options.jobs.max(1), job);
    if let Err(error) = job.run(Box::pin(running)).await {
        join_all(workers.into_iter().map(|worker| worker.abandon(job))).await;
        let error = with_rights_hint(error);
        return Err(if target.is_created() { error } else { empty(&loader, error).await });
    }
    if target.is_created()
        && let Some(worker) = workers.first_mut()
    {
        job.run(Box::pin(set_properties(&mut worker.session, target, properties, skip_roles, is_stand_in, job)))
            .await?;
    }
    join_all(workers.into_iter().map(|worker| worker.session.close())).await;
    target.publish(job).await
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

/// From 15 on the schema `public` is the owner's of the database: nothing in it can be given to a role that is not.
async fn give_to_owner(session: &mut DirectSession, target: &Target, properties: &DatabaseProperties) -> Result<()> {
    let Some(owner) = &properties.owner else { return Ok(()) };
    let (name, quoted) = (quote_ident(&target.settings.dbname), quote_ident(owner));
    let given = session.execute(&format!("ALTER DATABASE {name} OWNER TO {quoted}")).await;
    given.map_err(|error| with_rights_hint(error.while_doing(format!("give the database to {owner}"))))
}

/// A stand-in gets all but its labels with the name, as they are then: what there was hours ago may be gone, such as a role.
async fn set_properties(
    session: &mut DirectSession,
    target: &Target,
    properties: &DatabaseProperties,
    skip_roles: bool,
    is_stand_in: bool,
    job: &Job,
) -> Result<()> {
    for statement in property_statements(&target.settings.dbname, properties) {
        if is_stand_in && !is_label(&statement) {
            continue;
        }
        let owner = crate::script::changes_owner_or_privileges(statement.as_bytes());
        let of_a_role = statement.starts_with("ALTER ROLE ");
        if !(skip_roles && (owner || of_a_role)) {
            set_property(session, &statement, job).await?;
        }
    }
    Ok(())
}

fn is_label(statement: &str) -> bool {
    statement.starts_with("SECURITY LABEL ")
}

/// A label whose provider the server has not loaded means nothing there: it is told and left out.
async fn set_property(session: &mut DirectSession, statement: &str, job: &Job) -> Result<()> {
    match session.execute(statement).await {
        Err(error) if is_label(statement) && sqlstate_of(&error) == Some(NO_SUCH_PROVIDER) => {
            job.warn(&format!("left out a security label of the database: {}", error.chain()));
            Ok(())
        }
        other => other.map_err(|error| with_rights_hint(error.while_doing("set the properties of the database"))),
    }
}

/// `invalid_parameter_value`.
const NO_SUCH_PROVIDER: &str = "22023";
const DEFINITIONS_STAY: &str = "definitions stay in the database: before the next try drop it and create it again, or \
                                restore with --create";
