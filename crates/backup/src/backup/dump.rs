//! Runs the tools, the workers and the uploader side by side, by either method.

use std::time::Duration;

use lifeboat_core::manifest::StoredObject;
use lifeboat_core::monitor::Counter;
use lifeboat_core::store::layout::{self, Piece};
use lifeboat_core::store::{Journal, UploadedObject, Uploader, Writers};
use lifeboat_core::{Error, Job, Kind, Result, ResultExt};

use super::attachments::Destination;
use super::names::Names;
use crate::indexed::IndexedScript;
use crate::leader::{Bounds, Leader, Watch};
use crate::parallel::{self, LeaderView, Limits, Tables};
use crate::stream;
use crate::tools::Toolbox;

/// What was dumped.
pub(super) struct Dumped {
    pub(super) script: IndexedScript,
    pub(super) attachments: Vec<StoredObject>,
    pub(super) warnings: Vec<String>,
}

/// How rows are dumped.
pub(super) enum How {
    Stream,
    Parallel { workers: usize, leader: Box<LeaderView> },
}

/// What a dump works with.
pub(super) struct Dump<'a> {
    pub(super) destination: &'a Destination,
    pub(super) tools: &'a Toolbox,
    pub(super) lock_timeout: Duration,
    pub(super) bounds: Bounds,
    pub(super) job: &'a Job,
}

impl Dump<'_> {
    /// Runs everything, and ends everything when one part fails.
    pub(super) async fn run(&self, journal: &Journal, leader: Option<&mut Leader>, how: How) -> Result<Dumped> {
        let Self { destination, job, .. } = self;
        let (uploader, writers) = Uploader::new(&destination.store, journal, &destination.upload);
        let work = async {
            match (how, leader) {
                (How::Parallel { workers, leader: view }, Some(leader)) => {
                    self.parallel(leader, &view, workers, writers).await
                }
                (_, leader) => self.stream(leader, writers).await,
            }
        };
        let (uploaded, dumped) = tokio::join!(uploader.run(job), Box::pin(work));
        let (uploaded, dumped) = first_error(uploaded, dumped)?;
        check_lengths(&uploaded, &dumped, destination)?;
        Ok(dumped)
    }

    async fn stream(&self, mut leader: Option<&mut Leader>, writers: Writers) -> Result<Dumped> {
        let Self { destination, tools, job, .. } = self;
        let snapshot = leader.as_ref().map(|leader| leader.snapshot.clone());
        if let Some(leader) = &leader {
            job.expect(Counter::SqlBytes, leader.facts.size_bytes);
        }
        let unreadable = match leader.as_deref_mut() {
            Some(leader) => job.run(leader.unreadable_roles()).await?,
            None => None,
        };
        let work = async {
            let mut warnings = Vec::new();
            let mut attachments = Vec::new();
            match &snapshot {
                Some(snapshot) => attachments.push(self.schema_archive(snapshot, &writers, None).await?),
                None => warnings.push(NO_LEADER.to_owned()),
            }
            attachments.extend(self.roles(&writers, &mut warnings, unreadable).await?);
            job.step("dump the rows");
            let mut pg_dump = tools.pg_dump("dump");
            pg_dump.args(snapshot.iter().map(|snapshot| format!("--snapshot={snapshot}")));
            let (objects, upload) = (destination.objects(writers), &destination.upload);
            let chunk_bytes = destination.chunk_bytes;
            let script = stream::dump(job, pg_dump, "pg_dump", Piece::Dump, objects, upload, chunk_bytes).await?;
            Ok((script, attachments, warnings))
        };
        let (script, attachments, mut warnings) = self.while_leading(leader.as_deref_mut(), work).await?;
        let names = job.run(Names::read(&script, leader)).await?;
        warnings.extend(names.warning().map(ToOwned::to_owned).inspect(|warning| job.warn(warning)));
        Ok(Dumped { script: names.indexed(script), attachments, warnings })
    }

    async fn parallel(
        &self,
        leader: &mut Leader,
        view: &LeaderView,
        workers: usize,
        writers: Writers,
    ) -> Result<Dumped> {
        let Self { destination, tools, job, .. } = self;
        let tables = job.run(Tables::read(leader)).await?;
        job.expect(Counter::SqlBytes, tables.bytes());
        let unreadable = job.run(leader.unreadable_roles()).await?;
        let has_large_objects = leader.facts.large_objects > 0;
        let objects = destination.objects(writers.clone());
        let work = async {
            let archive = tools.private_file()?;
            let kept = archive.reopen().kind_of(Kind::Failure, || "open the file of the schema archive".into())?;
            let schema = self.schema_archive(&view.snapshot, &writers, Some(kept)).await?;
            let section = |piece| {
                let (objects, upload) = (objects.clone(), &destination.upload);
                parallel::section(job, tools, archive.path(), piece, objects, upload)
            };
            let mut script = section(Piece::PreData).await?;
            let post_data = section(Piece::PostData).await?;
            let mut warnings = Vec::new();
            let roles = self.roles(&writers, &mut warnings, unreadable).await?;
            job.step(&format!("dump the rows over {workers} connections"));
            let limits = Limits::new(&destination.upload, destination.chunk_bytes, self.lock_timeout);
            script.append(parallel::dump_rows(job, view, tables, workers, objects.clone(), limits).await?);
            if has_large_objects {
                job.step("dump the large objects");
                let (objects, upload) = (objects.clone(), &destination.upload);
                script.append(parallel::large_objects(job, tools, &view.snapshot, objects, upload).await?);
            }
            Ok((script, post_data, std::iter::once(schema).chain(roles).collect(), warnings))
        };
        let (mut script, post_data, attachments, warnings) = self.while_leading(Some(leader), work).await?;
        script.append(job.run(parallel::sequences(leader, objects)).await?);
        script.append(post_data);
        drop(writers);
        Ok(Dumped { script, attachments, warnings })
    }

    /// Watches, by the leader, while `work` goes on.
    async fn while_leading<T>(&self, leader: Option<&mut Leader>, work: impl Future<Output = Result<T>>) -> Result<T> {
        let Some(leader) = leader else { return work.await };
        let job = self.job;
        let mut watch = Watch::begin(self.bounds);
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                result = &mut work => {
                    let done = result?;
                    job.run(leader.prove_held()).await?;
                    return Ok(done);
                }
                () = tokio::time::sleep(watch.interval()) => {}
            }
            // Not beside the work: an answer that nobody waited for would be taken for the next query's.
            if let Err(error) = job.run(watch.look(leader, job)).await {
                // The snapshot may be gone with the session: whatever is still running must not be committed.
                job.cancel.cancel();
                let _ = work.await;
                return Err(error);
            }
        }
    }

    /// First of all tools: from then on only tables that the leader has locked are asked for.
    async fn schema_archive(
        &self,
        snapshot: &str,
        writers: &Writers,
        kept: Option<std::fs::File>,
    ) -> Result<StoredObject> {
        self.job.step("dump the schema archive");
        let mut pg_dump = self.tools.pg_dump("schema");
        pg_dump.args(["--format=custom", "--compress=0", "--section=pre-data", "--section=post-data"]);
        pg_dump.arg(format!("--snapshot={snapshot}"));
        self.destination.tool_output(self.job, pg_dump, "pg_dump", layout::SCHEMA, writers, kept).await
    }

    /// Without their passwords: nobody but a superuser may read those. Where providers hide more, a backup without roles is
    /// better than none.
    async fn roles(
        &self,
        writers: &Writers,
        warnings: &mut Vec<String>,
        unreadable: Option<String>,
    ) -> Result<Option<StoredObject>> {
        if let Some(unreadable) = unreadable {
            self.job.warn(&unreadable);
            warnings.push(unreadable);
            return Ok(None);
        }
        self.job.step("dump the roles, without their passwords");
        let mut pg_dumpall = self.tools.command("pg_dumpall", "globals");
        // Without a database of its own it would connect to `postgres`, where the role may have no business.
        pg_dumpall.args(["--globals-only", "--no-role-passwords", "--encoding=UTF8"]);
        pg_dumpall.arg(format!("--database={}", self.tools.database_argument()));
        self.destination.tool_output(self.job, pg_dumpall, "pg_dumpall", layout::GLOBALS, writers, None).await.map(Some)
    }
}

const NO_LEADER: &str = "no leader was possible: no schema archive, no catalog, no proof of completeness";

/// The error that came first: the side that was ended because of it says only that it was cancelled.
pub(super) fn first_error<A, B>(left: Result<A>, right: Result<B>) -> Result<(A, B)> {
    match (left, right) {
        (Ok(left), Ok(right)) => Ok((left, right)),
        (Err(left), Err(right)) if left.kind() == Kind::Cancelled => Err(right),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Every object was stored with the length that was written.
pub(super) fn check_lengths(uploaded: &[UploadedObject], dumped: &Dumped, destination: &Destination) -> Result<()> {
    let uploaded: std::collections::HashMap<_, _> =
        uploaded.iter().map(|object| (object.name.as_str(), object.length)).collect();
    let script = dumped.script.objects.iter().map(|(name, object)| (destination.stored_name(name), object.length));
    let written = script.chain(dumped.attachments.iter().map(|object| (object.name.clone(), object.length)));
    for (name, length) in written {
        let name = destination.backup.object(&name);
        if uploaded.get(name.as_str()) != Some(&length) {
            return Err(Error::new(Kind::Integrity, format!("store {name} whole")));
        }
    }
    Ok(())
}
