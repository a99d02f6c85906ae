//! The same work on every folder of every store, a few at once.

use std::future::{Future, Ready};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use lifeboat_core::monitor::Counter;
use lifeboat_core::store::Store;
use lifeboat_core::{Job, Result};

use super::ends_all;
use super::failures::{Failed, Failures};
use super::folder::{Folder, folders};

/// Does `work` on each folder; `take` gets what it returns. What fails is noted in `failures` and stops nothing else.
///
/// # Errors
/// Those of a listing; the first one that ends all.
pub(super) async fn each<'s, T, F>(
    stores: &'s [Store],
    job: &'s Job,
    at_once: usize,
    failures: &mut Failures,
    work: impl Fn(Folder<'s>) -> F,
    mut take: impl FnMut(T),
) -> Result<()>
where
    F: Future<Output = Done<'s, T>>,
{
    for store in stores {
        let mut listed = Box::pin(folders(store, job));
        let (mut working, mut more) = (FuturesUnordered::new(), true);
        // Not `buffer_unordered`: with closures over borrowed folders, no future that holds it can move to another thread.
        let ended = loop {
            tokio::select! {
                folder = listed.next(), if more && working.len() < at_once.max(1) => match folder {
                    Some(Ok(folder)) => working.push(work(folder)),
                    Some(Err(error)) => break Err(error),
                    None => more = false,
                },
                Some((folder, result)) = working.next() => {
                    if let Err(error) = settle(&folder, result, job, failures, &mut take) {
                        break Err(error);
                    }
                }
                else => break Ok(()),
            }
        };
        if job.cancel.is_cancelled() {
            // Each ends soon by itself; a write that is dropped under way would leave a draft behind.
            while working.next().await.is_some() {}
        }
        ended?;
    }
    job.check()
}

fn settle<T>(
    folder: &Folder<'_>,
    result: Result<T>,
    job: &Job,
    failures: &mut Failures,
    take: &mut impl FnMut(T),
) -> Result<()> {
    job.count(Counter::Objects, 1);
    match result {
        Ok(value) => take(value),
        Err(error) if ends_all(&error) => return Err(error),
        Err(error) => failures.add(Failed::of(folder, &error)),
    }
    Ok(())
}

/// Work that needs nothing but the listing.
pub(super) fn ready<T>(result: Result<T>, folder: Folder<'_>) -> Ready<Done<'_, T>> {
    std::future::ready((folder, result))
}

/// A folder, and what became of it.
pub(super) type Done<'s, T> = (Folder<'s>, Result<T>);
