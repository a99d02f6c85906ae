//! `shape`: no table lost most of its rows since the backup before, and none has become noise.
//!
//! A backup of destroyed data restores as well as any other. Data that an intruder has encrypted shows in how well it compresses;
//! data that was deleted shows in how much is left.

use std::collections::HashMap;
use std::time::Instant;

use lifeboat_backup::archive::Archive;
use lifeboat_core::catalog::Catalog;
use lifeboat_core::drill::Verdict;
use lifeboat_core::{Job, Kind, Result};

use super::said::{Check, Said, many};
use super::{Checked, ShapeOptions, Subject, tables};
use crate::report::{DrillReport, TableReport};

/// Compares the tables with those of the backup before, and with those that were drilled last: what was destroyed days ago is in the
/// backup before, too. Without either, notes that there was nothing to compare with.
///
/// # Errors
/// [`Kind::Cancelled`].
pub(super) async fn check(subject: &Subject<'_>, checked: &mut Checked, job: &Job) -> Result<()> {
    match subject.earlier {
        Ok(Some(earlier)) => since_backup(earlier, subject, checked, job).await?,
        Ok(None) => checked.leave_open(SINCE_BACKUP, "there is no backup before this one to compare with"),
        Err(why) => checked.leave_open(SINCE_BACKUP, why),
    }
    if let Some(drill) = last_passed(subject) {
        since_drill(drill, subject, checked);
    }
    Ok(())
}

async fn since_backup(earlier: &Archive, subject: &Subject<'_>, checked: &mut Checked, job: &Job) -> Result<()> {
    let clock = Instant::now();
    let partitions = match job.run(earlier.catalog(subject.store, job)).await {
        Err(error) if error.kind() == Kind::Cancelled => return Err(error),
        catalog => Partitions::of(catalog.ok().flatten()),
    };
    let proves = format!("no table lost most of its rows or turned into noise since {}", earlier.path.id);
    let said = judge(&tables(earlier), &checked.tables, &partitions, subject.options.shape, earlier.path.id.as_str());
    checked.reports.push(Check::new("shape", proves).report(said, clock));
    Ok(())
}

fn since_drill(drill: &DrillReport, subject: &Subject<'_>, checked: &mut Checked) {
    let clock = Instant::now();
    let proves = format!("no table lost most of its rows or turned into noise since the drill {}", drill.drill);
    let of = format!("the drill {}", drill.drill);
    let said = judge(&drill.tables, &checked.tables, &Partitions::Unknown, subject.options.shape, &of);
    checked.reports.push(Check::new("shape since the last drill", proves).report(said, clock));
}

/// The newest drill that passed, unless it was of this backup or of the one before, which is compared anyway.
fn last_passed<'a>(subject: &Subject<'a>) -> Option<&'a DrillReport> {
    let passed = subject.drills.iter().filter(|drill| drill.verdict == Verdict::Passed);
    let newest = passed.max_by(|a, b| a.drill.cmp(&b.drill))?;
    let drilled = &newest.backup.as_ref()?.id;
    let before = subject.earlier.ok().flatten().map(|earlier| &earlier.path.id);
    (*drilled != subject.archive.path.id && Some(drilled) != before).then_some(newest)
}

/// Which tables of the backup before were partitions: those come and go.
enum Partitions {
    Named(Vec<String>),
    /// It has no catalog that tells.
    Unknown,
}

impl Partitions {
    fn of(catalog: Option<Catalog>) -> Self {
        let Some(relations) = catalog.and_then(|mut catalog| catalog.classes.remove("relations")) else {
            return Self::Unknown;
        };
        let is_partition =
            |definition: &str| definition.contains(", partition FOR ") || definition.contains(", partition DEFAULT");
        Self::Named(
            relations.into_iter().filter(|(_, definition)| is_partition(definition)).map(|(name, _)| name).collect(),
        )
    }

    fn may_have(&self, table: &TableReport) -> bool {
        match self {
            // The catalog quotes names only where that is needed.
            Self::Named(names) => names.iter().any(|name| name.replace('"', "") == name_of(table).replace('"', "")),
            Self::Unknown => true,
        }
    }
}

fn judge(
    before: &[TableReport],
    now: &[TableReport],
    partitions: &Partitions,
    options: ShapeOptions,
    earlier: &str,
) -> Said {
    let by_name: HashMap<_, _> = now.iter().map(|table| (name_of(table), table)).collect();
    let (mut wrong, mut told) = (Vec::new(), Vec::new());
    for was in before.iter().filter(|table| table.bytes >= options.least_bytes) {
        let Some(is) = by_name.get(&name_of(was)) else {
            let gone = format!("{} is gone; it had {}", name_of(was), many(was.rows, "row"));
            if partitions.may_have(was) { &mut told } else { &mut wrong }.push(gone);
            continue;
        };
        wrong.extend(shrunk(was, is, options));
        wrong.extend(thinned(was, is, options));
        told.extend(fattened(was, is));
        wrong.extend(collapsed(was, is, options));
    }
    wrong.extend(all_shrunk(before, now, options));
    let summary = format!("{} compared with those of {}", many(before.len() as u64, "table"), earlier);
    match &*wrong {
        [] => Said::passed(summary).with(told),
        [first, more @ ..] => {
            let more = if more.is_empty() { String::new() } else { format!("; and {} more", more.len()) };
            Said::failed(format!("{first}{more}")).with(wrong.clone()).with(told)
        }
    }
}

fn shrunk(was: &TableReport, is: &TableReport, options: ShapeOptions) -> Option<String> {
    lost_too_many(was.rows, is.rows, options)
        .then(|| format!("{} shrank from {} to {}", name_of(was), many(was.rows, "row"), many(is.rows, "row")))
}

/// As many rows, and most of what was in them gone: a column that was emptied shows so.
fn thinned(was: &TableReport, is: &TableReport, options: ShapeOptions) -> Option<String> {
    let (before, now) = (row_bytes(was)?, row_bytes(is)?);
    (now < before * (1.0 - options.shrink))
        .then(|| format!("the rows of {} had {before:.0} bytes on average and now have {now:.0}", name_of(was)))
}

/// What grows is told: encrypted rows do, and so do others.
fn fattened(was: &TableReport, is: &TableReport) -> Option<String> {
    let (before, now) = (row_bytes(was)?, row_bytes(is)?);
    (now > before * GROWS_BY)
        .then(|| format!("the rows of {} had {before:.0} bytes on average and now have {now:.0}", name_of(was)))
}

fn row_bytes(table: &TableReport) -> Option<f64> {
    (table.rows > 0).then(|| table.bytes as f64 / table.rows as f64)
}

fn all_shrunk(before: &[TableReport], now: &[TableReport], options: ShapeOptions) -> Option<String> {
    let total = |tables: &[TableReport], of: fn(&TableReport) -> u64| tables.iter().map(of).sum::<u64>();
    let (was, is) = (total(before, |table| table.rows), total(now, |table| table.rows));
    let counts = total(before, |table| table.bytes) >= options.least_bytes;
    (counts && lost_too_many(was, is, options))
        .then(|| format!("all tables together shrank from {} to {}", many(was, "row"), many(is, "row")))
}

fn lost_too_many(was: u64, is: u64, options: ShapeOptions) -> bool {
    (is as f64) < was as f64 * (1.0 - options.shrink)
}

/// A table that has become too small to say anything is judged by its rows alone.
fn collapsed(was: &TableReport, is: &TableReport, options: ShapeOptions) -> Option<String> {
    let (before, now) = (ratio(was)?, ratio(is)?);
    let has_collapsed = now < options.ratio && now < before * options.ratio_falls;
    (has_collapsed && is.bytes >= options.least_bytes / 2).then(|| {
        format!(
            "the rows of {} compressed {before:.1} to 1 and now {now:.1} to 1, as encrypted data does",
            name_of(was)
        )
    })
}

fn ratio(table: &TableReport) -> Option<f64> {
    (table.compressed_bytes > 0).then(|| table.bytes as f64 / table.compressed_bytes as f64)
}

fn name_of(table: &TableReport) -> String {
    format!("{}.{}", table.schema, table.name)
}

/// Twice as long: base64 of what was encrypted takes a third more, hexadecimal digits twice as much.
const GROWS_BY: f64 = 1.9;
const SINCE_BACKUP: &str = "how tables changed since the backup before";

#[cfg(test)]
mod tests;
