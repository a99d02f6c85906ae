//! What a drill leaves in the store: that it began, its report, its signed statement, and how it ended.
//!
//! Invariants: the start is written before anything else and the end last, also after the drill was cancelled, and nobody
//! waits for either without bounds. The report of an encrypted backup is sealed or not kept. `docs/format.md`, section 8, is
//! the normative text.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use lifeboat_core::drill::{DrillEnd, DrillStart};
use lifeboat_core::keys::{KeyId, OpenKeys, SealKeys};
use lifeboat_core::manifest::refuse_other_formats;
use lifeboat_core::sealing::{Sealing, SmallObjects};
use lifeboat_core::store::Store;
use lifeboat_core::store::layout::{self, DRILL_EVIDENCE, DRILL_REPORT};
use lifeboat_core::{DrillId, Error, Job, Kind, Name, Result, ResultExt};
use serde::Serialize;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::evidence;
use crate::findings::Ended;
use crate::options::DrillOptions;
use crate::report::DrillReport;
use crate::verdict::Stage;

/// A drill that began, and whose end is to be written.
pub struct Recorder {
    start: DrillStart,
    store: Store,
    seal: Option<Arc<SealKeys>>,
    /// Why the report is not kept, where that is known before.
    withheld: Option<Error>,
}

impl Recorder {
    /// Writes that the drill began. `seal` is what the report and the evidence are sealed and signed with.
    ///
    /// # Errors
    /// Those of [`Store::put`], told at first contact.
    pub async fn begin(start: DrillStart, store: &Store, seal: Option<Arc<SealKeys>>, job: &Job) -> Result<Self> {
        let name = layout::drill_start(&start.database, &start.drill);
        store.clone().at_first_contact().put(job, &name, json(&name, &start)?).await?;
        Ok(Self::resume(start, store, seal))
    }

    /// As [`Recorder::begin`], when the drill has ended: the store is not waited for, nor does it matter whether the job is cancelled.
    ///
    /// # Errors
    /// Those of [`Store::put`].
    pub(crate) async fn begin_late(
        start: DrillStart,
        store: &Store,
        seal: Option<Arc<SealKeys>>,
        job: &Job,
    ) -> Result<Self> {
        let name = layout::drill_start(&start.database, &start.drill);
        let begun = json(&name, &start)?;
        let recorder = Self::resume(start, store, seal);
        recorder.put(&name, begun, Instant::now(), job).await?;
        Ok(recorder)
    }

    /// The recorder of a drill whose begin is recorded.
    #[must_use]
    pub(crate) fn resume(start: DrillStart, store: &Store, seal: Option<Arc<SealKeys>>) -> Self {
        Self { start, store: store.clone(), seal, withheld: None }
    }

    /// Keeps neither report nor evidence, and says why: that is the answer of [`Recorder::end`].
    #[must_use]
    pub(crate) fn without_report(self, why: Error) -> Self {
        Self { withheld: Some(why), ..self }
    }

    /// What began.
    #[must_use]
    pub fn start(&self) -> &DrillStart {
        &self.start
    }

    /// Writes report, evidence and how the drill ended, in this order; says why the report was not kept, if it was not. While the job
    /// goes on the store is waited for as long as [`PATIENCE`] says; once it is cancelled, a few seconds. The end is written without
    /// a report, too.
    ///
    /// # Errors
    /// When the end could not be written: those of [`Store::put`]. The drill counts as lost then.
    pub async fn end(mut self, report: &DrillReport, job: &Job) -> Result<Option<Error>> {
        let until = Instant::now() + PATIENCE;
        let kept = match self.withheld.take() {
            Some(why) => Err(why),
            None => self.keep(report, until, job).await,
        };
        let end = end(&self.start, report);
        let name = layout::drill_end(&self.start.database, &self.start.drill);
        self.put(&name, json(&name, &end)?, until, job).await?;
        Ok(kept.err())
    }

    /// What goes into the drill's folder, by name, in the order in which it is stored: wraps, report, evidence.
    async fn objects(&self, report: &DrillReport) -> Result<Vec<(String, Bytes)>> {
        let json = report.to_json()?;
        let signer = self.seal.as_ref().and_then(|keys| keys.signer.as_deref());
        let evidence = signer.and_then(|signer| evidence::sign(report, &json, signer)).transpose()?;
        let plain = [Some((DRILL_REPORT, json)), evidence.map(|envelope| (DRILL_EVIDENCE, envelope))];
        let plain = plain.into_iter().flatten();
        let Some(keys) = &self.seal else {
            refuse_open(report)?;
            return Ok(plain.map(|(name, bytes)| (name.to_owned(), bytes.into())).collect());
        };
        let (sealing, wraps) = Sealing::prepare(keys, self.start.drill.as_str()).await?;
        let wraps = wraps.iter().map(|wrap| Ok((layout::wrap(&wrap.key), wrap.to_bytes().into())));
        let sealed = plain.map(|(name, bytes)| {
            let name = layout::sealed(name);
            sealing.seal(&name, &bytes).map(|bytes| (name, bytes))
        });
        wraps.chain(sealed).collect()
    }

    async fn keep(&self, report: &DrillReport, until: Instant, job: &Job) -> Result<()> {
        for (name, bytes) in self.objects(report).await? {
            let name = layout::drill_object(&self.start.database, &self.start.drill, &name);
            self.put(&name, bytes, until, job).await?;
        }
        Ok(())
    }

    /// One PUT; when the job is cancelled or the time is up, a last try that nothing but its own deadline ends.
    async fn put(&self, name: &str, bytes: Bytes, until: Instant, job: &Job) -> Result<()> {
        match timeout_at(until, self.store.put(job, name, bytes.clone())).await {
            Ok(Err(error)) if error.kind() == Kind::Cancelled => {}
            Ok(ended) => return ended,
            Err(_) => {}
        }
        let job = Job::new(job.monitor.clone(), CancellationToken::new());
        let store = self.store.clone().at_first_contact();
        timeout(LAST_TRY, store.put(&job, name, bytes)).await.unwrap_or_else(|_| {
            Err(Error::new(Kind::TryAgain, format!("write {name} to {}: it does not answer", store.address())))
        })
    }
}

/// Why the report of a drill is not to be sealed: the keys at hand open nothing of the backup, whose wraps are under `wraps`, so
/// nobody who opens the backups of this store would open the report either.
pub(crate) fn withheld(ended: &Ended, wraps: &[KeyId], options: &DrillOptions) -> Option<Error> {
    let Err((Stage::Find, error)) = ended else { return None };
    let seal = options.seal.as_ref().filter(|_| error.kind() == Kind::WrongKey)?;
    let was_tried = |id: &KeyId| options.keys.keys.iter().any(|key| key.id() == id);
    // A recipient can only encrypt, and a retired key may not open: both are keys of this store.
    let only_seals = seal.wraps.iter().any(|key| wraps.contains(key.id()) && !was_tried(key.id()));
    if only_seals || options.keys.retired.iter().any(|id| wraps.contains(id)) {
        return None;
    }
    Some(Error::new(
        Kind::WrongKey,
        "seal it: the keys at hand open nothing of this backup, and are likely those of another store",
    ))
}

/// Names of tables must not lie open beside a backup that hides them.
fn refuse_open(report: &DrillReport) -> Result<()> {
    if report.backup.as_ref().is_none_or(|backup| !backup.encrypted) {
        return Ok(());
    }
    Err(Error::new(
        Kind::Config,
        "seal it: the backup is encrypted, and there is neither a primary key nor a recipient",
    )
    .hint("make a key with `lifeboat key generate --primary`"))
}

fn end(start: &DrillStart, report: &DrillReport) -> DrillEnd {
    let (backup, named) = (report.backup.as_ref(), report.named_backup());
    DrillEnd {
        start: start.clone(),
        finished: report.finished,
        class: named.map(|(class, _)| class.clone()),
        backup: named.map(|(_, id)| id.clone()),
        verdict: report.verdict,
        exit_code: report.exit_code(),
        error_kind: report.error_kind.clone(),
        proven: report.rows_proven,
        rto_seconds: report.rto.seconds,
        stored_bytes: backup.map_or(0, |backup| backup.stored_bytes),
        sql_bytes: backup.map_or(0, |backup| backup.sql_bytes),
        rows: backup.map_or(0, |backup| backup.rows),
    }
}

/// The record that a drill began.
///
/// # Errors
/// [`Kind::NotFound`] without one; [`Kind::Integrity`] when it is damaged or another drill's; those of the store.
pub(crate) async fn read_start(database: &Name, drill: &DrillId, store: &Store, job: &Job) -> Result<DrillStart> {
    let name = layout::drill_start(database, drill);
    let bytes = store.get(job, &name).await?;
    refuse_other_formats(&bytes)?;
    let start: DrillStart = serde_json::from_slice(&bytes).kind_of(Kind::Integrity, || format!("read {name}"))?;
    if (&start.database, &start.drill) == (database, drill) {
        return Ok(start);
    }
    Err(Error::new(Kind::Integrity, format!("trust {name}: it is of another drill")))
}

/// The report of a drill, as it was stored.
///
/// # Errors
/// [`Kind::NotFound`] when none was kept; those of [`SmallObjects::read`]; [`Kind::Integrity`] when it is another drill's, or no report.
pub async fn read_report(
    database: &Name,
    drill: &DrillId,
    store: &Store,
    keys: &OpenKeys,
    job: &Job,
) -> Result<DrillReport> {
    DrillReport::parse(&read_report_bytes(database, drill, store, keys, job).await?, database, drill)
}

/// The bytes of a drill's report, as [`evidence`] covers them.
///
/// # Errors
/// [`Kind::NotFound`] when none was kept; those of [`SmallObjects::read`].
pub async fn read_report_bytes(
    database: &Name,
    drill: &DrillId,
    store: &Store,
    keys: &OpenKeys,
    job: &Job,
) -> Result<Vec<u8>> {
    read(DRILL_REPORT, database, drill, store, keys, job).await
}

/// The signed statement of a drill, not verified: a DSSE envelope.
///
/// # Errors
/// [`Kind::NotFound`] when the host did not sign; those of [`SmallObjects::read`].
pub async fn read_evidence(
    database: &Name,
    drill: &DrillId,
    store: &Store,
    keys: &OpenKeys,
    job: &Job,
) -> Result<Vec<u8>> {
    read(DRILL_EVIDENCE, database, drill, store, keys, job).await
}

async fn read(
    name: &str,
    database: &Name,
    drill: &DrillId,
    store: &Store,
    keys: &OpenKeys,
    job: &Job,
) -> Result<Vec<u8>> {
    let what = match name {
        DRILL_EVIDENCE => format!("the evidence of the drill {database}/{drill}"),
        _ => format!("the report of the drill {database}/{drill}"),
    };
    let place = |name: &str| layout::drill_object(database, drill, name);
    let folder = SmallObjects::list(drill.as_str(), store, job, place).await?;
    folder.read(name, &what, store, keys, job).await.map_err(|error| match name {
        DRILL_EVIDENCE if error.kind() == Kind::NotFound => {
            error.hint("the host that ran it did not sign: docs/drill.md")
        }
        _ if error.kind() == Kind::NotFound => {
            error.hint("it was lost, or could not be kept: see `lifeboat drill list`")
        }
        _ => error,
    })
}

fn json(name: &str, value: &impl Serialize) -> Result<Bytes> {
    serde_json::to_vec_pretty(value).map(Bytes::from).kind_of(Kind::Failure, || format!("write {name}"))
}

/// How long the end of a drill may wait for the store in all: a record is worth the length of an incident, not a night.
pub const PATIENCE: Duration = Duration::from_secs(300);
const LAST_TRY: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
