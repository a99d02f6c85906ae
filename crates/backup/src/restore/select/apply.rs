//! Carries out the restore of a part into a database that is there.

use std::time::{Duration, Instant};

use lifeboat_core::monitor::Counter;
use lifeboat_core::store::Store;
use lifeboat_core::{Job, Result};

use super::copy::Rows;
use super::fill::{Filled, Filler};
use super::part::Part;
use crate::archive::Archive;
use crate::postgres::{ConnectionSettings, DirectSession};
use crate::restore::preflight::Preflight;
use crate::restore::sql::Header;
use crate::restore::target::{Target, or_discard};
use crate::restore::{MissingRoles, RestoreOptions, RestoreSummary, roles, with_rights_hint};

/// Restores `part` into a target that is there.
pub(in crate::restore) async fn apply(
    store: &Store,
    archive: &Archive,
    wanted: &ConnectionSettings,
    options: &RestoreOptions,
    preflight: &Preflight,
    part: &Part,
    job: &Job,
) -> Result<RestoreSummary> {
    let clock = Instant::now();
    let (rows, sql_bytes) = (part.rows(&archive.index), part.sql_bytes(&archive.index));
    job.expect(Counter::SqlBytes, sql_bytes);
    job.expect(Counter::Rows, rows);
    let target = Target::prepare(archive, wanted, options, preflight, job).await?;
    let restoring = Restoring { store, archive, target: &target, options, preflight, part, job };
    let (filled, passwords_to_set) = or_discard(&target, job, restoring.run()).await?;
    Ok(RestoreSummary {
        backup: archive.path.to_string(),
        target: wanted.display(),
        tables: part.tables_count(),
        rows,
        sql_bytes,
        seconds: clock.elapsed().as_secs_f64(),
        passwords_to_set,
        left_out: part.left_out.clone(),
        used: filled.used,
        without_rows: filled.without_rows,
        warnings: archive.index.warnings.clone(),
    })
}

struct Restoring<'a> {
    store: &'a Store,
    archive: &'a Archive,
    target: &'a Target,
    options: &'a RestoreOptions,
    preflight: &'a Preflight,
    part: &'a Part,
    job: &'a Job,
}

impl Restoring<'_> {
    async fn run(self) -> Result<(Filled, Vec<String>)> {
        let Self { store, archive, target, options, preflight, job, .. } = self;
        let mut session = target.connect("restore", job).await?;
        let missing = &preflight.missing_roles;
        let creating = roles::create(store, archive, missing, options.roles, &mut session, job);
        let created = job.run(Box::pin(creating)).await?;
        let filled = self.fill(session).await;
        if filled.is_err() && !options.server_goes {
            created.tell_what_stays(job);
        }
        filled.map(|filled| (filled, created.passwords_to_set))
    }

    async fn fill(&self, mut session: DirectSession) -> Result<Filled> {
        let job = self.job;
        // Dropped where it stands when the job is cancelled: then what the session is at is ended, and its transaction.
        let filled = match job.run(Box::pin(self.fill_over(&mut session))).await {
            Ok(filled) => filled,
            Err(error) => {
                let error = with_rights_hint(error);
                abandon(session, job).await;
                return Err(error);
            }
        };
        session.close().await;
        Ok(filled)
    }

    async fn fill_over(&self, session: &mut DirectSession) -> Result<Filled> {
        let Self { store, archive, options, part, job, .. } = *self;
        let encoding = match &archive.index.source {
            Some(source) => source.encoding.clone(),
            None => Header::read(store, archive, job).await?.encoding.unwrap_or_else(|| "UTF8".to_owned()),
        };
        let skip_owners = options.roles == MissingRoles::Skip;
        let rows = Rows { store, archive, encoding, job };
        Filler { part, rows, session, job, skip_owners }.fill().await
    }
}

/// Ends the session, and the statement that it is at.
async fn abandon(session: DirectSession, job: &Job) {
    if !matches!(tokio::time::timeout(CANCEL_WITHIN, session.cancel()).await, Ok(Ok(()))) {
        job.warn("could not cancel the last statement");
    }
    // A statement that the server does not give up keeps the session; dropping it is enough for us.
    let _ = tokio::time::timeout(CANCEL_WITHIN, session.close()).await;
}

const CANCEL_WITHIN: Duration = Duration::from_secs(5);
