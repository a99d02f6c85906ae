//! Makes a backup of a file that Lifeboat did not write: in a store to stay, or in a folder that a restore reads from.
//!
//! Invariant: as of any backup, the manifest is written last: after the file was read to its end, every layer of it was whole and
//! every statement in it was looked at.

mod describe;
mod spool;
mod taken;

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use lifeboat_core::monitor::{Monitor, Silent};
use lifeboat_core::store::layout::BackupPath;
use lifeboat_core::store::{Journal, Store, Uploader};
use lifeboat_core::{BackupId, Job, Kind, Name, Result, ResultExt, RunId, job::cancelled};

pub(crate) use spool::{Spooled, spool};

use super::dump::{Dumped, check_lengths, first_error};
use super::names::Names;
use super::{BackupOptions, BackupSummary, one, run, stall};
use crate::foreign::{ForeignFile, ForeignOptions, Header, Unpacked, unpack};
use crate::stream;

/// How a file is imported.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// What opens it. Scripts that have to be trusted are not imported: nobody could index them.
    pub foreign: ForeignOptions,
    /// When the dump was taken.
    pub taken: Taken,
    /// The time zone of whoever took it, where somebody says so: `pg_dump` prints times with it, and a drill compares with what it
    /// prints itself. An archive says by its clock when it was made.
    pub time_zone: Option<String>,
}

impl ImportOptions {
    /// The time zone, UTC where nobody says which.
    #[must_use]
    pub fn zone(&self) -> &str {
        self.time_zone.as_deref().unwrap_or("UTC")
    }
}

/// When a dump was taken: backups are ordered by that, and their age is counted from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Taken {
    /// As the dump says: archives always do, scripts of `pg_dump --verbose` do.
    #[default]
    AsItSays,
    /// When the file was last changed.
    Modified,
    /// Then.
    At(Timestamp),
}

/// Brings a file into the store, as a backup of `database`.
///
/// # Errors
/// By [`Kind`]: `Integrity` for a file that is cut or damaged, `WrongKey`, `Policy` for what is no dump of one database, `Usage` when
/// nobody says when it was taken, and those of the store. Nothing that looks like a backup is left then.
pub async fn import(
    file: ForeignFile,
    database: &Name,
    store: &Store,
    options: &BackupOptions,
    import: &ImportOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<BackupSummary> {
    let job = Job::new(monitor, options.cancel.clone());
    let run::Run { start, journal } = run::open(vec![database.clone()], store, options, &job).await?;
    let (watched, stalled) = stall::watch(&job, options.stall_timeout);
    let importing = Importing {
        database,
        run: &start.run,
        store,
        journal: &journal,
        options,
        import,
        keep: false,
        passing: false,
        fits: &|_| Ok(()),
        job: &watched,
    };
    let done = stall::end_when_stalled(Box::pin(importing.carry_out(file)), stalled, &watched).await;
    let mut results = vec![(database.clone(), done)];
    run::record_end(store, options, &job, start.clone(), &results).await;
    results.pop().map_or_else(|| Err(cancelled()), |(_, done)| done)
}

/// One file on its way to a store.
struct Importing<'a> {
    database: &'a Name,
    run: &'a RunId,
    store: &'a Store,
    journal: &'a Journal,
    options: &'a BackupOptions,
    import: &'a ImportOptions,
    /// Keep the script as it is, for psql.
    keep: bool,
    /// It lies there for one restore only: what is to be known of a backup that stays is of no use to its operator.
    passing: bool,
    /// Refuses the file by what its dump says of itself, before the rest of it is read.
    fits: &'a (dyn Fn(&Header) -> Result<()> + Sync),
    job: &'a Job,
}

impl Importing<'_> {
    async fn carry_out(&self, file: ForeignFile) -> Result<BackupSummary> {
        let clock = Instant::now();
        let Self { options, job, .. } = self;
        let unpacked = self.unpack(file).await?;
        let name = unpacked.name.clone();
        let taken = taken::taken(&unpacked, self.import, options.clock.now(), job)?;
        let backup = BackupPath {
            class: options.class.clone(),
            database: self.database.clone(),
            id: BackupId::generate(taken)?,
        };
        let destination = one::destination(backup, self.store, options, job).await?;
        let (uploader, writers) = Uploader::new(&destination.store, self.journal, &destination.upload);
        let (objects, upload, chunk_bytes) =
            (destination.objects(writers), destination.upload.clone(), destination.chunk_bytes);
        job.step(&format!("read {name}"));
        let (keep, listening, mut unpacked) = (self.keep, Job::clone(job), unpacked);
        let work = blocking(job, move || {
            let sql = &mut *unpacked.sql;
            let script = if keep {
                stream::keep_foreign(&listening, sql, objects)
            } else {
                stream::index_foreign(&listening, sql, objects, &upload, chunk_bytes)
            };
            Ok((script?, unpacked))
        });
        let (uploaded, done) = tokio::join!(uploader.run(job), work);
        let (uploaded, (mut script, unpacked)) =
            first_error(uploaded, done).map_err(|error| error.while_doing(format!("read {name}")))?;
        let remarks: Vec<_> = unpacked.remarks.all().into_iter().map(ToOwned::to_owned).collect();
        remarks.iter().for_each(|remark| job.warn(remark));
        let vetted = script.vetted.take().unwrap_or_default();
        let names = Names::read(&script, None).await?;
        let warnings: Vec<_> = names.warning().map(ToOwned::to_owned).into_iter().collect();
        let dumped = Dumped { script: names.indexed(script), attachments: Vec::new(), warnings };
        check_lengths(&uploaded, &dumped, &destination)?;
        let Dumped { script, mut warnings, .. } = dumped;
        warnings.extend(remarks);
        warnings.extend(self.warnings(&vetted));
        let stored =
            script.objects.iter().map(|(name, object)| destination.stored(destination.stored_name(name), object));
        let stored = stored.collect();
        let index = describe::index(&unpacked, &vetted, script, self.import, warnings);
        let attachments = one::describe(&destination, job, None, None, &index).await?;
        let manifest = describe::manifest(self, &destination.backup, &unpacked, taken, stored, attachments)?;
        let silent = Job::new(Arc::new(Silent), job.cancel.clone());
        one::commit(&destination, options, if self.passing { &silent } else { job }, &manifest).await?;
        Ok(one::summary(manifest, index, taken, options, clock))
    }

    async fn unpack(&self, file: ForeignFile) -> Result<Unpacked> {
        let given = file.open(self.job).await?;
        self.job.step(&format!("open {}", given.name));
        let foreign = self.import.foreign.clone();
        let unpacked = blocking(self.job, move || unpack(given, &foreign)).await?;
        if unpacked.header.of_cluster {
            return Err(stream::of_cluster(&unpacked.forms).while_doing(format!("open {}", unpacked.name)));
        }
        (self.fits)(&unpacked.header)?;
        if self.options.seal.is_none() && unpacked.forms.iter().any(|form| is_encrypted(form)) {
            self.job.warn(&format!("{} is encrypted, and the backup is not: {IN_THE_CLEAR}", unpacked.name));
        }
        Ok(unpacked)
    }

    fn warnings(&self, vetted: &stream::Vetted) -> Vec<String> {
        if self.passing {
            return Vec::new();
        }
        let mut warnings = vec![NOT_THERE.to_owned()];
        if vetted.inserts {
            warnings.push(INSERTS.to_owned());
        }
        if vetted.extensions.keys().any(|name| name.to_string() == "timescaledb") {
            warnings.push(TIMESCALEDB.to_owned());
        }
        warnings.extend(self.options.seal.as_ref().and_then(|keys| keys.single_wrap_warning()));
        warnings.iter().for_each(|warning| self.job.warn(warning));
        warnings
    }
}

fn is_encrypted(form: &str) -> bool {
    matches!(form, "gpg" | "openssl")
}

/// What a thread of its own does; one that does not notice the end of the job is left to itself.
async fn blocking<T: Send + 'static>(job: &Job, work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let mut thread = tokio::task::spawn_blocking(work);
    let panicked = || "read a file: the thread panicked".to_owned();
    tokio::select! {
        done = &mut thread => return done.kind_of(Kind::Failure, panicked)?,
        () = job.cancel.cancelled() => {}
    }
    let _ = tokio::time::timeout(LET_GO, thread).await;
    Err(cancelled())
}

const IN_THE_CLEAR: &str = "whoever reads the store will read its rows. Give --keyring or --recipient, or delete the backup when that was not meant";
const NOT_THERE: &str = "imported: the file tells neither settings nor privileges of the database itself, nor what roles were, and nobody knows whether every table \
     of the source is in it; there is no schema archive and no catalog";
const INSERTS: &str = "rows come as INSERT: there are no fingerprints of them, and a drill cannot prove them";
const TIMESCALEDB: &str = "the dump does not say of which version of TimescaleDB it is: note that down, it is restored into that version only";
const LET_GO: Duration = Duration::from_secs(5);
