//! Ways of writing many new values, each beside the others: the same values, one session, batches of 5,000.

use std::pin::pin;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::SinkExt as _;
use futures_util::future::try_join_all;
use lifeboat_core::Result;
use lifeboat_rotate::columns::Outcome;

use super::line;
use super::scene::{Scene, failed, keyring_both};

const BATCH: usize = 5000;

/// A row, its value, and what it becomes.
type Change = (i64, String, String);

/// What scripts do: read a row, write it, commit, the next one.
pub(crate) async fn row_by_row(scene: &Scene, rows: u64) -> Result<Duration> {
    scene.fresh().await?;
    let keyring = keyring_both()?;
    let (client, began) = (&scene.client, Instant::now());
    let read = client.prepare("SELECT value FROM secrets WHERE id = $1").await.map_err(failed)?;
    let write = client.prepare("UPDATE secrets SET value = $3 WHERE id = $1 AND value = $2").await.map_err(failed)?;
    for id in 0..i64::try_from(rows).unwrap_or_default() {
        let old: String = client.query_one(&read, &[&id]).await.map_err(failed)?.get(0);
        if let Outcome::Rotated(new) = keyring.reencrypt(&[Some(old.as_bytes())], b"")? {
            let new = new.text().unwrap_or_default();
            client.execute(&write, &[&id, &old, &new]).await.map_err(failed)?;
        }
    }
    Ok(began.elapsed())
}

/// Measures each way on the first values of the table, re-encrypted before.
pub(crate) async fn compare(scene: &Scene) -> Result<()> {
    let changes = changes(scene, scene.rows.min(200_000)).await?;
    let count = changes.len() as u64;
    scene.fresh().await?;
    let time = timed_batches(&changes, async |batch| by_unnest(scene, batch, false).await).await?;
    line("writing by `unnest`, found by key", count, time);
    scene.fresh().await?;
    let time = timed_batches(&changes, async |batch| by_unnest(scene, batch, true).await).await?;
    line("writing by `unnest`, found by place", count, time);
    scene.fresh().await?;
    scene.sql("CREATE TEMPORARY TABLE change (id bigint, old text, new text)").await?;
    let time = timed_batches(&changes, async |batch| by_copy(scene, batch).await).await?;
    line("writing by `COPY` to a temporary table", count, time);
    scene.sql("DROP TABLE change").await?;
    scene.fresh().await?;
    let time = timed_batches(&changes, async |batch| pipelined(scene, batch).await).await?;
    line("writing one by one, pipelined, a commit for each batch", count, time);
    Ok(())
}

async fn timed_batches(changes: &[Change], write: impl AsyncFn(&[Change]) -> Result<()>) -> Result<Duration> {
    let began = Instant::now();
    for batch in changes.chunks(BATCH) {
        write(batch).await?;
    }
    Ok(began.elapsed())
}

async fn changes(scene: &Scene, rows: u64) -> Result<Vec<Change>> {
    scene.fresh().await?;
    let keyring = keyring_both()?;
    let rows = i64::try_from(rows).unwrap_or(i64::MAX);
    let read = "SELECT id, value FROM secrets WHERE id < $1 ORDER BY id";
    let mut changes = Vec::new();
    for row in scene.client.query(read, &[&rows]).await.map_err(failed)? {
        let (id, old): (i64, String) = (row.get(0), row.get(1));
        if let Outcome::Rotated(new) = keyring.reencrypt(&[Some(old.as_bytes())], b"")? {
            changes.push((id, old, new.text().unwrap_or_default().to_owned()));
        }
    }
    Ok(changes)
}

async fn by_unnest(scene: &Scene, batch: &[Change], by_place: bool) -> Result<()> {
    let ids: Vec<_> = batch.iter().map(|(id, ..)| *id).collect();
    let old: Vec<_> = batch.iter().map(|(_, old, _)| old.as_str()).collect();
    let new: Vec<_> = batch.iter().map(|(_, _, new)| new.as_str()).collect();
    let client = &scene.client;
    if !by_place {
        let sql = "UPDATE secrets t SET value = u.new FROM unnest($1::bigint[], $2::text[], $3::text[]) AS u (id, old, new) \
                   WHERE t.id = u.id AND t.value = u.old RETURNING t.id";
        client.query(sql, &[&ids, &old, &new]).await.map_err(failed)?;
        return Ok(());
    }
    let places = client.query("SELECT ctid::text FROM secrets WHERE id = ANY ($1) ORDER BY id", &[&ids]).await;
    let places: Vec<String> = places.map_err(failed)?.iter().map(|row| row.get(0)).collect();
    let sql = "UPDATE secrets t SET value = u.new FROM unnest($1::text[]::tid[], $2::text[], $3::text[]) AS u (place, old, new) \
               WHERE t.ctid = u.place AND t.value = u.old RETURNING t.id";
    client.query(sql, &[&places, &old, &new]).await.map_err(failed)?;
    Ok(())
}

async fn by_copy(scene: &Scene, batch: &[Change]) -> Result<()> {
    scene.sql("BEGIN; TRUNCATE change").await?;
    let copied = scene.client.copy_in("COPY change FROM stdin").await.map_err(failed)?;
    let mut sink = pin!(copied);
    let mut text = String::new();
    for (id, old, new) in batch {
        text.push_str(&format!("{id}\t{old}\t{new}\n"));
    }
    sink.send(Bytes::from(text)).await.map_err(failed)?;
    sink.finish().await.map_err(failed)?;
    let sql = "UPDATE secrets t SET value = u.new FROM change u WHERE t.id = u.id AND t.value = u.old RETURNING t.id";
    scene.client.query(sql, &[]).await.map_err(failed)?;
    scene.sql("COMMIT").await
}

async fn pipelined(scene: &Scene, batch: &[Change]) -> Result<()> {
    let write = "UPDATE secrets SET value = $3 WHERE id = $1 AND value = $2";
    let write = scene.client.prepare(write).await.map_err(failed)?;
    scene.sql("BEGIN").await?;
    let all = batch.iter().map(async |(id, old, new)| scene.client.execute(&write, &[id, old, new]).await);
    try_join_all(all).await.map_err(failed)?;
    scene.sql("COMMIT").await
}
