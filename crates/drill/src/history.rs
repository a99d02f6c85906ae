//! The drills of a store: what became of each, and which backups they proved.
//!
//! Invariants: what is listed costs one listing and one small object for each drill; no report is opened for it. A record that
//! cannot be read proves nothing.

use std::collections::BTreeMap;
use std::pin::pin;
use std::str::FromStr;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use lifeboat_backup::BackupRef;
use lifeboat_backup::archive::Which;
use lifeboat_core::drill::{DrillEnd, Proven, Verdict};
use lifeboat_core::keys::OpenKeys;
use lifeboat_core::manifest::refuse_other_formats;
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{self, BackupPath, DRILLS, DrillName};
use lifeboat_core::{DrillId, Error, Job, Kind, Name, Result, ResultExt};
use serde::Serialize;

use crate::record;
use crate::report::DrillReport;

/// A drill, as the store's listing tells it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ListedDrill {
    /// The database, as the store names it.
    pub database: Name,
    /// The drill.
    pub drill: DrillId,
    /// When it began.
    pub started: Timestamp,
    /// What became of it.
    #[serde(flatten)]
    pub state: DrillState,
}

/// What became of a drill.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum DrillState {
    /// It came to its end.
    Ended {
        /// How.
        end: Box<DrillEnd>,
    },
    /// It began less than a day ago and did not end: it runs, or is lost.
    Unfinished,
    /// It never ended.
    Lost,
    /// The record of its end is damaged.
    Unreadable {
        /// Why.
        reason: String,
    },
}

impl ListedDrill {
    /// How it ended, when it did.
    #[must_use]
    pub fn end(&self) -> Option<&DrillEnd> {
        match &self.state {
            DrillState::Ended { end } => Some(end),
            _ => None,
        }
    }
}

/// The drills of one database, or of all, newest first. `now` tells what may still be running from what is lost.
///
/// # Errors
/// Those of the store; a record that cannot be read is a [`DrillState::Unreadable`], not an error.
pub async fn drills(database: Option<&Name>, now: Timestamp, store: &Store, job: &Job) -> Result<Vec<ListedDrill>> {
    let found = names(database, store, job).await?;
    let listed = stream::iter(found).map(|(place, ended)| describe(place, ended, now, store, job));
    let mut listed: Vec<_> = listed.buffer_unordered(READS_AT_ONCE).try_collect().await?;
    listed.sort_by(|a, b| (&b.drill, &b.database).cmp(&(&a.drill, &a.database)));
    Ok(listed)
}

type Place = (Name, DrillId);

/// One listing: every drill that left a record, and whether it is one of its end.
async fn names(database: Option<&Name>, store: &Store, job: &Job) -> Result<BTreeMap<Place, bool>> {
    let folder = database.map_or_else(|| DRILLS.to_owned(), layout::drills_of);
    let mut found = BTreeMap::new();
    for object in store.list(job, &folder).await? {
        let Some((database, drill, name)) = layout::parse_drill(&object.name) else { continue };
        let ended = found.entry((database, drill)).or_insert(false);
        *ended |= name == DrillName::End;
    }
    Ok(found)
}

async fn describe(
    (database, drill): Place,
    ended: bool,
    now: Timestamp,
    store: &Store,
    job: &Job,
) -> Result<ListedDrill> {
    let started = drill.start();
    let state = match ended {
        true => match end(&database, &drill, store, job).await? {
            Ok(end) => DrillState::Ended { end: Box::new(end) },
            Err(error) => DrillState::Unreadable { reason: error.chain() },
        },
        false if now.duration_since(started) < MAY_RUN => DrillState::Unfinished,
        false => DrillState::Lost,
    };
    Ok(ListedDrill { database, drill, started, state })
}

/// How a drill ended. A record that is damaged or another drill's is the inner error; the outer one is the store's.
async fn end(database: &Name, drill: &DrillId, store: &Store, job: &Job) -> Result<Result<DrillEnd>> {
    let name = layout::drill_end(database, drill);
    match store.get(job, &name).await {
        Ok(bytes) => Ok(parse_end(&bytes, database, drill).map_err(|error| error.while_doing(format!("read {name}")))),
        Err(error) if error.kind() == Kind::NotFound => Ok(Err(error)),
        Err(error) => Err(error),
    }
}

fn parse_end(bytes: &[u8], database: &Name, drill: &DrillId) -> Result<DrillEnd> {
    refuse_other_formats(bytes)?;
    let end: DrillEnd = serde_json::from_slice(bytes).kind_of(Kind::Integrity, || "read the end of a drill".into())?;
    if end.start.database == *database && end.start.drill == *drill {
        return Ok(end);
    }
    let said = format!("{}/{}", end.start.database, end.start.drill);
    Err(Error::new(Kind::Integrity, format!("trust the end of a drill: it is of {said}, and lies elsewhere")))
}

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
    let ended = found.into_iter().filter(|(place, ended)| *ended && may_be(place));
    let ends =
        stream::iter(ended).map(|((database, drill), _)| async move { end(&database, &drill, store, job).await });
    let ends: Vec<_> = ends.buffer_unordered(READS_AT_ONCE).try_collect().await?;
    let mut proofs = Proofs::of_ends(ends.into_iter().flatten());
    proofs.0.retain(|path, _| backups.contains(path));
    Ok(proofs)
}

/// Drills of this store that began and have no record of their end, among these.
///
/// # Errors
/// Those of the store.
pub(crate) async fn without_end(drills: &[DrillId], store: &Store, job: &Job) -> Result<Vec<(Name, DrillId)>> {
    let found = names(None, store, job).await?;
    Ok(found
        .into_iter()
        .filter(|((_, drill), ended)| !ended && drills.contains(drill))
        .map(|(place, _)| place)
        .collect())
}

/// Whether an earlier drill of a database found a backup of it.
///
/// # Errors
/// Those of the store.
pub(crate) async fn had_backups(database: &Name, store: &Store, job: &Job) -> Result<bool> {
    let ended = names(Some(database), store, job).await?.into_iter().filter(|(_, ended)| *ended);
    let ends =
        stream::iter(ended).map(|((database, drill), _)| async move { end(&database, &drill, store, job).await });
    let ends: Vec<_> = ends.buffer_unordered(READS_AT_ONCE).try_collect().await?;
    Ok(ends.into_iter().flatten().any(|end| end.backup.is_some()))
}

/// The reports of a database's earlier drills, newest first, until `limit` of them have compared rows. Those that cannot be opened are
/// passed over, with one warning: what is new is judged without them.
///
/// # Errors
/// Those of the store's listing.
pub async fn earlier_reports(
    database: &Name,
    limit: usize,
    store: &Store,
    keys: &OpenKeys,
    job: &Job,
) -> Result<Vec<DrillReport>> {
    let found = names(Some(database), store, job).await?;
    let ended = found.into_iter().rev().filter(|(_, ended)| *ended).take(limit.saturating_mul(TRIES));
    let reports = stream::iter(ended)
        .map(|((database, drill), _)| async move { record::read_report(&database, &drill, store, keys, job).await });
    let mut reports = pin!(reports.buffered(READS_AT_ONCE));
    let (mut read, mut compared, mut passed_over) = (Vec::new(), 0, Vec::new());
    while compared < limit {
        match reports.next().await {
            Some(Ok(report)) => {
                compared += usize::from(report.compared_rows());
                read.push(report);
            }
            // Its record says why none was kept.
            Some(Err(error)) if error.kind() == Kind::NotFound => {}
            Some(Err(error)) => passed_over.push(error),
            None => break,
        }
    }
    warn_of(&passed_over, job);
    Ok(read)
}

fn warn_of(passed_over: &[Error], job: &Job) {
    let Some(newest) = passed_over.first() else { return };
    let what = match passed_over.len() {
        1 => "an earlier drill is".to_owned(),
        several => format!("{several} earlier drills are"),
    };
    job.warn(&format!("{what} passed over in comparisons: {}", newest.chain()));
}

/// How an operator names a drill: `[DATABASE/]ID`, a unique beginning of an id, or `latest`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrillRef {
    /// The database, where it is named.
    pub database: Option<Name>,
    which: Which,
}

impl FromStr for DrillRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let named = text.parse::<BackupRef>().map_err(|_| {
            Error::new(Kind::Usage, format!("read {text:?} as the name of a drill"))
                .hint("name it by shop/latest, shop/20261201T040000Z-7f3a9c, or the beginning of its id")
        })?;
        Ok(Self { database: named.database, which: named.which })
    }
}

impl std::fmt::Display for DrillRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        BackupRef { database: self.database.clone(), which: self.which.clone() }.fmt(f)
    }
}

/// The drill that `reference` names.
///
/// # Errors
/// [`Kind::NotFound`] when there is none, [`Kind::Usage`] when it may be several.
pub async fn find(reference: &DrillRef, store: &Store, job: &Job) -> Result<Place> {
    let found = names(reference.database.as_ref(), store, job).await?;
    let fits = |drill: &DrillId| match &reference.which {
        Which::Latest => true,
        Which::Prefix(prefix) => drill.as_str().starts_with(prefix),
    };
    let mut fitting: Vec<Place> = found.into_keys().filter(|(_, drill)| fits(drill)).collect();
    fitting.sort_by(|a, b| b.1.cmp(&a.1));
    let several_databases = fitting.iter().any(|place| place.0 != fitting[0].0);
    match fitting.as_slice() {
        [] => Err(Error::new(Kind::NotFound, format!("find the drill {reference} in {}", store.address()))
            .hint("see `lifeboat drill list`")),
        [newest, rest @ ..] if rest.is_empty() || (reference.which == Which::Latest && !several_databases) => {
            Ok(newest.clone())
        }
        several => {
            let names: Vec<_> = several.iter().take(5).map(|(database, drill)| format!("{database}/{drill}")).collect();
            let more = if several.len() > names.len() { ", …" } else { "" };
            let doing = format!("choose a drill: {reference} may be {}{more}", names.join(", "));
            Err(Error::new(Kind::Usage, doing).hint("name the database and more of the id"))
        }
    }
}

const READS_AT_ONCE: usize = 16;
/// Of so many drills one will have compared rows.
const TRIES: usize = 8;
const MAY_RUN: SignedDuration = SignedDuration::from_hours(24);
