//! What else in a table goes by an IV, or by a key's id, that a target's new values replace.

use lifeboat_backup::postgres::DirectSession;
use lifeboat_core::{Error, Job, Kind, Result, ResultExt as _};

use super::book::Entry;
use super::target::{KeySource, Target};
use crate::columns::layout::Apart;
use crate::detect::{FoundRivals, TrialKey, rivals, sample_of};

/// What a rotation would take from other values.
#[derive(Debug, Default)]
pub(super) struct Rivals {
    /// What is lost: each a reason not to begin, with what to do about it.
    pub(super) refusals: Vec<String>,
    /// What the operator should know.
    pub(super) remarks: Vec<String>,
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

/// Tries both keys on everything else in the target's table, where its layout keeps an IV or a key's id apart. In the middle of a
/// rotation, which has looked before it began, or back, only on rows that are quickly read.
pub(super) async fn look_for_rivals(
    session: &mut DirectSession,
    target: &Target,
    moment: Moment,
    job: &Job,
) -> Result<Rivals> {
    let Some((apart, place)) = target.layout.apart() else { return Ok(Rivals::default()) };
    let doing = || format!("look for what else is encrypted with {} of {target}", place.join("."));
    let sampled = sample_of(session, &target.table, &target.aad.key_columns(), moment == Moment::Before, job).await;
    let Some((sample, unread)) = sampled.map_err(|error| error.while_doing(doing()))? else {
        return Ok(Rivals::default());
    };
    let columns = target.value_columns();
    let Some(column) = sample.columns.iter().position(|column| Some(&column.name) == columns.first()) else {
        return Ok(Rivals::default());
    };
    let (layout, aads) = (target.layout.clone(), vec![target.aad.clone(), crate::columns::AadTemplate::default()]);
    let keys = [trial(&target.keys.old)?, trial(&target.keys.new)?];
    let cancel = job.cancel.clone();
    let look = move || rivals(&keys, &sample, &layout, column, &aads, &|| cancel.is_cancelled());
    let found = tokio::task::spawn_blocking(look).await.kind_of(Kind::Failure, doing)?;
    job.check()?;
    Ok(told(target, apart, &place.join("."), moment, &found, unread))
}

fn told(
    target: &Target,
    apart: Apart,
    place: &str,
    moment: Moment,
    found: &FoundRivals,
    unread: Vec<(String, String)>,
) -> Rivals {
    let mut rivals = Rivals::default();
    if found.is_cut {
        rivals.remarks.push(format!(
            "not every two columns were tried as a ciphertext and its tag with {place}, as there are too many: know what else goes by it"
        ));
    }
    match apart {
        Apart::Iv => {
            rivals.refusals.extend(found.places.iter().map(|other| lost(target, place, other, moment)));
            rivals.remarks.push(format!(
                "{place} gets new bytes: what else is encrypted with it, by another key or in another way, would be lost"
            ));
            rivals.remarks.extend(
                unread.into_iter().map(|(column, why)| {
                    format!("whether {column} is encrypted with {place} was not looked at: {why}")
                }),
            );
        }
        Apart::KeyId => rivals.remarks.extend(found.places.iter().map(|other| misnamed(place, other))),
    }
    rivals
}

/// Refuses what would take an IV from another value.
pub(super) async fn refuse_rivals(
    session: &mut DirectSession,
    target: &Target,
    moment: Moment,
    job: &Job,
) -> Result<()> {
    let rivals = look_for_rivals(session, target, moment, job).await?;
    if rivals.refusals.is_empty() {
        return Ok(());
    }
    Err(Error::new(Kind::Policy, format!("rotate {target}")).hint(rivals.refusals.join("; ")))
}

fn lost(target: &Target, iv: &str, other: &str, moment: Moment) -> String {
    let table = &target.table;
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
