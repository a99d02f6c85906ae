//! Whole objects: whether they can be written, proven on the way, and kept from being replaced.

use bytes::Bytes;
use futures_util::future::join_all;
use object_store::path::Path;
use object_store::{
    Attribute, Attributes, Error as StoreError, GetOptions, ObjectStore, ObjectStoreExt as _, PutMode, PutOptions,
    PutPayload, PutResult,
};

use super::super::checksum::Checksum;
use super::super::fault::{fatal, told};
use super::behaviour::answer;
use super::{Answer, Behaviour, Run, ends_all};
use crate::error::Result;

impl Run<'_> {
    /// Gives whether the key may write.
    ///
    /// # Errors
    /// What stands in the way of every answer.
    pub(super) async fn writes(&mut self) -> Result<bool> {
        let store = &self.probe.store;
        let path = self.own(FIRST);
        let written = store.objects.put(&path, CONTENT.into()).await;
        self.wrote(&path, &written);
        if let Err(error) = &written
            && ends_all(error)
        {
            return Err(fatal(error, &format!("write {path} to {}", store.address)));
        }
        if self.note(Behaviour::Write, written).is_none() {
            return Ok(false);
        }
        self.job.check()?;
        self.proofs().await?;
        self.job.check()?;
        if self.probe.s3.is_some() {
            self.metadata().await;
        }
        self.conditions().await?;
        Ok(true)
    }

    async fn proofs(&mut self) -> Result<()> {
        let Some(s3) = &self.probe.s3 else { return Ok(()) };
        let path = self.own("signed");
        let sent = s3.tampered()?.put(&path, CONTENT.into()).await;
        self.tampered(&path, &sent);
        self.note_refusal(Behaviour::SignedPayload, sent);
        let kinds =
            [(Behaviour::ChecksumCrc64nvme, Checksum::Crc64Nvme), (Behaviour::ChecksumSha256, Checksum::Sha256)];
        for (behaviour, checksum) in kinds {
            let path = self.own(&checksum.to_string());
            let right = s3.summed(checksum, false)?.put(&path, CONTENT.into()).await;
            self.wrote(&path, &right);
            match right {
                Ok(_) => {
                    // By another name: a store that lets nothing be replaced looks at no bytes for it.
                    let path = self.own(&format!("{checksum}-changed"));
                    let sent = s3.summed(checksum, true)?.put(&path, CONTENT.into()).await;
                    self.tampered(&path, &sent);
                    self.note_refusal(behaviour, sent);
                }
                Err(error) => self.found(behaviour, answer(&error), Some(told(&error))),
            }
        }
        let path = self.own("unsigned");
        let sent = s3.unsigned()?.put(&path, CONTENT.into()).await;
        self.wrote(&path, &sent);
        self.note(Behaviour::UnsignedPayload, sent);
        Ok(())
    }

    /// Beside the bytes, in headers of the object.
    async fn metadata(&mut self) {
        let path = self.own("described");
        let objects = &self.probe.store.objects;
        let described = Attributes::from_iter([(Attribute::Metadata("lifeboat".into()), "kept")]);
        let options = PutOptions { attributes: described.clone(), ..PutOptions::default() };
        let sent = objects.put_opts(&path, CONTENT.into(), options).await;
        self.wrote(&path, &sent);
        let kept = match sent {
            Ok(_) => objects.get_opts(&path, GetOptions::new().with_head(true)).await,
            Err(error) => Err(error),
        };
        match kept {
            Ok(kept) if described.iter().all(|(name, value)| kept.attributes.get(name) == Some(value)) => {
                self.found(Behaviour::Metadata, Answer::Ok, None);
            }
            Ok(_) => self.found(Behaviour::Metadata, Answer::Ignored, None),
            Err(error) => self.found(Behaviour::Metadata, answer(&error), Some(told(&error))),
        }
    }

    async fn conditions(&mut self) -> Result<()> {
        let conditional;
        let objects: &dyn ObjectStore = match &self.probe.s3 {
            Some(s3) => {
                conditional = s3.conditional()?;
                &*conditional
            }
            None => &*self.probe.store.objects,
        };
        let path = self.own("created");
        let once = create(objects, &path, CONTENT).await;
        self.wrote(&path, &once);
        let twice = match once {
            Ok(_) => create(objects, &path, CONTENT).await,
            Err(error) => {
                // Nothing is there yet that could be kept.
                let answer = if is_kept(&error) { Answer::Inconclusive } else { answer(&error) };
                self.found(Behaviour::CreateOnly, answer, Some(told(&error)));
                return Ok(());
            }
        };
        match twice {
            Ok(_) => self.found(Behaviour::CreateOnly, Answer::Ignored, None),
            Err(error) if is_kept(&error) => {
                self.found(Behaviour::CreateOnly, Answer::Ok, None);
                self.race(objects).await;
            }
            Err(error) => self.found(Behaviour::CreateOnly, answer(&error), Some(told(&error))),
        }
        Ok(())
    }

    async fn race(&mut self, objects: &dyn ObjectStore) {
        let path = self.own("raced");
        let all = join_all((0..8).map(|_| create(objects, &path, CONTENT))).await;
        all.iter().for_each(|result| self.wrote(&path, result));
        let won = all.iter().filter(|result| result.is_ok()).count();
        let unclear = all.iter().filter_map(|result| result.as_ref().err()).find(|error| !is_kept(error));
        match (won, unclear) {
            (1, None) => self.found(Behaviour::CreateRace, Answer::Ok, None),
            (0 | 1, unclear) => self.found(Behaviour::CreateRace, Answer::Inconclusive, unclear.map(told)),
            (won, _) => {
                self.found(Behaviour::CreateRace, Answer::Ignored, Some(format!("{won} of 8 were told that they won")));
            }
        }
    }
}

async fn create(objects: &dyn ObjectStore, path: &Path, content: Bytes) -> object_store::Result<PutResult> {
    objects.put_opts(path, PutPayload::from_bytes(content), PutMode::Create.into()).await
}

/// Whether the object that was there stays. Amazon says 409 to those who come while another writes.
fn is_kept(error: &StoreError) -> bool {
    matches!(error, StoreError::AlreadyExists { .. } | StoreError::Precondition { .. })
}

/// The object that is read again.
pub(super) const FIRST: &str = "first";
pub(super) const CONTENT: Bytes = Bytes::from_static(b"Lifeboat looks what this store does; this may be deleted.\n");
