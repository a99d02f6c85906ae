//! Which method dumps a database, and over how many connections.

use std::num::NonZeroUsize;

use lifeboat_core::{Error, Kind, Name, Result};

use crate::leader::Leader;
use crate::source::MethodChoice;

/// The method of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// Rows over so many connections.
    Parallel(usize),
    /// One `pg_dump`, and why where that was not asked for.
    Stream(Option<String>),
}

/// Decides by what was asked for and what the server allows. `leader` is one with a connection of our own.
///
/// # Errors
/// [`Kind::Config`] when `parallel` was asked for by name and is not possible.
pub(crate) async fn choose(
    wanted: MethodChoice,
    jobs: Option<NonZeroUsize>,
    database: &Name,
    leader: Option<&mut Leader>,
) -> Result<Choice> {
    if wanted == MethodChoice::Stream {
        return Ok(Choice::Stream(None));
    }
    let possible = match leader {
        Some(leader) => workers(leader, jobs).await?,
        None => Err("the tools run through a prefix, which no connection of ours can use".to_owned()),
    };
    match possible {
        Ok(workers) => Ok(Choice::Parallel(workers)),
        Err(reason) if wanted == MethodChoice::Auto => Ok(Choice::Stream(Some(reason))),
        Err(reason) => Err(Error::new(Kind::Config, format!("dump {database} by the method parallel: {reason}"))
            .hint("use --method auto or --method stream")),
    }
}

/// How many connections may dump, or why none.
async fn workers(leader: &mut Leader, jobs: Option<NonZeroUsize>) -> Result<Result<usize, String>> {
    if let Some(extension) = leader.extension_that_forbids_copy() {
        return Ok(Err(format!("the extension {extension} keeps rows where COPY of their table does not find them")));
    }
    let free = leader.free_connections().await?;
    let free = usize::try_from(free - KEPT_FREE).unwrap_or(0);
    if free == 0 {
        return Ok(Err("the server, the database or the role has no connections left for it".to_owned()));
    }
    let wanted = jobs.map_or_else(default_workers, NonZeroUsize::get);
    Ok(Ok(wanted.min(free)))
}

/// As many as there are cores, which do the compressing, and never so many that the server has no time for others.
fn default_workers() -> usize {
    std::thread::available_parallelism().map_or(2, NonZeroUsize::get).min(DEFAULT_WORKERS_MAX)
}

const DEFAULT_WORKERS_MAX: usize = 4;
/// For pg_dump, pg_dumpall and somebody who wants to look.
const KEPT_FREE: i64 = 3;
