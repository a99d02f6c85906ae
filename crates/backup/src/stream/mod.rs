//! The method `stream`: one plain `pg_dump`, indexed and fingerprinted from its own output. The other method has the pieces of
//! its script that tools print indexed here too.

mod cuts;
mod dumps;
mod foreign;
mod handoff;
mod indexer;
mod outline;
mod output;
mod vet;

use std::io::{PipeReader, Read as _};

use lifeboat_core::codec::ObjectWriter;
use lifeboat_core::job::cancelled;
use lifeboat_core::monitor::Counter;
use lifeboat_core::store::layout::Piece;
use lifeboat_core::store::{Parts, UploadOptions};
use lifeboat_core::{Error, Job, Kind, Result, ResultExt};
use tokio::process::Command;

use cuts::Cuts;
pub(crate) use foreign::{index as index_foreign, keep as keep_foreign};
use handoff::{Giver, Taker, handoff};
use indexer::Indexer;
use outline::Outline;
pub(crate) use outline::{CopiedRelation, Script, SetSequence};
use output::{Objects, ScriptWriter, Written};
pub(crate) use vet::{Vetted, of_cluster};

use crate::objects::BackupObjects;
use crate::tools::{ExitGate, run};

/// Runs `tool`, which prints a `piece` of the script, and writes that as objects of the backup.
///
/// # Errors
/// [`Kind::Integrity`] when its output is not complete; those of the tool and of the store.
pub(crate) async fn dump(
    job: &Job,
    command: Command,
    tool: &str,
    piece: Piece,
    objects: BackupObjects,
    upload: &UploadOptions,
    chunk_bytes: u64,
) -> Result<Script> {
    let cuts = Cuts {
        part_bytes: upload.part_bytes,
        parts_max: upload.parts_max,
        chunk_bytes,
        sql_range_bytes: SQL_RANGE_BYTES,
        piece,
        compression: objects.compression,
    };
    let counting = job.clone();
    run(job, command, tool, move |output, gate| index(&counting, output, gate, objects, cuts)).await
}

/// Reads on this thread and compresses on another.
fn index(job: &Job, output: PipeReader, gate: ExitGate, objects: BackupObjects, cuts: Cuts) -> Result<Script> {
    let (giver, taker) = handoff();
    std::thread::scope(|scope| {
        let writing = scope.spawn(|| write(taker, objects, cuts.piece));
        let outline = read(job, output, gate, Indexer::new(giver, cuts));
        let written = writing.join().map_err(|_| Error::new(Kind::Failure, "compress: the thread panicked"))?;
        // What ended the writer ended the reader.
        match (outline, written?) {
            (Ok(outline), Some(written)) => Ok(outline.at(written)),
            (Err(error), _) => Err(error),
            (Ok(_), None) => Err(cancelled()),
        }
    })
}

fn read(job: &Job, mut output: PipeReader, gate: ExitGate, indexer: Result<Indexer<Giver>>) -> Result<Outline> {
    let mut indexer = indexer?;
    let mut slice = vec![0; SLICE_BYTES];
    loop {
        let read = output.read(&mut slice).kind_of(Kind::Failure, || "read the script that a tool prints".into())?;
        if read == 0 {
            break;
        }
        let rows = indexer.rows();
        indexer.push(&slice[..read])?;
        job.count(Counter::SqlBytes, read as u64);
        job.count(Counter::Rows, indexer.rows() - rows);
    }
    // How pg_dump ended says more about a cut script than the place where it was cut.
    let ended = indexer.end();
    gate.wait()?;
    let (outline, giver) = ended?;
    giver.finish()?;
    Ok(outline)
}

/// `None` when the script was given up: its last object is then never completed.
fn write(taker: Taker, objects: BackupObjects, piece: Piece) -> Result<Option<Written>> {
    let first = piece.object(0, objects.compression);
    let mut writer = ScriptWriter::new(objects, first)?;
    if taker.apply(&mut writer)? { writer.finish().map(Some) } else { Ok(None) }
}

impl Objects for BackupObjects {
    type Sink = Parts;

    fn open(&mut self, name: &str) -> Result<ObjectWriter<Parts>> {
        Self::open(self, name)
    }
}

/// Most memory that the script takes between its two threads.
pub(crate) const HANDOFF_BYTES: usize = handoff::BATCHES * handoff::BATCH_BYTES;
const SQL_RANGE_BYTES: u64 = 4 << 20;
const SLICE_BYTES: usize = 256 << 10;
