//! An application that goes on writing: inserts, updates and deletes, each row one writer's, who has one key or both.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use lifeboat_tests::sweep::Dice;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls};

use crate::world::{Plain, World, encrypted, keyring, target};

/// A writer with one key; it says what it wrote last, row by row.
pub(crate) struct Writer {
    stop: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    thread: JoinHandle<Plain>,
}

impl Writer {
    /// Writes the rows `rows`, whose values are `plain` now, and new ones beside them, with a rest between.
    pub(crate) fn start(
        world: &World,
        secret: &str,
        rows: std::ops::Range<usize>,
        plain: &Plain,
        rest: Duration,
    ) -> Writer {
        Writer::with(world, &[secret], rows, plain, rest)
    }

    /// One that writes now under this key, now under that: instances that were restarted, and such as were not yet.
    pub(crate) fn with(
        world: &World,
        secrets: &[&str],
        rows: std::ops::Range<usize>,
        plain: &Plain,
        rest: Duration,
    ) -> Writer {
        let (stop, written) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let is_mine = |id: usize| rows.contains(&id) || (id >= 1_000_000 && rows.contains(&((id - 1_000_000) / 1000)));
        let mine = plain.iter().filter(|(id, _)| is_mine(id.parse().unwrap()));
        let mine: Plain = mine.map(|(id, text)| (id.clone(), text.clone())).collect();
        let (dsn, secrets) =
            (world.database.dsn(), secrets.iter().map(|&secret| secret.to_owned()).collect::<Vec<_>>());
        let (stopped, counter) = (stop.clone(), written.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(write(&dsn, &secrets, rows.start, mine, rest, &stopped, &counter))
        });
        Writer { stop, written, thread }
    }

    /// Waits until it has written so often.
    pub(crate) fn wait_for(&self, writes: u64) {
        while self.written.load(Ordering::Relaxed) < writes {
            assert!(!self.thread.is_finished(), "the writer failed");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// How often it has written.
    pub(crate) fn writes(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Ends it; gives what its rows hold now.
    pub(crate) fn stop(self) -> Plain {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

async fn write(
    dsn: &str,
    secrets: &[String],
    first: usize,
    mut rows: Plain,
    rest: Duration,
    stop: &AtomicBool,
    written: &AtomicU64,
) -> Plain {
    let client = client(dsn).await;
    let keyrings: Vec<_> =
        secrets.iter().map(|secret| (secret, keyring(&target("secrets", "value"), secret))).collect();
    let mut dice = Dice::new("writer");
    // Beyond what a writer before it has inserted.
    let mut next = rows.keys().map(|id| id.parse().unwrap()).max().unwrap_or(0).max(first * 1000 + 1_000_000);
    while !stop.load(Ordering::Relaxed) {
        let ids: Vec<_> = rows.keys().cloned().collect();
        let id = ids.get(usize::try_from(dice.below(ids.len().max(1) as u64)).unwrap()).cloned();
        let (secret, keyring) = &keyrings[usize::try_from(dice.below(keyrings.len() as u64)).unwrap()];
        let text = format!("{secret} wrote {} in row {id:?}", written.load(Ordering::Relaxed));
        let value = encrypted(keyring, &text);
        match (dice.below(10), id) {
            (0, Some(id)) if ids.len() > 3 => {
                retried(&client, "DELETE FROM secrets WHERE id = $1", &[&number(&id)]).await;
                rows.remove(&id);
            }
            (1 | 2, _) | (_, None) => {
                next += 1;
                let insert = "INSERT INTO secrets (id, value) VALUES ($1, $2)";
                retried(&client, insert, &[&(next as i64), &value]).await;
                rows.insert(next.to_string(), text);
            }
            (_, Some(id)) => {
                retried(&client, "UPDATE secrets SET value = $2 WHERE id = $1", &[&number(&id), &value]).await;
                rows.insert(id, text);
            }
        }
        written.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(rest.mul_f64(dice.below(100) as f64 / 50.0)).await;
    }
    rows
}

/// An application repeats what a deadlock has undone.
async fn retried(client: &Client, statement: &str, parameters: &[&(dyn ToSql + Sync)]) {
    while let Err(error) = client.execute(statement, parameters).await {
        let code = error.code().map(|code| code.code().to_owned());
        assert!(matches!(code.as_deref(), Some("40P01" | "40001")), "{error}");
    }
}

fn number(id: &str) -> i64 {
    id.parse().unwrap()
}

pub(crate) async fn client(dsn: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(dsn, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
