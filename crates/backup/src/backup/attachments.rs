//! What lies beside the script: the schema archive, globals, index, catalog.

use std::io::{PipeReader, Read as _};

use bytes::Bytes;
use lifeboat_core::codec::{Gzip, ObjectWriter, PartSink, Sha256};
use lifeboat_core::manifest::StoredObject;
use lifeboat_core::monitor::Counter;
use lifeboat_core::store::layout::BackupPath;
use lifeboat_core::store::{Store, UploadOptions, Writers};
use lifeboat_core::{Job, Kind, Result, ResultExt};
use serde::Serialize;
use tokio::process::Command;

use crate::tools::{ExitGate, run};

/// Where a backup's objects go.
#[derive(Clone)]
pub(super) struct Destination {
    pub(super) store: Store,
    pub(super) backup: BackupPath,
    pub(super) upload: UploadOptions,
    pub(super) chunk_bytes: u64,
}

impl Destination {
    /// Stores what a tool prints, as it is printed.
    pub(super) async fn tool_output(
        &self,
        job: &Job,
        command: Command,
        tool: &str,
        name: &str,
        writers: &Writers,
    ) -> Result<StoredObject> {
        let parts = writers.object(self.backup.object(name));
        let part_bytes = self.upload.part_bytes;
        let listening = job.clone();
        let compress = move |output, gate| compress(&listening, output, gate, ObjectWriter::new(parts, part_bytes));
        let object = run(job, command, tool, compress).await?;
        Ok(self.stored(name, object.length, object.sha256))
    }

    /// Stores a document.
    pub(super) async fn json(&self, job: &Job, name: &str, document: &impl Serialize) -> Result<StoredObject> {
        let json = serde_json::to_vec(document).kind_of(Kind::Failure, || format!("write {name}"))?;
        self.text(job, name, &json).await
    }

    /// Stores a text.
    pub(super) async fn text(&self, job: &Job, name: &str, text: &[u8]) -> Result<StoredObject> {
        let bytes = member(text)?;
        let stored = self.stored(name, bytes.len() as u64, Sha256::of(&bytes));
        self.store.put(job, &self.backup.object(name), bytes).await?;
        Ok(stored)
    }

    pub(super) fn stored(&self, name: &str, length: u64, sha256: Sha256) -> StoredObject {
        StoredObject { name: name.to_owned(), length, sha256, part_bytes: self.upload.part_bytes as u64 }
    }
}

/// Apart from what awaits: the compressor must stay on its thread, and a backup's future must not.
fn member(text: &[u8]) -> Result<Bytes> {
    let mut gzip = Gzip::new();
    gzip.write(text)?;
    gzip.end_member()?;
    Ok(Bytes::from(std::mem::take(gzip.output())))
}

fn compress<S: PartSink>(
    job: &Job,
    mut output: PipeReader,
    gate: ExitGate,
    mut writer: ObjectWriter<S>,
) -> Result<lifeboat_core::codec::WrittenObject> {
    let mut slice = vec![0; SLICE_BYTES];
    loop {
        let read = output.read(&mut slice).kind_of(Kind::Failure, || "read the output of a tool".into())?;
        if read == 0 {
            break;
        }
        writer.write(&slice[..read])?;
        // No byte of the script, but progress: a large schema is not a stall.
        job.count(Counter::SqlBytes, 0);
    }
    gate.wait()?;
    writer.finish()
}

const SLICE_BYTES: usize = 64 << 10;
