//! An application that writes 500 rows a second into the table, alone and beside the sweep.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lifeboat_core::{Error, Kind, Result};
use lifeboat_rotate::sweep::{SweepOptions, run};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

use super::scene::{Scene, connected, failed, job, keyring_new, target};

/// The application.
pub(crate) struct Traffic {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Result<Vec<Duration>>>,
}

const PER_SECOND: u64 = 500;
/// Sessions of the application.
const SESSIONS: u64 = 4;

impl Traffic {
    /// Prints the latencies of writes without and with a sweep, round by round, and asks whether the last of them are there.
    pub(crate) async fn compare(scene: &Scene, options: &SweepOptions, rounds: usize) -> Result<()> {
        println!("\n| {PER_SECOND} writes a second | writes | p50 | p99 | most |\n|---|---|---|---|---|");
        let mut ratios = Vec::new();
        for _ in 0..rounds {
            ratios.push(Self::round(scene, options).await?);
        }
        ratios.sort_by(f64::total_cmp);
        println!("| p99 rose to: {ratios:.2?} | | | {:.2} | |", ratios[ratios.len() / 2]);
        Ok(())
    }

    /// Gives by how much the p99 rose.
    async fn round(scene: &Scene, options: &SweepOptions) -> Result<f64> {
        scene.fresh().await?;
        let beside = Self::start(scene);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let began = Instant::now();
        let summary = run(&scene.settings()?, &[target()?], options, &job()).await?;
        let took = began.elapsed();
        let beside = Self::stop(beside).await?;
        let lost = "SELECT count(*) FROM secrets s JOIN written w USING (id) WHERE s.value <> w.value";
        let lost: i64 = scene.client.query_one(lost, &[]).await.map_err(failed)?.get(0);
        scene.fresh().await?;
        // As long, so that it meets as much of what comes by itself: checkpoints, and what else the machine has to do.
        let alone = Self::start(scene);
        tokio::time::sleep(took).await;
        let alone = Self::stop(alone).await?;
        let p99 = [told("alone", alone), told(&format!("beside a run of {:.1} s", took.as_secs_f64()), beside)];
        let clean = summary.is_clean() && lost == 0;
        if clean {
            return Ok(p99[1] / p99[0]);
        }
        Err(Error::new(Kind::Failure, format!("lose nothing: {lost} rows hold another value, {summary:?}")))
    }

    fn start(scene: &Scene) -> Vec<Self> {
        (0..SESSIONS).map(|session| Self::session(scene, session)).collect()
    }

    async fn stop(sessions: Vec<Self>) -> Result<Vec<Duration>> {
        let mut all = Vec::new();
        for session in sessions {
            session.stop.store(true, Ordering::Relaxed);
            all.extend(session.task.await.map_err(failed)??);
        }
        Ok(all)
    }

    /// In a thread and a runtime of its own, as another program would be: the sweep's must not make it wait.
    fn session(scene: &Scene, session: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let writing = write(scene.dsn(), scene.rows, session, stop.clone());
        let task = tokio::task::spawn_blocking(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
            runtime.block_on(writing)
        });
        Self { stop, task }
    }
}

/// Writes rows that no other session writes, each with what it wrote last in the table `written`; gives how long writes took.
async fn write(dsn: String, rows: u64, session: u64, stop: Arc<AtomicBool>) -> Result<Vec<Duration>> {
    let client = connected(&dsn).await?;
    if session == 0 {
        client
            .batch_execute("DROP TABLE IF EXISTS written; CREATE TABLE written (id bigint PRIMARY KEY, value text)")
            .await
            .map_err(failed)?;
    }
    let keyring = keyring_new()?;
    let update =
        client.prepare("UPDATE secrets SET value = $2, updated_at = now() WHERE id = $1").await.map_err(failed)?;
    let mut ticks = interval(Duration::from_micros(1_000_000 * SESSIONS / PER_SECOND));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (mut times, mut last, mut state) = (Vec::new(), std::collections::BTreeMap::new(), session * 2 + 1);
    while !stop.load(Ordering::Relaxed) {
        let due = ticks.tick().await;
        // What a write waits behind a slow one before it is sent its user waits as well; the timer's own step is nobody's.
        let waited = due.elapsed().saturating_sub(Duration::from_millis(2));
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let id = i64::try_from((state >> 20) % (rows / SESSIONS) * SESSIONS + session).unwrap_or_default();
        let value = keyring.encrypt(format!("written {state}").as_bytes(), b"")?;
        let value = value.text().unwrap_or_default().to_owned();
        let began = Instant::now();
        client.execute(&update, &[&id, &value]).await.map_err(failed)?;
        times.push(began.elapsed() + waited);
        last.insert(id, value);
    }
    let (ids, values): (Vec<i64>, Vec<String>) = last.into_iter().unzip();
    let note = "INSERT INTO written SELECT * FROM unnest($1::bigint[], $2::text[])";
    client.execute(note, &[&ids, &values]).await.map_err(failed)?;
    Ok(times)
}

fn told(what: &str, mut times: Vec<Duration>) -> f64 {
    times.sort();
    let at =
        |part: f64| times.get((times.len() as f64 * part) as usize).copied().unwrap_or_default().as_secs_f64() * 1e3;
    let most = times.last().copied().unwrap_or_default().as_secs_f64() * 1e3;
    println!("| {what} | {} | {:.2} ms | {:.2} ms | {most:.2} ms |", times.len(), at(0.5), at(0.99));
    at(0.99)
}
