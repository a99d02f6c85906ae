//! The checks: each a small thing with a name, what it proves, and an outcome.
//!
//! Invariant: a check that could not find out says so; it never passes. What there was nothing to compare with is not
//! checked, and told as not proven.
//!
//! [`check_all`] asks whether what was restored is what was backed up. It comes first, before anything changes the restored
//! database: also before subscriptions, user mappings and scheduled jobs are disarmed, which are part of the backup.
//! [`assert_all`] and [`smoke`] come after that: they run what the operator wrote, and what lies in the backup.

mod assertions;
mod catalog;
mod encrypted;
mod expect;
mod extensions;
mod freshness;
mod libpq;
mod options;
mod ranges;
mod rows;
mod said;
pub(crate) mod secrets;
mod sequences;
mod session;
mod shape;
mod smoke;
mod url;
mod validity;

use std::collections::BTreeMap;

use jiff::Timestamp;
use lifeboat_backup::archive::Archive;
use lifeboat_backup::postgres::ConnectionSettings;
use lifeboat_backup::{MissingRoles, RestoreSummary};
use lifeboat_core::drill::{Proven, Verdict};
use lifeboat_core::index::{Content, Relation};
use lifeboat_core::store::Store;
use lifeboat_core::{Job, Result};

pub use assertions::{Assert, assert_all};
pub use encrypted::{EncryptedColumn, EncryptedColumns};
pub use expect::Expect;
pub use options::{CheckOptions, RowsOptions, ShapeOptions};
pub use smoke::{Smoke, smoke};
pub use url::database_url;

use crate::report::{CheckReport, DrillReport, NotProven, TableReport};

/// What is checked, and what it is held against.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Where the backup lies.
    pub store: &'a Store,
    /// The backup.
    pub archive: &'a Archive,
    /// The backup of the same database before it, where there is one; why that is not known, where it could not be found out.
    pub earlier: Result<Option<&'a Archive>, &'a str>,
    /// Reports of earlier drills of the same database, in any order.
    pub drills: &'a [DrillReport],
    /// What the restore said.
    pub restored: &'a RestoreSummary,
    /// What the restore did about roles: with [`MissingRoles::Skip`] there are no owners and privileges to compare.
    pub roles: MissingRoles,
    /// Whether the restore left out what reaches out of the database ([`lifeboat_backup::RestoreOptions::inert`]).
    pub inert: bool,
    /// The database that it was restored into.
    pub target: &'a ConnectionSettings,
    /// How it is checked.
    pub options: &'a CheckOptions,
    /// When the drill began.
    pub started: Timestamp,
}

/// What all checks of a restored backup found.
#[derive(Clone, Debug)]
pub struct Checked {
    /// A report of each check, in the order in which they ran.
    pub reports: Vec<CheckReport>,
    /// Every table of the backup.
    pub tables: Vec<TableReport>,
    /// How much of the rows was compared with its fingerprints and agreed.
    pub rows_proven: Proven,
    /// What was found out, a sentence each.
    pub proven: Vec<String>,
    /// What was not found out, and why.
    pub not_proven: Vec<NotProven>,
}

impl Default for Checked {
    /// Nothing.
    fn default() -> Self {
        Self {
            reports: Vec::new(),
            tables: Vec::new(),
            rows_proven: Proven::None,
            proven: Vec::new(),
            not_proven: Vec::new(),
        }
    }
}

/// Checks that what was restored is what was backed up.
///
/// # Errors
/// [`Kind::Cancelled`](lifeboat_core::Kind::Cancelled), and nothing else: what keeps a check from finding out, as a server that
/// is lost, makes that check inconclusive.
pub async fn check_all(subject: &Subject<'_>, job: &Job) -> Result<Checked> {
    let mut checked = Checked::default();
    check_into(subject, &mut checked, job).await?;
    Ok(checked)
}

/// As [`check_all`]; `checked` keeps what was found when the job is cancelled in between.
///
/// # Errors
/// Those of [`check_all`].
pub async fn check_into(subject: &Subject<'_>, checked: &mut Checked, job: &Job) -> Result<()> {
    checked.tables = tables(subject.archive);
    checked.not_proven = not_in_the_backup(subject.archive);
    let stored = job.run(Box::pin(subject.archive.catalog(subject.store, job))).await;
    job.check()?;
    checked.reports.push(ranges::check(subject));
    Box::pin(rows::check(subject, checked, job)).await?;
    Box::pin(catalog::check(subject, &stored, checked, job)).await?;
    checked.reports.push(Box::pin(sequences::check(subject, job)).await?);
    Box::pin(validity::check(subject, &stored, checked, job)).await?;
    checked.reports.push(Box::pin(extensions::check(subject, job)).await?);
    Box::pin(encrypted::check(subject, checked, job)).await?;
    checked.reports.extend(freshness::check(subject));
    Box::pin(shape::check(subject, checked, job)).await?;
    let passed = checked.reports.iter().filter(|report| report.outcome == Verdict::Passed);
    checked.proven = passed.map(|report| format!("{} ({})", report.proves, report.summary)).collect();
    Ok(())
}

impl Checked {
    fn leave_open(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.not_proven.push(NotProven { what: what.into(), why: why.into() });
    }
}

/// The tables of a backup, nothing proven of them.
fn tables(archive: &Archive) -> Vec<TableReport> {
    let index = &archive.index;
    let mut compressed_bytes = vec![0_u64; index.relations.len()];
    for range in &index.ranges {
        if let Content::Rows(rows) = &range.content {
            compressed_bytes[rows.relation] += range.bytes.length;
        }
    }
    let table = |(relation, compressed_bytes): (&Relation, u64)| TableReport {
        schema: relation.schema.clone(),
        name: relation.name.clone(),
        rows: relation.fingerprint.rows,
        bytes: relation.fingerprint.bytes,
        compressed_bytes,
        proven: false,
    };
    index.relations.iter().zip(compressed_bytes).map(table).collect()
}

/// What a dump does not carry, or only as statements.
fn not_in_the_backup(archive: &Archive) -> Vec<NotProven> {
    let mut left_out: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    // Partitioned tables and sequences have no rows of their own; the rows of some partitions are compared at the root.
    for skipped in archive.index.skipped.iter().filter(|skipped| skipped.kind != "p" && skipped.kind != "S") {
        if !skipped.reason.contains("partition root") {
            left_out.entry(&skipped.reason).or_default().push(format!("{}.{}", skipped.schema, skipped.name));
        }
    }
    let rows = left_out.into_iter().map(|(reason, names)| NotProven {
        what: format!("the rows of {}", said::listed(&names)),
        why: reason.to_owned(),
    });
    let large_objects = (archive.index.large_objects.count > 0).then(|| NotProven {
        what: "the contents of large objects".to_owned(),
        why: "a backup has no fingerprints of them: their stored bytes and their number were compared".to_owned(),
    });
    rows.chain(large_objects).collect()
}
