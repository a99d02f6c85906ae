//! What stays of a deleted object in a bucket that keeps versions, as those of B2 do unless told otherwise.

use std::time::Duration;

use super::clients::S3Clients;
use super::writes::FIRST;
use super::{Answer, Behaviour, Run};
use crate::error::Result;
use crate::store::fault::told;
use crate::store::s3::{Requests, Version, versions};

impl Run<'_> {
    /// Looks at the object that was deleted before.
    pub(super) async fn versions(&mut self) -> Result<()> {
        let Some(requests) = self.probe.s3.as_ref().map(S3Clients::requests) else { return Ok(()) };
        if !self.was(Behaviour::Write, Answer::Ok) || !self.was(Behaviour::Delete, Answer::Ok) {
            return Ok(());
        }
        self.job.check()?;
        let first = self.own(FIRST);
        let Some(hidden) = self.hidden(&requests).await else { return Ok(()) };
        let Some(hidden) = hidden.into_iter().find(|version| !version.is_mark && names(version, FIRST)) else {
            self.found(Behaviour::DeleteFrees, Answer::Ok, None);
            return Ok(());
        };
        self.found(Behaviour::DeleteFrees, Answer::Ignored, Some("its old version is still listed".to_owned()));
        match requests.delete_version(&first, &hidden.id).await {
            Ok(said) if (200..300).contains(&said.status) => self.note_deleted(&requests, &hidden).await,
            other => self.bucket_said(Behaviour::DeleteVersion, other),
        }
        Ok(())
    }

    /// Versions of the probe's own objects, where the store tells them.
    async fn hidden(&mut self, requests: &Requests) -> Option<Vec<Version>> {
        let said = requests.ask_versions(&format!("{}/", self.folder)).await;
        match said {
            Ok(said) if said.status == 200 => {
                let listed = versions(&said);
                if listed.is_none() {
                    let detail = Some("the question was taken for another one".to_owned());
                    self.found(Behaviour::DeleteFrees, Answer::Unsupported, detail);
                }
                listed
            }
            other => {
                self.bucket_said(Behaviour::DeleteFrees, other);
                None
            }
        }
    }

    async fn note_deleted(&mut self, requests: &Requests, version: &Version) {
        match requests.ask_versions(&format!("{}/", self.folder)).await {
            Ok(said) => match versions(&said) {
                Some(rest) if rest.contains(version) => self.found(Behaviour::DeleteVersion, Answer::Ignored, None),
                Some(_) => self.found(Behaviour::DeleteVersion, Answer::Ok, None),
                None => self.found(Behaviour::DeleteVersion, Answer::Inconclusive, None),
            },
            Err(error) => self.found(Behaviour::DeleteVersion, Answer::Inconclusive, Some(told(&error))),
        }
    }

    /// Takes away the old versions of what was deleted; gives whether some stay.
    pub(super) async fn clean_versions(&self) -> bool {
        let Some(s3) = &self.probe.s3 else { return false };
        if !self.was(Behaviour::DeleteFrees, Answer::Ignored) {
            return false;
        }
        let gone = self.was(Behaviour::DeleteVersion, Answer::Ok)
            && tokio::time::timeout(CLEAN_UP, self.delete_versions(&s3.requests())).await.unwrap_or(false);
        !gone
    }

    async fn delete_versions(&self, requests: &Requests) -> bool {
        let listed = requests.ask_versions(&format!("{}/", self.folder)).await.ok();
        let Some(listed) = listed.as_ref().and_then(versions) else { return false };
        let mut all_gone = true;
        for version in listed {
            let Some(name) = version.key.rsplit('/').next() else { continue };
            let said = requests.delete_version(&self.own(name), &version.id).await;
            all_gone &= said.is_ok_and(|said| (200..300).contains(&said.status));
        }
        all_gone
    }
}

/// Whether it is of the probe's object of this name.
fn names(version: &Version, name: &str) -> bool {
    version.key.rsplit('/').next() == Some(name)
}

const CLEAN_UP: Duration = Duration::from_secs(30);
