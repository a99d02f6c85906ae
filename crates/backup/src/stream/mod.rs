//! The method `stream`: one plain `pg_dump`, indexed and fingerprinted from its own output.

mod indexer;

use std::io::{PipeReader, Read as _};

use lifeboat_core::monitor::Counter;
use lifeboat_core::store::layout::BackupPath;
use lifeboat_core::store::{Parts, UploadOptions, Writers};
use lifeboat_core::{Job, Kind, Result, ResultExt};
use tokio::process::Command;

pub(crate) use indexer::{CopiedRelation, Script, SetSequence};
use indexer::{Cuts, Indexer, Objects};

use crate::tools::{ExitGate, run};

/// Runs `pg_dump`, already told its snapshot, and writes its script as objects of the backup.
///
/// # Errors
/// [`Kind::Integrity`] when its output is not a complete dump; those of the tool and of the store.
pub(crate) async fn dump(
    job: &Job,
    pg_dump: Command,
    writers: Writers,
    backup: BackupPath,
    upload: &UploadOptions,
    chunk_bytes: u64,
) -> Result<Script> {
    let cuts = Cuts {
        part_bytes: upload.part_bytes,
        parts_max: upload.parts_max,
        chunk_bytes,
        sql_range_bytes: SQL_RANGE_BYTES,
    };
    let objects = StoredObjects { writers, backup };
    let counting = job.clone();
    run(job, pg_dump, "pg_dump", move |output, gate| index(&counting, output, gate, objects, cuts)).await
}

fn index(job: &Job, mut output: PipeReader, gate: ExitGate, objects: StoredObjects, cuts: Cuts) -> Result<Script> {
    let mut indexer = Indexer::new(objects, cuts)?;
    let mut slice = vec![0; SLICE_BYTES];
    loop {
        let read = output.read(&mut slice).kind_of(Kind::Failure, || "read the output of pg_dump".into())?;
        if read == 0 {
            break;
        }
        indexer.push(&slice[..read])?;
        job.count(Counter::SqlBytes, read as u64);
    }
    // How pg_dump ended says more about a cut script than the place where it was cut.
    let ended = indexer.end();
    gate.wait()?;
    ended?.finish()
}

struct StoredObjects {
    writers: Writers,
    backup: BackupPath,
}

impl Objects for StoredObjects {
    type Sink = Parts;

    fn open(&mut self, name: &str) -> Parts {
        self.writers.object(self.backup.object(name))
    }
}

const SQL_RANGE_BYTES: u64 = 4 << 20;
const SLICE_BYTES: usize = 256 << 10;
