//! The drills of a store: what became of each, and which backups they proved.
//!
//! Invariants: what is listed costs one listing and one small object for each drill; no report is opened for it. A record that
//! cannot be read proves nothing.

mod earlier;
mod proofs;
mod reference;

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use jiff::{SignedDuration, Timestamp};
use lifeboat_core::drill::DrillEnd;
use lifeboat_core::manifest::refuse_other_formats;
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{self, DRILLS, DrillName};
use lifeboat_core::{DrillId, Error, Job, Kind, Name, Result, ResultExt};
use serde::Serialize;

pub use earlier::earlier_reports;
pub use proofs::{Failure, Proof, Proofs, proofs};
pub use reference::{DrillRef, find};

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

/// How these drills ended, in no order, without those whose records cannot be read.
async fn ends(ended: impl Iterator<Item = Place>, store: &Store, job: &Job) -> Result<Vec<DrillEnd>> {
    let reads = stream::iter(ended).map(|(database, drill)| async move { end(&database, &drill, store, job).await });
    let read: Vec<_> = reads.buffer_unordered(READS_AT_ONCE).try_collect().await?;
    Ok(read.into_iter().flatten().collect())
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
    let ended =
        names(Some(database), store, job).await?.into_iter().filter(|(_, ended)| *ended).map(|(place, _)| place);
    Ok(ends(ended, store, job).await?.iter().any(|end| end.backup.is_some()))
}

const READS_AT_ONCE: usize = 16;
const MAY_RUN: SignedDuration = SignedDuration::from_hours(24);
