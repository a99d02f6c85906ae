//! The mode staged: new values are made beside the table while the application runs with its old key, and put in place in one
//! short transaction, after which it is started with the new one. Old values are kept until the rotation is over.

use std::sync::Arc;

use lifeboat_backup::postgres::Session as _;
use lifeboat_core::monitor::Counter;
use lifeboat_core::{Error, Job, Kind, Result};

use super::book::{self, Entry};
use super::catalog::{self, Swept};
use super::culprit::culprit;
use super::errand::Errand;
use super::lane::Lane;
use super::leader::Leader;
use super::online::{booked, passes};
use super::options::SweepOptions;
use super::run::TargetSummary;
use super::session::{Remedy, remedy};
use super::sql;
use super::status::{Direction, Phase};
use super::strays;
use super::tally::Tally;
use super::transaction::{Deed, execute, numbers, sweep_whole, together};
use super::work::{Aim, Work};
use crate::Keyring;

/// Prepares every target, or puts what was prepared in place.
pub(super) async fn staged(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    entries: Vec<(Entry, bool)>,
    options: &SweepOptions,
    job: &Job,
) -> Result<Vec<TargetSummary>> {
    if options.cut_over {
        return cut_over(leader, errands, entries, options, job).await;
    }
    job.expect(Counter::Rows, errands.iter().map(Errand::estimated_rows).sum());
    let mut summaries = Vec::new();
    for (errand, (entry, resumed)) in errands.iter().zip(entries) {
        if entry.phase == Phase::Swept {
            job.step(&format!("rotate what was written since into {}", errand.target));
            summaries.push(follow(leader, errand, entry, resumed, options, job).await?);
            continue;
        }
        job.step(&format!("prepare {}", errand.target));
        summaries.push(prepare(leader, errand, entry, resumed, options, job).await?);
    }
    Ok(summaries)
}

/// Fills the shadow table until a pass finds little that is not in it: the rest is the last transaction's.
async fn prepare(
    leader: &mut Leader,
    errand: &Errand<'_>,
    entry: Entry,
    resumed: bool,
    options: &SweepOptions,
    job: &Job,
) -> Result<TargetSummary> {
    let session = leader.session()?;
    session.execute(&sql::create_shadow(errand.target, entry.id)).await?;
    book::set_phase(session, entry.id, Direction::Forward, Phase::Sweeping).await?;
    let aim = Aim::Prepare { rotation: entry.id };
    let settings = session.settings().clone();
    let work = Work::new(&settings, errand.target, errand.target.keyring()?, aim, options, job);
    let whole = passes(leader, &work, errand, &entry, resumed, options).await?;
    // What the transaction to come is planned by.
    leader.alive().await?.execute(&format!("ANALYZE {}", sql::shadow(entry.id))).await?;
    booked(leader, errand, &entry, resumed, whole, (Direction::Forward, Phase::Prepared)).await
}

/// Rewrites what the application has written with its old key since the new values were put in place, until it was restarted.
/// The rotation stays where it is: the way back is still by the old values that were kept.
async fn follow(
    leader: &mut Leader,
    errand: &Errand<'_>,
    entry: Entry,
    resumed: bool,
    options: &SweepOptions,
    job: &Job,
) -> Result<TargetSummary> {
    let aim = Aim::Rewrite { rotation: entry.id };
    let settings = leader.session()?.settings().clone();
    let work = Work::new(&settings, errand.target, errand.target.keyring()?, aim, options, job);
    let whole = passes(leader, &work, errand, &entry, resumed, options).await?;
    booked(leader, errand, &entry, resumed, whole, (Direction::Forward, Phase::Swept)).await
}

/// Puts prepared values in place, all targets in one transaction.
async fn cut_over(
    leader: &mut Leader,
    errands: &[Errand<'_>],
    entries: Vec<(Entry, bool)>,
    options: &SweepOptions,
    job: &Job,
) -> Result<Vec<TargetSummary>> {
    for (errand, (entry, _)) in errands.iter().zip(&entries) {
        if entry.phase == Phase::Swept {
            return Err(Error::new(
                Kind::Policy,
                format!("put new values of {} in place, where they are already", errand.target),
            )
            .hint("run --mode staged without --cut-over once more, for what was written before the restart; then verify and finalize"));
        }
        if entry.phase != Phase::Prepared {
            return Err(Error::new(
                Kind::Policy,
                format!("put new values of {} in place: they are not prepared", errand.target),
            )
            .hint("run --mode staged without --cut-over until it finds nothing new"));
        }
    }
    job.step("put the new values in place");
    let entries = entries.into_iter().map(|(entry, _)| entry).collect();
    together(leader, errands, entries, Deed::Put, options, job).await
}

/// Puts the values of one target in place, in the transaction of the lane.
pub(super) async fn put(
    lane: &mut Lane,
    errand: &Errand<'_>,
    entry: &Entry,
    options: &SweepOptions,
    job: &Job,
) -> Result<Tally> {
    let relations = catalog::find(&mut lane.session, errand.target, options).await?.relations;
    strays::note(&mut lane.session, entry.id, &relations).await?;
    let relations: Vec<_> = relations.into_iter().map(Arc::new).collect();
    let aim = Aim::Prepare { rotation: entry.id };
    let delta = delta(lane, errand, errand.target.keyring()?, aim, entry.id, &relations, options, job).await?;
    let mut counts = delta.counts;
    counts.rotated = 0;
    for swept in &relations {
        counts.rotated += put_one(lane, swept, entry.id, false).await?;
    }
    Ok(Tally { counts, ..delta })
}

/// The rows that no prepared value is for, each re-encrypted as the aim says.
#[expect(clippy::too_many_arguments, reason = "the parts of one transaction, which have nothing else in common")]
pub(super) async fn delta(
    lane: &mut Lane,
    errand: &Errand<'_>,
    keyring: Keyring,
    aim: Aim,
    rotation: i64,
    relations: &[Arc<Swept>],
    options: &SweepOptions,
    job: &Job,
) -> Result<Tally> {
    let mut work = Work::made(lane.session.settings(), errand.target, keyring, aim, options, job);
    work.in_transaction = true;
    work.unless_prepared = Some(rotation);
    let work = Arc::new(work);
    let mut tally = Tally::naming(options.failures_named);
    for swept in relations {
        sweep_whole(lane, &work, swept, &mut tally).await?;
    }
    Ok(tally)
}

/// Puts the values of one table in place, or the old ones back, and compares the counts.
pub(super) async fn put_one(lane: &mut Lane, swept: &Swept, rotation: i64, back: bool) -> Result<u64> {
    let doing = || match back {
        false => format!("put the new values of {} in place", swept.name),
        true => format!("put the old values of {} back", swept.name),
    };
    let expected = numbers(lane, doing, sql::count_prepared(swept, rotation, back)).await?;
    lane.session.execute("SAVEPOINT put").await?;
    let written = match execute(lane, doing, &sql::put(swept, rotation, back)).await {
        Err(error) if remedy(&error) == Remedy::Apart => {
            lane.session.execute("ROLLBACK TO SAVEPOINT put").await?;
            return Err(refused(error, culprit(lane, swept, rotation, back).await?));
        }
        written => written?,
    };
    let found = numbers(lane, doing, sql::count_prepared(swept, rotation, !back)).await?;
    if written == expected && found >= written {
        return Ok(written);
    }
    let why = format!("{expected} values were to be written, {written} were and {found} found");
    Err(Error::new(Kind::Integrity, doing())
        .hint("nothing was changed: look for a trigger that keeps rows from being written, or changes them")
        .caused_by(why))
}

/// All of a table is one statement, which does not say which row it was.
fn refused(error: Error, row: Option<String>) -> Error {
    let what = row.map_or_else(|| "what refuses it".to_owned(), |row| format!("the row {row}, or what refuses it"));
    error
        .while_doing("write all values at once, of which the database refuses one")
        .hint(format!("nothing was changed: mend {what}, then give the same command again"))
}
