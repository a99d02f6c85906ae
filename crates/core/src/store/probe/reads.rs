//! Reading, listing and deleting.

use futures_util::TryStreamExt as _;
use object_store::path::Path;
use object_store::{Error as StoreError, GetOptions, ObjectMeta, ObjectStore as _, ObjectStoreExt as _};

use super::super::fault::{fatal, is_trouble, told};
use super::behaviour::answer;
use super::writes::{CONTENT, FIRST};
use super::{Answer, Behaviour, Run, ends_all};
use crate::error::Result;

impl Run<'_> {
    pub(super) async fn reads(&mut self) -> Result<()> {
        let first = self.folder.clone().join(FIRST);
        self.read(&first).await?;
        self.job.check()?;
        self.list(&first).await;
        self.job.check()?;
        self.delete(&first).await;
        Ok(())
    }

    async fn read(&mut self, first: &Path) -> Result<()> {
        let objects = &self.probe.store.objects;
        let got = objects.get_opts(first, GetOptions::new().with_range(Some(9..14))).await;
        let got = match got {
            Err(error) if ends_all(&error) && !self.was(Behaviour::Write, Answer::Ok) => {
                return Err(fatal(&error, &format!("read {first} from {}", self.probe.store.address)));
            }
            // Who may not write has nothing to read; to be told so is enough.
            Err(StoreError::NotFound { .. }) if !self.was(Behaviour::Write, Answer::Ok) => {
                self.found(Behaviour::Read, Answer::Ok, None);
                return Ok(());
            }
            got => got,
        };
        let Some(got) = self.note_read(got).await else { return Ok(()) };
        if !self.was(Behaviour::Write, Answer::Ok) {
            return Ok(());
        }
        let stale = match objects.put(first, CONTENT.slice(..CONTENT.len() - 1).into()).await {
            Ok(_) => objects.get_opts(first, GetOptions::new().with_if_match(Some(got))).await,
            // Nothing was replaced, so nothing can be noticed.
            Err(error) => {
                self.found(Behaviour::ReadIfMatch, Answer::Inconclusive, Some(told(&error)));
                return Ok(());
            }
        };
        match stale {
            Err(StoreError::Precondition { .. }) => self.found(Behaviour::ReadIfMatch, Answer::Ok, None),
            Ok(_) => self.found(Behaviour::ReadIfMatch, Answer::Ignored, None),
            Err(error) => self.found(Behaviour::ReadIfMatch, answer(&error), Some(told(&error))),
        }
        Ok(())
    }

    /// Notes whether the range came; gives the object's ETag.
    async fn note_read(&mut self, got: object_store::Result<object_store::GetResult>) -> Option<String> {
        let got = match got {
            Ok(got) => got,
            Err(error) => return self.note(Behaviour::Read, Err(error)),
        };
        let etag = got.meta.e_tag.clone();
        match got.bytes().await {
            Ok(bytes) if bytes == CONTENT.slice(9..14) => self.found(Behaviour::Read, Answer::Ok, None),
            Ok(_) => self.found(Behaviour::Read, Answer::Ignored, Some("another range came".to_owned())),
            Err(error) => return self.note(Behaviour::Read, Err(error)),
        }
        etag
    }

    async fn list(&mut self, first: &Path) {
        let objects = &self.probe.store.objects;
        let listed = objects.list(Some(&self.folder)).try_collect::<Vec<_>>().await;
        let Some(listed) = self.note_listed(listed) else { return };
        if listed.is_empty() {
            return;
        }
        let later = |found: &[ObjectMeta]| found.iter().filter(|meta| meta.location > *first).count();
        match objects.list_with_offset(Some(&self.folder), first).try_collect::<Vec<_>>().await {
            Ok(after) if after.len() == later(&after) && after.len() == later(&listed) => {
                self.found(Behaviour::ListAfter, Answer::Ok, None);
            }
            Ok(_) => self.found(Behaviour::ListAfter, Answer::Ignored, None),
            Err(error) => self.found(Behaviour::ListAfter, answer(&error), Some(told(&error))),
        }
    }

    fn note_listed(&mut self, listed: object_store::Result<Vec<ObjectMeta>>) -> Option<Vec<ObjectMeta>> {
        match listed {
            Ok(listed) if listed.is_empty() && self.was(Behaviour::Write, Answer::Ok) => {
                self.found(Behaviour::List, Answer::Ignored, Some("what was written is not listed".to_owned()));
                None
            }
            other => self.note(Behaviour::List, other),
        }
    }

    /// Who may not write tries it on a name that nobody has.
    async fn delete(&mut self, first: &Path) {
        let objects = &self.probe.store.objects;
        match objects.delete(first).await {
            Ok(()) => match objects.head(first).await {
                Ok(_) => self.found(Behaviour::Delete, Answer::Ignored, None),
                Err(error) if is_trouble(&error) => {
                    self.found(Behaviour::Delete, Answer::Inconclusive, Some(told(&error)));
                }
                // Who may not read has the store's word alone.
                Err(_) => self.found(Behaviour::Delete, Answer::Ok, None),
            },
            Err(StoreError::NotFound { .. }) if !self.was(Behaviour::Write, Answer::Ok) => {
                self.found(Behaviour::Delete, Answer::Ok, None);
            }
            Err(error) => {
                self.note::<()>(Behaviour::Delete, Err(error));
            }
        }
    }
}
