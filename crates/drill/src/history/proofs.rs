//! Which backups drills proved.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use lifeboat_core::drill::{DrillEnd, Proven, Verdict};
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::BackupPath;
use lifeboat_core::{DrillId, Job, Name, Result};
use serde::Serialize;

use super::{Place, ends, names};

/// The drill that proved a backup last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proof {
    /// The drill.
    pub drill: DrillId,
    /// When it ended.
    pub finished: Timestamp,
    /// How much of the rows it compared.
    pub rows: Proven,
}

/// The drill that failed a backup, and that no later one contradicts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The drill.
    pub drill: DrillId,
    /// When it ended.
    pub finished: Timestamp,
}

/// What the last drill of each backup found out, of those that found something out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proofs(BTreeMap<BackupPath, Result<Proof, Failure>>);

impl Proofs {
    /// When a backup was proven last; `None` when no drill of it passed, or a later one failed.
    #[must_use]
    pub fn of(&self, backup: &BackupPath) -> Option<&Proof> {
        self.0.get(backup)?.as_ref().ok()
    }

    /// The last drill of a backup, when it failed; one that found nothing out does not count.
    #[must_use]
    pub fn failure_of(&self, backup: &BackupPath) -> Option<&Failure> {
        self.0.get(backup)?.as_ref().err()
    }

    /// The newest backup of a database that a drill passed: what must stay, whatever else is deleted.
    #[must_use]
    pub fn newest(&self, database: &Name) -> Option<(&BackupPath, &Proof)> {
        let passed = self.0.iter().filter_map(|(path, found)| Some((path, found.as_ref().ok()?)));
        passed.filter(|(path, _)| path.database == *database).max_by(|(a, _), (b, _)| a.id.cmp(&b.id))
    }

    /// Of each backup the newest drill that found something out decides: one that failed takes back what an older one proved.
    fn of_ends(ends: impl IntoIterator<Item = DrillEnd>) -> Self {
        let mut newest: BTreeMap<BackupPath, DrillEnd> = BTreeMap::new();
        for end in ends.into_iter().filter(|end| end.verdict != Verdict::Inconclusive) {
            let (Some(class), Some(id)) = (end.class.clone(), end.backup.clone()) else { continue };
            let path = BackupPath { class, database: end.start.database.clone(), id };
            match newest.get(&path) {
                Some(known) if known.start.drill > end.start.drill => {}
                _ => _ = newest.insert(path, end),
            }
        }
        Self(newest.into_iter().map(|(path, end)| (path, found_out(end))).collect())
    }
}

fn found_out(end: DrillEnd) -> Result<Proof, Failure> {
    let (drill, finished) = (end.start.drill, end.finished);
    if end.verdict == Verdict::Passed {
        Ok(Proof { drill, finished, rows: end.proven })
    } else {
        Err(Failure { drill, finished })
    }
}

/// Which of these backups were proven: one listing, and the records of the drills that may be of them. Whoever may write to the
/// store can forge such a record: [`crate::evidence`] cannot be forged.
///
/// # Errors
/// Those of the store.
pub async fn proofs(backups: &[BackupPath], store: &Store, job: &Job) -> Result<Proofs> {
    let mut oldest: BTreeMap<&Name, Timestamp> = BTreeMap::new();
    for path in backups {
        let start = oldest.entry(&path.database).or_insert_with(|| path.id.start());
        *start = path.id.start().min(*start);
    }
    let only = if oldest.len() == 1 { oldest.keys().next().copied() } else { None };
    let found = if oldest.is_empty() { BTreeMap::new() } else { names(only, store, job).await? };
    // A drill that began before a backup is not of it.
    let may_be = |(database, drill): &Place| oldest.get(database).is_some_and(|oldest| drill.start() >= *oldest);
    let ended = found.into_iter().filter(|(place, ended)| *ended && may_be(place)).map(|(place, _)| place);
    let mut proofs = Proofs::of_ends(ends(ended, store, job).await?);
    let asked: BTreeSet<_> = backups.iter().collect();
    proofs.0.retain(|path, _| asked.contains(path));
    Ok(proofs)
}
