//! What lies beside the script: the schema archive, globals, index, catalog.

use std::fs::File;
use std::io::{PipeReader, Read as _, Write as _};
use std::sync::Arc;

use bytes::Bytes;
use lifeboat_core::codec::{Compression, ObjectWriter, PartSink, WrittenObject};
use lifeboat_core::manifest::StoredObject;
use lifeboat_core::monitor::Counter;
use lifeboat_core::sealing::Sealing;
use lifeboat_core::store::layout::{self, BackupPath};
use lifeboat_core::store::{Store, UploadOptions, Writers};
use lifeboat_core::{Job, Kind, Result, ResultExt};
use serde::Serialize;
use tokio::process::Command;

use crate::objects::BackupObjects;
use crate::tools::{ExitGate, run};

/// Where a backup's objects go.
#[derive(Clone)]
pub(super) struct Destination {
    pub(super) store: Store,
    pub(super) backup: BackupPath,
    pub(super) upload: UploadOptions,
    pub(super) chunk_bytes: u64,
    /// Of the script.
    pub(super) compression: Compression,
    pub(super) sealing: Option<Arc<Sealing>>,
}

impl Destination {
    /// Stores what a tool prints, as it is printed; and into the file `kept`, for tools that read it.
    pub(super) async fn tool_output(
        &self,
        job: &Job,
        command: Command,
        tool: &str,
        name: &str,
        writers: &Writers,
        kept: Option<File>,
    ) -> Result<StoredObject> {
        let objects = BackupObjects { compression: Compression::Gzip, ..self.objects(writers.clone()) };
        let (listening, name) = (job.clone(), name.to_owned());
        let stored = self.stored_name(&name);
        let compress = move |output, gate| compress(&listening, output, gate, objects.open(&name)?, kept);
        let object = run(job, command, tool, compress).await?;
        Ok(self.stored(stored, &object))
    }

    /// What opens the writers of the script's objects.
    pub(super) fn objects(&self, writers: Writers) -> BackupObjects {
        BackupObjects {
            writers,
            backup: self.backup.clone(),
            part_bytes: self.upload.part_bytes,
            compression: self.compression,
            sealing: self.sealing.clone(),
        }
    }

    /// Stores a document.
    pub(super) async fn json(&self, job: &Job, name: &str, document: &impl Serialize) -> Result<StoredObject> {
        let json = serde_json::to_vec(document).kind_of(Kind::Failure, || format!("write {name}"))?;
        self.text(job, name, &json).await
    }

    /// Stores a text.
    pub(super) async fn text(&self, job: &Job, name: &str, text: &[u8]) -> Result<StoredObject> {
        let name = self.stored_name(name);
        let (bytes, object) = self.whole(&name, text)?;
        self.store.put(job, &self.backup.object(&name), bytes).await?;
        Ok(self.stored(name, &object))
    }

    /// The name that an object bears in the backup's folder.
    pub(super) fn stored_name(&self, name: &str) -> String {
        if self.sealing.is_some() { layout::sealed(name) } else { name.to_owned() }
    }

    pub(super) fn stored(&self, name: String, object: &WrittenObject) -> StoredObject {
        let WrittenObject { length, sha256, seal, .. } = object;
        let part_bytes = self.upload.part_bytes as u64;
        StoredObject { name, length: *length, sha256: *sha256, part_bytes, seal: seal.clone() }
    }

    /// Apart from what awaits: the compressor must stay on its thread, and a backup's future must not.
    fn whole(&self, stored_name: &str, text: &[u8]) -> Result<(Bytes, WrittenObject)> {
        let sealer = self.sealing.as_ref().map(|sealing| sealing.sealer(stored_name)).transpose()?;
        let mut bytes = Whole::default();
        let mut writer = ObjectWriter::new(&mut bytes, usize::MAX, Compression::Gzip, sealer);
        writer.write(text)?;
        let object = writer.finish()?;
        Ok((bytes.0, object))
    }
}

/// The one part of a small object.
#[derive(Default)]
struct Whole(Bytes);

impl PartSink for &mut Whole {
    fn part(&mut self, bytes: Bytes, _: bool) -> Result<()> {
        self.0 = bytes;
        Ok(())
    }
}

fn compress<S: PartSink>(
    job: &Job,
    mut output: PipeReader,
    gate: ExitGate,
    mut writer: ObjectWriter<S>,
    mut kept: Option<File>,
) -> Result<WrittenObject> {
    let mut slice = vec![0; SLICE_BYTES];
    loop {
        let read = output.read(&mut slice).kind_of(Kind::Failure, || "read the output of a tool".into())?;
        if read == 0 {
            break;
        }
        writer.write(&slice[..read])?;
        if let Some(kept) = &mut kept {
            kept.write_all(&slice[..read])
                .kind_of(Kind::Failure, || "keep the schema archive for pg_restore".into())?;
        }
        // No byte of the script, but progress: a large schema is not a stall.
        job.count(Counter::SqlBytes, 0);
    }
    gate.wait()?;
    writer.finish()
}

const SLICE_BYTES: usize = 64 << 10;
