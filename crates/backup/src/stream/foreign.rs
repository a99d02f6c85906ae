//! Scripts that come out of foreign files: indexed as one's own, or kept as they are for psql.

use lifeboat_core::index::{Content, Section};
use lifeboat_core::monitor::Counter;
use lifeboat_core::store::UploadOptions;
use lifeboat_core::store::layout::Piece;
use lifeboat_core::{Error, Job, Kind, Result};

use super::cuts::Cuts;
use super::dumps::Dumps;
use super::indexer::Indexer;
use super::outline::{Outline, Script};
use super::output::Output as _;
use super::{BackupObjects, Giver, SLICE_BYTES, SQL_RANGE_BYTES, handoff, write};
use crate::foreign::Flow;

/// Writes a script as objects of a backup, and indexes it. Blocks: to be called on a thread of its own.
///
/// # Errors
/// [`Kind::Integrity`] when the script is not complete; [`Kind::Policy`] for a statement that a dump of one database does not have;
/// those of the flow and of the store.
pub(crate) fn index(
    job: &Job,
    sql: &mut dyn Flow,
    objects: BackupObjects,
    upload: &UploadOptions,
    chunk_bytes: u64,
) -> Result<Script> {
    let cuts = Cuts {
        part_bytes: upload.part_bytes,
        parts_max: upload.parts_max,
        chunk_bytes,
        sql_range_bytes: SQL_RANGE_BYTES,
        piece: Piece::Dump,
        compression: objects.compression,
    };
    beside_the_writer(objects, |giver| {
        let (mut indexer, mut dumps) = (Indexer::foreign(giver, cuts), Dumps::default());
        let mut slice = vec![0; SLICE_BYTES];
        loop {
            job.check()?;
            let read = sql.read(&mut slice)?;
            if read == 0 {
                let (outline, giver) = indexer.end()?;
                dumps.end()?;
                giver.finish()?;
                return Ok(outline);
            }
            dumps.push(&slice[..read]);
            let rows = indexer.rows();
            indexer.push(&slice[..read])?;
            job.count(Counter::SqlBytes, read as u64);
            job.count(Counter::Rows, indexer.rows() - rows);
        }
    })
}

/// Writes a script as objects of a backup, without a look at its statements: for psql, which reads it as it is.
///
/// # Errors
/// [`Kind::Integrity`] when pg_dump has begun it and not ended it; those of the flow and of the store.
pub(crate) fn keep(job: &Job, sql: &mut dyn Flow, objects: BackupObjects) -> Result<Script> {
    beside_the_writer(objects, |mut giver| {
        let (mut outline, mut slice, mut range_bytes) = (Outline::default(), vec![0; SLICE_BYTES], 0);
        let mut dumps = Dumps::default();
        loop {
            job.check()?;
            let read = sql.read(&mut slice)?;
            if range_bytes > 0 && (read == 0 || range_bytes >= SQL_RANGE_BYTES) {
                giver.end_range()?;
                outline.contents.push(Content::Sql { section: Section::PreData, only_copy: false });
                range_bytes = 0;
            }
            if read == 0 {
                dumps.end()?;
                giver.finish()?;
                return Ok(outline);
            }
            dumps.push(&slice[..read]);
            giver.write(&slice[..read])?;
            range_bytes += read as u64;
            job.count(Counter::SqlBytes, read as u64);
        }
    })
}

/// Reads on this thread and compresses on another.
fn beside_the_writer(objects: BackupObjects, read: impl FnOnce(Giver) -> Result<Outline>) -> Result<Script> {
    let (giver, taker) = handoff();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| write(taker, objects, Piece::Dump));
        let outline = read(giver);
        let written = writing.join().map_err(|_| Error::new(Kind::Failure, "compress: the thread panicked"))?;
        // What ended the writer ended the reader.
        match (outline, written?) {
            (Ok(outline), Some(written)) => Ok(outline.at(written)),
            (Err(error), _) => Err(error),
            (Ok(_), None) => Err(lifeboat_core::job::cancelled()),
        }
    })
}
