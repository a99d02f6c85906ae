//! Prints a backup's script, for `psql` or for reading.

use std::io::Write;
use std::sync::Arc;

use futures_util::StreamExt as _;
use lifeboat_core::codec::STEP_BYTES;
use lifeboat_core::monitor::{Counter, Monitor};
use lifeboat_core::store::Store;
use lifeboat_core::{Job, Kind, Result, ResultExt as _};
use tokio_util::sync::CancellationToken;

use super::proof::RangeProof;
use super::{BackupRef, find};

/// Writes the whole script to `out`, range by range; gives the number of bytes.
///
/// Rows are written before their range is proven: a reader must not act on the output of a call that failed.
///
/// # Errors
/// [`Kind::Integrity`] at the first range that is not what was stored; those of [`find`] and of `out`.
pub async fn cat(
    store: &Store,
    reference: &BackupRef,
    out: &mut (dyn Write + Send),
    cancel: CancellationToken,
    monitor: Arc<dyn Monitor>,
) -> Result<u64> {
    let job = Job::new(monitor, cancel);
    let archive = find(store, &job, reference).await?;
    job.expect(Counter::SqlBytes, archive.index.script_bytes);
    let mut written = 0;
    let mut write = |sql: &[u8]| {
        written += sql.len() as u64;
        job.count(Counter::SqlBytes, sql.len() as u64);
        out.write_all(sql).kind_of(Kind::Failure, || "write the script".into())
    };
    for range in &archive.index.ranges {
        let (name, bytes) = archive.locate(range);
        let mut proof = RangeProof::new(&archive, range);
        let mut blocks = std::pin::pin!(store.read(&job, &name, bytes));
        while let Some(block) = blocks.next().await {
            for step in block?.chunks(STEP_BYTES) {
                write(&proof.push(step)?)?;
            }
        }
        write(&proof.finish()?)?;
    }
    out.flush().kind_of(Kind::Failure, || "write the script".into())?;
    Ok(written)
}
