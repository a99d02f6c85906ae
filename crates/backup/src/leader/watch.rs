//! What our snapshot and locks do to others while a dump runs: told, and bounded where the operator wants that.
//!
//! A change of a table waits for the lock with which we read it, and everybody who wants that table waits behind the change:
//! a dump of hours must not become an outage. And vacuum removes no row that a snapshot could still see.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use lifeboat_core::{Error, Job, Kind, Result, counted};
use serde::Deserialize;

use super::Leader;
use crate::postgres::rows;

/// What ends a dump for the sake of others. Zero is no limit.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bounds {
    /// How long a change of a table may wait for us.
    pub(crate) yield_to_ddl: Duration,
    /// How old our snapshot may become.
    pub(crate) snapshot_max_age: Duration,
}

/// What was seen and told so far.
pub(crate) struct Watch {
    bounds: Bounds,
    began: Instant,
    seen: HashMap<i32, Seen>,
    tell_age_at: Duration,
}

/// A change that waits, since when by our own clock.
struct Seen {
    since: Instant,
    told: bool,
}

impl Watch {
    /// Begins with the snapshot.
    pub(crate) fn begin(bounds: Bounds) -> Self {
        Self { bounds, began: Instant::now(), seen: HashMap::new(), tell_age_at: OLD_SNAPSHOT }
    }

    /// How long to wait between two looks: so short that no limit is missed by much, and no connection falls asleep.
    pub(crate) fn interval(&self) -> Duration {
        let limits = [self.bounds.yield_to_ddl, self.bounds.snapshot_max_age];
        let shortest = limits.into_iter().filter(|limit| !limit.is_zero()).min();
        shortest.map_or(INTERVAL, |limit| (limit / 2).min(INTERVAL))
    }

    /// Looks, by the leader's session, which nobody between here and the server can then take for a dead one.
    ///
    /// # Errors
    /// [`Kind::TryAgain`] when a limit is reached; the session's own.
    pub(crate) async fn look(&mut self, leader: &mut Leader, job: &Job) -> Result<()> {
        let doing = "keep the leader's session";
        // Without this a transaction sees the activity of the moment when it first asked for it.
        leader.session.execute("SELECT pg_catalog.pg_stat_clear_snapshot()").await.map_err(|e| e.while_doing(doing))?;
        let waiting: Vec<Waiting> = rows(&mut *leader.session, WAITING).await.map_err(|e| e.while_doing(doing))?;
        self.seen.retain(|pid, _| waiting.iter().any(|change| change.pid == *pid));
        for change in &waiting {
            self.judge_change(change, job)?;
        }
        self.judge_age(job)
    }

    fn judge_change(&mut self, change: &Waiting, job: &Job) -> Result<()> {
        let limit = self.bounds.yield_to_ddl;
        let seen = self.seen.entry(change.pid).or_insert_with(|| Seen { since: Instant::now(), told: false });
        let seconds = change.seconds.unwrap_or_else(|| seen.since.elapsed().as_secs_f64());
        if !limit.is_zero() && seconds >= limit.as_secs_f64() {
            return Err(Error::new(Kind::TryAgain, format!("go on: {}", change.describe(seconds)))
                .hint("the run gave way as --yield-to-ddl says; run it again apart from jobs that change tables"));
        }
        if seconds >= WORTH_TELLING.as_secs_f64() && !seen.told {
            seen.told = true;
            job.warn(&change.describe(seconds));
        }
        Ok(())
    }

    fn judge_age(&mut self, job: &Job) -> Result<()> {
        let age = self.began.elapsed();
        let limit = self.bounds.snapshot_max_age;
        if !limit.is_zero() && age >= limit {
            let doing = format!("finish within --snapshot-max-age of {}", minutes(limit));
            return Err(
                Error::new(Kind::TryAgain, doing).hint("raise the limit, or dump over more connections: --jobs")
            );
        }
        if age >= self.tell_age_at {
            self.tell_age_at *= 2;
            let age = minutes(age);
            job.warn(&format!("the snapshot is {age} old: meanwhile vacuum removes no rows that it could see"));
        }
        Ok(())
    }
}

fn minutes(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 120 { format!("{seconds} seconds") } else { format!("{} minutes", seconds / 60) }
}

/// A change of a table that waits for one of our sessions.
#[derive(Deserialize)]
struct Waiting {
    pid: i32,
    relation: String,
    application: Option<String>,
    user: Option<String>,
    query: Option<String>,
    /// Hidden from roles that are not in `pg_read_all_stats`, and from everybody where `track_activities` is off.
    seconds: Option<f64>,
    behind: u64,
}

impl Waiting {
    fn describe(&self, seconds: f64) -> String {
        let Self { pid, relation, behind, .. } = self;
        let application = self.application.as_deref().filter(|name| !name.is_empty()).unwrap_or("unnamed");
        let user = self.user.as_deref().unwrap_or("?");
        let query: String = self.query.as_deref().unwrap_or_default().chars().take(QUERY_CHARS).collect();
        let others =
            if *behind > 0 { format!(", and {} behind it", counted(*behind, "session")) } else { String::new() };
        format!(
            "pid {pid} ({application}, user {user}) has waited {seconds:.0} s to change {relation}, which this dump reads{others}: \
             {query}"
        )
    }
}

const WAITING: &str = "
SELECT l.pid, l.relation::regclass::text AS relation, a.application_name AS application, a.usename AS user, a.query AS query,
       extract(epoch FROM clock_timestamp() - a.query_start)::float8 AS seconds,
       (SELECT count(*) FROM pg_locks o JOIN pg_stat_activity b ON b.pid = o.pid
        WHERE NOT o.granted AND o.locktype = 'relation' AND o.relation = l.relation AND o.database = l.database
          AND o.pid <> l.pid AND b.application_name NOT LIKE 'lifeboat/%') AS behind
FROM pg_locks l
JOIN pg_stat_activity a ON a.pid = l.pid
WHERE NOT l.granted AND l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND EXISTS (SELECT FROM unnest(pg_blocking_pids(l.pid)) AS b (pid) JOIN pg_stat_activity o ON o.pid = b.pid
              WHERE o.application_name LIKE 'lifeboat/%')
ORDER BY a.query_start
LIMIT 5";

const INTERVAL: Duration = Duration::from_secs(10);
const WORTH_TELLING: Duration = Duration::from_secs(5);
const OLD_SNAPSHOT: Duration = Duration::from_secs(2 * 60 * 60);
const QUERY_CHARS: usize = 120;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Bounds, Watch};

    #[test]
    fn looks_come_twice_within_the_shortest_limit() {
        let interval = |yield_to_ddl, snapshot_max_age| {
            let [yield_to_ddl, snapshot_max_age] = [yield_to_ddl, snapshot_max_age].map(Duration::from_secs);
            Watch::begin(Bounds { yield_to_ddl, snapshot_max_age }).interval().as_secs()
        };
        assert_eq!([interval(0, 0), interval(4, 0), interval(60, 6), interval(600, 7200)], [10, 2, 3, 10]);
    }
}
