//! Deletes what a plan says, looking again before and after.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lifeboat_core::job::cancelled;
use lifeboat_core::keys::{KeyId, Wrap};
use lifeboat_core::monitor::{Counter, Monitor};
use lifeboat_core::store::{Store, layout};
use lifeboat_core::{Error, Job, Kind, Result};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::super::ends_all;
use super::super::failures::{Failed, Failures};
use super::super::folder::Owner;
use super::{RetireOptions, RetirePlan, Retirement};

/// What became of the wraps.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RetireSummary {
    /// Wraps that were deleted.
    pub deleted: u64,
    /// Wraps that somebody else had deleted since the plan was made.
    pub gone: u64,
    /// Those that were kept, with `force` those of the plan among them.
    pub failed: Failures,
}

/// Deletes the wraps of a plan, and nothing else. Before each the wrap that stays is read once more; when it has vanished
/// right after, because somebody deleted that one at the same moment, the deleted one is put back: also when the operation is
/// cancelled meanwhile, but not when the process is killed. That is why wraps under keys that may be retired do not count as
/// ones that stay.
///
/// # Errors
/// As [`RetirePlan::check`], with nothing done; a store that does not answer, cancellation. What fails for one backup is in
/// the summary.
pub async fn apply_retire(
    stores: &[Store],
    plan: &RetirePlan,
    options: &RetireOptions,
    monitor: Arc<dyn Monitor>,
) -> Result<RetireSummary> {
    plan.check()?;
    let job = &options.rotate.job(monitor);
    let mut summary = RetireSummary { failed: plan.refused.clone(), ..RetireSummary::default() };
    let mut waiting = plan.delete.iter();
    let mut deleting = FuturesUnordered::new();
    let mut ended = Ok(());
    loop {
        let room = if ended.is_ok() { options.rotate.at_once.max(1) - deleting.len() } else { 0 };
        for retirement in waiting.by_ref().take(room) {
            deleting.extend(stores.get(retirement.store).map(|store| with(store, retirement, &options.key, job)));
        }
        let Some((store, retirement, done)) = deleting.next().await else { break };
        job.count(Counter::Objects, 1);
        match done {
            Ok(true) => summary.deleted += 1,
            Ok(false) => summary.gone += 1,
            // Those under way end by themselves: a deletion that is dropped would not be looked at again.
            Err(error) if ends_all(&error) => ended = ended.and(Err(error)),
            Err(error) => summary.failed.add(Failed::named(store.address(), retirement.owner.to_string(), &error)),
        }
    }
    ended.map(|()| summary)
}

async fn with<'a>(
    store: &'a Store,
    retirement: &'a Retirement,
    key: &KeyId,
    job: &Job,
) -> (&'a Store, &'a Retirement, Result<bool>) {
    let done = Box::pin(delete(store, retirement, key, job)).await;
    (store, retirement, done)
}

/// Whether there was something to delete.
async fn delete(store: &Store, retirement: &Retirement, key: &KeyId, job: &Job) -> Result<bool> {
    let Retirement { owner, kept, .. } = retirement;
    let name = owner.object(&layout::wrap(key));
    let (going, staying) = tokio::join!(read(store, job, &name), stays(store, job, owner, kept));
    let Some(going) = going? else { return Ok(false) };
    if !staying? {
        return Err(Error::new(Kind::Policy, format!("delete the wrap of {owner}: the one under {kept} is gone"))
            .hint("make the plan anew: somebody retires keys at the same time"));
    }
    job.check()?;
    let lasting = &Job::new(job.monitor.clone(), CancellationToken::new());
    let overdue = async {
        job.cancel.cancelled().await;
        tokio::time::sleep(END_DEADLINE).await;
    };
    tokio::select! {
        biased;
        done = unless_left_alone(store, retirement, &name, going, lasting) => done.map(|()| true),
        () = overdue => Err(cancelled()),
    }
}

/// Deletes the wrap, and puts it back unless the other is still there.
async fn unless_left_alone(store: &Store, retirement: &Retirement, name: &str, going: Bytes, job: &Job) -> Result<()> {
    let Retirement { owner, kept, .. } = retirement;
    let deleted = store.delete(job, name).await;
    if let Ok(true) = stays(store, job, owner, kept).await {
        return deleted;
    }
    let back = store.put(job, name, going).await;
    back.map_err(|error| error.while_doing(format!("put the wrap of {owner} back: the one under {kept} vanished")))?;
    Err(Error::new(
        Kind::Policy,
        format!("delete the wrap of {owner}: the one under {kept} vanished, and it was put back"),
    )
    .hint("make the plan anew: somebody retires keys at the same time"))
}

/// Whether the wrap that is to stay is there, whole.
async fn stays(store: &Store, job: &Job, owner: &Owner, kept: &KeyId) -> Result<bool> {
    match read(store, job, &owner.object(&layout::wrap(kept))).await? {
        Some(bytes) => Wrap::parse(&bytes, owner.id(), kept).map(|_| true),
        None => Ok(false),
    }
}

async fn read(store: &Store, job: &Job, name: &str) -> Result<Option<Bytes>> {
    match store.get(job, name).await {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// How long deletions under way have to end when the operation is cancelled.
const END_DEADLINE: Duration = Duration::from_secs(20);
