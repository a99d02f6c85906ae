//! What else in a table goes by an IV, or by a key's id, that a target's new values replace.

use lifeboat_backup::postgres::DirectSession;
use lifeboat_core::{Error, Job, Kind, Result, ResultExt as _};

use super::book::Entry;
use super::catalog::Fact;
use super::errand::Errand;
use super::target::{KeySource, TableName, Target};
use crate::columns::layout::{Apart, shown};
use crate::detect::{FoundRivals, TrialKey, rivals, sample_of};

/// What a rotation would take from other values.
#[derive(Debug, Default)]
pub(super) struct Rivals {
    /// What is lost: each a reason not to begin, with what to do about it.
    pub(super) refusals: Vec<String>,
    /// What the operator should know.
    pub(super) remarks: Vec<String>,
    /// Which of the remarks a run makes, too.
    warnings: Vec<String>,
}

impl Rivals {
    fn add(&mut self, others: Self) {
        self.refusals.extend(others.refusals);
        self.remarks.extend(others.remarks);
        self.warnings.extend(others.warnings);
    }
}

/// When others are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before anything was written.
    Before,
    /// In the middle of a rotation, or before its way back, which wants to go on soon.
    UnderWay,
}

impl Moment {
    /// That of a target's rotation, if there is one.
    pub(super) fn of(entry: Option<&Entry>) -> Self {
        if entry.is_some_and(|entry| entry.written() > 0) { Self::UnderWay } else { Self::Before }
    }
}

/// Tries both keys on everything else in the target's rows, where its layout keeps an IV or a key's id apart. In the middle of a
/// rotation, which has looked before it began, or back, only on rows that are quickly read.
pub(super) async fn look_for_rivals(
    session: &mut DirectSession,
    errand: &Errand<'_>,
    moment: Moment,
    job: &Job,
) -> Result<Rivals> {
    let target = errand.target;
    let Some((apart, place)) = target.layout.apart(&target.column_name()) else { return Ok(Rivals::default()) };
    let place = shown(&place);
    let mut rivals = Rivals::default();
    for table in tables(errand) {
        let looking = look_at(session, target, &table, moment, job).await;
        let doing = || format!("look for what else in {table} is encrypted with {place} of {target}");
        let Some((found, unread)) = looking.map_err(|error| error.while_doing(doing()))? else { continue };
        rivals.add(told(target, apart, &place, &table, moment, &found, unread));
    }
    if apart == Apart::Iv {
        rivals.remarks.push(format!(
            "{place} gets new bytes: what else is encrypted with it, by another key or in another way, would be lost"
        ));
    }
    Ok(rivals)
}

/// The target's table, and those below it that have columns which it does not have.
fn tables(errand: &Errand<'_>) -> Vec<TableName> {
    let known: Vec<_> = errand.found.facts.first().map(column_names).unwrap_or_default();
    let has_more = |fact: &&Fact| column_names(fact).iter().any(|name| !known.contains(name));
    let below = errand.found.facts.iter().skip(1).filter(has_more).map(Fact::name);
    std::iter::once(errand.target.table.clone()).chain(below).collect()
}

fn column_names(fact: &Fact) -> Vec<&str> {
    fact.columns.iter().map(|column| column.name.as_str()).collect()
}

/// What opens in a table, and the columns of which nothing is known, with why.
async fn look_at(
    session: &mut DirectSession,
    target: &Target,
    table: &TableName,
    moment: Moment,
    job: &Job,
) -> Result<Option<(FoundRivals, Vec<(String, String)>)>> {
    let sampled = sample_of(session, table, &target.aad.key_columns(), moment == Moment::Before, job).await?;
    let Some((mut sample, unread)) = sampled else { return Ok(None) };
    // A target's values are bound to the table that it names, wherever below it they lie.
    (sample.schema, sample.table) = (target.table.schema.clone(), target.table.name.clone());
    let (layout, column) = (target.layout.clone(), target.column_name());
    let aads = vec![target.aad.clone(), crate::columns::AadTemplate::default()];
    let keys = [trial(&target.keys.old)?, trial(&target.keys.new)?];
    let cancel = job.cancel.clone();
    let look = move || rivals(&keys, &sample, &layout, &column, &aads, &|| cancel.is_cancelled());
    let found = tokio::task::spawn_blocking(look).await.kind_of(Kind::Failure, || "try keys".to_owned())?;
    job.check()?;
    Ok(Some((found, unread)))
}

fn told(
    target: &Target,
    apart: Apart,
    place: &str,
    table: &TableName,
    moment: Moment,
    found: &FoundRivals,
    unread: Vec<(String, String)>,
) -> Rivals {
    let mut rivals = Rivals::default();
    let named = |column: &str| if *table == target.table { column.to_owned() } else { format!("{table}.{column}") };
    if found.is_cut {
        let untried = format!(
            "not all that could be a ciphertext, or one and its tag, was tried with {place}, as there are too many: know what else goes by it"
        );
        if apart == Apart::Iv {
            rivals.warnings.push(untried.clone());
        }
        rivals.remarks.push(untried);
    }
    match apart {
        Apart::Iv => {
            rivals.refusals.extend(found.places.iter().map(|other| lost(table, place, other, moment)));
            rivals.remarks.extend(unread.into_iter().map(|(column, why)| {
                format!("whether {} is encrypted with {place} was not looked at: {why}", named(&column))
            }));
        }
        Apart::KeyId => rivals.remarks.extend(found.places.iter().map(|other| misnamed(place, &named(other)))),
    }
    rivals
}

/// Refuses what would take an IV from another value, and warns where not all was tried that may be one.
pub(super) async fn refuse_rivals(
    session: &mut DirectSession,
    errand: &Errand<'_>,
    moment: Moment,
    job: &Job,
) -> Result<()> {
    let rivals = look_for_rivals(session, errand, moment, job).await?;
    if rivals.refusals.is_empty() {
        rivals.warnings.iter().for_each(|warning| job.warn(warning));
        return Ok(());
    }
    Err(Error::new(Kind::Policy, format!("rotate {}", errand.target)).hint(rivals.refusals.join("; ")))
}

fn lost(table: &TableName, iv: &str, other: &str, moment: Moment) -> String {
    let way_out = match moment {
        Moment::Before => "Let the application write each value with an IV of its own first".to_owned(),
        Moment::UnderWay => format!(
            "Back the database up, move {other} out of {table} with a copy of {iv}, or empty it, then give the same command again"
        ),
    };
    format!(
        "{other} of {table} opens with the IV in {iv}, which would be replaced: {other} would be lost for ever. {way_out}"
    )
}

fn misnamed(id: &str, other: &str) -> String {
    format!(
        "{other} is under the same keys: if {id} names its key as well, the application finds the wrong one as soon as {id} is rewritten. Then rotate without it, in the mode offline, and set {id} by SQL"
    )
}

fn trial(source: &KeySource) -> Result<TrialKey> {
    Ok(TrialKey { format: source.format.clone(), key: source.derive()? })
}
