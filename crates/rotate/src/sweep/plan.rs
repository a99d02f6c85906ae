//! What a rotation would do, and what stands in its way: reads the catalog and a sample, writes nothing.

mod model;

use jiff::Timestamp;
use lifeboat_backup::postgres::{ConnectionSettings, DirectSession, Session as _};
use lifeboat_core::{Error, Job, Result};

pub use self::model::{ColumnPlan, Plan, Relation, Rows, Sampled, TargetPlan, Trigger};
use super::again::finalized;
use super::binding::refuse_to_unbind;
use super::book::Entry;
use super::catalog::{self, FactTrigger, Swept, Use};
use super::errand::{Errand, errands};
use super::leader::Leader;
use super::options::{Mode, SweepOptions};
use super::overlap::refuse_overlap;
use super::rivals::{Moment, Rivals, look_for_rivals};
use super::run::too_narrow;
use super::schema;
use super::target::Target;
use super::under_way::{admitted, mode as modes};

/// Looks at every target: tables, rights, triggers, and a sample of values tried with both keys.
///
/// # Errors
/// [`Kind::Database`](lifeboat_core::Kind::Database) when the server cannot be asked, and whatever is wrong with the keys or the
/// names. What stands in the rotation's way is no error here: it is in the plan.
pub async fn plan(
    settings: &ConnectionSettings,
    targets: &[Target],
    options: &SweepOptions,
    job: &Job,
) -> Result<Plan> {
    let mut leader = Leader::open(settings, options, job).await?;
    let errands = errands(leader.session()?, targets, options).await?;
    // Whoever may not read the book is told what else there is to tell.
    let is_closed = schema::is_closed(leader.session()?).await?;
    let begun = if is_closed { errands.iter().map(|_| None).collect() } else { leader.begun(&errands).await? };
    let mut general = general_refusals(leader.session()?).await?;
    let mode = modes(&begun, options).unwrap_or_else(|error| {
        general.push(told(&error));
        Mode::default()
    });
    let options = SweepOptions { mode: Some(mode), ..options.clone() };
    let mut planned = Vec::new();
    for (errand, entry) in errands.iter().zip(begun) {
        job.step(&format!("look at {}", errand.target));
        let mut target = planned_one(&mut leader, errand, entry, &options, job).await?;
        if !is_closed {
            target.refusals.extend(in_the_way(leader.session()?, errand, &errands, &options).await);
            target.remarks.extend(finalized(&mut leader, errand).await?.map(over));
        }
        target.refusals.extend(general.iter().cloned());
        planned.push(target);
    }
    let remarks = server_remarks(leader.session()?).await?;
    let running = schema::is_locked(leader.session()?).await?;
    leader.close().await;
    Ok(Plan { mode, running, targets: planned, remarks })
}

async fn planned_one(
    leader: &mut Leader,
    errand: &Errand<'_>,
    entry: Option<Entry>,
    options: &SweepOptions,
    job: &Job,
) -> Result<TargetPlan> {
    let target = errand.target;
    let mut refusals = catalog::refusals(&errand.found, target, Use::of(options.mode.unwrap_or_default()));
    let (mut sample, mut rivals) = (Sampled::default(), Rivals::default());
    let begun = std::slice::from_ref(&entry);
    let admitted = admitted(std::slice::from_ref(errand), begun, options);
    refusals.extend(admitted.err().map(|error| told(&error)));
    if catalog::refusals(&errand.found, target, Use::Read).is_empty() {
        sample = leader.sample(errand).await?;
        let has_written = entry.as_ref().is_some_and(|entry| entry.written() > 0);
        let wrong = errand.refuse_wrong_keys(&sample).err().filter(|_| !has_written);
        refusals.extend(wrong.map(|error| told(&error)));
        refusals.extend(too_narrow(leader, errand, entry.as_ref()).await?);
        rivals = look_for_rivals(leader.session()?, errand, Moment::of(entry.as_ref()), job).await?;
    }
    refusals.extend(rivals.refusals);
    let mut remarks = catalog::remarks(&errand.found, target);
    remarks.extend(rivals.remarks);
    remarks.extend(errand.doubtful_old_key(&sample));
    if sample.rows > 0 && sample.counts.empty == sample.rows {
        remarks.push(format!("nothing was found where the layout {} looks for values", target.layout));
    }
    let rows = errand.relations.iter().fold(Rows::default(), |all, swept| Rows {
        estimate: all.estimate + swept.rows,
        bytes: all.bytes + swept.bytes,
    });
    Ok(TargetPlan {
        target: target.to_string(),
        table: target.table.clone(),
        columns: columns(errand),
        layout: target.layout.to_string(),
        old_key: errand.old_key.clone(),
        new_key: errand.new_key.clone(),
        under_way: entry.map(Entry::status),
        relations: errand.relations.iter().map(|swept| relation(swept)).collect(),
        rows,
        triggers: errand.found.facts.iter().flat_map(|fact| fact.triggers.iter().map(trigger)).collect(),
        indexes: indexes(errand),
        sample,
        refusals,
        remarks,
    })
}

fn over(at: Timestamp) -> String {
    let at = at.strftime("%Y-%m-%dT%H:%M:%SZ");
    format!("its rotation was finalized at {at}: another begins only when a value is under the old key")
}

/// Other rotations that a target cannot be rotated beside.
async fn in_the_way(
    session: &mut DirectSession,
    errand: &Errand<'_>,
    asked: &[Errand<'_>],
    options: &SweepOptions,
) -> Vec<String> {
    let overlap = refuse_overlap(session, std::slice::from_ref(errand)).await;
    let unbinding = refuse_to_unbind(session, errand, asked, &options.declared).await;
    [overlap, unbinding].into_iter().filter_map(Result::err).map(|error| told(&error)).collect()
}

/// An error as a refusal, with what to do about it.
fn told(error: &Error) -> String {
    match error.help() {
        Some(help) => format!("{}; {help}", error.chain()),
        None => error.chain(),
    }
}

fn columns(errand: &Errand<'_>) -> Vec<ColumnPlan> {
    let known = errand.found.facts.first().map(|fact| fact.columns.as_slice()).unwrap_or_default();
    let plan = |name: String| {
        let kind = known.iter().find(|column| column.name == name).map(|column| column.kind.clone());
        ColumnPlan { name, kind: kind.unwrap_or_default() }
    };
    errand.target.value_columns().into_iter().map(plan).collect()
}

fn relation(swept: &Swept) -> Relation {
    Relation {
        name: swept.name.clone(),
        key: swept.key.iter().map(|key| key.name.clone()).collect(),
        order: swept.order,
        rows: Rows { estimate: swept.rows, bytes: swept.bytes },
    }
}

fn trigger(trigger: &FactTrigger) -> Trigger {
    Trigger { name: trigger.name.clone(), function: trigger.function.clone(), before: trigger.before }
}

fn indexes(errand: &Errand<'_>) -> Vec<String> {
    let values = errand.target.value_columns();
    let indexes = errand.found.facts.iter().flat_map(|fact| &fact.indexes);
    let over = indexes.filter(|index| index.columns.iter().any(|column| values.contains(column)));
    over.map(|index| index.name.clone()).collect()
}

/// What stands in every target's way.
async fn general_refusals(session: &mut DirectSession) -> Result<Vec<String>> {
    let mut refusals = Vec::new();
    refusals.extend(unwritable(session));
    refusals.extend(schema::impossible(session).await?);
    Ok(refusals)
}

/// Why nothing can be written on this server.
pub(super) fn unwritable(session: &DirectSession) -> Option<String> {
    let server = session.server();
    match (server.in_recovery, server.read_only) {
        (true, _) => Some("the server is a standby: connect to its primary".to_owned()),
        (_, true) => Some(
            "the session is read-only: look at default_transaction_read_only of the role and the database".to_owned(),
        ),
        _ => None,
    }
}

async fn server_remarks(session: &mut DirectSession) -> Result<Vec<String>> {
    let query = "SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_replication";
    let standbys = session.text(query).await?.and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    let remark = format!("{standbys} standbys or receivers follow this server: the sweep waits when one lags behind");
    Ok(if standbys > 0 { vec![remark] } else { Vec::new() })
}
