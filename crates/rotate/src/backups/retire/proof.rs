//! Whether a backup opens without the wrap that would be deleted.

use jiff::Timestamp;
use lifeboat_core::keys::{KeyId, OpenKeys};
use lifeboat_core::{Error, Job, Kind, Result};

use super::super::folder::{Folder, State};
use super::RetireOptions;

/// What retiring means for one folder.
pub(super) enum Judged {
    Delete {
        kept: KeyId,
        proven: bool,
    },
    NotUnderKey,
    Unencrypted,
    /// Given up before it became a backup.
    Orphan,
}

/// Judges folders. `others` are our keys without the one that goes.
pub(super) struct Judge<'a> {
    pub(super) others: OpenKeys,
    pub(super) options: &'a RetireOptions,
    pub(super) now: Timestamp,
    pub(super) job: &'a Job,
}

impl Judge<'_> {
    /// An error is what stands against deleting the wrap.
    pub(super) async fn folder(&self, folder: &Folder<'_>) -> Result<Judged> {
        match folder.state() {
            State::Unencrypted => Ok(Judged::Unencrypted),
            _ if !folder.has_wrap(&self.options.key) => Ok(Judged::NotUnderKey),
            State::Unfinished if folder.is_young(self.now) => Err(in_flight(folder, self.options)),
            State::Unfinished => Ok(Judged::Orphan),
            State::Sealed => self.sealed(folder).await,
        }
    }

    async fn sealed(&self, folder: &Folder<'_>) -> Result<Judged> {
        let mut remaining = folder.wraps();
        remaining.retain(|id| *id != self.options.key);
        let ours = self.others.keys.iter().any(|key| remaining.contains(key.id()));
        match remaining.first() {
            None => Err(only_wrap(folder, self.options)),
            Some(_) if ours => self.proven(folder).await,
            Some(kept) if self.options.force => Ok(Judged::Delete { kept: kept.clone(), proven: false }),
            Some(_) => Err(unproven(folder, &remaining)),
        }
    }

    /// One of the other wraps must open to what the MAC proves.
    async fn proven(&self, folder: &Folder<'_>) -> Result<Judged> {
        let proof = folder.proof(self.job).await?;
        let mut failure = None;
        for key in self.others.keys.iter().filter(|key| folder.has_wrap(key.id())) {
            let opened = async {
                let data_key = key.unwrap(&folder.wrap(self.job, key.id()).await?).await?;
                proof.check(&folder.owner, &data_key)
            };
            match opened.await {
                Ok(()) => return Ok(Judged::Delete { kept: key.id().clone(), proven: true }),
                Err(error) => _ = failure.get_or_insert(error),
            }
        }
        let why = failure.unwrap_or_else(|| Error::new(Kind::WrongKey, "open another wrap"));
        Err(why.while_doing(format!("prove that {} opens without the wrap under {}", folder.owner, self.options.key)))
    }
}

fn only_wrap(folder: &Folder<'_>, options: &RetireOptions) -> Error {
    Error::new(Kind::Policy, format!("delete the wrap of {}: it has no other", folder.owner))
        .hint(format!("first give it one: `lifeboat rotate backups rewrap --from {}`", options.key))
}

fn unproven(folder: &Folder<'_>, remaining: &[KeyId]) -> Error {
    let ids: Vec<_> = remaining.iter().map(KeyId::as_str).collect();
    let doing = format!("prove that {} opens without it: no key of ours opens {}", folder.owner, ids.join(", "));
    Error::new(Kind::Policy, doing).hint(
        "give a keyring that holds one of these keys (--allow-retired counts retired ones); --force trusts wraps unseen",
    )
}

fn in_flight(folder: &Folder<'_>, options: &RetireOptions) -> Error {
    let doing = format!("delete the wrap of {}: it may still be under way, sealed under {}", folder.owner, options.key);
    Error::new(Kind::Policy, doing)
        .hint("wait for that run to end, then rewrap and retire; --force leaves this one alone and retires the rest")
}
