//! Prints a backup's script, for `psql` or for reading.

use std::io::Write;
use std::sync::Arc;

use lifeboat_core::index::{Content, Range};
use lifeboat_core::keys::OpenKeys;
use lifeboat_core::monitor::{Counter, Monitor};
use lifeboat_core::store::Store;
use lifeboat_core::{Error, Job, Kind, Result, ResultExt as _};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{Archive, BackupRef, find, or_instead};

/// Writes the whole script to `out`, range by range; gives the number of bytes.
///
/// Each range is proven before any of it is written, so that no reader is given damaged rows or rows that end early
/// because the backup does. A range too long for memory is read twice: once to prove it and once, proven again, to write
/// it. What fails between, such as the network, still leaves a script that is cut: a reader must not act on the output
/// of a call that failed.
///
/// `out` may block as long as it likes: the call ends when it is cancelled, and `out` is then left to its thread.
///
/// # Errors
/// [`Kind::Integrity`] at the first range that is not what was stored, with the name of a backup that could be used instead;
/// those of [`find`] and of `out`.
pub async fn cat(
    store: &Store,
    keys: &OpenKeys,
    reference: &BackupRef,
    out: impl Write + Send + 'static,
    cancel: CancellationToken,
    monitor: Arc<dyn Monitor>,
) -> Result<u64> {
    let job = Job::new(monitor, cancel);
    let archive = find(store, keys, &job, reference).await?;
    job.expect(Counter::SqlBytes, archive.index.script_bytes);
    let (pieces, to_write) = mpsc::channel(PIECES_AHEAD);
    let writer = tokio::task::spawn_blocking(move || write(out, to_write));
    let reader = Reader { store, job: &job, archive: &archive, pieces };
    let sent = job.run(reader.all()).await;
    let written = job.run(async { writer.await.kind_of(Kind::Failure, || WRITE.into())? }).await;
    let bytes = match (&sent, written) {
        (Err(damage), Err(_)) if damage.kind() == Kind::Integrity => 0,
        // A writer that failed is why no further piece could be sent.
        (_, written) => written?,
    };
    or_instead(store, &job, &archive.path, sent.map(|()| bytes)).await
}

/// Runs in a thread of its own, until no further piece comes.
fn write(mut out: impl Write, mut pieces: mpsc::Receiver<Vec<u8>>) -> Result<u64> {
    let mut written = 0;
    while let Some(sql) = pieces.blocking_recv() {
        out.write_all(&sql).kind_of(Kind::Failure, || WRITE.into())?;
        written += sql.len() as u64;
    }
    out.flush().kind_of(Kind::Failure, || WRITE.into())?;
    Ok(written)
}

struct Reader<'a> {
    store: &'a Store,
    job: &'a Job,
    archive: &'a Archive,
    pieces: mpsc::Sender<Vec<u8>>,
}

impl Reader<'_> {
    /// Hands over the whole script; drops the way to the writer at the end.
    async fn all(self) -> Result<()> {
        for range in &self.archive.index.ranges {
            if matches!(range.content, Content::Sql { .. }) || range.bytes.sql_bytes <= WHOLE_BYTES {
                self.hand_over(self.archive.read_whole(self.store, self.job, range).await?).await?;
            } else {
                self.pass(range, false).await?;
                self.pass(range, true).await?;
            }
        }
        Ok(())
    }

    /// Reads and proves a range, and hands it over as it comes if it is to be written.
    async fn pass(&self, range: &Range, to_write: bool) -> Result<()> {
        let mut blocks = self.archive.read_range(self.store, self.job, range)?;
        let mut proof = self.archive.proof(range);
        while let Some(block) = blocks.next().await? {
            let mut block = &block[..];
            while !block.is_empty() {
                let sql = proof.push(&mut block)?;
                if to_write {
                    self.hand_over(sql).await?;
                }
            }
        }
        let rest = proof.finish()?;
        if to_write { self.hand_over(rest).await } else { Ok(()) }
    }

    async fn hand_over(&self, sql: Vec<u8>) -> Result<()> {
        self.job.count(Counter::SqlBytes, sql.len() as u64);
        self.pieces.send(sql).await.map_err(|_| Error::new(Kind::Failure, WRITE))
    }
}

const WRITE: &str = "write the script";
const PIECES_AHEAD: usize = 2;
const WHOLE_BYTES: u64 = 8 << 20;
