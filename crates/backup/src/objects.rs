//! The objects of a backup that are uploaded in parts: under which name, compressed and sealed as the backup says.

use std::sync::Arc;

use lifeboat_core::Result;
use lifeboat_core::codec::{Compression, ObjectWriter};
use lifeboat_core::sealing::Sealing;
use lifeboat_core::store::layout::{self, BackupPath};
use lifeboat_core::store::{Parts, Writers};

/// Opens the writers of objects that are uploaded in parts.
#[derive(Clone)]
pub(crate) struct BackupObjects {
    pub(crate) writers: Writers,
    pub(crate) backup: BackupPath,
    pub(crate) part_bytes: usize,
    pub(crate) compression: Compression,
    pub(crate) sealing: Option<Arc<Sealing>>,
}

impl BackupObjects {
    /// The writer of the object called `name`, sealed or not.
    pub(crate) fn open(&self, name: &str) -> Result<ObjectWriter<Parts>> {
        let (name, sealer) = match &self.sealing {
            Some(sealing) => {
                let name = layout::sealed(name);
                let sealer = sealing.sealer(&name)?;
                (name, Some(sealer))
            }
            None => (name.to_owned(), None),
        };
        let sink = self.writers.object(self.backup.object(&name));
        Ok(ObjectWriter::new(sink, self.part_bytes, self.compression, sealer))
    }

    /// Gives up the object called `name`, whose writer was dropped unfinished.
    pub(crate) fn give_up(&self, name: &str) {
        let name = if self.sealing.is_some() { layout::sealed(name) } else { name.to_owned() };
        self.writers.give_up(self.backup.object(&name));
    }
}
